//! The interface without an engine: its functional core, and every screen through a terminal emulator.
//!
//! What can be on the screen is listed once, in `states`: each has its pictures (`snapshots/<screen>_<size>_<look>.snap`) and is drawn at every size.

#[path = "../support/emulator.rs"]
#[expect(dead_code, reason = "what the loop does to a screen is looked at elsewhere")]
mod emulator;
#[path = "../support/fixture.rs"]
mod fixture;

mod harness;
mod states;

mod approvals;
mod board;
mod dashboard;
mod deciding;
mod map;
mod mouse;
mod registry;
mod rewards;
mod sizes;
mod targets;
mod update;
mod wizard;
