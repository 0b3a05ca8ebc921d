//! The forward pass on the processor, in f32.

use rayon::prelude::*;
use somascope_kernels as kernels;

use super::ModelError;
use super::regulariser::Regulariser;
use super::rows::{Row, RowScore, Rows};
use super::transformer::Transformer;

/// A model in the machine's memory.
pub(super) struct Processor(pub Transformer);

impl Processor {
    fn evaluate_row(&self, row: &Row) -> Result<RowScore, ModelError> {
        let embed = self.embed_dim();
        let regulariser = Regulariser::of_batch(row.noise_seed, embed)?;
        let representations = self.0.represent(&row.sequence)?;
        let counted = row.sequence.counted();
        let logits = self.0.predict(&representations[..counted * embed])?;
        Ok(RowScore {
            nll: kernels::nll_sum(&logits, self.0.dims.vocabulary, &row.sequence.targets[..counted]),
            regulariser: regulariser.sum(&representations)?,
            embedding: kernels::mean_row(&representations, embed),
        })
    }
}

impl Rows for Processor {
    fn evaluate(&self, rows: &[Row]) -> Result<Vec<RowScore>, ModelError> {
        // No more in flight than there are threads: activations of V1 take 100 MiB a sequence.
        let in_flight = rayon::current_num_threads().max(1);
        let mut scores = Vec::with_capacity(rows.len());
        for group in rows.chunks(in_flight) {
            let group: Vec<RowScore> =
                group.par_iter().with_max_len(1).map(|row| self.evaluate_row(row)).collect::<Result<_, _>>()?;
            scores.extend(group);
        }
        Ok(scores)
    }

    fn embed_dim(&self) -> usize {
        self.0.dims.embed
    }

    fn resident_bytes(&self) -> u64 {
        self.0.dims.elements() * size_of::<f32>() as u64
    }
}
