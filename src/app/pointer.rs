//! What the pointer means. Drawing tells what lies where ([`Hits`]): it alone knows geometry. A click carries what lay under it, by name
//! and not by row, so it reaches what was seen however the lists have moved since.
//!
//! A click on the picture of another screen or another question than is there now means nothing; whatever a click asks for obeys the same
//! rules as the key that does it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    AppEvent, Dialog, Effect, Key, ModelSort, Mouse, Pane, Place, Purpose, Screen, Section, SortKey, State,
    actions::{self, Action},
    approvals::SETTLE_MS,
    layout::Area,
    map,
    rewards::{self, SubmissionSort},
    throughput::Span,
    update::{choose, move_in, note, open, palette, type_for},
};
use crate::{
    api::{Level, SubmissionId},
    primitives::ObjectId,
};

/// Rows that a notch of the wheel moves.
const NOTCH: isize = 3;

/// Something on the screen that a click or the wheel means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hit {
    /// A key that is named: what it does here.
    Act(Action),
    /// A line of the help: opens the palette at it.
    Find(Action),
    /// A line of the palette.
    Run(Action),
    /// A pane of the dashboard.
    Pane(Pane),
    /// A question of the board.
    Section(Section),
    /// A span of the throughput's chart.
    Span(Span),
    /// The head of a column.
    Sort(Sorting),
    Row(Row),
    /// A line of a form.
    Field(usize),
    /// Nothing to click on, but to turn the wheel over.
    List(List),
}

/// An order of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sorting {
    Targets(SortKey),
    Models(ModelSort),
    Submissions(SubmissionSort),
}

/// A row of a list, by what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Row {
    Target(ObjectId),
    Model(ObjectId),
    Approval(SubmissionId),
    Submission(SubmissionId),
    /// The epoch, or the day with it.
    Epoch(u64),
    /// A line of the log, counted from the start of the run.
    Log(u64),
    /// By its place: nothing but the inspector depends on it.
    Board(Section, usize),
    Landed(usize),
}

/// What a page key or the wheel moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum List {
    Targets,
    /// The lines of one target.
    Target,
    Map,
    Submissions,
    Approvals,
    /// The data of the selected candidate.
    Preview,
    Board(Section),
    Inspector,
    Models,
    Log,
    Palette,
    /// Lines of whatever else is open.
    Text,
}

impl List {
    /// What keys move now.
    pub(super) fn here(state: &State) -> Self {
        use Dialog::{Inspector, Typing};
        match (state.dialog, state.screen) {
            (Some(Inspector), _) => Self::Inspector,
            (Some(Typing(Purpose::Palette)), _) => Self::Palette,
            (None, Screen::Pane(Pane::Targets)) if state.targets.detail.is_some() => Self::Target,
            (Some(Typing(Purpose::TargetFilter)) | None, Screen::Dashboard | Screen::Pane(Pane::Targets)) => {
                Self::Targets
            }
            (None, Screen::Pane(Pane::Map)) => Self::Map,
            (Some(Typing(Purpose::SubmissionFilter)) | None, Screen::Pane(Pane::Rewards)) => Self::Submissions,
            (None, Screen::Approvals) => Self::Approvals,
            (None, Screen::Board) => Self::Board(state.board.section),
            (None, Screen::Models) => Self::Models,
            (Some(Typing(Purpose::LogFilter)) | None, Screen::Log) => Self::Log,
            _ => Self::Text,
        }
    }
}

impl Hit {
    /// The list that it lies in.
    fn list(self) -> Option<List> {
        Some(match self {
            Self::List(list) => list,
            Self::Pane(Pane::Targets) | Self::Row(Row::Target(_)) | Self::Sort(Sorting::Targets(_)) => List::Targets,
            Self::Row(Row::Model(_)) | Self::Sort(Sorting::Models(_)) => List::Models,
            Self::Row(Row::Approval(_)) => List::Approvals,
            Self::Row(Row::Submission(_) | Row::Epoch(_)) | Self::Sort(Sorting::Submissions(_)) => List::Submissions,
            Self::Row(Row::Log(_)) => List::Log,
            Self::Row(Row::Board(section, _)) | Self::Section(section) => List::Board(section),
            Self::Row(Row::Landed(_)) => List::Inspector,
            Self::Find(_) => List::Text,
            Self::Run(_) => List::Palette,
            Self::Act(_) | Self::Pane(_) | Self::Span(_) | Self::Field(_) => return None,
        })
    }
}

