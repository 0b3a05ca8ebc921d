//! Reads a recording back, line by line as it is played. It may come from anybody, so its sizes are bounded; one that was cut short, or
//! is broken at some place, is shown as far as it goes, and says where that is.

use std::{io, path::Path, sync::Arc};

use serde_json::Value;

use super::{
    entry::{Entry, FORMAT, Glance, Header, Told, What},
    lists::LISTS,
    text::{Line, Text},
};
use crate::{
    api::Snapshot,
    app::{AppEvent, Look, Notice, State, actions::Keymap, layout::Size},
    primitives::clean,
};

const MOST_TEXT: u64 = 64 << 30;
/// Their times are kept in memory.
const MOST_EVENTS: usize = 20_000_000;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
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

/// A recording on disk: what it begins with, and when each of its events was.
#[derive(Debug)]
pub struct Recording {
    header: Header,
    text: Text,
    start: Cursor,
    /// Of each event, milliseconds since the start, never falling.
    pub times: Vec<u64>,
    /// Events that were not written down.
    pub gaps: u64,
    /// Why it ends before the run did.
    pub cut: Option<String>,
}

/// A place in a recording.
#[derive(Clone, Debug)]
pub struct Cursor {
    /// The number of the next event.
    pub event: usize,
    /// The snapshot before it.
    pub last: Arc<Snapshot>,
    /// Where its line begins, and that line's number.
    at: u64,
    line: usize,
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
        self.times.last().copied().unwrap_or(0)
    }

    /// The place of the first event.
    pub fn start(&self) -> Cursor {
        self.start.clone()
    }

    /// The state in which it begins.
    pub fn state(&self, look: Look, size: Size) -> State {
        let mut state = State::new(look, size, self.header.now_ms, Arc::clone(&self.start.last));
        let keys = self.header.keys.iter().map(|(id, keys)| (id.as_str(), keys.clone()));
        // Of another version's actions, those that there are not cannot be bound.
        state.keymap = Arc::new(Keymap::with(keys).unwrap_or_default());
        state.restore(&self.header.saved);
        state.mouse = self.header.mouse;
        state.low_bandwidth = self.header.low_bandwidth;
        state.notice = self.header.hint.clone().map(|(level, text, until_ms)| Notice { level, text, until_ms });
        state
    }

    /// The event at a place, which then is that of the next one. `None`: there is none, or it is broken, and the recording then ends
    /// there.
    pub fn next(&mut self, cursor: &mut Cursor) -> Option<AppEvent> {
        if cursor.event >= self.times.len() {
            return None;
        }
        match self.read_next(cursor) {
            Ok(event) => event,
            Err(error) => {
                self.times.truncate(cursor.event);
                self.cut = Some(error.to_string());
                None
            }
        }
    }

    /// Reads every event, so that `cut` says of the whole recording whether it can be shown.
    pub fn verify(&mut self) {
        let mut cursor = self.start();
        while self.next(&mut cursor).is_some() {}
    }

    fn read_next(&mut self, cursor: &mut Cursor) -> Result<Option<AppEvent>, ReadError> {
        self.text.seek(cursor.at)?;
        loop {
            let line = match self.text.line() {
                Line::Whole(line) => line,
                Line::Broken(why) => return Err(ReadError::Line { line: cursor.line, why, by: None }),
                Line::Cut | Line::End => return Ok(None),
            };
            let what = parse(line, cursor.line, &self.header)?;
            let event = match what {
                What::Snapshot(told) => {
                    let snapshot = whole(*told, Some(&cursor.last)).map_err(broken(cursor.line, &self.header))?;
                    cursor.last = Arc::new(snapshot);
                    Some(AppEvent::Snapshot(Arc::clone(&cursor.last)))
                }
                What::Key(key) => Some(AppEvent::Key(key)),
                What::Mouse(mouse) => Some(AppEvent::Mouse(mouse)),
                What::Touch(mouse, touch) => Some(AppEvent::Touch(mouse, touch)),
                What::Paste(text) => Some(AppEvent::Paste(text)),
                What::Resize(width, height) => Some(AppEvent::Resize(Size { width, height })),
                What::Engine(event) => Some(AppEvent::Engine(event)),
                What::Clock(now_ms) => Some(AppEvent::Clock { now_ms }),
                What::Interrupt(()) => Some(AppEvent::Interrupt),
                What::Gap(_) | What::Full(()) => None,
            };
            (cursor.at, cursor.line) = (self.text.at(), cursor.line + 1);
            if event.is_some() {
                cursor.event += 1;
                return Ok(event);
            }
        }
    }
}

