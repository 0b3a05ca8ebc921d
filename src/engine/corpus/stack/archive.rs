//! The archive's side: contents by their id, kept on disk.

use std::{
    io::{self, Read},
    path::Path,
    sync::Arc,
    time::Duration,
};

use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use super::{StackSpec, name, reason, retry_after, spool::Spool};
use crate::engine::corpus::{Origin, cut::MAX_SUBMISSION};

#[derive(Debug, thiserror::Error)]
pub(in crate::engine::corpus) enum ArchiveError {
    #[error("it is not in the public bucket")]
    Missing,
    #[error("it is larger than the index says")]
    TooLarge,
    #[error("what the bucket sends is no whole gzip file")]
    Damaged,
    #[error("`{0}` is no id of an object")]
    Id(String),
    #[error("the bucket asks to wait (HTTP {status})")]
    Busy { status: u16, after: Option<Duration> },
    #[error("the bucket cannot be reached: {0}")]
    Unreachable(String),
    #[error("the bucket answers HTTP {0}")]
    Status(u16),
}

impl From<ArchiveError> for io::Error {
    /// Of a kind that tells what may pass from what will not.
    fn from(error: ArchiveError) -> Self {
        let kind = match error {
            ArchiveError::Missing => io::ErrorKind::NotFound,
            ArchiveError::Busy { .. } => io::ErrorKind::ResourceBusy,
            ArchiveError::Unreachable(_) => io::ErrorKind::NetworkUnreachable,
            ArchiveError::TooLarge | ArchiveError::Damaged | ArchiveError::Id(_) | ArchiveError::Status(_) => {
                io::ErrorKind::Other
            }
        };
        Self::new(kind, error)
    }
}

/// What the spool keeps beside a content.
#[derive(Serialize, Deserialize)]
struct Label {
    repository: String,
    path: String,
    encoding: String,
}

/// What is known of an object before it is fetched.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub id: String,
    pub encoding: String,
    pub repository: String,
    pub path: String,
    pub len: u64,
}

impl Object {
    pub fn origin(&self) -> Origin {
        super::origin(name(&self.repository, &self.path), &self.id, &self.encoding)
    }
}

/// Objects of the Software Heritage archive.
pub(in crate::engine::corpus) struct Archive {
    http: reqwest::Client,
    base: String,
    spool: Spool,
}

impl Archive {
    /// The error is for people.
    pub fn open(dir: &Path, spec: &StackSpec) -> Result<Arc<Self>, String> {
        let spool = Spool::open(&dir.join("stack-v2"), spec.spool_bytes)
            .map_err(|e| format!("the spool of The Stack v2 cannot be opened: {e}"))?;
        let http = super::http().map_err(|e| format!("no HTTP client: {}", reason(&e)))?;
        Ok(Arc::new(Self { http, base: spec.content_url.trim_end_matches('/').to_owned(), spool }))
    }

    pub(super) fn spool(&self) -> &Spool {
        &self.spool
    }

    /// A content that is on disk, with what it is.
    pub(super) fn spooled(&self, id: &str) -> Option<(Origin, String)> {
        let (label, raw) = self.spool.get(id)?;
        let label: Label = serde_json::from_slice(&label).ok()?;
        let text = decode(&raw, &label.encoding)?;
        Some((super::origin(name(&label.repository, &label.path), id, &label.encoding), text))
    }

    /// The text of an object for the first time; kept on disk. `None`: it is no text in its encoding.
    pub(super) async fn text(&self, object: &Object) -> Result<Option<String>, ArchiveError> {
        if let Some((_, raw)) = self.spool.get(&object.id) {
            return Ok(decode(&raw, &object.encoding));
        }
        let raw = self.fetch(&object.id, object.len).await?;
        let text = decode(&raw, &object.encoding);
        if text.is_some() {
            let label = Label {
                repository: object.repository.clone(),
                path: object.path.clone(),
                encoding: object.encoding.clone(),
            };
            if let Err(error) = self.spool.put(&object.id, serde_json::json!(label).to_string().as_bytes(), &raw) {
                // It will be fetched again when it is confirmed.
                tracing::warn!("a content of The Stack v2 cannot be kept: {error}");
            }
        }
        Ok(text)
    }