/// What lay under the pointer, and on which picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    pub hit: Hit,
    pub place: Place,
    /// The number of the question that was asked last.
    pub question: u64,
    /// The candidate that an answer would have been about.
    #[serde(default)]
    pub candidate: Option<SubmissionId>,
}

/// What lies where on a picture. Later entries lie above earlier ones.
#[derive(Clone, Debug)]
pub struct Hits {
    place: Place,
    question: u64,
    candidate: Option<SubmissionId>,
    areas: Vec<(Area, Hit)>,
}

impl Hits {
    /// Of a picture of this state: nothing yet.
    pub fn of(state: &State) -> Self {
        let candidate = state.approvals.selected;
        Self { place: state.place(), question: state.questions, candidate, areas: Vec::new() }
    }

    pub fn push(&mut self, area: Area, hit: Hit) {
        if area.width > 0 && area.height > 0 {
            self.areas.push((area, hit));
        }
    }

    /// A dialog lies above everything so far.
    pub fn cover(&mut self) {
        self.areas.clear();
    }

    pub fn at(&self, column: u16, row: u16) -> Option<Touch> {
        let (_, hit) = self.areas.iter().rev().find(|(area, _)| area.contains(column, row))?;
        Some(Touch { hit: *hit, place: self.place, question: self.question, candidate: self.candidate })
    }

    pub fn iter(&self) -> impl Iterator<Item = (Area, Hit)> {
        self.areas.iter().copied()
    }

    /// The event with what lies under it.
    pub fn touch(&self, event: AppEvent) -> AppEvent {
        match event {
            AppEvent::Mouse(mouse) => match mouse {
                Mouse::Down { column, row } | Mouse::WheelUp { column, row } | Mouse::WheelDown { column, row } => {
                    self.at(column, row).map_or(event, |touch| AppEvent::Touch(mouse, touch))
                }
                Mouse::Drag { .. } | Mouse::Up { .. } => event,
            },
            event => event,
        }
    }
}

pub(super) fn on_mouse(state: &mut State, mouse: Mouse, touch: Option<Touch>) -> Vec<Effect> {
    // The map knows its plot, and what is pressed there and drawn out of it.
    if let Some(effects) = map::mouse(state, mouse) {
        return effects;
    }
    let Some(touch) = touch.filter(|touch| touch.place == state.place() && touch.question == state.questions) else {
        return Vec::new();
    };
    let by = match mouse {
        Mouse::Down { .. } => return press(state, &touch),
        Mouse::WheelUp { .. } => -NOTCH,
        Mouse::WheelDown { .. } => NOTCH,
        Mouse::Drag { .. } | Mouse::Up { .. } => return Vec::new(),
    };
    // Where nothing moves, what keys move does, unless there is something else to move.
    let list = touch.hit.list();
    let Some(list) = list.or((state.screen != Screen::Dashboard).then(|| List::here(state))) else {
        return Vec::new();
    };
    move_in(state, list, by);
    vec![Effect::Redraw]
}

fn press(state: &mut State, touch: &Touch) -> Vec<Effect> {
    match touch.hit {
        Hit::Act(action) => return do_at(state, state.place(), action, touch),
        Hit::Run(action) => {
            state.dialog = None;
            return do_at(state, state.below(), action, touch);
        }
        Hit::Find(action) => {
            let Some(info) = actions::at(state.below()).find(|info| info.action == action) else { return Vec::new() };
            type_for(state, Purpose::Palette, info.id);
            state.palette = palette(state, info.id);
            let found = state.palette.found.iter().position(|found| found.action == action);
            state.palette.selected = found.unwrap_or(0);
        }
        Hit::Pane(pane) if pane == state.focus => open(state, Screen::Pane(pane)),
        Hit::Pane(pane) => state.focus = pane,
        Hit::Section(section) => state.board.section = section,
        Hit::Span(span) => state.chart.span = span,
        Hit::Sort(sorting) => sort(state, sorting),
        Hit::Row(row) => return press_row(state, row),
        Hit::Field(at) => {
            if let Some(form) = state.form.as_mut().filter(|form| at < form.fields.len()) {
                form.at = at;
            }
        }
        Hit::List(_) => return Vec::new(),
    }
    vec![Effect::Redraw]
}

