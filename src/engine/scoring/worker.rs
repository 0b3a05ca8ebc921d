//! A scorer's thread: confirmations first, then batches; what goes wrong costs the item, not the run.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use tokio::sync::mpsc;

use super::{
    Fault, Scored, Scorer, Setback, WeightsSpec, confirm,
    confirm::{ConfirmJob, Evaluations, NotConfirmed},
    queue::{Batch, Queue, Work},
    rows,
};
use crate::{
    engine::corpus::Sample,
    model::{Room, Score},
};

/// Samples that a device may fail at, one after the other, before it counts as gone.
const LAST_STRAW: u32 = 16;

/// The listener is gone.
struct Deaf;

/// Until the queue is closed or nobody listens.
pub(super) fn work(
    queue: &Queue,
    seat: usize,
    scorer: Box<dyn Scorer>,
    evaluations: &Evaluations,
    told: &mpsc::Sender<Scored>,
) {
    // How many are wanted is the scorer's to say, and changes.
    let room = Room::new(usize::MAX);
    let mut worker = Worker { queue, seat, told, evaluations, room, limit: None, failures: 0, searches: true, scorer };
    while let Some(work) = worker.queue.next(seat, &*worker.scorer, worker.batch_rows(), worker.searches) {
        let done = match work {
            Work::Confirm(job) => worker.confirm(job),
            Work::Score(batch) => worker.score(batch),
        };
        // A device that is gone leaves its thread to confirmations, if it has any.
        if done.is_err() || !(worker.searches || worker.scorer.exact().is_some()) {
            return;
        }
    }
}

struct Worker<'a> {
    queue: &'a Queue,
    seat: usize,
    told: &'a mpsc::Sender<Scored>,
    evaluations: &'a Evaluations,
    /// Rows of a batch that fit.
    room: Room,
    /// Rows that fit, as it was told last.
    limit: Option<usize>,
    /// Of the device, in a row.
    failures: u32,
    searches: bool,
    scorer: Box<dyn Scorer>,
}

/// What became of a batch.
struct Outcome {
    done: Vec<(u64, Result<Score, Fault>)>,
    left: Vec<u64>,
    setback: Option<Setback>,
}

