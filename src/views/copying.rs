//! What of a submission is to be copied: a key for each part that is known.

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};

use super::{
    panes::Ink,
    text::{clean, fit},
};
use crate::app::{Hit, State, choices};

pub fn draw(state: &State, body: Rect, ink: &mut Ink<'_>) {
    let theme = ink.theme;
    let choices = choices(state);
    let room = usize::from(body.width).saturating_sub(6 + 6 + 16);
    let line = |(info, text): &(&'static crate::app::actions::ActionInfo, String)| {
        let key = state.keymap.keys(info).first().map_or_else(String::new, |key| key.name(state.look.ascii));
        Line::from(vec![
            Span::styled(format!("{key:>4}  "), theme.accent().patch(theme.strong())),
            Span::raw(format!("{:<16}", info.name)),
            Span::styled(fit(&clean(text), room, theme.glyphs.ellipsis), theme.dim()),
        ])
    };
    let lines = choices.iter().map(line).collect();
    let inner = ink.popup("Copy", lines, body);
    for (row, (info, _)) in (0..).zip(&choices) {
        ink.hit_row(inner, row, Hit::Act(info.action));
    }
}
