//! The command tree: parses, wires the parts together, prints, and chooses the exit code.
//!
//! The only place that knows every module. Standard output carries results only; progress and errors go to standard error.

mod board;
mod bucket;
mod claim;
mod config;
mod confirm;
mod data;
mod demo;
mod device;
mod devnet;
mod doctor;
mod endpoints;
mod environment;
mod epoch;
mod exit;
mod files;
mod headless;
mod library;
mod look;
mod map;
mod memory;
mod models;
mod near;
mod network;
mod order;
mod output;
mod pages;
mod pinning;
mod place;
mod play;
mod relay;
mod replay;
mod rewards;
mod run;
mod score;
mod serve;
mod settings;
mod setup;
mod signer;
mod specialists;
mod submit;
mod targets;
mod time;
mod wallet;

use std::{
    ffi::OsString,
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Mutex,
    time::Duration,
};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

pub use self::exit::Exit;
use self::settings::Setup;

/// Below the short help.
const POINTER: &str = "First: `somascope demo`, the whole game on this machine. `somascope --help` explains the game.";

/// Below the long help, and in the manual: the game, and the way into it.
const TEACHING: &str = "The game:
  Targets   The network publishes points in the space in which its models see
            data. Each has a threshold and a reward.
  Hits      Your data hits a target if its embedding, under the target's best
            model for it, lies within the threshold.
  Bonds     The first to upload a hit to a public bucket and to submit it,
            with a bond, fills the target.
  Audits    Validators fetch what filled it and score it again. What does not
            hold loses its bond.
  Rewards   Two epochs later reward and bond can be claimed.
  somascope scores your data, shows what it can hit, and submits and claims:
  when you say so, or by itself within your limits.

First steps:
  somascope                       asks what is needed; later, the dashboard
  somascope demo                  the whole game on this machine, no real money
  somascope wallet new            a key of your own, kept encrypted
  somascope wallet faucet         money of the testnet
  somascope config init           a file with everything that can be set
  somascope doctor                what is still missing (see .env.example)
  somascope run --data ~/corpus   play: every submission waits for your yes

Good to know:
  somascope COMMAND --help        options, examples, --json and exit codes
  somascope config show           each setting, and where it comes from
  somascope man, completions      for your system

Exit codes: 0 done; 1 refused by the network or cut short; 2 an option, file, variable or answer will not do; 3 a service does not answer; 4 \
sent, and the outcome is not known yet.";

/// The cockpit of a SOMA data submitter: score, see, approve, submit and claim, from a terminal.
#[derive(Parser)]
#[command(name = "somascope", version, propagate_version = true, after_help = POINTER, after_long_help = TEACHING)]
struct Cli {
    /// Another configuration file; `none`: none [env: SOMASCOPE_CONFIG] [default: what `somascope config path` prints].
    #[arg(long, global = true, value_name = "FILE", help_heading = "Configuration")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Demo),
    Devnet(devnet::Devnet),
    Run(Box<run::Run>),
    Score(score::Score),
    Serve(serve::Serve),
    Wallet(wallet::Wallet),
    Targets(targets::Targets),
    Models(models::Models),
    Epoch(epoch::Epoch),
    Submit(submit::Submit),
    Claim(claim::Claim),
    Rewards(rewards::RewardsCommand),
    Map(map::MapCommand),
    Replay(replay::Replay),
    Doctor(doctor::Doctor),
    Setup(setup::SetupCommand),
    Config(config::Config),
    Man(pages::Man),
    Completions(pages::Completions),
}

/// What every command takes.
#[derive(Args, Clone, Copy, Debug, Default)]
struct CommonArgs {
    #[command(flatten)]
    output: output::OutputArgs,
    #[command(flatten)]
    confirm: confirm::ConfirmArgs,
}

/// Parses the command line and runs it.
pub fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    if let Some(line) = settings::without_command(&args) {
        args.extend(setup::usual_command(line.config.as_deref()).iter().map(OsString::from));
    }
    let result = settings::parse(&args).and_then(|(cli, setup)| cli.run(setup));
    let exit = result.unwrap_or_else(|error| {
        // Standard error may be closed; the exit code still tells.
        let _ = writeln!(io::stderr(), "error: {}", exit::line(&error));
        if let Some(advice) = exit::advice(&error) {
            let _ = writeln!(io::stderr(), "{advice}");
        }
        Exit::of(&error)
    });
    exit.into()
}

impl Cli {
    fn run(self, setup: Setup) -> anyhow::Result<Exit> {
        match self.command {
            Command::Demo(mut command) => {
                command.play.setup = setup;
                command.run()
            }
            Command::Run(mut command) => {
                command.play.setup = setup;
                command.run()
            }
            Command::Devnet(command) => command.run(),
            Command::Score(command) => command.run(),
            Command::Serve(command) => command.run(),
            Command::Submit(command) => command.run(),
            Command::Claim(command) => command.run(),
            Command::Rewards(command) => command.run(),
            Command::Map(command) => command.run(),
            Command::Replay(command) => command.run(),
            Command::Doctor(command) => command.run(),
            Command::Setup(command) => command.run(self.config.as_deref()),
            Command::Wallet(command) => command.run(),
            Command::Targets(command) => command.run(),
            Command::Models(command) => command.run(),
            Command::Epoch(command) => command.run(),
            Command::Config(command) => command.run(self.config.as_deref()),
            Command::Man(command) => command.run(),
            Command::Completions(command) => command.run(),
        }
    }
}

/// What modules report through `tracing` goes to a file: standard error belongs to progress, the screen to the dashboard.
/// `RUST_LOG` chooses what.
fn log_to(path: &Path) -> anyhow::Result<()> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write the log {}", path.display()))?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,somascope=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(file)).init();
    Ok(())
}

/// Runs the asynchronous part of a command on a runtime of its own.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let result = runtime.block_on(work);
    // What is still running belongs to a program that ends.
    runtime.shutdown_timeout(Duration::from_secs(2));
    result
}
