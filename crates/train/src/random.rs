//! Seeded normal numbers, as the network draws them (`model.md §6`): for the regulariser's noise it must be these.

use rand::{Rng, SeedableRng, rngs::StdRng};
use rand_distr::StandardNormal;

pub fn normal(seed: u64, count: usize, std: f32) -> Vec<f32> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..count).map(|_| std * rng.sample::<f32, _>(StandardNormal)).collect()
}
