//! The dispatcher: the one task that owns all truth of the engine.
//!
//! It waits for whatever comes next (a command, news of the chain, a result of an executor, a clock), takes it in, and then
//! does everything that has become possible ([`Dispatcher::act`]). Executors are told what to do and report back; nobody
//! else writes to the journal, and nothing is decided elsewhere.

mod chain_view;
mod claims;
mod hits;
mod outbox;
mod pipeline;
mod publish;
mod rows;
mod start;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::{self, Instant, MissedTickBehavior},
};

use super::{
    Policy,
    corpus::Reader,
    journal::{Journal, JournalError, ScoredSample, Step, Submission, TransactionKind},
    matching::{Ask, Matcher, Reply, Standing},
    money::{NotBuilt, Verdict},
    now_ms,
    scoring::{Scorers, WeightsCache},
    snapshot::{Map, Meter, Projection, Survey},
    watch::{News, Watch, refresh},
};
use crate::{
    api::{Command, Event, Level, LogLine, Mode, RewardsView, Snapshot, SubmissionId, SubmissionState as State},
    chain::{
        client::{Client, ClientError, ServiceInfo},
        keys::Keypair,
        types::{SignedTransaction, TargetV1},
    },
    model::Model,
    primitives::{Address, Digest, ObjectId, Shannons},
    storage::Store,
};
use chain_view::{ChainView, Changes};
use pipeline::Pipeline;
use rows::Rows;

pub(super) use start::start;

/// At most four publications a second.
const TICK: Duration = Duration::from_millis(250);
/// A newer "last heard" alone is worth a publication only so often.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long the end waits for transactions in flight, and for the last look at the wallet.
const SETTLING: Duration = Duration::from_secs(30);
const LAST_LOOK: Duration = Duration::from_secs(5);

/// What a short-lived task reports.
enum Done {
    Service(Result<ServiceInfo, ClientError>),
    Weights { checksum: Digest, result: Result<Arc<Model>, String> },
    Scores { weights: Digest, result: Result<(Vec<Digest>, Vec<ScoredSample>), JournalError> },
    Target { id: SubmissionId, result: Result<Option<TargetV1>, ClientError> },
    Uploaded { id: SubmissionId, result: Result<String, String> },
    Prepared { id: SubmissionId, kind: TransactionKind, result: Result<SignedTransaction, NotBuilt> },
    Settled { id: SubmissionId, verdict: Verdict },
    Payment { id: SubmissionId, result: Result<Option<i64>, ClientError> },
    Fitted { projection: Option<Projection>, weights: Vec<Digest>, epoch: u64, points: usize },
}

/// Why the engine cannot go on: without its journal it must not touch money.
#[derive(Debug, thiserror::Error)]
enum Halt {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the node now serves the chain {found}; this journal belongs to {recorded}")]
    OtherChain { recorded: String, found: String },
}

struct Dispatcher {
    network_name: String,
    rpc_url: String,
    policy: Policy,
    mode: Mode,
    keypair: Option<Arc<Keypair>>,
    address: Option<Address>,
    store: Option<Store>,

    client: Client,
    journal: Journal,
    watch: Watch,
    reader: Reader,
    scorers: Scorers,
    matcher: Matcher,
    weights: WeightsCache,
    done: mpsc::UnboundedSender<Done>,
    results: mpsc::UnboundedReceiver<Done>,

    commands: mpsc::Receiver<Command>,
    events: mpsc::UnboundedSender<Event>,
    snapshot: watch::Sender<Arc<Snapshot>>,

    chain: ChainView,
    pipeline: Pipeline,
    rows: Rows,
    standings: HashMap<ObjectId, Standing>,
    /// Targets of this epoch that some sample has hit.
    hit_targets: HashSet<ObjectId>,
    hits: u64,
    /// The row whose transaction has the wallet.
    lane: Option<SubmissionId>,
    claimed_last: bool,
    committed: Shannons,
    committed_due: bool,
    candidates_due: bool,
    survey_due: bool,
    survey: Survey,
    map: Map,
    meter: Meter,
    rewards: Arc<RewardsView>,
    rewards_due: bool,
    balances: Arc<Vec<(u64, Shannons)>>,
    lines: VecDeque<LogLine>,
    version: u64,
    /// Something that the screen shows has changed.
    dirty: bool,
    published_at: Option<Instant>,
    started: Instant,
    /// When settling must end.
    stopping: Option<Instant>,
}

