//! What the library has about one target that somebody looks at, whether it hits or not.

use somascope_matching::{band, norm, products_of_rows};

use super::{
    Library, TargetSpec,
    board::{GroupKey, distance, group_of},
    reach::mark,
    shelf::Shelf,
    survey::{Seen, least},
};
use crate::{
    engine::corpus::Source,
    model,
    primitives::{Digest, ObjectId},
};

/// Samples that a person is shown of those nearest to a target.
const SIGHTED: usize = 12;

/// What the library has about one target.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::engine) struct Sight {
    /// Samples that each of its models has scored.
    pub scored: Vec<u64>,
    /// Of each: the samples with the lowest loss under it, and the least distance among those.
    pub models: Vec<(u64, Option<f32>)>,
    /// The nearest samples with their winners and distances, the nearest first.
    pub nearest: Vec<(Source, ObjectId, f32)>,
    /// The nearest sample within the threshold by a model that does not win it.
    pub beaten: Option<Beaten>,
}

/// A sample that would be a hit if another model had the lowest loss on it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct Beaten {
    pub source: Source,
    /// By this model it would hit, at this distance and with this loss.
    pub model: ObjectId,
    pub distance: f32,
    pub loss: f32,
    /// The winner, and its loss.
    pub winner: (ObjectId, f32),
}

/// Everything that the library has about one target, whether it hits or not; `None` if a model of it is not in the registry.
pub(super) fn look(spec: &TargetSpec, library: &Library) -> Option<Sight> {
    let GroupKey(weights, dim) = group_of(spec)?;
    let norm_of_target = norm(&spec.embedding);
    let band = band(dim);
    let mut models: Vec<(u64, Option<f32>)> = Vec::with_capacity(weights.len());
    let mut nearest: Vec<(f32, usize, Seen)> = Vec::new();
    for (winner, (weights, won)) in weights.iter().zip(library.winners(&weights)).enumerate() {
        let wins = won.len() as u64;
        let Some(shelf) = library.shelf(weights).filter(|shelf| shelf.dim() == dim && !won.is_empty()) else {
            models.push((wins, None));
            continue;
        };
        let slots: Vec<u32> = won.iter().map(|(slot, _)| *slot).collect();
        let mut out = vec![0.0; slots.len()];
        products_of_rows(shelf.embeddings(), dim, &slots, &spec.embedding, &mut out);
        let norms = shelf.norms();
        let rows = won.iter().zip(out).map(|((slot, number), product)| {
            (distance(product, (norms[*slot as usize], norm_of_target)), Seen { winner, slot: *slot, number: *number })
        });
        let mut rows: Vec<(f32, Seen)> = rows.filter(|(distance, _)| distance.is_finite()).collect();
        let exact = |row: Seen| exactly(shelf, row.slot, spec);
        let best = least(&rows, band, exact);
        models.push((wins, best.map(|(distance, _)| distance)));
        let few = rows.len().min(2 * SIGHTED);
        if few < rows.len() {
            rows.select_nth_unstable_by(few, |(a, _), (b, _)| a.total_cmp(b));
        }
        rows.truncate(few);
        nearest.extend(rows.into_iter().filter_map(|(_, row)| Some((exact(row)?, winner, row))));
    }
    nearest.sort_by(|(a, ..), (b, ..)| a.total_cmp(b));
    nearest.truncate(SIGHTED);
    let nearest = nearest
        .into_iter()
        .filter_map(|(distance, winner, row)| Some((library.source(row.number)?, spec.models[winner].0, distance)));
    let scored = weights.iter().map(|weights| library.scored(weights) as u64).collect();
    Some(Sight { scored, models, nearest: nearest.collect(), beaten: beaten(spec, &weights, library) })
}

/// The distance of a row with all its bits; `None`: it is damaged, or has no direction.
fn exactly(shelf: &Shelf, slot: u32, spec: &TargetSpec) -> Option<f32> {
    let embedding = shelf.exact(slot)?;
    Some(model::cosine_distance(&embedding, &spec.embedding)).filter(|distance| distance.is_finite())
}

