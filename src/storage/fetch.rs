//! Downloads of blobs that somebody else may have put there.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{Reach, StorageError, download::Manners};
use crate::primitives::{Digest, hash};

/// A stalled server is given up after this long without a byte.
pub(super) const STALL: Duration = Duration::from_secs(30);
/// HTTP/2 windows: of one range, and of all that share a connection.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 32 << 20;

/// Downloads over HTTP(S); cloning shares the connections.
#[derive(Clone, Debug)]
pub struct Fetcher {
    pub(super) http: reqwest::Client,
    pub(super) manners: Manners,
}

impl Fetcher {
    pub fn new() -> Result<Self, StorageError> {
        Self::reaching(Reach::Anywhere)
    }

    pub fn reaching(reach: Reach) -> Result<Self, StorageError> {
        // One TLS stack for the whole program. A second call finds it installed, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .user_agent(concat!("somascope/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(STALL)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW);
        let http = reach.bound(builder).build().map_err(|e| StorageError::Client(e.to_string()))?;
        Ok(Self { http, manners: Manners::default() })
    }

    /// Exactly `size` bytes with this checksum, in memory, or an error; for blobs of files see [`Fetcher::download`]. Never holds more than `size` bytes plus one network chunk.
    pub async fn fetch(&self, url: &str, checksum: Digest, size: u64) -> Result<Bytes, StorageError> {
        let failed = |cause: String| StorageError::Download { url: url.to_owned(), cause };
        let wrong_size = |found| StorageError::Size { url: url.to_owned(), expected: size, found };

        let mut response =
            self.http.get(url).send().await.and_then(|r| r.error_for_status()).map_err(|e| failed(reason(&e)))?;
        if let Some(found) = response.content_length().filter(|found| *found != size) {
            return Err(wrong_size(found));
        }
        // The size comes from a stranger's manifest: grow with what really arrives instead of trusting it.
        let mut bytes = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| failed(reason(&e)))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > size {
                return Err(wrong_size(bytes.len() as u64));
            }
        }
        if bytes.len() as u64 != size {
            return Err(wrong_size(bytes.len() as u64));
        }
        let bytes = bytes.freeze();
        // Weights are gigabytes: hashing them must not hold up the other connections.
        let hashed = bytes.clone();
        let found = tokio::task::spawn_blocking(move || hash(&hashed)).await.map_err(|e| failed(e.to_string()))?;
        if found != checksum {
            return Err(StorageError::Checksum { url: url.to_owned(), expected: checksum, found });
        }
        Ok(bytes)
    }
}

/// The innermost cause: reqwest's own text stops at "error sending request".
pub(super) fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match error.status() {
        // The number alone, as a node names it.
        Some(status) => format!("HTTP {}", status.as_u16()),
        None => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

    async fn server(template: ResponseTemplate) -> MockServer {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(template).mount(&server).await;
        server
    }

    #[tokio::test]
    async fn bytes_arrive_only_if_size_and_checksum_agree() -> Result<(), StorageError> {
        let server = server(ResponseTemplate::new(200).set_body_bytes(*b"soma")).await;
        let fetcher = Fetcher::new()?;
        assert_eq!(fetcher.fetch(&server.uri(), hash(b"soma"), 4).await?, &b"soma"[..]);
        assert!(matches!(
            fetcher.fetch(&server.uri(), hash(b"soma"), 3).await,
            Err(StorageError::Size { expected: 3, found: 4, .. })
        ));
        assert!(matches!(fetcher.fetch(&server.uri(), hash(b"some"), 4).await, Err(StorageError::Checksum { .. })));
        Ok(())
    }

    #[tokio::test]
    async fn a_missing_blob_is_named_with_its_status() -> Result<(), StorageError> {
        let server = server(ResponseTemplate::new(404)).await;
        let error = Fetcher::new()?.fetch(&server.uri(), hash(b""), 0).await.expect_err("there is no such blob");
        assert!(error.to_string().contains("404") && error.to_string().contains(&server.uri()), "{error}");
        Ok(())
    }

    #[tokio::test]
    async fn nobody_listening_is_an_error_that_says_so() -> Result<(), StorageError> {
        let error = Fetcher::new()?.fetch("http://127.0.0.1:9/x", hash(b""), 0).await.expect_err("nobody listens");
        assert!(matches!(error, StorageError::Download { .. }), "{error}");
        Ok(())
    }
}
