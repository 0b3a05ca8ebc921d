//! a normal end, an error, a panic in any thread, SIGTERM, SIGHUP, SIGINT, and while the process is stopped.

mod drive;
mod input;
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

use crate::{api, app::Look};

/// How the interface behaves; everything else it learns from the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub look: Look,
    /// Take the mouse from the start; the key `M` changes it.
    pub mouse: bool,
    /// Two pictures a second instead of thirty.
    pub low_bandwidth: bool,
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
        Self { look: Look { ascii: !utf8, colour: set("NO_COLOR").is_none() }, mouse: false, low_bandwidth: false }
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
