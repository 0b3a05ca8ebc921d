//! The open targets: what each pays, and how near we are to it.

use ratatui::{layout::Rect, style::Style, text::Line};

use super::{
    panes::Ink,
    table::{Table, first_row, left, right},
    text::{age, clean, fit, group, letters, margin, soma},
};
use crate::app::{Pane, SortKey, State, targets::stage_word};

const COLUMNS: &[super::table::Column] = &[
    left("", 1, 0),
    left("target", 8, 1),
    left("stage", 9, 2),
    right("margin", 7, 0),
    right("reward", 9, 3),
    left("models", 6, 4),
    right("best", 6, 5),
    right("thresh", 6, 6),
    right("age", 4, 7),
    right("epoch", 6, 8),
];

pub fn draw(state: &State, area: Rect, zoomed: bool, ink: &mut Ink<'_>) {
    let snapshot = &state.snapshot;
    let targets = &snapshot.targets;
    let list = &state.targets;
    let (hits, ours) = (list.counts.hits, list.counts.ours);
    let mut right = if !snapshot.network.is_heard() {
        String::new()
    } else if list.filter.is_empty() {
        let filled = if ours > 0 { format!(", {ours} ours") } else { String::new() };
        format!("{} open, {hits} hit{filled}", group((targets.len() - ours) as u64))
    } else {
        format!("{} of {} match /{}", list.rows.len(), targets.len(), clean(&list.typed))
    };
    if zoomed && !right.is_empty() || list.sort != SortKey::Margin {
        right.push_str(&format!(", by {}", list.sort.word()));
    }
    let focused = zoomed || state.focus == Pane::Targets;
    let inner = ink.pane("2", Pane::Targets.title(), right, focused, area);
    if list.rows.is_empty() {
        let sentence = if !targets.is_empty() {
            "No target matches the filter. / changes it, Esc there clears it.".to_owned()
        } else if !snapshot.network.is_heard() {
            format!("Asking {} for its open targets.", clean(&snapshot.network.rpc_url))
        } else {
            "No target is open. New ones come with the next epoch, and whenever one is filled.".to_owned()
        };
        return ink.empty(inner, &[sentence]);
    }

    let width = usize::from(inner.width);
    // Spare width goes to the id, up to all of its 64 digits.
    let table = Table::new(COLUMNS, width, "").stretching(1, width);
    ink.line(inner, 0, &table.heading(ink.theme.dim()));
    let rows = usize::from(inner.height.saturating_sub(1));
    let selected = list.position().unwrap_or(0);
    let first = first_row(selected, list.rows.len(), rows);
    let theme = ink.theme;
    for (at, &index) in list.rows.iter().enumerate().skip(first).take(rows) {
        let target = &targets[index];
        let (glyph, style) = theme.stage(target.stage);
        let line = table.row(|column| match column {
            0 if at == selected && focused => (theme.glyphs.selected.to_owned(), theme.focus()),
            0 => (String::new(), Style::new()),
            1 => (target.id.to_string(), Style::new()),
            2 => (format!("{glyph} {}", stage_word(target.stage)), style),
            3 => match target.margin() {
                Some(value) => {
                    (margin(value, theme.glyphs.minus), if value >= 0.0 { theme.good() } else { Style::new() })
                }
                None => (theme.glyphs.dot.to_owned(), theme.dim()),
            },
            4 => (soma(target.reward, 9), Style::new()),
            5 => (fit(&letters(&target.models, &snapshot.models), 6, theme.glyphs.ellipsis), Style::new()),
            6 => match target.best_distance {
                Some(distance) => (format!("{distance:.4}"), Style::new()),
                None => (theme.glyphs.dot.to_owned(), theme.dim()),
            },
            7 => (format!("{:.4}", target.threshold), Style::new()),
            8 => (age(state.now_ms.saturating_sub(target.seen_at_ms)), theme.dim()),
            _ => (target.epoch.to_string(), theme.dim()),
        });
        let line = if zoomed && at == selected { line.style(theme.strong()) } else { line };
        ink.line(inner, (at - first + 1) as u16, &line);
    }
    if zoomed && list.rows.len() > rows && inner.height > 2 {
        let shown = format!("{}-{} of {}", first + 1, (first + rows).min(list.rows.len()), list.rows.len());
        let x = inner.right().saturating_sub(shown.len() as u16);
        ink.line(Rect { x, width: shown.len() as u16, y: area.bottom() - 1, height: 1 }, 0, &Line::raw(shown));
    }
}
