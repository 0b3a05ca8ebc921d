//! The list of submissions: what is held, what of it is shown, in which order, and which one is selected.
//!
//! Up to 20,000 of them. What arrives is put where it belongs, found by halving; everything is gone through only when a person
//! asks for another order or for other rows.

use std::{cmp::Ordering, collections::BTreeMap, fmt::Write as _, ops::RangeInclusive, sync::Arc, sync::OnceLock};

use serde::{Deserialize, Serialize};

use super::Periods;
use crate::api::{HistoryPage, Snapshot, SubmissionId, SubmissionRow, SubmissionState};

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

    /// The smaller comes first; what has the same comes newest first.
    fn key(self, row: &SubmissionRow) -> u64 {
        match self {
            Self::Found => 0,
            Self::Changed => u64::MAX - row.changed_at_ms,
            Self::State => u64::from(row.state.is_final()) << 8 | row.state as u64,
            Self::Amount => u64::MAX - row.amount().map_or(0, |amount| amount.0),
        }
    }

    fn order(self, a: &SubmissionRow, b: &SubmissionRow) -> Ordering {
        self.key(a).cmp(&self.key(b)).then_with(|| b.id.cmp(&a.id))
    }
}

#[derive(Clone, Debug)]
struct Known {
    row: Arc<SubmissionRow>,
    /// What a filter looks into, made when the first one asks.
    words: OnceLock<Box<str>>,
}

#[derive(Clone, Debug, Default)]
pub struct Submissions {
    known: BTreeMap<SubmissionId, Known>,
    /// What is shown, in its order.
    pub rows: Vec<Arc<SubmissionRow>>,
    pub selected: Option<SubmissionId>,
    /// Place of the selected one in `rows`.
    at: Option<usize>,
    /// By the user. Until then the first row is, whichever that is.
    is_chosen: bool,
    pub sort: SubmissionSort,
    /// Lower case; empty shows all.
    pub filter: String,
    /// Epochs or days, and which of them the list is about.
    pub periods: Periods,
    /// The epochs of the chosen period; the list shows no others.
    only: Option<RangeInclusive<u64>>,
    /// The selected one fills the screen.
    pub detail: bool,
    /// Older ones were asked for.
    pub(super) asked: bool,
    /// Before which; `None`: the newest.
    pub(super) before: Option<SubmissionId>,
    /// They could not be read.
    pub(super) failed: bool,
    /// The journal has been read to its start, or as far as is held.
    pub is_whole: bool,
    /// The file that was written last, while this was looked at.
    pub wrote: Option<String>,
    /// The list of the last snapshot.
    seen: Option<Arc<Vec<Arc<SubmissionRow>>>>,
}

