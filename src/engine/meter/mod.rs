//! The history of throughput: what was scored each second, rolled up, and kept on disk across runs.
//!
//! [`Rollup`] is pure; [`Store`] writes it behind, on a thread of its own, every few seconds. It is no truth that money depends
//! on: a disk that is slow or full loses some of it and stops nothing. Knows nothing but counts. A second in which the
//! program did not run is a gap, never a zero.

mod rollup;
mod store;

pub(super) use rollup::{Bucket, Level, Rollup};
pub(super) use store::Store;
