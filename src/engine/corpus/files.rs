//! Files as bytes: whole small ones and spans of windows, in a seeded order that takes no memory.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    sync::Arc,
};

use serde_json::{Value, json};

use super::{
    ORDER_SEED, Origin, Piece, Shelf, WINDOW,
    cut::{Cut, Rule},
    flow::{self, Chunk, Next, Report, Stream, Why},
    order::Order,
};

/// Windows are read together up to so many bytes.
const SPAN: u64 = 16 * WINDOW as u64;

/// A file as it was when it was listed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ListedFile {
    pub path: Arc<Path>,
    pub len: u64,
    /// Seconds and nanoseconds.
    pub modified: (i64, i64),
}

/// One read.
enum Unit {
    Whole,
    /// From this offset on.
    Span(u64),
}

pub(super) struct FileStream {
    files: Vec<ListedFile>,
    /// Units of the files up to and with each.
    ends: Vec<u64>,
    order: Order,
    rule: Rule,
    shelf: Shelf,
    /// Units that are done, and where the first was.
    done: u64,
    start: u64,
    remaining: u64,
    fingerprint: u64,
}

impl FileStream {
    pub fn new(files: Vec<ListedFile>, rule: Rule, shelf: Shelf) -> Self {
        let (mut ends, mut units, mut remaining) = (Vec::with_capacity(files.len()), 0, 0);
        for file in &files {
            units += units_of(&rule, file.len);
            ends.push(units);
            remaining += rule.count(file.len);
        }
        let fingerprint = flow::hash((&files, &rule));
        let order = Order::new(units, ORDER_SEED);
        Self { files, ends, order, rule, shelf, done: 0, start: 0, remaining, fingerprint }
    }

    fn units(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Once around from there.
    pub fn resume(&mut self, cursor: &Value) {
        self.start = cursor.as_u64().filter(|start| *start < self.units()).unwrap_or(0);
    }

    fn unit(&self, number: u64) -> (&ListedFile, Unit) {
        let file = self.ends.partition_point(|end| *end <= number);
        let before = if file == 0 { 0 } else { self.ends[file - 1] };
        let (file, within) = (&self.files[file], number - before);
        let whole = u64::from(self.rule.has_whole(file.len));
        let unit = if within < whole { Unit::Whole } else { Unit::Span((within - whole) * span(&self.rule)) };
        (file, unit)
    }

    fn cuts(&self, file: &ListedFile, unit: &Unit) -> Vec<Cut> {
        match unit {
            // At most the limit of a submission.
            Unit::Whole => vec![Cut { offset: 0, len: file.len as u32, is_window: false }],
            Unit::Span(offset) => self.rule.windows(file.len, *offset, offset + span(&self.rule)).collect(),
        }
    }
}

/// A multiple of the window.
fn span(rule: &Rule) -> u64 {
    (SPAN / rule.window).max(1) * rule.window
}

fn units_of(rule: &Rule, len: u64) -> u64 {
    let spans = if rule.has_windows(len) { len.div_ceil(span(rule)) } else { 0 };
    spans + u64::from(rule.has_whole(len))
}

impl Stream for FileStream {
    fn next(&mut self, report: &mut Report) -> Next {
        if self.done >= self.units() {
            return Next::End;
        }
        let number = self.order.at((self.start + self.done) % self.units());
        let (file, unit) = self.unit(number);
        let cuts = self.cuts(file, &unit);
        let counted = cuts.len() as u64;
        let samples = read(file, &cuts, &self.shelf, report);
        self.done += 1;
        self.remaining = self.remaining.saturating_sub(counted);
        Next::Chunk(Chunk { samples, counted })
    }

    fn remaining(&self) -> u64 {
        self.remaining
    }

    /// At the end of a round, the beginning: what comes next is a new one.
    fn cursor(&self) -> Value {
        if self.done >= self.units() { json!(0) } else { json!((self.start + self.done) % self.units()) }
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

/// The pieces of a file that holds no secret.
fn read(file: &ListedFile, cuts: &[Cut], shelf: &Shelf, report: &mut Report) -> Vec<(Piece, Vec<u8>)> {
    let name = || file.path.display().to_string();
    let bytes = match shelf.secret_in(&file.path) {
        Ok(None) => read_span(&file.path, cuts),
        Ok(Some(kind)) => {
            report.leave_out_once(Why::Refused, flow::hash(&file.path), || flow::refusal(&name(), kind));
            return Vec::new();
        }
        Err(error) => Err(error),
    };
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(error) => {
            let why = match error.kind() {
                io::ErrorKind::NotFound => "it has gone since it was listed".to_owned(),
                io::ErrorKind::UnexpectedEof => "it has become shorter while it was read".to_owned(),
                _ => error.to_string(),
            };
            report.leave_out_once(Why::Unreadable, flow::hash(&file.path), || format!("{}: {why}", name()));
            return Vec::new();
        }
    };
    let from = cuts.first().map_or(0, |cut| cut.offset);
    let origin = Origin::from(file.path.clone());
    let sample = |cut: &Cut| {
        let piece = Piece { origin: origin.clone(), offset: cut.offset, len: cut.len, is_window: cut.is_window };
        (piece, bytes[(cut.offset - from) as usize..][..cut.len as usize].to_vec())
    };
    cuts.iter().map(sample).collect()
}

/// The bytes from the first cut to the last.
fn read_span(path: &Path, cuts: &[Cut]) -> io::Result<Vec<u8>> {
    let (Some(first), Some(last)) = (cuts.first(), cuts.last()) else { return Ok(Vec::new()) };
    read_at(path, first.offset, (last.offset + u64::from(last.len) - first.offset) as usize)
}

/// Consecutive bytes of a file.
pub(super) fn read_at(path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
