//! hold the audit up: downloads end in time, several run at once, and reports wait for none of them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::{Semaphore, broadcast::error::RecvError},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use super::{
    account::Account,
    ledger::CheckpointRecord,
    node::{Node, NodeError},
    scorer::{Scorer, ScorerError, Weights, in_time},
};
use crate::{
    chain::types::{
        Address, Manifest, ModelV1, ObjectId, ObjectType, SomaTensor, TargetStatus, TargetV1, TransactionKind,
    },
    model::cosine_distance,
    storage::StorageError,
};

/// Audits are scored with this seed (`model.md §3.5`).
const SEED: u64 = 0;
/// A server may hiccup; data that is gone stays gone.
const DOWNLOAD_ATTEMPTS: u32 = 3;
const DOWNLOAD_PAUSE: Duration = Duration::from_millis(500);
/// Audits that wait for downloads at the same time.
const AUDITS_AT_ONCE: usize = 4;
/// Between two looks at what is due: reports, and fills whose weights did not come.
const DUE_PAUSE: Duration = Duration::from_secs(1);
/// How long a result is kept, in epochs after the fill. The report is over by then.
const KEPT_EPOCHS: u64 = 4;

/// What became of one fill.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRecord {
    pub target: ObjectId,
    pub submitter: Option<Address>,
    pub fill_epoch: u64,
    pub verdict: Verdict,
    /// The validator's report is on the target.
    pub reported: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Honest,
    /// Why the claim is false.
    Fraud(String),
    /// No judgement, and so no fraud: a model is gone, or scoring failed.
    Unverifiable(String),
}

/// The audits so far, by target.
pub(super) type Audits = Arc<Mutex<BTreeMap<ObjectId, AuditRecord>>>;

pub(super) struct Auditor {
    pub node: Node,
    pub scorer: Arc<Scorer>,
    /// The auditor's own at the scorer.
    pub turns: Semaphore,
    pub validator: Account,
    pub address: Address,
    pub audits: Audits,
}

struct Fill {
    target: ObjectId,
    epoch: u64,
    contents: TargetV1,
}

impl Fill {
    fn of(target: ObjectId, contents: &TargetV1) -> Option<Self> {
        match contents.status {
            TargetStatus::Filled { fill_epoch } => Some(Self { target, epoch: fill_epoch, contents: contents.clone() }),
            _ => None,
        }
    }
}

/// Whether a fill can be reported now or later: its window is the epoch after it (`protocol.md §7.8`).
fn is_reportable(fill_epoch: u64, running: u64) -> bool {
    fill_epoch.saturating_add(1) >= running
}

/// Fills to audit, each once.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Fill>,
    /// To be tried again.
    failed: Vec<Fill>,
    /// Every fill that was ever offered and is reportable yet, with its epoch.
    seen: BTreeMap<ObjectId, u64>,
}

impl Queue {
    fn offer(&mut self, fill: Fill, running: u64) {
        if is_reportable(fill.epoch, running) && self.seen.insert(fill.target, fill.epoch).is_none() {
            self.waiting.push_back(fill);
        }
    }

    fn offer_new(&mut self, checkpoint: &CheckpointRecord) {
        let objects = checkpoint.transactions.iter().flat_map(|transaction| &transaction.objects);
        for object in objects.filter(|object| object.object_type == ObjectType::Target) {
            if let Some(fill) = object.target().ok().and_then(|contents| Fill::of(object.id(), &contents)) {
