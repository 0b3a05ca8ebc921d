//! The activity log: what the program really did.

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};

use super::{
    panes::Ink,
    text::{clean, fit, time_of_day},
};
use crate::app::State;

pub fn draw(state: &State, area: Rect, zoomed: bool, ink: &mut Ink<'_>) {
    let log = &state.snapshot.log;
    let back = if zoomed { state.log_back.min(log.len().saturating_sub(1)) } else { 0 };
    let right = if back > 0 { format!("{back} newer below") } else { "UTC".to_owned() };
    let inner = ink.pane("7", "Activity", right, zoomed, area);
    if log.is_empty() {
        return ink.empty(inner, &["Nothing has happened yet.".to_owned()]);
    }
    let end = log.len() - back;
    let start = end.saturating_sub(inner.height.into());
    for (row, line) in (0..inner.height).zip(&log[start..end]) {
        let (glyph, style) = ink.theme.level(line.level);
        let room = usize::from(inner.width).saturating_sub(11);
        let text = fit(&clean(&line.text), room, ink.theme.glyphs.ellipsis);
        let line = Line::from(vec![
            Span::styled(time_of_day(line.at_ms), ink.theme.dim()),
            Span::styled(format!(" {glyph} "), style),
            Span::styled(text, style),
        ]);
        ink.line(inner, row, &line);
    }
}
