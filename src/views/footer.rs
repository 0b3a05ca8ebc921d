//! The keys that matter here, out of the registry.

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};

use super::{panes::Ink, text};
use crate::app::{
    Key, Place, State,
    actions::{self, Action, ActionInfo},
};

pub fn draw(state: &State, area: Rect, ink: &mut Ink<'_>) {
    if state.place() == Place::Typing {
        let line = Line::from(vec![
            Span::styled("filter /", ink.theme.dim()),
            Span::raw(text::clean(&state.targets.typed)),
            Span::styled(" ", ink.theme.cursor_row()),
            Span::styled("  Enter keeps it, Esc clears it", ink.theme.dim()),
        ]);
        ink.line(area, 0, &line);
        return;
    }
    let place = state.place();
    let read_only = state.snapshot.mode == crate::api::Mode::ReadOnly;
    let shown = |info: &&ActionInfo| info.hint && !(read_only && info.mutates) && state.offers(info.action);
    let is_last = |info: &ActionInfo| matches!(info.action, Action::Help | Action::Quit);
    let mut hints: Vec<(String, &str)> = actions::at(place)
        .filter(shown)
        .filter(|info| !is_last(info))
        .map(|info| (key_name(info, state.look.ascii), info.name))
        .collect();
    hints.extend(number_keys(place));
    let ends: Vec<(String, &str)> = actions::at(place)
        .filter(shown)
        .filter(|info| is_last(info))
        .map(|info| (key_name(info, state.look.ascii), info.name))
        .collect();
    // Help and quit are always there; the others as far as there is room.
    let width_of = |(key, name): &(String, &str)| text::width(key) + text::width(name) + 3;
    let mut room = usize::from(area.width).saturating_sub(ends.iter().map(width_of).sum());
    let mut spans = Vec::new();
    let fitting = hints.iter().take_while(|hint| {
        let fits = width_of(hint) <= room;
        room = room.saturating_sub(width_of(hint));
        fits
    });
    for (key, name) in fitting.chain(&ends) {
        spans.push(Span::styled(key.clone(), ink.theme.accent().patch(ink.theme.strong())));
        spans.push(Span::styled(format!(" {name}  "), ink.theme.dim()));
    }
    ink.line(area, 0, &Line::from(spans));
}

fn key_name(info: &ActionInfo, ascii: bool) -> String {
    info.keys.first().map(|key| key.name(ascii)).unwrap_or_default()
}

/// All the number keys as one hint.
fn number_keys(place: Place) -> Option<(String, &'static str)> {
    let digits = actions::at(place).flat_map(|info| info.keys).filter_map(|key| match key {
        Key::Char(c) if c.is_ascii_digit() => Some(*c),
        _ => None,
    });
    let (first, last) = digits.fold((None, None), |(low, high), digit| {
        (Some(low.map_or(digit, |low: char| low.min(digit))), high.max(Some(digit)))
    });
    Some((format!("{}-{}", first?, last?), "screens"))
}
