//! Arithmetic over the sample library.
