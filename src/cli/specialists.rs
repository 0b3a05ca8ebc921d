//! The specialists of the embedded network, which are part of the binary: small models, each trained on one kind of bytes. How, tells
//! `assets/README.md`.

use anyhow::Context;
use include_dir::{Dir, include_dir};

use super::demo::corpus;
use crate::{
    devnet::ModelSpec,
    model::{Model, SEQUENCE_LENGTH},
    primitives::SHANNONS_PER_SOMA,
};

static WEIGHTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/assets/specialists");

/// The specialists' embedding dimension.
pub const EMBED: u64 = 64;

/// Windows whose mean embedding says where a specialist is at home.
const HOME_WINDOWS: usize = 8;

/// One for each kind of bytes in the demo corpus. Stakes differ a little: targets go to near and well-staked models, and with so few a
/// poor one would never be asked.
pub fn specialists() -> anyhow::Result<Vec<ModelSpec>> {
    (1u64..)
        .zip(corpus::kinds())
        .map(|(n, (name, examples))| {
            let file = format!("{name}.safetensors");
            let weights =
                WEIGHTS.get_file(&file).with_context(|| format!("no {file} among the specialists"))?.contents();
            let embedding = home(weights, &examples).with_context(|| format!("the {name} specialist"))?;
            let stake = (20 + n) * SHANNONS_PER_SOMA;
            Ok(ModelSpec { name, weights: weights.to_vec(), embedding: Some(embedding), stake })
        })
        .collect()
}

/// The mean embedding of a few windows of the model's own kind of bytes, none of which it was trained on.
fn home(weights: &[u8], examples: &[&[u8]]) -> anyhow::Result<Vec<f32>> {
    let model = Model::from_safetensors(weights, None)?;
    let windows: Vec<&[u8]> = examples.iter().flat_map(|file| file.chunks_exact(SEQUENCE_LENGTH)).collect();
    let step = windows.len().div_ceil(HOME_WINDOWS).max(1);
    let windows: Vec<&[u8]> = windows.into_iter().step_by(step).collect();
    let mut sum = vec![0.0; model.embed_dim()];
    for score in model.score_batch(&windows, 0) {
        for (total, value) in sum.iter_mut().zip(score?.embedding) {
            *total += value;
        }
    }
    Ok(sum.into_iter().map(|total| total / windows.len() as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_specialist_has_its_kind_in_the_corpus_and_is_at_home_somewhere_else_than_the_others() -> anyhow::Result<()>
    {
        let specialists = specialists()?;
        assert_eq!(specialists.len(), WEIGHTS.files().count(), "a file that no kind of the corpus uses");
        let homes: Vec<&Vec<f32>> = specialists.iter().filter_map(|model| model.embedding.as_ref()).collect();
        assert_eq!(homes.len(), specialists.len());
        for (i, a) in homes.iter().enumerate() {
            assert_eq!(a.len() as u64, EMBED);
            for b in &homes[..i] {
                let distance = crate::model::cosine_distance(a, b);
                assert!(distance > 0.5, "{distance}");
            }
        }
        Ok(())
    }
}
