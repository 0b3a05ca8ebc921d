//! One candidate: what, where to, how near, at what price, and the data itself.

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::gain_of;
use crate::{
    api::SubmissionRow,
    app::{Hit, List, State, Verdict, actions::Action, targets::model_letter},
    primitives::Shannons,
    views::{
        key_below,
        numbers::{deviations, gain, share, small},
        panes::Ink,
        preview::preview,
        text::{age, bytes, clean, counted, fit, fit_end, group, margin, wrap},
    },
};

/// Columns of the labels.
const LABEL: usize = 10;
/// Lines of the preview for which the facts are told in fewer.
const PREVIEW: usize = 6;
/// Pieces of a composition that are named.
const PIECES: usize = 8;

pub fn draw(state: &State, selected: usize, area: Rect, ink: &mut Ink<'_>) {
    let Some(row) = state.snapshot.approvals.get(selected) else { return };
    let title = match state.approvals.verdict(row.id) {
        Some(Verdict::Approved) => "approved, on its way to the engine".to_owned(),
        Some(Verdict::Rejected) => "rejected".to_owned(),
        None => {
            let (yes, no) = (key_below(state, Action::Approve), key_below(state, Action::Reject));
            match state.approvals.marks.is_empty() {
                true => format!("{yes} approve  {no} reject"),
                false => format!("{yes} and {no} answer all that are marked"),
            }
        }
    };
    let of = format!("Target {}, {} of {}", row.target.short(), selected + 1, state.snapshot.approvals.len());
    let inner = ink.pane("", &of, title, false, area);
    ink.hit(inner, Hit::List(List::Preview));
    let columns = usize::from(inner.width);
    let height = usize::from(inner.height);
    let mut lines = facts(state, row, columns, false, ink);
    if lines.len() + PREVIEW > height {
        lines = facts(state, row, columns, true, ink);
    }
    let spare = height.saturating_sub(lines.len());
    if spare >= 2 {
        let blank = spare > 8;
        if blank {
            lines.push(Line::default());
        }
        lines.extend(data(state, row, columns, spare - usize::from(blank), ink));
    }
    ink.lines(inner, &lines);
}

