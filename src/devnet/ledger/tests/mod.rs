//! The state machine against a real node's recordings, and against its own invariants.

mod conservation;
mod persistence;
mod play;
mod replay;
mod rules;
