//! What the kinds of sources have in common: a stream of contents, and a report of what was left out.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

use serde_json::Value;

use super::{Origin, Piece, Record, Shelf, Skipped, cut::Rule, secrets};
use crate::primitives::clean;

/// Of each kind of reason, so many items are named in a pass; the others are counted.
const NAMED: u64 = 20;
/// Notices that are remembered, so that they are not repeated in every pass.
const TOLD: usize = 4_096;

/// What a stream gives when it is asked.
pub(super) enum Next {
    Chunk(Chunk),
    /// Not yet: it waits for the network.
    Pending,
    End,
}

/// Samples of one content or span.
pub(super) struct Chunk {
    pub samples: Vec<(Piece, Vec<u8>)>,
    /// How many of the samples that [`Stream::remaining`] counted these are, left out ones included.
    pub counted: u64,
}

/// A source, or a part of one, once around.
pub(super) trait Stream: Send {
    fn next(&mut self, report: &mut Report) -> Next;
    /// Samples that are still to come, as far as is known.
    fn remaining(&self) -> u64;
    /// Where it is; a stream of the same fingerprint goes on from there.
    fn cursor(&self) -> Value;
    /// Changes when the source does.
    fn fingerprint(&self) -> u64;
}

/// Why something is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Why {
    Empty,
    Large,
    Unreadable,
    Refused,
    Special,
    Broken,
    Missing,
}

/// What was left out of a pass, and what a person should hear of it.
#[derive(Default)]
pub(super) struct Report {
    pub skipped: Skipped,
    pub notices: Vec<String>,
    named: HashMap<Why, u64>,
    told: HashSet<u64>,
    /// Files that have been counted in this pass: they are read in many parts.
    counted: HashSet<(Why, u64)>,
}

impl Report {
    /// For the next pass.
    pub fn restart(&mut self) {
        self.skipped = Skipped::default();
        self.named.clear();
        self.counted.clear();
    }

    /// Counts an item, and names it if not too many have been. `text` must not hold what a secret says.
    pub fn leave_out(&mut self, why: Why, text: impl FnOnce() -> String) {
        *self.skipped.of(why) += 1;
        let named = self.named.entry(why).or_default();
        *named += 1;
        match *named {
            count if count <= NAMED => self.tell(&text()),
            count if count == NAMED + 1 => {
                self.tell(&format!("more files or records {}; they are only counted", why.words()))
            }
            _ => {}
        }
    }

    /// As [`Self::leave_out`], but once in a pass for each key.
    pub fn leave_out_once(&mut self, why: Why, key: u64, text: impl FnOnce() -> String) {
        if self.counted.insert((why, key)) {
            self.leave_out(why, text);
        }
    }

    /// Once, however often it is said.
    pub fn tell(&mut self, text: &str) {
        if self.told.len() >= TOLD {
            self.told.clear();
        }
        if self.told.insert(hash(text)) {
            self.notices.push(clean(text));
        }
    }
}

impl Why {
    fn words(self) -> &'static str {
        match self {
            Self::Empty => "are empty",
            Self::Large => "are too large",
            Self::Unreadable => "cannot be read",
            Self::Refused => "look like secrets and are not read: uploads are public",
            Self::Special => "are links, devices or have names that are no text",
            Self::Broken => "are broken",
            Self::Missing => "are not in the archive",
        }
    }
}

/// Refuses a file by its name, if nobody has allowed it.
pub(super) fn is_refused_by_name(path: &Path, shelf: &Shelf) -> bool {
    secrets::is_secret_file(path) && !shelf.allows(path)
}

/// What is said of a refusal, and how it is overruled.
pub(super) fn refusal(name: &str, kind: &str) -> String {
    format!("{name}: looks like {kind} and is not read: uploads are public (--allow-secret overrules)")
}

/// The pieces of a record, unless it is empty, too large or a secret.
pub(super) fn pieces(origin: Origin, content: Vec<u8>, rule: &Rule, shelf: &Shelf, report: &mut Report) -> Chunk {
    let len = content.len() as u64;
    let counted = rule.count(len).max(1);
    let nothing = Chunk { samples: Vec::new(), counted };
    let name = || format!("{} of {}", origin.label(), origin.path.display());
    if content.trim_ascii().is_empty() {
        *report.skipped.of(Why::Empty) += 1;
        return nothing;
    }
    if rule.count(len) == 0 {
        *report.skipped.of(Why::Large) += 1;
        return nothing;
    }
    if matches!(origin.record, Some(Record::Blob { .. })) && secrets::is_secret_file(&origin.path) {
        report.leave_out(Why::Refused, || refusal(&name(), "a secret by its name"));
        return nothing;
    }
    if !shelf.allows(&origin.path)
        && let Some(kind) = secrets::find(&content)
    {
        report.leave_out(Why::Refused, || refusal(&name(), kind));
        return nothing;
    }
    let sample = |cut: super::cut::Cut| {
        let piece = Piece { origin: origin.clone(), offset: cut.offset, len: cut.len, is_window: cut.is_window };
        (piece, content[cut.offset as usize..][..cut.len as usize].to_vec())
    };
    Chunk { samples: rule.cut(len).map(sample).collect(), counted }
}

/// The same in every run.
pub(super) fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}
