//! The command tree: parses, wires the parts together, prints, and chooses the exit code.
//!
//! The only place that knows every module. Standard output carries results only; progress and errors go to standard error.

mod claim;
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
mod headless;
mod library;
mod look;
mod map;
mod models;
mod near;
mod network;
mod order;
mod output;
mod pinning;
mod place;
mod play;
mod relay;
mod replay;
mod rewards;
mod run;
mod score;
mod serve;
mod signer;
mod specialists;
mod submit;
mod targets;
mod time;
mod wallet;

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::ExitCode,
    sync::Mutex,
    time::Duration,
};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

pub use self::exit::Exit;

/// The cockpit of a SOMA data submitter: score, see, approve, submit and claim, from a terminal.
#[derive(Parser)]
#[command(name = "somascope", version, propagate_version = true)]
struct Cli {
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
    let result = match Cli::parse().command {
        Command::Demo(command) => command.run(),
        Command::Devnet(command) => command.run(),
        Command::Run(command) => command.run(),
        Command::Score(command) => command.run(),
        Command::Serve(command) => command.run(),
        Command::Submit(command) => command.run(),
        Command::Claim(command) => command.run(),
        Command::Rewards(command) => command.run(),
        Command::Map(command) => command.run(),
        Command::Replay(command) => command.run(),
        Command::Doctor(command) => command.run(),
        Command::Wallet(command) => command.run(),
        Command::Targets(command) => command.run(),
        Command::Models(command) => command.run(),
        Command::Epoch(command) => command.run(),
    };
    let exit = result.unwrap_or_else(|error| {
        // Standard error may be closed; the exit code still tells.
        let _ = writeln!(io::stderr(), "error: {}", exit::line(&error));
        Exit::of(&error)
    });
    exit.into()
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
