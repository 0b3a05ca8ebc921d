//! The board: who plays where, what lies open, who fills it, and what changed. The engine computes all of it; what it shows is bounded.
//!
//! A *z* is a difference of cosine distances in units of σ = 1/√dim, which is what distances of random directions scatter by about 1.

use serde::{Deserialize, Serialize};

use super::MapPart;
use crate::primitives::{Address, ObjectId, Shannons};

/// Models within this cosine distance of each other are a crowd.
pub const CROWD_DISTANCE: f32 = 0.3;
/// A target is a gap if no model is nearer to it than 1 − σ: its nearest one is a random direction like most.
pub const GAP_Z: f32 = 1.0;
/// A near miss lies beyond the threshold by at most so many σ.
pub const NEAR_Z: f32 = 2.0;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BoardView {
    pub epoch: u64,
    /// σ; 0: the dimension is not known yet.
    pub sigma: f32,
    /// Highest opportunity first.
    pub models: Vec<BoardModel>,
    pub gaps: Gaps,
    pub pace: Pace,
    /// Most fills of this epoch first, then most of all (bounded).
    pub fillers: Vec<Filler>,
    pub reach: Reach,
    pub money: MoneyLeft,
    /// Epochs that are over, newest first (bounded).
    pub reviews: Vec<EpochReview>,
}

/// A model, its crowd, and the open targets that list it: its territory. A target counts with each of its models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoardModel {
    pub id: ObjectId,
    pub stake: Shannons,
    /// Of the sum of √stake, in millionths: targets choose models by distance ÷ this.
    pub share_ppm: u64,
    pub commission_bps: u64,
    /// The nearest other model and the cosine distance to it.
    pub nearest: Option<(ObjectId, f32)>,
    /// Other models within [`CROWD_DISTANCE`].
    pub crowd: u64,
    /// Share of √stake of the model and its crowd together, in millionths.
    pub crowd_ppm: u64,
    /// Open targets that list it, and the sum of their rewards.
    pub targets: u64,
    pub reward: Shannons,
    /// Reward of its territory for each hundredth of √stake that its crowd holds.
    pub opportunity: Shannons,
    /// Samples of ours for which it has the lowest loss of all models in play.
    pub wins: u64,
    /// Open targets to which our nearest sample won under this model: within the threshold, or beyond it by at most [`NEAR_Z`].
    pub hits: u64,
    pub near: u64,
    /// Of those, the best (threshold − distance) ÷ σ.
    pub best_z: Option<f32>,
}

/// Open targets to which no model is near.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gaps {
    pub open: u64,
    pub count: u64,
    pub reward: Shannons,
    /// Highest reward first, then farthest from every model (bounded).
    pub rows: Vec<Gap>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    pub target: ObjectId,
    pub reward: Shannons,
    pub model: ObjectId,
    /// Cosine distance of the nearest model.
    pub distance: f32,
    /// (1 − distance) ÷ σ.
    pub z: f32,
    /// (threshold − our best distance) ÷ σ.
    pub ours_z: Option<f32>,
}

/// Fills, as checkpoints showed them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// This epoch was watched from its first checkpoint on, without a gap.
    pub whole: bool,
    /// Targets of this epoch that were seen, and what became of them.
    pub opened: u64,
    pub filled: u64,
    pub ours: u64,
    /// Fills that were ever seen.
    pub all: u64,
    pub all_ours: u64,
    /// Median time from a target's checkpoint to that of its fill, of recent fills whose opening was seen: of everybody, and ours.
    pub median_ms: Option<u64>,
    pub our_median_ms: Option<u64>,
}

/// Who submits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Filler {
    pub address: Address,
    pub is_us: bool,
    /// Fills of this epoch, and all that were ever seen.
    pub fills: u64,
    pub all: u64,
    /// From a target's checkpoint to that of its fill.
    pub median_ms: Option<u64>,
}

/// How near our nearest samples come to the open targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reach {
    /// By kind of data (a file's ending), and by where it is from. Most hits and near misses first (bounded).
    pub kinds: Vec<ReachRow>,
    pub sources: Vec<ReachRow>,
    /// The nearest first (bounded).
    pub misses: Vec<NearMiss>,
}

/// Open targets to which our nearest sample is of this kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReachRow {
    pub name: String,
    pub nearest: u64,
    pub hits: u64,
    pub near: u64,
    pub best_z: Option<f32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NearMiss {
    pub target: ObjectId,
    pub model: ObjectId,
    pub source: String,
    pub reward: Shannons,
    /// (threshold − distance) ÷ σ: negative.
    pub z: f32,
}

