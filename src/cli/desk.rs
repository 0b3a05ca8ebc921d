//! A wallet opened for one command that may sign: key, chain, journal, store.

use std::{
    io::{self, Write},
    path::Path,
};

use clap::Args;

use super::{
    environment::Environment,
    exit::Exit,
    network::{Network, NetworkArgs},
    output::Page,
    pinning::AcceptArgs,
    place,
    signer::WalletArgs,
};
use crate::{
    engine::desk::{Desk, DeskConfig, Leftover, Settled},
    primitives::Shannons,
    storage::Store,
};

/// For commands that sign.
#[derive(Args, Clone, Debug, Default)]
pub struct DeskArgs {
    #[command(flatten)]
    pub wallet: WalletArgs,
    #[command(flatten)]
    pub accept: AcceptArgs,
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// What a command works with until it closes it.
pub struct Session {
    pub desk: Desk,
    pub network: Network,
}

impl DeskArgs {
    /// Unlocks the wallet, checks that this is its chain, and settles what an earlier command left in flight, telling about it.
    pub async fn open(&self, heads: Option<usize>) -> anyhow::Result<Session> {
        let environment = Environment::read(Path::new("."))?;
        let network = self.network.resolve(&environment)?;
        let store = environment.store()?.or_else(|| network.objects.clone()).map(Store::new).transpose()?;
        let keypair = self.wallet.need(&environment)?.unlock(&environment)?;
        let address = keypair.address();
        self.accept.ensure_signing_allowed(&network, &network.client()?, address).await?;
        let dir = place::state_dir(&network, Some(address))?;
        let config = DeskConfig { dir, rpc_url: network.rpc_url.clone(), keypair, store, heads };
        let desk = Desk::open(config).await?;
        for leftover in desk.leftovers() {
            tell(&leftover_line(leftover));
        }
        Ok(Session { desk, network })
    }
}

impl Session {
    /// Lets the wallet go, whatever the command came to.
    pub async fn close<T>(self, result: anyhow::Result<T>) -> anyhow::Result<T> {
        self.desk.close().await;
        result
    }
}

/// One line to standard error. A closed one must not stop the work.
pub fn tell(line: &str) {
    tell_page(|page| {
        page.line(line);
    });
}

/// A plan or a finding to standard error.
pub fn tell_page(write: impl FnOnce(&mut Page)) {
    let mut page = Page::default();
    write(&mut page);
    let _ = io::stderr().write_all(page.finish().as_bytes());
}

fn leftover_line(leftover: &Leftover) -> String {
    let Leftover { what, digest, settled } = leftover;
    let outcome = match settled {
        Settled::Executed { success: true, fee, .. } => format!("was executed, fee {fee} SOMA"),
        Settled::Executed { failure, fee, .. } => {
            format!("failed ({}), fee {fee} SOMA", failure.as_deref().unwrap_or("no reason given"))
        }
        Settled::Refused { why } => format!("was not executed and never will be, nothing was charged: {why}"),
        Settled::Unknown { why, .. } => format!("is still unknown: {why}"),
    };
    format!("an earlier command left in flight: {what}. Transaction {digest} {outcome}")
}

/// How a command ends after this.
pub fn exit_of(settled: &Settled) -> Exit {
    match settled {
        Settled::Executed { success: true, .. } => Exit::Ok,
        Settled::Executed { .. } | Settled::Refused { .. } => Exit::Refused,
        Settled::Unknown { .. } => Exit::Unknown,
    }
}

/// What to do about an outcome that nobody knows.
pub fn advice(settled: &Settled) -> Option<String> {
    match settled {
        Settled::Unknown { digest, why } => Some(format!(
            "sent, and nobody can say yet what became of transaction {digest} ({why}). Its bytes are kept: the next command with this \
             wallet asks again and, if need be, sends the same bytes again, which can never pay twice"
        )),
        _ => None,
    }
}

/// The outcome in the words of JSON output: `executed`, `failed`, `refused` or `unknown`.
pub fn word(settled: &Settled) -> &'static str {
    match settled {
        Settled::Executed { success: true, .. } => "executed",
        Settled::Executed { .. } => "failed",
        Settled::Refused { .. } => "refused",
        Settled::Unknown { .. } => "unknown",
    }
}

/// A signed amount of SOMA for people.
pub fn signed(amount: i64) -> String {
    let sign = if amount < 0 { "-" } else { "+" };
    format!("{sign}{}", Shannons(amount.unsigned_abs()))
}
