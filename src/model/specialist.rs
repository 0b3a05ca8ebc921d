//! Small V1 models for the embedded network: seeded weights whose predictor is fitted to one kind of bytes.
//!
//! The encoder is random: a token's own embedding, with some of what it has seen before mixed in. What is fitted, in closed form, is how
//! it is read: the final norm is centred on the examples, so that samples spread in all directions instead of sharing one, and the
//! predictor is a linear discriminant of the next byte.

mod fit;

use super::transformer::Transformer;
use super::weights::{self, Weights};
use super::{VOCABULARY, arrgen};
use crate::primitives;

/// A small model's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// A multiple of 16, for the eight heads that the loader assumes (four at 16).
    pub embed: usize,
    pub feed_forward: usize,
    pub layers: usize,
}

/// Plain safetensors of a model that knows `examples` best, reproducible from `seed` on the same processor.
///
/// Dimensions that no model can have give a file that [`super::Model::from_safetensors`] refuses, with the reason.
pub fn build(dims: Dims, seed: u64, examples: &[&[u8]]) -> Vec<u8> {
    let dims = weights::Dims {
        vocabulary: VOCABULARY,
        embed: dims.embed,
        feed_forward: dims.feed_forward,
        layers: dims.layers,
    };
    let random = |name: &str, shape: &[usize]| initial(seed, name, shape);
    let reading = Weights::parse(&weights::write(dims, random))
        .and_then(|weights| Transformer::load(&weights, None))
        .and_then(|encoder| fit::fit(&encoder, examples));
    match reading {
        Ok(reading) => weights::write(dims, |name, shape| match name {
            "final_norm.gamma" => reading.gamma.clone(),
            "final_norm.beta" => reading.beta.clone(),
            "predictor.weight" => reading.weight.clone(),
            "predictor.bias" => reading.bias.clone(),
            _ => random(name, shape),
        }),
        Err(error) => {
            tracing::warn!(%error, "a specialist of these dimensions cannot be fitted; its weights stay random");
            weights::write(dims, random)
        }
    }
}

/// Seeded weights of the encoder; the parts that are fitted start at "pass everything through, predict nothing".
fn initial(seed: u64, name: &str, shape: &[usize]) -> Vec<f32> {
    let count = shape.iter().product();
    if name.ends_with(".gamma") {
        return vec![1.0; count];
    }
    if name.ends_with(".beta") || name.ends_with(".bias") || name == "predictor.weight" {
        return vec![0.0; count];
    }
    // An embedding of 1 against branches of 1/√fan_in: a position is mostly its own token, coloured by what came before.
    let std = if name == "embedding.weight" { 1.0 } else { 1.0 / (shape[0] as f32).sqrt() };
    let [a, b, c, d, e, f, g, h, ..] = primitives::hash(&[&seed.to_le_bytes(), name.as_bytes()].concat()).0;
    arrgen::normal(u64::from_le_bytes([a, b, c, d, e, f, g, h]), count, 0.0, std)
}
