//! S3-compatible blobs: upload, public URL, read-back; and verified downloads over HTTP.
//!
//! Knows `primitives` only. Secrets stay in `secrecy` types. Every download is bounded before it starts and checked against its
//! checksum when it ends: bytes that leave this module are the bytes that were asked for.

mod fetch;
mod reach;
mod store;

pub use fetch::Fetcher;
pub use reach::is_public;
pub use store::{Store, StoreConfig};

use crate::primitives::Digest;

#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error("`{0}` is no URL: {1}")]
    Url(String, url::ParseError),
    #[error("no HTTP client: {0}")]
    Client(String),
    #[error("upload of {key} failed: {cause}")]
    Upload { key: String, cause: String },
    #[error("{key} cannot be deleted: {cause}")]
    Delete { key: String, cause: String },
    #[error("{url} cannot be read: {cause}")]
    Download { url: String, cause: String },
    #[error("{url}: {found} bytes instead of {expected}")]
    Size { url: String, expected: u64, found: u64 },
    #[error("{url}: checksum {found} instead of {expected}")]
    Checksum { url: String, expected: Digest, found: Digest },
}
