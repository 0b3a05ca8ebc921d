//! Embeddings under one model, in files: rows of half-precision numbers that a search reads through a memory map, and the second halves
//! that make them whole, in a file of their own that a search never touches.
//!
//! A file is a header of one page, which says whose it is, and rows. Rows are written with ordinary writes into space that was filled
//! before it was mapped: a full disk is an error of a call, not a fault in a later one. Which rows mean anything is for the owner to
//! know; [`Matrix::check`] tells whether a row is the one that was written.

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use half::f16;
use memmap2::{Mmap, MmapOptions};

use crate::halves::{self, NotAdmitted};

/// Rows begin here, so that those of 2,048 numbers are pages.
pub const ROW_ALIGNMENT: usize = 4096;
const MAGIC: [u8; 8] = *b"SOMAROWS";
/// In the machine's own byte order, as everything else: a file of another order is told by it.
const VERSION: u32 = 1;
/// More is no embedding.
const MOST_NUMBERS: usize = 1 << 16;
const LEAST_GROWTH: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum MatrixError {
    #[error("{path}: {cause}")]
    Io { path: PathBuf, cause: io::Error },
    /// Of another program, another version or another model, or damaged.
    #[error("{path} is not what it should be ({why})")]
    Foreign { path: PathBuf, why: &'static str },
    #[error("embeddings of {0} numbers are beyond what a library holds")]
    Dimension(usize),
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
}

/// What the owner of a row keeps of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stored {
    /// Length of the embedding.
    pub norm: f32,
    /// Of the row's bytes.
    pub check: u32,
}

/// Rows of `dim` numbers, numbered from 0.
pub struct Matrix {
    dim: usize,
    high: Plane,
    low: Plane,
    /// Rows that both files have room for.
    capacity: usize,
    row: (Vec<f16>, Vec<i16>),
}

impl Matrix {
    /// Opens the files of a model (`key`: checksum of its weights) in a directory, or begins them. Half a row at the end is cut off.
    pub fn open(dir: &Path, key: &[u8; 32], dim: usize) -> Result<Self, MatrixError> {
        if dim == 0 || dim > MOST_NUMBERS {
            return Err(MatrixError::Dimension(dim));
        }
        let [high, low] = Self::files(dir, key);
        let (high, low) = (Plane::open(high, 0, key, dim)?, Plane::open(low, 1, key, dim)?);
        let capacity = high.rows.min(low.rows);
        Ok(Self { dim, high, low, capacity, row: (vec![f16::ZERO; dim], vec![0; dim]) })
    }

    /// Where [`open`](Self::open) looks for a model's two files.
    pub fn files(dir: &Path, key: &[u8; 32]) -> [PathBuf; 2] {
        let name: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        ["half", "rest"].map(|kind| dir.join(format!("{name}.{kind}")))
    }

    /// What a row takes on disk.
    pub const fn row_bytes(dim: usize) -> u64 {
        4 * dim as u64
    }

    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Rows that there is room for on disk, in use or not.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// `[capacity, dim]`, row-major, rounded to half precision. Rows that are not in use hold anything.
    pub fn embeddings(&self) -> &[f16] {
        &self.high.numbers()[..self.capacity * self.dim]
    }

    /// An embedding with all its bits.
    ///
    /// # Panics
    /// Here and below, if the slot is beyond [`capacity`](Self::capacity).
    pub fn exact(&self, slot: u32) -> Vec<f32> {
        let (high, low) = self.halves(slot);
        high.iter().zip(low).map(|(high, low)| halves::join(*high, *low)).collect()
    }

    /// Of a row as it is on disk now.
    pub fn check(&self, slot: u32) -> u32 {
        let (high, low) = self.halves(slot);
        check(high, low)
    }

    fn halves(&self, slot: u32) -> (&[f16], &[i16]) {
        let at = slot as usize * self.dim;
        (&self.embeddings()[at..at + self.dim], &self.low.numbers()[at..at + self.dim])
    }

