//! The candidates that wait for a decision: which one is looked at, which are marked, what was already answered, and which went away by
//! themselves.
//!
//! The selection is a submission, not a row: the list is reordered under the user's eyes, and a `y` must never reach a
//! candidate that the eye has not rested on. Several are answered only after a question that shows their sums, and only those that it showed.

mod batch;

pub use batch::{Batch, Sums};
pub(super) use batch::{ask_under_limit, limit, look_under};

use std::{collections::VecDeque, sync::Arc};

use foldhash::{HashMap, HashSet};

use super::{Dialog, Effect, State, actions::Action};
use crate::api::{Command, Mode, Snapshot, SubmissionId, SubmissionRow, SubmissionState};

/// How long somebody needs to see what is under an answer now: after the engine takes the selected candidate away, and after an answer like
/// the one before it, which a held key (it begins to repeat after half a second) or the second half of a double click would be.
pub(super) const SETTLE_MS: u64 = 800;
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
    /// What the marked ones come to.
    pub marked: Sums,
    /// What is being asked about.
    pub batch: Option<Batch>,
    /// What falls under the limit that is being typed, if that can be read.
    pub under: Option<Sums>,
    /// Newest first.
    pub gone: VecDeque<Gone>,
    /// Answers on their way to the engine.
    verdicts: HashMap<SubmissionId, Verdict>,
    /// Those that wait, as the last snapshot had them, and each one's place.
    rows: Arc<Vec<Arc<SubmissionRow>>>,
    places: HashMap<SubmissionId, usize>,
    /// When the engine, not the user, last moved the selection.
    moved_at_ms: Option<u64>,
    /// When a key of an answer was pressed last, taken or not.
    answered: Option<(Verdict, u64)>,
}

