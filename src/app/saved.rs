//! What of the interface outlives it: how things are shown, never what is shown.
//!
//! Filters and selections are not kept: a list that hides rows for a reason of yesterday misleads.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Pane, Screen, SortKey, State, board::Section, map};
use crate::api::MapColour;

/// Words, so that a file of another version is read as far as it is understood.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    /// The screen that was open; the dashboard, if it was one where something is decided.
    pub screen: Option<String>,
    pub focus: Option<String>,
    pub targets_sort: Option<String>,
    pub map_colour: Option<String>,
    pub map_coverage: bool,
    pub map_hides_open: bool,
    pub board_section: Option<String>,
    pub mouse: bool,
}

const SORTS: [SortKey; 5] = [SortKey::Margin, SortKey::Reward, SortKey::Distance, SortKey::Age, SortKey::Id];

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
        if let Some(sort) = SORTS.into_iter().find(|sort| is(&saved.targets_sort, sort.word())) {
            self.targets.sort = sort;
        }
        if let Some((colour, _)) = COLOURS.iter().find(|(_, word)| is(&saved.map_colour, word)) {
            self.map.colour = *colour;
        }
        (self.map.coverage, self.map.hides_open) = (saved.map_coverage, saved.map_hides_open);
        if let Some(section) = Section::ALL.into_iter().find(|section| is(&saved.board_section, section.title())) {
            self.board.section = section;
        }
        self.mouse = saved.mouse;
        self.take(Arc::clone(&self.snapshot));
        map::settle(self);
    }
}
