//! What the terminal is asked to ring or tell: hits, fills, claims, losses, trouble. Merged, so that a burst rings once.

use super::Effect;
use crate::api::{Level, Mode, SubmissionRow, SubmissionState};

/// How long after one notification the next one waits.
const PAUSE_MS: u64 = 5_000;
/// Texts of one notification; more are only counted.
const TEXTS: usize = 3;

/// What the user wants to be told by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notify {
    #[default]
    None,
    Bell,
    /// A notification of the terminal's (`OSC 9`).
    Osc9,
    Both,
}

#[derive(Clone, Debug, Default)]
pub struct Notifier {
    pub by: Notify,
    waiting: Vec<String>,
    more: usize,
    next_ms: u64,
    /// The last trouble that was told of.
    trouble: Option<String>,
}

impl Notifier {
    /// Takes note of something; gives the effect if it is time.
    pub(super) fn tell(&mut self, text: String, now_ms: u64) -> Option<Effect> {
        if self.by == Notify::None {
            return None;
        }
        if self.waiting.len() < TEXTS {
            self.waiting.push(text);
        } else {
            self.more += 1;
        }
        self.due(now_ms)
    }

    /// What has waited, if its time has come.
    pub(super) fn due(&mut self, now_ms: u64) -> Option<Effect> {
        if self.waiting.is_empty() || now_ms < self.next_ms {
            return None;
        }
        self.next_ms = now_ms + PAUSE_MS;
        let mut text = std::mem::take(&mut self.waiting).join("; ");
        if self.more > 0 {
            text = format!("{text}; and {} more", std::mem::take(&mut self.more));
        }
        let text = matches!(self.by, Notify::Osc9 | Notify::Both).then_some(text);
        Some(Effect::Notify { text, bell: matches!(self.by, Notify::Bell | Notify::Both) })
    }

    /// The connection's trouble: told when it comes, not while it stays.
    pub(super) fn trouble(&mut self, trouble: Option<&str>, now_ms: u64) -> Option<Effect> {
        if self.trouble.as_deref() == trouble {
            return None;
        }
        let was_well = self.trouble.is_none();
        self.trouble = trouble.map(str::to_owned);
        let text = trouble.filter(|_| was_well)?.to_owned();
        self.tell(text, now_ms)
    }
}

/// What of a submission is worth a bell.
pub(super) fn of(row: &SubmissionRow, mode: Mode) -> Option<String> {
    let target = row.target.short();
    Some(match row.state {
        SubmissionState::AwaitingApproval if mode == Mode::Manual => {
            format!("a hit on {target} waits for your approval")
        }
        SubmissionState::Filled => format!("target {target} filled"),
        SubmissionState::Claimed => format!("{} SOMA claimed", row.paid.unwrap_or_default()),
        SubmissionState::Failed => match &row.note {
            Some(why) => format!("submission for {target} failed: {why}"),
            None => format!("submission for {target} failed"),
        },
        SubmissionState::Forfeited => format!("the bond for {target} is forfeited"),
        // Money may have moved.
        SubmissionState::Unknown => format!("nobody can say yet what became of the submission for {target}"),
        SubmissionState::Lost => format!("target {target} went to somebody else"),
        _ => return None,
    })
}

/// What of the log is.
pub(super) fn of_line(level: Level, text: &str) -> Option<String> {
    (level == Level::Error).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_rings_once_and_is_told_whole_a_while_later() {
        let mut notifier = Notifier { by: Notify::Both, ..Notifier::default() };
        let effect = |text: &str| Some(Effect::Notify { text: Some(text.to_owned()), bell: true });
        assert_eq!(notifier.tell("one".into(), 1_000), effect("one"));
        for text in ["two", "three", "four", "five", "six"] {
            assert_eq!(notifier.tell(text.into(), 1_001), None);
        }
        assert_eq!(notifier.due(5_999), None);
        assert_eq!(notifier.due(6_000), effect("two; three; four; and 2 more"));
        assert_eq!(notifier.due(60_000), None);
    }

    #[test]
    fn nobody_is_told_who_does_not_want_it_and_trouble_is_told_when_it_comes() {
        let mut notifier = Notifier::default();
        assert_eq!(notifier.tell("one".into(), 0), None);
        notifier.by = Notify::Bell;
        let bell = Some(Effect::Notify { text: None, bell: true });
        assert_eq!(notifier.trouble(Some("gone"), 10_000), bell);
        assert_eq!(notifier.trouble(Some("gone"), 20_000), None);
        assert_eq!(notifier.trouble(Some("still gone"), 30_000), None);
        assert_eq!(notifier.trouble(None, 40_000), None);
        assert_eq!(notifier.trouble(Some("gone"), 50_000), bell);
    }
}
