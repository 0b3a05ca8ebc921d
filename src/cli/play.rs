//! A running engine, with the dashboard or without.

use std::{
    future::Future,
    io::{self, Write},
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Instant,
};

use anyhow::anyhow;
use clap::{Args, ValueEnum};

use super::{
    Exit,
    headless::{self, Report},
    look::{self, LookArgs},
    memory,
    output::warn_unprinted,
    relay,
    settings::Setup,
};
use crate::{
    api::{EngineHandle, Snapshot, SubmissionRow, SubmissionState as State},
    app::{Notify, Saved},
    config::keymap,
    primitives::Shannons,
    terminal::{self, Options, Recorder, TerminalError},
};

/// How a run is shown.
#[derive(Args, Clone, Debug)]
pub struct Play {
    /// Run without a terminal; progress goes to standard error.
    #[arg(long)]
    headless: bool,
    /// End after so many epochs (headless only; without it, at Ctrl-C).
    #[arg(long, value_name = "N", requires = "headless")]
    epochs: Option<u64>,
    /// End with one JSON object on standard output (headless only).
    #[arg(long, requires = "headless")]
    json: bool,
    #[command(flatten)]
    look: LookArgs,
    /// Write down what the dashboard is told, for `somascope replay FILE` and bug reports; compressed if FILE ends in .zst. No
    /// secrets, but file names, amounts and the wallet's address are in it.
    #[arg(long, value_name = "FILE", conflicts_with = "headless")]
    record: Option<PathBuf>,
    /// Keep the first bytes of your data in the recording, as the approvals show them.
    #[arg(long, requires = "record")]
    record_previews: bool,
    /// What tells of hits that wait for you, fills, losses, claims and trouble: the terminal's bell, or a notification of the terminal's own (OSC 9;
    /// inside tmux this needs `set -g allow-passthrough on`).
    #[arg(long, value_name = "HOW", value_enum, default_value = "none")]
    notify: NotifyArg,
    /// What the configuration says that is no option.
    #[arg(skip)]
    pub(super) setup: Setup,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum NotifyArg {
    None,
    Bell,
    Osc9,
    Both,
}

impl From<NotifyArg> for Notify {
    fn from(how: NotifyArg) -> Self {
        match how {
            NotifyArg::None => Self::None,
            NotifyArg::Bell => Self::Bell,
            NotifyArg::Osc9 => Self::Osc9,
            NotifyArg::Both => Self::Both,
        }
    }
}

/// An engine that has started.
pub struct Started {
    pub handle: EngineHandle,
    /// What the wallet had before the engine could move it, if known.
    pub balance_start: Option<Shannons>,
}

impl Play {
    /// Refuses before anything is started what could only fail after it.
    pub fn check(&self) -> anyhow::Result<()> {
        if !self.headless {
            look::ensure_terminal("`--headless` works without it")?;
            self.look.options()?;
        }
        Ok(())
    }

    /// Whether the dashboard has the terminal, and standard error is not for progress.
    pub fn has_dashboard(&self) -> bool {
        !self.headless
    }

    /// Starts the engine and shows it until it ends. The dashboard is there at once, with `starting` until the engine tells more.
    ///
    /// `keep_in`: the directory that keeps how the dashboard is left.
    pub async fn through(
        &self,
        starting: Snapshot,
        keep_in: Option<&Path>,
        start: impl Future<Output = anyhow::Result<Started>>,
    ) -> anyhow::Result<Exit> {
        let began = Instant::now();
        if !self.headless {
            return self.show(starting, keep_in, start).await;
        }
        let Started { handle, balance_start } = start.await?;
        let run = headless::follow(handle, self.epochs, &mut io::stderr()).await?;
        let balance_start = balance_start.unwrap_or(run.first.wallet.balance);
        let report = Report::new(&run.first, &run.last, balance_start, began.elapsed());
        let mut out = io::stdout().lock();
        let printed = match self.json {
            true => serde_json::to_string(&report).map_err(io::Error::from).and_then(|json| writeln!(out, "{json}")),
            false => report.print(&mut out),
        };
        match printed.and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => warn_unprinted(&error),
            _ => {}
        }
        let unknown = in_flight(&run.last);
        if run.asked {
            return Ok(settling(Exit::Ok, unknown));
        }
        // A script must not take a run that was cut short for a whole one.
        if unknown == 0 {
            return Err(TerminalError::EngineGone.into());
        }
        let _ = writeln!(io::stderr(), "error: {}", TerminalError::EngineGone);
        Ok(settling(Exit::Refused, unknown))
    }

