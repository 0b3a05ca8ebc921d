//! The map in regions: what of our library lies in each, against what could be earned there.

use crate::{
    api::{Coverage, Region, TargetRow, TargetStage},
    primitives::Shannons,
};

const COLUMNS: u16 = 12;
const ROWS: u16 = 8;
/// Air around the points that the grid is laid over, as a share of its size.
const AIR: f32 = 0.03;

/// Regions of the plane, fixed with a basis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::engine) struct Grid {
    min: (f32, f32),
    max: (f32, f32),
}

impl Grid {
    pub fn over<'a>(places: impl IntoIterator<Item = &'a [f32; 2]>) -> Self {
        let (mut min, mut max) = ((f32::INFINITY, f32::INFINITY), (f32::NEG_INFINITY, f32::NEG_INFINITY));
        for [x, y] in places.into_iter().filter(|place| place.iter().all(|x| x.is_finite())) {
            min = (min.0.min(*x), min.1.min(*y));
            max = (max.0.max(*x), max.1.max(*y));
        }
        if min.0 > max.0 {
            return Self { min: (-1.0, -1.0), max: (1.0, 1.0) };
        }
        let air = |low: f32, high: f32| ((high - low) * AIR).max(1e-3);
        let (x, y) = (air(min.0, max.0), air(min.1, max.1));
        Self { min: (min.0 - x, min.1 - y), max: (max.0 + x, max.1 + y) }
    }

    /// Lower left and upper right.
    pub fn corners(self) -> [(f32, f32); 2] {
        [self.min, self.max]
    }

    #[expect(clippy::unused_self, reason = "every grid has as many today")]
    pub fn len(self) -> usize {
        usize::from(COLUMNS) * usize::from(ROWS)
    }

    /// The region of a place, row by row from the lower left; what lies beyond counts to the edge.
    pub fn cell(self, x: f32, y: f32) -> usize {
        let at = |value: f32, low: f32, high: f32, count: u16| {
            let part = ((value - low) / (high - low) * f32::from(count)).clamp(0.0, f32::from(count - 1));
            // NaN becomes 0.
            part as usize
        };
        at(y, self.min.1, self.max.1, ROWS) * usize::from(COLUMNS) + at(x, self.min.0, self.max.0, COLUMNS)
    }
}

#[derive(Clone, Copy, Default)]
struct Sum {
    region: Region,
    margins: f32,
    measured: u32,
}

/// `samples`: how many lie in each region. `targets`: the open ones, each with its place.
pub(in crate::engine) fn cover<'a>(
    grid: Grid,
    samples: &[u32],
    targets: impl Iterator<Item = (&'a TargetRow, [f32; 2])>,
) -> Coverage {
    let mut sums = vec![Sum::default(); grid.len()];
    for (at, sum) in sums.iter_mut().enumerate() {
        sum.region.column = (at % usize::from(COLUMNS)) as u16;
        sum.region.row = (at / usize::from(COLUMNS)) as u16;
        sum.region.samples = samples.get(at).copied().unwrap_or(0);
    }
    for (row, [x, y]) in targets {
        let sum = &mut sums[grid.cell(x, y)];
        match row.stage {
            TargetStage::Open => {
                sum.region.open += 1;
                sum.region.reward = sum.region.reward.saturating_add(row.reward);
                if let Some(margin) = row.margin().filter(|margin| margin.is_finite()) {
                    let best = &mut sum.region.best_margin;
                    *best = Some(best.map_or(margin, |best| best.max(margin)));
                    sum.margins += margin;
                    sum.measured += 1;
                }
            }
            TargetStage::Hit | TargetStage::InFlight => sum.region.hit += 1,
            // No longer to be earned.
            TargetStage::Ours => {}
        }
    }
    let mut regions: Vec<Region> = sums
        .into_iter()
        .filter(|sum| sum.region.samples + sum.region.open + sum.region.hit > 0)
        .map(|sum| Region { mean_margin: (sum.measured > 0).then(|| sum.margins / sum.measured as f32), ..sum.region })
        .collect();
    // Amounts meet floats for a picture only: which region to look at first. Each counts as if an average region's samples and their
    // rewards lay there as well: one target beside one sample proves nothing.
    let reward: f64 = regions.iter().map(|region| region.reward.0 as f64).sum();
    let held: f64 = regions.iter().map(|region| f64::from(region.samples)).sum::<f64>().max(1.0);
    let (per_sample, usual) = (reward / held, held / regions.len().max(1) as f64);
    for region in regions.iter_mut().filter(|region| region.reward > Shannons::ZERO) {
        let here = region.reward.0 as f64 + per_sample * usual;
        region.need = (here / (f64::from(region.samples) + usual) / per_sample) as f32;
    }
    let order = |region: &Region| (region.reward > Shannons::ZERO, region.need, region.reward);
    regions.sort_by(|a, b| {
        let ((pays_a, need_a, reward_a), (pays_b, need_b, reward_b)) = (order(a), order(b));
        (pays_b.cmp(&pays_a)).then(need_b.total_cmp(&need_a)).then(reward_b.cmp(&reward_a))
    });
    Coverage { columns: COLUMNS, rows: ROWS, min: grid.min, max: grid.max, regions }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::primitives::ObjectId;

    fn row(stage: TargetStage, reward: u64, best_distance: Option<f32>) -> TargetRow {
        TargetRow {
            id: ObjectId([1; 32]),
            epoch: 1,
            stage,
            reward: Shannons(reward),
            threshold: 1.0,
            models: Vec::new(),
            best_distance,
            seen_at_ms: 0,
            pinned: false,
        }
    }

    #[test]
    fn the_region_with_most_reward_for_the_samples_there_comes_first() {
        let grid = Grid::over(&[[0.0, 0.0], [1.0, 1.0]]);
        let mut samples = vec![0; grid.len()];
        (samples[grid.cell(0.0, 0.0)], samples[grid.cell(1.0, 1.0)]) = (99, 9);
        let rows = [
            (row(TargetStage::Open, 100, Some(1.25)), [0.0, 0.0]),
            (row(TargetStage::Open, 100, Some(1.5)), [1.0, 1.0]),
            (row(TargetStage::Open, 100, Some(1.25)), [1.0, 1.0]),
            (row(TargetStage::Open, 100, None), [1.0, 1.0]),
            (row(TargetStage::Hit, 100, Some(0.9)), [0.0, 1.0]),
            (row(TargetStage::Ours, 100, Some(0.9)), [0.5, 0.5]),
        ];
        let coverage = cover(grid, &samples, rows.iter().map(|(row, place)| (row, *place)));
        let [thin, rich, done] = coverage.regions[..] else { panic!("{coverage:?}") };
        assert_eq!((thin.samples, thin.open, thin.hit, thin.reward), (9, 3, 0, Shannons(300)));
        assert_eq!((thin.best_margin, thin.mean_margin), (Some(-0.25), Some(-0.375)));
        // 300 for 9 samples and 100 for 99, of 400 for 108 in 3 regions: (300 + 133) / (9 + 36), (100 + 133) / (99 + 36), against 3.7.
        assert!((thin.need - 2.6).abs() < 0.01 && (rich.need - 0.467).abs() < 0.01, "{coverage:?}");
        assert_eq!((done.hit, done.open, done.need), (1, 0, 0.0));
    }

    proptest! {
        #[test]
        fn every_place_is_in_a_region(x: f32, y: f32, places in prop::collection::vec(prop::array::uniform2(prop::num::f32::ANY), 0..9)) {
            let grid = Grid::over(&places);
            prop_assert!(grid.cell(x, y) < grid.len());
        }
    }
}
