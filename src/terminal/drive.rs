//! The loop. Generic over the screen and the source of events, so that tests drive this very code.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use ratatui::{buffer::Buffer, layout::Size};
use tokio::{
    sync::mpsc,
    time::{self, Instant, MissedTickBehavior},
};

use super::{
    Exit, Memory, Options, Recorder, TerminalError, input,
    pictures::Pictures,
    settle::{settle, still_sent},
};
use crate::{
    api::{Command, EngineHandle, Level, Snapshot},
    app::{self, AppEvent, Effect, Hits, Leave, Notice, Saved, State, update},
    primitives::now_ms,
    views::{self, Palette},
};

/// How long the word at the start stays.
const HINT_MS: u64 = 12_000;
/// It is to be read by whoever comes back with a coffee.
const WARNING_MS: u64 = 120_000;

/// What the loop needs of a terminal.
pub trait Screen {
    fn size(&self) -> io::Result<Size>;
    /// Brings the picture to the screen, in as few bytes as it takes: none if it is there already.
    fn present(&mut self, picture: &Buffer) -> io::Result<()>;
    /// The next picture is painted whole.
    fn forget(&mut self);
    fn capture_mouse(&mut self, on: bool) -> io::Result<()>;
    fn to_clipboard(&mut self, text: &str) -> io::Result<()>;
    fn notify(&mut self, text: Option<&str>, bell: bool) -> io::Result<()>;
    /// Gives the terminal back and stops the process.
    fn suspend(&mut self) -> io::Result<()>;
    /// Takes the terminal again, whatever happened to it meanwhile; the next picture is painted whole.
    fn resume(&mut self) -> io::Result<()>;
    /// Gives the terminal back for good, with a word to who is still there.
    fn farewell(&mut self, words: &str);
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

/// Why nobody watches any more.
enum Cut {
    Signal(i32),
    Lost { what: &'static str, source: io::Error },
    Failed(TerminalError),
}

impl Cut {
    fn lost(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Lost { what, source }
    }
}

/// Runs the interface on `screen` until it ends. Cancel-safe only as a whole.
///
/// # Errors
/// As [`super::run`].
pub async fn drive(
    screen: &mut impl Screen,
    mut inputs: impl Stream<Item = Occurrence> + Unpin,
    mut handle: EngineHandle,
    options: Options,
) -> Result<Exit, TerminalError> {
    let mut outbox = VecDeque::new();
    let cut = match show(screen, &mut inputs, &mut handle, &mut outbox, options).await {
        Ok(exit) => return Ok(exit),
        Err(cut) => cut,
    };
    let EngineHandle { commands, mut events, snapshot } = handle;
    let left = still_sent(outbox, &snapshot.borrow());
    match cut {
        Cut::Failed(error) => {
            // Best effort: the owner of the engine shuts it down when we return.
            for command in left.into_iter().chain([Command::Shutdown]) {
                let _ = commands.try_send(command);
            }
            Err(error)
        }
        Cut::Signal(signal) => {
            screen.farewell("settling what is in flight; a second signal ends it at once");
            settle(&commands, left, &mut events, &mut inputs).await;
            Ok(Exit::Signal(signal))
        }
        Cut::Lost { what, source } => {
            screen.farewell("");
            settle(&commands, left, &mut events, &mut inputs).await;
            Err(TerminalError::Lost { what, source })
        }
    }
}

/// The loop while somebody watches.
async fn show(
    screen: &mut impl Screen,
    inputs: &mut (impl Stream<Item = Occurrence> + Unpin),
    handle: &mut EngineHandle,
    outbox: &mut VecDeque<Command>,
    options: Options,
) -> Result<Exit, Cut> {
    let EngineHandle { commands, events, snapshot } = handle;
    let size = app_size(screen.size().map_err(Cut::lost("measuring"))?);
    let mut core = Core::new(size, Arc::clone(&snapshot.borrow_and_update()), options);
    let mut clock = time::interval_at(Instant::now() + Duration::from_secs(1), Duration::from_secs(1));
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut inputs = inputs.fuse();
    let mut suspended = false;
    let mut engine_publishes = true;

    loop {
        let due = core.pictures.due();
        // The order of arms is the order of urgency; within one arm events keep theirs. The clock of pictures comes
        // last, so a burst costs one picture, and `overdue` below keeps an endless burst from hiding the screen.
        let event = tokio::select! {
            biased;
            Some(occurrence) = inputs.next() => match occurrence {
                Occurrence::Terminal(event) => input::convert(event),
                Occurrence::Interrupt => Some(AppEvent::Interrupt),
                Occurrence::Stop => {
                    suspended = true;
                    screen.suspend().map_err(Cut::lost("giving back"))?;
                    None
                }
                Occurrence::Continue => {
                    suspended = false;
                    screen.resume().map_err(Cut::lost("taking back"))?;
                    core.pictures.request();
                    None
                }
                Occurrence::End { signal } => return Err(Cut::Signal(signal)),
                Occurrence::Panicked { thread, message } => {
                    return Err(Cut::Failed(TerminalError::Panicked { thread, message }));
                }
                Occurrence::Lost(source) => return Err(Cut::Lost { what: "reading", source }),
            },
            event = events.recv() => match event {
                Some(event) => Some(AppEvent::Engine(event)),
                None => return Err(Cut::Failed(TerminalError::EngineGone)),
            },
            changed = snapshot.changed(), if engine_publishes => match changed {
                Ok(()) => Some(AppEvent::Snapshot(Arc::clone(&snapshot.borrow_and_update()))),
                // No more numbers; the end itself is told by `events`.
                Err(_) => {
                    engine_publishes = false;
                    None
                }
            },
            () = forward(commands, outbox), if !outbox.is_empty() => None,
            _ = clock.tick() => {
                core.watch_recorder();
                core.keep();
                Some(AppEvent::Clock { now_ms: now_ms() })
            }
            () = time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() && !suspended => {
                core.draw(screen).map_err(Cut::lost("drawing on"))?;
                None
            }
        };
        let Some(event) = event else { continue };
        let mut effects = Vec::new();
        match event {
            // What a key or a click means may depend on how long ago the list changed. What does nothing asks for no picture.
            AppEvent::Key(_) | AppEvent::Mouse(_) => {
                effects = core.take(AppEvent::Clock { now_ms: now_ms() });
                effects.retain(|effect| *effect != Effect::Redraw);
            }
            // There and back again is no new size, but the terminal has cleared itself.
            AppEvent::Resize(_) => {
                screen.forget();
                core.pictures.request();
            }
            _ => {}
        }
        effects.extend(core.take(event));
        for effect in effects {
            match effect {
                Effect::Redraw => core.pictures.request(),
                Effect::Send(command) => outbox.push_back(command),
                Effect::Copy(text) => screen.to_clipboard(&text).map_err(Cut::lost("writing to"))?,
                // The terminal is the shell's.
                Effect::Notify { .. } if suspended => {}
                Effect::Notify { text, bell } => {
                    screen.notify(text.as_deref(), bell).map_err(Cut::lost("writing to"))?
                }
                Effect::CaptureMouse(on) => screen.capture_mouse(on).map_err(Cut::lost("writing to"))?,
                Effect::Suspend => {
                    suspended = true;
                    screen.suspend().map_err(Cut::lost("giving back"))?;
                }
                Effect::Leave(Leave::Settled) => return Ok(Exit::Settled),
                Effect::Leave(Leave::Unsettled) => return Ok(Exit::Unsettled),
            }
        }
        if core.pictures.overdue() && !suspended {
            core.draw(screen).map_err(Cut::lost("drawing on"))?;
        }
    }
}

/// Sends the oldest command when the engine has room for it.
async fn forward(commands: &mpsc::Sender<Command>, outbox: &mut VecDeque<Command>) {
    match commands.reserve().await {
        Ok(permit) => {
            if let Some(command) = outbox.pop_front() {
                permit.send(command);
            }
        }
        // The engine is gone, which `events` tells.
        Err(_) => outbox.clear(),
    }
}

/// The state, what is drawn of it, and what is written down of its events: nothing reaches the state unrecorded.
struct Core {
    state: State,
    palette: Palette,
    pictures: Pictures,
    /// What lies where on the screen.
    hits: Hits,
    recorder: Option<Recorder>,
    /// How it was when it was kept last.
    kept: Saved,
    memory: Option<Box<dyn Memory>>,
    /// What was asked for while a picture was drawn; the next event's effects bring it.
    owed: Vec<Effect>,
}

/// However it ends.
impl Drop for Core {
    fn drop(&mut self) {
        self.keep();
    }
}

impl Core {
    fn new(size: app::layout::Size, first: Arc<Snapshot>, options: Options) -> Self {
        let mut state = State::new(options.look, size, now_ms(), first);
        state.keymap = options.keymap;
        state.restore(&options.saved);
        state.mouse = options.mouse;
        state.notifier.by = options.notify;
        state.low_bandwidth = options.low_bandwidth;
        let notice = |level, for_ms: u64| move |text| Notice { level, text, until_ms: now_ms() + for_ms };
        // What is broken is of more use than a word about the line.
        let warning = options.warning.map(notice(Level::Warning, WARNING_MS));
        state.notice = warning.or_else(|| options.hint.map(notice(Level::Info, HINT_MS)));
        let mut recorder = options.recorder;
        if let Some(recorder) = &mut recorder {
            recorder.begin(&state);
        }
        let pictures = Pictures::new(options.low_bandwidth);
        let (kept, hits) = (state.saved(), Hits::of(&state));
        let (palette, memory) = (options.palette, options.memory);
        Self { state, palette, pictures, hits, recorder, kept, memory, owed: Vec::new() }
    }

