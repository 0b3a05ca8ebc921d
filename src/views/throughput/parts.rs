//! What stands beside the chart: scorers, stages, models.

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{
    api::{ScorerState, ScorerView, Stage, Stages},
    app::{State, actions::Action, targets::model_letter},
    views::{
        key_below,
        panes::Ink,
        text::{bytes, clean, fit, rate},
    },
};

/// A line for each device and service.
pub fn scorers(scorers: &[ScorerView], area: Rect, ink: &mut Ink<'_>) {
    for (row, scorer) in (0..area.height).zip(scorers) {
        let (mark, word, style) = match scorer.state {
            ScorerState::Idle => (ink.theme.glyphs.quiet, "idle", ink.theme.dim()),
            ScorerState::Scoring => (ink.theme.glyphs.good, "scoring", Style::new()),
            ScorerState::Confirming => (ink.theme.glyphs.good, "confirming", Style::new()),
            ScorerState::Resting => (ink.theme.glyphs.bad, "resting", ink.theme.attention()),
            ScorerState::Gone => (ink.theme.glyphs.bad, "gone", ink.theme.bad()),
        };
        let name = clean(&scorer.name);
        let (speed, busy) = (rate(scorer.rows_per_s), (scorer.busy * 100.0).round());
        let data = bytes(scorer.bytes_per_s.max(0.0) as u64);
        let mut text =
            format!("{mark} {name}: {word}, {speed} rows/s, {busy}% busy, batches of {}, {data}/s", scorer.batch_rows);
        if let Some(trouble) = &scorer.trouble {
            text.push_str("; ");
            text.push_str(&clean(trouble));
        }
        let text = fit(&text, usize::from(area.width), ink.theme.glyphs.ellipsis);
        ink.line(area, row, &Line::styled(text, style));
    }
}

/// In the order of the way that samples take.
fn named(stages: &Stages) -> [(&'static str, Stage); 4] {
    [("read", stages.read), ("scoring", stages.scoring), ("scored", stages.scored), ("saving", stages.saving)]
}

/// A full stage holds up the one before it.
fn is_full(stage: Stage) -> bool {
    stage.room > 0 && stage.waiting >= stage.room
}

/// All stages in a line.
pub fn stages_line(stages: &Stages, area: Rect, ink: &mut Ink<'_>) {
    let mut spans = vec![Span::styled("Queues ", ink.theme.dim())];
    for (name, stage) in named(stages) {
        let style = if is_full(stage) { ink.theme.attention() } else { Style::new() };
        spans.push(Span::styled(format!(" {name} "), ink.theme.dim()));
        let full = if is_full(stage) { " full" } else { "" };
        spans.push(Span::styled(format!("{}/{}{full} ", stage.waiting, stage.room), style));
    }
    ink.line(area, 0, &Line::from(spans));
}

/// A line with a gauge for each stage.
pub fn stages(stages: &Stages, area: Rect, ink: &mut Ink<'_>) {
    let gauge = usize::from(area.width).saturating_sub(32).min(24) as u64;
    for (row, (name, stage)) in (0..area.height).zip(named(stages)) {
        let style = if is_full(stage) { ink.theme.attention() } else { Style::new() };
        let filled = (stage.waiting.min(stage.room) * gauge).checked_div(stage.room).unwrap_or(0);
        let (full, empty) = (ink.theme.glyphs.bars[7], ink.theme.glyphs.dot);
        let line = Line::from(vec![
            Span::styled(format!("{name:<8} "), ink.theme.dim()),
            Span::styled(full.repeat(filled as usize), style),
            Span::styled(empty.repeat((gauge - filled) as usize), ink.theme.dim()),
            Span::styled(format!(" {} of {}", stage.waiting, stage.room), style),
            Span::styled(if is_full(stage) { "  full" } else { "" }, style),
        ]);
        ink.line(area, row, &line);
    }
}

/// A line for each model: where its weights are.
pub fn models(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let (theme, models) = (ink.theme, &state.snapshot.models);
    for (row, (index, model)) in (0..area.height).zip(models.iter().enumerate()) {
        // The last line tells of those that have none.
        if row + 1 == area.height && models.len() > usize::from(area.height) {
            let more = format!("and {} more: {} shows all", models.len() - index, key_below(state, Action::Models));
            return ink.line(area, row, &Line::styled(more, theme.dim()));
        }
        let (text, style) = match (&model.trouble, model.fetching) {
            (Some(trouble), _) if !model.resident => (format!("{} {}", theme.glyphs.bad, clean(trouble)), theme.bad()),
            (_, Some((here, all))) if !model.resident => {
                let share = u128::from(here.min(all)) * 100 / u128::from(all.max(1));
                (format!("{} fetching, {share}% of {}", theme.glyphs.sending, bytes(all)), theme.attention())
            }
            _ if !model.resident => (format!("{} not here yet", theme.glyphs.quiet), theme.dim()),
            _ if model.loaded_on.is_empty() => (format!("{} on disk", theme.glyphs.good), Style::new()),
            _ => (format!("{} loaded on {}", theme.glyphs.good, clean(&model.loaded_on.join(", "))), theme.good()),
        };
        let text = fit(&text, usize::from(area.width).saturating_sub(3 + 8 + 2), theme.glyphs.ellipsis);
        let line = Line::from(vec![
            Span::styled(format!("{:<2} ", model_letter(index)), theme.model(index).patch(theme.strong())),
            Span::styled(format!("{}  ", model.id.short()), theme.dim()),
            Span::styled(text, style),
        ]);
        ink.line(area, row, &line);
    }
}
