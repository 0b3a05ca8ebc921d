//! Staking pools: how much a stake is worth, what comes in and goes out (`protocol.md §7.9–§7.11`). Pure arithmetic.
//!
//! A pool issues tokens; its exchange rate (soma per token) grows with rewards and falls with slashes. While a pool is
//! active, stakes and withdrawals wait for the epoch change; before and after, they are settled at once.

use super::{
    arithmetic::{bps, mul_div},
    execution::ExecutionResult,
};
use crate::chain::types::{ExecutionFailure, ObjectId, PoolTokenExchangeRate, StakedSoma, StakingPool};

fn overflow(what: &str) -> ExecutionFailure {
    ExecutionFailure::ArithmeticOverflow(format!("staking pool: {what}"))
}

fn add(a: u64, b: u64, what: &str) -> ExecutionResult<u64> {
    a.checked_add(b).ok_or_else(|| overflow(what))
}

fn sub(a: u64, b: u64, what: &str) -> ExecutionResult<u64> {
    a.checked_sub(b).ok_or_else(|| overflow(what))
}

/// A pool that is not active yet, with its first stake.
pub(super) fn new_pool(id: ObjectId, stake: u64) -> StakingPool {
    StakingPool {
        id,
        activation_epoch: None,
        deactivation_epoch: None,
        soma_balance: stake,
        rewards_pool: 0,
        pool_token_balance: stake,
        exchange_rates: Default::default(),
        pending_stake: 0,
        pending_total_soma_withdraw: 0,
        pending_pool_token_withdraw: 0,
    }
}

pub(super) fn is_active(pool: &StakingPool) -> bool {
    pool.activation_epoch.is_some() && pool.deactivation_epoch.is_none()
}

/// What the pool really owes to its delegators: withdrawals that wait are paid already.
pub(super) fn stake_held(pool: &StakingPool) -> u128 {
    (u128::from(pool.soma_balance) + u128::from(pool.pending_stake))
        .saturating_sub(u128::from(pool.pending_total_soma_withdraw))
}

fn current_rate(pool: &StakingPool) -> PoolTokenExchangeRate {
    PoolTokenExchangeRate { soma_amount: pool.soma_balance, pool_token_amount: pool.pool_token_balance }
}

/// The rate at the start of an epoch; one to one before the pool was active.
fn rate_at(pool: &StakingPool, epoch: u64) -> PoolTokenExchangeRate {
    pool.exchange_rates.range(..=epoch).next_back().map(|(_, rate)| *rate).unwrap_or_default()
}

fn tokens_for(rate: PoolTokenExchangeRate, soma: u64) -> ExecutionResult<u64> {
    match rate {
        PoolTokenExchangeRate { soma_amount: 0, .. } | PoolTokenExchangeRate { pool_token_amount: 0, .. } => Ok(soma),
        rate => mul_div(soma, rate.pool_token_amount, rate.soma_amount).ok_or_else(|| overflow("tokens")),
    }
}

fn soma_for(rate: PoolTokenExchangeRate, tokens: u64) -> ExecutionResult<u64> {
    match rate {
        PoolTokenExchangeRate { soma_amount: 0, .. } | PoolTokenExchangeRate { pool_token_amount: 0, .. } => Ok(tokens),
        rate => mul_div(tokens, rate.soma_amount, rate.pool_token_amount).ok_or_else(|| overflow("soma")),
    }
}

/// The pool begins to count in this epoch (a model was revealed).
pub(super) fn activate(pool: &mut StakingPool, epoch: u64) {
    pool.activation_epoch = Some(epoch);
    pool.exchange_rates.insert(epoch, current_rate(pool));
}

/// The pool ends: withdrawals that wait are settled, later ones are paid at once.
pub(super) fn deactivate(pool: &mut StakingPool, epoch: u64) -> ExecutionResult {
    settle_withdrawals(pool)?;
    pool.deactivation_epoch.get_or_insert(epoch);
    Ok(())
}

/// Takes a stake in. Gives the epoch from which it earns.
///
/// A pool that is not active yet takes it at once, one to one, so that it can also leave at once.
pub(super) fn add_stake(pool: &mut StakingPool, amount: u64, epoch: u64) -> ExecutionResult<u64> {
    if is_active(pool) {
        pool.pending_stake = add(pool.pending_stake, amount, "pending stake")?;
        return add(epoch, 1, "epoch");
    }
    pool.soma_balance = add(pool.soma_balance, amount, "balance")?;
    pool.pool_token_balance = add(pool.pool_token_balance, amount, "tokens")?;
    Ok(epoch)
}

