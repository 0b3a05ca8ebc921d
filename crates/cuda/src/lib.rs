//! The V1 model on NVIDIA cards: rows of tokens in, each row's likelihood, regulariser and mean embedding out (`model.md §1–3`).
//!
//! Kernels are CUDA C++ in the program, compiled when a model is loaded, for the card that is there and for the model's sizes; matrix
//! products go to cuBLASLt. Driver, NVRTC and cuBLASLt are opened at run time: the crate builds without any of them, and where one is missing
//! says so. Residual stream, norms, softmax, logits, losses and means are f32 whatever the precision of the products.
//!
//! Its unsafe code is calls into those libraries: each block says why it is sound. Nothing here reads files or knows where
//! weights or noise come from.

mod card;
mod error;
mod forward;
mod launch;
mod library;
mod model;
mod product;
mod program;
mod tables;
#[cfg(test)]
mod tests;

pub use card::{Card, CardInfo, cards, matrix_rate, versions};
pub use error::CardError;
pub use forward::{Row, RowScore, StageTime};
pub use model::{Dims, Model, Precision};
