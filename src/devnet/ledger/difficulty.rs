//! How hard targets are: the threshold and the hits average at an epoch change (`protocol.md §7.5`). Pure arithmetic.
//!
//! The order of the f32 operations is part of the contract: a node's thresholds are reproduced bit for bit.

use std::cmp::Ordering;

/// Standard deviation of cosine distances that the network assumes.
const SIGMA: f32 = 0.022;
/// Least step, in standard deviations.
const MIN_STEP: f32 = 2.0;

/// What the threshold depends on besides itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub target_hits_per_epoch: u64,
    pub adjustment_rate_bps: u64,
    pub min_threshold: f32,
    pub max_threshold: f32,
}

/// Moving average of the hits per epoch; the first value starts it. `None` if it overflows.
pub(super) fn next_hits_ema(hits_ema: u64, hits_this_epoch: u64, decay_bps: u64) -> Option<u64> {
    if hits_ema == 0 {
        return Some(hits_this_epoch);
    }
    let old = u128::from(decay_bps) * u128::from(hits_ema);
    let new = u128::from(10_000u64.saturating_sub(decay_bps)) * u128::from(hits_this_epoch);
    u64::try_from(old.checked_add(new)? / 10_000).ok()
}

/// More hits than wanted make it harder (smaller), fewer easier (larger).
pub(super) fn next_threshold(threshold: f32, hits_ema: u64, rule: Rule) -> f32 {
    if hits_ema == 0 {
        return threshold;
    }
    let z = (1.0 - threshold) / SIGMA;
    let step = (z.abs() * (rule.adjustment_rate_bps as f32 / 10_000.0)).max(MIN_STEP);
    let z = match hits_ema.cmp(&rule.target_hits_per_epoch) {
        Ordering::Greater => z + step,
        Ordering::Less => z - step,
        Ordering::Equal => z,
    };
    // `max` and `min` rather than `clamp`, which panics when the bounds are crossed.
    let z = z.max((1.0 - rule.max_threshold) / SIGMA).min((1.0 - rule.min_threshold) / SIGMA);
    1.0 - SIGMA * z
}

#[cfg(test)]
mod tests {
    use super::*;

    const V5: Rule =
        Rule { target_hits_per_epoch: 86_400, adjustment_rate_bps: 10_000, min_threshold: 0.95, max_threshold: 2.0 };

    #[test]
    fn few_hits_raise_the_threshold_exactly_as_a_node_does() {
        // node-capture.json, epochs 2 → 3 → 4.
        let first = next_threshold(1.05, 15, V5);
        assert_eq!(first.to_bits(), 1.099_999_9_f32.to_bits());
        assert_eq!(next_threshold(first, 13, V5).to_bits(), 1.199_999_8_f32.to_bits());
    }

    #[test]
    fn the_threshold_stays_within_its_bounds() {
        let mut threshold = 1.05;
        for _ in 0..20 {
            threshold = next_threshold(threshold, 1, V5);
        }
        assert!((threshold - 2.0).abs() < 1e-6, "{threshold}");
        for _ in 0..20 {
            threshold = next_threshold(threshold, 1_000_000, V5);
        }
        assert!((threshold - 0.95).abs() < 1e-6, "{threshold}");
    }

    #[test]
    fn no_hits_at_all_change_nothing() {
        assert_eq!(next_threshold(1.05, 0, V5), 1.05);
    }

    #[test]
    fn the_average_starts_at_the_first_hits_and_then_decays() {
        assert_eq!(next_hits_ema(0, 15, 9000), Some(15));
        assert_eq!(next_hits_ema(15, 4, 9000), Some(13));
        assert_eq!(next_hits_ema(u64::MAX, u64::MAX, 9000), Some(u64::MAX));
    }
}
