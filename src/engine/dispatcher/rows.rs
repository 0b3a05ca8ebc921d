//! The rows that the dispatcher works on, and what it knows of each beyond the journal.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    api::{Level, LogKind, LogLine, SubmissionId, SubmissionRow, SubmissionState as State, TransactionWord},
    engine::{
        backoff::Backoff,
        journal::{SignedRecord, Submission},
        scoring::ConfirmedHit,
    },
    primitives::{Digest, ObjectId, Shannons},
};

/// Rows that the screen shows.
pub(super) const RECENT: usize = 256;

/// States in which a signed transaction can be on its way.
const FLYING: [State; 4] = [State::Signed, State::Sent, State::Unknown, State::Claimable];

/// A row in which something can still happen.
pub(super) struct Live {
    pub submission: Submission,
    /// When it was found, if in this run.
    pub found: Option<Instant>,
    /// Confirmed in this run, under the weights of now.
    pub hit: Option<Arc<ConfirmedHit>>,
    /// A task works on it.
    pub busy: bool,
    /// Nothing is tried before.
    pub retry: Option<Instant>,
    pub backoff: Backoff,
    /// Signed bytes whose outcome is not known.
    pub record: Option<SignedRecord>,
    /// Transactions that never executed: each waits longer than the one before.
    pub deaths: u32,
    /// Claims that executed and failed: each cost a fee.
    pub failed_claims: u32,
    /// Rounds of asking for a transaction whose target is closed, or for the payment of a target that is gone.
    pub asked: u32,
    /// Transactions, other than our claim, of the checkpoint in which the target went; none if we missed it.
    pub gone_in: Option<Vec<Digest>>,
}

impl Live {
    pub fn new(submission: Submission) -> Self {
        let is_new = submission.row.state == State::Found;
        Self {
            submission,
            found: is_new.then(Instant::now),
            hit: None,
            busy: false,
            retry: None,
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(30)),
            record: None,
            deaths: 0,
            failed_claims: 0,
            asked: 0,
            gone_in: None,
        }
    }

    pub fn state(&self) -> State {
        self.submission.row.state
    }

    /// No task works on it and its delay is over.
    pub fn is_due(&self, now: Instant) -> bool {
        !self.busy && self.retry.is_none_or(|retry| retry <= now)
    }

    pub fn delay(&mut self) {
        self.retry = Some(Instant::now() + self.backoff.next_delay());
    }

    /// Signed, and nobody knows yet what became of it.
    pub fn in_flight(&self) -> bool {
        self.record.is_some()
    }
}

/// Days of fills wait for their claims, so nothing here looks through all rows at every event.
#[derive(Default)]
pub(super) struct Rows {
    pub live: BTreeMap<SubmissionId, Live>,
    by_state: HashMap<State, BTreeSet<SubmissionId>>,
    by_target: HashMap<ObjectId, SubmissionId>,
    /// Newest last.
    recent: BTreeMap<SubmissionId, Arc<SubmissionRow>>,
    /// Targets that a person has refused, or that we have filled.
    barred: HashSet<ObjectId>,
    /// (target, sample) that failed to confirm or to be submitted.
    failed: HashSet<(ObjectId, Digest)>,
}

impl Rows {
    /// Takes note of a row as the journal has it now.
    pub fn note(&mut self, submission: Submission) -> Arc<SubmissionRow> {
        let (id, state) = (submission.row.id, submission.row.state);
        let row = Arc::new(submission.row.clone());
        self.recent.insert(id, row.clone());
        while self.recent.len() > RECENT {
            self.recent.pop_first();
        }
        match state {
            State::Rejected | State::Filled | State::Claimable | State::Claimed | State::Forfeited => {
                self.barred.insert(row.target);
            }
            State::Failed | State::Lost => {
                self.failed.insert((row.target, row.checksum));
            }
            _ => {}
        }
        if let Some(before) = self.live.get(&id).map(Live::state)
            && let Some(ids) = self.by_state.get_mut(&before)
        {
            ids.remove(&id);
        }
        if state.is_final() {
            self.live.remove(&id);
            if self.by_target.get(&row.target) == Some(&id) {
                self.by_target.remove(&row.target);
            }
            return row;
        }
        self.by_state.entry(state).or_default().insert(id);
        self.by_target.insert(row.target, id);
        if let Some(live) = self.live.get_mut(&id) {
            live.submission = submission;
        } else {
            self.live.insert(id, Live::new(submission));
        }
        row
    }

