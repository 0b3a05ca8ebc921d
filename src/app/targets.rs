//! The targets' table: order, filter and selection. Sorted once per snapshot, never while drawing.

use std::{cmp::Ordering, sync::Arc};

use super::{Effect, Purpose, State, actions::Action, update::type_for};
use crate::{
    api::{ModelRow, Snapshot, TargetRow, TargetStage},
    primitives::ObjectId,
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortKey {
    #[default]
    Margin,
    Reward,
    Distance,
    Age,
    Id,
}

impl SortKey {
    pub fn word(self) -> &'static str {
        match self {
            Self::Margin => "margin",
            Self::Reward => "reward",
            Self::Distance => "distance",
            Self::Age => "age",
            Self::Id => "id",
        }
    }

    fn next(self) -> Self {
        match self {
            Self::Margin => Self::Reward,
            Self::Reward => Self::Distance,
            Self::Distance => Self::Age,
            Self::Age => Self::Id,
            Self::Id => Self::Margin,
        }
    }

    /// The best first; what is not known comes last.
    fn compare(self, a: &TargetRow, b: &TargetRow) -> Ordering {
        let unknown_last = |a: Option<f32>, b: Option<f32>| match (a, b) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        };
        match self {
            Self::Margin => unknown_last(a.margin().map(|m| -m), b.margin().map(|m| -m)),
            Self::Reward => b.reward.cmp(&a.reward),
            Self::Distance => unknown_last(a.best_distance, b.best_distance),
            Self::Age => b.seen_at_ms.cmp(&a.seen_at_ms),
            Self::Id => Ordering::Equal,
        }
        .then_with(|| a.id.cmp(&b.id))
    }
}

#[derive(Clone, Debug, Default)]
pub struct TargetList {
    pub sort: SortKey,
    /// Lower case; empty shows everything.
    pub filter: String,
    pub selected: Option<ObjectId>,
    /// A person went to the selected row, so it is followed wherever it moves; else the selection stays on the first.
    is_chosen: bool,
    /// Indices into the snapshot's targets: what is shown, in order.
    pub rows: Vec<usize>,
}

impl TargetList {
    pub(super) fn follow(&mut self, snapshot: &Snapshot) {
        let targets = &snapshot.targets;
        self.rows = (0..targets.len()).filter(|&i| self.shows(&targets[i], &snapshot.models)).collect();
        self.rows.sort_by(|&a, &b| self.sort.compare(&targets[a], &targets[b]));
        if !self.is_chosen || self.position(targets).is_none() {
            self.is_chosen = false;
            self.selected = self.rows.first().map(|&i| targets[i].id);
        }
    }

    fn shows(&self, target: &TargetRow, models: &[ModelRow]) -> bool {
        self.filter.is_empty()
            || target.id.to_string().contains(&self.filter)
            || stage_word(target.stage).contains(&self.filter)
            || target.models.iter().any(|id| {
                id.to_string().starts_with(&self.filter)
                    || models.iter().position(|model| model.id == *id).is_some_and(|index| {
                        // Letters are shown upper case, so `/a` finds the targets of model A.
                        model_letter(index).eq_ignore_ascii_case(&self.filter)
                    })
            })
    }

    pub(super) fn sort_next(&mut self, snapshot: &Snapshot) {
        self.sort = self.sort.next();
        self.follow(snapshot);
    }

    pub(super) fn set_filter(&mut self, filter: String, snapshot: &Snapshot) {
        self.filter = filter.to_lowercase();
        self.follow(snapshot);
    }

    /// The selected target's place among the rows shown.
    pub fn position(&self, targets: &[TargetRow]) -> Option<usize> {
        let selected = self.selected?;
        self.rows.iter().position(|&i| targets[i].id == selected)
    }

    pub(super) fn step(&mut self, targets: &[TargetRow], by: isize) {
        if let Some(last) = self.rows.len().checked_sub(1) {
            let to = self.position(targets).unwrap_or(0).saturating_add_signed(by).min(last);
            self.selected = Some(targets[self.rows[to]].id);
            self.is_chosen = to > 0;
        }
    }
}

/// What the registry's actions do here; `None` for those of other screens.
pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    match action {
        Action::Sort => state.targets.sort_next(&Arc::clone(&state.snapshot)),
        Action::Filter => {
            let filter = state.targets.filter.clone();
            type_for(state, Purpose::TargetFilter, filter);
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

/// The short name of the model at this place of the snapshot's list: A to Z, then numbers.
pub fn model_letter(index: usize) -> String {
    match u8::try_from(index) {
        Ok(index @ 0..26) => char::from(b'A' + index).to_string(),
        _ => (index + 1).to_string(),
    }
}
