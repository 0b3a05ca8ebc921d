//! From the terminal library's words to the core's.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use crate::app::{AppEvent, Key, Mouse, layout::Size};

/// `None` for what means nothing to us: releases, focus, unknown keys.
pub fn convert(event: Event) -> Option<AppEvent> {
    match event {
        // Some terminals report releases too, which would double every key.
        Event::Key(key) if key.kind != KeyEventKind::Release => convert_key(key).map(AppEvent::Key),
        Event::Paste(text) => Some(AppEvent::Paste(text)),
        Event::Resize(width, height) => Some(AppEvent::Resize(Size { width, height })),
        Event::Mouse(MouseEvent { kind, column, row, .. }) => Some(AppEvent::Mouse(match kind {
            MouseEventKind::Down(MouseButton::Left) => Mouse::Down { column, row },
            MouseEventKind::Drag(MouseButton::Left) => Mouse::Drag { column, row },
            MouseEventKind::Up(MouseButton::Left) => Mouse::Up { column, row },
            MouseEventKind::ScrollUp => Mouse::WheelUp { column, row },
            MouseEventKind::ScrollDown => Mouse::WheelDown { column, row },
            _ => return None,
        })),
        Event::Key(_) | Event::FocusGained | Event::FocusLost => None,
    }
}

fn convert_key(key: KeyEvent) -> Option<Key> {
    // Alt and Super are the terminal's and the window manager's.
    if key.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SUPER | KeyModifiers::META) {
        return None;
    }
    Some(match key.code {
        KeyCode::Char(c) if key.modifiers.contains(KeyModifiers::CONTROL) => Key::Ctrl(c.to_ascii_lowercase()),
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Delete => Key::Delete,
        KeyCode::F(n @ 1..=12) => Key::F(n),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => return None,
    })
}
