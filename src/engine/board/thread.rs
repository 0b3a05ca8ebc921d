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
