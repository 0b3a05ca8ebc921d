//! The three operations that candle's own pieces would make slow, each with its gradient: attention, GELU and the likelihood.
//!
//! Forward they are the product's kernels, so a model is trained on exactly what it will be scored with.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use somascope_kernels::{self as kernels, Rotary};

/// Elements worked on side by side.
const WIDTH: usize = 16;

/// Context vectors `[batch · seq, embed]` from `[batch · seq, 3 · embed]`: queries, keys and values side by side, as a layer makes them.
pub struct Attention {
    pub heads: usize,
    /// One for each sequence of the batch.
    pub rotary: Arc<Vec<Rotary>>,
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "causal-attention"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, width) = layout.shape().dims2()?;
        let embed = width / 3;
        let sequences = values(storage, layout)?.chunks_exact(rows / self.rotary.len() * width);
        let contexts = sequences
            .zip(&*self.rotary)
            .flat_map(|(qkv, rotary)| kernels::causal_attention(qkv, embed, self.heads, rotary));
        Ok((CpuStorage::F32(contexts.collect()), (rows, embed).into()))
    }

    fn bwd(&self, qkv: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (rows, width) = qkv.dims2()?;
        let (qkv, gradient) = (host(qkv)?, host(gradient)?);
        let length = rows / self.rotary.len();
        let mut out = vec![0.0; qkv.len()];
        for (b, rotary) in self.rotary.iter().enumerate() {
            for head in 0..self.heads {
                Head { length, embed: width / 3, dim: width / 3 / self.heads, head, rotary }.pull_back(
                    &qkv[b * length * width..][..length * width],
                    &gradient[b * length * width / 3..][..length * width / 3],
                    &mut out[b * length * width..][..length * width],
                );
            }
        }
        Ok(Some(Tensor::from_vec(out, (rows, width), &candle_core::Device::Cpu)?))
    }
}

/// One head of one sequence.
struct Head<'a> {
    length: usize,
    embed: usize,
    dim: usize,
    head: usize,
    rotary: &'a Rotary,
}

impl Head<'_> {
    /// Where one vector of this head is in `[seq, 3 · embed]`; `part` is 0 for queries, 1 for keys, 2 for values.
    fn at(&self, row: usize, part: usize) -> std::ops::Range<usize> {
        let start = (3 * row + part) * self.embed + self.head * self.dim;
        start..start + self.dim
    }

    /// Writes this head's part of the gradient. Softmax weights are computed again, a row at a time, instead of being kept.
    fn pull_back(&self, qkv: &[f32], gradient: &[f32], out: &mut [f32]) {
        let &Self { length, dim, .. } = self;
        let scale = 1.0 / (dim as f32).sqrt();
        // `[dim, seq]`, so that loops over keys run along memory.
        let mut keys = vec![0.0; length * dim];
        let mut values = vec![0.0; length * dim];
        let mut to_keys = vec![0.0; length * dim];
        let mut to_values = vec![0.0; length * dim];
        let mut vector = vec![0.0; dim];
        for row in 0..length {
            self.rotary.rotate(row, &qkv[self.at(row, 1)], &mut vector);
            for d in 0..dim {
                keys[d * length + row] = vector[d];
                values[d * length + row] = qkv[self.at(row, 2)][d];
            }
        }
        let mut weights = vec![0.0; length];
        let mut slopes = vec![0.0; length];
        let mut query = vec![0.0; dim];
        let mut to_query = vec![0.0; dim];
        for row in 0..length {
            let seen = row + 1;
            let (weights, slopes) = (&mut weights[..seen], &mut slopes[..seen]);
            let arriving = &gradient[row * self.embed + self.head * dim..][..dim];
            self.rotary.rotate(row, &qkv[self.at(row, 0)], &mut query);
            query.iter_mut().for_each(|q| *q *= scale);
            project(weights, &query, &keys, length);
            project(slopes, arriving, &values, length);
            let max = largest(weights);
            weights.iter_mut().for_each(|w| *w = exp(*w - max));
            let total = 1.0 / sum(weights);
            weights.iter_mut().for_each(|w| *w *= total);
            let mean = dot(weights, slopes);
            for (slope, weight) in slopes.iter_mut().zip(&*weights) {
                *slope = (*slope - mean) * weight;
            }
            for d in 0..dim {
                to_query[d] = dot(slopes, &keys[d * length..][..seen]) * scale;
                multiply_add(&mut to_keys[d * length..][..seen], query[d], slopes);
                multiply_add(&mut to_values[d * length..][..seen], arriving[d], weights);
            }
            self.rotate_back(row, &to_query, &mut out[self.at(row, 0)]);
        }
        for row in 0..length {
            for d in 0..dim {
                vector[d] = to_keys[d * length + row];
                out[self.at(row, 2)][d] = to_values[d * length + row];
            }
            self.rotate_back(row, &vector, &mut out[self.at(row, 1)]);
        }
    }

    /// Rotating the halves in the other order turns the other way round.
    fn rotate_back(&self, row: usize, vector: &[f32], back: &mut [f32]) {
        let half = self.dim / 2;
        let swapped = [&vector[half..], &vector[..half]].concat();
        self.rotary.rotate(row, &swapped, back);
        back.rotate_left(half);
    }
}

