//! The one target that somebody looks at: everything about it, and why nothing of ours fills it yet.
//!
//! Worked out only while it is looked at. The library is asked for it again when there are new scores, but not all the time.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Dispatcher, chain_view::OpenTarget, pipeline::Residency, rows::Live};
use crate::{
    api::{
        Event, Mode, NearSample, SampleDetail, SubmissionState as State, TargetDetail, TargetModel, TargetRow,
        TargetStage, model_letter,
    },
    chain::client::ActiveModelInfo,
    engine::{
        matching::{Ask, Beaten, Candidate, Outcome, SampleSight, Sight, Sought},
        money::{Claimant, Costs, Worth},
        now_ms,
        published::id_of,
    },
    primitives::{ObjectId, counted},
};

/// One look reads every embedding of its models: the same target is asked about again after a pause, and the longer the answer took,
/// with all that came before it, the longer that is.
const PAUSE: Duration = Duration::from_secs(2);
const PAUSE_PARTS: u32 = 10;
/// Samples that are told.
const NEAREST: usize = 12;

/// What is looked at, and what the library is asked about it: one thing at a time, however fast somebody goes from target to target.
#[derive(Default)]
pub(super) struct Looking {
    at: Option<Look>,
    /// Since when an answer is due, about this target or an earlier one.
    asked: Option<Instant>,
    /// Until when nothing is asked again.
    rests_until: Option<Instant>,
}

struct Look {
    target: ObjectId,
    /// As it was last seen open, or ours.
    row: Option<TargetRow>,
    sight: Option<Sight>,
    sought: Option<Sought>,
    /// Samples that were scored when it was last asked about.
    samples: Option<u64>,
    last: Option<Arc<TargetDetail>>,
}

impl Looking {
    fn at(&mut self, target: Option<ObjectId>) {
        let anew = |target| Look { target, row: None, sight: None, sought: None, samples: None, last: None };
        self.at = target.map(anew);
    }

    /// What to ask about, if that may bring something new. `samples`: scored by now.
    fn due(&self, samples: u64, now: Instant) -> Option<ObjectId> {
        let look = self.at.as_ref().filter(|_| self.asked.is_none())?;
        let is_due = look.samples.is_none_or(|before| {
            (before != samples || look.sight.is_none()) && self.rests_until.is_none_or(|until| now >= until)
        });
        is_due.then_some(look.target)
    }

    fn ask(&mut self, samples: u64, now: Instant) {
        self.asked = Some(now);
        if let Some(look) = &mut self.at {
            look.samples = Some(samples);
        }
    }

    /// The answer; gives whether it is about what is still looked at.
    fn take(&mut self, target: ObjectId, sight: Option<Sight>, sought: Sought, now: Instant) -> bool {
        let took = self.asked.take().map_or(Duration::ZERO, |asked| now.duration_since(asked));
        self.rests_until = Some(now + PAUSE.max(took * PAUSE_PARTS));
        let look = self.at.as_mut().filter(|look| look.target == target);
        let is_looked_at = look.is_some();
        if let Some(look) = look {
            (look.sight, look.sought) = (sight, Some(sought));
        }
        is_looked_at
    }
}

impl Dispatcher {
    pub(super) fn look_at(&mut self, target: Option<ObjectId>) {
        self.look.at(target);
        self.dirty = true;
        self.review_look();
    }

    /// Asks the library about the target, if that may bring something new.
    pub(super) fn review_look(&mut self) {
        let (samples, now) = (self.meter.samples, Instant::now());
        let due = self.look.due(samples, now);
        if let Some(spec) = due.and_then(|target| self.chain.spec(&target)) {
            self.look.ask(samples, now);
            self.matcher.ask(Ask::Look(spec));
        }
    }

    pub(super) fn looked(&mut self, target: ObjectId, sight: Option<Sight>, sought: Sought) {
        self.dirty |= self.look.take(target, sight, sought, Instant::now());
        // Somebody may look at another one by now.
        self.review_look();
    }

    /// Tells of a sample of the map, with the models that are in play.
    pub(super) fn looked_at_sample(&self, sight: SampleSight) {
        let Some(state) = &self.chain.state else { return };
        let loss = |model: &ActiveModelInfo| {
            let of_weights = sight.losses.iter().find(|(weights, _)| *weights == id_of(model));
            of_weights.map(|(_, loss)| (model.id, *loss))
        };
        let mut losses: Vec<(ObjectId, f32)> = state.models.iter().filter_map(loss).collect();
        losses.sort_by(|a, b| a.1.total_cmp(&b.1));
        let (source, size_bytes) = (sight.source.label(), sight.source.len().into());
        let detail = SampleDetail { sample: sight.sample, source, size_bytes, losses };
        // Nobody listens after the end.
        let _ = self.events.send(Event::Sample(Arc::new(detail)));
    }

