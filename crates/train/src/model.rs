//! The V1 model, differentiable: names, shapes and arithmetic of `reference/model.md §1`.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use anyhow::Context;
use candle_core::{D, Device, Result, Tensor, Var};
use somascope_kernels::Rotary;

use crate::{
    data::Window,
    ops::{Attention, Gelu},
    random,
};

pub const VOCABULARY: usize = 264;
pub const HEADS: usize = 8;
const NORM_EPSILON: f64 = 1e-5;

/// A small model's shape. `embed` is a multiple of 16.
#[derive(Clone, Copy)]
pub struct Dims {
    pub embed: usize,
    pub feed_forward: usize,
    pub layers: usize,
}

/// All weights, by their names in the file.
pub struct Model {
    pub dims: Dims,
    pub tensors: BTreeMap<String, Var>,
}

impl Model {
    /// Random weights: embeddings small, so that what a layer adds is heard; each matrix keeps its input's size; what is added to the
    /// residual stream starts smaller with more layers; the predictor starts with no opinion.
    pub fn new(dims: Dims, seed: u64) -> anyhow::Result<Self> {
        let mut tensors = BTreeMap::new();
        for (n, (name, shape)) in shapes(dims).into_iter().enumerate() {
            let count: usize = shape.iter().product();
            let fan_in = (shape[0] as f32).sqrt();
            let std = match name.rsplit_once('.').map_or("", |(part, _)| part.rsplit('.').next().unwrap_or(part)) {
                "embedding" => 0.5,
                "predictor" => 0.1 / fan_in,
                "output" | "linear_outer" => 1.0 / fan_in / (2.0 * dims.layers as f32).sqrt(),
                _ => 1.0 / fan_in,
            };
            let values = if name.ends_with("weight") {
                random::normal(seed.wrapping_mul(1000).wrapping_add(n as u64), count, std)
            } else {
                vec![if name.ends_with("gamma") { 1.0 } else { 0.0 }; count]
            };
            tensors.insert(name, Var::from_vec(values, shape, &Device::Cpu)?);
        }
        Ok(Self { dims, tensors })
    }

    /// Starts the predictor at the frequencies of tokens, which it would otherwise take its first hundred steps to learn.
    pub fn expect(&self, frequencies: &[f32]) -> Result<()> {
        let logits: Vec<f32> = frequencies.iter().map(|f| f.ln()).collect();
        self.tensors["predictor.bias"].set(&Tensor::from_vec(logits, VOCABULARY, &Device::Cpu)?)
    }

    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let tensors = self.tensors.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        candle_core::safetensors::save(&tensors, path).with_context(|| format!("cannot write {}", path.display()))
    }

    pub fn tensor(&self, name: &str) -> &Tensor {
        self.tensors[name].as_tensor()
    }

    /// Representations `[batch · seq, embed]` after the final norm. All windows are of one length.
    pub fn represent(&self, windows: &[Window]) -> Result<Tensor> {
        let tokens: Vec<u32> = windows.iter().flat_map(|w| w.tokens.iter().copied()).collect();
        let tokens = Tensor::from_vec(tokens, windows.iter().map(|w| w.tokens.len()).sum::<usize>(), &Device::Cpu)?;
        let head_dim = self.dims.embed / HEADS;
        let rotary = Arc::new(windows.iter().map(|w| Rotary::new(&w.positions, head_dim)).collect());
        let mut x = self.tensor("embedding.weight").index_select(&tokens, 0)?;
        for layer in 0..self.dims.layers {
            let name = |part: &str| format!("encoder.layers.{layer}.{part}");
            let attended = self.attend(&self.norm(&x, &name("norm_1"))?, layer, &rotary)?;
            x = (x + self.linear(&attended, &name("attention.output"))?)?;
            let hidden = self.linear(&self.norm(&x, &name("norm_2"))?, &name("pwff.linear_inner"))?;
            x = (x + self.linear(&hidden.apply_op1(Gelu)?, &name("pwff.linear_outer"))?)?;
        }
        self.norm(&x, "final_norm")
    }

    /// Logits `[rows, vocabulary]`.
    pub fn predict(&self, representations: &Tensor) -> Result<Tensor> {
        self.linear(representations, "predictor")
    }

    fn attend(&self, x: &Tensor, layer: usize, rotary: &Arc<Vec<Rotary>>) -> Result<Tensor> {
        let side_by_side = |what: &str, axis: usize| {
            let part = |which: &str| self.tensor(&format!("encoder.layers.{layer}.attention.{which}.{what}"));
            Tensor::cat(&[part("query"), part("key"), part("value")], axis)
        };
        let qkv = x.matmul(&side_by_side("weight", 1)?)?.broadcast_add(&side_by_side("bias", 0)?)?;
        qkv.apply_op1(Attention { heads: HEADS, rotary: Arc::clone(rotary) })
    }

    fn linear(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        x.matmul(self.tensor(&format!("{name}.weight")))?.broadcast_add(self.tensor(&format!("{name}.bias")))
    }

    fn norm(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + NORM_EPSILON)?.sqrt()?;
        let unit = centred.broadcast_div(&deviation)?;
        unit.broadcast_mul(self.tensor(&format!("{name}.gamma")))?.broadcast_add(self.tensor(&format!("{name}.beta")))
    }
}

/// Name and shape of each tensor; matrices are `[in, out]`.
fn shapes(dims: Dims) -> Vec<(String, Vec<usize>)> {
    let Dims { embed, feed_forward, layers } = dims;
    let mut shapes = vec![("embedding.weight".to_owned(), vec![VOCABULARY, embed])];
    let norm = |name: &str| ["gamma", "beta"].map(|part| (format!("{name}.{part}"), vec![embed]));
    let linear = |name: &str, inputs: usize, outputs: usize| {
        [(format!("{name}.weight"), vec![inputs, outputs]), (format!("{name}.bias"), vec![outputs])]
    };
    for layer in 0..layers {
        let name = |part: &str| format!("encoder.layers.{layer}.{part}");
        shapes.extend(norm(&name("norm_1")));
        for part in ["query", "key", "value", "output"] {
            shapes.extend(linear(&name(&format!("attention.{part}")), embed, embed));
        }
        shapes.extend(norm(&name("norm_2")));
        shapes.extend(linear(&name("pwff.linear_inner"), embed, feed_forward));
        shapes.extend(linear(&name("pwff.linear_outer"), feed_forward, embed));
    }
    shapes.extend(norm("final_norm"));
    shapes.extend(linear("predictor", embed, VOCABULARY));
    shapes
}
