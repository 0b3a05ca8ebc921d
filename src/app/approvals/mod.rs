//! The candidates that wait for a decision: which one is looked at, which are marked, what was already answered, and which went away by
//! themselves.
//!
//! The selection is a submission, not a row: the list is reordered under the user's eyes, and a `y` must never reach a
//! candidate that the eye has not rested on. Several are answered only after a question that shows their sums, and only those that it showed.

mod batch;

pub(super) use batch::ask_under_limit;
pub use batch::{Batch, Limit, Sums, limit, under_limit};

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use super::{Dialog, Effect, State, actions::Action};
use crate::api::{Command, Mode, Snapshot, SubmissionId, SubmissionRow, SubmissionState};

/// After the engine takes the selected candidate away, how long an answer to its successor is refused.
const SETTLE_MS: u64 = 800;
/// Two answers within this time are one press of a key that is held, or bounces.
const REPEAT_MS: u64 = 250;
/// Candidates that have gone, and how long they are shown.
const GONE: usize = 16;
const GONE_MS: u64 = 10 * 60_000;
/// Lines that a key moves the preview by.
const PREVIEW_STEP: u16 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Approved,
    Rejected,
}

/// A candidate that left without anybody's answer: its target is gone, or it failed.
#[derive(Clone, Debug)]
pub struct Gone {
    pub row: Arc<SubmissionRow>,
    pub at_ms: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Approvals {
    pub selected: Option<SubmissionId>,
    /// Show the preview's bytes even if they are text.
    pub hex: bool,
    /// Lines of the preview above its visible part; the drawing clamps it.
    pub preview_top: u16,
    pub marks: HashSet<SubmissionId>,
    /// What is being asked about.
    pub batch: Option<Batch>,
    /// Newest first.
    pub gone: VecDeque<Gone>,
    /// Answers on their way to the engine.
    verdicts: HashMap<SubmissionId, Verdict>,
    /// When the engine, not the user, last moved the selection.
    moved_at_ms: Option<u64>,
    /// When a key of an answer was pressed last, taken or not.
    answered: Option<(Verdict, u64)>,
}

impl Approvals {
    /// Takes over the candidates of `now`. Gives what has gone since `before` without an answer. `is_watched`: the candidates are on the
    /// screen.
    pub(super) fn follow(
        &mut self,
        before: &[Arc<SubmissionRow>],
        now: &Snapshot,
        now_ms: u64,
        is_watched: bool,
    ) -> Vec<Arc<SubmissionRow>> {
        let rows: &[Arc<SubmissionRow>] = &now.approvals;
        let waits = |id: &SubmissionId| rows.iter().any(|row| row.id == *id);
        let gone = self.gone_since(before, now);
        for row in &gone {
            self.gone.push_front(Gone { row: Arc::clone(row), at_ms: now_ms });
        }
        self.gone.truncate(GONE);
        self.gone.retain(|gone| now_ms < gone.at_ms.saturating_add(GONE_MS));
        self.verdicts.retain(|id, _| waits(id));
        self.marks.retain(|id| waits(id));
        if let Some(batch) = &mut self.batch {
            // What has gone is not asked about any more; nothing ever joins.
            batch.ids.retain(|id| waits(id));
        }
        if !self.selected.is_some_and(|id| waits(&id)) {
            let had = self.selected.take().is_some();
            self.select(rows.iter().find(|row| self.verdict(row.id).is_none()).or(rows.first()).map(|row| row.id));
            // Never taken back here: the list may have been empty for a moment.
            if had || is_watched {
                self.settle(now_ms);
            }
        }
        gone
    }

    /// An answer that was meant for something else must not reach what is selected now.
    pub(super) fn settle(&mut self, now_ms: u64) {
        self.moved_at_ms = Some(now_ms);
    }

    /// Whether a key of an answer is the same press as the one before: held, bouncing, or in doubt whether it was taken.
    pub(super) fn is_repeated(&mut self, verdict: Verdict, now_ms: u64) -> bool {
        let before = self.answered.replace((verdict, now_ms));
        before.is_some_and(|(same, at_ms)| same == verdict && now_ms < at_ms.saturating_add(REPEAT_MS))
    }