    /// For the snapshot. `targets`: its rows.
    pub(super) fn target_detail(&mut self, targets: &[TargetRow]) -> Option<Arc<TargetDetail>> {
        let mut look = self.look.at.take()?;
        if let Some(row) = targets.iter().find(|row| row.id == look.target) {
            look.row = Some(row.clone());
        }
        if let Some(detail) = self.detail_of(&look)
            && look.last.as_deref() != Some(&detail)
        {
            look.last = Some(Arc::new(detail));
        }
        let last = look.last.clone();
        self.look.at = Some(look);
        last
    }

    /// `None`: nothing of that name was ever seen.
    fn detail_of(&self, look: &Look) -> Option<TargetDetail> {
        let row = look.row.clone()?;
        let open = self.chain.open.get(&look.target);
        let live = self.rows.live_of(&look.target);
        let standing = self.standings.get(&look.target);
        let models = row.models.iter().zip(0..).map(|(id, at)| {
            let (wins, best_distance) =
                look.sight.as_ref().and_then(|sight| sight.models.get(at)).copied().unwrap_or_default();
            TargetModel { id: *id, wins, best_distance }
        });
        let single = |(source, model, distance): &(crate::engine::corpus::Source, ObjectId, f32)| NearSample {
            source: source.label(),
            model: *model,
            distance: *distance,
            size_bytes: source.len().into(),
            pieces: source.pieces().len() as u64,
        };
        let put_together = standing.into_iter().flat_map(|standing| &standing.candidates);
        let put_together = put_together
            .filter(|candidate| candidate.source.pieces().len() > 1)
            .map(|candidate| single(&(candidate.source.clone(), candidate.model, candidate.distance)));
        let mut nearest: Vec<NearSample> =
            look.sight.iter().flat_map(|sight| &sight.nearest).map(single).chain(put_together).collect();
        nearest.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        nearest.truncate(NEAREST);
        let gone = match (open, row.stage) {
            (Some(_), _) | (None, TargetStage::Ours) => None,
            _ if row.epoch < self.chain.newest_epoch => Some("it expired with its epoch".to_owned()),
            _ => Some("somebody else filled it; what replaced it is another target, with a pin of its own".to_owned()),
        };
        let reasons = match (&gone, open) {
            (Some(gone), _) => vec![gone.clone()],
            (None, Some(open)) => self.reasons(look, open, live),
            (None, None) => live.map(|live| vec![self.way_of(live)]).unwrap_or_default(),
        };
        let dim = self.chain.state.as_ref().map_or(0, |state| state.parameters.target_embedding_dim);
        Some(TargetDetail {
            gone,
            dim,
            models: models.collect(),
            history: self.trails.of(&look.target),
            nearest,
            scored: look.sight.as_ref().map(|sight| sight.models.iter().map(|(wins, _)| wins).sum()),
            submission: live.map(|live| Arc::new(live.submission.row.clone())),
            reasons: if reasons.is_empty() { vec!["it was filled by us".to_owned()] } else { reasons },
            target: row,
        })
    }

    /// How far a row has come.
    fn way_of(&self, live: &Live) -> String {
        let row = &live.submission.row;
        let way = match row.state {
            State::Found | State::Confirmed if !self.admits(&row.target) => {
                "a hit waits, and only pinned targets are offered: pin it, or turn \"only pinned\" off"
            }
            State::AwaitingApproval if !self.admits(&row.target) => {
                "a confirmed hit waits, and only pinned targets are offered: pin it, or turn \"only pinned\" off"
            }
            State::Found if live.busy => {
                "a hit is being confirmed: every model scores its bytes again, in full precision"
            }
            State::Found => "a hit waits for the weights of its models, to be confirmed in full precision",
            State::Confirmed => "a hit is confirmed and goes to approval",
            State::AwaitingApproval if self.store.is_none() => {
                "a confirmed hit waits, and no object store is configured: validators could not fetch the data"
            }
            State::AwaitingApproval if self.mode == Mode::Auto => {
                "a confirmed hit waits: the policy did not approve it"
            }
            State::AwaitingApproval => "a confirmed hit waits for your approval (press a)",
            State::Approved => "approved: its bytes are being uploaded",
            State::Uploaded => "uploaded: it is being signed",
            State::Signed | State::Sent => "sent: the chain has not answered yet",
            State::Unknown => "sent: nobody has been able to say what became of it, and it is asked again",
            State::Filled => "filled by us: validators audit it, and its reward comes two epochs later",
            State::Claimable => "filled by us: its reward is being claimed",
            State::Rejected | State::Lost | State::Failed | State::Claimed | State::Forfeited | State::Expired => {
                row.state.word()
            }
        };
        match &row.note {
            Some(note) => format!("{way}: {note}"),
            None => way.to_owned(),
        }
    }

