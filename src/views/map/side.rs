//! Beside the map: what is under the cursor, what the signs mean, and where our data lacks.

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::plot::{NUMBERED, class, lack};
use crate::{
    api::{MapColour, MapLayout, MapPoint, SampleDetail, TargetStage},
    app::{
        Near, State,
        actions::Action,
        map::{Raster, STAGES, z},
        targets::{model_letter, stage_word},
    },
    primitives::ObjectId,
    views::{
        key_below,
        numbers::{sigma, unit},
        panes::Ink,
        text::{clean, count, counted, fit, group, letters, margin, soma, wrap},
    },
};

/// Lines of what is under the cursor.
const UNDER_CURSOR: usize = 6;
/// Of these, for the losses of a sample.
const LOSS_LINES: usize = 2;

pub fn draw(state: &State, raster: &Raster, area: Rect, ink: &mut Ink<'_>) {
    let mut lines = under_cursor(state, ink, area.width);
    // The cursor moves; what is below must not.
    lines.resize(UNDER_CURSOR, Line::default());
    if state.map.boxed().is_some() {
        let (pins, looks) = (key_below(state, Action::Box), key_below(state, Action::Inspect));
        let text = Line::styled(format!("box: {pins} pins, {looks} looks, Esc ends"), ink.theme.attention());
        // Where there is room for little, it is what matters.
        let at = if usize::from(area.height) > UNDER_CURSOR { UNDER_CURSOR } else { 0 };
        lines.insert(at, text);
    } else if area.height as usize > UNDER_CURSOR + 4 {
        lines.push(Line::default());
    }
    let room = usize::from(area.height).saturating_sub(lines.len() + 9);
    lines.extend(if state.map.coverage {
        regions(state, ink, room, area.width)
    } else {
        legend(state, raster, ink, room, area.width)
    });
    lines.push(Line::default());
    lines.extend(signs(state, raster, ink));
    ink.lines(area, &lines);
}

fn sigmas(value: f32, state: &State, minus: &str) -> String {
    let z = z(value, state.snapshot.network.embedding_dim);
    format!("{} ({})", margin(value, minus), sigma(z, 1, unit(state.look.ascii), minus))
}

