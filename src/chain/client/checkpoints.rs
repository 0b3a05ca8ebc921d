//! The live stream of checkpoints.

use std::collections::HashSet;

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};

use super::{
    CheckpointInfo, Client, ClientError, checked_target, mask, number, present,
    transport::{MAX_MESSAGE_BYTES, within},
};
use crate::chain::{
    convert,
    proto::soma::rpc::{
        self, changed_object::IdOperation, get_checkpoint_request::CheckpointId,
        subscription_service_client::SubscriptionServiceClient,
    },
    types::{Digest, ObjectType},
};

/// Everything is safe to ask for in checkpoints; this is what is used.
const CHECKPOINT_MASK: &[&str] = &[
    "sequence_number",
    "summary.epoch",
    "summary.timestamp",
    "transactions.digest",
    "transactions.effects",
    "objects.objects",
];

impl Client {
    /// Checkpoints from now on; ends with an error when the stream breaks or a checkpoint does not decode. There is no
    /// replay: fill gaps with [`checkpoint`](Self::checkpoint).
    pub async fn subscribe(&self) -> Result<BoxStream<'static, Result<CheckpointInfo, ClientError>>, ClientError> {
        let mut service =
            SubscriptionServiceClient::new(self.node.channel()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let request = rpc::SubscribeCheckpointsRequest { read_mask: mask(CHECKPOINT_MASK) };
        let incoming = within(self.timeout, service.subscribe_checkpoints(request)).await?;
        // `None` after the first error: a stream that broke is over.
        let checkpoints = stream::unfold(Some(incoming), |incoming| async {
            let mut incoming = incoming?;
            let item = match incoming.message().await {
                Ok(Some(message)) => checkpoint_info(message.checkpoint.as_ref()),
                Ok(None) => Err(ClientError::Unreachable("the node ended the stream of checkpoints".to_owned())),
                Err(status) => Err(status.into()),
            };
            let rest = item.is_ok().then_some(incoming);
            Some((item, rest))
        });
        Ok(checkpoints.boxed())
    }

    /// A checkpoint by its number, as the subscription would have told it.
    pub async fn checkpoint(&self, number: u64) -> Result<CheckpointInfo, ClientError> {
        let request = rpc::GetCheckpointRequest {
            checkpoint_id: Some(CheckpointId::SequenceNumber(number)),
            read_mask: mask(CHECKPOINT_MASK),
        };
        let answer = within(self.timeout, self.ledger().get_checkpoint(request)).await?;
        let checkpoint = checkpoint_info(answer.checkpoint.as_ref())?;
        match checkpoint.sequence_number == number {
            true => Ok(checkpoint),
            false => {
                let got = checkpoint.sequence_number;
                Err(ClientError::Malformed(format!("asked for checkpoint {number}, got {got}")))
            }
        }
    }
}

fn checkpoint_info(checkpoint: Option<&rpc::Checkpoint>) -> Result<CheckpointInfo, ClientError> {
    let checkpoint = present("checkpoint", checkpoint)?;
    let summary = present("summary", checkpoint.summary.as_ref())?;
    let mut transactions = Vec::with_capacity(checkpoint.transactions.len());
    let mut deleted = Vec::new();
    for transaction in &checkpoint.transactions {
        let digest = present("digest", transaction.digest.as_deref())?;
        transactions
            .push(digest.parse::<Digest>().map_err(|cause| ClientError::Malformed(format!("a transaction: {cause}")))?);
        for change in transaction.effects.iter().flat_map(|effects| &effects.changed_objects) {
            // Only this: an input without an output may still be alive (`protocol-corrections.md §1`, on §4.6.5).
            if change.id_operation() == IdOperation::Deleted {
                let id = present("object_id", change.object_id.as_deref())?;
                deleted.push(id.parse().map_err(|cause| ClientError::Malformed(format!("a deleted object: {cause}")))?);
            }
        }
    }
    // The set holds the versions before and after; those after were written by one of these transactions.
    let written: HashSet<&Digest> = transactions.iter().collect();
    let mut targets = Vec::new();
    for object in checkpoint.objects.iter().flat_map(|set| &set.objects) {
        if object.object_type.as_deref() != Some(ObjectType::Target.name()) {
            continue;
        }
        let object = convert::object_from_proto(object)?;
        if !written.contains(&object.previous_transaction) {
            continue;
        }
        match checked_target(&object) {
            Ok(target) => targets.push((object.id(), target)),
            Err(cause) => tracing::warn!(%cause, "left out a target of a checkpoint"),
        }
    }
    Ok(CheckpointInfo {
        sequence_number: number("sequence_number", checkpoint.sequence_number)?,
        epoch: number("epoch", summary.epoch)?,
        timestamp_ms: convert::timestamp_ms("timestamp", present("timestamp", summary.timestamp.as_ref())?)?,
        transactions,
        targets,
        deleted,
    })
}
