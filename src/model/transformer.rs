//! The V1 encoder and predictor: token ids in, representations and logits out (`model.md §1.2`).
//!
//! Works on one sequence at a time, `[seq, …]` row-major f32; matrix products go to candle, the rest to the kernels.
//! Immutable once loaded, so any number of threads may run it.

use candle_core::{CpuStorage, Device, Storage, Tensor};
use somascope_kernels::{self as kernels, Rotary};

use super::ModelError;
use super::tokenizer::Sequence;
use super::weights::{Dims, Weights, layer_tensor};

const NORM_EPSILON: f32 = 1e-5;

/// All weights of a model.
pub(super) struct Transformer {
    pub dims: Dims,
    heads: usize,
    /// `[vocabulary, embed]`
    embedding: Vec<f32>,
    layers: Vec<Layer>,
    final_norm: Norm,
    predictor: Linear,
}

impl Transformer {
    pub fn load(weights: &Weights<'_>, heads: usize) -> Result<Self, ModelError> {
        let dims = weights.dims;
        Ok(Self {
            dims,
            heads,
            embedding: weights.values("embedding.weight")?,
            layers: (0..dims.layers).map(|l| Layer::load(weights, l, heads)).collect::<Result<_, _>>()?,
            final_norm: Norm::load(weights, "final_norm")?,
            predictor: Linear::load(weights, "predictor")?,
        })
    }

    /// Representations `[seq, embed]`, after the final norm. Token ids must be below the vocabulary's size.
    pub fn represent(&self, sequence: &Sequence) -> Result<Vec<f32>, ModelError> {
        let mut x = self.embed(&sequence.tokens);
        let rotary = Rotary::new(&sequence.positions, self.dims.embed / self.heads);
        for layer in &self.layers {
            layer.apply(&mut x, &rotary)?;
        }
        Ok(self.final_norm.apply(&x))
    }

    fn embed(&self, tokens: &[u32]) -> Vec<f32> {
        let width = self.dims.embed;
        let mut x = Vec::with_capacity(tokens.len() * width);
        for token in tokens {
            x.extend_from_slice(&self.embedding[*token as usize * width..][..width]);
        }
        x
    }

    /// Logits `[seq, vocabulary]` of representations `[seq, embed]`.
    pub fn predict(&self, representations: &[f32]) -> Result<Vec<f32>, ModelError> {
        self.predictor.apply(representations.to_vec())
    }
}

struct Layer {
    heads: usize,
    norm_1: Norm,
    /// Query, key and value side by side: one product instead of three.
    qkv: Linear,
    output: Linear,
    norm_2: Norm,
    inner: Linear,
    outer: Linear,
}

impl Layer {
    fn load(weights: &Weights<'_>, layer: usize, heads: usize) -> Result<Self, ModelError> {
        let name = |part: &str| layer_tensor(layer, part);
        Ok(Self {
            heads,
            norm_1: Norm::load(weights, &name("norm_1"))?,
            qkv: Linear::side_by_side(&[
                Linear::load(weights, &name("attention.query"))?,
                Linear::load(weights, &name("attention.key"))?,
                Linear::load(weights, &name("attention.value"))?,
            ])?,
            output: Linear::load(weights, &name("attention.output"))?,
            norm_2: Norm::load(weights, &name("norm_2"))?,
            inner: Linear::load(weights, &name("pwff.linear_inner"))?,
            outer: Linear::load(weights, &name("pwff.linear_outer"))?,
        })
    }

    fn apply(&self, x: &mut [f32], rotary: &Rotary) -> Result<(), ModelError> {
        let attended = self.attend(self.norm_1.apply(x), rotary)?;
        kernels::add(x, &attended);
        let fed_forward = self.feed_forward(self.norm_2.apply(x))?;
        kernels::add(x, &fed_forward);
        Ok(())
    }

    /// The attention branch of normalised input, before the residual sum.
    fn attend(&self, x: Vec<f32>, rotary: &Rotary) -> Result<Vec<f32>, ModelError> {
        let embed = self.norm_1.gamma.len();
        let qkv = self.qkv.apply(x)?;
        self.output.apply(kernels::causal_attention(&qkv, embed, self.heads, rotary))
    }

    /// The feed-forward branch of normalised input, before the residual sum.
    fn feed_forward(&self, x: Vec<f32>) -> Result<Vec<f32>, ModelError> {
        let mut hidden = self.inner.apply(x)?;
        kernels::gelu(&mut hidden);
        self.outer.apply(hidden)
    }
}

/// `x · W + b` over rows.
struct Linear {
    /// `[in, out]`, as in the file.
    weight: Tensor,
    bias: Vec<f32>,
}

impl Linear {
    fn load(weights: &Weights<'_>, name: &str) -> Result<Self, ModelError> {
        let bias = weights.values(&format!("{name}.bias"))?;
        let weight = weights.values(&format!("{name}.weight"))?;
        let inputs = weight.len() / bias.len();
        Ok(Self { weight: Tensor::from_vec(weight, (inputs, bias.len()), &Device::Cpu)?, bias })
    }

    fn side_by_side(parts: &[Linear]) -> Result<Self, ModelError> {
        let weights: Vec<&Tensor> = parts.iter().map(|part| &part.weight).collect();
        let bias = parts.iter().flat_map(|part| &part.bias).copied().collect();
        Ok(Self { weight: Tensor::cat(&weights, 1)?.contiguous()?, bias })
    }

    fn apply(&self, x: Vec<f32>) -> Result<Vec<f32>, ModelError> {
        multiply(x, &self.weight, |product| kernels::add_bias(product, &self.bias))
    }
}

/// `x · matrix`, `x` being rows of the matrix's first dimension, handed to `read` where candle left it.
pub(super) fn multiply<R>(x: Vec<f32>, matrix: &Tensor, read: impl FnOnce(&[f32]) -> R) -> Result<R, ModelError> {
    let inputs = matrix.dim(0)?;
    let rows = x.len() / inputs;
    let product = Tensor::from_vec(x, (rows, inputs), &Device::Cpu)?.matmul(matrix)?;
    let (storage, _) = product.storage_and_layout();
    match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => Ok(read(values)),
        _ => Err(ModelError::unexpected_storage(product.dtype())),
    }
}

/// Layer normalisation over the last axis.
struct Norm {
    gamma: Vec<f32>,
    beta: Vec<f32>,
}

impl Norm {
    fn load(weights: &Weights<'_>, name: &str) -> Result<Self, ModelError> {
        Ok(Self { gamma: weights.values(&format!("{name}.gamma"))?, beta: weights.values(&format!("{name}.beta"))? })
    }

    fn apply(&self, x: &[f32]) -> Vec<f32> {
        let mut out = x.to_vec();
        kernels::layer_norm(&mut out, &self.gamma, &self.beta, NORM_EPSILON);
        out
    }
}

#[cfg(test)]
#[path = "transformer_goldens.rs"]
mod goldens;
