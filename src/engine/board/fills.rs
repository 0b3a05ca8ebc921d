//! Who fills targets, and how fast: what checkpoints showed. Pure; times are the chain's own.

use std::{cmp::Reverse, collections::HashMap};

use crate::{
    api::{Filler, Pace},
    engine::recent::Recent,
    primitives::{Address, ObjectId, Shannons},
};

/// Rows of the screen.
const FILLERS: usize = 50;

/// A fill as its checkpoint showed it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct Fill {
    pub target: ObjectId,
    pub epoch: u64,
    pub submitter: Address,
    pub model: Option<ObjectId>,
    /// The checkpoint in which its target appeared, if we saw it.
    pub opened_at_ms: Option<u64>,
    pub filled_at_ms: u64,
    pub distance: Option<f32>,
    pub size_bytes: Option<u64>,
    pub reward: Shannons,
}

impl Fill {
    fn took_ms(&self) -> Option<u64> {
        self.opened_at_ms.map(|opened| self.filled_at_ms.saturating_sub(opened))
    }
}

#[derive(Clone, Debug, Default)]
struct Hand {
    epoch_fills: u64,
    all: u64,
    times_ms: Recent,
}

/// Of everybody since the records began, of each in this epoch.
#[derive(Clone, Debug, Default)]
pub(super) struct Fills {
    us: Option<Address>,
    hands: HashMap<Address, Hand>,
    times_ms: Recent,
}

impl Fills {
    /// `all`: how many of each were ever seen; `recent`: the last of them, oldest first; `epoch`: the one that is going on.
    pub fn new(us: Option<Address>, all: Vec<(Address, u64)>, recent: &[Fill], epoch: Option<u64>) -> Self {
        let hands = all.into_iter().map(|(address, all)| (address, Hand { all, ..Hand::default() })).collect();
        let mut fills = Self { us, hands, times_ms: Recent::default() };
        for fill in recent {
            fills.note(fill, epoch == Some(fill.epoch));
        }
        fills
    }

    fn note(&mut self, fill: &Fill, is_of_epoch: bool) {
        let hand = self.hands.entry(fill.submitter).or_default();
        hand.epoch_fills += u64::from(is_of_epoch);
        if let Some(took_ms) = fill.took_ms() {
            hand.times_ms.note(took_ms);
            self.times_ms.note(took_ms);
        }
    }

    /// A new fill of the epoch that is going on.
    pub fn add(&mut self, fill: &Fill) {
        self.note(fill, true);
        self.hands.entry(fill.submitter).or_default().all += 1;
    }

    pub fn turn(&mut self) {
        self.hands.values_mut().for_each(|hand| hand.epoch_fills = 0);
    }

    fn hand_of_us(&self) -> Option<&Hand> {
        self.hands.get(&self.us?)
    }

    /// Fills of ours in this epoch.
    pub fn ours(&self) -> u64 {
        self.hand_of_us().map_or(0, |hand| hand.epoch_fills)
    }

    /// Without what the epoch's targets tell.
    pub fn pace(&self) -> Pace {
        Pace {
            ours: self.ours(),
            all: self.hands.values().map(|hand| hand.all).sum(),
            all_ours: self.hand_of_us().map_or(0, |hand| hand.all),
            median_ms: self.times_ms.median(),
            our_median_ms: self.hand_of_us().and_then(|hand| hand.times_ms.median()),
            ..Pace::default()
        }
    }

    /// Most fills of this epoch first, then most of all.
    pub fn fillers(&self) -> Vec<Filler> {
        let mut order: Vec<(&Address, &Hand)> = self.hands.iter().collect();
        order.sort_by_key(|(address, hand)| (Reverse((hand.epoch_fills, hand.all)), **address));
        // We are always among them.
        let shown = order.iter().enumerate().filter(|(at, (address, _))| *at < FILLERS || Some(**address) == self.us);
        let row = |(address, hand): &(&Address, &Hand)| Filler {
            address: **address,
            is_us: Some(**address) == self.us,
            fills: hand.epoch_fills,
            all: hand.all,
            median_ms: hand.times_ms.median(),
        };
        shown.map(|(_, hand)| row(hand)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn fill(target: u8, by: u8, epoch: u64, (opened, filled): (Option<u64>, u64)) -> Fill {
        Fill {
            target: ObjectId([target; 32]),
            epoch,
            submitter: Address([by; 32]),
            model: None,
            opened_at_ms: opened,
            filled_at_ms: filled,
            distance: None,
            size_bytes: None,
            reward: Shannons(1),
        }
    }

    #[test]
    fn shares_and_medians_are_of_what_was_seen_and_a_restart_loses_none() {
        let us = Some(Address([1; 32]));
        let old = [fill(1, 1, 4, (Some(100), 400)), fill(2, 2, 5, (Some(100), 1_100)), fill(3, 2, 5, (None, 9_999))];
        let mut fills = Fills::new(us, vec![(Address([1; 32]), 10), (Address([2; 32]), 7)], &old, Some(5));
        fills.add(&fill(4, 1, 5, (Some(2_000), 2_500)));
        let pace = fills.pace();
        // 300, 1,000 and 500: what was not seen to open has no time.
        assert_eq!((pace.ours, pace.all, pace.all_ours), (1, 18, 11));
        assert_eq!((pace.median_ms, pace.our_median_ms), (Some(500), Some(500)));
        let rows: Vec<_> = fills.fillers().iter().map(|f| (f.address.0[0], f.is_us, f.fills, f.all)).collect();
        assert_eq!(rows, [(2, false, 2, 7), (1, true, 1, 11)]);
        fills.turn();
        assert_eq!((fills.ours(), fills.pace().all), (0, 18));
        assert_eq!(fills.fillers()[0].address, Address([1; 32]));
    }

    #[test]
    fn we_are_shown_however_many_fill_more() {
        let us = Address([200; 32]);
        let all = (0..100).map(|n| (Address([n; 32]), 1_000 - u64::from(n))).chain([(us, 1)]).collect();
        let rows = Fills::new(Some(us), all, &[], None).fillers();
        assert_eq!((rows.len(), rows.last().map(|row| row.is_us)), (FILLERS + 1, Some(true)));
    }
}
