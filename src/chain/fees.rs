//! What a transaction will cost (`protocol.md §4.6`), estimated from the live parameters.

use super::types::{Shannons, SystemParameters};

/// SubmitData writes gas, target and system state, a bond coin of its own, and the replacement target if one is spawned.
pub fn submit_data(parameters: &SystemParameters, bond_is_gas: bool, spawns: bool) -> Shannons {
    operation(parameters, 3 + u64::from(!bond_is_gas) + u64::from(spawns))
}

/// ClaimRewards of a filled target by its submitter: gas, system state, three shares and the bond; the value fee on top.
pub fn claim(parameters: &SystemParameters, reward: Shannons) -> Shannons {
    operation(parameters, 6).saturating_add(reward.bps(parameters.value_fee_bps / 2))
}

/// ClaimRewards that creates so many coins: gas and system state besides, and the value fee on the target's whole reward.
pub fn claim_creating(parameters: &SystemParameters, reward: Shannons, coins: u64) -> Shannons {
    operation(parameters, coins.saturating_add(2)).saturating_add(reward.bps(parameters.value_fee_bps / 2))
}

/// TransferCoin of a whole coin that is not the gas coin: it changes its owner.
pub fn transfer_whole_coin(parameters: &SystemParameters, balance: Shannons) -> Shannons {
    operation(parameters, 2).saturating_add(balance.bps(parameters.value_fee_bps))
}

/// PayCoins from one coin, which also pays for gas, to so many recipients: a coin each, and what stays behind.
pub fn pay_coins(parameters: &SystemParameters, recipients: usize, amount: Shannons) -> Shannons {
    operation(parameters, 1 + recipients as u64).saturating_add(amount.bps(parameters.value_fee_bps))
}

/// The base fee and so many written objects.
fn operation(parameters: &SystemParameters, objects_written: u64) -> Shannons {
    Shannons(parameters.base_fee.saturating_add(parameters.write_object_fee.saturating_mul(objects_written)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::fixtures::parameters;

    /// The table of `protocol.md §4.6`.
    #[test]
    fn estimates_are_what_the_network_charges() {
        assert_eq!(submit_data(&parameters(), false, true), Shannons(2500));
        assert_eq!(submit_data(&parameters(), true, true), Shannons(2200));
        assert_eq!(submit_data(&parameters(), true, false), Shannons(1900));
        assert_eq!(claim(&parameters(), Shannons(12_685_185)), Shannons(2800 + 6342));
        // An expired target pays only its claimer; merging touches two coins (`protocol.md §4.6`).
        assert_eq!(claim_creating(&parameters(), Shannons(12_685_185), 4), claim(&parameters(), Shannons(12_685_185)));
        assert_eq!(claim_creating(&parameters(), Shannons(12_685_185), 1), Shannons(1900 + 6342));
        assert_eq!(transfer_whole_coin(&parameters(), Shannons(10_000)), Shannons(1600 + 10));
        assert_eq!(pay_coins(&parameters(), 2, Shannons(20_000)), Shannons(1900 + 20));
        // Half of seven is three (`protocol-corrections.md §2`).
        let later = SystemParameters { value_fee_bps: 7, ..parameters() };
        assert_eq!(claim(&later, Shannons(12_685_185)), Shannons(2800 + 3805));
    }

    #[test]
    fn a_hostile_fee_saturates() {
        let hostile = SystemParameters { write_object_fee: u64::MAX, value_fee_bps: u64::MAX, ..parameters() };
        assert_eq!(claim(&hostile, Shannons(u64::MAX)), Shannons(u64::MAX));
    }
}
