//! What is known of each group of windows whatever the target: who is in it, and how alike its windows are.

use rayon::prelude::*;

use super::{Pool, kernel};

/// Windows by whose likeness a group is judged.
const SAMPLED: usize = 24;

/// Windows by group, with the mean inner product of two windows of it under each model.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    /// Windows, those of a group side by side, ascending.
    members: Vec<u32>,
    /// Group → where its members begin; one more than there are groups.
    starts: Vec<u32>,
    /// `[model][group]`
    products: Vec<Vec<f32>>,
}

impl Groups {
    /// `groups[window]` counts from 0 without large gaps.
    pub fn new(pool: &Pool<'_>, groups: &[u32]) -> Self {
        assert_eq!(groups.len(), pool.len(), "a group for each window");
        let count = groups.iter().max().map_or(0, |most| *most as usize + 1);
        let mut starts = vec![0u32; count + 1];
        for group in groups {
            starts[*group as usize + 1] += 1;
        }
        for group in 0..count {
            starts[group + 1] += starts[group];
        }
        let (mut next, mut members) = (starts.clone(), vec![0; groups.len()]);
        for (window, group) in groups.iter().enumerate() {
            let place = &mut next[*group as usize];
            members[*place as usize] = window as u32;
            *place += 1;
        }
        let mut made = Self { members, starts, products: Vec::new() };
        made.products = (0..pool.models.len())
            .map(|model| {
                (0..count).into_par_iter().map(|g| mean_product(pool, model, made.members(g as u32))).collect()
            })
            .collect();
        made
    }

    pub fn count(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    pub fn members(&self, group: u32) -> &[u32] {
        &self.members[self.starts[group as usize] as usize..self.starts[group as usize + 1] as usize]
    }

    pub(super) fn mean_product(&self, model: usize, group: u32) -> f32 {
        self.products[model][group as usize]
    }
}

/// Of an even choice of windows: `(‖Σe‖² − Σ‖e‖²) / n(n − 1)`.
fn mean_product(pool: &Pool<'_>, model: usize, windows: &[u32]) -> f32 {
    let step = windows.len().div_ceil(SAMPLED).max(1);
    let (mut sum, mut row, mut squares, mut count) = (vec![0.0f32; pool.dim], Vec::new(), 0.0, 0.0f32);
    if windows.len() < 2 {
        return 0.0;
    }
    for window in windows.iter().step_by(step) {
        let window = *window as usize;
        row.clear();
        kernel::append(pool.row(model, window), &mut row);
        sum.iter_mut().zip(&row).for_each(|(sum, x)| *sum += x);
        squares += pool.models[model].norms[window].powi(2);
        count += 1.0;
    }
    let total: f32 = sum.iter().map(|s| s * s).sum();
    (total - squares) / (count * (count - 1.0))
}
