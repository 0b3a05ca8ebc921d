//! What tables and pictures are made of: the words of the journal and of the chain's history, in one form.

use serde::Serialize;

use crate::primitives::{Digest, ObjectId, Shannons};

/// One submission, with the time of each of its steps as far as this machine saw them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SubmissionRecord {
    pub target: ObjectId,
    pub state: &'static str,
    pub epoch: u64,
    pub claimable_epoch: Option<u64>,
    pub source: Option<String>,
    pub size_bytes: Option<u64>,
    pub checksum: Option<Digest>,
    pub url: Option<String>,
    pub model: Option<ObjectId>,
    pub distance: Option<f32>,
    pub threshold: Option<f32>,
    #[serde(rename = "bond_shannons")]
    pub bond: Shannons,
    #[serde(rename = "fee_shannons")]
    pub fee: Shannons,
    /// For what is not yet claimed.
    #[serde(rename = "expected_shannons")]
    pub expected: Option<Shannons>,
    /// By the claim, without the bond.
    #[serde(rename = "paid_shannons")]
    pub paid: Option<Shannons>,
    pub submit_digest: Option<Digest>,
    pub claim_digest: Option<Digest>,
    pub submitted_at_ms: Option<u64>,
    /// Oldest first.
    pub steps: Vec<StepRecord>,
    pub note: Option<String>,
}

/// A state and when it was entered, in unix ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StepRecord {
    pub state: &'static str,
    pub at_ms: u64,
}

/// Sums over the submissions of one epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EpochRecord {
    pub epoch: u64,
    pub filled: u64,
    pub lost: u64,
    #[serde(rename = "earned_shannons")]
    pub earned: Shannons,
    #[serde(rename = "pending_shannons")]
    pub pending: Shannons,
    #[serde(rename = "forfeited_shannons")]
    pub forfeited: Shannons,
    #[serde(rename = "fees_shannons")]
    pub fees: Shannons,
}

impl EpochRecord {
    /// Earned, less fees and forfeited bonds, in shannons.
    pub fn net(&self) -> i128 {
        i128::from(self.earned.0) - i128::from(self.fees.0) - i128::from(self.forfeited.0)
    }
}