    /// What keeps an open target from being filled by us: what is nearest to being so first.
    fn reasons(&self, look: &Look, open: &OpenTarget, live: Option<&Live>) -> Vec<String> {
        let mut reasons: Vec<String> = live.map(|live| self.way_of(live)).into_iter().collect();
        if live.is_some() {
            reasons.extend(self.why_held());
            return reasons;
        }
        if self.mode == Mode::ReadOnly {
            reasons.push("read-only: nothing is submitted".into());
        }
        if self.rows.is_taken(&look.target) {
            reasons.push("what was found for it was rejected; nothing else is offered for it in this epoch".into());
            return reasons;
        }
        if !self.admits(&look.target) {
            reasons.push("only pinned targets are offered, and this one is not pinned".into());
        }
        let standing = self.standings.get(&look.target);
        let candidates = standing.map_or(&[][..], |standing| &standing.candidates);
        match candidates.iter().find(|candidate| !self.rows.has_failed(look.target, candidate.checksum)) {
            Some(candidate) => reasons.extend(self.why_not_taken(open, candidate)),
            None => {
                reasons.extend(self.how_near(look, open, standing.and_then(|s| s.best_distance), candidates.len()));
                reasons.extend(look.sight.as_ref().and_then(|sight| self.how_beaten(sight.beaten.as_ref()?, open)));
                reasons.extend(look.sought.and_then(|sought| about_compositions(sought, open)));
            }
        }
        reasons.extend(self.missing_models(look, open));
        if self.pipeline.paused {
            reasons.push("scoring is paused".into());
        }
        match self.pipeline.remaining() {
            Some(remaining @ 1..) => {
                reasons.push(format!("{} of the corpus still to be scored", counted(remaining, "sample")))
            }
            Some(0) if candidates.is_empty() => {
                reasons.push("all of the corpus is scored: other data, or another target, has to do it".into());
            }
            _ => {}
        }
        reasons
    }

    /// A candidate is there, and no row.
    fn why_not_taken(&self, open: &OpenTarget, candidate: &Candidate) -> Option<String> {
        let state = self.chain.state.as_ref()?;
        if open.epoch != state.epoch {
            return Some("a hit waits for the state of the target's epoch".into());
        }
        let costs = Costs::estimate(&state.parameters, candidate.source.len().into(), open.reward);
        let gain = self.odds.expected_gain(&costs, now_ms().saturating_sub(open.seen_at_ms));
        let claimant = Claimant { costs, gain, margin: open.threshold - candidate.distance };
        Some(match self.policy.judge(&claimant, self.committed.bonds) {
            Worth::No => format!(
                "a hit is not worth it: of {} SOMA for us, fees of {} leave less than the policy's least gain of {}",
                costs.reward, costs.fee, self.policy.min_gain
            ),
            Worth::Beyond(why) if self.mode == Mode::Auto => format!("a hit is beyond the policy: {why}"),
            Worth::Yes | Worth::Beyond(_) => "a hit waits for its turn: others are confirmed first".into(),
        })
    }

    /// No candidate is there.
    fn how_near(&self, look: &Look, open: &OpenTarget, best: Option<f32>, failed: usize) -> Option<String> {
        if failed > 0 {
            return Some(format!("{} found, and none could be confirmed or submitted", counted(failed as u64, "hit")));
        }
        let Some(best) = best else {
            let asked = look.sight.is_some() || look.sought.is_some();
            return asked.then(|| "no sample has been scored with all of its models yet".into());
        };
        let miss = best - open.threshold;
        Some(if miss > 0.0 {
            format!("the nearest sample misses by {miss:.4} ({:.2}σ)", miss / sigma(open))
        } else {
            format!(
                "the nearest sample is inside by {:.4}, which is less than the policy's least margin of {:.4}",
                -miss, self.policy.min_margin
            )
        })
    }

