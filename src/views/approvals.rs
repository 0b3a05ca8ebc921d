//! The decision: everything a person needs before a signature, and the questions before larger steps.

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    panes::Ink,
    preview::preview,
    table::{Column, Table, first_row, left, right},
    text::{bytes, clean, fit, group, margin, soma_change, wrap},
};
use crate::{
    api::SubmissionRow,
    app::{State, Verdict, actions::Action, targets::model_letter},
    primitives::Shannons,
};

const COLUMNS: &[Column] =
    &[left("", 1, 0), left("target", 8, 0), right("gain", 10, 0), right("margin", 7, 1), left("source", 12, 2)];

pub fn draw(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let rows = &state.snapshot.approvals;
    let Some(selected) = state.approvals.position(rows) else {
        let inner = ink.pane("a", "Approvals", String::new(), true, area);
        let next = match state.snapshot.mode {
            crate::api::Mode::Manual => "A confirmed hit will wait here until you approve or reject it.",
            crate::api::Mode::Auto => "The mode is AUTO: the policy approves within its limits. m goes back to MANUAL.",
            crate::api::Mode::ReadOnly => "The mode is READ-ONLY: hits are shown in the targets, nothing is signed.",
        };
        return ink.empty(inner, &["Nothing waits for a decision.".to_owned(), String::new(), next.to_owned()]);
    };
    let (list, detail) = if area.height < 14 {
        // The numbers of the decision before the list of decisions.
        (Rect { height: 0, ..area }, area)
    } else if area.width >= 110 {
        let width = 48.max(area.width * 2 / 5).min(70);
        (Rect { width, ..area }, Rect { x: area.x + width, width: area.width - width, ..area })
    } else {
        let height = u16::try_from(rows.len()).unwrap_or(u16::MAX).saturating_add(3).min((area.height / 3).max(4));
        let height = height.min(area.height);
        (Rect { height, ..area }, Rect { y: area.y + height, height: area.height - height, ..area })
    };
    if list.height > 0 {
        draw_list(state, selected, list, ink);
    }
    draw_detail(state, selected, detail, ink);
}

/// What is left of the expected reward after the fee; the bond comes back.
fn gain(row: &SubmissionRow, minus: &str, columns: usize) -> String {
    soma_change(row.fee, row.expected_reward, columns, minus)
}

fn draw_list(state: &State, selected: usize, area: Rect, ink: &mut Ink<'_>) {
    let rows = &state.snapshot.approvals;
    let right = format!("{} wait, best gain first", state.undecided());
    let inner = ink.pane("a", "Approvals", right, true, area);
    let width = usize::from(inner.width);
    let table = Table::new(COLUMNS, width, ink.theme.glyphs.ellipsis).stretching(4, width);
    ink.line(inner, 0, &table.heading(ink.theme.dim()));
    let height = usize::from(inner.height.saturating_sub(1));
    let first = first_row(selected, rows.len(), height);
    let theme = ink.theme;
    for (at, row) in rows.iter().enumerate().skip(first).take(height) {
        let verdict = state.approvals.verdict(row.id);
        let line = table.row(|column| match column {
            0 if at == selected => (theme.glyphs.selected.to_owned(), theme.focus()),
            0 => (String::new(), Style::new()),
            1 => (row.target.short(), if at == selected { theme.strong() } else { Style::new() }),
            2 => (gain(row, theme.glyphs.minus, 10), theme.good()),
            3 => (margin(row.margin(), theme.glyphs.minus), Style::new()),
            _ => match verdict {
                Some(Verdict::Approved) => (format!("{} approved", theme.glyphs.good), theme.good()),
                Some(Verdict::Rejected) => (format!("{} rejected", theme.glyphs.bad), theme.dim()),
                None => (clean(&row.source), Style::new()),
            },
        });
        ink.line(inner, (at - first + 1) as u16, &line);
    }
}