/// Exact GELU of each element.
pub struct Gelu;

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut out = values(storage, layout)?.to_vec();
        kernels::gelu(&mut out);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, gelu: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        const DENSITY_AT_0: f32 = 0.398_942_3;
        let shape = x.shape();
        let (x, gelu, mut out) = (host(x)?, host(gelu)?, host(gradient)?);
        for ((slope, x), gelu) in out.iter_mut().zip(&x).zip(&gelu) {
            let density = DENSITY_AT_0 * exp(-0.5 * x * x);
            let cumulated = if x.abs() < 1e-3 { 0.5 + x * density } else { gelu / x };
            *slope *= cumulated + x * density;
        }
        Ok(Some(Tensor::from_vec(out, shape, &candle_core::Device::Cpu)?))
    }
}

/// `Σ −log softmax(logits)[target] / rows`, rows without a target counting as 0: a scalar from `[rows, vocabulary]`.
pub struct Likelihood {
    pub targets: Vec<Option<u32>>,
}

impl CustomOp1 for Likelihood {
    fn name(&self) -> &'static str {
        "likelihood"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, vocabulary) = layout.shape().dims2()?;
        let logits = values(storage, layout)?.chunks_exact(vocabulary);
        let counted = logits.zip(&self.targets).filter_map(|(row, target)| Some((row, (*target)?)));
        let sum: f64 = counted.map(|(row, target)| kernels::nll_sum(row, vocabulary, &[target])).sum();
        Ok((CpuStorage::F32(vec![(sum / rows as f64) as f32]), ().into()))
    }

    fn bwd(&self, logits: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (rows, vocabulary) = logits.dims2()?;
        let scale = gradient.to_scalar::<f32>()? / rows as f32;
        let mut out = host(logits)?;
        for (row, target) in out.chunks_exact_mut(vocabulary).zip(&self.targets) {
            let Some(target) = target else {
                row.fill(0.0);
                continue;
            };
            let max = largest(row);
            row.iter_mut().for_each(|l| *l = exp(*l - max));
            let total = scale / sum(row);
            row.iter_mut().for_each(|e| *e *= total);
            row[*target as usize] -= scale;
        }
        Ok(Some(Tensor::from_vec(out, (rows, vocabulary), &candle_core::Device::Cpu)?))
    }
}

fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("rows must lie one after the other"),
    }
}

