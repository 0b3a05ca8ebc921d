//! Submissions, claims and reports (`protocol.md §7.6–§7.8`), in the reference's order of checks.

use super::{ExecutionResult, Work, models::check_validator};
use crate::{
    chain::types::{
        Address, ExecutionFailure, Model, ModelV1, ObjectId, SomaTensor, SubmitData, SystemStateV1, TargetStatus,
        TargetV1,
    },
    devnet::ledger::{arithmetic::bps, epoch::has_quorum, generation::Generator},
};

fn load(work: &Work<'_>, target_id: &ObjectId) -> ExecutionResult<TargetV1> {
    work.object(target_id).ok().and_then(|o| o.target().ok()).ok_or(ExecutionFailure::TargetNotFound)
}

fn invalid(reason: &str) -> ExecutionFailure {
    ExecutionFailure::InvalidArguments { reason: reason.to_owned() }
}

fn is_finite(tensor: &SomaTensor) -> bool {
    tensor.values().is_ok_and(|values| values.iter().all(|v| v.is_finite()))
}

pub(super) fn submit(work: &mut Work<'_>, system: &mut SystemStateV1, data: &SubmitData) -> ExecutionResult {
    // Taken and unused by the reference (`protocol.md §5.3`).
    work.next_id();
    let epoch = work.epoch;
    let mut target = load(work, &data.target_id)?;
    if target.status != TargetStatus::Open {
        return Err(ExecutionFailure::TargetNotOpen);
    }
    if epoch > target.generation_epoch {
        let generation_epoch = target.generation_epoch;
        return Err(ExecutionFailure::TargetExpired { generation_epoch, current_epoch: epoch });
    }
    if !target.model_ids.contains(&data.model_id) {
        let (model_id, target_id) = (data.model_id, data.target_id);
        return Err(ExecutionFailure::ModelNotInTarget { model_id, target_id });
    }
    if data.embedding.len() != target.embedding.len() {
        let (expected, actual) = (target.embedding.len() as u64, data.embedding.len() as u64);
        return Err(ExecutionFailure::EmbeddingDimensionMismatch { expected, actual });
    }
    let score = data.distance_score.scalar_value().map_err(|_| invalid("the distance is not one number"))?;
    let threshold = target.distance_threshold.scalar_value().map_err(|_| invalid("the target has no threshold"))?;
    if score > threshold {
        let (score, threshold) = (data.distance_score.clone(), target.distance_threshold.clone());
        return Err(ExecutionFailure::DistanceExceedsThreshold { score, threshold });
    }
    let (size, max_size) = (data.data_manifest.size(), system.parameters.max_submission_data_size);
    if size > max_size {
        return Err(ExecutionFailure::DataExceedsMaxSize { size, max_size });
    }
    let required = size
        .checked_mul(system.parameters.submission_bond_per_byte)
        .ok_or_else(|| ExecutionFailure::ArithmeticOverflow("submission bond".to_owned()))?;
    let bond_coin = data.bond_coin.id;
    if work.object(&bond_coin)?.owner.address() != Some(work.sender) {
        return Err(ExecutionFailure::InvalidOwnership { object_id: bond_coin });
    }
    let provided = work.coin_balance(&bond_coin)?;
    let Some(left) = provided.checked_sub(required) else {
        return Err(ExecutionFailure::InsufficientBond { required, provided });
    };
    let model = system.model_registry.models.get(&data.model_id).map(Model::v1);
    let Some(ModelV1::Active(model)) = model else {
        // The reference has taken the bond by now, which shows in the effects of the failure.
        work.set_balance(&bond_coin, left)?;
        return Err(ExecutionFailure::ModelNotActive);
    };
    // Beyond the reference, which accepts all of this: such a submission can only be a client's mistake.
    if !score.is_finite() || score < 0.0 {
        return Err(invalid("the distance is not a finite number of at least zero"));
    }
    if !is_finite(&data.embedding) {
        return Err(invalid("the embedding is no array of finite numbers"));
    }
    if !is_finite(&data.loss_score) {
        return Err(invalid("the losses are no array of finite numbers"));
    }

    target.status = TargetStatus::Filled { fill_epoch: epoch };
    target.submitter = Some(work.sender);
    target.winning_model_id = Some(data.model_id);
    target.winning_model_owner = Some(model.head.owner);
    target.bond_amount = required;
    target.winning_data_manifest = Some(data.data_manifest.clone());
    target.winning_embedding = Some(data.embedding.clone());
    target.winning_distance_score = Some(data.distance_score.clone());
    target.winning_loss_score = Some(data.loss_score.clone());
    work.set_balance(&bond_coin, left)?;
    work.object_mut(&data.target_id)?.set_target(&target);
    system.target_state.hits_this_epoch = system
        .target_state
        .hits_this_epoch
        .checked_add(1)
        .ok_or_else(|| ExecutionFailure::ArithmeticOverflow("hits".to_owned()))?;
    if let Some(generator) = Generator::new(system)
        && generator.affordable(system)
    {
        let (seed, id) = (work.next_id().seed(), work.next_id());
        generator.create(work, system, seed, id)?;
    }
    Ok(())
}

