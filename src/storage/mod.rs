//! S3-compatible blobs: upload, public URL, read-back; and verified downloads over HTTP.
//!
//! Knows `primitives` only. Secrets stay in `secrecy` types. Every download is bounded and checked against its checksum.

use bytes::Bytes;
use secrecy::SecretString;

use crate::primitives::Digest;

#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error("`{0}` is no URL: {1}")]
    Url(String, url::ParseError),
    #[error("upload of {key} failed: {cause}")]
    Upload { key: String, cause: String },
    #[error("{url} cannot be read: {cause}")]
    Download { url: String, cause: String },
    #[error("{url}: {found} bytes instead of {expected}")]
    Size { url: String, expected: u64, found: u64 },
    #[error("{url}: checksum {found} instead of {expected}")]
    Checksum { url: String, expected: Digest, found: Digest },
}

/// Where uploads go, and where the public reads them.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `None`: AWS itself.
    pub endpoint_url: Option<String>,
    pub region: String,
    pub bucket: String,
    pub access_key_id: String,
    pub secret_access_key: SecretString,
    /// Prefix of public URLs: `{public_url}/{key}`.
    pub public_url: String,
}

/// A bucket of ours.
#[derive(Clone)]
pub struct Store {}

impl Store {
    pub fn new(_config: StoreConfig) -> Result<Self, StorageError> {
        unimplemented!()
    }
    /// The normalised public URL of a key.
    pub fn public_url(&self, _key: &str) -> String {
        unimplemented!()
    }
    /// Uploads; idempotent for content-addressed keys. Gives the public URL.
    pub async fn put(&self, _key: &str, _bytes: Bytes) -> Result<String, StorageError> {
        unimplemented!()
    }
    /// Downloads through the public URL and compares: what validators will see.
    pub async fn read_back(&self, _url: &str, _checksum: Digest, _size: u64) -> Result<(), StorageError> {
        unimplemented!()
    }
}

/// Downloads of other people's blobs.
#[derive(Clone)]
pub struct Fetcher {}

impl Fetcher {
    pub fn new() -> Result<Self, StorageError> {
        unimplemented!()
    }
    /// At most `size` bytes, exactly `size`, with this checksum; or an error.
    pub async fn fetch(&self, _url: &str, _checksum: Digest, _size: u64) -> Result<Bytes, StorageError> {
        unimplemented!()
    }
}
