//! The element-wise functions of the forward pass, written so that the compiler turns them into vector instructions.
//!
//! Pure arithmetic on slices. Everything is plain Rust over [`Lanes`]; [`vectorised`] compiles the loop it is given once for
//! the portable instruction set and once for AVX2, and picks at run time, so a portable binary keeps the speed.
//! Functions that run inside must be `#[inline(always)]`: only then do they inherit the wider instructions.

use std::sync::LazyLock;

/// Elements worked on side by side: two AVX2 registers, four SSE2 ones.
pub(super) const WIDTH: usize = 16;
pub(super) type Lanes = [f32; WIDTH];

/// Runs `work` compiled for the best instruction set of this processor.
#[inline]
pub(super) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    static ARCH: LazyLock<pulp::Arch> = LazyLock::new(pulp::Arch::new);
    ARCH.dispatch(work)
}

/// `e^x` for `x ≤ 0`, the only case in a softmax and a GELU: below −87 it is 0 (the true value is under 1e-37). NaN stays NaN.
#[inline(always)]
pub(super) fn exp_nonpositive(x: f32) -> f32 {
    // x = n·ln 2 + r with |r| ≤ ln 2 / 2. Adding 1.5·2²³ leaves n, rounded, in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_145_75;
    const LN_2_LOW: f32 = 1.428_606_8e-6;
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    // (e^r − 1 − r) / r², interpolated at Chebyshev nodes: relative error of e^r 1e-8 before rounding.
    let tail = 0.5 + r * (0.166_665_78 + r * (0.041_666_556 + r * (0.008_363_173 + r * 0.001_392_617_6)));
    let power_of_two = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    let value = (1.0 + r + r * r * tail) * power_of_two;
    if x < -87.0 { 0.0 } else { value }
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

pub(super) fn gelu(values: &mut [f32]) {
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

/// Sine and cosine of `scale · x` for a whole slice, from f64 so that the rounding to f32 is the only error that counts.
#[inline(always)]
pub(super) fn sin_cos_scaled(x: &[f32], scale: f64, sin: &mut [f32], cos: &mut [f32]) {
    // Past this the two-part π/2 below loses digits; NaN goes the slow way too.
    const REDUCIBLE: f32 = 1e5;
    if x.iter().fold(true, |small, v| small & (v.abs() <= REDUCIBLE)) {
        for ((x, sin), cos) in x.iter().zip(sin).zip(cos) {
            (*sin, *cos) = sin_cos_small(f64::from(*x) * scale);
        }
    } else {
        for ((x, sin), cos) in x.iter().zip(sin).zip(cos) {
            let (s, c) = (f64::from(*x) * scale).sin_cos();
            (*sin, *cos) = (s as f32, c as f32);
        }
    }
}

/// Sine and cosine by Taylor series after reduction to ±π/4; `|angle|` up to about 1e9.
#[inline(always)]
fn sin_cos_small(angle: f64) -> (f32, f32) {
    const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5·2⁵²: leaves the rounded quotient in the low bits of the mantissa
    const HALF_PI_HIGH: f64 = 1.570_796_326_734_125_6; // 33 bits: exact when multiplied by the quotient
    const HALF_PI_LOW: f64 = 6.077_100_506_506_192e-11;
    const SIN: [f64; 5] = [-1.0 / 6.0, 1.0 / 120.0, -1.0 / 5_040.0, 1.0 / 362_880.0, -1.0 / 39_916_800.0];
    const COS: [f64; 5] = [-1.0 / 2.0, 1.0 / 24.0, -1.0 / 720.0, 1.0 / 40_320.0, -1.0 / 3_628_800.0];
    let shifted = angle * std::f64::consts::FRAC_2_PI + ROUND;
    let quotient = shifted - ROUND;
    let r = (angle - quotient * HALF_PI_HIGH) - quotient * HALF_PI_LOW;
    let z = r * r;
    let (mut s, mut c) = (SIN[4], COS[4]);
    for i in (0..4).rev() {
        s = s * z + SIN[i];
        c = c * z + COS[i];
    }
    let (s, c) = (r + r * z * s, 1.0 + z * c);
    let quadrant = shifted.to_bits();
    let (s, c) = if quadrant & 1 == 0 { (s, c) } else { (c, s) };
    let sin = if quadrant & 2 == 0 { s } else { -s };
    let cos = if quadrant.wrapping_add(1) & 2 == 0 { c } else { -c };
    (sin as f32, cos as f32)
}

/// Sum in [`WIDTH`] interleaved partial sums.
#[inline(always)]
pub(super) fn sum(values: &[f32]) -> f32 {
    let mut partial = [0.0; WIDTH];
    let blocks = values.chunks_exact(WIDTH);
    let rest: f32 = blocks.remainder().iter().sum();
    for block in blocks {
        for (p, v) in partial.iter_mut().zip(block) {
            *p += v;
        }
    }
    total(&partial) + rest
}

#[inline(always)]
pub(super) fn sum_of_squares(values: &[f32]) -> f32 {
    let mut partial = [0.0; WIDTH];
    let blocks = values.chunks_exact(WIDTH);
    let rest: f32 = blocks.remainder().iter().map(|v| v * v).sum();
    for block in blocks {
        for (p, v) in partial.iter_mut().zip(block) {
            *p += v * v;
        }
    }
    total(&partial) + rest
}

/// Sum of the lanes, pairwise.
#[inline(always)]
pub(super) fn total(lanes: &Lanes) -> f32 {
    let mut folded = *lanes;
    let mut half = WIDTH / 2;
    while half > 0 {
        for i in 0..half {
            folded[i] += folded[i + half];
        }
        half /= 2;
    }
    folded[0]
}

/// Largest element; NaNs are passed over.
#[inline(always)]
pub(super) fn max(values: &[f32]) -> f32 {
    let mut partial = [f32::NEG_INFINITY; WIDTH];
    let blocks = values.chunks_exact(WIDTH);
    let rest = blocks.remainder().iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for block in blocks {
        for (p, v) in partial.iter_mut().zip(block) {
            *p = if *v > *p { *v } else { *p };
        }
    }
    partial.iter().copied().fold(rest, f32::max)
}

/// `x += y`.
pub(super) fn add(x: &mut [f32], y: &[f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(from: f64, to: f64) -> impl Iterator<Item = f32> {
        (0..=20_000).map(move |i| (from + (to - from) * f64::from(i) / 20_000.0) as f32)
    }

    #[test]
    fn exp_is_within_two_ulps() {
        for x in grid(-87.0, 0.0) {
            let exact = f64::from(x).exp();
            assert!((f64::from(exp_nonpositive(x)) / exact - 1.0).abs() < 2.0 * f64::from(f32::EPSILON), "{x}");
        }
        assert_eq!(exp_nonpositive(0.0), 1.0);
        assert_eq!(exp_nonpositive(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp_nonpositive(-1e30), 0.0);
        assert!(exp_nonpositive(f32::NAN).is_nan());
    }

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
    fn sines_agree_with_the_standard_library_near_and_far() {
        for range in [3.0, 1000.0, 1e5, 1e7] {
            let x: Vec<f32> = grid(-range, range).collect();
            let (mut sin, mut cos) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            sin_cos_scaled(&x, 0.1875, &mut sin, &mut cos);
            for ((x, sin), cos) in x.iter().zip(sin).zip(cos) {
                let (exact_sin, exact_cos) = (f64::from(*x) * 0.1875).sin_cos();
                assert!((f64::from(sin) - exact_sin).abs() < 6e-8, "sin {x}");
                assert!((f64::from(cos) - exact_cos).abs() < 6e-8, "cos {x}");
            }
        }
    }

    #[test]
    fn sums_and_maxima_cover_the_odd_end() {
        let values: Vec<f32> = (1..=37).map(|v| v as f32).collect();
        assert_eq!(sum(&values), 703.0);
        assert_eq!(max(&values), 37.0);
        assert_eq!(max(&values[..3]), 3.0);
    }
}
