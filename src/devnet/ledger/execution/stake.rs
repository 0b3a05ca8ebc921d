//! Stakes come and go: models' and the validator's pools.

use super::{ExecutionResult, Work};
use crate::{
    chain::types::{
        Address, ExecutionFailure, ModelV1, ObjectId, ObjectType, Owner, StakedSoma, SystemStateV1, to_bcs,
    },
    devnet::ledger::pools,
};

/// Takes the stake from a coin: all of it (what the fees leave, if it pays them) when no amount is given.
fn take(work: &mut Work<'_>, coin: ObjectId, amount: Option<u64>) -> ExecutionResult<u64> {
    let balance = work.coin_balance(&coin)?;
    let amount = match amount {
        Some(amount) => amount,
        // Gas coin, stake and system state are written.
        None if work.is_gas(&coin) => {
            balance.checked_sub(work.outstanding_fees(3)?).ok_or(ExecutionFailure::InsufficientGas)?
        }
        None => balance,
    };
    if amount == 0 {
        return Err(ExecutionFailure::InvalidArguments { reason: "Stake amount cannot be 0".to_owned() });
    }
    let left = balance.checked_sub(amount).ok_or(ExecutionFailure::InsufficientCoinBalance)?;
    work.set_balance(&coin, left)?;
    Ok(amount)
}

/// Gives a stake's certificate to its owner.
pub(super) fn certify(work: &mut Work<'_>, owner: Address, stake: StakedSoma) {
    let id = work.next_id();
    work.create(ObjectType::StakedSoma, id, &to_bcs(&stake), Owner::Address(owner));
}

pub(super) fn add_to_model(
    work: &mut Work<'_>,
    system: &mut SystemStateV1,
    model_id: ObjectId,
    coin: ObjectId,
    amount: Option<u64>,
) -> ExecutionResult {
    let registry = &mut system.model_registry;
    let model = registry.models.get_mut(&model_id).ok_or(ExecutionFailure::ModelNotFound)?.v1_mut();
    let active = matches!(model, ModelV1::Active(_));
    let pool = &mut model.head_mut().staking_pool;
    if pool.deactivation_epoch.is_some() {
        return Err(ExecutionFailure::ModelAlreadyInactive);
    }
    let principal = take(work, coin, amount)?;
    let stake_activation_epoch = pools::add_stake(pool, principal, work.epoch)?;
    let pool_id = pool.id;
    if active {
        registry.total_model_stake = registry
            .total_model_stake
            .checked_add(principal)
            .ok_or_else(|| ExecutionFailure::ArithmeticOverflow("total model stake".to_owned()))?;
    }
    let sender = work.sender;
    certify(work, sender, StakedSoma { pool_id, stake_activation_epoch, principal });
    Ok(())
}

pub(super) fn add_to_validator(
    work: &mut Work<'_>,
    system: &mut SystemStateV1,
    address: Address,
    coin: ObjectId,
    amount: Option<u64>,
) -> ExecutionResult {
    let mut validators = system.validators.validators.iter_mut();
    let validator = validators
        .find(|validator| validator.metadata.soma_address == address)
        .ok_or(ExecutionFailure::ValidatorNotFound)?;
    let principal = take(work, coin, amount)?;
    let stake_activation_epoch = pools::add_stake(&mut validator.staking_pool, principal, work.epoch)?;
    validator.next_epoch_stake = validator
        .next_epoch_stake
        .checked_add(principal)
        .ok_or_else(|| ExecutionFailure::ArithmeticOverflow("validator stake".to_owned()))?;
    let pool_id = validator.staking_pool.id;
    let sender = work.sender;
    certify(work, sender, StakedSoma { pool_id, stake_activation_epoch, principal });
    Ok(())
}

pub(super) fn withdraw(work: &mut Work<'_>, system: &mut SystemStateV1, staked: ObjectId) -> ExecutionResult {
    let object = work.object(&staked)?;
    let stake = object.staked_soma().map_err(|_| ExecutionFailure::InvalidObjectType { object_id: staked })?;
    let registry = &mut system.model_registry;
    let model = registry.staking_pool_mappings.get(&stake.pool_id).and_then(|id| registry.models.get_mut(id));
    let paid = if let Some(model) = model {
        let model = model.v1_mut();
        let active = matches!(model, ModelV1::Active(_));
        let paid = pools::withdraw(&mut model.head_mut().staking_pool, &stake, work.epoch)?;
        if active {
            registry.total_model_stake = registry.total_model_stake.saturating_sub(stake.principal);
        }
        paid
    } else {
        let mut validators = system.validators.validators.iter_mut();
        let validator = validators
            .find(|validator| validator.staking_pool.id == stake.pool_id)
            .ok_or(ExecutionFailure::StakingPoolNotFound)?;
        let paid = pools::withdraw(&mut validator.staking_pool, &stake, work.epoch)?;
        validator.next_epoch_stake = validator.next_epoch_stake.saturating_sub(paid);
        paid
    };
    work.delete(staked);
    if paid > 0 {
        let sender = work.sender;
        work.create_coin(sender, paid);
    }
    Ok(())
}
