//! How far the projections at each position are from a standard normal distribution, by their characteristic functions.
//!
//! The points are equally spaced, so one sine and cosine per projection and a rotation per point replace a sine and cosine for each
//! point, and no array of projections times points ever exists.

use std::iter::zip;

use crate::lanes::vectorised;
use crate::tile::{Column, TILE};

/// One point of the comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The normal characteristic function there.
    pub normal: f32,
    pub weight: f32,
}

/// Slices whose sines and cosines are summed before they join the rest: few roundings follow each other.
const GROUP: usize = 16;

/// Sum over the first `lanes` positions of a tile of `slices · Σ_j weight_j · |mean over slices of e^(i·y·t_j) − normal_j|²` with
/// `t_j = (j + 1) · step`.
///
/// `projections`: `y`, `[slices]`. `points` leave out `t = 0`, where both functions are 1.
pub fn characteristic_error_sum(projections: &[Column], lanes: usize, step: f64, points: &[Point]) -> f64 {
    vectorised(
        #[inline(always)]
        || {
            let slices = projections.len() as f32;
            // Of sines and of cosines at each point.
            let mut sums = vec![(Column::ZERO, Column::ZERO); points.len()];
            let mut group = sums.clone();
            for projections in projections.chunks(GROUP) {
                group.fill((Column::ZERO, Column::ZERO));
                for y in projections {
                    add_slice(y, step, &mut group);
                }
                for ((sin_sum, cos_sum), (sin, cos)) in zip(&mut sums, &group) {
                    add(sin_sum, sin);
                    add(cos_sum, cos);
                }
            }
            let mut values = Column::ZERO;
            for (point, (sin, cos)) in zip(points, &sums) {
                for ((value, sin), cos) in zip(zip(values.iter_mut(), sin.iter()), cos.iter()) {
                    let (mean_sin, mean_cos) = (sin / slices, cos / slices);
                    let error = (mean_cos - point.normal) * (mean_cos - point.normal) + mean_sin * mean_sin;
                    *value += error * point.weight;
                }
            }
            values.iter().take(lanes).map(|value| f64::from(value * slices)).sum()
        },
    )
}

/// Adds the sines and cosines of one slice's projections times each point.
#[inline(always)]
fn add_slice(y: &Column, step: f64, sums: &mut [(Column, Column)]) {
    let (mut sin_1, mut cos_1) = (Column::ZERO, Column::ZERO);
    sin_cos_scaled(&y[..], step, &mut sin_1[..], &mut cos_1[..]);
    let (mut sin, mut cos) = (sin_1, cos_1);
    for (j, (sin_sum, cos_sum)) in sums.iter_mut().enumerate() {
        if j > 0 {
            turn(&mut sin, &mut cos, &sin_1, &cos_1);
        }
        add(sin_sum, &sin);
        add(cos_sum, &cos);
    }
}

#[inline(always)]
fn add(sum: &mut Column, column: &Column) {
    for (sum, value) in zip(sum.iter_mut(), column.iter()) {
        *sum += value;
    }
}

/// Adds the angle `(sin_1, cos_1)` to each angle `(sin, cos)`.
#[inline(always)]
fn turn(sin: &mut Column, cos: &mut Column, sin_1: &Column, cos_1: &Column) {
    for lane in 0..TILE {
        let (s, c) = (sin[lane], cos[lane]);
        sin[lane] = s * cos_1[lane] + c * sin_1[lane];
        cos[lane] = c * cos_1[lane] - s * sin_1[lane];
    }
}

/// Sine and cosine of `scale · x` for a whole slice, from f64 so that the rounding to f32 is the only error that counts.
#[inline(always)]
fn sin_cos_scaled(x: &[f32], scale: f64, sin: &mut [f32], cos: &mut [f32]) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tile::to_tiles;

    fn grid(from: f64, to: f64) -> impl Iterator<Item = f32> {
        (0..=20_000).map(move |i| (from + (to - from) * f64::from(i) / 20_000.0) as f32)
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
    fn rotating_agrees_with_a_sine_and_cosine_at_every_point() {
        let slices = 256;
        let projections: Vec<f32> = (0..4 * slices).map(|i| ((i * 7919) % 4001) as f32 / 1000.0 - 2.0).collect();
        let step = 3.0 / 16.0;
        let t = |j: usize| step * (j + 1) as f64;
        let points: Vec<Point> =
            (0..16).map(|j| Point { normal: (-t(j) * t(j) / 2.0).exp() as f32, weight: 0.3 }).collect();
        let direct: f64 = projections
            .chunks_exact(slices)
            .flat_map(|y| points.iter().enumerate().map(move |(j, point)| (y, t(j), point)))
            .map(|(y, t, point)| {
                let mean = |f: fn(f64) -> f64| y.iter().map(|y| f(f64::from(*y) * t)).sum::<f64>() / slices as f64;
                let (re, im) = (mean(f64::cos) - f64::from(point.normal), mean(f64::sin));
                slices as f64 * f64::from(point.weight) * (re * re + im * im)
            })
            .sum();
        let found = characteristic_error_sum(&to_tiles(&projections, slices), 4, step, &points);
        assert!((found / direct - 1.0).abs() < 1e-5, "{found}, directly {direct}");
    }
}
