//! Files of records: JSONL (plain, gzip, zstd) and Parquet, read in blocks that are shuffled, and record by record again.

mod jsonl;
mod parquet;
mod stream;

use std::{io, path::Path, sync::Arc};

pub(super) use parquet::{Cell, Rows, TableError};
pub(super) use stream::{RecordFile, RecordStream};

use super::{Format, Record};

/// Larger records are passed over, so that a line without end does not fill the memory.
const MAX_RECORD: usize = 16 << 20;

/// What a file's name says of its records; `None`: it is bytes.
pub(super) fn format_of(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let unpacked = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    if unpacked.ends_with(".jsonl") || unpacked.ends_with(".ndjson") {
        Some(Format::Jsonl)
    } else if name.ends_with(".parquet") {
        Some(Format::Parquet)
    } else {
        None
    }
}

/// The format of a file that somebody's directory holds: JSONL only if its records have one of these fields, for nobody has said that it is a corpus.
pub(super) fn format_of_found(path: &Path, fields: &[Arc<str>]) -> Option<Format> {
    let is_plain = path.extension().is_some_and(|name| name != "gz" && name != "zst");
    format_of(path).filter(|format| *format != Format::Jsonl || !is_plain || !jsonl::is_of_other_use(path, fields))
}

/// The content of one record again.
pub(super) fn read(path: &Path, record: &Record) -> io::Result<Vec<u8>> {
    match record {
        Record::Line { at, field, .. } => jsonl::read(path, *at, field),
        Record::Row { row, column } => parquet::read(path, *row, column),
        Record::Blob { .. } => Err(io::Error::new(io::ErrorKind::Unsupported, "an object of an archive is no file")),
    }
}
