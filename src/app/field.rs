//! One line of text under the user's fingers.

use super::Key;

/// Longest text; ids have 66 characters.
const MOST_CHARS: usize = 200;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextField {
    text: String,
    /// Characters before the cursor.
    cursor: usize,
}

impl TextField {
    /// With the cursor behind the text.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { cursor: text.chars().count(), text }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text before the cursor, and from it on.
    pub fn halves(&self) -> (&str, &str) {
        self.text.split_at(self.byte(self.cursor))
    }

    /// Takes an editing key; whether the text has changed.
    pub fn key(&mut self, key: Key) -> bool {
        let before = self.text.len();
        match key {
            Key::Char(c) => self.put(c),
            Key::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.text.remove(self.byte(self.cursor));
            }
            Key::Delete if self.cursor < self.text.chars().count() => drop(self.text.remove(self.byte(self.cursor))),
            Key::Left => self.cursor = self.cursor.saturating_sub(1),
            Key::Right => self.cursor = (self.cursor + 1).min(self.text.chars().count()),
            Key::Home | Key::Ctrl('a') => self.cursor = 0,
            Key::End | Key::Ctrl('e') => self.cursor = self.text.chars().count(),
            Key::Ctrl('u') => {
                self.text.drain(..self.byte(self.cursor));
                self.cursor = 0;
            }
            Key::Ctrl('k') => self.text.truncate(self.byte(self.cursor)),
            // The word before the cursor, as shells do it.
            Key::Ctrl('w') => {
                let end = self.byte(self.cursor);
                let kept = self.text[..end].trim_end().rfind(' ').map_or(0, |space| space + 1);
                self.text.drain(kept..end);
                self.cursor = self.text[..kept].chars().count();
            }
            _ => {}
        }
        self.text.len() != before
    }

    /// Text from the clipboard: one line of it.
    pub fn paste(&mut self, text: &str) -> bool {
        let before = self.text.len();
        text.lines().next().unwrap_or_default().chars().for_each(|c| self.put(c));
        self.text.len() != before
    }

    fn put(&mut self, c: char) {
        if !c.is_control() && self.text.chars().count() < MOST_CHARS {
            self.text.insert(self.byte(self.cursor), c);
            self.cursor += 1;
        }
    }

    fn byte(&self, chars: usize) -> usize {
        self.text.char_indices().nth(chars).map_or(self.text.len(), |(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[Key]) -> (String, String) {
        let mut field = TextField::new("grün tea");
        for key in keys {
            field.key(*key);
        }
        let (before, after) = field.halves();
        (before.to_owned(), after.to_owned())
    }

    #[test]
    fn keys_edit_as_in_a_shell() {
        let pair = |before: &str, after: &str| (before.to_owned(), after.to_owned());
        assert_eq!(typed(&[Key::Char('s')]), pair("grün teas", ""));
        assert_eq!(typed(&[Key::Home, Key::Right, Key::Delete]), pair("g", "ün tea"));
        assert_eq!(typed(&[Key::Ctrl('w'), Key::Backspace, Key::Backspace]), pair("grü", ""));
        assert_eq!(typed(&[Key::Left, Key::Ctrl('k')]), pair("grün te", ""));
        assert_eq!(typed(&[Key::Left, Key::Ctrl('u')]), pair("", "a"));
        assert_eq!(typed(&[Key::Ctrl('w'), Key::Ctrl('w'), Key::Ctrl('w'), Key::Backspace]), pair("", ""));
    }

    #[test]
    fn only_one_line_is_pasted_and_no_more_than_fits() {
        let mut field = TextField::default();
        assert!(field.paste("margin:<0.01\u{1b}[31m\nsecond"));
        assert_eq!(field.text(), "margin:<0.01[31m");
        field.paste(&"x".repeat(2 * MOST_CHARS));
        assert_eq!(field.text().chars().count(), MOST_CHARS);
    }
}
