//! The embedded network asked what a real node was asked, byte for byte on the wire, on a ledger that goes through the same
//! transactions: status, message, details, headers and content must be the recorded ones.

#[path = "../../../tests/support/capture.rs"]
mod capture;
mod compare;
mod other_ports;
mod rpc_port;
mod wire;
