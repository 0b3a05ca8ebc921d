//! What fits the words behind `:`, above the screen that it is about.

use ratatui::{
    layout::Rect,
    text::{Line, Span},
    widgets::{Clear, Widget},
};

use super::{
    panes::Ink,
    table::first_row,
    text::{fit, width},
};
use crate::app::{Hit, State};

const MOST_ROWS: u16 = 14;

pub fn draw(state: &State, body: Rect, ink: &mut Ink<'_>) {
    let found = &state.palette.found;
    let rows = u16::try_from(found.len()).unwrap_or(MOST_ROWS).clamp(1, MOST_ROWS);
    let size = Rect { width: body.width.min(84), height: (rows + 2).min(body.height), ..body };
    // At the foot, over the line that is being typed.
    let area = Rect { x: body.x + (body.width - size.width) / 2, y: body.bottom() - size.height, ..size };
    let area = area.intersection(ink.buffer.area);
    Clear.render(area, ink.buffer);
    let inner = ink.pane("", "Commands", String::new(), true, area);
    if found.is_empty() {
        return ink.line(inner, 0, &Line::raw("Nothing of that name can be done on this screen."));
    }
    let height = usize::from(inner.height);
    let first = first_row(state.palette.selected, found.len(), height);
    for (row, (at, info)) in (0..).zip(found.iter().enumerate().skip(first).take(height)) {
        let keys: Vec<_> = state.keymap.keys(info).iter().map(|key| key.name(state.look.ascii)).collect();
        let keys = keys.join(" ");
        let room = usize::from(inner.width).saturating_sub(2 + 18 + width(&keys) + 1);
        let selected = at == state.palette.selected;
        let line = Line::from(vec![
            Span::styled(if selected { ink.theme.glyphs.selected } else { " " }, ink.theme.focus()),
            Span::styled(
                format!(" {:<17} ", info.name),
                if selected { ink.theme.strong() } else { ink.theme.accent() },
            ),
            Span::raw(format!("{:<room$} ", fit(info.help, room, ink.theme.glyphs.ellipsis))),
            Span::styled(keys, ink.theme.dim()),
        ]);
        ink.line(inner, row, &line);
        ink.hit_row(inner, row, Hit::Run(info.action));
    }
}
