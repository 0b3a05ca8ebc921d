//! The map as cells of the screen: made once for a picture, a window and a size; drawing only copies it.

use std::sync::Arc;

#[cfg(test)]
use super::tally::changes;
use super::{Bounds, dots::Dots, tally::Samples};
use crate::{
    api::{MapColour, MapView, TargetRow, TargetStage},
    app::layout::Area,
};

/// Share of the cells that unhit targets may cover; of more, the cells with the most are marked.
const COVERED: usize = 6;
/// Regions that a grid may have: what comes from a file may say anything.
const MOST_REGIONS: usize = 1 << 20;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// A braille pattern of the samples.
    pub dots: u8,
    pub samples: u32,
    /// Of most of the samples, and of the first of several such; of margins, the best. [`u16::MAX`]: of nothing that a list names.
    pub class: u16,
    /// The most advanced target here.
    pub target: Option<TargetStage>,
    pub targets: u16,
    pub pinned: bool,
    /// The model whose own place this is.
    pub model: Option<u16>,
    /// Index into [`Coverage::regions`](crate::api::Coverage::regions), with coverage shown.
    pub region: Option<u16>,
}

/// What a raster is made of.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub map: Arc<MapView>,
    pub targets: Arc<Vec<TargetRow>>,
    pub seen: Bounds,
    pub area: Area,
    pub colour: MapColour,
    /// Classes that the colour has names for.
    pub classes: usize,
    pub regions: bool,
    /// Dimension of embeddings.
    pub dim: u64,
}

impl Made {
    fn is(&self, other: &Self) -> bool {
        let of = |made: &Self| (made.seen, made.area, made.colour, made.classes, made.regions, made.dim);
        Arc::ptr_eq(&self.map, &other.map) && Arc::ptr_eq(&self.targets, &other.targets) && of(self) == of(other)
    }

    pub fn has_classes_of(&self, other: &Self) -> bool {
        let of = |made: &Self| (made.colour, made.classes, made.dim);
        Arc::ptr_eq(&self.map.samples, &other.map.samples) && of(self) == of(other)
    }

    fn has_samples_of(&self, other: &Self) -> bool {
        self.has_classes_of(other) && (self.seen, self.area) == (other.seen, other.area)
    }

    /// Whether the same samples would look the same.
    pub fn is_drawn_as(&self, other: &Self) -> bool {
        let of = |made: &Self| (made.seen, made.area, made.colour, made.classes, made.dim);
        of(self) == of(other)
    }
}

#[derive(Clone, Debug)]
pub struct Raster {
    made: Made,
    samples: Arc<Samples>,
    /// Row by row.
    pub cells: Vec<Cell>,
    /// Samples of each class, seen or not; those of no list last.
    pub counts: Arc<Vec<u32>>,
    /// Targets of each stage, in the order of [`STAGES`], seen or not.
    pub stages: [u32; 4],
    /// Those of them that are pinned.
    pub pinned: u32,
    /// Unhit targets are marked in cells with so many of them.
    pub least: u16,
}

impl Raster {
    pub(super) fn is_of(&self, made: &Made) -> bool {
        self.made.is(made)
    }

    /// Whether the same samples would look the same in both.
    pub(super) fn is_drawn_as(&self, made: &Made) -> bool {
        self.made.is_drawn_as(made)
    }

    #[cfg(test)]
    pub(super) fn shares_samples_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.samples, &other.samples)
    }

    #[cfg(test)]
    pub(super) fn map(&self) -> MapView {
        (*self.made.map).clone()
    }

    /// Whether it could be made of what that one counted.
    #[cfg(test)]
    pub(super) fn follows(&self, before: &Self) -> bool {
        changes(&before.made, &self.made).is_some()
    }

    /// The part of the screen that it fills.
    pub fn area(&self) -> Area {
        self.made.area
    }

    pub fn seen(&self) -> Bounds {
        self.made.seen
    }

    /// `before`: what may be used again.
    pub(super) fn new(made: Made, before: Option<&Self>) -> Self {
        let held = before.filter(|before| before.made.has_samples_of(&made)).map(|before| before.samples.clone());
        let before = before.map(|before| (&before.made, &*before.samples));
        let samples = held.unwrap_or_else(|| Arc::new(Samples::new(&made, before)));
        let mut cells = samples.cells(&made);
        let grid = Dots::over(made.seen, made.area);
        let (mut stages, mut pinned) = ([0; 4], 0);
        for target in made.map.targets.iter() {
            let Some(row) = made.targets.get(target.row as usize) else { continue };
            stages[usize::from(advance(row.stage))] += 1;
            pinned += u32::from(row.pinned);
            let Some(cell) = cells.get_mut(grid.cell(target.x, target.y)) else { continue };
            cell.targets = cell.targets.saturating_add(1);
            cell.pinned |= row.pinned;
            if cell.target.is_none_or(|held| advance(row.stage) > advance(held)) {
                cell.target = Some(row.stage);
            }
        }
        for model in made.map.models.iter().rev() {
            if let Some(cell) = cells.get_mut(grid.cell(model.x, model.y)) {
                cell.model = Some(model.model);
            }
        }
        if made.regions {
            regions(&mut cells, &made);
        }
        let least = least(&cells);
        let counts = samples.counts.clone();
        Self { made, samples, cells, counts, stages, pinned, least }
    }
}

/// From the least to the most advanced.
pub const STAGES: [TargetStage; 4] = [TargetStage::Open, TargetStage::Ours, TargetStage::InFlight, TargetStage::Hit];

/// What a cell with several targets shows: the place in [`STAGES`].
fn advance(stage: TargetStage) -> u8 {
    match stage {
        TargetStage::Open => 0,
        TargetStage::Ours => 1,
        TargetStage::InFlight => 2,
        TargetStage::Hit => 3,
    }
}

/// How many unhit targets a cell must have to be marked, so that marks do not cover everything.
fn least(cells: &[Cell]) -> u16 {
    let mut counts: Vec<u16> =
        cells.iter().filter(|cell| cell.target == Some(TargetStage::Open)).map(|cell| cell.targets).collect();
    let most = (cells.len() / COVERED).max(1);
    if counts.len() <= most {
        return 1;
    }
    counts.sort_unstable_by(|a, b| b.cmp(a));
    counts[most].saturating_add(1)
}

fn regions(cells: &mut [Cell], made: &Made) {
    let coverage = &made.map.coverage;
    let (columns, rows) = (usize::from(coverage.columns), usize::from(coverage.rows));
    if !(1..=MOST_REGIONS).contains(&(columns * rows)) {
        return;
    }
    let mut numbers = vec![None; columns * rows];
    for (region, number) in coverage.regions.iter().zip(0u16..) {
        if let Some(held) = numbers.get_mut(usize::from(region.row) * columns + usize::from(region.column)) {
            *held = Some(number);
        }
    }
    let at = |value: f32, low: f32, high: f32, count: usize| {
        let part = (value - low) / (high - low) * count as f32;
        // The regions at the edge reach on: so do their numbers.
        (part.clamp(0.0, count as f32 - 1.0)) as usize
    };
    let area = made.area;
    for (index, cell) in cells.iter_mut().enumerate() {
        let (column, row) = (index % usize::from(area.width), index / usize::from(area.width));
        let (x, y) = made.seen.point_at(area.x + column as u16, area.y + row as u16, area);
        let column = at(x, coverage.min.0, coverage.max.0, columns);
        cell.region = numbers[at(y, coverage.min.1, coverage.max.1, rows) * columns + column];
    }
}
