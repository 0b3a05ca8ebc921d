//! What was earned, epoch by epoch, and the life of each submission.

mod detail;
mod epochs;
mod list;

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    key_below,
    numbers::share,
    panes::Ink,
    text::{clean, count, fit_end, group, soma, soma_change, span},
};
use crate::{
    api::RewardsView,
    app::{Pane, State, actions::Action},
    primitives::Shannons,
};

/// From here on epochs and submissions stand side by side.
const WIDE: u16 = 108;
const DAY_MS: u64 = 86_400_000;

pub fn draw(state: &State, area: Rect, zoomed: bool, ink: &mut Ink<'_>) {
    let snapshot = &state.snapshot;
    let focused = zoomed || state.focus == Pane::Rewards;
    let right = if zoomed { listed(state) } else { format!("{} claimed", count(snapshot.rewards.total.claimed)) };
    let inner = ink.pane("5", Pane::Rewards.title(), right, focused, area);
    if snapshot.rewards.epochs.is_empty() && snapshot.submissions.is_empty() {
        return ink.empty(inner, &nothing_yet(state));
    }
    if let Some(row) = state.rewards.chosen().filter(|_| zoomed && state.rewards.detail) {
        return detail::draw(state, row, inner, ink);
    }
    ink.line(inner, 0, &totals(state, ink, inner.width));
    let heads = if zoomed && inner.height > 14 {
        ink.line(inner, 1, &pace(state, ink, inner.width));
        if let Some(path) = &state.rewards.wrote {
            let room = usize::from(inner.width).saturating_sub(6);
            let path = fit_end(&clean(path), room, ink.theme.glyphs.ellipsis);
            let spans = vec![Span::styled("Wrote ", ink.theme.dim()), Span::styled(path, ink.theme.accent())];
            ink.line(inner, 2, &Line::from(spans));
        }
        3
    } else {
        1
    };
    let below = Rect { y: inner.y + heads, height: inner.height.saturating_sub(heads), ..inner };
    let count = u16::try_from(state.rewards.periods.rows.len() + 1).unwrap_or(u16::MAX);
    if inner.width >= WIDE {
        let (left, right) = (below.width * 9 / 20, below.width - below.width * 9 / 20 - 2);
        let table = Rect { width: left, ..below };
        if zoomed && below.height >= 20 {
            let chart = (below.height / 2).min(16);
            let (epochs, bars) = split(table, below.height - chart - 1);
            epochs::table(state, epochs, true, ink);
            epochs::bars(state, bars, ink);
        } else {
            epochs::table(state, table, zoomed, ink);
        }
        let list = Rect { x: below.x + left + 2, width: right, ..below };
        match state.rewards.chosen().filter(|_| zoomed && below.height >= 28) {
            Some(row) => {
                let (list, rest) = split(list, below.height - detail::HEIGHT - 1);
                list::draw(state, list, true, ink);
                detail::draw(state, row, rest, ink);
            }
            None => list::draw(state, list, zoomed, ink),
        }
    } else if zoomed {
        // The list is what is moved through.
        let (epochs, list) = split(below, count.min((below.height / 3).max(2)));
        epochs::table(state, epochs, zoomed, ink);
        list::draw(state, list, true, ink);
    } else {
        let height = if below.height > 9 { count.min(below.height / 2) } else { count.min(below.height) };
        let (epochs, list) = split(below, height);
        epochs::table(state, epochs, zoomed, ink);
        if list.height > 1 {
            list::draw(state, list, false, ink);
        }
    }
}

/// The first rows, and the rest after a free one.
fn split(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    let rest = area.height - height;
    let below = Rect { y: area.y + height + rest.min(1), height: rest.saturating_sub(1), ..area };
    (Rect { height, ..area }, below)
}

fn nothing_yet(state: &State) -> Vec<String> {
    let next = match state.undecided() {
        0 => format!(
            "The first hit waits under {} (approvals); AUTO ({}) sends it.",
            key_below(state, Action::Approvals),
            key_below(state, Action::Mode)
        ),
        _ => format!("A candidate waits for your decision: {} shows it.", key_below(state, Action::Approvals)),
    };
    vec!["Nothing submitted yet. A filled target pays two epochs later.".to_owned(), next]
}