/// What keys ask for is not in the same place on every screen; what is clicked is. So the second half of a double click decides nothing
/// where the first one has brought it, and an answer is for the candidate that was seen.
fn do_at(state: &mut State, place: Place, action: Action, touch: &Touch) -> Vec<Effect> {
    let Some(info) = actions::at(place).find(|info| info.action == action) else { return Vec::new() };
    let decides = info.mutates || matches!(action, Action::Confirm | Action::LeaveNow);
    if decides && state.now_ms < state.here_since_ms.saturating_add(SETTLE_MS) {
        return note(state, Level::Warning, "this has just come under the pointer: look again, then click");
    }
    if matches!(action, Action::Approve | Action::Reject) && touch.candidate != state.approvals.selected {
        return note(state, Level::Warning, "another candidate is selected now: look again, then answer");
    }
    choose(state, info)
}

/// By this column; by the one that it is sorted by, the other way round.
fn sort(state: &mut State, sorting: Sorting) {
    match sorting {
        Sorting::Targets(sort) => {
            let list = &mut state.targets;
            list.reversed = list.sort == sort && !list.reversed;
            list.sort = sort;
            list.arrange(false);
        }
        Sorting::Models(sort) => {
            let list = &mut state.models;
            list.reversed = list.sort == sort && !list.reversed;
            list.sort = sort;
            list.arrange();
        }
        Sorting::Submissions(sort) => {
            state.rewards.sort = sort;
            state.rewards.arrange();
        }
    }
}

/// Selects a row; the one that is selected already is opened, as Enter does it.
fn press_row(state: &mut State, row: Row) -> Vec<Effect> {
    // Rows of the dashboard lie in a pane.
    if state.screen == Screen::Dashboard && state.dialog.is_none() && state.focus != Pane::Targets {
        state.focus = Pane::Targets;
        select(state, row);
        return vec![Effect::Redraw];
    }
    if select(state, row) != Some(true) {
        return vec![Effect::Redraw];
    }
    // Whatever Enter is bound to, two clicks sign nothing.
    match state.keymap.lookup(Key::Enter, state.place()).filter(|info| !info.mutates) {
        Some(info) => choose(state, info),
        None => Vec::new(),
    }
}

/// Gives whether it was selected before; nothing if it has gone.
fn select(state: &mut State, row: Row) -> Option<bool> {
    let snapshot = Arc::clone(&state.snapshot);
    let (list, at, selected) = match row {
        Row::Target(id) => {
            let at =
                state.targets.rows.iter().position(|&row| snapshot.targets.get(row).is_some_and(|t| t.id == id))?;
            (List::Targets, at, state.targets.position())
        }
        Row::Model(id) => {
            let at = state.models.rows.iter().position(|&row| snapshot.models.get(row).is_some_and(|m| m.id == id))?;
            (List::Models, at, Some(state.models.position()))
        }
        Row::Approval(id) => {
            let at = snapshot.approvals.iter().position(|row| row.id == id)?;
            (List::Approvals, at, state.approvals.position())
        }
        Row::Submission(id) => {
            let at = state.rewards.rows.iter().position(|row| row.id == id)?;
            (List::Submissions, at, state.rewards.position())
        }
        Row::Epoch(epoch) => {
            rewards::choose(state, epoch);
            return Some(false);
        }
        Row::Log(number) => {
            let line = usize::try_from(number.checked_sub(snapshot.log_first)?).ok()?;
            let at = state.log.rows.iter().position(|row| *row == line)?;
            let is_marked = !state.log.follows() || state.log.detail;
            if !is_marked {
                // A click holds the list still.
                state.log.selected = Some(number);
                return Some(false);
            }
            (List::Log, at, state.log.position(&snapshot))
        }
        Row::Board(section, at) => {
            let is_there = std::mem::replace(&mut state.board.section, section) == section;
            let before = state.board.selected(section, &snapshot.board);
            move_in(state, List::Board(section), at as isize - before as isize);
            return Some(is_there && at == before);
        }
        Row::Landed(at) => {
            let answer = state.inspector.answer(&snapshot)?;
            (List::Inspector, at, Some(state.inspector.selected(answer)))
        }
    };
    let by = at as isize - selected.unwrap_or(0) as isize;
    if by != 0 || selected.is_none() {
        move_in(state, list, by);
    }
    Some(selected == Some(at))
}
