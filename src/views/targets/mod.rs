//! The open targets: what each pays, how near we are to it; and one of them in full.

mod detail;

use ratatui::{layout::Rect, style::Style, text::Line};

use super::{
    key_below,
    numbers::sigma,
    panes::Ink,
    table::{Column, Table, first_row, left, right},
    text::{age, clean, fit, group, margin, soma},
};
use crate::{
    app::{
        Hit, List, Pane, Row, SortKey, Sorting, State,
        actions::Action,
        map::z,
        targets::{model_letter, stage_word},
    },
    primitives::ObjectId,
};

/// In front of what is pinned.
pub(super) const PIN: &str = "P";

const COLUMNS: &[Column] = &[
    left("", 1, 0),
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
    right("z", 7, 9),
];

/// Columns of a target's whole id.
const ID_DIGITS: usize = 66;
/// From so many columns on, models have the start of their ids beside their letters.
const NAMED_MODELS: usize = 35;

/// A model's letter and the start of its id.
fn model(state: &State, id: &ObjectId) -> String {
    let letter = state.targets.letters.index(id).map_or_else(|| "?".to_owned(), model_letter);
    format!("{letter} {}", id.short())
}

/// The column that an order is about.
fn column_of(sort: SortKey) -> usize {
    match sort {
        SortKey::Pinned => 1,
        SortKey::Id => 2,
        SortKey::Status => 3,
        SortKey::Margin => 4,
        SortKey::Reward => 5,
        SortKey::Models => 6,
        SortKey::Distance => 7,
        SortKey::Threshold => 8,
        SortKey::Age => 9,
        SortKey::Epoch => 10,
    }
}

/// A margin in standard deviations of random directions, with its sign, for a column named `z`: without a letter for σ, the bare
/// number.
fn deviations(margin: f32, dim: u64, state: &State, ink: &Ink<'_>) -> String {
    sigma(z(margin, dim), 2, if state.look.ascii { "" } else { "σ" }, ink.theme.glyphs.minus)
}

pub fn draw(state: &State, area: Rect, zoomed: bool, ink: &mut Ink<'_>) {
    match state.targets.detail {
        Some(id) if zoomed => detail::draw(state, id, area, ink),
        _ => list(state, area, zoomed, ink),
    }
}

/// What the title says of all targets.
fn summary(state: &State, zoomed: bool) -> String {
    let list = &state.targets;
    if !state.snapshot.network.is_heard() {
        return String::new();
    }
    let mut said = if list.filter.is_empty() {
        let filled = if list.counts.ours > 0 { format!(", {} ours", list.counts.ours) } else { String::new() };
        format!("{} open, {} hit{filled}", group(list.counts.open as u64), list.counts.hits)
    } else {
        let of = group(state.snapshot.targets.len() as u64);
        format!("{} of {of} match /{}", group(list.rows.len() as u64), clean(&list.filter.to_string()))
    };
    if zoomed && list.counts.pinned > 0 && list.filter.is_empty() {
        said.push_str(&format!(", {} pinned", list.counts.pinned));
    }
    if zoomed || list.sort != SortKey::Margin || list.reversed {
        let turned = if list.reversed { " reversed" } else { "" };
        said.push_str(&format!(", by {}{turned}", list.sort.word()));
    }
    said
}

fn list(state: &State, area: Rect, zoomed: bool, ink: &mut Ink<'_>) {
    let snapshot = &state.snapshot;
    let targets = &snapshot.targets;
    let list = &state.targets;
    let focused = zoomed || state.focus == Pane::Targets;
    let inner = ink.pane("2", Pane::Targets.title(), summary(state, zoomed), focused, area);
    if list.rows.is_empty() {
        let sentence = if !targets.is_empty() {
            format!(
                "No target matches the filter. {} changes it, Esc there clears it.",
                key_below(state, Action::Filter)
            )
        } else if !snapshot.network.is_heard() {
            format!("Asking {} for its open targets.", clean(&snapshot.network.rpc_url))
        } else {
            "No target is open. New ones come with the next epoch, and whenever one is filled. If this lasts, `somascope doctor` \
             tells what is wrong."
                .to_owned()
        };
        return ink.empty(inner, &[sentence]);
    }

    let width = usize::from(inner.width);
    // Spare width goes to the id, up to all of its digits, then to the models, which are named by more than a letter there.
    let table = Table::new(COLUMNS, width, "").stretching(2, width).up_to(ID_DIGITS, 6);
    let has_names = table.width_of(6) >= NAMED_MODELS;
    let theme = ink.theme;
    let by = column_of(list.sort);
    let heading =
        table.row(|column| (COLUMNS[column].title.to_owned(), if column == by { theme.strong() } else { theme.dim() }));
    ink.line(inner, 0, &heading);
    if zoomed {
        ink.hit(inner, Hit::List(List::Targets));
        ink.heads(inner, &table, |column| {
            SortKey::ALL.into_iter().find(|sort| column_of(*sort) == column).map(Sorting::Targets)
        });
    }
    let rows = usize::from(inner.height.saturating_sub(1));
    let selected = list.position().unwrap_or(0);
    let first = first_row(selected, list.rows.len(), rows);
    let unknown = || (theme.glyphs.dot.to_owned(), theme.dim());
    for (at, &index) in list.rows.iter().enumerate().skip(first).take(rows) {
        let Some(target) = targets.get(index) else { continue };
        let (glyph, style) = theme.stage(target.stage);
        let line = table.row(|column| match column {
            0 if at == selected && focused => (theme.glyphs.selected.to_owned(), theme.focus()),
            0 => (String::new(), Style::new()),
            1 => (if target.pinned { PIN.to_owned() } else { String::new() }, theme.accent()),
            2 => (target.id.to_string(), Style::new()),
            3 => (format!("{glyph} {}", stage_word(target.stage)), style),
            4 => target.margin().map_or_else(unknown, |value| {
                (margin(value, theme.glyphs.minus), if value >= 0.0 { theme.good() } else { Style::new() })
            }),
            5 => (soma(target.reward, 9), Style::new()),
            6 if has_names => {
                let names: Vec<_> = target.models.iter().map(|id| model(state, id)).collect();
                (fit(&names.join("  "), table.width_of(6), theme.glyphs.ellipsis), Style::new())
            }
            6 => (fit(&list.letters.of(&target.models), table.width_of(6), theme.glyphs.ellipsis), Style::new()),
            7 => target.best_distance.map_or_else(unknown, |distance| (format!("{distance:.4}"), Style::new())),
            8 => (format!("{:.4}", target.threshold), Style::new()),
            9 => (age(state.now_ms.saturating_sub(target.seen_at_ms)), theme.dim()),
            10 => (target.epoch.to_string(), theme.dim()),
            _ => target.margin().map_or_else(unknown, |margin| {
                (deviations(margin, snapshot.network.embedding_dim, state, ink), Style::new())
            }),
        });
        let line = if zoomed && at == selected { line.style(theme.strong()) } else { line };
        ink.line(inner, (at - first + 1) as u16, &line);
        ink.hit_row(inner, (at - first + 1) as u16, Hit::Row(Row::Target(target.id)));
    }
    if zoomed && list.rows.len() > rows && inner.height > 2 {
        let shown = format!("{}-{} of {}", first + 1, (first + rows).min(list.rows.len()), list.rows.len());
        let x = inner.right().saturating_sub(shown.len() as u16);
        ink.line(Rect { x, width: shown.len() as u16, y: area.bottom() - 1, height: 1 }, 0, &Line::raw(shown));
    }
}
