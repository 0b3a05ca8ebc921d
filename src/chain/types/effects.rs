//! What a transaction did.

use serde::{Deserialize, Serialize};

use super::{Address, Digest, ObjectId, Owner, named_digest};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TransactionFee {
    pub base_fee: u64,
    pub operation_fee: u64,
    pub value_fee: u64,
    pub total_fee: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExecutionStatus {
    Success,
    Failure { error: ExecutionFailure },
}

/// BCS indexes of `protocol.md §6.2`. The `Debug` text is what the official SDK prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExecutionFailure {
    InsufficientGas,
    InvalidOwnership { object_id: ObjectId },
    ObjectNotFound { object_id: ObjectId },
    InvalidObjectType { object_id: ObjectId },
    InvalidTransactionType,
    InvalidArguments { reason: String },
    DuplicateValidator,
    DuplicateValidatorMetadata { field: String },
    MissingProofOfPossession,
    InvalidProofOfPossession { reason: String },
    NotAValidator,
    ValidatorAlreadyRemoved,
    AdvancedToWrongEpoch,
    ModelNotFound,
    NotModelOwner,
    ModelNotActive,
    ModelNotPending,
    ModelNotCreated,
    ModelInvalidState(String),
    ModelAlreadyInactive,
    ModelRevealEpochMismatch,
    ModelEmbeddingCommitmentMismatch,
    ModelDecryptionKeyCommitmentMismatch,
    ModelNoPendingUpdate,
    ModelArchitectureVersionMismatch,
    ModelCommissionRateTooHigh,
    ModelMinStakeNotMet,
    NoActiveModels,
    TargetNotFound,
    TargetNotOpen,
    TargetExpired { generation_epoch: u64, current_epoch: u64 },
    TargetNotFilled,
    AuditWindowOpen { fill_epoch: u64, current_epoch: u64 },
    TargetAlreadyClaimed,
    ModelNotInTarget { model_id: ObjectId, target_id: ObjectId },
    EmbeddingDimensionMismatch { expected: u64, actual: u64 },
    DistanceExceedsThreshold { score: super::SomaTensor, threshold: super::SomaTensor },
    InsufficientBond { required: u64, provided: u64 },
    DataExceedsMaxSize { size: u64, max_size: u64 },
    InsufficientEmissionBalance,
    AuditWindowClosed { fill_epoch: u64, current_epoch: u64 },
    InsufficientCoinBalance,
    CoinBalanceOverflow,
    ArithmeticOverflow(String),
    ValidatorNotFound,
    StakingPoolNotFound,
    CannotReportOneself,
    ReportRecordNotFound,
    InputObjectDeleted,
    CertificateDenied,
    ExecutionCancelledDueToSharedObjectCongestion,
    SomaError(String),
}

/// An object's version and digest before the transaction, with its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectIn {
    NotExist,
    Exist((u64, Digest), Owner),
}

/// What became of it. A written object has the transaction's `version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectOut {
    NotExist,
    ObjectWrite(Digest, Owner),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdOperation {
    None,
    Created,
    Deleted,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectsObjectChange {
    pub input_state: ObjectIn,
    pub output_state: ObjectOut,
    pub id_operation: IdOperation,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnchangedSharedKind {
    ReadOnlyRoot(u64, Digest),
    MutateDeleted(u64),
    ReadDeleted(u64),
    Cancelled(u64),
}

/// `protocol.md §6.1`, variant V1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransactionEffects {
    V1(TransactionEffectsV1),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionEffectsV1 {
    pub status: ExecutionStatus,
    pub executed_epoch: u64,
    pub fee: TransactionFee,
    pub transaction_digest: Digest,
    pub gas_object_index: Option<u32>,
    pub dependencies: Vec<Digest>,
    /// Given to every object that the transaction wrote (lamport version).
    pub version: u64,
    /// Ascending by id.
    pub changed_objects: Vec<(ObjectId, EffectsObjectChange)>,
    pub unchanged_shared_objects: Vec<(ObjectId, UnchangedSharedKind)>,
}

impl TransactionEffects {
    pub fn v1(&self) -> &TransactionEffectsV1 {
        let Self::V1(v1) = self;
        v1
    }

    /// `H("TransactionEffects::" ‖ BCS)`.
    pub fn digest(&self) -> Digest {
        named_digest("TransactionEffects", self)
    }
}

impl TransactionEffectsV1 {
    pub fn succeeded(&self) -> bool {
        self.status == ExecutionStatus::Success
    }

    /// Objects that the transaction created and that exist after it.
    pub fn created(&self) -> impl Iterator<Item = (ObjectId, Owner)> {
        self.changed_objects.iter().filter_map(|(id, change)| match (&change.id_operation, &change.output_state) {
            (IdOperation::Created, ObjectOut::ObjectWrite(_, owner)) => Some((*id, *owner)),
            _ => None,
        })
    }
}

/// A signed change of one address's coins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceChange {
    pub address: Address,
    pub amount: i128,
}

/// `protocol.md §6.4`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointSummary {
    pub epoch: u64,
    pub sequence_number: u64,
    pub network_total_transactions: u64,
    pub content_digest: Digest,
    pub previous_digest: Option<Digest>,
    pub epoch_rolling_transaction_fees: TransactionFee,
    pub timestamp_ms: u64,
    pub checkpoint_commitments: Vec<CheckpointCommitment>,
    pub end_of_epoch_data: Option<EndOfEpochData>,
    pub version_specific_data: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckpointCommitment {
    EcmhLiveObjectSet(Digest),
    CheckpointArtifacts(Digest),
}

/// Not seen on the wire as BCS; the embedded network writes none, so that its summaries stay verifiable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndOfEpochData {
    pub next_epoch_validator_committee: Vec<(Vec<u8>, u64)>,
    pub next_epoch_protocol_version: u64,
    pub epoch_commitments: Vec<CheckpointCommitment>,
}

impl CheckpointSummary {
    /// `H("CheckpointSummary::" ‖ BCS)`.
    pub fn digest(&self) -> Digest {
        named_digest("CheckpointSummary", self)
    }
}
