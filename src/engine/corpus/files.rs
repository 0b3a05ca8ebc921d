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

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, os::unix::fs::symlink};

    use super::*;
    use crate::engine::corpus::Sampling;

    #[test]
    fn what_vanishes_or_shrinks_after_it_was_listed_is_told_once_and_the_rest_goes_on() {
        const LEN: u64 = 40 << 10;
        let dir = tempfile::tempdir().unwrap();
        let names = ["gone", "kept", "linked", "replaced", "short"];
        let path = |name: &str| dir.path().join(name);
        let listed = names.map(|name| {
            fs::write(path(name), vec![name.as_bytes()[0]; LEN as usize]).unwrap();
            ListedFile { path: path(name).into(), len: LEN, modified: (0, 0) }
        });
        let mut stream = FileStream::new(listed.into(), Rule::of(&Sampling::default()), Shelf::default());
        for name in ["gone", "linked", "replaced"] {
            fs::remove_file(path(name)).unwrap();
        }
        symlink("nowhere", path("linked")).unwrap();
        // Nobody can read it as a file, whoever they are.
        fs::create_dir(path("replaced")).unwrap();
        File::options().write(true).open(path("short")).unwrap().set_len(20 << 10).unwrap();

        let (mut report, mut read, mut counted) = (Report::default(), BTreeMap::new(), 0);
        while let Next::Chunk(chunk) = stream.next(&mut report) {
            counted += chunk.counted;
            for (piece, bytes) in chunk.samples {
                let name = piece.origin.path.file_name().unwrap().to_string_lossy().into_owned();
                assert_eq!((bytes.len(), bytes[0]), (WINDOW, name.as_bytes()[0]));
                *read.entry(name).or_insert(0) += 1;
            }
        }
        // Spans of 16 windows, of which the short one has only the first whole.
        assert_eq!(read, BTreeMap::from([("kept".into(), 40), ("short".into(), 16)]));
        assert_eq!((counted, stream.remaining()), (5 * 40, 0), "nothing is waited for that does not come");
        assert_eq!((report.skipped.unreadable, report.notices.len()), (4, 4), "each file once: {:?}", report.notices);
        for (name, why) in [
            ("gone", "it has gone since it was listed"),
            ("linked", "it has gone since it was listed"),
            ("replaced", "directory"),
            ("short", "it has become shorter while it was read"),
        ] {
            let told = report.notices.iter().find(|told| told.contains(&format!("/{name}: ")));
            assert!(told.is_some_and(|told| told.contains(why)), "{name}: {told:?}");
        }
    }
}
