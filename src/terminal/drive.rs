//! The loop. Generic over the screen and the source of events, so that tests drive this very code.

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::{Stream, StreamExt};
use ratatui::{
    Terminal,
    backend::Backend,
    buffer::Buffer,
    layout::{Rect, Size},
};
use tokio::time::{self, Instant, MissedTickBehavior};

use super::{Exit, Options, TerminalError, input};
use crate::{
    api::{Command, EngineHandle, Snapshot},
    app::{self, AppEvent, Effect, Leave, State, update},
    views,
};

/// What the loop needs of a terminal.
pub trait Screen {
    fn size(&self) -> io::Result<Size>;
    /// Brings the picture to the screen, in as few bytes as it takes.
    fn present(&mut self, picture: &Buffer) -> io::Result<()>;
    fn capture_mouse(&mut self, on: bool) -> io::Result<()>;
    fn to_clipboard(&mut self, text: &str) -> io::Result<()>;
    fn notify(&mut self, text: Option<&str>, bell: bool) -> io::Result<()>;
    /// Gives the terminal back and stops the process.
    fn suspend(&mut self) -> io::Result<()>;
    /// Takes the terminal again, whatever happened to it meanwhile; the next picture is painted whole.
    fn resume(&mut self) -> io::Result<()>;
}

/// Hands a finished picture to a ratatui terminal, which sends the difference.
pub fn copy<B: Backend<Error = io::Error>>(terminal: &mut Terminal<B>, picture: &Buffer) -> io::Result<()> {
    terminal.draw(|frame| {
        let buffer = frame.buffer_mut();
        // Resized since the picture was made: the event that is on its way brings one that fits.
        if buffer.area == picture.area {
            buffer.content.clone_from(&picture.content);
        }
    })?;
    Ok(())
}

/// What the outside world brings, besides the engine.
#[derive(Debug)]
pub enum Occurrence {
    Terminal(crossterm::event::Event),
    /// SIGINT from outside; the key Ctrl-C arrives as a key.
    Interrupt,
    /// SIGTSTP.
    Stop,
    /// SIGCONT.
    Continue,
    /// A signal that ends the program.
    End {
        signal: i32,
    },
    Panicked {
        thread: String,
        message: String,
    },
    /// The terminal can no longer be read.
    Lost(io::Error),
}

