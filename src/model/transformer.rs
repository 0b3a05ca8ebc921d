//! The V1 encoder and predictor: token ids in, representations and logits out (`model.md §1.2`).
//!
//! Works on one sequence at a time, `[seq, …]` row-major f32; matrix products go to candle, the rest is in `lanes` and
//! `attention`. Immutable once loaded, so any number of threads may run it.

use candle_core::{CpuStorage, Device, Storage, Tensor};
use rayon::prelude::*;

use super::ModelError;
use super::attention::{self, Rotary};
use super::lanes::{self, vectorised};
use super::tokenizer::Sequence;
use super::weights::{Dims, Weights, layer_tensor};

const NORM_EPSILON: f32 = 1e-5;
/// Elements per task of an element-wise function: some tens of microseconds.
const GRAIN: usize = 1 << 15;

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
    /// `heads`: `None` takes 4 at E = 16 (the network's small model), else 8 (V1); shapes do not tell.
    pub fn load(weights: &Weights<'_>, heads: Option<usize>) -> Result<Self, ModelError> {
        let dims = weights.dims;
        let embed = dims.embed;
        let heads = heads.unwrap_or(if embed == 16 { 4 } else { 8 });
        if heads == 0 || !embed.is_multiple_of(heads) || !(embed / heads).is_multiple_of(2) {
            return Err(ModelError::Heads { embed, heads });
        }
        Ok(Self {
            dims,
            heads,
            embedding: weights.matrix("embedding.weight", dims.vocabulary, embed)?.flatten_all()?.to_vec1()?,
            layers: (0..dims.layers).map(|l| Layer::load(weights, l, heads)).collect::<Result<_, _>>()?,
            final_norm: Norm::load(weights, "final_norm")?,
            predictor: Linear::load(weights, "predictor", embed, dims.vocabulary)?,
        })
    }

    /// Representations `[seq, embed]`, after the final norm. Token ids must be below the vocabulary's size.
    pub fn represent(&self, sequence: &Sequence) -> Result<Vec<f32>, ModelError> {
        let mut x = self.embed(&sequence.tokens);
        let rotary = Rotary::new(&sequence.positions, self.dims.embed / self.heads);
        for layer in &self.layers {
            let attended = layer.attend(layer.norm_1.apply(&x), &rotary)?;
            lanes::add(&mut x, &attended);
            let fed_forward = layer.feed_forward(layer.norm_2.apply(&x))?;
            lanes::add(&mut x, &fed_forward);
        }
        Ok(self.final_norm.apply(&x))
    }

    fn embed(&self, tokens: &[u32]) -> Vec<f32> {
        let width = self.dims.embed;
        tokens.iter().flat_map(|token| &self.embedding[*token as usize * width..][..width]).copied().collect()
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
        let Dims { embed, feed_forward, .. } = weights.dims;
        let name = |part: &str| layer_tensor(layer, part);
        Ok(Self {
            heads,
            norm_1: Norm::load(weights, &name("norm_1"))?,
            qkv: Linear::side_by_side(&[
                Linear::load(weights, &name("attention.query"), embed, embed)?,
                Linear::load(weights, &name("attention.key"), embed, embed)?,
                Linear::load(weights, &name("attention.value"), embed, embed)?,
            ])?,
            output: Linear::load(weights, &name("attention.output"), embed, embed)?,
            norm_2: Norm::load(weights, &name("norm_2"))?,
            inner: Linear::load(weights, &name("pwff.linear_inner"), embed, feed_forward)?,
            outer: Linear::load(weights, &name("pwff.linear_outer"), feed_forward, embed)?,
        })
    }

    /// The attention branch of normalised input, before the residual sum.
    fn attend(&self, x: Vec<f32>, rotary: &Rotary) -> Result<Vec<f32>, ModelError> {
        let embed = self.norm_1.gamma.len();
        let qkv = self.qkv.apply(x)?;
        self.output.apply(attention::causal(&qkv, embed, self.heads, rotary))
    }

    /// The feed-forward branch of normalised input, before the residual sum.
    fn feed_forward(&self, x: Vec<f32>) -> Result<Vec<f32>, ModelError> {
        let mut hidden = self.inner.apply(x)?;
        hidden.par_chunks_mut(GRAIN).for_each(lanes::gelu);
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
    fn load(weights: &Weights<'_>, name: &str, inputs: usize, outputs: usize) -> Result<Self, ModelError> {
        Ok(Self {
            weight: weights.matrix(&format!("{name}.weight"), inputs, outputs)?,
            bias: weights.vector(&format!("{name}.bias"), outputs)?,
        })
    }

    fn side_by_side(parts: &[Linear]) -> Result<Self, ModelError> {
        let weights: Vec<&Tensor> = parts.iter().map(|part| &part.weight).collect();
        let bias = parts.iter().flat_map(|part| &part.bias).copied().collect();
        Ok(Self { weight: Tensor::cat(&weights, 1)?.contiguous()?, bias })
    }

    fn apply(&self, x: Vec<f32>) -> Result<Vec<f32>, ModelError> {
        multiply(x, &self.weight, |product| {
            product
                .chunks_exact(self.bias.len())
                .flat_map(|row| row.iter().zip(&self.bias).map(|(y, b)| y + b))
                .collect()
        })
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
        Ok(Self {
            gamma: weights.vector(&format!("{name}.gamma"), weights.dims.embed)?,
            beta: weights.vector(&format!("{name}.beta"), weights.dims.embed)?,
        })
    }

    fn apply(&self, x: &[f32]) -> Vec<f32> {
        let width = self.gamma.len();
        let mut out = x.to_vec();
        out.par_chunks_mut(width * GRAIN.div_ceil(width)).for_each(|rows| {
            vectorised(
                #[inline(always)]
                || {
                    rows.chunks_exact_mut(width).for_each(
                        #[inline(always)]
                        |row| self.apply_row(row),
                    )
                },
            );
        });
        out
    }

    /// Two passes, biased variance.
    #[inline(always)]
    fn apply_row(&self, row: &mut [f32]) {
        let mean = lanes::sum(row) / row.len() as f32;
        row.iter_mut().for_each(|v| *v -= mean);
        let variance = lanes::sum_of_squares(row) / row.len() as f32;
        let deviation = (variance + NORM_EPSILON).sqrt();
        for ((v, gamma), beta) in row.iter_mut().zip(&self.gamma).zip(&self.beta) {
            *v = *v / deviation * gamma + beta;
        }
    }
}
