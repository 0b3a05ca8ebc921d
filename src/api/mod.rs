//! What the engine and the interface say to each other: commands down, facts and snapshots up.
//!
//! Plain serde data, so that the same pair can run over a socket. Knows `primitives` only. No behaviour beyond small
//! derived values; no I/O.

mod activity;
mod board;
mod map;
mod policy;
mod snapshot;

pub use activity::*;
pub use board::*;
pub use map::*;
pub use policy::*;
pub use snapshot::*;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use crate::primitives::{Digest, ObjectId, Shannons};

/// A row of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubmissionId(pub i64);

/// Who approves what is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A person approves every submission.
    Manual,
    /// The policy approves within its limits.
    Auto,
    /// Nothing is signed at all.
    #[default]
    ReadOnly,
}

/// What the interface (or a script) asks of the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    Approve(SubmissionId),
    Reject(SubmissionId),
    /// Approve these: a person has chosen them, so limits do not count. What no longer waits is passed over.
    ApproveMany(Vec<SubmissionId>),
    RejectMany(Vec<SubmissionId>),
    /// Obey these limits from now on, until the engine ends. What the policy approved and nobody has signed is judged again.
    SetPolicy(PolicyLimits),
    SetMode(Mode),
    PauseScoring(bool),
    /// Sign although the network speaks this protocol, which is newer than the program knows.
    AcceptProtocol(u64),
    /// Fetch and show public submissions ([`Snapshot::inspection`]): nothing is fetched without this.
    Inspect(Inspect),
    /// Put these open targets first, or no longer. A pin ends with its target's epoch; what replaces a target inherits none.
    Pin {
        targets: Vec<ObjectId>,
        on: bool,
    },
    /// Pin a niche: every target that this model serves, those that are still to come included.
    PinModel {
        model: ObjectId,
        on: bool,
    },
    /// Offer for approval, and approve by policy, only what is for pinned targets.
    OnlyPinned(bool),
    /// Show everything about this target in [`Snapshot::looked_at`]; `None`: no longer.
    Look(Option<ObjectId>),
    /// Tell what the library holds of this sample of the map ([`MapPoint::sample`]); answered by [`Event::Sample`].
    LookAtSample(u64),
    /// Fit the map's basis again, on what is in the library now.
    RefitMap,
    /// Lay the map out in this way.
    LayMapOut(MapLayout),
    /// Draw the map into a file in the state directory; answered by [`Event::Exported`].
    ExportMap(MapColour),
    /// Submissions older than this one, or the newest; answered by [`Event::History`].
    History {
        before: Option<SubmissionId>,
    },
    /// Write a file for other programs into the state directory; answered by [`Event::Exported`].
    Export {
        what: Export,
        format: ExportFormat,
    },
    /// Stop finding and approving; settle what is in flight, then end.
    Shutdown,
}

/// What is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Export {
    /// Each submission of the journal.
    Submissions,
    /// Sums by epoch.
    Epochs,
}

/// Submissions are tables only; epochs are drawn as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    Csv,
    Json,
    Png,
    Svg,
}

impl ExportFormat {
    /// As a file's name ends.
    pub fn word(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Png => "png",
            Self::Svg => "svg",
        }
    }
}

/// What a submission goes through, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubmissionState {
    /// A score says that the target is hit.
    Found,
    /// Scored again, exact bytes, full precision, every model of the target.
    Confirmed,
    AwaitingApproval,
    Approved,
    /// By a person or by the policy.
    Rejected,
    /// The bytes are public, and were read back through their public URL.
    Uploaded,
    /// The signed bytes and their digest are on disk.
    Signed,
    Sent,
    Filled,
    /// Somebody else filled the target first, or it expired; costs at most the base fee.
    Lost,
    /// Refused for another reason.
    Failed,
    /// Sent, and nobody has yet been able to say what became of it.
    Unknown,
    Claimable,
    Claimed,
    /// Validators forfeited the bond.
    Forfeited,
    /// The target was gone before anything was signed.
    Expired,
}

impl SubmissionState {
    pub const ALL: [Self; 16] = [
        Self::Found,
        Self::Confirmed,
        Self::AwaitingApproval,
        Self::Approved,
        Self::Rejected,
        Self::Uploaded,
        Self::Signed,
        Self::Sent,
        Self::Filled,
        Self::Lost,
        Self::Failed,
        Self::Unknown,
        Self::Claimable,
        Self::Claimed,
        Self::Forfeited,
        Self::Expired,
    ];

