//! f32 arrays as the chain stores them.

use serde::{Deserialize, Serialize};

/// `dtype u8 (0 = f32) ‖ little-endian bytes ‖ shape` (`protocol.md §4.4`).
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SomaTensor {
    dtype: u8,
    bytes: Vec<u8>,
    shape: Vec<u64>,
}

/// A tensor whose bytes, shape and type disagree.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a tensor of type {dtype}, shape {shape:?} with {bytes} bytes is no f32 array")]
pub struct TensorError {
    dtype: u8,
    shape: Vec<u64>,
    bytes: usize,
}

impl SomaTensor {
    /// Shape `[values.len()]`.
    pub fn vector(values: &[f32]) -> Self {
        Self {
            dtype: 0,
            bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            shape: vec![values.len() as u64],
        }
    }

    /// Shape `[1]`, the chain's form of a scalar.
    pub fn scalar(value: f32) -> Self {
        Self::vector(&[value])
    }

    /// The values, if type, shape and length agree.
    pub fn values(&self) -> Result<Vec<f32>, TensorError> {
        let count = self.shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d));
        let (words, rest) = self.bytes.as_chunks::<4>();
        if self.dtype != 0 || !rest.is_empty() || count != Some(words.len() as u64) {
            return Err(TensorError { dtype: self.dtype, shape: self.shape.clone(), bytes: self.bytes.len() });
        }
        Ok(words.iter().map(|w| f32::from_le_bytes(*w)).collect())
    }

    /// The one value of a scalar.
    pub fn scalar_value(&self) -> Result<f32, TensorError> {
        match self.values()?.as_slice() {
            [value] => Ok(*value),
            _ => Err(TensorError { dtype: self.dtype, shape: self.shape.clone(), bytes: self.bytes.len() }),
        }
    }

    /// Number of elements that the bytes hold.
    pub fn len(&self) -> usize {
        self.bytes.len() / 4
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl std::fmt::Debug for SomaTensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SomaTensor{:?}", self.shape)
    }
}