impl Worker<'_> {
    fn batch_rows(&self) -> usize {
        self.room.rows().min(self.scorer.batch_rows()).max(1)
    }

    fn tell(&self, scored: impl IntoIterator<Item = Scored>) -> Result<(), Deaf> {
        scored.into_iter().try_for_each(|scored| self.told.blocking_send(scored).map_err(|_| Deaf))
    }

    fn confirm(&mut self, job: ConfirmJob) -> Result<(), Deaf> {
        let started = Instant::now();
        let result = match self.scorer.exact() {
            None => Err(NotConfirmed::Aborted("nothing here confirms".into())),
            Some(exact) => {
                let confirm = || confirm::confirm(&job, self.evaluations, &*exact);
                catch_unwind(AssertUnwindSafe(confirm))
                    .unwrap_or_else(|panic| Err(NotConfirmed::Aborted(words(&*panic))))
            }
        };
        self.queue.count(self.seat, 0, 0, started.elapsed());
        self.tell([Scored::Confirmation { submission: job.submission, result: result.map(Box::new) }])
    }

    fn score(&mut self, batch: Batch) -> Result<(), Deaf> {
        let started = Instant::now();
        let Batch { weights, samples, numbers } = batch;
        let Outcome { done, left, setback } = self.evaluate(&weights, &samples, &numbers);
        let scored = samples.iter().zip(&numbers).filter(|(_, number)| !left.contains(number));
        let (mut evaluated, mut bytes) = (0, 0);
        for (sample, _) in scored {
            evaluated += rows(sample);
            bytes += sample.bytes.len();
        }
        self.queue.count(self.seat, evaluated, bytes, started.elapsed());
        for (_, result) in &done {
            self.failures = if matches!(result, Err(Fault::Device(_))) { self.failures + 1 } else { 0 };
        }
        let last = done.iter().rev().find_map(|(_, result)| match result {
            Err(Fault::Device(why)) => Some(why.clone()),
            _ => None,
        });
        let finished = self.queue.finish(weights.id(), done);
        if !left.is_empty() {
            self.queue.give_back(&weights, left);
        }
        self.tell(finished)?;
        self.tell_limit()?;
        match (setback, last) {
            (None, Some(why)) if self.failures >= LAST_STRAW => self.leave(why),
            (None | Some(Setback::OutOfMemory(_)), _) => Ok(()),
            (Some(Setback::Weights(why)), _) => self.tell(self.queue.refuse(self.seat, weights.id(), why)),
            (Some(Setback::Later { why, pause }), _) => {
                self.tell([Scored::Scorer { name: self.scorer.name(), trouble: Some(why.clone()) }])?;
                self.queue.rest(self.seat, why, pause);
                Ok(())
            }
            (Some(Setback::Gone(why)), _) => self.leave(why),
        }
    }

    /// Once for each change: a device whose memory is short is slower than it could be, and somebody may free some.
    fn tell_limit(&mut self) -> Result<(), Deaf> {
        let of_batches = self.room.limit().filter(|limit| *limit < self.scorer.batch_rows());
        let limit = of_batches.into_iter().chain(self.scorer.row_limit()).min();
        if limit == self.limit {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.limit, limit);
        self.queue.limit(self.seat, limit);
        self.tell([Scored::Limit { name: self.scorer.name(), before, rows: limit }])
    }

    fn leave(&mut self, why: String) -> Result<(), Deaf> {
        self.searches = false;
        let told = self.queue.leave(self.seat, why.clone());
        self.tell([Scored::Scorer {
            name: self.scorer.name(),
            trouble: Some(format!("{why}; it is left alone from now on")),
        }])?;
        self.tell(told)
    }

    /// Evaluates a batch, in halves where the device cannot take it whole or panics, down to single samples.
    fn evaluate(&mut self, weights: &WeightsSpec, samples: &[Sample], numbers: &[u64]) -> Outcome {
        let mut outcome = Outcome { done: Vec::with_capacity(numbers.len()), left: Vec::new(), setback: None };
        let whole = 0..samples.len();
        let mut parts = vec![whole];
        while let Some(part) = parts.pop() {
            let evaluate = || self.scorer.evaluate(weights, &samples[part.clone()]);
            let failed = match catch_unwind(AssertUnwindSafe(evaluate)) {
                Ok(Ok(results)) => {
                    let got = results.len().min(part.len());
                    outcome.done.extend(numbers[part.clone()].iter().copied().zip(results));
                    outcome.left.extend(&numbers[part.clone()][got..]);
                    self.room.fit(samples[part].iter().map(rows).sum());
                    continue;
                }
                Ok(Err(Setback::OutOfMemory(why))) => {
                    let rows = samples[part.clone()].iter().map(rows).sum();
                    self.room.short(rows);
                    let text = format!("{} has not the memory for it: {why}", self.scorer.name());
                    if rows > 1 { Fault::Sample(text) } else { Fault::Device(text) }
                }
                Err(panic) => Fault::Device(format!("{} panicked: {}", self.scorer.name(), words(&*panic))),
                Ok(Err(setback)) => {
                    let rest = parts.drain(..).chain([part]).flatten();
                    outcome.left.extend(rest.map(|at| numbers[at]));
                    outcome.setback = Some(setback);
                    break;
                }
            };
            match part.len() {
                0 => {}
                1 => outcome.done.push((numbers[part.start], Err(failed))),
                len => {
                    let middle = part.start + len / 2;
                    parts.extend([middle..part.end, part.start..middle]);
                }
            }
        }
        outcome
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "without a word".to_owned(),
    }
}
