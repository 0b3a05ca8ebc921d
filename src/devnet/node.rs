//! The node around the ledger: one lock, a wall clock, and everyone who wants to hear of new checkpoints.
//!
//! Every call into the ledger runs on a blocking thread, because a call ends on the disk.

use std::sync::{
    Arc, Mutex, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::broadcast;

use super::ledger::{CheckpointRecord, Ledger, LedgerError, Rejection, TransactionRecord};
use crate::{chain::types::SignedTransaction, primitives::now_ms};

/// Checkpoints that a slow reader may lag behind before it is dropped.
const CHECKPOINT_QUEUE: usize = 256;

#[derive(Debug, thiserror::Error)]
pub(super) enum NodeError {
    #[error("the network's ledger stopped after an internal error: restart the network")]
    Stopped,
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

/// What every answer of the RPC port says of the chain in its headers (`protocol.md §1.3`).
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// The first four bytes of the chain id in hex: headers use this short form.
    pub chain_id: String,
    pub epoch: u64,
    pub checkpoint: u64,
    pub timestamp_ms: u64,
}

#[derive(Clone)]
pub(super) struct Node {
    shared: Arc<Shared>,
}

struct Shared {
    ledger: Arc<Mutex<Ledger>>,
    checkpoints: broadcast::Sender<Arc<CheckpointRecord>>,
    /// The next checkpoint to publish; changed under the ledger's lock only.
    next_checkpoint: AtomicU64,
    head: RwLock<Head>,
}

impl Node {
    pub fn new(ledger: Ledger) -> Self {
        let head = Head::of(&ledger);
        Self {
            shared: Arc::new(Shared {
                checkpoints: broadcast::Sender::new(CHECKPOINT_QUEUE),
                next_checkpoint: AtomicU64::new(head.checkpoint + 1),
                head: RwLock::new(head),
                ledger: Arc::new(Mutex::new(ledger)),
            }),
        }
    }

    pub fn ledger(&self) -> Arc<Mutex<Ledger>> {
        self.shared.ledger.clone()
    }

    pub fn head(&self) -> Head {
        // A plain value is whole even if a writer panicked beside it.
        self.shared.head.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Checkpoints from now on. A reader that lags more than the queue gets an error once.
    pub fn checkpoints(&self) -> broadcast::Receiver<Arc<CheckpointRecord>> {
        self.shared.checkpoints.subscribe()
    }

    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Ledger) -> T + Send + 'static,
    ) -> Result<T, NodeError> {
        self.with_ledger(|_, ledger| read(ledger)).await
    }

    pub async fn execute(&self, transaction: SignedTransaction) -> Result<Arc<TransactionRecord>, NodeError> {
        self.with_ledger(move |shared, ledger| {
            let record = ledger.execute(&transaction, now_ms());
            shared.publish(ledger);
            record
        })
        .await?
        .map_err(NodeError::Rejected)
    }

    /// Turns the epoch and gives the new one. With `expected`, only if that is still the running epoch.
    pub async fn advance_epoch(&self, expected: Option<u64>) -> Result<u64, NodeError> {
        self.with_ledger(move |shared, ledger| {
            let running = ledger.system_state().epoch;
            if expected.is_some_and(|expected| expected != running) {
                return Ok(running);
            }
            let epoch = ledger.advance_epoch(now_ms())?;
            shared.publish(ledger);
            tracing::info!(
                epoch,
                targets = ledger.system_state().target_state.targets_generated_this_epoch,
                "new epoch"
            );
            Ok(epoch)
        })
        .await?
    }

    async fn with_ledger<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared, &mut Ledger) -> T + Send + 'static,
    ) -> Result<T, NodeError> {
        let shared = self.shared.clone();
        tokio::task::spawn_blocking(move || {
            // A panic inside may have left memory and disk apart: nobody may go on with such a ledger.
            let mut ledger = shared.ledger.lock().map_err(|_| NodeError::Stopped)?;
            Ok(work(&shared, &mut ledger))
        })
        .await
        .map_err(|_| NodeError::Stopped)?
    }
}

impl Shared {
    /// Tells everyone of the checkpoints that are new, in order. The caller holds the ledger's lock.
    fn publish(&self, ledger: &Ledger) {
        let mut next = self.next_checkpoint.load(Ordering::Relaxed);
        let head = Head::of(ledger);
        let latest = head.checkpoint;
        *self.head.write().unwrap_or_else(PoisonError::into_inner) = head;
        while next <= latest {
            if let Some(checkpoint) = ledger.checkpoint(Some(next)) {
                // Nobody listening is fine.
                let _ = self.checkpoints.send(checkpoint);
            }
            next += 1;
        }
        self.next_checkpoint.store(next, Ordering::Relaxed);
    }
}

impl Head {
    fn of(ledger: &Ledger) -> Self {
        let latest = ledger.checkpoint(None);
        Self {
            chain_id: hex::encode(&ledger.chain_id().0[..4]),
            // A real node takes it from the latest checkpoint, and makes one every 0.2 s. Here nothing follows an epoch's turn
            // until somebody acts, so the state's own epoch is the one that does not lag.
            epoch: ledger.system_state().epoch,
            checkpoint: latest.as_ref().map_or(0, |latest| latest.summary.sequence_number),
            timestamp_ms: latest.map_or(0, |latest| latest.summary.timestamp_ms),
        }
    }
}
