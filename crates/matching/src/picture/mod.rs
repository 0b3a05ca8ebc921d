//! Two dimensions of many: the directions in which points differ most, and an arrangement that keeps neighbours together.
//!
//! Directions matter, lengths do not (hits are by cosine), so points are normalised first. Everything starts from a seed and adds in a
//! fixed order, so the same points give the same picture, whatever the threads.

mod neighbours;
mod principal;

pub use neighbours::{Landmarks, arrange};
pub use principal::Projection;

pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
