//! The keys that matter here, or the line that is being typed.

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};

use super::{panes::Ink, text};
use crate::app::{self, Dialog, Hit, Place, Purpose, State};

pub fn draw(state: &State, area: Rect, ink: &mut Ink<'_>) {
    if let (Place::Typing, Some(Dialog::Typing(purpose))) = (state.place(), state.dialog) {
        let (before, after) = state.field.halves();
        let mut after = after.chars();
        let under = after.next().unwrap_or(' ');
        // A line that is too long shows its end.
        let room = usize::from(area.width).saturating_sub(purpose.prompt().len() + 2);
        let before = text::clean(before);
        let skip = text::width(&before).saturating_sub(room);
        let before: String = before.chars().skip(skip).collect();
        let line = Line::from(vec![
            Span::styled(purpose.prompt(), ink.theme.dim()),
            Span::raw(before),
            Span::styled(text::clean(&under.to_string()), ink.theme.cursor_row()),
            Span::raw(text::clean(after.as_str())),
            behind(state, purpose, ink),
        ]);
        return ink.line(area, 0, &line);
    }
    for hint in app::hints(state, area.width).iter().filter(|hint| hint.x < area.width) {
        let line = Line::from(vec![
            Span::styled(hint.key.clone(), ink.theme.accent().patch(ink.theme.strong())),
            Span::styled(format!(" {}", hint.name), ink.theme.dim()),
        ]);
        let at = Rect { x: area.x + hint.x, width: area.width - hint.x, ..area };
        ink.line(at, 0, &line);
        if let Some(action) = hint.action {
            ink.hit_row(Rect { width: hint.width().saturating_sub(2).min(at.width), ..at }, 0, Hit::Act(action));
        }
    }
}

/// What is wrong with the line, or how to end it.
fn behind(state: &State, purpose: Purpose, ink: &Ink<'_>) -> Span<'static> {
    match (&state.targets.error, purpose) {
        (Some(error), Purpose::TargetFilter) => {
            Span::styled(format!("  {} {}", ink.theme.glyphs.bad, text::clean(&error.to_string())), ink.theme.bad())
        }
        _ => Span::styled(format!("  {}", purpose.hint()), ink.theme.dim()),
    }
}