pub(super) fn claim(work: &mut Work<'_>, system: &mut SystemStateV1, target_id: ObjectId) -> ExecutionResult {
    let current_epoch = work.epoch;
    let target = load(work, &target_id)?;
    let parameters = &system.parameters;
    let reward = target.reward_pool;
    let claimer = work.sender;
    let claimer_share = bps(reward, parameters.target_claimer_incentive_bps).min(reward);
    let mut payments: Vec<(Address, u64)> = Vec::new();
    let mut returned = 0;
    match target.status {
        TargetStatus::Claimed => return Err(ExecutionFailure::TargetAlreadyClaimed),
        TargetStatus::Open if current_epoch <= target.generation_epoch => {
            return Err(ExecutionFailure::TargetNotFilled);
        }
        TargetStatus::Open => {
            payments.push((claimer, claimer_share));
            returned = reward - claimer_share;
        }
        TargetStatus::Filled { fill_epoch } if current_epoch <= fill_epoch.saturating_add(1) => {
            return Err(ExecutionFailure::AuditWindowOpen { fill_epoch, current_epoch });
        }
        TargetStatus::Filled { .. } if has_quorum(system, &target.submission_reports) => {
            payments.extend(forfeited_bond(&target));
            payments.push((claimer, claimer_share));
            returned = reward - claimer_share;
        }
        TargetStatus::Filled { .. } => {
            let (Some(submitter), Some(model_owner)) = (target.submitter, target.winning_model_owner) else {
                return Err(ExecutionFailure::TargetNotFilled);
            };
            let model_share = bps(reward, parameters.target_model_reward_share_bps).min(reward - claimer_share);
            payments.push((submitter, reward - model_share - claimer_share));
            payments.push((model_owner, model_share));
            payments.push((claimer, claimer_share));
            payments.push((submitter, target.bond_amount));
        }
    }
    for (recipient, amount) in payments {
        if amount > 0 {
            work.create_coin(recipient, amount);
        }
    }
    let pool = &mut system.emission_pool.balance;
    *pool =
        pool.checked_add(returned).ok_or_else(|| ExecutionFailure::ArithmeticOverflow("emission pool".to_owned()))?;
    work.delete(target_id);
    Ok(())
}

/// The bond in equal parts to the reporters; the first by address gets the rest.
fn forfeited_bond(target: &TargetV1) -> Vec<(Address, u64)> {
    let reporters = target.submission_reports.len() as u64;
    let (Some(share), Some(rest)) =
        (target.bond_amount.checked_div(reporters), target.bond_amount.checked_rem(reporters))
    else {
        return Vec::new();
    };
    let shares = target.submission_reports.iter().enumerate();
    shares.map(|(index, reporter)| (*reporter, if index == 0 { share + rest } else { share })).collect()
}

/// A filled target within its report window, which is the epoch after the fill.
fn reportable(work: &Work<'_>, system: &SystemStateV1, target_id: &ObjectId) -> ExecutionResult<TargetV1> {
    check_validator(work, system)?;
    let target = load(work, target_id)?;
    let current_epoch = work.epoch;
    match target.status {
        TargetStatus::Filled { fill_epoch } if fill_epoch.checked_add(1) == Some(current_epoch) => Ok(target),
        TargetStatus::Filled { fill_epoch } => Err(ExecutionFailure::AuditWindowClosed { fill_epoch, current_epoch }),
        TargetStatus::Open | TargetStatus::Claimed => Err(ExecutionFailure::TargetNotFilled),
    }
}

pub(super) fn report(work: &mut Work<'_>, system: &SystemStateV1, target_id: ObjectId) -> ExecutionResult {
    let mut target = reportable(work, system, &target_id)?;
    target.submission_reports.insert(work.sender);
    work.object_mut(&target_id)?.set_target(&target);
    Ok(())
}

pub(super) fn undo_report(work: &mut Work<'_>, system: &SystemStateV1, target_id: ObjectId) -> ExecutionResult {
    let mut target = reportable(work, system, &target_id)?;
    if !target.submission_reports.remove(&work.sender) {
        return Err(ExecutionFailure::ReportRecordNotFound);
    }
    work.object_mut(&target_id)?.set_target(&target);
    Ok(())
}
