//! The state machine: objects, execution, epochs, checkpoints, kept in SQLite. No sockets, no clock of its own.
//!
//! Invariants: what `execute` returned is on disk before it returns; the sum of all coins, stakes, bonds and pools is
//! conserved by every transaction but genesis; the same genesis and the same calls give the same state.

mod admission;
mod arithmetic;
mod checkpoints;
mod difficulty;
mod epoch;
mod execution;
mod gas;
mod generation;
mod genesis;
mod pools;
pub mod rules;
mod state;
mod store;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, path::Path, sync::Arc};

pub use genesis::parameters_v5;
pub use state::TargetPlace;

use crate::chain::types::{
    Address, BalanceChange, CheckpointSummary, Digest, Object, ObjectId, ObjectIn, ObjectOut, ObjectRef,
    SignedTransaction, SystemParameters, SystemStateV1, TargetV1, TransactionData, TransactionEffects, TransactionKind,
    UserSignature,
};
use epoch::Change;
use execution::Outcome;
use state::LiveState;
use store::{Batch, Store, StoredTransaction};

/// Checkpoints kept in memory for readers that follow the chain; older ones come from disk.
const RECENT_CHECKPOINTS: usize = 64;

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
    /// Input and output versions of every object touched, ascending by (id, version); in an old record without the system
    /// state's.
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
    #[error("{object} is not available for consumption, its current version: Version({1})", object = object_text(.0))]
    Stale(ObjectRef, u64),
    #[error("{object} already locked by a different transaction: TransactionDigest({1})", object = object_text(.0))]
    Locked(ObjectRef, Digest),
    /// What a real node retries for 90 s before it answers UNAVAILABLE; the text is the inner one.
    #[error("{0}")]
    Retriable(String),
    /// System kinds and other things that no user may send.
    #[error("{0}")]
    Invalid(String),
}

/// The form that the official SDK parses to find the coin to avoid (`protocol.md §2.6`).
fn object_text(object: &ObjectRef) -> String {
    format!("Object ({:?}, Version({}), o#{})", object.id, object.version, object.digest)
}

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("the network's state in {path}: {cause}")]
    Storage { path: String, cause: String },
    #[error("no network can begin: {0}")]
    Genesis(String),
}

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

/// One chain.
pub struct Ledger {
    state: LiveState,
    store: Store,
    chain_id: Digest,
    head: CheckpointSummary,
    running: EpochRecord,
    /// The constants that the chain began with, which `GetEpoch` shows for every epoch.
    genesis_parameters: SystemParameters,
    recent: VecDeque<Arc<CheckpointRecord>>,
}

impl Ledger {
    /// Resumes the chain in the file, or begins one from `genesis`. `None`: in a temporary file.
    pub fn open(path: Option<&Path>, genesis: &Genesis) -> Result<Self, LedgerError> {
        let store = Store::open(path)?;
        match store.latest()? {
            Some(latest) => Self::resume(store, latest),
            None => Self::begin(store, genesis),
        }
    }

    fn begin(store: Store, genesis: &Genesis) -> Result<Self, LedgerError> {
        let (data, outcome) = genesis::run(genesis).map_err(LedgerError::Genesis)?;
        let state =
            LiveState::new(outcome.written.clone(), Vec::new()).map_err(|e| LedgerError::Genesis(e.to_string()))?;
        let head = checkpoints::summarize(None, &outcome.effects, genesis.timestamp_ms, true);
        let running = EpochRecord {
            epoch: 0,
            start_ms: genesis.timestamp_ms,
            end_ms: None,
            first_checkpoint: 0,
            state_at_start: state.shared_system(),
        };
        let first = Some(running.clone());
        let genesis_parameters = state.system().parameters.clone();
        let chain_id = head.digest();
        let mut ledger = Self { chain_id, state, store, head, running, genesis_parameters, recent: VecDeque::new() };
        ledger.append(ledger.head.clone(), data, Vec::new(), outcome, first)?;
        Ok(ledger)
    }

    fn resume(store: Store, latest: u64) -> Result<Self, LedgerError> {
        let missing = |what: &str| store.corrupt(&format!("{what} is missing"));
        let (first, _) = store.checkpoint(0)?.ok_or_else(|| missing("the genesis checkpoint"))?;
        let (head, _) = store.checkpoint(latest)?.ok_or_else(|| missing("the latest checkpoint"))?;
        let state = LiveState::new(store.live_objects()?, store.locks()?)
            .map_err(|e| store.corrupt(&format!("the system state does not decode ({e})")))?;
        let running = store.epoch(state.system().epoch)?.ok_or_else(|| missing("the running epoch"))?;
        let genesis = store.epoch(0)?.ok_or_else(|| missing("the first epoch"))?;
        let genesis_parameters = genesis.state_at_start.parameters.clone();
        let chain_id = first.digest();
        Ok(Self { chain_id, state, store, head, running, genesis_parameters, recent: VecDeque::new() })
    }

