//! What forward passes read besides weights: rotary angles of each row's positions, and the regulariser's directions of each noise seed.
//! Both are made on the processor, uploaded once and kept while they are used.

use std::collections::VecDeque;
use std::hash::Hash;
use std::sync::Arc;

use cudarc::driver::CudaSlice;

const MAX_WAVELENGTH: f32 = 10_000.0;
/// 1 MiB each for V1: all offsets of the longest submission would be 1024.
const ANGLES_KEPT: usize = 128;
/// 2 MiB each for V1.
const DIRECTIONS_KEPT: usize = 64;

/// First position, row length, head dimension.
pub(crate) type AngleKey = (u32, usize, usize);
/// Noise seed, embedding dimension, operand type.
pub(crate) type DirectionKey = (u64, usize, &'static str);

#[derive(Default)]
pub(crate) struct Tables {
    pub angles: Recent<AngleKey>,
    pub directions: Recent<DirectionKey>,
}

impl Tables {
    pub const ANGLES: usize = ANGLES_KEPT;
    pub const DIRECTIONS: usize = DIRECTIONS_KEPT;
}

/// The most recently used buffers.
pub(crate) struct Recent<K>(VecDeque<(K, Arc<CudaSlice<u8>>)>);

impl<K> Default for Recent<K> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<K: Hash + Eq + Copy> Recent<K> {
    pub fn get<E>(
        &mut self,
        key: K,
        kept: usize,
        make: impl FnOnce() -> Result<CudaSlice<u8>, E>,
    ) -> Result<Arc<CudaSlice<u8>>, E> {
        let entry = match self.0.iter().position(|(k, _)| *k == key).and_then(|index| self.0.remove(index)) {
            Some(entry) => entry,
            None => (key, Arc::new(make()?)),
        };
        let buffer = Arc::clone(&entry.1);
        self.0.push_back(entry);
        if self.0.len() > kept {
            self.0.pop_front();
        }
        Ok(buffer)
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// Cosines, then sines, each `[seq, head / 2]`, of positions `first, first + 1, …`. The angle is rounded to f32 before its sine is taken, as
/// in the reference (`model.md §1.3`): at offsets near 1 MiB that rounding is visible.
pub(crate) fn angles((first, seq, head): AngleKey) -> Vec<f32> {
    let timescales: Vec<f32> = (0..head / 2).map(|i| MAX_WAVELENGTH.powf((i * 2) as f32 / head as f32)).collect();
    let positions = (0..seq as u32).map(|i| first.wrapping_add(i) as f32);
    let angles = positions.flat_map(|p| timescales.iter().map(move |scale| p / scale));
    let (mut cosines, sines): (Vec<f32>, Vec<f32>) =
        angles.map(|angle| f64::from(angle).sin_cos()).map(|(sin, cos)| (cos as f32, sin as f32)).unzip();
    cosines.extend(sines);
    cosines
}
