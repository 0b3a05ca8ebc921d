//! The board's screen: which section is looked at, which row of it, and which epoch's review.

use serde::{Deserialize, Serialize};

use super::{
    Effect, Screen, State,
    actions::Action,
    layout::{Area, Size},
};
use crate::api::{BoardView, Inspect};

/// The questions that the board answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    #[default]
    Models,
    Gaps,
    Fills,
    Reach,
    Review,
}

impl Section {
    pub const ALL: [Self; 5] = [Self::Models, Self::Gaps, Self::Fills, Self::Reach, Self::Review];

    pub fn title(self) -> &'static str {
        match self {
            Self::Models => "Models and crowds",
            Self::Gaps => "Gaps",
            Self::Fills => "Who fills",
            Self::Reach => "What works",
            Self::Review => "Epoch review",
        }
    }

    fn index(self) -> usize {
        Self::ALL.iter().position(|section| *section == self).unwrap_or(0)
    }

    /// Rows that can be selected.
    fn rows(self, board: &BoardView) -> usize {
        match self {
            Self::Models => board.models.len(),
            Self::Gaps => board.gaps.rows.len(),
            Self::Fills => board.fillers.len(),
            Self::Reach => board.reach.misses.len(),
            Self::Review => board.reviews.len(),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct BoardScreen {
    pub section: Section,
    selected: [usize; Section::ALL.len()],
}

/// From this size on all sections are shown at once.
const ALL_AT_ONCE: Size = Size { width: 160, height: 45 };

/// The board's sections on a body of this size: all of them, or the one that is looked at.
pub fn shows_all(body: Area) -> bool {
    body.width >= ALL_AT_ONCE.width && body.height >= ALL_AT_ONCE.height
}

impl BoardScreen {
    /// The selected row of a section, 0 where there is none.
    pub fn selected(&self, section: Section, board: &BoardView) -> usize {
        self.selected[section.index()].min(section.rows(board).saturating_sub(1))
    }

    fn turn(&mut self, forward: bool) {
        let count = Section::ALL.len();
        let to = self.section.index() + if forward { 1 } else { count - 1 };
        self.section = Section::ALL[to % count];
    }

    pub(super) fn step(&mut self, section: Section, board: &BoardView, by: isize) {
        let last = section.rows(board).saturating_sub(1);
        self.selected[section.index()] = self.selected(section, board).saturating_add_signed(by).min(last);
    }

    /// What the selected row is about, for the inspector.
    pub(super) fn subject(&self, board: &BoardView) -> Option<Inspect> {
        let at = self.selected(self.section, board);
        match self.section {
            Section::Models => board.models.get(at).map(|row| Inspect::Model(row.id)),
            Section::Gaps => board.gaps.rows.get(at).map(|row| Inspect::Target(row.target)),
            Section::Reach => board.reach.misses.get(at).map(|row| Inspect::Target(row.target)),
            Section::Fills | Section::Review => None,
        }
    }
}

pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    let board = &state.snapshot.board;
    match action {
        Action::Board => super::update::open(state, Screen::Board),
        Action::NextSection => state.board.turn(true),
        Action::PreviousSection => state.board.turn(false),
        // Reviews are newest first.
        Action::OlderEpoch => state.board.step(Section::Review, board, 1),
        Action::NewerEpoch => state.board.step(Section::Review, board, -1),
        _ => return None,
    }
    Some(Vec::new())
}
