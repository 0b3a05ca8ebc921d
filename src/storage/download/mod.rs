//! Large blobs of strangers, brought to disk: by ranges, several at once, resumed, hashed on the way.
//!
//! What has arrived without a gap is in a file beside the final one, with a record of what it is ([`part`]). Ranges are asked
//! for ahead and written in order, so that one pass hashes them, and memory is bounded by the ranges that are on their way.
//! A server that ignores ranges is read in one stream.

mod part;
mod range;
#[cfg(test)]
mod tests;

use std::{ops::Range, path::Path, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, future::BoxFuture, stream};
use reqwest::Response;
use tokio::sync::Semaphore;

use super::{Fetcher, StorageError};
use crate::primitives::Digest;
use part::{Opened, Part, Validator};
use range::{Answer, Fault, Pace};

/// A file as a manifest names it: all three are a stranger's claims until the bytes agree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Blob {
    pub url: String,
    pub checksum: Digest,
    pub size: u64,
}

/// Whose work a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brought {
    /// Hashed on its way.
    Now,
    /// It was there already, or another process brought it; nobody has looked into it.
    Before,
}

/// What the caller of a download sees and decides while it runs.
pub trait Steering: Send + Sync {
    /// So many bytes are on disk, without a gap and hashed. Falls when a file has to be begun again.
    fn progress(&self, _bytes: u64) {}

    /// Awaited before each request: a download of less use waits here for those of more.
    fn turn(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl Steering for () {}

/// How a download deals with its server. Tests use shorter times.
#[derive(Clone, Debug)]
pub(super) struct Manners {
    /// Bytes asked for at once; a smaller blob is one plain request.
    pub range: u64,
    /// Ranges of one download on their way at once, and held until their turn to be written.
    pub ahead: usize,
    /// A connection that brings less than `least` in this time is given up.
    pub stall: Duration,
    pub least: u64,
    /// Failures in a row, without `least` bytes in between, that end a download.
    pub failures: u32,
    /// Doubled with each failure.
    pub first_pause: Duration,
    pub longest_pause: Duration,
    /// Free space that a large download leaves on the disk (a small one: as much as it takes): the journal is often on it too.
    pub reserve: u64,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            range: 4 << 20,
            ahead: 6,
            stall: super::fetch::STALL,
            least: 64 << 10,
            failures: 5,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
            reserve: 2 << 30,
        }
    }
}

/// Connections that all downloads of the process share. Each has one more of its own, so that a server that drips holds up
/// nobody else.
static SHARED: Semaphore = Semaphore::const_new(8);

/// A file that changes while it is read is begun again so many times.
const RESTARTS: u32 = 2;
/// What a stream without ranges gathers before it is written.
const BLOCK: usize = 1 << 20;

impl Fetcher {
    /// Brings exactly these bytes to `path`, whole or not at all; a file that is already there is left as it is. What had
    /// arrived before a cut or a restart is not asked for again, if size and validator (ETag, Last-Modified) still agree.
    /// Never writes more than the blob's size. A download of the same file by another process is waited for.
    pub async fn download(&self, blob: &Blob, path: &Path, steering: &dyn Steering) -> Result<Brought, StorageError> {
        let part = match Part::open(blob, path, self.manners.reserve.min(blob.size)).await? {
            Opened::Finished => return Ok(Brought::Before),
            Opened::Part(part) => *part,
        };
        steering.progress(part.length());
        Download { fetcher: self, blob, steering, own: Semaphore::new(1) }.run(part).await?;
        Ok(Brought::Now)
    }
}

/// One download at work.
struct Download<'a> {
    fetcher: &'a Fetcher,
    blob: &'a Blob,
    steering: &'a dyn Steering,
    own: Semaphore,
}

/// How far one look at the server's file came.
enum Outcome {
    Complete(Part),
    /// It is not the file of which we have a part.
    Changed(Part),
}

