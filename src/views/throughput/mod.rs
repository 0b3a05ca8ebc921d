//! How fast the devices score, what comes of it, and how it was before.

mod chart;
mod parts;

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    key_below,
    panes::Ink,
    text::{bytes, clean, count, counted, rate},
};
use crate::{
    api::ThroughputView,
    app::{Hit, Measure, Pane, Span as Time, State, actions::Action},
};

/// From here on the chart stands beside the numbers.
const WIDE: u16 = 104;
/// A column of numbers.
const NUMBERS: u16 = 44;
/// The least height of a chart with its title and times.
const CHART: u16 = 6;
/// The height of each of several, and how many there are at most.
const STACKED: u16 = 12;
const CHARTS: u16 = 4;

pub fn draw(state: &State, area: Rect, zoomed: bool, ink: &mut Ink<'_>) {
    let throughput = &state.snapshot.throughput;
    let focused = zoomed || state.focus == Pane::Throughput;
    let right = if state.snapshot.scoring_paused { "PAUSED".to_owned() } else { clean(&throughput.device) };
    let inner = ink.pane("4", Pane::Throughput.title(), right, focused, area);
    let has_history = throughput.day.buckets.iter().flatten().any(|rates| rates.samples_per_s > 0.0);
    if throughput.samples_scored == 0 && !has_history {
        return ink.empty(inner, &[why_nothing(state)]);
    }
    let stats = stats(state, ink);
    if !zoomed {
        // The rest is for the chart, and it wants at least two rows.
        let rows = usize::from(inner.height.saturating_sub(2).max(1)).min(if inner.height > 9 { 8 } else { 5 });
        let column = Rect { width: inner.width.min(NUMBERS), ..inner };
        numbers(&stats[..rows.min(stats.len())], column, ink);
        let below = rows as u16 + u16::from(inner.height > rows as u16 + 3);
        let bars = Rect { y: inner.y + below, height: inner.height.saturating_sub(below), ..inner };
        return chart::sparkline(&throughput.minute, |rates| rates.samples_per_s, bars, ink);
    }
    if inner.width >= WIDE && inner.height > 2 * CHART {
        let left = Rect { width: (inner.width * 2 / 5).clamp(56, 84), ..inner };
        beside(state, &stats, left, ink);
        let right = Rect { x: left.right() + 2, width: inner.width - left.width - 2, ..inner };
        history(state, right, ink);
    } else {
        above(state, &stats, inner, ink);
    }
}

fn why_nothing(state: &State) -> String {
    match (state.snapshot.scoring_paused, state.snapshot.throughput.remaining) {
        (true, _) => format!("Scoring is paused: {} resumes it.", key_below(state, Action::Pause)),
        _ if state.snapshot.models.iter().all(|model| !model.resident) => {
            let models = key_below(state, Action::Models);
            format!("Waiting for models: their weights are fetched, checked and loaded first. {models} shows how far.")
        }
        (false, None) => "Listing the corpus; scoring starts with the first file.".to_owned(),
        (false, Some(0)) => {
            "The corpus has no samples: check the data directory. `somascope doctor` tells more.".to_owned()
        }
        (false, Some(1)) => "1 sample waits for its first score.".to_owned(),
        (false, Some(n)) => format!("{} wait for their first score.", counted(n, "sample")),
    }
}

