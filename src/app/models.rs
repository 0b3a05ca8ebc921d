//! The models' table: order and selection. Sorted when models change, never while drawing.

use std::{cmp::Ordering, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Effect, Screen, State, actions::Action};
use crate::{
    api::{Command, ModelRow},
    primitives::ObjectId,
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelSort {
    /// In the order of their letters.
    #[default]
    Letter,
    Stake,
    Commission,
    Wins,
    Targets,
    Crowd,
    Weights,
    Pinned,
}

impl ModelSort {
    pub const ALL: [Self; 8] = [
        Self::Letter,
        Self::Stake,
        Self::Commission,
        Self::Wins,
        Self::Targets,
        Self::Crowd,
        Self::Weights,
        Self::Pinned,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Letter => "letter",
            Self::Stake => "stake",
            Self::Commission => "commission",
            Self::Wins => "wins",
            Self::Targets => "targets",
            Self::Crowd => "crowd",
            Self::Weights => "weights",
            Self::Pinned => "pinned",
        }
    }

    fn next(self) -> Self {
        let at = Self::ALL.iter().position(|key| *key == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    /// The most first; of commissions the least, of weights those that are missing.
    fn compare(self, a: &ModelRow, b: &ModelRow) -> Ordering {
        match self {
            Self::Letter => Ordering::Equal,
            Self::Stake => b.stake.cmp(&a.stake),
            Self::Commission => a.commission_bps.cmp(&b.commission_bps),
            Self::Wins => b.wins.cmp(&a.wins),
            Self::Targets => b.targets.cmp(&a.targets),
            Self::Crowd => b.crowd.cmp(&a.crowd),
            Self::Weights => {
                let here = |model: &ModelRow| (model.resident, !model.loaded_on.is_empty());
                here(a).cmp(&here(b))
            }
            Self::Pinned => b.pinned.cmp(&a.pinned),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct ModelList {
    pub sort: ModelSort,
    pub reversed: bool,
    pub selected: Option<ObjectId>,
    /// Indices into the snapshot's models, in order.
    pub rows: Vec<usize>,
    /// Share of the sum of √stake, by index: how often a target would choose it if distance were the same for all.
    pub shares: Vec<f32>,
    pub resident: usize,
    at: usize,
    models: Arc<Vec<ModelRow>>,
}

impl ModelList {
    /// Takes in a snapshot's models. Costs nothing if they are the same.
    pub(super) fn follow(&mut self, models: &Arc<Vec<ModelRow>>) {
        if Arc::ptr_eq(&self.models, models) {
            return;
        }
        self.models = Arc::clone(models);
        self.resident = models.iter().filter(|model| model.resident).count();
        // For drawing only.
        let roots: Vec<f32> = models.iter().map(|model| (model.stake.0 as f32).sqrt()).collect();
        let sum = roots.iter().sum::<f32>();
        self.shares = roots.into_iter().map(|root| if sum > 0.0 { root / sum } else { 0.0 }).collect();
        self.arrange();
    }

    pub(super) fn arrange(&mut self) {
        let models = &self.models;
        self.rows = (0..models.len()).collect();
        self.rows.sort_by(|a, b| {
            let order = self.sort.compare(&models[*a], &models[*b]).then(a.cmp(b));
            if self.reversed { order.reverse() } else { order }
        });
        let found = self.rows.iter().position(|row| Some(models[*row].id) == self.selected);
        self.at = found.unwrap_or(self.at).min(self.rows.len().saturating_sub(1));
        self.selected = self.selected_index().map(|index| models[index].id);
    }

    /// The selected model's place among the rows.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The selected model's place in the snapshot.
    pub fn selected_index(&self) -> Option<usize> {
        self.rows.get(self.at).copied()
    }

    pub(super) fn step(&mut self, by: isize) {
        self.at = self.at.saturating_add_signed(by).min(self.rows.len().saturating_sub(1));
        self.selected = self.selected_index().map(|index| self.models[index].id);
    }
}

/// What the registry's actions do here; `None` for those of other screens.
pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    if state.screen != Screen::Models {
        return None;
    }
    let list = &mut state.models;
    match action {
        Action::Sort => {
            (list.sort, list.reversed) = (list.sort.next(), false);
            list.arrange();
        }
        Action::Reverse => {
            list.reversed = !list.reversed;
            list.arrange();
        }
        Action::Pin => {
            let model = &list.models[list.selected_index()?];
            return Some(vec![Effect::Send(Command::PinModel { model: model.id, on: !model.pinned })]);
        }
        _ => return None,
    }
    Some(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::Shannons;

    fn model(n: u8) -> ModelRow {
        ModelRow {
            id: ObjectId([n; 32]),
            stake: Shannons(u64::from(n.wrapping_mul(97)) * 1_000_000_000),
            commission_bps: u64::from(n.wrapping_mul(41)),
            resident: !n.is_multiple_of(3),
            loaded_on: Vec::new(),
            fetching: None,
            trouble: None,
            wins: u64::from(n.wrapping_mul(13)),
            targets: u64::from(n.wrapping_mul(29)),
            pinned: n.is_multiple_of(4),
            crowd: u64::from(n % 5),
            nearest: None,
        }
    }

    #[test]
    fn the_selected_model_is_followed_through_every_order_and_a_lost_one_leaves_its_place() {
        let mut list = ModelList::default();
        list.follow(&Arc::new((0..20).map(model).collect()));
        list.step(7);
        let selected = list.selected;
        for _ in 0..2 * ModelSort::ALL.len() {
            list.sort = list.sort.next();
            list.reversed = !list.reversed;
            list.arrange();
            assert_eq!(list.selected, selected);
            assert_eq!(list.selected_index().map(|index| list.models[index].id), selected);
            let mut rows = list.rows.clone();
            rows.sort_unstable();
            assert_eq!(rows, (0..20).collect::<Vec<_>>());
        }
        assert!((list.shares.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        list.follow(&Arc::new((8..20).map(model).collect()));
        assert!(list.selected.is_some() && list.selected != selected);
        list.follow(&Arc::default());
        assert_eq!((list.selected, list.selected_index()), (None, None));
    }
}
