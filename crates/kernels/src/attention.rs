//! Causal attention of one tile of queries to the keys of its sequence.
//!
//! Never computes the masked half (but for the triangle within a tile), except where the reference's fill value (−10000 in place of a masked
//! score, not −∞) could be seen in the result: a row whose real scores are all that low.

use std::iter::zip;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::lanes::{ARCH, exp_nonpositive};
use crate::product::outer;
use crate::rotary::Rotary;
use crate::tile::{Column, TILE, from_tiles, tile_count, to_tiles};

const MASK_FILL: f32 = -10_000.0;
/// Above this maximum a masked score has weight `e^(−10000 − max)`, which is 0 in f32 (under 2⁻¹⁴⁹).
const MASK_INVISIBLE_ABOVE: f32 = MASK_FILL + 110.0;

/// Weights of e^−70 beside one of 1 change no bit of a sum; as zeros they make no products so small that the processor handles them by microcode.
const INVISIBLE_BELOW: f32 = -70.0;

/// Keys and values of one sequence, `[tiles, 2 · embed]`: keys, rotated, then values, heads side by side in each.
#[derive(Clone, Copy)]
pub struct KeysAndValues<'a> {
    pub tiles: &'a [Column],
    /// Positions of the sequence; what is past them in the last tile is filling.
    pub positions: usize,
}

/// Context vectors `[embed]` of the `tile`-th tile's queries `[embed]`, which are rotated and divided by the root of the head's dimensions.
/// `scores` is room to work in, of [`TILE`] columns for each tile up to this one.
pub fn attend(
    queries: &[Column],
    keys_and_values: KeysAndValues<'_>,
    tile: usize,
    heads: usize,
    scores: &mut [Column],
    context: &mut [Column],
) {
    let embed = queries.len();
    let dim = embed / heads;
    for (head, (queries, context)) in zip(queries.chunks_exact(dim), context.chunks_exact_mut(dim)).enumerate() {
        let scores = &mut scores[..(tile + 1) * TILE];
        let keys_and_values = OfHead { of: keys_and_values, embed, first: head * dim, dim };
        ARCH.dispatch(Head { queries, keys_and_values, tile, scores, context });
    }
}

/// Dimensions `first..first + dim` of keys and values.
#[derive(Clone, Copy)]
struct OfHead<'a> {
    of: KeysAndValues<'a>,
    embed: usize,
    first: usize,
    dim: usize,
}

impl<'a> OfHead<'a> {
    /// `[dim]`
    #[inline(always)]
    fn keys(self, tile: usize) -> &'a [Column] {
        &self.of.tiles[2 * tile * self.embed + self.first..][..self.dim]
    }

    /// `[dim]`
    #[inline(always)]
    fn values(self, tile: usize) -> &'a [Column] {
        &self.of.tiles[(2 * tile + 1) * self.embed + self.first..][..self.dim]
    }
}

/// One head of one tile of queries.
struct Head<'a> {
    /// `[dim]`
    queries: &'a [Column],
    keys_and_values: OfHead<'a>,
    tile: usize,
    /// `[keys]`: a query a lane.
    scores: &'a mut [Column],
    /// `[dim]`
    context: &'a mut [Column],
}

impl WithSimd for Head<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::REGISTER_COUNT >= 32 { self.run::<S, 8>(simd) } else { self.run::<S, 4>(simd) }
    }
}

impl Head<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) {
        let Self { queries, keys_and_values, tile, scores, context } = self;
        for (at, scores) in scores.chunks_exact_mut(TILE).enumerate() {
            score::<S, ROWS>(simd, queries, keys_and_values.keys(at), scores);
        }
        for (ahead, scores) in scores[tile * TILE..].iter_mut().enumerate() {
            scores[..ahead].fill(f32::NEG_INFINITY);
        }
        let max = maxima(scores);
        let mut total = Column::ZERO;
        context.fill(Column::ZERO);
        for (at, scores) in scores.chunks_exact_mut(TILE).enumerate() {
            weigh(scores, &max, &mut total);
            add_values::<S, ROWS>(simd, scores, keys_and_values.values(at), context);
        }
        for context in &mut *context {
            for (context, total) in zip(context.iter_mut(), total.iter()) {
                *context /= total;
            }
        }
        let lanes = TILE.min(keys_and_values.of.positions - tile * TILE);
        for lane in (0..lanes).filter(|lane| !is_mask_invisible(max[*lane])) {
            with_mask_visible(queries, keys_and_values, tile, lane, context);
        }
    }
}

