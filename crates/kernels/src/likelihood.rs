//! Log-likelihoods of targets under logits.

use std::iter::zip;

use crate::elementwise::column_sums;
use crate::lanes::{self, exp_nonpositive, vectorised};
use crate::tile::{Column, TILE};

/// Sum of `−log softmax(logits)[target]` over the positions of a tile that have a target; logits `[vocabulary]`, which targets are below.
///
/// # Panics
/// If a target is beyond the vocabulary.
pub fn nll_sum_of_tile(logits: &[Column], targets: &[u32]) -> f64 {
    vectorised(
        #[inline(always)]
        || {
            let mut max = Column([f32::NEG_INFINITY; TILE]);
            for logits in logits {
                for (max, logit) in zip(max.iter_mut(), logits.iter()) {
                    *max = if *logit > *max { *logit } else { *max };
                }
            }
            let totals = column_sums(logits, |logit, max| exp_nonpositive(logit - max), &max);
            let nll = |(lane, target): (usize, &u32)| {
                f64::from(totals[lane]).ln() - f64::from(logits[*target as usize][lane] - max[lane])
            };
            targets.iter().take(TILE).enumerate().map(nll).sum()
        },
    )
}

/// Sum over rows of `−log softmax(logits)[target]`; logits `[targets, vocabulary]`, targets below the vocabulary's size.
pub fn nll_sum(logits: &[f32], vocabulary: usize, targets: &[u32]) -> f64 {
    vectorised(
        #[inline(always)]
        || {
            let mut exps = vec![0.0; vocabulary];
            let mut sum = 0.0;
            for (logits, target) in logits.chunks_exact(vocabulary).zip(targets) {
                let max = lanes::max(logits);
                for (exp, logit) in exps.iter_mut().zip(logits) {
                    *exp = exp_nonpositive(logit - max);
                }
                sum += f64::from(lanes::sum(&exps)).ln() - f64::from(logits[*target as usize] - max);
            }
            sum
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tile::to_tiles;

    #[test]
    fn equal_logits_cost_the_logarithm_of_their_number() {
        let sum = nll_sum(&[3.0; 2 * 7], 7, &[0, 6]);
        assert!((sum - 2.0 * 7f64.ln()).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn a_tile_costs_what_its_positions_cost() {
        let logits: Vec<f32> = (0..5 * 9).map(|v| (v * v % 13) as f32 / 3.0).collect();
        let targets = [3, 8, 0, 1, 7];
        let (tile, rows) = (nll_sum_of_tile(&to_tiles(&logits, 9), &targets), nll_sum(&logits, 9, &targets));
        assert!((tile - rows).abs() < 1e-5, "{tile} {rows}");
        let mut broken = to_tiles(&logits, 9);
        broken[4][2] = f32::NAN;
        assert!(nll_sum_of_tile(&broken, &targets).is_nan());
        assert!(nll_sum_of_tile(&broken, &targets[..2]).is_finite());
    }

    #[test]
    fn broken_logits_give_a_broken_sum() {
        assert!(nll_sum(&[1.0, f32::NAN], 2, &[0]).is_nan());
        assert!(nll_sum(&[f32::NEG_INFINITY; 2], 2, &[0]).is_nan());
    }
}