fn under_cursor(state: &State, ink: &Ink<'_>, width: u16) -> Vec<Line<'static>> {
    let (snapshot, theme) = (&state.snapshot, &ink.theme);
    let map = &snapshot.map;
    let minus = theme.glyphs.minus;
    match state.map.near() {
        None => vec![Line::raw("nothing near the cursor")],
        Some(Near::Target(at)) => {
            let Some(row) = map.targets.get(at).and_then(|target| snapshot.targets.get(target.row as usize)) else {
                return Vec::new();
            };
            let (glyph, style) = theme.stage(row.stage);
            let pinned = if row.pinned { ", pinned" } else { "" };
            let margin = row.margin().map_or_else(|| "unknown".to_owned(), |m| sigmas(m, state, minus));
            let best = row.best_distance.map_or_else(|| "nothing".to_owned(), |distance| format!("{distance:.4}"));
            vec![
                Line::styled(format!("target {}", row.id.short()), theme.strong()),
                Line::styled(format!("{glyph} {}{pinned}", stage_word(row.stage)), style),
                Line::raw(format!("margin {margin}")),
                Line::raw(format!("best {best} of {:.4}", row.threshold)),
                Line::raw(format!("models {}", letters(&row.models, &snapshot.models))),
                Line::raw(format!("reward {} SOMA", soma(row.reward, 10))),
            ]
        }
        Some(Near::Model(at)) => {
            let index = map.models.get(at).map_or(0, |point| usize::from(point.model));
            let Some(row) = snapshot.models.get(index) else { return Vec::new() };
            let weights = if row.resident { "weights are here" } else { "weights are not here" };
            vec![
                Line::styled(format!("model {} {}", model_letter(index), row.id.short()), theme.strong()),
                Line::raw(format!("stake {} SOMA", soma(row.stake, 12))),
                Line::raw(format!("wins {} of our samples", count(row.wins))),
                Line::raw(format!(
                    "serves {} open target{}",
                    count(row.targets),
                    if row.targets == 1 { "" } else { "s" }
                )),
                Line::raw(weights),
            ]
        }
        Some(Near::Sample(at)) => {
            let Some(point) = map.samples.get(at) else { return Vec::new() };
            let told = state.map.sample(point.sample);
            let source = told.map_or_else(|| source(state, point.source), |told| clean(&told.source));
            let best = match point.margin {
                None => vec![Line::raw("it has met no open target")],
                Some(best) => {
                    let target = map.reached.get(point.nearest as usize).map(|id| id.short());
                    vec![
                        Line::raw(format!("best margin {}", sigmas(best, state, minus))),
                        Line::raw(format!("to target {}", target.unwrap_or_else(|| "?".to_owned()))),
                    ]
                }
            };
            let mut lines = vec![
                Line::styled("a sample of ours", theme.strong()),
                Line::raw(format!(
                    "from {}",
                    fit(&source, usize::from(width).saturating_sub(5), theme.glyphs.ellipsis)
                )),
            ];
            lines.extend(losses(state, point, told, width.into()).into_iter().map(Line::raw));
            lines.extend(best);
            lines
        }
    }
}

/// The loss under each model that scored a sample, the lowest first; before the engine has told, under the winner only.
fn losses(state: &State, point: &MapPoint, told: Option<&SampleDetail>, width: usize) -> Vec<String> {
    let Some(told) = told.filter(|told| !told.losses.is_empty()) else {
        return vec![format!("loss {:.4} under {}", point.loss, model_letter(point.model.into()))];
    };
    let of = |(model, loss): &(ObjectId, f32)| format!("{}\u{a0}{loss:.4}", letters(&[*model], &state.snapshot.models));
    let all = told.losses.iter().map(of).collect::<Vec<_>>().join(" ");
    let mut lines = wrap(&format!("loss {all}"), width);
    if lines.len() > LOSS_LINES {
        lines.truncate(LOSS_LINES);
        // Those with the lowest are there.
        if let Some(last) = lines.last_mut() {
            *last = fit(&format!("{last}and more"), width, "");
        }
    }
    lines.into_iter().map(|line| line.replace('\u{a0}', " ")).collect()
}

fn source(state: &State, index: u16) -> String {
    state
        .snapshot
        .map
        .sources
        .get(usize::from(index))
        .map_or_else(|| "not looked up yet".to_owned(), |name| clean(name))
}

/// What the colours of samples mean, with how many there are of each.
fn legend(state: &State, raster: &Raster, ink: &Ink<'_>, room: usize, width: u16) -> Vec<Line<'static>> {
    let snapshot = &state.snapshot;
    let colour = state.map.colour;
    let of_class = |at: u16| raster.counts.get(usize::from(at)).copied().unwrap_or(0);
    let title = match colour {
        MapColour::Model => "Samples by winning model",
        MapColour::Source => "Samples by source",
        MapColour::Margin => "Samples by best margin",
    };
    let mut lines = vec![Line::styled(title, ink.theme.dim())];
    let entries: Vec<(u16, String)> = match colour {
        MapColour::Model => (0u16..).zip(snapshot.models.iter()).map(|(at, model)| (at, model.id.short())).collect(),
        MapColour::Source => (0u16..).zip(snapshot.map.sources.iter()).map(|(at, name)| (at, clean(name))).collect(),
        MapColour::Margin => (0..MapPoint::MARGINS).map(|at| (at, margin_word(at, state))).collect(),
    };
    let name_room = usize::from(width).saturating_sub(11).clamp(4, 18);
    // A line that says "and 1 more" could show it.
    let room = if entries.len() <= room + 1 { entries.len() } else { room.max(1) };
    let shown = entries.iter().take(room);
    for (at, name) in shown {
        let (letter, style) = class(colour, *at, ink.theme);
        let sign = match colour {
            MapColour::Model => Span::styled(model_letter((*at).into()), ink.theme.badge(style)),
            _ => Span::styled(letter.to_string(), ink.theme.badge(style)),
        };
        let name = fit(name, name_room, ink.theme.glyphs.ellipsis);
        let gap = name_room.saturating_sub(crate::views::text::width(&name));
        lines.push(Line::from(vec![
            sign,
            Span::raw(format!(" {name}{} {:>7}", " ".repeat(gap), group(of_class(*at).into()))),
        ]));
    }
    if entries.len() > room {
        lines.push(Line::styled(format!("and {} more", entries.len() - room), ink.theme.dim()));
    }
    lines
}

fn margin_word(class: u16, state: &State) -> String {
    let unit = unit(state.look.ascii);
    match class {
        0 => "hits".to_owned(),
        1..=3 => format!("misses by {class}{unit}"),
        class if class + 1 < MapPoint::MARGINS => "misses by more".to_owned(),
        _ => "met no target".to_owned(),
    }
}

/// Regions by what our data lacks there.
fn regions(state: &State, ink: &Ink<'_>, room: usize, width: u16) -> Vec<Line<'static>> {
    let regions = &state.snapshot.map.coverage.regions;
    let theme = &ink.theme;
    let minus = theme.glyphs.minus;
    let dim = state.snapshot.network.embedding_dim;
    let mut lines = vec![Line::styled("Reward a sample; best, mean", theme.dim())];
    let paying = regions.iter().take_while(|region| region.need > 0.0).count();
    if paying == 0 {
        lines.push(Line::raw("every open target here is hit"));
        return lines;
    }
    // Two lines a region.
    for (at, region) in regions.iter().enumerate().take(NUMBERED.min((room / 2).max(1))).take(paying) {
        let (_, _, style, word) = lack(region.need, *theme);
        let style = if state.map.region == Some(at) { theme.badge(style) } else { style };
        let margins = match (region.best_margin, region.mean_margin) {
            (Some(best), Some(mean)) => {
                let of = |margin: f32| sigma(z(margin, dim), 1, unit(state.look.ascii), minus);
                format!(" {} {}", of(best), of(mean))
            }
            _ => " none met".to_owned(),
        };
        lines.push(Line::from(vec![
            Span::styled(format!("{} x{:.1} {word}", at + 1, region.need), style),
            Span::styled(margins, Style::new()),
        ]));
        let facts = format!(
            "  {} open, {} SOMA, {} ours",
            count(region.open.into()),
            soma(region.reward, 5),
            count(region.samples.into())
        );
        lines.push(Line::styled(fit(&facts, width.into(), theme.glyphs.ellipsis), theme.dim()));
    }
    lines.push(Line::styled(
        format!("{}; {}: to the next", counted(paying as u64, "region"), key_below(state, Action::NextRegion)),
        theme.dim(),
    ));
    lines
}

/// Glyphs of targets with how many there are, and how to read the map.
fn signs(state: &State, raster: &Raster, ink: &Ink<'_>) -> Vec<Line<'static>> {
    let (map, theme) = (&state.snapshot.map, &ink.theme);
    let mut lines = Vec::new();
    for (stage, number) in STAGES.iter().zip(raster.stages).rev() {
        if number == 0 && *stage != TargetStage::Open {
            continue;
        }
        let (glyph, style) = theme.stage(*stage);
        let hidden = match stage {
            TargetStage::Open if state.map.hides_open => ", hidden".to_owned(),
            TargetStage::Open if raster.least > 1 => format!(", where {}+", raster.least),
            _ => String::new(),
        };
        lines.push(Line::from(vec![
            Span::styled(glyph, style),
            Span::raw(format!(" {:<9}{:>7}{hidden}", stage_word(*stage), group(number.into()))),
        ]));
    }
    if raster.pinned > 0 {
        lines.push(Line::raw(format!("{} pinned, shown reversed", group(raster.pinned.into()))));
    }
    let shown = map.samples.len() as u64;
    lines.push(Line::styled(
        if shown < map.scored {
            format!("{} of {} samples", count(shown), count(map.scored))
        } else {
            counted(shown, "sample")
        },
        theme.dim(),
    ));
    lines.push(Line::styled(
        match map.layout {
            MapLayout::Principal => {
                format!("axes: {:.0}% + {:.0}% of variance", map.explained[0] * 100.0, map.explained[1] * 100.0)
            }
            MapLayout::Neighbours => "neighbours kept together".to_owned(),
        },
        theme.dim(),
    ));
    lines.push(Line::styled("a target is drawn at our nearest", theme.dim()));
    lines.push(Line::styled("sample, 1/4 towards its models", theme.dim()));
    lines
}

/// One line, below the map on the dashboard.
pub fn line(state: &State, ink: &Ink<'_>, width: u16) -> Line<'static> {
    let mut spans = Vec::new();
    let glyphs = &ink.theme.glyphs;
    match state.map.colour {
        _ if state.map.coverage => spans.push(Span::styled("shades: where our data lacks  ", ink.theme.dim())),
        MapColour::Model => {
            for index in 0..state.snapshot.models.len().min(6) {
                spans.push(Span::styled(model_letter(index), ink.theme.badge(ink.theme.model(index))));
                spans.push(Span::raw(" "));
            }
            spans.push(Span::styled(if spans.is_empty() { "" } else { "models  " }, ink.theme.dim()));
        }
        MapColour::Source => spans.push(Span::styled("by source  ", ink.theme.dim())),
        MapColour::Margin => spans.push(Span::styled("by margin  ", ink.theme.dim())),
    }
    spans.push(Span::styled(glyphs.hit, ink.theme.good()));
    spans.push(Span::styled(" hit  ", ink.theme.dim()));
    spans.push(Span::raw(glyphs.open));
    spans.push(Span::styled(" target", ink.theme.dim()));
    if width >= 46 {
        let samples = format!("  {}", counted(state.snapshot.map.samples.len() as u64, "sample"));
        spans.push(Span::styled(samples, ink.theme.dim()));
    }
    Line::from(spans)
}
