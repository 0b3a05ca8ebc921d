//! Seeded random arrays (`model.md §6`): the noise of the regulariser, the targets of the network, test weights.
//!
//! One sequential ChaCha12 stream per call; the same seed gives the same bits everywhere. Never draws from the system.

use rand::{Rng, SeedableRng, distr::Uniform, rngs::StdRng};
use rand_distr::StandardNormal;

/// `mean + std · n` for standard normals `n`.
pub fn normal(seed: u64, count: usize, mean: f32, std: f32) -> Vec<f32> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..count).map(|_| mean + std * rng.sample::<f32, _>(StandardNormal)).collect()
}

/// Uniform in `[min, max)`.
///
/// # Panics
/// If the range is empty or not finite.
pub fn uniform(seed: u64, count: usize, min: f32, max: f32) -> Vec<f32> {
    let range = Uniform::new(min, max).expect("the caller gives a finite range that is not empty");
    StdRng::seed_from_u64(seed).sample_iter(range).take(count).collect()
}
