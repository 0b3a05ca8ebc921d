//! What every signing command does: the wallet, the chain, the plan, the yes, the journal, the outcome.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::{
    CommonArgs, Exit,
    environment::Environment,
    network::{Network, NetworkArgs},
    output::Page,
    pinning::{AcceptArgs, Allowed},
    place,
    signer::WalletArgs,
};
use crate::{
    chain::client::KNOWN_PROTOCOL,
    engine::desk::{Desk, DeskConfig, Draft, Order, Settled},
    primitives::{Address, Digest, ObjectId, Shannons},
    storage::Store,
};

/// What a signing command is told besides its order.
#[derive(Args, Clone, Debug)]
pub struct OrderArgs {
    #[command(flatten)]
    pub wallet: WalletArgs,
    #[command(flatten)]
    pub accept: AcceptArgs,
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// A wallet that may sign on a chain, with its journal open.
pub struct Counter {
    pub desk: Desk,
    pub network: Network,
    pub allowed: Allowed,
    pub address: Address,
}

impl OrderArgs {
    /// Asks the node who it is before it asks the person for a passphrase; tells what an earlier run had left in flight.
    pub async fn open(
        &self,
        environment: &Environment,
        store: Option<Store>,
        heads: Option<usize>,
    ) -> anyhow::Result<Counter> {
        let network = self.network.resolve(environment)?;
        let found = self.wallet.need(environment)?;
        let address = found.address;
        let allowed = self.accept.ensure_signing_allowed(&network, &network.client()?, address).await?;
        let keypair = found.unlock(environment)?;
        let dir = place::state_dir(&network, Some(address))?;
        let rpc_url = network.rpc_url.clone();
        let desk = Desk::open(DeskConfig { dir, rpc_url, keypair, store, heads }).await?;
        for leftover in desk.leftovers() {
            let mut page = Page::default();
            page.line(format!("earlier: {}: {}", leftover.what, sentence(&leftover.settled)));
            tell(&page.finish());
        }
        Ok(Counter { desk, network, allowed, address })
    }

