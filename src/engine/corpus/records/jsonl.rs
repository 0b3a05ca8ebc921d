//! JSONL: one JSON object a line, plain or packed.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
    sync::Arc,
};

use serde_json::{Map, Value};

use super::MAX_RECORD;
use crate::primitives::clean;

/// Lines of a file with their places in the unpacked text.
pub(super) struct Lines {
    text: Box<dyn BufRead + Send>,
    /// Where the next line begins, and its number from 1.
    pub at: u64,
    pub number: u64,
}

pub(super) enum Line {
    Text(Vec<u8>),
    /// Beyond [`MAX_RECORD`]; it has been passed over.
    TooLong,
}

impl Lines {
    /// From a place where a line begins. Packed text is unpacked up to there.
    pub fn open(path: &Path, at: u64, number: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let is = |extension: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension));
        let mut text: Box<dyn BufRead + Send> = if is("gz") {
            Box::new(BufReader::new(flate2::read::MultiGzDecoder::new(BufReader::new(file))))
        } else if is("zst") {
            Box::new(BufReader::new(zstd::stream::read::Decoder::new(file)?))
        } else {
            file.seek(SeekFrom::Start(at))?;
            return Ok(Self { text: Box::new(BufReader::with_capacity(1 << 16, file)), at, number });
        };
        if io::copy(&mut text.by_ref().take(at), &mut io::sink())? != at {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Self { text, at, number })
    }

    /// The next line that is not blank, with its place and number.
    pub fn next(&mut self) -> io::Result<Option<(u64, u64, Line)>> {
        loop {
            let (at, number) = (self.at, self.number);
            let mut line = Vec::new();
            let mut read = self.text.by_ref().take(MAX_RECORD as u64 + 1).read_until(b'\n', &mut line)? as u64;
            if read == 0 {
                return Ok(None);
            }
            let is_too_long = line.len() > MAX_RECORD;
            if is_too_long && line.last() != Some(&b'\n') {
                line = Vec::new();
                read += skip_line(&mut self.text)?;
            }
            self.at += read;
            self.number += 1;
            if is_too_long {
                return Ok(Some((at, number, Line::TooLong)));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some((at, number, Line::Text(line))));
            }
        }
    }
}

/// Passes over the rest of a line without keeping it.
fn skip_line(text: &mut dyn BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let held = text.fill_buf()?;
        if held.is_empty() {
            return Ok(skipped);
        }
        let end = held.iter().position(|byte| *byte == b'\n');
        let len = end.map_or(held.len(), |end| end + 1);
        skipped += len as u64;
        text.consume(len);
        if end.is_some() {
            return Ok(skipped);
        }
    }
}

/// The content of a line, and the field that it was in: the first of `fields` that is there. The error is for people.
pub(super) fn content(line: &[u8], fields: &[Arc<str>]) -> Result<(Arc<str>, String), String> {
    let mut object: Map<String, Value> = serde_json::from_slice(line).map_err(|e| match e.classify() {
        serde_json::error::Category::Data => "it is no JSON object".to_owned(),
        // Without the line's number, which is always 1.
        _ => format!("it is no JSON (column {})", e.column()),
    })?;
    match fields.iter().find_map(|field| Some((field.clone(), object.remove(&**field)?))) {
        Some((field, Value::String(text))) => Ok((field, text)),
        Some((field, _)) => Err(format!("its field `{field}` is no text")),
        None => {
            let wanted = fields.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(" nor ");
            let found: Vec<&str> = object.keys().take(20).map(String::as_str).collect();
            Err(clean(&format!("it has no field {wanted}; it has {}: name one with --column", found.join(", "))))
        }
    }
}

/// Whether the first line is a record with none of these fields: a file of another use, whose bytes are data like any other's.
pub(super) fn is_of_other_use(path: &Path, fields: &[Arc<str>]) -> bool {
    let first = Lines::open(path, 0, 1).and_then(|mut lines| lines.next());
    let Ok(Some((_, _, Line::Text(line)))) = first else { return false };
    let object = serde_json::from_slice::<Map<String, Value>>(&line);
    object.is_ok_and(|object| !fields.iter().any(|field| object.contains_key(&**field)))
}

/// A record's content again.
pub(super) fn read(path: &Path, at: u64, field: &Arc<str>) -> io::Result<Vec<u8>> {
    let changed = |why: &str| io::Error::new(io::ErrorKind::InvalidData, format!("the line has changed: {why}"));
    match Lines::open(path, at, 1)?.next()? {
        Some((found, _, Line::Text(line))) if found == at => {
            content(&line, std::slice::from_ref(field)).map(|(_, text)| text.into_bytes()).map_err(|why| changed(&why))
        }
        _ => Err(changed("it is not there any more")),
    }
}
