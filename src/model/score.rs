//! Loss and embedding of one model on data: what the network calls the score (`model.md §3`).
//!
//! Each sequence is evaluated on its own and gives sums; only these meet, in dataset order, so results do not depend on threads
//! or on what else is scored at the same time.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use somascope_kernels as kernels;

use super::processor::Processor;
use super::room::Room;
use super::rows::{Row, RowScore, Rows};
use super::tensors::Tensors;
use super::weights::Weights;
use super::{BATCH_SIZE, Device, ModelError, Placement, Precision, ReadAt, SEQUENCE_LENGTH, tokenizer};

const REGULARISER_COEFFICIENT: f32 = 0.02;

/// Loss and mean embedding of one model on one piece of data (`model.md §3`).
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    pub loss: f32,
    /// `[embed_dim]`, not normalised.
    pub embedding: Vec<f32>,
}

/// How data is cut into sequences and batches. The service's is the default and the only one that agrees with an audit;
/// others serve tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    pub sequence_length: NonZeroUsize,
    /// Sequences per batch. Batches weigh the same in the loss, however few sequences the last one has.
    pub batch_size: NonZeroUsize,
}

impl Default for Geometry {
    fn default() -> Self {
        const {
            Self {
                sequence_length: NonZeroUsize::new(SEQUENCE_LENGTH).expect("1024 is not zero"),
                batch_size: NonZeroUsize::new(BATCH_SIZE).expect("16 is not zero"),
            }
        }
    }
}

/// Weights on a device, ready to score. Shareable between threads.
pub struct Model {
    rows: Box<dyn Rows>,
    placement: Placement,
    geometry: Geometry,
    /// Rows that the device is given at a time.
    room: Mutex<Room>,
}

/// Enough for any device to choose its own portions from, few enough that a long sample takes little memory beside the weights.
const MOST_ROWS_AT_ONCE: usize = 256;

impl Model {
    /// Plain safetensors in memory, onto the processor. `heads`: `None` takes 4 at E = 16, else 8.
    pub fn from_safetensors(bytes: &[u8], heads: Option<usize>) -> Result<Self, ModelError> {
        Self::load(&bytes, heads, Placement::CPU)
    }

    /// Plain safetensors, tensor by tensor into the device's own layout: of a file of gigabytes no more than one tensor is in memory beside
    /// what stays there. `heads`: `None` takes 4 at E = 16, else 8.
    ///
    /// # Errors
    /// Whatever is wrong with the file; [`ModelError::NoDevice`] and [`ModelError::Precision`] if there is no such device or it does not
    /// compute like that; [`ModelError::OutOfMemory`] if the weights do not fit.
    pub fn load(file: &dyn ReadAt, heads: Option<usize>, placement: Placement) -> Result<Self, ModelError> {
        let weights = Weights::open(file)?;
        weights.check_vocabulary()?;
        let heads = weights.dims.heads(heads)?;
        let Placement { device, precision } = placement;
        let rows: Box<dyn Rows> = match (device, precision) {
            (Device::Cpu, Precision::F32) => Box::new(Processor::load(&weights, heads)?),
            (Device::Cpu, _) => return Err(ModelError::Precision { device, precision, offered: "f32 only" }),
            #[cfg(feature = "cuda")]
            (Device::Cuda(ordinal), _) => super::cuda::load(&weights, heads, ordinal, precision)?,
            #[cfg(not(feature = "cuda"))]
            (Device::Cuda(_), _) => return Err(not_built(device, "NVIDIA", "cuda")),
            (Device::Metal(ordinal), _) if cfg!(feature = "metal") => {
                let offered = "f32, bf16 and f16";
                let dtype = Tensors::dtype(precision).ok_or(ModelError::Precision { device, precision, offered })?;
                let card = candle_core::Device::new_metal(ordinal)
                    .map_err(|cause| ModelError::NoDevice { device, reason: cause.to_string() })?;
                Box::new(Tensors::load(&weights, heads, card, dtype)?)
            }
            (Device::Metal(_), _) => return Err(not_built(device, "Apple", "metal")),
        };
        Ok(Self::of(rows, placement))
    }

