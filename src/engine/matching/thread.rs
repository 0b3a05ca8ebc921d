//! The matcher's thread: it owns the library and the board. A target against a large library is a lot of arithmetic and a disk may be
//! slow, and the dispatcher must not wait for either.

use std::{
    collections::{HashSet, VecDeque},
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self as blocking, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};

use super::{
    Atlas, Board, Compose, LIBRARY_DIR, Library, Picture, ScoredSample, Sight, Sought, Standing, TargetSpec,
    board::Damaged,
    compose::Composer,
    sight::{SampleSight, look, look_at_sample},
};
use crate::{
    engine::{corpus, now_ms, pins::Pins, snapshot::Basis},
    primitives::{Digest, ObjectId},
};

/// Targets that go through the library together. The first of many are told while the rest wait.
pub(in crate::engine) const OPENED_AT_ONCE: usize = 64;
/// Samples that meet the targets together.
const SCORED_AT_ONCE: usize = 256;
/// What a loss of power may take.
const SYNC_EVERY: Duration = Duration::from_secs(30);
/// A library that another engine is leaving is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Samples that may wait to be kept and matched. Whoever scores waits while there are more.
pub(in crate::engine) const MOST_UNKEPT: usize = 1024;

pub(in crate::engine) enum Ask {
    /// New scores, to be kept and matched.
    Scored(Vec<ScoredSample>),
    /// Which samples need not be scored under these weights.
    Known(Digest),
    Opened(Vec<TargetSpec>),
    Closed(Vec<ObjectId>),
    /// The margin that candidates need from now on.
    MinMargin(f32),
    /// Only these weights are in the registry now.
    KeepWeights(Vec<Digest>),
    /// These are worked on first.
    Prefer(Pins),
    /// Everything that there is about one target.
    Look(TargetSpec),
    /// What there is of one sample, as the map names it.
    Sample(u64),
    /// How the library looks under these weights, each with the number of its model on the screen, and where it lies by a basis.
    Survey {
        weights: Vec<(Digest, u16)>,
        basis: Option<Arc<Basis>>,
    },
    /// Let the library go, then say so.
    Close(oneshot::Sender<()>),
}

pub(in crate::engine) enum Reply {
    /// Only targets whose standing changed.
    Standings(Vec<(ObjectId, Standing)>),
    /// What need not be scored under these weights: samples that the library holds, and samples that failed.
    Known {
        weights: Digest,
        held: Vec<Digest>,
        failed: Vec<Digest>,
    },
    /// (weights, sample): what the library held and no longer does, and what it was given and has not kept.
    Left {
        gone: Vec<(Digest, Digest)>,
        unkept: Vec<(Digest, Digest)>,
    },
    /// Every survey has one, and how long it took: it looks at every sample.
    Survey {
        weights: Vec<Digest>,
        picture: Picture,
        took: Duration,
    },
    Looked {
        target: ObjectId,
        /// `None`: there is no library, or a model is not in the registry.
        sight: Option<Sight>,
        sought: Sought,
    },
    Sampled(SampleSight),
    /// Something about the library that a person should know.
    Trouble(String),
}

/// Handle on the thread; it ends when this is dropped.
pub(in crate::engine) struct Matcher {
    asks: blocking::Sender<Ask>,
    unkept: Arc<AtomicUsize>,
    pub replies: mpsc::UnboundedReceiver<Reply>,
}

impl Matcher {
    /// `dir`: the engine's; the library opens there, in the thread.
    pub fn spawn(
        min_margin: f32,
        compose: Compose,
        contents: corpus::Shelf,
        dir: &Path,
        limit_bytes: u64,
    ) -> io::Result<Self> {
        let (asks, asked) = blocking::channel();
        let (told, replies) = mpsc::unbounded_channel();
        let dir = dir.join(LIBRARY_DIR);
        let composer = Composer::new(compose, min_margin, contents)?;
        let unkept = Arc::new(AtomicUsize::new(0));
        let counted = unkept.clone();
        let threads = rayon::ThreadPoolBuilder::new()
            .thread_name(|at| format!("matcher-{at}"))
            .build()
            .map_err(io::Error::other)?;
        thread::Builder::new().name("matcher".into()).spawn(move || {
            let mut work = Work::new(&dir, limit_bytes, min_margin, composer, told, counted);
            // A pool of its own: scoring keeps the other one busy for seconds.
            threads.install(|| work.serve(asked));
        })?;
        Ok(Self { asks, unkept, replies })
    }

