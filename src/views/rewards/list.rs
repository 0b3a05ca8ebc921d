//! The submissions, one of them selected.

use ratatui::{layout::Rect, style::Style, text::Line};

use crate::{
    api::SubmissionState,
    app::{Hit, List, Row, Sorting, State, SubmissionSort, actions::Action},
    views::{
        key_below,
        panes::Ink,
        table::{Column, Table, first_row, left, right},
        text::{age, clean, margin, soma},
    },
};

const COLUMNS: &[Column] = &[
    left("", 1, 0),
    left("state", 13, 0),
    left("target", 8, 0),
    left("source", 12, 3),
    right("epoch", 5, 5),
    right("margin", 7, 4),
    right("SOMA", 9, 1),
    right("age", 4, 2),
];

/// The column that an order is about.
fn column_of(sort: SubmissionSort) -> usize {
    match sort {
        SubmissionSort::State => 1,
        SubmissionSort::Found => 4,
        SubmissionSort::Amount => 6,
        SubmissionSort::Changed => 7,
    }
}

pub fn draw(state: &State, area: Rect, selectable: bool, ink: &mut Ink<'_>) {
    let width = usize::from(area.width);
    let table = Table::new(COLUMNS, width, ink.theme.glyphs.ellipsis).stretching(3, width);
    ink.line(area, 0, &table.heading(ink.theme.dim()));
    if selectable {
        ink.hit(area, Hit::List(List::Submissions));
        ink.heads(area, &table, |column| {
            SubmissionSort::ALL.into_iter().find(|sort| column_of(*sort) == column).map(Sorting::Submissions)
        });
    }
    // The dashboard shows the newest, whatever is sorted and filtered on the screen of its own.
    let rows = if selectable { &state.rewards.rows } else { &*state.snapshot.submissions };
    if rows.is_empty() && selectable {
        let text = match &state.rewards {
            rewards if !rewards.filter.is_empty() => {
                let edits = key_below(state, Action::FilterSubmissions);
                format!("No submission has these words. {edits} edits them, Esc in it clears them.")
            }
            // Pages of it arrive.
            rewards if !rewards.is_whole => "The journal is being read.".to_owned(),
            _ => {
                format!("None of these is held; {} writes all of them to a file.", key_below(state, Action::Export))
            }
        };
        return ink.line(area, 1, &Line::styled(text, ink.theme.dim()));
    }
    let visible = usize::from(area.height.saturating_sub(1));
    let selected = state.rewards.position().filter(|_| selectable);
    let first = first_row(selected.unwrap_or(0), rows.len(), visible);
    let theme = ink.theme;
    for (at, (index, row)) in (1..area.height).zip(rows.iter().enumerate().skip(first)) {
        let (glyph, word, style) = theme.submission(row.state);
        let line = table.row(|column| match column {
            0 if Some(index) == selected => (theme.glyphs.selected.to_owned(), theme.focus()),
            0 => (String::new(), Style::new()),
            1 => (format!("{glyph} {word}"), style),
            2 => (row.target.short(), Style::new()),
            // Why it failed is worth more than what it was; of what expired the state says it.
            3 => match row.note.as_ref().filter(|_| row.state != SubmissionState::Expired) {
                Some(note) => (clean(note), theme.dim()),
                None => (clean(&row.source), Style::new()),
            },
            4 => (row.epoch.to_string(), theme.dim()),
            5 => (margin(row.margin(), theme.glyphs.minus), Style::new()),
            6 => match row.amount() {
                Some(amount) => (soma(amount, 9), if row.paid.is_some() { theme.good() } else { theme.dim() }),
                None => (theme.glyphs.dot.to_owned(), theme.dim()),
            },
            _ => (age(state.now_ms.saturating_sub(row.changed_at_ms)), theme.dim()),
        });
        ink.line(area, at, &line);
        if selectable {
            ink.hit_row(area, at, Hit::Row(Row::Submission(row.id)));
        }
    }
}
