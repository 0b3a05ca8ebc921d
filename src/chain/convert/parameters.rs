//! System parameters.
use super::FieldError;
use crate::chain::{proto::soma::rpc, types::*};

use std::collections::BTreeMap;
/// The `attributes` of a protocol config, as a node at protocol version 5 prints them.
pub fn parameters_attributes(_parameters: &SystemParameters) -> BTreeMap<String, String> {
    unimplemented!()
}
pub fn parameters_to_proto(_parameters: &SystemParameters) -> rpc::SystemParameters {
    unimplemented!()
}
pub fn parameters_from_proto(_parameters: &rpc::SystemParameters) -> Result<SystemParameters, FieldError> {
    unimplemented!()
}
