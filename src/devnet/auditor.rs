//! The validator's audit (`model.md §3.6`): every fill is downloaded and scored again, and a false claim is reported in the
//! epoch after the fill, so that its bond is forfeited.
//!
//! Keeps nothing on disk: what a restart forgot is read from the targets and audited again. Nothing that strangers serve can
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
    scorer::{Scorer, ScorerError, in_time},
};
use crate::{
    chain::types::{
        Address, Manifest, ModelV1, ObjectId, ObjectType, SomaTensor, TargetStatus, TargetV1, TransactionKind,
    },
    model::cosine_distance,
    service::Weights,
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
                self.offer(fill, checkpoint.summary.epoch);
            }
        }
    }

    /// The next fill that an audit can still do something about.
    fn next(&mut self, running: u64) -> Option<Fill> {
        while let Some(fill) = self.waiting.pop_front() {
            if is_reportable(fill.epoch, running) {
                return Some(fill);
            }
            tracing::warn!(target_id = %fill.target, "not audited: its report window is over");
        }
        None
    }

    fn retry_failed(&mut self, running: u64) {
        self.seen.retain(|_, fill_epoch| is_reportable(*fill_epoch, running));
        self.waiting.extend(self.failed.drain(..));
    }
}

impl Auditor {
    pub async fn run(self, stop: CancellationToken) {
        if let Some(Err(error)) = stop.run_until_cancelled(self.audit_all()).await {
            tracing::error!(%error, "the auditor stopped: fills are not audited any more");
        }
    }

