//! The validator's audit (`model.md §3.6`): every fill is downloaded and scored again, and a false claim is reported in the
//! epoch after the fill, so that its bond is forfeited.
//!
//! Keeps nothing on disk: what a restart forgot is read from the targets and audited again.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio_util::sync::CancellationToken;

use super::{
    account::Account,
    ledger::CheckpointRecord,
    node::{Node, NodeError},
    scorer::{Scorer, Weights},
};
use crate::{
    chain::types::{
        Address, Manifest, ModelV1, Object, ObjectId, ObjectType, SomaTensor, TargetStatus, TargetV1, TransactionKind,
    },
    model::cosine_distance,
    storage::StorageError,
};

/// Audits are scored with this seed (`model.md §3.5`).
const SEED: u64 = 0;
/// A server may hiccup; data that is gone stays gone.
const DOWNLOAD_ATTEMPTS: u32 = 3;
const DOWNLOAD_PAUSE: Duration = Duration::from_millis(500);

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
    fn of(object: &Object) -> Option<Self> {
        if object.object_type != ObjectType::Target {
            return None;
        }
        let contents = object.target().ok()?;
        match contents.status {
            TargetStatus::Filled { fill_epoch } => Some(Self { target: object.id(), epoch: fill_epoch, contents }),
            _ => None,
        }
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
        let mut waiting = self.unaudited().await?;
        loop {
            loop {
                match checkpoints.try_recv() {
                    Ok(checkpoint) => self.enqueue(&checkpoint, &mut waiting),
                    Err(TryRecvError::Lagged(_)) => waiting = self.unaudited().await?,
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
            self.report_due().await?;
            if let Some(fill) = waiting.pop_front() {
                self.audit(fill).await?;
                continue;
            }
            match checkpoints.recv().await {
                Ok(checkpoint) => self.enqueue(&checkpoint, &mut waiting),
                Err(RecvError::Lagged(_)) => waiting = self.unaudited().await?,
                Err(RecvError::Closed) => return Err(NodeError::Stopped),
            }
        }
    }

    /// Fills on the chain that can still be reported and that nobody looked at.
    async fn unaudited(&self) -> Result<VecDeque<Fill>, NodeError> {
        let fills = self
            .node
            .read(|ledger| {
                let epoch = ledger.system_state().epoch;
                let fills = ledger.targets().into_iter().filter_map(|(object, _)| Fill::of(object));
                fills.filter(|fill| fill.epoch + 1 >= epoch).collect::<VecDeque<_>>()
            })
            .await?;
        let audits = self.audits();
        Ok(fills.into_iter().filter(|fill| !audits.contains_key(&fill.target)).collect())
    }

    fn enqueue(&self, checkpoint: &CheckpointRecord, waiting: &mut VecDeque<Fill>) {
        for object in checkpoint.transactions.iter().flat_map(|transaction| &transaction.objects) {
            if let Some(fill) = Fill::of(object)
                && fill.epoch + 1 >= checkpoint.summary.epoch
                && !self.audits().contains_key(&fill.target)
                && waiting.iter().all(|other| other.target != fill.target)
            {
                waiting.push_back(fill);
            }
        }
    }

    async fn audit(&self, fill: Fill) -> Result<(), NodeError> {
        let verdict = self.judge(&fill).await?;
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
        Ok(())
    }

    async fn judge(&self, fill: &Fill) -> Result<Verdict, NodeError> {
        let target = &fill.contents;
        let (Some(manifest), Some(winner), Some(claimed_distance), Some(claimed_loss)) = (
            &target.winning_data_manifest,
            target.winning_model_id,
            &target.winning_distance_score,
            &target.winning_loss_score,
        ) else {
            return Ok(Verdict::Unverifiable("the target does not say what was claimed".to_owned()));
        };
        let embedding = match target.embedding.values() {
            Ok(embedding) => embedding,
            Err(error) => return Ok(Verdict::Unverifiable(error.to_string())),
        };
        let data = match self.download(manifest).await {
            Ok(data) => data,
            Err(error) => return Ok(Verdict::Fraud(format!("data unavailable: {error}"))),
        };
        let weights = match self.weights(target.model_ids.clone()).await? {
            Ok(weights) => weights,
            Err(gone) => return Ok(Verdict::Unverifiable(format!("model {gone} is not active"))),
        };
        let evaluation = match self.scorer.evaluate(data, &weights, SEED).await {
            Ok(evaluation) => evaluation,
            Err(error) => return Ok(Verdict::Unverifiable(error.to_string())),
        };
        let found_winner = target.model_ids[evaluation.winner];
        let found = evaluation.winning();
        if found_winner != winner {
            return Ok(Verdict::Fraud(format!("model {found_winner} has the least loss, not {winner}")));
        }
        let claims = [
            ("distance", claimed_distance, cosine_distance(&found.embedding, &embedding)),
            ("loss", claimed_loss, found.loss),
        ];
        Ok(claims
            .into_iter()
            .find_map(|(name, claimed, found)| false_claim(name, claimed, found))
            .unwrap_or(Verdict::Honest))
    }

    async fn download(&self, manifest: &Manifest) -> Result<bytes::Bytes, StorageError> {
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
    }

    /// The published weights of a target's models in its order, or the first model that is not active.
    async fn weights(&self, ids: Vec<ObjectId>) -> Result<Result<Vec<Weights>, ObjectId>, NodeError> {
        self.node
            .read(move |ledger| {
                let models = &ledger.system_state().model_registry.models;
                ids.into_iter()
                    .map(|id| match models.get(&id).map(|model| model.v1()) {
                        Some(ModelV1::Active(model)) => Ok(Weights {
                            url: model.commitment.manifest.url().to_owned(),
                            checksum: model.commitment.manifest.checksum(),
                            size: model.commitment.manifest.size(),
                            key: Some(model.decryption_key.0),
                        }),
                        _ => Err(id),
                    })
                    .collect()
            })
            .await
    }

    /// Signs a report of every fraud whose window is open: the one epoch after the fill (`protocol.md §7.8`).
    async fn report_due(&self) -> Result<(), NodeError> {
        let epoch = self.node.read(|ledger| ledger.system_state().epoch).await?;
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
                // Tried again at the next checkpoint, as long as the window is open.
                Err(error) => tracing::error!(%target_id, %error, "the report of a false submission failed"),
            }
        }
        Ok(())
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
    fn a_claim_must_be_one_number() {
        assert_eq!(false_claim("loss", &SomaTensor::scalar(1.0), 1.005), None);
        assert!(matches!(false_claim("loss", &SomaTensor::vector(&[1.0, 1.0]), 1.0), Some(Verdict::Fraud(_))));
        let Some(Verdict::Fraud(reason)) = false_claim("distance", &SomaTensor::scalar(0.5), 0.75) else {
            panic!("0.5 is not 0.75")
        };
        assert_eq!(reason, "distance 0.5 was claimed, 0.75 is true");
    }
}
