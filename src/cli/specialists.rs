//! The specialists of the embedded network: one for each kind of bytes in the demo corpus.

use anyhow::Context;

use super::demo::corpus;
use crate::{
    devnet::ModelSpec,
    model::{Model, SEQUENCE_LENGTH, specialist},
    primitives::SHANNONS_PER_SOMA,
};

/// Small enough for a laptop's processor, large enough to have an opinion.
const DIMS: specialist::Dims = specialist::Dims { embed: EMBED as usize, feed_forward: 256, layers: 2 };

/// The embedded network's embedding dimension.
pub const EMBED: u64 = 64;

/// Of the random part of the weights.
const SEED: u64 = 1000;

/// Windows whose mean embedding says where a specialist is at home.
const HOME_WINDOWS: usize = 4;

/// The same models on every run. Stakes differ a little: targets go to near and well-staked models, and with so few a
/// poor one would never be asked.
pub fn specialists() -> anyhow::Result<Vec<ModelSpec>> {
    (1u64..)
        .zip(corpus::kinds())
        .map(|(n, (name, examples))| {
            let weights = specialist::build(DIMS, SEED + n, &examples);
            let embedding = home(&weights, &examples).with_context(|| format!("the {name} specialist"))?;
            Ok(ModelSpec { name, weights, embedding: Some(embedding), stake: (20 + n) * SHANNONS_PER_SOMA })
        })
        .collect()
}

/// The mean embedding of a few windows of the model's own kind of bytes.
fn home(weights: &[u8], examples: &[&[u8]]) -> anyhow::Result<Vec<f32>> {
    let model = Model::from_safetensors(weights, None)?;
    let windows: Vec<&[u8]> =
        examples.iter().filter_map(|file| file.chunks(SEQUENCE_LENGTH).next()).take(HOME_WINDOWS).collect();
    let mut sum = vec![0.0; model.embed_dim()];
    for score in model.score_batch(&windows, 0) {
        for (total, value) in sum.iter_mut().zip(score?.embedding) {
            *total += value;
        }
    }
    Ok(sum.into_iter().map(|total| total / windows.len() as f32).collect())
}