/// False for NaN too: such a query is NaN either way.
#[inline(always)]
fn is_mask_invisible(max: f32) -> bool {
    max > MASK_INVISIBLE_ABOVE
}

/// `scores[key] = Σ_d queries[d] · keys[d][key]` for a tile of keys.
#[inline(always)]
fn score<S: Simd, const ROWS: usize>(simd: S, queries: &[Column], keys: &[Column], scores: &mut [Column]) {
    for (part, scores) in scores.chunks_exact_mut(ROWS).enumerate() {
        for pair in 0..TILE / (2 * S::F32_LANES) {
            let sums = outer::<S, ROWS>(simd, keys, part, queries, pair);
            for (scores, sums) in zip(&mut *scores, sums) {
                let (scores, _) = S::as_mut_simd_f32s(scores.as_mut_slice());
                scores[2 * pair..2 * pair + 2].copy_from_slice(&sums);
            }
        }
    }
}

/// `context[d] += Σ_key weights[key] · values[d][key]` for a tile of keys: their sum first, so that few roundings follow each other.
#[inline(always)]
fn add_values<S: Simd, const ROWS: usize>(simd: S, weights: &[Column], values: &[Column], context: &mut [Column]) {
    let (value_groups, values) = values.as_chunks::<ROWS>();
    let (context_groups, context) = context.as_chunks_mut::<ROWS>();
    for (values, context) in zip(value_groups, context_groups) {
        add_group(simd, weights, values, context);
    }
    for (value, context) in zip(values, context) {
        add_group(simd, weights, &[*value], std::array::from_mut(context));
    }
}

#[inline(always)]
fn add_group<S: Simd, const ROWS: usize>(
    simd: S,
    weights: &[Column],
    values: &[Column; ROWS],
    context: &mut [Column; ROWS],
) {
    for pair in 0..TILE / (2 * S::F32_LANES) {
        let mut sums = [[simd.splat_f32s(0.0); 2]; ROWS];
        for (key, weights) in weights.iter().take(TILE).enumerate() {
            let (weights, _) = S::as_simd_f32s(weights.as_slice());
            let (low, high) = (weights[2 * pair], weights[2 * pair + 1]);
            for (value, sums) in zip(values, &mut sums) {
                let value = simd.splat_f32s(value[key]);
                sums[0] = simd.mul_add_e_f32s(value, low, sums[0]);
                sums[1] = simd.mul_add_e_f32s(value, high, sums[1]);
            }
        }
        for (context, sums) in zip(&mut *context, sums) {
            let (context, _) = S::as_mut_simd_f32s(context.as_mut_slice());
            for (context, sum) in zip(&mut context[2 * pair..2 * pair + 2], sums) {
                *context = simd.add_f32s(*context, sum);
            }
        }
    }
}

/// Largest score of each lane; NaNs are passed over.
#[inline(always)]
fn maxima(scores: &[Column]) -> Column {
    let mut max = Column([f32::NEG_INFINITY; TILE]);
    for scores in scores {
        for (max, score) in zip(max.iter_mut(), scores.iter()) {
            *max = if *score > *max { *score } else { *max };
        }
    }
    max
}

