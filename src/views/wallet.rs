//! What the wallet holds, what is bound, what is owed to it.

use std::cmp::Ordering;

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    panes::Ink,
    text::{ago, clean, fit, group, soma, soma_change, width},
};
use crate::{
    app::{Pane, State},
    primitives::{SHANNONS_PER_SOMA, Shannons},
};

/// Rows of the balance's chart at most.
const CHART: u16 = 16;

pub fn draw(state: &State, area: Rect, zoomed: bool, ink: &mut Ink<'_>) {
    let wallet = &state.snapshot.wallet;
    let focused = zoomed || state.focus == Pane::Wallet;
    let inner = ink.pane("1", Pane::Wallet.title(), "SOMA".to_owned(), focused, area);
    let Some(address) = wallet.address else {
        if !state.snapshot.is_told() {
            let asking = format!("Asking the engine which key is in use{}", ink.theme.glyphs.ellipsis);
            return ink.empty(inner, &[asking]);
        }
        let text = "No key is in use: this session only watches. `somascope setup` or `somascope wallet new` makes one; --mode manual uses it.";
        return ink.empty(inner, &[text.to_owned()]);
    };
    // In a wide pane numbers stay near their labels.
    let rows = Rect { width: inner.width.min(44), ..inner };
    let wide = rows.width >= 30;
    let columns = usize::from(rows.width).saturating_sub(if wide { 13 } else { 10 });
    let heard = state.snapshot.network.is_heard();
    let theme = ink.theme;
    // Before the first answer a zero would be a claim that nobody made.
    let known = |text: String| if heard { text } else { theme.glyphs.ellipsis.to_owned() };
    let amount = |amount: Shannons| known(soma(amount, columns));
    let owed = |amount: Shannons, style: Style| if amount == Shannons::ZERO { Style::new() } else { style };
    let (change, style) = match state.balance_at_start {
        None => (theme.glyphs.ellipsis.to_owned(), theme.dim()),
        Some(start) => (
            soma_change(start, wallet.balance, columns, theme.glyphs.minus),
            match wallet.balance.cmp(&start) {
                Ordering::Greater => theme.good(),
                Ordering::Equal => Style::new(),
                Ordering::Less => theme.attention(),
            },
        ),
    };
    ink.pair(rows, 0, "Balance", amount(wallet.balance), theme.strong());
    ink.pair(rows, 1, if wide { "Since start" } else { "Session" }, change, style);
    let bonds = owed(wallet.locked_bonds, theme.attention());
    ink.pair(rows, 2, if wide { "Bonds locked" } else { "Bonds" }, amount(wallet.locked_bonds), bonds);
    ink.pair(rows, 3, "Pending", amount(wallet.pending_rewards), owed(wallet.pending_rewards, theme.attention()));
    ink.pair(rows, 4, "Claimable", amount(wallet.claimable_rewards), owed(wallet.claimable_rewards, theme.good()));
    ink.pair(rows, 5, "Coins", known(group(wallet.coins)), Style::new());

    let address = address.to_hex_prefixed();
    let long = usize::from(inner.width) >= address.len() + 8;
    let shown = match inner.width {
        _ if long => address,
        26.. => format!("{}..{}", &address[..10], &address[address.len() - 6..]),
        _ => format!("{}..{}", &address[..6], &address[address.len() - 4..]),
    };
    let address_rows = if long { Rect { width: rows.width.max(80).min(inner.width), ..rows } } else { rows };
    if inner.height > 6 {
        ink.pair(address_rows, 6, "Address", shown, Style::new());
    }
    let servers = if zoomed { servers(state, inner, ink) } else { 0 };
    let inner = Rect { height: inner.height - servers, ..inner };
    if inner.height > 10 {
        let chart = Rect { y: inner.y + 8, height: inner.height - 8, ..inner };
        titled(state, chart, ink);
    } else if inner.height > 9 {
        history(state, Rect { y: inner.y + 8, height: inner.height - 8, ..inner }, ink);
    } else if inner.height > 7 {
        history(state, Rect { y: inner.bottom() - 1, height: 1, ..inner }, ink);
    }
}

/// Who is heard, and when last, at the foot of a pane that is high enough. Gives the rows that it took.
fn servers(state: &State, area: Rect, ink: &mut Ink<'_>) -> u16 {
    let upstreams = &state.snapshot.network.upstreams;
    let rows = u16::try_from(upstreams.len() + 2).unwrap_or(u16::MAX);
    if upstreams.is_empty() || area.height < rows.saturating_add(9) {
        return 0;
    }
    let top = area.bottom() - rows;
    ink.line(Rect { y: top + 1, height: 1, ..area }, 0, &Line::styled("Servers", ink.theme.strong()));
    for (row, upstream) in (2..).zip(upstreams) {
        let (glyph, style) = match (&upstream.trouble, upstream.last_heard_ms) {
            (Some(_), _) => (ink.theme.glyphs.bad, ink.theme.bad()),
            (None, Some(_)) => (ink.theme.glyphs.live, ink.theme.good()),
            (None, None) => (ink.theme.glyphs.quiet, ink.theme.dim()),
        };
        let heard = match upstream.last_heard_ms {
            Some(at) => format!("heard {}", ago(state.now_ms.saturating_sub(at))),
            None if upstream.name.is_steady() => "not heard yet".to_owned(),
            None => "not needed yet".to_owned(),
        };
        let trouble = upstream.trouble.as_ref().map(|trouble| format!("  {}", clean(trouble))).unwrap_or_default();
        let (url, ellipsis) = (clean(&upstream.url), ink.theme.glyphs.ellipsis);
        let room = usize::from(area.width).saturating_sub(1 + 1 + 12 + 18);
        let url = fit(&url, room, ellipsis);
        let trouble = fit(&trouble, room.saturating_sub(width(&url)), ellipsis);
        let line = Line::from(vec![
            Span::styled(glyph, style),
            Span::raw(format!(" {:<12}{heard:<18}", upstream.name.word())),
            Span::styled(url, ink.theme.dim()),
            Span::styled(trouble, ink.theme.bad()),
        ]);
        ink.line(Rect { y: top + row, height: 1, ..area }, 0, &line);
    }
    rows
}

/// The balance over time under its range, no higher than it takes to see a direction.
fn titled(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let balances = || state.snapshot.wallet.history.iter().map(|&(_, balance)| balance);
    let (Some(low), Some(high)) = (balances().min(), balances().max()) else { return };
    if low == high {
        return;
    }
    let title = format!("Balance, {} to {} SOMA", soma(low, 12), soma(high, 12));
    ink.line(area, 0, &Line::styled(fit(&title, area.width.into(), ink.theme.glyphs.ellipsis), ink.theme.dim()));
    let height = area.height.saturating_sub(1).min(CHART);
    history(state, Rect { y: area.y.saturating_add(1), height, ..area }, ink);
}

/// The balance over time, scaled to its own range: what matters is the direction.
fn history(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let soma = |balance: Shannons| balance.0 as f64 / SHANNONS_PER_SOMA as f64;
    let history = &state.snapshot.wallet.history;
    let Some(&(_, first)) = history.first() else { return };
    // Differences are taken before f32 loses them: shannons of change under thousands of SOMA.
    let changes: Vec<f32> = history.iter().map(|&(_, balance)| (soma(balance) - soma(first)) as f32).collect();
    let low = changes.iter().copied().fold(f32::INFINITY, f32::min);
    let high = changes.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if high > low {
        ink.bars(area, &changes, (low, high), ink.theme.accent());
    }
}
