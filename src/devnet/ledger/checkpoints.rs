//! Checkpoints: one per transaction, chained by digest (`protocol.md §6.4`).
//!
//! The contents and artifacts digests are the embedded network's own (deterministic, over what they name): a node's
//! preimages are not published.

use std::sync::Arc;

use super::{CheckpointRecord, TransactionRecord, gas};
use crate::{
    chain::types::{
        CheckpointCommitment, CheckpointSummary, Digest, ObjectOut, TransactionEffects, TransactionFee, to_bcs,
    },
    primitives::Hasher,
};

/// The checkpoint of one transaction on top of `head` (`None`: genesis).
pub(super) fn summarize(
    head: Option<&CheckpointSummary>,
    effects: &TransactionEffects,
    timestamp_ms: u64,
    first_of_epoch: bool,
) -> CheckpointSummary {
    let v1 = effects.v1();
    let rolling = match head {
        Some(head) if !first_of_epoch => head.epoch_rolling_transaction_fees,
        _ => TransactionFee::default(),
    };
    CheckpointSummary {
        epoch: v1.executed_epoch,
        sequence_number: head.map_or(0, |head| head.sequence_number.saturating_add(1)),
        network_total_transactions: head.map_or(0, |head| head.network_total_transactions).saturating_add(1),
        content_digest: content_digest(&[(v1.transaction_digest, effects.digest())]),
        previous_digest: head.map(CheckpointSummary::digest),
        epoch_rolling_transaction_fees: gas::sum(rolling, v1.fee),
        // Time never runs backwards along the chain.
        timestamp_ms: head.map_or(timestamp_ms, |head| head.timestamp_ms.max(timestamp_ms)),
        checkpoint_commitments: head
            .map(|_| CheckpointCommitment::CheckpointArtifacts(artifacts_digest(effects)))
            .into_iter()
            .collect(),
        end_of_epoch_data: None,
        version_specific_data: Vec::new(),
    }
}

/// Over the digests of transaction and effects, in order.
fn content_digest(executed: &[(Digest, Digest)]) -> Digest {
    named(b"CheckpointContents::", &to_bcs(executed))
}

/// Over the object versions that the checkpoint leaves.
fn artifacts_digest(effects: &TransactionEffects) -> Digest {
    let v1 = effects.v1();
    let written = v1.changed_objects.iter().map(|(id, change)| match &change.output_state {
        ObjectOut::ObjectWrite(digest, _) => (*id, v1.version, *digest),
        ObjectOut::NotExist => (*id, v1.version, Digest::DELETED),
    });
    named(b"CheckpointArtifacts::", &to_bcs(&written.collect::<Vec<_>>()))
}

fn named(name: &[u8], bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(name).update(bytes);
    hasher.finish()
}

pub(super) fn record(summary: CheckpointSummary, transaction: Arc<TransactionRecord>) -> Arc<CheckpointRecord> {
    Arc::new(CheckpointRecord { summary, transactions: vec![transaction] })
}
