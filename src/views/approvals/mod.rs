//! The decision: what waits, best expected gain first, and everything that a person needs before a signature.

mod confirm;
mod detail;

pub use confirm::confirm;

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    key_below,
    numbers::gain,
    panes::Ink,
    policy,
    table::{Column, Table, first_row, left, right},
    text::{age, ago, clean, fit, fit_ends, group, margin, soma},
};
use crate::{
    api::{Mode, SubmissionRow},
    app::{Hit, List, Row, State, Verdict, actions::Action},
    primitives::Shannons,
};

const COLUMNS: &[Column] = &[
    left("", 2, 0),
    left("target", 8, 0),
    right("gain", 10, 0),
    right("margin", 7, 1),
    right("bond", 9, 3),
    right("waits", 5, 4),
    left("source", 10, 2),
];
/// Candidates that have gone, below those that wait.
const GONE: usize = 3;

pub fn draw(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let rows = &state.snapshot.approvals;
    let Some(selected) = state.approvals.position() else { return draw_empty(state, area, ink) };
    let is_auto = state.snapshot.mode == Mode::Auto;
    let gone = gone(state, ink);
    let (list, detail) = if area.height < 14 {
        // The numbers of the decision before the list of decisions.
        (Rect { height: 0, ..area }, area)
    } else if area.width >= 110 {
        let width = 48.max(area.width * 2 / 5).min(78);
        (Rect { width, ..area }, Rect { x: area.x + width, width: area.width - width, ..area })
    } else {
        let (below, most) = if is_auto { (2, area.height / 3 + 1) } else { (0, area.height / 3) };
        let wanted = u16::try_from(rows.len() + gone.len() + below).unwrap_or(u16::MAX).saturating_add(3);
        let height = wanted.min(most.max(4)).min(area.height);
        (Rect { height, ..area }, Rect { y: area.y + height, height: area.height - height, ..area })
    };
    // Room for what the policy did, where it is the policy that decides; two lines of it where there is none.
    let panel = if is_auto && list.height >= 24 { 12 } else { 0 };
    let (list, panel) =
        (Rect { height: list.height - panel, ..list }, Rect { y: list.y + list.height - panel, height: panel, ..list });
    if list.height > 0 {
        let policy = if is_auto && panel.height == 0 { policy::lines(state, ink) } else { Vec::new() };
        draw_list(state, selected, policy.into_iter().chain(gone).collect(), list, ink);
    }
    if panel.height > 0 {
        policy::panel(state, panel, ink);
    }
    detail::draw(state, selected, detail, ink);
}

fn draw_empty(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let gone = gone(state, ink);
    let auto = state.snapshot.mode == Mode::Auto;
    let wanted = if auto { 7 + gone.len() as u16 } else { area.height };
    let (area, panel) = match area.height.saturating_sub(wanted) {
        rest @ 5.. => (Rect { height: wanted, ..area }, Rect { y: area.y + wanted, height: rest, ..area }),
        _ => (area, Rect { height: 0, ..area }),
    };
    let inner = ink.pane("a", "Approvals", String::new(), true, area);
    let next = match state.snapshot.mode {
        Mode::Manual => "A confirmed hit will wait here until you approve or reject it.".to_owned(),
        Mode::Auto => {
            let mode = key_below(state, Action::Mode);
            format!("The mode is AUTO: the policy approves within its limits. {mode} goes back to MANUAL.")
        }
        Mode::ReadOnly => "The mode is READ-ONLY: hits are shown in the targets, nothing is signed. With a wallet, \
                           `somascope run --mode manual` lets you decide here."
            .to_owned(),
    };
    let sentences = ["Nothing waits for a decision.".to_owned(), String::new(), next];
    let below = ink.sentences(inner, &sentences).saturating_add(1);
    let rest = Rect { y: inner.y.saturating_add(below), height: inner.height.saturating_sub(below), ..inner };
    let columns = usize::from(rest.width);
    for (row, line) in (0..rest.height).zip(&gone) {
        ink.line(rest, row, &whole_or_cut(line, columns, ink));
    }
    if panel.height > 0 {
        policy::panel(state, panel, ink);
    }
}

