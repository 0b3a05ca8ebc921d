//! What can go wrong between bytes and a score.

use std::{io, sync::Arc};

use safetensors::SafeTensorError;

use super::{Device, Precision};

/// Why weights do not load or data has no score. Cloneable, because one failure of a device is told for every sample that was on it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ModelError {
    #[error(
        "the weights are not a safetensors file ({0}); encrypted weights need their key, a cut-off download a new one"
    )]
    Unreadable(#[source] Arc<SafeTensorError>),
    #[error("the weights could not be read at byte {offset}: {cause}")]
    Read {
        offset: u64,
        #[source]
        cause: Arc<io::Error>,
    },
    #[error("missing tensors: [{}]", .0.join(", "))]
    MissingTensors(Vec<String>),
    #[error("tensor `{tensor}` has shape {found:?}, expected {expected}")]
    Shape { tensor: String, expected: String, found: Vec<usize> },
    #[error("tensor `{tensor}` holds {found}, expected F32, F16, BF16 or F64")]
    ElementType { tensor: String, found: String },
    #[error("{heads} heads do not fit an embedding of {embed}: each needs the same, even number of dimensions")]
    Heads { embed: usize, heads: usize },
    #[error("the weights ask for {what} = {found}; at most {limit} is supported")]
    TooLarge { what: &'static str, found: usize, limit: usize },
    #[error("there is no data to score: an empty file has no loss")]
    EmptyData,
    #[error("the loss is {0}, not a finite number: the weights are broken or hostile")]
    LossNotFinite(f32),
    #[error("{device} has no room for {what}; use a smaller batch, a smaller memory budget or fewer models at a time")]
    OutOfMemory { device: Device, what: String },
    #[error("{device} cannot be used: {reason}")]
    NoDevice { device: Device, reason: String },
    #[error("{device} does not compute in {precision}; it has {offered}")]
    Precision { device: Device, precision: Precision, offered: &'static str },
    #[error("the tensor library failed: {0}")]
    Backend(#[source] Arc<candle_core::Error>),
}

impl From<SafeTensorError> for ModelError {
    fn from(cause: SafeTensorError) -> Self {
        Self::Unreadable(Arc::new(cause))
    }
}

impl From<candle_core::Error> for ModelError {
    fn from(cause: candle_core::Error) -> Self {
        Self::Backend(Arc::new(cause))
    }
}

impl ModelError {
    pub(super) fn shape(tensor: &str, expected: &str, found: &[usize]) -> Self {
        Self::Shape { tensor: tensor.to_owned(), expected: expected.to_owned(), found: found.to_vec() }
    }
}