impl Approvals {
    /// Takes over the candidates of `now`. Gives what has gone without an answer. `is_watched`: the candidates are on the screen.
    pub(super) fn follow(&mut self, now: &Snapshot, now_ms: u64, is_watched: bool) -> Vec<Arc<SubmissionRow>> {
        self.gone.retain(|gone| now_ms < gone.at_ms.saturating_add(GONE_MS));
        if Arc::ptr_eq(&self.rows, &now.approvals) {
            return Vec::new();
        }
        let gone = self.gone_since(now);
        for row in &gone {
            self.gone.push_front(Gone { row: Arc::clone(row), at_ms: now_ms });
        }
        self.gone.truncate(GONE);
        self.rows = Arc::clone(&now.approvals);
        self.places = self.rows.iter().zip(0..).map(|(row, at)| (row.id, at)).collect();
        self.verdicts.retain(|id, _| self.places.contains_key(id));
        self.marks.retain(|id| self.places.contains_key(id));
        self.sum_marks();
        if let Some(mut batch) = self.batch.take() {
            // What has gone is not asked about any more; nothing ever joins.
            batch.ids.retain(|id| self.places.contains_key(id));
            self.batch = Some(Batch { asked: batch.asked, ..self.question(batch.verdict, batch.ids) });
        }
        if self.position().is_none() {
            let had = self.selected.take().is_some();
            let first = self.rows.iter().find(|row| self.verdict(row.id).is_none()).or(self.rows.first());
            self.select(first.map(|row| row.id));
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

    /// Whether an answer is the same press as the one before: held, bouncing, or in doubt whether it was taken.
    pub(super) fn is_repeated(&mut self, verdict: Verdict, now_ms: u64) -> bool {
        let before = self.answered.replace((verdict, now_ms));
        before.is_some_and(|(same, at_ms)| same == verdict && now_ms < at_ms.saturating_add(SETTLE_MS))
    }

    fn gone_since(&self, now: &Snapshot) -> Vec<Arc<SubmissionRow>> {
        let waited = |row: &SubmissionRow| self.places.contains_key(&row.id);
        if now.approvals.len() == self.rows.len() && now.approvals.iter().all(|row| waited(row)) {
            return Vec::new();
        }
        let is_gone = |row: &&Arc<SubmissionRow>| {
            matches!(row.state, SubmissionState::Expired | SubmissionState::Failed)
                && waited(row)
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

    /// Candidates that still wait for an answer of the user.
    pub fn undecided(&self) -> usize {
        // Whatever was answered waits: it is forgotten as soon as it does not.
        self.rows.len() - self.verdicts.len()
    }

    pub fn position(&self) -> Option<usize> {
        self.places.get(&self.selected?).copied()
    }

    fn select(&mut self, id: Option<SubmissionId>) {
        if self.selected != id {
            self.preview_top = 0;
        }
        self.selected = id;
    }

    pub(super) fn step(&mut self, by: isize) {
        if let Some(last) = self.rows.len().checked_sub(1) {
            let to = self.position().unwrap_or(0).saturating_add_signed(by).min(last);
            self.select(Some(self.rows[to].id));
            self.moved_at_ms = None;
        }
    }

    /// Notes the answer to the selected candidate and moves on to the next one that waits.
    fn answer(&mut self, verdict: Verdict) -> Option<SubmissionId> {
        let at = self.position()?;
        let id = self.rows[at].id;
        if self.verdicts.contains_key(&id) {
            return None;
        }
        self.verdicts.insert(id, verdict);
        self.move_on(at);
        Some(id)
    }

    fn move_on(&mut self, at: usize) {
        let waiting = |row: &&Arc<SubmissionRow>| !self.verdicts.contains_key(&row.id);
        let below = self.rows.iter().skip(at).find(waiting);
        if let Some(next) = below.or_else(|| self.rows.iter().find(waiting)) {
            self.select(Some(next.id));
        }
    }

    /// Those that nobody has answered yet, best first.
    fn unanswered(&self) -> impl Iterator<Item = &Arc<SubmissionRow>> {
        self.rows.iter().filter(|row| !self.verdicts.contains_key(&row.id))
    }

    /// Those of `ids` that still wait.
    fn waiting<'a>(
        &'a self,
        ids: impl IntoIterator<Item = &'a SubmissionId>,
    ) -> impl Iterator<Item = &'a Arc<SubmissionRow>> {
        ids.into_iter().filter_map(|id| self.rows.get(*self.places.get(id)?))
    }

    fn question(&self, verdict: Verdict, ids: Vec<SubmissionId>) -> Batch {
        let sums = Sums::of(self.waiting(&ids));
        Batch { verdict, asked: ids.len(), ids, sums }
    }

    fn sum_marks(&mut self) {
        // In the list's order, which is that of memory.
        self.marked = Sums::of(self.rows.iter().filter(|row| self.marks.contains(&row.id)));
    }
}

/// What the registry's actions do here; `None` for those of other screens.
pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    let approvals = &mut state.approvals;
    match action {
        Action::Approve => return Some(answer(state, Verdict::Approved)),
        Action::Reject => return Some(answer(state, Verdict::Rejected)),
        Action::ApproveAll => batch::ask_for_limit(state),
        Action::AnswerBatch => return Some(answer_batch(state)),
        Action::Mark => {
            let id = approvals.rows[approvals.position()?].id;
            if approvals.verdict(id).is_none() && !approvals.marks.remove(&id) {
                approvals.marks.insert(id);
            }
            approvals.sum_marks();
            approvals.step(1);
        }
        Action::MarkAll => {
            approvals.marks = approvals.unanswered().map(|row| row.id).collect();
            approvals.sum_marks();
        }
        Action::ClearMarks => {
            approvals.marks.clear();
            approvals.sum_marks();
        }
        Action::Hex => {
            approvals.hex = !approvals.hex;
            approvals.preview_top = 0;
        }
        Action::PreviewDown => approvals.preview_top = approvals.preview_top.saturating_add(PREVIEW_STEP),
        Action::PreviewUp => approvals.preview_top = approvals.preview_top.saturating_sub(PREVIEW_STEP),
        _ => return None,
    }
    Some(Vec::new())
}

/// The marked ones after a question, or the selected one at once.
fn answer(state: &mut State, verdict: Verdict) -> Vec<Effect> {
    let approvals = &mut state.approvals;
    // In the order of the list.
    let marked = approvals.unanswered().map(|row| row.id).filter(|id| approvals.marks.contains(id));
    let marked: Vec<_> = marked.collect();
    if !marked.is_empty() {
        approvals.batch = Some(approvals.question(verdict, marked));
        state.dialog = Some(Dialog::Confirm(Action::AnswerBatch));
        return Vec::new();
    }
    let id = approvals.answer(verdict);
    let command = |id| match verdict {
        Verdict::Approved => Command::Approve(id),
        Verdict::Rejected => Command::Reject(id),
    };
    id.map(command).map(Effect::Send).into_iter().collect()
}

/// What was asked about, and no more than that.
fn answer_batch(state: &mut State) -> Vec<Effect> {
    let approvals = &mut state.approvals;
    let Some(Batch { verdict, ids, .. }) = approvals.batch.take() else { return Vec::new() };
    let is_open = |id: &SubmissionId| approvals.places.contains_key(id) && !approvals.verdicts.contains_key(id);
    let ids: Vec<SubmissionId> = ids.into_iter().filter(is_open).collect();
    if ids.is_empty() || state.snapshot.mode == Mode::ReadOnly {
        return Vec::new();
    }
    for id in &ids {
        approvals.verdicts.insert(*id, verdict);
        approvals.marks.remove(id);
    }
    approvals.sum_marks();
    approvals.move_on(approvals.position().unwrap_or(0));
    vec![Effect::Send(match verdict {
        Verdict::Approved => Command::ApproveMany(ids),
        Verdict::Rejected => Command::RejectMany(ids),
    })]
}