fn host(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

/// `out = factors · table`, table being `[dim, length]`; four rows in one go through memory.
fn project(out: &mut [f32], factors: &[f32], table: &[f32], length: usize) {
    let seen = out.len();
    out.fill(0.0);
    let rows = |d: usize| &table[d * length..][..seen];
    for (block, factors) in factors.chunks(4).enumerate() {
        let first = 4 * block;
        if let &[a, b, c, d] = factors {
            let (ra, rb, rc, rd) = (rows(first), rows(first + 1), rows(first + 2), rows(first + 3));
            for j in 0..seen {
                out[j] += (a * ra[j] + b * rb[j]) + (c * rc[j] + d * rd[j]);
            }
        } else {
            for (d, factor) in factors.iter().enumerate() {
                multiply_add(out, *factor, rows(first + d));
            }
        }
    }
}

/// `sums += factor · values`.
fn multiply_add(sums: &mut [f32], factor: f32, values: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += factor * value;
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut partial = [0.0; WIDTH];
    let (whole_a, whole_b) = (a.chunks_exact(WIDTH), b.chunks_exact(WIDTH));
    let rest: f32 = whole_a.remainder().iter().zip(whole_b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in whole_a.zip(whole_b) {
        for ((p, a), b) in partial.iter_mut().zip(a).zip(b) {
            *p += a * b;
        }
    }
    partial.iter().sum::<f32>() + rest
}

fn sum(values: &[f32]) -> f32 {
    let mut partial = [0.0; WIDTH];
    let whole = values.chunks_exact(WIDTH);
    let rest: f32 = whole.remainder().iter().sum();
    for values in whole {
        for (p, v) in partial.iter_mut().zip(values) {
            *p += v;
        }
    }
    partial.iter().sum::<f32>() + rest
}

fn largest(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut partial = [f32::NEG_INFINITY; WIDTH];
    let whole = values.chunks_exact(WIDTH);
    let rest = whole.remainder().iter().copied().fold(f32::NEG_INFINITY, larger);
    for values in whole {
        for (p, v) in partial.iter_mut().zip(values) {
            *p = larger(*p, *v);
        }
    }
    partial.into_iter().fold(rest, larger)
}

/// `e^x` for `−87 ≤ x ≤ 0`, and next to 0 below, to a relative 1e-5: without a call, so that loops over it are vectorised.
fn exp(x: f32) -> f32 {
    // x = (n + r) · ln 2 with |r| ≤ ½; 2^r by its series, 2^n as an exponent. Adding 1.5·2²³ leaves n in the mantissa's low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = if x > -87.0 { x } else { -87.0 } * std::f32::consts::LOG2_E;
    let shifted = x + ROUND;
    let r = (x - (shifted - ROUND)) * std::f32::consts::LN_2;
    let power = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r / 720.0)))));
    power * f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()))
}

#[cfg(test)]
mod tests {
    use candle_core::{D, Device, Var};

    use super::*;

    fn random(seed: u64, rows: usize, columns: usize) -> Var {
        let values = crate::random::normal(seed, rows * columns, 1.0);
        Var::from_vec(values, (rows, columns), &Device::Cpu).unwrap()
    }