    /// A sample is near enough by a model that is not its winner.
    fn how_beaten(&self, beaten: &Beaten, open: &OpenTarget) -> Option<String> {
        let models = &self.chain.state.as_ref()?.models;
        let name = |id: &ObjectId| models.iter().position(|model| model.id == *id).map(model_letter);
        let (model, winner) = (name(&beaten.model)?, name(&beaten.winner.0)?);
        Some(format!(
            "{} would hit it by model {model} (inside by {:.4}), but model {winner} has the lower loss on it, {:.4} against {:.4}, and so decides",
            beaten.source.label(),
            open.threshold - beaten.distance,
            beaten.winner.1,
            beaten.loss
        ))
    }

    /// Models without which it cannot be answered, or not fully.
    fn missing_models(&self, look: &Look, open: &OpenTarget) -> Vec<String> {
        let Some(state) = &self.chain.state else { return Vec::new() };
        let files = self.weights.watch().borrow().clone();
        let why = |(at, id): (usize, &ObjectId)| {
            let Some(index) = state.models.iter().position(|model| model.id == *id) else {
                return Some(format!("its model {} is not active, so nobody's data can be judged by it", id.short()));
            };
            let name = model_letter(index);
            let scored = look.sight.as_ref().and_then(|sight| sight.scored.get(at)).copied();
            let weights = self.chain.weights(id)?;
            match self.pipeline.residents.get(&weights) {
                Some(Residency::Failed { why, .. }) => Some(format!("model {name} cannot be used: {why}")),
                Some(Residency::Ready) => (scored == Some(0))
                    .then(|| format!("no sample is scored with model {name} yet (its weights are here)")),
                Some(Residency::Loading) | None => {
                    let file = files.iter().find(|file| file.checksum == state.models[index].checksum);
                    let share = file
                        .filter(|file| file.size > 0)
                        .map_or(0, |file| u128::from(file.fetched.min(file.size)) * 100 / u128::from(file.size));
                    Some(format!("no sample is scored with model {name} yet (weights {share}%)"))
                }
            }
        };
        open.models.iter().enumerate().filter_map(why).collect()
    }
}

/// What distances of random directions to a target scatter by.
fn sigma(open: &OpenTarget) -> f32 {
    1.0 / (open.embedding.len().max(1) as f32).sqrt()
}

fn about_compositions(sought: Sought, open: &OpenTarget) -> Option<String> {
    match sought {
        Sought::Off => Some("compositions of several windows are off (--compose)".into()),
        Sought::Needless => None,
        Sought::Waiting(0..=1) => Some("no composition was sought yet: there are too few scored windows".into()),
        Sought::Waiting(_) => Some("no composition was sought yet: its turn has not come".into()),
        Sought::Done(Outcome { among, nearest: None }) => {
            Some(format!("no composition of windows comes near it (with {} scored)", counted(among as u64, "sample")))
        }
        Sought::Done(Outcome { among, nearest: Some((windows, distance)) }) => {
            let miss = distance - open.threshold;
            let found = format!("the best composition, of {windows} windows,");
            let among = counted(among as u64, "sample");
            Some(if miss > 0.0 {
                format!("{found} misses by {miss:.4} ({:.2}σ; with {among} scored)", miss / sigma(open))
            } else {
                format!(
                    "{found} is inside by only {:.4}: less than the policy's least margin, or than is certain",
                    -miss
                )
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ObjectId {
        ObjectId([n; 32])
    }

    #[test]
    fn the_library_is_asked_about_one_target_at_a_time_and_rests_as_long_as_it_worked() {
        let (mut looking, began) = (Looking::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        let answer = |looking: &mut Looking, n, seconds| {
            looking.take(id(n), Some(Sight::default()), Sought::Needless, at(seconds))
        };
        assert_eq!(looking.due(0, at(0)), None);
        looking.at(Some(id(1)));
        assert_eq!(looking.due(0, at(0)), Some(id(1)));
        looking.ask(0, at(0));
        // Neither new scores nor another target make a second question of it.
        assert_eq!(looking.due(50, at(9)), None);
        looking.at(Some(id(2)));
        looking.at(Some(id(3)));
        assert_eq!(looking.due(50, at(9)), None);
        assert!(!answer(&mut looking, 1, 10), "nobody looks at it any more");
        // What was never asked about does not wait.
        assert_eq!(looking.due(50, at(10)), Some(id(3)));
        looking.ask(50, at(10));
        assert!(answer(&mut looking, 3, 13));
        assert_eq!(looking.due(50, at(999)), None, "nothing is new");
        assert_eq!(looking.due(51, at(42)), None, "it took three seconds");
        assert_eq!(looking.due(51, at(43)), Some(id(3)));
        looking.ask(51, at(43));
        assert!(answer(&mut looking, 3, 43));
        assert_eq!(looking.due(52, at(44)), None);
        assert_eq!(looking.due(52, at(45)), Some(id(3)));
    }
}