    pub fn ask(&self, ask: Ask) {
        if let Ask::Scored(samples) = &ask {
            self.unkept.fetch_add(samples.len(), Ordering::Relaxed);
        }
        // The thread lives as long as `self`: it ends with the last sender or the receiver.
        let _ = self.asks.send(ask);
    }

    /// Samples that wait to be kept and matched.
    pub fn unkept(&self) -> usize {
        self.unkept.load(Ordering::Relaxed)
    }

    /// Ends the thread after everything that was asked before. The library's directory is free then.
    pub async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        self.ask(Ask::Close(reply));
        // An error only says that the thread has ended already.
        let _ = closed.await;
    }
}

struct Work {
    /// Without one, samples meet the targets that are open, and nothing is kept.
    library: Option<Library>,
    board: Board,
    composer: Composer,
    told: mpsc::UnboundedSender<Reply>,
    unkept: Arc<AtomicUsize>,
    /// The last trouble in keeping; told again only when it is another one.
    trouble: Option<String>,
    synced: Instant,
    atlas: Atlas,
}

impl Work {
    fn new(
        dir: &Path,
        limit_bytes: u64,
        min_margin: f32,
        composer: Composer,
        told: mpsc::UnboundedSender<Reply>,
        unkept: Arc<AtomicUsize>,
    ) -> Self {
        let begun = Instant::now();
        let library = loop {
            match Library::open(dir, limit_bytes) {
                Ok(library) => break Some(library),
                Err(super::library::LibraryError::InUse(_)) if begun.elapsed() < PATIENCE => {
                    thread::sleep(Duration::from_millis(50));
                }
                Err(error) => {
                    let text = format!("the sample library cannot be used, so scores are not kept: {error}");
                    // Nobody listens after the end.
                    let _ = told.send(Reply::Trouble(text));
                    break None;
                }
            }
        };
        let board = Board::new(min_margin);
        Self { library, board, composer, told, unkept, trouble: None, synced: Instant::now(), atlas: Atlas::default() }
    }

