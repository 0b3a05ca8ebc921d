//! A running engine, with the dashboard or without.

use std::{
    io::{self, IsTerminal, Write},
    sync::Arc,
    time::Instant,
};

use clap::Args;

use super::{
    Exit,
    headless::{self, Report},
    output::warn_unprinted,
    settings::Setup,
};
use crate::{
    api::{EngineHandle, Snapshot, SubmissionRow, SubmissionState as State},
    primitives::Shannons,
    terminal::{self, TerminalError},
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
    /// Draw with ASCII only [default: where the locale is not UTF-8].
    #[arg(long)]
    ascii: bool,
    /// Draw at most two pictures a second.
    #[arg(long)]
    low_bandwidth: bool,
    /// What the configuration says that is no option.
    #[arg(skip)]
    pub(super) setup: Setup,
}

impl Play {
    /// Refuses before anything is started what could only fail after it.
    pub fn check(&self) -> Result<(), TerminalError> {
        let terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
        if self.headless || terminal { Ok(()) } else { Err(TerminalError::NoTerminal) }
    }

    /// Shows the engine until it ends. `balance_start`: what the wallet had before the engine could move it, if known.
    pub async fn through(&self, handle: EngineHandle, balance_start: Option<Shannons>) -> anyhow::Result<Exit> {
        let started = Instant::now();
        if !self.headless {
            let from_env = terminal::Options::from_env(|name| std::env::var_os(name));
            let look = crate::app::Look { ascii: self.ascii || from_env.look.ascii, ..from_env.look };
            let options = terminal::Options { look, low_bandwidth: self.low_bandwidth, ..from_env };
            let known = handle.snapshot.clone();
            let ended = tokio::task::spawn_blocking(move || terminal::run(handle, options)).await??;
            let exit = match ended {
                terminal::Exit::Settled => Exit::Ok,
                terminal::Exit::Unsettled => Exit::Unknown,
                terminal::Exit::Signal(_) => Exit::Refused,
            };
            let unknown = in_flight(&known.borrow());
            return Ok(settling(exit, unknown));
        }
        let run = headless::follow(handle, self.epochs, &mut io::stderr()).await?;
        let balance_start = balance_start.unwrap_or(run.first.wallet.balance);
        let report = Report::new(&run.first, &run.last, balance_start, started.elapsed());
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
