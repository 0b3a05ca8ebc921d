//! Small V1 models for the embedded network: seeded weights whose predictor is fitted to one kind of bytes.

/// A small model's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    pub embed: usize,
    pub feed_forward: usize,
    pub layers: usize,
}
