//! Log-likelihoods of targets under logits.

use crate::lanes::{self, exp_nonpositive, vectorised};

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

    #[test]
    fn equal_logits_cost_the_logarithm_of_their_number() {
        let sum = nll_sum(&[3.0; 2 * 7], 7, &[0, 6]);
        assert!((sum - 2.0 * 7f64.ln()).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn broken_logits_give_a_broken_sum() {
        assert!(nll_sum(&[1.0, f32::NAN], 2, &[0]).is_nan());
        assert!(nll_sum(&[f32::NEG_INFINITY; 2], 2, &[0]).is_nan());
    }
}
