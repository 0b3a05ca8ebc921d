//! What a new target looks like, from its seed (`protocol.md §7.3`, `model.md §8`).

use super::{arrgen, select_models};

/// A target before it has a threshold and a reward.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// `[dim]`, not normalised.
    pub embedding: Vec<f32>,
    /// Indexes of the models that serve it, in the target's order.
    pub models: Vec<usize>,
}

/// The target of a seed. `models`: (embedding, stake in shannons) of the active models in ascending order of id, each embedding of `dim`
/// numbers; `per_target` of them serve it.
pub fn draw_target(seed: u64, dim: usize, models: &[(&[f32], u64)], per_target: usize) -> Drawn {
    let embedding = arrgen::normal(seed, dim, 0.0, 1.0);
    let models = select_models(&embedding, models, per_target.min(models.len()));
    Drawn { embedding, models }
}
