//! What is handed to the terminal's clipboard: the one thing that is wanted most, or a chosen part of a submission.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Dialog, Effect, Pane, Place, Screen, State,
    actions::{self, Action, ActionInfo},
    log,
    update::note,
};
use crate::{
    api::{Level, SubmissionRow},
    primitives::clean,
};

/// A part of a submission that somebody may want to look up elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Target,
    Url,
    Digest,
    Claim,
    Checksum,
    Source,
}

impl Part {
    /// As far as it is known yet.
    pub fn of(self, row: &SubmissionRow) -> Option<String> {
        match self {
            Self::Target => Some(row.target.to_hex_prefixed()),
            Self::Url => row.url.clone(),
            Self::Digest => row.digest.map(|digest| digest.to_string()),
            Self::Claim => row.claim_digest.map(|digest| digest.to_string()),
            Self::Checksum => Some(row.checksum.to_string()),
            Self::Source => Some(row.source.clone()),
        }
    }
}

/// The submission or candidate under the cursor.
pub(super) fn subject(state: &State) -> Option<&Arc<SubmissionRow>> {
    match state.screen {
        Screen::Pane(Pane::Rewards) => state.rewards.chosen(),
        Screen::Approvals => state.approvals.position().and_then(|at| state.snapshot.approvals.get(at)),
        _ => None,
    }
}

/// What can be chosen, and what would be copied.
pub fn choices(state: &State) -> Vec<(&'static ActionInfo, String)> {
    let Some(row) = subject(state) else { return Vec::new() };
    let part = |info: &'static ActionInfo| match info.action {
        Action::CopyPart(part) => Some((info, part.of(row)?)),
        _ => None,
    };
    actions::at(Place::Copying).filter_map(part).collect()
}

pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    let text = match action {
        Action::Copy => wanted_most(state)?,
        Action::CopyMenu if subject(state).is_some() => {
            state.dialog = Some(Dialog::Copying);
            return Some(Vec::new());
        }
        Action::CopyMenu => return Some(note(state, Level::Info, "nothing is selected")),
        Action::CopyPart(part) => {
            let text = subject(state).and_then(|row| part.of(row));
            let Some(text) = text else {
                return Some(note(state, Level::Info, "there is none yet"));
            };
            state.dialog = None;
            text
        }
        _ => return None,
    };
    // It will be pasted somewhere: a server's words could hold a line feed, and a shell would run what is before it.
    let text = clean(&text);
    // Whether the terminal takes it cannot be known: say what was done, not what was hoped.
    note(state, Level::Info, format!("sent to the terminal's clipboard: {text}"));
    Some(vec![Effect::Copy(text)])
}

fn wanted_most(state: &State) -> Option<String> {
    match state.screen {
        Screen::Pane(Pane::Targets) => state.targets.selected.map(|id| id.to_hex_prefixed()),
        // The transaction if there is one, else what it is for.
        Screen::Pane(Pane::Rewards) | Screen::Approvals => {
            let row = subject(state)?;
            [Part::Claim, Part::Digest, Part::Target].into_iter().find_map(|part| part.of(row))
        }
        Screen::Models => state.models.selected.map(|id| id.to_hex_prefixed()),
        Screen::Log => {
            let line = state.log.line(&state.snapshot)?;
            Some(line.kind.as_ref().and_then(log::key).unwrap_or_else(|| line.text.clone()))
        }
        _ => state.snapshot.wallet.address.map(|address| address.to_hex_prefixed()),
    }
}