    fn gone_since(&self, before: &[Arc<SubmissionRow>], now: &Snapshot) -> Vec<Arc<SubmissionRow>> {
        let waited: HashSet<SubmissionId> = before.iter().map(|row| row.id).collect();
        if waited.is_empty()
            || now.approvals.len() == before.len() && now.approvals.iter().all(|row| waited.contains(&row.id))
        {
            return Vec::new();
        }
        let is_gone = |row: &&Arc<SubmissionRow>| {
            matches!(row.state, SubmissionState::Expired | SubmissionState::Failed)
                && waited.contains(&row.id)
                && !self.verdicts.contains_key(&row.id)
        };
        now.submissions.iter().filter(is_gone).cloned().collect()
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

    fn select(&mut self, id: Option<SubmissionId>) {
        if self.selected != id {
            self.preview_top = 0;
        }
        self.selected = id;
    }

    pub(super) fn step(&mut self, rows: &[Arc<SubmissionRow>], by: isize) {
        if let Some(last) = rows.len().checked_sub(1) {
            let to = self.position(rows).unwrap_or(0).saturating_add_signed(by).min(last);
            self.select(Some(rows[to].id));
            self.moved_at_ms = None;
        }
    }

    /// Notes the answer to the selected candidate and moves on to the next one that waits.
    fn answer(&mut self, rows: &[Arc<SubmissionRow>], verdict: Verdict) -> Option<SubmissionId> {
        let at = self.position(rows)?;
        let id = rows[at].id;
        if self.verdicts.contains_key(&id) {
            return None;
        }
        self.verdicts.insert(id, verdict);
        self.move_on(rows, at);
        Some(id)
    }

    fn move_on(&mut self, rows: &[Arc<SubmissionRow>], at: usize) {
        let waiting = |row: &&Arc<SubmissionRow>| !self.verdicts.contains_key(&row.id);
        if let Some(next) = rows[at.min(rows.len())..].iter().find(waiting).or_else(|| rows.iter().find(waiting)) {
            self.select(Some(next.id));
        }
    }

    /// Of these, those that nobody has answered yet, in the order of the list.
    fn unanswered(&self, rows: &[Arc<SubmissionRow>], wanted: impl Fn(&SubmissionRow) -> bool) -> Vec<SubmissionId> {
        let open = rows.iter().filter(|row| !self.verdicts.contains_key(&row.id) && wanted(row));
        open.map(|row| row.id).collect()
    }
}

/// What the registry's actions do here; `None` for those of other screens.
pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    let snapshot = Arc::clone(&state.snapshot);
    let rows = &snapshot.approvals;
    match action {
        Action::Approve => return Some(answer(state, Verdict::Approved)),
        Action::Reject => return Some(answer(state, Verdict::Rejected)),
        Action::ApproveAll => batch::ask_for_limit(state),
        Action::AnswerBatch => return Some(answer_batch(state)),
        Action::Mark => {
            let approvals = &mut state.approvals;
            let at = approvals.position(rows)?;
            let id = rows[at].id;
            if approvals.verdict(id).is_none() && !approvals.marks.remove(&id) {
                approvals.marks.insert(id);
            }
            approvals.step(rows, 1);
        }
        Action::MarkAll => {
            let all = state.approvals.unanswered(rows, |_| true);
            state.approvals.marks.extend(all);
        }
        Action::ClearMarks => state.approvals.marks.clear(),
        Action::Hex => {
            state.approvals.hex = !state.approvals.hex;
            state.approvals.preview_top = 0;
        }
        Action::PreviewDown => state.approvals.preview_top = state.approvals.preview_top.saturating_add(PREVIEW_STEP),
        Action::PreviewUp => state.approvals.preview_top = state.approvals.preview_top.saturating_sub(PREVIEW_STEP),
        _ => return None,
    }
    Some(Vec::new())
}

/// The marked ones after a question, or the selected one at once.
fn answer(state: &mut State, verdict: Verdict) -> Vec<Effect> {
    let snapshot = Arc::clone(&state.snapshot);
    let approvals = &mut state.approvals;
    let marked = approvals.unanswered(&snapshot.approvals, |row| approvals.marks.contains(&row.id));
    if !marked.is_empty() {
        approvals.batch = Some(Batch { verdict, ids: marked });
        state.dialog = Some(Dialog::Confirm(Action::AnswerBatch));
        return Vec::new();
    }
    let id = approvals.answer(&snapshot.approvals, verdict);
    let command = |id| match verdict {
        Verdict::Approved => Command::Approve(id),
        Verdict::Rejected => Command::Reject(id),
    };
    id.map(command).map(Effect::Send).into_iter().collect()
}

/// What was asked about, and no more than that.
fn answer_batch(state: &mut State) -> Vec<Effect> {
    let snapshot = Arc::clone(&state.snapshot);
    let approvals = &mut state.approvals;
    let Some(Batch { verdict, ids }) = approvals.batch.take() else { return Vec::new() };
    let ids: Vec<SubmissionId> = ids.into_iter().filter(|id| !approvals.verdicts.contains_key(id)).collect();
    if ids.is_empty() || snapshot.mode == Mode::ReadOnly {
        return Vec::new();
    }
    for id in &ids {
        approvals.verdicts.insert(*id, verdict);
        approvals.marks.remove(id);
    }
    let at = approvals.position(&snapshot.approvals).unwrap_or(0);
    approvals.move_on(&snapshot.approvals, at);
    vec![Effect::Send(match verdict {
        Verdict::Approved => Command::ApproveMany(ids),
        Verdict::Rejected => Command::RejectMany(ids),
    })]
}
