//! Lines that would repeat themselves: told once, and then with their number now and then.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

/// How long a line is not repeated.
const PAUSE: Duration = Duration::from_secs(600);
/// Different lines that are remembered.
const LINES: usize = 512;

/// What was told lately.
#[derive(Default)]
pub(super) struct Quiet {
    told: HashMap<String, Told>,
}

struct Told {
    at: Instant,
    kept_back: u64,
}

impl Quiet {
    /// The line, if it is time to tell it; with how often it was kept back.
    pub fn admit(&mut self, line: String, now: Instant) -> Option<String> {
        if let Some(told) = self.told.get_mut(&line) {
            if now.saturating_duration_since(told.at) < PAUSE {
                told.kept_back += 1;
                return None;
            }
            let repeated = std::mem::replace(told, Told { at: now, kept_back: 0 }).kept_back;
            return Some(if repeated > 0 {
                format!("{line} ({repeated} times more since the last line)")
            } else {
                line
            });
        }
        if self.told.len() >= LINES {
            self.told.retain(|_, told| now.saturating_duration_since(told.at) < PAUSE);
        }
        // A flood of different lines is one of those that are told: a full memory makes it no longer.
        if self.told.len() < LINES {
            self.told.insert(line.clone(), Told { at: now, kept_back: 0 });
            return Some(line);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_once_and_after_a_while_with_its_number() {
        let (mut quiet, start) = (Quiet::default(), Instant::now());
        assert_eq!(quiet.admit("a".into(), start), Some("a".into()));
        assert_eq!(quiet.admit("b".into(), start), Some("b".into()));
        for second in 1..=5 {
            assert_eq!(quiet.admit("a".into(), start + Duration::from_secs(second)), None);
        }
        let again = quiet.admit("a".into(), start + PAUSE);
        assert_eq!(again.as_deref(), Some("a (5 times more since the last line)"));
        assert_eq!(quiet.admit("b".into(), start + PAUSE), Some("b".into()));
    }

    #[test]
    fn a_flood_of_different_lines_is_cut_and_ends() {
        let (mut quiet, start) = (Quiet::default(), Instant::now());
        let told = (0..10_000).filter(|n| quiet.admit(format!("line {n}"), start).is_some()).count();
        assert_eq!(told, LINES);
        assert!(quiet.admit("after the flood".into(), start + PAUSE).is_some());
    }
}
