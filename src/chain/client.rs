//! The gRPC client of a full node: typed, bounded, with time-outs, and without a way to express harmful requests.

use std::time::Duration;

use futures::stream::BoxStream;

use super::types::{
    Address, BalanceChange, Digest, Object, ObjectId, ObjectRef, SignedTransaction, SystemParameters, TargetV1,
    TransactionEffectsV1,
};

/// Cloneable handle on one node; connects lazily.
#[derive(Clone)]
pub struct Client {}

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL is none.
    #[error("`{0}` is no URL of a node")]
    Url(String),
    /// Could not connect, timed out, or a transient status: nothing is known to have happened.
    #[error("the node is unreachable: {0}")]
    Unreachable(String),
    /// The node answered with a refusal (invalid argument, failed precondition, not found, …).
    #[error("the node refused: {code}: {message}")]
    Refused { code: &'static str, message: String },
    /// The answer does not decode into our types.
    #[error("the node's answer is not understood: {0}")]
    Malformed(String),
}

/// What `execute` came to. Only the first two are certain.
#[derive(Debug)]
pub enum Execution {
    /// Executed (perhaps with a failure status): effects exist, fees were charged.
    Executed(Box<Executed>),
    /// Refused before execution: no effects, no charge, and this signed transaction will not execute now.
    Refused(ClientError),
    /// Sent, and no certain answer came: ask for the digest.
    Unknown(ClientError),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Executed {
    pub effects: TransactionEffectsV1,
    pub balance_changes: Vec<BalanceChange>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceInfo {
    pub chain_id: String,
    pub chain: String,
    pub epoch: u64,
    pub checkpoint_height: u64,
    pub server: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coin {
    pub reference: ObjectRef,
    pub balance: u64,
}

/// An active model as the registry shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveModelInfo {
    pub id: ObjectId,
    pub owner: Address,
    pub stake: u64,
    pub commission_bps: u64,
    pub url: String,
    /// Of the encrypted file.
    pub checksum: Digest,
    pub size: u64,
    pub decryption_key: [u8; 32],
    pub embedding: Vec<f32>,
}

/// The live system state, as far as a submitter needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochState {
    pub epoch: u64,
    pub epoch_start_ms: u64,
    pub parameters: SystemParameters,
    pub distance_threshold: f32,
    pub reward_per_target: u64,
    pub targets_generated_this_epoch: u64,
    pub emission_balance: u64,
    pub emission_per_epoch: u64,
    /// Ascending by id.
    pub models: Vec<ActiveModelInfo>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetFilter {
    Open,
    Filled,
    Claimable,
}

/// A target as lists show it.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetInfo {
    pub id: ObjectId,
    pub embedding: Vec<f32>,
    pub model_ids: Vec<ObjectId>,
    pub distance_threshold: f32,
    pub reward_pool: u64,
    pub generation_epoch: u64,
    /// `open`, `filled` or `claimable`.
    pub status: String,
    pub submitter: Option<Address>,
    pub bond_amount: u64,
}

/// What a checkpoint of the subscription tells a submitter.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckpointInfo {
    pub sequence_number: u64,
    pub epoch: u64,
    pub timestamp_ms: u64,
    pub transactions: Vec<Digest>,
    /// Every written version of a target, decoded.
    pub targets: Vec<(ObjectId, TargetV1)>,
    /// Ids of objects deleted by the checkpoint's transactions.
    pub deleted: Vec<ObjectId>,
}

impl Client {
    /// Checks the URL, opens nothing yet. `timeout` bounds every call but `execute` (which waits 100 s) and `subscribe`.
    pub fn new(_url: &str, _timeout: Duration) -> Result<Self, ClientError> {
        unimplemented!()
    }
    pub async fn service_info(&self) -> Result<ServiceInfo, ClientError> {
        unimplemented!()
    }
    /// The live state of the current epoch.
    pub async fn epoch_state(&self) -> Result<EpochState, ClientError> {
        unimplemented!()
    }
    pub async fn balance(&self, _owner: Address) -> Result<u64, ClientError> {
        unimplemented!()
    }
    /// All coins, richest first; one entry an id, the newest version.
    pub async fn coins(&self, _owner: Address) -> Result<Vec<Coin>, ClientError> {
        unimplemented!()
    }
    /// `None`: not found, or deleted.
    pub async fn object(&self, _id: ObjectId) -> Result<Option<Object>, ClientError> {
        unimplemented!()
    }
    /// Paged to the end.
    pub async fn targets(
        &self,
        _filter: TargetFilter,
        _submitter: Option<Address>,
    ) -> Result<Vec<TargetInfo>, ClientError> {
        unimplemented!()
    }
    /// By GetObject: the whole contents.
    pub async fn target(&self, _id: ObjectId) -> Result<Option<TargetV1>, ClientError> {
        unimplemented!()
    }
    pub async fn execute(&self, _transaction: &SignedTransaction) -> Execution {
        unimplemented!()
    }
    /// The effects of an executed transaction; `None`: this node knows of none.
    pub async fn transaction(&self, _digest: Digest) -> Result<Option<Executed>, ClientError> {
        unimplemented!()
    }
    /// Checkpoints from now on; ends with an error when the stream breaks.
    pub async fn subscribe(&self) -> Result<BoxStream<'static, Result<CheckpointInfo, ClientError>>, ClientError> {
        unimplemented!()
    }
}

/// `/faucet.Faucet/RequestGas`: the amounts sent.
pub async fn request_faucet(_url: &str, _recipient: Address) -> Result<Vec<u64>, ClientError> {
    unimplemented!()
}

/// `/admin.Admin/AdvanceEpoch`: the new epoch.
pub async fn advance_epoch(_url: &str) -> Result<u64, ClientError> {
    unimplemented!()
}
