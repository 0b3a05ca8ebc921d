//! The dispatcher: the one task that owns all truth of the engine.
//!
//! It waits for whatever comes next (a command, news of the chain, a result of an executor, a clock), takes it in, and then
//! does everything that has become possible ([`Dispatcher::act`]). Executors are told what to do and report back; nobody
//! else writes to the journal, and nothing is decided elsewhere.

mod approval;
mod board;
mod chain_view;
mod claims;
mod files;
mod health;
mod hits;
mod known;
mod lanes;
#[cfg(test)]
mod load_tests;
mod looking;
mod odds;
mod orders;
mod outbox;
mod pinning;
mod pipeline;
mod publish;
mod quiet;
pub mod replacement;
mod rows;
mod start;
mod trails;

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::{self, Instant, MissedTickBehavior},
};

use super::{
    Policy,
    backoff::Backoff,
    board::{Board, Fact, Inspector},
    corpus::{Reader, Shelf},
    journal::{Committed, Journal, JournalError, OrderId, Step, Submission, TransactionKind},
    matching::{Ask, MOST_UNKEPT, Matcher, Reply, Standing},
    meter,
    money::{self, Found, NotBuilt, Purse, Ticket, Verdict},
    now_ms,
    pins::Pins,
    scoring::{EmbeddingDim, Residents, Scorers},
    snapshot::{Fitted, Map, Meter},
    watch::{News, Refresh, Watch, look},
};
use crate::{
    api::{
        BoardView, Command, Event, Finds, Inspection, Level, LogKind, LogLine, Mode, MoneyLeft, PolicyLimits,
        RewardsView, ServerName, Snapshot, SubmissionId, SubmissionState as State,
    },
    chain::{
        client::{CheckpointInfo, Client, ClientError},
        keys::Keypair,
        types::{SignedTransaction, TargetV1},
    },
    model::Device,
    primitives::{Address, Digest, ObjectId, Shannons},
    storage::Store,
};
use approval::Refusals;
use chain_view::{ChainView, Changes};
use health::Health;
use looking::Look;
use odds::Odds;
use orders::LiveOrder;
use pipeline::Pipeline;
use quiet::Quiet;
use rows::Rows;
use trails::Trails;

pub(super) use start::start;

/// At most four publications a second.
const TICK: Duration = Duration::from_millis(250);
/// A newer "last heard" alone is worth a publication only so often.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long the end waits for transactions in flight, and for the last look at the wallet.
const SETTLING: Duration = Duration::from_secs(30);
const LAST_LOOK: Duration = Duration::from_secs(5);
/// Seconds between two writes of the history of throughput.
const METER_WRITES_S: u64 = 10;
/// Scores that are taken in before anything else is looked at.
const SCORED_AT_ONCE: usize = 64;

/// What a short-lived task reports.
enum Done {
    Weights { weights: Digest, result: Result<(), String> },
    Target { id: SubmissionId, result: Result<Option<TargetV1>, ClientError> },
    Uploaded { id: SubmissionId, result: Result<String, String> },
    Prepared { id: SubmissionId, kind: TransactionKind, result: Result<SignedTransaction, NotBuilt> },
    Settled { id: SubmissionId, verdict: Verdict },
    OrderSettled { id: OrderId, verdict: Verdict },
    Payment { id: SubmissionId, result: Result<Found, ClientError> },
    Fitted(Box<Fitted>),
    Exported(Result<String, String>),
    Finds(Finds),
    Inspected { number: u64, inspection: Inspection },
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
    look: Option<Look>,
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
    map: Map,
    board_view: Arc<BoardView>,
    money_left: MoneyLeft,
    /// What others left to be claimed, when the list was last read.
    finds: Option<Finds>,
    finds_due: Option<Instant>,
    inspector: Inspector,
    inspection: Option<Arc<Inspection>>,
    meter: Meter,
    /// `None`: the history of throughput is not kept, which was told.
    meter_file: Option<meter::Store>,
    /// Devices whose memory models take.
    devices: Vec<Device>,
    quiet: Quiet,
    rewards: Arc<RewardsView>,
    rewards_due: bool,
    balances: Arc<Vec<(u64, Shannons)>>,
    lines: VecDeque<LogLine>,
    /// The number of the first line, and whether the screen has not seen the last.
    lines_first: u64,
    lines_due: bool,
    version: u64,
    /// Something that the screen shows has changed.
    dirty: bool,
    published_at: Option<Instant>,
    /// When settling must end.
    stopping: Option<Instant>,
}

