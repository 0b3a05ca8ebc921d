//! One wallet's money operations, one at a time: for scripts and the command line.
//!
//! The same journal, builders and settling as the running engine, without its dispatcher: a caller says what is to be done,
//! sees what it costs, and carries it out. Knows what the engine knows, and no interface. Never signs what was not drafted or
//! confirmed first, never sends before the journal has it, and never works beside an engine in the same directory.

mod carry;
mod claims;
mod draft;
mod submit;

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{EngineError, journal::Journal, money::Wallet, scoring::NotConfirmed, scoring::WeightsError};
use crate::{
    chain::{
        client::{Client, ClientError, EpochState},
        keys::Keypair,
        types::TransactionData,
    },
    engine::{Crash, JournalError},
    primitives::{Address, Digest, ObjectId, Shannons},
    storage::{StorageError, Store},
};

pub use claims::{Claimable, ClaimableKind, Whose};
pub use submit::{Offer, Secrets, check_data};

/// Bounds every call to the node but the sending of transactions.
const CALL: Duration = Duration::from_secs(20);

pub struct DeskConfig {
    /// The wallet's state on this network: journal, lock and weights cache; made if missing.
    pub dir: PathBuf,
    pub rpc_url: String,
    pub keypair: Keypair,
    /// `None`: nothing can be uploaded, so nothing can be submitted.
    pub store: Option<Store>,
    /// Attention heads, which weights do not tell; `None`: the model's own rule.
    pub heads: Option<usize>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    Send {
        payments: Vec<(Address, Shannons)>,
    },
    /// Many coins become two.
    Merge,
    /// The richest coin becomes this many of equal worth.
    Split {
        parts: u32,
    },
    /// Ours, or somebody else's for the finder's fee.
    Claim {
        target: ObjectId,
    },
}

/// An order with its exact costs. Nothing is signed.
#[derive(Clone, Debug)]
pub struct Draft {
    pub order: Order,
    /// In words.
    pub what: String,
    pub fee: Shannons,
    /// Leaves the wallet: payments and fee.
    pub total: Shannons,
    /// What comes in, before the fee; only for claims. A bond that comes back is no gain.
    pub gain: Option<Shannons>,
    /// Comes back with the claim of our own target.
    pub bond: Shannons,
    /// The wallet's balance afterwards.
    pub remaining: Shannons,
    /// What a person should know before agreeing.
    pub warning: Option<String>,
    data: TransactionData,
    /// The checkpoint that the node showed when the coins were looked at.
    height: u64,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    Executed {
        digest: Digest,
        success: bool,
        /// Why it failed, if it did; the fee was charged.
        failure: Option<String>,
        fee: Shannons,
        balance_change: i64,
        /// Objects that it created for the wallet or for others.
        created: Vec<ObjectId>,
    },
    /// Never executed, never will, nothing was charged.
    Refused { why: String },
    /// Nobody can say yet; the next opening of the desk asks again.
    Unknown { digest: Digest, why: String },
}

/// A transaction that an earlier run had left in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    pub what: String,
    pub digest: Digest,
    pub settled: Settled,
}

#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("{needed} SOMA are needed, fees included, and the wallet holds {held}")]
    Poor { needed: Shannons, held: Shannons },
    #[error(
        "the {coins} richest coins together hold less than the {needed} SOMA that are needed: merge the coins first"
    )]
    Scattered { coins: usize, needed: Shannons },
    #[error("{0}")]
    Order(String),
    #[error("target {0} is not on the chain: it was claimed, or never was")]
    NoTarget(ObjectId),
    #[error("target {target} can be claimed from epoch {from} on, and this is epoch {epoch}")]
    TooEarly { target: ObjectId, from: u64, epoch: u64 },
    #[error("target {target} is closed: {why}")]
    Closed { target: ObjectId, why: String },
    #[error("the data in {path} cannot be used: {why}")]
    Data { path: PathBuf, why: String },
    #[error("no hit: the distance {distance} is {} beyond the threshold {threshold} of target {target}", .distance - .threshold)]
    Miss { target: ObjectId, distance: f32, threshold: f32 },
    #[error("{0}")]
    Scoring(String),
    #[error(
        "submissions need a public bucket: set S3_BUCKET and its companions (see .env.example); `somascope doctor` checks them"
    )]
    NoStore,
    #[error(
        "the submission of target {target} is in flight with transaction {digest}, and nobody can say yet what became of it"
    )]
    InFlight { target: ObjectId, digest: Digest },
    #[error(
        "an earlier order is still in flight, and nothing new is signed before it is settled: {what}, transaction {digest}"
    )]
    Unsettled { what: String, digest: Digest },
    #[error("target {0} is already filled by this wallet")]
    AlreadyFilled(ObjectId),
}