/// Looks through a whole recording, and reads its beginning.
///
/// # Errors
/// It cannot be read, is something else, of a newer format, or broken before its first screen.
pub fn read(path: &Path) -> Result<Recording, ReadError> {
    let mut text = Text::open(path)?;
    let header = header(text.line())?;
    let (first, mut number) = first(&mut text, &header)?;
    let start = Cursor { event: 0, last: Arc::new(first), at: text.at(), line: number };
    let (mut times, mut gaps, mut cut) = (Vec::new(), 0, None);
    let mut now = 0;
    loop {
        let line = match text.line() {
            Line::Whole(line) => line,
            Line::Cut => {
                cut = Some(format!("it was cut off in line {number}"));
                break;
            }
            Line::Broken(why) => {
                cut = Some(ReadError::Line { line: number, why, by: None }.to_string());
                break;
            }
            Line::End => break,
        };
        match glance(line) {
            Ok((t, kind)) => {
                now = t.max(now);
                match kind {
                    Kind::Event => times.push(now),
                    Kind::Gap(lost) => gaps += lost,
                    Kind::Full => cut = Some("it was as large as it may be".to_owned()),
                }
            }
            Err(why) => {
                cut = Some(broken(number, &header)(why).to_string());
                break;
            }
        }
        number += 1;
        if times.len() >= MOST_EVENTS || text.at() > MOST_TEXT {
            cut = Some(format!("what is behind line {number} is more than can be shown"));
            break;
        }
    }
    Ok(Recording { header, text, start, times, gaps, cut })
}

/// What a line is, as far as it has to be known before it is played.
enum Kind {
    Event,
    Gap(u64),
    Full,
}

fn glance(line: &[u8]) -> Result<(u64, Kind), String> {
    let glance: Glance = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let kind = match glance.is.keys().next().map(String::as_str) {
        Some("gap") => match serde_json::from_slice(line) {
            Ok(Entry { is: What::Gap(lost), .. }) => Kind::Gap(lost),
            Ok(_) => Kind::Event,
            Err(error) => return Err(error.to_string()),
        },
        Some("full") => Kind::Full,
        // Which one it is, is read when it is played.
        Some(_) if glance.is.len() == 1 => Kind::Event,
        _ => return Err("it does not say one thing".to_owned()),
    };
    Ok((glance.t, kind))
}

/// The first screen, and the number of the line behind it.
fn first(text: &mut Text, header: &Header) -> Result<(Snapshot, usize), ReadError> {
    let mut number = 1;
    loop {
        number += 1;
        let line = match text.line() {
            Line::Whole(line) => line,
            Line::Broken(why) => return Err(broken(number, header)(why)),
            Line::Cut | Line::End => return Err(ReadError::Other("it ends before the first screen".to_owned())),
        };
        if let What::Snapshot(told) = parse(line, number, header)? {
            return Ok((whole(*told, None).map_err(broken(number, header))?, number + 1));
        }
    }
}

fn parse(line: &[u8], number: usize, header: &Header) -> Result<What, ReadError> {
    let entry: Result<Entry, _> = serde_json::from_slice(line);
    entry.map(|entry| entry.is).map_err(|error| broken(number, header)(error.to_string()))
}

/// An error in a line; it names the version that wrote it if that is another one.
fn broken(line: usize, header: &Header) -> impl Fn(String) -> ReadError {
    let by = (header.version != env!("CARGO_PKG_VERSION")).then(|| clean(&header.version));
    move |why| ReadError::Line { line, why: clean(&why), by: by.clone() }
}

fn header(line: Line<'_>) -> Result<Header, ReadError> {
    let other = |why: &str| ReadError::Other(why.to_owned());
    let line = match line {
        Line::Whole(line) => line,
        Line::Cut | Line::End => return Err(other("it ends in its first line")),
        Line::Broken(why) => return Err(ReadError::Other(why)),
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

/// The snapshot with the lists that stayed, and with what is new in the others.
fn whole(told: Told, last: Option<&Snapshot>) -> Result<Snapshot, String> {
    let Told { same, changed: mut changes, mut now } = told;
    let unknown = same.iter().chain(changes.keys()).find(|name| LISTS.iter().all(|list| list.name != **name));
    if let Some(name) = unknown {
        return Err(format!("it has a list `{name}` that this program does not know"));
    }
    if same.is_empty() && changes.is_empty() {
        return Ok(now);
    }
    let last = last.ok_or_else(|| "the first snapshot refers to an earlier one".to_owned())?;
    for list in LISTS {
        if same.iter().any(|name| name == list.name) {
            (list.copy)(last, &mut now);
        }
        if let Some(changes) = changes.remove(list.name) {
            (list.apply)(last, changes, &mut now)?;
        }
    }
    Ok(now)
}
