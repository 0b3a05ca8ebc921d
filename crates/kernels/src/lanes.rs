//! Vector instructions without naming any: fixed-size arrays and small functions that inline into the loops of the other modules.
//!
//! What runs inside [`vectorised`] must be `#[inline(always)]`: only then does it inherit the wider instructions.

use std::sync::LazyLock;

/// Elements worked on side by side: one AVX-512 register, two of AVX2.
pub(crate) const WIDTH: usize = 16;
pub(crate) type Lanes = [f32; WIDTH];

/// The best instruction set of this processor.
pub(crate) static ARCH: LazyLock<pulp::Arch> = LazyLock::new(pulp::Arch::new);

/// Runs `work` compiled for [`ARCH`].
#[inline]
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    ARCH.dispatch(work)
}

/// `e^x` for `x ≤ 0`, the only case in a softmax and a GELU: below −87 it is 0 (the true value is under 1e-37). NaN stays NaN.
#[inline(always)]
pub(crate) fn exp_nonpositive(x: f32) -> f32 {
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

/// Sum in [`WIDTH`] interleaved partial sums.
#[inline(always)]
pub(crate) fn sum(values: &[f32]) -> f32 {
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

/// Sum of the lanes, pairwise.
#[inline(always)]
pub(crate) fn total(lanes: &Lanes) -> f32 {
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
pub(crate) fn max(values: &[f32]) -> f32 {
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

/// What [`ARCH`] chooses from, for tests of the choices that this machine does not make.
#[cfg(test)]
#[derive(Debug)]
pub(crate) enum InstructionSet {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(pulp::x86::V3),
    #[cfg(target_arch = "x86_64")]
    Avx512(pulp::x86::V4),
}

#[cfg(test)]
impl InstructionSet {
    /// Those that this processor has.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(pulp::x86::V3::try_new().map(Self::Avx2));
            all.extend(pulp::x86::V4::try_new().map(Self::Avx512));
        }
        all
    }

    pub fn run<W: pulp::WithSimd>(&self, work: W) -> W::Output {
        match self {
            Self::Portable => pulp::Simd::vectorize(pulp::Scalar::new(), work),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(set) => pulp::Simd::vectorize(*set, work),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(set) => pulp::Simd::vectorize(*set, work),
        }
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
    fn sums_and_maxima_cover_the_odd_end() {
        let values: Vec<f32> = (1..=37).map(|v| v as f32).collect();
        assert_eq!(sum(&values), 703.0);
        assert_eq!(max(&values), 37.0);
        assert_eq!(max(&values[..3]), 3.0);
    }
}