impl Dispatcher {
    async fn run(mut self) {
        if let Err(halt) = self.serve().await {
            self.chain.trouble = Some(halt.to_string());
            // The journal may be what is broken, so this line goes to the owner only.
            let line = LogLine { at_ms: now_ms(), level: Level::Error, text: format!("the engine stops: {halt}") };
            self.lines.push_back(line.clone());
            let _ = self.events.send(Event::Log(line));
            self.publish();
        }
        // After the last event the directory is free for another engine.
        self.journal.close().await;
        let _ = self.events.send(Event::Stopped);
    }

    async fn serve(&mut self) -> Result<(), Halt> {
        let mut tick = time::interval(TICK);
        let mut second = time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        second.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let wants_samples =
                self.pipeline.wants_samples(self.scorers.waiting(), self.scorers.threads()) && self.stopping.is_none();
            tokio::select! {
                // Money before knowledge before bulk.
                biased;
                command = self.commands.recv(), if self.stopping.is_none() => {
                    self.command(command.unwrap_or(Command::Shutdown)).await?;
                }
                Some(done) = self.results.recv() => self.done(done).await?,
                Some(news) = self.watch.news.recv() => self.news(news).await?,
                Some(scored) = self.scorers.results.recv() => self.scored(scored).await?,
                Some(reply) = self.matcher.replies.recv() => self.matched(reply),
                _ = tick.tick() => self.on_tick().await?,
                _ = second.tick() => self.on_second().await?,
                Some(reading) = self.reader.readings.recv(), if wants_samples => self.reading(reading).await?,
            }
            self.act().await?;
            if self.is_settled() {
                return self.end().await;
            }
        }
    }

    /// Everything that has become possible. Nothing, until the node has said that it serves our chain: on another one all
    /// targets, coins and transactions of ours would look gone.
    async fn act(&mut self) -> Result<(), Halt> {
        if self.chain.chain_id.is_empty() {
            return Ok(());
        }
        self.review_committed().await?;
        self.expire_rows().await?;
        self.ripen_rows().await?;
        self.find_hits().await?;
        self.confirm_rows();
        self.judge_rows().await?;
        self.upload_rows().await?;
        self.next_in_lane();
        self.settle_lane().await?;
        self.find_payments();
        Ok(())
    }

    async fn command(&mut self, command: Command) -> Result<(), Halt> {
        self.dirty = true;
        match command {
            Command::Approve(id) => self.approve(id).await,
            Command::Reject(id) => self.reject(id).await,
            Command::ApproveAll => self.approve_all().await,
            Command::SetMode(mode) if mode != Mode::ReadOnly && self.keypair.is_none() => {
                self.log(Level::Warning, "without a key the engine stays read-only".into()).await
            }
            Command::SetMode(mode) => {
                self.mode = mode;
                self.candidates_due = true;
                Ok(())
            }
            Command::PauseScoring(paused) => {
                self.pipeline.paused = paused;
                self.scorers.pause(paused);
                Ok(())
            }
            Command::Shutdown => {
                self.stopping = Some(Instant::now() + SETTLING);
                self.scorers.pause(true);
                self.scorers.clear_search();
                Ok(())
            }
        }
    }

    async fn done(&mut self, done: Done) -> Result<(), Halt> {
        match done {
            Done::Service(Ok(service)) => self.chain_named(service.chain_id).await,
            Done::Service(Err(error)) => {
                self.chain.trouble = Some(error.to_string());
                Ok(())
            }
            Done::Weights { checksum, result } => self.weights_loaded(checksum, result).await,
            Done::Scores { weights, result } => self.scores_loaded(weights, result),
            Done::Target { id, result } => self.target_seen(id, result).await,
            Done::Uploaded { id, result } => self.uploaded(id, result).await,
            Done::Prepared { id, kind, result } => self.prepared(id, kind, result).await,
            Done::Settled { id, verdict } => self.settled(id, verdict).await,
            Done::Payment { id, result } => self.payment_found(id, result).await,
            Done::Fitted { projection, weights, epoch, points } => {
                self.map.fitted(projection, weights, epoch, points);
                self.place_samples();
                Ok(())
            }
        }
    }

    async fn chain_named(&mut self, found: String) -> Result<(), Halt> {
        let recorded = self.journal.settle_meta("chain", found.clone()).await?;
        if recorded != found {
            return Err(Halt::OtherChain { recorded, found });
        }
        self.chain.chain_id = found;
        self.dirty = true;
        Ok(())
    }

    async fn news(&mut self, news: News) -> Result<(), Halt> {
        match news {
            News::Refreshed(refresh) => {
                self.chain.trouble = None;
                if self.chain.chain_id.is_empty() {
                    let (client, done) = (self.client.clone(), self.done.clone());
                    tokio::spawn(async move {
                        let _ = done.send(Done::Service(client.service_info().await));
                    });
                }
                let changes = self.chain.refreshed(*refresh);
                self.note_balance().await?;
                self.dirty = true;
                self.apply(changes).await
            }
            News::Checkpoint(checkpoint) => {
                let changes = self.chain.checkpoint(&checkpoint);
                self.targets_gone(&changes.deleted, &checkpoint.transactions);
                self.apply(changes).await
            }
            News::Trouble(trouble) => {
                if self.chain.trouble.as_ref() != Some(&trouble) {
                    self.log(Level::Warning, format!("the node: {trouble}")).await?;
                    self.chain.trouble = Some(trouble);
                    self.dirty = true;
                }
                Ok(())
            }
        }
    }

    /// Passes on what changed on the chain.
    async fn apply(&mut self, changes: Changes) -> Result<(), Halt> {
        if changes.stale {
            self.watch.poke();
        }
        if let Some(epoch) = changes.new_epoch {
            self.rows.forget_targets();
            for submission in self.journal.of_epoch(epoch).await? {
                if submission.row.state.is_final() {
                    self.rows.note(submission);
                }
            }
            self.hit_targets.clear();
            self.committed_due = true;
            let _ = self.events.send(Event::EpochStarted { epoch });
        }
        if !changes.closed.is_empty() {
            for id in &changes.closed {
                self.standings.remove(id);
            }
            self.matcher.ask(Ask::Closed(changes.closed));
            self.candidates_due = true;
            self.dirty = true;
        }
        let spec = |id: &ObjectId| self.chain.spec(id);
        let opened: Vec<_> = match changes.models {
            true => self.chain.open.keys().filter_map(spec).collect(),
            false => changes.opened.iter().filter_map(spec).collect(),
        };
        if !opened.is_empty() {
            self.matcher.ask(Ask::Opened(opened));
            self.dirty = true;
        }
        if changes.models {
            self.drop_stale_hits();
        }
        if changes.models || !changes.opened.is_empty() {
            self.review_models();
        }
        Ok(())
    }

    fn matched(&mut self, reply: Reply) {
        match reply {
            Reply::Standings(standings) => {
                for (id, standing) in standings {
                    let Some(target) = self.chain.open.get(&id) else { continue };
                    let is_hit = standing.best_distance.is_some_and(|distance| distance <= target.threshold);
                    if is_hit && self.hit_targets.insert(id) {
                        self.hits += 1;
                    }
                    self.standings.insert(id, standing);
                    self.candidates_due = true;
                    self.dirty = true;
                }
            }
            Reply::Survey { weights, wins, chosen } => {
                self.survey = Survey { weights, wins, chosen: Arc::new(chosen) };
                self.place_samples();
            }
        }
    }

    async fn on_tick(&mut self) -> Result<(), Halt> {
        if self.rewards_due {
            self.rewards_due = false;
            self.rewards = Arc::new(self.journal.rewards().await?);
            self.dirty = true;
        }
        let heard_since = self.published_at.is_none_or(|at| at.elapsed() >= HEARTBEAT)
            && self.chain.last_heard_ms != self.snapshot.borrow().network.last_heard_ms;
        if self.dirty || heard_since {
            self.publish();
        }
        Ok(())
    }

    async fn on_second(&mut self) -> Result<(), Halt> {
        self.dirty |= self.meter.tick();
        self.save_scores().await?;
        self.load_missing();
        self.review_map();
        // Rows may wait for a limit or for a delay to pass, not only for news.
        self.candidates_due = true;
        Ok(())
    }

    fn is_settled(&self) -> bool {
        let Some(deadline) = self.stopping else { return false };
        let in_flight = self.rows.live.values().any(|live| live.in_flight());
        (!in_flight && self.results.is_empty()) || Instant::now() >= deadline
    }

    /// The last words: scores saved, the wallet as it is now, what nobody could say.
    async fn end(&mut self) -> Result<(), Halt> {
        self.save_scores().await?;
        for id in self.rows.ids(|live| live.in_flight()) {
            let text = format!("submission {}: what was sent has no answer yet; the next start asks again", id.0);
            self.log(Level::Warning, text).await?;
        }
        match time::timeout(LAST_LOOK, refresh(&self.client, self.address)).await {
            Ok(Ok(last)) => {
                self.chain.refreshed(last);
                self.note_balance().await?;
            }
            Ok(Err(error)) => self.chain.trouble = Some(error.to_string()),
            Err(_) => self.chain.trouble = Some("the node does not answer".into()),
        }
        self.rewards = Arc::new(self.journal.rewards().await?);
        self.publish();
        Ok(())
    }

    async fn note_balance(&mut self) -> Result<(), Halt> {
        let balance = self.chain.balance;
        if self.address.is_none() || self.balances.last().is_some_and(|(_, last)| *last == balance) {
            return Ok(());
        }
        let now = now_ms();
        self.journal.note_balance(now, balance).await?;
        let mut balances = self.balances.to_vec();
        balances.push((now, balance));
        let excess = balances.len().saturating_sub(publish::BALANCES);
        balances.drain(..excess);
        self.balances = Arc::new(balances);
        Ok(())
    }

    async fn advance(&mut self, id: SubmissionId, step: Step) -> Result<(), Halt> {
        let submission = self.journal.advance(id, step).await?;
        self.note_row(submission);
        Ok(())
    }

    /// Takes over a row as the journal has it now, and tells if it has entered a state.
    fn note_row(&mut self, submission: Submission) {
        let (id, state) = (submission.row.id, submission.row.state);
        let before = self.rows.live.get(&id).map(|live| live.state());
        let row = self.rows.note(submission);
        self.dirty = true;
        self.rewards_due = true;
        if before != Some(state) {
            self.committed_due = true;
            self.candidates_due |= state.is_final() || matches!(state, State::Confirmed | State::Filled);
            let activity = rows::activity(&row);
            let _ = self.events.send(Event::Submission(row));
            if let Some((level, text)) = activity {
                self.say(LogLine { at_ms: now_ms(), level, text });
            }
        }
    }

    async fn log(&mut self, level: Level, text: String) -> Result<(), Halt> {
        let line = LogLine { at_ms: now_ms(), level, text };
        self.journal.log(line.clone()).await?;
        self.say(line);
        Ok(())
    }

    /// Shows a line. What happens to submissions is shown only: their journal rows keep it better than text.
    fn say(&mut self, line: LogLine) {
        self.lines.push_back(line.clone());
        if self.lines.len() > publish::LINES {
            self.lines.pop_front();
        }
        self.dirty = true;
        let _ = self.events.send(Event::Log(line));
    }
}
