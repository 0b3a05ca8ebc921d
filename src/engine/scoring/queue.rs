//! What waits for the scorers, and who takes what next.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{ConfirmJob, Fault, ScoreJob, Scored, Scorer, WeightsSpec, rows};
use crate::{engine::corpus::Sample, model::Score, primitives::Digest};

/// How long a scorer leaves weights alone that it could not use, while others can.
const REFUSAL: Duration = Duration::from_secs(60);
/// Of samples that are here.
const MOST_BYTES: usize = 64 << 20;
/// Another scorer's model is worth loading for so many of our batches.
const WORTH_LOADING: usize = 4;

/// What a scorer is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) enum Doing {
    #[default]
    Idle,
    Scoring,
    Confirming,
    /// Has a setback behind it.
    Resting,
    Gone,
}

/// A scorer's state and counts of this run.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Gauge {
    pub name: String,
    pub doing: Doing,
    /// Of its batches now.
    pub batch_rows: usize,
    /// Evaluated: rows times models.
    pub rows: u64,
    pub bytes: u64,
    pub busy: Duration,
    pub trouble: Option<String>,
    /// Rows that its memory has room for, if that is less than there should be.
    pub row_limit: Option<usize>,
}

/// What is said of a scorer whose memory has room for so many rows only.
pub(in crate::engine) fn halved(rows: usize) -> String {
    format!("batch halved to {rows} {}: out of memory", if rows == 1 { "row" } else { "rows" })
}

#[derive(Default)]
struct Seat {
    gauge: Gauge,
    /// Weights that it could begin with at once, when it last took work.
    ready: HashSet<Digest>,
    /// Weights of the batch in work.
    at: Option<Digest>,
    appetite: usize,
    confirms: bool,
}

impl Seat {
    fn is_at_work(&self) -> bool {
        !matches!(self.gauge.doing, Doing::Resting | Doing::Gone)
    }
}

struct Entry {
    sample: Sample,
    /// Models that have not answered.
    missing: usize,
    results: Vec<(Digest, Result<Arc<Score>, Fault>)>,
}

impl Entry {
    fn told(self) -> Scored {
        let tokens = (self.sample.bytes.len() * self.results.len()) as u64;
        let Self { sample: Sample { checksum, source, .. }, results, .. } = self;
        Scored::Sample { checksum, source, tokens, results }
    }
}

/// The samples that wait for one model.
struct Waiting {
    weights: Arc<WeightsSpec>,
    /// By age.
    numbers: BTreeSet<u64>,
    /// Scorers that could not use the weights, and when they try again.
    refused: HashMap<usize, Instant>,
}

#[derive(Default)]
struct State {
    confirmations: VecDeque<ConfirmJob>,
    entries: HashMap<u64, Entry>,
    waiting: BTreeMap<Digest, Waiting>,
    seats: Vec<Seat>,
    next: u64,
    /// Of all entries.
    rows: usize,
    bytes: usize,
    paused: bool,
    closed: bool,
}

/// One model and the samples to run through it.
pub(super) struct Batch {
    pub weights: Arc<WeightsSpec>,
    pub samples: Vec<Sample>,
    pub numbers: Vec<u64>,
}

pub(super) enum Work {
    Confirm(ConfirmJob),
    Score(Batch),
}

/// Bounded by the appetites of the scorers.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    work: Condvar,
}

