//! Models: create → commit → reveal, and what validators report (`protocol.md §7.10`).

use super::{ExecutionResult, Work, stake};
use crate::{
    chain::types::{
        ActiveModel, CreatedModel, Digest, ExecutionFailure, InactiveModel, Model, ModelCommitment, ModelHead, ModelV1,
        ObjectId, PendingModel, PendingModelUpdate, SomaTensor, StakedSoma, SystemStateV1, to_bcs,
    },
    devnet::ledger::pools,
    primitives::hash,
};

const FULL_RATE_BPS: u64 = 10_000;

pub(super) fn create(
    work: &mut Work<'_>,
    system: &mut SystemStateV1,
    stake_amount: u64,
    commission_rate: u64,
    architecture_version: u64,
) -> ExecutionResult {
    if architecture_version != system.parameters.model_architecture_version {
        return Err(ExecutionFailure::ModelArchitectureVersionMismatch);
    }
    if stake_amount < system.parameters.model_min_stake {
        return Err(ExecutionFailure::ModelMinStakeNotMet);
    }
    if commission_rate > FULL_RATE_BPS {
        return Err(ExecutionFailure::ModelCommissionRateTooHigh);
    }
    let gas = work.gas.ok_or(ExecutionFailure::InsufficientGas)?;
    let left = work.coin_balance(&gas)?.checked_sub(stake_amount).ok_or(ExecutionFailure::InsufficientCoinBalance)?;
    work.set_balance(&gas, left)?;
    let (owner, create_epoch) = (work.sender, work.epoch);
    let (model_id, pool_id) = (work.next_id(), work.next_id());
    let head = ModelHead {
        owner,
        architecture_version,
        staking_pool: pools::new_pool(pool_id, stake_amount),
        commission_rate,
        next_epoch_commission_rate: commission_rate,
    };
    let registry = &mut system.model_registry;
    registry.models.insert(model_id, Model::V1(ModelV1::Created(CreatedModel { head, create_epoch })));
    registry.staking_pool_mappings.insert(pool_id, model_id);
    let stake_activation_epoch =
        create_epoch.checked_add(1).ok_or_else(|| ExecutionFailure::ArithmeticOverflow("epoch".to_owned()))?;
    stake::certify(work, owner, StakedSoma { pool_id, stake_activation_epoch, principal: stake_amount });
    Ok(())
}

/// The model, if the sender owns it.
fn own_model<'s>(
    work: &Work<'_>,
    system: &'s mut SystemStateV1,
    model_id: ObjectId,
) -> ExecutionResult<&'s mut ModelV1> {
    let model = system.model_registry.models.get_mut(&model_id).ok_or(ExecutionFailure::ModelNotFound)?.v1_mut();
    if model.head().owner != work.sender {
        return Err(ExecutionFailure::NotModelOwner);
    }
    Ok(model)
}

pub(super) fn commit(
    work: &Work<'_>,
    system: &mut SystemStateV1,
    model_id: ObjectId,
    commitment: ModelCommitment,
) -> ExecutionResult {
    let commit_epoch = work.epoch;
    let model = own_model(work, system, model_id)?;
    match model {
        // Slashed for never committing: its pool has ended.
        ModelV1::Created(m) if m.head.staking_pool.deactivation_epoch.is_some() => {
            Err(ExecutionFailure::ModelInvalidState("the model was created too long ago to commit".to_owned()))
        }
        ModelV1::Created(m) => {
            let head = m.head.clone();
            *model = ModelV1::Pending(PendingModel { head, commitment, commit_epoch });
            Ok(())
        }
        ModelV1::Active(m) => {
            m.pending_update = Some(PendingModelUpdate { commitment, commit_epoch });
            Ok(())
        }
        ModelV1::Pending(_) => Err(ExecutionFailure::ModelInvalidState("the model is already committed".to_owned())),
        ModelV1::Inactive(_) => Err(ExecutionFailure::ModelInvalidState("the model is inactive".to_owned())),
    }
}

pub(super) fn reveal(
    work: &Work<'_>,
    system: &mut SystemStateV1,
    model_id: ObjectId,
    decryption_key: Digest,
    embedding: &SomaTensor,
) -> ExecutionResult {
    let epoch = work.epoch;
    let model = own_model(work, system, model_id)?;
    let stake = match model {
        ModelV1::Pending(m) => {
            check_reveal(epoch, m.commit_epoch, &m.commitment, decryption_key, embedding)?;
            let (mut head, commitment) = (m.head.clone(), m.commitment.clone());
            pools::activate(&mut head.staking_pool, epoch);
            let stake = head.staking_pool.soma_balance;
            let embedding = embedding.clone();
            *model = ModelV1::Active(ActiveModel { head, commitment, decryption_key, embedding, pending_update: None });
            stake
        }
        ModelV1::Active(m) => {
            let update = m.pending_update.as_ref().ok_or(ExecutionFailure::ModelNoPendingUpdate)?;
            check_reveal(epoch, update.commit_epoch, &update.commitment, decryption_key, embedding)?;
            m.commitment = update.commitment.clone();
            m.decryption_key = decryption_key;
            m.embedding = embedding.clone();
            m.pending_update = None;
            0
        }
        ModelV1::Created(_) | ModelV1::Inactive(_) => {
            return Err(ExecutionFailure::ModelInvalidState("the model is not committed".to_owned()));
        }
    };
    let total = &mut system.model_registry.total_model_stake;
    *total =
        total.checked_add(stake).ok_or_else(|| ExecutionFailure::ArithmeticOverflow("total model stake".to_owned()))?;
    Ok(())
}

