//! What of the rewards is to be written: a key for each kind of file.

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};

use super::panes::Ink;
use crate::app::{Hit, Place, State, actions};

pub fn draw(state: &State, body: Rect, ink: &mut Ink<'_>) {
    let theme = ink.theme;
    let (mut lines, actions): (Vec<_>, Vec<_>) = actions::at(Place::Export)
        .filter(|info| info.hint)
        .filter_map(|info| {
            let key = state.keymap.keys(info).first()?.name(state.look.ascii);
            let line = Line::from(vec![
                Span::styled(format!("{key:>4}  "), theme.accent().patch(theme.strong())),
                Span::raw(format!("{:<18}", info.name)),
                Span::styled(info.help, theme.dim()),
            ]);
            Some((line, info.action))
        })
        .unzip();
    lines.push(Line::default());
    let where_to = "Files go to exports/ in the state directory; none is overwritten.";
    lines.push(Line::styled(where_to, theme.dim()));
    let inner = ink.popup("Write a file", lines, body);
    for (row, action) in (0..).zip(actions) {
        ink.hit_row(inner, row, Hit::Act(action));
    }
}
