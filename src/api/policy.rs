//! The limits of automatic approval, and what it did within them.

use serde::{Deserialize, Serialize};

use crate::primitives::{ObjectId, Shannons};

/// What a submission must keep to if the policy is to approve it. A person may go beyond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyLimits {
    pub max_bond_per_submission: Shannons,
    /// All bonds of one epoch, those that a person approved included.
    pub max_bond_per_epoch: Shannons,
    /// Threshold − distance, in millionths of cosine distance. A target's samples below it are not offered to a person either.
    pub min_margin_millionths: u32,
    /// Expected gain ([`Prospect::gain`](super::Prospect)).
    pub min_gain: Shannons,
}

impl PolicyLimits {
    /// Cosine distances lie between 0 and 2.
    pub const MOST_MARGIN_MILLIONTHS: u32 = 2_000_000;

    /// What distances are compared with.
    pub fn min_margin(&self) -> f32 {
        (f64::from(self.min_margin_millionths) / 1e6) as f32
    }
}

/// The policy as the engine obeys it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyView {
    pub limits: PolicyLimits,
    /// What flags and configuration said; the next run begins with them again.
    pub at_start: PolicyLimits,
    /// When the limits were last changed in this run.
    pub edited_at_ms: Option<u64>,
    /// Bonds of this epoch that are approved or on the chain, whoever approved them.
    pub used: Shannons,
    pub auto: AutoView,
}

/// What automatic approval did in this epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoView {
    pub approved: u64,
    /// Of those, part of [`PolicyView::used`].
    pub bonds: Shannons,
    /// Targets whose candidates it left alone, in this run.
    pub refused: u64,
    /// The newest of them, newest first (bounded).
    pub refusals: Vec<Refusal>,
}

/// A candidate beyond the limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub at_ms: u64,
    pub target: ObjectId,
    pub source: String,
    pub why: String,
}