impl Queue {
    /// Every change is whole before the lock is let go, so the state of a holder that panicked is still a state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn enlist(&self, scorer: &dyn Scorer) -> usize {
        let mut state = self.lock();
        let gauge = Gauge { name: scorer.name(), batch_rows: scorer.batch_rows(), ..Gauge::default() };
        let (appetite, confirms) = (scorer.appetite(), scorer.exact().is_some());
        state.seats.push(Seat { gauge, appetite, confirms, ..Seat::default() });
        state.seats.len() - 1
    }

    pub fn has_room(&self) -> bool {
        let state = self.lock();
        state.rows < state.appetite() && state.bytes < MOST_BYTES
    }

    pub fn rows(&self) -> (usize, usize) {
        let state = self.lock();
        (state.rows, state.appetite())
    }

    pub fn push(&self, job: ScoreJob) {
        let mut state = self.lock();
        let (number, missing) = (state.next, job.models.len());
        if missing == 0 {
            return;
        }
        state.next += 1;
        state.rows += rows(&job.sample);
        state.bytes += job.sample.bytes.len();
        state.entries.insert(number, Entry { sample: job.sample, missing, results: Vec::with_capacity(missing) });
        for weights in job.models {
            let fresh = || Waiting { weights: weights.clone(), numbers: BTreeSet::new(), refused: HashMap::new() };
            state.waiting.entry(weights.id()).or_insert_with(fresh).numbers.insert(number);
        }
        drop(state);
        self.work.notify_all();
    }

    pub fn confirm(&self, job: ConfirmJob) {
        self.lock().confirmations.push_back(job);
        self.work.notify_all();
    }

    pub fn pause(&self, paused: bool) {
        self.lock().paused = paused;
        self.work.notify_all();
    }

    pub fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
    }

    pub fn gauges(&self) -> Vec<Gauge> {
        self.lock().seats.iter().map(|seat| seat.gauge.clone()).collect()
    }

    pub fn samples(&self) -> usize {
        self.lock().entries.len()
    }

    /// Waits for work. `searches`: whether it may be a batch. `None`: the queue is closed.
    pub fn next(&self, seat: usize, scorer: &dyn Scorer, batch_rows: usize, searches: bool) -> Option<Work> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            let now = Instant::now();
            if let Some(work) = state.take(seat, scorer, batch_rows, searches, now) {
                // Whoever waits may want what this one leaves.
                self.work.notify_all();
                return Some(work);
            }
            let refused = state.waiting.values().filter(|waiting| !waiting.numbers.is_empty());
            let again =
                refused.filter_map(|waiting| waiting.refused.get(&seat)).filter(|until| **until > now).min().copied();
            state = match again {
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(again) => {
                    let patience = again.saturating_duration_since(now);
                    self.work.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Books what a scorer has evaluated. Gives the samples that are done.
    pub fn finish(&self, weights: Digest, done: Vec<(u64, Result<Score, Fault>)>) -> Vec<Scored> {
        let mut state = self.lock();
        let done = done.into_iter().filter_map(|(number, result)| {
            let entry = state.entries.get_mut(&number)?;
            entry.results.push((weights, result.map(Arc::new)));
            state.answered(number)
        });
        done.collect()
    }

    /// Lets others have these samples.
    pub fn give_back(&self, weights: &Arc<WeightsSpec>, numbers: Vec<u64>) {
        let mut state = self.lock();
        // Those that were forgotten meanwhile stay so.
        let numbers: Vec<u64> = numbers.into_iter().filter(|number| state.entries.contains_key(number)).collect();
        let fresh = || Waiting { weights: weights.clone(), numbers: BTreeSet::new(), refused: HashMap::new() };
        state.waiting.entry(weights.id()).or_insert_with(fresh).numbers.extend(numbers);
        drop(state);
        self.work.notify_all();
    }

    /// A scorer cannot use these weights. If none can, nobody waits for them any longer: gives what is to be told then.
    pub fn refuse(&self, seat: usize, weights: Digest, why: String) -> Vec<Scored> {
        let mut state = self.lock();
        let until = Instant::now() + REFUSAL;
        let Some(waiting) = state.waiting.get_mut(&weights) else { return Vec::new() };
        waiting.refused.insert(seat, until);
        state.give_up_on(weights, why)
    }

    /// A pause after a setback; ends early when the queue is closed.
    pub fn rest(&self, seat: usize, why: String, pause: Duration) {
        let until = Instant::now() + pause;
        let mut state = self.lock();
        state.seats[seat].step_back(Doing::Resting, why);
        self.work.notify_all();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                break;
            }
            state = self.work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.seats[seat].gauge.doing = Doing::Idle;
    }

    /// A scorer searches no more. Gives what is to be told: weights that only it could use.
    pub fn leave(&self, seat: usize, why: String) -> Vec<Scored> {
        let mut state = self.lock();
        state.seats[seat].step_back(Doing::Gone, why.clone());
        self.work.notify_all();
        let all: Vec<Digest> = state.waiting.keys().copied().collect();
        all.into_iter().flat_map(|weights| state.give_up_on(weights, why.clone())).collect()
    }

    /// Books a batch on a scorer's gauge.
    pub fn count(&self, seat: usize, rows: usize, bytes: usize, busy: Duration) {
        let mut state = self.lock();
        let gauge = &mut state.seats[seat].gauge;
        gauge.rows += rows as u64;
        gauge.bytes += bytes as u64;
        gauge.busy += busy;
        if rows > 0 {
            gauge.trouble = None;
        }
    }

    /// Books how many rows a scorer's memory has room for.
    pub fn limit(&self, seat: usize, rows: Option<usize>) {
        self.lock().seats[seat].gauge.row_limit = rows;
    }

    pub fn forget(&self, gone: impl Fn(&Digest) -> bool) -> Vec<Scored> {
        let mut state = self.lock();
        let gone: Vec<Digest> = state.waiting.keys().copied().filter(gone).collect();
        gone.into_iter().flat_map(|weights| state.drop_waiting(weights)).collect()
    }

    pub fn clear(&self) -> Vec<Scored> {
        let mut state = self.lock();
        state.waiting.clear();
        (state.rows, state.bytes) = (0, 0);
        let entries = std::mem::take(&mut state.entries);
        entries.into_values().filter(|entry| !entry.results.is_empty()).map(Entry::told).collect()
    }
}

impl Seat {
    fn step_back(&mut self, doing: Doing, why: String) {
        self.gauge.doing = doing;
        self.gauge.trouble = Some(why);
        self.at = None;
        // What it holds is no reason for others to leave it alone.
        self.ready.clear();
    }
}

impl State {
    fn appetite(&self) -> usize {
        self.seats.iter().filter(|seat| seat.is_at_work()).map(|seat| seat.appetite).sum()
    }

