//! The state machine: objects, execution, epochs, checkpoints, kept in SQLite. No sockets, no clock of its own.
//!
//! Invariants: what `execute` returned is on disk before it returns; the sum of all coins, stakes, bonds and pools is
//! conserved by every transaction but genesis; the same genesis and the same calls give the same state.

use std::{path::Path, sync::Arc};

use crate::chain::types::{
    Address, BalanceChange, CheckpointSummary, Digest, Object, ObjectId, ObjectRef, SignedTransaction,
    SystemParameters, SystemStateV1, TransactionData, TransactionEffects, UserSignature,
};

/// What a new chain starts from.
#[derive(Clone, Debug)]
pub struct Genesis {
    /// Makes ids reproducible.
    pub seed: u64,
    pub timestamp_ms: u64,
    pub protocol_version: u64,
    pub parameters: SystemParameters,
    pub emission_per_epoch: u64,
    pub emission_balance: u64,
    /// Every account with its coins.
    pub accounts: Vec<(Address, Vec<u64>)>,
    /// The one validator, which audits and reports; it owns the whole voting power.
    pub validator: Address,
}

/// An executed transaction with everything that the services show of it.
#[derive(Clone, Debug, PartialEq)]
pub struct TransactionRecord {
    pub data: TransactionData,
    /// Empty for system transactions.
    pub signatures: Vec<UserSignature>,
    pub effects: TransactionEffects,
    pub balance_changes: Vec<BalanceChange>,
    pub checkpoint: u64,
    pub timestamp_ms: u64,
    /// Input and output versions of every object touched, ascending by (id, version).
    pub objects: Vec<Object>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CheckpointRecord {
    pub summary: CheckpointSummary,
    pub transactions: Vec<Arc<TransactionRecord>>,
}

/// Refused before execution: no effects, nothing charged (`protocol.md §2.6` with its corrections).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("Invalid user signature: {0}")]
    InvalidSignature(String),
    #[error("{0:?} is not available for consumption, its current version: {1}")]
    Stale(ObjectRef, u64),
    #[error("{0:?} already locked by a different transaction: {1}")]
    Locked(ObjectRef, Digest),
    /// What a real node retries for 90 s before it answers UNAVAILABLE; the text is the inner one.
    #[error("{0}")]
    Retriable(String),
    /// System kinds and other things that no user may send.
    #[error("{0}")]
    Invalid(String),
}

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("the network's state in {path}: {cause}")]
    Storage { path: String, cause: String },
}

/// One chain.
pub struct Ledger {}

/// One finished or running epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochRecord {
    pub epoch: u64,
    pub start_ms: u64,
    pub end_ms: Option<u64>,
    pub first_checkpoint: u64,
    /// System state at its start.
    pub state_at_start: Arc<SystemStateV1>,
}

impl Ledger {
    /// Resumes the chain in the file, or begins one from `genesis`. `None`: in memory.
    pub fn open(_path: Option<&Path>, _genesis: &Genesis) -> Result<Self, LedgerError> {
        unimplemented!()
    }
    /// Admission checks (signature included), execution, checkpoint. A byte-identical transaction gives its first record.
    pub fn execute(&mut self, _tx: &SignedTransaction, _now_ms: u64) -> Result<Arc<TransactionRecord>, Rejection> {
        unimplemented!()
    }
    /// As `execute`, without signature and without a trace. Without gas the ledger picks the sender's coins.
    pub fn simulate(&self, _data: &TransactionData, _now_ms: u64) -> Result<TransactionRecord, Rejection> {
        unimplemented!()
    }
    /// `protocol.md §7.11`: a ChangeEpoch transaction in a checkpoint of its own. Gives the new epoch.
    pub fn advance_epoch(&mut self, _now_ms: u64) -> Result<u64, LedgerError> {
        unimplemented!()
    }
    /// Base58 of it is the chain id.
    pub fn chain_id(&self) -> Digest {
        unimplemented!()
    }
    pub fn system_state(&self) -> &SystemStateV1 {
        unimplemented!()
    }
    pub fn epochs(&self) -> &[EpochRecord] {
        unimplemented!()
    }
    /// The live version.
    pub fn object(&self, _id: &ObjectId) -> Option<&Object> {
        unimplemented!()
    }
    pub fn object_at(&self, _id: &ObjectId, _version: u64) -> Option<Object> {
        unimplemented!()
    }
    /// Live objects of an owner in the node's order: type, coin balance ascending, id (`protocol.md §2.4`).
    pub fn owned(&self, _owner: &Address) -> Vec<&Object> {
        unimplemented!()
    }
    pub fn balance(&self, _owner: &Address) -> u64 {
        unimplemented!()
    }
    /// Live targets, ascending by id.
    pub fn targets(&self) -> Vec<(&Object, crate::chain::types::TargetV1)> {
        unimplemented!()
    }
    pub fn transaction(&self, _digest: &Digest) -> Option<Arc<TransactionRecord>> {
        unimplemented!()
    }
    /// `None` asks for the latest.
    pub fn checkpoint(&self, _sequence_number: Option<u64>) -> Option<Arc<CheckpointRecord>> {
        unimplemented!()
    }
}
