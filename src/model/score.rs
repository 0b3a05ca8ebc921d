//! Loss and embedding of one model on data: what the network calls the score (`model.md §3`).
//!
//! Each sequence is evaluated on its own and gives sums; only these meet, in dataset order, so results do not depend on threads
//! or on what else is scored at the same time.

use std::num::NonZeroUsize;

use rayon::prelude::*;
use somascope_kernels as kernels;

use super::regulariser::Regulariser;
use super::tokenizer::{self, Sequence};
use super::transformer::Transformer;
use super::weights::Weights;
use super::{BATCH_SIZE, ModelError, SEQUENCE_LENGTH, VOCABULARY};

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

/// Weights in memory, ready to score. Shareable between threads.
pub struct Model {
    transformer: Transformer,
    geometry: Geometry,
}

impl Model {
    /// Plain safetensors. `heads`: `None` takes 4 at E = 16, else 8.
    pub fn from_safetensors(bytes: &[u8], heads: Option<usize>) -> Result<Self, ModelError> {
        let weights = Weights::parse(bytes)?;
        let dims = weights.dims;
        if dims.vocabulary != VOCABULARY {
            return Err(ModelError::Shape {
                tensor: "embedding.weight".to_owned(),
                expected: format!("[{VOCABULARY}, {}]", dims.embed),
                found: vec![dims.vocabulary, dims.embed],
            });
        }
        Ok(Self { transformer: Transformer::load(&weights, heads)?, geometry: Geometry::default() })
    }

    /// The same weights with another sequence length or batch size. For tests: the network knows one geometry only.
    pub fn with_geometry(self, geometry: Geometry) -> Self {
        Self { geometry, ..self }
    }

    pub fn embed_dim(&self) -> usize {
        self.transformer.dims.embed
    }

    /// Exact score of one piece of data. Empty data and a loss that is not finite are errors.
    pub fn score(&self, data: &[u8], seed: u64) -> Result<Score, ModelError> {
        self.combine(self.evaluate(&[data], seed))
    }

    /// Exact scores of several samples, each as [`Model::score`] gives it; keeps all threads busy where single short samples cannot.
    pub fn score_batch(&self, samples: &[&[u8]], seed: u64) -> Vec<Result<Score, ModelError>> {
        let mut rows = self.evaluate(samples, seed).into_iter();
        samples.iter().map(|data| self.combine(rows.by_ref().take(self.row_count(data)).collect())).collect()
    }

    fn row_count(&self, data: &[u8]) -> usize {
        tokenizer::sequence_count(data.len(), self.geometry.sequence_length.get())
    }

    /// All sequences of all samples, in order.
    fn evaluate(&self, samples: &[&[u8]], seed: u64) -> Vec<Result<RowScore, ModelError>> {
        let rows: Vec<(&[u8], usize)> =
            samples.iter().flat_map(|data| (0..self.row_count(data)).map(move |row| (*data, row))).collect();
        // No more in flight than there are threads: activations of V1 take 100 MiB a sequence.
        let in_flight = rayon::current_num_threads().max(1);
        let mut scores = Vec::with_capacity(rows.len());
        for group in rows.chunks(in_flight) {
            scores.par_extend(group.par_iter().with_max_len(1).map(|(data, row)| self.evaluate_row(data, *row, seed)));
        }
        scores
    }

    fn evaluate_row(&self, data: &[u8], row: usize, seed: u64) -> Result<RowScore, ModelError> {
        let sequence = tokenizer::sequence(data, row, self.geometry.sequence_length.get());
        let batch = row / self.geometry.batch_size;
        let regulariser = Regulariser::of_batch(seed.wrapping_add(batch as u64), self.embed_dim())?;
        let representations = self.transformer.represent(&sequence)?;
        Ok(RowScore {
            nll: self.nll_sum(&sequence, &representations)?,
            regulariser: regulariser.sum(&representations)?,
            embedding: kernels::mean_row(&representations, self.embed_dim()),
        })
    }

    /// Sum of the negative log-likelihoods of the targets that are not padding.
    fn nll_sum(&self, sequence: &Sequence, representations: &[f32]) -> Result<f64, ModelError> {
        let counted = sequence.counted();
        let logits = self.transformer.predict(&representations[..counted * self.embed_dim()])?;
        Ok(kernels::nll_sum(&logits, self.transformer.dims.vocabulary, &sequence.targets[..counted]))
    }

    /// Means over positions, then rows, then batches with equal weight each.
    fn combine(&self, rows: Vec<Result<RowScore, ModelError>>) -> Result<Score, ModelError> {
        let rows: Vec<RowScore> = rows.into_iter().collect::<Result<_, _>>()?;
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

/// What one sequence adds to a score.
struct RowScore {
    /// Summed over positions.
    nll: f64,
    /// Summed over positions.
    regulariser: f64,
    /// `[embed]`, mean over positions.
    embedding: Vec<f32>,
}
