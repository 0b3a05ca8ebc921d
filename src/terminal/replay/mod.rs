//! A recording on the real interface: time is the viewer's, everything else is as it was. There is no engine, and nothing
//! that is pressed leaves this module.

mod tape;

pub use tape::Tape;

use std::time::Duration;

use crossterm::event::Event as Input;
use futures::{Stream, StreamExt, stream};
use ratatui::{
    buffer::Buffer,
    layout::{Rect, Size},
};
use tokio::time::{self, Instant};

use super::{
    Exit, Occurrence, Options, Screen, TerminalError, drive::app_size, input, on_terminal, pictures::Pictures,
};
use crate::{
    app::{AppEvent, Hits, Key, Place, layout},
    views::{self, Palette, ReplayBar},
};

/// What an arrow moves.
const STEP_MS: u64 = 10_000;
const SPEEDS: [f32; 9] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
/// How long a word to the viewer stays.
const MESSAGE: Duration = Duration::from_secs(4);

/// Where a replay begins.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    pub at_ms: u64,
    pub speed: f32,
}

/// Shows a recording until the viewer leaves. Blocks; owns the calling thread and the terminal.
///
/// # Errors
/// There is no terminal, it is lost, or a thread panics.
pub fn show(tape: Tape, start: Start, options: Options) -> Result<Exit, TerminalError> {
    let (mouse, sync) = (options.mouse, options.sync);
    on_terminal(mouse, sync, stream::pending(), async |screen, inputs| play(screen, inputs, tape, start, options).await)
}

/// [`show`], on any screen.
///
/// # Errors
/// As [`show`].
pub async fn play(
    screen: &mut impl Screen,
    inputs: impl Stream<Item = Occurrence> + Unpin,
    tape: Tape,
    start: Start,
    options: Options,
) -> Result<Exit, TerminalError> {
    let mut player = Player {
        tape,
        palette: options.palette,
        speed: start.speed,
        playing: true,
        since: Instant::now(),
        from_ms: start.at_ms,
        message: None,
        hits: None,
    };
    let mut pictures = Pictures::new(options.low_bandwidth);
    let lost = |what| move |source| TerminalError::Lost { what, source };
    player.tape.resize(ReplayBar::above(app_size(screen.size().map_err(lost("measuring"))?)));
    player.tape.seek(start.at_ms);
    let mut inputs = inputs.fuse();
    let mut suspended = false;
    loop {
        let (due, next) = (pictures.due(), player.next());
        let occurrence = tokio::select! {
            biased;
            Some(occurrence) = inputs.next() => occurrence,
            () = time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                player.catch_up();
                pictures.request();
                continue;
            }
            () = time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() && !suspended => {
                pictures.draw(screen, |size, picture| player.draw(size, picture)).map_err(lost("drawing on"))?;
                continue;
            }
        };
        match occurrence {
            Occurrence::Terminal(event) => {
                if matches!(event, Input::Resize(..)) {
                    screen.forget();
                }
                match input::convert(event).and_then(|event| player.take(event)) {
                    Some(Answer::Leave) => return Ok(Exit::Settled),
                    Some(Answer::Suspend) => {
                        suspended = true;
                        screen.suspend().map_err(lost("giving back"))?;
                    }
                    Some(Answer::Mouse(on)) => screen.capture_mouse(on).map_err(lost("writing to"))?,
                    Some(Answer::Copy(text)) => screen.to_clipboard(&text).map_err(lost("writing to"))?,
                    None => {}
                }
                pictures.request();
            }
            Occurrence::Interrupt => return Ok(Exit::Settled),
            Occurrence::Stop => {
                suspended = true;
                screen.suspend().map_err(lost("giving back"))?;
            }
            Occurrence::Continue => {
                suspended = false;
                screen.resume().map_err(lost("taking back"))?;
                pictures.request();
            }
            Occurrence::End { signal } => return Ok(Exit::Signal(signal)),
            Occurrence::Panicked { thread, message } => return Err(TerminalError::Panicked { thread, message }),
            Occurrence::Lost(source) => return Err(TerminalError::Lost { what: "reading", source }),
        }
    }
}

/// What a key asks of the terminal.
enum Answer {
    Leave,
    Suspend,
    Mouse(bool),
    Copy(String),
}

/// The tape and the hand on it.
struct Player {
    tape: Tape,
    palette: Palette,
    speed: f32,
    playing: bool,
    /// When, on the viewer's clock, the tape was at `from_ms`.
    since: Instant,
    from_ms: u64,
    message: Option<(String, Instant)>,
    /// What lies where on the screen.
    hits: Option<Hits>,
}

impl Player {
    fn now_ms(&self) -> u64 {
        if !self.playing {
            return self.from_ms;
        }
        let played = self.since.elapsed().as_secs_f64() * f64::from(self.speed) * 1000.0;
        self.from_ms.saturating_add(played as u64).min(self.tape.length_ms())
    }

    /// From here on with the present speed.
    fn anchor(&mut self, at_ms: u64) {
        self.from_ms = at_ms.min(self.tape.length_ms());
        self.since = Instant::now();
    }

