//! What the screen gets: counters, the map's projection, and bounded histories.
//!
//! Pure state; the dispatcher fills it and publishes (`dispatcher::publish`).

mod map;
mod projection;
mod throughput;

pub(super) use map::{Map, Place, Survey, fit};
pub(super) use projection::Projection;
pub(super) use throughput::{Meter, halved};
