//! Our submissions and what they brought: every one that the engine has told of, and the older ones that it is asked for; sums
//! by epoch or by day. Knows the snapshot only; asks the engine for pages of the journal and for files.
//!
//! The selection is a submission, not a row: the list changes under the user's eyes.

mod list;
mod periods;

pub use list::{SubmissionSort, Submissions};
pub use periods::{Period, Periods};

use super::{Dialog, Effect, Pane, Purpose, Screen, State, actions::Action, update::type_for};
use crate::api::{Command, Export, ExportFormat, HistoryPage};

/// Once the list is looked at, the journal is read behind it.
pub(super) fn ask(state: &mut State) -> Option<Effect> {
    let list = &mut state.rewards;
    if state.screen != Screen::Pane(Pane::Rewards) {
        // What could not be read is asked for again by whoever comes back.
        list.asked &= !list.failed;
        return None;
    }
    if std::mem::replace(&mut list.asked, true) {
        return None;
    }
    if !std::mem::take(&mut list.failed) {
        list.before = list.oldest();
    }
    Some(Effect::Send(Command::History { before: list.before }))
}

pub(super) fn take_page(state: &mut State, page: &HistoryPage) -> Vec<Effect> {
    let next = state.rewards.page(page).map(|before| Effect::Send(Command::History { before: Some(before) }));
    [Effect::Redraw].into_iter().chain(next).collect()
}

/// A file was written. A notice is short and goes away: its name stays where it was asked for.
pub(super) fn wrote(state: &mut State, path: String) {
    if state.screen == Screen::Pane(Pane::Rewards) {
        state.rewards.wrote = Some(path);
    }
}

/// Lists only the period with this epoch, or all again.
pub(super) fn choose(state: &mut State, epoch: u64) {
    state.rewards.periods.choose(epoch);
    state.rewards.narrow();
}

/// One step out of the details, or of a period. `false`: there was none.
pub(super) fn back(state: &mut State) -> bool {
    let is_here = state.screen == Screen::Pane(Pane::Rewards);
    if is_here && !std::mem::take(&mut state.rewards.detail) {
        let left = state.rewards.periods.all();
        state.rewards.narrow();
        return left;
    }
    is_here
}

/// What the registry's actions do here; `None` for those of other screens.
pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    let write = |what, format| vec![Effect::Send(Command::Export { what, format })];
    let effects = match action {
        Action::SortSubmissions => {
            state.rewards.sort_next();
            Vec::new()
        }
        Action::OlderPeriod | Action::NewerPeriod | Action::ByDay => {
            let periods = &mut state.rewards.periods;
            match action {
                Action::OlderPeriod => periods.older(),
                Action::NewerPeriod => periods.newer(),
                _ => periods.turn(),
            }
            state.rewards.narrow();
            Vec::new()
        }
        Action::FilterSubmissions => {
            let filter = state.rewards.filter.clone();
            type_for(state, Purpose::SubmissionFilter, filter);
            Vec::new()
        }
        Action::Submission => {
            state.scroll = 0;
            state.rewards.detail = !state.rewards.detail && state.rewards.chosen().is_some();
            Vec::new()
        }
        Action::Export => {
            state.dialog = Some(Dialog::Export);
            return Some(Vec::new());
        }
        Action::ExportSubmissions => write(Export::Submissions, ExportFormat::Csv),
        Action::ExportEpochs => write(Export::Epochs, ExportFormat::Csv),
        Action::ExportJson => write(Export::Submissions, ExportFormat::Json),
        Action::ExportPng => write(Export::Epochs, ExportFormat::Png),
        Action::ExportSvg => write(Export::Epochs, ExportFormat::Svg),
        _ => return None,
    };
    if state.dialog == Some(Dialog::Export) {
        state.dialog = None;
    }
    Some(effects)
}
