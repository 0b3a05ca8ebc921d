//! Our types ↔ the generated gRPC messages, both ways: the client asks with them and the embedded network answers.
//!
//! Pure functions of their arguments. Reading is strict about lengths and tolerant about spelling (ids with or without `0x`,
//! stripped zeros); writing gives exactly the text forms of a real node (`protocol-corrections.md §2`).

mod checkpoint;
mod effects;
mod failure;
mod fields;
mod object;
mod parameters;
mod signature;
mod system_state;
mod target;
mod tensor;
mod transaction;

#[cfg(test)]
mod tests;

pub use checkpoint::{checkpoint_summary_from_proto, checkpoint_summary_to_proto, timestamp_ms, timestamp_to_proto};
pub use effects::{
    EffectsStyle, TypeOf, balance_change_from_proto, balance_change_to_proto, effects_from_proto, effects_to_proto,
};
pub use fields::{FieldError, FieldReason};
pub use object::{object_from_proto, object_to_proto, owner_from_proto, owner_to_proto};
pub use parameters::{parameters_attributes, parameters_from_proto, parameters_to_proto};
pub use signature::{signature_from_proto, signature_to_proto};
pub use system_state::{epoch_state_from_proto, system_state_to_proto};
pub use target::{target_info_from_proto, target_status_word, target_to_proto};
pub use transaction::{transaction_from_proto, transaction_to_proto, transaction_to_proto_prefixed};
