//! The wallet's rewards, rebuilt from the chain alone and joined with what the journal has seen.
//!
//! `walk` follows the wallet's coins backwards through the transactions that made them, as far as the node remembers;
//! `ledger` turns executed transactions into rewards and is a pure function. Knows the chain's client and the journal;
//! signs nothing and never guesses: what the node has forgotten is told as forgotten.

mod ledger;
mod walk;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    EngineError,
    journal::{self, Journal},
};
use crate::{
    api::SubmissionState,
    chain::{
        client::Client,
        types::{TargetStatus, TargetV1},
    },
    engine::JournalError,
    export::StepRecord,
    primitives::{Address, Digest, ObjectId, Shannons},
};

pub use walk::Limits;

/// Bounds every call to the node.
const CALL: Duration = Duration::from_secs(20);

/// An executed transaction that moved the wallet's coins, whoever sent it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::engine) struct Past {
    pub digest: Digest,
    /// The wallet itself signed it, and paid its fee.
    pub ours: bool,
    pub what: What,
    /// The target before the transaction, for a submission or a claim; `None`: no longer known.
    pub target: Option<TargetFacts>,
    pub failure: Option<Failure>,
    pub epoch: u64,
    pub checkpoint: Option<u64>,
    pub at_ms: Option<u64>,
    /// Of the whole transaction.
    pub fee: Shannons,
    /// What the wallet's coins gained or lost.
    pub change: i64,
    /// Coins that it created for the wallet.
    pub coins_created: u32,
    /// The transactions that its coins came from.
    pub parents: Vec<Digest>,
    /// Coins whose origin the node has forgotten.
    pub lost_parents: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::engine) struct Failure {
    pub text: String,
    /// Somebody else was first.
    pub is_lost_race: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::engine) enum What {
    Submit { target: ObjectId, model: ObjectId, data: Data, distance: Option<f32> },
    Claim { target: ObjectId },
    Other,
}

/// The bytes of a submission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::engine) struct Data {
    pub url: String,
    pub checksum: Digest,
    pub size: u64,
}

/// What a target's object tells at one version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::engine) struct TargetFacts {
    pub submitter: Option<Address>,
    /// Of its generation; a fill happens in the same one.
    pub epoch: u64,
    pub filled: bool,
    pub reward_pool: Shannons,
    pub bond: Shannons,
    pub threshold: Option<f32>,
    pub distance: Option<f32>,
    pub model: Option<ObjectId>,
    pub data: Option<Data>,
}

impl TargetFacts {
    pub fn of(target: &TargetV1) -> Self {
        let manifest = target.winning_data_manifest.as_ref();
        Self {
            submitter: target.submitter,
            epoch: target.generation_epoch,
            filled: matches!(target.status, TargetStatus::Filled { .. }),
            reward_pool: Shannons(target.reward_pool),
            bond: Shannons(target.bond_amount),
            threshold: target.distance_threshold.scalar_value().ok(),
            distance: target.winning_distance_score.as_ref().and_then(|distance| distance.scalar_value().ok()),
            model: target.winning_model_id,
            data: manifest.map(|manifest| Data {
                url: manifest.url().to_owned(),
                checksum: manifest.checksum(),
                size: manifest.size(),
            }),
        }
    }
}

/// One submission of the wallet, from its signature to its reward.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    pub target: ObjectId,
    pub state: EntryState,
    /// In which it was filled.
    pub epoch: u64,
    /// From which on its reward can be claimed; only for what was filled.
    pub claimable_epoch: Option<u64>,
    #[serde(rename = "bond_shannons")]
    pub bond: Shannons,
    /// Of the submission and of our own claims.
    #[serde(rename = "fee_shannons")]
    pub fee: Shannons,
    /// The target's whole reward, before it is shared.
    #[serde(rename = "reward_pool_shannons")]
    pub reward_pool: Option<Shannons>,
    /// The submitter's share and the finder's fee, for what is not yet claimed.
    #[serde(rename = "expected_shannons")]
    pub expected: Option<Shannons>,
    /// What the claim paid, bond not included.
    #[serde(rename = "paid_shannons")]
    pub paid: Option<Shannons>,
    pub submit_digest: Option<Digest>,
    pub claim_digest: Option<Digest>,
    pub claimed_by_others: bool,
    pub model: Option<ObjectId>,
    pub distance: Option<f32>,
    pub threshold: Option<f32>,
    pub size_bytes: Option<u64>,
    pub checksum: Option<Digest>,
    pub url: Option<String>,
    pub submitted_at_ms: Option<u64>,
    /// The file that it came from; only on the machine that submitted it.
    pub source: Option<String>,
    pub note: Option<String>,
    /// When each of its states was entered; only on the machine that submitted it.
    pub steps: Vec<StepRecord>,
}

