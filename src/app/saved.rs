//! What of the interface outlives it: how things are shown, never what is shown.
//!
//! Filters and selections are not kept: a list that hides rows for a reason of yesterday misleads.

use serde::{Deserialize, Serialize};

use super::{
    ModelSort, Pane, Screen, SortKey, State,
    board::Section,
    map,
    rewards::SubmissionSort,
    throughput::{Measure, Span},
};
use crate::api::MapColour;

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
    pub board_section: Option<String>,
    pub mouse: bool,
}

const COLOURS: [(MapColour, &str); 3] =
    [(MapColour::Model, "model"), (MapColour::Source, "source"), (MapColour::Margin, "margin")];

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