    fn serve(&mut self, asked: blocking::Receiver<Ask>) {
        let mut waiting: VecDeque<Ask> = VecDeque::new();
        loop {
            self.tell_troubles();
            if waiting.is_empty() {
                match asked.recv_timeout(self.patience()) {
                    Ok(ask) => waiting.push_back(ask),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            waiting.extend(asked.try_iter());
            if let Some(ask) = waiting.pop_front() {
                if let Ask::Close(reply) = ask {
                    self.sync();
                    self.library = None;
                    // Whoever asked may have stopped waiting.
                    let _ = reply.send(());
                    return;
                }
                self.answer(ask, &mut waiting);
            } else {
                self.compose();
            }
            if self.synced.elapsed() >= SYNC_EVERY {
                self.sync();
                self.keep(|library| library.remove_gone(now_ms()));
            }
            if self.told.is_closed() {
                break;
            }
        }
        self.sync();
    }

    fn answer(&mut self, ask: Ask, waiting: &mut VecDeque<Ask>) {
        match ask {
            Ask::Scored(mut samples) => {
                while samples.len() < SCORED_AT_ONCE
                    && let Some(Ask::Scored(_)) = waiting.front()
                    && let Some(Ask::Scored(more)) = waiting.pop_front()
                {
                    samples.extend(more);
                }
                self.keep(|library| library.add(&samples));
                self.tell_left(&samples);
                let mut damaged = Damaged::new();
                let changed = self.board.offer(&samples, self.library.as_ref(), &mut damaged);
                self.forget(damaged);
                self.unkept.fetch_sub(samples.len(), Ordering::Relaxed);
                self.tell(changed);
            }
            Ask::Known(weights) => {
                let held = self.library.as_ref().map(|library| library.held(weights)).unwrap_or_default();
                let mut failed = Vec::new();
                self.keep(|library| {
                    failed = library.failed(weights)?;
                    Ok(())
                });
                self.send(Reply::Known { weights, held, failed });
            }
            Ask::Opened(mut targets) => {
                let rest = targets.split_off(targets.len().min(OPENED_AT_ONCE));
                let mut damaged = Damaged::new();
                let opened = self.board.open(targets, self.library.as_ref(), &mut damaged);
                self.forget(damaged);
                self.composer.opened(&opened);
                self.tell(opened);
                if !rest.is_empty() {
                    waiting.push_front(Ask::Opened(rest));
                }
            }
            Ask::Closed(targets) => {
                self.composer.closed(&targets);
                targets.iter().for_each(|id| self.board.close(id));
            }
            Ask::MinMargin(margin) => {
                self.composer.set_min_margin(margin);
                let (changed, again) = self.board.set_min_margin(margin, self.library.is_some());
                self.tell(changed);
                if !again.is_empty() {
                    // Before anything that was scored meanwhile.
                    waiting.push_front(Ask::Opened(again));
                }
            }
            Ask::KeepWeights(weights) => self.keep(|library| library.keep_weights(&weights, now_ms())),
            Ask::Prefer(pins) => self.composer.prefer(pins),
            Ask::Look(spec) => {
                let sight = self.library.as_ref().and_then(|library| look(&spec, library));
                let sought = self.composer.sought(&spec, &self.board, self.library.as_ref());
                self.send(Reply::Looked { target: spec.id, sight, sought });
            }
            Ask::Sample(sample) => {
                // One that has left since has nothing to tell.
                let sight = self.library.as_ref().and_then(|library| look_at_sample(sample, library));
                sight.into_iter().for_each(|sight| self.send(Reply::Sampled(sight)));
            }
            Ask::Survey { weights, basis } => {
                let began = Instant::now();
                let picture = match &self.library {
                    Some(library) => self.atlas.survey(&weights, basis, library, &mut self.board),
                    None => Picture::default(),
                };
                let weights = weights.into_iter().map(|(weights, _)| weights).collect();
                self.send(Reply::Survey { weights, picture, took: began.elapsed() });
            }
            // Served where the loop ends.
            Ask::Close(_) => {}
        }
    }

    /// How long to wait for an ask before there is other work.
    fn patience(&self) -> Duration {
        let due = self.library.as_ref().and_then(|library| self.composer.due(&self.board, library));
        due.map_or(SYNC_EVERY, |due| due.min(SYNC_EVERY))
    }

    /// Looks for a composition for one target: nobody who asks waits for longer than that takes.
    fn compose(&mut self) {
        let Some(library) = &self.library else { return };
        if let Some((id, candidate)) = self.composer.step(&self.board, library)
            && self.board.take(&id, candidate)
        {
            self.tell([id]);
        }
        if let Some(text) = self.composer.trouble() {
            self.send(Reply::Trouble(text));
        }
    }

    /// Does something with the library. What goes wrong is told once, until something else does.
    fn keep(&mut self, work: impl FnOnce(&mut Library) -> Result<(), super::library::LibraryError>) {
        let Some(library) = &mut self.library else { return };
        if let Err(error) = work(library) {
            let text = format!("new scores are not kept: {error}");
            if self.trouble.as_ref() != Some(&text) {
                self.send(Reply::Trouble(text.clone()));
                self.trouble = Some(text);
            }
        }
    }

    fn sync(&mut self) {
        self.synced = Instant::now();
        self.keep(Library::sync);
    }

    fn forget(&mut self, damaged: Damaged) {
        let damaged: HashSet<_> = damaged.into_iter().collect();
        for (weights, number) in damaged {
            self.keep(|library| library.forget_row(weights, number));
        }
        self.tell_left(&[]);
    }

    /// What has left the library since the last call, and what of these new scores is not there.
    fn tell_left(&mut self, new: &[ScoredSample]) {
        let gone = self.library.as_mut().map(Library::left).unwrap_or_default();
        let is_kept = |weights: &Digest, sample: &Digest| {
            self.library.as_ref().is_some_and(|library| library.holds(weights, sample))
        };
        let pairs = |sample: &ScoredSample| {
            let checksum = sample.checksum;
            sample.scores.iter().map(|(weights, _)| (*weights, checksum)).collect::<Vec<_>>()
        };
        let unkept: Vec<_> = new.iter().flat_map(pairs).filter(|(weights, sample)| !is_kept(weights, sample)).collect();
        if !(gone.is_empty() && unkept.is_empty()) {
            self.send(Reply::Left { gone, unkept });
        }
    }

    fn tell(&self, changed: impl IntoIterator<Item = ObjectId>) {
        let standings = changed.into_iter().filter_map(|id| Some((id, self.board.standing(&id)?.clone())));
        let standings: Vec<_> = standings.collect();
        if !standings.is_empty() {
            self.send(Reply::Standings(standings));
        }
    }

    fn tell_troubles(&mut self) {
        let troubles = self.library.as_mut().map(Library::troubles).unwrap_or_default();
        troubles.into_iter().for_each(|text| self.send(Reply::Trouble(text)));
    }

    fn send(&self, reply: Reply) {
        // Nobody listens after the end.
        let _ = self.told.send(reply);
    }
}
