//! Signatures.
use super::FieldError;
use crate::chain::{proto::soma::rpc, types::*};

pub fn signature_to_proto(_signature: &UserSignature) -> rpc::UserSignature {
    unimplemented!()
}
pub fn signature_from_proto(_signature: &rpc::UserSignature) -> Result<UserSignature, FieldError> {
    unimplemented!()
}
