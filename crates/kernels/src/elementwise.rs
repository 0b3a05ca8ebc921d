//! Functions that treat every element, or every row, on its own.

use std::iter::zip;

use rayon::prelude::*;

use crate::lanes::{WIDTH, exp_nonpositive, vectorised};
use crate::tile::Column;

/// Elements per task: some tens of microseconds.
const GRAIN: usize = 1 << 15;

/// `x += y`.
pub fn add(x: &mut [f32], y: &[f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}

/// Layer normalisation of each position of tiles `[tiles, gamma.len()]`: two passes, biased variance.
///
/// # Panics
/// If `x` and `out` are of different sizes.
pub fn layer_norm(x: &[Column], gamma: &[f32], beta: &[f32], epsilon: f32, out: &mut [Column]) {
    assert_eq!(x.len(), out.len());
    let width = gamma.len();
    vectorised(
        #[inline(always)]
        || {
            for (x, out) in zip(x.chunks_exact(width), out.chunks_exact_mut(width)) {
                let mut mean = column_sums(x, |value, _| value, &Column::ZERO);
                mean.iter_mut().for_each(|sum| *sum /= width as f32);
                let mut inverse = column_sums(x, |value, mean| (value - mean) * (value - mean), &mean);
                inverse.iter_mut().for_each(|sum| *sum = 1.0 / (*sum / width as f32 + epsilon).sqrt());
                for ((x, out), (gamma, beta)) in zip(zip(x, out), zip(gamma, beta)) {
                    for ((out, x), (mean, inverse)) in
                        zip(zip(out.iter_mut(), x.iter()), zip(mean.iter(), inverse.iter()))
                    {
                        *out = (x - mean) * inverse * gamma + beta;
                    }
                }
            }
        },
    );
}

/// Sum over the features of a tile of `term(value, center)`, in four interleaved parts.
#[inline(always)]
pub(crate) fn column_sums(tile: &[Column], term: impl Fn(f32, f32) -> f32, center: &Column) -> Column {
    let (fours, rest) = tile.as_chunks::<4>();
    let mut parts = [Column::ZERO; 4];
    for four in fours {
        for (part, column) in zip(&mut parts, four) {
            for ((sum, value), center) in zip(zip(part.iter_mut(), column.iter()), center.iter()) {
                *sum += term(*value, *center);
            }
        }
    }
    let [mut sums, others @ ..] = parts;
    for column in rest {
        for ((sum, value), center) in zip(zip(sums.iter_mut(), column.iter()), center.iter()) {
            *sum += term(*value, *center);
        }
    }
    for part in others {
        for (sum, part) in zip(sums.iter_mut(), part.iter()) {
            *sum += part;
        }
    }
    sums
}

/// Exact (erf) GELU of each element of tiles, in place.
pub fn gelu_tiles(tiles: &mut [Column]) {
    vectorised(
        #[inline(always)]
        || tiles.iter_mut().for_each(|column| column.iter_mut().for_each(|value| *value = gelu_of(*value))),
    );
}

/// Exact (erf) GELU of each element, in place.
pub fn gelu(values: &mut [f32]) {
    values.par_chunks_mut(GRAIN).for_each(gelu_part);
}

/// Exact (erf) GELU: `x · (1 + erf(x/√2)) / 2`, absolute error below 1e-7 of `|x|`.
#[inline(always)]
fn gelu_of(x: f32) -> f32 {
    // 1 + erf(z) = 2 − erfc(|z|) or erfc(|z|) by the sign of z, so the left tail keeps its relative accuracy.
    // erfc(z) = e^(−z²) · t · p(t), t = 1 / (1 + 0.3 z), p interpolated at Chebyshev nodes over 0 ≤ z ≤ 9.6: error 2e-8.
    const P: [f32; 9] = [
        0.169_174_5,
        0.170_923_96,
        0.146_977_81,
        0.219_823_15,
        -0.105_296_28,
        0.562_070_2,
        -0.524_018_1,
        0.490_904_72,
        -0.130_559_98,
    ];
    let t = 1.0 / (1.0 + 0.3 * (x.abs() * std::f32::consts::FRAC_1_SQRT_2));
    let mut p = P[8];
    for coefficient in P[..8].iter().rev() {
        p = p * t + coefficient;
    }
    let erfc = exp_nonpositive(-0.5 * x * x) * t * p;
    0.5 * x * if x < 0.0 { erfc } else { 2.0 - erfc }
}

fn gelu_part(values: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            let mut blocks = values.chunks_exact_mut(WIDTH);
            for block in &mut blocks {
                for x in block {
                    *x = gelu_of(*x);
                }
            }
            for x in blocks.into_remainder() {
                *x = gelu_of(*x);
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tile::{from_tiles, to_tiles};

    #[test]
    fn gelu_agrees_with_values_of_the_error_function() {
        // x, x·(1 + erf(x/√2))/2 to double precision
        let exact = [
            (-12.0, 0.0),
            (-5.0, -1.433_257_864_214_249_7e-6),
            (-2.5, -0.015_524_163_316_144_403),
            (-1.0, -0.158_655_253_931_457_05),
            (-0.1, -0.046_017_216_272_297_1),
            (0.0, 0.0),
            (0.1, 0.053_982_783_727_702_9),
            (1.0, 0.841_344_746_068_542_9),
            (2.5, 2.484_475_836_683_855_6),
            (5.0, 4.999_998_566_742_136),
            (12.0, 12.0),
        ];
        let mut values: Vec<f32> = exact.iter().map(|(x, _)| *x).collect();
        gelu(&mut values);
        for ((x, exact), value) in exact.iter().zip(values) {
            let exact: f64 = *exact;
            assert!((f64::from(value) - exact).abs() <= 1.2e-7 * f64::from(x.abs()), "gelu({x}) = {value}");
        }
    }

    #[test]
    fn tiles_and_slices_have_the_same_gelu() {
        let values: Vec<f32> = (0..64).map(|v| v as f32 / 7.0 - 4.5).collect();
        let mut tiles = to_tiles(&values, 2);
        gelu_tiles(&mut tiles);
        let mut direct = values;
        gelu(&mut direct);
        assert_eq!(from_tiles(&tiles, 2, 32), direct);
    }

    #[test]
    fn a_normalised_position_has_the_mean_and_spread_it_is_told() {
        let rows: Vec<f32> = (0..3 * 21).map(|i| (i * i) as f32).collect();
        let x = to_tiles(&rows, 21);
        let mut out = x.clone();
        layer_norm(&x, &[2.0; 21], &[1.0; 21], 1e-5, &mut out);
        for row in from_tiles(&out, 21, 3).chunks_exact(21) {
            let mean = row.iter().sum::<f32>() / 21.0;
            let variance = row.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / 21.0;
            assert!((mean - 1.0).abs() < 1e-5 && (variance - 4.0).abs() < 1e-4, "{mean} {variance}");
        }
    }
}
