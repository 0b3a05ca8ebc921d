//! Names of keys: `"Y"`, `"ctrl-y"`, `"enter"`.

use crate::app::Key;

const NAMED: &[(&str, Key)] = &[
    ("space", Key::Char(' ')),
    ("enter", Key::Enter),
    ("return", Key::Enter),
    ("esc", Key::Esc),
    ("escape", Key::Esc),
    ("tab", Key::Tab),
    ("shift-tab", Key::BackTab),
    ("backtab", Key::BackTab),
    ("backspace", Key::Backspace),
    ("up", Key::Up),
    ("down", Key::Down),
    ("left", Key::Left),
    ("right", Key::Right),
    ("pgup", Key::PageUp),
    ("pageup", Key::PageUp),
    ("page-up", Key::PageUp),
    ("pgdn", Key::PageDown),
    ("pagedown", Key::PageDown),
    ("page-down", Key::PageDown),
    ("home", Key::Home),
    ("end", Key::End),
];

/// The key of a name: one character (`"Y"` is not `"y"`), `ctrl-` and a letter, or a word such as `"enter"`, in any case.
///
/// # Errors
/// What would have been a key, for a person.
pub fn parse_key(name: &str) -> Result<Key, String> {
    let mut characters = name.chars();
    if let (Some(one), None) = (characters.next(), characters.next())
        && !one.is_control()
    {
        return Ok(Key::Char(one));
    }
    let word = name.to_lowercase().replace(['_', '+'], "-");
    if let Some((_, key)) = NAMED.iter().find(|(name, _)| *name == word) {
        return Ok(*key);
    }
    let control = word.strip_prefix("ctrl-").or_else(|| word.strip_prefix("control-")).or_else(|| word.strip_prefix("c-"));
    match control.map(str::as_bytes) {
        // A terminal sends these as Tab, Enter and Backspace.
        Some([b'i' | b'm' | b'h']) => {
            Err(format!("`{name}` cannot be told from Tab, Enter or Backspace by a terminal: take another letter"))
        }
        Some([letter]) if letter.is_ascii_lowercase() => Ok(Key::Ctrl(char::from(*letter))),
        _ => Err(format!(
            "`{}` is no key: one character such as \"Y\", \"ctrl-\" and a letter, or one of space, enter, esc, tab, shift-tab, backspace, up, down, \
             left, right, pgup, pgdn, home, end",
            name.chars().take(20).collect::<String>()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_called_what_people_call_them() {
        for (name, key) in [
            ("Y", Key::Char('Y')),
            ("y", Key::Char('y')),
            ("-", Key::Char('-')),
            ("ü", Key::Char('ü')),
            (" ", Key::Char(' ')),
            ("Space", Key::Char(' ')),
            ("ctrl-y", Key::Ctrl('y')),
            ("Ctrl+Y", Key::Ctrl('y')),
            ("Shift-Tab", Key::BackTab),
            ("PgUp", Key::PageUp),
            ("page_down", Key::PageDown),
        ] {
            assert_eq!(parse_key(name), Ok(key), "{name}");
        }
    }

    #[test]
    fn what_a_terminal_cannot_send_is_refused() {
        for name in ["", "ctrl-", "ctrl-i", "ctrl-ö", "alt-x", "f13", "\u{1b}", "yy"] {
            assert!(parse_key(name).is_err(), "{name}");
        }
    }

    #[test]
    fn every_key_can_be_written_as_the_help_shows_it() {
        for (_, key) in NAMED {
            assert_eq!(parse_key(&key.name(true)), Ok(*key));
        }
        assert_eq!(parse_key(&Key::Ctrl('y').name(true)), Ok(Key::Ctrl('y')));
    }
}
