//! Lines that are typed: text, and secrets.

use std::fmt;

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::app::{Key, TextField};

/// Longer than any key, mnemonic or token.
const MOST_CHARS: usize = 512;

/// What is typed and never shown: wiped when it is dropped, and without words in a log.
#[derive(Clone, Default)]
pub struct SecretLine(Zeroizing<String>, Dropped);

/// Something that was typed or pasted is not in the line: what is kept would not be what was meant.
type Dropped = bool;

impl fmt::Debug for SecretLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretLine")
    }
}

impl SecretLine {
    pub fn chars(&self) -> usize {
        self.0.chars().count()
    }

    pub fn is_empty(&self) -> bool {
        self.0.trim().is_empty()
    }

    pub fn is_same(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }

    pub fn secret(&self) -> SecretString {
        SecretString::from(self.0.as_str())
    }

    /// What comes from the clipboard, but for a line feed at its end.
    pub fn paste(&mut self, text: &str) {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        text.chars().for_each(|c| self.put(c));
    }

    /// Whether it is all that was typed.
    pub fn is_whole(&self) -> bool {
        !self.1
    }

    fn put(&mut self, c: char) {
        if !c.is_control() && self.chars() < MOST_CHARS {
            // Room once, so that no copy is left behind in freed memory.
            self.0.reserve(4 * MOST_CHARS);
            self.0.push(c);
        } else {
            self.1 = true;
        }
    }
}

/// The field under the cursor.
#[derive(Debug)]
pub enum Line<'a> {
    Text(&'a mut TextField),
    Secret(&'a mut SecretLine),
}

impl Line<'_> {
    pub(super) fn key(self, key: Key) {
        match self {
            Self::Text(field) => drop(field.key(key)),
            Self::Secret(line) => match key {
                Key::Char(c) => line.put(c),
                Key::Backspace => drop(line.0.pop()),
                Key::Ctrl('u') => *line = SecretLine::default(),
                _ => {}
            },
        }
    }

    pub(super) fn paste(self, text: &str) {
        match self {
            Self::Text(field) => drop(field.paste(text)),
            Self::Secret(line) => line.paste(text),
        }
    }
}
