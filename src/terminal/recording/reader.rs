//! Reads a recording back. It may come from anybody, so its sizes are bounded; one that was cut short is shown as far as it
//! goes, and one that is broken says where.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::Arc,
};

use serde_json::Value;

use super::{
    entry::{Entry, FORMAT, Header, Told, What},
    lists::LISTS,
};
use crate::{
    api::Snapshot,
    app::{AppEvent, Look, Notice, State, actions::Keymap, layout::Size},
    primitives::clean,
};

/// The first bytes of a zstd file.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const LONGEST_LINE: usize = 256 << 20;
const MOST_TEXT: u64 = 16 << 30;
/// The decoder's window: what the writer's level needs, and some.
const WINDOW_LOG: u32 = 27;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it is no recording of somascope: {0}")]
    Other(String),
    #[error(
        "it was recorded by somascope {version} in format {format}; this program reads format {FORMAT}: use a newer one"
    )]
    Newer { version: String, format: u32 },
    #[error("line {line} is broken: {why}{}", by.as_ref().map(|by| format!(" (recorded by somascope {by}, this is {})", env!("CARGO_PKG_VERSION"))).unwrap_or_default())]
    Line { line: usize, why: String, by: Option<String> },
}

/// A recording in memory.
#[derive(Debug)]
pub struct Recording {
    header: Header,
    pub first: Arc<Snapshot>,
    /// Milliseconds since the start, never falling.
    pub events: Vec<(u64, AppEvent)>,
    /// Events that were not written down.
    pub gaps: u64,
    /// Why it ends before the run did.
    pub cut: Option<String>,
}

impl Recording {
    /// The version of the program that recorded it.
    pub fn version(&self) -> String {
        clean(&self.header.version)
    }

    pub fn size(&self) -> Size {
        Size { width: self.header.width, height: self.header.height }
    }

    pub fn look(&self) -> Look {
        Look { ascii: self.header.ascii, colour: self.header.colour }
    }

    pub fn started_ms(&self) -> u64 {
        self.header.now_ms
    }

    pub fn length_ms(&self) -> u64 {
        self.events.last().map_or(0, |(t, _)| *t)
    }

    /// The state in which it begins.
    pub fn state(&self, look: Look, size: Size) -> State {
        let mut state = State::new(look, size, self.header.now_ms, Arc::clone(&self.first));
        let keys = self.header.keys.iter().map(|(id, keys)| (id.as_str(), keys.clone()));
        // Of another version's actions, those that there are not cannot be bound.
        state.keymap = Arc::new(Keymap::with(keys).unwrap_or_default());
        state.restore(&self.header.saved);
        state.mouse = self.header.mouse;
        state.low_bandwidth = self.header.low_bandwidth;
        state.notice = self.header.hint.clone().map(|(level, text, until_ms)| Notice { level, text, until_ms });
        state
    }
}

/// Reads a whole recording.
///
/// # Errors
/// It cannot be read, is something else, of a newer format, or broken before its end.
pub fn read(path: &Path) -> Result<Recording, ReadError> {
    let mut file = BufReader::new(File::open(path)?);
    let compressed = file.fill_buf()?.starts_with(&ZSTD);
    if compressed {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(file)?;
        decoder.window_log_max(WINDOW_LOG)?;
        read_lines(BufReader::new(decoder))
    } else {
        read_lines(file)
    }
}

