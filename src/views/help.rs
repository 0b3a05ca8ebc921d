//! Every key, out of the registry: first those of the screen below, then the others, then the signs.

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Clear, Widget},
};

use super::panes::Ink;
use crate::{
    api::TargetStage,
    app::{
        Place, Screen, State,
        actions::{self, ACTIONS, ActionInfo},
        targets::stage_word,
    },
};

pub fn draw(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let area = area.intersection(ink.buffer.area);
    Clear.render(area, ink.buffer);
    let inner = ink.pane("", "Help", "Esc closes, arrows scroll".to_owned(), true, area);
    let below = match state.screen {
        Screen::Dashboard => Place::Dashboard,
        Screen::Pane(pane) => Place::Pane(pane),
        Screen::Models => Place::Models,
        Screen::Approvals => Place::Approvals,
        Screen::Log => Place::Log,
    };
    let here: Vec<&ActionInfo> = actions::at(below).collect();
    let dialogs = [Place::Help, Place::Confirm, Place::Settling];
    let elsewhere = ACTIONS
        .iter()
        .filter(|info| !info.places.contains(&below) && info.places.iter().any(|place| !dialogs.contains(place)));
    let mut lines = vec![heading("On this screen", ink)];
    lines.extend(here.iter().map(|info| entry(info, state, ink)));
    lines.extend([Line::default(), heading("On other screens", ink)]);
    lines.extend(elsewhere.map(|info| entry(info, state, ink)));
    lines.extend([Line::default(), heading("Signs", ink), signs(ink)]);

    let height = usize::from(inner.height);
    let columns = usize::from((inner.width / 78).max(1));
    let first = usize::from(state.scroll).min(lines.len().saturating_sub(height * columns));
    for (at, line) in lines.iter().skip(first).take(height * columns).enumerate() {
        let column = (at / height.max(1)) as u16;
        let width = inner.width / columns as u16;
        let cell = Rect { x: inner.x + column * width, width: width.saturating_sub(2), ..inner };
        ink.line(cell, (at % height.max(1)) as u16, line);
    }
}

fn heading(text: &'static str, ink: &Ink<'_>) -> Line<'static> {
    Line::styled(text, ink.theme.strong())
}

fn entry(info: &ActionInfo, state: &State, ink: &Ink<'_>) -> Line<'static> {
    let keys: Vec<_> = info.keys.iter().map(|key| key.name(state.look.ascii)).collect();
    let mark = if info.mutates { " (not in read-only)" } else { "" };
    Line::from(vec![
        Span::styled(format!("  {:<14}", keys.join(" ")), ink.theme.accent()),
        Span::raw(info.help),
        Span::styled(mark, ink.theme.dim()),
    ])
}

fn signs(ink: &Ink<'_>) -> Line<'static> {
    let mut spans = vec![Span::raw("  targets: ")];
    for stage in [TargetStage::Open, TargetStage::Hit, TargetStage::InFlight, TargetStage::Ours] {
        let (glyph, style) = ink.theme.stage(stage);
        spans.push(Span::styled(format!("{glyph} {}  ", stage_word(stage)), style));
    }
    spans.push(Span::styled(" margin = threshold - distance", Style::new()));
    Line::from(spans)
}
