//! NVIDIA cards.

use super::placement::{Device, DeviceInfo, Precision};
use super::rows::Rows;
use super::{ModelError, weights::Weights};

pub(super) fn load(
    _weights: &Weights<'_>,
    _heads: usize,
    ordinal: usize,
    _precision: Precision,
) -> Result<Box<dyn Rows>, ModelError> {
    Err(ModelError::NoDevice { device: Device::Cuda(ordinal), reason: "no card was found".to_owned() })
}

pub(super) fn devices() -> Vec<DeviceInfo> {
    Vec::new()
}
