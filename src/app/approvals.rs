//! The candidates that wait for a decision: which one is looked at, and what was already answered.
//!
//! The selection is a submission, not a row: the list is reordered under the user's eyes, and a `y` must never reach a
//! candidate that the eye has not rested on.

use std::{collections::HashMap, sync::Arc};

use super::{Effect, State, actions::Action};
use crate::api::{Command, SubmissionId, SubmissionRow};

/// After the engine takes the selected candidate away, how long an answer to its successor is refused.
const SETTLE_MS: u64 = 800;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Approved,
    Rejected,
}

#[derive(Clone, Debug, Default)]
pub struct Approvals {
    pub selected: Option<SubmissionId>,
    /// Show the preview's bytes even if they are text.
    pub hex: bool,
    /// Answers on their way to the engine.
    verdicts: HashMap<SubmissionId, Verdict>,
    /// When the engine, not the user, last moved the selection.
    moved_at_ms: Option<u64>,
}

impl Approvals {
    pub(super) fn follow(&mut self, rows: &[Arc<SubmissionRow>], now_ms: u64) {
        self.verdicts.retain(|id, _| rows.iter().any(|row| row.id == *id));
        if self.selected.is_some_and(|id| rows.iter().any(|row| row.id == id)) {
            return;
        }
        let gone = self.selected.take().is_some();
        self.selected = rows.iter().find(|row| self.verdict(row.id).is_none()).or(rows.first()).map(|row| row.id);
        self.moved_at_ms = gone.then_some(now_ms);
    }

    /// What the user answered, while the engine has not yet acted on it.
    pub fn verdict(&self, id: SubmissionId) -> Option<Verdict> {
        self.verdicts.get(&id).copied()
    }

    /// The selection has just changed without the user's doing.
    pub(super) fn just_moved(&self, now_ms: u64) -> bool {
        self.moved_at_ms.is_some_and(|moved| now_ms < moved + SETTLE_MS)
    }

    pub fn position(&self, rows: &[Arc<SubmissionRow>]) -> Option<usize> {
        rows.iter().position(|row| Some(row.id) == self.selected)
    }

    pub(super) fn step(&mut self, rows: &[Arc<SubmissionRow>], by: isize) {
        if let Some(last) = rows.len().checked_sub(1) {
            let to = self.position(rows).unwrap_or(0).saturating_add_signed(by).min(last);
            self.selected = Some(rows[to].id);
            self.moved_at_ms = None;
        }
    }

    /// Notes the answer to the selected candidate and moves on to the next one that waits.
    pub(super) fn answer(&mut self, rows: &[Arc<SubmissionRow>], verdict: Verdict) -> Option<SubmissionId> {
        let at = self.position(rows)?;
        let id = rows[at].id;
        if self.verdicts.contains_key(&id) {
            return None;
        }
        self.verdicts.insert(id, verdict);
        let waiting = |row: &&Arc<SubmissionRow>| !self.verdicts.contains_key(&row.id);
        if let Some(next) = rows[at..].iter().find(waiting).or_else(|| rows.iter().find(waiting)) {
            self.selected = Some(next.id);
        }
        Some(id)
    }

    pub(super) fn answer_all(&mut self, rows: &[Arc<SubmissionRow>]) {
        for row in rows {
            self.verdicts.entry(row.id).or_insert(Verdict::Approved);
        }
    }
}

/// What the registry's actions do here; `None` for those of other screens.
pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    match action {
        Action::Approve => Some(answer(state, Verdict::Approved)),
        Action::Reject => Some(answer(state, Verdict::Rejected)),
        Action::ApproveAll => {
            state.approvals.answer_all(&Arc::clone(&state.snapshot).approvals);
            Some(vec![Effect::Send(Command::ApproveAll)])
        }
        Action::Hex => {
            state.approvals.hex = !state.approvals.hex;
            Some(Vec::new())
        }
        _ => None,
    }
}

fn answer(state: &mut State, verdict: Verdict) -> Vec<Effect> {
    let id = state.approvals.answer(&Arc::clone(&state.snapshot).approvals, verdict);
    let command = |id| match verdict {
        Verdict::Approved => Command::Approve(id),
        Verdict::Rejected => Command::Reject(id),
    };
    id.map(command).map(Effect::Send).into_iter().collect()
}
