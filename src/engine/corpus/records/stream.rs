//! Records of several files: the files in a seeded order, each read in blocks, each block in a seeded order.

use std::{collections::VecDeque, fs::File, path::Path, sync::Arc};

use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    MAX_RECORD,
    jsonl::{self, Line, Lines},
    parquet::{Cell, Rows, TableError},
};
use crate::engine::corpus::{
    Format, ORDER_SEED, Origin, Record, Shelf,
    cut::Rule,
    flow::{self, Next, Report, Stream, Why},
};

/// Records that are shuffled at once, as the reference submitter does.
const BLOCK: usize = 10_000;
const BLOCK_BYTES: usize = 32 << 20;
/// Lines of a file that may be broken before the rest of it is given up: it is no JSONL then.
const BROKEN: u64 = 1_000;

/// A file of records.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::engine::corpus) struct RecordFile {
    pub path: Arc<Path>,
    /// [`Format::Jsonl`] or [`Format::Parquet`].
    pub is_parquet: bool,
    pub len: u64,
    /// Modification time, so that a file that was written anew is read anew.
    pub modified: (i64, i64),
}

impl RecordFile {
    pub fn new(path: Arc<Path>, format: Format, len: u64, modified: (i64, i64)) -> Self {
        Self { path, is_parquet: format == Format::Parquet, len, modified }
    }
}

/// Where a stream is: in which file (by the order), in which block (by where it begins), and how many of its records are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    file: usize,
    /// Bytes of unpacked text, or rows.
    block: u64,
    /// Number of the line at the block's beginning, from 0.
    line: u64,
    done: usize,
}

enum Open {
    Lines(Lines),
    Rows(Box<Rows<File>>, Arc<str>),
}

pub(in crate::engine::corpus) struct RecordStream {
    files: Vec<RecordFile>,
    fields: Arc<[Arc<str>]>,
    rule: Rule,
    shelf: Shelf,
    start: Place,
    at: Place,
    /// Where the block behind the one at work begins.
    ahead: Option<Place>,
    /// Beyond the last file and again at the first.
    wrapped: bool,
    ended: bool,
    open: Option<Open>,
    broken: u64,
    /// Of the block at work, what is still to come.
    block: VecDeque<(Record, Vec<u8>)>,
    /// Bytes of files that have not been begun, and of the one at work.
    bytes_left: u64,
}

impl RecordStream {
    pub fn new(mut files: Vec<RecordFile>, fields: Arc<[Arc<str>]>, rule: Rule, shelf: Shelf) -> Self {
        files.shuffle(&mut StdRng::seed_from_u64(ORDER_SEED));
        let bytes_left = files.iter().map(|file| file.len).sum();
        let place = Place::default();
        Self {
            files,
            fields,
            rule,
            shelf,
            start: place,
            at: place,
            ahead: None,
            wrapped: false,
            ended: false,
            open: None,
            broken: 0,
            block: VecDeque::new(),
            bytes_left,
        }
    }

    /// Once around from there.
    pub fn resume(&mut self, cursor: &Value) {
        if let Ok(place) = Place::deserialize(cursor)
            && place.file < self.files.len()
        {
            (self.start, self.at) = (place, place);
        }
    }

    /// Reads the next block with records to come; `false`: there is none.
    fn load(&mut self, report: &mut Report) -> bool {
        loop {
            if let Some(ahead) = self.ahead.take() {
                self.at = ahead;
            }
            if self.at.file >= self.files.len() {
                if self.wrapped || self.start == Place::default() {
                    return false;
                }
                self.wrapped = true;
                self.at = Place::default();
            }
            let here = (self.at.file, self.at.block);
            let begun = (self.start.file, self.start.block);
            if self.wrapped && (here > begun || here == begun && self.start.done == 0) {
                return false;
            }
            let (mut records, is_over) = self.read_block(report);
            records.shuffle(&mut StdRng::seed_from_u64(ORDER_SEED ^ flow::hash(here)));
            self.ahead = Some(match &self.open {
                Some(Open::Lines(lines)) if !is_over => {
                    Place { block: lines.at, line: lines.number - 1, done: 0, ..self.at }
                }
                Some(Open::Rows(rows, _)) if !is_over => Place { block: rows.at, line: 0, done: 0, ..self.at },
                _ => {
                    self.bytes_left = self.bytes_left.saturating_sub(self.files[self.at.file].len);
                    (self.open, self.broken) = (None, 0);
                    Place { file: self.at.file + 1, ..Place::default() }
                }
            });
            if self.wrapped && here == begun {
                // What came behind was given at the beginning of the round.
                records.truncate(self.start.done);
                self.ahead = Some(Place { file: self.files.len(), ..Place::default() });
            }
            records.drain(..self.at.done.min(records.len()));
            if !records.is_empty() {
                self.block = records.into();
                return true;
            }
        }
    }

