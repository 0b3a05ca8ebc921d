//! The board's thread: it takes in facts, keeps what must survive, and shows the whole when something has changed.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{
    EpochFacts, Fact, Fill, News, Sums,
    field::{Class, Field},
    fills::Fills,
    review::{self, Book, End, Seen},
    store::{BoardError, Change, Left, Store},
};
use crate::{
    api::{BoardView, EpochReview, MoneyLeft, Pace},
    engine::now_ms,
    primitives::{Address, ObjectId},
};

/// At most one view in this time, and one commit.
const PACE: Duration = Duration::from_secs(1);
/// Reviews that the screen pages through.
const REVIEWS_SHOWN: usize = 64;

pub(super) fn spawn(
    dir: &Path,
    us: Option<Address>,
    facts: Receiver<Fact>,
    news: mpsc::UnboundedSender<News>,
) -> io::Result<()> {
    let dir: PathBuf = dir.into();
    // Products share the threads of a pool, and scoring keeps the global one busy for seconds.
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .thread_name(|_| "board-products".into())
        .build()
        .map_err(io::Error::other)?;
    thread::Builder::new().name("board".into()).spawn(move || {
        let mut work = Work::new(&dir, us, news);
        pool.install(move || work.serve(facts));
    })?;
    Ok(())
}

/// What is not yet written down.
#[derive(Default)]
struct Unsaved {
    /// The book is new.
    book: bool,
    targets: BTreeSet<ObjectId>,
    fills: Vec<Fill>,
    reviews: BTreeSet<u64>,
}

pub(super) struct Work {
    us: Option<Address>,
    store: Option<Store>,
    field: Field,
    fills: Fills,
    book: Option<Book>,
    sums: Sums,
    money: MoneyLeft,
    /// Newest first, all of them.
    reviews: Vec<EpochReview>,
    unsaved: Unsaved,
    /// What checkpoints showed of an epoch whose registry is not known yet.
    early: HashMap<ObjectId, (u64, Seen)>,
    early_fills: Vec<Fill>,
    /// This run has seen an epoch.
    is_watching: bool,
    news: mpsc::UnboundedSender<News>,
    dirty: bool,
    /// The last trouble in keeping; told again only when it is another one.
    trouble: Option<String>,
}

impl Work {
    pub fn new(dir: &Path, us: Option<Address>, news: mpsc::UnboundedSender<News>) -> Self {
        let opened = Store::open(dir).and_then(|store| Ok((store.left()?, store)));
        let (left, store) = match opened {
            Ok((left, store)) => (left, Some(store)),
            Err(error) => {
                let text = format!("the board is not kept, so reviews of epochs will be lost: {error}");
                // Nobody listens after the end.
                let _ = news.send(News::Trouble(text));
                (Left::default(), None)
            }
        };
        let epoch = left.book.as_ref().map(|book| book.facts.epoch);
        Self {
            us,
            store,
            field: Field::default(),
            fills: Fills::new(us, left.fillers, &left.fills, epoch),
            book: left.book,
            sums: Sums::default(),
            money: MoneyLeft::default(),
            reviews: left.reviews,
            unsaved: Unsaved::default(),
            early: HashMap::new(),
            early_fills: Vec::new(),
            is_watching: false,
            news,
            dirty: true,
            trouble: None,
        }
    }

    fn serve(&mut self, facts: Receiver<Fact>) {
        let mut shown: Option<Instant> = None;
        loop {
            let wait = match shown {
                _ if !self.dirty => None,
                None => Some(Duration::ZERO),
                Some(at) => Some(PACE.saturating_sub(at.elapsed())),
            };
            let fact = match wait {
                None => facts.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => facts.recv_timeout(wait),
            };
            match fact {
                Ok(Fact::Close(reply)) => {
                    self.save();
                    self.store = None;
                    // Whoever asked may have stopped waiting.
                    let _ = reply.send(());
                    return;
                }
                Ok(fact) => self.take(fact),
                Err(RecvTimeoutError::Timeout) => {
                    self.save();
                    self.dirty = false;
                    shown = Some(Instant::now());
                    let _ = self.news.send(News::View(Arc::new(self.view())));
                }
                Err(RecvTimeoutError::Disconnected) => return self.save(),
            }
        }
    }

