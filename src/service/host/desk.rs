//! One device: a bounded number of threads that evaluate what waits, in turn for each guest, and the rows of all who ask for the same
//! model together.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::memory::{Memory, ScoreKey};
use crate::{
    model::{Model, ModelError, SEQUENCE_LENGTH, Score},
    service::Failure,
};

/// Rows that share a forward pass. More would only make the next guest wait.
const BATCH_ROWS: usize = 16;

pub(super) type Outcome = Result<Arc<Score>, Failure>;

/// One evaluation that waits.
struct Waiting {
    key: ScoreKey,
    model: Arc<Model>,
    data: Bytes,
}

impl Waiting {
    fn rows(&self) -> usize {
        self.data.len().div_ceil(SEQUENCE_LENGTH).max(1)
    }

    fn joins(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.model, &other.model) && self.key.seed == other.key.seed
    }
}

#[derive(Default)]
struct Queue {
    /// What each guest waits for; the guest whose turn it is first. None is empty.
    lanes: VecDeque<(Option<IpAddr>, VecDeque<Waiting>)>,
    /// Whom to tell of what waits or runs.
    told: HashMap<ScoreKey, Vec<oneshot::Sender<Outcome>>>,
    /// Rows that wait or run.
    rows: usize,
    closed: bool,
}

impl Queue {
    fn push(&mut self, guest: Option<IpAddr>, waiting: Waiting) {
        self.rows += waiting.rows();
        match self.lanes.iter_mut().find(|(whose, _)| *whose == guest) {
            Some((_, lane)) => lane.push_back(waiting),
            None => self.lanes.push_back((guest, VecDeque::from([waiting]))),
        }
    }

    /// The next guest's oldest evaluation, and everybody's that can share its passes; what nobody waits for any more is dropped.
    fn next(&mut self) -> Option<Vec<Waiting>> {
        let mut batch: Vec<Waiting> = Vec::new();
        let (mut rows, told, waiting_rows) = (0, &mut self.told, &mut self.rows);
        let mut is_wanted = |waiting: &Waiting| {
            let wanted = told.get(&waiting.key).is_some_and(|told| told.iter().any(|told| !told.is_closed()));
            if !wanted {
                told.remove(&waiting.key);
                *waiting_rows -= waiting.rows();
            }
            wanted
        };
        while batch.is_empty() {
            let (guest, mut lane) = self.lanes.pop_front()?;
            if let Some(first) = lane.pop_front().filter(&mut is_wanted) {
                rows += first.rows();
                batch.push(first);
            }
            if !lane.is_empty() {
                self.lanes.push_back((guest, lane));
            }
        }
        for (_, lane) in &mut self.lanes {
            let mut at = 0;
            while let Some(waiting) = lane.get(at) {
                let fits =
                    rows + waiting.rows() <= BATCH_ROWS && batch.first().is_some_and(|first| first.joins(waiting));
                if fits && let Some(waiting) = lane.remove(at) {
                    if is_wanted(&waiting) {
                        rows += waiting.rows();
                        batch.push(waiting);
                    }
                } else {
                    at += 1;
                }
            }
        }
        self.lanes.retain(|(_, lane)| !lane.is_empty());
        Some(batch)
    }
}

struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    memory: Arc<Memory>,
}

impl Shared {
    /// Evaluations are pushed, taken and ended whole, so a queue whose holder panicked is still a queue.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Handle on the threads of a device; they end when it is dropped, after the batch at hand.
pub(super) struct Desk(Arc<Shared>);

impl Desk {
    pub fn spawn(name: &str, threads: usize, memory: Arc<Memory>) -> io::Result<Self> {
        let desk = Self(Arc::new(Shared { queue: Mutex::default(), work: Condvar::new(), memory }));
        for number in 0..threads.max(1) {
            let shared = desk.0.clone();
            thread::Builder::new().name(format!("{name}-{number}")).spawn(move || work(&shared))?;
        }
        Ok(desk)
    }

