//! The rows that the dispatcher works on, and what it knows of each beyond the journal.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    api::{Level, SubmissionId, SubmissionRow, SubmissionState as State},
    engine::{
        backoff::Backoff,
        journal::{SignedRecord, Submission},
        scoring::ConfirmedHit,
    },
    primitives::{Digest, ObjectId, Shannons},
};

/// Rows that the screen shows.
pub(super) const RECENT: usize = 256;

/// A row in which something can still happen.
pub(super) struct Live {
    pub submission: Submission,
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
    /// Rounds of asking for a transaction whose target is closed, or for the payment of a target that is gone.
    pub asked: u32,
    /// Transactions, other than our claim, of the checkpoint in which the target went; none if we missed it.
    pub gone_in: Option<Vec<Digest>>,
}

impl Live {
    pub fn new(submission: Submission) -> Self {
        Self {
            submission,
            hit: None,
            busy: false,
            retry: None,
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(30)),
            record: None,
            deaths: 0,
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

#[derive(Default)]
pub(super) struct Rows {
    pub live: BTreeMap<SubmissionId, Live>,
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
        if state.is_final() {
            self.live.remove(&id);
        } else if let Some(live) = self.live.get_mut(&id) {
            live.submission = submission;
        } else {
            self.live.insert(id, Live::new(submission));
        }
        row
    }

    pub fn recent(&self) -> impl Iterator<Item = &Arc<SubmissionRow>> {
        self.recent.values().rev()
    }

    /// Nothing of ours may be offered for this target.
    pub fn is_taken(&self, target: &ObjectId) -> bool {
        self.barred.contains(target) || self.live.values().any(|live| live.submission.row.target == *target)
    }

    pub fn has_failed(&self, target: ObjectId, sample: Digest) -> bool {
        self.failed.contains(&(target, sample))
    }

    pub fn count(&self, states: &[State]) -> usize {
        self.live.values().filter(|live| states.contains(&live.state())).count()
    }

    pub fn ids(&self, wanted: impl Fn(&Live) -> bool) -> Vec<SubmissionId> {
        self.live.iter().filter(|(_, live)| wanted(live)).map(|(id, _)| *id).collect()
    }

    pub fn sum(&self, states: &[State], amount: impl Fn(&SubmissionRow) -> Shannons) -> Shannons {
        let rows = self.live.values().filter(|live| states.contains(&live.state()));
        rows.map(|live| amount(&live.submission.row)).sum()
    }

    /// A new epoch: refusals and failures concerned targets that are gone.
    pub fn forget_targets(&mut self) {
        self.barred.clear();
        self.failed.clear();
    }
}

/// What the activity log says when a row enters its state; steps on the way say nothing.
pub(super) fn activity(row: &SubmissionRow) -> Option<(Level, String)> {
    let (target, source) = (row.target.short(), &row.source);
    let note = row.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
    let transaction = row.digest.map(|digest| format!(", transaction {digest}")).unwrap_or_default();
    Some(match row.state {
        State::Approved => (Level::Info, format!("approved {source} for target {target}")),
        State::Uploaded => (Level::Info, format!("uploaded {}", row.url.as_deref().unwrap_or(source))),
        State::Filled => {
            let text = format!(
                "filled target {target} with {source}, bond {} SOMA, fee {} SOMA{transaction}",
                row.bond, row.fee
            );
            (Level::Info, text)
        }
        State::Claimed => {
            let paid = row.paid.map(|paid| format!(", paid {paid} SOMA")).unwrap_or_default();
            (Level::Info, format!("claimed target {target}{paid}{note}"))
        }
        State::Lost | State::Expired => (Level::Info, format!("{} target {target}{note}", row.state.word())),
        State::Failed | State::Unknown | State::Forfeited => {
            (Level::Warning, format!("{}: target {target} with {source}{note}{transaction}", row.state.word()))
        }
        _ => return None,
    })
}