    pub fn take(&mut self, fact: Fact) {
        self.dirty = true;
        match fact {
            Fact::Epoch(facts) => self.epoch(facts),
            Fact::Opened(targets) => {
                for target in &targets {
                    self.see(target.epoch, target.id, |_| {});
                }
                self.field.open(targets);
            }
            Fact::Closed { targets, newest_epoch } => self.closed(&targets, newest_epoch),
            Fact::Appeared { targets, at_ms } => {
                for (id, epoch) in targets {
                    self.see(epoch, id, |seen| seen.opened_at_ms = seen.opened_at_ms.or(Some(at_ms)));
                }
            }
            Fact::Filled(fills) => fills.into_iter().for_each(|fill| self.filled(fill)),
            Fact::Nearest(all) => {
                for (id, nearest) in all {
                    let Some((epoch, class)) = self.field.stands(&id, nearest) else { continue };
                    self.see(epoch, id, |seen| seen.reach = seen.reach.max(class));
                }
            }
            Fact::Wins(wins) => self.field.set_wins(wins),
            Fact::Sums(sums) => {
                self.sums = sums;
                for review in &mut self.reviews {
                    if self.sums.of(review.epoch).is_some_and(|money| review::settle(review, money)) {
                        self.unsaved.reviews.insert(review.epoch);
                    }
                }
            }
            Fact::Money(money) => self.money = money,
            // Served where the loop ends.
            Fact::Close(_) => {}
        }
    }

    fn is_early(&self, epoch: u64) -> bool {
        self.book.as_ref().is_none_or(|book| book.facts.epoch < epoch)
    }

    /// Notes something of a target of the epoch that goes on, or of the next one. What is of an earlier one is over.
    fn see(&mut self, epoch: u64, id: ObjectId, note: impl FnOnce(&mut Seen)) {
        if self.is_early(epoch) {
            return note(&mut self.early.entry(id).or_insert((epoch, Seen::default())).1);
        }
        let Some(book) = self.book.as_mut().filter(|book| book.facts.epoch == epoch) else { return };
        let before = book.targets.get(&id).copied();
        let seen = book.targets.entry(id).or_default();
        note(seen);
        if before != Some(*seen) {
            self.unsaved.targets.insert(id);
        }
    }

    fn epoch(&mut self, facts: EpochFacts) {
        self.field.set_models(facts.dim, &facts.models);
        match &self.book {
            // The registry that it began with is what the review compares; threshold and reward are of the whole epoch.
            Some(book) if book.facts.epoch >= facts.epoch => {
                self.is_watching = true;
                return;
            }
            _ => {}
        }
        let over = self.book.take();
        let whole = self.is_watching && over.as_ref().is_some_and(|book| book.facts.epoch + 1 == facts.epoch);
        self.is_watching = true;
        if let Some(book) = over {
            let money = self.sums.of(book.facts.epoch).unwrap_or_default();
            let review = book.close(&facts, self.fills.ours(), money, now_ms());
            let _ = self.news.send(News::Reviewed(review::line(&review)));
            self.unsaved.reviews.insert(review.epoch);
            self.reviews.retain(|kept| kept.epoch != review.epoch);
            self.reviews.insert(0, review);
        }
        self.fills.turn();
        self.unsaved.targets.clear();
        self.unsaved.book = true;
        let epoch = facts.epoch;
        self.book = Some(Book::new(facts, whole));
        for (id, (of, early)) in std::mem::take(&mut self.early) {
            if of >= epoch {
                self.see(of, id, |seen| *seen = early);
            }
        }
        for fill in std::mem::take(&mut self.early_fills) {
            self.filled(fill);
        }
    }

    fn closed(&mut self, targets: &[ObjectId], newest_epoch: u64) {
        for facts in self.field.close(targets) {
            // Only a fill closes a target of this epoch; its checkpoint may still be on its way.
            if facts.epoch >= newest_epoch {
                self.see(facts.epoch, facts.id, |seen| {
                    if seen.end == End::Open {
                        seen.end = End::Unseen;
                    }
                });
            }
        }
    }

    fn filled(&mut self, mut fill: Fill) {
        if self.is_early(fill.epoch) {
            return self.early_fills.push(fill);
        }
        let Some(book) = self.book.as_ref().filter(|book| book.facts.epoch == fill.epoch) else { return };
        let seen = book.targets.get(&fill.target).copied().unwrap_or_default();
        // A filled target is written again when validators report it.
        if seen.end == End::Filled {
            return;
        }
        fill.opened_at_ms = seen.opened_at_ms;
        let is_ours = self.us == Some(fill.submitter);
        self.see(fill.epoch, fill.target, |seen| {
            seen.end = End::Filled;
            // What we filled we have hit.
            seen.reach = if is_ours { Class::Hit } else { seen.reach };
        });
        self.fills.add(&fill);
        self.unsaved.fills.push(fill);
    }