fn draw_detail(state: &State, selected: usize, area: Rect, ink: &mut Ink<'_>) {
    let row = &state.snapshot.approvals[selected];
    let network = &state.snapshot.network;
    let title = match state.approvals.verdict(row.id) {
        Some(Verdict::Approved) => "approved, on its way to the engine",
        Some(Verdict::Rejected) => "rejected",
        None => "y approve  n reject",
    };
    let of = format!("Target {}, {} of {}", row.target.short(), selected + 1, state.snapshot.approvals.len());
    let inner = ink.pane("", &of, title.to_owned(), false, area);
    let columns = usize::from(inner.width);
    let dim = ink.theme.dim();
    let labelled = |label: &str, spans: Vec<Span<'static>>| {
        let mut line = vec![Span::styled(format!("{label:<10}"), dim)];
        line.extend(spans);
        Line::from(line)
    };
    let room = columns.saturating_sub(10);
    let cut = |text: &str| fit(&clean(text), room, ink.theme.glyphs.ellipsis);
    let target = if room >= 80 { row.target.to_hex_prefixed() } else { row.target.short() };
    let mut lines = vec![
        labelled(
            "Target",
            vec![Span::raw(target), Span::raw(format!(" of epoch {} on {}", row.epoch, clean(&network.name)))],
        ),
        labelled("Data", vec![Span::raw(cut(&format!("{}, {}", row.source, bytes(row.size_bytes))))]),
        labelled("Distance", ruler(row, room, ink)),
        labelled("Losses", losses(state, row, ink)),
    ];
    let money = |amount: Shannons| Span::raw(format!("{amount} SOMA"));
    lines.push(labelled("Bond", vec![money(row.bond), Span::styled("  comes back unless an audit fails", dim)]));
    lines.push(labelled(
        "Gain",
        vec![
            Span::styled(gain(row, ink.theme.glyphs.minus, 20), ink.theme.good()),
            Span::styled("  reward ", dim),
            Span::raw(row.expected_reward.to_string()),
            Span::styled("  fee ", dim),
            Span::raw(row.fee.to_string()),
        ],
    ));
    let consequence = wrap("Approving also approves claiming the reward later.", columns);
    lines.extend(consequence.into_iter().map(|line| Line::styled(line, ink.theme.accent())));
    lines.extend([
        labelled("Sent to", vec![Span::raw(cut(&network.rpc_url))]),
        labelled(
            "Data URL",
            vec![Span::raw(cut(row.url.as_deref().unwrap_or("uploaded and read back after approval")))],
        ),
    ]);
    if let Some(note) = &row.note {
        lines.push(labelled("Note", vec![Span::raw(cut(note))]));
    }
    let spare = usize::from(inner.height).saturating_sub(lines.len());
    if spare > 2 {
        let preview = preview(&row.preview, state.approvals.hex, columns);
        let shown = format!("first {} of {}", group(row.preview.len() as u64), bytes(row.size_bytes));
        if spare > 8 {
            lines.push(Line::default());
        }
        lines.push(Line::from(vec![
            Span::styled(format!("Preview, {}", preview.kind), ink.theme.strong()),
            Span::styled(format!("  {shown}, x switches text/hex"), dim),
        ]));
        lines.extend(preview.lines.into_iter().map(Line::raw));
    }
    ink.lines(inner, &lines);
}

