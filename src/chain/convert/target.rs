//! Targets.
use super::FieldError;
use crate::chain::{proto::soma::rpc, types::*};

use crate::chain::client::TargetInfo;
/// `status`: what ListTargets shows may differ from the stored word (`protocol.md §2.5`).
pub fn target_to_proto(_object: &Object, _target: &TargetV1, _status: &str) -> rpc::Target {
    unimplemented!()
}
pub fn target_info_from_proto(_target: &rpc::Target) -> Result<TargetInfo, FieldError> {
    unimplemented!()
}
/// The stored word: `open`, `filled` or `claimed`.
pub fn target_status_word(_status: TargetStatus) -> &'static str {
    unimplemented!()
}