/// Looks for the sample that only its loss keeps from being a hit.
fn beaten(spec: &TargetSpec, weights: &[Digest], library: &Library) -> Option<Beaten> {
    let dim = spec.embedding.len();
    let shelves: Vec<&Shelf> = weights.iter().map(|weights| library.shelf(weights)).collect::<Option<_>>()?;
    let mut lost: Vec<Lost<'_>> = shelves.iter().enumerate().map(|(model, shelf)| Lost::of(model, shelf)).collect();
    library.each_scored(weights, |number, slots, winner| {
        let losers = lost.iter_mut().zip(slots).filter(|(lost, _)| lost.model != winner && lost.shelf.dim() == dim);
        losers.for_each(|(lost, slot)| lost.add(*slot, number, spec));
    });
    lost.iter_mut().for_each(|lost| lost.meet(spec));
    let near: Vec<(f32, Seen)> = lost.into_iter().flat_map(|lost| lost.near).collect();
    let (distance, row) = least(&near, band(dim), |row| exactly(shelves[row.winner], row.slot, spec))?;
    if distance > spec.threshold {
        return None;
    }
    let loss = |shelf: &&Shelf| Some(shelf.losses()[shelf.slot(row.number)? as usize]);
    let losses: Vec<f32> = shelves.iter().map(loss).collect::<Option<_>>()?;
    let winner = model::winner(&losses)?;
    Some(Beaten {
        source: library.source(row.number)?,
        model: spec.models[row.winner].0,
        distance,
        loss: losses[row.winner],
        winner: (spec.models[winner].0, losses[winner]),
    })
}

/// Rows that meet a target together.
const AT_ONCE: usize = 1 << 16;
/// Rows of those that seem near enough, the nearest, which are looked at with all their bits.
const NEAR: usize = 1024;

/// The samples that a model does not win, as they meet a target: what this takes does not grow with the library.
struct Lost<'a> {
    /// Index into the target's models.
    model: usize,
    shelf: &'a Shelf,
    /// Those that have not met it yet.
    slots: Vec<u32>,
    numbers: Vec<u32>,
    /// As if this model won them.
    near: Vec<(f32, Seen)>,
}

impl<'a> Lost<'a> {
    fn of(model: usize, shelf: &'a Shelf) -> Self {
        Self { model, shelf, slots: Vec::new(), numbers: Vec::new(), near: Vec::new() }
    }

    fn add(&mut self, slot: u32, number: u32, spec: &TargetSpec) {
        self.slots.push(slot);
        self.numbers.push(number);
        if self.slots.len() >= AT_ONCE {
            self.meet(spec);
        }
    }

    fn meet(&mut self, spec: &TargetSpec) {
        let (dim, norm_of_target) = (spec.embedding.len(), norm(&spec.embedding));
        let mut out = vec![0.0; self.slots.len()];
        products_of_rows(self.shelf.embeddings(), dim, &self.slots, &spec.embedding, &mut out);
        let (model, norms, reach) = (self.model, self.shelf.norms(), spec.threshold + band(dim));
        let rows = self.slots.drain(..).zip(self.numbers.drain(..)).zip(out);
        let seen = rows.map(|((slot, number), product)| {
            let seeming = distance(product, (norms[slot as usize], norm_of_target));
            (seeming, Seen { winner: model, slot, number })
        });
        self.near.extend(seen.filter(|(seeming, _)| *seeming <= reach));
        if self.near.len() > NEAR {
            self.near.select_nth_unstable_by(NEAR, |(a, _), (b, _)| a.total_cmp(b));
            self.near.truncate(NEAR);
        }
    }
}

/// A sample of the map, in one number: its number in the library, and whose number that was.
pub(super) fn name_of_sample(number: u32, mark: u32) -> u64 {
    u64::from(number) << 32 | u64::from(mark)
}

/// What the library has of one sample.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct SampleSight {
    pub sample: u64,
    pub source: Source,
    /// By weights, in any order.
    pub losses: Vec<(Digest, f32)>,
}

