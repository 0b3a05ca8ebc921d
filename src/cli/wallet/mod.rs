//! `somascope wallet`: keys, and the money behind them.
//!
//! `keys` makes, brings and shows keys; `secrets` is where a secret comes in and goes out; `look` asks a node and signs nothing;
//! `spend` moves money, through the journal like everything that is signed.

mod keys;
mod look;
mod secrets;
mod spend;

use std::path::Path;

use clap::{Args, Subcommand};

use super::{Exit, environment::Environment};

/// Keys and money: make or bring a wallet, look at it, pay from it.
///
/// The wallet is the one named with --wallet, else SOMA_SECRET_KEY (of the environment, then of `.env`), else the active wallet file, else
/// the active key of the network's own command line. `somascope wallet list` shows what there is.
#[derive(Args)]
#[command(after_help = "Examples:\n  somascope wallet new\n  somascope wallet import --file key.txt\n  \
    somascope wallet faucet --network testnet\n  somascope wallet send 0x5d31… 1.5\n\n\
    Keys are kept encrypted; the passphrase is asked for, or taken from SOMASCOPE_PASSPHRASE. No secret is ever an argument.")]
pub struct Wallet {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    New(keys::New),
    Import(keys::Import),
    Export(keys::Export),
    List(keys::List),
    Use(keys::Use),
    Address(keys::Address),
    Balance(look::Balance),
    Coins(look::Coins),
    Faucet(look::Faucet),
    Send(spend::Send),
    Merge(spend::Merge),
    Split(spend::Split),
}

impl Wallet {
    pub fn run(self) -> anyhow::Result<Exit> {
        let environment = Environment::read(Path::new("."))?;
        match self.command {
            Command::New(command) => command.run(&environment),
            Command::Import(command) => command.run(&environment),
            Command::Export(command) => command.run(&environment),
            Command::List(command) => command.run(&environment),
            Command::Use(command) => command.run(),
            Command::Address(command) => command.run(&environment),
            Command::Balance(command) => command.run(&environment),
            Command::Coins(command) => command.run(&environment),
            Command::Faucet(command) => command.run(&environment),
            Command::Send(command) => command.run(&environment),
            Command::Merge(command) => command.run(&environment),
            Command::Split(command) => command.run(&environment),
        }
    }
}