fn read_lines(from: impl BufRead) -> Result<Recording, ReadError> {
    let mut lines = Lines { from: from.take(MOST_TEXT), number: 0, buffer: Vec::new() };
    let header = header(lines.next()?)?;
    let by = (header.version != env!("CARGO_PKG_VERSION")).then(|| clean(&header.version));
    let mut recording = Recording { header, first: Arc::default(), events: Vec::new(), gaps: 0, cut: None };
    let mut last: Option<Arc<Snapshot>> = None;
    let (mut now, mut number) = (0, 1);
    loop {
        number += 1;
        let line = match lines.next()? {
            Line::Whole(line) => line,
            Line::Cut(why) => {
                recording.cut = Some(why);
                break;
            }
            Line::End => break,
        };
        let broken = |why: String| ReadError::Line { line: number, why, by: by.clone() };
        let entry: Entry = serde_json::from_slice(line).map_err(|error| broken(clean(&error.to_string())))?;
        now = entry.t.max(now);
        let event = match entry.is {
            What::Snapshot(told) => {
                let snapshot = Arc::new(whole(*told, last.as_deref()).map_err(broken)?);
                if last.replace(Arc::clone(&snapshot)).is_none() {
                    recording.first = snapshot;
                    continue;
                }
                AppEvent::Snapshot(snapshot)
            }
            What::Key(key) => AppEvent::Key(key),
            What::Mouse(mouse) => AppEvent::Mouse(mouse),
            What::Touch(mouse, touch) => AppEvent::Touch(mouse, touch),
            What::Paste(text) => AppEvent::Paste(text),
            What::Resize(width, height) => AppEvent::Resize(Size { width, height }),
            What::Engine(event) => AppEvent::Engine(event),
            What::Clock(now_ms) => AppEvent::Clock { now_ms },
            What::Interrupt(()) => AppEvent::Interrupt,
            What::Gap(lost) => {
                recording.gaps += lost;
                continue;
            }
            What::Full(()) => {
                recording.cut = Some("it was as large as it may be".to_owned());
                continue;
            }
        };
        recording.events.push((now, event));
    }
    match last {
        Some(_) => Ok(recording),
        None => Err(ReadError::Other("it ends before the first screen".to_owned())),
    }
}

fn header(line: Line<'_>) -> Result<Header, ReadError> {
    let other = |why: &str| ReadError::Other(why.to_owned());
    let line = match line {
        Line::Whole(line) => line,
        Line::Cut(_) | Line::End => return Err(other("it ends in its first line")),
    };
    let value: Value = serde_json::from_slice(line).map_err(|_| other("its first line is not JSON"))?;
    let format = value.get("somascope_recording").and_then(Value::as_u64);
    let format = format.ok_or_else(|| other("its first line does not say so"))?;
    let format = u32::try_from(format).unwrap_or(u32::MAX);
    if format > FORMAT {
        let version = value.get("version").and_then(Value::as_str).unwrap_or("?");
        return Err(ReadError::Newer { version: clean(version), format });
    }
    serde_json::from_value(value).map_err(|error| ReadError::Line { line: 1, why: clean(&error.to_string()), by: None })
}

/// The snapshot with the lists that stayed.
fn whole(told: Told, last: Option<&Snapshot>) -> Result<Snapshot, String> {
    let Told { same, mut now } = told;
    for name in same {
        let list = LISTS.iter().find(|list| list.name == name);
        let list = list.ok_or_else(|| format!("it has a list `{}` that this program does not know", clean(&name)))?;
        let last = last.ok_or_else(|| "the first snapshot refers to an earlier one".to_owned())?;
        (list.copy)(last, &mut now);
    }
    Ok(now)
}

enum Line<'a> {
    Whole(&'a [u8]),
    /// The file ends within it.
    Cut(String),
    End,
}

struct Lines<R> {
    from: io::Take<R>,
    number: usize,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Line<'_>, ReadError> {
        self.buffer.clear();
        self.number += 1;
        let read = (&mut self.from).take(LONGEST_LINE as u64).read_until(b'\n', &mut self.buffer);
        let cut = || Line::Cut(format!("it was cut off in line {}", self.number));
        match read {
            Ok(0) => Ok(Line::End),
            Ok(_) if self.buffer.ends_with(b"\n") => Ok(Line::Whole(&self.buffer)),
            Ok(n) if n >= LONGEST_LINE => {
                Err(ReadError::Line { line: self.number, why: "it is too long".to_owned(), by: None })
            }
            Ok(_) => Ok(cut()),
            // A compressed file that was not closed.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(cut()),
            Err(error) => Err(ReadError::Line { line: self.number, why: error.to_string(), by: None }),
        }
    }
}
