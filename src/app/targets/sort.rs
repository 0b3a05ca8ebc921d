//! The orders that the targets can be listed in.

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
        // One number a row, so that nothing but numbers moves through the cache; what is equal goes by id.
        let mut keyed: Vec<(u64, usize)> = rows.iter().map(|row| (self.key(reversed, &targets[*row]), *row)).collect();
        // The engine lists them nearly in order: this sort goes over what is in order once.
        keyed.sort_by(|(a, at), (b, bt)| a.cmp(b).then_with(|| targets[*at].id.cmp(&targets[*bt].id)));
        rows.iter_mut().zip(keyed).for_each(|(row, (_, sorted))| *row = sorted);
    }

    /// Where a row belongs: the least first.
    fn key(self, reversed: bool, target: &TargetRow) -> u64 {
        let turned = |key: u64| if reversed { !key } else { key };
        let least_first = |value: Option<f32>, falls: bool| match value.map(ordered) {
            Some(key) if falls => (!key).into(),
            Some(key) => key.into(),
            None => u64::from(u32::MAX) + 1,
        };
        // Beside another key; never reversed.
        let by_margin = || least_first(target.margin(), true);
        match self {
            Self::Margin => least_first(target.margin(), !reversed),
            Self::Distance => least_first(target.best_distance, reversed),
            Self::Reward => turned(!target.reward.0),
            // The newest first.
            Self::Age => turned(!target.seen_at_ms),
            Self::Id | Self::Models => {
                let (first, _) = target.id.0.split_first_chunk().unwrap_or((&[0; 8], &[]));
                turned(u64::from_be_bytes(*first))
            }
            Self::Status => (turned(rank(target.stage).into()) & 0xff) << 33 | by_margin(),
            Self::Threshold => turned(u64::from(!ordered(target.threshold))),
            Self::Epoch => turned(!target.epoch),
            Self::Pinned => (turned(u64::from(!target.pinned)) & 1) << 33 | by_margin(),
        }
    }
}

/// In the order of [`f32::total_cmp`].
fn ordered(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
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

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::*;
    use crate::primitives::{ObjectId, Shannons};

    fn row() -> impl Strategy<Value = TargetRow> {
        let distance = || prop_oneof![proptest::num::f32::NORMAL | proptest::num::f32::ZERO, 0.5_f32..1.5];
        let stage = proptest::sample::select(vec![
            TargetStage::Hit,
            TargetStage::InFlight,
            TargetStage::Open,
            TargetStage::Ours,
        ]);
        let numbers = (any::<[u8; 32]>(), 0_u64..3, 0_u64..4, 0_u64..4);
        (numbers, stage, distance(), proptest::option::of(distance()), any::<bool>()).prop_map(
            |((id, epoch, reward, seen_at_ms), stage, threshold, best_distance, pinned)| TargetRow {
                id: ObjectId(id),
                epoch,
                stage,
                reward: Shannons(reward),
                threshold,
                models: Vec::new(),
                best_distance,
                seen_at_ms,
                pinned,
            },
        )
    }

    /// The rule, in words of rows rather than numbers.
    fn compared(key: SortKey, reversed: bool, a: &TargetRow, b: &TargetRow) -> Ordering {
        let known_first = |a: Option<f32>, b: Option<f32>, smaller_first: bool| match (a, b) {
            (Some(a), Some(b)) if smaller_first => a.total_cmp(&b),
            (Some(a), Some(b)) => b.total_cmp(&a),
            (a, b) => b.is_some().cmp(&a.is_some()),
        };
        let turned = |order: Ordering| if reversed { order.reverse() } else { order };
        let by_margin = || known_first(a.margin(), b.margin(), false);
        let order = match key {
            SortKey::Margin => known_first(a.margin(), b.margin(), reversed),
            SortKey::Distance => known_first(a.best_distance, b.best_distance, !reversed),
            SortKey::Reward => turned(b.reward.cmp(&a.reward)),
            SortKey::Age => turned(b.seen_at_ms.cmp(&a.seen_at_ms)),
            SortKey::Id | SortKey::Models => turned(a.id.cmp(&b.id)),
            SortKey::Status => turned(rank(a.stage).cmp(&rank(b.stage))).then_with(by_margin),
            SortKey::Threshold => turned(b.threshold.total_cmp(&a.threshold)),
            SortKey::Epoch => turned(b.epoch.cmp(&a.epoch)),
            SortKey::Pinned => turned(b.pinned.cmp(&a.pinned)).then_with(by_margin),
        };
        order.then_with(|| a.id.cmp(&b.id))
    }

    proptest! {
        #[test]
        fn numbers_order_rows_as_the_rule_does(targets in proptest::collection::vec(row(), 0..20), reversed: bool) {
            let keys = [
                SortKey::Margin, SortKey::Distance, SortKey::Reward, SortKey::Age, SortKey::Id,
                SortKey::Status, SortKey::Threshold, SortKey::Epoch, SortKey::Pinned,
            ];
            for key in keys {
                let mut rows: Vec<usize> = (0..targets.len()).collect();
                let mut expected = rows.clone();
                key.sort(reversed, &mut rows, &targets, &Letters::default());
                expected.sort_by(|a, b| compared(key, reversed, &targets[*a], &targets[*b]));
                prop_assert_eq!(rows, expected, "{:?}", key);
            }
        }
    }
}
