//! From a standing to a confirmed row: choice of candidates, confirmation.

use std::sync::Arc;

use super::{Dispatcher, Done, Halt, rows::Live};
use crate::{
    api::{Mode, PREVIEW_BYTES, ServerName, SubmissionId, SubmissionState as State},
    chain::{
        client::ClientError,
        types::{TargetStatus, TargetV1},
    },
    engine::{
        journal::{Confirmation, JournalError, NewSubmission, Step},
        matching::Candidate,
        money::{Claimant, Costs, Worth},
        now_ms,
        scoring::{ConfirmJob, ConfirmedHit, NotConfirmed},
    },
    primitives::ObjectId,
};

/// Candidates that are confirmed ahead: device time that a lost race would waste.
const UNCONFIRMED: usize = 8;
/// Rows that wait for a person.
const WAITING: usize = 64;
/// Rows on their way to the wallet when the policy approves by itself.
const AUTOMATIC: usize = 16;

/// States before anything was signed.
pub(super) const UNSIGNED: [State; 5] =
    [State::Found, State::Confirmed, State::AwaitingApproval, State::Approved, State::Uploaded];

impl Dispatcher {
    /// Lets rows go whose target is no longer open, or whose data the network does not take (any more); nothing was signed for them.
    pub(super) async fn expire_rows(&mut self) -> Result<(), Halt> {
        let Some(most) = self.most_bytes() else { return Ok(()) };
        for id in self.rows.ids(&UNSIGNED, |live| live.submission.row.size_bytes > most) {
            let Some(live) = self.rows.live.get(&id) else { continue };
            let why =
                format!("its {} bytes are more than the network's limit of {most}", live.submission.row.size_bytes);
            self.candidates_due = true;
            self.advance(id, Step::new(live.state(), State::Failed).noting(why)).await?;
        }
        let chain = &self.chain;
        let gone = self.rows.ids(&UNSIGNED, |live| !chain.open.contains_key(&live.submission.row.target));
        for id in gone {
            let Some(live) = self.rows.live.get(&id) else { continue };
            let target = live.submission.row.target;
            let why = match self.fillers.remove(&target) {
                Some(filler) => format!("filled by {}", filler.to_hex_prefixed()),
                None if live.submission.row.epoch < self.chain.newest_epoch => {
                    "the target expired with its epoch".to_owned()
                }
                None => "somebody else filled the target".to_owned(),
            };
            let step = Step::new(live.state(), State::Expired).noting(why);
            self.advance(id, step).await?;
        }
        Ok(())
    }

    /// What a submission may have (`protocol.md §7.4`), once the chain has said it.
    pub(super) fn most_bytes(&self) -> Option<u64> {
        Some(self.chain.state.as_ref()?.parameters.max_submission_data_size)
    }

    /// Journals the best candidates as rows, within the limits of what may wait.
    pub(super) async fn find_hits(&mut self) -> Result<(), Halt> {
        if !self.candidates_due || self.mode == Mode::ReadOnly || self.stopping.is_some() {
            return Ok(());
        }
        let (Some(state), Some(most)) = (&self.chain.state, self.most_bytes()) else { return Ok(()) };
        // Rows for pinned targets do not wait behind others.
        let mut pinned_room = self.room(|live| self.is_pinned(&live.submission.row.target));
        let mut room = self.room(|live| self.admits_row(live));
        if room == 0 && (pinned_room == 0 || self.pins.is_empty()) {
            return Ok(());
        }
        self.candidates_due = false;
        let now = now_ms();
        let mut choice: Vec<(bool, i128, Costs, ObjectId, &Candidate)> = Vec::new();
        let mut refused: Vec<(ObjectId, String, String)> = Vec::new();
        for (id, standing) in &self.standings {
            let Some(target) = self.chain.open.get(id).filter(|target| target.epoch == state.epoch) else { continue };
            let is_wanted =
                |c: &&Candidate| u64::from(c.source.len()) <= most && !self.rows.has_failed(*id, c.checksum);
            let candidate = standing.candidates.iter().find(is_wanted);
            let Some(candidate) = candidate.filter(|_| !self.rows.is_taken(id) && self.admits(id)) else { continue };
            let costs = Costs::estimate(&state.parameters, candidate.source.len().into(), target.reward);
            let gain = self.odds.expected_gain(&costs, now.saturating_sub(target.seen_at_ms));
            let claimant = Claimant { costs, gain, margin: target.threshold - candidate.distance };
            match self.policy.judge(&claimant, self.committed.bonds) {
                Worth::Yes => {}
                // A person may still want it.
                Worth::Beyond(_) if self.mode == Mode::Manual => {}
                Worth::Beyond(why) => {
                    refused.push((*id, candidate.source.label(), why));
                    continue;
                }
                Worth::No => continue,
            }
            choice.push((self.is_pinned(id), gain, costs, *id, candidate));
        }
        // What is pinned first, then best expectation, then the smaller bond, then the nearer.
        choice.sort_by(|(pinned, gain, a, _, x), (too, other, b, _, y)| {
            let dearer = other.cmp(gain).then(a.bond.cmp(&b.bond)).then(x.distance.total_cmp(&y.distance));
            too.cmp(pinned).then(dearer)
        });
        let mut chosen: Vec<(Costs, ObjectId, Candidate)> = Vec::new();
        for (pinned, _, costs, target, candidate) in choice {
            if pinned && pinned_room > 0 {
                pinned_room -= 1;
            } else if room == 0 {
                continue;
            }
            room = room.saturating_sub(1);
            chosen.push((costs, target, candidate.clone()));
        }
        for (target, source, why) in refused {
            self.dirty |= self.refusals.note(target, source, why);
        }
        for (costs, target, candidate) in chosen {
            self.insert_row(costs, target, candidate).await?;
        }
        Ok(())
    }

