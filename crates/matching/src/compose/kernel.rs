//! Inner products over rows of half precision.

use std::sync::LazyLock;

use half::{f16, slice::HalfFloatSliceExt};

const WIDTH: usize = 16;

static ARCH: LazyLock<pulp::Arch> = LazyLock::new(pulp::Arch::new);

/// Runs `work` compiled for this processor; what is in it must be `#[inline(always)]`.
pub(super) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    ARCH.dispatch(work)
}

#[inline(always)]
fn total(lanes: [f32; WIDTH]) -> f32 {
    let mut folded = lanes;
    let mut half = WIDTH / 2;
    while half > 0 {
        for i in 0..half {
            folded[i] += folded[i + half];
        }
        half /= 2;
    }
    folded[0]
}

/// To single precision by integer arithmetic, which the compiler vectorises; exact for every finite number.
#[inline(always)]
fn widen(x: f16) -> f32 {
    let bits = u32::from(x.to_bits());
    // Moves the exponent into place; the product puts its bias right, for subnormal numbers too.
    let magnitude = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
    f32::from_bits(magnitude.to_bits() | (bits & 0x8000) << 16)
}

/// `row · target`
#[inline(always)]
pub(super) fn dot_half(row: &[f16], target: &[f32]) -> f32 {
    let (mut a, mut b) = ([0.0f32; WIDTH], [0.0f32; WIDTH]);
    let (rows, targets) = (row.chunks_exact(2 * WIDTH), target.chunks_exact(2 * WIDTH));
    let rest: f32 = rows.remainder().iter().zip(targets.remainder()).map(|(x, t)| widen(*x) * t).sum();
    for (row, target) in rows.zip(targets) {
        for i in 0..WIDTH {
            a[i] += widen(row[i]) * target[i];
        }
        for i in 0..WIDTH {
            b[i] += widen(row[WIDTH + i]) * target[WIDTH + i];
        }
    }
    total(a) + total(b) + rest
}

/// `scale × row`, in single precision, appended.
pub(super) fn append(row: &[f16], scale: f32, to: &mut Vec<f32>) {
    let from = to.len();
    to.resize(from + row.len(), 0.0);
    row.convert_to_f32_slice(&mut to[from..]);
    if scale != 1.0 {
        to[from..].iter_mut().for_each(|x| *x *= scale);
    }
}

/// Inner products of `x` with four rows at once, so that `x` is read once for them.
#[inline(always)]
fn dots(x: &[f32], rows: [&[f32]; 4]) -> [f32; 4] {
    let mut sums = [[0.0f32; WIDTH]; 4];
    let whole = x.len() / WIDTH * WIDTH;
    for at in (0..whole).step_by(WIDTH) {
        let x = &x[at..at + WIDTH];
        for (sums, row) in sums.iter_mut().zip(rows) {
            let row = &row[at..at + WIDTH];
            for i in 0..WIDTH {
                sums[i] += x[i] * row[i];
            }
        }
    }
    let mut dots = [0.0; 4];
    for (dot, (sums, row)) in dots.iter_mut().zip(sums.into_iter().zip(rows)) {
        *dot = total(sums) + x[whole..].iter().zip(&row[whole..]).map(|(a, b)| a * b).sum::<f32>();
    }
    dots
}

/// All inner products of `rows` (`[count, dim]`) among themselves, `[count, count]`.
pub(super) fn gram(rows: &[f32], dim: usize) -> Vec<f32> {
    let row = |i: usize| &rows[i * dim..(i + 1) * dim];
    let count = rows.len().checked_div(dim).unwrap_or(0);
    let mut products = vec![0.0; count * count];
    vectorised(
        #[inline(always)]
        || {
            for i in 0..count {
                for j in (0..=i).step_by(4) {
                    let of = |offset: usize| row((j + offset).min(i));
                    let dots = dots(row(i), [of(0), of(1), of(2), of(3)]);
                    for (j, dot) in (j..=i).zip(dots) {
                        products[i * count + j] = dot;
                        products[j * count + i] = dot;
                    }
                }
            }
        },
    );
    products
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_half_widens_to_itself() {
        for bits in 0..=u16::MAX {
            let half = f16::from_bits(bits);
            if half.is_finite() {
                assert_eq!(widen(half).to_bits(), half.to_f32().to_bits(), "{half}");
            }
        }
    }

    #[test]
    fn products_are_those_of_the_definition_for_any_number_of_rows() {
        let value = |i: usize| ((i * 7919) % 31) as f32 - 15.0;
        for (count, dim) in [(1, 3), (5, 16), (6, 37), (9, 64)] {
            let rows: Vec<f32> = (0..count * dim).map(value).collect();
            let products = gram(&rows, dim);
            for i in 0..count {
                for j in 0..count {
                    let dot: f32 = (0..dim).map(|d| rows[i * dim + d] * rows[j * dim + d]).sum();
                    assert_eq!(products[i * count + j], dot, "{i}, {j} of {count} rows of {dim}");
                }
                let half: Vec<f16> = rows[i * dim..(i + 1) * dim].iter().map(|x| f16::from_f32(*x)).collect();
                assert_eq!(dot_half(&half, &rows[..dim]), products[i * count]);
            }
        }
    }
}
