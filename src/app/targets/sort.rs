//! The orders that the targets can be listed in.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::Letters;
use crate::api::{TargetRow, TargetStage};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SortKey {
    #[default]
    Margin,
    Reward,
    Distance,
    Age,
    Id,
    Status,
    Models,
    Threshold,
    Epoch,
    Pinned,
}

impl SortKey {
    /// In the order in which the key goes through them.
    pub const ALL: [Self; 10] = [
        Self::Margin,
        Self::Reward,
        Self::Distance,
        Self::Age,
        Self::Id,
        Self::Status,
        Self::Models,
        Self::Threshold,
        Self::Epoch,
        Self::Pinned,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Margin => "margin",
            Self::Reward => "reward",
            Self::Distance => "distance",
            Self::Age => "age",
            Self::Id => "id",
            Self::Status => "status",
            Self::Models => "models",
            Self::Threshold => "threshold",
            Self::Epoch => "epoch",
            Self::Pinned => "pinned",
        }
    }

    pub(super) fn next(self) -> Self {
        let at = Self::ALL.iter().position(|key| *key == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    /// Puts rows into order: the best first, or last if `reversed`; what is not known always comes last.
    pub(super) fn sort(self, reversed: bool, rows: &mut [usize], targets: &[TargetRow], letters: &Letters) {
        if self == Self::Models {
            // Their letters are looked up once a row, not once a comparison.
            let names = |row: &usize| (letters.places(&targets[*row].models), targets[*row].id);
            rows.sort_by_cached_key(names);
            if reversed {
                rows.reverse();
            }
            return;
        }
        let by_margin = |a: &TargetRow, b: &TargetRow| known_first(a.margin(), b.margin(), false);
        let turned = |order: Ordering| if reversed { order.reverse() } else { order };
        rows.sort_by(|a, b| {
            let (a, b) = (&targets[*a], &targets[*b]);
            let order = match self {
                Self::Margin => known_first(a.margin(), b.margin(), reversed),
                Self::Distance => known_first(a.best_distance, b.best_distance, !reversed),
                Self::Reward => turned(b.reward.cmp(&a.reward)),
                // The newest first.
                Self::Age => turned(b.seen_at_ms.cmp(&a.seen_at_ms)),
                Self::Id | Self::Models => turned(a.id.cmp(&b.id)),
                Self::Status => turned(rank(a.stage).cmp(&rank(b.stage))).then_with(|| by_margin(a, b)),
                Self::Threshold => turned(b.threshold.total_cmp(&a.threshold)),
                Self::Epoch => turned(b.epoch.cmp(&a.epoch)),
                Self::Pinned => turned(b.pinned.cmp(&a.pinned)).then_with(|| by_margin(a, b)),
            };
            order.then_with(|| a.id.cmp(&b.id))
        });
    }
}

/// The larger first, or the smaller; what is not known last.
fn known_first(a: Option<f32>, b: Option<f32>, smaller_first: bool) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) if smaller_first => a.total_cmp(&b),
        (Some(a), Some(b)) => b.total_cmp(&a),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// What needs a person first.
fn rank(stage: TargetStage) -> u8 {
    match stage {
        TargetStage::Hit => 0,
        TargetStage::InFlight => 1,
        TargetStage::Open => 2,
        TargetStage::Ours => 3,
    }
}