impl Dispatcher {
    async fn run(mut self) {
        if let Err(halt) = self.serve().await {
            self.health.halt = Some(halt.to_string());
            // The journal may be what is broken, so this line goes to the owner only.
            let line = LogLine::new(now_ms(), Level::Error, format!("the engine stops: {halt}"));
            self.lines.push_back(line.clone());
            self.lines_due = true;
            let _ = self.events.send(Event::Log(line));
            self.publish();
        }
        // After the last event the directory is free for another engine.
        self.matcher.close().await;
        if let Some(file) = self.meter_file.take() {
            file.write(&mut self.meter.rollup);
            // An error would only say that the thread panicked.
            let _ = tokio::task::spawn_blocking(|| file.close()).await;
        }
        self.board.close().await;
        self.journal.close().await;
        let _ = self.events.send(Event::Stopped);
    }

    async fn serve(&mut self) -> Result<(), Halt> {
        let mut tick = time::interval(TICK);
        let mut second = time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        second.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut scored = Vec::with_capacity(SCORED_AT_ONCE);
        loop {
            let wants_samples = self.pipeline.wants_samples()
                && self.scorers.has_room()
                && self.matcher.unkept() < MOST_UNKEPT
                && self.stopping.is_none();
            tokio::select! {
                // Money before knowledge before bulk.
                biased;
                command = self.commands.recv(), if self.stopping.is_none() => {
                    self.command(command.unwrap_or(Command::Shutdown)).await?;
                }
                Some(done) = self.results.recv() => self.done(done).await?,
                Some(news) = self.watch.news.recv() => self.news(news).await?,
                1.. = self.scorers.results.recv_many(&mut scored, SCORED_AT_ONCE) => self.all_scored(scored.drain(..)).await?,
                Some(reply) = self.matcher.replies.recv() => self.matched(reply).await?,
                Some(news) = self.board.news.recv() => self.board_news(news).await?,
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
        if self.chain.chain_id.is_empty() || self.health.foreign.is_some() {
            return Ok(());
        }
        self.expire_rows().await?;
        self.review_approved().await?;
        self.review_committed().await?;
        self.ripen_rows().await?;
        self.find_hits().await?;
        self.confirm_rows();
        self.judge_rows().await?;
        self.upload_rows().await?;
        self.explain_waiting().await?;
        self.tend_purse().await?;
        self.fill_lanes().await?;
        self.settle_rows().await?;
        self.settle_orders().await?;
        self.find_payments();
        Ok(())
    }

    async fn command(&mut self, command: Command) -> Result<(), Halt> {
        self.dirty = true;
        match command {
            Command::Approve(id) => self.approve(id).await,
            Command::Reject(id) => self.reject(id).await,
            Command::ApproveAll => self.approve_all().await,
            Command::ApproveMany(ids) => self.approve_many(ids).await,
            Command::RejectMany(ids) => self.reject_many(ids).await,
            Command::SetPolicy(limits) => self.set_policy(limits).await,
            Command::SetMode(mode) => self.set_mode(mode).await,
            Command::PauseScoring(paused) => {
                self.pipeline.paused = paused;
                self.scorers.pause(paused);
                Ok(())
            }
            Command::AcceptProtocol(version) => self.accept_protocol(version).await,
            Command::Pin { targets, on } => self.pin(targets, on).await,
            Command::PinModel { model, on } => self.pin_model(model, on).await,
            Command::OnlyPinned(only) => self.only_pinned(only).await,
            Command::LookAtSample(sample) => {
                self.matcher.ask(Ask::Sample(sample));
                Ok(())
            }
            Command::Look(target) => {
                self.look_at(target);
                Ok(())
            }
            Command::Inspect(of) => {
                self.inspect(of);
                Ok(())
            }
            Command::RefitMap => {
                self.map.refit();
                self.review_map();
                Ok(())
            }
            Command::LayMapOut(layout) => {
                self.map.lay_out(layout);
                self.review_map();
                Ok(())
            }
            Command::ExportMap(colour) => {
                self.export_map(colour);
                Ok(())
            }
            Command::History { before } => self.tell_history(before).await,
            Command::Export { what, format } => self.export(what, format).await,
            Command::Shutdown => {
                self.stopping = Some(Instant::now() + SETTLING);
                self.inspector.stop();
                self.scorers.pause(true);
                // Models take long: what they have said of samples that are not done is kept.
                let known = self.scorers.clear_search();
                self.all_scored(known).await
            }
        }
    }

    async fn done(&mut self, done: Done) -> Result<(), Halt> {
        match done {
            Done::Weights { weights, result } => self.weights_loaded(weights, result).await,
            Done::Target { id, result } => self.target_seen(id, result).await,
            Done::Uploaded { id, result } => self.uploaded(id, result).await,
            Done::Prepared { id, kind, result } => self.prepared(id, kind, result).await,
            Done::Settled { id, verdict } => self.settled(id, verdict).await,
            Done::OrderSettled { id, verdict } => self.order_settled(id, verdict).await,
            Done::Payment { id, result } => self.payment_found(id, result).await,
            Done::Finds(finds) => {
                self.finds = Some(finds);
                Ok(())
            }
            Done::Inspected { number, inspection } => {
                self.inspected(number, inspection);
                Ok(())
            }
            Done::Exported(result) => self.exported(result).await,
            Done::Fitted(fitted) => {
                self.map.fitted(*fitted);
                self.survey_due = true;
                self.dirty = true;
                self.review_map();
                Ok(())
            }
        }
    }

    async fn news(&mut self, news: News) -> Result<(), Halt> {
        match news {
            News::Refreshed(refresh) => self.refreshed(*refresh).await,
            News::Checkpoint(checkpoint) => self.checkpoint(*checkpoint).await,
            News::Current => {
                self.heard(ServerName::Checkpoints);
                Ok(())
            }
            News::Foreign(found) => {
                self.heard(ServerName::Node);
                self.is_foreign(found).await
            }
            News::Trouble(server, trouble) => self.ails(server, &trouble).await,
        }
    }

    async fn refreshed(&mut self, refresh: Refresh) -> Result<(), Halt> {
        if !self.chain_named(&refresh.service.chain_id).await?
            || self.is_behind(refresh.service.checkpoint_height).await?
        {
            return Ok(());
        }
        self.heard(ServerName::Node);
        // A node that tells of an epoch that is over tells of coins that are spent.
        if let Some(coins) = refresh.coins.as_ref().filter(|_| refresh.state.epoch >= self.chain.newest_epoch) {
            self.purse.turn(refresh.state.epoch);
            self.purse.refreshed(refresh.started_ms, coins);
        }
        let before = self.unaccepted_protocol();
        self.dim.set(refresh.state.parameters.target_embedding_dim);
        let changes = self.chain.refreshed(refresh);
        self.review_protocol(before).await?;
        self.note_balance().await?;
        self.dirty = true;
        self.apply(changes).await?;
        self.prefetch_weights();
        Ok(())
    }

    async fn checkpoint(&mut self, checkpoint: CheckpointInfo) -> Result<(), Halt> {
        // What a chain without a name says is listed again once it has one.
        if self.chain.chain_id.is_empty() || self.health.foreign.is_some() {
            return Ok(());
        }
        self.heard(ServerName::Checkpoints);
        self.note_fillers(&checkpoint);
        self.board_checkpoint(&checkpoint);
        let changes = self.chain.checkpoint(&checkpoint);
        self.targets_gone(&changes.deleted, &checkpoint.transactions);
        self.apply(changes).await
    }

    /// Of the targets for which rows wait, who has filled them.
    fn note_fillers(&mut self, checkpoint: &CheckpointInfo) {
        for (id, target) in &checkpoint.targets {
            if let Some(submitter) = target.submitter.filter(|submitter| Some(*submitter) != self.address)
                && self.rows.of_target(id).is_some()
            {
                self.fillers.insert(*id, submitter);
            }
        }
    }

    /// Passes on what changed on the chain.
    async fn apply(&mut self, changes: Changes) -> Result<(), Halt> {
        if changes.stale {
            self.watch.poke_full();
        } else if changes.doubt {
            self.watch.doubt();
        }
        if let Some(target) = changes.disagreement
            && !std::mem::replace(&mut self.has_disagreed, true)
        {
            let text = format!("target {} is not what its fill promised; what the chain shows counts", target.short());
            self.log_about(LogKind::Network, Level::Warning, text).await?;
        }
        for lifetime in changes.lifetimes_ms {
            self.odds.others_filled(lifetime);
        }
        if let Some(epoch) = changes.new_epoch {
            self.rows.forget_targets();
            for submission in self.journal.of_epoch(epoch).await? {
                if submission.row.state.is_final() {
                    self.rows.note(submission);
                }
            }
            self.hit_targets.clear();
            self.refusals.clear();
            self.fillers.clear();
            self.committed_due = true;
            self.turn_pins(epoch).await?;
            self.finds_due = Some(Instant::now() + board::FINDS_AFTER);
            let _ = self.events.send(Event::EpochStarted { epoch });
        }
        if changes.models || changes.new_epoch.is_some() {
            self.board_epoch().await?;
        }
        if !changes.closed.is_empty() {
            for id in &changes.closed {
                self.standings.remove(id);
                self.trails.forget(id);
            }
            let (targets, newest_epoch) = (changes.closed.clone(), self.chain.newest_epoch);
            self.board.tell(Fact::Closed { targets, newest_epoch });
            self.matcher.ask(Ask::Closed(changes.closed));
            self.survey_due = true;
            self.candidates_due = true;
            self.dirty = true;
        }
        self.board_opened(&changes.opened);
        let spec = |id: &ObjectId| self.chain.spec(id);
        let mut opened: Vec<_> = match changes.models {
            true => self.chain.open.keys().filter_map(spec).collect(),
            false => changes.opened.iter().filter_map(spec).collect(),
        };
        // The first go through the library first.
        opened.sort_by_cached_key(|spec| !self.is_pinned(&spec.id));
        if !opened.is_empty() {
            self.matcher.ask(Ask::Opened(opened));
            self.dirty = true;
        }
        if changes.models {
            self.survey_due = true;
            self.drop_stale_hits();
        }
        if changes.models || self.lists_new_models(&changes.opened) {
            self.review_models().await?;
        }
        Ok(())
    }

    async fn matched(&mut self, reply: Reply) -> Result<(), Halt> {
        match reply {
            Reply::Standings(standings) => {
                let nearest = standings.iter().map(|(id, standing)| (*id, standing.nearest.clone()));
                self.board.tell(Fact::Nearest(nearest.collect()));
                for (id, standing) in standings {
                    let Some(target) = self.chain.open.get(&id) else { continue };
                    let is_hit = standing.best_distance.is_some_and(|distance| distance <= target.threshold);
                    if is_hit && self.hit_targets.insert(id) {
                        self.hits += 1;
                    }
                    self.trails.note(id, &standing);
                    self.standings.insert(id, standing);
                    self.survey_due = true;
                    self.candidates_due = true;
                    self.dirty = true;
                }
            }
            Reply::Survey { weights, picture } => {
                self.is_surveying = false;
                self.survey_due |= picture.is_unfinished;
                self.map.surveyed(weights, picture);
                self.board_wins();
                self.dirty = true;
            }
            Reply::Known { weights, held, failed } => self.scores_known(weights, held, failed),
            Reply::Left { gone, unkept } => self.scores_left(gone, unkept),
            Reply::Looked { target, sight, sought } => self.looked(target, sight, sought),
            Reply::Sampled(sight) => self.looked_at_sample(sight),
            Reply::Trouble(text) => self.log_about(LogKind::Corpus, Level::Warning, text).await?,
        }
        Ok(())
    }

    async fn on_tick(&mut self) -> Result<(), Halt> {
        if self.rewards_due {
            self.rewards_due = false;
            self.rewards = Arc::new(self.journal.rewards().await?);
            self.board_sums(self.rewards.clone()).await?;
            self.dirty = true;
        }
        let heard_since = self.published_at.is_none_or(|at| at.elapsed() >= HEARTBEAT)
            && self.health.upstreams != self.snapshot.borrow().network.upstreams;
        if self.dirty || heard_since {
            self.publish();
        }
        Ok(())
    }

    /// Threads that end before we say so have failed. What is in flight at the end is not given up for them.
    fn review_threads(&self) -> Result<(), Halt> {
        match (self.matcher.replies.is_closed(), self.reader.readings.is_closed()) {
            _ if self.stopping.is_some() => Ok(()),
            (true, _) => Err(Halt::Thread("matches samples with targets")),
            (_, true) => Err(Halt::Thread("reads the corpus")),
            (false, false) => Ok(()),
        }
    }

    async fn on_second(&mut self) -> Result<(), Halt> {
        self.review_threads()?;
        self.meter.gauge(&self.scorers.gauges());
        let now_s = now_ms() / 1000;
        self.dirty |= self.meter.tick(now_s, self.hits);
        if let Some(file) = self.meter_file.as_ref().filter(|_| now_s.is_multiple_of(METER_WRITES_S)) {
            file.write(&mut self.meter.rollup);
        }
        self.load_missing();
        self.start_pass_if_due();
        self.review_map();
        self.review_look();
        self.look_for_finds();
        self.review_money_left();
        // Rows may wait for a limit or for a delay to pass, not only for news.
        self.candidates_due = true;
        Ok(())
    }

    fn is_settled(&self) -> bool {
        let Some(deadline) = self.stopping else { return false };
        let in_flight = !self.rows.in_flight().is_empty() || !self.orders.is_empty();
        (!in_flight && self.results.is_empty()) || Instant::now() >= deadline
    }

    /// The last words: the wallet as it is now, what nobody could say.
    async fn end(&mut self) -> Result<(), Halt> {
        for order in self.orders.values() {
            let text = format!("{}: what was sent has no answer yet; the next start asks again", order.order.what);
            self.journal.log(LogLine::new(now_ms(), Level::Warning, text)).await?;
        }
        for id in self.rows.in_flight() {
            let text = format!("submission {}: what was sent has no answer yet; the next start asks again", id.0);
            self.log(Level::Warning, text).await?;
        }
        match time::timeout(LAST_LOOK, look(&self.client, self.address, true)).await {
            Ok(Ok(last)) => self.refreshed(last).await?,
            Ok(Err(error)) => self.ails(ServerName::Node, &error.to_string()).await?,
            Err(_) => self.ails(ServerName::Node, "it does not answer").await?,
        }
        self.rewards = Arc::new(self.journal.rewards().await?);
        self.publish();
        Ok(())
    }

    async fn note_balance(&mut self) -> Result<(), Halt> {
        let balance = self.purse.balance().min(money::MOST);
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
        self.note_row_about(submission, None);
    }

    /// [`Self::note_row`], with what the log's line is about if the row does not say it itself.
    fn note_row_about(&mut self, submission: Submission, kind: Option<LogKind>) {
        let (id, state) = (submission.row.id, submission.row.state);
        let before = self.rows.live.get(&id).map(|live| live.state());
        let row = self.rows.note(submission);
        self.dirty = true;
        self.rewards_due = true;
        if before != Some(state) {
            self.committed_due = true;
            if before.is_some() && matches!(state, State::Claimed | State::Forfeited) {
                self.odds.judged(state == State::Forfeited);
            }
            if state == State::Filled && Some(row.epoch) != self.chain.epoch() {
                self.ripened = None;
            }
            self.candidates_due |= state.is_final() || matches!(state, State::Confirmed | State::Filled);
            let activity = rows::activity(&row);
            let _ = self.events.send(Event::Submission(row));
            if let Some(line) = activity {
                let line = LogLine { kind: kind.or(line.kind), ..line };
                self.journal.log_later(line.clone());
                self.say(line);
            }
        }
    }

    async fn log(&mut self, level: Level, text: String) -> Result<(), Halt> {
        self.log_line(LogLine::new(now_ms(), level, text)).await
    }

    async fn log_about(&mut self, kind: LogKind, level: Level, text: String) -> Result<(), Halt> {
        self.log_line(LogLine::new(now_ms(), level, text).about(kind)).await
    }

    async fn log_line(&mut self, line: LogLine) -> Result<(), Halt> {
        self.journal.log(line.clone()).await?;
        self.say(line);
        Ok(())
    }

    /// A line that may come again and again.
    async fn log_quietly(&mut self, kind: LogKind, level: Level, text: String) -> Result<(), Halt> {
        match self.quiet.admit(text, Instant::now()) {
            Some(text) => self.log_about(kind, level, text).await,
            None => Ok(()),
        }
    }

    /// Shows a line.
    fn say(&mut self, line: LogLine) {
        self.lines.push_back(line.clone());
        if self.lines.len() > publish::LINES {
            self.lines.pop_front();
            self.lines_first += 1;
        }
        self.lines_due = true;
        self.dirty = true;
        let _ = self.events.send(Event::Log(line));
    }
}
