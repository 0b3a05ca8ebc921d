//! The truth as it was recorded: every message of a real node decodes with our types, and everything in it that can be
//! computed is computed again and equal. Each check says how much it saw, so that nothing is left out unseen.

#[path = "../support/capture.rs"]
mod capture;
mod chain;
mod decode;
mod mutations;
mod rules;
