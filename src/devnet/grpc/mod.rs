//! The services of the RPC port.

pub(super) mod mask;
pub(super) mod status;
