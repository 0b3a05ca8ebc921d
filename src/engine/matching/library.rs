//! The scored samples on disk: every score of every sample under every model, up to a number of bytes.
//!
//! The store (SQLite) says which rows of which matrices mean what; a row is written before the store names it, and a slot is used again
//! only after the store has forgotten it. So a kill at any point leaves a library; after a loss of power, rows that the disk had
//! not taken in are told by their check sums and left out. What does not fit, or cannot be kept, is not kept: all of it can be scored
//! again.

mod opening;
mod room;

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io,
    path::PathBuf,
    sync::Arc,
};

use somascope_matching::MatrixError;

use super::{
    shelf::{NONE, Shelf},
    store::{Row, Store, StoreError, set_aside},
};
use crate::{
    engine::corpus::Source,
    model::{self, Score},
    primitives::Digest,
};

/// Bytes of the limit for each failure that is remembered; one takes about 150.
const BYTES_A_FAILURE: u64 = 32 << 10;
const LEAST_FAILURES: u64 = 64;
const MOST_FAILURES: u64 = 64 << 10;

/// A sample with new scores, and what failed: (checksum of the encrypted weights, score or reason).
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct ScoredSample {
    pub checksum: Digest,
    pub source: Source,
    pub scores: Vec<(Digest, Arc<Score>)>,
    /// What would fail again.
    pub failures: Vec<(Digest, String)>,
}

/// What is known of a sample without asking the store.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Sample {
    id: i64,
    pub checksum: Digest,
    pub len: u32,
    /// Equal for pieces of the same origin: a hash of it.
    pub origin: u64,
    touched: u64,
}

#[derive(Debug, thiserror::Error)]
pub(in crate::engine) enum LibraryError {
    #[error("{path}: {cause}")]
    Io { path: PathBuf, cause: io::Error },
    #[error("another engine uses {0}")]
    InUse(PathBuf),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Matrix(#[from] MatrixError),
}

impl LibraryError {
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::InUse(_))
    }
}

type Outcome<T = ()> = Result<T, LibraryError>;

/// Rows of one model that win, each with its sample's number.
pub(in crate::engine) type Won = Vec<(u32, u32)>;

pub(in crate::engine) struct Library {
    dir: PathBuf,
    limit_bytes: u64,
    store: Store,
    /// By number; numbers of samples that have left are given again.
    samples: Vec<Option<Sample>>,
    unused: Vec<u32>,
    by_checksum: HashMap<Digest, u32>,
    /// Oldest first.
    order: BTreeMap<u64, u32>,
    shelves: HashMap<Digest, Shelf>,
    /// Counts writes and touches.
    written: u64,
    synced: u64,
    /// What somebody should know.
    troubles: Vec<String>,
    /// (weights, sample) of rows that are no longer here.
    left: Vec<(Digest, Digest)>,
    _lock: File,
}

impl Library {
    /// What has gone wrong since the last call.
    pub fn troubles(&mut self) -> Vec<String> {
        std::mem::take(&mut self.troubles)
    }

    /// What was here and no longer is since the last call: (weights, sample).
    pub fn left(&mut self) -> Vec<(Digest, Digest)> {
        std::mem::take(&mut self.left)
    }

    /// Failures that are remembered: their part of the disk is small beside that of the rows.
    fn most_failures(&self) -> u64 {
        (self.limit_bytes / BYTES_A_FAILURE).clamp(LEAST_FAILURES, MOST_FAILURES)
    }