    /// If the interface is shown otherwise than when it was kept last. What cannot be kept is told once.
    fn keep(&mut self) {
        let Some(memory) = &mut self.memory else { return };
        let saved = self.state.saved();
        if saved == self.kept {
            return;
        }
        if let Err(error) = memory.keep(&saved) {
            let text = format!("how the dashboard looks cannot be kept: {error}");
            self.state.notice = Some(Notice { level: Level::Warning, text, until_ms: self.state.now_ms + HINT_MS });
            self.memory = None;
        }
        self.kept = saved;
    }

    fn take(&mut self, event: AppEvent) -> Vec<Effect> {
        let event = self.hits.touch(event);
        if let Some(recorder) = &mut self.recorder {
            recorder.note(&self.state, &event);
        }
        let mut effects = std::mem::take(&mut self.owed);
        effects.extend(update(&mut self.state, event));
        effects
    }

    fn draw(&mut self, screen: &mut impl Screen) -> io::Result<()> {
        let Self { state, palette, pictures, hits, recorder, owed, .. } = self;
        pictures.draw(screen, |size, picture| {
            if state.size != app_size(size) {
                let resized = AppEvent::Resize(app_size(size));
                if let Some(recorder) = recorder {
                    recorder.note(state, &resized);
                }
                owed.extend(update(state, resized).into_iter().filter(|effect| *effect != Effect::Redraw));
            }
            *hits = views::draw_with(state, *palette, picture);
        })
    }

    /// A recording that cannot go on is told once; the dashboard goes on without it.
    fn watch_recorder(&mut self) {
        if let Some(text) = self.recorder.as_mut().and_then(Recorder::trouble) {
            let until_ms = self.state.now_ms + HINT_MS;
            self.state.notice = Some(Notice { level: Level::Warning, text, until_ms });
            self.recorder = None;
        }
    }
}

pub(super) fn app_size(size: Size) -> app::layout::Size {
    app::layout::Size { width: size.width, height: size.height }
}
