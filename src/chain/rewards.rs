//! Who gets what of a claimed reward (`protocol.md §7.7`).

use super::types::{Shannons, SystemParameters};

/// The shares of a filled target without a report quorum; together exactly the reward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimSplit {
    pub submitter: Shannons,
    pub model_owner: Shannons,
    /// For whoever sends the claim.
    pub claimer: Shannons,
}

/// The model owner's and the claimer's shares are floored; the submitter has the rest.
pub fn claim_split(parameters: &SystemParameters, reward: Shannons) -> ClaimSplit {
    let model_owner = reward.bps(parameters.target_model_reward_share_bps);
    let claimer = reward.bps(parameters.target_claimer_incentive_bps);
    ClaimSplit { submitter: reward.saturating_sub(model_owner).saturating_sub(claimer), model_owner, claimer }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::fixtures::parameters;

    #[test]
    fn the_submitter_has_what_flooring_leaves() {
        let split = claim_split(&parameters(), Shannons(12_685_185));
        assert_eq!(
            (split.submitter, split.model_owner, split.claimer),
            (Shannons(6_310_881), Shannons(6_310_879), Shannons(63_425))
        );
        assert_eq!(
            [split.submitter, split.model_owner, split.claimer].into_iter().sum::<Shannons>(),
            Shannons(12_685_185)
        );
    }
}
