//! The network's scoring service, `scoring.Scoring` (`model.md §5`): what `somascope serve` runs, and what the embedded network shares
//! with it.
//!
//! Knows `chain` (messages), `model`, `storage`, `primitives`, and of the engine only the models that it keeps loaded. Never signs,
//! never reads a file that a request names, never answers what no model said. Requests are strangers': each is bounded before it costs.

mod answer;
mod bcs;
mod host;
mod request;
mod scoring;

pub use answer::Failure;
pub use bcs::{BcsApi, HttpRequest, HttpResponse, serve, unary};
pub use host::{Host, HostConfig, HostError};
pub use request::{Limits, ScoringRequest, Weights};
pub use scoring::{Evaluate, ScoringApi, Won};
