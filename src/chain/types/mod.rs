//! What is signed and hashed, as BCS types: field order is the wire order (`protocol.md §4–§7`).
//!
//! Plain data with constructors that keep its rules. No I/O, no protobuf.

mod effects;
mod inputs;
mod object;
mod system_state;
mod tensor;
mod transaction;

pub use effects::*;
pub use inputs::*;
pub use object::*;
pub use system_state::*;
pub use tensor::*;
pub use transaction::*;

pub use crate::primitives::{Address, Digest, ObjectId, Shannons};

use serde::Serialize;

use crate::primitives::Hasher;

/// The BCS bytes of a value of ours.
///
/// Our types hold nothing that BCS cannot express (no floats, no maps with unsorted keys, no sequences beyond 2^31), so this
/// does not fail on any value that was built or decoded by this module.
pub fn to_bcs<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    bcs::to_bytes(value).expect("every type of this module has a BCS form")
}

/// `H(name ‖ BCS(value))`: the digest of a named structure (`protocol.md §4.2`, `§5.2`, `§6.1`).
pub(crate) fn named_digest<T: Serialize + ?Sized>(name: &str, value: &T) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(name.as_bytes()).update(b"::").update(&to_bcs(value));
    hasher.finish()
}