    /// Draws the order up, shows what it costs, asks, carries it out, and prints what became of it.
    pub async fn carry_out(&self, environment: &Environment, order: Order) -> anyhow::Result<Exit> {
        let Counter { mut desk, network, allowed, address } = self.open(environment, None, None).await?;
        let worked = async {
            let draft = desk.draft(order).await?;
            tell(&plan(&draft, &network, &allowed, address));
            self.common.confirm.insist("Sign and send this?")?;
            let what = draft.what.clone();
            let outcome = Outcome::new(what, &network, &allowed, address, desk.carry_out(draft).await?);
            self.common.output.open().show(&outcome, Outcome::show)?;
            Ok(outcome.exit)
        };
        let worked = worked.await;
        desk.close().await;
        worked
    }
}

/// Where submissions are uploaded: the bucket of the environment, else the one that comes with the network.
pub fn store(environment: &Environment, network: &NetworkArgs) -> anyhow::Result<Option<Store>> {
    let config = match environment.store()? {
        Some(config) => Some(config),
        None => network.resolve(environment)?.objects,
    };
    Ok(config.map(Store::new).transpose()?)
}

/// A plan is for the person who is asked, not part of the result. A closed standard error must not stop the work.
pub fn tell(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Everything that a person should see before saying yes.
pub fn plan(draft: &Draft, network: &Network, allowed: &Allowed, address: Address) -> String {
    let mut page = Page::default();
    page.fact("network", format!("{} (chain {})", network.title(), allowed.service.chain_id));
    if allowed.protocol_version > KNOWN_PROTOCOL {
        page.fact("protocol", format!("{}, and this program knows {KNOWN_PROTOCOL}", allowed.protocol_version));
    }
    page.fact("from", address.to_hex_prefixed());
    page.fact("order", &draft.what);
    if let Order::Send { payments } = &draft.order {
        for (recipient, amount) in payments {
            let to_self = if *recipient == address { " (this wallet)" } else { "" };
            page.fact("pay", format!("{amount} SOMA to {}{to_self}", recipient.to_hex_prefixed()));
        }
    }
    if let Some(gain) = draft.gain {
        page.fact("gain", format!("{gain} SOMA"));
    }
    if draft.bond > Shannons::ZERO {
        page.fact("bond back", format!("{} SOMA", draft.bond));
    }
    page.fact("fee", format!("{} SOMA", draft.fee));
    page.fact("total", format!("{} SOMA", draft.total));
    page.fact("left then", format!("{} SOMA", draft.remaining));
    if let Some(warning) = &draft.warning {
        page.line(format!("Note: {warning}"));
    }
    page.finish()
}

/// What became of an order.
#[derive(Serialize)]
pub struct Outcome {
    /// `executed`, `failed` (executed in vain, the fee was charged), `refused` (nothing was charged), or `unknown`.
    pub status: &'static str,
    pub what: String,
    pub network: String,
    pub chain_id: String,
    pub address: Address,
    pub digest: Option<Digest>,
    pub why: Option<String>,
    pub fee_shannons: Shannons,
    pub balance_change_shannons: i64,
    pub created: Vec<ObjectId>,
    #[serde(skip)]
    pub exit: Exit,
}

impl Outcome {
    pub fn new(what: String, network: &Network, allowed: &Allowed, address: Address, settled: Settled) -> Self {
        let mut outcome = Self {
            status: "refused",
            what,
            network: network.title(),
            chain_id: allowed.service.chain_id.clone(),
            address,
            digest: None,
            why: None,
            fee_shannons: Shannons::ZERO,
            balance_change_shannons: 0,
            created: Vec::new(),
            exit: Exit::Refused,
        };
        match settled {
            Settled::Executed { digest, success, failure, fee, balance_change, created } => {
                (outcome.status, outcome.exit) =
                    if success { ("executed", Exit::Ok) } else { ("failed", Exit::Refused) };
                (outcome.digest, outcome.why) = (Some(digest), failure);
                (outcome.fee_shannons, outcome.balance_change_shannons) = (fee, balance_change);
                outcome.created = created;
            }
            Settled::Refused { why } => outcome.why = Some(why),
            Settled::Unknown { digest, why } => {
                (outcome.status, outcome.exit) = ("unknown", Exit::Unknown);
                (outcome.digest, outcome.why) = (Some(digest), Some(why));
            }
        }
        outcome
    }

    pub fn show(page: &mut Page, outcome: &Self) {
        page.fact(outcome.status, &outcome.what);
        if let Some(why) = &outcome.why {
            page.fact("why", why);
        }
        if let Some(digest) = outcome.digest {
            page.fact("transaction", digest);
        }
        page.fact("fee", format!("{} SOMA", outcome.fee_shannons));
        if outcome.exit == Exit::Unknown {
            page.line(
                "Nobody can say yet what became of it. The next signing command asks again before it signs anything.",
            );
        }
    }
}

/// One line of progress or advice.
pub fn tell_line(line: &str) {
    let mut page = Page::default();
    page.line(line);
    tell(&page.finish());
}

/// The outcome as JSON output says it, how a command ends after it, and what there is to do about an unknown one.
pub fn status(settled: &Settled) -> (&'static str, Exit) {
    match settled {
        Settled::Executed { success: true, .. } => ("executed", Exit::Ok),
        Settled::Executed { .. } => ("failed", Exit::Refused),
        Settled::Refused { .. } => ("refused", Exit::Refused),
        Settled::Unknown { digest, why } => {
            tell_line(&format!(
                "Nobody can say yet what became of transaction {digest} ({why}). Its bytes are kept: the next signing command asks \
                 again and, if need be, sends the same bytes again, which can never pay twice."
            ));
            ("unknown", Exit::Unknown)
        }
    }
}

/// A signed amount of SOMA for people.
pub fn signed(amount: i64) -> String {
    let sign = if amount < 0 { "-" } else { "+" };
    format!("{sign}{}", Shannons(amount.unsigned_abs()))
}

/// What became of something, as half a sentence.
fn sentence(settled: &Settled) -> String {
    match settled {
        Settled::Executed { success: true, digest, .. } => format!("executed as {digest}"),
        Settled::Executed { failure, digest, .. } => {
            format!("failed as {digest} ({})", failure.as_deref().unwrap_or("the network does not say why"))
        }
        Settled::Refused { why } => format!("never executed and never will: {why}"),
        Settled::Unknown { digest, why } => format!("nobody can say yet what became of {digest}: {why}"),
    }
}
