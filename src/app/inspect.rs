//! The inspector: what was asked about, and which of the submissions that came back is looked at.

use super::{Dialog, Effect, Pane, Screen, State, actions::Action};
use crate::api::{Command, Inspect, Inspection, Snapshot};

#[derive(Clone, Debug, Default)]
pub struct Inspector {
    /// What the user asked about last; an answer to anything else is not shown.
    pub asked: Option<Inspect>,
    /// Show bytes even if they are text.
    pub hex: bool,
    selected: usize,
}

impl Inspector {
    /// The answer to what was asked, as far as it has come.
    pub fn answer<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Inspection> {
        snapshot.inspection.as_deref().filter(|inspection| self.asked.as_ref() == Some(&inspection.of))
    }

    pub fn selected(&self, inspection: &Inspection) -> usize {
        self.selected.min(inspection.items.len().saturating_sub(1))
    }

    pub(super) fn step(&mut self, snapshot: &Snapshot, by: isize) {
        if let Some((at, items)) = self.answer(snapshot).map(|answer| (self.selected(answer), answer.items.len())) {
            self.selected = at.saturating_add_signed(by).min(items.saturating_sub(1));
        }
    }
}

/// What the user's cursor is on; on the map, the box or the cell.
fn subject(state: &State) -> Option<Inspect> {
    let snapshot = &state.snapshot;
    match state.screen {
        Screen::Board => state.board.subject(&snapshot.board),
        Screen::Models => state.models.selected.map(Inspect::Model),
        Screen::Pane(Pane::Targets) => state.targets.selected.map(Inspect::Target),
        Screen::Pane(Pane::Map) => state.map.part(&snapshot.map).map(Inspect::Near),
        _ => None,
    }
}

pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    match action {
        Action::Inspect => {
            let Some(of) = subject(state) else {
                let text = "choose a target, a model, or a place on the map first";
                return Some(super::update::note(state, crate::api::Level::Info, text));
            };
            state.inspector.selected = 0;
            state.inspector.asked = Some(of.clone());
            state.dialog = Some(Dialog::Inspector);
            Some(vec![Effect::Send(Command::Inspect(of))])
        }
        Action::CloseInspector => {
            state.dialog = None;
            state.inspector.asked = None;
            Some(vec![Effect::Send(Command::Inspect(Inspect::Close))])
        }
        Action::InspectorHex => {
            state.inspector.hex = !state.inspector.hex;
            Some(Vec::new())
        }
        _ => None,
    }
}
