//! The hub's side: which index files a dataset has, and ranges of them.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Response, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::{StackSpec, reason, retry_after};
use crate::primitives::{address_shown, clean};

/// Of one list of files.
const LIST_BYTES: usize = 16 << 20;
const LIST_PAGES: usize = 1_000;

#[derive(Debug, thiserror::Error)]
pub(super) enum HubError {
    #[error("{host} does not take the token in HF_TOKEN: it is wrong or revoked, make another one with read access")]
    Token { host: String },
    #[error(
        "the account of HF_TOKEN has not accepted the terms of {dataset}: open {page}, accept them, and it goes on"
    )]
    Terms { dataset: String, page: String },
    #[error("{url} asks to wait (HTTP {status})")]
    Busy { url: String, status: u16, after: Option<Duration> },
    #[error("{url} cannot be reached: {cause}")]
    Unreachable { url: String, cause: String },
    #[error("{url} answers HTTP {status}")]
    Status { url: String, status: u16 },
    #[error("{url}: {cause}")]
    Protocol { url: String, cause: String },
    #[error("nobody waits for it any more")]
    GivenUp,
}

/// Whether it may be otherwise when it is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hope {
    Soon(Option<Duration>),
    /// When a person has done something.
    Later,
    None,
}

impl HubError {
    pub fn hope(&self) -> Hope {
        match self {
            Self::Busy { after, .. } => Hope::Soon(*after),
            Self::Unreachable { .. } => Hope::Soon(None),
            Self::Token { .. } | Self::Terms { .. } => Hope::Later,
            Self::Status { .. } | Self::Protocol { .. } | Self::GivenUp => Hope::None,
        }
    }
}

/// A Parquet file of the dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexFile {
    pub path: String,
    pub size: u64,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
}

pub(super) struct Hub {
    http: reqwest::Client,
    base: Url,
    dataset: String,
    bearer: header::HeaderValue,
}

