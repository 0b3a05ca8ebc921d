//! What can go wrong on a card.

use cudarc::cublaslt::result::CublasError;
use cudarc::driver::{DriverError, sys::CUresult};

/// Why a card does not score.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    #[error("{library} was not found: {hint}")]
    Library { library: &'static str, hint: &'static str },
    #[error("there is no card {ordinal}: the driver shows {found}")]
    NoCard { ordinal: usize, found: usize },
    #[error("{name} has compute capability {}.{}; {precision} needs 8.0 or more: use f32", capability.0, capability.1)]
    TooOld { name: String, capability: (i32, i32), precision: &'static str },
    #[error("the card is out of memory: {} MiB were asked for, {} MiB are free", wanted >> 20, free >> 20)]
    OutOfMemory { wanted: u64, free: u64 },
    #[error("{heads} heads do not fit an embedding of {embed}: each needs the same, even number of dimensions")]
    Heads { embed: usize, heads: usize },
    #[error("a row does not fit the model: {0}")]
    Row(String),
    #[error("tensor `{tensor}` has {found} values, expected {expected}")]
    Tensor { tensor: String, found: usize, expected: usize },
    #[error("the card's kernels do not compile: {0}")]
    Compile(String),
    #[error("cuBLASLt failed at {doing}: {status}")]
    Product { doing: String, status: CublasError },
    #[error("the driver failed: {0:?}")]
    Driver(DriverError),
}

impl From<DriverError> for CardError {
    fn from(error: DriverError) -> Self {
        match error.0 {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => Self::OutOfMemory { wanted: 0, free: 0 },
            _ => Self::Driver(error),
        }
    }
}
