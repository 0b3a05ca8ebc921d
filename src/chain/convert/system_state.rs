//! The system state.
use super::FieldError;
use crate::chain::{proto::soma::rpc, types::*};

use crate::chain::client::EpochState;
pub fn system_state_to_proto(_state: &SystemStateV1) -> rpc::SystemState {
    unimplemented!()
}
pub fn epoch_state_from_proto(_state: &rpc::SystemState) -> Result<EpochState, FieldError> {
    unimplemented!()
}
