//! The review of an epoch: its book while it goes on, and what is different after it. Pure.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::field::{Class, ModelFacts};
use crate::{
    api::{CommissionChange, EpochReview, Moved, RewardsView, StakeChange},
    model,
    primitives::{ObjectId, Shannons},
};

/// An embedding that differs by less has only been rounded.
const LEAST_MOVE: f32 = 1e-6;

/// The registry and the numbers that an epoch is played by.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct EpochFacts {
    pub epoch: u64,
    pub dim: usize,
    pub threshold: f32,
    pub reward: Shannons,
    pub models: Arc<Vec<ModelFacts>>,
}

/// What became of a target of the epoch, as far as it was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub opened_at_ms: Option<u64>,
    pub reach: Class,
    pub end: End,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    #[default]
    Open,
    Filled,
    /// It went, and nobody showed us how: only a fill does that before the epoch ends.
    Unseen,
}

/// An epoch that goes on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Book {
    pub facts: EpochFacts,
    /// Watched since its start, by this run.
    pub whole: bool,
    pub targets: HashMap<ObjectId, Seen>,
}

/// Our money of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Money {
    pub fees: Shannons,
    pub bonds: Shannons,
    pub earned: Shannons,
    pub pending: Shannons,
    pub forfeited: Shannons,
}

/// The wallet's sums by epoch, as the journal has them.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Sums {
    pub rewards: Arc<RewardsView>,
    /// Bonds put on targets that we filled.
    pub bonds: BTreeMap<u64, Shannons>,
}

impl Sums {
    /// `None`: too long ago, or nothing was submitted.
    pub(super) fn of(&self, epoch: u64) -> Option<Money> {
        let sums = self.rewards.epochs.iter().find(|sums| sums.epoch == epoch)?;
        Some(Money {
            fees: sums.fees,
            bonds: self.bonds.get(&epoch).copied().unwrap_or_default(),
            earned: sums.earned,
            pending: sums.pending,
            forfeited: sums.forfeited,
        })
    }
}

/// Books the money of its fills, which becomes final two epochs later. Gives whether anything changed.
pub(super) fn settle(review: &mut EpochReview, money: Money) -> bool {
    let Money { fees, bonds, earned, pending, forfeited } = money;
    let before = (review.fees, review.bonds, review.earned, review.pending, review.forfeited);
    (review.fees, review.bonds, review.earned, review.pending, review.forfeited) =
        (fees, bonds, earned, pending, forfeited);
    before != (fees, bonds, earned, pending, forfeited)
}

impl Book {
    pub fn new(facts: EpochFacts, whole: bool) -> Self {
        Self { facts, whole, targets: HashMap::new() }
    }

    pub fn count(&self, end: End) -> u64 {
        self.targets.values().filter(|seen| seen.end == end).count() as u64
    }

    fn reached(&self, class: Class) -> u64 {
        self.targets.values().filter(|seen| seen.reach == class).count() as u64
    }

    /// The review, once the next epoch's registry is known.
    pub fn close(&self, next: &EpochFacts, ours: u64, money: Money, ended_at_ms: u64) -> EpochReview {
        let unseen = self.count(End::Unseen);
        let opened = self.targets.len() as u64;
        let filled = self.count(End::Filled) + unseen;
        let mut review = EpochReview {
            epoch: self.facts.epoch,
            ended_at_ms,
            whole: self.whole && unseen == 0 && next.epoch == self.facts.epoch + 1,
            compared_with: next.epoch,
            models: self.facts.models.len() as u64,
            new_models: Vec::new(),
            gone_models: Vec::new(),
            moved: Vec::new(),
            stakes: Vec::new(),
            commissions: Vec::new(),
            threshold: self.facts.threshold,
            reward: self.facts.reward,
            opened,
            filled,
            expired: opened.saturating_sub(filled),
            hits: self.reached(Class::Hit),
            near_misses: self.reached(Class::Near),
            ours,
            fees: Shannons::ZERO,
            bonds: Shannons::ZERO,
            earned: Shannons::ZERO,
            pending: Shannons::ZERO,
            forfeited: Shannons::ZERO,
        };
        settle(&mut review, money);
        compare(&self.facts.models, &next.models, &mut review);
        review
    }
}

/// What is different in the registry.
fn compare(before: &[ModelFacts], after: &[ModelFacts], review: &mut EpochReview) {
    let held: BTreeMap<ObjectId, &ModelFacts> = before.iter().map(|model| (model.id, model)).collect();
    for model in after {
        let Some(was) = held.get(&model.id) else {
            review.new_models.push(model.id);
            continue;
        };
        let id = model.id;
        if was.embedding != model.embedding {
            // Of another dimension: as far away as can be told.
            let distance = Some(model::cosine_distance(&was.embedding, &model.embedding)).filter(|d| d.is_finite());
            if distance.is_none_or(|distance| distance > LEAST_MOVE) {
                review.moved.push(Moved { model: id, distance: distance.unwrap_or(1.0) });
            }
        }
        if was.stake != model.stake {
            review.stakes.push(StakeChange { model: id, from: was.stake, to: model.stake });
        }
        if was.commission_bps != model.commission_bps {
            let (from_bps, to_bps) = (was.commission_bps, model.commission_bps);
            review.commissions.push(CommissionChange { model: id, from_bps, to_bps });
        }
    }
    let stays = |id: &ObjectId| after.iter().any(|model| model.id == *id);
    review.gone_models = held.keys().filter(|id| !stays(id)).copied().collect();
    // The largest first.
    let by = |change: &StakeChange| change.from.0.abs_diff(change.to.0);
    review.stakes.sort_by(|a, b| by(b).cmp(&by(a)).then(a.model.cmp(&b.model)));
    review.moved.sort_by(|a, b| b.distance.total_cmp(&a.distance).then(a.model.cmp(&b.model)));
}

