//! The cipher of published weights and the checksum of every blob (`model.md §4`).
//!
//! The cipher has no authentication: a wrong key gives garbage, which only the safetensors parser notices.

use aes::Aes256;
use ctr::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};

use crate::primitives::{self, Digest};

/// AES-256-CTR with a zero counter block, in place; encryption is the same.
pub fn apply_key_stream(key: &[u8; 32], bytes: &mut [u8]) {
    apply_key_stream_at(key, 0, bytes);
}

/// The same for bytes that begin at this offset of their file: block `i` of the key stream is for bytes `16i` and on.
pub fn apply_key_stream_at(key: &[u8; 32], offset: u64, bytes: &mut [u8]) {
    let mut stream = ctr::Ctr128BE::<Aes256>::new(key.into(), &[0; 16].into());
    stream.seek(offset);
    stream.apply_keystream(bytes);
}

/// Blake2b-256 of the bytes as served: data and encrypted weights alike.
pub fn checksum(bytes: &[u8]) -> Digest {
    primitives::hash(bytes)
}
