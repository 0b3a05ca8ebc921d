//! The sample library and its answers: which of our samples is within the threshold of which open target.
//!
//! Knows scores and targets, and a directory that is its own; no network, no device. Every answer follows the validators' rule exactly:
//! the winner is the model with the lowest loss *among the target's models*, and the distance is that of the winner's embedding. Never
//! keeps more on disk than its limit, never blocks whoever asks, and never stops an engine: what cannot be kept is scored again.

mod atlas;
mod board;
mod compose;
mod library;
mod reach;
mod shelf;
mod sight;
mod standing;
mod store;
mod survey;
#[cfg(test)]
mod tests;
mod thread;

use std::sync::Arc;

use crate::primitives::{Digest, ObjectId};

pub(super) use atlas::{Atlas, Picture};
pub(super) use board::Board;
pub use compose::Compose;
pub(super) use compose::{Outcome, Sought};
pub(super) use library::{Library, ScoredSample};
pub(super) use sight::{Beaten, SampleSight, Sight};
pub(super) use standing::{Candidate, Nearest, Standing};
pub(super) use thread::{Ask, MOST_UNKEPT, Matcher, OPENED_AT_ONCE, Reply};

/// Where the library is, below an engine's directory.
pub(super) const LIBRARY_DIR: &str = "library";

/// An open target, as far as matching needs it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TargetSpec {
    pub id: ObjectId,
    pub embedding: Arc<[f32]>,
    pub threshold: f32,
    /// In the target's order, with the checksum of each model's weights; `None`: not in the registry.
    pub models: Vec<(ObjectId, Option<Digest>)>,
}
