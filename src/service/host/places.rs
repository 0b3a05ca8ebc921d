//! The devices of this machine: where a request is evaluated, and which models may be loaded there.

use std::{io, sync::Arc};

use super::{desk::Desk, memory::Memory, pins::Pins};
use crate::model::{Device, Placement, Precision};

/// A device with its queue and its memory.
pub(super) struct Place {
    pub placement: Placement,
    pub desk: Desk,
    pub pins: Pins,
}

impl Place {
    /// In full precision: what is answered here is what submitters put on the chain.
    pub fn open(device: Device, model_bytes: u64, memory: &Arc<Memory>) -> io::Result<Self> {
        let threads = match device {
            // A short sample has one row, which one core evaluates: the models of one request keep the others busy.
            Device::Cpu => std::thread::available_parallelism().map_or(1, usize::from),
            Device::Cuda(_) | Device::Metal(_) => 1,
        };
        Ok(Self {
            placement: Placement { device, precision: Precision::F32 },
            desk: Desk::spawn(&device.to_string(), threads, memory.clone())?,
            pins: Pins::new(model_bytes),
        })
    }
}

/// The one with the least to do, the first of several.
pub(super) fn least_busy(places: &[Place]) -> Option<&Place> {
    places.iter().min_by_key(|place| place.desk.rows())
}