/// What lies there to be taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoneyLeft {
    /// Our fills that can be claimed now, and what they should pay.
    pub mine: u64,
    pub mine_pays: Shannons,
    /// Targets that anybody can claim for the finder's fee, where that pays; `None`: not asked yet.
    pub others: Option<Finds>,
    /// Coins that alone cannot pay for a submission of 1 KiB, and what they hold together.
    pub dust: u64,
    pub dust_holds: Shannons,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finds {
    pub count: u64,
    /// There are more than were looked at.
    pub more: bool,
    /// Finder's fees, and what claiming costs.
    pub fees: Shannons,
    pub costs: Shannons,
    /// When the list was read.
    pub at_ms: u64,
}

/// What an epoch was, and what is different in the one after it. Kept for ever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochReview {
    pub epoch: u64,
    pub ended_at_ms: u64,
    /// It was watched from its start to its end, without a gap; else the counts are of what was seen.
    pub whole: bool,
    /// The epoch whose registry it is compared with: the next one, or a later one if nobody watched.
    pub compared_with: u64,
    /// Active models at its start.
    pub models: u64,
    pub new_models: Vec<ObjectId>,
    pub gone_models: Vec<ObjectId>,
    pub moved: Vec<Moved>,
    pub stakes: Vec<StakeChange>,
    pub commissions: Vec<CommissionChange>,
    pub threshold: f32,
    #[serde(rename = "reward_shannons")]
    pub reward: Shannons,
    /// Targets: opened = filled + expired.
    pub opened: u64,
    pub filled: u64,
    pub expired: u64,
    /// Targets that our samples hit or just missed.
    pub hits: u64,
    pub near_misses: u64,
    /// Our fills.
    pub ours: u64,
    #[serde(rename = "fees_shannons")]
    pub fees: Shannons,
    #[serde(rename = "bonds_shannons")]
    pub bonds: Shannons,
    /// Of this epoch's fills: paid by now, still expected, lost bonds. They become final two epochs later.
    #[serde(rename = "earned_shannons")]
    pub earned: Shannons,
    #[serde(rename = "pending_shannons")]
    pub pending: Shannons,
    #[serde(rename = "forfeited_shannons")]
    pub forfeited: Shannons,
}

impl EpochReview {
    /// Our part of the fills, in thousandths.
    pub fn share_permille(&self) -> Option<u64> {
        (self.ours.min(self.filled) * 1000).checked_div(self.filled)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moved {
    pub model: ObjectId,
    /// Cosine distance between its embeddings before and after.
    pub distance: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StakeChange {
    pub model: ObjectId,
    #[serde(rename = "from_shannons")]
    pub from: Shannons,
    #[serde(rename = "to_shannons")]
    pub to: Shannons,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommissionChange {
    pub model: ObjectId,
    pub from_bps: u64,
    pub to_bps: u64,
}

/// What lands somewhere: filled targets whose public data is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Inspect {
    /// Submissions that won under this target's models, those nearest to its embedding first.
    Target(ObjectId),
    /// Submissions that won under this model, those nearest to its embedding first.
    Model(ObjectId),
    /// Submissions whose embeddings lie in this part of the map, or nearest to it.
    Near(MapPart),
    /// Look no longer; what is on its way is given up.
    Close,
}

/// The answer to [`Inspect`], as far as it has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    pub of: Inspect,
    pub stage: InspectStage,
    /// Filled targets that were compared.
    pub compared: u64,
    /// There are more filled targets than were compared.
    pub more: bool,
    /// σ, for z-scores.
    pub sigma: f32,
    /// Nearest first.
    pub items: Vec<Landed>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InspectStage {
    /// The chain is asked for filled targets.
    Listing,
    Fetching,
    Done,
    /// Nothing can be shown, and why.
    Failed(String),
}

/// A filled target, and the data that filled it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Landed {
    pub target: ObjectId,
    pub model: ObjectId,
    pub submitter: Address,
    pub epoch: u64,
    pub url: String,
    pub size_bytes: u64,
    /// Cosine distance of the submission's embedding to what was asked about; from a part of the map, [the share](MapPart::away) of the map
    /// that lies between, 0 in it.
    pub away: f32,
    /// Its distance to the target that it filled, that target's threshold, and its loss, as the submitter claimed them.
    pub distance: f32,
    pub threshold: f32,
    pub loss: Option<f32>,
    pub content: Content,
}

/// The data itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    Waiting,
    /// The checksum agreed. At most 512 bytes from the start, and what the data seems to be.
    Here {
        preview: Vec<u8>,
        kind: String,
    },
    /// Not shown, and why.
    Absent(String),
}
