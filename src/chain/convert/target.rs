//! Targets: the message shows only a part of the object (`protocol.md §7.2`).

use super::{
    FieldError, fields,
    fields::required,
    tensor::{finite, finite_all, scalar, vector},
};
use crate::chain::{client::TargetInfo, proto::soma::rpc, types::*};

/// `status`: what ListTargets shows may differ from the stored word (`protocol.md §2.5`).
pub fn target_to_proto(object: &Object, target: &TargetV1, status: &str) -> rpc::Target {
    rpc::Target {
        id: Some(stripped(&object.id())),
        embedding: vector(&target.embedding),
        model_ids: target.model_ids.iter().map(stripped).collect(),
        distance_threshold: scalar(&target.distance_threshold),
        reward_pool: Some(target.reward_pool),
        generation_epoch: Some(target.generation_epoch),
        status: Some(status.to_owned()),
        fill_epoch: match target.status {
            TargetStatus::Filled { fill_epoch } => Some(fill_epoch),
            TargetStatus::Open | TargetStatus::Claimed => None,
        },
        submitter: target.submitter.map(|address| address.to_string()),
        winning_model_id: target.winning_model_id.as_ref().map(stripped),
        winning_model_owner: target.winning_model_owner.map(|address| address.to_string()),
        bond_amount: Some(target.bond_amount),
        data_url: target.winning_data_manifest.as_ref().map(|manifest| manifest.url().to_owned()),
    }
}

/// What a list must hold for a target to be played: a finite, non-empty embedding and a finite threshold among it.
pub fn target_info_from_proto(target: &rpc::Target) -> Result<TargetInfo, FieldError> {
    if target.embedding.is_empty() {
        return Err(FieldError::missing("embedding"));
    }
    Ok(TargetInfo {
        id: fields::object_id("id", target.id.as_deref())?,
        embedding: finite_all("embedding", &target.embedding)?,
        model_ids: target
            .model_ids
            .iter()
            .map(|text| fields::object_id("model_ids", Some(text)))
            .collect::<Result<_, FieldError>>()?,
        distance_threshold: finite("distance_threshold", required("distance_threshold", target.distance_threshold)?)?,
        reward_pool: required("reward_pool", target.reward_pool)?,
        generation_epoch: required("generation_epoch", target.generation_epoch)?,
        status: match required("status", target.status.as_deref())? {
            known @ ("open" | "filled" | "claimable") => known.to_owned(),
            _ => return Err(FieldError::invalid("status", "neither open, filled nor claimable")),
        },
        submitter: target.submitter.as_deref().map(|text| fields::address("submitter", Some(text))).transpose()?,
        bond_amount: target.bond_amount.unwrap_or(0),
    })
}

/// The stored word, as GetTarget shows it.
pub fn target_status_word(status: TargetStatus) -> &'static str {
    match status {
        TargetStatus::Open => "open",
        TargetStatus::Filled { .. } => "filled",
        TargetStatus::Claimed => "claimed",
    }
}

/// `0x` and the digits without leading zeros, the form of every id in a `Target` (`protocol.md §0.2`).
fn stripped(id: &ObjectId) -> String {
    let digits = id.to_string();
    match digits.trim_start_matches('0') {
        "" => "0x0".to_owned(),
        digits => format!("0x{digits}"),
    }
}