/// What became of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// Signed on this machine, and nobody can say yet what became of it.
    Unknown,
    /// Filled; validators may still report it.
    Pending,
    Claimable,
    Claimed,
    /// Validators took the bond.
    Forfeited,
    /// Filled and gone from the chain, and the node no longer knows its claim.
    Forgotten,
    /// Somebody else was first; the base fee was charged.
    Lost,
    /// Refused in execution; the base fee was charged.
    Failed,
}

impl EntryState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Pending => "pending",
            Self::Claimable => "claimable",
            Self::Claimed => "claimed",
            Self::Forfeited => "forfeited",
            Self::Forgotten => "forgotten",
            Self::Lost => "lost",
            Self::Failed => "failed",
        }
    }

    /// It filled its target.
    pub fn has_filled(self) -> bool {
        matches!(self, Self::Pending | Self::Claimable | Self::Claimed | Self::Forfeited | Self::Forgotten)
    }
}

/// A claim of somebody else's target, for the finder's fee.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Find {
    pub target: ObjectId,
    pub digest: Digest,
    pub epoch: u64,
    #[serde(rename = "paid_shannons")]
    pub paid: Shannons,
    #[serde(rename = "fee_shannons")]
    pub fee: Shannons,
    pub succeeded: bool,
}

/// Sums over the submissions of one epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EpochSum {
    pub epoch: u64,
    pub filled: u64,
    pub lost: u64,
    pub claimed: u64,
    #[serde(rename = "earned_shannons")]
    pub earned: Shannons,
    #[serde(rename = "pending_shannons")]
    pub pending: Shannons,
    #[serde(rename = "bonds_locked_shannons")]
    pub bonds_locked: Shannons,
    #[serde(rename = "bonds_forfeited_shannons")]
    pub bonds_forfeited: Shannons,
    #[serde(rename = "fees_shannons")]
    pub fees: Shannons,
}

/// Sums over everything that is known.
///
/// If nothing was forgotten,
/// `balance = received + rewards + finder fees − fees − bonds locked − bonds forfeited − sent`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub submitted: u64,
    pub filled: u64,
    pub pending: u64,
    pub claimable: u64,
    pub claimed: u64,
    pub forfeited: u64,
    pub lost: u64,
    #[serde(rename = "rewards_shannons")]
    pub rewards: Shannons,
    /// What the pending and the claimable should pay.
    #[serde(rename = "expected_shannons")]
    pub expected: Shannons,
    #[serde(rename = "finder_fees_shannons")]
    pub finder_fees: Shannons,
    /// Of every transaction that the wallet signed.
    #[serde(rename = "fees_shannons")]
    pub fees: Shannons,
    #[serde(rename = "bonds_locked_shannons")]
    pub bonds_locked: Shannons,
    #[serde(rename = "bonds_forfeited_shannons")]
    pub bonds_forfeited: Shannons,
    /// From the faucet, from others, and shares of a model's owner.
    #[serde(rename = "received_shannons")]
    pub received: Shannons,
    /// To others, and staked.
    #[serde(rename = "sent_shannons")]
    pub sent: Shannons,
}

