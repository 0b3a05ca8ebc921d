//! Records of the ledger as the messages that services answer with. Masks come after.

use std::collections::HashMap;

use crate::{
    chain::{
        convert::{
            EffectsStyle, balance_change_to_proto, checkpoint_summary_to_proto, effects_to_proto, object_to_proto,
            signature_to_proto, timestamp_to_proto, transaction_to_proto, transaction_to_proto_prefixed,
        },
        proto::soma::rpc as pb,
        types::{Digest, ObjectId, ObjectType, UserSignature},
    },
    devnet::ledger::{CheckpointRecord, TransactionRecord},
};

/// The generator of BLS12-381's G1, compressed: a well-formed point. One process needs no consensus, so nobody signs its
/// checkpoints, but clients decode the field.
const CHECKPOINT_SIGNATURE: [u8; 48] = [
    0x97, 0xf1, 0xd3, 0xa7, 0x31, 0x97, 0xd7, 0x94, 0x26, 0x95, 0x63, 0x8c, 0x4f, 0xa9, 0xac, 0x0f, 0xc3, 0x68, 0x8c,
    0x4f, 0x97, 0x74, 0xb9, 0x05, 0xa1, 0x4e, 0x3a, 0x3f, 0x17, 0x1b, 0xac, 0x58, 0x6c, 0x55, 0xe8, 0x3f, 0xf9, 0x7a,
    0x1a, 0xef, 0xfb, 0x3a, 0xf0, 0x0a, 0xdb, 0x22, 0xc6, 0xbb,
];

/// What a service shows of one transaction, but for its objects and where it is stored.
fn transaction(record: &TransactionRecord, style: EffectsStyle) -> pb::ExecutedTransaction {
    let digest = record.effects.v1().transaction_digest.to_string();
    let types: HashMap<ObjectId, ObjectType> = record.objects.iter().map(|o| (o.id(), o.object_type)).collect();
    let type_of = |id: &ObjectId| types.get(id).copied();
    // Checkpoints leave the types out (`protocol-corrections.md §2`).
    let types = matches!(style, EffectsStyle::Execute).then_some(&type_of as &dyn Fn(&ObjectId) -> _);
    pb::ExecutedTransaction {
        digest: Some(digest),
        // Other conversion code on a node, and other text forms.
        transaction: Some(match style {
            EffectsStyle::Execute => transaction_to_proto_prefixed(&record.data),
            EffectsStyle::Checkpoint => transaction_to_proto(&record.data),
        }),
        signatures: signatures(record),
        effects: Some(effects_to_proto(&record.effects, style, types)),
        checkpoint: None,
        timestamp: None,
        balance_changes: record.balance_changes.iter().map(balance_change_to_proto).collect(),
        objects: None,
    }
}

/// System transactions carry one signature of zeros.
fn signatures(record: &TransactionRecord) -> Vec<pb::UserSignature> {
    match record.signatures.as_slice() {
        [] => vec![signature_to_proto(&UserSignature(vec![0; 97]))],
        signatures => signatures.iter().map(signature_to_proto).collect(),
    }
}

/// The answer to ExecuteTransaction: with all object versions, not yet in a checkpoint.
pub fn executed(record: &TransactionRecord) -> pb::ExecutedTransaction {
    let objects = record.objects.iter().map(|object| object_to_proto(object, true)).collect();
    pb::ExecutedTransaction { objects: Some(pb::ObjectSet { objects }), ..transaction(record, EffectsStyle::Execute) }
}

/// The answer to SimulateTransaction: nothing was signed and nothing has a digest.
pub fn simulated(record: &TransactionRecord) -> pb::ExecutedTransaction {
    // Its objects come without `0x`, unlike those of ExecuteTransaction (node-capture.json, `Simulate/no mask`).
    let objects = record.objects.iter().map(|object| object_to_proto(object, false)).collect();
    pb::ExecutedTransaction {
        digest: None,
        signatures: Vec::new(),
        objects: Some(pb::ObjectSet { objects }),
        ..transaction(record, EffectsStyle::Execute)
    }
}

/// The answer to GetTransaction: a real node gives no objects here, whatever the mask.
pub fn stored(record: &TransactionRecord) -> pb::ExecutedTransaction {
    pb::ExecutedTransaction {
        checkpoint: Some(record.checkpoint),
        timestamp: Some(timestamp_to_proto(record.timestamp_ms)),
        ..transaction(record, EffectsStyle::Execute)
    }
}

pub fn checkpoint(record: &CheckpointRecord) -> pb::Checkpoint {
    let summary = &record.summary;
    let digest: Digest = summary.digest();
    let mut objects: Vec<_> = record.transactions.iter().flat_map(|t| &t.objects).collect();
    objects.sort_by_key(|object| (object.id(), object.version));
    objects.dedup_by_key(|object| (object.id(), object.version));
    let contents = record.transactions.iter().map(|transaction| pb::CheckpointedTransactionInfo {
        transaction: Some(transaction.effects.v1().transaction_digest.to_string()),
        effects: Some(transaction.effects.digest().to_string()),
        signatures: signatures(transaction),
    });
    pb::Checkpoint {
        sequence_number: Some(summary.sequence_number),
        digest: Some(digest.to_string()),
        summary: Some(checkpoint_summary_to_proto(summary)),
        signature: Some(pb::ValidatorAggregatedSignature {
            epoch: Some(summary.epoch),
            signature: Some(CHECKPOINT_SIGNATURE.to_vec()),
            bitmap: vec![0],
        }),
        contents: Some(pb::CheckpointContents {
            digest: Some(summary.content_digest.to_string()),
            version: Some(1),
            transactions: contents.collect(),
        }),
        transactions: record
            .transactions
            .iter()
            .map(|record| pb::ExecutedTransaction {
                checkpoint: Some(record.checkpoint),
                timestamp: Some(timestamp_to_proto(record.timestamp_ms)),
                ..transaction(record, EffectsStyle::Checkpoint)
            })
            .collect(),
        objects: Some(pb::ObjectSet { objects: objects.into_iter().map(|o| object_to_proto(o, false)).collect() }),
    }
}