impl Download<'_> {
    async fn run(&self, mut part: Part) -> Result<(), StorageError> {
        let mut restarts = 0;
        loop {
            let outcome = match self.blob.size <= self.fetcher.manners.range {
                true => self.whole(part, None).await,
                false => self.ranges(part).await,
            };
            part = match outcome? {
                Outcome::Complete(part) => return part.finish(self.blob).await,
                Outcome::Changed(_) if restarts == RESTARTS => {
                    return Err(self.answer("the file changes while it is read"));
                }
                Outcome::Changed(part) => part.restart().await?,
            };
            restarts += 1;
            self.steering.progress(0);
        }
    }

    /// The rest by ranges.
    async fn ranges(&self, mut part: Part) -> Result<Outcome, StorageError> {
        let size = self.blob.size;
        if part.length() == size {
            return Ok(Outcome::Complete(part));
        }
        // The first answer tells whether there are ranges, and of which file.
        let first = self.range_at(part.length());
        let known = (part.length() > 0).then(|| part.validator().clone());
        match self.range(first, known.as_ref()).await? {
            Answer::Range(bytes, validator) => part = self.append(part.of(validator), bytes).await?,
            Answer::Whole(response) => {
                // No ranges, or (after If-Range) another file.
                if part.length() > 0 {
                    part = part.restart().await?;
                    self.steering.progress(0);
                }
                return self.whole(part, Some(response)).await;
            }
            Answer::Changed => return Ok(Outcome::Changed(part)),
        }
        let validator = part.validator().clone();
        let starts = (part.length()..size).step_by(usize::try_from(self.fetcher.manners.range).unwrap_or(usize::MAX));
        let rest = stream::iter(starts).map(|start| self.range(self.range_at(start), Some(&validator)));
        let mut rest = rest.buffered(self.fetcher.manners.ahead);
        while let Some(answer) = rest.next().await {
            match answer? {
                Answer::Range(bytes, _) => part = self.append(part, bytes).await?,
                Answer::Whole(_) | Answer::Changed => return Ok(Outcome::Changed(part)),
            }
        }
        Ok(Outcome::Complete(part))
    }

    fn range_at(&self, start: u64) -> Range<u64> {
        start..start.saturating_add(self.fetcher.manners.range).min(self.blob.size)
    }

    async fn append(&self, part: Part, bytes: Bytes) -> Result<Part, StorageError> {
        let part = part.append(bytes).await?;
        self.steering.progress(part.length());
        Ok(part)
    }

    /// One range, asked for until it is complete. What a cut left is kept: only the rest is asked for again.
    async fn range(&self, range: Range<u64>, of: Option<&Validator>) -> Result<Answer, StorageError> {
        let mut bytes = BytesMut::new();
        let (mut of, mut troubles) = (of.cloned(), Troubles::default());
        loop {
            let before = bytes.len();
            let start = range.start + before as u64;
            if start >= range.end {
                return Ok(Answer::Range(bytes.freeze(), of.unwrap_or_default()));
            }
            let asked = {
                self.steering.turn().await;
                let _connection = self.connection().await;
                range::ask(self.fetcher, self.blob, start..range.end, &mut of, &mut bytes).await
            };
            match asked {
                Ok(range::Asked::Got) => {}
                Ok(range::Asked::Whole(response)) => return Ok(Answer::Whole(response)),
                Ok(range::Asked::Changed) => return Ok(Answer::Changed),
                Err(fault) => self.pause(fault, (bytes.len() - before) as u64, &mut troubles).await?,
            }
        }
    }

    /// The whole blob in one stream, from its beginning; `response`: the answer, if there is one already. A stream that is cut
    /// is begun again.
    async fn whole(&self, mut part: Part, mut response: Option<Response>) -> Result<Outcome, StorageError> {
        let mut troubles = Troubles::default();
        loop {
            if part.length() > 0 {
                part = part.restart().await?;
                self.steering.progress(0);
            }
            let (back, streamed) = self.stream(part, response.take()).await;
            part = back?;
            match streamed {
                Ok(()) => return Ok(Outcome::Complete(part)),
                // All is lost with a cut, so no progress excuses it.
                Err(fault) => self.pause(fault, 0, &mut troubles).await?,
            }
        }
    }

    /// One attempt at the whole. The part comes back whatever happened to the stream, unless the disk failed.
    async fn stream(&self, part: Part, response: Option<Response>) -> (Result<Part, StorageError>, Result<(), Fault>) {
        let manners = &self.fetcher.manners;
        self.steering.turn().await;
        let _connection = self.connection().await;
        let response = match response {
            Some(response) => Ok(response),
            None => range::ask_whole(self.fetcher, self.blob).await,
        };
        let mut response = match response {
            Ok(response) => response,
            Err(fault) => return (Ok(part), Err(fault)),
        };
        let (mut part, mut pace) = (part, Pace::new(manners));
        let mut block = BytesMut::new();
        loop {
            let chunk = match pace.chunk(&mut response).await {
                Ok(chunk) => chunk,
                Err(fault) => return (Ok(part), Err(fault)),
            };
            let arrived = part.length() + block.len() as u64 + chunk.as_ref().map_or(0, |c| c.len() as u64);
            if arrived > self.blob.size {
                return (Ok(part), Err(Fault::Lasting(range::wrong_size(self.blob, arrived))));
            }
            let ended = chunk.is_none();
            block.extend_from_slice(&chunk.unwrap_or_default());
            if block.len() >= BLOCK || (ended && !block.is_empty()) {
                part = match self.append(part, block.split().freeze()).await {
                    Ok(part) => part,
                    Err(error) => return (Err(error), Ok(())),
                };
            }
            if ended {
                return match part.length() == self.blob.size {
                    true => (Ok(part), Ok(())),
                    // Without a length in the answer, a cut looks like the end.
                    false => {
                        let cause = format!("it ended after {} of {} bytes", part.length(), self.blob.size);
                        (Ok(part), Err(Fault::Passing { cause, after: None }))
                    }
                };
            }
        }
    }

    /// Its own connection, or one of those that all share.
    async fn connection(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        tokio::select! {
            biased;
            own = self.own.acquire() => own.ok(),
            shared = SHARED.acquire() => shared.ok(),
        }
    }

    /// Waits before the next attempt, or gives up.
    async fn pause(&self, fault: Fault, progress: u64, troubles: &mut Troubles) -> Result<(), StorageError> {
        let manners = &self.fetcher.manners;
        let (cause, after) = match fault {
            Fault::Lasting(error) => return Err(error),
            Fault::Passing { cause, after } => (cause, after),
        };
        if progress >= manners.least {
            *troubles = Troubles::default();
        }
        troubles.failures += 1;
        if troubles.failures >= manners.failures {
            let cause = format!("{cause} ({} attempts)", troubles.failures);
            return Err(StorageError::Download { url: self.blob.url.clone(), cause });
        }
        let whole = manners.first_pause.saturating_mul(1 << (troubles.failures - 1).min(16));
        let drawn = whole.min(manners.longest_pause).mul_f64(rand::random_range(0.5..=1.0));
        // A server that names a time is believed, within reason.
        tokio::time::sleep(after.map_or(drawn, |after| after.min(manners.longest_pause).max(drawn))).await;
        Ok(())
    }

    fn answer(&self, cause: &str) -> StorageError {
        StorageError::Answer { url: self.blob.url.clone(), cause: cause.to_owned() }
    }
}

#[derive(Default)]
struct Troubles {
    failures: u32,
}
