//! What comes in: news of the chain, and what executors and the matcher report.

use tokio::time::Instant;

use super::{Dispatcher, Done, Halt, board, chain_view::Changes};
use crate::{
    api::{Event, Level, LogKind, ServerName},
    chain::client::CheckpointInfo,
    engine::{
        board::Fact,
        matching::{Ask, Reply},
        watch::{News, Refresh},
    },
    primitives::ObjectId,
};

/// The map's surveys take at most about this part of the matcher's time, once all samples have their places.
const SURVEY_PART: u32 = 10;

impl Dispatcher {
    pub(super) async fn news(&mut self, news: News) -> Result<(), Halt> {
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

    pub(super) async fn refreshed(&mut self, refresh: Refresh) -> Result<(), Halt> {
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
    pub(super) async fn apply(&mut self, changes: Changes) -> Result<(), Halt> {
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
        // Our own fills race against nobody; the checkpoint may tell of them before our own transaction's answer comes.
        for (_, open_for_ms) in changes.fills.into_iter().filter(|(submitter, _)| *submitter != self.address) {
            self.odds.others_filled(open_for_ms);
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
        self.targets_due |= !changes.closed.is_empty() || !changes.opened.is_empty() || changes.new_epoch.is_some();
        if changes.models || changes.new_epoch.is_some() {
            self.map_due = true;
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
}

impl Dispatcher {
    pub(super) async fn done(&mut self, done: Done) -> Result<(), Halt> {
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
            Done::Summed { sums, took } => self.summed(sums, took).await,
            Done::History(page, trouble) => self.history_told(page, trouble).await,
            Done::Exported(result) => self.exported(result).await,
            Done::Fitted(fitted) => {
                self.map.fitted(*fitted);
                self.map_due = true;
                self.survey_due = true;
                self.survey_again = None;
                self.dirty = true;
                self.review_map();
                Ok(())
            }
        }
    }

    pub(super) async fn matched(&mut self, reply: Reply) -> Result<(), Halt> {
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
                    self.targets_due = true;
                    self.survey_due = true;
                    self.candidates_due = true;
                    self.dirty = true;
                }
            }
            Reply::Survey { weights, picture, took } => {
                self.is_surveying = false;
                self.survey_due |= picture.is_unfinished;
                self.survey_again = (!picture.is_unfinished).then(|| Instant::now() + took * SURVEY_PART);
                self.map.surveyed(weights, picture);
                self.map_due = true;
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
}