    /// The records of the block that begins here, and whether the file gives no more after them.
    fn read_block(&mut self, report: &mut Report) -> (Vec<(Record, Vec<u8>)>, bool) {
        let (mut records, mut bytes) = (Vec::new(), 0);
        let file = self.files[self.at.file].clone();
        let name = file.path.display().to_string();
        if self.open.is_none() {
            match self.open_file(&file) {
                Ok(open) => self.open = Some(open),
                Err(why) => report.leave_out(Why::Unreadable, || format!("{name}: {why}; it is passed over")),
            }
        }
        let Some(open) = &mut self.open else { return (records, true) };
        while records.len() < BLOCK && bytes < BLOCK_BYTES {
            let from = records.len();
            match open {
                Open::Lines(lines) => match lines.next() {
                    Ok(None) => return (records, true),
                    Ok(Some((_, number, Line::TooLong))) => {
                        let limit = MAX_RECORD >> 20;
                        report
                            .leave_out(Why::Large, || format!("{name}:{number}: the line is longer than {limit} MiB"));
                    }
                    Ok(Some((at, number, Line::Text(line)))) => match jsonl::content(&line, &self.fields) {
                        Ok((field, text)) => records.push((Record::Line { number, at, field }, text.into_bytes())),
                        Err(why) => {
                            report.leave_out(Why::Broken, || format!("{name}:{number}: {why}"));
                            self.broken += 1;
                            if self.broken >= BROKEN {
                                report.tell(&format!("{name}: {BROKEN} lines are broken; the rest is passed over"));
                                return (records, true);
                            }
                        }
                    },
                    Err(error) => {
                        let line = lines.number;
                        report
                            .leave_out(Why::Broken, || format!("{name}: cannot be read from line {line} on: {error}"));
                        return (records, true);
                    }
                },
                Open::Rows(rows, column) => {
                    let first = rows.at;
                    match rows.next() {
                        Ok(batch) if batch.is_empty() => return (records, true),
                        Ok(batch) => {
                            for (row, cells) in (first..).zip(batch) {
                                match cells.into_iter().next() {
                                    Some(Cell::Text(text)) if text.len() <= MAX_RECORD => {
                                        records.push((Record::Row { row, column: column.clone() }, text.into()));
                                    }
                                    Some(Cell::Text(_)) => {
                                        report.leave_out(Why::Large, || format!("{name}#{row}: too large"))
                                    }
                                    _ => report.leave_out(Why::Broken, || format!("{name}#{row}: it has no content")),
                                }
                            }
                        }
                        Err(error) => {
                            let text = || format!("{name}: cannot be read from row {first} on: {error}");
                            report.leave_out(Why::Broken, text);
                            return (records, true);
                        }
                    }
                }
            }
            bytes += records[from..].iter().map(|(_, content)| content.len()).sum::<usize>();
        }
        (records, false)
    }

    fn open_file(&self, file: &RecordFile) -> Result<Open, TableError> {
        let unreadable = |e: std::io::Error| TableError::Read(e.into());
        if !file.is_parquet {
            return Ok(Open::Lines(Lines::open(&file.path, self.at.block, self.at.line + 1).map_err(unreadable)?));
        }
        let bytes = File::open(&file.path).map_err(unreadable)?;
        let (mut rows, column) = Rows::open_any(bytes, &self.fields)?;
        rows.seek(self.at.block)?;
        Ok(Open::Rows(Box::new(rows), column))
    }
}

impl Stream for RecordStream {
    fn next(&mut self, report: &mut Report) -> Next {
        if self.block.is_empty() && !self.ended {
            self.ended = !self.load(report);
        }
        let Some((record, content)) = self.block.pop_front() else { return Next::End };
        self.at.done += 1;
        let path = self.files[self.at.file].path.clone();
        let origin = Origin { path, record: Some(record) };
        Next::Chunk(flow::pieces(origin, content, &self.rule, &self.shelf, report))
    }

    /// A guess: half of a file is content.
    fn remaining(&self) -> u64 {
        let waiting: u64 = self.block.iter().map(|(_, content)| self.rule.count(content.len() as u64).max(1)).sum();
        if self.ended { 0 } else { waiting.max(self.bytes_left.div_ceil(2 * self.rule.window)) }
    }

    fn cursor(&self) -> Value {
        json!(self.at)
    }

    fn fingerprint(&self) -> u64 {
        flow::hash((&self.files, &self.fields, &self.rule))
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod stream_tests;
