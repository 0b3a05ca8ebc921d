//! The Stack v2, as the network's quickstart streams it: the index from a gated dataset of the Hugging Face hub (Parquet, by ranges,
//! with the user's token), contents from Software Heritage's public bucket (gzip, in the encoding that the index tells).
//!
//! Knows HTTP; speaks to those two hosts or their mirrors only, and shows the token to the first alone. Contents are kept on disk up
//! to a limit, to be confirmed without another download; what has been evicted is fetched again by its id.

mod archive;
mod feed;
mod hub;
mod index;
mod spool;

use std::{collections::VecDeque, path::Path, sync::Arc, time::Duration};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{runtime::Handle, sync::mpsc};

pub(super) use archive::Archive;
use hub::Hub;

use super::{
    Origin, Record, Shelf, SourceKind, SourceSpec, StackSpec,
    cut::Rule,
    flow::{self, Next, Report, Stream, Why},
};

/// Where its contents seem to be.
const FOLDER: &str = "the-stack-v2";
/// Contents on their way at once, as the quickstart's prefetch.
const IN_FLIGHT: usize = 64;
/// No server may keep us waiting longer than that without a byte.
const STALL: Duration = Duration::from_secs(30);

/// How long to wait before asking again.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// After a failure that may pass; doubled each time.
    first: Duration,
    longest: Duration,
    /// After a refusal: somebody may accept the terms meanwhile.
    refused: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(60), refused: Duration::from_secs(300) }
    }
}

/// One client for both hosts.
fn http() -> reqwest::Result<reqwest::Client> {
    // One TLS stack for the whole program. A second call finds it installed, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("somascope/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(STALL)
        .build()
}

/// The innermost cause, without the address, which the caller names.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// `Retry-After` in seconds, at most an hour.
fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let seconds: u64 = response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(3600)))
}

/// The first source of that kind.
pub(super) fn spec_in(sources: &[SourceSpec]) -> Option<&StackSpec> {
    sources.iter().find_map(|source| match &source.kind {
        SourceKind::Stack(stack) => Some(stack),
        SourceKind::Path { .. } | SourceKind::Stdin { .. } => None,
    })
}

/// Where a stream is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Place {
    /// Of the dataset.
    file: String,
    /// The first row of the block at work, and how many of the contents of it are done.
    block: u64,
    done: usize,
}

/// What the feeding task sends.
enum Item {
    Content { origin: Origin, text: String, place: Place, left: u64 },
    LeftOut { why: Why, text: String, place: Place, left: u64 },
    Notice(String),
}

/// Everything that a stream of the dataset needs.
struct Stack {
    spec: StackSpec,
    hub: Hub,
    archive: Arc<Archive>,
    pace: Pace,
}

/// The dataset as a source: what is on disk first, then what comes.
pub(super) struct StackStream {
    archive: Arc<Archive>,
    spooled: VecDeque<String>,
    items: mpsc::Receiver<Item>,
    place: Option<Place>,
    left: u64,
    rule: Rule,
    shelf: Shelf,
    fingerprint: u64,
}

impl StackStream {
    pub fn fingerprint_of(spec: &StackSpec) -> u64 {
        flow::hash((&spec.dataset, &spec.languages, spec.max_bytes))
    }

    /// Starts the feeding task. The error is for people.
    pub fn start(
        spec: &StackSpec,
        cursor: Option<&Value>,
        rule: Rule,
        shelf: Shelf,
        runtime: &Handle,
    ) -> Result<Self, String> {
        Self::start_at(spec, cursor, rule, shelf, runtime, Pace::default())
    }

    fn start_at(
        spec: &StackSpec,
        cursor: Option<&Value>,
        rule: Rule,
        shelf: Shelf,
        runtime: &Handle,
        pace: Pace,
    ) -> Result<Self, String> {
        let archive = shelf.archive()?;
        let token = spec.token.clone().ok_or_else(|| no_token(spec))?;
        let hub = Hub::new(spec, token)?;
        let stack = Arc::new(Stack { spec: spec.clone(), hub, archive: archive.clone(), pace });
        let place = cursor.and_then(|cursor| Place::deserialize(cursor).ok());
        let (out, items) = mpsc::channel(IN_FLIGHT);
        runtime.spawn(feed::feed(stack, place.clone(), out));
        let (spooled, fingerprint) = (archive.spool().ids().into(), Self::fingerprint_of(spec));
        Ok(Self { archive, spooled, items, place, left: 0, rule: rule.up_to(spec.max_bytes), shelf, fingerprint })
    }
}

/// What is missing, and where to get it.
pub(super) fn no_token(spec: &StackSpec) -> String {
    format!(
        "The Stack v2 needs HF_TOKEN: make a token with read access at {}/settings/tokens and set it in the environment or in .env",
        spec.hub_url
    )
}

/// Whether a token could be sent at all: it becomes a header.
pub(super) fn is_sendable(token: &SecretString) -> bool {
    hub::bearer(token).is_some()
}

impl Stream for StackStream {
    fn next(&mut self, report: &mut Report) -> Next {
        while let Some(id) = self.spooled.pop_front() {
            // Evicted meanwhile, or of another index's encoding: not worth a word.
            if let Some((origin, text)) = self.archive.spooled(&id) {
                return Next::Chunk(flow::pieces(origin, text.into_bytes(), &self.rule, &self.shelf, report));
            }
        }
        loop {
            match self.items.try_recv() {
                Ok(Item::Notice(text)) => report.tell(&text),
                Ok(Item::LeftOut { why, text, place, left }) => {
                    (self.place, self.left) = (Some(place), left);
                    report.leave_out(why, || text);
                }
                Ok(Item::Content { origin, text, place, left }) => {
                    (self.place, self.left) = (Some(place), left);
                    return Next::Chunk(flow::pieces(origin, text.into_bytes(), &self.rule, &self.shelf, report));
                }
                Err(mpsc::error::TryRecvError::Empty) => return Next::Pending,
                Err(mpsc::error::TryRecvError::Disconnected) => return Next::End,
            }
        }
    }

    /// Of the index file at work: how many there are in all is not known.
    fn remaining(&self) -> u64 {
        self.spooled.len() as u64 + self.left
    }

    fn cursor(&self) -> Value {
        json!(self.place)
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

/// What an object is called: `the-stack-v2/{repository}/{path}`.
fn name(repository: &str, path: &str) -> Arc<Path> {
    Path::new(FOLDER).join(repository.trim_matches('/')).join(path.trim_start_matches('/')).into()
}

fn origin(path: Arc<Path>, id: &str, encoding: &str) -> Origin {
    Origin { path, record: Some(Record::Blob { id: id.into(), encoding: encoding.into() }) }
}

#[cfg(test)]
mod tests;
