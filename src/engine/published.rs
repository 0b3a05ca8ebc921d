//! Models as the chain lists them: where their weights are, and what these are known by here.

use super::scoring::{WeightsSpec, weights_id};
use crate::{chain::client::ActiveModelInfo, primitives::Digest};

/// A model's weights as its owner has published them. The chain verifies none of it: another model may name the same file.
pub(super) fn spec_of(model: &ActiveModelInfo) -> WeightsSpec {
    WeightsSpec { checksum: model.checksum, url: model.url.clone(), size: model.size, key: Some(model.decryption_key) }
}

/// [`WeightsSpec::id`] of the same.
pub(super) fn id_of(model: &ActiveModelInfo) -> Digest {
    weights_id(model.checksum, Some(&model.decryption_key))
}
