//! What reaches the core and what it asks for.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::layout::Size;
use crate::api::{Command, Event, Snapshot};

/// One thing that happened, in the order in which it happened.
#[derive(Clone, Debug)]
pub enum AppEvent {
    Key(Key),
    Mouse(Mouse),
    /// Text pasted into the terminal; only an open text field takes it.
    Paste(String),
    Resize(Size),
    Snapshot(Arc<Snapshot>),
    Engine(Event),
    /// The wall clock: once a second, and before every key.
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mouse {
    Click { column: u16, row: u16 },
    WheelUp,
    WheelDown,
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
