//! The hot loops of the model: products with packed weights, attention, norms, GELU, the regulariser and the likelihood.
//!
//! Pure functions of slices; no weights files, no tensor library, no idea of a model. Activations are in tiles ([`Column`]): a position is a lane.
//! A crate of its own for one reason: the development profile optimises it, so tests and debug builds score at nearly the speed of a release.
//!
//! Safe Rust that is compiled for the portable instruction set, for AVX2 and for AVX-512, and picks at run time, so that a portable binary loses
//! nothing. Results may differ in the last bits between processors of these kinds, and nowhere else.

mod attention;
mod characteristic;
mod element;
mod elementwise;
mod lanes;
mod likelihood;
mod product;
mod rotary;
mod tile;

pub use attention::{KeysAndValues, attend, causal_attention};
pub use characteristic::{Point, characteristic_error_sum};
pub use element::Element;
pub use elementwise::{add, gelu, gelu_tiles, layer_norm};
pub use likelihood::{nll_sum, nll_sum_of_tile};
pub use product::{Matrix, Start};
pub use rotary::Rotary;
pub use tile::{Column, TILE, from_tiles, look_up, mean_position, tile_count, to_tiles};
