//! Checkpoint summaries, and times, which BCS holds in milliseconds.

use prost_types::Timestamp;
use rpc::checkpoint_commitment::CheckpointCommitmentKind;

use super::{
    FieldError,
    effects::{fee_from_proto, fee_to_proto},
    fields,
    fields::required,
};
use crate::chain::{proto::soma::rpc, types::*};

/// With its digest.
pub fn checkpoint_summary_to_proto(summary: &CheckpointSummary) -> rpc::CheckpointSummary {
    rpc::CheckpointSummary {
        digest: Some(summary.digest().to_string()),
        epoch: Some(summary.epoch),
        sequence_number: Some(summary.sequence_number),
        total_network_transactions: Some(summary.network_total_transactions),
        content_digest: Some(summary.content_digest.to_string()),
        previous_digest: summary.previous_digest.map(|digest| digest.to_string()),
        epoch_rolling_transaction_fees: Some(fee_to_proto(&summary.epoch_rolling_transaction_fees)),
        timestamp: Some(timestamp_to_proto(summary.timestamp_ms)),
        commitments: summary.checkpoint_commitments.iter().map(commitment_to_proto).collect(),
        end_of_epoch_data: summary.end_of_epoch_data.as_ref().map(|data| rpc::EndOfEpochData {
            next_epoch_validator_committee: Some(rpc::ValidatorCommittee {
                epoch: Some(summary.epoch.saturating_add(1)),
                members: data
                    .next_epoch_validator_committee
                    .iter()
                    .map(|(key, weight)| rpc::ValidatorCommitteeMember {
                        authority_key: Some(key.clone()),
                        weight: Some(*weight),
                        network_metadata: None,
                    })
                    .collect(),
            }),
            next_epoch_protocol_version: Some(data.next_epoch_protocol_version),
            epoch_commitments: data.epoch_commitments.iter().map(commitment_to_proto).collect(),
        }),
    }
}

/// The `version_specific_data`, which the message leaves out, is empty on every known chain.
pub fn checkpoint_summary_from_proto(summary: &rpc::CheckpointSummary) -> Result<CheckpointSummary, FieldError> {
    let end_of_epoch_data = summary.end_of_epoch_data.as_ref().map(|data| {
        let committee = required("next_epoch_validator_committee", data.next_epoch_validator_committee.as_ref())?;
        Ok(EndOfEpochData {
            next_epoch_validator_committee: committee
                .members
                .iter()
                .map(|member| {
                    Ok((required("authority_key", member.authority_key.clone())?, required("weight", member.weight)?))
                })
                .collect::<Result<_, FieldError>>()?,
            next_epoch_protocol_version: required("next_epoch_protocol_version", data.next_epoch_protocol_version)?,
            epoch_commitments: commitments_from_proto(&data.epoch_commitments)?,
        })
    });
    Ok(CheckpointSummary {
        epoch: required("epoch", summary.epoch)?,
        sequence_number: required("sequence_number", summary.sequence_number)?,
        network_total_transactions: required("total_network_transactions", summary.total_network_transactions)?,
        content_digest: fields::digest("content_digest", summary.content_digest.as_deref())?,
        previous_digest: summary
            .previous_digest
            .as_deref()
            .map(|text| fields::digest("previous_digest", Some(text)))
            .transpose()?,
        epoch_rolling_transaction_fees: fee_from_proto(required(
            "epoch_rolling_transaction_fees",
            summary.epoch_rolling_transaction_fees.as_ref(),
        )?)?,
        timestamp_ms: timestamp_ms("timestamp", required("timestamp", summary.timestamp.as_ref())?)?,
        checkpoint_commitments: commitments_from_proto(&summary.commitments)?,
        end_of_epoch_data: end_of_epoch_data.transpose()?,
        version_specific_data: Vec::new(),
    })
}

fn commitment_to_proto(commitment: &CheckpointCommitment) -> rpc::CheckpointCommitment {
    let (kind, digest) = match commitment {
        CheckpointCommitment::EcmhLiveObjectSet(digest) => (CheckpointCommitmentKind::EcmhLiveObjectSet, digest),
        CheckpointCommitment::CheckpointArtifacts(digest) => (CheckpointCommitmentKind::CheckpointArtifacts, digest),
    };
    rpc::CheckpointCommitment { kind: Some(kind.into()), digest: Some(digest.to_string()) }
}

fn commitments_from_proto(commitments: &[rpc::CheckpointCommitment]) -> Result<Vec<CheckpointCommitment>, FieldError> {
    commitments
        .iter()
        .map(|commitment| {
            let digest = fields::digest("digest", commitment.digest.as_deref())?;
            match CheckpointCommitmentKind::try_from(required("kind", commitment.kind)?) {
                Ok(CheckpointCommitmentKind::EcmhLiveObjectSet) => Ok(CheckpointCommitment::EcmhLiveObjectSet(digest)),
                Ok(CheckpointCommitmentKind::CheckpointArtifacts) => {
                    Ok(CheckpointCommitment::CheckpointArtifacts(digest))
                }
                Ok(CheckpointCommitmentKind::Unknown) | Err(_) => {
                    Err(FieldError::invalid("kind", "unknown kind of commitment"))
                }
            }
        })
        .collect()
}

pub fn timestamp_to_proto(ms: u64) -> Timestamp {
    Timestamp { seconds: (ms / 1000).cast_signed(), nanos: (ms % 1000) as i32 * 1_000_000 }
}

/// Milliseconds since 1970; `field` names the error.
pub fn timestamp_ms(field: &'static str, timestamp: &Timestamp) -> Result<u64, FieldError> {
    let invalid = || FieldError::invalid(field, "no time since 1970");
    let seconds = u64::try_from(timestamp.seconds).map_err(|_| invalid())?;
    let nanos = u64::try_from(timestamp.nanos).ok().filter(|nanos| *nanos < 1_000_000_000).ok_or_else(invalid)?;
    seconds.checked_mul(1000).and_then(|ms| ms.checked_add(nanos / 1_000_000)).ok_or_else(invalid)
}
