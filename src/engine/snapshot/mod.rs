//! What the screen gets: counters, the map, and bounded histories.
//!
//! Pure state; the dispatcher fills it and publishes (`dispatcher::publish`).

mod map;
mod throughput;

pub(super) use map::{Basis, Fitted, Map, figure};
pub(super) use throughput::Meter;