fn check_reveal(
    epoch: u64,
    commit_epoch: u64,
    commitment: &ModelCommitment,
    decryption_key: Digest,
    embedding: &SomaTensor,
) -> ExecutionResult {
    if commit_epoch.checked_add(1) != Some(epoch) {
        return Err(ExecutionFailure::ModelRevealEpochMismatch);
    }
    if hash(&to_bcs(embedding)) != commitment.embedding_commitment {
        return Err(ExecutionFailure::ModelEmbeddingCommitmentMismatch);
    }
    if hash(&decryption_key.0) != commitment.decryption_key_commitment {
        return Err(ExecutionFailure::ModelDecryptionKeyCommitmentMismatch);
    }
    // Beyond the reference: an embedding that is no number would spoil every distance.
    if embedding.values().is_ok_and(|values| values.iter().all(|v| v.is_finite())) {
        return Ok(());
    }
    Err(ExecutionFailure::InvalidArguments { reason: "the embedding is no array of finite numbers".to_owned() })
}

fn own_active_model<'s>(
    work: &Work<'_>,
    system: &'s mut SystemStateV1,
    model_id: ObjectId,
) -> ExecutionResult<&'s mut ActiveModel> {
    match own_model(work, system, model_id)? {
        ModelV1::Active(model) => Ok(model),
        _ => Err(ExecutionFailure::ModelNotActive),
    }
}

pub(super) fn set_commission_rate(
    work: &Work<'_>,
    system: &mut SystemStateV1,
    model_id: ObjectId,
    new_rate: u64,
) -> ExecutionResult {
    let model = own_active_model(work, system, model_id)?;
    if new_rate > FULL_RATE_BPS {
        return Err(ExecutionFailure::ModelCommissionRateTooHigh);
    }
    model.head.next_epoch_commission_rate = new_rate;
    Ok(())
}

pub(super) fn deactivate(work: &Work<'_>, system: &mut SystemStateV1, model_id: ObjectId) -> ExecutionResult {
    let epoch = work.epoch;
    let model = own_active_model(work, system, model_id)?;
    let stake = u64::try_from(pools::stake_held(&model.head.staking_pool)).unwrap_or(u64::MAX);
    pools::deactivate(&mut model.head.staking_pool, epoch)?;
    let ended = InactiveModel {
        head: model.head.clone(),
        commitment: model.commitment.clone(),
        decryption_key: model.decryption_key,
        embedding: model.embedding.clone(),
    };
    let registry = &mut system.model_registry;
    registry.total_model_stake = registry.total_model_stake.saturating_sub(stake);
    registry.models.insert(model_id, Model::V1(ModelV1::Inactive(ended)));
    Ok(())
}

/// Only validators of the current set may report.
pub(super) fn check_validator(work: &Work<'_>, system: &SystemStateV1) -> ExecutionResult {
    let mut validators = system.validators.validators.iter();
    match validators.any(|validator| validator.metadata.soma_address == work.sender) {
        true => Ok(()),
        false => Err(ExecutionFailure::NotAValidator),
    }
}

pub(super) fn report(work: &Work<'_>, system: &mut SystemStateV1, model_id: ObjectId) -> ExecutionResult {
    check_validator(work, system)?;
    let registry = &mut system.model_registry;
    match registry.models.get(&model_id).map(Model::v1) {
        None => Err(ExecutionFailure::ModelNotFound),
        Some(ModelV1::Active(_)) => {
            registry.model_report_records.entry(model_id).or_default().insert(work.sender);
            Ok(())
        }
        Some(_) => Err(ExecutionFailure::ModelNotActive),
    }
}

pub(super) fn undo_report(work: &Work<'_>, system: &mut SystemStateV1, model_id: ObjectId) -> ExecutionResult {
    check_validator(work, system)?;
    let records = &mut system.model_registry.model_report_records;
    let reporters = records.get_mut(&model_id).ok_or(ExecutionFailure::ReportRecordNotFound)?;
    if !reporters.remove(&work.sender) {
        return Err(ExecutionFailure::ReportRecordNotFound);
    }
    if reporters.is_empty() {
        records.remove(&model_id);
    }
    Ok(())
}
