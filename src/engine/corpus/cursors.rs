//! Where each source stopped, on disk.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A cursor on disk stays so many samples behind: more than can be sent and not yet scored and saved (4,096 rows, 1,024 that wait
/// for the journal, and the reader's queue). Unit tests have no such queues behind them, and small corpora.
const BEHIND: u64 = if cfg!(test) { 512 } else { 6 * 1024 };
const EVERY: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Cursor {
    fingerprint: u64,
    at: Value,
}

/// Cheap to lose: a source then starts over, and what is scored is known by its checksum.
pub(super) struct Cursors {
    path: PathBuf,
    saved: BTreeMap<String, Cursor>,
    /// Of each source, what was true when so many samples had been sent.
    trail: BTreeMap<String, VecDeque<(u64, Cursor)>>,
    written: Instant,
}

impl Cursors {
    pub fn open(dir: &Path) -> Self {
        let path = dir.join("corpus-cursors.json");
        let saved = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { path, saved, trail: BTreeMap::new(), written: Instant::now() }
    }

    /// Where the source stopped, if it is still the same.
    pub fn find(&self, key: &str, fingerprint: u64) -> Option<&Value> {
        self.saved.get(key).filter(|cursor| cursor.fingerprint == fingerprint).map(|cursor| &cursor.at)
    }

    /// A pass begins, in which `sent` is counted from 0 again.
    pub fn restart(&mut self) {
        self.trail.clear();
    }

    /// Notes where a source is when `sent` samples of all sources have been sent.
    pub fn note(&mut self, key: &str, fingerprint: u64, at: Value, sent: u64) {
        let trail = self.trail.entry(key.to_owned()).or_default();
        // A few dozen notes are exact enough.
        if trail.back().is_none_or(|(last, _)| sent >= last + BEHIND / 32) {
            trail.push_back((sent, Cursor { fingerprint, at }));
        }
        while trail.front().is_some_and(|(noted, _)| noted + BEHIND <= sent) {
            if let Some((_, cursor)) = trail.pop_front() {
                self.saved.insert(key.to_owned(), cursor);
            }
        }
        if self.written.elapsed() >= EVERY {
            self.write();
        }
    }

    /// A round of the source is done: the next one begins at its beginning.
    pub fn forget(&mut self, key: &str) {
        self.trail.remove(key);
        self.saved.remove(key);
    }

    /// What cannot be written is lost, which costs some reading.
    pub fn write(&mut self) {
        self.written = Instant::now();
        let Some(dir) = self.path.parent().filter(|dir| dir.is_dir()) else { return };
        let written = || -> std::io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(dir)?;
            file.write_all(serde_json::json!(self.saved).to_string().as_bytes())?;
            file.persist(&self.path)?;
            Ok(())
        };
        if let Err(error) = written() {
            tracing::warn!("the corpus's cursors cannot be written: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cursor_stays_behind_what_was_sent_and_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut cursors = Cursors::open(dir.path());
        for sent in 0..2 * BEHIND {
            cursors.note("a", 7, json!(sent), sent);
        }
        cursors.note("b", 1, json!(1), 1);
        cursors.write();
        let cursors = Cursors::open(dir.path());
        let at = cursors.find("a", 7).and_then(Value::as_u64).unwrap();
        assert!((BEHIND - BEHIND / 8..BEHIND).contains(&at), "{at}");
        assert_eq!(cursors.find("a", 8), None, "the source has changed");
        assert_eq!(cursors.find("b", 1), None, "all of it may still be lost");
    }

    #[test]
    fn a_cursor_moves_on_in_a_pass_that_was_started_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut cursors = Cursors::open(dir.path());
        let at = |cursors: &Cursors| cursors.find("a", 7).and_then(Value::as_u64);
        for sent in 0..10 * BEHIND {
            cursors.note("a", 7, json!(sent), sent);
        }
        let first = at(&cursors).unwrap();
        cursors.restart();
        assert_eq!(at(&cursors), Some(first), "what is known to be done stays so");
        for sent in 0..2 * BEHIND {
            cursors.note("a", 7, json!(first + sent), sent);
        }
        assert!(at(&cursors).unwrap() > first + BEHIND / 2);
    }

    #[test]
    fn a_damaged_file_is_as_good_as_none() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("corpus-cursors.json"), b"{\"a\":").unwrap();
        assert_eq!(Cursors::open(dir.path()).find("a", 1), None);
    }
}
