//! What a submission costs and may earn, and whether the policy approves it by itself.

use super::{MOST, Policy};
use crate::{
    api::Mode,
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

impl Policy {
    /// `committed`: bonds already approved in the target's epoch.
    pub(in crate::engine) fn judge(&self, costs: &Costs, committed: Shannons) -> Worth {
        // A bond beyond all money comes of parameters that nobody has agreed on.
        if costs.bond > MOST || costs.gain().is_none_or(|gain| gain < self.min_gain) {
            return Worth::No;
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

    #[test]
    fn limits_are_inclusive_and_count_what_is_already_committed() {
        assert_eq!(policy().judge(&costs(100, 0, 10), Shannons(150)), Worth::Yes);
        assert!(matches!(policy().judge(&costs(101, 0, 10), Shannons(0)), Worth::Beyond(_)));
        assert!(matches!(policy().judge(&costs(100, 0, 10), Shannons(151)), Worth::Beyond(_)));
    }

    #[test]
    fn a_reward_that_does_not_pay_its_fees_is_not_worth_it() {
        assert_eq!(policy().judge(&costs(1, 11, 20), Shannons(0)), Worth::No);
        assert_eq!(policy().judge(&costs(1, 30, 20), Shannons(0)), Worth::No);
        assert_eq!(policy().judge(&costs(1, 10, 20), Shannons(0)), Worth::Yes);
    }
}
