//! The terminal: one ordered stream of events in, the core's effects out, at most thirty pictures a second.
//!
//! Knows `app`, `views` and `api`. The only module that touches the terminal, and the only one that gives it back: after
//! a normal end, an error, a panic in any thread, SIGTERM, SIGHUP, SIGINT, and while the process is stopped.

mod drive;
mod input;
mod notify;
mod panics;
mod screen;
mod signals;

pub use drive::{Occurrence, Screen, copy, drive};
pub use screen::TtyScreen;

use std::{
    ffi::OsString,
    io::{self, IsTerminal},
};

use crossterm::event::EventStream;
use futures::{Stream, StreamExt, stream};

use crate::{
    api,
    app::{Look, Notify},
};

/// How the interface behaves; everything else it learns from the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub look: Look,
    /// Take the mouse from the start; the key `M` changes it.
    pub mouse: bool,
    /// Two pictures a second instead of thirty.
    pub low_bandwidth: bool,
    /// What tells of hits, fills, claims and trouble.
    pub notify: Notify,
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
            mouse: false,
            low_bandwidth: false,
            notify: Notify::None,
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
    /// A signal asked for the end; Shutdown was sent, nobody waited.
    Signal(i32),
}

#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    #[error("no terminal: standard input and output must be one; run with `--headless` to work without it")]
    NoTerminal,
    #[error("cannot {what} the terminal: {source}; `--headless` works without one")]
    Terminal { what: &'static str, source: io::Error },
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
/// There is no terminal, it fails, a thread panics, or the engine goes away without [`api::Event::Stopped`].
pub fn run(handle: api::EngineHandle, options: Options) -> Result<Exit, TerminalError> {
    run_with(handle, options, stream::pending())
}

/// [`run`], with one more source of events: a recording, or a test that wants the unlikely.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    handle: api::EngineHandle,
    options: Options,
    more: impl Stream<Item = Occurrence> + Unpin,
) -> Result<Exit, TerminalError> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(TerminalError::NoTerminal);
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(TerminalError::at("wait for"))?;
    runtime.block_on(async {
        let signals = signals::stream().map_err(TerminalError::at("watch signals for"))?;
        let mut screen = TtyScreen::enter(options.mouse)?;
        let (panics, watch) = panics::watch(screen.restorer());
        let keys = EventStream::new().map(|event| match event {
            Ok(event) => Occurrence::Terminal(event),
            Err(error) => Occurrence::Lost(error),
        });
        // The end of the keys is the end of the terminal.
        let gone = stream::once(async { Occurrence::Lost(io::ErrorKind::UnexpectedEof.into()) });
        let inputs = stream::select(stream::select(signals, panics), stream::select(keys.chain(gone), more));
        let end = drive(&mut screen, Box::pin(inputs), handle, options).await;
        // First the terminal, then the hook: a panic between the two must find a working screen.
        screen.leave();
        drop(watch);
        end
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
