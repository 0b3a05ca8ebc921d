//! Our submissions: every one that the engine has told of, and the older ones that it is asked for; sorted, filtered, one of
//! them looked at.
//!
//! The selection is a submission, not a row: the list changes under the user's eyes.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Dialog, Effect, Pane, Purpose, Screen, State, actions::Action, update::type_for};
use crate::api::{Command, Export, ExportFormat, HistoryPage, SubmissionId, SubmissionRow, SubmissionState};

/// Submissions that are held; older ones are in the exported tables.
const MOST: usize = 20_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubmissionSort {
    /// The newest first.
    #[default]
    Found,
    /// What changed last first.
    Changed,
    /// What may still happen first, then by state.
    State,
    /// What it paid or should pay, the most first.
    Amount,
}

impl SubmissionSort {
    pub const ALL: [Self; 4] = [Self::Found, Self::Changed, Self::State, Self::Amount];

    pub fn word(self) -> &'static str {
        match self {
            Self::Found => "newest",
            Self::Changed => "last change",
            Self::State => "state",
            Self::Amount => "amount",
        }
    }

    fn next(self) -> Self {
        let at = Self::ALL.iter().position(|sort| *sort == self).map_or(0, |at| at + 1);
        Self::ALL[at % Self::ALL.len()]
    }
}

#[derive(Clone, Debug, Default)]
pub struct Submissions {
    known: BTreeMap<SubmissionId, Arc<SubmissionRow>>,
    /// What is shown, in its order.
    pub rows: Vec<Arc<SubmissionRow>>,
    pub selected: Option<SubmissionId>,
    /// By the user. Until then the first row is, whichever that is.
    is_chosen: bool,
    pub sort: SubmissionSort,
    /// Lower case; empty shows all.
    pub filter: String,
    /// The selected one fills the screen.
    pub detail: bool,
    /// Older ones were asked for.
    asked: bool,
    /// The journal has been read to its start, or as far as is held.
    pub is_whole: bool,
    /// The list of the last snapshot.
    seen: Option<Arc<Vec<Arc<SubmissionRow>>>>,
}

impl Submissions {
    /// How many there are, shown or not.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    pub(super) fn follow(&mut self, rows: &Arc<Vec<Arc<SubmissionRow>>>) {
        if self.seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, rows)) {
            return;
        }
        self.seen = Some(Arc::clone(rows));
        self.known.extend(rows.iter().map(|row| (row.id, Arc::clone(row))));
        self.arrange();
    }

    /// A submission has entered a state; old ones are not in the snapshot any more.
    pub(super) fn told(&mut self, row: &Arc<SubmissionRow>) {
        if let Some(known) = self.known.get_mut(&row.id) {
            *known = Arc::clone(row);
            self.arrange();
        }
    }

    /// A page of the journal; asks for the next one until there is none, or enough.
    fn page(&mut self, page: &HistoryPage) -> Option<Command> {
        for row in &page.rows {
            // What the snapshot has is newer, and has its preview.
            self.known.entry(row.id).or_insert_with(|| Arc::clone(row));
        }
        while self.known.len() > MOST {
            self.known.pop_first();
        }
        self.arrange();
        let oldest = page.rows.last()?.id;
        self.is_whole = !page.more || self.known.len() >= MOST;
        (!self.is_whole).then_some(Command::History { before: Some(oldest) })
    }

    pub(super) fn arrange(&mut self) {
        let fits = |row: &&Arc<SubmissionRow>| self.filter.is_empty() || has(row, &self.filter);
        // Newest first, and so within what is equal.
        self.rows = self.known.values().rev().filter(fits).cloned().collect();
        match self.sort {
            SubmissionSort::Found => {}
            SubmissionSort::Changed => self.rows.sort_by_key(|row| Reverse(row.changed_at_ms)),
            SubmissionSort::State => self.rows.sort_by_key(|row| (row.state.is_final(), row.state)),
            SubmissionSort::Amount => self.rows.sort_by_key(|row| Reverse(row.paid.unwrap_or(row.expected_reward))),
        }
        if !self.is_chosen || self.position().is_none() {
            self.is_chosen = false;
            self.selected = self.rows.first().map(|row| row.id);
        }
    }

    pub fn position(&self) -> Option<usize> {
        let selected = self.selected?;
        self.rows.iter().position(|row| row.id == selected)
    }

    pub fn chosen(&self) -> Option<&Arc<SubmissionRow>> {
        self.rows.get(self.position()?)
    }

    pub(super) fn step(&mut self, by: isize) {
        if let Some(last) = self.rows.len().checked_sub(1) {
            let to = self.position().unwrap_or(0).saturating_add_signed(by).min(last);
            self.selected = Some(self.rows[to].id);
            self.is_chosen = to > 0;
        }
    }

    pub(super) fn set_filter(&mut self, filter: &str) {
        self.filter = filter.to_lowercase();
        self.arrange();
    }
}

/// Every word of the filter is in its state, target, file, digests, URL or note.
fn has(row: &SubmissionRow, filter: &str) -> bool {
    let mut text = format!("{} {} {}", row.state.word(), row.target, row.source);
    if row.state == SubmissionState::AwaitingApproval {
        // As the screen calls it.
        text.push_str(" to approve");
    }
    for digest in [row.digest, row.claim_digest].into_iter().flatten() {
        text.push_str(&format!(" {digest}"));
    }
    for more in [&row.url, &row.note].into_iter().flatten() {
        text.push(' ');
        text.push_str(more);
    }
    let text = text.to_lowercase();
    filter.split_whitespace().all(|word| text.contains(word))
}

/// Once the list is looked at, the journal is read behind it.
pub(super) fn ask(state: &mut State) -> Option<Effect> {
    if state.screen != Screen::Pane(Pane::Rewards) || std::mem::replace(&mut state.rewards.asked, true) {
        return None;
    }
    let before = state.rewards.known.keys().next().copied();
    Some(Effect::Send(Command::History { before }))
}

pub(super) fn take_page(state: &mut State, page: &HistoryPage) -> Vec<Effect> {
    let next = state.rewards.page(page);
    if page.rows.is_empty() {
        state.rewards.is_whole = true;
    }
    [Effect::Redraw].into_iter().chain(next.map(Effect::Send)).collect()
}

/// What the registry's actions do here; `None` for those of other screens.
pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    let write = |what, format| vec![Effect::Send(Command::Export { what, format })];
    let effects = match action {
        Action::SortSubmissions => {
            state.rewards.sort = state.rewards.sort.next();
            state.rewards.arrange();
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
