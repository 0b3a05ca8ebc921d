//! SIGReg, the part of the loss that asks for normally distributed representations (`model.md §3.2`).
//!
//! Representations are projected on random directions; at each position the empirical characteristic function of the projections is
//! compared with the normal one.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use somascope_kernels::{Column, Matrix, Point, Start, characteristic_error_sum};

use super::arrgen;

const LAST_POINT: f64 = 3.0;
const POINTS: usize = 17;
pub(super) const SLICES: usize = 256;

/// Directions `[embed, slices]`, each column of length 1, and the points `0, step, …` of the comparison.
pub(super) struct Regulariser {
    pub directions: Vec<f32>,
    /// The same for the processor, made when it first asks.
    packed: OnceLock<Matrix>,
    pub slices: usize,
    pub step: f64,
    /// All but the first, where both functions are 1.
    pub points: Vec<Point>,
}

/// Noise `[embed, slices]` with each column brought to length 1 (`model.md §3.2`).
pub(super) fn directions(noise: &[f32], slices: usize) -> Vec<f32> {
    let mut squares = vec![0.0f64; slices];
    for row in noise.chunks_exact(slices) {
        for (sum, n) in squares.iter_mut().zip(row) {
            *sum += f64::from(*n) * f64::from(*n);
        }
    }
    let norms: Vec<f32> = squares.iter().map(|sum| sum.sqrt() as f32).collect();
    noise.chunks_exact(slices).flat_map(|row| row.iter().zip(&norms).map(|(n, norm)| n / norm)).collect()
}

impl Regulariser {
    /// The service's regulariser for a batch with this noise seed. Same seed, same directions, whatever the model, so the last few are kept.
    pub fn of_batch(noise_seed: u64, embed: usize) -> Arc<Self> {
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
            return found;
        }
        let made = Arc::new(Self::new(&arrgen::normal(noise_seed, embed * SLICES, 0.0, 1.0), SLICES, POINTS));
        let mut recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= KEPT {
            recent.pop_front();
        }
        recent.push_back((key, Arc::clone(&made)));
        made
    }

    /// `noise`: `[embed, slices]`.
    pub fn new(noise: &[f32], slices: usize, points: usize) -> Self {
        let step = LAST_POINT / (points - 1) as f64;
        let point = |j: usize| {
            let t = step * j as f64;
            let normal = (-t * t / 2.0).exp();
            let weight = if j == points - 1 { step } else { 2.0 * step };
            Point { normal: normal as f32, weight: (weight * normal) as f32 }
        };
        Self {
            directions: directions(noise, slices),
            packed: OnceLock::new(),
            slices,
            step,
            points: (1..points).map(point).collect(),
        }
    }

    /// Sum of the regulariser's value over the first `lanes` positions of a tile of representations `[embed]`; `projections` is room
    /// for `[slices]`.
    pub fn sum_of_tile(&self, representations: &[Column], lanes: usize, projections: &mut [Column]) -> f64 {
        let embed = representations.len();
        let directions = self.packed.get_or_init(|| Matrix::pack(embed, self.slices, &self.directions));
        directions.multiply(representations, projections, Start::Zero);
        characteristic_error_sum(projections, lanes, self.step, &self.points)
    }
}
