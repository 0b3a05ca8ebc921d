//! Summaries and their times.
use super::FieldError;
use crate::chain::{proto::soma::rpc, types::*};

pub fn checkpoint_summary_to_proto(_summary: &CheckpointSummary) -> rpc::CheckpointSummary {
    unimplemented!()
}
pub fn checkpoint_summary_from_proto(_summary: &rpc::CheckpointSummary) -> Result<CheckpointSummary, FieldError> {
    unimplemented!()
}
pub fn timestamp_to_proto(_ms: u64) -> prost_types::Timestamp {
    unimplemented!()
}
/// Milliseconds since 1970; `field` names the error.
pub fn timestamp_ms(_field: &'static str, _timestamp: &prost_types::Timestamp) -> Result<u64, FieldError> {
    unimplemented!()
}
