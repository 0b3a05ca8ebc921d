//! The V1 model and its score, after `reference/model.md`.
//!
//! Knows `primitives` only: bytes in, numbers out. No network, no clock, no global state; the same bytes and seed give the
//! same numbers on every run.

use crate::primitives::Digest;

/// `[batch, seq]` constants of the service (`model.md §1.1`).
pub const SEQUENCE_LENGTH: usize = 1024;
pub const BATCH_SIZE: usize = 16;

#[derive(Debug, thiserror::Error)]
pub enum ModelError {}

/// Loss and mean embedding of one model on one piece of data (`model.md §3`).
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    pub loss: f32,
    /// `[embed_dim]`, not normalised.
    pub embedding: Vec<f32>,
}

/// Weights on the device, ready to score. Shareable between threads.
pub struct Model {}

impl Model {
    /// Plain safetensors. `heads`: `None` takes 4 at E = 16, else 8.
    pub fn from_safetensors(_bytes: &[u8], _heads: Option<usize>) -> Result<Self, ModelError> {
        unimplemented!()
    }
    pub fn embed_dim(&self) -> usize {
        unimplemented!()
    }
    /// Exact score of one piece of data. Empty data and a loss that is not finite are errors.
    pub fn score(&self, _data: &[u8], _seed: u64) -> Result<Score, ModelError> {
        unimplemented!()
    }
}

/// AES-256-CTR with a zero counter block, in place (`model.md §4`); encryption is the same.
pub fn apply_key_stream(_key: &[u8; 32], _bytes: &mut [u8]) {
    unimplemented!()
}

/// Index of the least finite loss, the first on ties; `None` if there is none (`model.md §3.4`).
pub fn winner(_losses: &[f32]) -> Option<usize> {
    unimplemented!()
}

/// `1 − cos`, in the reference's order of summation (`model.md §8`). NaN if a norm is zero.
///
/// Lengths must be equal; a shorter one is an error of the caller and gives NaN.
pub fn cosine_distance(_embedding: &[f32], _target: &[f32]) -> f32 {
    unimplemented!()
}

/// Which models serve a target: indexes into `models`, best weighted score first (`model.md §8`).
/// `models`: (embedding, stake) in ascending order of model id.
pub fn select_models(_target: &[f32], _models: &[(&[f32], u64)], _k: usize) -> Vec<usize> {
    unimplemented!()
}

/// Seeded random arrays (`model.md §6`).
pub mod arrgen {
    /// Standard normals scaled: `mean + std × n`.
    pub fn normal(_seed: u64, _count: usize, _mean: f32, _std: f32) -> Vec<f32> {
        unimplemented!()
    }
    pub fn uniform(_seed: u64, _count: usize, _min: f32, _max: f32) -> Vec<f32> {
        unimplemented!()
    }
}

/// Small V1 models for the embedded network: seeded weights whose predictor is fitted to one kind of bytes.
pub mod specialist {
    /// A small model's shape.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Dims {
        pub embed: usize,
        pub feed_forward: usize,
        pub layers: usize,
    }

    /// Plain safetensors of a model that knows `examples` best, reproducible from `seed`.
    pub fn build(_dims: Dims, _seed: u64, _examples: &[&[u8]]) -> Vec<u8> {
        unimplemented!()
    }
}

/// Blake2b-256 of the bytes: data and encrypted weights alike.
pub fn checksum(bytes: &[u8]) -> Digest {
    crate::primitives::hash(bytes)
}
