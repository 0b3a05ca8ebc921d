//! The targets' table: order, filter, selection, and the one target that is looked at in full.
//!
//! Everything that depends on all targets (what is shown, in which order, the counts of the title, where the selected one is) is
//! worked out when targets, filter or order change, never while drawing. Knows the snapshot only; tells the engine what to
//! look at and what to pin by commands.

mod filter;
mod letters;
mod sort;

use std::sync::Arc;

pub use filter::{Filter, FilterError, LANGUAGE};
pub use letters::{Letters, model_letter};
pub use sort::SortKey;

use super::{Effect, Pane, Purpose, Screen, State, actions::Action, update::type_for};
use crate::{
    api::{Command, Snapshot, TargetRow, TargetStage},
    primitives::ObjectId,
};
use filter::Context;

/// More lines than a detail ever has.
pub(super) const DETAIL_LINES: usize = 500;

/// How many of all targets are what, for the title.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub open: usize,
    pub hits: usize,
    pub ours: usize,
    pub pinned: usize,
}

#[derive(Clone, Debug, Default)]
pub struct TargetList {
    pub sort: SortKey,
    pub reversed: bool,
    /// In force: the last one that could be read.
    pub filter: Filter,
    /// What is typed, or was when the filter was kept.
    pub typed: String,
    /// Why `typed` is not in force.
    pub error: Option<FilterError>,
    pub selected: Option<ObjectId>,
    /// A person went to the selected row, so it is followed wherever it moves; else the selection stays on the first.
    is_chosen: bool,
    /// Indices into the snapshot's targets: what is shown, in order.
    pub rows: Vec<usize>,
    pub counts: Counts,
    pub letters: Letters,
    /// Looked at in full, above the list.
    pub detail: Option<ObjectId>,
    /// Lines of the detail above its visible part; the drawing clamps it.
    pub detail_scroll: u16,
    /// What the engine was last asked to look at.
    looked: Option<ObjectId>,
    /// Place of the selected target in `rows`.
    at: Option<usize>,
    /// What all of this was made of.
    targets: Arc<Vec<TargetRow>>,
    dim: u64,
    now_ms: u64,
}

impl TargetList {
    /// Takes in a snapshot. Costs nothing if it changes nothing here.
    pub(super) fn follow(&mut self, snapshot: &Snapshot, now_ms: u64) {
        self.now_ms = now_ms;
        let renamed = self.letters.follow(&snapshot.models);
        let dim = std::mem::replace(&mut self.dim, snapshot.network.embedding_dim);
        if Arc::ptr_eq(&self.targets, &snapshot.targets) && !renamed && dim == self.dim {
            return;
        }
        self.targets = Arc::clone(&snapshot.targets);
        self.counts = Counts::of(&self.targets);
        self.arrange(false);
    }

    /// Time passes: only a filter by age minds.
    pub(super) fn tick(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        if self.filter.asks_for_age() {
            self.arrange(false);
        }
    }

    /// Filters and sorts anew, and finds the selected target again.
    pub(super) fn arrange(&mut self, is_new_filter: bool) {
        let targets = Arc::clone(&self.targets);
        let context = Context { letters: &self.letters, dim: self.dim, now_ms: self.now_ms };
        let mut rows = std::mem::take(&mut self.rows);
        rows.clear();
        rows.extend((0..targets.len()).filter(|&row| self.filter.shows(&targets[row], context)));
        self.sort.sort(self.reversed, &mut rows, &targets, &self.letters);
        self.rows = rows;
        let place = |id: ObjectId| self.rows.iter().position(|&row| targets[row].id == id);
        let found = self.selected.filter(|_| self.is_chosen).and_then(place);
        if found.is_none() {
            // One that has gone leaves its place to the next.
            let near = self.at.filter(|_| self.is_chosen && !is_new_filter).unwrap_or(0);
            self.at = self.rows.len().checked_sub(1).map(|last| near.min(last));
            self.is_chosen = self.at.is_some_and(|at| at > 0);
        } else {
            self.at = found;
        }
        self.selected = self.at.map(|at| targets[self.rows[at]].id);
    }

    pub(super) fn sort_next(&mut self) {
        self.sort = self.sort.next();
        self.reversed = false;
        self.arrange(false);
    }

    pub(super) fn reverse(&mut self) {
        self.reversed = !self.reversed;
        self.arrange(false);
    }

    /// Takes what is typed: into force, if it can be read.
    pub(super) fn set_filter(&mut self, typed: String) {
        match Filter::parse(&typed) {
            Ok(filter) => {
                self.error = None;
                if filter != self.filter {
                    self.filter = filter;
                    self.arrange(true);
                }
            }
            Err(error) => self.error = Some(error),
        }
        self.typed = typed;
    }

    /// The selected target's place among the rows shown.
    pub fn position(&self) -> Option<usize> {
        self.at
    }

    pub fn selected_row(&self) -> Option<&TargetRow> {
        self.at.map(|at| &self.targets[self.rows[at]])
    }

    pub(super) fn step(&mut self, by: isize) {
        if let Some(last) = self.rows.len().checked_sub(1) {
            let to = self.at.unwrap_or(0).saturating_add_signed(by).min(last);
            self.at = Some(to);
            self.selected = Some(self.targets[self.rows[to]].id);
            self.is_chosen = to > 0;
        }
    }

    /// Opens the selected target in full.
    pub(super) fn open(&mut self) {
        self.detail = self.selected;
        self.detail_scroll = 0;
    }

    /// Goes on to the next or the previous target while one is open.
    pub(super) fn step_open(&mut self, by: isize) {
        self.step(by);
        self.open();
    }

    /// What to ask the engine to look at, if that is another target than before.
    pub(super) fn look(&mut self, is_shown: bool) -> Option<Option<ObjectId>> {
        let wanted = self.detail.filter(|_| is_shown);
        (std::mem::replace(&mut self.looked, wanted) != wanted).then_some(wanted)
    }
}

impl Counts {
    fn of(targets: &[TargetRow]) -> Self {
        targets.iter().fold(Self::default(), |mut counts, target| {
            match target.stage {
                TargetStage::Ours => counts.ours += 1,
                TargetStage::Hit => counts.hits += 1,
                TargetStage::Open | TargetStage::InFlight => {}
            }
            counts.open += usize::from(target.stage != TargetStage::Ours);
            counts.pinned += usize::from(target.pinned);
            counts
        })
    }
}

/// What the registry's actions do here; `None` for those of other screens.
pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    if state.screen != Screen::Pane(Pane::Targets) {
        return None;
    }
    let list = &mut state.targets;
    match action {
        Action::Sort => list.sort_next(),
        Action::Reverse => list.reverse(),
        Action::Open => list.open(),
        Action::Filter => {
            let typed = list.typed.clone();
            type_for(state, Purpose::TargetFilter, typed);
        }
        Action::Pin => {
            let row = list.selected_row()?;
            let pin = Command::Pin { targets: vec![row.id], on: !row.pinned };
            return Some(vec![Effect::Send(pin)]);
        }
        _ => return None,
    }
    Some(Vec::new())
}

/// The word for a stage, on every screen and in the filter.
pub fn stage_word(stage: TargetStage) -> &'static str {
    match stage {
        TargetStage::Open => "open",
        TargetStage::Hit => "hit",
        TargetStage::InFlight => "sending",
        TargetStage::Ours => "ours",
    }
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
