//! The device: dedicated threads that score samples and confirm hits, and the weights they use.
//!
//! Knows `model`, `storage` (to fetch weights) and the corpus; never the chain's client or the journal. Confirmations go
//! before search. Never makes a [`ConfirmedHit`] from anything but bytes read again and scored in full precision.

mod board;
mod confirm;
mod decrypt;
mod downloads;
mod residency;
mod weights;

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use tokio::sync::mpsc;

use super::corpus::{Sample, Source};
use crate::{
    api::SubmissionId,
    model::{Model, Score},
    primitives::Digest,
};

pub(super) use confirm::{ConfirmJob, ConfirmedHit, NotConfirmed};
pub(super) use residency::Residents;
pub(super) use weights::{WeightsCache, WeightsError, WeightsSpec};

/// The audit's seed (`protocol.md §7.8`).
pub(super) const SEED: u64 = 0;

/// One sample, to be scored once with each of these models.
pub(super) struct ScoreJob {
    pub sample: Sample,
    pub models: Vec<(Digest, Arc<Model>)>,
}

/// What a scorer tells.
pub(super) enum Scored {
    Sample { checksum: Digest, source: Source, tokens: u64, results: Vec<(Digest, Result<Arc<Score>, String>)> },
    Confirmation { submission: SubmissionId, result: Result<Box<ConfirmedHit>, NotConfirmed> },
}

#[derive(Default)]
struct Queue {
    confirmations: VecDeque<ConfirmJob>,
    search: VecDeque<ScoreJob>,
    paused: bool,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    confirmed: confirm::Evaluations,
}

impl Shared {
    /// Jobs are pushed and popped whole, so a queue whose holder panicked is still a queue.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Handle on the scoring threads; they end when this is dropped, after the job at hand.
pub(super) struct Scorers {
    shared: Arc<Shared>,
    threads: usize,
    pub results: mpsc::UnboundedReceiver<Scored>,
}

impl Scorers {
    pub fn spawn(threads: usize) -> io::Result<Self> {
        let (told, results) = mpsc::unbounded_channel();
        let scorers = Self { shared: Arc::new(Shared::default()), threads: threads.max(1), results };
        for number in 0..scorers.threads {
            let (shared, told) = (scorers.shared.clone(), told.clone());
            thread::Builder::new().name(format!("scorer-{number}")).spawn(move || work(&shared, &told))?;
        }
        Ok(scorers)
    }

    pub fn threads(&self) -> usize {
        self.threads
    }

    pub fn score(&self, job: ScoreJob) {
        self.shared.lock().search.push_back(job);
        self.shared.work.notify_one();
    }

    pub fn confirm(&self, job: ConfirmJob) {
        self.shared.lock().confirmations.push_back(job);
        self.shared.work.notify_one();
    }

    /// Stops the search; confirmations go on.
    pub fn pause(&self, paused: bool) {
        self.shared.lock().paused = paused;
        self.shared.work.notify_all();
    }

    /// Forgets the samples that wait.
    pub fn clear_search(&self) {
        self.shared.lock().search.clear();
    }

    /// Samples that wait for a thread.
    pub fn waiting(&self) -> usize {
        self.shared.lock().search.len()
    }
}

impl Drop for Scorers {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_all();
    }
}

/// Confirms in the caller's thread, which is kept busy for as long as the models take.
pub(super) fn confirm_here(job: &ConfirmJob) -> Result<ConfirmedHit, NotConfirmed> {
    confirm::confirm(job, &confirm::Evaluations::default())
}

enum Job {
    Confirm(ConfirmJob),
    Score(ScoreJob),
}

fn next(shared: &Shared) -> Option<Job> {
    let mut queue = shared.lock();
    loop {
        if queue.closed {
            return None;
        }
        if let Some(job) = queue.confirmations.pop_front() {
            return Some(Job::Confirm(job));
        }
        if !queue.paused
            && let Some(job) = queue.search.pop_front()
        {
            return Some(Job::Score(job));
        }
        queue = shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
}

fn work(shared: &Shared, told: &mpsc::UnboundedSender<Scored>) {
    while let Some(job) = next(shared) {
        let result = match job {
            Job::Confirm(job) => {
                let result = confirm::confirm(&job, &shared.confirmed).map(Box::new);
                Scored::Confirmation { submission: job.submission, result }
            }
            Job::Score(ScoreJob { sample, models }) => {
                let tokens = (sample.bytes.len() * models.len()) as u64;
                let score = |(weights, model): (Digest, Arc<Model>)| {
                    (weights, model.score(&sample.bytes, SEED).map(Arc::new).map_err(|e| e.to_string()))
                };
                let results = models.into_iter().map(score).collect();
                Scored::Sample { checksum: sample.checksum, source: sample.source, tokens, results }
            }
        };
        if told.send(result).is_err() {
            return;
        }
    }
}
