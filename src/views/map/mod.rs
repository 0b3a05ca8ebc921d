//! The niche map: where our samples, the models and the open targets lie.
//!
//! Samples are braille dots in the colour of their class; without braille they are a glyph of density, without colour the letter of
//! their class. What is drawn was put into cells when it changed (`app::map`); here it is only copied.

mod plot;
mod side;

use ratatui::layout::Rect;

use super::{panes::Ink, text::counted};
use crate::{
    api::{MapColour, MapLayout, MapView},
    app::{Pane, State, map::places},
};

pub fn draw(state: &State, area: Rect, zoomed: bool, ink: &mut Ink<'_>) {
    let map = &state.snapshot.map;
    let focused = zoomed || state.focus == Pane::Map;
    let right = if map.basis > 0 { title(state, zoomed) } else { String::new() };
    let inner = ink.pane("3", Pane::Map.title(), right, focused, area);
    if state.map.visible().is_none() {
        return ink.empty(inner, &nothing_yet(state));
    }
    let Some(raster) = state.map.raster() else { return };
    plot::cells(state, raster, ink);
    if !zoomed {
        if inner.height > 3 {
            ink.line(inner, inner.height - 1, &side::line(state, ink, inner.width));
        }
        return;
    }
    plot::cursor(state, raster, ink);
    let (_, side) = places(state.frame().body);
    side::draw(state, raster, super::rect(side), ink);
}

fn nothing_yet(state: &State) -> Vec<String> {
    let scored = counted(state.snapshot.throughput.samples_scored, "sample");
    let least = MapView::LEAST_POINTS;
    vec![format!("The map is drawn once {least} samples are scored under models in play. So far: {scored}.")]
}

fn title(state: &State, zoomed: bool) -> String {
    let map = &state.snapshot.map;
    let mut parts = Vec::new();
    if state.map.zoom() > 0 {
        parts.push(format!("{}x", 1_u32 << state.map.zoom()));
    }
    if map.fitting {
        parts.push("being fitted".to_owned());
    }
    if zoomed {
        parts.push(if state.map.coverage { "coverage".to_owned() } else { format!("by {}", word(state.map.colour)) });
    }
    parts.push(match map.layout {
        MapLayout::Principal => format!("{:.0}% of variance", (map.explained[0] + map.explained[1]) * 100.0),
        MapLayout::Neighbours => "neighbours".to_owned(),
    });
    parts.join(", ")
}

fn word(colour: MapColour) -> &'static str {
    match colour {
        MapColour::Model => "model",
        MapColour::Source => "source",
        MapColour::Margin => "margin",
    }
}