/// Everything that is known of a wallet's rewards.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rewards {
    pub address: Address,
    pub epoch: u64,
    #[serde(rename = "balance_shannons")]
    pub balance: Shannons,
    /// Newest first.
    pub epochs: Vec<EpochSum>,
    /// Newest first.
    pub submissions: Vec<Entry>,
    /// Newest first.
    pub finds: Vec<Find>,
    pub totals: Totals,
    /// The sums explain the balance to the last shannon.
    pub complete: bool,
    /// What the chain no longer tells, in words; empty if it told everything.
    pub gaps: Vec<String>,
    /// What this machine adds to the chain: the file of each submission, and what is in flight.
    pub journal: JournalUse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalUse {
    Joined,
    /// A dashboard works in the directory.
    Busy,
    /// This machine has none for the wallet.
    None,
}

/// Whose rewards, and where to ask.
pub struct Query {
    pub rpc_url: String,
    pub address: Address,
    /// The wallet's state directory on this machine. If there is none, what was found is not kept.
    pub dir: Option<PathBuf>,
    pub limits: Limits,
}

/// Rebuilds the wallet's rewards from the chain, keeps what it found, and joins it with the journal of this machine.
///
/// `progress` hears how many transactions have been looked at.
pub async fn rewards(query: Query, progress: impl FnMut(usize)) -> Result<Rewards, EngineError> {
    let client = Client::new(&query.rpc_url, CALL)?;
    let (journal, using) = match query.dir.as_deref().filter(|dir| dir.join(journal::FILE).is_file()) {
        None => (None, JournalUse::None),
        Some(dir) => match Journal::open(dir, None) {
            Ok(journal) => (Some(journal), JournalUse::Joined),
            Err(JournalError::InUse(_)) => (None, JournalUse::Busy),
            Err(error) => return Err(error.into()),
        },
    };
    let found = async {
        let (ours, using) = match &journal {
            Some(opened) if is_ours(&client, &query, opened).await? => (Some(opened), using),
            Some(_) => (None, JournalUse::None),
            None => (None, using),
        };
        let rewards = joined(&client, &query, ours, progress).await?;
        Ok(Rewards { journal: using, ..rewards })
    };
    let found = found.await;
    if let Some(journal) = journal {
        journal.close().await;
    }
    found
}

/// Whether the journal belongs to this wallet and chain: a local network that was started anew is another chain.
async fn is_ours(client: &Client, query: &Query, journal: &Journal) -> Result<bool, EngineError> {
    // Who only looks must not settle whose it is: that is for those who sign.
    if journal.meta("wallet").await? != Some(query.address.to_string()) {
        return Ok(false);
    }
    Ok(journal.meta("chain").await? == Some(client.service_info().await?.chain_id))
}

async fn joined(
    client: &Client,
    query: &Query,
    journal: Option<&Journal>,
    progress: impl FnMut(usize),
) -> Result<Rewards, EngineError> {
    let mut known = BTreeMap::new();
    let mut rows = Vec::new();
    if let Some(journal) = journal {
        known = journal.remembered().await?.into_iter().map(|past| (past.digest, past)).collect();
        rows = journal.signed_rows().await?;
    }
    let walked = walk::walk(client, query.address, known, query.limits, progress).await?;
    if let Some(journal) = journal {
        journal.remember(walked.fresh.clone()).await?;
    }
    let mut rewards = ledger::rewards(query.address, &walked);
    ledger::join(&mut rewards, &rows);
    ledger::sum(&mut rewards, &walked);
    Ok(rewards)
}

/// How a journal's row reads among rewards; `None`: nothing was ever sent for it.
fn state_of(state: SubmissionState) -> Option<EntryState> {
    use SubmissionState as S;
    Some(match state {
        S::Signed | S::Sent | S::Unknown => EntryState::Unknown,
        S::Filled => EntryState::Pending,
        S::Claimable => EntryState::Claimable,
        S::Claimed => EntryState::Claimed,
        S::Forfeited => EntryState::Forfeited,
        S::Lost => EntryState::Lost,
        S::Failed => EntryState::Failed,
        S::Found | S::Confirmed | S::AwaitingApproval | S::Approved | S::Rejected | S::Uploaded | S::Expired => {
            return None;
        }
    })
}
