//! What of the interface outlives it: how things are shown, never what is shown.
//!
//! Filters and selections are not kept: a list that hides rows for a reason of yesterday misleads.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Bounds, Effect, ModelSort, Pane, Screen, SortKey, State,
    board::Section,
    map,
    rewards::SubmissionSort,
    throughput::{Measure, Span},
};
use crate::api::{Command, MapColour, MapLayout};

/// Words, so that a file of another version is read as far as it is understood.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    /// The screen that was open; the dashboard, if it was one where something is decided.
    pub screen: Option<String>,
    pub focus: Option<String>,
    pub targets_sort: Option<String>,
    pub targets_reversed: bool,
    pub models_sort: Option<String>,
    pub models_reversed: bool,
    pub rewards_sort: Option<String>,
    pub chart_span: Option<String>,
    pub chart_measure: Option<String>,
    pub map_colour: Option<String>,
    pub map_coverage: bool,
    pub map_hides_open: bool,
    pub map_layout: Option<String>,
    /// Doublings, and the middle of what was seen: `2 0.125 -0.5`.
    pub map_view: Option<String>,
    pub board_section: Option<String>,
    pub mouse: bool,
}

const COLOURS: [(MapColour, &str); 3] =
    [(MapColour::Model, "model"), (MapColour::Source, "source"), (MapColour::Margin, "margin")];

const LAYOUTS: [(MapLayout, &str); 2] = [(MapLayout::Principal, "principal"), (MapLayout::Neighbours, "neighbours")];

/// How the map is to be shown once there is one: its layout is the engine's to make, and what was zoomed into lies in that layout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct MapKept {
    layout: MapLayout,
    view: Option<(u8, (f32, f32))>,
    is_asked: bool,
}

impl MapKept {
    /// Of words; those that mean nothing are passed over.
    fn of(saved: &Saved) -> Option<Self> {
        let layout = LAYOUTS.iter().find(|(_, word)| saved.map_layout.as_deref() == Some(*word));
        let layout = layout.map_or_else(MapLayout::default, |(layout, _)| *layout);
        let view = saved.map_view.as_deref().and_then(view_of);
        (layout != MapLayout::default() || view.is_some()).then_some(Self { layout, view, is_asked: false })
    }
}

fn view_of(words: &str) -> Option<(u8, (f32, f32))> {
    let mut words = words.split(' ');
    let zoom = words.next()?.parse().ok().filter(|zoom| (1..=16).contains(zoom))?;
    let mut coordinate = || words.next()?.parse().ok().filter(|at: &f32| at.is_finite());
    Some((zoom, (coordinate()?, coordinate()?)))
}

/// Shows the map as it was left, as soon as there is one; what to ask the engine for that.
pub(super) fn settle_map(state: &mut State) -> Option<Effect> {
    let kept = state.kept_map?;
    let map = Arc::clone(&state.snapshot.map);
    if map.basis == 0 || state.map.visible().is_none() {
        return None;
    }
    if map.layout == kept.layout {
        state.kept_map = None;
        if let Some((zoom, centre)) = kept.view {
            map::look_at(state, zoom, centre);
        }
        return None;
    }
    state.kept_map = Some(MapKept { is_asked: true, ..kept });
    (!kept.is_asked).then_some(Effect::Send(Command::LayMapOut(kept.layout)))
}

/// Screens that are opened again.
fn screens() -> impl Iterator<Item = Screen> {
    let panes = Pane::ALL.into_iter().map(Screen::Pane);
    [Screen::Dashboard, Screen::Models, Screen::Board, Screen::Log].into_iter().chain(panes)
}

fn word(screen: Screen) -> &'static str {
    screen.place().word()
}

impl State {
    pub fn saved(&self) -> Saved {
        let (layout, view) = match self.kept_map {
            Some(kept) => (kept.layout, kept.view),
            None => {
                let seen = self.map.visible().filter(|_| self.map.zoom() > 0);
                let middle =
                    |seen: Bounds| (f32::midpoint(seen.min.0, seen.max.0), f32::midpoint(seen.min.1, seen.max.1));
                (self.snapshot.map.layout, seen.map(|seen| (self.map.zoom(), middle(seen))))
            }
        };
        let layout = LAYOUTS.iter().find(|(of, _)| *of == layout);
        let colour = COLOURS.iter().find(|(colour, _)| *colour == self.map.colour);
        Saved {
            screen: screens().find(|screen| *screen == self.screen).map(|screen| word(screen).to_owned()),
            focus: Some(word(Screen::Pane(self.focus)).to_owned()),
            targets_sort: Some(self.targets.sort.word().to_owned()),
            targets_reversed: self.targets.reversed,
            models_sort: Some(self.models.sort.word().to_owned()),
            models_reversed: self.models.reversed,
            rewards_sort: Some(self.rewards.sort.word().to_owned()),
            chart_span: Some(self.chart.span.word().to_owned()),
            chart_measure: Some(self.chart.measure.word().to_owned()),
            map_colour: colour.map(|(_, word)| (*word).to_owned()),
            map_coverage: self.map.coverage,
            map_hides_open: self.map.hides_open,
            map_layout: layout.map(|(_, word)| (*word).to_owned()),
            map_view: view.map(|(zoom, (x, y))| format!("{zoom} {x} {y}")),
            board_section: Some(self.board.section.title().to_owned()),
            mouse: self.mouse,
        }
    }

    /// Shows things as they were shown. Words that mean nothing here are passed over.
    pub fn restore(&mut self, saved: &Saved) {
        let is = |kept: &Option<String>, word: &str| kept.as_deref() == Some(word);
        if let Some(screen) = screens().find(|screen| is(&saved.screen, word(*screen))) {
            self.screen = screen;
        }
        if let Some(pane) = Pane::ALL.into_iter().find(|pane| is(&saved.focus, word(Screen::Pane(*pane)))) {
            self.focus = pane;
        }
        if let Some(sort) = SortKey::ALL.into_iter().find(|sort| is(&saved.targets_sort, sort.word())) {
            self.targets.sort = sort;
            self.targets.reversed = saved.targets_reversed;
        }
        if let Some(sort) = ModelSort::ALL.into_iter().find(|sort| is(&saved.models_sort, sort.word())) {
            self.models.sort = sort;
            self.models.reversed = saved.models_reversed;
        }
        if let Some(sort) = SubmissionSort::ALL.into_iter().find(|sort| is(&saved.rewards_sort, sort.word())) {
            self.rewards.sort = sort;
        }
        if let Some(span) = Span::ALL.into_iter().find(|span| is(&saved.chart_span, span.word())) {
            self.chart.span = span;
        }
        if let Some(measure) = Measure::ALL.into_iter().find(|measure| is(&saved.chart_measure, measure.word())) {
            self.chart.measure = measure;
        }
        if let Some((colour, _)) = COLOURS.iter().find(|(_, word)| is(&saved.map_colour, word)) {
            self.map.colour = *colour;
        }
        (self.map.coverage, self.map.hides_open) = (saved.map_coverage, saved.map_hides_open);
        self.kept_map = MapKept::of(saved);
        if let Some(section) = Section::ALL.into_iter().find(|section| is(&saved.board_section, section.title())) {
            self.board.section = section;
        }
        self.mouse = saved.mouse;
        // What they are orders of has been taken in already.
        self.targets.arrange(false);
        self.models.arrange();
        self.rewards.arrange();
        map::settle(self);
    }
}
