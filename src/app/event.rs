//! What reaches the core and what it asks for.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Touch, layout::Size};
use crate::{
    api::{Command, Event, Snapshot},
    primitives::clean,
};

/// One thing that happened, in the order in which it happened.
#[derive(Clone, Debug)]
pub enum AppEvent {
    Key(Key),
    /// Where nothing is that a click could mean, or moved with the button held.
    Mouse(Mouse),
    /// The mouse, on something that the picture showed.
    Touch(Mouse, Touch),
    /// Text pasted into the terminal; only an open text field takes it.
    Paste(String),
    Resize(Size),
    Snapshot(Arc<Snapshot>),
    Engine(Event),
    /// The wall clock: once a second, and before every key and click.
    Clock {
        now_ms: u64,
    },
    /// The process was asked to end as if by `q`: an outside SIGINT.
    Interrupt,
}

/// Keys as the registry of actions names them; everything else that a terminal can send is no key of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Key {
    Char(char),
    Ctrl(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Delete,
    /// F1 to F12.
    F(u8),
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
}

impl Key {
    /// As help and footer name it.
    pub fn name(self, ascii: bool) -> String {
        let arrow = |unicode: &str, plain: &str| if ascii { plain.to_owned() } else { unicode.to_owned() };
        match self {
            Self::Char(' ') => "Space".to_owned(),
            Self::Char(c) => c.to_string(),
            Self::Ctrl(c) => format!("Ctrl-{}", c.to_ascii_uppercase()),
            Self::Enter => "Enter".to_owned(),
            Self::Esc => "Esc".to_owned(),
            Self::Tab => "Tab".to_owned(),
            Self::BackTab => "Shift-Tab".to_owned(),
            Self::Backspace => "Backspace".to_owned(),
            Self::Delete => "Del".to_owned(),
            Self::F(n) => format!("F{n}"),
            Self::Up => arrow("↑", "Up"),
            Self::Down => arrow("↓", "Down"),
            Self::Left => arrow("←", "Left"),
            Self::Right => arrow("→", "Right"),
            Self::PageUp => "PgUp".to_owned(),
            Self::PageDown => "PgDn".to_owned(),
            Self::Home => "Home".to_owned(),
            Self::End => "End".to_owned(),
        }
    }
}

/// A word that is no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKey(pub String);

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no key: a character, Ctrl-x, F1 to F12, Enter, Esc, Tab, Shift-Tab, Space, Backspace, Del, Up, Down, Left, Right, \
             PgUp, PgDn, Home or End",
            clean(&self.0)
        )
    }
}

impl std::error::Error for UnknownKey {}

impl FromStr for Key {
    type Err = UnknownKey;

    /// As [`Key::name`] writes it, in any case but for single characters.
    fn from_str(word: &str) -> Result<Self, UnknownKey> {
        let mut chars = word.chars();
        if let (Some(c), None) = (chars.next(), chars.next()) {
            return if c.is_control() { Err(UnknownKey(word.to_owned())) } else { Ok(Self::Char(c)) };
        }
        let lower = word.to_ascii_lowercase();
        Ok(match lower.as_str() {
            "space" => Self::Char(' '),
            "enter" => Self::Enter,
            "esc" => Self::Esc,
            "tab" => Self::Tab,
            "shift-tab" => Self::BackTab,
            "backspace" => Self::Backspace,
            "del" => Self::Delete,
            "up" => Self::Up,
            "down" => Self::Down,
            "left" => Self::Left,
            "right" => Self::Right,
            "pgup" => Self::PageUp,
            "pgdn" => Self::PageDown,
            "home" => Self::Home,
            "end" => Self::End,
            other => {
                let mut after = other.strip_prefix("ctrl-").unwrap_or_default().chars();
                let function = other.strip_prefix('f').and_then(|n| n.parse().ok()).filter(|n| (1..=12).contains(n));
                match (after.next(), after.next(), function) {
                    (Some(c), None, _) if c.is_ascii_graphic() => Self::Ctrl(c),
                    (_, _, Some(n)) => Self::F(n),
                    _ => return Err(UnknownKey(word.to_owned())),
                }
            }
        })
    }
}

/// The left button and the wheel, with where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mouse {
    Down {
        column: u16,
        row: u16,
    },
    /// Moved with the button held.
    Drag {
        column: u16,
        row: u16,
    },
    Up {
        column: u16,
        row: u16,
    },
    WheelUp {
        column: u16,
        row: u16,
    },
    WheelDown {
        column: u16,
        row: u16,
    },
}

/// What the terminal's loop does for the core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Something on the screen may have changed.
    Redraw,
    Send(Command),
    /// Hand text to the terminal's clipboard (OSC 52).
    Copy(String),
    CaptureMouse(bool),
    /// Ring the terminal's bell, or let it show a notification (OSC 9).
    Notify {
        text: Option<String>,
        bell: bool,
    },
    /// Give the terminal back to the shell until the process is continued.
    Suspend,
    Leave(Leave),
}

/// How the interface ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The engine has told that everything is settled.
    Settled,
    /// The user did not wait for that, or the engine went away without telling.
    Unsettled,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read_as_it_is_named() {
        let named = [
            Key::Char('y'),
            Key::Char('Y'),
            Key::Char(' '),
            Key::Char('-'),
            Key::Ctrl('z'),
            Key::F(1),
            Key::F(12),
            Key::Enter,
            Key::Esc,
            Key::Tab,
            Key::BackTab,
            Key::Backspace,
            Key::Delete,
            Key::Up,
            Key::Down,
            Key::Left,
            Key::Right,
            Key::PageUp,
            Key::PageDown,
            Key::Home,
            Key::End,
        ];
        for key in named {
            assert_eq!(key.name(true).parse(), Ok(key));
        }
        for word in ["", "F0", "F13", "ctrl-", "ctrl-ab", "hyper", "\u{1b}"] {
            assert_eq!(word.parse::<Key>(), Err(UnknownKey(word.to_owned())));
        }
    }
}
