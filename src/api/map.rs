//! The niche map: points of embedding space in two dimensions, and what can be earned where.

use std::{
    hash::{DefaultHasher, Hasher},
    ops::Range,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::primitives::{ObjectId, Shannons};

/// How the map lays out embeddings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MapLayout {
    /// The two directions in which models and samples differ most.
    #[default]
    Principal,
    /// Neighbours stay together; distances between groups say little.
    Neighbours,
}

/// What the colour of a sample on the map says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MapColour {
    /// The model with the lowest loss.
    #[default]
    Model,
    /// Where our data comes from.
    Source,
    /// How near it comes to an open target.
    Margin,
}

/// Two dimensions of embedding space. The basis is fixed until `basis` changes, so points do not jump. Lists are shared, not copied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MapView {
    /// Grows when the basis was fitted again.
    pub basis: u64,
    pub layout: MapLayout,
    /// Another basis or layout is being computed.
    pub fitting: bool,
    /// Share of the samples' variance on each axis; of the principal layout only.
    pub explained: [f32; 2],
    /// At most 100,000 of our samples, a uniform choice, each under its winning model.
    pub samples: Arc<Vec<MapPoint>>,
    /// Where to look for them.
    #[serde(default)]
    pub tiles: Arc<Tiles>,
    /// Samples of which that is a choice.
    pub scored: u64,
    /// What [`MapPoint::source`] counts: folders of our data, or kinds of files.
    pub sources: Arc<Vec<String>>,
    /// What [`MapPoint::nearest`] counts: open targets.
    pub reached: Arc<Vec<ObjectId>>,
    pub models: Vec<MapModel>,
    pub targets: Arc<Vec<MapTarget>>,
    pub coverage: Arc<Coverage>,
}

impl MapView {
    /// Fewer samples make no picture that lasts.
    pub const LEAST_POINTS: usize = 16;

    /// Where samples lie; `None`: nobody has ordered them.
    pub fn tiles(&self) -> Option<&Tiles> {
        Some(&*self.tiles).filter(|tiles| tiles.are_of(self.samples.len()))
    }
}

/// One of our samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapPoint {
    pub x: f32,
    pub y: f32,
    /// Index into [`Snapshot::models`](super::Snapshot::models) of the model with the lowest loss.
    pub model: u16,
    /// Index into [`MapView::sources`].
    pub source: u16,
    /// Under that model.
    pub loss: f32,
    /// The best of its margins to open targets, each under the target's winner; `None`: it has met none.
    pub margin: Option<f32>,
    /// Index into [`MapView::reached`] of the target with that margin.
    pub nearest: u32,
    /// What [`Command::LookAtSample`](super::Command::LookAtSample) names it by.
    #[serde(default)]
    pub sample: u64,
}

/// A sample of ours, as the library holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleDetail {
    /// [`MapPoint::sample`]
    pub sample: u64,
    pub source: String,
    pub size_bytes: u64,
    /// Its loss under each model that scored it and is in play, the lowest first.
    pub losses: Vec<(ObjectId, f32)>,
}

impl MapPoint {
    /// Classes of [`MapColour::Margin`]: a hit, short of one by up to 1, 2, 3 σ, by more, never measured.
    pub const MARGINS: u16 = 6;

    /// What its colour says. `dim`: of embeddings; distances to a random target scatter by σ = 1/√dim.
    pub fn class(&self, colour: MapColour, dim: u64) -> u16 {
        match (colour, self.margin) {
            (MapColour::Model, _) => self.model,
            (MapColour::Source, _) => self.source,
            (MapColour::Margin, Some(margin)) if margin.is_finite() => {
                let short = -margin * (dim as f32).sqrt();
                [0.0, 1.0, 2.0, 3.0].map(|by| u16::from(short > by)).iter().sum()
            }
            (MapColour::Margin, _) => Self::MARGINS - 1,
        }
    }
}

/// Which samples lie where, so that nobody looks through all of them for a few: they are ordered by tiles of the rectangle that they fill.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tiles {
    /// Lower left and upper right of the samples.
    pub min: (f32, f32),
    pub max: (f32, f32),
    /// Tiles each way.
    pub side: u16,
    /// The first sample of each tile, row by row from the lower left, and the end of the last one.
    pub starts: Vec<u32>,
    /// By tile; not in what is written down.
    #[serde(skip)]
    marks: Vec<u64>,
}

/// Whether the samples lie alike: how they look besides is not asked.
impl PartialEq for Tiles {
    fn eq(&self, other: &Self) -> bool {
        (self.min, self.max, self.side) == (other.min, other.max, other.side) && self.starts == other.starts
    }
}

impl Tiles {
    const SIDE: u16 = 64;