    /// Rows that wait or run.
    pub fn rows(&self) -> usize {
        self.0.lock().rows
    }

    /// The score of `data`, which `key` names, by `model`. No answer comes if the evaluation was given up.
    pub fn ask(
        &self,
        guest: Option<IpAddr>,
        key: ScoreKey,
        model: Arc<Model>,
        data: Bytes,
    ) -> oneshot::Receiver<Outcome> {
        let (tell, told) = oneshot::channel();
        let mut queue = self.0.lock();
        // Looked at under the lock: what ends is remembered before it is taken off the list of what runs.
        if let Some(score) = self.0.memory.get(&key) {
            let _ = tell.send(Ok(score));
        } else if let Some(others) = queue.told.get_mut(&key) {
            others.push(tell);
        } else {
            queue.told.insert(key, vec![tell]);
            queue.push(guest, Waiting { key, model, data });
            self.0.work.notify_one();
        }
        told
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.work.notify_all();
    }
}

fn next(shared: &Shared) -> Option<Vec<Waiting>> {
    let mut queue = shared.lock();
    loop {
        if queue.closed {
            return None;
        }
        if let Some(batch) = queue.next() {
            return Some(batch);
        }
        queue = shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
}

fn work(shared: &Shared) {
    while let Some(batch) = next(shared) {
        let outcomes = evaluate(&batch);
        // The models are let go before anybody hears of it: the next may need their room.
        let done: Vec<(ScoreKey, usize)> = batch.into_iter().map(|waiting| (waiting.key, waiting.rows())).collect();
        let mut queue = shared.lock();
        for ((key, rows), outcome) in done.into_iter().zip(outcomes) {
            if let Ok(score) = &outcome {
                shared.memory.keep(key, score.clone());
            }
            queue.rows -= rows;
            for tell in queue.told.remove(&key).unwrap_or_default() {
                // Who has gone meanwhile does not need it.
                let _ = tell.send(outcome.clone());
            }
        }
    }
}

/// In the batch's order. A panic, which a stranger's weights may have provoked, costs these evaluations and not the thread: each is then
/// tried by itself, and the one that fails is told as an error.
fn evaluate(batch: &[Waiting]) -> Vec<Outcome> {
    let Some(first) = batch.first() else { return Vec::new() };
    let together = |batch: &[Waiting]| {
        let samples: Vec<&[u8]> = batch.iter().map(|waiting| &*waiting.data).collect();
        catch_unwind(AssertUnwindSafe(|| first.model.score_batch(&samples, first.key.seed)))
    };
    let outcome = |result: Result<Score, ModelError>| result.map(Arc::new).map_err(Failure::from);
    if let Ok(results) = together(batch) {
        return results.into_iter().map(outcome).collect();
    }
    let alone = |waiting: &Waiting| {
        let results = together(std::slice::from_ref(waiting));
        results.ok().and_then(|mut results| results.pop()).map_or(Err(Failure::Stopped), outcome)
    };
    batch.iter().map(alone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::{Digest, hash};

    fn model(n: u8) -> Arc<Model> {
        let path = format!("{}/tests/data/model/small16_model_{n}.safetensors", env!("CARGO_MANIFEST_DIR"));
        Arc::new(Model::from_safetensors(&std::fs::read(path).expect("a model"), None).expect("weights"))
    }

    fn guest(n: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, n]))
    }

    fn key(data: &[u8], weights: u8) -> ScoreKey {
        ScoreKey { data: (hash(data), data.len() as u64), weights: (Digest([weights; 32]), 1), key: None, seed: 0 }
    }

    fn waiting(data: &'static [u8], weights: u8, model: &Arc<Model>) -> Waiting {
        Waiting { key: key(data, weights), model: model.clone(), data: Bytes::from_static(data) }
    }

