//! Files for other programs: tables (CSV) and pictures (SVG, PNG) of what the engine knows.
//!
//! Pure: data in, text or bytes out; the same data gives the same file on every machine. Knows `primitives` only. Never does
//! I/O, never asks the system for a font, never rounds an amount in a table.

mod canvas;
pub mod chart;
pub mod csv;
mod letters;
pub mod map;
pub mod picture;
pub mod records;

pub use picture::{Drawing, Format, PictureError, PictureSize, render};
pub use records::{EpochRecord, StepRecord, SubmissionRecord};
