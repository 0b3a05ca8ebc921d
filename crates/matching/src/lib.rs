//! Arithmetic over the sample library.

pub mod compose;
