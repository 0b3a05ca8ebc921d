//! From what was named to streams: what a pass reads of each source, and what is new since.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;
use tokio::runtime::Handle;

use super::{
    Format, Sampling, Shelf, SourceKind, SourceSpec,
    cursors::Cursors,
    cut::Rule,
    files::FileStream,
    flow::{self, Next, Report, Stream},
    listing::Listing,
    records::RecordStream,
    stack::StackStream,
    stdin::Spooled,
};

/// A stream with its share.
pub(super) struct Part {
    /// Under which its cursor is kept; `None`: it is read once, to its end.
    pub key: Option<String>,
    pub weight: f64,
    pub stream: Box<dyn Stream>,
    /// Samples given, by weight: the lowest is next.
    pub turn: f64,
    pub is_over: bool,
}

/// Size and modification time.
type State = (u64, (i64, i64));

pub(super) struct Sources {
    specs: Vec<SourceSpec>,
    sampling: Sampling,
    rule: Rule,
    own: PathBuf,
    shelf: Shelf,
    runtime: Option<Handle>,
    stdin: Option<Arc<Spooled>>,
    /// Of each source, the files that have been listed.
    known: Vec<HashMap<Arc<Path>, State>>,
}

impl Sources {
    pub fn open(
        specs: Vec<SourceSpec>,
        sampling: Sampling,
        own: PathBuf,
        shelf: Shelf,
        runtime: Option<Handle>,
    ) -> io::Result<Self> {
        let is_stdin = |spec: &SourceSpec| matches!(spec.kind, SourceKind::Stdin { .. });
        let stdin = match specs.iter().any(is_stdin) {
            true => Some(Arc::new(Spooled::spawn(&own.join("spool"), io::stdin())?)),
            false => None,
        };
        let known = specs.iter().map(|_| HashMap::new()).collect();
        Ok(Self { rule: Rule::of(&sampling), specs, sampling, own, shelf, runtime, stdin, known })
    }

    fn list(&self, path: &Path, format: Format, report: &mut Report) -> Listing {
        Listing::of(path, format, &self.sampling, &self.rule, &self.own, &self.shelf, report)
    }

    fn file_stream(&self, listing: &mut Listing) -> FileStream {
        FileStream::new(std::mem::take(&mut listing.files), self.rule, self.shelf.clone())
    }

    fn record_stream(&self, listing: &mut Listing) -> RecordStream {
        let columns = self.sampling.columns.clone();
        RecordStream::new(std::mem::take(&mut listing.records), columns, self.rule, self.shelf.clone())
    }

    /// All sources, each from where it stopped.
    pub fn parts(&mut self, cursors: &Cursors, report: &mut Report) -> Vec<Part> {
        let mut parts = Vec::new();
        for at in 0..self.specs.len() {
            let SourceSpec { kind, weight } = self.specs[at].clone();
            let key = self.specs[at].key();
            let mut add = |key: Option<String>, weight: f64, stream: Box<dyn Stream>| {
                parts.push(Part { key, weight, stream, turn: 0.0, is_over: false });
            };
            match kind {
                SourceKind::Path { path, format } => {
                    let mut listing = self.list(&path, format, report);
                    self.known[at] = states(&listing).collect();
                    let mut files = self.file_stream(&mut listing);
                    let mut records = self.record_stream(&mut listing);
                    let keys = [format!("{key} files"), format!("{key} records")];
                    resume(cursors, &keys[0], files.fingerprint(), |cursor| files.resume(cursor));
                    resume(cursors, &keys[1], records.fingerprint(), |cursor| records.resume(cursor));
                    let [files_key, records_key] = keys;
                    // Both together have the source's weight.
                    let (of_files, of_records) = (files.remaining() as f64, records.remaining() as f64);
                    let all = (of_files + of_records).max(1.0);
                    if of_files > 0.0 {
                        add(Some(files_key), weight * of_files / all, Box::new(files));
                    }
                    if of_records > 0.0 {
                        add(Some(records_key), weight * of_records / all, Box::new(records));
                    }
                }
                SourceKind::Stdin { format } => {
                    let Some(spooled) = self.stdin.clone() else { continue };
                    add(None, weight, Box::new(self.stdin_stream(spooled, format)));
                }
                SourceKind::Stack(spec) => {
                    let cursor = cursors.find(&key, StackStream::fingerprint_of(&spec));
                    let runtime = self.runtime.as_ref().ok_or_else(|| "there is no runtime".to_owned());
                    let started = runtime
                        .and_then(|runtime| StackStream::start(&spec, cursor, self.rule, self.shelf.clone(), runtime));
                    match started {
                        Ok(stream) => add(Some(key), weight, Box::new(stream)),
                        Err(text) => report.tell(&text),
                    }
                }
            }
        }
        parts
    }

