//! What others left to be claimed: everything that pays its finder more than the claim costs. Pure.

use crate::{
    api::Finds,
    chain::{client::ClaimableTarget, fees, rewards, types::SystemParameters},
    primitives::{Address, Shannons},
};

/// Claimable targets that are looked at.
pub(in crate::engine) const LISTED: usize = 1_000;

/// Ours are not among them: they are claimed anyway.
pub(in crate::engine) fn finds(
    parameters: &SystemParameters,
    listed: &[ClaimableTarget],
    us: Option<Address>,
    at_ms: u64,
) -> Finds {
    let mut finds = Finds { more: listed.len() >= LISTED, at_ms, ..Finds::default() };
    for target in listed.iter().filter(|target| target.submitter.is_none() || target.submitter != us) {
        let pool = Shannons(target.reward_pool);
        let split = rewards::claim_split(parameters, pool);
        // An expired target pays nobody but its finder; of a filled one everybody's share and the bond become coins.
        let shares = [split.submitter, split.model_owner, Shannons(target.bond_amount)];
        let others = shares.iter().filter(|share| target.submitter.is_some() && **share > Shannons::ZERO).count();
        let fee = fees::claim_creating(parameters, pool, 1 + others as u64);
        if split.claimer > fee {
            finds.count += 1;
            finds.fees = finds.fees.saturating_add(split.claimer);
            finds.costs = finds.costs.saturating_add(fee);
        }
    }
    finds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{chain::fixtures::parameters, primitives::ObjectId};

    #[test]
    fn only_what_others_left_and_what_pays_counts() {
        let us = Address([1; 32]);
        let target = |reward_pool, submitter: Option<u8>| ClaimableTarget {
            id: ObjectId([0; 32]),
            generation_epoch: 1,
            reward_pool,
            submitter: submitter.map(|n| Address([n; 32])),
            bond_amount: 5,
        };
        let listed = [
            target(12_685_185, None),
            target(12_685_185, Some(2)),
            // Ours, and what costs more than it brings.
            target(12_685_185, Some(1)),
            target(1_000, None),
        ];
        let found = finds(&parameters(), &listed, Some(us), 7);
        assert_eq!((found.count, found.more, found.at_ms), (2, false, 7));
        // `protocol.md §7.7`; four coins of the filled one, one of the expired.
        assert_eq!((found.fees, found.costs), (Shannons(2 * 63_425), Shannons(2800 + 1900 + 2 * 6342)));
        // Without a wallet nothing is ours.
        assert_eq!(finds(&parameters(), &listed, None, 7).count, 3);
    }
}
