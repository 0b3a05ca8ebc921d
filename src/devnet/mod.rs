//! The embedded network: the real contract of `protocol.md`, served by one process on loopback.
//!
//! Knows `chain` types, `model` and `primitives`; nothing but `cli` and tests knows it. `ledger` is the pure state machine
//! (no sockets, no clock of its own); the services around it do the talking.

mod grpc;
pub mod ledger;
