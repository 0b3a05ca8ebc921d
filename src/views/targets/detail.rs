//! One target in full: the numbers, why nothing of ours fills it yet, its models, how near our data has come.

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{PIN, deviations};
use crate::{
    api::{Improvement, NearSample, TargetDetail, TargetRow, TargetStage},
    app::{
        Hit, List, State,
        actions::Action,
        targets::{model_letter, stage_word},
    },
    primitives::{ObjectId, Shannons},
    views::{
        key_below, numbers,
        panes::Ink,
        text::{ago, bytes, clean, count, fit, group, margin, soma, wrap},
    },
};

/// From here on, there are two columns.
const WIDE: u16 = 110;
/// Between them.
const GAP: u16 = 3;
const CHART_ROWS: usize = 4;
/// The newest steps, in words.
const STEPS: usize = 4;

pub fn draw(state: &State, id: ObjectId, area: Rect, ink: &mut Ink<'_>) {
    let looked = state.snapshot.looked_at.as_deref().filter(|detail| detail.target.id == id);
    let row = looked.map(|detail| &detail.target).or(state.targets.selected_row().filter(|row| row.id == id));
    let place = match (looked.is_some_and(|detail| detail.gone.is_some()), state.targets.position()) {
        (false, Some(at)) if state.targets.selected == Some(id) => {
            format!("{} of {}", group(at as u64 + 1), group(state.targets.rows.len() as u64))
        }
        _ => "not open any more".to_owned(),
    };
    let inner = ink.pane("2", &format!("Target {}", id.short()), place, true, area);
    let Some(row) = row else {
        let back = key_below(state, Action::Back);
        return ink.empty(inner, &[format!("This target is not open any more. {back} leads back to the list.")]);
    };
    ink.hit(inner, Hit::List(List::Target));
    let page = Page { state, row, looked };
    if inner.width < WIDE {
        let width = usize::from(inner.width);
        let mut lines = page.about(width, ink);
        lines.push(Line::default());
        lines.extend(page.ours(width, ink));
        return column(lines, state.targets.detail_scroll, inner, ink);
    }
    let half = (inner.width - GAP) / 2;
    let left = Rect { width: half, ..inner };
    let right = Rect { x: inner.x + half + GAP, width: inner.width - half - GAP, ..inner };
    column(page.about(half.into(), ink), state.targets.detail_scroll, left, ink);
    column(page.ours(right.width.into(), ink), state.targets.detail_scroll, right, ink);
}

/// Lines from `scroll` on, as far as that leaves something to see.
fn column(lines: Vec<Line<'static>>, scroll: u16, area: Rect, ink: &mut Ink<'_>) {
    let first = usize::from(scroll).min(lines.len().saturating_sub(usize::from(area.height)));
    ink.lines(area, &lines[first..]);
    let below = lines.len().saturating_sub(first + usize::from(area.height));
    if below > 0 {
        // On the frame.
        let more = format!("{below} more below");
        let width = more.len() as u16;
        let x = area.right().saturating_sub(width);
        ink.line(Rect { x, y: area.bottom(), width, height: 1 }, 0, &Line::raw(more));
    }
}

struct Page<'a> {
    state: &'a State,
    row: &'a TargetRow,
    /// Once the engine has answered.
    looked: Option<&'a TargetDetail>,
}

