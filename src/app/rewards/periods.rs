//! What came in by epoch, or by the day on which epochs began; and the one that the list of submissions is about. Worked out when
//! the sums change, never while drawing.

use std::{ops::RangeInclusive, sync::Arc};

use crate::{
    api::{EpochRewards, RewardsView},
    primitives::{Shannons, utc},
};

const DAY_MS: u64 = 86_400_000;

/// An epoch, or a day of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// The epoch's number, or month and day in UTC.
    pub label: String,
    pub epochs: RangeInclusive<u64>,
    /// Of all its epochs; `epoch` is the newest one.
    pub sums: EpochRewards,
}

#[derive(Clone, Debug, Default)]
pub struct Periods {
    pub by_day: bool,
    /// Newest first.
    pub rows: Vec<Period>,
    pub pending: Shannons,
    /// Fees beside those of these epochs: of payments, splits and merges, and of epochs before.
    pub other_fees: Shannons,
    /// Of those that earned anything.
    pub mean: Option<Shannons>,
    /// The most that one earned, with what is pending.
    pub highest: Shannons,
    /// An epoch of the chosen period. `None`: all of them are looked at.
    chosen: Option<u64>,
    /// What all of this was made of.
    seen: Arc<RewardsView>,
}

impl Periods {
    /// Whether anything has changed.
    pub(super) fn follow(&mut self, rewards: &Arc<RewardsView>) -> bool {
        if Arc::ptr_eq(&self.seen, rewards) {
            return false;
        }
        self.seen = Arc::clone(rewards);
        self.arrange();
        true
    }

    fn arrange(&mut self) {
        self.rows = self.seen.epochs.iter().fold(Vec::new(), |mut rows, epoch| {
            let label = match epoch.began_ms {
                _ if !self.by_day => epoch.epoch.to_string(),
                Some(began_ms) => utc(began_ms - began_ms % DAY_MS)[5..10].to_owned(),
                // Of a recording that does not say.
                None => "?".to_owned(),
            };
            match rows.last_mut() {
                Some(period) if self.by_day && period.label == label => period.add(epoch),
                _ => rows.push(Period { label, epochs: epoch.epoch..=epoch.epoch, sums: *epoch }),
            }
            rows
        });
        self.pending = self.rows.iter().map(|period| period.sums.pending).sum();
        let fees = self.rows.iter().map(|period| period.sums.fees).sum();
        self.other_fees = self.seen.total.fees.saturating_sub(fees);
        self.highest = self
            .rows
            .iter()
            .map(|Period { sums, .. }| sums.earned.saturating_add(sums.pending))
            .max()
            .unwrap_or_default();
        let earned: Shannons = self.rows.iter().map(|period| period.sums.earned).sum();
        let earning = self.rows.iter().filter(|period| period.sums.earned > Shannons::ZERO).count() as u64;
        self.mean = earned.0.checked_div(earning).map(Shannons);
    }

    /// The place of the period with this epoch.
    pub fn place(&self, epoch: u64) -> Option<usize> {
        let at = self.rows.partition_point(|period| *period.epochs.start() > epoch);
        self.rows.get(at).filter(|period| period.epochs.contains(&epoch)).map(|_| at)
    }

    pub fn chosen(&self) -> Option<&Period> {
        self.rows.get(self.place(self.chosen?)?)
    }

    /// Before the newest one are all.
    pub(super) fn older(&mut self) {
        let to = self.chosen.and_then(|epoch| self.place(epoch)).map_or(0, |at| at + 1);
        if let Some(period) = self.rows.get(to) {
            self.chosen = Some(period.sums.epoch);
        }
    }

    pub(super) fn newer(&mut self) {
        let at = self.chosen.and_then(|epoch| self.place(epoch)).and_then(|at| at.checked_sub(1));
        self.chosen = at.map(|at| self.rows[at].sums.epoch);
    }

    /// The one with this epoch; if it is chosen already, all of them again.
    pub(super) fn choose(&mut self, epoch: u64) {
        let wanted = self.place(epoch).map(|at| self.rows[at].sums.epoch);
        self.chosen = wanted.filter(|_| self.chosen().map(|period| period.sums.epoch) != wanted);
    }

    /// All of them again; `false` if they were already.
    pub(super) fn all(&mut self) -> bool {
        self.chosen.take().is_some()
    }

    pub(in crate::app) fn turn(&mut self) {
        self.by_day = !self.by_day;
        self.arrange();
    }
}

impl Period {
    /// An older epoch of the same day.
    fn add(&mut self, epoch: &EpochRewards) {
        self.epochs = epoch.epoch..=*self.epochs.end();
        let sums = &mut self.sums;
        sums.filled += epoch.filled;
        sums.lost += epoch.lost;
        sums.earned = sums.earned.saturating_add(epoch.earned);
        sums.pending = sums.pending.saturating_add(epoch.pending);
        sums.forfeited = sums.forfeited.saturating_add(epoch.forfeited);
        sums.fees = sums.fees.saturating_add(epoch.fees);
        sums.began_ms = epoch.began_ms;
    }

    /// What it cost beside bonds that come back.
    pub fn costs(&self) -> Shannons {
        self.sums.fees.saturating_add(self.sums.forfeited)
    }
}
