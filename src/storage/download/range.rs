//! One request for bytes of a blob, and whether the answer is what was asked for.

use std::{ops::Range, time::Duration};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_RANGE, HeaderMap, IF_RANGE, RANGE, RETRY_AFTER},
};
use tokio::time::{Instant, timeout};

use super::{Blob, Manners, Validator};
use crate::storage::{Fetcher, StorageError, fetch::reason};

/// What became of a range.
pub(super) enum Answer {
    Range(Bytes, Validator),
    /// The server sends everything from the beginning.
    Whole(Response),
    /// The file is not the one that was being read.
    Changed,
}

/// What became of one request.
pub(super) enum Asked {
    /// At least one byte.
    Got,
    Whole(Response),
    Changed,
}

pub(super) enum Fault {
    /// May be gone a moment later. `after`: the server says when.
    Passing {
        cause: String,
        after: Option<Duration>,
    },
    Lasting(StorageError),
}

impl Fault {
    fn passing(cause: String) -> Self {
        Self::Passing { cause, after: None }
    }
}

pub(super) fn wrong_size(blob: &Blob, found: u64) -> StorageError {
    StorageError::Size { url: blob.url.clone(), expected: blob.size, found }
}

fn answer(blob: &Blob, cause: String) -> Fault {
    Fault::Lasting(StorageError::Answer { url: blob.url.clone(), cause })
}

/// How fast a connection has to be: each window of time brings at least so many bytes, or the end.
pub(super) struct Pace<'a> {
    manners: &'a Manners,
    since: Instant,
    got: u64,
}

impl<'a> Pace<'a> {
    pub fn new(manners: &'a Manners) -> Self {
        Self { manners, since: Instant::now(), got: 0 }
    }

    async fn within<T>(&self, what: impl Future<Output = reqwest::Result<T>>) -> Result<T, Fault> {
        let left = (self.since + self.manners.stall).saturating_duration_since(Instant::now());
        match timeout(left, what).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(Fault::passing(reason(&error))),
            Err(_) => Err(Fault::passing(format!("it stalls: {} bytes in {:.1?}", self.got, self.manners.stall))),
        }
    }

    /// The next bytes; `None`: the end.
    pub async fn chunk(&mut self, response: &mut Response) -> Result<Option<Bytes>, Fault> {
        let chunk = self.within(response.chunk()).await?;
        self.got += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if self.got >= self.manners.least {
            (self.since, self.got) = (Instant::now(), 0);
        }
        Ok(chunk)
    }
}

async fn send(fetcher: &Fetcher, blob: &Blob, range: Option<(String, Option<&str>)>) -> Result<Response, Fault> {
    let mut request = fetcher.http.get(&blob.url);
    if let Some((range, of)) = range {
        request = request.header(RANGE, range);
        if let Some(of) = of {
            request = request.header(IF_RANGE, of);
        }
    }
    let request = request.build().map_err(|error| refused(blob, &error))?;
    let response = match timeout(fetcher.manners.stall, fetcher.http.execute(request)).await {
        Err(_) => return Err(Fault::passing(format!("no answer in {:.1?}", fetcher.manners.stall))),
        Ok(Err(error)) if error.is_builder() || error.is_redirect() => return Err(refused(blob, &error)),
        Ok(Err(error)) => return Err(Fault::passing(reason(&error))),
        Ok(Ok(response)) => response,
    };
    let status = response.status();
    if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE {
        return Ok(response);
    }
    let cause = format!("HTTP {}", status.as_u16());
    let passing = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS);
    Err(match passing {
        true => Fault::Passing { cause, after: retry_after(response.headers()) },
        false => refused_with(blob, cause),
    })
}

/// A request that will fail the same way again.
fn refused(blob: &Blob, error: &reqwest::Error) -> Fault {
    refused_with(blob, reason(error))
}

