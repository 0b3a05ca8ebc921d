//! The ledger's arithmetic as functions of values that a chain shows, so that any chain's history can be checked with it.

use std::collections::BTreeMap;

use super::{epoch, gas, generation::Generator};
use crate::chain::types::{
    Object, ObjectId, SystemParameters, SystemStateV1, TargetState, TargetV1, TransactionFee, TransactionKind,
};

/// The target that is created with this id in this state (`protocol.md §7.3`); `None` without a model to serve it.
pub fn target(system: &SystemStateV1, id: &ObjectId) -> Option<TargetV1> {
    Generator::new(system).map(|generator| generator.target(system, id.seed()))
}

/// Difficulty, counters and reward after an epoch's end (`protocol.md §7.5`); `None` if the numbers overflow.
pub fn retargeted(system: &SystemStateV1) -> Option<TargetState> {
    let mut next = system.clone();
    epoch::retarget(&mut next).ok()?;
    Some(next.target_state)
}

/// The fees of a transaction that succeeds and leaves so many objects written (`protocol.md §4.6`). `inputs`: as they were
/// before it. `None`: more than 64 bits, which no coin can pay.
pub fn fees(
    kind: &TransactionKind,
    inputs: &BTreeMap<ObjectId, Object>,
    parameters: &SystemParameters,
    written: usize,
) -> Option<TransactionFee> {
    let base_fee = parameters.base_fee;
    let operation_fee = gas::operation_fee(written, parameters)?;
    let value_fee = gas::value_fee(kind, inputs, parameters);
    let total_fee = base_fee.checked_add(operation_fee)?.checked_add(value_fee)?;
    Some(TransactionFee { base_fee, operation_fee, value_fee, total_fee })
}

/// The live value fee after an epoch that collected so much (`protocol.md §7.11`).
pub fn next_value_fee_bps(parameters: &SystemParameters, collected: u64) -> u64 {
    gas::next_value_fee_bps(parameters, collected)
}
