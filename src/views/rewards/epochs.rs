//! Sums by epoch: a table, and bars of what came in.

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::amount;
use crate::{
    api::EpochRewards,
    app::{Hit, Row, State},
    primitives::Shannons,
    views::{
        panes::Ink,
        table::{Column, Table, first_row, right},
        text::{count, soma, soma_change},
    },
};

const COLUMNS: &[Column] = &[
    right("epoch", 5, 0),
    right("fills", 5, 2),
    right("earned", 8, 0),
    right("pending", 8, 1),
    right("lost", 4, 4),
    right("fees", 8, 5),
    right("forfeit", 8, 6),
    right("net", 9, 3),
];

fn costs(epoch: &EpochRewards) -> Shannons {
    epoch.fees.saturating_add(epoch.forfeited)
}

/// The epoch of the selected submission is among those shown.
pub fn table(state: &State, area: Rect, selectable: bool, ink: &mut Ink<'_>) {
    let epochs = &state.snapshot.rewards.epochs;
    let table = Table::new(COLUMNS, area.width.into(), ink.theme.glyphs.ellipsis);
    ink.line(area, 0, &table.heading(ink.theme.dim()));
    let visible = usize::from(area.height.saturating_sub(1));
    let chosen = state.rewards.chosen().map(|row| row.epoch);
    let at = chosen.and_then(|chosen| epochs.iter().position(|epoch| epoch.epoch == chosen));
    let first = first_row(at.unwrap_or(0), epochs.len(), visible);
    for (row, epoch) in (1..area.height).zip(epochs.iter().skip(first)) {
        let theme = ink.theme;
        let line = table.row(|column| match column {
            0 if Some(epoch.epoch) == chosen => (epoch.epoch.to_string(), theme.focus()),
            0 => (epoch.epoch.to_string(), Style::new()),
            1 => (count(epoch.filled), Style::new()),
            2 => amount(ink, epoch.earned, 8, theme.good()),
            3 => amount(ink, epoch.pending, 8, theme.attention()),
            4 if epoch.lost == 0 => (theme.glyphs.dot.to_owned(), theme.dim()),
            4 => (count(epoch.lost), theme.bad()),
            5 => amount(ink, epoch.fees, 8, Style::new()),
            6 => amount(ink, epoch.forfeited, 8, theme.bad()),
            _ => {
                let style = if epoch.earned < costs(epoch) { theme.bad() } else { Style::new() };
                (soma_change(costs(epoch), epoch.earned, 9, theme.glyphs.minus), style)
            }
        });
        ink.line(area, row, &line);
        if selectable {
            ink.hit_row(area, row, Hit::Row(Row::Epoch(epoch.epoch)));
        }
    }
}

/// For drawing only.
fn height(amount: Shannons, top: Shannons, rows: u16) -> u16 {
    let eighths = u128::from(amount.0) * u128::from(rows) * 8 / u128::from(top.0.max(1));
    let eighths = u16::try_from(eighths).unwrap_or(u16::MAX);
    if amount > Shannons::ZERO { eighths.max(1) } else { 0 }
}

/// Earned in full, pending hatched above it; the newest epoch at the right. Epochs without submissions are left out.
pub fn bars(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let area = area.intersection(ink.buffer.area);
    let epochs = &state.snapshot.rewards.epochs;
    if area.height < 5 || area.width < 20 || epochs.is_empty() {
        return;
    }
    let top = epochs.iter().map(|epoch| epoch.earned.saturating_add(epoch.pending)).max().unwrap_or_default();
    let (full, hatched) = if ink.theme.glyphs.minus == "-" { ("#", ":") } else { ("█", "▒") };
    let title = Line::from(vec![
        Span::styled(full, ink.theme.good()),
        Span::styled(" earned  ", ink.theme.dim()),
        Span::styled(hatched, ink.theme.attention()),
        Span::styled(format!(" pending  highest {} SOMA", soma(top, 10)), ink.theme.dim()),
    ]);
    ink.line(area, 0, &title);
    let plane = Rect { y: area.y + 1, height: area.height - 2, ..area };
    // A number below each bar where there is room; never more than six columns a bar.
    let width = (plane.width / epochs.len().max(1) as u16).clamp(2, 7);
    let shown = usize::from(plane.width / width).min(epochs.len());
    let start = plane.x;
    for (at, epoch) in epochs[..shown].iter().rev().enumerate() {
        let x = start + at as u16 * width;
        let earned = height(epoch.earned, top, plane.height);
        let all = height(epoch.earned.saturating_add(epoch.pending), top, plane.height);
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
        let number = epoch.epoch.to_string();
        if number.len() < usize::from(width) || at.is_multiple_of(usize::from(8 / width).max(1) * 2) {
            let label = Rect { x, y: area.bottom() - 1, width: plane.right() - x, height: 1 };
            ink.line(label, 0, &Line::styled(number, ink.theme.dim()));
        }
    }
}