/// Which kind of trouble it is, for an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The network, or the state of the chain, says no.
    Refused,
    BadInput,
    Unreachable,
    Unknown,
}

impl DeskError {
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Client(error) | Self::Engine(EngineError::Client(error)) => match error {
                ClientError::Unreachable(_) => Trouble::Unreachable,
                ClientError::Refused { .. } | ClientError::Malformed(_) => Trouble::Refused,
                ClientError::Url(_) => Trouble::BadInput,
            },
            Self::Storage(StorageError::Url(..)) => Trouble::BadInput,
            Self::Storage(_) => Trouble::Unreachable,
            Self::Scoring(_) => Trouble::Unreachable,
            Self::Poor { .. }
            | Self::Scattered { .. }
            | Self::NoTarget(_)
            | Self::TooEarly { .. }
            | Self::Closed { .. }
            | Self::AlreadyFilled(_) => Trouble::Refused,
            Self::InFlight { .. } | Self::Unsettled { .. } => Trouble::Unknown,
            Self::Engine(_)
            | Self::Journal(_)
            | Self::Order(_)
            | Self::Data { .. }
            | Self::Miss { .. }
            | Self::NoStore => Trouble::BadInput,
        }
    }
}

impl From<WeightsError> for DeskError {
    fn from(error: WeightsError) -> Self {
        match error {
            WeightsError::Fetch(error) => Self::Storage(error),
            other => Self::Scoring(other.to_string()),
        }
    }
}

/// The wallet, its journal and its node. The directory is locked while it lives.
pub struct Desk {
    wallet: Wallet,
    address: Address,
    chain_id: String,
    journal: Journal,
    store: Option<Store>,
    dir: PathBuf,
    heads: Option<usize>,
    leftovers: Vec<Leftover>,
}

impl Desk {
    /// Locks the directory, checks that its journal belongs to this chain and wallet, and settles what an earlier run left in
    /// flight; what that came to is in [`leftovers`](Self::leftovers).
    pub async fn open(config: DeskConfig) -> Result<Self, DeskError> {
        Self::open_to_die(config, None).await
    }

    /// For tests: ends the process at this point.
    #[doc(hidden)]
    pub async fn open_to_die(config: DeskConfig, die_at: Option<Crash>) -> Result<Self, DeskError> {
        let client = Client::new(&config.rpc_url, CALL)?;
        let address = config.keypair.address();
        let journal = Journal::open(&config.dir, die_at)?;
        let mut desk = Self {
            wallet: Wallet { client, keypair: Arc::new(config.keypair) },
            address,
            chain_id: String::new(),
            journal,
            store: config.store,
            dir: config.dir,
            heads: config.heads,
            leftovers: Vec::new(),
        };
        let prepared = async {
            desk.chain_id =
                super::identify(&desk.journal, &desk.wallet.client, &desk.dir, &config.rpc_url, address).await?;
            desk.settle_leftovers().await
        };
        match prepared.await {
            Ok(leftovers) => {
                desk.leftovers = leftovers;
                Ok(desk)
            }
            Err(error) => {
                desk.journal.close().await;
                Err(error)
            }
        }
    }

    /// What an earlier run had left in flight, and what became of it.
    pub fn leftovers(&self) -> &[Leftover] {
        &self.leftovers
    }

    pub fn address(&self) -> Address {
        self.address
    }

    /// The network's live state.
    pub async fn state(&self) -> Result<EpochState, DeskError> {
        Ok(self.wallet.client.epoch_state().await?)
    }

    /// Lets the directory go.
    pub async fn close(self) {
        self.journal.close().await;
    }
}

/// What a failed confirmation is to a caller.
fn not_confirmed(error: NotConfirmed, target: ObjectId, path: &std::path::Path) -> DeskError {
    match error {
        NotConfirmed::Miss { distance, threshold } => DeskError::Miss { target, distance, threshold },
        error @ (NotConfirmed::Unreadable { .. } | NotConfirmed::Changed(_) | NotConfirmed::Secret(_)) => {
            DeskError::Data { path: path.into(), why: error.to_string() }
        }
        error @ (NotConfirmed::Weights { .. }
        | NotConfirmed::Score { .. }
        | NotConfirmed::NoWinner
        | NotConfirmed::Aborted(_)) => DeskError::Scoring(error.to_string()),
    }
}
