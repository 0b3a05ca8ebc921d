//! The V1 model and its score, after `reference/model.md`.
//!
//! Knows `primitives` only: bytes in, numbers out. No network, no clock, no file; the same bytes and seed give the
//! same numbers on every run. The one thing shared between models is a small cache of noise, which saves time and changes nothing.

pub mod arrgen;
mod crypto;
#[cfg(feature = "cuda")]
mod cuda;
mod distance;
mod error;
mod file;
mod placement;
mod processor;
mod regulariser;
mod room;
mod rows;
mod score;
mod targets;
mod tensors;
pub mod tokenizer;
mod transformer;
mod weights;

pub use crypto::{apply_key_stream, apply_key_stream_at, checksum};
pub use distance::{cosine_distance, select_models, winner};
pub use error::ModelError;
pub use file::ReadAt;
pub use placement::{Device, DeviceInfo, NoSuchName, Placement, Precision, devices};
pub(crate) use room::Room;
pub use score::{Geometry, Model, Score};
pub use targets::{Drawn, draw_target};

/// `[batch, seq]` constants of the service (`model.md §1.1`).
pub const SEQUENCE_LENGTH: usize = 1024;
pub const BATCH_SIZE: usize = 16;
/// 256 bytes, padding, end of data, and six ids that never occur.
pub const VOCABULARY: usize = 264;
