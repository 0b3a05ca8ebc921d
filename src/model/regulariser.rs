//! SIGReg, the part of the loss that asks for normally distributed representations (`model.md §3.2`).
//!
//! Representations are projected on random directions; at each position the empirical characteristic function of the projections is
//! compared with the normal one. The points are equally spaced, so one sine and cosine per projection and a rotation per point replace
//! seventeen of each, and `[seq, slices, points]` never exists.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::lanes::{self, vectorised};
use super::transformer::multiply;
use super::{ModelError, arrgen};

const LAST_POINT: f64 = 3.0;
const POINTS: usize = 17;
const SLICES: usize = 256;
/// Positions per task.
const GRAIN: usize = 64;

/// Directions `[embed, slices]`, each column of length 1, and the points `0, step, …` of the comparison.
pub(super) struct Regulariser {
    directions: Tensor,
    slices: usize,
    step: f64,
    /// Per point but the first, where both functions are 1: the normal characteristic function and the quadrature weight.
    points: Vec<(f32, f32)>,
}

impl Regulariser {
    /// The service's regulariser for a batch with this noise seed. Same seed, same directions, whatever the model, so the last few are kept.
    pub fn of_batch(noise_seed: u64, embed: usize) -> Result<Arc<Self>, ModelError> {
        /// At V1's width one entry takes 2 MiB.
        const KEPT: usize = 32;
        type Entry = ((u64, usize), Arc<Regulariser>);
        static RECENT: LazyLock<Mutex<VecDeque<Entry>>> = LazyLock::new(Mutex::default);
        let key = (noise_seed, embed);
        // The cache holds only finished entries, so a panic elsewhere cannot have left it half-written.
        let find = || {
            let mut recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
            let index = recent.iter().position(|(k, _)| *k == key)?;
            let entry = recent.remove(index)?;
            recent.push_back(entry.clone());
            Some(entry.1)
        };
        if let Some(found) = find() {
            return Ok(found);
        }
        let made = Arc::new(Self::new(&arrgen::normal(noise_seed, embed * SLICES, 0.0, 1.0), SLICES, POINTS)?);
        let mut recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= KEPT {
            recent.pop_front();
        }
        recent.push_back((key, Arc::clone(&made)));
        Ok(made)
    }

    /// `noise`: `[embed, slices]`.
    fn new(noise: &[f32], slices: usize, points: usize) -> Result<Self, ModelError> {
        let mut squares = vec![0.0f64; slices];
        for row in noise.chunks_exact(slices) {
            for (sum, n) in squares.iter_mut().zip(row) {
                *sum += f64::from(*n) * f64::from(*n);
            }
        }
        let norms: Vec<f32> = squares.iter().map(|sum| sum.sqrt() as f32).collect();
        let unit: Vec<f32> =
            noise.chunks_exact(slices).flat_map(|row| row.iter().zip(&norms).map(|(n, norm)| n / norm)).collect();
        let step = LAST_POINT / (points - 1) as f64;
        let point = |j: usize| {
            let t = step * j as f64;
            let normal = (-t * t / 2.0).exp();
            let weight = if j == points - 1 { step } else { 2.0 * step };
            (normal as f32, (weight * normal) as f32)
        };
        Ok(Self {
            directions: Tensor::from_vec(unit, (noise.len() / slices, slices), &Device::Cpu)?,
            slices,
            step,
            points: (1..points).map(point).collect(),
        })
    }

    /// Sum over positions of the regulariser's value at each; representations `[seq, embed]`.
    pub fn sum(&self, representations: &[f32]) -> Result<f64, ModelError> {
        multiply(representations.to_vec(), &self.directions, |projections| {
            let parts: Vec<f64> = projections
                .par_chunks(GRAIN * self.slices)
                .map(|projections| {
                    vectorised(
                        #[inline(always)]
                        || self.sum_of(projections),
                    )
                })
                .collect();
            parts.iter().sum()
        })
    }

    #[inline(always)]
    fn sum_of(&self, projections: &[f32]) -> f64 {
        let [mut sin_1, mut cos_1, mut sin, mut cos] = std::array::from_fn(|_| vec![0.0f32; self.slices]);
        let mut sum = 0.0;
        for projections in projections.chunks_exact(self.slices) {
            lanes::sin_cos_scaled(projections, self.step, &mut sin_1, &mut cos_1);
            sin.copy_from_slice(&sin_1);
            cos.copy_from_slice(&cos_1);
            let mut value = 0.0;
            for (j, (normal, weight)) in self.points.iter().enumerate() {
                if j > 0 {
                    turn(&mut sin, &mut cos, &sin_1, &cos_1);
                }
                let mean_cos = lanes::sum(&cos) / self.slices as f32;
                let mean_sin = lanes::sum(&sin) / self.slices as f32;
                let error = (mean_cos - normal) * (mean_cos - normal) + mean_sin * mean_sin;
                value += error * weight;
            }
            sum += f64::from(value * self.slices as f32);
        }
        sum
    }
}

/// Adds the angle `(sin_1, cos_1)` to each angle `(sin, cos)`.
#[inline(always)]
fn turn(sin: &mut [f32], cos: &mut [f32], sin_1: &[f32], cos_1: &[f32]) {
    for (((sin, cos), sin_1), cos_1) in sin.iter_mut().zip(cos).zip(sin_1).zip(cos_1) {
        (*sin, *cos) = (*sin * cos_1 + *cos * sin_1, *cos * cos_1 - *sin * sin_1);
    }
}
