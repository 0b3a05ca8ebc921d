//! Sums by epoch or by day: a table, and bars of what came in.

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::amount;
use crate::{
    app::{Hit, Row, State},
    primitives::Shannons,
    views::{
        panes::Ink,
        table::{Column, Table, first_row, right},
        text::{count, soma, soma_change},
    },
};

/// `first`: what a row is about, in so many columns.
const fn columns(first: &'static str, width: usize) -> [Column; 8] {
    [
        right(first, width, 0),
        right("fills", 5, 2),
        right("earned", 8, 0),
        right("pending", 8, 1),
        right("lost", 4, 4),
        right("fees", 8, 5),
        right("forfeit", 8, 6),
        right("net", 9, 3),
    ]
}

const EPOCHS: &[Column] = &columns("epoch", 5);
const DAYS: &[Column] = &columns("day", 6);

/// The period that the list is about, or that of the selected submission.
fn looked_at(state: &State) -> Option<usize> {
    let periods = &state.rewards.periods;
    let epoch = match periods.chosen() {
        Some(period) => period.sums.epoch,
        None => state.rewards.chosen()?.epoch,
    };
    periods.place(epoch)
}

pub fn table(state: &State, area: Rect, selectable: bool, ink: &mut Ink<'_>) {
    let periods = &state.rewards.periods;
    let columns = if periods.by_day { DAYS } else { EPOCHS };
    let table = Table::new(columns, area.width.into(), ink.theme.glyphs.ellipsis);
    ink.line(area, 0, &table.heading(ink.theme.dim()));
    if periods.rows.is_empty() {
        return ink.line(area, 1, &Line::styled("  Nothing was sent yet.", ink.theme.dim()));
    }
    let visible = usize::from(area.height.saturating_sub(1));
    let is_chosen = periods.chosen().is_some();
    let at = looked_at(state);
    let first = first_row(at.unwrap_or(0), periods.rows.len(), visible);
    for (row, (index, period)) in (1..area.height).zip(periods.rows.iter().enumerate().skip(first)) {
        let (theme, sums, costs) = (ink.theme, &period.sums, period.costs());
        let line = table.row(|column| match column {
            0 if Some(index) == at && is_chosen => {
                let room = table.width_of(0) - 1;
                (format!("{}{:>room$}", theme.glyphs.selected, period.label), theme.focus())
            }
            0 if Some(index) == at => (period.label.clone(), theme.focus()),
            0 => (period.label.clone(), Style::new()),
            1 => (count(sums.filled), Style::new()),
            2 => amount(ink, sums.earned, 8, theme.good()),
            3 => amount(ink, sums.pending, 8, theme.attention()),
            4 if sums.lost == 0 => (theme.glyphs.dot.to_owned(), theme.dim()),
            4 => (count(sums.lost), theme.bad()),
            5 => amount(ink, sums.fees, 8, Style::new()),
            6 => amount(ink, sums.forfeited, 8, theme.bad()),
            _ => {
                let style = if sums.earned < costs { theme.bad() } else { Style::new() };
                (soma_change(costs, sums.earned, 9, theme.glyphs.minus), style)
            }
        });
        ink.line(area, row, &line);
        if selectable {
            ink.hit_row(area, row, Hit::Row(Row::Epoch(sums.epoch)));
        }
    }
}

/// For drawing only.
fn height(amount: Shannons, top: Shannons, rows: u16) -> u16 {
    let eighths = u128::from(amount.0) * u128::from(rows) * 8 / u128::from(top.0.max(1));
    let eighths = u16::try_from(eighths).unwrap_or(u16::MAX);
    if amount > Shannons::ZERO { eighths.max(1) } else { 0 }
}

/// Earned in full, pending hatched above it; the newest at the right. Epochs and days without submissions are left out. A chosen one
/// is among those shown.
pub fn bars(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let area = area.intersection(ink.buffer.area);
    let periods = &state.rewards.periods;
    let rows = &periods.rows;
    if area.height < 5 || area.width < 20 || rows.is_empty() {
        return;
    }
    let top = periods.highest;
    let (full, hatched) = if ink.theme.is_ascii() { ("#", ":") } else { ("█", "▒") };
    let title = Line::from(vec![
        Span::styled(full, ink.theme.good()),
        Span::styled(" earned  ", ink.theme.dim()),
        Span::styled(hatched, ink.theme.attention()),
        Span::styled(format!(" pending  highest {} SOMA", soma(top, 10)), ink.theme.dim()),
    ]);
    ink.line(area, 0, &title);
    let plane = Rect { y: area.y + 1, height: area.height - 2, ..area };
    // A label below each bar where there is room; never more than six columns a bar.
    let least = plane.width / u16::try_from(rows.len()).unwrap_or(u16::MAX);
    let width = least.clamp(2, 7);
    let shown = usize::from(plane.width / width).min(rows.len());
    let chosen = looked_at(state).filter(|_| periods.chosen().is_some());
    let newest = chosen.map_or(0, |at| (at + 1).saturating_sub(shown));
    let mut chosen_label = None;
    for (at, period) in rows[newest..newest + shown].iter().rev().enumerate() {
        let sums = &period.sums;
        let x = plane.x + at as u16 * width;
        let earned = height(sums.earned, top, plane.height);
        let all = height(sums.earned.saturating_add(sums.pending), top, plane.height);
        for column in x..x + width - 1 {
            for row in 0..plane.height {
                let cell = &mut ink.buffer[(column, plane.bottom() - 1 - row)];
                let part = earned.saturating_sub(row * 8).min(8);
                if part > 0 && (part == 8 || all == earned) {
                    cell.set_symbol(ink.theme.glyphs.bars[usize::from(part - 1)]).set_style(ink.theme.good());
                } else if all > row * 8 {
                    cell.set_symbol(hatched).set_style(ink.theme.attention());
                }
            }
        }
        let label = Rect { x, y: area.bottom() - 1, width: plane.right() - x, height: 1 };
        if Some(newest + shown - 1 - at) == chosen {
            // Not to be overwritten by the next one's.
            chosen_label = Some((label, Line::styled(period.label.clone(), ink.theme.focus())));
        } else if period.label.len() < usize::from(width) || at.is_multiple_of(usize::from(8 / width).max(1) * 2) {
            ink.line(label, 0, &Line::styled(period.label.clone(), ink.theme.dim()));
        }
    }
    if let Some((place, label)) = chosen_label {
        ink.line(place, 0, &label);
    }
}
