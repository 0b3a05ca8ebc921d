//! The command tree: parses, wires the parts together, prints, and chooses the exit code.
//!
//! The only place that knows every module. Standard output carries results only; progress and errors go to standard error.

mod score;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Exit codes, the same for every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Ok = 0,
    /// The work failed for a reason that no input of the user explains.
    Failed = 1,
    /// A file, an option or an environment variable is not usable.
    BadInput = 2,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The cockpit of a SOMA data submitter: score, see, approve, submit and claim, from a terminal.
#[derive(Parser)]
#[command(name = "somascope", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Score(score::Score),
}

/// Parses the command line and runs it.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Score(command) => command.run().into(),
    }
}
