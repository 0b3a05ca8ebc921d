//! How much the library takes, and what leaves when that is too much: weights that are gone first, then the oldest samples.

use std::collections::HashMap;

use somascope_matching::Matrix;

use super::{super::shelf::Shelf, Library, Outcome};
use crate::primitives::Digest;

/// Beside the two halves of a row: its part of the store.
const ROW_OVERHEAD: u64 = 256;
/// Slots that a matrix grows by, or an eighth of what it has.
const GROWTH: usize = 64;
/// Samples that leave together when the library is full, and rows that are moved together.
const BATCH: usize = 64;
/// Weights that are in no registry for so long are not coming back. A node that lags or flaps brings them back sooner.
const GRACE_MS: u64 = 3600 * 1000;

impl Library {
    /// What the files take now, by the rows that there is room for.
    pub fn bytes(&self) -> u64 {
        self.shelves.values().map(|shelf| shelf.bytes() + shelf.matrix.capacity() as u64 * ROW_OVERHEAD).sum()
    }

    /// Free slots for the rows that are wanted under these weights, or as many as the limit allows: first weights that are gone leave, then
    /// the oldest samples.
    pub(super) fn make_room(&mut self, weights: Digest, wanted: &HashMap<Digest, usize>) -> Outcome {
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
    pub(super) fn fit(&mut self) -> Outcome {
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

    pub(super) fn drop_samples(&mut self, numbers: &[u32]) -> Outcome {
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
}
