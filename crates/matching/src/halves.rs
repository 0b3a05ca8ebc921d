//! A number in two halves: what a search reads, and what is missing to have it back.
//!
//! A search reads one half-precision number of an embedding's element; a second half of the same size keeps what the rounding took away.
//! Together they give the f32 back, bit for bit wherever the first half is a normal number (from 2⁻¹⁴ on), and within 2⁻⁴¹ below.

use half::f16;

/// Unit of the second half where the first is subnormal or zero: it lies within 2⁻²⁵ of the number.
const SMALLEST_UNIT: f32 = f32::from_bits((127 - 40) << 23);
/// Share of an embedding's length that rounding to half precision may take. A normal number loses at most 2⁻¹¹ of itself.
const ROUNDING: f32 = 1.0 / 1024.0;

/// Why an embedding is not taken into a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    #[error("its embedding has {found} numbers, not {expected}")]
    Length { expected: usize, found: usize },
    #[error("number {0} of its embedding is not finite")]
    NotFinite(usize),
    #[error("number {0} of its embedding is beyond half precision")]
    Overflow(usize),
    #[error("its embedding is too close to zero for half precision")]
    Vanishing,
}

/// Weight of the last bit of the second half.
#[inline(always)]
fn unit(high: f16) -> f32 {
    match i32::from(high.to_bits() >> 10 & 0x1f) {
        0 => SMALLEST_UNIT,
        // 2^(e − 24): a number just below a power of two rounds up to it, and has half that power's spacing.
        biased => f32::from_bits(((biased - 15 - 24 + 127) as u32) << 23),
    }
}

/// `None`: not finite, or beyond half precision.
fn split(x: f32) -> Option<(f16, i16)> {
    let high = f16::from_f32(x);
    // The difference is exact: both are multiples of the smaller one's spacing. At most 2¹³ units, or 2¹⁵ of the smallest ones.
    let units = (x - high.to_f32()) / unit(high);
    high.is_finite().then_some((high, units.round_ties_even() as i16))
}

pub(crate) fn join(high: f16, low: i16) -> f32 {
    high.to_f32() + f32::from(low) * unit(high)
}

/// Both halves of an embedding, and the length of what they give together.
pub(crate) fn split_all(embedding: &[f32], high: &mut [f16], low: &mut [i16]) -> Result<f32, NotAdmitted> {
    let (mut lost, mut square) = (0.0f64, 0.0f64);
    for (at, x) in embedding.iter().enumerate() {
        if !x.is_finite() {
            return Err(NotAdmitted::NotFinite(at));
        }
        let (h, l) = split(*x).ok_or(NotAdmitted::Overflow(at))?;
        let kept = join(h, l);
        lost += f64::from(kept - h.to_f32()).powi(2);
        square += f64::from(kept).powi(2);
        (high[at], low[at]) = (h, l);
    }
    // Also zero itself, which has no direction.
    match lost.sqrt() < f64::from(ROUNDING) * square.sqrt() || (lost == 0.0 && square > 0.0) {
        true => Ok(square.sqrt() as f32),
        false => Err(NotAdmitted::Vanishing),
    }
}

/// Length of a vector, summed in f64.
pub fn norm(vector: &[f32]) -> f32 {
    vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt() as f32
}

/// Cosine from a product of two vectors and their lengths.
pub fn cosine(product: f32, norm: f32, other: f32) -> f32 {
    product / norm / other
}

/// How far a cosine from half-precision rows of `dim` numbers ([`products_of_rows`](crate::products_of_rows)) can be from the one that is
/// computed from all bits in f32, whichever way that one is summed.
///
/// For a row `x`, its rounding `h` and a target `t`: `|h·t − x·t| ≤ |h − x|·|t|`, and no row is admitted that loses more than 2⁻¹⁰ of
/// its length. Summing `dim` products in f32 errs by at most `dim·2⁻²⁴` of `|x|·|t|` on either side; norms and divisions by a few
/// units more.
pub fn band(dim: usize) -> f32 {
    ROUNDING + (dim + 64) as f32 * f32::EPSILON
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn two_halves_are_the_whole(bits: u32) {
            let x = f32::from_bits(bits);
            match split(x) {
                None => prop_assert!(!x.is_finite() || x.abs() >= 65_504.0),
                Some((high, low)) if x.abs() >= 6.2e-5 => prop_assert_eq!(join(high, low).to_bits(), bits),
                Some((high, low)) => prop_assert!((join(high, low) - x).abs() <= f32::from_bits((127 - 41) << 23)),
            }
        }

        #[test]
        fn what_is_kept_is_kept_the_same_again(x in -70_000.0f32..70_000.0, small in -1e-4f32..1e-4) {
            for x in [x, small] {
                if let Some((high, low)) = split(x) {
                    prop_assert_eq!(split(join(high, low)).map(|(h, l)| join(h, l)), Some(join(high, low)));
                }
            }
        }
    }

    #[test]
    fn what_has_no_direction_in_half_precision_is_not_admitted() {
        let admit = |embedding: &[f32]| {
            let (mut high, mut low) = (vec![f16::ZERO; embedding.len()], vec![0; embedding.len()]);
            split_all(embedding, &mut high, &mut low)
        };
        assert_eq!(admit(&[3.0, 4.0]), Ok(5.0));
        assert_eq!(admit(&[1.0, f32::NAN]), Err(NotAdmitted::NotFinite(1)));
        assert_eq!(admit(&[f32::INFINITY, 1.0]), Err(NotAdmitted::NotFinite(0)));
        assert_eq!(admit(&[1.0, 70_000.0]), Err(NotAdmitted::Overflow(1)));
        assert_eq!(admit(&[0.0, 0.0]), Err(NotAdmitted::Vanishing));
        assert_eq!(admit(&[1e-7, 3e-8]), Err(NotAdmitted::Vanishing));
        assert!(admit(&[1e-7, 1.0]).is_ok());
    }
}