pub(super) fn look_at_sample(name: u64, library: &Library) -> Option<SampleSight> {
    let number = (name >> 32) as u32;
    let is_same = library.sample(number).is_some_and(|sample| name_of_sample(number, mark(&sample.checksum)) == name);
    let losses = library.shelves().filter_map(|(weights, shelf)| {
        let slot = shelf.slot(number)?;
        Some((*weights, shelf.losses()[slot as usize]))
    });
    Some(SampleSight { sample: name, source: library.source(number).filter(|_| is_same)?, losses: losses.collect() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{super::ScoredSample, *};
    use crate::model::Score;

    fn weights(n: u8) -> Digest {
        Digest([n; 32])
    }

    fn sample(n: u8, scores: [(f32, [f32; 3]); 2]) -> ScoredSample {
        let score = |(loss, embedding): (f32, [f32; 3])| Arc::new(Score { loss, embedding: embedding.to_vec() });
        ScoredSample {
            checksum: Digest([n; 32]),
            source: Source::file(std::path::Path::new(&format!("/d/{n}.txt")).into(), 0, 9, false),
            scores: scores.into_iter().zip([1, 2]).map(|(of, model)| (weights(model), score(of))).collect(),
            failures: Vec::new(),
        }
    }

    #[test]
    fn a_sample_that_only_its_loss_keeps_from_being_a_hit_is_told_with_who_decides() {
        let dir = tempfile::tempdir().unwrap();
        let mut library = Library::open(dir.path(), u64::MAX).unwrap();
        let spec = TargetSpec {
            id: ObjectId([9; 32]),
            embedding: [1.0, 0.0, 0.0].as_slice().into(),
            threshold: 0.5,
            models: [1, 2].map(|n| (ObjectId([n; 32]), Some(weights(n)))).to_vec(),
        };
        // Far by its winner; far by both.
        library.add(&[sample(3, [(1.0, [0.0, 1.0, 0.0]), (2.0, [0.0, 1.0, 0.2])])]).unwrap();
        assert_eq!(look(&spec, &library).unwrap().beaten, None);
        // Near by the second model; the first one has the lower loss.
        library.add(&[sample(4, [(1.5, [0.0, 0.0, 1.0]), (2.5, [1.0, 0.5, 0.0])])]).unwrap();
        let sight = look(&spec, &library).unwrap();
        let beaten = sight.beaten.unwrap();
        assert_eq!((beaten.model, beaten.loss, beaten.winner), (ObjectId([2; 32]), 2.5, (ObjectId([1; 32]), 1.5)));
        assert_eq!(beaten.source.pieces().len(), 1);
        assert!((beaten.distance - (1.0 - 1.0 / 1.25f32.sqrt())).abs() < 1e-5);
        assert_eq!(sight.models.iter().map(|(wins, _)| *wins).collect::<Vec<_>>(), [2, 0]);
        // That sample in full; another one that has its number is not meant.
        let number = library.find(&Digest([4; 32])).unwrap();
        let name = name_of_sample(number, mark(&Digest([4; 32])));
        let mut told = look_at_sample(name, &library).unwrap();
        told.losses.sort_by(|a, b| a.1.total_cmp(&b.1));
        assert_eq!(told.losses, [(weights(1), 1.5), (weights(2), 2.5)]);
        assert!(told.source.label().contains("4.txt"));
        assert_eq!(look_at_sample(name + 1, &library), None);
        assert_eq!(look_at_sample(name_of_sample(99, 0), &library), None);
    }

    #[test]
    fn of_samples_that_seem_as_near_the_one_that_is_nearest_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut library = Library::open(dir.path(), u64::MAX).unwrap();
        // With half of their bits both begin with 0.5.
        let (far, near) = ([0.49989, 1.0, 0.0], [0.50013, 1.0, 0.0]);
        let embedding = [1.0, 0.0, 0.0];
        let [to_far, to_near] = [far, near].map(|of| model::cosine_distance(&of, &embedding));
        assert!(to_near < to_far);
        let mut spec = TargetSpec {
            id: ObjectId([9; 32]),
            embedding: embedding.as_slice().into(),
            threshold: f32::midpoint(to_far, to_near),
            models: [1, 2].map(|n| (ObjectId([n; 32]), Some(weights(n)))).to_vec(),
        };
        let beaten_by_first = |n, of| sample(n, [(1.0, [0.0, 0.0, 1.0]), (2.0, of)]);
        library.add(&[beaten_by_first(3, far)]).unwrap();
        assert_eq!(look(&spec, &library).unwrap().beaten, None, "it only seems to be inside");
        library.add(&[beaten_by_first(4, near)]).unwrap();
        let beaten = look(&spec, &library).unwrap().beaten.unwrap();
        assert!(beaten.source.label().contains("4.txt"), "{beaten:?}");
        assert_eq!((beaten.distance, beaten.model), (to_near, ObjectId([2; 32])));
        spec.threshold = to_near - 1e-5;
        assert_eq!(look(&spec, &library).unwrap().beaten, None);
    }
}