impl Page<'_> {
    /// Itself, the reasons, its models.
    fn about(&self, width: usize, ink: &Ink<'_>) -> Vec<Line<'static>> {
        let theme = ink.theme;
        let row = self.row;
        let label = |name: &str| Span::styled(format!("{name:<10}"), theme.dim());
        let fact = |name: &str, value: String, style: Style| Line::from(vec![label(name), Span::styled(value, style)]);
        // To the last digit: it is compared and copied by eye.
        let id = wrap(&row.id.to_hex_prefixed(), width.saturating_sub(10));
        let names = std::iter::once("id").chain(std::iter::repeat(""));
        let mut lines: Vec<Line<'static>> =
            names.zip(id).map(|(name, piece)| fact(name, piece, theme.strong())).collect();
        let (glyph, style) = theme.stage(row.stage);
        let mut status = vec![label("status"), Span::styled(format!("{glyph} {}", stage_word(row.stage)), style)];
        if row.pinned {
            let models = &self.state.snapshot.models;
            let by_model = models.iter().any(|model| model.pinned && row.models.contains(&model.id));
            let how = if by_model { "by its model" } else { "until its epoch ends" };
            status.push(Span::styled(format!("   {PIN} pinned {how}"), theme.accent()));
        }
        lines.push(Line::from(status));
        let seen = ago(self.state.now_ms.saturating_sub(row.seen_at_ms));
        lines.push(fact("epoch", format!("{}, first seen {seen}", row.epoch), Style::new()));
        let ours = self.for_submitter(row.reward).map_or_else(String::new, |ours| format!(", {ours} to its submitter"));
        lines.push(fact("reward", format!("{} SOMA{ours}", row.reward), Style::new()));
        lines.push(fact("threshold", format!("{:.4}", row.threshold), Style::new()));
        lines.push(match (row.best_distance, row.margin()) {
            (Some(best), Some(value)) => {
                let z = numbers::deviations(value, self.dim(), ink).map_or_else(String::new, |z| format!(" ({z})"));
                let style = if value >= 0.0 { theme.good() } else { Style::new() };
                fact("our best", format!("{best:.4}, margin {}{z}", margin(value, theme.glyphs.minus)), style)
            }
            _ => fact("our best", "nothing is scored with all of its models yet".to_owned(), theme.dim()),
        });
        lines.push(Line::default());
        let why = match row.stage {
            _ if self.looked.is_some_and(|detail| detail.gone.is_some()) => "What became of it",
            TargetStage::Open | TargetStage::Hit => "Why it is not filled yet",
            TargetStage::InFlight | TargetStage::Ours => "How far it is",
        };
        lines.push(Line::styled(why, theme.strong()));
        let Some(detail) = self.looked else {
            lines.push(Line::styled(format!("  asking the engine{}", theme.glyphs.ellipsis), theme.dim()));
            return lines;
        };
        for reason in &detail.reasons {
            for (at, text) in wrap(&clean(reason), width.saturating_sub(4)).into_iter().enumerate() {
                let mark = if at == 0 { format!("  {} ", theme.glyphs.dot) } else { "    ".to_owned() };
                lines.push(Line::from(vec![Span::styled(mark, theme.dim()), Span::raw(text)]));
            }
        }
        lines.push(Line::default());
        lines.push(Line::styled("Its models", theme.strong()));
        lines.push(Line::styled(
            format!("  {:<2} {:<8} {:>12} {:>7} {:>6} {:>7}", "", "model", "stake", "comm.", "wins", "margin"),
            theme.dim(),
        ));
        lines.extend(detail.models.iter().map(|model| {
            let index = self.state.targets.letters.index(&model.id);
            let known = index.and_then(|index| self.state.snapshot.models.get(index));
            let letter = index.map_or_else(|| "?".to_owned(), model_letter);
            let stake = known.map_or_else(|| "not active".to_owned(), |model| soma(model.stake, 12));
            let commission = known.map(|m| format!("{}.{:02}%", m.commission_bps / 100, m.commission_bps % 100));
            let best = model.best_distance.map(|distance| margin(row.threshold - distance, theme.glyphs.minus));
            Line::from(vec![
                Span::styled(format!("  {letter:<2} "), index.map_or(theme.dim(), |index| theme.model(index))),
                Span::raw(format!(
                    "{:<8} {stake:>12} {:>7} {:>6} {:>7}",
                    model.id.short(),
                    commission.unwrap_or_default(),
                    count(model.wins),
                    best.unwrap_or_else(|| theme.glyphs.dot.to_owned()),
                )),
            ])
        }));
        lines
    }

    /// Our data: how the best distance fell, and what is nearest.
    fn ours(&self, width: usize, ink: &Ink<'_>) -> Vec<Line<'static>> {
        let theme = ink.theme;
        let Some(detail) = self.looked else { return Vec::new() };
        let mut lines = vec![Line::styled("How our best distance fell", theme.strong())];
        match (detail.history.first(), detail.history.last()) {
            (Some(first), Some(last)) => {
                lines.extend(self.chart(&detail.history, width, ink));
                let since = |at_ms: u64| ago(self.state.now_ms.saturating_sub(at_ms));
                let text = format!(
                    "  {:.4} {}, {:.4} {}; threshold {:.4}",
                    first.distance,
                    since(first.at_ms),
                    last.distance,
                    since(last.at_ms),
                    self.row.threshold
                );
                lines.push(Line::styled(fit(&text, width, theme.glyphs.ellipsis), theme.dim()));
                lines.extend(detail.history.iter().rev().take(STEPS).map(|step| {
                    let text = format!("  {:>8}  {:.4}  {}", since(step.at_ms), step.distance, clean(&step.source));
                    Line::raw(fit(&text, width, theme.glyphs.ellipsis))
                }));
            }
            _ => lines.push(Line::styled("  nothing to tell yet", theme.dim())),
        }
        lines.push(Line::default());
        let scored = match detail.scored {
            Some(scored) => format!("Our nearest of {} samples scored with all its models", group(scored)),
            None => "Our nearest samples".to_owned(),
        };
        lines.push(Line::styled(fit(&scored, width, theme.glyphs.ellipsis), theme.strong()));
        if detail.nearest.is_empty() {
            let said = match detail.scored {
                Some(_) => "none",
                None if detail.gone.is_some() || detail.target.stage == TargetStage::Ours => {
                    "not looked for: it is not open any more"
                }
                None => "asking the library",
            };
            lines.push(Line::styled(format!("  {said}"), theme.dim()));
            return lines;
        }
        lines.push(Line::styled(
            format!("  {:>7} {:>7} {:<2} {:>9}  {}", "margin", "z", "", "size", "source"),
            theme.dim(),
        ));
        lines.extend(detail.nearest.iter().map(|near| self.sample(near, width, ink)));
        lines
    }

    fn sample(&self, near: &NearSample, width: usize, ink: &Ink<'_>) -> Line<'static> {
        let theme = ink.theme;
        let value = self.row.threshold - near.distance;
        let index = self.state.targets.letters.index(&near.model);
        let letter = index.map_or_else(|| "?".to_owned(), model_letter);
        let z = deviations(value, self.dim(), self.state, ink);
        let parts = if near.pieces > 1 { format!(" ({} windows put together)", near.pieces) } else { String::new() };
        let source = format!("{}{parts}", clean(&near.source));
        Line::from(vec![
            Span::styled(
                format!("  {:>7}", margin(value, theme.glyphs.minus)),
                if value >= 0.0 { theme.good() } else { Style::new() },
            ),
            Span::raw(format!(" {z:>7} ")),
            Span::styled(format!("{letter:<2}"), index.map_or(theme.dim(), |index| theme.model(index))),
            Span::raw(format!(" {:>9}  ", bytes(near.size_bytes))),
            Span::raw(fit(&source, width.saturating_sub(32), theme.glyphs.ellipsis)),
        ])
    }

    /// What of a reward is for its submitter, as far as the network has told.
    fn for_submitter(&self, reward: Shannons) -> Option<Shannons> {
        let network = &self.state.snapshot.network;
        let (ours, all) = (u128::from(network.reward_for_submitter.0), u128::from(network.reward_per_target.0));
        let share = (u128::from(reward.0) * ours).checked_div(all).filter(|_| ours > 0)?;
        u64::try_from(share).ok().map(Shannons)
    }

    fn dim(&self) -> u64 {
        self.looked.map_or(self.state.snapshot.network.embedding_dim, |detail| detail.dim)
    }

    /// The best distance over time, the newest at the right: the lower, the nearer.
    fn chart(&self, history: &[Improvement], width: usize, ink: &Ink<'_>) -> Vec<Line<'static>> {
        let columns = width.saturating_sub(4).min(72);
        let (Some(first), Some(last)) = (history.first(), history.last()) else { return Vec::new() };
        let span = self.state.now_ms.saturating_sub(first.at_ms).max(1);
        let (high, low) = (first.distance, last.distance.min(self.row.threshold));
        let range = (high - low).max(f32::EPSILON);
        let eighths = (CHART_ROWS * 8) as f32;
        let levels: Vec<usize> = (1..=columns as u64)
            .map(|column| {
                let at = first.at_ms + span * column / columns.max(1) as u64;
                let distance = history.iter().rev().find(|step| step.at_ms <= at).unwrap_or(first).distance;
                (((distance - low) / range).clamp(0.0, 1.0) * eighths).round().max(1.0) as usize
            })
            .collect();
        (0..CHART_ROWS)
            .rev()
            .map(|row| {
                let cells = levels.iter().map(|level| match level.saturating_sub(row * 8).min(8) {
                    0 => " ",
                    part => ink.theme.glyphs.bars[part - 1],
                });
                Line::styled(format!("  {}", cells.collect::<String>()), ink.theme.accent())
            })
            .collect()
    }
}
