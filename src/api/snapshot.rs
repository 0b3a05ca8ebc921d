//! The engine's state as the screen needs it: owned, bounded, replaced whole.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{BoardView, Inspection, LogLine, MapView, Mode, PolicyView, SubmissionRow};
use crate::primitives::{Address, ObjectId, Shannons};

/// Everything that the dashboard shows. Published at most a few times a second; lists are shared, not copied, when unchanged.
///
/// The default is an engine that has not told anything yet; recordings leave out what has not changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// Grows with every publication.
    pub version: u64,
    pub at_ms: u64,
    pub mode: Mode,
    pub scoring_paused: bool,
    /// Only candidates for pinned targets are offered and approved.
    pub only_pinned: bool,
    pub network: NetworkView,
    pub wallet: WalletView,
    /// Open targets, best margin first.
    pub targets: Arc<Vec<TargetRow>>,
    /// The target of [`Command::Look`](super::Command::Look), in full.
    pub looked_at: Option<Arc<TargetDetail>>,
    pub models: Arc<Vec<ModelRow>>,
    pub map: Arc<MapView>,
    /// Who plays where, and what changed.
    #[serde(default)]
    pub board: Arc<BoardView>,
    /// What lands somewhere; only after it was asked for.
    #[serde(default)]
    pub inspection: Option<Arc<Inspection>>,
    pub throughput: ThroughputView,
    /// The limits of automatic approval, and what it did within them.
    #[serde(default)]
    pub policy: Arc<PolicyView>,
    /// Waiting for a decision, best expected gain first.
    pub approvals: Arc<Vec<Arc<SubmissionRow>>>,
    /// The newest submissions of any state, newest first (bounded).
    pub submissions: Arc<Vec<Arc<SubmissionRow>>>,
    pub rewards: Arc<RewardsView>,
    /// The newest lines, oldest first (bounded).
    pub log: Arc<Vec<LogLine>>,
    /// The number of the first of these lines, counted from the start of the run.
    #[serde(default)]
    pub log_first: u64,
}