/// What of the submissions is listed, and how.
fn listed(state: &State) -> String {
    let rewards = &state.rewards;
    let known = group(rewards.known() as u64);
    let period = rewards.periods.chosen();
    let is_all = period.is_none() && rewards.filter.is_empty();
    let mut text = if is_all { known } else { format!("{} of {known}", group(rewards.rows.len() as u64)) };
    if let Some(period) = period {
        let of = if rewards.periods.by_day { "of" } else { "in epoch" };
        text.push_str(&format!(" {of} {}", period.label));
    }
    if !rewards.filter.is_empty() {
        text.push_str(&format!(" with \"{}\"", clean(&rewards.filter)));
    }
    if !rewards.is_whole {
        text.push_str(if is_all { " read so far" } else { " (read so far)" });
    }
    text.push_str(&format!(", by {}", rewards.sort.word()));
    text
}

fn totals(state: &State, ink: &Ink<'_>, width: u16) -> Line<'static> {
    let total = &state.snapshot.rewards.total;
    let dim = ink.theme.dim();
    let mut spans = vec![Span::styled("Earned ", dim), Span::styled(soma(total.rewards, 10), ink.theme.good())];
    if width >= 32 {
        spans.extend([Span::styled("  fees ", dim), Span::raw(soma(total.fees, 8))]);
    }
    let other = state.rewards.periods.other_fees;
    if width >= 130 && other > Shannons::ZERO {
        spans.push(Span::styled(format!(" ({} beside these epochs)", soma(other, 8)), dim));
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
    let pace = &state.snapshot.board.pace;
    if width >= 92 && pace.all > 0 {
        let of = format!(" of {} fills seen", count(pace.all));
        spans.extend([Span::styled("  ours ", dim), Span::raw(share(pace.all_ours, pace.all)), Span::styled(of, dim)]);
    }
    if total.bonds_forfeited > Shannons::ZERO {
        spans
            .extend([Span::styled("  forfeited ", dim), Span::styled(soma(total.bonds_forfeited, 8), ink.theme.bad())]);
    }
    Line::from(spans)
}

/// The second line of the zoomed pane: what it comes to, and how fast.
fn pace(state: &State, ink: &Ink<'_>, width: u16) -> Line<'static> {
    let rewards = &state.snapshot.rewards;
    let total = &rewards.total;
    let dim = ink.theme.dim();
    let costs = total.fees.saturating_add(total.bonds_forfeited);
    let net = soma_change(costs, total.rewards, 12, ink.theme.glyphs.minus);
    let mut spans = vec![
        Span::styled("Net ", dim),
        Span::styled(net, ink.theme.strong()),
        Span::styled("  pending ", dim),
        Span::styled(soma(state.rewards.periods.pending, 10), ink.theme.attention()),
    ];
    if let Some((hour, over)) = hourly(rewards, state.now_ms) {
        spans.extend([
            Span::styled("  paid ", dim),
            Span::raw(format!("{}/h", soma(hour, 10))),
            Span::styled(format!(" over {}", span(over)), dim),
        ]);
    }
    if let Some(mean) = state.rewards.periods.mean {
        let each = if state.rewards.periods.by_day { "  a day " } else { "  an epoch " };
        let more = [Span::styled(each, dim), Span::raw(soma(mean, 10))];
        let room = usize::from(width);
        let used: usize = spans.iter().chain(&more).map(Span::width).sum();
        if used <= room {
            spans.extend(more);
        }
    }
    Line::from(spans)
}

/// What claims paid an hour, over the last day or since the journal began, and over which time.
fn hourly(rewards: &RewardsView, now_ms: u64) -> Option<(Shannons, u64)> {
    let over = now_ms.saturating_sub(rewards.since_ms?).min(DAY_MS);
    // An hour's rate out of a few seconds is no rate.
    if over < 60_000 || rewards.paid_last_day == Shannons::ZERO {
        return None;
    }
    let hour = u128::from(rewards.paid_last_day.0) * 3_600_000 / u128::from(over);
    Some((Shannons(u64::try_from(hour).unwrap_or(u64::MAX)), over))
}

/// An amount in a table: nothing is a dot.
fn amount(ink: &Ink<'_>, amount: Shannons, columns: usize, style: Style) -> (String, Style) {
    match amount {
        Shannons::ZERO => (ink.theme.glyphs.dot.to_owned(), ink.theme.dim()),
        amount => (soma(amount, columns), style),
    }
}
