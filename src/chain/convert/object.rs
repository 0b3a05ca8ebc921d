//! Objects.
use super::FieldError;
use crate::chain::{proto::soma::rpc, types::*};

/// `prefixed`: ids and owners with `0x`, as in the `objects` of ExecuteTransaction; without everywhere else.
pub fn object_to_proto(_object: &Object, _prefixed: bool) -> rpc::Object {
    unimplemented!()
}
/// Needs id, version, type, owner, contents and previous transaction; ignores the digest (`protocol-corrections.md §1`).
pub fn object_from_proto(_object: &rpc::Object) -> Result<Object, FieldError> {
    unimplemented!()
}
pub fn owner_to_proto(_owner: &Owner, _prefixed: bool) -> rpc::Owner {
    unimplemented!()
}
pub fn owner_from_proto(_field: &'static str, _owner: &rpc::Owner) -> Result<Owner, FieldError> {
    unimplemented!()
}
