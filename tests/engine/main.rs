//! The engine against the embedded network: crashes, rivals, strangers, and books that balance.

mod board;
mod compose;
mod crash;
mod desk;
mod doubt;
mod fleet;
mod flight;
mod forgetful;
mod health;
mod money;
mod network;
mod pins;
mod policy;
mod process;
mod relay;
#[path = "../support/serve.rs"]
#[expect(dead_code, reason = "how it refuses is looked at elsewhere")]
mod serve;
mod unsent;

/// Not a test: the process of an engine that a test lets die (see `process`).
#[test]
fn child_engine() {
    process::run_as_child();
}