    /// Admission checks (signature included), execution, checkpoint. A byte-identical transaction gives its first record.
    pub fn execute(&mut self, tx: &SignedTransaction, now_ms: u64) -> Result<Arc<TransactionRecord>, Rejection> {
        crate::chain::keys::verify(tx).map_err(Rejection::InvalidSignature)?;
        self.execute_verified(&tx.data, vec![tx.signature.clone()], now_ms)
    }

    /// Everything of `execute` but the signature.
    fn execute_verified(
        &mut self,
        data: &TransactionData,
        signatures: Vec<UserSignature>,
        now_ms: u64,
    ) -> Result<Arc<TransactionRecord>, Rejection> {
        if let Some(record) = self.transaction(&data.digest()) {
            return Ok(record);
        }
        let inputs = admission::admit(&self.state, &self.store, data)?;
        let outcome = execution::run(&self.state, data, inputs);
        let summary = self.next_checkpoint(&outcome, now_ms);
        // Nothing has changed if the disk refuses, so the sender may try again.
        self.append(summary, data.clone(), signatures, outcome, None).map_err(|e| Rejection::Retriable(e.to_string()))
    }

    /// As `execute`, without signature and without a trace. Without gas the ledger picks the sender's coins.
    pub fn simulate(&self, data: &TransactionData, now_ms: u64) -> Result<TransactionRecord, Rejection> {
        let gas = match data.gas_payment() {
            [] => admission::pick_gas(&self.state, data)?,
            given => given.to_vec(),
        };
        let data = TransactionData::new(data.kind().clone(), data.sender(), gas);
        let inputs = admission::admit(&self.state, &self.store, &data)?;
        let outcome = execution::run(&self.state, &data, inputs);
        let summary = self.next_checkpoint(&outcome, now_ms);
        Ok(TransactionRecord {
            data,
            signatures: Vec::new(),
            effects: outcome.effects,
            balance_changes: outcome.balance_changes,
            checkpoint: summary.sequence_number,
            timestamp_ms: summary.timestamp_ms,
            objects: outcome.objects,
        })
    }

    /// `protocol.md §7.11`: a ChangeEpoch transaction in a checkpoint of its own. Gives the new epoch.
    pub fn advance_epoch(&mut self, now_ms: u64) -> Result<u64, LedgerError> {
        let running = self.state.system();
        let fees = match self.is_first_of_epoch() {
            true => 0,
            false => self.head.epoch_rolling_transaction_fees.total_fee,
        };
        let change =
            Change { epoch: running.epoch.saturating_add(1), start_ms: now_ms.max(self.head.timestamp_ms), fees };
        let kind = TransactionKind::ChangeEpoch {
            epoch: change.epoch,
            epoch_start_timestamp_ms: change.start_ms,
            protocol_version: running.protocol_version,
            fees,
            // Makes the digest, and with it the new targets, the chain's own.
            epoch_randomness: self.head.digest().0.to_vec(),
        };
        let data = TransactionData::new(kind, Address::default(), Vec::new());
        let outcome = epoch::run(&self.state, &data, change);
        let summary = self.next_checkpoint(&outcome, change.start_ms);
        let next = EpochRecord {
            epoch: change.epoch,
            start_ms: change.start_ms,
            end_ms: None,
            first_checkpoint: summary.sequence_number.saturating_add(1),
            state_at_start: outcome.system.clone().unwrap_or_else(|| self.state.shared_system()),
        };
        self.append(summary, data, Vec::new(), outcome, Some(next))?;
        Ok(change.epoch)
    }

    /// Whether the running epoch has no checkpoint yet. Genesis counts as one of epoch 0.
    fn is_first_of_epoch(&self) -> bool {
        self.running.first_checkpoint > self.head.sequence_number
    }

    fn next_checkpoint(&self, outcome: &Outcome, now_ms: u64) -> CheckpointSummary {
        checkpoints::summarize(Some(&self.head), &outcome.effects, now_ms, self.is_first_of_epoch())
    }

    /// Writes a checkpoint to disk, then to memory.
    fn append(
        &mut self,
        summary: CheckpointSummary,
        data: TransactionData,
        signatures: Vec<UserSignature>,
        outcome: Outcome,
        epoch: Option<EpochRecord>,
    ) -> Result<Arc<TransactionRecord>, LedgerError> {
        let Outcome { effects, balance_changes, objects, written, tombstones, locks, system } = outcome;
        let timestamp_ms = summary.timestamp_ms;
        let transaction = StoredTransaction { data, signatures, effects, balance_changes, timestamp_ms };
        self.store.commit(&Batch {
            summary: &summary,
            transaction: &transaction,
            written: &written,
            tombstones: &tombstones,
            locks: &locks,
            epoch: epoch.as_ref(),
        })?;

        for tombstone in &tombstones {
            self.state.remove(&tombstone.id);
        }
        for object in written {
            self.state.put(object);
        }
        if let Some(system) = system {
            self.state.set_system(system);
        }
        for lock in &locks {
            self.state.lock(lock);
        }
        if let Some(next) = epoch {
            self.state.release_locks();
            self.running = next;
        }
        let record = Arc::new(full_record(transaction, summary.sequence_number, objects));
        self.head = summary.clone();
        self.recent.push_back(checkpoints::record(summary, Arc::clone(&record)));
        if self.recent.len() > RECENT_CHECKPOINTS {
            self.recent.pop_front();
        }
        Ok(record)
    }

