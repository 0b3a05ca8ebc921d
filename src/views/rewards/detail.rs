//! All that is known of one submission: what it is, where its bytes lie, what it cost and paid, and when each step was.

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{
    api::SubmissionRow,
    app::State,
    primitives::utc,
    views::{
        numbers::deviations,
        panes::Ink,
        text::{bytes, clean, letters, margin, soma, span, wrap},
    },
};

/// Rows that are enough for nearly every submission.
pub const HEIGHT: u16 = 20;
const LABEL: usize = 10;

pub fn draw(state: &State, row: &SubmissionRow, area: Rect, ink: &mut Ink<'_>) {
    let theme = ink.theme;
    let (glyph, word, style) = theme.submission(row.state);
    let title = Line::from(vec![
        Span::styled(format!("{glyph} {word}"), style.patch(theme.strong())),
        Span::styled(format!("  submission {}, epoch {}, times in UTC", row.id.0, row.epoch), theme.dim()),
    ]);
    ink.line(area, 0, &title);
    let width = usize::from(area.width);
    let file = format!("{}, {}", clean(&row.source), bytes(row.size_bytes));
    let mut long = vec![("Target", row.target.to_hex_prefixed()), ("File", file)];
    long.push(("Checksum", row.checksum.to_string()));
    long.extend(row.url.as_deref().map(|url| ("URL", clean(url))));
    long.extend(row.digest.map(|digest| ("Sent in", digest.to_string())));
    long.extend(row.claim_digest.map(|digest| ("Claimed in", digest.to_string())));
    long.extend(row.note.as_deref().map(|note| ("Note", clean(note))));
    let mut at = 1;
    for (label, text) in long {
        let label_width = LABEL.max(label.len()) + 1;
        for (n, piece) in wrap(&text, width.saturating_sub(label_width)).into_iter().enumerate() {
            let label = if n == 0 { label } else { "" };
            let line = Line::from(vec![Span::styled(format!("{label:<label_width$}"), theme.dim()), Span::raw(piece)]);
            ink.line(area, at, &line);
            at += 1;
        }
    }
    let below = Rect { y: area.y.saturating_add(at), height: area.height.saturating_sub(at), ..area };
    if area.width >= 60 {
        let left = Rect { width: (below.width - 36).min(32), ..below };
        numbers(state, row, left, ink);
        steps(row, Rect { x: left.right() + 1, width: below.width - left.width - 1, ..below }, ink);
    } else {
        // Times are asked for more often than numbers.
        let rows = row.steps.len() as u16 + 1;
        steps(row, below, ink);
        let left = Rect { y: below.y.saturating_add(rows), height: below.height.saturating_sub(rows), ..below };
        numbers(state, row, left, ink);
    }
}

fn numbers(state: &State, row: &SubmissionRow, area: Rect, ink: &mut Ink<'_>) {
    let theme = ink.theme;
    let models = &state.snapshot.models;
    let plain = Style::new();
    let deviations = deviations(row.margin(), state.snapshot.network.embedding_dim, ink);
    let margin = format!("{}  {}", margin(row.margin(), theme.glyphs.minus), deviations.unwrap_or_default());
    let mut pairs =
        vec![("Margin", margin, plain), ("Distance", format!("{:.4} of {:.4}", row.distance, row.threshold), plain)];
    for (model, loss) in &row.losses {
        let wins = if *model == row.model { format!("{} ", theme.glyphs.good) } else { String::new() };
        let name = letters(std::slice::from_ref(model), models);
        pairs.push(("Loss", format!("{wins}{name} {loss:.4}"), plain));
    }
    let coins = |amount| format!("{} SOMA", soma(amount, 12));
    if row.state.is_final() && !row.was_signed() {
        pairs.push(("Cost", "nothing: it was never signed".to_owned(), theme.dim()));
    } else {
        pairs.push(("Bond", coins(row.bond), plain));
        pairs.push(("Fee", coins(row.fee), plain));
    }
    match row.paid {
        Some(paid) => pairs.push(("Paid", coins(paid), theme.good())),
        None if row.state.is_final() => pairs.push(("Paid", "nothing".to_owned(), theme.dim())),
        None => pairs.push(("Expected", coins(row.expected_reward), theme.attention())),
    }
    for (at, (label, value, style)) in (0..area.height).zip(pairs) {
        ink.pair(area, at, label, value, style);
    }
}

/// Each state with its time, and how long it took to get there.
fn steps(row: &SubmissionRow, area: Rect, ink: &mut Ink<'_>) {
    let theme = ink.theme;
    let mut before = None;
    for (at, (state, at_ms)) in (0..area.height).zip(&row.steps) {
        let (glyph, word, style) = theme.submission(*state);
        let took = before.map_or_else(String::new, |before: u64| {
            let ms = at_ms.saturating_sub(before);
            if ms < 1_000 { format!(" +{ms}ms") } else { format!(" +{}", span(ms)) }
        });
        before = Some(*at_ms);
        let date = utc(*at_ms).replace('T', " ").replace('Z', "");
        let line = Line::from(vec![
            Span::styled(format!("{glyph} {word:<12}"), style),
            Span::raw(if area.width < 40 { date.get(5..).unwrap_or_default().to_owned() } else { date }),
            Span::styled(took, theme.dim()),
        ]);
        ink.line(area, at, &line);
    }
}
