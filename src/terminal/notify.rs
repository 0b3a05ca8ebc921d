//! A bell, and a notification of the terminal's own (OSC 9), as bytes.

use crate::primitives::clean;

/// Columns of a notification; terminals cut, and some of them badly.
const MOST_CHARS: usize = 200;

/// What a terminal is sent. `in_tmux`: wrapped, so that tmux hands it on; it does so only with `set -g allow-passthrough on`.
pub fn sequence(text: Option<&str>, bell: bool, in_tmux: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    if bell {
        bytes.push(b'\x07');
    }
    if let Some(text) = text {
        // Digits and a `;` at its start would be a command of some terminals.
        let text: String = clean(text).chars().take(MOST_CHARS).collect();
        let text = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';' || c == ' ');
        let notification = format!("\x1b]9;{text}\x07");
        match in_tmux {
            // Each escape inside is doubled.
            true => bytes.extend(format!("\x1bPtmux;{}\x1b\\", notification.replace('\x1b', "\x1b\x1b")).bytes()),
            false => bytes.extend(notification.bytes()),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_cannot_end_its_own_sequence() {
        let evil = "4;1;hit\x07\x1b]0;owned\x1b\\\u{9c}\n";
        let plain = sequence(Some(evil), true, false);
        assert!(plain.starts_with(b"\x07\x1b]9;hit"), "{plain:?}");
        assert_eq!(plain.iter().filter(|byte| **byte < b' ').count(), 3);
        let wrapped = sequence(Some("a hit"), false, true);
        assert_eq!(wrapped, b"\x1bPtmux;\x1b\x1b]9;a hit\x07\x1b\\");
        assert_eq!((sequence(None, true, true), sequence(None, false, false)), (b"\x07".to_vec(), Vec::new()));
    }
}
