//! What a candidate is worth before anything is spent on it: an expectation from what was seen, in whole shannons.
//!
//! ```text
//! expected gain = chance · reward − fees − risk · bond
//! chance        = (m + a) / (m + a + d)
//! risk          = (forfeited + 1) / (judged + 1,000)
//! ```
//!
//! `m`: the median time that targets which others filled had been open (of those whose opening we saw). `a`: how long this one has been open.
//! `d`: the median time from our finding a candidate to its being filled, a person's approval included. That is the chance of a
//! target whose fill comes at a rate that nobody knows but that differs from target to target: what has stayed open for
//! long is hard for the others, too. Nobody else fills: the chance is 1. `judged`: our fills that were claimed or forfeited; what
//! was confirmed in full precision is hardly ever forfeited, and a thousandth is what we allow before we have seen any.

use crate::{
    api::Prospect,
    engine::{money::Costs, recent::Recent},
    primitives::Shannons,
};

const MILLION: u64 = 1_000_000;
/// Before we have filled anything.
const USUAL_DELAY_MS: u64 = 5_000;

#[derive(Debug, Default)]
pub(super) struct Odds {
    /// How long targets were open until others filled them.
    lifetimes_ms: Recent,
    /// How long our candidates took from being found to being filled.
    delays_ms: Recent,
    claimed: u64,
    forfeited: u64,
}

/// `part / whole` of an amount, rounded down; `part` is not more than `whole`, which is not 0.
fn share(amount: Shannons, part: u64, whole: u64) -> i128 {
    i128::from(amount.0) * i128::from(part) / i128::from(whole.max(1))
}

impl Odds {
    pub fn others_filled(&mut self, open_for_ms: u64) {
        self.lifetimes_ms.note(open_for_ms);
    }

    pub fn we_filled(&mut self, after_ms: u64) {
        self.delays_ms.note(after_ms);
    }

    pub fn judged(&mut self, is_forfeited: bool) {
        match is_forfeited {
            true => self.forfeited += 1,
            false => self.claimed += 1,
        }
    }

    /// That a target of this age is still open when our submission arrives, in millionths.
    fn chance(&self, age_ms: u64) -> u64 {
        let Some(lifetime) = self.lifetimes_ms.median() else { return MILLION };
        let delay = self.delays_ms.median().unwrap_or(USUAL_DELAY_MS);
        let known = u128::from(lifetime) + u128::from(age_ms);
        let chance = (u128::from(MILLION) * known).checked_div(known + u128::from(delay));
        chance.and_then(|chance| u64::try_from(chance).ok()).unwrap_or(MILLION)
    }

    fn risk(&self, bond: Shannons) -> i128 {
        share(bond, self.forfeited + 1, self.claimed + self.forfeited + 1000)
    }

    /// In shannons; below zero, it is expected to lose.
    pub fn expected_gain(&self, costs: &Costs, age_ms: u64) -> i128 {
        let reward = share(costs.reward, self.chance(age_ms), MILLION);
        reward - i128::from(costs.fee.0) - self.risk(costs.bond)
    }

    /// The same for a person, of a chance in steps: a number that moves all the time is read by nobody.
    pub fn prospect(&self, costs: &Costs, age_ms: u64) -> Prospect {
        let permille = self.chance(age_ms) / 1000;
        let at_risk = self.risk(costs.bond);
        let gain = share(costs.reward, permille, 1000) - i128::from(costs.fee.0) - at_risk;
        Prospect {
            chance_permille: u16::try_from(permille).unwrap_or(1000),
            at_risk: Shannons(u64::try_from(at_risk).unwrap_or(u64::MAX)),
            gain: i64::try_from(gain).unwrap_or(if gain < 0 { i64::MIN } else { i64::MAX }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(bond: u64) -> Costs {
        Costs { bond: Shannons(bond), fee: Shannons(100), reward: Shannons(1_000_000) }
    }

    #[test]
    fn without_competition_a_target_waits_and_the_bond_is_hardly_at_risk() {
        let odds = Odds::default();
        assert_eq!(odds.expected_gain(&costs(50_000), 0), 1_000_000 - 100 - 50);
    }

    #[test]
    fn targets_that_others_fill_as_fast_as_we_do_are_worth_half_and_older_ones_more() {
        let mut odds = Odds::default();
        for time in [1_000, 4_000, 90_000] {
            odds.others_filled(time);
            odds.we_filled(time);
        }
        assert_eq!(odds.expected_gain(&costs(0), 0), 500_000 - 100);
        assert_eq!(odds.expected_gain(&costs(0), 12_000), 800_000 - 100);
    }

    #[test]
    fn a_person_sees_the_same_gain_in_its_parts() {
        let mut odds = Odds::default();
        let prospect = Prospect { chance_permille: 1000, at_risk: Shannons(50), gain: 1_000_000 - 100 - 50 };
        assert_eq!(odds.prospect(&costs(50_000), 0), prospect);
        odds.others_filled(1_000);
        // One second of six: 0.1666 of the reward.
        let prospect = odds.prospect(&costs(50_000), 0);
        assert_eq!((prospect.chance_permille, prospect.gain), (166, 166_000 - 100 - 50));
    }

    #[test]
    fn every_forfeit_makes_a_large_bond_dearer_and_no_time_is_too_long() {
        let mut odds = Odds::default();
        for _ in 0..250 {
            odds.judged(true);
        }
        assert_eq!(odds.expected_gain(&costs(1_000_000), 0), 1_000_000 - 100 - 200_800);
        for _ in 0..500 {
            odds.others_filled(1);
            odds.others_filled(u64::MAX);
        }
        assert!(odds.expected_gain(&costs(0), u64::MAX) > 0);
    }
}
