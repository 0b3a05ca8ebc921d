//! What a transaction did.
use super::FieldError;
use crate::chain::{proto::soma::rpc, types::*};

/// Whose text forms effects take: checkpoints print ids bare and failures differently (`protocol-corrections.md §1`, on §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectsStyle {
    /// Execute, Simulate and GetTransaction.
    Execute,
    Checkpoint,
}
/// `object_types`: fills `object_type` of changed objects (never in checkpoints).
pub fn effects_to_proto(
    _effects: &TransactionEffects,
    _style: EffectsStyle,
    _object_types: Option<&dyn Fn(&ObjectId) -> Option<ObjectType>>,
) -> rpc::TransactionEffects {
    unimplemented!()
}
pub fn effects_from_proto(_effects: &rpc::TransactionEffects) -> Result<TransactionEffectsV1, FieldError> {
    unimplemented!()
}
pub fn balance_change_to_proto(_change: &BalanceChange) -> rpc::BalanceChange {
    unimplemented!()
}
pub fn balance_change_from_proto(_change: &rpc::BalanceChange) -> Result<BalanceChange, FieldError> {
    unimplemented!()
}
