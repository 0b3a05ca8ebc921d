//! The samples of the map by cell and class: counted once, and after that only where samples have come, gone or moved, as long as they
//! fill the same box and whoever ordered them says which tiles differ.

use std::{ops::Range, sync::Arc};

use super::{
    dots::{DOTS, Dots},
    raster::{Cell, Made},
};
use crate::api::{MapColour, MapPoint, Tiles};

/// Classes that are counted cell by cell; what is beyond, and what no list names, is one more, which is shown where there is nothing else.
const CLASSES: usize = 255;
/// Places that are worked out at once.
const BATCH: usize = 128;

/// The samples alone: most snapshots bring no new ones.
#[derive(Debug)]
pub(super) struct Samples {
    /// Of each class, seen or not; those of no list last.
    pub counts: Arc<Vec<u32>>,
    tally: Tally,
}

impl Samples {
    /// `before`: what was counted last, and what it was counted for.
    pub fn new(made: &Made, before: Option<(&Made, &Self)>) -> Self {
        let counted = before.filter(|(of, _)| of.has_classes_of(made)).map(|(_, samples)| samples.counts.clone());
        if let Some((of, samples)) = before
            && let Some(changes) = changes(of, made)
        {
            return samples.changed(of, made, &changes);
        }
        let mut tally = Tally::new(made);
        match made.map.tiles() {
            // What is to be counted is gone over whole.
            Some(tiles) if counted.is_some() => {
                let (first, last) = (made.seen.min, made.seen.max);
                let ((left, bottom), (right, top)) = (tiles.place(first.0, first.1), tiles.place(last.0, last.1));
                (bottom..=top).for_each(|row| tally.add(made, &made.map.samples[tiles.run(row, (left, right))]));
            }
            _ => tally.add(made, &made.map.samples),
        }
        Self { counts: counted.unwrap_or_else(|| Arc::new(tally.counts(made))), tally }
    }

    /// Row by row, with nothing but samples in them.
    pub fn cells(&self, made: &Made) -> Vec<Cell> {
        self.tally.cells(made)
    }

    fn changed(&self, of: &Made, made: &Made, changes: &[Change]) -> Self {
        let (mut tally, mut counts) = (self.tally.clone(), (*self.counts).clone());
        for change in changes {
            let (gone, come) = (&of.map.samples[change.gone.clone()], &made.map.samples[change.come.clone()]);
            tally.take(made, gone);
            tally.add(made, come);
            let mut count = |point: &MapPoint, by: u32| {
                let named = counts.len() - 1;
                let held = &mut counts[usize::from(point.class(made.colour, made.dim)).min(named)];
                *held = held.wrapping_add(by);
            };
            gone.iter().for_each(|point| count(point, ONE_LESS));
            come.iter().for_each(|point| count(point, 1));
        }
        Self { counts: Arc::new(counts), tally }
    }
}

/// A tile whose samples are others.
pub(super) struct Change {
    gone: Range<usize>,
    come: Range<usize>,
}

/// Where samples differ; `None`: nobody knows, or so many do that counting all of them is as quick.
pub(super) fn changes(before: &Made, made: &Made) -> Option<Vec<Change>> {
    if !made.is_drawn_as(before) {
        return None;
    }
    let (old, new) = (before.map.tiles()?, made.map.tiles()?);
    let (old_marks, new_marks) = (old.marks()?, new.marks()?);
    let of = |tiles: &Tiles| (tiles.min, tiles.max, tiles.side);
    if of(old) != of(new) {
        return None;
    }
    let differ = old_marks.iter().zip(new_marks).enumerate().filter(|(_, (old, new))| old != new);
    let changes: Vec<Change> = differ.map(|(tile, _)| Change { gone: old.tile(tile), come: new.tile(tile) }).collect();
    let moved: usize = changes.iter().map(|change| change.gone.len() + change.come.len()).sum();
    (moved <= made.map.samples.len()).then_some(changes)
}