    /// Writes a row, and makes room for it first if it lies beyond the capacity. Nothing is kept of an error.
    pub fn store(&mut self, slot: u32, embedding: &[f32]) -> Result<Stored, MatrixError> {
        if embedding.len() != self.dim {
            return Err(NotAdmitted::Length { expected: self.dim, found: embedding.len() }.into());
        }
        let norm = halves::split_all(embedding, &mut self.row.0, &mut self.row.1)?;
        if slot as usize >= self.capacity {
            self.reserve((slot as usize + 1).max(self.capacity + (self.capacity / 8).max(LEAST_GROWTH)))?;
        }
        self.high.write(slot, self.dim, as_bytes(&self.row.0))?;
        self.low.write(slot, self.dim, as_bytes(&self.row.1))?;
        Ok(Stored { norm, check: check(&self.row.0, &self.row.1) })
    }

    /// Copies a row to another slot within the capacity.
    pub fn copy(&mut self, from: u32, to: u32) -> Result<(), MatrixError> {
        let (high, low) = self.halves(from);
        let (high, low) = (high.to_vec(), low.to_vec());
        assert!((to as usize) < self.capacity, "slot {to} of {}", self.capacity);
        self.high.write(to, self.dim, as_bytes(&high))?;
        self.low.write(to, self.dim, as_bytes(&low))
    }

    /// Makes room for so many rows, if there is less.
    pub fn reserve(&mut self, rows: usize) -> Result<(), MatrixError> {
        if rows > self.capacity {
            self.high.grow(rows, self.dim)?;
            self.low.grow(rows, self.dim)?;
            self.capacity = rows;
        }
        Ok(())
    }

    /// Gives back the room of all slots from this one on.
    pub fn truncate(&mut self, slots: u32) -> Result<(), MatrixError> {
        self.capacity = self.capacity.min(slots as usize);
        self.high.shrink(self.capacity, self.dim)?;
        self.low.shrink(self.capacity, self.dim)
    }

    /// Returns when everything written is on the disk itself.
    pub fn sync(&self) -> Result<(), MatrixError> {
        self.high.sync()?;
        self.low.sync()
    }
}

/// One file.
struct Plane {
    path: PathBuf,
    file: File,
    map: Mmap,
    /// Whole ones, in file and map.
    rows: usize,
}

impl Plane {
    fn open(path: PathBuf, kind: u32, key: &[u8; 32], dim: usize) -> Result<Self, MatrixError> {
        let failed = |cause| MatrixError::Io { path: path.clone(), cause };
        let foreign = |why| MatrixError::Foreign { path: path.clone(), why };
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        if !about.is_file() {
            return Err(foreign("no plain file"));
        }
        let header = header(kind, key, dim);
        if about.len() == 0 {
            file.write_all(&header).map_err(failed)?;
        } else {
            let map = map(&file).map_err(failed)?;
            let found = map.get(..ROW_ALIGNMENT).ok_or_else(|| foreign("its header is cut short"))?;
            if found[..8] != MAGIC {
                return Err(foreign("its first bytes are another program's"));
            }
            if found[8..12] != header[8..12] {
                return Err(foreign("another version's, or another kind of machine's"));
            }
            if *found != header {
                return Err(foreign("its header is another model's, or damaged"));
            }
        }
        let row = 2 * dim as u64;
        let rows = file.metadata().map_err(failed)?.len().saturating_sub(ROW_ALIGNMENT as u64) / row;
        file.set_len(ROW_ALIGNMENT as u64 + rows * row).map_err(failed)?;
        let map = map(&file).map_err(failed)?;
        let rows = usize::try_from(rows).map_err(|_| foreign("it is too large for this machine"))?;
        Ok(Self { path, file, map, rows })
    }

    fn failed(&self, cause: io::Error) -> MatrixError {
        MatrixError::Io { path: self.path.clone(), cause }
    }