/// Those that left by themselves, and why.
fn gone(state: &State, ink: &Ink<'_>) -> Vec<Line<'static>> {
    let line = |gone: &crate::app::Gone| {
        let row = &gone.row;
        let why = clean(row.note.as_deref().unwrap_or(row.state.word()));
        let ago = ago(state.now_ms.saturating_sub(gone.at_ms));
        let text = format!("{} {} {ago}: {why}", ink.theme.glyphs.bad, row.target.short());
        Line::styled(text, ink.theme.dim())
    };
    state.approvals.gone.iter().take(GONE).map(line).collect()
}

/// What the engine ranks by. Without it, what is left of the reward after the fee.
fn gain_of(row: &SubmissionRow) -> i64 {
    let plain = |amount: Shannons| i64::try_from(amount.0).unwrap_or(i64::MAX);
    row.prospect.map_or_else(|| plain(row.expected_reward) - plain(row.fee), |prospect| prospect.gain)
}

/// A line of one style, with an ellipsis where it is cut.
fn whole_or_cut(line: &Line<'_>, columns: usize, ink: &Ink<'_>) -> Line<'static> {
    let text: String = line.spans.iter().map(|span| span.content.as_ref()).collect();
    Line::from(Span::styled(fit(&text, columns, ink.theme.glyphs.ellipsis), line.style))
}

fn waits(candidates: usize) -> String {
    format!("{} {}", group(candidates as u64), if candidates == 1 { "waits" } else { "wait" })
}

/// `below`: lines under the candidates.
fn draw_list(state: &State, selected: usize, below: Vec<Line<'static>>, area: Rect, ink: &mut Ink<'_>) {
    let rows = &state.snapshot.approvals;
    let marks = &state.approvals.marks;
    let right = match marks.len() {
        // The order where there is room for it.
        0 if area.width >= 56 => format!("{}, pinned first, then best gain", waits(state.undecided())),
        0 if area.width >= 36 => format!("{}, best first", waits(state.undecided())),
        0 => waits(state.undecided()),
        n if area.width < 56 => format!("{n} of {} marked", rows.len()),
        n => {
            format!("{n} of {} marked, bonds {} SOMA", rows.len(), soma(state.approvals.marked.bonds, 9))
        }
    };
    let inner = ink.pane("a", "Approvals", right, true, area);
    let width = usize::from(inner.width);
    let table = Table::new(COLUMNS, width, ink.theme.glyphs.ellipsis).stretching(6, width);
    ink.line(inner, 0, &table.heading(ink.theme.dim()));
    ink.hit(inner, Hit::List(List::Approvals));
    let height = usize::from(inner.height.saturating_sub(1));
    let lines = below.len().min(height.saturating_sub(rows.len().min(3)));
    let height = height - lines;
    let first = first_row(selected, rows.len(), height);
    let theme = ink.theme;
    for (at, row) in rows.iter().enumerate().skip(first).take(height) {
        let verdict = state.approvals.verdict(row.id);
        let mark = if marks.contains(&row.id) { theme.glyphs.ours } else { " " };
        let line = table.row(|column| match column {
            0 if at == selected => (format!("{}{mark}", theme.glyphs.selected), theme.focus()),
            0 => (format!(" {mark}"), theme.attention()),
            1 => (row.target.short(), if at == selected { theme.strong() } else { Style::new() }),
            2 => {
                let shannons = gain_of(row);
                (gain(shannons, 10, theme.glyphs.minus), if shannons < 0 { theme.bad() } else { theme.good() })
            }
            3 => (margin(row.margin(), theme.glyphs.minus), Style::new()),
            4 => (soma(row.bond, 9), Style::new()),
            5 => (age(state.now_ms.saturating_sub(row.changed_at_ms)), theme.dim()),
            _ => match verdict {
                Some(Verdict::Approved) => (format!("{} approved", theme.glyphs.good), theme.good()),
                Some(Verdict::Rejected) => (format!("{} rejected", theme.glyphs.bad), theme.dim()),
                // Files differ at the start, pieces of one at the end.
                None => (fit_ends(&clean(&row.source), table.width_of(6), theme.glyphs.ellipsis), Style::new()),
            },
        });
        ink.line(inner, (at - first + 1) as u16, &line);
        ink.hit_row(inner, (at - first + 1) as u16, Hit::Row(Row::Approval(row.id)));
    }
    let first = inner.height.saturating_sub(lines as u16);
    for (line, row) in below.into_iter().take(lines).zip(first..) {
        ink.line(inner, row, &whole_or_cut(&line, width, ink));
    }
}