/// Adding it takes one away: what is not seen need not have been counted before.
const ONE_LESS: u32 = u32::MAX;

/// All classes of a cell are counted: that needs no branch that a processor guesses wrong, and tells the same in whatever order the
/// samples come.
#[derive(Clone, Debug)]
struct Tally {
    grid: Dots,
    /// Named classes and one for the others.
    columns: usize,
    /// Cell by cell, and last what lies in none.
    classes: Vec<u32>,
    /// Samples of each dot, eight a cell, likewise. Beyond what this number holds it begins anew.
    dots: Vec<u16>,
}

impl Tally {
    fn new(made: &Made) -> Self {
        let grid = Dots::over(made.seen, made.area);
        let columns = made.classes.min(CLASSES) + 1;
        let cells = grid.outside as usize + 1;
        Self { grid, columns, classes: vec![0; cells * columns], dots: vec![0; cells * DOTS] }
    }

    fn add(&mut self, made: &Made, points: &[MapPoint]) {
        self.count(made, points, 1);
    }

    fn take(&mut self, made: &Made, points: &[MapPoint]) {
        self.count(made, points, ONE_LESS);
    }

    fn count(&mut self, made: &Made, points: &[MapPoint], by: u32) {
        // One loop for each colour: what it asks of a point is known beforehand.
        match made.colour {
            MapColour::Model => self.count_by(points, by, |point| point.model),
            MapColour::Source => self.count_by(points, by, |point| point.source),
            MapColour::Margin => self.count_by(points, by, |point| point.class(MapColour::Margin, made.dim)),
        }
    }

    fn count_by(&mut self, points: &[MapPoint], by: u32, class: impl Fn(&MapPoint) -> u16) {
        let others = self.columns - 1;
        let (mut places, mut classes) = ([(0.0, 0.0); BATCH], [0; BATCH]);
        let mut dots = [0; BATCH];
        for batch in points.chunks(BATCH) {
            for ((place, named), point) in places.iter_mut().zip(&mut classes).zip(batch) {
                (*place, *named) = ((point.x, point.y), class(point));
            }
            // All of them, though the last batch may be short: a fixed number is what compilers make vectors of.
            for (dot, place) in dots.iter_mut().zip(&places) {
                *dot = self.grid.dot(place.0, place.1);
            }
            for (dot, class) in dots.iter().zip(&classes).take(batch.len()) {
                let dot = *dot as usize;
                let held = &mut self.dots[dot];
                *held = held.wrapping_add(by as u16);
                let held = &mut self.classes[dot / DOTS * self.columns + usize::from(*class).min(others)];
                *held = held.wrapping_add(by);
            }
        }
    }

    fn cells(&self, made: &Made) -> Vec<Cell> {
        let is_best = made.colour == MapColour::Margin;
        let by_cell = self.dots.chunks_exact(DOTS).zip(self.classes.chunks_exact(self.columns));
        let cell = |(dots, classes): (&[u16], &[u32])| {
            // Most of a map is empty.
            if dots == [0; DOTS] {
                return Cell::default();
            }
            let samples = classes.iter().sum();
            let named = &classes[..classes.len() - 1];
            let most = if is_best { 1 } else { named.iter().copied().max().unwrap_or(0).max(1) };
            let class = named.iter().position(|count| *count >= most).map_or(u16::MAX, |class| class as u16);
            Cell { dots: braille(dots), samples, class, ..Cell::default() }
        };
        by_cell.take(self.grid.outside as usize).map(cell).collect()
    }

    fn counts(&self, made: &Made) -> Vec<u32> {
        let named = made.classes;
        let mut counts = vec![0; named + 1];
        if named + 1 == self.columns {
            for cell in self.classes.chunks_exact(self.columns) {
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

fn braille(dots: &[u16]) -> u8 {
    /// By row: left and right column.
    const BITS: [u8; DOTS] = [0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80];
    dots.iter().zip(BITS).map(|(count, bit)| if *count > 0 { bit } else { 0 }).sum()
}