    async fn show(
        &self,
        starting: Snapshot,
        keep_in: Option<&Path>,
        start: impl Future<Output = anyhow::Result<Started>>,
    ) -> anyhow::Result<Exit> {
        let recorder = self.record.as_deref().map(|path| Recorder::create(path, self.record_previews)).transpose()?;
        let options = self.look.options()?;
        let keymap = Arc::new(keymap(&self.setup.bindings).map_err(|errors| {
            anyhow!("[keys]: {}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        })?);
        let (saved, memory, trouble) = match keep_in.map(memory::open) {
            Some(kept) => (kept.saved, kept.memory, kept.notice),
            None => (Saved::default(), None, None),
        };
        let mouse = saved.mouse;
        let warnings: Vec<String> = self.setup.notices.iter().cloned().chain(trouble).collect();
        let warning = (!warnings.is_empty()).then(|| warnings.join("; "));
        let options =
            Options { recorder, warning, keymap, mouse, saved, memory, notify: self.notify.into(), ..options };
        let (front, back) = relay::socket(starting);
        let known = front.snapshot.clone();
        let mut shown = tokio::task::spawn_blocking(move || terminal::run(front, options));
        let mut engine = pin!(async {
            back.join(start.await?.handle).await;
            anyhow::Ok(())
        });
        let ended = tokio::select! {
            ended = &mut shown => ended,
            joined = &mut engine => {
                // Either way the interface hears of it, and gives the terminal back first.
                let ended = shown.await;
                joined?;
                ended
            }
        };
        let exit = match ended?? {
            terminal::Exit::Settled => Exit::Ok,
            terminal::Exit::Unsettled => Exit::Unknown,
            terminal::Exit::Signal(_) => Exit::Refused,
        };
        let unknown = in_flight(&known.borrow());
        Ok(settling(exit, unknown))
    }
}

/// Submissions that were signed and whose outcome is not known.
fn in_flight(last: &Snapshot) -> usize {
    let is_open = |row: &&Arc<SubmissionRow>| matches!(row.state, State::Signed | State::Sent | State::Unknown);
    last.submissions.iter().filter(is_open).count()
}

/// How a run ends that leaves so many outcomes to its next start.
fn settling(exit: Exit, unknown: usize) -> Exit {
    let what = match (exit, unknown) {
        (Exit::Unknown, 0) => "left before everything was settled".to_owned(),
        (_, 0) => return exit,
        (_, 1) => "the outcome of 1 submission is not known yet".to_owned(),
        (_, n) => format!("the outcomes of {n} submissions are not known yet"),
    };
    // A closed standard error must not change how it ends.
    let _ = writeln!(io::stderr(), "{what}; the next start settles it, from the same bytes");
    Exit::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_unsettled_decides_how_a_run_ends() {
        assert_eq!(settling(Exit::Ok, 0), Exit::Ok);
        assert_eq!(settling(Exit::Refused, 0), Exit::Refused);
        assert_eq!(settling(Exit::Unknown, 0), Exit::Unknown);
        assert_eq!(settling(Exit::Ok, 1), Exit::Unknown);
        assert_eq!(settling(Exit::Refused, 2), Exit::Unknown);
    }
}
