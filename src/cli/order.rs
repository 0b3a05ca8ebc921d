//! What every signing command does: the wallet, the chain, the plan, the yes, the journal, the outcome.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::{
    CommonArgs, Exit,
    bucket::BucketArgs,
    environment::Environment,
    network::{Network, NetworkArgs},
    output::Page,
    pinning::{AcceptArgs, Allowed},
    place::StateArgs,
    signer::WalletArgs,
};
use crate::{
    chain::client::KNOWN_PROTOCOL,
    engine::{
        Held,
        desk::{Desk, DeskConfig, Draft, Order, Settled},
    },
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
    pub state: StateArgs,
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
    /// Its usual place, where the journal is in another one.
    _held: Option<Held>,
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
        let (dir, _held) = self.state.to_sign(&network, address)?;
        let rpc_url = network.rpc_url.clone();
        let desk = Desk::open(DeskConfig { dir, rpc_url, keypair, store, heads }).await?;
        for leftover in desk.leftovers() {
            let mut page = Page::default();
            page.line(format!("earlier: {}: {}", leftover.what, sentence(&leftover.settled)));
            tell(&page.finish());
        }
        Ok(Counter { desk, network, allowed, address, _held })
    }

    /// Draws the order up, shows what it costs, asks, carries it out, and prints what became of it.
    pub async fn carry_out(&self, environment: &Environment, order: Order) -> anyhow::Result<Exit> {
        let Counter { mut desk, network, allowed, address, _held } = self.open(environment, None, None).await?;
        let worked = async {
            let draft = desk.draft(order).await?;
            tell(&plan(&draft, &network, &allowed, address));
            self.common.confirm.insist("Sign and send this?")?;
            let what = draft.what.clone();
            let settled = desk.carry_out(draft).await?;
            advise(&settled);
            let ended = Ended::from(&settled);
            let (network, chain_id) = (network.title(), allowed.service.chain_id);
            let created = match settled {
                Settled::Executed { created, .. } => created,
                Settled::Refused { .. } | Settled::Unknown { .. } => Vec::new(),
            };
            let outcome = Outcome { what, network, chain_id, address, created, ended };
            self.common.output.open_done().show(&outcome, Outcome::show)?;
            Ok(outcome.ended.exit)
        };
        let worked = worked.await;
        desk.close().await;
        worked
    }
}

/// Where submissions are uploaded.
pub fn store(environment: &Environment, network: &NetworkArgs, bucket: &BucketArgs) -> anyhow::Result<Option<Store>> {
    Ok(network.resolve(environment)?.bucket(environment, bucket)?.map(Store::new).transpose()?)
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

/// How something ended, as JSON output says it and as the exit code does.
#[derive(Serialize)]
pub struct Ended {
    /// `executed`, `failed` (executed in vain, the fee was charged), `refused` (nothing was charged), or `unknown`.
    pub status: &'static str,
    pub digest: Option<Digest>,
    pub why: Option<String>,
    /// What was charged; `None`: nothing was executed, or nobody can say yet.
    pub fee_shannons: Option<Shannons>,
    pub balance_change_shannons: Option<i64>,
    #[serde(skip)]
    pub exit: Exit,
}

impl Ended {
    /// Nothing was executed.
    pub fn without(status: &'static str, exit: Exit, why: Option<String>) -> Self {
        Self { status, digest: None, why, fee_shannons: None, balance_change_shannons: None, exit }
    }
}

impl From<&Settled> for Ended {
    fn from(settled: &Settled) -> Self {
        match settled {
            Settled::Executed { digest, success, failure, fee, balance_change, .. } => Self {
                digest: Some(*digest),
                fee_shannons: Some(*fee),
                balance_change_shannons: Some(*balance_change),
                ..match success {
                    true => Self::without("executed", Exit::Ok, failure.clone()),
                    false => Self::without("failed", Exit::Refused, failure.clone()),
                }
            },
            Settled::Refused { why } => Self::without("refused", Exit::Refused, Some(why.clone())),
            Settled::Unknown { digest, why } => {
                Self { digest: Some(*digest), ..Self::without("unknown", Exit::Unknown, Some(why.clone())) }
            }
        }
    }
}

/// What became of an order.
#[derive(Serialize)]
struct Outcome {
    what: String,
    network: String,
    chain_id: String,
    address: Address,
    created: Vec<ObjectId>,
    #[serde(flatten)]
    ended: Ended,
}

impl Outcome {
    fn show(page: &mut Page, outcome: &Self) {
        let ended = &outcome.ended;
        page.fact(ended.status, &outcome.what);
        if let Some(why) = &ended.why {
            page.fact("why", why);
        }
        if let Some(digest) = ended.digest {
            page.fact("transaction", digest);
        }
        if let Some(fee) = ended.fee_shannons {
            page.fact("fee", format!("{fee} SOMA"));
        }
    }
}

/// What there is to do about an outcome that nobody knows.
pub fn advise(settled: &Settled) {
    if let Settled::Unknown { digest, why } = settled {
        tell_line(&format!(
            "Nobody can say yet what became of transaction {digest} ({why}). Its bytes are kept: the next signing command asks \
             again and, if need be, sends the same bytes again, which can never pay twice."
        ));
    }
}

/// One line of progress or advice.
pub fn tell_line(line: &str) {
    let mut page = Page::default();
    page.line(line);
    tell(&page.finish());
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
