//! What the board is told, and what it says back.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Dispatcher, Done, Halt};
use crate::{
    api::{Inspect, Inspection, Level, MoneyLeft, RewardsView, SubmissionState as State},
    chain::{client::CheckpointInfo, types::TargetStatus},
    engine::{
        board::{Around, EpochFacts, Fact, Fill, LISTED, ModelFacts, News, Question, Sums, TargetFacts, finds},
        money::Costs,
        now_ms,
        published::id_of,
    },
    primitives::{ObjectId, Shannons},
};

/// A submission's size that coins are measured by: one window.
const USUAL_BYTES: u64 = 1024;
/// An epoch's claimable targets are listed a moment after it began: a list can be empty for an instant (`observed.md`).
pub(super) const FINDS_AFTER: Duration = Duration::from_secs(2);
const FINDS_EVERY: Duration = Duration::from_secs(600);

impl Dispatcher {
    /// The epoch with its registry. Sums first: the epoch that is over is reviewed with them.
    pub(super) async fn board_epoch(&mut self) -> Result<(), Halt> {
        let rewards = Arc::new(self.journal.rewards().await?);
        self.board_sums(rewards).await?;
        let Some(state) = &self.chain.state else { return Ok(()) };
        let model = |model: &crate::chain::client::ActiveModelInfo| ModelFacts {
            id: model.id,
            stake: Shannons(model.stake),
            commission_bps: model.commission_bps,
            embedding: model.embedding.as_slice().into(),
        };
        self.board.tell(Fact::Epoch(EpochFacts {
            epoch: state.epoch,
            dim: usize::try_from(state.parameters.target_embedding_dim).unwrap_or(0),
            threshold: state.distance_threshold,
            reward: Shannons(state.reward_per_target),
            models: Arc::new(state.models.iter().map(model).collect()),
        }));
        Ok(())
    }

    pub(super) async fn board_sums(&self, rewards: Arc<RewardsView>) -> Result<(), Halt> {
        let bonds = self.journal.bonds_by_epoch().await?;
        self.board.tell(Fact::Sums(Sums { rewards, bonds }));
        Ok(())
    }

    pub(super) fn board_opened(&self, targets: &[ObjectId]) {
        let facts = |id: &ObjectId| {
            let target = self.chain.open.get(id)?;
            Some(TargetFacts {
                id: *id,
                epoch: target.epoch,
                embedding: target.embedding.clone(),
                models: target.models.clone(),
                threshold: target.threshold,
                reward: target.reward,
            })
        };
        let opened: Vec<TargetFacts> = targets.iter().filter_map(facts).collect();
        if !opened.is_empty() {
            self.board.tell(Fact::Opened(opened));
        }
    }

    /// Targets that appear and fills that happen; the chain's time is the measure.
    pub(super) fn board_checkpoint(&self, checkpoint: &CheckpointInfo) {
        let (mut appeared, mut fills) = (Vec::new(), Vec::new());
        for (id, target) in &checkpoint.targets {
            match (target.status, target.submitter) {
                (TargetStatus::Open, _) => appeared.push((*id, target.generation_epoch)),
                (TargetStatus::Filled { fill_epoch }, Some(submitter)) => fills.push(Fill {
                    target: *id,
                    epoch: fill_epoch,
                    submitter,
                    model: target.winning_model_id,
                    opened_at_ms: None,
                    filled_at_ms: checkpoint.timestamp_ms,
                    distance: target.winning_distance_score.as_ref().and_then(|tensor| tensor.scalar_value().ok()),
                    size_bytes: target.winning_data_manifest.as_ref().map(|manifest| manifest.size()),
                    reward: Shannons(target.reward_pool),
                }),
                _ => {}
            }
        }
        if !appeared.is_empty() {
            self.board.tell(Fact::Appeared { targets: appeared, at_ms: checkpoint.timestamp_ms });
        }
        if !fills.is_empty() {
            self.board.tell(Fact::Filled(fills));
        }
    }

    pub(super) fn board_wins(&self) {
        let Some(state) = &self.chain.state else { return };
        let wins = state.models.iter().filter_map(|model| {
            let at = self.map.weights.iter().position(|weights| *weights == id_of(model))?;
            Some((model.id, *self.map.picture.wins.get(at)?))
        });
        self.board.tell(Fact::Wins(wins.collect()));
    }

