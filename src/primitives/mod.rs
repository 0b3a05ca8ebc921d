//! The words that every part of somascope shares: ids, digests, amounts, dates, safe text (and web addresses without keys) and the one hash of the network.
//!
//! Knows nothing but bytes. Never does I/O, never allocates more than its input, never panics on outside text.

mod ids;
mod text;
mod time;
mod units;
mod web;

pub use ids::{Address, Digest, IdError, ObjectId};
pub use text::{clean, counted, group, is_unsafe};
pub use time::{compact_utc, day, now_ms, readable_utc, utc};
pub use units::{ParseSomaError, SHANNONS_PER_SOMA, Shannons};
pub use web::{address_shown, without_paths};

use blake2::digest::{Digest as _, consts::U32};

/// Blake2b with 32 bytes of output, the network's only hash (`protocol.md §0.3`), streamed.
#[derive(Clone, Default)]
pub struct Hasher(blake2::Blake2b<U32>);

impl Hasher {
    pub fn update(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }

    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// `H(bytes)`: checksums, commitments and digests.
pub fn hash(bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_nothing_is_the_networks_golden_value() {
        // protocol-vectors.json, commitments[0]
        assert_eq!(hash(b"").to_string(), "xyw95Bsby3s4mt6f4FmFDnFVpQBAeJxBFNGzu2cX4dM");
    }
}