/// `short`: in as few lines as it takes.
fn facts(state: &State, row: &SubmissionRow, columns: usize, short: bool, ink: &Ink<'_>) -> Vec<Line<'static>> {
    let network = &state.snapshot.network;
    let (theme, dim) = (ink.theme, ink.theme.dim());
    let labelled = |label: &str, spans: Vec<Span<'static>>| {
        let mut line = vec![Span::styled(format!("{label:<LABEL$}"), dim)];
        line.extend(spans);
        Line::from(line)
    };
    let room = columns.saturating_sub(LABEL);
    let cut = |text: &str| fit(&clean(text), room, theme.glyphs.ellipsis);
    let target = if room >= 110 { row.target.to_hex_prefixed() } else { row.target.short() };
    let waited = match age(state.now_ms.saturating_sub(row.changed_at_ms)).as_str() {
        "new" => "new".to_owned(),
        age => format!("waits for {age}"),
    };
    let mut lines = vec![
        labelled(
            "Target",
            vec![Span::raw(cut(&format!("{target} of epoch {} on {}, {waited}", row.epoch, network.name)))],
        ),
        labelled("Data", vec![Span::raw(cut(&format!("{}, {}", row.source, bytes(row.size_bytes))))]),
        labelled("Distance", ruler(row, network.embedding_dim, room, ink)),
        labelled("Losses", losses(state, row, ink)),
    ];
    let bond = Span::raw(format!("{} SOMA", row.bond));
    let width = |spans: &[Span<'_>]| spans.iter().map(Span::width).sum::<usize>();
    // On one line if that holds it: a number that is cut is another number.
    let both = |label: &str, first: Vec<Span<'static>>, more: Vec<Span<'static>>| {
        if width(&first) + width(&more) <= room {
            vec![labelled(label, first.into_iter().chain(more).collect())]
        } else {
            vec![labelled(label, first), labelled("", more)]
        }
    };
    let beyond = beyond(state, row, ink);
    if short {
        let share = limits(state, row, 0, ink);
        let mut first = vec![bond, Span::styled(", ", dim)];
        match beyond {
            Some(beyond) => {
                first.extend([beyond, Span::styled("; ", dim)]);
                lines.extend(both("Bond", first, share));
            }
            None => lines.push(labelled("Bond", first.into_iter().chain(share).collect())),
        }
    } else {
        lines.push(labelled("Bond", vec![bond, Span::styled("  comes back unless an audit fails", dim)]));
        let share = limits(state, row, room, ink);
        match beyond {
            Some(beyond) => lines.extend(both("Limits", vec![beyond, Span::styled("; ", dim)], share)),
            None => lines.push(labelled("Limits", share)),
        }
    }
    let [worth, less] = worth(row, ink);
    lines.extend(both("Gain", worth, less));
    let consequence = wrap("Approving also approves claiming the reward later.", columns);
    lines.extend(consequence.into_iter().map(|line| Line::styled(line, theme.accent())));
    lines.extend([
        labelled("Sent to", vec![Span::raw(cut(&network.rpc_url))]),
        labelled("Public at", vec![Span::raw(cut(&destination(state, row)))]),
    ]);
    if let Some(note) = &row.note {
        lines.push(labelled("Note", vec![Span::styled(cut(note), theme.attention())]));
    }
    if row.pieces.len() > 1 {
        lines.push(labelled("Pieces", vec![Span::raw(format!("{}, put together in this order", row.pieces.len()))]));
        let shown = row.pieces.iter().take(PIECES);
        lines.extend(
            shown.map(|piece| labelled("", vec![Span::raw(fit_end(&clean(piece), room, theme.glyphs.ellipsis))])),
        );
        if row.pieces.len() > PIECES {
            lines.push(labelled("", vec![Span::styled(format!("and {} more", row.pieces.len() - PIECES), dim)]));
        }
    }
    lines
}

/// The expected gain, and what it is made of.
fn worth(row: &SubmissionRow, ink: &Ink<'_>) -> [Vec<Span<'static>>; 2] {
    let (theme, dim) = (ink.theme, ink.theme.dim());
    let shannons = gain_of(row);
    let style = if shannons < 0 { theme.bad() } else { theme.good() };
    let mut worth = vec![
        Span::styled(gain(shannons, 20, theme.glyphs.minus), style),
        Span::styled(" = ", dim),
        Span::raw(row.expected_reward.to_string()),
    ];
    let minus = theme.glyphs.minus;
    let mut less = vec![Span::styled(format!(" {minus} fee "), dim), Span::raw(small(row.fee))];
    if let Some(prospect) = row.prospect {
        let (whole, tenth) = (prospect.chance_permille / 10, prospect.chance_permille % 10);
        worth.extend([Span::styled(" at ", dim), Span::raw(format!("{whole}.{tenth}%"))]);
        less.extend([Span::styled(format!(" {minus} risk "), dim), Span::raw(small(prospect.at_risk))]);
    }
    [worth, less]
}

/// Where everybody will be able to read the data.
fn destination(state: &State, row: &SubmissionRow) -> String {
    let store = state.snapshot.network.upstreams.iter().find(|up| up.name == crate::api::ServerName::Objects);
    match (&row.url, store) {
        (Some(url), _) => url.clone(),
        (None, Some(store)) => {
            let base = store.url.trim_end_matches('/');
            format!("{base}/{}/{}.bin", row.epoch, row.checksum)
        }
        (None, None) => "no object store is configured".to_owned(),
    }
}

/// What of the epoch's bonds is used, and with this one.
fn limits(state: &State, row: &SubmissionRow, room: usize, ink: &Ink<'_>) -> Vec<Span<'static>> {
    let policy = &state.snapshot.policy;
    let most = policy.limits.max_bond_per_epoch;
    let with = policy.used.saturating_add(row.bond);
    let style = if with > most || row.bond > policy.limits.max_bond_per_submission {
        ink.theme.bad()
    } else {
        ink.theme.good()
    };
    let mut spans = Vec::new();
    if room >= 60 {
        spans.extend(bar(policy.used, row.bond, most, 12, style, ink));
        spans.push(Span::raw(" "));
    }
    spans.push(Span::styled(share(with.0, most.0), style));
    spans.push(Span::styled(" of the epoch's ", ink.theme.dim()));
    spans.push(Span::raw(most.to_string()));
    spans.push(Span::styled(" SOMA with this one", ink.theme.dim()));
    spans
}

/// That the bond is above the limit of a single one.
fn beyond(state: &State, row: &SubmissionRow, ink: &Ink<'_>) -> Option<Span<'static>> {
    let each = state.snapshot.policy.limits.max_bond_per_submission;
    (row.bond > each).then(|| Span::styled(format!("above {each} for one"), ink.theme.bad()))
}

/// `[==+.......]`: what is used, what this adds, what is left.
fn bar(
    used: Shannons,
    more: Shannons,
    most: Shannons,
    columns: usize,
    style: Style,
    ink: &Ink<'_>,
) -> Vec<Span<'static>> {
    let part = |amount: Shannons| {
        let filled = u128::from(amount.0) * columns as u128 / u128::from(most.0.max(1));
        usize::try_from(filled).unwrap_or(columns).min(columns)
    };
    let [line, thick, point, _] = ink.theme.glyphs.ruler;
    let before = part(used).min(columns - 1);
    let with = part(used.saturating_add(more)).max(before + 1);
    vec![
        Span::styled(thick.repeat(before), ink.theme.strong()),
        Span::styled(point.repeat(with - before), style),
        Span::styled(line.repeat(columns - with), ink.theme.dim()),
    ]
}

/// The data, in as many lines as there are.
fn data(state: &State, row: &SubmissionRow, columns: usize, height: usize, ink: &Ink<'_>) -> Vec<Line<'static>> {
    let preview = preview(&row.preview, state.approvals.hex, columns);
    let room = height.saturating_sub(1);
    let top = usize::from(state.approvals.preview_top).min(preview.lines.len().saturating_sub(room));
    let whole = row.preview.len() as u64 >= row.size_bytes;
    let shown = match whole {
        true => format!("all of {}", bytes(row.size_bytes)),
        false => format!("first {} of {}", group(row.preview.len() as u64), bytes(row.size_bytes)),
    };
    let below = preview.lines.len().saturating_sub(top + room);
    let more = match (top, below) {
        (0, 0) => String::new(),
        (_, below) => {
            let (down, up) = (key_below(state, Action::PreviewDown), key_below(state, Action::PreviewUp));
            format!(", {down} {up}: {} below", counted(below as u64, "line"))
        }
    };
    let mut lines = vec![Line::from(vec![
        Span::styled(format!("Preview, {}", preview.kind), ink.theme.strong()),
        Span::styled(format!("  {shown}{more}, {}: text/hex", key_below(state, Action::Hex)), ink.theme.dim()),
    ])];
    lines.extend(preview.lines.into_iter().skip(top).take(room).map(Line::raw));
    lines
}

/// `1.0312 ──●━━━━━┃── 1.0500  margin +0.0188`: the gap between distance and threshold, drawn to scale; and how many times the
/// scatter of random directions (1/√dim) the margin is.
fn ruler(row: &SubmissionRow, dim: u64, room: usize, ink: &Ink<'_>) -> Vec<Span<'static>> {
    let gap = margin(row.margin(), ink.theme.glyphs.minus);
    let style = if row.margin() >= 0.0 { ink.theme.good() } else { ink.theme.bad() };
    let length = room.saturating_sub(43).min(40);
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
    if let Some(z) = deviations(row.margin(), dim, ink) {
        let more = [Span::raw("  "), Span::styled(z, style)];
        if spans.iter().chain(&more).map(Span::width).sum::<usize>() <= room {
            spans.extend(more);
        }
    }
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
