//! The lines of a recording.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::Value;

use crate::{
    api::{Event, Level, Snapshot},
    app::{Key, Mouse, Saved, Touch},
};

/// Grows when an older program could not show a newer recording. Format 1 had no changes of lists and no touches; it is read, too.
pub const FORMAT: u32 = 2;

/// The first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    /// Tells a recording from any other file.
    pub somascope_recording: u32,
    /// Of the program that recorded.
    pub version: String,
    /// Unix time of the start.
    pub now_ms: u64,
    pub width: u16,
    pub height: u16,
    pub ascii: bool,
    pub colour: bool,
    pub mouse: bool,
    pub low_bandwidth: bool,
    /// Actions whose keys are not the usual ones.
    #[serde(default)]
    pub keys: Vec<(String, Vec<Key>)>,
    /// The word at the start, and until when it is shown.
    pub hint: Option<(Level, String, u64)>,
    /// How the interface was left the time before.
    #[serde(default)]
    pub saved: Saved,
}

/// Every other line: what happened, and when.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since the start.
    pub t: u64,
    pub is: What,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Key(Key),
    Mouse(Mouse),
    Touch(Mouse, Touch),
    Paste(String),
    Resize(u16, u16),
    Snapshot(Box<Told>),
    Engine(Event),
    /// Unix time, ms.
    Clock(u64),
    Interrupt(()),
    /// So many events were not written down: the disk was too slow.
    Gap(u64),
    /// The recording ends here although the run went on.
    Full(()),
}

/// What is looked at of a line before it is needed: that it is one, and when it was.
#[derive(Debug, Deserialize)]
pub struct Glance {
    pub t: u64,
    /// One kind, whatever it says.
    pub is: BTreeMap<String, IgnoredAny>,
}

/// A snapshot without the lists that are as they were.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Told {
    /// Names of those lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub same: Vec<String>,
    /// By their names, what is new in other lists: runs of `{"keep": [from, count]}`, of the list before, and of `{"new": […]}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub changed: BTreeMap<String, Value>,
    pub now: Snapshot,
}