    /// The text of an object once more, from disk or from the network; then it is kept again. `path`: its origin's.
    pub async fn text_again(&self, path: &Path, id: &str, encoding: &str) -> Result<Option<String>, ArchiveError> {
        let path = path.strip_prefix(super::FOLDER).unwrap_or(path).to_string_lossy();
        // An owner, a repository, and a path in it.
        let at = path.match_indices('/').nth(1).map_or(0, |(at, _)| at);
        let (repository, path) = (path[..at].to_owned(), path[at..].to_owned());
        let (id, encoding) = (id.to_owned(), encoding.to_owned());
        self.text(&Object { id, encoding, repository, path, len: MAX_SUBMISSION }).await
    }

    /// At most `limit` bytes, unpacked.
    async fn fetch(&self, id: &str, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        // It becomes a part of an address.
        if id.len() != 40 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ArchiveError::Id(crate::primitives::clean(id)));
        }
        let unreachable = |e: reqwest::Error| ArchiveError::Unreachable(reason(&e));
        let mut response = self.http.get(format!("{}/content/{id}", self.base)).send().await.map_err(unreachable)?;
        let (status, after) = (response.status().as_u16(), retry_after(&response));
        match response.status() {
            found if found.is_success() => {}
            // To those who may not list, the bucket says that they may not read what is not there.
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => return Err(ArchiveError::Missing),
            StatusCode::TOO_MANY_REQUESTS => return Err(ArchiveError::Busy { status, after }),
            found if found.is_server_error() => return Err(ArchiveError::Busy { status, after }),
            _ => return Err(ArchiveError::Status(status)),
        }
        let mut packed = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            packed.extend_from_slice(&chunk);
            // What cannot be packed becomes a little larger.
            if packed.len() as u64 > 2 * limit + 4096 {
                return Err(ArchiveError::TooLarge);
            }
        }
        let mut raw = Vec::new();
        let unpacked = flate2::read::MultiGzDecoder::new(&packed[..]).take(limit + 1).read_to_end(&mut raw);
        unpacked.map_err(|_| ArchiveError::Damaged)?;
        if raw.len() as u64 > limit { Err(ArchiveError::TooLarge) } else { Ok(raw) }
    }
}

/// The text, as Python's `bytes.decode` has it; `None`: an unknown encoding, or bytes that it does not have.
fn decode(raw: &[u8], encoding: &str) -> Option<String> {
    let label = encoding.trim().to_ascii_lowercase().replace('_', "-");
    match label.as_str() {
        // The web takes these for Windows-1252, which has other signs from 0x80 to 0x9f.
        "iso-8859-1" | "latin-1" | "latin1" | "iso8859-1" => Some(raw.iter().map(|byte| char::from(*byte)).collect()),
        "ascii" | "us-ascii" => raw.is_ascii().then(|| raw.iter().map(|byte| char::from(*byte)).collect()),
        "utf-16" | "utf-16le" | "utf-16be" => {
            let (text, _, has_errors) = encoding_rs::Encoding::for_label(label.as_bytes())?.decode(raw);
            (!has_errors).then(|| text.into_owned())
        }
        _ => {
            let encoding = encoding_rs::Encoding::for_label(label.as_bytes())?;
            let text = encoding.decode_without_bom_handling_and_without_replacement(raw)?;
            Some(text.into_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_read_as_the_reference_reads_them() {
        for (raw, encoding, text) in [
            (&b"abc \xc3\xbc"[..], "UTF-8", Some("abc ü")),
            (b"\xef\xbb\xbfx", "UTF-8", Some("\u{feff}x")),
            (b"\xff", "UTF-8", None),
            (b"\xfc\x85", "ISO-8859-1", Some("ü\u{85}")),
            (b"\x85", "windows-1252", Some("…")),
            (b"\x83\x65", "Shift_JIS", Some("テ")),
            (b"\xc4\xe3", "GB18030", Some("你")),
            (b"abc", "ascii", Some("abc")),
            (b"\xfc", "ascii", None),
            (b"\xff\xfea\0", "UTF-16", Some("a")),
            (b"abc", "klingon", None),
        ] {
            assert_eq!(decode(raw, encoding).as_deref(), text, "{encoding}");
        }
    }
}