impl Submissions {
    /// How many there are, shown or not.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    pub(super) fn oldest(&self) -> Option<SubmissionId> {
        self.known.keys().next().copied()
    }

    /// Takes in a snapshot. Costs nothing if it changes nothing here.
    pub(in crate::app) fn follow(&mut self, snapshot: &Snapshot) {
        if self.periods.follow(&snapshot.rewards) {
            self.narrow();
        }
        let rows = &snapshot.submissions;
        if !self.seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, rows)) {
            self.seen = Some(Arc::clone(rows));
            self.take_in(rows.iter());
        }
    }

    /// A submission has entered a state; old ones are not in the snapshot any more. A page that is on its way may have been read before.
    pub(in crate::app) fn told(&mut self, row: &Arc<SubmissionRow>) {
        let is_paging = self.asked && !self.is_whole;
        if is_paging || self.known.contains_key(&row.id) {
            self.take_in([row]);
        }
    }

    /// A page of the journal. Gives the row before which the next one begins, until there is none, or enough.
    pub(super) fn page(&mut self, page: &HistoryPage) -> Option<SubmissionId> {
        // What the snapshot has is newer, and has its preview.
        let fresh: Vec<_> = page.rows.iter().filter(|row| !self.known.contains_key(&row.id)).collect();
        self.take_in(fresh);
        let oldest = page.rows.last().map(|row| row.id);
        self.failed = page.failed();
        if self.failed {
            return None;
        }
        self.is_whole = !page.more || oldest.is_none() || self.known.len() >= MOST;
        self.before = oldest;
        oldest.filter(|_| !self.is_whole)
    }

    /// Puts rows where they belong, in the place of what was known of them.
    fn take_in<'a>(&mut self, rows: impl IntoIterator<Item = &'a Arc<SubmissionRow>>) {
        let mut gone = Vec::new();
        let mut come = Vec::new();
        for row in rows {
            match self.known.get(&row.id) {
                Some(known) if Arc::ptr_eq(&known.row, row) => continue,
                Some(known) => gone.extend(self.place(&known.row)),
                None => {}
            }
            self.known.insert(row.id, Known { row: Arc::clone(row), words: OnceLock::new() });
            come.push(Arc::clone(row));
        }
        while self.known.len() > MOST
            && let Some((_, oldest)) = self.known.pop_first()
        {
            gone.extend(self.place(&oldest.row));
        }
        if come.is_empty() {
            return;
        }
        gone.sort_unstable();
        let mut gone = gone.into_iter().peekable();
        let mut at = 0;
        self.rows.retain(|_| {
            let goes = gone.next_if_eq(&at).is_some();
            at += 1;
            !goes
        });
        // One that was told of twice, or is too old to be held, is not what is known.
        come.retain(|row| {
            self.known.get(&row.id).is_some_and(|known| Arc::ptr_eq(&known.row, row) && self.shows(known))
        });
        come.sort_unstable_by(|a, b| self.sort.order(a, b));
        let places: Vec<usize> = come.iter().map(|row| self.place(row).unwrap_or_else(|at| at)).collect();
        let mut merged = Vec::with_capacity(self.rows.len() + come.len());
        let mut rest = std::mem::take(&mut self.rows).into_iter();
        let mut moved = 0;
        for (row, place) in come.into_iter().zip(places) {
            merged.extend(rest.by_ref().take(place - moved));
            merged.push(row);
            moved = place;
        }
        merged.extend(rest);
        self.rows = merged;
        self.find_selected();
    }

    /// Where a row stands among those that are shown.
    fn place(&self, row: &SubmissionRow) -> Result<usize, usize> {
        self.rows.binary_search_by(|other| self.sort.order(other, row))
    }

    fn shows(&self, known: &Known) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&known.row.epoch))
            && (self.filter.is_empty() || {
                let words = known.words.get_or_init(|| words(&known.row));
                self.filter.split_whitespace().all(|word| words.contains(word))
            })
    }

    /// Filters and sorts anew.
    pub(in crate::app) fn arrange(&mut self) {
        // Newest first, and so within what is equal.
        let shown = self.known.values().rev().filter(|known| self.shows(known));
        let mut rows: Vec<_> = shown.map(|known| Arc::clone(&known.row)).collect();
        if self.sort != SubmissionSort::Found {
            rows.sort_by_cached_key(|row| self.sort.key(row));
        }
        self.rows = rows;
        self.find_selected();
    }

    fn find_selected(&mut self) {
        let chosen = self.selected.filter(|_| self.is_chosen).and_then(|id| self.known.get(&id));
        self.at = chosen.and_then(|known| self.place(&known.row).ok());
        if self.at.is_none() {
            self.is_chosen = false;
            self.at = (!self.rows.is_empty()).then_some(0);
        }
        self.selected = self.at.map(|at| self.rows[at].id);
    }

    pub fn position(&self) -> Option<usize> {
        self.at
    }

    pub fn chosen(&self) -> Option<&Arc<SubmissionRow>> {
        self.rows.get(self.at?)
    }

    pub(in crate::app) fn step(&mut self, by: isize) {
        if let Some(last) = self.rows.len().checked_sub(1) {
            let to = self.at.unwrap_or(0).saturating_add_signed(by).min(last);
            self.at = Some(to);
            self.selected = Some(self.rows[to].id);
            self.is_chosen = to > 0;
        }
    }

    pub(super) fn sort_next(&mut self) {
        self.sort = self.sort.next();
        self.arrange();
    }

    pub(in crate::app) fn set_filter(&mut self, filter: &str) {
        let filter = filter.to_lowercase();
        let is_longer = filter.starts_with(&self.filter);
        self.filter = filter;
        if is_longer {
            // While a word is typed, only what had its beginning can have it.
            let mut rows = std::mem::take(&mut self.rows);
            rows.retain(|row| self.known.get(&row.id).is_some_and(|known| self.shows(known)));
            self.rows = rows;
            self.find_selected();
        } else {
            self.arrange();
        }
    }

    /// The chosen period, or the epochs in it, may be others.
    pub(super) fn narrow(&mut self) {
        let only = self.periods.chosen().map(|period| period.epochs.clone());
        if only != self.only {
            self.only = only;
            self.arrange();
        }
    }
}

/// State, target, file, digests, URL and note, in lower case.
fn words(row: &SubmissionRow) -> Box<str> {
    let mut text = format!("{} {} {}", row.state.word(), row.target, row.source);
    if row.state == SubmissionState::AwaitingApproval {
        // As the screen calls it.
        text.push_str(" to approve");
    }
    for digest in [row.digest, row.claim_digest].into_iter().flatten() {
        let _ = write!(text, " {digest}");
    }
    for more in [&row.url, &row.note].into_iter().flatten() {
        text.push(' ');
        text.push_str(more);
    }
    text.to_lowercase().into_boxed_str()
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