    async fn audit_all(&self) -> Result<std::convert::Infallible, NodeError> {
        // Listen first, then look: nothing falls between.
        let mut checkpoints = self.node.checkpoints();
        let mut queue = Queue::default();
        self.offer_live(&mut queue).await?;
        let mut running = FuturesUnordered::new();
        let mut due = tokio::time::interval(DUE_PAUSE);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let epoch = self.node.head().epoch;
            while running.len() < AUDITS_AT_ONCE
                && let Some(fill) = queue.next(epoch)
            {
                running.push(self.audit(fill));
            }
            tokio::select! {
                checkpoint = checkpoints.recv() => match checkpoint {
                    Ok(checkpoint) => queue.offer_new(&checkpoint),
                    Err(RecvError::Lagged(_)) => self.offer_live(&mut queue).await?,
                    Err(RecvError::Closed) => return Err(NodeError::Stopped),
                },
                Some(failed) = running.next() => queue.failed.extend(failed?),
                _ = due.tick() => {
                    self.report_due(epoch).await;
                    self.audits().retain(|_, audit| audit.fill_epoch.saturating_add(KEPT_EPOCHS) >= epoch);
                    queue.retry_failed(epoch);
                }
            }
        }
    }

    /// Offers the fills on the chain.
    async fn offer_live(&self, queue: &mut Queue) -> Result<(), NodeError> {
        let read = self.node.read(|ledger| {
            let epoch = ledger.system_state().epoch;
            let fills = ledger.targets_after(None).filter_map(|(place, _, target)| Fill::of(place.id, target));
            (epoch, fills.filter(|fill| is_reportable(fill.epoch, epoch)).collect::<Vec<_>>())
        });
        let (epoch, fills) = read.await?;
        fills.into_iter().for_each(|fill| queue.offer(fill, epoch));
        Ok(())
    }

    /// Files the verdict, or gives the fill back if it must be tried again.
    async fn audit(&self, fill: Fill) -> Result<Option<Fill>, NodeError> {
        let Some(verdict) = self.judge(&fill).await? else { return Ok(Some(fill)) };
        match &verdict {
            Verdict::Honest => tracing::info!(target_id = %fill.target, "audited: honest"),
            Verdict::Fraud(reason) => tracing::warn!(target_id = %fill.target, reason, "audited: fraud"),
            Verdict::Unverifiable(reason) => tracing::warn!(target_id = %fill.target, reason, "audited: no verdict"),
        }
        let record = AuditRecord {
            target: fill.target,
            submitter: fill.contents.submitter,
            fill_epoch: fill.epoch,
            verdict,
            reported: fill.contents.submission_reports.contains(&self.address),
        };
        self.audits().insert(fill.target, record);
        Ok(None)
    }

    /// `None`: a model's weights did not come, which says nothing of the fill and may pass.
    async fn judge(&self, fill: &Fill) -> Result<Option<Verdict>, NodeError> {
        let unverifiable = |reason: String| Ok(Some(Verdict::Unverifiable(reason)));
        let fraud = |reason: String| Ok(Some(Verdict::Fraud(reason)));
        let target = &fill.contents;
        let (Some(manifest), Some(winner), Some(claimed_distance), Some(claimed_loss)) = (
            &target.winning_data_manifest,
            target.winning_model_id,
            &target.winning_distance_score,
            &target.winning_loss_score,
        ) else {
            return unverifiable("the target does not say what was claimed".to_owned());
        };
        let embedding = match target.embedding.values() {
            Ok(embedding) => embedding,
            Err(error) => return unverifiable(error.to_string()),
        };
        let data = match self.download(manifest).await {
            Ok(data) => data,
            Err(error) => return fraud(format!("data unavailable: {error}")),
        };
        let weights = match self.weights(target.model_ids.clone()).await? {
            Ok(weights) => weights,
            Err(gone) => return unverifiable(format!("model {gone} is not active")),
        };
        let evaluation = match self.scorer.evaluate(data, &weights, SEED, &self.turns).await {
            Ok(evaluation) => evaluation,
            Err(ScorerError::Blob(error @ StorageError::Download { .. })) => {
                tracing::warn!(target_id = %fill.target, %error, "no weights to audit with: trying again");
                return Ok(None);
            }
            Err(error) => return unverifiable(error.to_string()),
        };
        let found_winner = target.model_ids[evaluation.winner];
        let found = evaluation.winning();
        if found_winner != winner {
            return fraud(format!("model {found_winner} has the least loss, not {winner}"));
        }
        let claims = [
            ("distance", claimed_distance, cosine_distance(&found.embedding, &embedding)),
            ("loss", claimed_loss, found.loss),
        ];
        let lie = claims.into_iter().find_map(|(name, claimed, found)| false_claim(name, claimed, found));
        Ok(Some(lie.unwrap_or(Verdict::Honest)))
    }

    /// All attempts together end in time.
    async fn download(&self, manifest: &Manifest) -> Result<bytes::Bytes, StorageError> {
        let attempts = async {
            let mut attempt = 1;
            loop {
                match self.scorer.fetch(manifest.url(), manifest.checksum(), manifest.size()).await {
                    Err(StorageError::Download { .. }) if attempt < DOWNLOAD_ATTEMPTS => {
                        attempt += 1;
                        tokio::time::sleep(DOWNLOAD_PAUSE).await;
                    }
                    settled => return settled,
                }
            }
        };
        in_time(manifest.url(), manifest.size(), attempts).await
    }

    /// The published weights of a target's models in its order, or the first model that is not active.
    async fn weights(&self, ids: Vec<ObjectId>) -> Result<Result<Vec<Weights>, ObjectId>, NodeError> {
        self.node
            .read(move |ledger| {
                let models = &ledger.system_state().model_registry.models;
                ids.into_iter()
                    .map(|id| match models.get(&id).map(|model| model.v1()) {
                        Some(ModelV1::Active(model)) => Ok(Weights::published(model)),
                        _ => Err(id),
                    })
                    .collect()
            })
            .await
    }

    /// Signs a report of every fraud whose window is open: the one epoch after the fill (`protocol.md §7.8`).
    async fn report_due(&self, epoch: u64) {
        let due: Vec<ObjectId> = self
            .audits()
            .values()
            .filter(|a| matches!(a.verdict, Verdict::Fraud(_)) && !a.reported && a.fill_epoch + 1 == epoch)
            .map(|audit| audit.target)
            .collect();
        for target_id in due {
            match self.validator.send(|_| TransactionKind::ReportSubmission { target_id }).await {
                Ok(_) => {
                    tracing::warn!(%target_id, "reported a false submission");
                    if let Some(audit) = self.audits().get_mut(&target_id) {
                        audit.reported = true;
                    }
                }
                // Tried again at the next look, as long as the window is open.
                Err(error) => tracing::error!(%target_id, %error, "the report of a false submission failed"),
            }
        }
    }

    fn audits(&self) -> std::sync::MutexGuard<'_, BTreeMap<ObjectId, AuditRecord>> {
        // Whole records are inserted, so a panic elsewhere leaves none half-made.
        self.audits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A claim that is no scalar, or not what was found.
