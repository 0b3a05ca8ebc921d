//! Scores that were computed before: equal bytes, weights and seed give equal numbers, so nothing is computed twice while it is
//! remembered. Bounded by bytes; what was not asked for the longest goes first.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{model::Score, primitives::Digest};

/// What a score is of. A key is kept as its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ScoreKey {
    pub data: (Digest, u64),
    /// Of the file as it is served.
    pub weights: (Digest, u64),
    pub key: Option<Digest>,
    pub seed: u64,
}

#[derive(Default)]
struct Kept {
    scores: HashMap<ScoreKey, (Arc<Score>, u64)>,
    /// When each was last asked for → what.
    order: BTreeMap<u64, ScoreKey>,
    clock: u64,
    bytes: usize,
}

pub(super) struct Memory {
    kept: Mutex<Kept>,
    most_bytes: usize,
}

fn size(score: &Score) -> usize {
    size_of_val(score.embedding.as_slice()) + 2 * size_of::<ScoreKey>() + size_of::<Score>()
}

impl Memory {
    pub fn new(most_bytes: usize) -> Self {
        Self { kept: Mutex::default(), most_bytes }
    }

    /// Every change is whole before the lock is released, except if memory runs out, which ends the process.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn get(&self, key: &ScoreKey) -> Option<Arc<Score>> {
        let kept = &mut *self.lock();
        let (score, used) = kept.scores.get_mut(key)?;
        kept.clock += 1;
        kept.order.remove(used);
        kept.order.insert(kept.clock, *key);
        *used = kept.clock;
        Some(score.clone())
    }

    pub fn keep(&self, key: ScoreKey, score: Arc<Score>) {
        let kept = &mut *self.lock();
        kept.clock += 1;
        kept.bytes += size(&score);
        kept.order.insert(kept.clock, key);
        if let Some((before, used)) = kept.scores.insert(key, (score, kept.clock)) {
            kept.bytes -= size(&before);
            kept.order.remove(&used);
        }
        while kept.bytes > self.most_bytes {
            let Some((_, oldest)) = kept.order.pop_first() else { break };
            if let Some((score, _)) = kept.scores.remove(&oldest) {
                kept.bytes -= size(&score);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8, seed: u64) -> ScoreKey {
        ScoreKey { data: (Digest([n; 32]), 1), weights: (Digest([9; 32]), 1), key: None, seed }
    }

    fn score(loss: f32) -> Arc<Score> {
        Arc::new(Score { loss, embedding: vec![loss; 16] })
    }

    #[test]
    fn what_was_asked_for_least_recently_is_forgotten_first() {
        let memory = Memory::new(2 * size(&score(0.0)));
        memory.keep(key(1, 0), score(1.0));
        memory.keep(key(2, 0), score(2.0));
        assert!(memory.get(&key(1, 0)).is_some());
        memory.keep(key(3, 0), score(3.0));
        let known = [1, 2, 3].map(|n| memory.get(&key(n, 0)).map(|score| score.loss));
        assert_eq!(known, [Some(1.0), None, Some(3.0)]);
        let kept = memory.lock();
        assert_eq!(kept.order.len(), kept.scores.len());
    }

    #[test]
    fn another_seed_size_or_key_is_another_score() {
        let memory = Memory::new(1 << 20);
        memory.keep(key(1, 0), score(1.0));
        let sized = ScoreKey { data: (Digest([1; 32]), 2), ..key(1, 0) };
        let keyed = ScoreKey { key: Some(Digest([5; 32])), ..key(1, 0) };
        for other in [key(1, 1), sized, keyed] {
            assert!(memory.get(&other).is_none(), "{other:?}");
        }
        memory.keep(key(1, 0), score(4.0));
        assert_eq!(memory.get(&key(1, 0)).map(|score| score.loss), Some(4.0));
        assert_eq!(memory.lock().bytes, size(&score(0.0)));
    }

    #[test]
    fn a_memory_without_room_keeps_nothing() {
        let memory = Memory::new(0);
        memory.keep(key(1, 0), score(1.0));
        assert!(memory.get(&key(1, 0)).is_none());
        assert_eq!(memory.lock().bytes, 0);
    }
}
