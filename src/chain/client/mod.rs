//! The gRPC client of a full node and of the services beside it: typed, bounded, with time-outs.
//!
//! Harmful requests (`protocol-corrections.md §0`) cannot be expressed: every read mask is a constant of this module, and
//! what is sent for execution or scoring is checked first. Every answer is checked before it becomes one of our types.

mod auxiliary;
mod checkpoints;
mod checks;
mod claimable;
mod clock;
mod execution;
mod filled;
mod history;
mod pages;
mod preflight;
mod protocol;
mod scoring;
mod transport;

pub use auxiliary::{advance_epoch, request_faucet, scoring_health};
pub use claimable::ClaimableTarget;
pub use filled::FilledTarget;
pub use history::PastTransaction;
pub use preflight::Preflight;
pub use protocol::KNOWN_PROTOCOL;
pub use scoring::{RemoteScore, ScoringClient, ScoringError, ScoringModel};

use std::{sync::Arc, time::Duration};

use prost_types::FieldMask;
use tonic::Code;

use self::transport::{MAX_MESSAGE_BYTES, Node, excerpt, within};
use super::{
    convert,
    convert::FieldError,
    proto::soma::rpc::{self, ledger_service_client::LedgerServiceClient, state_service_client::StateServiceClient},
    types::{
        Address, BalanceChange, Digest, Object, ObjectId, ObjectRef, SystemParameters, TargetV1, TransactionEffectsV1,
    },
};

