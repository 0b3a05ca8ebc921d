//! S3-compatible blobs: upload, public URL, read-back; and verified downloads over HTTP.
//!
//! Knows `primitives` only. Secrets stay in `secrecy` types. Every download is bounded before it starts and checked against its
//! checksum when it ends: bytes that leave this module are the bytes that were asked for.

mod download;
mod fetch;
mod reach;
#[cfg(test)]
pub(crate) mod scripted;
mod store;

pub use download::{Blob, Brought, Steering};
pub use fetch::Fetcher;
pub use reach::Reach;
pub use store::{Refusal, Store, StoreConfig};

use std::path::PathBuf;

use crate::primitives::Digest;

#[derive(Clone, Debug, thiserror::Error)]
pub enum StorageError {
    #[error("`{0}` is no URL: {1}")]
    Url(String, url::ParseError),
    #[error("no HTTP client: {0}")]
    Client(String),
    #[error("upload of {key} failed: {cause}")]
    Upload { key: String, why: Refusal, cause: String },
    #[error("{key} cannot be deleted: {cause}")]
    Delete { key: String, cause: String },
    #[error("{url} cannot be read: {cause}")]
    Download { url: String, cause: String },
    /// The server does not keep to HTTP, or contradicts itself.
    #[error("{url} is answered wrongly: {cause}")]
    Answer { url: String, cause: String },
    #[error("{url}: {found} bytes instead of {expected}")]
    Size { url: String, expected: u64, found: u64 },
    #[error("{url}: checksum {found} instead of {expected}")]
    Checksum { url: String, expected: Digest, found: Digest },
    #[error("{} cannot be written: {cause}", .path.display())]
    Disk { path: PathBuf, cause: String },
    #[error(
        "no room for {}: {needed} bytes are still to come, {free} are free on its disk, and {reserve} stay so; free some or use another directory",
        .path.display()
    )]
    NoRoom { path: PathBuf, needed: u64, free: u64, reserve: u64 },
}

impl StorageError {
    /// Whether the same request may well succeed soon. What a server says wrongly, or a checksum that differs, stays so until
    /// somebody mends it.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Download { .. } | Self::Upload { .. } | Self::Disk { .. } | Self::NoRoom { .. })
    }
}
