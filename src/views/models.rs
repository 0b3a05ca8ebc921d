//! The models in play: who they are, what they weigh, how our data does under each.

use ratatui::{layout::Rect, style::Style, text::Line};

use super::{
    panes::Ink,
    table::{Column, Table, first_row, left, right},
    text::{clean, count, fit, soma},
};
use crate::app::{State, targets::model_letter};

const COLUMNS: &[Column] = &[
    left("", 1, 0),
    left("", 2, 0),
    left("model", 8, 0),
    left("weights", 12, 2),
    right("stake", 14, 3),
    right("commission", 10, 6),
    right("wins", 6, 1),
    right("targets", 7, 4),
    left("trouble", 12, 5),
];

/// How far the weights have come.
fn fetching(bytes: Option<(u64, u64)>) -> String {
    match bytes {
        Some((here, all)) if all > 0 => format!("{}% here", u128::from(here.min(all)) * 100 / u128::from(all)),
        _ => "fetching".to_owned(),
    }
}

pub fn draw(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let models = &state.snapshot.models;
    let resident = models.iter().filter(|model| model.resident).count();
    let right = format!("{resident} of {} here", models.len());
    let inner = ink.pane("6", "Models", right, true, area);
    if models.is_empty() {
        let text = "No active model is known yet. They are listed as soon as the network's state is read.";
        return ink.empty(inner, &[text.to_owned()]);
    }
    let width = usize::from(inner.width);
    let table = Table::new(COLUMNS, width, ink.theme.glyphs.ellipsis).stretching(8, width);
    ink.line(inner, 0, &table.heading(ink.theme.dim()));
    let detail_rows = if inner.height > 8 { 4 } else { 0 };
    let rows = usize::from(inner.height.saturating_sub(1 + detail_rows));
    let first = first_row(state.models.position(), models.len(), rows);
    let theme = ink.theme;
    for (index, model) in models.iter().enumerate().skip(first).take(rows) {
        let line = table.row(|column| match column {
            0 if index == state.models.position() => (theme.glyphs.selected.to_owned(), theme.focus()),
            0 => (String::new(), Style::new()),
            1 => (model_letter(index), theme.model(index).patch(theme.strong())),
            2 => (model.id.short(), Style::new()),
            3 => match (model.resident, &model.trouble) {
                (true, _) if model.loaded_on.is_empty() => (format!("{} on disk", theme.glyphs.good), theme.good()),
                (true, _) => (format!("{} loaded", theme.glyphs.good), theme.good()),
                (false, Some(_)) => (format!("{} missing", theme.glyphs.bad), theme.bad()),
                (false, None) => (format!("{} {}", theme.glyphs.quiet, fetching(model.fetching)), theme.attention()),
            },
            4 => (soma(model.stake, 14), Style::new()),
            5 => (format!("{}.{:02}%", model.commission_bps / 100, model.commission_bps % 100), Style::new()),
            6 => (count(model.wins), Style::new()),
            7 => (count(model.targets), Style::new()),
            _ => (model.trouble.as_deref().map(clean).unwrap_or_default(), theme.bad()),
        });
        ink.line(inner, (index - first + 1) as u16, &line);
    }
    if let (true, Some(model)) = (detail_rows > 0, models.get(state.models.position())) {
        let row = inner.height - detail_rows + 1;
        let id = fit(&model.id.to_hex_prefixed(), width, ink.theme.glyphs.ellipsis);
        ink.line(inner, row, &Line::styled(id, ink.theme.strong()));
        let trouble = model.trouble.as_deref().map_or_else(
            || format!("lowest loss for {} of our samples; {} open targets list it", model.wins, model.targets),
            clean,
        );
        for (row, line) in (row + 1..inner.height).zip(super::text::wrap(&trouble, width)) {
            ink.line(inner, row, &Line::raw(line));
        }
    }
}