    /// Everything after the header; `T`: two bytes, any of which are a number.
    fn numbers<T: TwoBytes>(&self) -> &[T] {
        let bytes = &self.map[ROW_ALIGNMENT..];
        // SAFETY: `T` has two bytes and any bits are one; a map begins at a page, so what follows its first page is aligned. The map lives
        // as long as the slice. Its bytes change only through `&mut self`, and other processes keep out (`map`).
        unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / 2) }
    }

    fn write(&mut self, slot: u32, dim: usize, bytes: &[u8]) -> Result<(), MatrixError> {
        let at = ROW_ALIGNMENT as u64 + u64::from(slot) * 2 * dim as u64;
        let written = self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.write_all(bytes));
        written.map_err(|cause| self.failed(cause))
    }

    /// Fills the file with zeros up to so many rows: what is mapped is there.
    fn grow(&mut self, rows: usize, dim: usize) -> Result<(), MatrixError> {
        static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
        if rows <= self.rows {
            return Ok(());
        }
        let [before, after] = [self.rows, rows].map(|rows| ROW_ALIGNMENT as u64 + rows as u64 * 2 * dim as u64);
        let mut fill = || {
            self.file.seek(SeekFrom::Start(before))?;
            let mut left = after - before;
            while left > 0 {
                let some = left.min(ZEROS.len() as u64);
                self.file.write_all(&ZEROS[..some as usize])?;
                left -= some;
            }
            map(&self.file)
        };
        match fill() {
            Ok(map) => {
                (self.map, self.rows) = (map, rows);
                Ok(())
            }
            Err(cause) => {
                // What was taken on the way is given back; if not even that works, the next opening counts it as room.
                let _ = self.file.set_len(before);
                Err(self.failed(cause))
            }
        }
    }

    fn shrink(&mut self, rows: usize, dim: usize) -> Result<(), MatrixError> {
        if rows >= self.rows {
            return Ok(());
        }
        let bytes = ROW_ALIGNMENT + rows * 2 * dim;
        // The map goes first: what it shows must not vanish from under it.
        // SAFETY: as in `map`.
        self.map = unsafe { MmapOptions::new().len(bytes).map(&self.file) }.map_err(|cause| self.failed(cause))?;
        self.rows = rows;
        self.file.set_len(bytes as u64).map_err(|cause| self.failed(cause))
    }

    fn sync(&self) -> Result<(), MatrixError> {
        self.file.sync_data().map_err(|cause| self.failed(cause))
    }
}

fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the owner holds the lock of the file's directory, so no other process of ours writes or cuts the file while it is mapped,
    // and this one does it through `&mut Plane`, when no slice of the map is borrowed.
    unsafe { MmapOptions::new().map(file) }
}

fn header(kind: u32, key: &[u8; 32], dim: usize) -> [u8; ROW_ALIGNMENT] {
    let mut header = [0; ROW_ALIGNMENT];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_ne_bytes());
    header[12..16].copy_from_slice(&kind.to_ne_bytes());
    header[16..24].copy_from_slice(&(dim as u64).to_ne_bytes());
    header[24..56].copy_from_slice(key);
    header
}

/// Numbers of two bytes without forbidden bits.
trait TwoBytes: Copy {}
impl TwoBytes for f16 {}
impl TwoBytes for i16 {}

fn as_bytes<T: TwoBytes>(numbers: &[T]) -> &[u8] {
    // SAFETY: numbers without padding are bytes, two each.
    unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) }
}

