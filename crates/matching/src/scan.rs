//! Products of many embeddings with many targets.

use half::f16;
use rayon::prelude::*;

use crate::lanes::{Lanes, dispatch};

/// Rows that one task takes: a megabyte at 2,048 numbers.
const ROWS: usize = 256;

/// A number as it lies in memory.
trait Element: Copy + Sync {
    fn load<L: Lanes>(lanes: L, from: &[Self]) -> L::Vector;
    fn single(self) -> f32;
}

impl Element for f16 {
    #[inline(always)]
    fn load<L: Lanes>(lanes: L, from: &[Self]) -> L::Vector {
        lanes.halves(from)
    }
    #[inline(always)]
    fn single(self) -> f32 {
        self.to_f32()
    }
}

impl Element for f32 {
    #[inline(always)]
    fn load<L: Lanes>(lanes: L, from: &[Self]) -> L::Vector {
        lanes.singles(from)
    }
    #[inline(always)]
    fn single(self) -> f32 {
        self
    }
}

/// `out[i·n + j] = rows[slots[i]] · targets[j]`, for `rows` `[_, dim]` and `targets` `[n, dim]`, row-major; f32 sums.
///
/// # Panics
/// If a slot lies beyond the rows or `out` is not `[slots, n]`.
pub fn products_of_rows(rows: &[f16], dim: usize, slots: &[u32], targets: &[f32], out: &mut [f32]) {
    let Some(n) = columns(dim, targets, slots.len(), out) else { return };
    let row = |slot: u32| &rows[slot as usize * dim..][..dim];
    out.par_chunks_mut(ROWS * n).zip(slots.par_chunks(ROWS)).for_each(|(out, slots)| {
        dispatch!(lanes => match n {
            1 => {
                for (at, (slot, out)) in slots.iter().zip(out).enumerate() {
                    let next = slots.get(at + 1).map_or(&[][..], |next| row(*next));
                    *out = dot(lanes, row(*slot), targets, next);
                }
            }
            _ => multiply(lanes, slots.len(), |i| row(slots[i]), dim, targets, out),
        });
    });
}

/// `out[i·n + j] = a[i] · b[j]`, for `a` `[m, dim]` and `b` `[n, dim]`, row-major.
///
/// # Panics
/// If `out` is not `[m, n]`.
pub fn products(a: &[f32], b: &[f32], dim: usize, out: &mut [f32]) {
    let rows = a.len().checked_div(dim).unwrap_or(0);
    let Some(n) = columns(dim, b, rows, out) else { return };
    // Few samples meet many targets, so it is those that the threads share; each reads its share once.
    let share = n.div_ceil(rayon::current_num_threads().max(1)).next_multiple_of(COLUMNS);
    let parts: Vec<(usize, Vec<f32>)> = (0..n)
        .into_par_iter()
        .step_by(share)
        .map(|from| {
            let to = n.min(from + share);
            let mut part = vec![0.0; rows * (to - from)];
            let b = &b[from * dim..to * dim];
            dispatch!(lanes => multiply(lanes, rows, |i| &a[i * dim..][..dim], dim, b, &mut part));
            (from, part)
        })
        .collect();
    for (from, part) in parts {
        let width = part.len() / rows;
        for (out, part) in out.chunks_exact_mut(n).zip(part.chunks_exact(width)) {
            out[from..from + width].copy_from_slice(part);
        }
    }
}

/// Number of targets; `None`: nothing to do.
fn columns(dim: usize, targets: &[f32], rows: usize, out: &[f32]) -> Option<usize> {
    let n = targets.len().checked_div(dim)?;
    assert_eq!(out.len(), rows * n, "the products of {rows} rows and {n} targets");
    (n > 0 && rows > 0).then_some(n)
}

/// One product; `next` is what will be read after it.
#[inline(always)]
fn dot<L: Lanes>(lanes: L, row: &[f16], target: &[f32], next: &[f16]) -> f32 {
    const WAYS: usize = 4;
    let step = WAYS * L::WIDTH;
    let whole = row.len() / step * step;
    let mut sums = [lanes.zero(); WAYS];
    let mut at = 0;
    while at < whole {
        // A page ends with every row of 2,048 numbers, and the processor does not fetch ahead over it.
        for line in (0..step).step_by(32) {
            if let Some(ahead) = next.get(at + line..) {
                lanes.prefetch(ahead);
            }
        }
        for (way, sum) in sums.iter_mut().enumerate() {
            let from = at + way * L::WIDTH;
            *sum = lanes.multiply_add(lanes.halves(&row[from..]), lanes.singles(&target[from..]), *sum);
        }
        at += step;
    }
    let rest: f32 = row[whole..].iter().zip(&target[whole..]).map(|(a, b)| a.to_f32() * b).sum();
    sums.iter().map(|sum| lanes.sum(*sum)).sum::<f32>() + rest
}

/// Rows and targets that are worked on side by side: eight sums stay in registers.
const SIDE: usize = 2;
const COLUMNS: usize = 4;

