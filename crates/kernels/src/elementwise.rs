//! Functions that treat every element, or every row, on its own.

use rayon::prelude::*;

use crate::lanes::{self, WIDTH, exp_nonpositive, vectorised};

/// Elements per task: some tens of microseconds.
const GRAIN: usize = 1 << 15;

/// `x += y`.
pub fn add(x: &mut [f32], y: &[f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}

/// A copy of `rows` with `bias` added to each.
pub fn add_bias(rows: &[f32], bias: &[f32]) -> Vec<f32> {
    let mut out = rows.to_vec();
    out.chunks_exact_mut(bias.len()).for_each(|row| add(row, bias));
    out
}

/// Mean over the rows of `[rows, width]`, summed in f32 row by row as the reference does.
pub fn mean_row(values: &[f32], width: usize) -> Vec<f32> {
    let mut mean = vec![0.0; width];
    values.chunks_exact(width).for_each(|row| add(&mut mean, row));
    let rows = (values.len() / width) as f32;
    mean.iter_mut().for_each(|sum| *sum /= rows);
    mean
}

/// Layer normalisation of each row of `gamma.len()` elements, in place: two passes, biased variance.
pub fn layer_norm(rows: &mut [f32], gamma: &[f32], beta: &[f32], epsilon: f32) {
    let width = gamma.len();
    rows.par_chunks_mut(width * GRAIN.div_ceil(width)).for_each(|rows| {
        vectorised(
            #[inline(always)]
            || {
                for row in rows.chunks_exact_mut(width) {
                    let mean = lanes::sum(row) / width as f32;
                    row.iter_mut().for_each(|v| *v -= mean);
                    let deviation = (lanes::sum_of_squares(row) / width as f32 + epsilon).sqrt();
                    for ((v, gamma), beta) in row.iter_mut().zip(gamma).zip(beta) {
                        *v = *v / deviation * gamma + beta;
                    }
                }
            },
        );
    });
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
    fn a_normalised_row_has_the_mean_and_spread_it_is_told() {
        let mut rows: Vec<f32> = (0..2 * 20).map(|i| (i * i) as f32).collect();
        layer_norm(&mut rows, &[2.0; 20], &[1.0; 20], 1e-5);
        for row in rows.chunks_exact(20) {
            let mean = row.iter().sum::<f32>() / 20.0;
            let variance = row.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / 20.0;
            assert!((mean - 1.0).abs() < 1e-5 && (variance - 4.0).abs() < 1e-4, "{mean} {variance}");
        }
    }
}
