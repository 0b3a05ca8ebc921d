//! Rotary positions and causal attention over one sequence.
//!
//! Never computes the masked half, except where the reference's fill value (−10000 in place of a masked score, not −∞) could be seen
//! in the result: a row whose real scores are all that low.

use rayon::prelude::*;

use crate::lanes::{Lanes, WIDTH, exp_nonpositive, vectorised};

const MASK_FILL: f32 = -10_000.0;
/// Above this maximum a masked score has weight `e^(−10000 − max)`, which is 0 in f32 (under 2⁻¹⁴⁹).
const MASK_INVISIBLE_ABOVE: f32 = MASK_FILL + 110.0;
const MAX_WAVELENGTH: f32 = 10_000.0;
/// Keys whose scores are worked on together, to keep several independent sums going.
const KEYS: usize = 4;

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
        .map(|h| {
            vectorised(
                #[inline(always)]
                || head(qkv, embed, h, head_dim, rotary),
            )
        })
        .collect();
    let mut merged = vec![0.0; qkv.len() / 3];
    for (h, context) in contexts.iter().enumerate() {
        for (row, of_head) in merged.chunks_exact_mut(embed).zip(context.chunks_exact(head_dim)) {
            row[h * head_dim..(h + 1) * head_dim].copy_from_slice(of_head);
        }
    }
    merged
}

/// One head, [`WIDTH`] queries at a time: one query per lane, so nothing is ever summed across lanes.
#[inline(always)]
fn head(qkv: &[f32], embed: usize, h: usize, dim: usize, rotary: &Rotary) -> Vec<f32> {
    let rows = qkv.len() / (3 * embed);
    let padded = rows.next_multiple_of(WIDTH);
    let part = |row: usize, which: usize| &qkv[row * 3 * embed + which * embed + h * dim..][..dim];
    let mut keys = vec![0.0; padded * dim];
    let mut values = vec![0.0; padded * dim];
    for row in 0..rows {
        rotary.rotate(row, part(row, 1), &mut keys[row * dim..][..dim]);
        values[row * dim..][..dim].copy_from_slice(part(row, 2));
    }

    let scale = 1.0 / (dim as f32).sqrt();
    let mut context = vec![0.0; rows * dim];
    let mut query = vec![0.0; dim];
    let mut queries: Vec<Lanes> = vec![[0.0; WIDTH]; dim];
    let mut sums: Vec<Lanes> = vec![[0.0; WIDTH]; dim];
    let mut scores: Vec<Lanes> = vec![[0.0; WIDTH]; padded];
    for first in (0..rows).step_by(WIDTH) {
        let lanes = WIDTH.min(rows - first);
        for lane in 0..lanes {
            rotary.rotate(first + lane, part(first + lane, 0), &mut query);
            for (queries, q) in queries.iter_mut().zip(&query) {
                queries[lane] = q * scale;
            }
        }
        let seen = first + WIDTH;
        let scores = &mut scores[..seen];
        score(&queries, &keys[..seen * dim], scores);
        for (ahead, scores) in scores[first..].iter_mut().enumerate() {
            scores[..ahead].fill(f32::NEG_INFINITY);
        }
        let max = maxima(scores);
        let weight = weigh(scores, &max, &values[..seen * dim], &mut sums);
        for lane in 0..lanes {
            let row = first + lane;
            let out = &mut context[row * dim..][..dim];
            if max[lane] > MASK_INVISIBLE_ABOVE {
                for (out, sums) in out.iter_mut().zip(&sums) {
                    *out = sums[lane] / weight[lane];
                }
            } else {
                let visible = scores[..=row].iter().map(|scores| scores[lane]);
                with_mask_visible(visible, max[lane], &values[..rows * dim], dim, out);
            }
        }
    }
    context
}

/// `scores[key][lane] = queries[·][lane] · keys[key][·]`.
#[inline(always)]
fn score(queries: &[Lanes], keys: &[f32], scores: &mut [Lanes]) {
    let dim = queries.len();
    for (keys, scores) in keys.chunks_exact(KEYS * dim).zip(scores.chunks_exact_mut(KEYS)) {
        let mut dots = [[0.0; WIDTH]; KEYS];
        for (d, query) in queries.iter().enumerate() {
            for (k, dots) in dots.iter_mut().enumerate() {
                let key = keys[k * dim + d];
                for (dot, q) in dots.iter_mut().zip(query) {
                    *dot += q * key;
                }
            }
        }
        scores.copy_from_slice(&dots);
    }
}

#[inline(always)]
fn maxima(scores: &[Lanes]) -> Lanes {
    let mut max = [f32::NEG_INFINITY; WIDTH];
    for scores in scores {
        for (max, score) in max.iter_mut().zip(scores) {
            *max = if *score > *max { *score } else { *max };
        }
    }
    max
}

/// `sums[·][lane] = Σ_key e^(score − max) · values[key][·]`; returns the sum of the weights.
#[inline(always)]
fn weigh(scores: &[Lanes], max: &Lanes, values: &[f32], sums: &mut [Lanes]) -> Lanes {
    let dim = sums.len();
    sums.fill([0.0; WIDTH]);
    let mut total = [0.0; WIDTH];
    for (values, scores) in values.chunks_exact(KEYS * dim).zip(scores.chunks_exact(KEYS)) {
        let mut weights = [[0.0; WIDTH]; KEYS];
        for (weights, scores) in weights.iter_mut().zip(scores) {
            for ((weight, score), max) in weights.iter_mut().zip(scores).zip(max) {
                *weight = exp_nonpositive(score - max);
            }
        }
        for lane in 0..WIDTH {
            total[lane] += (weights[0][lane] + weights[1][lane]) + (weights[2][lane] + weights[3][lane]);
        }
        for (d, sums) in sums.iter_mut().enumerate() {
            let [a, b, c, e] = [values[d], values[dim + d], values[2 * dim + d], values[3 * dim + d]];
            for lane in 0..WIDTH {
                sums[lane] +=
                    (weights[0][lane] * a + weights[1][lane] * b) + (weights[2][lane] * c + weights[3][lane] * e);
            }
        }
    }
    total
}

/// The full softmax of one query, masked keys at their fill value: they outweigh or equal real scores this low.
#[cold]
fn with_mask_visible(
    visible: impl ExactSizeIterator<Item = f32>,
    max: f32,
    values: &[f32],
    dim: usize,
    out: &mut [f32],
) {
    let masked = values.len() / dim - visible.len();
    let max = if masked > 0 { max.max(MASK_FILL) } else { max };
    let mut total = 0.0;
    out.fill(0.0);
    for (score, value) in visible.chain(std::iter::repeat_n(MASK_FILL, masked)).zip(values.chunks_exact(dim)) {
        let weight = (score - max).exp();
        total += weight;
        for (out, value) in out.iter_mut().zip(value) {
            *out += weight * value;
        }
    }
    for out in out {
        *out /= total;
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