    /// Keeps new scores of new or known samples, and their failures. What is not admitted (an embedding that half precision cannot hold)
    /// counts as a failure. An error keeps none of them.
    pub fn add(&mut self, scored: &[ScoredSample]) -> Outcome {
        let mut rows: Vec<(usize, Digest, Row)> = Vec::new();
        let mut failures: Vec<(Digest, Digest, String)> = Vec::new();
        let needed = scored.iter().flat_map(|sample| &sample.scores);
        let mut by_weights: HashMap<Digest, (usize, usize)> = HashMap::new();
        for (weights, score) in needed {
            by_weights.entry(*weights).or_insert((0, score.embedding.len())).0 += 1;
        }
        // Those that are there already would otherwise leave to make room for their own new scores.
        for sample in scored {
            self.touch(&sample.checksum);
        }
        for (weights, (_, dim)) in &by_weights {
            self.open_shelf(*weights, *dim)?;
        }
        let wanted: HashMap<Digest, usize> =
            by_weights.iter().map(|(weights, (count, _))| (*weights, *count)).collect();
        for weights in wanted.keys() {
            self.make_room(*weights, &wanted)?;
        }
        let mut taken: HashMap<Digest, usize> = HashMap::new();
        for (at, sample) in scored.iter().enumerate() {
            for (weights, score) in &sample.scores {
                let Some(shelf) = self.shelves.get_mut(weights) else { continue };
                let skip = taken.entry(*weights).or_default();
                if *skip >= shelf.free() {
                    // The whole library is smaller than these.
                    continue;
                }
                match shelf.write(*skip, &score.embedding) {
                    Ok((slot, stored)) => {
                        *skip += 1;
                        self.written += 1;
                        let (loss, norm, check, written) = (score.loss, stored.norm, stored.check, self.written);
                        rows.push((
                            at,
                            *weights,
                            Row { sample: 0, weights: shelf.id, slot, loss, norm, check, written },
                        ));
                    }
                    Err(MatrixError::NotAdmitted(why)) => failures.push((*weights, sample.checksum, why.to_string())),
                    Err(error) => return Err(error.into()),
                }
            }
            let failed = sample.failures.iter().map(|(weights, why)| (*weights, sample.checksum, why.clone()));
            failures.extend(failed);
        }
        let kept: Vec<usize> = {
            let mut kept: Vec<usize> = rows.iter().map(|(at, ..)| *at).collect();
            kept.dedup();
            kept
        };
        let touches: BTreeMap<usize, u64> = kept.iter().map(|at| (*at, self.written + 1 + *at as u64)).collect();
        self.written += scored.len() as u64;
        let most_failures = self.most_failures();
        let ids = self.store.change(|change| {
            let mut ids = HashMap::new();
            for (at, touched) in &touches {
                let sample = &scored[*at];
                ids.insert(*at, change.sample(sample.checksum, &sample.source, origin(&sample.source), *touched)?);
            }
            for (at, _, row) in &mut rows {
                row.sample = ids[at];
                change.row(row)?;
            }
            for (weights, checksum, why) in &failures {
                change.failure(*weights, *checksum, why)?;
            }
            if !failures.is_empty() {
                change.bound_failures(most_failures)?;
            }
            Ok(ids)
        })?;
        for at in kept {
            let ScoredSample { checksum, source, .. } = &scored[at];
            let number = self.number(checksum);
            let (id, touched) = (ids[&at], touches[&at]);
            if let Some(before) = &self.samples[number as usize] {
                self.order.remove(&before.touched);
            }
            let sample = Sample { id, checksum: *checksum, len: source.len(), origin: origin(source), touched };
            self.samples[number as usize] = Some(sample);
            self.order.insert(touched, number);
        }
        for (at, weights, row) in rows {
            let number = self.number(&scored[at].checksum);
            if let Some(shelf) = self.shelves.get_mut(&weights) {
                shelf.place(number, &row);
            }
        }
        Ok(())
    }

    /// The number of a sample, a new one if need be.
    fn number(&mut self, checksum: &Digest) -> u32 {
        if let Some(number) = self.by_checksum.get(checksum) {
            return *number;
        }
        let number = self.unused.pop().unwrap_or_else(|| {
            self.samples.push(None);
            self.samples.len() as u32 - 1
        });
        self.by_checksum.insert(*checksum, number);
        number
    }

    /// Moves a sample to the end of the order, in memory: the store hears of it with its scores.
    fn touch(&mut self, checksum: &Digest) {
        let Some(sample) = self.by_checksum.get(checksum).and_then(|at| self.samples[*at as usize].as_mut()) else {
            return;
        };
        if let Some(number) = self.order.remove(&sample.touched) {
            self.written += 1;
            sample.touched = self.written;
            self.order.insert(sample.touched, number);
        }
    }

    fn open_shelf(&mut self, weights: Digest, dim: usize) -> Outcome {
        if self.shelves.contains_key(&weights) {
            return Ok(());
        }
        let id = self.store.change(|change| change.weights(weights, dim))?;
        let shelf = match Shelf::open(&self.dir, id, weights, dim, None) {
            Err(MatrixError::Foreign { path, why }) => {
                let aside = set_aside(&path);
                self.troubles.push(format!("{}: {why}; it is set aside as {}", path.display(), aside.display()));
                Shelf::open(&self.dir, id, weights, dim, None)
            }
            shelf => shelf,
        };
        match shelf {
            Ok(shelf) => {
                self.shelves.insert(weights, shelf);
                Ok(())
            }
            Err(error) => {
                self.store.change(|change| change.drop_weights(id, weights))?;
                Err(error.into())
            }
        }
    }

