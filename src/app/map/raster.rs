//! The map as cells of the screen: made once for a picture, a window and a size; drawing only copies it.

use std::sync::Arc;

use super::Bounds;
use crate::{
    api::{MapColour, MapPoint, MapView, TargetRow, TargetStage},
    app::layout::Area,
};

/// The bits of a braille pattern by row, left and right column.
const DOTS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
/// Share of the cells that unhit targets may cover; of more, the cells with the most are marked.
const COVERED: usize = 6;
/// Regions that a grid may have: what comes from a file may say anything.
const MOST_REGIONS: usize = 1 << 20;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// A braille pattern of the samples.
    pub dots: u8,
    pub samples: u32,
    /// Of most of the samples; of margins, the best.
    pub class: u16,
    /// Boyer and Moore: how far `class` is ahead.
    lead: u32,
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
    pub regions: bool,
    /// Dimension of embeddings.
    pub dim: u64,
}

impl Made {
    fn is(&self, other: &Self) -> bool {
        let of = |made: &Self| (made.seen, made.area, made.colour, made.regions, made.dim);
        Arc::ptr_eq(&self.map, &other.map) && Arc::ptr_eq(&self.targets, &other.targets) && of(self) == of(other)
    }

    fn has_classes_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.map.samples, &other.map.samples) && (self.colour, self.dim) == (other.colour, other.dim)
    }

    fn has_samples_of(&self, other: &Self) -> bool {
        self.has_classes_of(other) && (self.seen, self.area) == (other.seen, other.area)
    }
}

/// The samples alone: most snapshots bring no new ones.
#[derive(Debug)]
struct Samples {
    cells: Vec<Cell>,
    /// Of every part that is seen the same.
    counts: Arc<Vec<u32>>,
}

#[derive(Clone, Debug)]
pub struct Raster {
    made: Made,
    samples: Arc<Samples>,
    /// Row by row.
    pub cells: Vec<Cell>,
    /// Samples of each class, seen or not.
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

    #[cfg(test)]
    pub(super) fn shares_samples_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.samples, &other.samples)
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
        let samples = held.unwrap_or_else(|| {
            let counted = before.filter(|before| before.made.has_classes_of(&made)).map(|before| before.counts.clone());
            Arc::new(Samples::new(&made, counted))
        });
        let mut cells = samples.cells.clone();
        let grid = Dots::over(made.seen, made.area);
        let (mut stages, mut pinned) = ([0; 4], 0);
        for target in made.map.targets.iter() {
            let Some(row) = made.targets.get(target.row as usize) else { continue };
            stages[usize::from(advance(row.stage))] += 1;
            pinned += u32::from(row.pinned);
            let Some((at, _)) = grid.dot(target.x, target.y) else { continue };
            let cell: &mut Cell = &mut cells[at];
            cell.targets = cell.targets.saturating_add(1);
            cell.pinned |= row.pinned;
            if cell.target.is_none_or(|held| advance(row.stage) > advance(held)) {
                cell.target = Some(row.stage);
            }
        }
        for model in made.map.models.iter().rev() {
            if let Some((at, _)) = grid.dot(model.x, model.y) {
                cells[at].model = Some(model.model);
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

impl Samples {
    /// Counts the samples of each class while it goes over them, unless they are `counted`.
    fn new(made: &Made, counted: Option<Arc<Vec<u32>>>) -> Self {
        let is_counted = counted.is_some();
        let mut counts = vec![0; usize::from(MapPoint::MARGINS)];
        let mut cells = vec![Cell::default(); usize::from(made.area.width) * usize::from(made.area.height)];
        let (is_best, grid) = (made.colour == MapColour::Margin, Dots::over(made.seen, made.area));
        let mut show = |points: &[MapPoint]| {
            for point in points {
                let class = point.class(made.colour, made.dim);
                if !is_counted {
                    if counts.len() <= usize::from(class) {
                        counts.resize(usize::from(class) + 1, 0);
                    }
                    counts[usize::from(class)] += 1;
                }
                let Some((at, bits)) = grid.dot(point.x, point.y) else { continue };
                let cell: &mut Cell = &mut cells[at];
                cell.dots |= bits;
                cell.samples += 1;
                if is_best {
                    cell.class = if cell.samples == 1 { class } else { cell.class.min(class) };
                    continue;
                }
                if cell.lead == 0 {
                    cell.class = class;
                }
                cell.lead = if cell.class == class { cell.lead + 1 } else { cell.lead - 1 };
            }
        };
        match made.map.tiles() {
            // What is to be counted is gone over whole.
            Some(tiles) if is_counted => {
                let (first, last) = (made.seen.min, made.seen.max);
                let ((left, bottom), (right, top)) = (tiles.place(first.0, first.1), tiles.place(last.0, last.1));
                (bottom..=top).for_each(|row| show(&made.map.samples[tiles.run(row, (left, right))]));
            }
            _ => show(&made.map.samples),
        }
        Self { cells, counts: counted.unwrap_or_else(|| Arc::new(counts)) }
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

/// From the plane to dots, eight a cell.
struct Dots {
    seen: Bounds,
    scale: (f32, f32),
    size: (u32, u32),
    width: usize,
}

impl Dots {
    fn over(seen: Bounds, area: Area) -> Self {
        let size = (u32::from(area.width) * 2, u32::from(area.height) * 4);
        let scale = (size.0 as f32 / seen.width(), size.1 as f32 / seen.height());
        Self { seen, scale, size, width: usize::from(area.width) }
    }

    /// The cell and the bit in it; `None`: outside.
    fn dot(&self, x: f32, y: f32) -> Option<(usize, u8)> {
        if !self.seen.holds((x, y)) || self.size.0 == 0 || self.size.1 == 0 {
            return None;
        }
        let across = (((x - self.seen.min.0) * self.scale.0) as u32).min(self.size.0 - 1);
        let down = (((self.seen.max.1 - y) * self.scale.1) as u32).min(self.size.1 - 1);
        let bits = DOTS[(down % 4) as usize][(across % 2) as usize];
        Some(((down / 4) as usize * self.width + (across / 2) as usize, bits))
    }
}
