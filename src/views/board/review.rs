//! The review of one epoch: its numbers, how they differ from the epoch before, and what is different after it.

use std::cmp::Ordering;

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    super::{
        numbers::spelled,
        panes::Ink,
        text::{age, group, soma, width, wrap},
    },
    model, split, split_left,
};
use crate::{
    api::EpochReview,
    app::{Section, State},
    primitives::Shannons,
};

/// Changes of one kind that are named; the rest is counted.
const NAMED: usize = 4;

/// Whether more is better for us.
#[derive(Clone, Copy)]
enum Is {
    Better,
    Worse,
    Neither,
}

pub fn draw(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let reviews = &state.snapshot.board.reviews;
    let at = state.board.selected(Section::Review, &state.snapshot.board);
    let Some(review) = reviews.get(at) else {
        let text = format!("The first review is written when epoch {} ends.", state.snapshot.board.epoch);
        return ink.empty(area, &[text, "Each is kept for ever: [ and ] page through them.".to_owned()]);
    };
    let before = reviews.get(at + 1);
    let theme = ink.theme;
    let ago = match age(state.now_ms.saturating_sub(review.ended_at_ms)).as_str() {
        "new" => "just now".to_owned(),
        age => format!("{age} ago"),
    };
    let compared = match before {
        Some(before) => format!(", against epoch {}", before.epoch),
        None => ", the first that is known".to_owned(),
    };
    let mut title = vec![
        Span::styled(format!("epoch {}", review.epoch), theme.strong()),
        Span::styled(format!(", ended {ago}{compared}, {} of {}", at + 1, reviews.len()), theme.dim()),
    ];
    if !review.whole {
        title.push(Span::styled("  seen in part", theme.attention()));
    }
    let (head, rest) = split(area, 1);
    ink.line(head, 0, &Line::from(title));
    let facts = facts(review, before, state.snapshot.board.epoch, ink);
    let columns = if area.width >= 68 { 2 } else { 1 };
    let (numbers, changes) = split(rest, (facts.len() as u16).div_ceil(columns));
    let (one, two) = split_left(numbers, numbers.width / columns);
    let in_one = facts.len().div_ceil(usize::from(columns));
    ink.lines(one, facts.get(..in_one).unwrap_or(&facts));
    if columns == 2 {
        ink.lines(two, facts.get(in_one..).unwrap_or_default());
    }
    let lines = registry(state, review, ink).into_iter().flat_map(|(label, text)| {
        let room = usize::from(changes.width).saturating_sub(LABEL);
        let label = Span::styled(format!("{label:<LABEL$}"), theme.dim());
        let wrapped = wrap(&text, room);
        wrapped.into_iter().enumerate().map(move |(n, text)| {
            let start = if n == 0 { label.clone() } else { Span::raw(" ".repeat(LABEL)) };
            Line::from(vec![start, Span::raw(text)])
        })
    });
    ink.lines(changes, &lines.collect::<Vec<_>>());
}

/// Of the registry's changes, and of the numbers.
const LABEL: usize = 13;
const FACT: usize = 12;
const VALUE: usize = 10;