    /// Returns when everything is on the disk itself.
    pub fn sync(&mut self) -> Outcome {
        if self.synced < self.written {
            for shelf in self.shelves.values() {
                shelf.matrix.sync()?;
            }
            self.store.note_synced(self.written)?;
            self.synced = self.written;
        }
        Ok(())
    }

    /// Samples that have scores under these weights.
    pub fn held(&self, weights: Digest) -> Vec<Digest> {
        let Some(shelf) = self.shelves.get(&weights) else { return Vec::new() };
        let held = self.order.values().filter(|number| shelf.slot(**number).is_some());
        held.filter_map(|number| Some(self.sample(*number)?.checksum)).collect()
    }

    pub fn holds(&self, weights: &Digest, sample: &Digest) -> bool {
        let shelf = self.shelves.get(weights);
        shelf.zip(self.find(sample)).is_some_and(|(shelf, number)| shelf.slot(number).is_some())
    }

    /// Samples that would fail again under these weights, as far as they are remembered.
    pub fn failed(&self, weights: Digest) -> Outcome<Vec<Digest>> {
        Ok(self.store.failed(weights)?)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn shelf(&self, weights: &Digest) -> Option<&Shelf> {
        self.shelves.get(weights)
    }

    pub fn shelves(&self) -> impl Iterator<Item = (&Digest, &Shelf)> {
        self.shelves.iter()
    }

    /// How many samples have scores under these weights.
    pub fn scored(&self, weights: &Digest) -> usize {
        self.shelves.get(weights).map_or(0, Shelf::len)
    }

    pub fn sample(&self, number: u32) -> Option<&Sample> {
        self.samples.get(number as usize)?.as_ref()
    }

    pub fn find(&self, checksum: &Digest) -> Option<u32> {
        self.by_checksum.get(checksum).copied().filter(|number| self.sample(*number).is_some())
    }

    /// Asks the store.
    pub fn source(&self, number: u32) -> Option<Source> {
        self.store.source(self.sample(number)?.id)
    }

    /// For each of the weights, the rows that win among them, of samples that all of them have scored. No embedding is read.
    pub fn winners(&self, weights: &[Digest]) -> Vec<Won> {
        let mut won = vec![Won::new(); weights.len()];
        self.each_scored(weights, |number, slots, winner| won[winner].push((slots[winner], number)));
        won
    }

    /// Tells of each sample that all of these weights have scored its number, its slots, and which of them wins: the lowest loss, the first
    /// on ties (`model.md §3.4`).
    pub fn each_scored(&self, weights: &[Digest], mut tell: impl FnMut(u32, &[u32], usize)) {
        let shelves: Option<Vec<&Shelf>> = weights.iter().map(|weights| self.shelves.get(weights)).collect();
        let Some(shelves) = shelves.filter(|shelves| !shelves.is_empty()) else { return };
        let (mut slots, mut losses) = (vec![NONE; weights.len()], vec![f32::NAN; weights.len()]);
        'samples: for number in 0..self.samples.len() as u32 {
            for (at, shelf) in shelves.iter().enumerate() {
                let Some(slot) = shelf.slot(number) else { continue 'samples };
                (slots[at], losses[at]) = (slot, shelf.losses()[slot as usize]);
            }
            if let Some(winner) = model::winner(&losses) {
                tell(number, &slots, winner);
            }
        }
    }

    /// A row that is not what was written: its sample is scored again.
    pub fn forget_row(&mut self, weights: Digest, number: u32) -> Outcome {
        let (Some(sample), Some(shelf)) = (self.sample(number), self.shelves.get(&weights)) else {
            return Ok(());
        };
        let (id, checksum, shelf_id) = (sample.id, sample.checksum, shelf.id);
        self.store.change(|change| change.drop_row(id, shelf_id))?;
        if let Some(shelf) = self.shelves.get_mut(&weights) {
            shelf.remove(number);
            self.left.push((weights, checksum));
        }
        self.troubles.push("a row of the library was damaged; its sample is scored again when it comes by".into());
        Ok(())
    }
}

/// Equal for the same origin, on every machine.
fn origin(source: &Source) -> u64 {
    let origin = source.pieces().first().map(|piece| &piece.origin);
    let text = serde_json::to_vec(&origin).unwrap_or_default();
    let digest = model::checksum(&text).0;
    u64::from_le_bytes(digest[..8].try_into().unwrap_or_default())
}
