//! What was earned, epoch by epoch, and the life of each submission.

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    panes::Ink,
    table::{Column, Table, left, right},
    text::{age, clean, count, soma},
};
use crate::{
    app::{Pane, State},
    primitives::Shannons,
};

const EPOCHS: &[Column] = &[
    right("epoch", 5, 0),
    right("fills", 5, 2),
    right("earned", 8, 0),
    right("pending", 8, 1),
    right("lost", 4, 3),
    right("fees", 8, 4),
    right("forfeit", 8, 5),
];

const SUBMISSIONS: &[Column] = &[
    left("submission", 13, 0),
    left("target", 8, 0),
    left("source", 12, 3),
    right("margin", 7, 4),
    right("SOMA", 9, 1),
    right("age", 4, 2),
];

pub fn draw(state: &State, area: Rect, zoomed: bool, ink: &mut Ink<'_>) {
    let snapshot = &state.snapshot;
    let total = &snapshot.rewards.total;
    let focused = zoomed || state.focus == Pane::Rewards;
    let right = format!("{} claimed", count(total.claimed));
    let inner = ink.pane("5", Pane::Rewards.title(), right, focused, area);
    if snapshot.rewards.epochs.is_empty() && snapshot.submissions.is_empty() {
        let text =
            "Nothing submitted yet. A filled target pays two epochs later; every submission will be listed here.";
        return ink.empty(inner, &[text.to_owned()]);
    }
    ink.line(inner, 0, &totals(state, ink, inner.width));

    let below = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    let epochs = snapshot.rewards.epochs.len() as u16 + 1;
    // Wide: side by side. Otherwise the epochs first, the submissions in what is left.
    if inner.width >= 110 {
        let (left, right) = (below.width * 9 / 20, below.width - below.width * 9 / 20 - 2);
        draw_epochs(state, Rect { width: left, ..below }, ink);
        draw_submissions(state, Rect { x: below.x + left + 2, width: right, ..below }, ink);
    } else {
        let height = if below.height > 9 { epochs.min(below.height / 2) } else { epochs.min(below.height) };
        draw_epochs(state, Rect { height, ..below }, ink);
        let rest = below.height - height;
        if rest > 2 {
            draw_submissions(state, Rect { y: below.y + height + 1, height: rest - 1, ..below }, ink);
        }
    }
}

fn totals(state: &State, ink: &Ink<'_>, width: u16) -> Line<'static> {
    let total = &state.snapshot.rewards.total;
    let dim = ink.theme.dim();
    let mut spans = vec![Span::styled("Earned ", dim), Span::styled(soma(total.rewards, 10), ink.theme.good())];
    if width >= 32 {
        spans.extend([Span::styled("  fees ", dim), Span::raw(soma(total.fees, 8))]);
    }
    if width >= 56 {
        spans.extend([
            Span::styled("  sent ", dim),
            Span::raw(count(total.submitted)),
            Span::styled("  filled ", dim),
            Span::raw(count(total.filled)),
            Span::styled("  lost ", dim),
            Span::raw(count(total.lost)),
        ]);
    }
    if total.bonds_forfeited > Shannons::ZERO {
        spans
            .extend([Span::styled("  forfeited ", dim), Span::styled(soma(total.bonds_forfeited, 8), ink.theme.bad())]);
    }
    Line::from(spans)
}

fn draw_epochs(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let epochs = &state.snapshot.rewards.epochs;
    let table = Table::new(EPOCHS, area.width.into(), ink.theme.glyphs.ellipsis);
    ink.line(area, 0, &table.heading(ink.theme.dim()));
    let theme = ink.theme;
    let amount = |amount: Shannons, style: Style| match amount {
        Shannons::ZERO => (theme.glyphs.dot.to_owned(), theme.dim()),
        amount => (soma(amount, 8), style),
    };
    let visible = usize::from(area.height.saturating_sub(1));
    let first = usize::from(state.scroll).min(epochs.len().saturating_sub(visible));
    for (row, epoch) in (1..area.height).zip(epochs.iter().skip(first)) {
        let line = table.row(|column| match column {
            0 => (epoch.epoch.to_string(), Style::new()),
            1 => (count(epoch.filled), Style::new()),
            2 => amount(epoch.earned, theme.good()),
            3 => amount(epoch.pending, theme.attention()),
            4 if epoch.lost == 0 => (theme.glyphs.dot.to_owned(), theme.dim()),
            4 => (count(epoch.lost), theme.bad()),
            5 => amount(epoch.fees, Style::new()),
            _ => amount(epoch.forfeited, theme.bad()),
        });
        ink.line(area, row, &line);
    }
}

fn draw_submissions(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let submissions = &state.snapshot.submissions;
    let table = Table::new(SUBMISSIONS, area.width.into(), ink.theme.glyphs.ellipsis).stretching(2, area.width.into());
    ink.line(area, 0, &table.heading(ink.theme.dim()));
    let theme = ink.theme;
    let visible = usize::from(area.height.saturating_sub(1));
    let first = usize::from(state.scroll).min(submissions.len().saturating_sub(visible));
    for (at, submission) in (1..area.height).zip(submissions.iter().skip(first)) {
        let (glyph, word, style) = theme.submission(submission.state);
        let line = table.row(|column| match column {
            0 => (format!("{glyph} {word}"), style),
            1 => (submission.target.short(), Style::new()),
            // Why it failed is worth more than what it was.
            2 => match &submission.note {
                Some(note) => (clean(note), theme.dim()),
                None => (clean(&submission.source), Style::new()),
            },
            3 => (super::text::margin(submission.margin(), theme.glyphs.minus), Style::new()),
            4 => match submission.paid {
                Some(paid) => (soma(paid, 9), theme.good()),
                None if submission.state.is_final() => (theme.glyphs.dot.to_owned(), theme.dim()),
                None => (soma(submission.expected_reward, 9), theme.dim()),
            },
            _ => (age(state.now_ms.saturating_sub(submission.changed_at_ms)), theme.dim()),
        });
        ink.line(area, at, &line);
    }
}