/// Cloneable handle on one node; connects lazily. Its calls need a tokio runtime.
#[derive(Clone)]
pub struct Client {
    node: Arc<Node>,
    /// Of every call but `execute` and `subscribe`.
    timeout: Duration,
}

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
    /// Refused before execution, or certainly not sent: no effects and no charge by this attempt. It says nothing of earlier
    /// attempts whose outcome is unknown.
    Refused(ClientError),
    /// Sent, and no certain answer came: ask for the digest.
    Unknown(ClientError),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Executed {
    pub effects: TransactionEffectsV1,
    pub balance_changes: Vec<BalanceChange>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceInfo {
    pub chain_id: String,
    pub chain: String,
    pub epoch: u64,
    pub checkpoint_height: u64,
    /// The node has forgotten the transactions before it; `None`: it does not say.
    pub lowest_available_checkpoint: Option<u64>,
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

/// Weights that a model has committed to and may reveal in this epoch or the next one: a new model's, or an update's. From the
/// reveal on targets list them. Their key is not public yet (`protocol.md §7.10`).
#[derive(Clone, Debug, PartialEq)]
pub struct UpcomingWeights {
    pub model: ObjectId,
    pub stake: u64,
    pub url: String,
    /// Of the encrypted file.
    pub checksum: Digest,
    pub size: u64,
}

/// The live system state, as far as a submitter needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochState {
    pub epoch: u64,
    pub protocol_version: u64,
    pub epoch_start_ms: u64,
    pub parameters: SystemParameters,
    pub distance_threshold: f32,
    pub reward_per_target: u64,
    pub targets_generated_this_epoch: u64,
    pub emission_balance: u64,
    pub emission_per_epoch: u64,
    /// Ascending by id.
    pub models: Vec<ActiveModelInfo>,
    /// Richest stake first.
    pub upcoming: Vec<UpcomingWeights>,
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

/// What an object needs to be rebuilt (`protocol.md §2.7`).
const OBJECT_MASK: &[&str] =
    &["object_id", "version", "digest", "object_type", "owner", "contents", "previous_transaction"];

fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

impl From<FieldError> for ClientError {
    fn from(error: FieldError) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// The field, or that the answer lacks it.
fn present<T>(field: &'static str, value: Option<T>) -> Result<T, ClientError> {
    value.ok_or_else(|| FieldError::missing(field).into())
}

/// A count, an epoch or an amount in shannons: what does not fit 63 bits is none, and no ledger or journal could hold it.
fn number(field: &'static str, value: Option<u64>) -> Result<u64, ClientError> {
    match present(field, value)? {
        number if i64::try_from(number).is_ok() => Ok(number),
        number => Err(ClientError::Malformed(format!("{field}: {number} is beyond all numbers of a chain"))),
    }
}

impl Client {
    /// Checks the URL, opens nothing yet. `timeout` bounds every call but `execute` (which waits 100 s) and `subscribe`.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, ClientError> {
        Ok(Self { node: Arc::new(Node::new(url)?), timeout })
    }

    fn ledger(&self) -> LedgerServiceClient<tonic::transport::Channel> {
        LedgerServiceClient::new(self.node.channel()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    fn state(&self) -> StateServiceClient<tonic::transport::Channel> {
        StateServiceClient::new(self.node.channel()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub async fn service_info(&self) -> Result<ServiceInfo, ClientError> {
        let info = within(self.timeout, self.ledger().get_service_info(rpc::GetServiceInfoRequest {})).await?;
        Ok(ServiceInfo {
            chain_id: excerpt(&present("chain_id", info.chain_id)?, 100),
            chain: excerpt(&present("chain", info.chain)?, 100),
            epoch: number("epoch", info.epoch)?,
            checkpoint_height: number("checkpoint_height", info.checkpoint_height)?,
            lowest_available_checkpoint: info.lowest_available_checkpoint,
            server: excerpt(&info.server.unwrap_or_default(), 100),
        })
    }

    /// The live state of the current epoch.
    pub async fn epoch_state(&self) -> Result<EpochState, ClientError> {
        let request = rpc::GetEpochRequest { epoch: None, read_mask: mask(&["epoch", "system_state"]) };
        let answer = within(self.timeout, self.ledger().get_epoch(request)).await?;
        let epoch = present("epoch", answer.epoch)?;
        let state = convert::epoch_state_from_proto(&present("system_state", epoch.system_state)?)?;
        number("epoch", Some(state.epoch))?;
        Ok(state)
    }

    pub async fn balance(&self, owner: Address) -> Result<u64, ClientError> {
        let request = rpc::GetBalanceRequest { owner: Some(owner.to_string()) };
        let answer = within(self.timeout, self.state().get_balance(request)).await?;
        present("balance", answer.balance)
    }

    /// `None`: not found, or deleted.
    pub async fn object(&self, id: ObjectId) -> Result<Option<Object>, ClientError> {
        let request = rpc::GetObjectRequest {
            object_id: Some(id.to_hex_prefixed()),
            version: None,
            read_mask: mask(OBJECT_MASK),
        };
        let answer = match within(self.timeout, self.ledger().get_object(request)).await {
            Ok(answer) => answer,
            Err(status) if status.code() == Code::NotFound => return Ok(None),
            Err(status) => return Err(status.into()),
        };
        let object = convert::object_from_proto(&present("object", answer.object)?)?;
        if object.id() != id {
            return Err(ClientError::Malformed(format!("asked for object {id}, got {}", object.id())));
        }
        Ok(Some(object))
    }

    /// By GetObject: the whole contents. Numbers are finite.
    pub async fn target(&self, id: ObjectId) -> Result<Option<TargetV1>, ClientError> {
        self.object(id).await?.map(|object| checked_target(&object)).transpose()
    }
}

/// The target, if its embedding and threshold are finite numbers: any other would poison every comparison.
fn checked_target(object: &Object) -> Result<TargetV1, ClientError> {
    let malformed = |cause: String| ClientError::Malformed(format!("target {}: {cause}", object.id()));
    let target = object.target().map_err(|cause| malformed(cause.to_string()))?;
    let embedding = target.embedding.values().map_err(|cause| malformed(cause.to_string()))?;
    let threshold = target.distance_threshold.scalar_value().map_err(|cause| malformed(cause.to_string()))?;
    match embedding.is_empty() || embedding.iter().chain([&threshold]).any(|value| !value.is_finite()) {
        true => Err(malformed("its numbers are not finite".to_owned())),
        false => Ok(target),
    }
}

#[cfg(test)]
mod tests;