    /// The word that the journal, the JSON output and the screen use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Confirmed => "confirmed",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Uploaded => "uploaded",
            Self::Signed => "signed",
            Self::Sent => "sent",
            Self::Filled => "filled",
            Self::Lost => "lost",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Claimable => "claimable",
            Self::Claimed => "claimed",
            Self::Forfeited => "forfeited",
            Self::Expired => "expired",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Nothing will happen to it any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Rejected | Self::Lost | Self::Failed | Self::Claimed | Self::Forfeited | Self::Expired)
    }
}

/// A fact, told once and in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    EpochStarted {
        epoch: u64,
    },
    /// A submission entered a state; the row is as it is now.
    Submission(Arc<SubmissionRow>),
    Log(LogLine),
    /// A page of the journal.
    History(Arc<HistoryPage>),
    /// A sample of the map in full.
    Sample(Arc<SampleDetail>),
    /// The absolute path of the file that was written, or why there is none.
    Exported(Result<String, String>),
    /// The engine has settled everything and ended; the last event.
    Stopped,
}

/// Rows of the journal, newest first, without their previews.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryPage {
    /// As it was asked for.
    pub before: Option<SubmissionId>,
    pub rows: Vec<Arc<SubmissionRow>>,
    /// Older ones follow.
    pub more: bool,
}

impl HistoryPage {
    /// Of a journal that could not be read: no rows, though there are some.
    pub fn unread(before: Option<SubmissionId>) -> Self {
        Self { before, rows: Vec::new(), more: true }
    }

    pub fn failed(&self) -> bool {
        self.rows.is_empty() && self.more
    }
}

/// The engine as its owner sees it. Numbers travel by `snapshot` (the latest wins), facts by `events` (none dropped).
pub struct EngineHandle {
    pub commands: mpsc::Sender<Command>,
    pub events: mpsc::UnboundedReceiver<Event>,
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
}

/// One candidate or submission, with every number that a person needs to decide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubmissionRow {
    pub id: SubmissionId,
    pub state: SubmissionState,
    pub target: ObjectId,
    pub epoch: u64,
    pub model: ObjectId,
    /// File name, with the window's offset if it is one.
    pub source: String,
    pub checksum: Digest,
    pub size_bytes: u64,
    /// The pieces of a composition, each with its place and size; of anything else one.
    #[serde(default)]
    pub pieces: Vec<String>,
    /// At most [`PREVIEW_BYTES`] from the start of the data, for a safe preview.
    pub preview: Vec<u8>,
    pub distance: f32,
    pub threshold: f32,
    /// Loss under each of the target's models, in the target's order.
    pub losses: Vec<(ObjectId, f32)>,
    pub bond: Shannons,
    /// Estimated until the effects are known.
    pub fee: Shannons,
    /// The submitter's share and the finder's fee, before fees.
    pub expected_reward: Shannons,
    /// What the claim really paid (bond not included).
    pub paid: Option<Shannons>,
    pub digest: Option<Digest>,
    /// Of our own claim that paid.
    pub claim_digest: Option<Digest>,
    pub url: Option<String>,
    /// Why it is where it is, when that is not obvious: a refusal, a failed upload.
    pub note: Option<String>,
    pub changed_at_ms: u64,
    /// Every state that it entered and when (unix ms), oldest first.
    pub steps: Vec<(SubmissionState, u64)>,
    /// While it waits for a decision: what it is worth, as far as can be told.
    #[serde(default)]
    pub prospect: Option<Prospect>,
}

/// Bytes of the data that are kept for a preview.
pub const PREVIEW_BYTES: usize = 4096;

/// `gain = chance · expected reward − fee − bond at risk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prospect {
    /// That the target is still open when the submission arrives, in thousandths.
    pub chance_permille: u16,
    /// The bond, times the share of judged fills that were forfeited.
    pub at_risk: Shannons,
    /// In shannons; below zero, it is expected to lose.
    pub gain: i64,
}

impl SubmissionRow {
    /// What it has paid, or while that is open should pay.
    pub fn amount(&self) -> Option<Shannons> {
        self.paid.or((!self.state.is_final()).then_some(self.expected_reward))
    }

    /// Without a signature nothing can have cost anything. With one it may have been executed, whatever else is known of it.
    pub fn was_signed(&self) -> bool {
        self.steps.iter().any(|(state, _)| *state == SubmissionState::Signed)
    }

    /// Threshold − distance: not negative for a hit.
    pub fn margin(&self) -> f32 {
        self.threshold - self.distance
    }
}
