//! An open target, as the chain showed it; and what no chain can have shown.

use std::sync::Arc;

use crate::{
    chain::{client::TargetInfo, types::TargetV1},
    engine::{money, now_ms},
    primitives::{ObjectId, Shannons},
};

/// A target is of its checkpoint's epoch, or of the one that the checkpoint begins; a list may have been made a while later.
const EPOCHS_AHEAD: u64 = 8;

/// An open target.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine::dispatcher) struct OpenTarget {
    pub embedding: Arc<[f32]>,
    pub models: Vec<ObjectId>,
    pub threshold: f32,
    pub reward: Shannons,
    pub epoch: u64,
    pub seen_at_ms: u64,
    /// Computed from the fill that spawned it, and shown by nobody yet.
    pub is_predicted: bool,
    /// We saw it open; it was not merely there when we first looked.
    pub(super) seen_opening: bool,
    /// Lists in a row that did not name it.
    pub(super) absences: u32,
}

impl OpenTarget {
    /// Whether the chain shows what we hold.
    pub(super) fn is_as(&self, shown: &Self) -> bool {
        let bits = |embedding: &[f32]| embedding.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        self.models == shown.models
            && self.threshold.to_bits() == shown.threshold.to_bits()
            && (self.reward, self.epoch) == (shown.reward, shown.epoch)
            && bits(&self.embedding) == bits(&shown.embedding)
    }
}

impl From<TargetInfo> for OpenTarget {
    fn from(info: TargetInfo) -> Self {
        Self {
            embedding: info.embedding.into(),
            models: info.model_ids,
            threshold: info.distance_threshold,
            reward: Shannons(info.reward_pool),
            epoch: info.generation_epoch,
            seen_at_ms: now_ms(),
            is_predicted: false,
            seen_opening: false,
            absences: 0,
        }
    }
}

impl TryFrom<&TargetV1> for OpenTarget {
    type Error = crate::chain::types::TensorError;

    fn try_from(target: &TargetV1) -> Result<Self, Self::Error> {
        Ok(Self {
            embedding: target.embedding.values()?.into(),
            models: target.model_ids.clone(),
            threshold: target.distance_threshold.scalar_value()?,
            reward: Shannons(target.reward_pool),
            epoch: target.generation_epoch,
            seen_at_ms: now_ms(),
            is_predicted: false,
            seen_opening: true,
            absences: 0,
        })
    }
}

/// Whether a target can be one at all: what a lying node makes up is passed over.
pub(super) fn is_plausible(reward_pool: u64, generation_epoch: u64, epoch: u64) -> bool {
    Shannons(reward_pool) <= money::MOST && generation_epoch <= epoch.saturating_add(EPOCHS_AHEAD)
}
