//! The scored samples on disk: every score of every sample under every model, up to a number of bytes.
//!
//! The store (SQLite) says which rows of which matrices mean what; a row is written before the store names it, and a slot is used again
//! only after the store has forgotten it. So a kill at any point leaves a library; after a loss of power, rows that the disk had
//! not taken in are told by their check sums and left out. What does not fit, or cannot be kept, is not kept: all of it can be scored
//! again.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use somascope_matching::{Matrix, MatrixError};

use super::{
    shelf::{NONE, Shelf},
    store::{Contents, Row, Store, StoreError, set_aside},
};
use crate::{
    engine::corpus::Source,
    model::{self, Score},
    primitives::Digest,
};

/// Beside the two halves of a row: its part of the store.
const ROW_OVERHEAD: u64 = 256;
/// Slots that a matrix grows by, or an eighth of what it has.
const GROWTH: usize = 64;
/// Samples that leave together when the library is full, and rows that are moved together.
const BATCH: usize = 64;
/// Bytes of the limit for each failure that is remembered; one takes about 150.
const BYTES_A_FAILURE: u64 = 32 << 10;
const LEAST_FAILURES: u64 = 64;
const MOST_FAILURES: u64 = 64 << 10;
/// Weights that are in no registry for so long are not coming back. A node that lags or flaps brings them back sooner.
const GRACE_MS: u64 = 3600 * 1000;

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
    /// Opens the library of a directory, or begins it. What is damaged is set aside and told ([`troubles`](Self::troubles)).
    pub fn open(dir: &Path, limit_bytes: u64) -> Outcome<Self> {
        let failed = |cause| LibraryError::Io { path: dir.into(), cause };
        std::fs::create_dir_all(dir).map_err(failed)?;
        let lock = File::create(dir.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LibraryError::InUse(dir.into())),
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        let (store, contents, aside) = Store::open(dir)?;
        let mut library = Self {
            dir: dir.into(),
            limit_bytes,
            store,
            samples: Vec::new(),
            unused: Vec::new(),
            by_checksum: HashMap::new(),
            order: BTreeMap::new(),
            shelves: HashMap::new(),
            written: 0,
            synced: 0,
            troubles: aside.into_iter().collect(),
            left: Vec::new(),
            _lock: lock,
        };
        library.take_up(contents)?;
        library.remove_strays();
        library.fit()?;
        let most = library.most_failures();
        library.store.change(|change| change.bound_failures(most))?;
        // Nobody knew that they were here.
        library.left.clear();
        Ok(library)
    }

    /// Rows that the matrices do not have, or not whole, are forgotten.
    fn take_up(&mut self, contents: Contents) -> Outcome {
        self.synced = contents.synced;
        let mut by_id: HashMap<i64, Digest> = HashMap::new();
        for weights in contents.weights {
            let open =
                |this: &Self| Shelf::open(&this.dir, weights.id, weights.checksum, weights.dim, weights.gone_at_ms);
            let shelf = match open(self) {
                Err(MatrixError::Foreign { path, why }) => {
                    let aside = set_aside(&path);
                    self.troubles.push(format!(
                        "{}: {why}; it is set aside as {}, and its samples are scored again",
                        path.display(),
                        aside.display()
                    ));
                    // The other half is of no use alone.
                    for file in Matrix::files(&self.dir, &weights.checksum.0) {
                        let _ = std::fs::remove_file(file);
                    }
                    open(self)?
                }
                shelf => shelf?,
            };
            by_id.insert(weights.id, weights.checksum);
            self.shelves.insert(weights.checksum, shelf);
        }
        let mut numbers: HashMap<i64, u32> = HashMap::with_capacity(contents.samples.len());
        for (known, number) in contents.samples.into_iter().zip(0..) {
            self.written = self.written.max(known.touched);
            numbers.insert(known.id, number);
            self.by_checksum.insert(known.checksum, number);
            self.order.insert(known.touched, number);
            let (id, checksum, len, origin, touched) =
                (known.id, known.checksum, known.len, known.origin, known.touched);
            self.samples.push(Some(Sample { id, checksum, len, origin, touched }));
        }
        let (mut lost, mut is_scored) = (Vec::new(), vec![false; self.samples.len()]);
        for row in contents.rows {
            self.written = self.written.max(row.written);
            let shelf = by_id.get(&row.weights).and_then(|weights| self.shelves.get_mut(weights));
            let number = numbers.get(&row.sample).copied();
            let (Some(shelf), Some(number)) = (shelf, number) else {
                lost.push(row);
                continue;
            };
            let is_whole = |shelf: &Shelf| row.written <= self.synced || shelf.matrix.check(row.slot) == row.check;
            if shelf.has_room_at(&row) && is_whole(shelf) {
                shelf.place(number, &row);
                is_scored[number as usize] = true;
            } else {
                lost.push(row);
            }
        }
        if !lost.is_empty() {
            self.troubles.push(format!("{} rows of the library are not whole, and are scored again", lost.len()));
            self.store.change(|change| lost.iter().try_for_each(|row| change.drop_row(row.sample, row.weights)))?;
        }
        let bare: Vec<u32> = (0..).zip(is_scored).filter(|(_, scored)| !scored).map(|(number, _)| number).collect();
        self.drop_samples(&bare)
    }

    /// Files of weights that the store does not know: of a store that was set aside, or of a removal that was cut short.
    fn remove_strays(&self) {
        let kept: HashSet<PathBuf> =
            self.shelves.keys().flat_map(|weights| Matrix::files(&self.dir, &weights.0)).collect();
        for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_ours = path.extension().is_some_and(|kind| kind == "half" || kind == "rest");
            if is_ours && !kept.contains(&path) {
                // One that stays is only room that is lost.
                let _ = std::fs::remove_file(path);
            }
        }
    }

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

    /// What the files take now, by the rows that there is room for.
    pub fn bytes(&self) -> u64 {
        self.shelves.values().map(|shelf| shelf.bytes() + shelf.matrix.capacity() as u64 * ROW_OVERHEAD).sum()
    }

    /// Free slots for the rows that are wanted under these weights, or as many as the limit allows: first weights that are gone leave, then
    /// the oldest samples.
    fn make_room(&mut self, weights: Digest, wanted: &HashMap<Digest, usize>) -> Outcome {
        loop {
            let Some(shelf) = self.shelves.get_mut(&weights) else { return Ok(()) };
            let missing = wanted.get(&weights).map_or(0, |wanted| wanted.saturating_sub(shelf.free()));
            if missing == 0 {
                return Ok(());
            }
            let row = Matrix::row_bytes(shelf.dim()) + ROW_OVERHEAD;
            let growth = GROWTH.max(shelf.matrix.capacity() / 8);
            let allowed = usize::try_from(self.limit_bytes.saturating_sub(self.bytes()) / row).unwrap_or(usize::MAX);
            if let (1.., Some(shelf)) = (allowed, self.shelves.get_mut(&weights)) {
                // In smaller steps towards the end, so that the matrices share what there is.
                shelf.grow(missing.max(growth.min(allowed / 8)).min(allowed))?;
                continue;
            }
            if !self.drop_one_gone(Some(&weights))?
                && !self.compact(Some(&weights), wanted, BATCH)?
                && !self.drop_oldest(missing.min(BATCH))?
            {
                return Ok(());
            }
        }
    }

    /// After the limit was lowered.
    fn fit(&mut self) -> Outcome {
        let nothing = HashMap::new();
        while self.bytes() > self.limit_bytes {
            // In few steps, each a small part of what there is.
            let some = self.order.len().div_ceil(32);
            if !self.drop_one_gone(None)? && !self.compact(None, &nothing, 1)? && !self.drop_oldest(some)? {
                break;
            }
        }
        Ok(())
    }

    fn drop_one_gone(&mut self, but: Option<&Digest>) -> Outcome<bool> {
        let gone = self.shelves.values().find(|s| s.gone_at_ms.is_some() && Some(&s.weights) != but);
        let gone = gone.map(|shelf| shelf.weights);
        gone.map(|weights| self.drop_weights(weights)).transpose().map(|done| done.is_some())
    }

    fn drop_oldest(&mut self, count: usize) -> Outcome<bool> {
        let oldest: Vec<u32> = self.order.values().copied().take(count).collect();
        self.drop_samples(&oldest)?;
        Ok(!oldest.is_empty())
    }

    /// Moves the last rows of another matrix into its free slots, and gives the end of its file back but for what is wanted of it: at
    /// least `least` rows. Gives whether any room came of it.
    fn compact(&mut self, but: Option<&Digest>, wanted: &HashMap<Digest, usize>, least: usize) -> Outcome<bool> {
        let spare = |shelf: &Shelf| shelf.free().saturating_sub(wanted.get(&shelf.weights).copied().unwrap_or(0));
        let others = self.shelves.values_mut().filter(|shelf| Some(&shelf.weights) != but);
        let Some(shelf) = others.max_by_key(|shelf| spare(shelf)).filter(|shelf| spare(shelf) >= least) else {
            return Ok(false);
        };
        loop {
            let moves = shelf.moves(BATCH);
            let mut rows = Vec::with_capacity(moves.len());
            for (from, to) in moves {
                shelf.copy(from, to)?;
                let number = shelf.sample_at(from);
                let Some(sample) = self.samples.get(number as usize).and_then(Option::as_ref) else { continue };
                self.written += 1;
                rows.push((number, shelf.row_at(from, to, sample.id, self.written)));
            }
            if rows.is_empty() {
                break;
            }
            self.store.change(|change| rows.iter().try_for_each(|(_, row)| change.row(row)))?;
            rows.iter().for_each(|(number, row)| shelf.place(*number, row));
        }
        let keep = wanted.get(&shelf.weights).copied().unwrap_or(0);
        shelf.cut(keep)?;
        Ok(true)
    }

    fn drop_samples(&mut self, numbers: &[u32]) -> Outcome {
        let ids: Vec<i64> = numbers.iter().filter_map(|number| Some(self.sample(*number)?.id)).collect();
        self.store.change(|change| ids.iter().try_for_each(|id| change.drop_sample(*id)))?;
        for number in numbers {
            if let Some(sample) = self.samples[*number as usize].take() {
                let held = self.shelves.values().filter(|shelf| shelf.slot(*number).is_some());
                self.left.extend(held.map(|shelf| (shelf.weights, sample.checksum)));
                self.by_checksum.remove(&sample.checksum);
                self.order.remove(&sample.touched);
                self.unused.push(*number);
            }
            self.shelves.values_mut().for_each(|shelf| shelf.remove(*number));
        }
        Ok(())
    }

    fn drop_weights(&mut self, weights: Digest) -> Outcome {
        let Some(shelf) = self.shelves.get(&weights) else { return Ok(()) };
        let id = shelf.id;
        self.store.change(|change| change.drop_weights(id, weights))?;
        self.shelves.remove(&weights);
        for file in Matrix::files(&self.dir, &weights.0) {
            // One that stays is a stray, and goes at the next opening.
            let _ = std::fs::remove_file(file);
        }
        let is_bare = |number: &u32| self.shelves.values().all(|shelf| shelf.slot(*number).is_none());
        let bare: Vec<u32> = self.order.values().copied().filter(is_bare).collect();
        self.drop_samples(&bare)
    }

    /// Only these weights are in the registry now. Others have been gone for a while when they are removed.
    pub fn keep_weights(&mut self, kept: &[Digest], now_ms: u64) -> Outcome {
        let changed: Vec<(Digest, i64, Option<u64>)> = self
            .shelves
            .values()
            .filter(|shelf| kept.contains(&shelf.weights) == shelf.gone_at_ms.is_some())
            .map(|shelf| (shelf.weights, shelf.id, shelf.gone_at_ms.is_none().then_some(now_ms)))
            .collect();
        self.store.change(|change| changed.iter().try_for_each(|(_, id, gone)| change.weights_gone(*id, *gone)))?;
        for (weights, _, gone) in changed {
            if let Some(shelf) = self.shelves.get_mut(&weights) {
                shelf.gone_at_ms = gone;
            }
        }
        let shelved = |weights: &Digest| self.shelves.contains_key(weights);
        self.store.change(|change| change.drop_failures(|weights| !kept.contains(weights) && !shelved(weights)))?;
        self.remove_gone(now_ms)
    }

    /// Removes what has been gone for long enough.
    pub fn remove_gone(&mut self, now_ms: u64) -> Outcome {
        let is_over = |gone: u64| now_ms.saturating_sub(gone) >= GRACE_MS;
        let over: Vec<Digest> =
            self.shelves.values().filter(|s| s.gone_at_ms.is_some_and(is_over)).map(|shelf| shelf.weights).collect();
        over.into_iter().try_for_each(|weights| self.drop_weights(weights))
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

    /// For each of the weights, the rows that win among them, of samples that all of them have scored: the lowest loss, the first on ties
    /// (`model.md §3.4`). No embedding is read.
    pub fn winners(&self, weights: &[Digest]) -> Vec<Won> {
        let mut won = vec![Won::new(); weights.len()];
        let shelves: Option<Vec<&Shelf>> = weights.iter().map(|weights| self.shelves.get(weights)).collect();
        let Some(shelves) = shelves.filter(|shelves| !shelves.is_empty()) else { return won };
        let (mut slots, mut losses) = (vec![NONE; weights.len()], vec![f32::NAN; weights.len()]);
        'samples: for number in 0..self.samples.len() as u32 {
            for (at, shelf) in shelves.iter().enumerate() {
                let Some(slot) = shelf.slot(number) else { continue 'samples };
                (slots[at], losses[at]) = (slot, shelf.losses()[slot as usize]);
            }
            if let Some(winner) = model::winner(&losses) {
                won[winner].push((slots[winner], number));
            }
        }
        won
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
