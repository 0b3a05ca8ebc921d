//! The sample library and its answers: which of our samples is within the threshold of which open target.
//!
//! Knows scores and targets; no I/O, no clock. Every answer follows the validators' rule exactly: the winner is the model
//! with the lowest loss *among the target's models*, and the distance is that of the winner's embedding. Never holds more
//! than its limit; what falls out is still on disk.

mod library;
mod thread;

use std::{collections::HashMap, sync::Arc};

use super::corpus::Source;
use crate::{
    model,
    primitives::{Digest, ObjectId},
};

pub(super) use library::Library;
pub(super) use thread::{Ask, Matcher, Reply};

/// Candidates that are kept for a target, so that a rejected or broken one has successors.
const CANDIDATES_KEPT: usize = 16;

/// An open target, as far as matching needs it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TargetSpec {
    pub id: ObjectId,
    pub embedding: Arc<[f32]>,
    pub threshold: f32,
    /// In the target's order, with the checksum of each model's weights; `None`: not in the registry.
    pub models: Vec<(ObjectId, Option<Digest>)>,
}

/// A sample within a target's threshold, by enough.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidate {
    pub checksum: Digest,
    pub source: Source,
    pub model: ObjectId,
    pub distance: f32,
    pub losses: Vec<(ObjectId, f32)>,
}

/// What the library has for a target.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Standing {
    /// Least distance among our samples.
    pub best_distance: Option<f32>,
    /// Best first.
    pub candidates: Vec<Candidate>,
}

/// The embedding under the winner, and every loss, of one sample for one target.
struct Outcome<'a> {
    winner: usize,
    losses: Vec<f32>,
    score: &'a model::Score,
}

fn outcome<'a>(scores: &'a [(Digest, Arc<model::Score>)], target: &TargetSpec) -> Option<Outcome<'a>> {
    let find =
        |weights: Option<Digest>| scores.iter().find(|(held, _)| Some(*held) == weights).map(|(_, score)| &**score);
    let all: Vec<&model::Score> = target.models.iter().map(|(_, weights)| find(*weights)).collect::<Option<_>>()?;
    let losses: Vec<f32> = all.iter().map(|score| score.loss).collect();
    let winner = model::winner(&losses)?;
    Some(Outcome { winner, score: all[winner], losses })
}

impl Standing {
    /// Counts one sample in. Gives whether anything changed.
    fn add(&mut self, sample: &library::Entry, target: &TargetSpec, min_margin: f32) -> bool {
        let Some(outcome) = outcome(&sample.scores, target) else { return false };
        let distance = model::cosine_distance(&outcome.score.embedding, &target.embedding);
        if !distance.is_finite() {
            return false;
        }
        let nearer = self.best_distance.is_none_or(|best| distance < best);
        if nearer {
            self.best_distance = Some(distance);
        }
        // The chain compares with `≤`; the margin is the user's own wish on top.
        if distance > target.threshold || target.threshold - distance < min_margin {
            return nearer;
        }
        let losses = target.models.iter().map(|(id, _)| *id).zip(outcome.losses).collect();
        let model = target.models[outcome.winner].0;
        let candidate = Candidate { checksum: sample.checksum, source: sample.source.clone(), model, distance, losses };
        let place = self.candidates.partition_point(|held| held.is_better_than(&candidate));
        if place >= CANDIDATES_KEPT {
            return nearer;
        }
        self.candidates.insert(place, candidate);
        self.candidates.truncate(CANDIDATES_KEPT);
        true
    }
}

impl Candidate {
    /// Fewest bytes (the smallest bond), then the larger margin; the checksum makes the order total.
    fn is_better_than(&self, other: &Self) -> bool {
        (self.source.len().cmp(&other.source.len()))
            .then(self.distance.total_cmp(&other.distance))
            .then(self.checksum.cmp(&other.checksum))
            .is_lt()
    }
}

/// The open targets with their standings.
pub(super) struct Board {
    min_margin: f32,
    targets: HashMap<ObjectId, (TargetSpec, Standing)>,
}

impl Board {
    pub fn new(min_margin: f32) -> Self {
        Self { min_margin: min_margin.max(0.0), targets: HashMap::new() }
    }

    /// Tests one new (or newly scored) sample against every target. Gives the targets whose standing changed.
    pub fn offer(&mut self, sample: &library::Entry) -> Vec<ObjectId> {
        let changed = self.targets.iter_mut().filter_map(|(id, (target, standing))| {
            standing.candidates.retain(|held| held.checksum != sample.checksum);
            standing.add(sample, target, self.min_margin).then_some(*id)
        });
        changed.collect()
    }

    /// Tests a new (or changed) target against the whole library. Gives whether it was new.
    pub fn open(&mut self, target: TargetSpec, library: &Library) -> bool {
        if self.targets.get(&target.id).is_some_and(|(held, _)| *held == target) {
            return false;
        }
        let mut standing = Standing::default();
        for sample in library.entries() {
            standing.add(sample, &target, self.min_margin);
        }
        self.targets.insert(target.id, (target, standing));
        true
    }

    pub fn close(&mut self, target: &ObjectId) {
        self.targets.remove(target);
    }

