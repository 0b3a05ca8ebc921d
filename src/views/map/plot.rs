//! The cells, and what lies on top of them.

use ratatui::style::{Modifier, Style};

use crate::{
    api::{MapColour, MapPoint, Region, TargetStage},
    app::{
        State,
        map::{Cell, Raster},
        targets::model_letter,
    },
    views::{panes::Ink, theme::Theme},
};

/// Samples of a cell from which on it is drawn bold: more than a braille pattern has dots.
const DENSE: u32 = 8;
/// Regions that are numbered on the map.
pub const NUMBERED: usize = 9;

pub fn cells(state: &State, raster: &Raster, ink: &mut Ink<'_>) {
    let area = raster.area();
    let theme = ink.theme;
    let regions = &state.snapshot.map.coverage.regions;
    let bounds = ink.buffer.area;
    for (row, cells) in raster.cells.chunks_exact(usize::from(area.width).max(1)).enumerate() {
        let y = area.y + row as u16;
        for (cell, x) in cells.iter().zip(area.x..) {
            if x >= bounds.right() || y >= bounds.bottom() {
                continue;
            }
            let shown = if state.map.coverage {
                cell.region.and_then(|region| regions.get(usize::from(region))).map(|region| shade(region, theme))
            } else {
                samples(cell, state, theme)
            };
            let marked = mark(cell, state, raster, theme);
            if let Some((symbol, style)) = marked.or(shown) {
                ink.buffer[(x, y)].set_char(symbol).set_style(style);
            }
        }
    }
    if state.map.coverage {
        numbers(state, raster, ink);
    }
}

/// What a class of samples looks like: its colour, and its letter where there are no colours.
pub fn class(colour: MapColour, class: u16, theme: Theme) -> (char, Style) {
    match colour {
        MapColour::Model if class == u16::MAX => ('?', theme.dim()),
        MapColour::Model => {
            let letter = model_letter(usize::from(class)).to_lowercase();
            (letter.chars().next().unwrap_or('.'), theme.model(usize::from(class)))
        }
        MapColour::Source => match u8::try_from(class) {
            Ok(at @ 0..26) => (char::from(b'a' + at), theme.model(usize::from(at))),
            _ => ('?', theme.dim()),
        },
        MapColour::Margin => match class {
            0 => ('+', theme.good().add_modifier(Modifier::BOLD)),
            1 => ('1', theme.attention()),
            2 => ('2', theme.model(1)),
            3 => ('3', theme.accent()),
            class if class + 1 < MapPoint::MARGINS => ('4', theme.dim()),
            _ => ('?', theme.dim()),
        },
    }
}

fn samples(cell: &Cell, state: &State, theme: Theme) -> Option<(char, Style)> {
    if cell.samples == 0 {
        return None;
    }
    let (letter, style) = class(state.map.colour, cell.class, theme);
    let symbol = match (theme.has_colour(), state.look.ascii) {
        (false, _) => letter,
        (true, false) => char::from_u32(0x2800 + u32::from(cell.dots)).unwrap_or('.'),
        (true, true) => match cell.samples {
            1 => '.',
            2..=DENSE => ':',
            _ => '%',
        },
    };
    let style = if cell.samples > DENSE { style.add_modifier(Modifier::BOLD) } else { style };
    Some((symbol, style))
}

/// How much a region lacks: a shade, its style and a word.
pub fn lack(need: f32, theme: Theme) -> (char, char, Style, &'static str) {
    match need {
        need if need >= 3.0 => ('▓', '%', theme.bad(), "underserved"),
        need if need >= 1.5 => ('▒', ':', theme.attention(), "thinly served"),
        need if need > 0.0 => ('░', '.', theme.good(), "served"),
        _ => (' ', ' ', theme.dim(), "nothing to earn"),
    }
}

fn shade(region: &Region, theme: Theme) -> (char, Style) {
    let (shade, plain, style, _) = lack(region.need, theme);
    (if theme.is_ascii() { plain } else { shade }, style)
}

