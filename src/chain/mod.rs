//! The network: keys, what is signed, and the gRPC client.
//!
//! Knows `primitives` only. Never logs or prints a secret, never signs by itself: whoever calls decides.
//!
//! Invariants: every byte that is signed or hashed comes from `types`; every reply is checked before it becomes one of our
//! types; requests that end a node's process (`protocol-corrections.md §0`) cannot be expressed.

pub mod bcs_codec;
pub mod client;
pub mod convert;
pub mod fees;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod keys;
pub mod rewards;
pub mod services;
pub mod types;

/// The generated gRPC messages and services. Only `chain` and `devnet` see them.
pub mod proto {
    #![expect(clippy::all, clippy::allow_attributes, reason = "generated code")]
    pub mod google {
        pub mod rpc {
            tonic::include_proto!("google.rpc");
        }
    }
    pub mod soma {
        pub mod rpc {
            tonic::include_proto!("soma.rpc");
        }
    }
}
