//! The map as cells of the screen: made once for a picture, a window and a size; drawing only copies it.

use std::sync::Arc;

use super::Bounds;
use crate::{
    api::{MapColour, MapPoint, MapView, TargetRow, TargetStage},
    app::layout::Area,
};

/// The bits of a braille pattern by row: left and right column.
const DOTS: [u8; 8] = [0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80];
/// Share of the cells that unhit targets may cover; of more, the cells with the most are marked.
const COVERED: usize = 6;
/// Classes that are counted cell by cell; what is beyond, and what no list names, is one more.
const CLASSES: usize = 63;
/// Places that are worked out at once.
const BATCH: usize = 128;
/// Regions that a grid may have: what comes from a file may say anything.
const MOST_REGIONS: usize = 1 << 20;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// A braille pattern of the samples.
    pub dots: u8,
    pub samples: u32,
    /// Of most of the samples, and of the first of several such; of margins, the best. [`u16::MAX`]: of no list.
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

    fn has_classes_of(&self, other: &Self) -> bool {
        let of = |made: &Self| (made.colour, made.classes, made.dim);
        Arc::ptr_eq(&self.map.samples, &other.map.samples) && of(self) == of(other)
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
            let Some(cell) = cells.get_mut(grid.dot(target.x, target.y).cell()) else { continue };
            cell.targets = cell.targets.saturating_add(1);
            cell.pinned |= row.pinned;
            if cell.target.is_none_or(|held| advance(row.stage) > advance(held)) {
                cell.target = Some(row.stage);
            }
        }
        for model in made.map.models.iter().rev() {
            if let Some(cell) = cells.get_mut(grid.dot(model.x, model.y).cell()) {
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

impl Samples {
    /// `counted`: what is known of samples that are not seen.
    fn new(made: &Made, counted: Option<Arc<Vec<u32>>>) -> Self {
        let grid = Dots::over(made.seen, made.area);
        let mut tally = Tally::new(grid, made);
        match made.map.tiles() {
            // What is to be counted is gone over whole.
            Some(tiles) if counted.is_some() => {
                let (first, last) = (made.seen.min, made.seen.max);
                let ((left, bottom), (right, top)) = (tiles.place(first.0, first.1), tiles.place(last.0, last.1));
                (bottom..=top).for_each(|row| tally.see(&made.map.samples[tiles.run(row, (left, right))]));
            }
            _ => tally.see(&made.map.samples),
        }
        Self { cells: tally.cells(), counts: counted.unwrap_or_else(|| Arc::new(tally.counts())) }
    }
}

/// Samples by cell and class. All classes of a cell are counted: that needs no branch that a processor guesses wrong, and tells the same
/// in whatever order the samples come.
struct Tally<'a> {
    made: &'a Made,
    grid: Dots,
    /// Named classes and one for the others.
    columns: usize,
    /// Cell by cell, and last what lies in none.
    counts: Vec<u32>,
    dots: Vec<u8>,
}

impl<'a> Tally<'a> {
    fn new(grid: Dots, made: &'a Made) -> Self {
        let columns = made.classes.min(CLASSES) + 1;
        let cells = grid.outside as usize + 1;
        Self { made, grid, columns, counts: vec![0; cells * columns], dots: vec![0; cells] }
    }

    fn see(&mut self, points: &[MapPoint]) {
        // One loop for each colour: what it asks of a point is known beforehand.
        match self.made.colour {
            MapColour::Model => self.see_by(points, |point| point.model),
            MapColour::Source => self.see_by(points, |point| point.source),
            colour => {
                let dim = self.made.dim;
                self.see_by(points, |point| point.class(colour, dim));
            }
        }
    }

    fn see_by(&mut self, points: &[MapPoint], class: impl Fn(&MapPoint) -> u16) {
        let others = self.columns - 1;
        let (mut places, mut classes) = ([(0.0, 0.0); BATCH], [0; BATCH]);
        let mut dots = [Dot(0); BATCH];
        for batch in points.chunks(BATCH) {
            for ((place, named), point) in places.iter_mut().zip(&mut classes).zip(batch) {
                (*place, *named) = ((point.x, point.y), class(point));
            }
            // All of them, though the last batch may be short: a fixed number is what compilers make vectors of.
            for (dot, place) in dots.iter_mut().zip(&places) {
                *dot = self.grid.dot(place.0, place.1);
            }
            for (dot, class) in dots.iter().zip(&classes).take(batch.len()) {
                self.dots[dot.cell()] |= dot.bit();
                self.counts[dot.cell() * self.columns + usize::from(*class).min(others)] += 1;
            }
        }
    }

    fn cells(&self) -> Vec<Cell> {
        let is_best = self.made.colour == MapColour::Margin;
        let cells = self.dots.iter().zip(self.counts.chunks_exact(self.columns)).take(self.grid.outside as usize);
        let cell = |(dots, counts): (&u8, &[u32])| {
            let samples = counts.iter().sum();
            if samples == 0 {
                return Cell::default();
            }
            let most = if is_best { 1 } else { counts.iter().copied().max().unwrap_or(0) };
            let class = counts.iter().position(|count| *count >= most).unwrap_or(0);
            let class = if class + 1 == self.columns { u16::MAX } else { class as u16 };
            Cell { dots: *dots, samples, class, ..Cell::default() }
        };
        cells.map(cell).collect()
    }

    fn counts(&self) -> Vec<u32> {
        let (made, named) = (self.made, self.made.classes);
        let mut counts = vec![0; named + 1];
        if named + 1 == self.columns {
            for cell in self.counts.chunks_exact(self.columns) {
                counts.iter_mut().zip(cell).for_each(|(sum, count)| *sum += count);
            }
        } else {
            for point in made.map.samples.iter() {
                counts[usize::from(point.class(made.colour, made.dim)).min(named)] += 1;
            }
        }
        counts
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
#[derive(Clone, Copy)]
struct Dots {
    seen: Bounds,
    across: Axis,
    down: Axis,
    width: u32,
    /// The cell of what lies in none, after all others.
    outside: u32,
}

/// A cell, and a dot in it.
#[derive(Clone, Copy)]
struct Dot(u32);

impl Dot {
    fn cell(self) -> usize {
        (self.0 >> 3) as usize
    }

    fn bit(self) -> u8 {
        DOTS[(self.0 & 7) as usize]
    }
}

impl Dots {
    fn over(seen: Bounds, area: Area) -> Self {
        let (width, height) = (u32::from(area.width), u32::from(area.height));
        let outside = width * height;
        // Of a plot without cells all is outside.
        let (across, down) = if outside == 0 { (0, 0) } else { (width * 2, height * 4) };
        Self {
            seen,
            across: Axis::over(seen.min.0, seen.width(), across),
            down: Axis::over(seen.max.1, -seen.height(), down),
            width,
            outside,
        }
    }

    fn dot(&self, x: f32, y: f32) -> Dot {
        let (min, max) = (self.seen.min, self.seen.max);
        // No branches: this is done for a hundred thousand places while somebody waits.
        let is_seen = (x >= min.0) & (x <= max.0) & (y >= min.1) & (y <= max.1);
        let (across, down) = (self.across.at(x), self.down.at(y));
        let cell = (down >> 2) * self.width + (across >> 1);
        Dot(if is_seen { cell << 3 | (down & 3) << 1 | (across & 1) } else { self.outside << 3 })
    }
}

/// From places to whole numbers from 0 up to, and without, a size.
#[derive(Clone, Copy)]
struct Axis {
    from: f32,
    scale: f32,
    most: f32,
    /// Parts of a dot that are told apart, as a power of two.
    parts: f32,
    shift: u32,
}

impl Axis {
    /// From here on a float has no fraction, and its low bits are the whole number.
    const WHOLE: f32 = 8_388_608.0;

    fn over(from: f32, length: f32, size: u32) -> Self {
        let shift = size.leading_zeros().saturating_sub(9).min(16);
        let parts = (1u32 << shift) as f32;
        Self { from, scale: size as f32 / length, most: (size as f32 - 0.5).max(0.0), parts, shift }
    }

    /// Through the bits of the float: a cast, which has to mind what fits no whole number, is done one by one.
    fn at(&self, value: f32) -> u32 {
        let at = (value - self.from) * self.scale;
        // NaN is 0.
        let at = if at > 0.0 { at } else { 0.0 };
        let at = if at < self.most { at } else { self.most };
        ((at * self.parts + Self::WHOLE).to_bits() & 0x7f_ffff) >> self.shift
    }
}