    /// Orders samples by tiles; within one they stay in their order.
    pub fn order(samples: &mut Vec<MapPoint>) -> Self {
        let (mut min, mut max) = ((f32::INFINITY, f32::INFINITY), (f32::NEG_INFINITY, f32::NEG_INFINITY));
        for point in samples.iter().filter(|point| point.x.is_finite() && point.y.is_finite()) {
            min = (min.0.min(point.x), min.1.min(point.y));
            max = (max.0.max(point.x), max.1.max(point.y));
        }
        if min.0 > max.0 {
            // Nothing lies anywhere.
            return Self::default();
        }
        let mut tiles = Self { min, max, side: Self::SIDE, starts: Vec::new(), marks: Vec::new() };
        let count = usize::from(Self::SIDE).pow(2);
        let of: Vec<u32> = samples.iter().map(|point| tiles.of(point.x, point.y) as u32).collect();
        let mut starts = vec![0_u32; count + 1];
        of.iter().for_each(|tile| starts[*tile as usize + 1] += 1);
        (0..count).for_each(|tile| starts[tile + 1] += starts[tile]);
        let (mut next, mut ordered) = (starts.clone(), samples.clone());
        for (point, tile) in samples.iter().zip(of) {
            let at = &mut next[tile as usize];
            ordered[*at as usize] = *point;
            *at += 1;
        }
        *samples = ordered;
        tiles.starts = starts;
        tiles.marks = (0..count).map(|tile| mark(&samples[tiles.tile(tile)])).collect();
        tiles
    }

    /// Whether these are the tiles of so many samples: what came from a file may say anything.
    pub fn are_of(&self, samples: usize) -> bool {
        let count = usize::from(self.side).pow(2);
        count > 0
            && self.starts.len() == count + 1
            && self.starts[0] == 0
            && self.starts[count] as usize == samples
            && self.starts.is_sorted()
            && self.min.0 <= self.max.0
            && self.min.1 <= self.max.1
            && [self.min.0, self.min.1, self.max.0, self.max.1].iter().all(|x| x.is_finite())
    }

    /// Column and row of a place; what lies beyond counts to the edge, what is no number to the first.
    pub fn place(&self, x: f32, y: f32) -> (u16, u16) {
        let at = |value: f32, low: f32, high: f32| {
            let side = f32::from(self.side);
            // Of a rectangle without a width all lies in the first column.
            (((value - low) / (high - low) * side) as u16).min(self.side.saturating_sub(1))
        };
        (at(x, self.min.0, self.max.0), at(y, self.min.1, self.max.1))
    }

    fn of(&self, x: f32, y: f32) -> usize {
        let (column, row) = self.place(x, y);
        usize::from(row) * usize::from(self.side) + usize::from(column)
    }

    /// The samples of one tile, by its number.
    pub fn tile(&self, tile: usize) -> Range<usize> {
        self.starts[tile] as usize..self.starts[tile + 1] as usize
    }

    /// By tile: where two of them are equal, the samples look the same. `None`: nobody has made them.
    pub fn marks(&self) -> Option<&[u64]> {
        Some(&*self.marks).filter(|marks| marks.len() + 1 == self.starts.len())
    }

    /// The samples of neighbouring tiles of a row, `columns` both inclusive.
    pub fn run(&self, row: u16, columns: (u16, u16)) -> Range<usize> {
        let at = |column: u16| usize::from(row) * usize::from(self.side) + usize::from(column);
        self.starts[at(columns.0)] as usize..self.starts[at(columns.1) + 1] as usize
    }

    /// Width and height of a tile.
    pub fn size(&self) -> (f32, f32) {
        let side = f32::from(self.side);
        ((self.max.0 - self.min.0) / side, (self.max.1 - self.min.1) / side)
    }
}

/// Of what the map shows of samples, in their order.
fn mark(samples: &[MapPoint]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for point in samples {
        let margin = point.margin.map_or(u32::MAX, f32::to_bits);
        let look = u32::from(point.model) << 16 | u32::from(point.source);
        hasher.write_u64(u64::from(point.x.to_bits()) << 32 | u64::from(point.y.to_bits()));
        hasher.write_u64(u64::from(look) << 32 | u64::from(margin));
    }
    hasher.finish()
}

/// A model's own embedding.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapModel {
    pub x: f32,
    pub y: f32,
    /// Index into [`Snapshot::models`](super::Snapshot::models).
    pub model: u16,
}

/// A target, where our data comes closest to it: at our nearest sample under the model that wins it for the target, a quarter of the way
/// towards the target's models. Its own embedding is a random direction, which no two dimensions show. Without a sample: amid its models.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapTarget {
    pub x: f32,
    pub y: f32,
    /// Index into [`Snapshot::targets`](super::Snapshot::targets).
    pub row: u32,
}

/// The map in regions: what of our library lies there, against what could be earned there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    pub columns: u16,
    pub rows: u16,
    /// The corners of the grid; what lies beyond counts to the regions at its edge.
    pub min: (f32, f32),
    pub max: (f32, f32),
    /// Regions with anything in them; the most underserved first, those with nothing to earn last.
    pub regions: Vec<Region>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// From the left and from the bottom.
    pub column: u16,
    pub row: u16,
    pub samples: u32,
    /// Open targets that nothing of ours hits.
    pub open: u32,
    /// Open targets that something of ours hits.
    pub hit: u32,
    /// What the former pay in all.
    pub reward: Shannons,
    /// Margins of our best samples to the former: the best and the mean.
    pub best_margin: Option<f32>,
    pub mean_margin: Option<f32>,
    /// Reward per sample of ours, against the whole map's: 1 is served like the rest, 3 has three times the reward for what we have
    /// there; drawn towards 1 where few samples say it. 0: nothing to earn.
    pub need: f32,
}

