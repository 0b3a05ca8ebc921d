//! The scored samples in memory: bounded, the oldest leave first.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use rand::{SeedableRng, rngs::StdRng, seq::IteratorRandom};

use crate::{
    engine::corpus::Source,
    model::{self, Score},
    primitives::Digest,
};

/// One sample with its scores by weights.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Entry {
    pub checksum: Digest,
    pub source: Source,
    pub scores: Vec<(Digest, Arc<Score>)>,
}

impl Entry {
    fn bytes(&self) -> usize {
        self.scores.iter().map(|(_, score)| size_of_val(score.embedding.as_slice())).sum::<usize>() + size_of::<Self>()
    }

    /// The weights with the lowest loss of all that have scored the sample, if all of `weights` have.
    fn winner(&self, weights: &[Digest]) -> Option<(usize, &Arc<Score>)> {
        let find = |wanted: &Digest| self.scores.iter().find(|(held, _)| held == wanted).map(|(_, score)| score);
        let scores: Vec<&Arc<Score>> = weights.iter().map(find).collect::<Option<_>>()?;
        let index = model::winner(&scores.iter().map(|score| score.loss).collect::<Vec<_>>())?;
        Some((index, scores[index]))
    }
}

/// Samples with scores, up to a number of bytes.
pub(in crate::engine) struct Library {
    entries: HashMap<Digest, Entry>,
    order: VecDeque<Digest>,
    bytes: usize,
    limit_bytes: usize,
}

impl Library {
    pub fn new(limit_bytes: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), bytes: 0, limit_bytes }
    }

    /// Adds scores of a new or known sample. Gives the sample with all its scores.
    pub fn add(&mut self, checksum: Digest, source: Source, scores: Vec<(Digest, Arc<Score>)>) -> Entry {
        if let Some(known) = self.entries.get(&checksum) {
            self.bytes = self.bytes.saturating_sub(known.bytes());
        } else {
            self.order.push_back(checksum);
        }
        let fresh = || Entry { checksum, source: source.clone(), scores: Vec::new() };
        let entry = self.entries.entry(checksum).or_insert_with(fresh);
        entry.source = source.clone();
        for (weights, score) in scores {
            match entry.scores.iter_mut().find(|(held, _)| *held == weights) {
                Some((_, held)) => *held = score,
                None => entry.scores.push((weights, score)),
            }
        }
        self.bytes += entry.bytes();
        let entry = entry.clone();
        while self.bytes > self.limit_bytes {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(gone) = self.entries.remove(&oldest) {
                self.bytes = self.bytes.saturating_sub(gone.bytes());
            }
        }
        entry
    }

    /// Forgets scores under weights that are gone from the registry.
    pub fn keep_weights(&mut self, kept: &[Digest]) {
        self.entries.retain(|_, entry| {
            entry.scores.retain(|(weights, _)| kept.contains(weights));
            !entry.scores.is_empty()
        });
        self.order.retain(|checksum| self.entries.contains_key(checksum));
        self.bytes = self.entries.values().map(Entry::bytes).sum();
    }

    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// For each of the weights, how many samples they win; and a uniform choice of at most `limit` samples with the
    /// index of their winner. The same library gives the same choice.
    pub fn survey(&self, weights: &[Digest], limit: usize) -> (Vec<u64>, Vec<(usize, Arc<Score>)>) {
        let mut wins = vec![0; weights.len()];
        let won = self.order.iter().filter_map(|checksum| self.entries.get(checksum)?.winner(weights));
        let won = won.inspect(|(index, _)| wins[*index] += 1).map(|(index, score)| (index, score.clone()));
        let chosen = won.choose_multiple(&mut StdRng::seed_from_u64(0), limit);
        (wins, chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(library: &mut Library, n: u8, weights: u8, loss: f32) {
        let source = Source::file(std::path::Path::new("f").into(), 0, 1, false);
        let score = Arc::new(Score { loss, embedding: vec![f32::from(n); 100] });
        library.add(Digest([n; 32]), source, vec![(Digest([weights; 32]), score)]);
    }

    #[test]
    fn the_oldest_samples_leave_when_the_library_is_full() {
        let mut library = Library::new(10 * (400 + size_of::<Entry>()));
        for n in 0..50 {
            add(&mut library, n, 0, 1.0);
        }
        let mut held: Vec<u8> = library.entries().map(|entry| entry.checksum.0[0]).collect();
        held.sort_unstable();
        assert_eq!(held, (40..50).collect::<Vec<_>>());
    }

    #[test]
    fn scores_of_weights_that_are_gone_are_forgotten_with_their_samples() {
        let mut library = Library::new(usize::MAX);
        add(&mut library, 1, 0, 1.0);
        add(&mut library, 1, 1, 1.0);
        add(&mut library, 2, 0, 1.0);
        library.keep_weights(&[Digest([1; 32])]);
        assert_eq!(
            library.entries().map(|entry| (entry.checksum.0[0], entry.scores.len())).collect::<Vec<_>>(),
            [(1, 1)]
        );
    }

    #[test]
    fn a_survey_counts_the_wins_of_each_model_over_fully_scored_samples() {
        let mut library = Library::new(usize::MAX);
        for n in 0..10 {
            add(&mut library, n, 0, 1.0);
            add(&mut library, n, 1, if n < 3 { 0.5 } else { 2.0 });
        }
        add(&mut library, 10, 0, 0.1);
        let (wins, chosen) = library.survey(&[Digest([0; 32]), Digest([1; 32])], 5);
        assert_eq!((wins, chosen.len()), (vec![7, 3], 5));
    }
}