/// What differs: the sign, the amount, and a word for it.
fn change(ordering: Ordering, by: String, is: Is, ink: &Ink<'_>) -> Span<'static> {
    let theme = ink.theme;
    let style = |up: bool| match (is, up) {
        (Is::Better, true) | (Is::Worse, false) => theme.good(),
        (Is::Better, false) | (Is::Worse, true) => theme.bad(),
        (Is::Neither, _) => Style::new(),
    };
    match ordering {
        Ordering::Equal => Span::styled("same", theme.dim()),
        Ordering::Greater => Span::styled(format!("+{by} up"), style(true)),
        Ordering::Less => Span::styled(format!("{}{by} down", theme.glyphs.minus), style(false)),
    }
}

fn facts(review: &EpochReview, before: Option<&EpochReview>, epoch: u64, ink: &Ink<'_>) -> Vec<Line<'static>> {
    let line = |label: &'static str, value: String, change: Option<Span<'static>>| {
        let pad = " ".repeat(VALUE.saturating_sub(width(&value)));
        let mut spans =
            vec![Span::styled(format!("{label:<FACT$}"), ink.theme.dim()), Span::raw(format!("{pad}{value}  "))];
        spans.extend(change);
        Line::from(spans)
    };
    let number = |label, of: fn(&EpochReview) -> u64, is| {
        let now = of(review);
        let change = before.map(|before| change(now.cmp(&of(before)), group(now.abs_diff(of(before))), is, ink));
        line(label, group(now), change)
    };
    let money = |label, of: fn(&EpochReview) -> Shannons, is| {
        let now = of(review);
        let change = before.map(|before| {
            let by = Shannons(now.0.abs_diff(of(before).0));
            change(now.cmp(&of(before)), soma(by, 8), is, ink)
        });
        line(label, soma(now, 9), change)
    };
    // Claims pay and cost two epochs later: until then there is nothing to compare.
    let is_final = |review: &EpochReview| review.epoch + 2 <= epoch && review.pending == Shannons::ZERO;
    let settling = |label, of: fn(&EpochReview) -> Shannons, is| match before {
        _ if !is_final(review) => line(label, soma(of(review), 9), Some(Span::styled("not final", ink.theme.dim()))),
        Some(before) if is_final(before) => money(label, of, is),
        _ => line(label, soma(of(review), 9), None),
    };
    let threshold = before.map(|before| {
        let by = (review.threshold - before.threshold).abs();
        // What is shown as the same is the same.
        let ordering = if by < 5e-5 { Ordering::Equal } else { review.threshold.total_cmp(&before.threshold) };
        change(ordering, format!("{by:.4}"), Is::Neither, ink)
    });
    let share = |review: &EpochReview| review.share_permille().unwrap_or(0);
    let of_fills = |permille: u64| format!("{}.{}%", permille / 10, permille % 10);
    let share_change = before.map(|before| {
        change(share(review).cmp(&share(before)), of_fills(share(review).abs_diff(share(before))), Is::Better, ink)
    });
    vec![
        number("our fills", |r| r.ours, Is::Better),
        line("our share", of_fills(share(review)), share_change),
        number("hits", |r| r.hits, Is::Better),
        number("near misses", |r| r.near_misses, Is::Neither),
        number("opened", |r| r.opened, Is::Neither),
        number("filled", |r| r.filled, Is::Neither),
        number("expired", |r| r.expired, Is::Neither),
        settling("earned", |r| r.earned, Is::Better),
        settling("pending", |r| r.pending, Is::Neither),
        settling("fees", |r| r.fees, Is::Worse),
        money("bonds", |r| r.bonds, Is::Neither),
        settling("forfeited", |r| r.forfeited, Is::Worse),
        line("threshold", format!("{:.4}", review.threshold), threshold),
        money("reward", |r| r.reward, Is::Better),
    ]
}

/// What is different in the registry, in words.
fn registry(state: &State, review: &EpochReview, ink: &Ink<'_>) -> Vec<(&'static str, String)> {
    fn list<T>(items: &[T], name: impl Fn(&T) -> String) -> String {
        let named: Vec<String> = items.iter().take(NAMED).map(name).collect();
        let rest = items.len().saturating_sub(NAMED);
        if rest > 0 { format!("{} and {rest} more", named.join(", ")) } else { named.join(", ") }
    }
    let sigma = state.snapshot.board.sigma;
    let percent = |bps: u64| format!("{}.{:02}%", bps / 100, bps % 100);
    let arrow = if state.look.ascii { "->" } else { "→" };
    let moved = |moved: &crate::api::Moved| {
        let scale = if sigma > 0.0 { format!(" ({:.1} σ)", moved.distance / sigma) } else { String::new() };
        let scale = spelled(&scale, state.look.ascii);
        format!("{} by {:.4}{scale}", model(state, &moved.model), moved.distance)
    };
    let mut lines = vec![("models", format!("{} at its start", review.models))];
    if !review.new_models.is_empty() {
        lines.push(("+ new", list(&review.new_models, |id| model(state, id))));
    }
    if !review.gone_models.is_empty() {
        lines.push(("- gone", list(&review.gone_models, |id| model(state, id))));
    }
    if !review.moved.is_empty() {
        lines.push(("~ moved", list(&review.moved, moved)));
    }
    if !review.commissions.is_empty() {
        let text = list(&review.commissions, |change| {
            format!("{} {}{arrow}{}", model(state, &change.model), percent(change.from_bps), percent(change.to_bps))
        });
        lines.push(("~ commission", text));
    }
    if !review.stakes.is_empty() {
        let text = list(&review.stakes, |change| {
            let sign = if change.to >= change.from { "+" } else { ink.theme.glyphs.minus };
            let by = Shannons(change.to.0.abs_diff(change.from.0));
            format!("{} {sign}{}", model(state, &change.model), soma(by, 9))
        });
        lines.push(("~ stake", text));
    }
    if lines.len() == 1 {
        lines.push(("registry", format!("as it was, in epoch {}", review.compared_with)));
    }
    lines
}
