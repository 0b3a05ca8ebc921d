//! Rotary positions and causal attention over one sequence.
//!
//! Never computes the masked half, except where the reference's fill value (−10000 in place of a masked score, not −∞) could be seen
//! in the result: a row whose real scores are all that low.

use std::iter::zip;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::lanes::{ARCH, exp_nonpositive};

const MASK_FILL: f32 = -10_000.0;
/// Above this maximum a masked score has weight `e^(−10000 − max)`, which is 0 in f32 (under 2⁻¹⁴⁹).
const MASK_INVISIBLE_ABOVE: f32 = MASK_FILL + 110.0;
const MAX_WAVELENGTH: f32 = 10_000.0;
/// Keys, and registers of queries, that are worked on together: enough independent sums to keep the processor busy, few enough to stay in
/// registers.
const KEYS: usize = 4;
const REGISTERS: usize = 2;

/// Cosines and sines of the rotary angles, each `[seq, head_dim / 2]`; the same for every head and layer.
pub struct Rotary {
    cos: Vec<f32>,
    sin: Vec<f32>,
    half: usize,
}

impl Rotary {
    /// The angle is rounded to f32 before its sine is taken, as in the reference: at offsets near 1 MiB that rounding is visible.
    pub fn new(positions: &[u32], head_dim: usize) -> Self {
        let half = head_dim / 2;
        let timescales: Vec<f32> = (0..half).map(|i| MAX_WAVELENGTH.powf((i * 2) as f32 / head_dim as f32)).collect();
        let angles = positions.iter().flat_map(|p| timescales.iter().map(|scale| *p as f32 / scale));
        let (sin, cos) = angles.map(|angle| f64::from(angle).sin_cos()).map(|(s, c)| (s as f32, c as f32)).unzip();
        Self { cos, sin, half }
    }

    /// Rotates one head's vector at `slot` of the sequence.
    #[inline(always)]
    pub fn rotate(&self, slot: usize, vector: &[f32], rotated: &mut [f32]) {
        let table = slot * self.half..(slot + 1) * self.half;
        let (a, b) = vector.split_at(self.half);
        let (out_a, out_b) = rotated.split_at_mut(self.half);
        let angles = self.cos[table.clone()].iter().zip(&self.sin[table]);
        for ((((cos, sin), a), b), (out_a, out_b)) in angles.zip(a).zip(b).zip(out_a.iter_mut().zip(out_b)) {
            *out_a = a * cos - b * sin;
            *out_b = b * cos + a * sin;
        }
    }
}

/// Context vectors `[seq, embed]` from `qkv [seq, 3·embed]` (queries, keys, values side by side; heads side by side in each).
pub fn causal_attention(qkv: &[f32], embed: usize, heads: usize, rotary: &Rotary) -> Vec<f32> {
    let head_dim = embed / heads;
    let contexts: Vec<Vec<f32>> = (0..heads)
        .into_par_iter()
        .map(|h| ARCH.dispatch(Head { qkv, embed, first: h * head_dim, dim: head_dim, rotary }))
        .collect();
    let mut merged = vec![0.0; qkv.len() / 3];
    for (h, context) in contexts.iter().enumerate() {
        for (row, of_head) in merged.chunks_exact_mut(embed).zip(context.chunks_exact(head_dim)) {
            row[h * head_dim..(h + 1) * head_dim].copy_from_slice(of_head);
        }
    }
    merged
}

/// One head: dimensions `first..first + dim` of queries, keys and values.
struct Head<'a> {
    qkv: &'a [f32],
    embed: usize,
    first: usize,
    dim: usize,
    rotary: &'a Rotary,
}

