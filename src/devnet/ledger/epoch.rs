//! The epoch change, in the order of `protocol.md §7.11`.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    arithmetic::bps,
    difficulty::{self, Rule},
    execution::{ExecutionResult, Outcome, Work},
    gas,
    generation::Generator,
    pools,
    state::LiveState,
};
use crate::chain::types::{
    Address, Digest, ExecutionFailure, ExecutionStatus, InactiveModel, Model, ModelV1, ObjectId, ObjectType, Owner,
    SomaTensor, StakedSoma, StakingPool, SystemStateV1, TransactionData, TransactionFee, to_bcs,
};

/// Voting power of the whole set.
pub(super) const TOTAL_VOTING_POWER: u64 = 10_000;
/// What of it decides.
const QUORUM: u64 = 6_667;

/// Whether the reporters that are still validators decide.
pub(super) fn has_quorum(system: &SystemStateV1, reporters: &BTreeSet<Address>) -> bool {
    let validators = system.validators.validators.iter();
    let reporting = validators.filter(|validator| reporters.contains(&validator.metadata.soma_address));
    reporting.fold(0u64, |sum, validator| sum.saturating_add(validator.voting_power)) >= QUORUM
}

/// What a ChangeEpoch transaction says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    /// The new one.
    pub epoch: u64,
    pub start_ms: u64,
    /// Collected in the epoch that ends.
    pub fees: u64,
}

/// Executes a ChangeEpoch transaction.
pub(super) fn run(state: &LiveState, data: &TransactionData, change: Change) -> Outcome {
    let inputs: BTreeMap<_, _> =
        state.object(&ObjectId::SYSTEM_STATE).map(|object| (object.id(), object.clone())).into_iter().collect();
    let mut work = Work::new(state, data, inputs.clone());
    let mut system = state.system().clone();
    if let Err(error) = advance(&mut work, &mut system, change) {
        // The network goes on without rewards and new targets until an epoch change succeeds.
        tracing::error!(?error, epoch = change.epoch, "the epoch change failed: safe mode");
        work = Work::new(state, data, inputs);
        system = state.system().clone();
        system.epoch = change.epoch;
        system.epoch_start_timestamp_ms = change.start_ms;
        system.safe_mode = true;
        system.safe_mode_accumulated_fees = system.safe_mode_accumulated_fees.saturating_add(change.fees);
    } else if let Some(generator) = Generator::new(&system) {
        for _ in 0..system.parameters.target_initial_targets_per_epoch {
            if !generator.affordable(&system) {
                break;
            }
            let id = work.next_id();
            if let Err(error) = generator.create(&mut work, &mut system, id.seed(), id) {
                tracing::error!(?error, epoch = change.epoch, "no more targets for this epoch");
                break;
            }
        }
    }
    let status = match work.store_system(system) {
        Ok(()) => ExecutionStatus::Success,
        Err(error) => ExecutionStatus::Failure { error },
    };
    work.finish(status, TransactionFee::default(), None, &BTreeSet::new())
}

fn overflow(what: &str) -> ExecutionFailure {
    ExecutionFailure::ArithmeticOverflow(what.to_owned())
}

fn add(a: u64, b: u64, what: &str) -> ExecutionResult<u64> {
    a.checked_add(b).ok_or_else(|| overflow(what))
}

fn advance(work: &mut Work<'_>, system: &mut SystemStateV1, change: Change) -> ExecutionResult {
    let mut rewards = change.fees;
    if system.safe_mode {
        rewards = add(rewards, system.safe_mode_accumulated_fees, "safe mode fees")?;
        rewards = add(rewards, system.safe_mode_accumulated_emissions, "safe mode emissions")?;
        system.safe_mode = false;
        system.safe_mode_accumulated_fees = 0;
        system.safe_mode_accumulated_emissions = 0;
    }
    let due = system.epoch_start_timestamp_ms.saturating_add(system.parameters.epoch_duration_ms);
    if change.start_ms >= due {
        let emitted = system.emission_pool.emission_per_epoch.min(system.emission_pool.balance);
        system.emission_pool.balance -= emitted;
        rewards = add(rewards, emitted, "rewards")?;
    }
    system.parameters.value_fee_bps = gas::next_value_fee_bps(&system.parameters, change.fees);
    system.epoch = change.epoch;
    system.epoch_start_timestamp_ms = change.start_ms;

    let allocation = bps(rewards, system.parameters.validator_reward_allocation_bps).min(rewards);
    retarget(system)?;
    let distributed = reward_validators(work, system, allocation)?;
    let slashed = end_models(system)?;
    let returned = add(rewards - distributed, slashed, "returned rewards")?;
    system.emission_pool.balance = add(system.emission_pool.balance, returned, "emission pool")?;
    Ok(())
}

