//! What every device offers: rows in, sums out.

use super::ModelError;
use super::tokenizer::Sequence;

/// One sequence to evaluate. Rows are independent of each other, whatever sample they belong to.
pub(super) struct Row {
    pub sequence: Sequence,
    /// Seed of the regulariser's noise: the score's seed plus the number of the row's batch (`model.md §3.2`).
    pub noise_seed: u64,
}

/// What one row adds to a score.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RowScore {
    /// Negative log-likelihood, summed over the positions that predict something.
    pub nll: f64,
    /// Summed over all positions.
    pub regulariser: f64,
    /// `[embed]`, mean over all positions.
    pub embedding: Vec<f32>,
}

/// A model on a device. Results must not depend on which rows are evaluated together.
pub(super) trait Rows: Send + Sync {
    /// A score for each row, in order. Not-a-number is a result, not an error.
    ///
    /// # Errors
    /// [`ModelError::OutOfMemory`] if fewer rows at once might fit; anything else is the device's end.
    fn evaluate(&self, rows: &[Row]) -> Result<Vec<RowScore>, ModelError>;

    fn embed_dim(&self) -> usize;

    /// Bytes of device memory that the weights hold for as long as the model lives.
    fn resident_bytes(&self) -> u64;
}