type Stat = (&'static str, String, Style);

/// The most important first.
fn stats(state: &State, ink: &Ink<'_>) -> Vec<Stat> {
    let view = &state.snapshot.throughput;
    let theme = ink.theme;
    let good = |some: bool| if some { theme.good() } else { Style::new() };
    let mut stats = vec![
        ("Samples/s", rate(view.samples_per_s), theme.strong()),
        ("Tokens/s", rate(view.tokens_per_s), Style::new()),
        ("Hits", format!("{}  {}/h", count(view.hits), rate(view.hits_per_h)), good(view.hits > 0)),
        ("Device use", device_use(view), Style::new()),
        ("To score", view.remaining.map_or_else(|| theme.glyphs.ellipsis.to_owned(), count), Style::new()),
        ("Evaluations/s", rate(view.evaluations_per_s), Style::new()),
        ("Scored", count(view.samples_scored), Style::new()),
        ("Waiting", count(view.queue), Style::new()),
        ("Rows/s", format!("{}  {}/s", rate(view.rows_per_s), bytes(view.bytes_per_s.max(0.0) as u64)), Style::new()),
    ];
    for device in &view.memory {
        let of = device.budget.map(|budget| format!(" of {}", bytes(budget))).unwrap_or_default();
        // One device is the usual case and needs no name.
        let name = if view.memory.len() > 1 { format!("{}: ", clean(&device.device)) } else { String::new() };
        stats.push(("Model memory", format!("{name}{}{of}", bytes(device.used)), Style::new()));
    }
    if let Some(resident) = view.resident_bytes {
        stats.push(("This program", bytes(resident), Style::new()));
    }
    let skipped = if view.skipped > 0 { theme.attention() } else { Style::new() };
    stats.push(("Files skipped", count(view.skipped), skipped));
    stats
}

fn device_use(view: &ThroughputView) -> String {
    let busy: f32 = view.scorers.iter().map(|scorer| scorer.busy).sum();
    match view.scorers.len() {
        0 => "no device".to_owned(),
        1 => format!("{:.0}%", busy * 100.0),
        n => format!("{:.0}% of {n}", busy * 100.0 / n as f32),
    }
}

fn numbers(stats: &[Stat], area: Rect, ink: &mut Ink<'_>) {
    for (row, (label, value, style)) in (0..area.height).zip(stats) {
        ink.pair(area, row, label, value.clone(), *style);
    }
}

/// Numbers in two columns, then lines, then the chart.
fn above(state: &State, stats: &[Stat], area: Rect, ink: &mut Ink<'_>) {
    let columns = if area.width >= 64 { 2 } else { 1 };
    let room = usize::from(area.height.saturating_sub(CHART));
    let rows = stats.len().div_ceil(columns).min(room.max(1));
    let width = ((area.width - (columns as u16 - 1) * 4) / columns as u16).min(NUMBERS);
    for (column, stats) in (0..columns as u16).zip(stats.chunks(rows)) {
        let x = area.x + column * (width + 4);
        numbers(stats, Rect { x, width, height: rows as u16, ..area }, ink);
    }
    let view = &state.snapshot.throughput;
    let mut row = rows as u16 + 1;
    let mut take = |height: u16| {
        let fits = row + height + CHART <= area.height;
        let place = Rect { y: area.y + row, height, ..area };
        row += if fits { height } else { 0 };
        fits.then_some(place)
    };
    if let Some(place) = take(1) {
        parts::stages_line(&view.stages, place, ink);
    }
    if let Some(place) = take((view.scorers.len() as u16).clamp(1, 3)) {
        parts::scorers(&view.scorers, place, ink);
    }
    if let Some(place) = take((state.snapshot.models.len() as u16).clamp(1, 4)) {
        parts::models(state, place, ink);
    }
    let row = row.min(area.height.saturating_sub(1));
    history(state, Rect { y: area.y + row, height: area.height - row, ..area }, ink);
}

/// Everything but the chart, in one column.
fn beside(state: &State, stats: &[Stat], area: Rect, ink: &mut Ink<'_>) {
    let view = &state.snapshot.throughput;
    numbers(stats, Rect { width: area.width.min(NUMBERS), ..area }, ink);
    let mut row = stats.len() as u16 + 1;
    let mut section = |title: &str, lines: usize, draw: &mut dyn FnMut(Rect, &mut Ink<'_>), ink: &mut Ink<'_>| {
        let left = area.height.saturating_sub(row + 1);
        let height = (lines as u16).min(left);
        if height == 0 {
            return;
        }
        ink.line(area, row, &Line::styled(title.to_owned(), ink.theme.strong()));
        draw(Rect { y: area.y + row + 1, height, ..area }, ink);
        row += height + 2;
    };
    section(
        "Devices and services",
        view.scorers.len(),
        &mut |place, ink| parts::scorers(&view.scorers, place, ink),
        ink,
    );
    section("What waits before each stage", 4, &mut |place, ink| parts::stages(&view.stages, place, ink), ink);
    section("Models", state.snapshot.models.len(), &mut |place, ink| parts::models(state, place, ink), ink);
}

/// Charts of the chosen time: the chosen measure, and below it as many of those after it as there is room for.
fn history(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let (span, measure) = (state.chart.span, state.chart.measure);
    let charts = (area.height / STACKED).clamp(1, CHARTS);
    let first = Measure::ALL.iter().position(|one| *one == measure).unwrap_or(0);
    let mut top = area.y;
    for (at, measure) in (0..charts).zip(Measure::ALL.iter().cycle().skip(first)) {
        let height = (area.bottom() - top) / (charts - at);
        // A free row between two.
        let place = Rect { y: top, height: height - u16::from(at + 1 < charts), ..area };
        chart(state, span, *measure, at == 0, place, ink);
        top += height;
    }
}

/// A chart under its title: what it shows and, on the first one, of which time.
fn chart(state: &State, span: Time, measure: Measure, is_first: bool, area: Rect, ink: &mut Ink<'_>) {
    let series = span.series(&state.snapshot.throughput);
    let measured = Span::styled(measure.word(), ink.theme.strong());
    let mut title = vec![(measured, Some(Hit::Act(Action::ChartMeasure))), (Span::raw("  "), None)];
    for choice in Time::ALL.into_iter().filter(|_| is_first) {
        let style = if choice == span { ink.theme.badge(Style::new()) } else { ink.theme.dim() };
        title.push((Span::styled(format!(" {} ", choice.word()), style), Some(Hit::Span(choice))));
    }
    let newest = series.buckets.iter().rev().flatten().next();
    if let Some(newest) = newest {
        title.push((Span::styled(format!("  last {}", rate(measure.of(newest))), ink.theme.dim()), None));
    }
    if is_first {
        title.push((Span::styled("  UTC", ink.theme.dim()), None));
    }
    ink.pieces(area, 0, title);
    let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    if !series.buckets.iter().flatten().any(|rates| measure.of(rates) > 0.0) {
        let nothing = match measure {
            Measure::Hits => "No hit in this time.",
            _ => "Nothing was scored in this time.",
        };
        return ink.empty(below, &[nothing.to_owned()]);
    }
    // A minute moves every second, so it moves in steps.
    let step = match span {
        Time::Minute if state.low_bandwidth => 20,
        Time::Minute => 5,
        Time::Hour | Time::Day => 1,
    };
    chart::draw(series, |rates| measure.of(rates), step, below, ink);
}