/// The header's value, marked as a secret; `None`: the token has signs that no header has.
pub(super) fn bearer(token: &SecretString) -> Option<header::HeaderValue> {
    let mut value = header::HeaderValue::from_str(&format!("Bearer {}", token.expose_secret().trim())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl Hub {
    /// The error is for people.
    pub fn new(spec: &StackSpec, token: SecretString) -> Result<Self, String> {
        let shown = || address_shown(&spec.hub_url);
        let base: Url = spec.hub_url.parse().map_err(|e| format!("`{}` is no URL: {e}", shown()))?;
        if base.cannot_be_a_base() {
            return Err(format!("`{}` is no URL of a server", shown()));
        }
        let bearer = bearer(&token).ok_or("HF_TOKEN has signs that no token has: copy it again")?;
        let http = super::http().map_err(|e| format!("no HTTP client: {}", reason(&e)))?;
        Ok(Self { http, base, dataset: spec.dataset.clone(), bearer })
    }

    /// Parts may have any signs; each becomes a segment.
    fn url<'a>(&'a self, parts: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(parts);
        }
        url
    }

    async fn get(&self, url: Url, range: Option<(u64, u64)>) -> Result<Response, HubError> {
        let name = url.to_string();
        // Redirects to another host lose the token: it is for the hub alone.
        let mut request = self.http.get(url).header(header::AUTHORIZATION, self.bearer.clone());
        if let Some((start, end)) = range {
            request = request.header(header::RANGE, format!("bytes={start}-{}", end - 1));
        }
        let sent = request.send().await;
        let response = sent.map_err(|e| HubError::Unreachable { url: name.clone(), cause: reason(&e) })?;
        let code = response.headers().get("x-error-code").and_then(|code| code.to_str().ok()).unwrap_or_default();
        let terms = || HubError::Terms {
            dataset: self.dataset.clone(),
            page: self.url(["datasets"].into_iter().chain(self.dataset.split('/'))).to_string(),
        };
        let status = response.status().as_u16();
        Err(match response.status() {
            status if status.is_success() => return Ok(response),
            StatusCode::UNAUTHORIZED => HubError::Token { host: self.base.host_str().unwrap_or_default().to_owned() },
            StatusCode::FORBIDDEN if code.is_empty() || code == "GatedRepo" => terms(),
            StatusCode::TOO_MANY_REQUESTS => HubError::Busy { url: name, status: 429, after: retry_after(&response) },
            found if found.is_server_error() => HubError::Busy { url: name, status, after: retry_after(&response) },
            _ => HubError::Status { url: name, status },
        })
    }

    /// One page after the other of what is in a folder.
    async fn tree(&self, folder: &str, is_recursive: bool) -> Result<Vec<Entry>, HubError> {
        let place = self.dataset.split('/').chain(["tree", "main"]).chain(folder.split('/'));
        let mut url = self.url(["api", "datasets"].into_iter().chain(place));
        if is_recursive {
            url.query_pairs_mut().append_pair("recursive", "true");
        }
        let mut entries = Vec::new();
        for _ in 0..LIST_PAGES {
            let response = self.get(url.clone(), None).await?;
            let wrong = |cause: String| HubError::Protocol { url: url.to_string(), cause };
            let next = response.headers().get(header::LINK).and_then(|link| next_page(link.to_str().ok()?));
            let page = body(response, LIST_BYTES).await?;
            let page: Vec<Entry> =
                serde_json::from_slice(&page).map_err(|_| wrong("its list of files is not understood".into()))?;
            entries.extend(page);
            let Some(next) = next else { return Ok(entries) };
            let next = url.join(&next).map_err(|_| wrong("its next page has no address".into()))?;
            if next.origin() != self.base.origin() {
                return Err(wrong("its next page is on another host".into()));
            }
            url = next;
        }
        Err(HubError::Protocol { url: url.to_string(), cause: "its list of files does not end".into() })
    }

    /// The index files of these languages, or of all; sorted. Also the languages that there are, if one is unknown.
    pub async fn files(&self, languages: &[String]) -> Result<Result<Vec<IndexFile>, String>, HubError> {
        let mut entries = Vec::new();
        if languages.is_empty() {
            entries = self.tree("data", true).await?;
        } else {
            let plain = |name: &str| name.to_lowercase().replace([' ', '-'], "_");
            let folders: Vec<String> = self
                .tree("data", false)
                .await?
                .into_iter()
                .filter(|entry| entry.kind == "directory")
                .map(|entry| entry.path)
                .collect();
            for language in languages {
                let named =
                    |folder: &&String| folder.rsplit('/').next().is_some_and(|name| plain(name) == plain(language));
                let Some(folder) = folders.iter().find(named) else {
                    let mut names: Vec<&str> = folders.iter().filter_map(|folder| folder.rsplit('/').next()).collect();
                    names.sort_unstable();
                    let more = if names.len() > 60 { ", …" } else { "" };
                    names.truncate(60);
                    let text = format!("{} has no `{language}`; it has {}{more}", self.dataset, names.join(", "));
                    return Ok(Err(clean(&text)));
                };
                entries.extend(self.tree(folder, true).await?);
            }
        }
        let is_index = |entry: &Entry| entry.kind == "file" && entry.path.ends_with(".parquet") && entry.size > 0;
        let file = |entry: Entry| IndexFile { path: entry.path, size: entry.size };
        let mut files: Vec<IndexFile> = entries.into_iter().filter(is_index).map(file).collect();
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        files.dedup();
        if files.is_empty() { Ok(Err(format!("{} has no Parquet files", self.dataset))) } else { Ok(Ok(files)) }
    }

    /// Exactly these bytes of a file.
    pub async fn range(&self, path: &str, start: u64, end: u64) -> Result<Bytes, HubError> {
        let place = self.dataset.split('/').chain(["resolve", "main"]).chain(path.split('/'));
        let url = self.url(["datasets"].into_iter().chain(place));
        let wrong = |cause: String| HubError::Protocol { url: url.to_string(), cause };
        let response = self.get(url.clone(), Some((start, end))).await?;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            return Err(wrong("the server ignores ranges".into()));
        }
        let begins = response
            .headers()
            .get(header::CONTENT_RANGE)
            .and_then(|range| range.to_str().ok()?.strip_prefix("bytes ")?.split('-').next()?.parse::<u64>().ok());
        if begins != Some(start) {
            return Err(wrong("the server sends another range than was asked for".into()));
        }
        let len = (end - start) as usize;
        let bytes = body(response, len).await?;
        if bytes.len() == len {
            Ok(bytes)
        } else {
            Err(HubError::Unreachable { url: url.to_string(), cause: "the answer ends too early".into() })
        }
    }
}

/// A body of at most so many bytes.
async fn body(mut response: Response, limit: usize) -> Result<Bytes, HubError> {
    // Where a redirect has led may be signed: it is not repeated with its query.
    let mut url = response.url().clone();
    url.set_query(None);
    let mut bytes = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > limit => {
                return Err(HubError::Protocol { url: url.into(), cause: format!("it sends more than {limit} bytes") });
            }
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Ok(bytes.freeze()),
            Err(error) => return Err(HubError::Unreachable { url: url.into(), cause: reason(&error) }),
        }
    }
}

/// The address with `rel="next"` of a `Link` header.
fn next_page(link: &str) -> Option<String> {
    link.split(',').find_map(|part| {
        let (url, attributes) = part.trim().strip_prefix('<')?.split_once('>')?;
        attributes.contains("rel=\"next\"").then(|| url.to_owned())
    })
}