/// Models by their letter, targets by the glyph of their stage.
fn mark(cell: &Cell, state: &State, raster: &Raster, theme: Theme) -> Option<(char, Style)> {
    if let Some(model) = cell.model {
        let index = usize::from(model);
        // Landmarks: without them no neighbourhood has a name.
        return Some((model_letter(index).chars().next()?, theme.badge(theme.model(index))));
    }
    let stage = cell.target?;
    let (glyph, style) = theme.stage(stage);
    let is_crowd = stage == TargetStage::Open && !cell.pinned;
    if is_crowd && (state.map.hides_open || cell.targets < raster.least) {
        return None;
    }
    let style = if is_crowd { style.patch(theme.dim()) } else { style };
    // Pinned ones are set off by more than a colour.
    let style = if cell.pinned { theme.badge(style) } else { style };
    Some((glyph.chars().next()?, Style::reset().patch(style)))
}

/// The most underserved regions by their rank in the list beside the map.
fn numbers(state: &State, raster: &Raster, ink: &mut Ink<'_>) {
    let coverage = &state.snapshot.map.coverage;
    let part =
        |low: f32, high: f32, at: u16, of: u16| low + (f32::from(at) + 0.5) / f32::from(of.max(1)) * (high - low);
    let paying = coverage.regions.iter().take(NUMBERED).take_while(|region| region.need > 0.0);
    for (region, number) in paying.zip('1'..) {
        let x = part(coverage.min.0, coverage.max.0, region.column, coverage.columns);
        let y = part(coverage.min.1, coverage.max.1, region.row, coverage.rows);
        let Some((column, row)) = raster.seen().cell_of((x, y), raster.area()) else { continue };
        let at = (raster.area().x + column, raster.area().y + row);
        if ink.buffer.area.contains(at.into()) {
            let style = ink.theme.badge(ink.theme.attention());
            ink.buffer[at].set_char(number).set_style(style);
        }
    }
}

/// The cursor with its arms, and the box that it draws.
pub fn cursor(state: &State, raster: &Raster, ink: &mut Ink<'_>) {
    let (area, seen, theme) = (raster.area(), raster.seen(), ink.theme);
    let [across, _, _, upright] = theme.glyphs.ruler;
    let mut put = |column: i32, row: i32, symbol: &str, style: Style, over: bool| {
        let (Ok(column), Ok(row)) = (u16::try_from(column), u16::try_from(row)) else { return };
        let at = (area.x + column, area.y + row);
        if column < area.width && row < area.height && ink.buffer.area.contains(at.into()) {
            let cell = &mut ink.buffer[at];
            if over || cell.symbol() == " " {
                cell.set_symbol(symbol);
                cell.set_style(style);
            }
        }
    };
    let clamped = |(x, y): (f32, f32)| {
        seen.cell_of((x.clamp(seen.min.0, seen.max.0), y.clamp(seen.min.1, seen.max.1)), area)
            .map(|(column, row)| (i32::from(column), i32::from(row)))
    };
    if let Some(boxed) = state.map.boxed()
        && let (Some((left, bottom)), Some((right, top))) = (clamped(boxed.min), clamped(boxed.max))
    {
        let style = theme.attention().add_modifier(Modifier::BOLD);
        for column in left..=right {
            put(column, top, across, style, true);
            put(column, bottom, across, style, true);
        }
        for row in top..=bottom {
            put(left, row, upright, style, true);
            put(right, row, upright, style, true);
        }
        let corners = if theme.is_ascii() { ["+"; 4] } else { ["┌", "┐", "└", "┘"] };
        for ((column, row), corner) in
            [(left, top), (right, top), (left, bottom), (right, bottom)].into_iter().zip(corners)
        {
            put(column, row, corner, style, true);
        }
    }
    let Some((column, row)) = state.map.cursor().and_then(clamped) else { return };
    for arm in 1..=2 {
        put(column - arm, row, across, theme.dim(), false);
        put(column + arm, row, across, theme.dim(), false);
    }
    put(column, row - 1, upright, theme.dim(), false);
    put(column, row + 1, upright, theme.dim(), false);
    put(column, row, "+", Style::new(), false);
    let at = (area.x + column as u16, area.y + row as u16);
    if ink.buffer.area.contains(at.into()) {
        ink.buffer[at].set_style(Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD));
    }
}
