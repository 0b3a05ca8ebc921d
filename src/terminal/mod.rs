//! The terminal: one ordered stream of events in, the core's effects out, at most thirty pictures a second.
//!
//! Knows `app`, `views` and `api`. The only module that touches the terminal, and the only one that gives it back: after
//! a normal end, an error, a panic in any thread, SIGTERM, SIGHUP, SIGINT, and while the process is stopped. It can write
//! down what the interface was told, and show that again.

mod drive;
mod input;
mod notify;
mod paint;
mod panics;
mod pictures;
pub mod recording;
pub mod replay;
mod screen;
mod settle;
pub mod setup;
mod sgr;
mod signals;

pub use drive::{Occurrence, Screen, drive};
pub use paint::Painter;
pub use recording::Recorder;
pub use screen::TtyScreen;

use std::{
    ffi::OsString,
    fmt,
    io::{self, IsTerminal},
    sync::Arc,
};

use crossterm::event::EventStream;
use futures::{Stream, StreamExt, stream, stream::LocalBoxStream};

use crate::{
    api,
    app::{Look, Notify, Saved, actions::Keymap},
    views::Palette,
};

/// How the interface behaves; everything else it learns from the engine.
#[derive(Debug)]
pub struct Options {
    pub look: Look,
    pub palette: Palette,
    pub keymap: Arc<Keymap>,
    /// Take the mouse from the start; the key `M` changes it.
    pub mouse: bool,
    /// Two pictures a second instead of thirty, and charts that move in steps.
    pub low_bandwidth: bool,
    /// What tells of hits, fills, losses, claims and trouble.
    pub notify: Notify,
    /// Ask the terminal to show large changes at once.
    pub sync: bool,
    /// A word to the user at the start.
    pub hint: Option<String>,
    /// What of the configuration or of the memory of the screen is broken, and so not used.
    pub warning: Option<String>,
    /// Writes down what the interface is told.
    pub recorder: Option<Recorder>,
    /// How it was left the last time.
    pub saved: Saved,
    /// Keeps how it is left this time.
    pub memory: Option<Box<dyn Memory>>,
}

/// Where it is kept how the interface is left.
pub trait Memory: fmt::Debug + Send {
    /// # Errors
    /// It cannot be kept; the interface goes on without.
    fn keep(&mut self, saved: &Saved) -> io::Result<()>;
}

impl Options {
    /// What the environment asks for: `NO_COLOR` (no-color.org), and a locale without UTF-8 means ASCII.
    pub fn from_env(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        // The first one that is set counts (POSIX).
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        let utf8 = locale.is_some_and(|name| {
            let name = name.to_string_lossy().to_ascii_lowercase();
            name.contains("utf-8") || name.contains("utf8")
        });
        Self {
            look: Look { ascii: !utf8, colour: set("NO_COLOR").is_none() },
            palette: Palette::default(),
            keymap: Arc::default(),
            mouse: false,
            low_bandwidth: false,
            notify: Notify::None,
            sync: true,
            hint: None,
            warning: None,
            recorder: None,
            saved: Saved::default(),
            memory: None,
        }
    }
}

/// How the interface ended; the terminal is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The engine has told that everything is settled.
    Settled,
    /// The user left before that; the engine may still be at work.
    Unsettled,
    /// A signal asked for the end. What was in flight was settled, unless another one asked for haste.
    Signal(i32),
}

#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    #[error("no terminal: standard input and output must be one")]
    NoTerminal,
    #[error("cannot {what} the terminal: {source}")]
    Terminal { what: &'static str, source: io::Error },
    /// While the dashboard ran.
    #[error("the terminal is lost ({what} it: {source}); approving stopped, and what was in flight was settled")]
    Lost { what: &'static str, source: io::Error },
    #[error(
        "a bug: thread `{thread}` panicked ({message}); the journal is safe, start again to settle what was in flight"
    )]
    Panicked { thread: String, message: String },
    #[error("the engine ended without a word; its log tells why, start again to settle what was in flight")]
    EngineGone,
}

impl TerminalError {
    pub(crate) fn at(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Terminal { what, source }
    }
}

/// Shows the dashboard until the user leaves or the engine ends. Blocks; owns the calling thread and the terminal.
///
/// # Errors
/// There is no terminal, it is lost, a thread panics, or the engine goes away without [`api::Event::Stopped`].
pub fn run(handle: api::EngineHandle, options: Options) -> Result<Exit, TerminalError> {
    run_with(handle, options, stream::pending())
}

/// [`run`], with one more source of events: a test that wants the unlikely.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    handle: api::EngineHandle,
    options: Options,
    more: impl Stream<Item = Occurrence> + Unpin,
) -> Result<Exit, TerminalError> {
    let (mouse, sync) = (options.mouse, options.sync);
    on_terminal(mouse, sync, more, async |screen, inputs| drive(screen, inputs, handle, options).await)
}

/// Takes the terminal for as long as `show` shows something on it.
fn on_terminal<T>(
    mouse: bool,
    sync: bool,
    more: impl Stream<Item = Occurrence> + Unpin,
    show: impl AsyncFnOnce(&mut TtyScreen, LocalBoxStream<'_, Occurrence>) -> Result<T, TerminalError>,
) -> Result<T, TerminalError> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(TerminalError::NoTerminal);
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(TerminalError::at("wait for"))?;
    runtime.block_on(async {
        let signals = signals::stream().map_err(TerminalError::at("watch signals for"))?;
        let mut screen = TtyScreen::enter(mouse, sync)?;
        let (panics, watch) = panics::watch(screen.restorer());
        let inputs = stream::select(stream::select(signals, panics), stream::select(keys().boxed_local(), more));
        let end = show(&mut screen, inputs.boxed_local()).await;
        // First the terminal, then the hook: a panic between the two must find a working screen.
        screen.leave();
        drop(watch);
        end
    })
}

/// What is typed. The end of the keys is the end of the terminal: it is told once, and nobody reads on.
fn keys() -> impl Stream<Item = Occurrence> {
    stream::unfold(Some(EventStream::new()), |events| async move {
        let mut events = events?;
        Some(match events.next().await {
            Some(Ok(event)) => (Occurrence::Terminal(event), Some(events)),
            Some(Err(error)) => (Occurrence::Lost(error), None),
            None => (Occurrence::Lost(io::ErrorKind::UnexpectedEof.into()), None),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_chooses_alphabet_and_colour() {
        let with = |pairs: &'static [(&str, &str)]| {
            Options::from_env(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into())).look
        };
        assert_eq!(with(&[("LANG", "de_DE.UTF-8")]), Look { ascii: false, colour: true });
        assert_eq!(with(&[("LANG", "C.utf8"), ("NO_COLOR", "1")]), Look { ascii: false, colour: false });
        assert_eq!(with(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]), Look { ascii: true, colour: true });
        assert_eq!(with(&[("NO_COLOR", "")]), Look { ascii: true, colour: true });
    }
}
