//! What can go wrong between bytes and a score.

use candle_core::DType;
use safetensors::{SafeTensorError, tensor::TensorView};

/// Why weights do not load or data has no score.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error(
        "the weights are not a safetensors file ({0}); encrypted weights need their key, a cut-off download a new one"
    )]
    Unreadable(#[source] SafeTensorError),
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
    #[error("the tensor library failed: {0}")]
    Backend(#[from] candle_core::Error),
}

impl ModelError {
    pub(super) fn shape(tensor: &str, expected: &str, found: &TensorView<'_>) -> Self {
        Self::Shape { tensor: tensor.to_owned(), expected: expected.to_owned(), found: found.shape().to_vec() }
    }

    /// A tensor of the backend that should be f32 on the processor but is not.
    pub(super) fn unexpected_storage(found: DType) -> Self {
        Self::Backend(candle_core::Error::Msg(format!(
            "a result came back as {found:?}, expected F32 on the processor"
        )))
    }
}