impl Snapshot {
    /// Whether the engine has published anything yet.
    pub fn is_told(&self) -> bool {
        self.version > 0 || self.network.is_heard() || self.wallet.address.is_some()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkView {
    /// `testnet`, `localnet` or `devnet`.
    pub name: String,
    pub rpc_url: String,
    pub chain_id: String,
    pub epoch: u64,
    pub epoch_ends_at_ms: u64,
    pub threshold: f32,
    pub reward_per_target: Shannons,
    /// What of it is for a submitter who claims it himself.
    #[serde(default)]
    pub reward_for_submitter: Shannons,
    /// Dimension of embeddings, as the chain says; 0: not known yet.
    pub embedding_dim: u64,
    pub protocol_version: u64,
    /// The network's protocol, if it is newer than this program knows and nobody has accepted that: nothing is signed.
    pub unaccepted_protocol: Option<u64>,
    /// The servers that the engine needs, the node first.
    pub upstreams: Vec<Upstream>,
    /// What is wrong now, the gravest first.
    pub trouble: Option<String>,
}

impl NetworkView {
    /// Whether the node has ever answered.
    pub fn is_heard(&self) -> bool {
        self.upstreams.first().is_some_and(|node| node.last_heard_ms.is_some())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerName {
    /// Answers calls.
    Node,
    /// The subscription.
    Checkpoints,
    /// The store that submissions are uploaded to.
    Objects,
}

impl ServerName {
    pub fn word(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Checkpoints => "checkpoints",
            Self::Objects => "objects",
        }
    }

    /// It is heard every few seconds while all is well; the others only when they are needed.
    pub fn is_steady(self) -> bool {
        matches!(self, Self::Node | Self::Checkpoints)
    }
}

/// A server and how it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Upstream {
    pub name: ServerName,
    pub url: String,
    /// When it last answered anything; `None`: never.
    pub last_heard_ms: Option<u64>,
    /// What is wrong with it now.
    pub trouble: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WalletView {
    pub address: Option<Address>,
    pub balance: Shannons,
    pub coins: u64,
    /// Bonds on targets that we filled and that are not yet claimed.
    pub locked_bonds: Shannons,
    /// Expected from fills that cannot be claimed yet.
    pub pending_rewards: Shannons,
    pub claimable_rewards: Shannons,
    /// (unix ms, balance), oldest first, bounded.
    pub history: Arc<Vec<(u64, Shannons)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetStage {
    /// Nothing of ours is within the threshold.
    Open,
    /// A sample of ours is within the threshold.
    Hit,
    /// A submission of ours is on its way.
    InFlight,
    /// Filled by us in this epoch.
    Ours,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetRow {
    pub id: ObjectId,
    pub epoch: u64,
    pub stage: TargetStage,
    pub reward: Shannons,
    pub threshold: f32,
    pub models: Vec<ObjectId>,
    /// The least distance among our scored samples, under the model that wins for each of them.
    pub best_distance: Option<f32>,
    /// When this program first saw it.
    pub seen_at_ms: u64,
    /// By itself, or because one of its models is pinned.
    pub pinned: bool,
}

impl TargetRow {
    pub fn margin(&self) -> Option<f32> {
        self.best_distance.map(|distance| self.threshold - distance)
    }
}

/// One target in full: what is ours about it, and why nothing is submitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetDetail {
    pub target: TargetRow,
    /// Why it is not open any more.
    pub gone: Option<String>,
    /// Dimension of its embedding; distances of random directions to it scatter by 1/√dim.
    pub dim: u64,
    /// In the target's order.
    pub models: Vec<TargetModel>,
    /// How our best distance fell, oldest first (bounded). Since this program started; the first step is what was there then.
    pub history: Vec<Improvement>,
    /// Our nearest samples, the nearest first (bounded).
    pub nearest: Vec<NearSample>,
    /// Samples that all of its models have scored; `None` while that is being asked.
    pub scored: Option<u64>,
    /// Our submission for it, or the candidate that is on its way to one.
    pub submission: Option<Arc<SubmissionRow>>,
    /// Why nothing of ours fills it, or how far that has come: the nearest reason first, never empty.
    pub reasons: Vec<String>,
}

/// A model that a target lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetModel {
    pub id: ObjectId,
    /// Samples of ours for which it has the lowest loss of the target's models.
    pub wins: u64,
    /// The least distance among those.
    pub best_distance: Option<f32>,
}

/// A step of our best distance to a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Improvement {
    pub at_ms: u64,
    pub distance: f32,
    pub source: String,
}

/// One of our samples as a target sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NearSample {
    pub source: String,
    /// Of the target's models the one with the lowest loss.
    pub model: ObjectId,
    pub distance: f32,
    pub size_bytes: u64,
    /// Windows that it is put together from; 1: a single sample.
    pub pieces: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelRow {
    pub id: ObjectId,
    pub stake: Shannons,
    pub commission_bps: u64,
    /// Weights are here and checked; a device loads them when it needs them.
    pub resident: bool,
    /// Where they are loaded now, such as `cuda:0 in bf16`.
    pub loaded_on: Vec<String>,
    /// Bytes that have been fetched and bytes in all, while they are on their way.
    pub fetching: Option<(u64, u64)>,
    /// Why they are not.
    pub trouble: Option<String>,
    /// Samples of ours for which this model has the lowest loss of all models in play.
    pub wins: u64,
    /// Open targets that list it.
    pub targets: u64,
    /// Every target that it serves is pinned.
    pub pinned: bool,
    /// Other models within a cosine distance of 0.3.
    pub crowd: u64,
    /// The nearest other model and the cosine distance to it.
    pub nearest: Option<(ObjectId, f32)>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ThroughputView {
    pub samples_scored: u64,
    pub model_evaluations: u64,
    pub tokens: u64,
    /// Over the last ten seconds.
    pub samples_per_s: f32,
    pub tokens_per_s: f32,
    pub evaluations_per_s: f32,
    pub hits: u64,
    /// Over what was run of the last hour.
    pub hits_per_h: f32,
    /// Samples read and waiting for the device.
    pub queue: u64,
    /// Samples of the corpus not yet scored with the models in play; `None` while it is being listed.
    pub remaining: Option<u64>,
    /// Files passed over: empty, unreadable, too large.
    pub skipped: u64,
    /// The last minute, second by second.
    pub minute: RateSeries,
    /// The last hour, in quarters of a minute.
    pub hour: RateSeries,
    /// The last day, in five minutes.
    pub day: RateSeries,
    /// Bytes of models on each device.
    pub memory: Vec<DeviceMemory>,
    /// Bytes of this process in the machine's memory, where the system tells.
    pub resident_bytes: Option<u64>,
    /// Samples of this reading of the corpus that are not scored because they, or nearly they, came before.
    pub duplicates: u64,
    pub device: String,
    /// Over the last ten seconds, of all scorers: rows of 1,024 tokens through a model, and bytes of data in them.
    pub rows_per_s: f32,
    pub bytes_per_s: f32,
    pub stages: Stages,
    /// Devices and services, in the order of the configuration.
    pub scorers: Vec<ScorerView>,
}

/// Means over buckets of time that stand at multiples of their width, so that a chart of them does not tremble.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RateSeries {
    /// Seconds of a bucket.
    pub bucket_s: u64,
    /// Unix second at which the last bucket began.
    pub last_s: u64,
    /// Oldest first, always as many: [`Self::MINUTE`], [`Self::HOUR`] or [`Self::DAY`], once there are any. `None`: the program
    /// did not run.
    pub buckets: Arc<Vec<Option<Rates>>>,
}

impl RateSeries {
    pub const MINUTE: usize = 60;
    pub const HOUR: usize = 240;
    pub const DAY: usize = 288;
}

/// Means over the seconds of a bucket in which the program ran. Written as an array: there are many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f32; 5]", into = "[f32; 5]")]
pub struct Rates {
    pub samples_per_s: f32,
    pub tokens_per_s: f32,
    pub evaluations_per_s: f32,
    pub hits_per_h: f32,
    /// Share of the time in which the scorers were at work.
    pub busy: f32,
}

impl From<[f32; 5]> for Rates {
    fn from([samples_per_s, tokens_per_s, evaluations_per_s, hits_per_h, busy]: [f32; 5]) -> Self {
        Self { samples_per_s, tokens_per_s, evaluations_per_s, hits_per_h, busy }
    }
}

impl From<Rates> for [f32; 5] {
    fn from(rates: Rates) -> Self {
        [rates.samples_per_s, rates.tokens_per_s, rates.evaluations_per_s, rates.hits_per_h, rates.busy]
    }
}

/// What models take of a device, and what they may.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceMemory {
    /// Such as `cpu` or `cuda:0`.
    pub device: String,
    /// Of loaded models, and of those that are being loaded.
    pub used: u64,
    /// `None`: unbounded.
    pub budget: Option<u64>,
}

/// What waits before each stage, and what may wait there at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stages {
    /// Samples that were read and are not yet taken in for scoring.
    pub read: Stage,
    /// Rows that wait for a scorer or are in work.
    pub scoring: Stage,
    /// Results that are not yet taken in.
    pub scored: Stage,
    /// Samples that are not yet saved.
    pub saving: Stage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    pub waiting: u64,
    pub room: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScorerState {
    Idle,
    /// Loading a model that its next batch needs is a part of it.
    Scoring,
    Confirming,
    /// It failed and is left alone for a moment.
    Resting,
    /// It does not come back in this run.
    Gone,
}

/// A device of this machine, or a scoring service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScorerView {
    pub name: String,
    pub state: ScorerState,
    /// Rows of a batch, as large as it is asked for now.
    pub batch_rows: u64,
    /// Over the last ten seconds.
    pub rows_per_s: f32,
    pub bytes_per_s: f32,
    /// Share of the time in which it was at work.
    pub busy: f32,
    /// What went wrong last, if nothing has gone well since.
    pub trouble: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RewardsView {
    /// Newest epoch first.
    pub epochs: Vec<EpochRewards>,
    pub total: Totals,
    /// By claims of the last 24 hours.
    pub paid_last_day: Shannons,
    /// When the journal's first submission was found (unix ms).
    pub since_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRewards {
    pub epoch: u64,
    /// When the first of its submissions was found (unix ms).
    #[serde(default)]
    pub began_ms: Option<u64>,
    /// Submissions filled in this epoch.
    pub filled: u64,
    /// Of those, lost or refused.
    pub lost: u64,
    /// Paid by claims of this epoch's fills.
    pub earned: Shannons,
    /// Still to be claimed.
    pub pending: Shannons,
    pub forfeited: Shannons,
    /// Fees of submissions made and claims for this epoch's fills.
    pub fees: Shannons,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub submitted: u64,
    pub filled: u64,
    pub lost: u64,
    pub claimed: u64,
    pub rewards: Shannons,
    pub fees: Shannons,
    pub bonds_locked: Shannons,
    pub bonds_forfeited: Shannons,
}

/// The short name of the model at this place of [`Snapshot::models`]: A to Z, then numbers.
pub fn model_letter(index: usize) -> String {
    match u8::try_from(index) {
        Ok(index @ 0..26) => char::from(b'A' + index).to_string(),
        _ => (index + 1).to_string(),
    }
}