/// Difficulty, counters and the reward of the new epoch's targets.
pub(super) fn retarget(system: &mut SystemStateV1) -> ExecutionResult {
    let (parameters, targets) = (&system.parameters, &mut system.target_state);
    let scalar = |tensor: &SomaTensor| tensor.scalar_value().map_err(|e| overflow(&e.to_string()));
    let rule = Rule {
        target_hits_per_epoch: parameters.target_hits_per_epoch,
        adjustment_rate_bps: parameters.target_difficulty_adjustment_rate_bps,
        min_threshold: scalar(&parameters.target_min_distance_threshold)?,
        max_threshold: scalar(&parameters.target_max_distance_threshold)?,
    };
    targets.hits_ema =
        difficulty::next_hits_ema(targets.hits_ema, targets.hits_this_epoch, parameters.target_hits_ema_decay_bps)
            .ok_or_else(|| overflow("hits average"))?;
    let threshold = scalar(&targets.distance_threshold)?;
    targets.distance_threshold = SomaTensor::scalar(difficulty::next_threshold(threshold, targets.hits_ema, rule));
    targets.hits_this_epoch = 0;
    targets.targets_generated_this_epoch = 0;
    targets.reward_per_target = bps(system.emission_pool.emission_per_epoch, parameters.target_reward_allocation_bps)
        .checked_div(parameters.target_hits_per_epoch)
        .ok_or_else(|| overflow("reward per target"))?;
    Ok(())
}

/// Shares the allocation by voting power: to the pools, and the commission to the validators as stake. Gives what was paid.
fn reward_validators(work: &mut Work<'_>, system: &mut SystemStateV1, allocation: u64) -> ExecutionResult<u64> {
    let epoch = system.epoch;
    let mut distributed = 0;
    let mut total_stake = 0;
    for validator in &mut system.validators.validators {
        let reward = bps(allocation, validator.voting_power).min(allocation - distributed);
        let commission = bps(reward, validator.commission_rate).min(reward);
        let pool = &mut validator.staking_pool;
        pools::deposit_rewards(pool, reward - commission)?;
        if commission > 0 {
            pool.pending_stake = add(pool.pending_stake, commission, "commission")?;
            let stake = StakedSoma { pool_id: pool.id, stake_activation_epoch: epoch, principal: commission };
            let id = work.next_id();
            let owner = Owner::Address(validator.metadata.soma_address);
            work.create(ObjectType::StakedSoma, id, &to_bcs(&stake), owner);
        }
        pools::begin_epoch(pool, epoch)?;
        validator.commission_rate = validator.next_epoch_commission_rate;
        validator.next_epoch_stake = pool.soma_balance;
        total_stake = add(total_stake, pool.soma_balance, "total stake")?;
        distributed += reward;
    }
    system.validators.total_stake = total_stake;
    Ok(distributed)
}

/// Timeouts, reports, commissions and pools of the models (`protocol.md §7.10`). Gives what was slashed, which goes to the
/// emission pool.
fn end_models(system: &mut SystemStateV1) -> ExecutionResult<u64> {
    let epoch = system.epoch;
    let reports = std::mem::take(&mut system.model_registry.model_report_records);
    let condemned: BTreeSet<ObjectId> =
        reports.iter().filter(|(_, reporters)| has_quorum(system, reporters)).map(|(id, _)| *id).collect();
    let (reveal_rate, tally_rate) =
        (system.parameters.model_reveal_slash_rate_bps, system.parameters.model_tally_slash_rate_bps);
    let is_late = |since: u64| since.checked_add(1).is_some_and(|last| last < epoch);
    let mut slashed = 0;
    let mut total_model_stake = 0;
    for (id, model) in &mut system.model_registry.models {
        let Model::V1(model) = model;
        match model {
            ModelV1::Created(m) if is_late(m.create_epoch) => {
                slashed = add(slashed, end_pool(&mut m.head.staking_pool, reveal_rate, epoch)?, "slashes")?;
            }
            ModelV1::Pending(m) if is_late(m.commit_epoch) => {
                slashed = add(slashed, end_pool(&mut m.head.staking_pool, reveal_rate, epoch)?, "slashes")?;
                *model = ModelV1::Inactive(InactiveModel {
                    head: m.head.clone(),
                    commitment: m.commitment.clone(),
                    decryption_key: Digest::default(),
                    embedding: SomaTensor::vector(&[]),
                });
            }
            ModelV1::Active(m) => {
                pools::begin_epoch(&mut m.head.staking_pool, epoch)?;
                m.head.commission_rate = m.head.next_epoch_commission_rate;
                if m.pending_update.as_ref().is_some_and(|update| is_late(update.commit_epoch)) {
                    m.pending_update = None;
                }
                if condemned.contains(id) {
                    slashed = add(slashed, end_pool(&mut m.head.staking_pool, tally_rate, epoch)?, "slashes")?;
                    *model = ModelV1::Inactive(InactiveModel {
                        head: m.head.clone(),
                        commitment: m.commitment.clone(),
                        decryption_key: m.decryption_key,
                        embedding: m.embedding.clone(),
                    });
                } else {
                    total_model_stake = add(total_model_stake, m.head.staking_pool.soma_balance, "model stake")?;
                }
            }
            ModelV1::Created(_) | ModelV1::Pending(_) | ModelV1::Inactive(_) => {}
        }
    }
    system.model_registry.total_model_stake = total_model_stake;
    Ok(slashed)
}

fn end_pool(pool: &mut StakingPool, rate_bps: u64, epoch: u64) -> ExecutionResult<u64> {
    let taken = pools::slash(pool, rate_bps);
    pools::deactivate(pool, epoch)?;
    Ok(taken)
}