fn false_claim(name: &str, claimed: &SomaTensor, found: f32) -> Option<Verdict> {
    match claimed.scalar_value() {
        Ok(claimed) if agree(found, claimed) => None,
        Ok(claimed) => Some(Verdict::Fraud(format!("{name} {claimed} was claimed, {found} is true"))),
        Err(error) => Some(Verdict::Fraud(format!("the claimed {name} is no number: {error}"))),
    }
}

/// The audit's tolerance (`model.md §3.6`): one percent or 0.01, whichever is more, exclusive.
fn agree(x: f32, y: f32) -> bool {
    x == y || (x.is_nan() && y.is_nan()) || (x - y).abs() < f32::max(0.01, 0.01 * x.abs().max(y.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_within_one_percent_or_a_hundredth_agree() {
        assert!(agree(5.0, 5.049));
        assert!(!agree(5.0, 5.06));
        assert!(agree(0.5, 0.5099));
        assert!(!agree(0.5, 0.5101));
        assert!(agree(f32::NAN, f32::NAN));
        assert!(agree(f32::INFINITY, f32::INFINITY));
        assert!(!agree(f32::INFINITY, f32::NEG_INFINITY));
        assert!(!agree(f32::NAN, 0.5));
        assert!(!agree(0.5, f32::INFINITY));
    }

    #[test]
    fn a_fill_is_audited_once_and_only_while_it_can_be_reported() {
        let fill = |n: u8, fill_epoch| {
            let target = TargetV1 {
                status: TargetStatus::Filled { fill_epoch },
                ..TargetV1::open(SomaTensor::vector(&[1.0]), Vec::new(), SomaTensor::scalar(1.0), 1, fill_epoch)
            };
            Fill::of(ObjectId([n; 32]), &target).expect("it is filled")
        };
        let next = |queue: &mut Queue, epoch| queue.next(epoch).map(|fill| fill.target.0[0]);
        let mut queue = Queue::default();
        for (n, fill_epoch) in [(1, 3), (2, 4), (3, 5), (2, 4)] {
            queue.offer(fill(n, fill_epoch), 5);
        }
        assert_eq!(next(&mut queue, 5), Some(2), "epoch 3's window was over when it was offered");
        queue.failed.push(fill(2, 4));
        queue.offer(fill(2, 4), 5);
        assert_eq!(next(&mut queue, 5), Some(3));
        assert_eq!(next(&mut queue, 5), None);
        queue.retry_failed(5);
        assert_eq!(next(&mut queue, 5), Some(2));
        queue.failed.push(fill(2, 4));
        queue.retry_failed(6);
        assert_eq!(next(&mut queue, 6), None, "its window closed meanwhile");
        assert_eq!(queue.seen.len(), 1);
    }

    #[test]
    fn a_claim_must_be_one_number() {
        assert_eq!(false_claim("loss", &SomaTensor::scalar(1.0), 1.005), None);
        assert!(matches!(false_claim("loss", &SomaTensor::vector(&[1.0, 1.0]), 1.0), Some(Verdict::Fraud(_))));
        let Some(Verdict::Fraud(reason)) = false_claim("distance", &SomaTensor::scalar(0.5), 0.75) else {
            panic!("0.5 is not 0.75")
        };
        assert_eq!(reason, "distance 0.5 was claimed, 0.75 is true");
    }
}
