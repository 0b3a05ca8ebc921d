//! The dispatcher: the one task that owns all truth of the engine.
//!
//! It waits for whatever comes next (a command, news of the chain, a result of an executor, a clock), takes it in, and then
//! does everything that has become possible. Executors are told what to do and report back; nobody else writes to the
//! journal, and nothing is decided elsewhere.
//!
//! Where to look: `start` takes up what an earlier run left; `serve` is the loop, with the order in which things become
//! possible; commands come in at `commands`, news and results at `events`, seconds at `clock`; `publish` makes the snapshot.
//! A row goes through `hits` (candidate, confirmation), `approval`, `outbox` (upload, signature, settling) and `claims`, with
//! coins from `lanes` and `orders`. `chain_view` is what is known of the chain, `pipeline` the way of samples, `board` and
//! `looking` what the screens ask for, `files` what is written out, `notes` what is written down.

mod approval;
mod board;
mod chain_view;
mod claims;
mod clock;
mod commands;
mod events;
mod files;
mod health;
mod hits;
mod known;
mod lanes;
#[cfg(test)]
mod load_tests;
mod looking;
mod notes;
mod odds;
mod orders;
mod outbox;
mod pinning;
mod pipeline;
mod publish;
#[cfg(test)]
mod publish_tests;
mod quiet;
pub mod replacement;
mod rows;
mod serve;
mod start;
mod trails;

pub use files::EXPORTS;

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{
    Policy,
    backoff::Backoff,
    board::{Board, Inspector},
    corpus::{Reader, Shelf},
    journal::{Committed, Journal, JournalError, OrderId, TransactionKind},
    matching::{Matcher, Standing},
    meter,
    money::{Found, NotBuilt, Purse, Ticket, Verdict},
    pins::Pins,
    scoring::{EmbeddingDim, Residents, Scorers},
    snapshot::{Fitted, Map, Meter},
    watch::Watch,
};
use crate::{
    api::{
        BoardView, Command, Event, Finds, HistoryPage, Inspection, LogLine, Mode, MoneyLeft, PolicyLimits, RewardsView,
        Snapshot, SubmissionId,
    },
    chain::{
        client::{Client, ClientError},
        keys::Keypair,
        types::{SignedTransaction, TargetV1},
    },
    model::Device,
    primitives::{Address, Digest, ObjectId, Shannons},
    storage::Store,
};
use approval::Refusals;
use chain_view::ChainView;
use health::Health;
use looking::Looking;
use odds::Odds;
use orders::LiveOrder;
use pipeline::Pipeline;
use quiet::Quiet;
use rows::Rows;
use trails::Trails;

pub(super) use start::start;

/// What a short-lived task reports.
enum Done {
    Weights {
        weights: Digest,
        result: Result<(), String>,
    },
    Target {
        id: SubmissionId,
        result: Result<Option<TargetV1>, ClientError>,
    },
    Uploaded {
        id: SubmissionId,
        result: Result<String, String>,
    },
    Prepared {
        id: SubmissionId,
        kind: TransactionKind,
        result: Result<SignedTransaction, NotBuilt>,
    },
    Settled {
        id: SubmissionId,
        verdict: Verdict,
    },
    OrderSettled {
        id: OrderId,
        verdict: Verdict,
    },
    Payment {
        id: SubmissionId,
        result: Result<Found, ClientError>,
    },
    Fitted(Box<Fitted>),
    Summed {
        sums: Result<(RewardsView, BTreeMap<u64, Shannons>), JournalError>,
        took: Duration,
    },
    /// A failed one with the reason.
    History(HistoryPage, Option<String>),
    Exported(Result<String, String>),
    Finds(Finds),
    Inspected {
        number: u64,
        inspection: Inspection,
    },
}