    /// How many more rows may wait, of those that count.
    fn room(&self, counts: impl Fn(&Live) -> bool) -> usize {
        let number = |states: &[State]| self.rows.in_states(states).filter(|(_, live)| counts(live)).count();
        let waiting = WAITING.saturating_sub(number(&[State::Found, State::Confirmed, State::AwaitingApproval]));
        let room = UNCONFIRMED.saturating_sub(number(&[State::Found])).min(waiting);
        match self.mode {
            Mode::Auto => room.min(AUTOMATIC.saturating_sub(number(&UNSIGNED))),
            Mode::Manual | Mode::ReadOnly => room,
        }
    }

    async fn insert_row(&mut self, costs: Costs, id: ObjectId, candidate: Candidate) -> Result<(), Halt> {
        let Some(target) = self.chain.open.get(&id) else { return Ok(()) };
        let new = NewSubmission {
            target: id,
            epoch: target.epoch,
            source: candidate.source,
            checksum: candidate.checksum,
            confirmation: Confirmation {
                model: candidate.model,
                distance: candidate.distance,
                losses: candidate.losses,
                preview: Vec::new(),
            },
            threshold: target.threshold,
            bond: costs.bond,
            fee_estimate: costs.fee,
            expected_reward: costs.reward,
            reward_pool: target.reward,
        };
        match self.journal.insert(new).await {
            Ok(submission) => self.note_row(submission),
            // The journal knows better than we do: an earlier run filled it.
            Err(JournalError::Taken(target)) => {
                self.standings.remove(&target);
                self.targets_due = true;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Starts the confirmation of rows that have none from this run under the weights of now.
    pub(super) fn confirm_rows(&mut self) {
        if self.stopping.is_some() || self.mode == Mode::ReadOnly {
            return;
        }
        let now = tokio::time::Instant::now();
        let busy = self.rows.in_states(&UNSIGNED).filter(|(_, live)| live.busy && live.hit.is_none()).count();
        let mut due = self.rows.ids(&UNSIGNED, |live| live.hit.is_none() && live.is_due(now));
        // What was approved is confirmed whatever is pinned since.
        let counts = |live: &Live| live.state() > State::AwaitingApproval || self.admits_row(live);
        due.retain(|id| self.rows.live.get(id).is_some_and(counts));
        // The farthest first: a row that was approved before a restart does not wait behind new finds; then what is pinned.
        due.sort_by_key(|id| {
            let live = self.rows.live.get(id);
            std::cmp::Reverse(live.map(|live| (live.state(), self.is_pinned(&live.submission.row.target))))
        });
        for id in due.into_iter().take(UNCONFIRMED.saturating_sub(busy)) {
            let Some(live) = self.rows.live.get_mut(&id) else { continue };
            live.busy = true;
            let (client, done, target) = (self.client.clone(), self.done.clone(), live.submission.row.target);
            tokio::spawn(async move {
                let _ = done.send(Done::Target { id, result: client.target(target).await });
            });
        }
    }

    /// The target as the chain shows it now: if it is still open, the scorer confirms against it.
    pub(super) async fn target_seen(
        &mut self,
        id: SubmissionId,
        result: Result<Option<TargetV1>, ClientError>,
    ) -> Result<(), Halt> {
        let Some(live) = self.rows.live.get_mut(&id) else { return Ok(()) };
        let target = match result {
            Ok(Some(target)) if target.status == TargetStatus::Open => target,
            // The node that answers may not have executed yet what spawned it.
            Ok(None) if self.chain.open.get(&live.submission.row.target).is_some_and(|open| open.is_predicted) => {
                live.busy = false;
                live.delay();
                return Ok(());
            }
            Ok(_) => {
                live.busy = false;
                let closed = self.chain.note_closed(live.submission.row.target);
                return self.apply(closed).await;
            }
            Err(error) => {
                live.busy = false;
                live.delay();
                return self.ails(ServerName::Node, &error.to_string()).await;
            }
        };
        let mut models = Vec::with_capacity(target.model_ids.len());
        for model in &target.model_ids {
            // By its own checksum and key: what another model names the same file with is no proof for this one.
            let resident = self.chain.weights(model).and_then(|weights| self.pipeline.resident(&weights));
            models.extend(resident.map(|spec| (*model, spec)));
        }
        let (Ok(embedding), Ok(threshold)) = (target.embedding.values(), target.distance_threshold.scalar_value())
        else {
            let step = Step::new(live.state(), State::Failed).noting("the target's tensors do not decode");
            return self.advance(id, step).await;
        };
        if models.len() != target.model_ids.len() {
            // Weights are still on their way (after a restart), or a model has gone.
            live.busy = false;
            live.delay();
            return Ok(());
        }
        self.scorers.confirm(ConfirmJob {
            submission: id,
            source: live.submission.source.clone(),
            shelf: self.shelf.clone(),
            checksum: live.submission.row.checksum,
            target: live.submission.row.target,
            epoch: target.generation_epoch,
            embedding,
            threshold,
            models,
        });
        Ok(())
    }

    pub(super) async fn confirmation(
        &mut self,
        id: SubmissionId,
        result: Result<Box<ConfirmedHit>, NotConfirmed>,
    ) -> Result<(), Halt> {
        let Some(live) = self.rows.live.get_mut(&id) else { return Ok(()) };
        live.busy = false;
        let state = live.state();
        if !UNSIGNED.contains(&state) {
            return Ok(());
        }
        let hit: Arc<ConfirmedHit> = match result {
            Ok(hit) => Arc::from(hit),
            Err(why) if why.is_passing() => {
                live.delay();
                return self.note_once(id, why.to_string()).await;
            }
            Err(why) => {
                let step = Step::new(state, State::Failed).noting(why.to_string());
                self.candidates_due = true;
                return self.advance(id, step).await;
            }
        };
        let is_current = self.is_current(&hit);
        let Some(live) = self.rows.live.get_mut(&id) else { return Ok(()) };
        if !is_current {
            live.delay();
            return Ok(());
        }
        live.backoff.reset();
        live.hit = Some(hit.clone());
        if state == State::Found {
            let mut step = Step::new(state, State::Confirmed);
            step.facts.confirmation = Some(Confirmation {
                model: hit.model(),
                distance: hit.distance(),
                losses: hit.losses(),
                preview: hit.data().iter().take(PREVIEW_BYTES).copied().collect(),
            });
            self.advance(id, step).await?;
        }
        Ok(())
    }

    /// Whether the weights that confirmed it are still those of the registry.
    fn is_current(&self, hit: &ConfirmedHit) -> bool {
        hit.models().iter().all(|(model, weights)| self.chain.weights(model) == Some(*weights))
    }

    /// After the registry changed: what other weights confirmed must be confirmed again.
    pub(super) fn drop_stale_hits(&mut self) {
        let stale = self.rows.ids(&UNSIGNED, |live| live.hit.as_ref().is_some_and(|hit| !self.is_current(hit)));
        for id in stale {
            if let Some(live) = self.rows.live.get_mut(&id) {
                live.hit = None;
            }
        }
    }
}
