//! New targets: whether there is money for one, what it looks like, which models serve it (`protocol.md §7.3–§7.4`).

use super::{
    arithmetic::bps,
    execution::{ExecutionResult, Work},
};
use crate::{
    chain::types::{
        ExecutionFailure, Model, ModelV1, ObjectId, ObjectType, Owner, SomaTensor, SystemStateV1, TargetV1, to_bcs,
    },
    model,
};

/// The active models of one state, decoded once for any number of targets.
pub(super) struct Generator {
    dimension: usize,
    /// Id, embedding, stake; ascending by id.
    models: Vec<(ObjectId, Vec<f32>, u64)>,
}

impl Generator {
    /// `None` without an active model whose embedding has the targets' dimension: there is nothing to assign.
    pub fn new(system: &SystemStateV1) -> Option<Self> {
        let dimension = usize::try_from(system.parameters.target_embedding_dim).ok()?;
        let active = |(id, model): (&ObjectId, &Model)| match model.v1() {
            ModelV1::Active(active) if active.embedding.len() == dimension => {
                Some((*id, active.embedding.values().ok()?, active.head.staking_pool.soma_balance))
            }
            _ => None,
        };
        let models: Vec<_> = system.model_registry.models.iter().filter_map(active).collect();
        (!models.is_empty()).then_some(Self { dimension, models })
    }

    /// Whether the emission pool and the epoch's budget hold one more reward.
    pub fn affordable(&self, system: &SystemStateV1) -> bool {
        let state = &system.target_state;
        let budget = bps(system.emission_pool.emission_per_epoch, system.parameters.target_reward_allocation_bps);
        let spent = u128::from(state.targets_generated_this_epoch) + 1;
        system.emission_pool.balance >= state.reward_per_target
            && spent * u128::from(state.reward_per_target) <= u128::from(budget)
    }

    /// Creates an affordable target, paid from the emission pool.
    pub fn create(&self, work: &mut Work<'_>, system: &mut SystemStateV1, seed: u64, id: ObjectId) -> ExecutionResult {
        let overflow = |what: &str| ExecutionFailure::ArithmeticOverflow(what.to_owned());
        let target = self.target(system, seed);
        let reward_pool = system.target_state.reward_per_target;
        system.emission_pool.balance = system
            .emission_pool
            .balance
            .checked_sub(reward_pool)
            .ok_or(ExecutionFailure::InsufficientEmissionBalance)?;
        let generated = &mut system.target_state.targets_generated_this_epoch;
        *generated = generated.checked_add(1).ok_or_else(|| overflow("targets generated"))?;
        work.create(ObjectType::Target, id, &to_bcs(&target), Owner::SHARED);
        Ok(())
    }

    /// The target of this seed, as it is created.
    pub fn target(&self, system: &SystemStateV1, seed: u64) -> TargetV1 {
        let models: Vec<(&[f32], u64)> = self.models.iter().map(|(_, e, stake)| (e.as_slice(), *stake)).collect();
        let count = usize::try_from(system.parameters.target_models_per_target).unwrap_or(usize::MAX);
        let drawn = model::draw_target(seed, self.dimension, &models, count);
        TargetV1::open(
            SomaTensor::vector(&drawn.embedding),
            drawn.models.iter().filter_map(|index| self.models.get(*index)).map(|(id, ..)| *id).collect(),
            system.target_state.distance_threshold.clone(),
            system.target_state.reward_per_target,
            system.epoch,
        )
    }
}