/// Why the engine cannot go on: without its journal it must not touch money.
#[derive(Debug, thiserror::Error)]
enum Halt {
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Hits would no longer be found, without a word.
    #[error("the thread that {0} has ended unexpectedly; start it again, and report this if it comes back")]
    Thread(&'static str),
}

struct Dispatcher {
    /// Journal, library, and what is exported.
    dir: PathBuf,
    network_name: String,
    rpc_url: String,
    policy: Policy,
    limits_at_start: PolicyLimits,
    policy_edited_ms: Option<u64>,
    /// What the policy approved is to be judged again; nothing is signed before.
    review_due: bool,
    /// AUTO was switched off, and that review has not been made.
    disarmed: bool,
    refusals: Refusals,
    /// Who filled targets for which a row of ours waits, as checkpoints told it.
    fillers: HashMap<ObjectId, Address>,
    mode: Mode,
    keypair: Option<Arc<Keypair>>,
    address: Option<Address>,
    store: Option<Store>,

    client: Client,
    journal: Journal,
    watch: Watch,
    reader: Reader,
    shelf: Shelf,
    scorers: Scorers,
    matcher: Matcher,
    board: Board,
    weights: Residents,
    /// For scoring services, which must be told it.
    dim: EmbeddingDim,
    done: mpsc::UnboundedSender<Done>,
    results: mpsc::UnboundedReceiver<Done>,

    commands: mpsc::Receiver<Command>,
    events: mpsc::UnboundedSender<Event>,
    snapshot: watch::Sender<Arc<Snapshot>>,

    chain: ChainView,
    health: Health,
    pipeline: Pipeline,
    rows: Rows,
    standings: HashMap<ObjectId, Standing>,
    /// Targets of this epoch that some sample has hit.
    hit_targets: HashSet<ObjectId>,
    hits: u64,
    pins: Pins,
    look: Looking,
    trails: Trails,
    odds: Odds,
    /// A target was not what we computed of it: told once.
    has_disagreed: bool,
    purse: Purse,
    /// The coins that a row uses, from their choice until its transaction is settled.
    tickets: HashMap<SubmissionId, Ticket>,
    orders: BTreeMap<OrderId, LiveOrder>,
    /// No new order before.
    tended: Option<Instant>,
    tend_pause: Backoff,
    /// The epoch in which fills were last looked through for ripe ones.
    ripened: Option<u64>,
    claimed_last: bool,
    committed: Committed,
    committed_due: bool,
    candidates_due: bool,
    survey_due: bool,
    /// The matcher looks through the library for the map.
    is_surveying: bool,
    survey_again: Option<Instant>,
    map: Map,
    board_view: Arc<BoardView>,
    money_left: MoneyLeft,
    /// What others left to be claimed, when the list was last read.
    finds: Option<Finds>,
    finds_due: Option<Instant>,
    inspector: Inspector,
    inspection: Option<Arc<Inspection>>,
    /// A file is being written.
    is_exporting: bool,
    meter: Meter,
    /// `None`: the history of throughput is not kept, which was told.
    meter_file: Option<meter::Store>,
    /// Devices whose memory models take.
    devices: Vec<Device>,
    quiet: Quiet,
    rewards: Arc<RewardsView>,
    rewards_due: bool,
    /// They are being summed up.
    is_summing: bool,
    /// Not before: years of submissions take a while.
    sum_again: Option<Instant>,
    balances: Arc<Vec<(u64, Shannons)>>,
    lines: VecDeque<LogLine>,
    /// The number of the first line, and whether the screen has not seen the last.
    lines_first: u64,
    lines_due: bool,
    version: u64,
    /// Something that the screen shows has changed.
    dirty: bool,
    /// And that is among thousands of targets, or on the map: these are made anew only then.
    targets_due: bool,
    map_due: bool,
    /// Open targets that list each model, as of the last list.
    listed: HashMap<ObjectId, u64>,
    published_at: Option<Instant>,
    /// When settling must end.
    stopping: Option<Instant>,
}
