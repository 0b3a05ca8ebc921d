//! The activity log under the user's eyes: where it stands, what it shows, what is found in it.

use std::sync::Arc;

use super::{Effect, Purpose, State, actions::Action, update::type_for};
use crate::api::{Level, LogKind, LogLine, Snapshot};

/// Letters of a digest, URL or id from which on it is looked for.
const PART_OF_KEY: usize = 6;

/// What lines must have, word by word: a text, `level:warn` (or graver), `kind:tx`, `!` before any of them for its opposite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    words: Vec<(bool, Word)>,
    /// As it was typed.
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    /// Lower case.
    Text(String),
    Level(Level),
    /// The beginning of a kind's word.
    Kind(String),
    /// Of a `level:` that there is none of: shows nothing rather than everything.
    Nothing,
}

impl LogFilter {
    pub fn new(text: &str) -> Self {
        let word = |word: &str| {
            let (wanted, word) = word.strip_prefix('!').map_or((true, word), |word| (false, word));
            let word = word.to_lowercase();
            let word = match word.split_once(':') {
                Some(("level", level)) => level_of(level).map_or(Word::Nothing, Word::Level),
                Some(("kind", kind)) => Word::Kind(kind.to_owned()),
                _ => Word::Text(word),
            };
            (wanted, word)
        };
        // A `!` alone is the beginning of something.
        let words = text.split_whitespace().filter(|typed| *typed != "!").map(word).collect();
        Self { words, text: text.to_owned() }
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    fn shows(&self, line: &LogLine) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let text = line.text.to_lowercase();
        self.words.iter().all(|(wanted, word)| *wanted == word.is_in(line, &text))
    }

    /// Texts that are looked for, lower case: what is found is set off.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.words.iter().filter_map(|word| match word {
            (true, Word::Text(text)) if !text.is_empty() => Some(text.as_str()),
            _ => None,
        })
    }
}

impl Word {
    fn is_in(&self, line: &LogLine, text: &str) -> bool {
        match self {
            // A few letters are in any digest.
            Self::Text(word) => {
                let of_key = || line.kind.as_ref().and_then(key).is_some_and(|key| key.to_lowercase().contains(word));
                text.contains(word.as_str()) || (word.len() >= PART_OF_KEY && of_key())
            }
            Self::Level(level) => rank(line.level) >= rank(*level),
            Self::Kind(kind) => line.kind.as_ref().is_some_and(|is| is.word().starts_with(kind.as_str())),
            Self::Nothing => false,
        }
    }
}

fn rank(level: Level) -> u8 {
    match level {
        Level::Info => 0,
        Level::Warning => 1,
        Level::Error => 2,
    }
}

fn level_of(word: &str) -> Option<Level> {
    let levels = [("info", Level::Info), ("warning", Level::Warning), ("error", Level::Error)];
    let fits = levels.iter().find(|(name, _)| !word.is_empty() && name.starts_with(word));
    fits.map(|(_, level)| *level)
}

/// What one would copy of a line: its digest, URL or target.
pub fn key(kind: &LogKind) -> Option<String> {
    match kind {
        LogKind::Transaction { digest, .. } => Some(digest.to_string()),
        LogKind::Upload { url, .. } => Some(url.clone()),
        LogKind::Hit { target } => Some(target.to_hex_prefixed()),
        LogKind::Policy | LogKind::Network | LogKind::Scoring | LogKind::Corpus => None,
    }
}

#[derive(Clone, Debug, Default)]
pub struct LogView {
    pub filter: LogFilter,
    /// Places in the snapshot's log of the lines that are shown, oldest first.
    pub rows: Vec<usize>,
    /// The number of the selected line, counted as [`Snapshot::log_first`] does; none follows the newest.
    pub selected: Option<u64>,
    /// The selected line is shown whole, with its parts.
    pub detail: bool,
}

impl LogView {
    pub(super) fn follow(&mut self, snapshot: &Snapshot) {
        let shown = snapshot.log.iter().enumerate().filter(|(_, line)| self.filter.shows(line));
        self.rows = shown.map(|(at, _)| at).collect();
        // A line that has left is followed by the oldest that is left.
        self.selected = self.selected.map(|number| number.max(snapshot.log_first));
    }

    pub fn follows(&self) -> bool {
        self.selected.is_none()
    }

    /// The selected line's place among the rows shown, or of the next one that is.
    pub fn position(&self, snapshot: &Snapshot) -> Option<usize> {
        let last = self.rows.len().checked_sub(1)?;
        let Some(number) = self.selected else { return Some(last) };
        let at = usize::try_from(number.saturating_sub(snapshot.log_first)).unwrap_or(usize::MAX);
        Some(self.rows.partition_point(|row| *row < at).min(last))
    }

    pub fn line<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a LogLine> {
        snapshot.log.get(*self.rows.get(self.position(snapshot)?)?)
    }

    /// Below the newest line it follows again.
    pub(super) fn step(&mut self, snapshot: &Snapshot, by: isize) {
        let Some(at) = self.position(snapshot) else { return };
        let last = self.rows.len() - 1;
        let to = at.saturating_add_signed(by).min(last);
        let stays = to == last && by > 0;
        self.selected = (!stays).then(|| snapshot.log_first + self.rows[to] as u64);
    }

    pub(super) fn set_filter(&mut self, text: &str, snapshot: &Snapshot) {
        // What is selected stays so, if it is still shown.
        self.filter = LogFilter::new(text);
        self.follow(snapshot);
    }
}

/// What the registry's actions do here; `None` for those of other screens.
pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    match action {
        Action::LogFilter => {
            let text = state.log.filter.text.clone();
            type_for(state, Purpose::LogFilter, text);
        }
        Action::LogFollow => {
            let snapshot = Arc::clone(&state.snapshot);
            state.log.selected = match state.log.selected {
                Some(_) => None,
                // Holds what is there now.
                None => state.log.rows.last().map(|row| snapshot.log_first + *row as u64),
            };
        }
        Action::LogDetail => state.log.detail = !state.log.detail,
        _ => return None,
    }
    Some(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::ObjectId;

    fn shows(filter: &str, line: &LogLine) -> bool {
        LogFilter::new(filter).shows(line)
    }

    #[test]
    fn every_word_of_a_filter_must_hold() {
        let line = LogLine::new(0, Level::Warning, "Weights of model 3: HTTP 404").about(LogKind::Scoring);
        for filter in
            ["", "http", "HTTP 404", "level:warn", "level:w kind:sco", "!kind:tx weights", "!level:error", "!gone"]
        {
            assert!(shows(filter, &line), "{filter}");
        }
        for filter in ["https", "http gone", "level:error", "kind:tx", "!http", "!level:info", "level:loud", "level:"] {
            assert!(!shows(filter, &line), "{filter}");
        }
    }

    #[test]
    fn a_lines_parts_are_found_too_and_what_is_found_is_told() {
        let line = LogLine::new(0, Level::Info, "hit").about(LogKind::Hit { target: ObjectId([0xab; 32]) });
        assert!(shows("0xababab", &line));
        let filter = LogFilter::new("Hit !loud kind:hit 0xAB");
        assert_eq!(filter.texts().collect::<Vec<_>>(), ["hit", "0xab"]);
    }
}
