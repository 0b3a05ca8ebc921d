//! The background engine: corpus → scoring → matching → journaled money path → claims → history.
//!
//! Knows `api`, `chain`, `model`, `storage` and `primitives`; never the interface or the embedded network. One dispatcher
//! task owns all truth; the executors around it (corpus reader, scorers, matcher, chain watcher, short-lived network
//! tasks) own none and speak to it through channels.
//!
//! Invariants: what could cost money is on disk before it is sent; a target is never signed for twice unless the first
//! signature can provably never execute; a bond is only put on a [`scoring::ConfirmedHit`] whose bytes were read back
//! through their public URL; nothing is signed in read-only mode.

mod backoff;
pub mod board;
mod corpus;
pub mod desk;
mod dispatcher;
pub mod history;
mod journal;
mod matching;
mod meter;
pub mod models;
mod money;
pub mod nearest;
pub mod niches;
mod pins;
mod published;
mod recent;
mod scoring;
mod snapshot;
mod watch;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    api::{EngineHandle, Mode, SubmissionState},
    chain::{
        client::{Client, ClientError},
        keys::Keypair,
    },
    model::Placement,
    primitives::{Address, Shannons, now_ms},
    storage::{StorageError, Store},
};

pub use corpus::{CorpusError, Format, Pieces, Sampling, SourceKind, SourceSpec, SpecError, StackSpec};
pub use dispatcher::{EXPORTS, replacement};
pub use journal::{Held, JournalError, hold};
pub use matching::Compose;
pub use scoring::{Budget, ShareError, available_memory};

/// Everything that the engine is told from outside.
pub struct EngineConfig {
    /// Journal, lock and weights cache; made if missing.
    pub dir: PathBuf,
    /// `testnet`, `localnet` or `devnet`, for the screen.
    pub network_name: String,
    pub rpc_url: String,
    /// `None`: read-only.
    pub keypair: Option<Keypair>,
    /// The chain that may be signed on; `None`: the first that is heard of.
    pub chain: Option<String>,
    pub policy: Policy,
    /// `None`: nothing can be uploaded, so nothing can be submitted.
    pub store: Option<Store>,
    /// The data that is scored.
    pub corpus: Vec<SourceSpec>,
    /// What is made of it.
    pub sampling: Sampling,
    /// Attention heads, which weights do not tell; `None`: the model's own rule.
    pub heads: Option<usize>,
    /// Where this machine scores, and how precisely it searches (it confirms in f32 whatever this says), each device once. Empty:
    /// on all cards in bf16, or without any on the processor.
    pub devices: Vec<Placement>,
    /// Bytes of models on each device; `None`: half of the machine's free memory, and of each card nearly all.
    pub memory_budget: Option<u64>,
    /// URLs of scoring services that search with us.
    pub scorers: Vec<String>,
    /// Where these fetch samples: an address of this machine (`http://host:port`) that they reach. `None`: they are on this machine.
    pub share_data: Option<String>,
    /// Bytes of scores that are kept on disk; the oldest leave first.
    pub library_bytes: u64,
    /// What may be put together for a target that no single sample reaches.
    pub compose: Compose,
    /// How often epoch and wallet are looked at; targets are kept current by the subscription.
    pub refresh: Duration,
    /// Transactions that may be on their way at once, each with coins of its own; at least one. Coins are split ahead to so
    /// many when there is use for them.
    pub coins_ahead: usize,
    /// Sign although the network speaks this protocol, if it is newer than
    /// [`KNOWN_PROTOCOL`](crate::chain::client::KNOWN_PROTOCOL).
    pub accepted_protocol: Option<u64>,
    /// What was wrong with how this was set up; told in the activity log.
    pub warnings: Vec<String>,
    /// Crash injection for tests: abort the process at this point. Without effect in builds without debug assertions.
    pub die_at: Option<Crash>,
}

/// The `times`-th passing of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    pub at: CrashAt,
    pub times: u32,
}

/// Right after the commit that did this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CrashAt {
    /// Brought a row into this state.
    Row(SubmissionState),
    /// Stored an order's signed bytes.
    OrderSigned,
    /// Noted that its sending begins.
    OrderSent,
    /// Booked what it came to.
    OrderSettled,
}

impl From<SubmissionState> for Crash {
    fn from(state: SubmissionState) -> Self {
        Self { at: CrashAt::Row(state), times: 1 }
    }
}

/// Scores on disk, unless somebody says otherwise: of 100,000 samples under three models of 2,048 dimensions they take 2.3 GiB.
pub const LIBRARY_BYTES: u64 = 8 << 30;

/// Transactions at once, unless somebody says otherwise.
pub const COINS_AHEAD: usize = 4;

/// Who approves, and what is worth a bond.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub mode: Mode,
    /// Limits of automatic approval; a person may go beyond them.
    pub max_bond_per_submission: Shannons,
    pub max_bond_per_epoch: Shannons,
    /// Threshold − distance that a candidate needs, in cosine distance.
    pub min_margin: f32,
    /// Expected reward less expected fees that a candidate needs.
    pub min_gain: Shannons,
    /// Claim as soon as the network lets us. The approval of a submission covers its claim.
    pub auto_claim: bool,
    /// AUTO cannot be switched on: somebody has set limits that could not be read.
    pub auto_barred: bool,
}

/// Why the engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the state in {dir} belongs to the chain {recorded}, but {rpc_url} serves {found}; use another directory")]
    OtherChain { dir: PathBuf, recorded: String, rpc_url: String, found: String },
    #[error("the state in {dir} belongs to the wallet {recorded}, not to {found}; use another directory")]
    OtherWallet { dir: PathBuf, recorded: String, found: Address },
    #[error(transparent)]
    Share(#[from] ShareError),
    #[error(
        "the scoring service {0} is on another machine and could not fetch samples from this one: give an address of this machine that it \
         reaches as --share-data http://HOST:PORT"
    )]
    NothingShared(String),
    #[error("a thread of the engine could not be started: {0}")]
    Thread(std::io::Error),
}

/// Opens the journal, looks at the chain, settles what an earlier run left in flight, and runs until
/// [`Command::Shutdown`](crate::api::Command::Shutdown) or until the handle's command sender is dropped.
///
/// A node that cannot be reached is no error: the engine says so in its snapshot and keeps trying.
pub async fn start(config: EngineConfig) -> Result<EngineHandle, EngineError> {
    dispatcher::start(config).await
}

/// Checks that data can be read at all, as [`start`] does before anything else.
pub fn check_data(sources: &[SourceSpec]) -> Result<(), CorpusError> {
    corpus::check(sources)
}

/// Checks that a journal belongs to this wallet and to the chain that the node serves, and writes it down the first time. Gives
/// the chain's id.
async fn identify(
    journal: &journal::Journal,
    client: &Client,
    dir: &Path,
    rpc_url: &str,
    wallet: Address,
) -> Result<String, EngineError> {
    let recorded = journal.settle_meta("wallet", wallet.to_string()).await?;
    if recorded != wallet.to_string() {
        return Err(EngineError::OtherWallet { dir: dir.into(), recorded, found: wallet });
    }
    let found = client.service_info().await?.chain_id;
    let recorded = journal.settle_meta("chain", found.clone()).await?;
    if recorded != found {
        return Err(EngineError::OtherChain { dir: dir.into(), recorded, rpc_url: rpc_url.into(), found });
    }
    Ok(found)
}