/// A rectangle of the map in millionths of its grid ([`Coverage`]), from the lower left corner: whole numbers, so that an
/// answer is told by its question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapPart {
    /// [`MapView::basis`]
    pub basis: u64,
    pub min: (i32, i32),
    pub max: (i32, i32),
}

impl MapPart {
    /// `grid`, `corners`: lower left and upper right, in the map's own units. `None`: the grid has no size.
    pub fn new(basis: u64, grid: [(f32, f32); 2], corners: [(f32, f32); 2]) -> Option<Self> {
        let [low, high] = grid;
        // What is beyond a number's range is as far away as it can tell.
        let at = |value: f32, low: f32, high: f32| ((value - low) / (high - low) * 1e6).round() as i32;
        let [min, max] = corners.map(|(x, y)| (at(x, low.0, high.0), at(y, low.1, high.1)));
        (high.0 > low.0 && high.1 > low.1).then_some(Self { basis, min, max })
    }

    /// How far a place of the map is from this part and from its middle, in shares of the grid's width and height.
    pub fn away(&self, grid: [(f32, f32); 2], (x, y): (f32, f32)) -> (f32, f32) {
        let [low, high] = grid;
        let axis = |value: f32, low: f32, high: f32, from: i32, to: i32| {
            let (at, from, to) = ((value - low) / (high - low), from as f32 / 1e6, to as f32 / 1e6);
            ((from - at).max(at - to).max(0.0), at - f32::midpoint(from, to))
        };
        let (x, middle_x) = axis(x, low.0, high.0, self.min.0, self.max.0);
        let (y, middle_y) = axis(y, low.1, high.1, self.min.1, self.max.1);
        (x.hypot(y), middle_x.hypot(middle_y))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points() -> impl Strategy<Value = Vec<MapPoint>> {
        let number = prop_oneof![4 => -3.0f32..3.0, 1 => prop::num::f32::ANY];
        let point = (number.clone(), number, any::<u16>());
        let point = point.prop_map(|(x, y, model)| MapPoint {
            x,
            y,
            model,
            source: 0,
            loss: 1.0,
            margin: None,
            nearest: 0,
            sample: 0,
        });
        prop::collection::vec(point, 0..80)
    }

    proptest! {
        #[test]
        fn tiles_hold_every_sample_once_and_where_it_lies(before in points()) {
            let mut samples = before.clone();
            let tiles = Tiles::order(&mut samples);
            let bits = |points: &[MapPoint]| {
                let mut bits: Vec<_> = points.iter().map(|p| (p.x.to_bits(), p.y.to_bits(), p.model)).collect();
                bits.sort_unstable();
                bits
            };
            prop_assert_eq!(bits(&samples), bits(&before));
            let has_place = samples.iter().any(|p| p.x.is_finite() && p.y.is_finite());
            prop_assert_eq!(tiles.are_of(samples.len()), has_place);
            if has_place {
                for row in 0..tiles.side {
                    for column in 0..tiles.side {
                        for point in &samples[tiles.run(row, (column, column))] {
                            prop_assert_eq!(tiles.place(point.x, point.y), (column, row));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn tiles_from_a_file_are_not_trusted() {
        let mut samples =
            vec![MapPoint { x: 1.0, y: 2.0, model: 0, source: 0, loss: 1.0, margin: None, nearest: 0, sample: 0 }];
        let tiles = Tiles::order(&mut samples);
        assert!(tiles.are_of(1) && !tiles.are_of(2) && !Tiles::default().are_of(0));
        let mut wrong = tiles.clone();
        wrong.starts[3] = 7;
        assert!(!wrong.are_of(1));
        assert!(!Tiles { side: 9, ..tiles.clone() }.are_of(1));
        let (min, max) = (tiles.min, tiles.max);
        assert!(!Tiles { min: (max.0 + 1.0, min.1), ..tiles.clone() }.are_of(1));
        assert!(!Tiles { min: (min.0, max.1 + 1.0), ..tiles }.are_of(1));
    }

    #[test]
    fn a_part_is_as_far_as_a_share_of_the_map_and_nothing_lies_between_it_and_what_is_in_it() {
        let grid = [(-1.0, 0.0), (3.0, 2.0)];
        let part = MapPart::new(4, grid, [(0.0, 0.5), (1.0, 1.0)]).unwrap();
        assert_eq!((part.min, part.max), ((250_000, 250_000), (500_000, 500_000)));
        assert_eq!(part.away(grid, (0.5, 0.75)), (0.0, 0.0));
        let (away, to_middle) = part.away(grid, (2.0, 0.75));
        assert!((away - 0.25).abs() < 1e-6 && (to_middle - 0.375).abs() < 1e-6);
        assert_eq!(MapPart::new(4, [(1.0, 1.0); 2], grid), None);
        assert!(MapPart::new(4, grid, [(f32::NAN, -1e38), (1e38, 1.0)]).is_some());
    }
}