    /// What has been added or changed since the last look.
    pub fn new_parts(&mut self, report: &mut Report) -> Vec<Part> {
        let mut parts = Vec::new();
        for at in 0..self.specs.len() {
            let SourceSpec { kind: SourceKind::Path { path, format }, weight } = self.specs[at].clone() else {
                continue;
            };
            // What was left out has been told and counted when it was listed first.
            let mut quiet = Report::default();
            let mut listing = self.list(&path, format, &mut quiet);
            quiet.notices.iter().for_each(|text| report.tell(text));
            let known = std::mem::replace(&mut self.known[at], states(&listing).collect());
            listing.files.retain(|file| known.get(&file.path) != Some(&(file.len, file.modified)));
            listing.records.retain(|file| known.get(&file.path) != Some(&(file.len, file.modified)));
            let mut add = |stream: Box<dyn Stream>| {
                if stream.remaining() > 0 {
                    parts.push(Part { key: None, weight, stream, turn: 0.0, is_over: false });
                }
            };
            add(Box::new(self.file_stream(&mut listing)));
            add(Box::new(self.record_stream(&mut listing)));
        }
        parts
    }

    fn stdin_stream(&self, spooled: Arc<Spooled>, format: Format) -> StdinStream {
        let (sampling, rule, own, shelf) = (self.sampling.clone(), self.rule, self.own.clone(), self.shelf.clone());
        let open = move |spooled: &Spooled, report: &mut Report| -> Box<dyn Stream> {
            let mut listing = Listing::of(&spooled.path, format, &sampling, &rule, &own, &shelf, report);
            if listing.records.is_empty() {
                Box::new(FileStream::new(std::mem::take(&mut listing.files), rule, shelf.clone()))
            } else {
                Box::new(RecordStream::new(listing.records, sampling.columns.clone(), rule, shelf.clone()))
            }
        };
        StdinStream { spooled, open: Box::new(open), stream: None }
    }
}

fn states(listing: &Listing) -> impl Iterator<Item = (Arc<Path>, State)> + '_ {
    let files = listing.files.iter().map(|file| (file.path.clone(), (file.len, file.modified)));
    files.chain(listing.records.iter().map(|file| (file.path.clone(), (file.len, file.modified))))
}

fn resume(cursors: &Cursors, key: &str, fingerprint: u64, resume: impl FnOnce(&Value)) {
    if let Some(cursor) = cursors.find(key, fingerprint) {
        resume(cursor);
    }
}

type Open = dyn Fn(&Spooled, &mut Report) -> Box<dyn Stream> + Send;

/// Standard input, once all of it is on disk.
struct StdinStream {
    spooled: Arc<Spooled>,
    open: Box<Open>,
    stream: Option<Box<dyn Stream>>,
}

impl Stream for StdinStream {
    fn next(&mut self, report: &mut Report) -> Next {
        if self.stream.is_none() {
            if !self.spooled.has_ended() {
                return Next::Pending;
            }
            self.stream = Some((self.open)(&self.spooled, report));
        }
        self.stream.as_mut().map_or(Next::End, |stream| stream.next(report))
    }

    fn remaining(&self) -> u64 {
        self.stream.as_ref().map_or(0, |stream| stream.remaining())
    }

    fn cursor(&self) -> Value {
        Value::Null
    }

    fn fingerprint(&self) -> u64 {
        flow::hash(&self.spooled.path)
    }
}