    /// Puts it into the queue with somebody who listens.
    fn push(queue: &mut Queue, guest: Option<IpAddr>, waiting: Waiting) -> oneshot::Receiver<Outcome> {
        let (tell, told) = oneshot::channel();
        queue.told.insert(waiting.key, vec![tell]);
        queue.push(guest, waiting);
        told
    }

    #[test]
    fn guests_take_turns_and_share_the_passes_of_a_model() {
        let models = [model(0), model(1)];
        let mut queue = Queue::default();
        let told = [
            push(&mut queue, guest(1), waiting(b"a", 0, &models[0])),
            push(&mut queue, guest(1), waiting(b"b", 1, &models[1])),
            push(&mut queue, guest(1), waiting(b"c", 0, &models[0])),
            push(&mut queue, guest(2), waiting(b"d", 1, &models[1])),
            push(&mut queue, guest(2), waiting(b"e", 0, &models[0])),
        ];
        let mut taken = || -> Option<Vec<u8>> { Some(queue.next()?.iter().map(|waiting| waiting.data[0]).collect()) };
        assert_eq!(taken(), Some(b"aec".to_vec()));
        assert_eq!(taken(), Some(b"db".to_vec()));
        assert_eq!(taken(), None);
        drop(told);
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_not_evaluated() {
        let one = model(0);
        let mut queue = Queue::default();
        drop(push(&mut queue, guest(1), waiting(b"a", 0, &one)));
        let told = push(&mut queue, guest(1), waiting(b"b", 0, &one));
        drop(push(&mut queue, guest(2), waiting(b"c", 0, &one)));
        assert_eq!(queue.next().map(|batch| batch.len()), Some(1));
        assert_eq!((queue.next().map(|batch| batch.len()), queue.told.len(), queue.rows), (None, 1, 1));
        drop(told);
    }

    #[test]
    fn a_batch_has_no_more_rows_than_a_pass() {
        let one = model(0);
        let long: &'static [u8] = &[7; 10 * SEQUENCE_LENGTH];
        let other: &'static [u8] = &[8; 10 * SEQUENCE_LENGTH];
        let mut queue = Queue::default();
        let told = [
            push(&mut queue, guest(1), waiting(long, 0, &one)),
            push(&mut queue, guest(2), waiting(other, 0, &one)),
            push(&mut queue, guest(3), waiting(b"short", 0, &one)),
        ];
        assert_eq!(queue.rows, 21);
        assert_eq!(queue.next().map(|batch| batch.len()), Some(2), "the long one and the short one");
        drop(told);
    }

    #[tokio::test]
    async fn the_same_question_is_computed_once_and_answered_to_all() {
        let memory = Arc::new(Memory::new(1 << 20));
        let desk = Desk::spawn("test", 1, memory.clone()).expect("a thread");
        let one = model(0);
        let alone = one.score(b"soma", 0).expect("a score");
        let ask = |n| desk.ask(guest(n), key(b"soma", 0), one.clone(), Bytes::from_static(b"soma"));
        let (first, second) = (ask(1), ask(2));
        let scores = [first, second].map(|told| async { told.await.expect("an answer").expect("a score") });
        let [first, second] = futures::future::join_all(scores).await.try_into().expect("two");
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(*first, alone);
        let remembered = ask(3).await.expect("an answer").expect("a score");
        assert!(Arc::ptr_eq(&first, &remembered));
        assert_eq!(desk.rows(), 0);
    }

    #[tokio::test]
    async fn data_without_a_score_is_an_error_of_its_own() {
        let desk = Desk::spawn("test", 1, Arc::new(Memory::new(1 << 20))).expect("a thread");
        let one = model(0);
        let empty = desk.ask(guest(1), key(b"", 0), one.clone(), Bytes::new());
        let fine = desk.ask(guest(1), key(b"x", 0), one.clone(), Bytes::from_static(b"x"));
        let refused = empty.await.expect("told").expect_err("no data");
        assert!(matches!(refused, Failure::Model(cause) if matches!(*cause, ModelError::EmptyData)));
        fine.await.expect("told").expect("a score");
    }
}