/// Replaces each score by `e^(score − max)` and adds these to the totals.
#[inline(always)]
fn weigh(scores: &mut [Column], max: &Column, total: &mut Column) {
    let mut sum = Column::ZERO;
    for scores in scores {
        for ((score, max), sum) in zip(zip(scores.iter_mut(), max.iter()), sum.iter_mut()) {
            let below = *score - max;
            let weight = exp_nonpositive(below);
            *score = if below < INVISIBLE_BELOW { 0.0 } else { weight };
            *sum += *score;
        }
    }
    for (total, sum) in zip(total.iter_mut(), sum.iter()) {
        *total += sum;
    }
}

/// The full softmax of one query, masked keys at their fill value: they outweigh or equal real scores this low.
#[cold]
#[inline(never)]
fn with_mask_visible(queries: &[Column], keys: OfHead<'_>, tile: usize, lane: usize, context: &mut [Column]) {
    let query = tile * TILE + lane;
    let score = |key: usize| -> f32 {
        if key > query {
            return MASK_FILL;
        }
        zip(queries, keys.keys(key / TILE)).map(|(query, keys)| query[lane] * keys[key % TILE]).sum()
    };
    let scores: Vec<f32> = (0..keys.of.positions).map(score).collect();
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = scores.iter().map(|score| (score - max).exp()).collect();
    let total: f32 = weights.iter().sum();
    context.iter_mut().for_each(|context| context[lane] = 0.0);
    for (key, weight) in weights.iter().enumerate() {
        for (context, values) in zip(&mut *context, keys.values(key / TILE)) {
            context[lane] += weight / total * values[key % TILE];
        }
    }
}

/// Context vectors `[seq, embed]` from `qkv [seq, 3·embed]` (queries, keys, values side by side; heads side by side in each), row by row.
pub fn causal_attention(qkv: &[f32], embed: usize, heads: usize, rotary: &Rotary) -> Vec<f32> {
    let positions = qkv.len() / (3 * embed);
    let mut tiles = to_tiles(qkv, 3 * embed);
    let mut keys_and_values = Vec::with_capacity(tile_count(positions) * 2 * embed);
    for (tile, qkv) in tiles.chunks_exact_mut(3 * embed).enumerate() {
        let (queries, others) = qkv.split_at_mut(embed);
        rotary.rotate_queries(tile, heads, queries);
        rotary.rotate_keys(tile, heads, &mut others[..embed]);
        keys_and_values.extend_from_slice(others);
    }
    let keys_and_values = KeysAndValues { tiles: &keys_and_values, positions };
    let mut context = vec![Column::ZERO; tile_count(positions) * embed];
    let contexts = context.par_chunks_exact_mut(embed).zip(tiles.par_chunks_exact(3 * embed)).enumerate();
    contexts.for_each(|(tile, (context, qkv))| {
        let mut scores = vec![Column::ZERO; (tile + 1) * TILE];
        attend(&qkv[..embed], keys_and_values, tile, heads, &mut scores, context);
    });
    from_tiles(&context, embed, positions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::InstructionSet;

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
    fn every_instruction_set_gives_the_same_context() {
        const TALL: usize = 6;
        let tiles = to_tiles(&arbitrary(), TALL);
        let positions = ROWS * 3 * EMBED / TALL;
        // As keys and values of three dimensions in one head; the last tile's queries are its keys.
        let last = tile_count(positions) - 1;
        let of = KeysAndValues { tiles: &tiles, positions };
        let contexts: Vec<Vec<Column>> = InstructionSet::all()
            .iter()
            .map(|set| {
                let (mut scores, mut context) = (vec![Column::ZERO; (last + 1) * TILE], vec![Column::ZERO; 3]);
                let keys_and_values = OfHead { of, embed: 3, first: 0, dim: 3 };
                let queries = keys_and_values.keys(last);
                set.run(Head { queries, keys_and_values, tile: last, scores: &mut scores, context: &mut context });
                context
            })
            .collect();
        for context in &contexts {
            for (value, other) in zip(from_tiles(context, 3, TILE), from_tiles(&contexts[0], 3, TILE)) {
                assert!((value - other).abs() < 1e-6, "{value} {other}");
            }
        }
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
