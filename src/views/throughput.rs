//! How fast the device scores, and what comes of it.

use ratatui::{layout::Rect, style::Style, text::Line};

use super::{
    panes::Ink,
    text::{clean, count, fit, group, rate},
};
use crate::{
    api::{ScorerState, ScorerView},
    app::{Pane, State},
};

/// A line for each device and service, as long as there is room for the chart; gives the next free row.
fn scorers(scorers: &[ScorerView], area: Rect, mut row: u16, ink: &mut Ink<'_>) -> u16 {
    for scorer in scorers.iter().take(usize::from(area.height.saturating_sub(row + 5))) {
        let (mark, word, style) = match scorer.state {
            ScorerState::Idle => (ink.theme.glyphs.quiet, "idle", ink.theme.dim()),
            ScorerState::Scoring => (ink.theme.glyphs.good, "scoring", Style::new()),
            ScorerState::Confirming => (ink.theme.glyphs.good, "confirming", Style::new()),
            ScorerState::Resting => (ink.theme.glyphs.bad, "resting", ink.theme.attention()),
            ScorerState::Gone => (ink.theme.glyphs.bad, "gone", ink.theme.bad()),
        };
        let name = clean(&scorer.name);
        let (speed, busy) = (rate(scorer.rows_per_s), (scorer.busy * 100.0).round());
        let mut text =
            format!("{mark} {name}: {word}, {speed} rows/s, {busy} % busy, batches of {}", scorer.batch_rows);
        if let Some(trouble) = &scorer.trouble {
            text.push_str("; ");
            text.push_str(&clean(trouble));
        }
        let text = fit(&text, usize::from(area.width), ink.theme.glyphs.ellipsis);
        ink.line(area, row, &Line::styled(text, style));
        row += 1;
    }
    row
}

pub fn draw(state: &State, area: Rect, zoomed: bool, ink: &mut Ink<'_>) {
    let throughput = &state.snapshot.throughput;
    let focused = zoomed || state.focus == Pane::Throughput;
    let right = if state.snapshot.scoring_paused { "PAUSED".to_owned() } else { clean(&throughput.device) };
    let inner = ink.pane("4", Pane::Throughput.title(), right, focused, area);
    if throughput.samples_scored == 0 && throughput.history.iter().all(|rate| *rate == 0.0) {
        let sentence = match (state.snapshot.scoring_paused, throughput.remaining) {
            (true, _) => "Scoring is paused: p resumes it.".to_owned(),
            _ if state.snapshot.models.iter().all(|model| !model.resident) => {
                "Waiting for models: their weights are fetched, checked and loaded first.".to_owned()
            }
            (false, None) => "Listing the corpus; scoring starts with the first file.".to_owned(),
            (false, Some(0)) => "The corpus has no samples: check the data directory.".to_owned(),
            (false, Some(n)) => format!("{} samples wait for their first score.", group(n)),
        };
        return ink.empty(inner, &[sentence]);
    }

    let rows = Rect { width: inner.width.min(44), ..inner };
    ink.pair(rows, 0, "Samples/s", rate(throughput.samples_per_s), ink.theme.strong());
    ink.pair(rows, 1, "Tokens/s", rate(throughput.tokens_per_s), Style::new());
    ink.pair(rows, 2, "Scored", count(throughput.samples_scored), Style::new());
    let hits = format!("{}  {}/h", count(throughput.hits), rate(throughput.hits_per_h));
    ink.pair(rows, 3, "Hits", hits, if throughput.hits > 0 { ink.theme.good() } else { Style::new() });
    let remaining = throughput.remaining.map_or_else(|| ink.theme.glyphs.ellipsis.to_owned(), count);
    ink.pair(rows, 4, "To score", remaining, Style::new());
    let mut row = 5;
    if inner.height > 9 {
        ink.pair(rows, 5, "Queue", count(throughput.queue), Style::new());
        ink.pair(rows, 6, "Evaluations", count(throughput.model_evaluations), Style::new());
        let skipped = if throughput.skipped > 0 { ink.theme.attention() } else { Style::new() };
        ink.pair(rows, 7, "Files skipped", count(throughput.skipped), skipped);
        row = 9;
    }
    if zoomed && inner.height > 14 {
        row = scorers(&throughput.scorers, inner, row, ink);
        let highest = throughput.history.iter().copied().fold(0.0, f32::max);
        let scale = format!("samples/s, the last {} s, highest {}", throughput.history.len(), rate(highest));
        ink.line(inner, row, &Line::styled(scale, ink.theme.dim()));
        row += 1;
    }
    if inner.height > row {
        let chart = Rect { y: inner.y + row, height: inner.height - row, ..inner };
        let highest = throughput.history.iter().copied().fold(0.0, f32::max);
        let history = Ink::steady(&throughput.history, state.snapshot.at_ms, state.low_bandwidth);
        ink.bars(chart, history, (0.0, highest), ink.theme.accent());
    }
}
