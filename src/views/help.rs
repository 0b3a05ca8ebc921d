//! Every key, out of the registry: first those of the screen below, then the others, then the signs. `/` searches.

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Clear, Widget},
};

use super::{
    panes::Ink,
    text::{clean, wrap},
};
use crate::{
    api::{Mode, TargetStage},
    app::{
        Hit, List, Place, State,
        actions::{self, ACTIONS, Action, ActionInfo},
        targets::{LANGUAGE, stage_word},
    },
};

/// Columns of an action's keys.
const KEYS: usize = 13;

pub fn draw(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let area = area.intersection(ink.buffer.area);
    Clear.render(area, ink.buffer);
    let search = &state.help_search;
    let said = if search.is_empty() {
        "/ searches, arrows scroll, Esc closes".to_owned()
    } else {
        format!("with \"{}\"", clean(search))
    };
    let inner = ink.pane("", "Help", said, true, area);
    let below = state.below();
    let found = |info: &&ActionInfo| {
        let keys = || state.keymap.keys(info).iter().any(|key| key.name(true).to_lowercase() == *search);
        search.is_empty()
            || [info.name, info.id, info.help].iter().any(|text| text.to_lowercase().contains(search.as_str()))
            || keys()
    };
    // There is a newer protocol once in years.
    let is_real = |info: &&ActionInfo| info.action != Action::AcceptProtocol || state.offers(info.action);
    let mut here: Vec<&ActionInfo> = actions::at(below).filter(is_real).filter(found).collect();
    // What the footer has room for comes first.
    here.sort_by_key(|info| !info.hint);
    let dialogs = [Place::Help, Place::Confirm, Place::Settling];
    let elsewhere: Vec<&ActionInfo> = ACTIONS
        .iter()
        .filter(|info| !info.places.contains(&below) && info.places.iter().any(|place| !dialogs.contains(place)))
        .filter(found)
        .collect();
    let is_about = |(word, about): &&(&'static str, &'static str)| {
        search.is_empty() || [*word, *about, "filter"].iter().any(|text| text.to_lowercase().contains(search.as_str()))
    };
    let language: Vec<_> = LANGUAGE.iter().filter(is_about).collect();
    if here.is_empty() && elsewhere.is_empty() && language.is_empty() {
        return ink.empty(inner, &["No action has that in its name, its keys or its description.".to_owned()]);
    }
    let columns = (inner.width / 78).max(1);
    let width = inner.width / columns;
    // Between two columns there is air.
    let room = if columns > 1 { width.saturating_sub(2) } else { width };
    let plain = |line: Line<'static>| (line, None);
    let mut lines = Vec::new();
    for (title, infos, is_here) in [("On this screen", here, true), ("On other screens", elsewhere, false)] {
        if !infos.is_empty() {
            lines.push(plain(heading(title, ink)));
            let find = |info: &ActionInfo| (is_here && info.is_chosen()).then_some(Hit::Find(info.action));
            for info in infos {
                let mark = match state.snapshot.mode {
                    _ if !is_here => format!(" ({})", actions::words(info.places)),
                    Mode::ReadOnly if info.mutates => " (not in read-only)".to_owned(),
                    _ => String::new(),
                };
                lines.extend(entry(info, mark, state, room, ink).into_iter().map(|line| (line, find(info))));
            }
            lines.push(plain(Line::default()));
        }
    }
    if !language.is_empty() {
        lines.push(plain(heading("Words of the targets' filter", ink)));
        lines.extend(language.into_iter().map(|(word, about)| {
            plain(Line::from(vec![Span::styled(format!("  {word:<14} "), ink.theme.accent()), Span::raw(*about)]))
        }));
        lines.push(plain(Line::default()));
    }
    if search.is_empty() {
        lines.extend([heading("Signs", ink), signs(ink)].map(plain));
    }
    ink.hit(inner, Hit::List(List::Text));

    let height = usize::from(inner.height);
    let most = height * usize::from(columns);
    let first = usize::from(state.scroll).min(lines.len().saturating_sub(most));
    for (at, (line, hit)) in lines.iter().skip(first).take(most).enumerate() {
        let column = (at / height.max(1)) as u16;
        let cell = Rect { x: inner.x + column * width, width: room, ..inner };
        let row = (at % height.max(1)) as u16;
        ink.line(cell, row, line);
        if let Some(hit) = hit {
            ink.hit_row(cell, row, *hit);
        }
    }
}

fn heading(text: &'static str, ink: &Ink<'_>) -> Line<'static> {
    Line::styled(text, ink.theme.strong())
}

/// The keys, and beside them what they do and where or when, in as many lines as that takes.
fn entry(info: &ActionInfo, mark: String, state: &State, room: u16, ink: &Ink<'_>) -> Vec<Line<'static>> {
    let keys: Vec<_> = state.keymap.keys(info).iter().map(|key| key.name(state.look.ascii)).collect();
    let mut keys = keys.join(" ");
    let text = wrap(&format!("{}{mark}", info.help), usize::from(room).saturating_sub(KEYS + 3).max(KEYS));
    let line = |text| {
        let keys = Span::styled(format!("  {:<KEYS$} ", std::mem::take(&mut keys)), ink.theme.accent());
        Line::from(vec![keys, Span::raw(text)])
    };
    text.into_iter().map(line).collect()
}

fn signs(ink: &Ink<'_>) -> Line<'static> {
    let mut spans = vec![Span::raw("  targets: ")];
    for stage in [TargetStage::Open, TargetStage::Hit, TargetStage::InFlight, TargetStage::Ours] {
        let (glyph, style) = ink.theme.stage(stage);
        spans.push(Span::styled(format!("{glyph} {}  ", stage_word(stage)), style));
    }
    spans.push(Span::styled("P pinned   margin = threshold - distance", Style::new()));
    Line::from(spans)
}
