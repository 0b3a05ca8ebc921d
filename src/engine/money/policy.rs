//! What a submission costs and may earn, and whether the policy approves it by itself.

use super::{MOST, Policy};
use crate::{
    api::{Mode, PolicyLimits},
    chain::{fees, rewards, types::SystemParameters},
    primitives::Shannons,
};

impl Default for Policy {
    /// Manual, with limits that let automatic approval risk little: 1 SOMA an epoch.
    fn default() -> Self {
        Self {
            mode: Mode::Manual,
            max_bond_per_submission: Shannons(10_000_000),
            max_bond_per_epoch: Shannons(1_000_000_000),
            min_margin: 0.0,
            min_gain: Shannons::ZERO,
            auto_claim: true,
            auto_barred: false,
        }
    }
}

/// Bond, fees and reward of one submission, before anything is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Costs {
    pub bond: Shannons,
    /// Of the submission and of its claim.
    pub fee: Shannons,
    /// The submitter's share and the finder's fee.
    pub reward: Shannons,
}

impl Costs {
    pub fn estimate(parameters: &SystemParameters, size_bytes: u64, reward_pool: Shannons) -> Self {
        let split = rewards::claim_split(parameters, reward_pool);
        Self {
            bond: Shannons(size_bytes.saturating_mul(parameters.submission_bond_per_byte)),
            fee: fees::submit_data(parameters, true, true).saturating_add(fees::claim(parameters, reward_pool)),
            reward: split.submitter.saturating_add(split.claimer),
        }
    }

    /// Reward less fees; `None`: the fees are larger.
    pub fn gain(&self) -> Option<Shannons> {
        self.reward.checked_sub(self.fee)
    }
}

/// Whether the policy wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Worth {
    Yes,
    /// Beyond a limit: a person may still approve it.
    Beyond(String),
    /// Not worth anybody's time.
    No,
}

/// What a candidate brings before the policy.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Claimant {
    pub costs: Costs,
    /// Expected, in shannons: with chance and risk.
    pub gain: i128,
    /// Threshold − distance.
    pub margin: f32,
}

impl Policy {
    pub(in crate::engine) fn limits(&self) -> PolicyLimits {
        let most = PolicyLimits::MOST_MARGIN_MILLIONTHS;
        PolicyLimits {
            max_bond_per_submission: self.max_bond_per_submission,
            max_bond_per_epoch: self.max_bond_per_epoch,
            // Saturates, and NaN becomes 0.
            min_margin_millionths: ((f64::from(self.min_margin) * 1e6).round() as u32).min(most),
            min_gain: self.min_gain,
        }
    }

    pub(in crate::engine) fn obey(&mut self, limits: &PolicyLimits) {
        self.max_bond_per_submission = limits.max_bond_per_submission;
        self.max_bond_per_epoch = limits.max_bond_per_epoch;
        self.min_margin = limits.min_margin();
        self.min_gain = limits.min_gain;
    }

    /// `committed`: bonds already approved in the target's epoch.
    pub(in crate::engine) fn judge(&self, claimant: &Claimant, committed: Shannons) -> Worth {
        let Claimant { costs, gain, margin } = claimant;
        // A bond beyond all money comes of parameters that nobody has agreed on.
        if costs.bond > MOST || costs.gain().is_none() {
            return Worth::No;
        }
        if *gain < i128::from(self.min_gain.0) {
            let expected = match u64::try_from(*gain) {
                Ok(gain) => format!("gain of {} SOMA", Shannons(gain)),
                Err(_) => "loss".to_owned(),
            };
            return Worth::Beyond(format!("its expected {expected} is below the limit of {}", self.min_gain));
        }
        // What is no number is below every limit.
        if margin.is_nan() || *margin < self.min_margin {
            return Worth::Beyond(format!("its margin of {margin:.6} is below the limit of {:.6}", self.min_margin));
        }
        if costs.bond > self.max_bond_per_submission {
            return Worth::Beyond(format!(
                "its bond of {} SOMA is above the limit of {} a submission",
                costs.bond, self.max_bond_per_submission
            ));
        }
        let total = committed.saturating_add(costs.bond);
        if total > self.max_bond_per_epoch {
            return Worth::Beyond(format!(
                "bonds of {total} SOMA in this epoch would be above the limit of {}",
                self.max_bond_per_epoch
            ));
        }
        Worth::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(bond: u64, fee: u64, reward: u64) -> Costs {
        Costs { bond: Shannons(bond), fee: Shannons(fee), reward: Shannons(reward) }
    }

    fn policy() -> Policy {
        Policy {
            max_bond_per_submission: Shannons(100),
            max_bond_per_epoch: Shannons(250),
            min_gain: Shannons(10),
            ..Policy::default()
        }
    }

    fn judged(claimant: (u64, u64, u64), committed: u64) -> Worth {
        let costs = costs(claimant.0, claimant.1, claimant.2);
        let gain = i128::from(costs.reward.0) - i128::from(costs.fee.0);
        policy().judge(&Claimant { costs, gain, margin: 0.01 }, Shannons(committed))
    }

    #[test]
    fn limits_are_inclusive_and_count_what_is_already_committed() {
        assert_eq!(judged((100, 0, 10), 150), Worth::Yes);
        assert!(matches!(judged((101, 0, 10), 0), Worth::Beyond(_)));
        assert!(matches!(judged((100, 0, 10), 151), Worth::Beyond(_)));
    }

    #[test]
    fn a_reward_that_does_not_pay_its_fees_is_not_worth_it_and_a_small_gain_is_for_a_person() {
        assert_eq!(judged((1, 30, 20), 0), Worth::No);
        assert!(matches!(judged((1, 11, 20), 0), Worth::Beyond(why) if why.contains("0.000000009")));
        assert_eq!(judged((1, 10, 20), 0), Worth::Yes);
    }

    #[test]
    fn a_margin_below_the_limit_or_no_number_is_for_a_person() {
        let policy = Policy { min_margin: 0.01, ..Policy::default() };
        let at = |margin| {
            let claimant = Claimant { costs: costs(1, 1, 9), gain: 8, margin };
            matches!(policy.judge(&claimant, Shannons(0)), Worth::Yes)
        };
        assert_eq!([at(0.01), at(0.009_999), at(f32::NAN), at(0.5)], [true, false, false, true]);
    }

    #[test]
    fn limits_come_back_as_they_were_given() {
        let mut obeying = Policy::default();
        for millionths in [0, 1, 12_500, 333_333, PolicyLimits::MOST_MARGIN_MILLIONTHS] {
            let limits = PolicyLimits { min_margin_millionths: millionths, ..policy().limits() };
            obeying.obey(&limits);
            assert_eq!(obeying.limits(), limits);
        }
        assert_eq!(Policy { min_margin: f32::NAN, ..Policy::default() }.limits().min_margin_millionths, 0);
    }
}
