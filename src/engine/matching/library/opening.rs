//! Taking up what an earlier run left: rows that the matrices do not have, or not whole, are forgotten.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use somascope_matching::{Matrix, MatrixError};

use super::{
    super::{
        shelf::Shelf,
        store::{Contents, Store, set_aside},
    },
    Library, LibraryError, Outcome, Sample,
};
use crate::primitives::Digest;

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
}
