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

/// The base fee and so many written objects.
fn operation(parameters: &SystemParameters, objects_written: u64) -> Shannons {
    Shannons(parameters.base_fee.saturating_add(parameters.write_object_fee.saturating_mul(objects_written)))
}