/// Runs the interface on `screen` until it ends. Cancel-safe only as a whole.
///
/// # Errors
/// As [`super::run`].
pub async fn drive(
    screen: &mut impl Screen,
    inputs: impl Stream<Item = Occurrence> + Unpin,
    handle: EngineHandle,
    options: Options,
) -> Result<Exit, TerminalError> {
    let EngineHandle { commands, mut events, mut snapshot } = handle;
    let size = app_size(screen.size().map_err(TerminalError::at("measure"))?);
    let first: Arc<Snapshot> = Arc::clone(&snapshot.borrow_and_update());
    let mut state = State::new(options.look, size, unix_ms(), first);
    state.mouse = options.mouse;
    state.notifier.by = options.notify;
    let mut pictures = Pictures::new(options.low_bandwidth);
    let mut outbox: VecDeque<Command> = VecDeque::new();
    let mut clock = time::interval_at(Instant::now() + Duration::from_secs(1), Duration::from_secs(1));
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut inputs = inputs.fuse();
    let mut suspended = false;
    let mut engine_publishes = true;

    loop {
        let due = pictures.due();
        // The order of arms is the order of urgency; within one arm events keep theirs. The clock of pictures comes
        // last, so a burst costs one picture, and `overdue` below keeps an endless burst from hiding the screen.
        let event = tokio::select! {
            biased;
            Some(occurrence) = inputs.next() => match occurrence {
                Occurrence::Terminal(event) => input::convert(event),
                Occurrence::Interrupt => Some(AppEvent::Interrupt),
                Occurrence::Stop => {
                    suspended = true;
                    screen.suspend().map_err(TerminalError::at("give back"))?;
                    None
                }
                Occurrence::Continue => {
                    suspended = false;
                    screen.resume().map_err(TerminalError::at("take back"))?;
                    pictures.forget();
                    None
                }
                Occurrence::End { signal } => {
                    // Best effort: the owner of the engine shuts it down when we return.
                    let _ = commands.try_send(Command::Shutdown);
                    return Ok(Exit::Signal(signal));
                }
                Occurrence::Panicked { thread, message } => {
                    let _ = commands.try_send(Command::Shutdown);
                    return Err(TerminalError::Panicked { thread, message });
                }
                Occurrence::Lost(source) => {
                    let _ = commands.try_send(Command::Shutdown);
                    return Err(TerminalError::Terminal { what: "read from", source });
                }
            },
            event = events.recv() => match event {
                Some(event) => Some(AppEvent::Engine(event)),
                None => return Err(TerminalError::EngineGone),
            },
            changed = snapshot.changed(), if engine_publishes => match changed {
                Ok(()) => Some(AppEvent::Snapshot(Arc::clone(&snapshot.borrow_and_update()))),
                // No more numbers; the end itself is told by `events`.
                Err(_) => {
                    engine_publishes = false;
                    None
                }
            },
            permit = commands.reserve(), if !outbox.is_empty() => {
                if let (Ok(permit), Some(command)) = (permit, outbox.pop_front()) {
                    permit.send(command);
                } else {
                    outbox.clear();
                }
                None
            }
            _ = clock.tick() => Some(AppEvent::Clock { now_ms: unix_ms() }),
            () = time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() && !suspended => {
                pictures.draw(screen, &mut state)?;
                None
            }
        };
        let Some(event) = event else { continue };
        match event {
            // What a key means may depend on how long ago the list changed.
            AppEvent::Key(_) => drop(update(&mut state, AppEvent::Clock { now_ms: unix_ms() })),
            // There and back again is no new size, but the terminal has cleared itself.
            AppEvent::Resize(_) => pictures.forget(),
            _ => {}
        }
        for effect in update(&mut state, event) {
            match effect {
                Effect::Redraw => pictures.request(),
                Effect::Send(command) => outbox.push_back(command),
                Effect::Copy(text) => screen.to_clipboard(&text).map_err(TerminalError::at("write to"))?,
                Effect::Notify { text, bell } => {
                    screen.notify(text.as_deref(), bell).map_err(TerminalError::at("write to"))?
                }
                Effect::CaptureMouse(on) => screen.capture_mouse(on).map_err(TerminalError::at("write to"))?,
                Effect::Suspend => {
                    suspended = true;
                    screen.suspend().map_err(TerminalError::at("give back"))?;
                }
                Effect::Leave(Leave::Settled) => return Ok(Exit::Settled),
                Effect::Leave(Leave::Unsettled) => return Ok(Exit::Unsettled),
            }
        }
        if pictures.overdue() && !suspended {
            pictures.draw(screen, &mut state)?;
        }
    }
}

/// When to draw: on request, merged, not more often than the interval, and never what is already on the screen.
struct Pictures {
    interval: Duration,
    wanted_since: Option<Instant>,
    next: Instant,
    /// What the terminal shows.
    shown: Option<Buffer>,
}

impl Pictures {
    fn new(low_bandwidth: bool) -> Self {
        let interval = Duration::from_millis(if low_bandwidth { 500 } else { 33 });
        let now = Instant::now();
        Self { interval, wanted_since: Some(now), next: now, shown: None }
    }

    fn request(&mut self) {
        self.wanted_since.get_or_insert_with(Instant::now);
    }

    /// The next picture is painted whole.
    fn forget(&mut self) {
        self.shown = None;
        self.request();
    }

    fn due(&self) -> Option<Instant> {
        self.wanted_since.map(|_| self.next)
    }

    fn overdue(&self) -> bool {
        let now = Instant::now();
        self.wanted_since.is_some_and(|since| now >= self.next + self.interval && now >= since + self.interval)
    }

    fn draw(&mut self, screen: &mut impl Screen, state: &mut State) -> Result<(), TerminalError> {
        self.wanted_since = None;
        self.next = Instant::now() + self.interval;
        let size = screen.size().map_err(TerminalError::at("measure"))?;
        // A storm of resizes is drawn at its last size, whichever event came first.
        update(state, AppEvent::Resize(app_size(size)));
        let mut picture = Buffer::empty(Rect::from((ratatui::layout::Position::ORIGIN, size)));
        views::draw(state, &mut picture);
        // Even an empty difference would send two dozen bytes, for ever.
        if self.shown.as_ref() != Some(&picture) {
            screen.present(&picture).map_err(TerminalError::at("draw on"))?;
            self.shown = Some(picture);
        }
        Ok(())
    }
}

fn app_size(size: Size) -> app::layout::Size {
    app::layout::Size { width: size.width, height: size.height }
}

fn unix_ms() -> u64 {
    // A clock before 1970 is shown as 1970.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