    /// Told when it is different.
    pub(super) fn review_money_left(&mut self) {
        let Some(state) = &self.chain.state else { return };
        let unit = Costs::estimate(&state.parameters, USUAL_BYTES, Shannons(state.reward_per_target));
        let (dust, dust_holds) = self.purse.below(unit.bond.saturating_add(unit.fee));
        let left = MoneyLeft {
            mine: self.rows.count(&[State::Claimable]) as u64,
            mine_pays: self.rows.sum(&[State::Claimable], |row| row.expected_reward),
            others: self.finds,
            dust,
            dust_holds,
        };
        if left != self.money_left {
            self.money_left = left.clone();
            self.board.tell(Fact::Money(left));
        }
    }

    /// Reads the list of what anybody can claim, if its time has come.
    pub(super) fn look_for_finds(&mut self) {
        let Some(state) = self.chain.state.as_ref().filter(|_| self.finds_due.is_some_and(|due| due <= Instant::now()))
        else {
            return;
        };
        self.finds_due = Some(Instant::now() + FINDS_EVERY);
        let (parameters, us) = (state.parameters.clone(), self.address);
        let (client, done) = (self.client.clone(), self.done.clone());
        tokio::spawn(async move {
            // A node that does not tell now is asked again in a while; its trouble is told elsewhere.
            if let Ok(listed) = client.claimable(LISTED).await {
                let _ = done.send(Done::Finds(finds(&parameters, &listed, us, now_ms())));
            }
        });
    }

    pub(super) async fn board_news(&mut self, news: News) -> Result<(), Halt> {
        match news {
            News::View(view) => {
                if view != self.board_view {
                    self.board_view = view;
                    self.dirty = true;
                }
                Ok(())
            }
            News::Reviewed(line) => self.log(Level::Info, line).await,
            News::Trouble(text) => self.log(Level::Warning, text).await,
        }
    }

    /// Looks at public submissions. Nothing is fetched that nobody asked for.
    pub(super) fn inspect(&mut self, of: Inspect) {
        let Some(state) = self.chain.state.as_ref().filter(|_| of != Inspect::Close) else {
            self.inspector.stop();
            self.inspection = None;
            return;
        };
        let mut question = Question {
            of: of.clone(),
            around: Around::Points(Vec::new()),
            models: HashSet::new(),
            first: HashSet::new(),
            unknown: None,
            epoch: state.epoch,
            dim: usize::try_from(state.parameters.target_embedding_dim).unwrap_or(0),
            most_bytes: state.parameters.max_submission_data_size,
        };
        match of {
            Inspect::Target(id) => match self.chain.open.get(&id) {
                Some(target) => {
                    question.around = Around::Points(vec![target.embedding.clone()]);
                    question.models.extend(&target.models);
                }
                None => question.unknown = Some(id),
            },
            Inspect::Model(id) => {
                let embedding = self.chain.model(&id).map(|model| model.embedding.as_slice().into());
                question.around = Around::Points(embedding.into_iter().collect());
                question.models.insert(id);
            }
            Inspect::Near(part) => {
                question.models.extend(state.models.iter().map(|model| model.id));
                match self.map.shown(part.basis) {
                    Some(basis) => {
                        let winners = self.map.winners_in(&basis, &part);
                        question.first.extend(winners.into_iter().filter_map(|at| Some(state.models.get(at)?.id)));
                        question.around = Around::Part(basis, part);
                    }
                    None => question.around = Around::Nothing("the map has been laid out anew since".to_owned()),
                }
            }
            Inspect::Close => return,
        }
        let done = self.done.clone();
        self.inspector.start(question, move |number, inspection| {
            // Nobody listens after the end.
            let _ = done.send(Done::Inspected { number, inspection });
        });
    }

    pub(super) fn inspected(&mut self, number: u64, inspection: Inspection) {
        if self.inspector.is_current(number) {
            self.inspection = Some(Arc::new(inspection));
            self.dirty = true;
        }
    }
}
