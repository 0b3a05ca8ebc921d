//! f32 arrays as protobuf numbers.

use super::FieldError;
use crate::chain::types::SomaTensor;

/// The values; a tensor that is no f32 array has none.
pub(super) fn vector(tensor: &SomaTensor) -> Vec<f32> {
    tensor.values().unwrap_or_default()
}

/// The one value; anything but a scalar has none.
pub(super) fn scalar(tensor: &SomaTensor) -> Option<f32> {
    tensor.scalar_value().ok()
}

/// Only finite numbers, else the field is invalid: a NaN from outside would poison every comparison it takes part in.
pub(super) fn finite(field: &'static str, value: f32) -> Result<f32, FieldError> {
    if value.is_finite() { Ok(value) } else { Err(FieldError::invalid(field, format!("{value} is not finite"))) }
}

/// All finite.
pub(super) fn finite_all(field: &'static str, values: &[f32]) -> Result<Vec<f32>, FieldError> {
    values.iter().map(|value| finite(field, *value)).collect()
}