/// Each group of targets meets all rows before the next: the targets may be many, and are read once.
#[inline(always)]
fn multiply<'a, L: Lanes, E: Element + 'a>(
    lanes: L,
    rows: usize,
    row: impl Fn(usize) -> &'a [E],
    dim: usize,
    targets: &[f32],
    out: &mut [f32],
) {
    let n = targets.len() / dim;
    let target = |j: usize| &targets[j * dim..][..dim];
    let mut j = 0;
    while j < n {
        let four = j + COLUMNS <= n;
        let mut i = 0;
        while i < rows {
            let two = i + SIDE <= rows;
            match (two, four) {
                (true, true) => {
                    let sums =
                        tile(lanes, [row(i), row(i + 1)], [target(j), target(j + 1), target(j + 2), target(j + 3)]);
                    out[i * n + j..][..COLUMNS].copy_from_slice(&sums[0]);
                    out[(i + 1) * n + j..][..COLUMNS].copy_from_slice(&sums[1]);
                }
                (true, false) => {
                    let [[first], [second]] = tile(lanes, [row(i), row(i + 1)], [target(j)]);
                    (out[i * n + j], out[(i + 1) * n + j]) = (first, second);
                }
                (false, true) => {
                    let [sums] = tile(lanes, [row(i)], [target(j), target(j + 1), target(j + 2), target(j + 3)]);
                    out[i * n + j..][..COLUMNS].copy_from_slice(&sums);
                }
                (false, false) => {
                    let [[sum]] = tile(lanes, [row(i)], [target(j)]);
                    out[i * n + j] = sum;
                }
            }
            i += SIDE;
        }
        j += if four { COLUMNS } else { 1 };
    }
}

#[inline(always)]
fn tile<L: Lanes, E: Element, const R: usize, const C: usize>(
    lanes: L,
    rows: [&[E]; R],
    targets: [&[f32]; C],
) -> [[f32; C]; R] {
    let dim = targets[0].len();
    let whole = dim / L::WIDTH * L::WIDTH;
    let mut sums = [[lanes.zero(); C]; R];
    let mut at = 0;
    while at < whole {
        let columns: [L::Vector; C] = std::array::from_fn(|c| lanes.singles(&targets[c][at..]));
        for r in 0..R {
            let row = E::load(lanes, &rows[r][at..]);
            for c in 0..C {
                sums[r][c] = lanes.multiply_add(row, columns[c], sums[r][c]);
            }
        }
        at += L::WIDTH;
    }
    let rest = |r: usize, c: usize| {
        rows[r][whole..].iter().zip(&targets[c][whole..]).map(|(a, b)| a.single() * b).sum::<f32>()
    };
    std::array::from_fn(|r| std::array::from_fn(|c| lanes.sum(sums[r][c]) + rest(r, c)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lanes::Portable;

    fn reference(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    }

    prop_compose! {
        fn case()(dim in 1usize..150, rows in 0usize..9, n in 0usize..11)
            (values in prop::collection::vec(-2.0f32..2.0, dim * (rows + n)), dim in Just(dim), rows in Just(rows))
            -> (usize, Vec<f32>, Vec<f32>) {
                let values: Vec<f32> = values.iter().map(|x| f16::from_f32(*x).to_f32()).collect();
                let (a, b) = values.split_at(dim * rows);
                (dim, a.to_vec(), b.to_vec())
            }
    }

    proptest! {
        #[test]
        fn products_are_what_they_should_be_whatever_the_shapes((dim, a, b) in case(), shuffle in 1u32..7) {
            let (m, n) = (a.len() / dim, b.len() / dim);
            let near = |got: f32, row: &[f32], target: &[f32]| {
                (f64::from(got) - reference(row, target)).abs() <= 4.0 * dim as f64 * f64::from(f32::EPSILON)
            };
            let mut out = vec![f32::NAN; m * n];
            products(&a, &b, dim, &mut out);
            for (at, got) in out.iter().enumerate() {
                prop_assert!(near(*got, &a[at / n * dim..][..dim], &b[at % n * dim..][..dim]));
            }
            let halves: Vec<f16> = a.iter().map(|x| f16::from_f32(*x)).collect();
            let slots: Vec<u32> = (0..m as u32).map(|i| i.wrapping_mul(shuffle) % m.max(1) as u32).collect();
            let mut out = vec![f32::NAN; m * n];
            products_of_rows(&halves, dim, &slots, &b, &mut out);
            for (at, got) in out.iter().enumerate() {
                prop_assert!(near(*got, &a[slots[at / n] as usize * dim..][..dim], &b[at % n * dim..][..dim]));
            }
            // One target has a loop of its own; and all processors give the same but for rounding.
            if let Some(target) = b.get(..dim) {
                let mut out = vec![f32::NAN; m];
                products_of_rows(&halves, dim, &slots, target, &mut out);
                for (got, slot) in out.iter().zip(&slots) {
                    prop_assert!(near(*got, &a[*slot as usize * dim..][..dim], target));
                    let plain = dot(Portable, &halves[*slot as usize * dim..][..dim], target, &[]);
                    prop_assert!(near(plain, &a[*slot as usize * dim..][..dim], target));
                }
            }
        }
    }
}
