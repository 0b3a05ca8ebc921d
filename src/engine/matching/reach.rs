//! What the map asks of the products that are computed anyway: the best target of each sample, the nearest sample of each target.
//!
//! From half-precision rows, so a margin here errs by up to [`band`](somascope_matching::band): enough for a picture, and nothing is
//! decided by it.

use std::collections::HashMap;

use crate::primitives::{Digest, ObjectId};

/// Tells whether a number still means the same sample.
pub(super) fn mark(checksum: &Digest) -> u32 {
    u32::from_be_bytes([checksum.0[0], checksum.0[1], checksum.0[2], checksum.0[3]])
}

/// A row that meets targets: its sample's number and [`mark`], under the model that wins it for them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Met {
    pub number: u32,
    pub mark: u32,
    pub winner: Digest,
}

#[derive(Clone, Copy)]
struct Best {
    mark: u32,
    target: u32,
    margin: f32,
}

const NOTHING: Best = Best { mark: 0, target: 0, margin: f32::NEG_INFINITY };

struct Held {
    /// Never given twice; 0 is none.
    key: u32,
    nearest: Option<(f32, Met)>,
}

#[derive(Default)]
pub(super) struct Reach {
    /// By number.
    samples: Vec<Best>,
    targets: HashMap<ObjectId, Held>,
    names: HashMap<u32, ObjectId>,
    last: u32,
    closed: u64,
}

impl Reach {
    pub fn open(&mut self, id: ObjectId) {
        self.close(&id);
        self.last += 1;
        self.names.insert(self.last, id);
        self.targets.insert(id, Held { key: self.last, nearest: None });
    }

    pub fn close(&mut self, id: &ObjectId) {
        if let Some(held) = self.targets.remove(id) {
            self.names.remove(&held.key);
            self.closed += 1;
        }
    }

    /// Takes in the distances `[rows, targets]` of rows to targets that are open; NaN is no distance.
    pub fn meet(&mut self, rows: &[Met], targets: &[ObjectId], thresholds: &[f32], distances: &[f32]) {
        let n = targets.len();
        if n == 0 || rows.is_empty() {
            return;
        }
        let keys: Vec<u32> = targets.iter().map(|id| self.targets.get(id).map_or(0, |held| held.key)).collect();
        let mut nearest: Vec<(f32, usize)> = vec![(f32::INFINITY, 0); n];
        for (at, (row, distances)) in rows.iter().zip(distances.chunks_exact(n)).enumerate() {
            let (mut margin, mut target) = (f32::NEG_INFINITY, 0);
            for (column, distance) in distances.iter().enumerate() {
                let seen = thresholds[column] - distance;
                if seen > margin {
                    (margin, target) = (seen, column);
                }
                if *distance < nearest[column].0 {
                    nearest[column] = (*distance, at);
                }
            }
            if margin.is_finite() && keys[target] != 0 {
                self.improve(row, keys[target], margin);
            }
        }
        for (id, (distance, at)) in targets.iter().zip(nearest) {
            if let Some(held) = self.targets.get_mut(id)
                && distance.is_finite()
                && held.nearest.is_none_or(|(best, _)| distance < best)
            {
                held.nearest = Some((distance, rows[at]));
            }
        }
    }

    fn improve(&mut self, row: &Met, target: u32, margin: f32) {
        let at = row.number as usize;
        if self.samples.len() <= at {
            self.samples.resize(at + 1, NOTHING);
        }
        let best = &mut self.samples[at];
        let is_held = best.mark == row.mark && self.names.contains_key(&best.target);
        if !is_held || margin > best.margin {
            *best = Best { mark: row.mark, target, margin };
        }
    }

    /// The best margin of a sample and its target; `None`: none is known, or the target is closed.
    pub fn best(&self, number: u32, mark: u32) -> Option<(f32, ObjectId)> {
        let best = self.samples.get(number as usize).filter(|best| best.mark == mark)?;
        Some((best.margin, *self.names.get(&best.target)?))
    }

    /// Targets with the samples that come closest to them.
    pub fn nearest(&self) -> impl Iterator<Item = (ObjectId, Met)> {
        self.targets.iter().filter_map(|(id, held)| Some((*id, held.nearest?.1)))
    }

    /// How many targets have been closed.
    pub fn closed(&self) -> u64 {
        self.closed
    }

    /// Open targets.
    pub fn len(&self) -> usize {
        self.targets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ObjectId = ObjectId([1; 32]);
    const B: ObjectId = ObjectId([2; 32]);

    fn met(number: u32) -> Met {
        Met { number, mark: 100 + number, winner: Digest([9; 32]) }
    }

    #[test]
    fn samples_know_their_best_open_target_and_targets_their_nearest_sample() {
        let mut reach = Reach::default();
        [A, B].into_iter().for_each(|id| reach.open(id));
        reach.meet(&[met(0), met(3)], &[A, B], &[1.0, 1.1], &[0.9, 1.05, f32::NAN, 0.95]);
        assert_eq!(reach.best(0, 100).map(|(_, id)| id), Some(A));
        assert_eq!(reach.best(3, 103).map(|(_, id)| id), Some(B));
        assert_eq!((reach.best(3, 7), reach.best(2, 102), reach.best(99, 0)), (None, None, None));
        let nearest: HashMap<ObjectId, u32> = reach.nearest().map(|(id, met)| (id, met.number)).collect();
        assert_eq!(nearest, [(A, 0), (B, 3)].into());
        // Its target closes: nothing is known until it has met another one.
        reach.close(&A);
        assert_eq!(reach.best(0, 100), None);
        reach.meet(&[met(0)], &[B], &[1.1], &[1.2]);
        let (margin, id) = reach.best(0, 100).unwrap();
        assert!(id == B && (margin + 0.1).abs() < 1e-6);
        assert_eq!(reach.nearest().map(|(_, met)| met.number).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn a_target_that_opens_again_has_met_nothing() {
        let mut reach = Reach::default();
        reach.open(A);
        reach.meet(&[met(0)], &[A], &[1.0], &[0.5]);
        reach.open(A);
        assert_eq!((reach.len(), reach.best(0, 100), reach.nearest().count()), (1, None, 0));
        // What is not open is met by nobody.
        reach.meet(&[met(0)], &[B], &[1.0], &[0.5]);
        assert_eq!(reach.best(0, 100), None);
    }
}
