//! The vector instructions of this processor, behind one trait: AVX-512, AVX2 with half-precision conversion, or plain Rust.
//!
//! What runs inside [`Lanes::vectorised`] must be `#[inline(always)]`: only then does it inherit the wider instructions.

use half::f16;

/// A token that proves what the processor can do, with the few operations that a scan needs.
pub(crate) trait Lanes: Copy + Send + Sync {
    const WIDTH: usize;
    type Vector: Copy;

    fn vectorised<R>(self, work: impl FnOnce() -> R) -> R;
    fn zero(self) -> Self::Vector;
    /// The first `WIDTH` numbers.
    fn halves(self, from: &[f16]) -> Self::Vector;
    /// The first `WIDTH` numbers.
    fn singles(self, from: &[f32]) -> Self::Vector;
    /// `a · b + c`
    fn multiply_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    fn sum(self, v: Self::Vector) -> f32;
    /// Asks for the memory of the first numbers, which are read soon.
    fn prefetch(self, _from: &[f16]) {}
}

/// Runs `$work` with the best token, bound to `$lanes`, inside its instruction set.
macro_rules! dispatch {
    ($lanes: ident => $work: expr) => {{
        use $crate::lanes::Lanes as _;
        #[cfg(target_arch = "x86_64")]
        if let Some($lanes) = $crate::lanes::Avx512::try_new() {
            $lanes.vectorised(
                #[inline(always)]
                || $work,
            )
        } else if let Some($lanes) = $crate::lanes::Avx2::try_new() {
            $lanes.vectorised(
                #[inline(always)]
                || $work,
            )
        } else {
            let $lanes = $crate::lanes::Portable;
            $lanes.vectorised(
                #[inline(always)]
                || $work,
            )
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let $lanes = $crate::lanes::Portable;
            $lanes.vectorised(
                #[inline(always)]
                || $work,
            )
        }
    }};
}
pub(crate) use dispatch;

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Lanes, f16};

    pulp::simd_type! {
        /// 8 numbers at a time.
        pub(crate) struct Avx2 {
            pub sse: "sse",
            pub avx: "avx",
            pub avx2: "avx2",
            pub f16c: "f16c",
            pub fma: "fma",
        }
    }

    /// 16 numbers at a time.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512 {
        _proof: (),
    }

    impl Avx512 {
        #[inline]
        pub fn try_new() -> Option<Self> {
            is_x86_feature_detected!("avx512f").then_some(Self { _proof: () })
        }
    }

    // In both: a token exists only where the processor has its instructions, and slices are checked to hold what is loaded.
    impl Lanes for Avx2 {
        const WIDTH: usize = 8;
        type Vector = __m256;

        #[inline(always)]
        fn vectorised<R>(self, work: impl FnOnce() -> R) -> R {
            self.vectorize(work)
        }
        #[inline(always)]
        fn zero(self) -> __m256 {
            self.avx._mm256_setzero_ps()
        }
        #[inline(always)]
        fn halves(self, from: &[f16]) -> __m256 {
            let from = &from[..8];
            // SAFETY: see above.
            unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.as_ptr().cast())) }
        }
        #[inline(always)]
        fn singles(self, from: &[f32]) -> __m256 {
            let from = &from[..8];
            // SAFETY: see above.
            unsafe { _mm256_loadu_ps(from.as_ptr()) }
        }
        #[inline(always)]
        fn multiply_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
            self.fma._mm256_fmadd_ps(a, b, c)
        }
        #[inline(always)]
        fn sum(self, v: __m256) -> f32 {
            // SAFETY: both are eight numbers of 32 bits.
            let parts: [f32; 8] = unsafe { std::mem::transmute(v) };
            super::total(parts)
        }
        #[inline(always)]
        fn prefetch(self, from: &[f16]) {
            // SAFETY: a hint; it reads nothing.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(from.as_ptr().cast()) }
        }
    }

    impl Lanes for Avx512 {
        const WIDTH: usize = 16;
        type Vector = __m512;

        #[inline(always)]
        fn vectorised<R>(self, work: impl FnOnce() -> R) -> R {
            #[target_feature(enable = "avx512f,avx2,fma,f16c")]
            fn wide<R>(work: impl FnOnce() -> R) -> R {
                work()
            }
            // SAFETY: see above; a processor with AVX-512 has the others.
            unsafe { wide(work) }
        }
        #[inline(always)]
        fn zero(self) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_setzero_ps() }
        }
        #[inline(always)]
        fn halves(self, from: &[f16]) -> __m512 {
            let from = &from[..16];
            // SAFETY: see above.
            unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast())) }
        }
        #[inline(always)]
        fn singles(self, from: &[f32]) -> __m512 {
            let from = &from[..16];
            // SAFETY: see above.
            unsafe { _mm512_loadu_ps(from.as_ptr()) }
        }
        #[inline(always)]
        fn multiply_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        fn sum(self, v: __m512) -> f32 {
            // SAFETY: both are sixteen numbers of 32 bits.
            let parts: [f32; 16] = unsafe { std::mem::transmute(v) };
            super::total(parts)
        }
        #[inline(always)]
        fn prefetch(self, from: &[f16]) {
            // SAFETY: a hint; it reads nothing.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(from.as_ptr().cast()) }
        }
    }
}

/// Whatever the compiler makes of it.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Lanes for Portable {
    const WIDTH: usize = 8;
    type Vector = [f32; 8];

    #[inline(always)]
    fn vectorised<R>(self, work: impl FnOnce() -> R) -> R {
        work()
    }
    #[inline(always)]
    fn zero(self) -> [f32; 8] {
        [0.0; 8]
    }
    #[inline(always)]
    fn halves(self, from: &[f16]) -> [f32; 8] {
        let from = &from[..8];
        std::array::from_fn(|i| widen(from[i]))
    }
    #[inline(always)]
    fn singles(self, from: &[f32]) -> [f32; 8] {
        let from = &from[..8];
        std::array::from_fn(|i| from[i])
    }
    #[inline(always)]
    fn multiply_add(self, a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn sum(self, v: [f32; 8]) -> f32 {
        total(v)
    }
}

/// Exact for every finite number, subnormals included, and free of branches.
#[inline(always)]
fn widen(x: f16) -> f32 {
    /// 2¹¹²: the difference of the exponents' biases.
    const SCALE: f32 = f32::from_bits((127 + 112) << 23);
    let bits = u32::from(x.to_bits());
    f32::from_bits((bits & 0x8000) << 16 | (bits & 0x7fff) << 13) * SCALE
}

/// Sum of the lanes, pairwise.
#[inline(always)]
fn total<const N: usize>(mut lanes: [f32; N]) -> f32 {
    let mut half = N / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_half_is_widened_exactly() {
        for bits in 0..=u16::MAX {
            let x = f16::from_bits(bits);
            if x.is_finite() {
                assert_eq!(widen(x).to_bits(), x.to_f32().to_bits(), "{bits:#x}");
            }
        }
    }
}