    pub fn standing(&self, target: &ObjectId) -> Option<&Standing> {
        self.targets.get(target).map(|(_, standing)| standing)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Score;

    const DIM: usize = 4;

    fn weights(model: u8) -> Digest {
        Digest([model; 32])
    }

    fn source(len: u32) -> Source {
        Source::file(std::path::Path::new("f").into(), 0, len, false)
    }

    prop_compose! {
        fn vector()(values in prop::array::uniform4(-2.0f32..2.0)) -> Vec<f32> { values.to_vec() }
    }
    prop_compose! {
        // Few distinct losses and lengths, so that ties happen.
        fn sample()(scores in prop::collection::vec(prop::option::weighted(0.9, (0u8..4, vector())), 4), len in 1u32..5)
            -> RawSample { (len, scores) }
    }
    prop_compose! {
        fn target()(embedding in vector(), threshold in 0.5f32..1.5, models in prop::sample::subsequence(vec![0u8, 1, 2, 3], 1..=3))
            -> (Vec<f32>, f32, Vec<u8>) { (embedding, threshold, models) }
    }

    /// Length, and (loss, embedding) under each model that has scored it.
    type RawSample = (u32, Vec<Option<(u8, Vec<f32>)>>);

    /// The rule, written down again without any of the machinery.
    fn brute_force(
        samples: &[RawSample],
        target: &(Vec<f32>, f32, Vec<u8>),
        min_margin: f32,
    ) -> (Option<f32>, Vec<(u32, f32, usize)>) {
        let (mut best, mut hits) = (None, Vec::new());
        for (index, (len, scores)) in samples.iter().enumerate() {
            let mut lowest: Option<(u8, &Vec<f32>)> = None;
            let mut complete = true;
            for model in &target.2 {
                match &scores[usize::from(*model)] {
                    None => complete = false,
                    Some((loss, embedding)) if lowest.is_none_or(|(least, _)| *loss < least) => {
                        lowest = Some((*loss, embedding));
                    }
                    Some(_) => {}
                }
            }
            let Some((_, embedding)) = lowest.filter(|_| complete) else { continue };
            let distance = model::cosine_distance(embedding, &target.0);
            if !distance.is_finite() {
                continue;
            }
            best = Some(best.map_or(distance, |b: f32| b.min(distance)));
            if distance <= target.1 && target.1 - distance >= min_margin {
                hits.push((*len, distance, index));
            }
        }
        hits.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(checksum(a.2).cmp(&checksum(b.2))));
        hits.truncate(CANDIDATES_KEPT);
        (best, hits)
    }

    fn checksum(index: usize) -> Digest {
        model::checksum(&index.to_le_bytes())
    }

    proptest! {
        #[test]
        fn the_library_answers_as_brute_force_does_whichever_comes_first(
            samples in prop::collection::vec(sample(), 0..40),
            targets in prop::collection::vec(target(), 1..8),
            samples_first: bool,
            min_margin in 0.0f32..0.2,
        ) {
            let specs: Vec<TargetSpec> = targets.iter().enumerate().map(|(i, (embedding, threshold, models))| TargetSpec {
                id: ObjectId([i as u8; 32]),
                embedding: embedding.as_slice().into(),
                threshold: *threshold,
                models: models.iter().map(|m| (ObjectId([*m; 32]), Some(weights(*m)))).collect(),
            }).collect();
            let mut library = Library::new(usize::MAX);
            let mut board = Board::new(min_margin);
            if !samples_first {
                for spec in &specs { board.open(spec.clone(), &library); }
            }
            for (index, (len, scores)) in samples.iter().enumerate() {
                let scores = scores.iter().zip(0u8..).filter_map(|(score, m)| {
                    let (loss, embedding) = score.clone()?;
                    Some((weights(m), Arc::new(Score { loss: loss.into(), embedding })))
                });
                let entry = library.add(checksum(index), source(*len), scores.collect());
                board.offer(&entry);
            }
            if samples_first {
                for spec in &specs { board.open(spec.clone(), &library); }
            }
            for (spec, target) in specs.iter().zip(&targets) {
                let (best, hits) = brute_force(&samples, target, min_margin);
                let standing = board.standing(&spec.id).unwrap();
                prop_assert_eq!(standing.best_distance, best);
                let found: Vec<_> = standing.candidates.iter().map(|c| (c.source.len(), c.distance, c.checksum)).collect();
                let wanted: Vec<_> = hits.iter().map(|(len, d, i)| (*len, *d, checksum(*i))).collect();
                prop_assert_eq!(found, wanted);
            }
        }
    }

    #[test]
    fn a_target_with_a_model_that_has_no_score_is_not_answered() {
        let mut library = Library::new(usize::MAX);
        let score = Arc::new(Score { loss: 1.0, embedding: vec![1.0; DIM] });
        library.add(checksum(0), source(1), vec![(weights(0), score)]);
        let mut board = Board::new(0.0);
        let spec = TargetSpec {
            id: ObjectId::default(),
            embedding: vec![1.0; DIM].into(),
            threshold: 2.0,
            models: vec![(ObjectId([0; 32]), Some(weights(0))), (ObjectId([1; 32]), Some(weights(1)))],
        };
        board.open(spec, &library);
        assert_eq!(board.standing(&ObjectId::default()), Some(&Standing::default()));
    }

    #[test]
    fn a_second_score_of_a_sample_completes_it() {
        let mut library = Library::new(usize::MAX);
        let mut board = Board::new(0.0);
        let spec = TargetSpec {
            id: ObjectId::default(),
            embedding: vec![1.0; DIM].into(),
            threshold: 2.0,
            models: vec![(ObjectId([0; 32]), Some(weights(0))), (ObjectId([1; 32]), Some(weights(1)))],
        };
        board.open(spec, &library);
        for model in [0, 1] {
            let score = Arc::new(Score { loss: 1.0, embedding: vec![1.0; DIM] });
            let entry = library.add(checksum(0), source(1), vec![(weights(model), score)]);
            board.offer(&entry);
        }
        // On equal losses the target's first model wins.
        let standing = board.standing(&ObjectId::default()).unwrap();
        assert_eq!(standing.candidates.len(), 1);
        assert_eq!(standing.candidates[0].model, ObjectId([0; 32]));
    }
}
