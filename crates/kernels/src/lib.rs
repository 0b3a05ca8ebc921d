//! The hot loops of the model: everything in a forward pass and a loss that is not a matrix product.
//!
//! Pure functions of f32 slices, row-major; no weights, no files, no tensor library. A crate of its own for one reason: the development
//! profile optimises it, so tests and debug builds score at nearly the speed of a release.
//!
//! Plain Rust that the compiler vectorises: [`lanes::vectorised`] compiles a loop for the portable instruction set and for AVX2 and picks
//! at run time, so that a portable binary loses nothing. Results may differ in the last bit between the processors of the two kinds.

mod attention;
mod characteristic;
mod element;
mod elementwise;
mod lanes;
mod likelihood;

pub use attention::{Rotary, causal_attention};
pub use characteristic::{Point, characteristic_error_sum};
pub use element::Element;
pub use elementwise::{add, add_bias, gelu, layer_norm, mean_row};
pub use likelihood::nll_sum;
