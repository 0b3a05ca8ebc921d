//! What a transaction pays (`protocol.md §4.6`).

use std::collections::BTreeMap;

use super::arithmetic::{bps, mul_div};
use crate::chain::types::{Object, ObjectId, SystemParameters, TransactionFee, TransactionKind};

/// The fee on the value that moves, computed before anything is deducted.
pub(super) fn value_fee(
    kind: &TransactionKind,
    inputs: &BTreeMap<ObjectId, Object>,
    parameters: &SystemParameters,
) -> u64 {
    use TransactionKind as K;
    let whole = parameters.value_fee_bps;
    let half = whole / 2;
    let balance = |id| inputs.get(id).and_then(|o| o.coin_balance().ok()).unwrap_or(0);
    match kind {
        K::TransferCoin { coin, amount, .. } => bps(amount.unwrap_or_else(|| balance(&coin.id)), whole),
        K::PayCoins { coins, amounts, .. } => {
            let sum: u128 = match amounts {
                Some(amounts) => amounts.iter().map(|a| u128::from(*a)).sum(),
                None => coins.iter().map(|coin| u128::from(balance(&coin.id))).sum(),
            };
            u64::try_from(sum).map_or(u64::MAX, |sum| bps(sum, whole))
        }
        K::AddStake { coin_ref, amount, .. } | K::AddStakeToModel { coin_ref, amount, .. } => {
            bps(amount.unwrap_or_else(|| balance(&coin_ref.id)), half)
        }
        K::CreateModel { stake_amount, .. } => bps(*stake_amount, half),
        K::WithdrawStake { staked_soma } => {
            inputs.get(&staked_soma.id).and_then(|o| o.staked_soma().ok()).map_or(0, |stake| bps(stake.principal, half))
        }
        K::ClaimRewards { target_id } => {
            inputs.get(target_id).and_then(|o| o.target().ok()).map_or(0, |target| bps(target.reward_pool, half))
        }
        _ => 0,
    }
}

/// `None` if the fees exceed 64 bits, which no gas coin can pay.
pub(super) fn operation_fee(written: usize, parameters: &SystemParameters) -> Option<u64> {
    parameters.write_object_fee.checked_mul(u64::try_from(written).ok()?)
}

/// The fees of a transaction that failed: only the base fee, or what there was of it.
pub(super) fn base_only(base_fee: u64) -> TransactionFee {
    TransactionFee { base_fee, operation_fee: 0, value_fee: 0, total_fee: base_fee }
}

/// Fees of a whole epoch. Saturates, which no supply can reach.
pub(super) fn sum(a: TransactionFee, b: TransactionFee) -> TransactionFee {
    TransactionFee {
        base_fee: a.base_fee.saturating_add(b.base_fee),
        operation_fee: a.operation_fee.saturating_add(b.operation_fee),
        value_fee: a.value_fee.saturating_add(b.value_fee),
        total_fee: a.total_fee.saturating_add(b.total_fee),
    }
}

/// The live value fee follows the fees collected in the epoch that ends (`protocol.md §7.11`).
pub(super) fn next_value_fee_bps(parameters: &SystemParameters, collected: u64) -> u64 {
    let current = parameters.value_fee_bps;
    let ratio = mul_div(collected, 10_000, parameters.target_epoch_fee_collection).unwrap_or(u64::MAX);
    let most = bps(current, parameters.fee_adjustment_rate_bps);
    if ratio > 10_000 {
        let step = mul_div(current, ratio - 10_000, 10_000).unwrap_or(u64::MAX).min(most);
        current.saturating_add(step).min(parameters.max_value_fee_bps)
    } else {
        let step = bps(current, 10_000 - ratio).min(most);
        current.saturating_sub(step).max(parameters.min_value_fee_bps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devnet::ledger::genesis::parameters_v5;

    #[test]
    fn an_idle_networks_value_fee_falls_to_seven_and_stays() {
        let mut parameters = parameters_v5(16);
        let seen: Vec<u64> = (0..4)
            .map(|_| {
                parameters.value_fee_bps = next_value_fee_bps(&parameters, 50_297_687);
                parameters.value_fee_bps
            })
            .collect();
        assert_eq!(seen, [9, 8, 7, 7]);
    }

    #[test]
    fn a_busy_networks_value_fee_rises_to_its_cap() {
        let mut parameters = parameters_v5(16);
        for _ in 0..40 {
            parameters.value_fee_bps = next_value_fee_bps(&parameters, u64::MAX);
        }
        assert_eq!(parameters.value_fee_bps, 50);
    }
}
