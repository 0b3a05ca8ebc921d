//! The V1 model on NVIDIA cards.