/// The line of the activity log.
pub(super) fn line(review: &EpochReview) -> String {
    let share = review.share_permille().map_or(String::new(), |share| format!(" ({}%)", (share + 5) / 10));
    let seen = if review.whole { "" } else { ", seen in part" };
    let count = |n: usize, what: &str| (n > 0).then(|| format!("{n} {what}"));
    let changes: Vec<String> = [
        count(review.new_models.len(), "new"),
        count(review.gone_models.len(), "gone"),
        count(review.moved.len(), "moved"),
        count(review.commissions.len(), "with another commission"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let models = if changes.is_empty() { String::new() } else { format!("; models: {}", changes.join(", ")) };
    format!(
        "epoch {} in review: {} of {} fills are ours{share}{seen}, {} of {} targets expired{models}",
        review.epoch, review.ours, review.filled, review.expired, review.opened
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::EpochRewards;

    fn model(n: u8, stake: u64, commission_bps: u64, embedding: &[f32]) -> ModelFacts {
        ModelFacts { id: ObjectId([n; 32]), stake: Shannons(stake), commission_bps, embedding: embedding.into() }
    }

    fn facts(epoch: u64, models: Vec<ModelFacts>) -> EpochFacts {
        EpochFacts { epoch, dim: 2, threshold: 0.9, reward: Shannons(70), models: Arc::new(models) }
    }

    fn seen(reach: Class, end: End) -> Seen {
        Seen { opened_at_ms: None, reach, end }
    }

    #[test]
    fn a_review_counts_what_became_of_the_targets_and_names_what_is_different_in_the_registry() {
        let before = vec![model(1, 10, 5, &[1.0, 0.0]), model(2, 20, 5, &[0.0, 1.0]), model(3, 30, 5, &[1.0, 1.0])];
        let after = vec![model(1, 90, 7, &[0.0, 2.0]), model(3, 29, 5, &[1.0, 1.0]), model(4, 1, 0, &[1.0, 0.0])];
        let mut book = Book::new(facts(4, before), true);
        let ends = [
            seen(Class::Hit, End::Filled),
            seen(Class::Far, End::Filled),
            seen(Class::Near, End::Open),
            seen(Class::Hit, End::Open),
            seen(Class::Far, End::Open),
        ];
        book.targets = (0u8..).map(|n| ObjectId([n; 32])).zip(ends).collect();
        let money = Money { fees: Shannons(3), bonds: Shannons(5), ..Money::default() };
        let review = book.close(&facts(5, after.clone()), 1, money, 77);
        assert_eq!((review.opened, review.filled, review.expired, review.ours), (5, 2, 3, 1));
        assert_eq!((review.hits, review.near_misses, review.whole), (2, 1, true));
        assert_eq!((review.fees, review.bonds, review.share_permille()), (Shannons(3), Shannons(5), Some(500)));
        assert_eq!(review.new_models, [ObjectId([4; 32])]);
        assert_eq!(review.gone_models, [ObjectId([2; 32])]);
        assert_eq!(review.moved, [Moved { model: ObjectId([1; 32]), distance: 1.0 }]);
        let change = |n, from, to| StakeChange { model: ObjectId([n; 32]), from: Shannons(from), to: Shannons(to) };
        assert_eq!(review.stakes, [change(1, 10, 90), change(3, 30, 29)]);
        assert_eq!(review.commissions, [CommissionChange { model: ObjectId([1; 32]), from_bps: 5, to_bps: 7 }]);
        let told = line(&review);
        assert_eq!(
            told,
            "epoch 4 in review: 1 of 2 fills are ours (50%), 3 of 5 targets expired; models: 1 new, 1 gone, 1 moved, \
             1 with another commission"
        );
        // A target that went unseen was filled by somebody, and the review says that it is not whole.
        book.targets.insert(ObjectId([9; 32]), seen(Class::Far, End::Unseen));
        let review = book.close(&facts(5, after.clone()), 1, money, 77);
        assert_eq!((review.opened, review.filled, review.expired, review.whole), (6, 3, 3, false));
        // Nor is one that is compared with a later epoch.
        assert!(!Book::new(facts(4, vec![]), true).close(&facts(6, after), 0, money, 0).whole);
    }

    #[test]
    fn money_that_comes_later_is_booked_in_the_epoch_of_its_fill() {
        let mut review = Book::new(facts(4, vec![]), true).close(&facts(5, vec![]), 0, Money::default(), 0);
        let epochs =
            vec![EpochRewards { epoch: 4, earned: Shannons(60), fees: Shannons(2), ..EpochRewards::default() }];
        let sums = Sums {
            rewards: Arc::new(RewardsView { epochs, ..RewardsView::default() }),
            bonds: [(4, Shannons(9))].into(),
        };
        assert_eq!(sums.of(3), None);
        let money = sums.of(4).expect("known");
        assert!(settle(&mut review, money));
        assert!(!settle(&mut review, money));
        assert_eq!((review.earned, review.bonds, review.pending), (Shannons(60), Shannons(9), Shannons::ZERO));
        assert_eq!(review.share_permille(), None);
    }
}
