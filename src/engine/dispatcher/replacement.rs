//! The target that follows a fill: it is a function of the filling transaction's digest and of the registry, so it is known with the
//! transaction's effects, before any list or checkpoint shows it (`protocol.md §7.3`).

use super::chain_view::{ChainView, Changes, OpenTarget};
use crate::{
    chain::{
        client::EpochState,
        types::{IdOperation, SomaTensor, TargetV1, TransactionEffectsV1},
    },
    model,
    primitives::{Digest, ObjectId},
};

/// Creation numbers of a submission (`protocol.md §5.3`): the seed of its replacement, and the replacement itself.
const SEED: u64 = 1;
const TARGET: u64 = 2;

/// Id and contents of the target that a fill spawns, if there is money for one; `None` without a model to serve it.
pub fn replacement(state: &EpochState, fill: &Digest) -> Option<(ObjectId, TargetV1)> {
    let dim = usize::try_from(state.parameters.target_embedding_dim).ok()?;
    let models: Vec<_> = state.models.iter().filter(|model| model.embedding.len() == dim).collect();
    if models.is_empty() {
        return None;
    }
    let embeddings: Vec<(&[f32], u64)> = models.iter().map(|m| (m.embedding.as_slice(), m.stake)).collect();
    let per_target = usize::try_from(state.parameters.target_models_per_target).unwrap_or(usize::MAX);
    let drawn = model::draw_target(ObjectId::derive(fill, SEED).seed(), dim, &embeddings, per_target);
    let target = TargetV1::open(
        SomaTensor::vector(&drawn.embedding),
        drawn.models.iter().filter_map(|at| models.get(*at)).map(|model| model.id).collect(),
        SomaTensor::scalar(state.distance_threshold),
        state.reward_per_target,
        state.epoch,
    );
    Some((ObjectId::derive(fill, TARGET), target))
}

impl ChainView {
    /// Opens what our own fill has spawned, if its effects say that something was.
    pub fn filled(&mut self, effects: &TransactionEffectsV1) -> Changes {
        let mut changes = Changes::default();
        let Some(state) = self.state.as_ref().filter(|state| state.epoch == effects.executed_epoch) else {
            return changes;
        };
        let Some((id, target)) = replacement(state, &effects.transaction_digest) else { return changes };
        let is_there = effects
            .changed_objects
            .iter()
            .any(|(changed, change)| *changed == id && change.id_operation == IdOperation::Created);
        if is_there && let Ok(mut target) = OpenTarget::try_from(&target) {
            target.is_predicted = true;
            self.open(id, target, &mut changes);
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chain::{client::CheckpointInfo, types::TargetStatus},
        engine::dispatcher::chain_view::tests::{active_model, effects_of_fill, refresh},
        primitives::Address,
    };

    const FILL: Digest = Digest([9; 32]);

    fn chain() -> (ChainView, ObjectId, TargetV1) {
        let mut chain = ChainView::default();
        let mut told = refresh(1, &[1]);
        told.state.models = (1..=4).map(active_model).collect();
        chain.refreshed(told);
        let (id, target) = replacement(chain.state.as_ref().unwrap(), &FILL).unwrap();
        (chain, id, target)
    }

    fn checkpoint(id: ObjectId, target: TargetV1) -> CheckpointInfo {
        CheckpointInfo {
            sequence_number: 1,
            epoch: 1,
            timestamp_ms: 0,
            transactions: vec![FILL],
            targets: vec![(id, target)],
            deleted: vec![],
        }
    }

    #[test]
    fn a_fills_replacement_is_open_with_its_effects_and_the_checkpoint_finds_it_so() {
        let (mut chain, id, target) = chain();
        assert_eq!(chain.filled(&effects_of_fill(FILL, 1, Some(id))).opened, [id]);
        assert_eq!(chain.open[&id].models.len(), 3);
        assert!(chain.open[&id].is_predicted);
        let changes = chain.checkpoint(&checkpoint(id, target));
        assert_eq!((changes.opened, changes.closed, changes.disagreement), (vec![], vec![], None));
        assert!(!chain.open[&id].is_predicted);
    }

    #[test]
    fn what_the_effects_do_not_show_or_what_is_of_another_epoch_is_not_opened() {
        let (mut chain, id, _) = chain();
        assert_eq!(chain.filled(&effects_of_fill(FILL, 1, None)).opened, []);
        assert_eq!(chain.filled(&effects_of_fill(FILL, 2, Some(id))).opened, []);
    }

    #[test]
    fn the_real_target_wins_over_a_wrong_prediction_and_the_disagreement_is_told() {
        let (mut chain, id, mut target) = chain();
        chain.filled(&effects_of_fill(FILL, 1, Some(id)));
        target.model_ids.reverse();
        let changes = chain.checkpoint(&checkpoint(id, target.clone()));
        assert_eq!((changes.opened, changes.disagreement), (vec![id], Some(id)));
        assert_eq!(chain.open[&id].models, target.model_ids);
        // The same again is no news.
        assert_eq!(chain.checkpoint(&checkpoint(id, target.clone())).opened, []);
        target.status = TargetStatus::Filled { fill_epoch: 1 };
        target.submitter = Some(Address([7; 32]));
        let changes = chain.checkpoint(&checkpoint(id, target));
        assert_eq!(changes.closed, [id]);
        assert_eq!(changes.fills.iter().map(|(submitter, _)| *submitter).collect::<Vec<_>>(), [Some(Address([7; 32]))]);
    }
}