    /// The model as plain operations of the tensor library on the processor, in f32: what [`Device::Metal`] runs on its card. For tests and benches:
    /// [`Model::load`] is many times faster.
    pub fn load_as_tensors(file: &dyn ReadAt, heads: Option<usize>) -> Result<Self, ModelError> {
        let weights = Weights::open(file)?;
        weights.check_vocabulary()?;
        let heads = weights.dims.heads(heads)?;
        let rows = Tensors::load(&weights, heads, candle_core::Device::Cpu, candle_core::DType::F32)?;
        Ok(Self::of(Box::new(rows), Placement::CPU))
    }

    fn of(rows: Box<dyn Rows>, placement: Placement) -> Self {
        Self { rows, placement, geometry: Geometry::default(), room: Mutex::new(Room::new(MOST_ROWS_AT_ONCE)) }
    }

    /// The same weights with another sequence length or batch size. For tests: the network knows one geometry only.
    pub fn with_geometry(self, geometry: Geometry) -> Self {
        Self { geometry, ..self }
    }

    pub fn embed_dim(&self) -> usize {
        self.rows.embed_dim()
    }

    pub fn placement(&self) -> Placement {
        self.placement
    }

    /// Bytes of device memory that the weights hold.
    pub fn resident_bytes(&self) -> u64 {
        self.rows.resident_bytes()
    }

    /// Rows that the device now takes at a time, if there was no room for more, which is worth telling. It grows back when that many
    /// have fitted for a while.
    pub fn row_limit(&self) -> Option<usize> {
        self.room().limit()
    }

    /// Every change is whole before the lock is let go.
    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Exact score of one piece of data. Empty data and a loss that is not finite are errors.
    pub fn score(&self, data: &[u8], seed: u64) -> Result<Score, ModelError> {
        self.combine(&self.evaluate(&self.rows_of(data, seed))?)
    }

    /// Scores of several samples, each as [`Model::score`] gives it, whose rows share forward passes. What fails fails for the
    /// samples that were in the same pass.
    pub fn score_batch(&self, samples: &[&[u8]], seed: u64) -> Vec<Result<Score, ModelError>> {
        let mut scores = Vec::with_capacity(samples.len());
        let mut rest = samples;
        while !rest.is_empty() {
            // As many whole samples as fill a pass; a sample that is larger goes alone.
            let mut rows = Vec::new();
            let mut ends = Vec::new();
            while let Some((data, others)) = rest.split_first()
                && (rows.is_empty() || rows.len() + self.row_count(data) <= MOST_ROWS_AT_ONCE)
            {
                rows.extend(self.rows_of(data, seed));
                ends.push(rows.len());
                rest = others;
            }
            match self.evaluate(&rows) {
                Ok(found) => {
                    let starts = std::iter::once(0).chain(ends.iter().copied());
                    scores.extend(starts.zip(&ends).map(|(start, end)| self.combine(&found[start..*end])));
                }
                Err(error) => scores.extend(ends.iter().map(|_| Err(error.clone()))),
            }
        }
        scores
    }

    fn row_count(&self, data: &[u8]) -> usize {
        tokenizer::sequence_count(data.len(), self.geometry.sequence_length.get())
    }

    fn rows_of(&self, data: &[u8], seed: u64) -> Vec<Row> {
        let Geometry { sequence_length, batch_size } = self.geometry;
        let row = |index| Row {
            sequence: tokenizer::sequence(data, index, sequence_length.get()),
            noise_seed: seed.wrapping_add((index / batch_size.get()) as u64),
        };
        (0..self.row_count(data)).map(row).collect()
    }

    /// Scores of rows in order. What does not fit the device is tried again in halves, and later rows come in such portions.
    fn evaluate(&self, rows: &[Row]) -> Result<Vec<RowScore>, ModelError> {
        let mut scores = Vec::with_capacity(rows.len());
        while scores.len() < rows.len() {
            let rest = &rows[scores.len()..];
            let portion = &rest[..rest.len().min(self.room().rows())];
            match self.rows.evaluate(portion) {
                Ok(found) => {
                    self.room().fit(portion.len());
                    scores.extend(found);
                }
                Err(ModelError::OutOfMemory { .. }) if portion.len() > 1 => self.room().short(portion.len()),
                Err(error) => return Err(error),
            }
        }
        Ok(scores)
    }

