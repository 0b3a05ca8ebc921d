//! What the wallet holds, what is bound, what is owed to it.

use ratatui::{layout::Rect, style::Style};

use super::{
    panes::Ink,
    text::{fit, group, soma, soma_change},
};
use crate::{
    app::{Pane, State},
    primitives::{SHANNONS_PER_SOMA, Shannons},
};

pub fn draw(state: &State, area: Rect, zoomed: bool, ink: &mut Ink<'_>) {
    let wallet = &state.snapshot.wallet;
    let focused = zoomed || state.focus == Pane::Wallet;
    let inner = ink.pane("1", Pane::Wallet.title(), "SOMA".to_owned(), focused, area);
    let Some(address) = wallet.address else {
        let text = "No key: this session only watches. Start with SOMA_SECRET_KEY set to submit.";
        return ink.empty(inner, &[text.to_owned()]);
    };
    // In a wide pane numbers stay near their labels.
    let rows = Rect { width: inner.width.min(44), ..inner };
    let columns = usize::from(rows.width).saturating_sub(13);
    let owed = |amount: Shannons, style: Style| if amount == Shannons::ZERO { Style::new() } else { style };
    ink.pair(rows, 0, "Balance", soma(wallet.balance, columns), ink.theme.strong());
    let (change, style) = match state.balance_at_start {
        None => (ink.theme.glyphs.ellipsis.to_owned(), ink.theme.dim()),
        Some(start) => (
            soma_change(start, wallet.balance, columns, ink.theme.glyphs.minus),
            match wallet.balance.cmp(&start) {
                std::cmp::Ordering::Greater => ink.theme.good(),
                std::cmp::Ordering::Equal => Style::new(),
                std::cmp::Ordering::Less => ink.theme.attention(),
            },
        ),
    };
    ink.pair(rows, 1, "Since start", change, style);
    let attention = ink.theme.attention();
    let good = ink.theme.good();
    ink.pair(rows, 2, "Bonds locked", soma(wallet.locked_bonds, columns), owed(wallet.locked_bonds, attention));
    ink.pair(rows, 3, "Pending", soma(wallet.pending_rewards, columns), owed(wallet.pending_rewards, attention));
    ink.pair(rows, 4, "Claimable", soma(wallet.claimable_rewards, columns), owed(wallet.claimable_rewards, good));
    ink.pair(rows, 5, "Coins", group(wallet.coins), Style::new());

    let address = address.to_hex_prefixed();
    let long = usize::from(inner.width) >= address.len() + 8;
    let short = format!("{}..{}", &address[..10], &address[address.len() - 6..]);
    let shown = if long { address } else { fit(&short, inner.width.saturating_sub(8).into(), "") };
    let address_rows = if long { inner } else { rows };
    if inner.height > 6 {
        ink.pair(address_rows, 6, "Address", shown, Style::new());
    }
    if inner.height > 9 {
        let chart = Rect { y: inner.y + 8, height: inner.height - 8, ..inner };
        history(state, chart, ink);
    } else if inner.height > 7 {
        history(state, Rect { y: inner.bottom() - 1, height: 1, ..inner }, ink);
    }
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
