//! The windows of the library that compositions are made of.

use std::collections::{HashMap, HashSet};

use somascope_matching::compose::{Groups, Pool, Scores};

use super::has_grown;
use crate::{
    engine::{
        corpus::WINDOW,
        matching::{Library, library::Sample, shelf::Shelf},
    },
    primitives::Digest,
};

/// The windows that some models have all scored.
pub(super) struct Windows {
    pub weights: Vec<Digest>,
    /// Samples under the first of the weights when this was made.
    scored: usize,
    /// [window]: number and checksum of the sample.
    pub samples: Vec<(u32, Digest)>,
    contents: Vec<u64>,
    pub groups: Groups,
    /// By model.
    slots: Vec<Vec<u32>>,
    norms: Vec<Vec<f32>>,
    pub losses: Vec<Vec<f32>>,
}

/// One full sequence: only of such are the scores of a composition the means.
fn is_window(sample: &Sample) -> bool {
    sample.len as usize == WINDOW
}

impl Windows {
    pub fn of(
        weights: &[Digest],
        shelves: &[&Shelf],
        library: &Library,
        scored: usize,
        gone: &HashSet<Digest>,
    ) -> Self {
        let models = weights.len();
        let mut windows = Self {
            weights: weights.to_vec(),
            scored,
            samples: Vec::new(),
            contents: Vec::new(),
            groups: Groups::default(),
            slots: vec![Vec::new(); models],
            norms: vec![Vec::new(); models],
            losses: vec![Vec::new(); models],
        };
        let (mut origins, mut groups) = (HashMap::new(), Vec::new());
        'samples: for number in shelves[0].samples() {
            let Some(sample) = library.sample(*number).filter(|sample| is_window(sample)) else { continue };
            if gone.contains(&sample.checksum) {
                continue;
            }
            for shelf in shelves {
                if shelf.slot(*number).is_none() {
                    continue 'samples;
                }
            }
            for (at, shelf) in shelves.iter().enumerate() {
                let Some(slot) = shelf.slot(*number) else { continue };
                windows.slots[at].push(slot);
                windows.norms[at].push(shelf.norms()[slot as usize]);
                windows.losses[at].push(shelf.losses()[slot as usize]);
            }
            let next = origins.len() as u32;
            groups.push(*origins.entry(sample.origin).or_insert(next));
            windows.samples.push((*number, sample.checksum));
            windows.contents.push(sample.checksum.0.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
        }
        let pool = windows.pool(shelves);
        windows.groups = Groups::new(&pool, &groups);
        windows
    }

    /// Whether these are still the windows under these weights, and nearly all of them.
    pub fn are_current(&self, weights: &[Digest], shelves: &[&Shelf], library: &Library, scored: usize) -> bool {
        let in_place = |at: usize, number: u32, checksum: &Digest| {
            library.sample(number).is_some_and(|sample| sample.checksum == *checksum)
                && shelves.iter().zip(&self.slots).all(|(shelf, slots)| shelf.slot(number) == Some(slots[at]))
        };
        self.weights == weights
            && !has_grown(self.scored, scored)
            && self.samples.iter().enumerate().all(|(at, (number, checksum))| in_place(at, *number, checksum))
    }

    pub fn pool<'a>(&'a self, shelves: &[&'a Shelf]) -> Pool<'a> {
        let of_models = shelves.iter().zip(&self.slots).zip(self.norms.iter().zip(&self.losses));
        let models = of_models.map(|((shelf, slots), (norms, losses))| Scores {
            rows: shelf.embeddings(),
            row_of: slots,
            norms,
            losses,
        });
        Pool { dim: shelves[0].dim(), models: models.collect(), contents: &self.contents }
    }
}