    pub fn save(&mut self) {
        let Some(store) = &mut self.store else { return };
        let (unsaved, book) = (std::mem::take(&mut self.unsaved), self.book.as_ref());
        let reviews: HashMap<u64, &EpochReview> = self.reviews.iter().map(|review| (review.epoch, review)).collect();
        let write = |change: &Change<'_>| {
            for review in unsaved.reviews.iter().filter_map(|epoch| reviews.get(epoch)) {
                change.review(review)?;
            }
            if let Some(book) = book {
                if unsaved.book {
                    change.begin(&book.facts)?;
                }
                for (id, seen) in unsaved.targets.iter().filter_map(|id| Some((id, book.targets.get(id)?))) {
                    change.target(id, seen)?;
                }
            }
            unsaved.fills.iter().try_for_each(|fill| change.fill(fill))
        };
        let is_nothing =
            !unsaved.book && unsaved.targets.is_empty() && unsaved.fills.is_empty() && unsaved.reviews.is_empty();
        let saved: Result<(), BoardError> = if is_nothing { Ok(()) } else { store.change(write) };
        match saved {
            Ok(()) => self.trouble = None,
            Err(error) => {
                let text = format!("what the board has seen is not kept: {error}");
                if self.trouble.as_ref() != Some(&text) {
                    let _ = self.news.send(News::Trouble(text.clone()));
                    self.trouble = Some(text);
                }
                self.unsaved = unsaved;
            }
        }
    }

    pub fn view(&self) -> BoardView {
        let book = self.book.as_ref();
        let pace = self.fills.pace();
        BoardView {
            epoch: book.map_or(0, |book| book.facts.epoch),
            sigma: self.field.sigma(),
            models: self.field.models(),
            gaps: self.field.gaps(),
            pace: Pace {
                whole: book.is_some_and(|book| book.whole),
                opened: book.map_or(0, |book| book.targets.len() as u64),
                filled: book.map_or(0, |book| book.count(End::Filled) + book.count(End::Unseen)),
                ..pace
            },
            fillers: self.fills.fillers(),
            reach: self.field.reach(),
            money: self.money.clone(),
            reviews: self.reviews.iter().take(REVIEWS_SHOWN).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{EpochRewards, RewardsView},
        engine::board::{ModelFacts, TargetFacts, reviews},
        primitives::Shannons,
    };

    const US: Address = Address([9; 32]);

    fn work(dir: &Path) -> (Work, mpsc::UnboundedReceiver<News>) {
        let (news, told) = mpsc::unbounded_channel();
        (Work::new(dir, Some(US), news), told)
    }

    fn epoch(epoch: u64) -> Fact {
        let model = ModelFacts {
            id: ObjectId([1; 32]),
            stake: Shannons(1),
            commission_bps: 0,
            embedding: [1.0, epoch as f32].as_slice().into(),
        };
        Fact::Epoch(EpochFacts { epoch, dim: 2, threshold: 0.9, reward: Shannons(7), models: Arc::new(vec![model]) })
    }

    fn opened(epoch: u64, ids: &[u8]) -> Fact {
        let target = |n: &u8| TargetFacts {
            id: ObjectId([*n; 32]),
            epoch,
            embedding: [1.0, 0.5].as_slice().into(),
            models: vec![ObjectId([1; 32])],
            threshold: 0.9,
            reward: Shannons(7),
        };
        Fact::Opened(ids.iter().map(target).collect())
    }

    fn fill(epoch: u64, target: u8, submitter: Address, filled_at_ms: u64) -> Fact {
        Fact::Filled(vec![Fill {
            target: ObjectId([target; 32]),
            epoch,
            submitter,
            model: None,
            opened_at_ms: None,
            filled_at_ms,
            distance: Some(0.8),
            size_bytes: Some(10),
            reward: Shannons(7),
        }])
    }

    fn appeared(epoch: u64, ids: &[u8], at_ms: u64) -> Fact {
        Fact::Appeared { targets: ids.iter().map(|n| (ObjectId([*n; 32]), epoch)).collect(), at_ms }
    }

    fn closed(ids: &[u8], newest_epoch: u64) -> Fact {
        Fact::Closed { targets: ids.iter().map(|n| ObjectId([*n; 32])).collect(), newest_epoch }
    }

    fn lines(told: &mut mpsc::UnboundedReceiver<News>) -> Vec<String> {
        let mut lines = Vec::new();
        while let Ok(news) = told.try_recv() {
            if let News::Reviewed(line) | News::Trouble(line) = news {
                lines.push(line);
            }
        }
        lines
    }

    #[test]
    fn an_epoch_is_followed_from_its_first_checkpoint_although_its_registry_comes_later() {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut work, mut told) = work(dir.path());
        work.take(epoch(4));
        // The next epoch's targets, and a first fill, before anybody knows its registry.
        work.take(appeared(5, &[1, 2, 3], 1_000));
        work.take(opened(5, &[1, 2, 3]));
        work.take(fill(5, 1, US, 1_400));
        work.take(closed(&[1], 5));
        work.take(epoch(5));
        work.take(fill(5, 2, Address([8; 32]), 3_000));
        work.take(closed(&[2], 5));
        // Again, because validators have reported it.
        work.take(fill(5, 2, Address([8; 32]), 9_000));
        let view = work.view();
        assert_eq!((view.pace.opened, view.pace.filled, view.pace.ours, view.pace.whole), (3, 2, 1, true));
        assert_eq!((view.pace.median_ms, view.pace.our_median_ms), (Some(2_000), Some(400)));
        work.take(closed(&[3], 6));
        work.take(epoch(6));
        work.save();
        let kept = reviews(dir.path()).expect("readable");
        assert_eq!(kept.iter().map(|review| review.epoch).collect::<Vec<_>>(), [5, 4]);
        let review = &kept[0];
        assert_eq!((review.opened, review.filled, review.expired, review.ours), (3, 2, 1, 1));
        assert_eq!((review.hits, review.whole, review.moved.len()), (1, true, 1));
        // We came in the middle of the first one.
        assert!(!kept[1].whole);
        assert_eq!(lines(&mut told).len(), 2);
    }

    #[test]
    fn a_restart_loses_neither_the_epoch_nor_its_baseline_and_says_that_it_was_away() {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut first, _told) = work(dir.path());
        first.take(epoch(4));
        first.take(epoch(5));
        first.take(appeared(5, &[1, 2, 3], 1_000));
        first.take(opened(5, &[1, 2, 3]));
        first.take(fill(5, 1, US, 1_400));
        first.save();
        drop(first);
        let (mut second, _told) = work(dir.path());
        let view = second.view();
        assert_eq!((view.epoch, view.pace.filled, view.pace.ours, view.pace.all), (5, 1, 1, 1));
        assert_eq!((view.pace.our_median_ms, view.pace.whole), (Some(400), false));
        second.take(epoch(5));
        // What went while nobody looked was filled by somebody.
        second.take(opened(5, &[2, 3]));
        second.take(closed(&[2], 5));
        second.take(epoch(8));
        second.save();
        let kept = reviews(dir.path()).expect("readable");
        let review = &kept[0];
        assert_eq!((review.epoch, review.compared_with, review.whole), (5, 8, false));
        assert_eq!((review.opened, review.filled, review.expired), (3, 2, 1));
        assert_eq!(review.moved.len(), 1, "the registry of its start was kept");
    }

    #[test]
    fn a_review_learns_what_its_fills_earned_later() {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut work, _told) = work(dir.path());
        work.take(epoch(4));
        work.take(epoch(5));
        let epochs = vec![EpochRewards { epoch: 4, earned: Shannons(60), ..EpochRewards::default() }];
        let rewards = Arc::new(RewardsView { epochs, ..RewardsView::default() });
        work.take(Fact::Sums(Sums { rewards, bonds: [(4, Shannons(9))].into() }));
        work.save();
        let kept = reviews(dir.path()).expect("readable");
        assert_eq!((kept[0].earned, kept[0].bonds), (Shannons(60), Shannons(9)));
    }

    #[test]
    fn a_file_of_somebody_else_is_left_alone_and_the_board_goes_on_without_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("board.sqlite");
        std::fs::write(&path, b"not a database, and not ours").expect("writable");
        let (mut work, mut told) = work(dir.path());
        assert!(lines(&mut told)[0].contains("is not kept"));
        work.take(epoch(4));
        work.take(epoch(5));
        work.save();
        assert_eq!(work.view().reviews.len(), 1);
        assert_eq!(std::fs::read(&path).expect("readable"), b"not a database, and not ours");
        assert!(reviews(dir.path()).is_err());
        assert_eq!(reviews(&dir.path().join("none")).expect("nothing is no error"), []);
    }
}