fn refused_with(blob: &Blob, cause: String) -> Fault {
    Fault::Lasting(StorageError::Download { url: blob.url.clone(), cause })
}

/// In seconds; dates are not worth a parser.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// An answer that holds the whole blob, as far as its head says.
pub(super) async fn ask_whole(fetcher: &Fetcher, blob: &Blob) -> Result<Response, Fault> {
    checked_whole(blob, send(fetcher, blob, None).await?)
}

fn checked_whole(blob: &Blob, response: Response) -> Result<Response, Fault> {
    if matches!(response.status(), StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE) {
        return Err(answer(blob, format!("HTTP {} where no range was asked for", response.status().as_u16())));
    }
    match response.content_length() {
        Some(found) if found != blob.size => Err(Fault::Lasting(wrong_size(blob, found))),
        _ => Ok(response),
    }
}

/// Asks for a range and appends what comes of it to `bytes`, also when it fails half-way. `of`: the file that it must be of;
/// noted from the first answer if it is not known yet.
pub(super) async fn ask(
    fetcher: &Fetcher,
    blob: &Blob,
    range: Range<u64>,
    of: &mut Option<Validator>,
    bytes: &mut BytesMut,
) -> Result<Asked, Fault> {
    let header = format!("bytes={}-{}", range.start, range.end - 1);
    let condition = of.as_ref().and_then(Validator::if_range);
    let mut response = send(fetcher, blob, Some((header, condition))).await?;
    match response.status() {
        StatusCode::PARTIAL_CONTENT => {}
        StatusCode::RANGE_NOT_SATISFIABLE => {
            return Err(match content_range(response.headers()) {
                Some((_, Some(total))) if total != blob.size => Fault::Lasting(wrong_size(blob, total)),
                _ => refused_with(blob, format!("HTTP 416 for bytes {}-{}", range.start, range.end - 1)),
            });
        }
        _ => return checked_whole(blob, response).map(Asked::Whole),
    }
    let validator = Validator::of(response.headers());
    let Some((Some(given), total)) = content_range(response.headers()) else {
        return Err(answer(blob, "HTTP 206 without a range that can be read".into()));
    };
    if let Some(total) = total.filter(|total| *total != blob.size) {
        return Err(Fault::Lasting(wrong_size(blob, total)));
    }
    // Less than was asked for is allowed; the rest is asked for next.
    if given.start != range.start || given.end > range.end {
        let (wanted, given) =
            (format!("{}-{}", range.start, range.end - 1), format!("{}-{}", given.start, given.end - 1));
        return Err(answer(blob, format!("bytes {given} where {wanted} were asked for")));
    }
    if *of.get_or_insert_with(|| validator.clone()) != validator {
        return Ok(Asked::Changed);
    }
    let length = given.end - given.start;
    if let Some(found) = response.content_length().filter(|found| *found != length) {
        return Err(answer(blob, format!("{found} bytes in a range of {length}")));
    }
    let mut pace = Pace::new(&fetcher.manners);
    let mut left = length;
    while let Some(chunk) = pace.chunk(&mut response).await? {
        let Some(rest) = left.checked_sub(chunk.len() as u64) else {
            return Err(answer(blob, format!("more than {length} bytes in a range of so many")));
        };
        left = rest;
        bytes.extend_from_slice(&chunk);
    }
    match left {
        0 => Ok(Asked::Got),
        _ => Err(Fault::passing(format!("a range ended after {} of {length} bytes", length - left))),
    }
}

/// `bytes a-b/total`, as a half-open range; either part may be `*`.
fn content_range(headers: &HeaderMap) -> Option<(Option<Range<u64>>, Option<u64>)> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?.trim();
    let (range, total) = text.strip_prefix("bytes")?.trim_start().split_once('/')?;
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    let range = match range.trim() {
        "*" => None,
        range => {
            let (first, last) = range.split_once('-')?;
            let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last).then_some(first..last.checked_add(1)?)
        }
    };
    Some((range, total))
}