impl WithSimd for Head<'_> {
    /// `[seq, dim]`
    type Output = Vec<f32>;

    /// A block of queries at a time, one query per lane, so nothing is ever summed across lanes.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Self { qkv, embed, first, dim, rotary } = self;
        let block = REGISTERS * S::F32_LANES;
        let rows = qkv.len() / (3 * embed);
        let padded = rows.next_multiple_of(block.next_multiple_of(KEYS));
        let part = |row: usize, which: usize| &qkv[(3 * row + which) * embed + first..][..dim];
        let mut keys = vec![0.0; padded * dim];
        let mut values = vec![0.0; padded * dim];
        for row in 0..rows {
            rotary.rotate(row, part(row, 1), &mut keys[row * dim..][..dim]);
            values[row * dim..][..dim].copy_from_slice(part(row, 2));
        }

        let scale = 1.0 / (dim as f32).sqrt();
        let mut context = vec![0.0; rows * dim];
        let mut query = vec![0.0; dim];
        // All `[…, block]`.
        let mut queries = vec![0.0; dim * block];
        let mut sums = vec![0.0; dim * block];
        let mut scores = vec![0.0; padded * block];
        let mut max = vec![0.0; block];
        let mut total = vec![0.0; block];
        for start in (0..rows).step_by(block) {
            let lanes = block.min(rows - start);
            for lane in 0..lanes {
                rotary.rotate(start + lane, part(start + lane, 0), &mut query);
                for (queries, q) in zip(queries.chunks_exact_mut(block), &query) {
                    queries[lane] = q * scale;
                }
            }
            let seen = (start + block).next_multiple_of(KEYS);
            let scores = &mut scores[..seen * block];
            score(simd, &queries, &keys[..seen * dim], scores);
            for (ahead, scores) in scores[start * block..].chunks_exact_mut(block).enumerate() {
                scores[..ahead.min(block)].fill(f32::NEG_INFINITY);
            }
            maxima(scores, &mut max);
            weigh(scores, &max);
            sum(simd, scores, &values[..seen * dim], &mut sums, &mut total);
            for lane in 0..lanes {
                let row = start + lane;
                let out = &mut context[row * dim..][..dim];
                if max[lane] > MASK_INVISIBLE_ABOVE {
                    for (out, sums) in zip(out, sums.chunks_exact(block)) {
                        *out = sums[lane] / total[lane];
                    }
                } else {
                    rotary.rotate(row, part(row, 0), &mut query);
                    let visible = keys[..(row + 1) * dim].chunks_exact(dim);
                    let visible = visible.map(|key| zip(&query, key).map(|(q, k)| q * k).sum::<f32>() * scale);
                    with_mask_visible(visible, &values[..rows * dim], dim, out);
                }
            }
        }
        context
    }
}

/// `scores[key, ·] = Σ_d queries[d, ·] · keys[key, d]`; `queries [dim, block]`, `keys [keys, dim]`.
#[inline(always)]
fn score<S: Simd>(simd: S, queries: &[f32], keys: &[f32], scores: &mut [f32]) {
    let (queries, _) = S::as_simd_f32s(queries);
    let (scores, _) = S::as_mut_simd_f32s(scores);
    let dim = queries.len() / REGISTERS;
    for (keys, scores) in zip(keys.chunks_exact(KEYS * dim), scores.chunks_exact_mut(KEYS * REGISTERS)) {
        let [a, b, c, d] = quarters(keys);
        let mut dots = [[simd.splat_f32s(0.0); REGISTERS]; KEYS];
        for ((((a, b), c), d), query) in zip(zip(zip(zip(a, b), c), d), queries.chunks_exact(REGISTERS)) {
            for (key, dots) in zip([a, b, c, d], &mut dots) {
                let key = simd.splat_f32s(*key);
                for (query, dot) in zip(query, dots) {
                    *dot = simd.mul_add_e_f32s(*query, key, *dot);
                }
            }
        }
        for (score, dot) in zip(scores, dots.as_flattened()) {
            *score = *dot;
        }
    }
}

/// `sums[d, ·] = Σ_key weights[key, ·] · values[key, d]`, `total[·] = Σ_key weights[key, ·]`.
#[inline(always)]
fn sum<S: Simd>(simd: S, weights: &[f32], values: &[f32], sums: &mut [f32], total: &mut [f32]) {
    sums.fill(0.0);
    let (weights, _) = S::as_simd_f32s(weights);
    let (sums, _) = S::as_mut_simd_f32s(sums);
    let (total, _) = S::as_mut_simd_f32s(total);
    let dim = sums.len() / REGISTERS;
    let mut totals = [simd.splat_f32s(0.0); REGISTERS];
    for (values, weights) in zip(values.chunks_exact(KEYS * dim), weights.chunks_exact(KEYS * REGISTERS)) {
        let [a, b, c, d] = quarters(values);
        let mut held = [[simd.splat_f32s(0.0); REGISTERS]; KEYS];
        held.as_flattened_mut().copy_from_slice(weights);
        for (register, total) in totals.iter_mut().enumerate() {
            let low = simd.add_f32s(held[0][register], held[1][register]);
            let high = simd.add_f32s(held[2][register], held[3][register]);
            *total = simd.add_f32s(*total, simd.add_f32s(low, high));
        }
        for ((((a, b), c), d), sums) in zip(zip(zip(zip(a, b), c), d), sums.chunks_exact_mut(REGISTERS)) {
            let values = [*a, *b, *c, *d];
            for (register, sum) in sums.iter_mut().enumerate() {
                let mut added = *sum;
                for (held, value) in zip(&held, values) {
                    added = simd.mul_add_e_f32s(held[register], simd.splat_f32s(value), added);
                }
                *sum = added;
            }
        }
    }
    for (total, sum) in zip(total, totals) {
        *total = sum;
    }
}

/// The rows of a group of [`KEYS`].
#[inline(always)]
fn quarters(group: &[f32]) -> [&[f32]; KEYS] {
    let dim = group.len() / KEYS;
    [&group[..dim], &group[dim..2 * dim], &group[2 * dim..3 * dim], &group[3 * dim..4 * dim]]
}