    /// Both give the same numbers and, for the same arriving gradient, the same gradient.
    fn assert_same(x: &Var, ours: &Tensor, composed: &Tensor) {
        let weights = if ours.dims().is_empty() {
            Tensor::new(1.0f32, &Device::Cpu).unwrap()
        } else {
            let (rows, columns) = ours.dims2().unwrap();
            random(9, rows, columns).as_tensor().clone()
        };
        let close = |a: &Tensor, b: &Tensor| {
            let difference = (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(D::Minus1).unwrap();
            assert!(difference.to_scalar::<f32>().unwrap() < 2e-5, "{difference}");
        };
        close(ours, composed);
        let gradient = |y: &Tensor| {
            let store = (y * &weights).unwrap().sum_all().unwrap().backward().unwrap();
            store.get(x).unwrap().clone()
        };
        close(&gradient(ours), &gradient(composed));
    }

    #[test]
    fn attention_and_its_gradient_are_those_of_the_composed_one() {
        let (batch, length, heads, dim) = (2, 37, 2, 8);
        let embed = heads * dim;
        let qkv = random(1, batch * length, 3 * embed);
        let positions: Vec<u32> = (0..length as u32).map(|p| p + 500).collect();
        let rotary = Arc::new((0..batch).map(|_| Rotary::new(&positions, dim)).collect());
        let ours = qkv.apply_op1(Attention { heads, rotary }).unwrap();

        let part = |n: usize| {
            let part = qkv.narrow(1, n * embed, embed).unwrap().reshape((batch, length, heads, dim)).unwrap();
            part.transpose(1, 2).unwrap().contiguous().unwrap()
        };
        let angle = |p: u32, i: usize| p as f32 / 10_000f32.powf((2 * i) as f32 / dim as f32);
        let angles = positions.iter().flat_map(|p| (0..dim / 2).map(move |i| angle(*p, i)));
        let angles = Tensor::from_iter(angles, &Device::Cpu).unwrap().reshape((length, dim / 2)).unwrap();
        let (cos, sin) = (angles.cos().unwrap(), angles.sin().unwrap());
        let rotate = |x: Tensor| {
            let (a, b) = (x.narrow(3, 0, dim / 2).unwrap(), x.narrow(3, dim / 2, dim / 2).unwrap());
            let times = |x: &Tensor, table: &Tensor| x.broadcast_mul(table).unwrap();
            let first = (times(&a, &cos) - times(&b, &sin)).unwrap();
            let second = (times(&b, &cos) + times(&a, &sin)).unwrap();
            Tensor::cat(&[first, second], 3).unwrap()
        };
        let (q, k, v) = (rotate(part(0)), rotate(part(1)), part(2));
        let scores = (q.matmul(&k.t().unwrap()).unwrap() / (dim as f64).sqrt()).unwrap();
        let hidden = (0..length).flat_map(|i| (0..length).map(move |j| if j > i { -1e4f32 } else { 0.0 }));
        let hidden = Tensor::from_iter(hidden, &Device::Cpu).unwrap().reshape((length, length)).unwrap();
        let exps = scores.broadcast_add(&hidden).unwrap().exp().unwrap();
        let weights = exps.broadcast_div(&exps.sum_keepdim(D::Minus1).unwrap()).unwrap();
        let composed = weights.matmul(&v).unwrap().transpose(1, 2).unwrap().reshape((batch * length, embed)).unwrap();
        assert_same(&qkv, &ours, &composed);
    }

    #[test]
    fn gelu_and_its_gradient_are_candles() {
        let x = random(2, 30, 50);
        assert_same(&x, &x.apply_op1(Gelu).unwrap(), &x.gelu_erf().unwrap());
    }

    #[test]
    fn rows_without_a_target_cost_nothing_and_get_no_gradient() {
        let (rows, vocabulary) = (12, 20);
        let logits = random(3, rows, vocabulary);
        let targets: Vec<Option<u32>> = (0..rows as u32).map(|r| (r % 3 > 0).then_some(r)).collect();
        let chosen =
            (0..rows).flat_map(|r| (0..vocabulary).map(move |v| if r % 3 > 0 && v == r { 1.0f32 } else { 0.0 }));
        let chosen = Tensor::from_iter(chosen, &Device::Cpu).unwrap().reshape((rows, vocabulary)).unwrap();
        let total = logits.exp().unwrap().sum_keepdim(1).unwrap().log().unwrap();
        let likelihoods = logits.broadcast_sub(&total).unwrap().mul(&chosen).unwrap().sum_all().unwrap();
        let composed = (likelihoods / -(rows as f64)).unwrap();
        assert_same(&logits, &logits.apply_op1(Likelihood { targets }).unwrap(), &composed);
    }

    #[test]
    fn exp_is_exp() {
        for i in 0..=8700 {
            let x = -(i as f32) / 100.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-5, "{x}");
        }
    }
}
