//! Arithmetic over the sample library: embeddings in files, and products of many of them at once.
//!
//! Knows slices of numbers and files of rows; no models, no targets' rules, no network. Takes the threads of the rayon pool that it is
//! called in. Vector instructions are chosen at run time, so a portable binary is not slow; results may differ in the last bits
//! between processors, by less than [`band`].

pub mod compose;
mod halves;
mod lanes;
mod matrix;
pub mod picture;
mod scan;

pub use halves::{NotAdmitted, band, cosine, norm};
pub use matrix::{Matrix, MatrixError, ROW_ALIGNMENT, Stored};
pub use scan::{products, products_of_rows};

pub use half::f16;