    /// Means over positions, then rows, then batches with equal weight each.
    fn combine(&self, rows: &[RowScore]) -> Result<Score, ModelError> {
        let mut total: Option<Score> = None;
        for (b, rows) in rows.chunks(self.geometry.batch_size.get()).enumerate() {
            let batch = self.combine_batch(rows);
            match &mut total {
                None => total = Some(batch),
                Some(mean) => {
                    let weight = (b + 1) as f32;
                    mean.loss += (batch.loss - mean.loss) / weight;
                    for (m, e) in mean.embedding.iter_mut().zip(batch.embedding) {
                        *m += (e - *m) / weight;
                    }
                }
            }
        }
        let score = total.ok_or(ModelError::EmptyData)?;
        if score.loss.is_finite() { Ok(score) } else { Err(ModelError::LossNotFinite(score.loss)) }
    }

    /// Both terms of the loss are divided by *all* positions, padding included (`model.md §3.1`).
    fn combine_batch(&self, rows: &[RowScore]) -> Score {
        let positions = (rows.len() * self.geometry.sequence_length.get()) as f64;
        let mean = |term: fn(&RowScore) -> f64| (rows.iter().map(term).sum::<f64>() / positions) as f32;
        let loss = mean(|row| row.nll) + REGULARISER_COEFFICIENT * mean(|row| row.regulariser);
        let mut embedding = vec![0.0; self.embed_dim()];
        for row in rows {
            kernels::add(&mut embedding, &row.embedding);
        }
        embedding.iter_mut().for_each(|e| *e /= rows.len() as f32);
        Score { loss, embedding }
    }
}

fn not_built(device: Device, cards: &str, feature: &str) -> ModelError {
    let reason = format!("this build has no support for {cards} cards; build with `--features {feature}`");
    ModelError::NoDevice { device, reason }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A card with room for some rows only, which remembers what it was given.
    struct Cramped {
        room: usize,
        given: Mutex<Vec<usize>>,
    }

    impl Rows for &'static Cramped {
        fn evaluate(&self, rows: &[Row]) -> Result<Vec<RowScore>, ModelError> {
            self.given.lock().unwrap().push(rows.len());
            if rows.len() > self.room {
                return Err(ModelError::OutOfMemory { device: Device::Cuda(0), what: format!("{} rows", rows.len()) });
            }
            let score = |row: &Row| RowScore {
                nll: f64::from(row.sequence.tokens[0]) * 1024.0,
                regulariser: 0.0,
                embedding: vec![row.noise_seed as f32],
            };
            Ok(rows.iter().map(score).collect())
        }

        fn embed_dim(&self) -> usize {
            1
        }

        fn resident_bytes(&self) -> u64 {
            0
        }
    }

    fn cramped(room: usize) -> (&'static Cramped, Model) {
        let card = Box::leak(Box::new(Cramped { room, given: Mutex::default() }));
        (card, Model::of(Box::new(&*card), Placement { device: Device::Cuda(0), precision: Precision::F32 }))
    }

    #[test]
    fn what_does_not_fit_is_tried_in_halves_and_later_rows_come_in_no_larger_portions() {
        let (card, model) = cramped(3);
        let samples: Vec<Vec<u8>> = (1..=8).map(|first| vec![first; 1000]).collect();
        let slices: Vec<&[u8]> = samples.iter().map(Vec::as_slice).collect();
        let losses: Vec<f32> = model.score_batch(&slices, 0).into_iter().map(|score| score.unwrap().loss).collect();
        assert_eq!(losses, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(*card.given.lock().unwrap(), [8, 4, 2, 2, 2, 2]);
        assert_eq!(model.row_limit(), Some(2));
        model.score(&[5; 3 * 1024], 0).unwrap();
        assert_eq!(card.given.lock().unwrap()[6..], [2, 1]);
    }

    #[test]
    fn a_device_without_room_for_one_row_fails_for_each_sample() {
        let (_, model) = cramped(0);
        let scores = model.score_batch(&[b"one", b"two"], 0);
        assert_eq!(scores.len(), 2);
        for score in scores {
            let error = score.unwrap_err();
            assert!(matches!(error, ModelError::OutOfMemory { device: Device::Cuda(0), .. }), "{error}");
        }
    }

    #[test]
    fn each_batch_of_a_sample_has_its_own_noise_and_weighs_the_same() {
        let (_, model) = cramped(usize::MAX);
        // Batches of 16, 16 and 1 rows with noise 7, 8 and 9.
        assert_eq!(model.score(&vec![1; 32 * 1024 + 1], 7).unwrap().embedding, [8.0]);
    }
}