    /// When the picture changes without the viewer's doing.
    fn next(&self) -> Option<Instant> {
        let message = self.message.as_ref().map(|(_, until)| *until);
        if !self.playing {
            return message;
        }
        // The bar shows seconds.
        let now = self.now_ms();
        let next_ms = self.tape.next_ms().map_or(u64::MAX, |next| next.min((now / 1000 + 1) * 1000));
        let next_ms = next_ms.min(self.tape.length_ms().max(now));
        let ahead = Duration::from_secs_f64(next_ms.saturating_sub(now) as f64 / 1000.0 / f64::from(self.speed));
        let next = Instant::now() + ahead.max(Duration::from_millis(1));
        Some(message.map_or(next, |message| message.min(next)))
    }

    fn catch_up(&mut self) {
        let now = self.now_ms();
        self.tape.advance(now);
        if self.playing && now >= self.tape.length_ms() {
            self.anchor(now);
            self.playing = false;
        }
        if self.message.as_ref().is_some_and(|(_, until)| *until <= Instant::now()) {
            self.message = None;
        }
        if let Some(cut) = self.tape.trouble() {
            self.say(&cut);
        }
    }

    fn seek(&mut self, to_ms: u64) {
        self.anchor(to_ms);
        self.tape.seek(self.from_ms);
    }

    fn say(&mut self, text: &str) {
        self.message = Some((text.to_owned(), Instant::now() + MESSAGE));
    }

    fn take(&mut self, event: AppEvent) -> Option<Answer> {
        let now = self.now_ms();
        self.tape.advance(now);
        let typing = self.tape.state().place() == Place::Typing;
        match event {
            AppEvent::Resize(size) => {
                self.tape.resize(ReplayBar::above(size));
                None
            }
            AppEvent::Key(Key::Ctrl('c')) => Some(Answer::Leave),
            AppEvent::Key(key) if !typing && self.hand(key, now) => None,
            event => self.pass(match &self.hits {
                Some(hits) => hits.touch(event),
                None => event,
            }),
        }
    }

    /// Keys that move the tape.
    fn hand(&mut self, key: Key, now: u64) -> bool {
        match key {
            Key::Char(' ') => {
                let at_end = now >= self.tape.length_ms();
                self.anchor(now);
                if at_end && !self.playing {
                    self.seek(0);
                }
                self.playing = !self.playing;
            }
            Key::Left => self.seek(now.saturating_sub(STEP_MS)),
            Key::Right => self.seek(now.saturating_add(STEP_MS)),
            Key::Home => self.seek(0),
            Key::End => self.seek(u64::MAX),
            Key::Char('.') => {
                self.playing = false;
                let next = self.tape.next_ms().unwrap_or(now);
                self.seek(next);
            }
            Key::Char(',') => {
                self.playing = false;
                self.seek(self.tape.previous_ms(now));
            }
            Key::Char('<') => self.change_speed(now, |speed| SPEEDS.into_iter().rev().find(|s| *s < speed)),
            Key::Char('>') => self.change_speed(now, |speed| SPEEDS.into_iter().find(|s| *s > speed)),
            Key::Char('f') => self.tape.follow(),
            _ => return false,
        }
        true
    }

    fn change_speed(&mut self, now: u64, choose: impl Fn(f32) -> Option<f32>) {
        if let Some(speed) = choose(self.speed) {
            self.anchor(now);
            self.speed = speed;
        }
    }

    /// Everything else goes to the interface, as far as it only looks.
    fn pass(&mut self, event: AppEvent) -> Option<Answer> {
        match self.tape.look_around(event) {
            tape::Look::Around => None,
            tape::Look::Leave => Some(Answer::Leave),
            tape::Look::Suspend => Some(Answer::Suspend),
            tape::Look::Mouse(on) => Some(Answer::Mouse(on)),
            tape::Look::Copy(text) => Some(Answer::Copy(text)),
            tape::Look::Acts => {
                self.say("this is a recording: nothing is changed or sent");
                None
            }
        }
    }

    fn draw(&mut self, size: Size, picture: &mut Buffer) {
        self.tape.resize(ReplayBar::above(app_size(size)));
        let bar = ReplayBar {
            at_ms: self.now_ms(),
            length_ms: self.tape.length_ms(),
            speed: self.speed,
            playing: self.playing,
            following: self.tape.follows(),
            message: self.message.as_ref().map(|(text, _)| text.clone()),
        };
        self.hits = Some(views::draw_replay(self.tape.state(), &bar, self.palette, picture));
    }
}

/// Columns and rows of a printed screen.
const MOST_CELLS: u16 = 500;

/// The picture of a recording at a moment as lines of text, trailing blanks dropped.
pub fn picture(tape: &Tape) -> String {
    // A stranger's recording may say any size.
    let size = tape.state().size;
    let size = layout::Size { width: size.width.min(MOST_CELLS), height: size.height.min(MOST_CELLS) };
    let mut buffer = Buffer::empty(Rect::new(0, 0, size.width, size.height));
    views::draw(tape.state(), &mut buffer);
    let mut text = String::new();
    for row in buffer.content.chunks(usize::from(size.width).max(1)) {
        let mut line = String::new();
        let mut covered = 0;
        for cell in row {
            if covered > 0 {
                covered -= 1;
                continue;
            }
            line.push_str(cell.symbol());
            covered = ratatui::buffer::CellWidth::cell_width(cell).saturating_sub(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