/// Enough to tell a row that was written from one that was not, or not wholly. No defence against malice.
fn check(high: &[f16], low: &[i16]) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = FACTOR ^ high.len() as u64;
    for bytes in [as_bytes(high), as_bytes(low)] {
        let words = bytes.chunks_exact(8);
        let mut last = [0; 8];
        last[..words.remainder().len()].copy_from_slice(words.remainder());
        for word in words.map(|word| word.try_into().unwrap_or_default()).chain([last]) {
            state = (state ^ u64::from_le_bytes(word)).wrapping_mul(FACTOR).rotate_left(29);
        }
    }
    (state ^ state >> 32) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn embedding(n: u32, dim: usize) -> Vec<f32> {
        (0..dim as u32).map(|i| ((n * 31 + i * 17) % 101) as f32 / 7.0 - 6.9).collect()
    }

    #[test]
    fn rows_are_found_again_bit_for_bit_and_whole_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let mut matrix = Matrix::open(dir.path(), &KEY, 37).unwrap();
        let stored: Vec<Stored> = (0..300).map(|n| matrix.store(n, &embedding(n, 37)).unwrap()).collect();
        matrix.sync().unwrap();
        drop(matrix);
        let matrix = Matrix::open(dir.path(), &KEY, 37).unwrap();
        for n in 0..300 {
            assert_eq!(matrix.exact(n), embedding(n, 37));
            assert_eq!(matrix.check(n), stored[n as usize].check);
            let rounded = embedding(n, 37)[5];
            assert_eq!(matrix.embeddings()[n as usize * 37 + 5], f16::from_f32(rounded));
        }
        assert!((stored[3].norm - halves::norm(&embedding(3, 37))).abs() < 1e-5);
    }

    #[test]
    fn half_a_row_at_the_end_is_cut_and_a_row_that_was_never_written_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut matrix = Matrix::open(dir.path(), &KEY, 16).unwrap();
        let stored = matrix.store(9, &embedding(9, 16)).unwrap();
        let capacity = matrix.capacity();
        drop(matrix);
        for path in Matrix::files(dir.path(), &KEY) {
            let mut file = OpenOptions::new().append(true).open(path).unwrap();
            file.write_all(&[1; 13]).unwrap();
        }
        let matrix = Matrix::open(dir.path(), &KEY, 16).unwrap();
        assert_eq!((matrix.capacity(), matrix.check(9)), (capacity, stored.check));
        assert_ne!(matrix.check(8), stored.check);
        drop(matrix);
        // Cut in the middle of a row: it and all that follow are gone.
        let [half, _] = Matrix::files(dir.path(), &KEY);
        OpenOptions::new().write(true).open(half).unwrap().set_len(ROW_ALIGNMENT as u64 + 9 * 32 + 1).unwrap();
        assert_eq!(Matrix::open(dir.path(), &KEY, 16).unwrap().capacity(), 9);
    }

    #[test]
    fn files_of_others_and_damaged_ones_are_told_apart_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let [half, rest] = Matrix::files(dir.path(), &KEY);
        let refused = |dim| match Matrix::open(dir.path(), &KEY, dim) {
            Err(MatrixError::Foreign { path, why }) => (path, why),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("it was opened"),
        };
        for (bytes, wanted) in [(vec![b'#'; 10], "cut short"), (vec![0; 9000], "another program")] {
            std::fs::write(&half, &bytes).unwrap();
            let (path, why) = refused(16);
            assert!(path == half && why.contains(wanted), "{why}");
            assert_eq!(std::fs::read(&half).unwrap(), bytes);
            std::fs::remove_file(&half).unwrap();
        }
        drop(Matrix::open(dir.path(), &KEY, 16).unwrap());
        assert!(refused(17).1.contains("another model"));
        let mut bytes = std::fs::read(&rest).unwrap();
        bytes[30] ^= 1;
        std::fs::write(&rest, &bytes).unwrap();
        assert_eq!(refused(16).0, rest);
        bytes[8] ^= 2;
        std::fs::write(&rest, &bytes).unwrap();
        assert!(refused(16).1.contains("version"));
        assert!(matches!(Matrix::open(dir.path(), &[8; 32], 0), Err(MatrixError::Dimension(0))));
    }

    #[test]
    fn what_is_not_admitted_leaves_its_slot_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let mut matrix = Matrix::open(dir.path(), &KEY, 4).unwrap();
        let stored = matrix.store(0, &[1.0; 4]).unwrap();
        for wrong in [&[f32::NAN; 4][..], &[1e6; 4], &[0.0; 4], &[1.0; 3]] {
            assert!(matches!(matrix.store(0, wrong), Err(MatrixError::NotAdmitted(_))));
        }
        assert_eq!(matrix.check(0), stored.check);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn rows_stay_what_they_are_through_any_writes_copies_and_cuts(
            steps in prop::collection::vec((0u8..4, 0u32..200, 0u32..200), 1..60),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let mut matrix = Matrix::open(dir.path(), &KEY, 5).unwrap();
            let mut model: std::collections::BTreeMap<u32, Vec<f32>> = Default::default();
            for (at, (what, a, b)) in steps.into_iter().enumerate() {
                match what {
                    0 | 1 => {
                        let row = embedding(at as u32, 5);
                        matrix.store(a, &row).unwrap();
                        model.insert(a, row);
                    }
                    2 if model.contains_key(&a) && (b as usize) < matrix.capacity() => {
                        matrix.copy(a, b).unwrap();
                        model.insert(b, model[&a].clone());
                    }
                    3 if at % 4 == 0 => {
                        matrix.truncate(a).unwrap();
                        model.retain(|slot, _| *slot < a);
                    }
                    _ => {
                        drop(matrix);
                        matrix = Matrix::open(dir.path(), &KEY, 5).unwrap();
                    }
                }
                for (slot, row) in &model {
                    prop_assert_eq!(&matrix.exact(*slot), row);
                }
            }
        }
    }
}