    /// Base58 of it is the chain id.
    pub fn chain_id(&self) -> Digest {
        self.chain_id
    }

    pub fn system_state(&self) -> &SystemStateV1 {
        self.state.system()
    }

    /// The constants of the chain's first state.
    pub fn genesis_parameters(&self) -> &SystemParameters {
        &self.genesis_parameters
    }

    /// Any epoch; finished ones come from disk. A disk that cannot be read counts as none, and is logged.
    pub fn epoch(&self, number: u64) -> Option<EpochRecord> {
        if number == self.running.epoch { Some(self.running.clone()) } else { readable(self.store.epoch(number))? }
    }

    /// From this checkpoint on every version of every object is there; before it, versions of the system state are gone.
    pub fn lowest_checkpoint_with_objects(&self) -> Option<u64> {
        readable(self.store.lowest_with_objects(self.running.epoch))?
    }

    /// The live version.
    pub fn object(&self, id: &ObjectId) -> Option<&Object> {
        self.state.object(id)
    }

    /// Any version that ever was, but of the system state only those of the last epochs. A disk that cannot be read counts as none, and is logged.
    pub fn object_at(&self, id: &ObjectId, version: u64) -> Option<Object> {
        match self.state.object(id) {
            Some(object) if object.version == version => Some(object.clone()),
            _ => readable(self.store.object_at(id, version))?,
        }
    }

    /// Live objects of an owner in the node's order: type, coin balance ascending, id (`protocol.md §2.4`).
    pub fn owned(&self, owner: &Address) -> Vec<&Object> {
        self.state.owned(owner).collect()
    }

    pub fn balance(&self, owner: &Address) -> u64 {
        self.state.balance(owner)
    }

    /// Live targets in the node's order.
    pub fn targets(&self) -> Vec<(&Object, TargetV1)> {
        self.targets_after(None).map(|(_, object, target)| (object, target.clone())).collect()
    }

    /// Live targets that come after a place, in the node's order (`protocol.md §2.5`).
    pub fn targets_after(
        &self,
        after: Option<&TargetPlace>,
    ) -> impl Iterator<Item = (&TargetPlace, &Object, &TargetV1)> {
        self.state.targets_after(after)
    }

    pub fn transaction(&self, digest: &Digest) -> Option<Arc<TransactionRecord>> {
        let number = readable(self.store.checkpoint_of(digest))??;
        self.checkpoint(Some(number))?.transactions.first().cloned()
    }

    /// By the digest of its summary.
    pub fn checkpoint_by_digest(&self, digest: &Digest) -> Option<Arc<CheckpointRecord>> {
        self.checkpoint(Some(readable(self.store.checkpoint_by_digest(digest))??))
    }

    /// `None` asks for the latest.
    pub fn checkpoint(&self, sequence_number: Option<u64>) -> Option<Arc<CheckpointRecord>> {
        let number = sequence_number.unwrap_or(self.head.sequence_number);
        if let Some(record) = self.recent.iter().rev().find(|record| record.summary.sequence_number == number) {
            return Some(Arc::clone(record));
        }
        let (summary, transaction) = readable(self.store.checkpoint(number))??;
        let objects = self.touched(&transaction.effects);
        let record = Arc::new(full_record(transaction, number, objects));
        Some(checkpoints::record(summary, record))
    }

    /// Input and output versions of every object that the effects name, but those that are not kept any more.
    fn touched(&self, effects: &TransactionEffects) -> Vec<Object> {
        let v1 = effects.v1();
        let mut objects = Vec::new();
        for (id, change) in &v1.changed_objects {
            if let ObjectIn::Exist((version, _), _) = change.input_state {
                objects.extend(self.object_at(id, version));
            }
            if let ObjectOut::ObjectWrite(..) = change.output_state {
                objects.extend(self.object_at(id, v1.version));
            }
        }
        objects
    }
}

fn full_record(transaction: StoredTransaction, checkpoint: u64, objects: Vec<Object>) -> TransactionRecord {
    let StoredTransaction { data, signatures, effects, balance_changes, timestamp_ms } = transaction;
    TransactionRecord { data, signatures, effects, balance_changes, checkpoint, timestamp_ms, objects }
}

/// The readers' signatures have no room for a broken disk: it is logged, and answered as if nothing were there.
fn readable<T>(result: Result<T, LedgerError>) -> Option<T> {
    result.inspect_err(|error| tracing::error!(%error, "the network's history cannot be read")).ok()
}
