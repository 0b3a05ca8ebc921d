//! The embeddings under one model, with what is needed to choose rows without reading them.

use std::{collections::BTreeSet, path::Path};

use somascope_matching::{Matrix, MatrixError, Stored, f16};

use super::store::Row;
use crate::primitives::Digest;

/// No sample, no slot.
pub(in crate::engine) const NONE: u32 = u32::MAX;

/// One matrix: embeddings by slot, losses and lengths beside them, and which sample is where.
pub(in crate::engine) struct Shelf {
    pub(super) id: i64,
    pub(super) weights: Digest,
    pub(super) matrix: Matrix,
    /// Since when the weights are in no registry.
    pub(super) gone_at_ms: Option<u64>,
    samples: Vec<u32>,
    losses: Vec<f32>,
    norms: Vec<f32>,
    checks: Vec<u32>,
    /// By sample number.
    slots: Vec<u32>,
    /// The lowest is taken first, so that the end of the file empties.
    free: BTreeSet<u32>,
}

impl Shelf {
    pub(super) fn open(
        dir: &Path,
        id: i64,
        weights: Digest,
        dim: usize,
        gone_at_ms: Option<u64>,
    ) -> Result<Self, MatrixError> {
        let matrix = Matrix::open(dir, &weights.0, dim)?;
        let mut shelf = Self {
            id,
            weights,
            matrix,
            gone_at_ms,
            samples: Vec::new(),
            losses: Vec::new(),
            norms: Vec::new(),
            checks: Vec::new(),
            slots: Vec::new(),
            free: BTreeSet::new(),
        };
        shelf.resized();
        Ok(shelf)
    }

    /// `[slots, dim]`, row-major, rounded to half precision; slots without a sample hold anything.
    pub fn embeddings(&self) -> &[f16] {
        self.matrix.embeddings()
    }

    pub fn dim(&self) -> usize {
        self.matrix.dim()
    }

    /// By slot; [`NONE`] in those that are free.
    pub fn samples(&self) -> &[u32] {
        &self.samples
    }

    /// By slot.
    pub fn losses(&self) -> &[f32] {
        &self.losses
    }

    /// Lengths of the embeddings, by slot.
    pub fn norms(&self) -> &[f32] {
        &self.norms
    }

    /// Of the sample with this number.
    pub fn slot(&self, number: u32) -> Option<u32> {
        self.slots.get(number as usize).copied().filter(|slot| *slot != NONE)
    }

    /// An embedding with all its bits; `None`: the row on disk is not the one that was written.
    pub fn exact(&self, slot: u32) -> Option<Vec<f32>> {
        let is_whole = self.matrix.check(slot) == self.checks[slot as usize];
        is_whole.then(|| self.matrix.exact(slot))
    }

    /// Slots in use.
    pub fn len(&self) -> usize {
        self.samples.len() - self.free.len()
    }

    pub(super) fn free(&self) -> usize {
        self.free.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.matrix.capacity() as u64 * Matrix::row_bytes(self.dim())
    }

    /// Takes over the matrix's capacity: what is new is free.
    fn resized(&mut self) {
        let (before, now) = (self.samples.len(), self.matrix.capacity());
        self.samples.resize(now, NONE);
        self.losses.resize(now, f32::NAN);
        self.norms.resize(now, 0.0);
        self.checks.resize(now, 0);
        self.free.extend(before as u32..now as u32);
        if now < before {
            self.free.split_off(&(now as u32));
        }
    }

    pub(super) fn grow(&mut self, rows: usize) -> Result<(), MatrixError> {
        let grown = self.matrix.reserve(self.matrix.capacity() + rows);
        self.resized();
        grown
    }

    /// Writes an embedding into the first free slot, which stays free until [`place`](Self::place).
    pub(super) fn write(&mut self, skip: usize, embedding: &[f32]) -> Result<(u32, Stored), MatrixError> {
        let slot = self.free.iter().nth(skip).copied().unwrap_or(self.matrix.capacity() as u32);
        let stored = self.matrix.store(slot, embedding);
        self.resized();
        Ok((slot, stored?))
    }

    /// Whether a row of the store can be one of this matrix, that no other sample has.
    pub(super) fn has_room_at(&self, row: &Row) -> bool {
        self.free.contains(&row.slot)
    }

    /// Puts a sample's row to use; the slot that it had is free.
    pub(super) fn place(&mut self, number: u32, row: &Row) {
        self.remove(number);
        let at = row.slot as usize;
        (self.samples[at], self.losses[at], self.norms[at], self.checks[at]) = (number, row.loss, row.norm, row.check);
        if self.slots.len() <= number as usize {
            self.slots.resize(number as usize + 1, NONE);
        }
        self.slots[number as usize] = row.slot;
        self.free.remove(&row.slot);
    }

    pub(super) fn remove(&mut self, number: u32) {
        if let Some(slot) = self.slot(number) {
            self.slots[number as usize] = NONE;
            self.samples[slot as usize] = NONE;
            self.free.insert(slot);
        }
    }

    /// The last rows and the free slots before them that could take them: at most `most`.
    pub(super) fn moves(&self, most: usize) -> Vec<(u32, u32)> {
        let used = (0..self.samples.len() as u32).rev().filter(|slot| self.samples[*slot as usize] != NONE);
        used.zip(&self.free).take_while(|(from, to)| *to < from).take(most).map(|(from, to)| (from, *to)).collect()
    }

    pub(super) fn copy(&mut self, from: u32, to: u32) -> Result<(), MatrixError> {
        self.matrix.copy(from, to)
    }

    /// The number of the sample in a slot, with the row that it would have in another.
    pub(super) fn row_at(&self, slot: u32, to: u32, sample: i64, written: u64) -> Row {
        let at = slot as usize;
        let (loss, norm, check) = (self.losses[at], self.norms[at], self.checks[at]);
        Row { sample, weights: self.id, slot: to, loss, norm, check, written }
    }

    pub(super) fn sample_at(&self, slot: u32) -> u32 {
        self.samples[slot as usize]
    }

    /// Gives back the free slots at the end of the file, but for `keep`.
    pub(super) fn cut(&mut self, keep: usize) -> Result<(), MatrixError> {
        let used = self.samples.iter().rposition(|sample| *sample != NONE).map_or(0, |last| last + 1);
        let cut = self.matrix.truncate((used + keep) as u32);
        self.resized();
        cut
    }
}