/// Largest score of each lane; NaNs are passed over.
#[inline(always)]
fn maxima(scores: &[f32], max: &mut [f32]) {
    max.fill(f32::NEG_INFINITY);
    for scores in scores.chunks_exact(max.len()) {
        for (max, score) in zip(&mut *max, scores) {
            *max = if *score > *max { *score } else { *max };
        }
    }
}

/// Replaces each score by `e^(score − max)`.
#[inline(always)]
fn weigh(scores: &mut [f32], max: &[f32]) {
    for scores in scores.chunks_exact_mut(max.len()) {
        for (score, max) in zip(scores, max) {
            *score = exp_nonpositive(*score - max);
        }
    }
}

/// The full softmax of one query, masked keys at their fill value: they outweigh or equal real scores this low.
#[cold]
fn with_mask_visible(visible: impl Iterator<Item = f32>, values: &[f32], dim: usize, out: &mut [f32]) {
    let keys = values.len() / dim;
    let mut scores: Vec<f32> = visible.collect();
    scores.resize(keys, MASK_FILL);
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = scores.iter().map(|score| (score - max).exp()).collect();
    let total: f32 = weights.iter().sum();
    out.fill(0.0);
    for (weight, value) in zip(weights, values.chunks_exact(dim)) {
        for (out, value) in zip(&mut *out, value) {
            *out += weight / total * value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: usize = 37;
    const EMBED: usize = 12;
    const HEADS: usize = 2;
    const DIM: usize = EMBED / HEADS;

    /// The definition, in f64, masked half and all. Positions are all 0, so nothing rotates.
    fn by_definition(qkv: &[f32]) -> Vec<f64> {
        let at = |row: usize, which: usize, d: usize| f64::from(qkv[row * 3 * EMBED + which * EMBED + d]);
        let mut context = vec![0.0; ROWS * EMBED];
        for (row, h) in (0..ROWS).flat_map(|row| (0..HEADS).map(move |h| (row, h))) {
            let dims = h * DIM..(h + 1) * DIM;
            let dot =
                |key: usize| dims.clone().map(|d| at(row, 0, d) * at(key, 1, d)).sum::<f64>() / (DIM as f64).sqrt();
            let scores: Vec<f64> = (0..ROWS).map(|key| if key > row { -10_000.0 } else { dot(key) }).collect();
            let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|score| (score - max).exp()).collect();
            let total: f64 = weights.iter().sum();
            for d in dims {
                context[row * EMBED + d] = (0..ROWS).map(|key| weights[key] * at(key, 2, d)).sum::<f64>() / total;
            }
        }
        context
    }

    /// Queries, keys and values without a pattern, within ±1.
    fn arbitrary() -> Vec<f32> {
        (0..ROWS * 3 * EMBED).map(|i| ((i * i * 31 + i * 17) % 1009) as f32 / 504.5 - 1.0).collect()
    }

    fn assert_agrees(qkv: &[f32], tolerance: f64) {
        let found = causal_attention(qkv, EMBED, HEADS, &Rotary::new(&[0; ROWS], DIM));
        for (i, (found, exact)) in found.iter().zip(by_definition(qkv)).enumerate() {
            assert!((f64::from(*found) - exact).abs() < tolerance, "[{i}]: {found}, by definition {exact}");
        }
    }

    #[test]
    fn it_is_the_softmax_of_the_definition() {
        assert_agrees(&arbitrary(), 1e-6);
    }

    #[test]
    fn masked_keys_show_where_real_scores_are_as_low_as_their_fill_value() {
        for real in [-9_900.0f32, -9_999.0, -10_000.0, -15_000.0] {
            let mut qkv = arbitrary();
            for row in qkv.chunks_exact_mut(3 * EMBED) {
                for h in 0..HEADS {
                    // The first dimension alone makes a score of `real`, the others move it a little.
                    row[h * DIM] = 100.0;
                    row[EMBED + h * DIM] = real / 100.0 * (DIM as f32).sqrt();
                }
            }
            // A score near 10 000 is rounded to a thousandth.
            assert_agrees(&qkv, 5e-3);
        }
    }

    #[test]
    fn a_broken_score_breaks_its_row_and_no_earlier_one() {
        let mut qkv = arbitrary();
        qkv[20 * 3 * EMBED + EMBED] = f32::NAN;
        let context = causal_attention(&qkv, EMBED, HEADS, &Rotary::new(&[0; ROWS], DIM));
        assert!(context[..20 * EMBED].iter().all(|v| v.is_finite()));
        assert!(context[20 * EMBED..].chunks(EMBED).all(|row| row[..DIM].iter().all(|v| v.is_nan())));
    }
}
