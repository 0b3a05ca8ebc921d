//! The niche map: where our samples, the models and the open targets lie.
//!
//! Samples are braille dots in the colour of the model that wins for them; without colour or braille they are that
//! model's small letter.

use ratatui::{
    layout::Rect,
    style::{Modifier, Style},
    text::{Line, Span},
};

use super::{
    panes::Ink,
    text::{group, letters, margin, soma},
};
use crate::{
    api::{MapPoint, TargetRow},
    app::{
        Bounds, Near, NearKind, Pane, State,
        targets::{model_letter, stage_word},
    },
};

/// A cell's dots, and the model of most of them.
#[derive(Clone, Copy, Default)]
struct Cell {
    dots: u8,
    model: u16,
    /// Boyer-Moore: how far `model` is ahead.
    lead: u16,
}

/// The bits of a braille pattern by row, left and right column.
const DOTS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

pub fn draw(state: &State, area: Rect, zoomed: bool, ink: &mut Ink<'_>) {
    let map = &state.snapshot.map;
    let focused = zoomed || state.focus == Pane::Map;
    let [first, second] = map.explained;
    let shown = if state.map.zoom > 0 { format!("{}x, ", 1_u16 << state.map.zoom) } else { String::new() };
    let right =
        if map.basis > 0 { format!("{shown}{:.0}% of variance", (first + second) * 100.0) } else { String::new() };
    let inner = ink.pane("3", Pane::Map.title(), right, focused, area);
    let Some(bounds) = state.map.visible() else {
        let text = "The map is drawn when enough samples are scored to see how they spread.";
        return ink.empty(inner, &[text.to_owned()]);
    };
    if !zoomed {
        let plot = Rect { height: inner.height.saturating_sub(u16::from(inner.height > 3)), ..inner };
        points(state, bounds, plot, ink);
        if inner.height > 3 {
            ink.line(inner, inner.height - 1, &legend(state, ink, inner.width));
        }
        return;
    }
    let (plot, side) = if inner.width >= 76 {
        let side = Rect { x: inner.right() - 30, width: 30, ..inner };
        (Rect { width: inner.width - 32, ..inner }, side)
    } else {
        let height = inner.height.min(7);
        (Rect { height: inner.height - height, ..inner }, Rect { y: inner.bottom() - height, height, ..inner })
    };
    points(state, bounds, plot, ink);
    cursor(state, bounds, plot, ink);
    inspector(state, side, ink);
}

/// The cell and the dot in it; `None` outside of the window.
fn place(point: (f32, f32), bounds: Bounds, plot: Rect) -> Option<(u16, u16, u8)> {
    let across = (point.0 - bounds.min.0) / bounds.width();
    let up = (point.1 - bounds.min.1) / bounds.height();
    if !(0.0..=1.0).contains(&across) || !(0.0..=1.0).contains(&up) || plot.width == 0 || plot.height == 0 {
        return None;
    }
    let (columns, rows) = (u32::from(plot.width) * 2, u32::from(plot.height) * 4);
    // Dots as u32: a plot is at most 65,535 cells wide.
    let dot = |part: f32, of: u32| ((part * of as f32) as u32).min(of - 1);
    let (x, y) = (dot(across, columns), dot(1.0 - up, rows));
    let bits = DOTS[(y % 4) as usize][(x % 2) as usize];
    Some(((x / 2) as u16, (y / 4) as u16, bits))
}

fn points(state: &State, bounds: Bounds, plot: Rect, ink: &mut Ink<'_>) {
    let plot = plot.intersection(ink.buffer.area);
    let map = &state.snapshot.map;
    let mut cells = vec![Cell::default(); usize::from(plot.width) * usize::from(plot.height)];
    for sample in &map.samples {
        let Some((x, y, bits)) = place((sample.x, sample.y), bounds, plot) else { continue };
        let cell = &mut cells[usize::from(y) * usize::from(plot.width) + usize::from(x)];
        cell.dots |= bits;
        if cell.lead == 0 {
            cell.model = sample.model;
        }
        cell.lead = if cell.model == sample.model { cell.lead.saturating_add(1) } else { cell.lead - 1 };
    }
    let letters_only = state.look.ascii || !ink.theme.has_colour();
    for (index, cell) in cells.iter().enumerate().filter(|(_, cell)| cell.dots != 0) {
        let x = plot.x + (index % usize::from(plot.width)) as u16;
        let y = plot.y + (index / usize::from(plot.width)) as u16;
        let model = usize::from(cell.model);
        let symbol = if letters_only {
            model_letter(model).to_lowercase().chars().next().unwrap_or('.')
        } else {
            char::from_u32(0x2800 + u32::from(cell.dots)).unwrap_or('.')
        };
        ink.buffer[(x, y)].set_char(symbol).set_style(ink.theme.model(model));
    }
    // What lies on top is drawn last.
    let glyphs = ink.theme.glyphs;
    let mut mark = |point: &MapPoint, symbol: &str, style: Style| {
        if let Some((x, y, _)) = place((point.x, point.y), bounds, plot) {
            ink.buffer[(plot.x + x, plot.y + y)].set_symbol(symbol).set_style(style);
        }
    };
    let theme = ink.theme;
    for target in map.targets.iter().filter(|target| !target.hit) {
        mark(target, glyphs.open, Style::reset().patch(theme.dim()));
    }
    for target in map.targets.iter().filter(|target| target.hit) {
        mark(target, glyphs.hit, theme.good().add_modifier(Modifier::BOLD));
    }
    // Landmarks: without them no neighbourhood has a name.
    for model in &map.models {
        let index = usize::from(model.model);
        let style = theme.badge(theme.model(index));
        mark(model, model_letter(index).get(..1).unwrap_or("?"), style);
    }
}