    fn take(
        &mut self,
        seat: usize,
        scorer: &dyn Scorer,
        batch_rows: usize,
        searches: bool,
        now: Instant,
    ) -> Option<Work> {
        let appetite = scorer.appetite();
        let ready = self.waiting.iter().filter(|(_, waiting)| scorer.is_ready(&waiting.weights));
        let ready: HashSet<Digest> = ready.map(|(weights, _)| *weights).collect();
        let me = &mut self.seats[seat];
        (me.ready, me.at, me.appetite) = (ready, None, appetite);
        me.gauge.batch_rows = batch_rows;
        if me.gauge.doing != Doing::Gone {
            me.gauge.doing = Doing::Idle;
        }
        if me.confirms
            && let Some(job) = self.confirmations.pop_front()
        {
            me.gauge.doing = Doing::Confirming;
            return Some(Work::Confirm(job));
        }
        if self.paused || !searches {
            return None;
        }
        let weights = self.choose(seat, batch_rows, now)?;
        let batch = self.cut(weights, batch_rows)?;
        let me = &mut self.seats[seat];
        (me.at, me.gauge.doing) = (Some(weights), Doing::Scoring);
        Some(Work::Score(batch))
    }

    /// The module's rule: what is ready and oldest, else what most wait for.
    fn choose(&self, seat: usize, batch_rows: usize, now: Instant) -> Option<Digest> {
        let waiting = |(_, waiting): &(&Digest, &Waiting)| {
            !waiting.numbers.is_empty() && waiting.refused.get(&seat).is_none_or(|until| *until <= now)
        };
        let open: Vec<(&Digest, &Waiting)> = self.waiting.iter().filter(waiting).collect();
        let ready = open.iter().filter(|(weights, _)| self.seats[seat].ready.contains(*weights));
        if let Some((weights, _)) = ready.min_by_key(|(_, waiting)| waiting.numbers.first()) {
            return Some(**weights);
        }
        let others = || self.seats.iter().enumerate().filter(|(other, _)| *other != seat).map(|(_, seat)| seat);
        let is_free = |weights: &Digest, waiting: &Waiting| {
            let held = others().any(|other| other.ready.contains(weights) || other.at == Some(*weights));
            !held || waiting.numbers.len() > WORTH_LOADING * batch_rows
        };
        let free = open.into_iter().filter(|(weights, waiting)| is_free(weights, waiting));
        let best = free.min_by_key(|(weights, waiting)| {
            let at_it = others().filter(|other| other.at == Some(**weights)).count();
            (at_it, Reverse(waiting.numbers.len()), waiting.numbers.first().copied())
        });
        best.map(|(weights, _)| *weights)
    }

    /// The oldest samples that wait for a model, up to so many rows and at least one.
    fn cut(&mut self, weights: Digest, batch_rows: usize) -> Option<Batch> {
        let waiting = self.waiting.get_mut(&weights)?;
        let mut batch = Batch { weights: waiting.weights.clone(), samples: Vec::new(), numbers: Vec::new() };
        let mut taken = 0;
        while let Some(number) = waiting.numbers.first().copied() {
            let Some(entry) = self.entries.get(&number) else {
                waiting.numbers.pop_first();
                continue;
            };
            let more = rows(&entry.sample);
            if taken > 0 && taken + more > batch_rows {
                break;
            }
            waiting.numbers.pop_first();
            taken += more;
            batch.samples.push(entry.sample.clone());
            batch.numbers.push(number);
        }
        (!batch.numbers.is_empty()).then_some(batch)
    }

    /// One model less to wait for. Gives the sample, if that was the last.
    fn answered(&mut self, number: u64) -> Option<Scored> {
        let entry = self.entries.get_mut(&number)?;
        entry.missing = entry.missing.saturating_sub(1);
        if entry.missing > 0 {
            return None;
        }
        let entry = self.entries.remove(&number)?;
        self.rows -= rows(&entry.sample);
        self.bytes -= entry.sample.bytes.len();
        Some(entry.told())
    }

    fn drop_waiting(&mut self, weights: Digest) -> Vec<Scored> {
        let numbers = self.waiting.remove(&weights).map(|waiting| waiting.numbers).unwrap_or_default();
        numbers.into_iter().filter_map(|number| self.answered(number)).collect()
    }

    /// If no scorer can use these weights. Who rests may come back, but samples that nobody at work can use would keep out all others
    /// until then.
    fn give_up_on(&mut self, weights: Digest, why: String) -> Vec<Scored> {
        let Some(waiting) = self.waiting.get(&weights) else { return Vec::new() };
        let might = |number: usize| !waiting.refused.contains_key(&number);
        let seats = || self.seats.iter().enumerate();
        let is_any_at_work = seats().any(|(_, seat)| seat.is_at_work());
        let mut awaited = seats().filter(|(_, seat)| match is_any_at_work {
            true => seat.is_at_work(),
            false => seat.gauge.doing != Doing::Gone,
        });
        if awaited.any(|(number, _)| might(number)) {
            return Vec::new();
        }
        let mut told = vec![Scored::Broken { weights, why }];
        told.extend(self.drop_waiting(weights));
        told
    }
}
