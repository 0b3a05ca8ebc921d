//! The board: who plays where, what lies open, who fills it, what works, and what every epoch was.

mod review;
mod tables;

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};

use super::{
    panes::Ink,
    text::{clean, group, soma, span},
};
use crate::{
    api::BoardView,
    app::{Hit, List, Section, State, shows_all},
    primitives::{ObjectId, Shannons},
};

pub fn draw(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let board = &state.snapshot.board;
    let sigma = if board.sigma > 0.0 { format!(", distances scatter by {:.4}", board.sigma) } else { String::new() };
    if board.epoch == 0 && board.models.is_empty() {
        let inner = ink.pane("8", "Board", String::new(), true, area);
        return ink.empty(
            inner,
            &[
                format!("Asking {} who plays and what lies open.", clean(&state.snapshot.network.rpc_url)),
                String::new(),
                "Models, crowds and gaps come with the network's state; fills as checkpoints show them; the first review \
                 when an epoch ends. All of it is kept: a restart loses nothing that was seen."
                    .to_owned(),
            ],
        );
    }
    let title = format!("epoch {}{sigma}", board.epoch);
    if shows_all(state.frame().body) {
        let (top, rest) = split(area, 4);
        let inner = ink.pane("8", "Board", title, false, top);
        ink.lines(inner, &summary(board, ink));
        return grid(state, rest, ink);
    }
    let inner = ink.pane("8", "Board", title, true, area);
    let lines = summary(board, ink);
    // The numbers of the section before those of everything.
    let above = if inner.height >= 12 { lines.len() as u16 } else { 0 };
    let (head, rest) = split(inner, above);
    ink.lines(head, &lines);
    let (tabs, rest) = split(rest, 1);
    let pieces = tabs_of(state, ink);
    ink.pieces(tabs, 0, pieces);
    ink.hit(rest, Hit::List(List::Board(state.board.section)));
    section(state, state.board.section, rest, true, ink);
}

/// The first `height` rows, and the rest.
fn split(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    (Rect { height, ..area }, Rect { y: area.y + height, height: area.height - height, ..area })
}

/// The first `width` columns, and the rest.
fn split_left(area: Rect, width: u16) -> (Rect, Rect) {
    let width = width.min(area.width);
    (Rect { width, ..area }, Rect { x: area.x + width, width: area.width - width, ..area })
}

fn tabs_of(state: &State, ink: &Ink<'_>) -> Vec<(Span<'static>, Option<Hit>)> {
    let tab = |section: Section| match section == state.board.section {
        true => Span::styled(format!("[{}]", section.title()), ink.theme.focus()),
        false => Span::styled(format!(" {} ", section.title()), ink.theme.dim()),
    };
    Section::ALL.into_iter().map(|section| (tab(section), Some(Hit::Section(section)))).collect()
}

fn grid(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let (left, right) = split_left(area, area.width * 11 / 20);
    let (models, gaps) = split(left, left.height / 2);
    let (review, rest) = split(right, (right.height * 9 / 20).clamp(15, 24));
    let (fills, reach) = split(rest, rest.height * 2 / 5);
    let places = [
        (Section::Models, models),
        (Section::Gaps, gaps),
        (Section::Review, review),
        (Section::Fills, fills),
        (Section::Reach, reach),
    ];
    for (which, area) in places {
        let focused = which == state.board.section;
        ink.hit(area, Hit::Section(which));
        let inner = ink.pane("", which.title(), String::new(), focused, area);
        section(state, which, inner, focused, ink);
    }
}

fn section(state: &State, which: Section, area: Rect, focused: bool, ink: &mut Ink<'_>) {
    match which {
        Section::Models => tables::models(state, area, focused, ink),
        Section::Gaps => tables::gaps(state, area, focused, ink),
        Section::Fills => tables::fills(state, area, focused, ink),
        Section::Reach => tables::reach(state, area, focused, ink),
        Section::Review => review::draw(state, area, ink),
    }
}

/// The whole in two lines.
fn summary(board: &BoardView, ink: &Ink<'_>) -> Vec<Line<'static>> {
    let (dim, pace, money) = (ink.theme.dim(), &board.pace, &board.money);
    let label = |text: &'static str| Span::styled(text, dim);
    let share = match (pace.ours * 100).checked_div(pace.filled) {
        Some(percent) => format!(", {} ours ({percent}%)", group(pace.ours)),
        None => String::new(),
    };
    let mut first = vec![
        label("filled "),
        Span::styled(format!("{} of {}{share}", group(pace.filled), group(pace.opened)), ink.theme.strong()),
    ];
    if let Some(median) = pace.median_ms {
        let ours = pace.our_median_ms.map_or(String::new(), |ours| format!(", ours {}", quick(ours)));
        first.extend([label("   after "), Span::raw(format!("{}{ours}", quick(median)))]);
    }
    first.extend([label("   gaps "), Span::raw(format!("{} of {}", group(board.gaps.count), group(board.gaps.open)))]);
    if !pace.whole {
        first.push(label("   seen in part"));
    }
    let mut second = vec![label("to claim "), amount(money.mine, money.mine_pays)];
    match money.others {
        Some(finds) => {
            let more = if finds.more { "+" } else { "" };
            let gain = soma(finds.fees.saturating_sub(finds.costs), 9);
            second.extend([label("  left by others "), Span::raw(format!("{}{more} for {gain}", group(finds.count)))]);
        }
        None => second.extend([label("  left by others "), Span::raw("?")]),
    }
    second.extend([label("  too small "), amount(money.dust, money.dust_holds)]);
    vec![Line::from(first), Line::from(second)]
}

fn amount(count: u64, sum: Shannons) -> Span<'static> {
    Span::raw(if count == 0 { "none".to_owned() } else { format!("{} for {}", group(count), soma(sum, 9)) })
}

/// Times that are often shorter than a second.
fn quick(ms: u64) -> String {
    if ms < 10_000 { format!("{}.{}s", ms / 1000, ms % 1000 / 100) } else { span(ms) }
}

/// Parts of a million, as hundredths with one decimal.
fn percent(ppm: u64) -> String {
    let tenths = (ppm + 500) / 1_000;
    format!("{}.{}%", tenths / 10, tenths % 10)
}

/// A z with its sign.
fn signed(z: f32, minus: &str) -> String {
    format!("{}{:.1}", if z < 0.0 { minus } else { "+" }, z.abs())
}

/// A model's letter and the start of its id; a model that plays no more has the id alone.
fn model(state: &State, id: &ObjectId) -> String {
    match state.snapshot.models.iter().position(|model| model.id == *id) {
        Some(index) => format!("{} {}", crate::app::targets::model_letter(index), id.short()),
        None => id.short(),
    }
}