/// Pays a stake out: principal with its rewards, less if the pool was slashed.
pub(super) fn withdraw(pool: &mut StakingPool, stake: &StakedSoma, epoch: u64) -> ExecutionResult<u64> {
    // A stake that never began to earn is still pending, unless the pool was not active when it came.
    let last_earning_epoch = pool.deactivation_epoch.map_or(epoch, |ended| ended.min(epoch));
    if pool.activation_epoch.is_some() && stake.stake_activation_epoch > last_earning_epoch {
        pool.pending_stake = sub(pool.pending_stake, stake.principal, "pending stake")?;
        return Ok(stake.principal);
    }
    let tokens = tokens_for(rate_at(pool, stake.stake_activation_epoch), stake.principal)?;
    if is_active(pool) {
        let worth = soma_for(rate_at(pool, epoch), tokens)?;
        let reward = worth.saturating_sub(stake.principal).min(pool.rewards_pool);
        let available = sub(pool.soma_balance, pool.pending_total_soma_withdraw, "pending withdrawals")?;
        let paid = add(stake.principal, reward, "withdrawal")?.min(available);
        let spare_tokens = sub(pool.pool_token_balance, pool.pending_pool_token_withdraw, "pending tokens")?;
        pool.rewards_pool -= reward;
        pool.pending_total_soma_withdraw = add(pool.pending_total_soma_withdraw, paid, "pending withdrawals")?;
        pool.pending_pool_token_withdraw =
            add(pool.pending_pool_token_withdraw, tokens.min(spare_tokens), "pending tokens")?;
        return Ok(paid);
    }
    let tokens = tokens.min(pool.pool_token_balance);
    let paid = if tokens == 0 { 0 } else { soma_for(current_rate(pool), tokens)?.min(pool.soma_balance) };
    pool.soma_balance -= paid;
    pool.pool_token_balance -= tokens;
    pool.rewards_pool = pool.rewards_pool.min(pool.soma_balance);
    Ok(paid)
}

fn settle_withdrawals(pool: &mut StakingPool) -> ExecutionResult {
    pool.soma_balance = sub(pool.soma_balance, pool.pending_total_soma_withdraw, "withdrawals")?;
    pool.pool_token_balance = sub(pool.pool_token_balance, pool.pending_pool_token_withdraw, "withdrawn tokens")?;
    pool.pending_total_soma_withdraw = 0;
    pool.pending_pool_token_withdraw = 0;
    Ok(())
}

/// Rewards of an active pool: they raise the exchange rate.
pub(super) fn deposit_rewards(pool: &mut StakingPool, amount: u64) -> ExecutionResult {
    pool.rewards_pool = add(pool.rewards_pool, amount, "rewards")?;
    pool.soma_balance = add(pool.soma_balance, amount, "balance")?;
    Ok(())
}

/// What waited becomes real, and the new epoch gets its rate.
pub(super) fn begin_epoch(pool: &mut StakingPool, epoch: u64) -> ExecutionResult {
    settle_withdrawals(pool)?;
    let rate = current_rate(pool);
    pool.soma_balance = add(pool.soma_balance, pool.pending_stake, "pending stake")?;
    pool.pool_token_balance = tokens_for(rate, pool.soma_balance)?;
    pool.pending_stake = 0;
    pool.exchange_rates.insert(epoch, current_rate(pool));
    Ok(())
}

/// Takes a share of the stake away. Gives what was taken.
pub(super) fn slash(pool: &mut StakingPool, rate_bps: u64) -> u64 {
    let taken = bps(pool.soma_balance, rate_bps.min(10_000));
    pool.soma_balance -= taken;
    pool.rewards_pool = pool.rewards_pool.min(pool.soma_balance);
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn staked(principal: u64, stake_activation_epoch: u64) -> StakedSoma {
        StakedSoma { pool_id: ObjectId::default(), stake_activation_epoch, principal }
    }

    #[test]
    fn a_stake_earns_its_share_of_the_rewards_and_leaves_the_rest() {
        let mut pool = new_pool(ObjectId::default(), 3_000);
        activate(&mut pool, 1);
        assert_eq!(add_stake(&mut pool, 1_000, 1), Ok(2));
        begin_epoch(&mut pool, 2).unwrap();
        deposit_rewards(&mut pool, 400).unwrap();
        begin_epoch(&mut pool, 3).unwrap();
        assert_eq!(withdraw(&mut pool, &staked(1_000, 2), 3), Ok(1_100));
        begin_epoch(&mut pool, 4).unwrap();
        assert_eq!(withdraw(&mut pool, &staked(3_000, 1), 4), Ok(3_300));
        assert_eq!(stake_held(&pool), 0);
    }

    #[test]
    fn a_stake_that_has_not_begun_leaves_as_it_came() {
        let mut pool = new_pool(ObjectId::default(), 1_000);
        activate(&mut pool, 1);
        let from = add_stake(&mut pool, 70, 1).unwrap();
        assert_eq!(withdraw(&mut pool, &staked(70, from), 1), Ok(70));
        assert_eq!((pool.pending_stake, pool.soma_balance), (0, 1_000));
    }

    #[test]
    fn a_slashed_pool_pays_what_is_left() {
        let mut pool = new_pool(ObjectId::default(), 1_000);
        assert_eq!(slash(&mut pool, 5_000), 500);
        deactivate(&mut pool, 2).unwrap();
        assert_eq!(withdraw(&mut pool, &staked(1_000, 1), 3), Ok(500));
        assert_eq!(stake_held(&pool), 0);
    }

    #[test]
    fn nothing_is_paid_twice_from_an_emptied_pool() {
        let mut pool = new_pool(ObjectId::default(), 1_000);
        deactivate(&mut pool, 2).unwrap();
        assert_eq!(withdraw(&mut pool, &staked(1_000, 1), 3), Ok(1_000));
        assert_eq!(withdraw(&mut pool, &staked(1_000, 1), 3), Ok(0));
    }
}