    pub fn recent(&self) -> impl Iterator<Item = &Arc<SubmissionRow>> + Clone {
        self.recent.values().rev()
    }

    /// Nothing of ours may be offered for this target.
    pub fn is_taken(&self, target: &ObjectId) -> bool {
        self.barred.contains(target) || self.by_target.contains_key(target)
    }

    /// The row in which something can still happen for a target.
    pub fn of_target(&mut self, target: &ObjectId) -> Option<&mut Live> {
        self.live.get_mut(self.by_target.get(target)?)
    }

    /// The same, to look at.
    pub fn live_of(&self, target: &ObjectId) -> Option<&Live> {
        self.live.get(self.by_target.get(target)?)
    }

    pub fn has_failed(&self, target: ObjectId, sample: Digest) -> bool {
        self.failed.contains(&(target, sample))
    }

    pub fn in_states(&self, states: &[State]) -> impl Iterator<Item = (SubmissionId, &Live)> {
        let ids = states.iter().filter_map(|state| self.by_state.get(state)).flatten();
        ids.filter_map(|id| Some((*id, self.live.get(id)?)))
    }

    pub fn count(&self, states: &[State]) -> usize {
        states.iter().filter_map(|state| self.by_state.get(state)).map(BTreeSet::len).sum()
    }

    pub fn ids(&self, states: &[State], wanted: impl Fn(&Live) -> bool) -> Vec<SubmissionId> {
        let mut ids: Vec<_> = self.in_states(states).filter(|(_, live)| wanted(live)).map(|(id, _)| id).collect();
        ids.sort_unstable();
        ids
    }

    /// Rows whose signed transaction has no known outcome.
    pub fn in_flight(&self) -> Vec<SubmissionId> {
        self.ids(&FLYING, Live::in_flight)
    }

    pub fn sum(&self, states: &[State], amount: impl Fn(&SubmissionRow) -> Shannons) -> Shannons {
        self.in_states(states).map(|(_, live)| amount(&live.submission.row)).sum()
    }

    /// A new epoch: refusals and failures concerned targets that are gone.
    pub fn forget_targets(&mut self) {
        self.barred.clear();
        self.failed.clear();
    }
}

/// What the activity log says when a row enters its state; most steps on the way say nothing.
pub(super) fn activity(row: &SubmissionRow) -> Option<LogLine> {
    let (target, source) = (row.target.short(), &row.source);
    let note = row.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
    let transaction = row.digest.map(|digest| format!(", transaction {digest}")).unwrap_or_default();
    let hit = LogKind::Hit { target: row.target };
    let sent = match row.digest {
        Some(digest) => LogKind::Transaction { what: TransactionWord::Submit, digest, fee: None },
        None => hit.clone(),
    };
    let (level, text, kind) = match row.state {
        State::Confirmed => {
            let (distance, threshold) = (row.distance, row.threshold);
            let text = format!("hit: {source} is {distance:.4} from target {target}, threshold {threshold:.4}");
            (Level::Info, text, hit)
        }
        State::Approved => (Level::Info, format!("approved {source} for target {target}{note}"), hit),
        State::Rejected => (Level::Info, format!("rejected {source} for target {target}{note}"), hit),
        State::Uploaded => {
            let url = row.url.clone().unwrap_or_default();
            let text = format!("uploaded {source}, {} bytes, to {url}", row.size_bytes);
            (Level::Info, text, LogKind::Upload { url, bytes: row.size_bytes })
        }
        State::Filled => {
            let text = format!(
                "filled target {target} with {source}, bond {} SOMA, fee {} SOMA{transaction}",
                row.bond, row.fee
            );
            (Level::Info, text, sent)
        }
        State::Claimed => {
            let paid = row.paid.map(|paid| format!(", paid {paid} SOMA")).unwrap_or_default();
            (Level::Info, format!("claimed target {target}{paid}{note}"), hit)
        }
        State::Lost => (Level::Info, format!("{} target {target}{note}", row.state.word()), sent),
        State::Expired => (Level::Info, format!("{} target {target}{note}", row.state.word()), hit),
        State::Failed | State::Unknown | State::Forfeited => {
            let text = format!("{}: target {target} with {source}{note}{transaction}", row.state.word());
            (Level::Warning, text, sent)
        }
        _ => return None,
    };
    Some(LogLine::new(row.changed_at_ms, level, text).about(kind))
}