fn cursor(state: &State, bounds: Bounds, plot: Rect, ink: &mut Ink<'_>) {
    let Some((x, y, _)) = state.map.cursor_point().and_then(|point| place(point, bounds, plot)) else { return };
    let cell = &mut ink.buffer[(plot.x + x, plot.y + y)];
    if cell.symbol() == " " {
        cell.set_symbol("+");
    }
    cell.set_style(Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD));
}

fn legend(state: &State, ink: &Ink<'_>, width: u16) -> Line<'static> {
    let mut spans = Vec::new();
    for index in 0..state.snapshot.models.len().min(6) {
        spans.push(Span::styled(model_letter(index), ink.theme.badge(ink.theme.model(index))));
        spans.push(Span::raw(" "));
    }
    let glyphs = &ink.theme.glyphs;
    spans.push(Span::styled(if spans.is_empty() { "" } else { "models  " }, ink.theme.dim()));
    spans.push(Span::styled(glyphs.hit, ink.theme.good()));
    spans.push(Span::styled(" hit  ", ink.theme.dim()));
    spans.push(Span::raw(glyphs.open));
    spans.push(Span::styled(" target", ink.theme.dim()));
    if width >= 46 {
        let samples = format!("  {} samples", group(state.snapshot.map.samples.len() as u64));
        spans.push(Span::styled(samples, ink.theme.dim()));
    }
    Line::from(spans)
}

/// What lies under the cursor, and what the signs mean.
fn inspector(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let snapshot = &state.snapshot;
    let mut lines = match state.map.near(&snapshot.map) {
        None => vec![Line::raw("nothing near the cursor")],
        Some(near) => near_lines(state, near, ink),
    };
    lines.resize(6, Line::default());
    lines.push(Line::styled("Samples by winning model", ink.theme.dim()));
    for (index, model) in snapshot.models.iter().enumerate() {
        let samples = snapshot.map.samples.iter().filter(|sample| usize::from(sample.model) == index).count();
        lines.push(Line::from(vec![
            Span::styled(model_letter(index), ink.theme.badge(ink.theme.model(index))),
            Span::raw(format!(" {} {:>7}", model.id.short(), group(samples as u64))),
        ]));
    }
    let glyphs = &ink.theme.glyphs;
    let hits = snapshot.map.targets.iter().filter(|target| target.hit).count();
    lines.extend([
        Line::default(),
        Line::from(vec![
            Span::styled(glyphs.hit, ink.theme.good()),
            Span::raw(format!(" {:<9}{:>7}", "hit", group(hits as u64))),
        ]),
        Line::raw(format!("{} {:<9}{:>7}", glyphs.open, "target", group((snapshot.map.targets.len() - hits) as u64))),
        Line::default(),
        Line::styled(
            format!("axes show {:.0}% + {:.0}%", snapshot.map.explained[0] * 100.0, snapshot.map.explained[1] * 100.0),
            ink.theme.dim(),
        ),
        Line::styled("of the samples' variance", ink.theme.dim()),
    ]);
    ink.lines(area, &lines);
}

fn near_lines(state: &State, near: Near, ink: &Ink<'_>) -> Vec<Line<'static>> {
    let snapshot = &state.snapshot;
    let index = usize::from(near.point.model);
    let theme = &ink.theme;
    let named = |row: &TargetRow| {
        let (glyph, style) = theme.stage(row.stage);
        let distance = |value: Option<f32>| value.map_or_else(|| "unknown".to_owned(), |v| format!("{v:.4}"));
        vec![
            Line::styled(format!("target {}", row.id.short()), theme.strong()),
            Line::styled(format!("{glyph} {}", stage_word(row.stage)), style),
            Line::raw(format!("best {} of {:.4}", distance(row.best_distance), row.threshold)),
            Line::raw(format!(
                "margin {}",
                row.margin().map_or_else(|| "unknown".to_owned(), |value| margin(value, theme.glyphs.minus))
            )),
            Line::raw(format!("reward {} by {}", soma(row.reward, 10), letters(&row.models, &snapshot.models))),
        ]
    };
    match near.kind {
        NearKind::Target => match snapshot.targets.iter().find(|row| Some(row.id) == near.point.id) {
            Some(row) => named(row),
            None => vec![Line::raw("a target that is gone")],
        },
        NearKind::Model => match snapshot.models.get(index) {
            Some(row) => vec![
                Line::styled(format!("model {} {}", model_letter(index), row.id.short()), theme.strong()),
                Line::raw(format!("stake {}", soma(row.stake, 14))),
                Line::raw(format!("wins {} of our samples", group(row.wins))),
                Line::raw(format!("serves {} targets", group(row.targets))),
            ],
            None => vec![Line::raw("a model that is gone")],
        },
        NearKind::Sample => vec![
            Line::styled("a sample of ours", theme.strong()),
            Line::raw(format!("lowest loss under {}", model_letter(index))),
        ],
    }
}
