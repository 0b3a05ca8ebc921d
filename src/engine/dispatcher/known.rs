//! What need not be scored: what the library holds, and what has no score there and would have none again.
//!
//! As large as the library allows: what leaves it leaves here, and may be scored again when it comes by again.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::primitives::Digest;

/// Pairs of weights and sample without a score in the library: some 12 MiB.
const PASSED_OVER: usize = 64 << 10;

/// By the ids of weights, and samples' checksums.
#[derive(Default)]
pub(super) struct Known {
    /// In the library, or on the way into it.
    held: HashMap<Digest, HashSet<Digest>>,
    /// What failed, and what the library did not keep: the newest.
    passed_over: HashSet<(Digest, Digest)>,
    /// Of those, oldest first.
    order: VecDeque<(Digest, Digest)>,
}

impl Known {
    /// Whether the library has said what it holds under these weights.
    pub fn is_told(&self, weights: &Digest) -> bool {
        self.held.contains_key(weights)
    }

    pub fn has(&self, weights: Digest, sample: Digest) -> bool {
        self.held.get(&weights).is_some_and(|held| held.contains(&sample))
            || self.passed_over.contains(&(weights, sample))
    }

    pub fn tell(&mut self, weights: Digest, held: Vec<Digest>, failed: Vec<Digest>) {
        self.held.entry(weights).or_default().extend(held);
        failed.into_iter().for_each(|sample| self.pass_over(weights, sample));
    }

    /// A score that goes into the library. Weights that are in no registry any more stay unknown.
    pub fn hold(&mut self, weights: Digest, sample: Digest) {
        if let Some(held) = self.held.get_mut(&weights) {
            held.insert(sample);
        }
    }

    /// A sample without a score in the library, that is not scored again for all that.
    pub fn pass_over(&mut self, weights: Digest, sample: Digest) {
        let Some(held) = self.held.get_mut(&weights) else { return };
        held.remove(&sample);
        if self.passed_over.insert((weights, sample)) {
            self.order.push_back((weights, sample));
        }
        while self.order.len() > PASSED_OVER {
            if let Some(oldest) = self.order.pop_front() {
                self.passed_over.remove(&oldest);
            }
        }
    }

    /// It is in the library no more.
    pub fn leave(&mut self, weights: Digest, sample: Digest) {
        if let Some(held) = self.held.get_mut(&weights) {
            held.remove(&sample);
        }
    }

    pub fn keep_weights(&mut self, kept: &[Digest]) {
        let kept: HashSet<&Digest> = kept.iter().collect();
        self.held.retain(|weights, _| kept.contains(weights));
        self.passed_over.retain(|(weights, _)| kept.contains(weights));
        self.order.retain(|(weights, _)| kept.contains(weights));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(n: usize) -> Digest {
        crate::model::checksum(&n.to_le_bytes())
    }

    const ONE: Digest = Digest([1; 32]);
    const OTHER: Digest = Digest([2; 32]);

    #[test]
    fn what_leaves_the_library_is_unknown_again_under_those_weights_only() {
        let mut known = Known::default();
        known.hold(ONE, sample(1));
        assert!(!known.is_told(&ONE) && !known.has(ONE, sample(1)), "nobody has told what the library holds");
        known.tell(ONE, vec![sample(0)], vec![sample(9)]);
        known.tell(OTHER, vec![], vec![]);
        known.hold(ONE, sample(1));
        known.hold(OTHER, sample(1));
        known.leave(ONE, sample(1));
        let here = |known: &Known| [0, 1, 9].map(|n| known.has(ONE, sample(n)));
        assert_eq!(here(&known), [true, false, true]);
        assert!(known.has(OTHER, sample(1)));
        known.keep_weights(&[OTHER]);
        assert_eq!(here(&known), [false; 3]);
        assert!(known.has(OTHER, sample(1)) && !known.is_told(&ONE));
    }

    #[test]
    fn what_has_no_score_is_remembered_up_to_a_number_and_the_oldest_is_forgotten() {
        let mut known = Known::default();
        known.tell(ONE, vec![], vec![]);
        for n in 0..PASSED_OVER + 3 {
            known.hold(ONE, sample(n));
            known.pass_over(ONE, sample(n));
            known.pass_over(ONE, sample(n));
        }
        assert_eq!((known.passed_over.len(), known.order.len()), (PASSED_OVER, PASSED_OVER));
        assert_eq!([2, 3].map(|n| known.has(ONE, sample(n))), [false, true]);
        assert!(known.held[&ONE].is_empty(), "what is passed over is not held as well");
    }
}