/// `1.0312 ──●━━━━━┃── 1.0500  margin +0.0188`: the gap between distance and threshold, drawn to scale.
fn ruler(row: &SubmissionRow, room: usize, ink: &Ink<'_>) -> Vec<Span<'static>> {
    let gap = margin(row.margin(), ink.theme.glyphs.minus);
    let style = if row.margin() >= 0.0 { ink.theme.good() } else { ink.theme.bad() };
    let length = room.saturating_sub(34).min(40);
    let mut spans = vec![Span::styled(format!("{:.4} ", row.distance), ink.theme.strong())];
    if length >= 8 && row.distance.is_finite() && row.threshold.is_finite() {
        // A tenth of the threshold from end to end: hits lie within a few hundredths of it.
        let scale = (row.threshold.abs() * 0.1).max(row.margin().abs() * 1.2).max(f32::EPSILON);
        let end = row.threshold + scale * 0.1;
        let at = |value: f32| ((1.0 - (end - value) / scale).clamp(0.0, 1.0) * (length - 1) as f32).round() as usize;
        let (distance, threshold) = (at(row.distance), at(row.threshold));
        let [line, thick, point, bound] = ink.theme.glyphs.ruler;
        for column in 0..length {
            let between = column > distance.min(threshold) && column < distance.max(threshold);
            spans.push(match column {
                _ if column == threshold => Span::styled(bound, ink.theme.strong()),
                _ if column == distance => Span::styled(point, style),
                _ if between => Span::styled(thick, style),
                _ => Span::styled(line, ink.theme.dim()),
            });
        }
        spans.push(Span::raw(" "));
    } else {
        spans.push(Span::styled("of ", ink.theme.dim()));
    }
    spans.push(Span::raw(format!("{:.4}", row.threshold)));
    spans.push(Span::styled("  margin ", ink.theme.dim()));
    spans.push(Span::styled(gap, style));
    spans
}

/// Each model's loss; the lowest one wins.
fn losses(state: &State, row: &SubmissionRow, ink: &Ink<'_>) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    for (id, loss) in &row.losses {
        let index = state.snapshot.models.iter().position(|model| model.id == *id);
        let name = index.map_or_else(|| id.short(), model_letter);
        let style = index.map_or(Style::new(), |index| ink.theme.model(index));
        let wins = *id == row.model;
        spans.push(Span::styled(name, if wins { ink.theme.badge(style) } else { style }));
        spans.push(Span::styled(format!(" {loss:.4}"), if wins { ink.theme.strong() } else { Style::new() }));
        spans.push(Span::styled(if wins { " wins  " } else { "  " }, ink.theme.dim()));
    }
    spans
}

/// The question before an action that signs more than the eye rests on.
pub fn confirm(state: &State, action: Action, body: Rect, ink: &mut Ink<'_>) {
    let waiting: Vec<_> =
        state.snapshot.approvals.iter().filter(|row| state.approvals.verdict(row.id).is_none()).collect();
    let (title, sentences) = match action {
        Action::ApproveAll => {
            let sum = |amount: fn(&SubmissionRow) -> Shannons| waiting.iter().map(|row| amount(row)).sum::<Shannons>();
            (
                "Approve all",
                vec![
                    format!("Sign and send {} submissions, within the policy's limits?", waiting.len()),
                    format!("Bonds    {} SOMA", sum(|row| row.bond)),
                    format!("Fees     {} SOMA", sum(|row| row.fee)),
                    format!("Rewards  {} SOMA expected", sum(|row| row.expected_reward)),
                    "Approving also approves claiming the rewards later.".to_owned(),
                ],
            )
        }
        Action::AcceptProtocol => {
            let spoken = state.snapshot.network.unaccepted_protocol.unwrap_or_default();
            (
                "Newer protocol",
                vec![
                    format!("Sign although the network speaks protocol {spoken}?"),
                    "This program does not know its rules: fees, bonds and checks may have changed, and what is signed \
                     may fail and cost its fee. A newer version of the program is the safer answer."
                        .to_owned(),
                    "The answer is kept for this directory.".to_owned(),
                ],
            )
        }
        Action::OnlyPinned => (
            "All targets",
            vec![
                "Let the policy approve for all targets again, not only for pinned ones?".to_owned(),
                "Every confirmed hit within its limits is signed and sent without asking.".to_owned(),
            ],
        ),
        _ => (
            "Mode AUTO",
            vec![
                "Let the policy approve by itself from now on?".to_owned(),
                "Every confirmed hit within its limits is signed and sent without asking,".to_owned(),
                "its bond is put down, and its reward is claimed later.".to_owned(),
                format!("{} candidates wait now. m goes back to MANUAL at any time.", waiting.len()),
            ],
        ),
    };
    let columns = usize::from(body.width).saturating_sub(6);
    let mut lines: Vec<Line<'static>> =
        sentences.iter().flat_map(|sentence| wrap(sentence, columns)).map(Line::raw).collect();
    lines.push(Line::default());
    lines.push(Line::from(vec![
        Span::styled("y", ink.theme.focus()),
        Span::raw(" yes   "),
        Span::styled("n", ink.theme.focus()),
        Span::raw(" no"),
    ]));
    ink.popup(title, lines, body);
}
