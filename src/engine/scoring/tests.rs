//! The pipeline with scorers that count instead of computing.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{Mutex, PoisonError, mpsc as blocking},
};

use super::*;
use crate::{api::SubmissionId, engine::corpus, model, primitives::ObjectId};

type Evaluated = Vec<(Digest, Vec<Digest>)>;
type Results = Result<Vec<Result<Score, Fault>>, Setback>;

type Answer = dyn FnMut(&WeightsSpec, &[Sample]) -> Results + Send;

/// Holds so many models; the oldest goes when another one comes.
struct Fake {
    rows: usize,
    appetite: usize,
    fits: usize,
    resident: Vec<Digest>,
    batches: Arc<Mutex<Evaluated>>,
    loads: Arc<Mutex<Vec<Digest>>>,
    answer: Box<Answer>,
    confirms: bool,
    row_limit: Arc<Mutex<Option<usize>>>,
    /// Hangs up when the thread ends.
    _alive: Option<blocking::Sender<()>>,
}

impl Fake {
    fn new(rows: usize, appetite: usize, fits: usize) -> Self {
        Self {
            rows,
            appetite,
            fits,
            resident: Vec::new(),
            batches: Arc::default(),
            loads: Arc::default(),
            answer: Box::new(|weights, samples| Ok(samples.iter().map(|sample| Ok(score(weights, sample))).collect())),
            confirms: false,
            row_limit: Arc::default(),
            _alive: None,
        }
    }

    fn answering(self, answer: impl FnMut(&WeightsSpec, &[Sample]) -> Results + Send + 'static) -> Self {
        Self { answer: Box::new(answer), ..self }
    }
}

impl Scorer for Fake {
    fn name(&self) -> String {
        "fake".into()
    }
    fn batch_rows(&self) -> usize {
        self.rows
    }
    fn is_ready(&self, weights: &WeightsSpec) -> bool {
        self.resident.contains(&weights.checksum)
    }
    fn appetite(&self) -> usize {
        self.appetite
    }
    fn evaluate(&mut self, weights: &WeightsSpec, samples: &[Sample]) -> Results {
        if !self.is_ready(weights) {
            self.resident.push(weights.checksum);
            self.resident.drain(..self.resident.len().saturating_sub(self.fits));
            lock(&self.loads).push(weights.checksum);
        }
        let results = (self.answer)(weights, samples);
        if results.is_ok() {
            lock(&self.batches).push((weights.checksum, samples.iter().map(|sample| sample.checksum).collect()));
        }
        results
    }
    fn row_limit(&self) -> Option<usize> {
        *lock(&self.row_limit)
    }
    fn exact(&self) -> Option<Arc<Exact<'static>>> {
        self.confirms.then(|| Arc::new(|_: &WeightsSpec, _| None) as Arc<Exact<'static>>)
    }
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spec(n: u8) -> Arc<WeightsSpec> {
    Arc::new(WeightsSpec { checksum: Digest([n; 32]), url: String::new(), size: 1, key: Default::default() })
}

/// Of so many rows.
fn sample(n: u32, rows: usize) -> Sample {
    let mut bytes = vec![b'a'; rows * SEQUENCE_LENGTH];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    let source = Source::file(Path::new("sample").into(), 0, bytes.len() as u32, false);
    Sample { checksum: model::checksum(&bytes), source, bytes: bytes.into() }
}

/// One number for one (weights, sample).
fn score(weights: &WeightsSpec, sample: &Sample) -> Score {
    Score { loss: f32::from(weights.checksum.0[0]), embedding: vec![f32::from(sample.checksum.0[0])] }
}

fn spawn(fakes: Vec<Fake>) -> Scorers {
    Scorers::spawn(fakes.into_iter().map(|fake| Box::new(fake) as Box<dyn Scorer>).collect()).unwrap()
}

/// Feeds samples as the dispatcher does, and collects what is told until all are done.
fn run(scorers: &mut Scorers, samples: &[Sample], models: &[Arc<WeightsSpec>]) -> (Vec<Scored>, usize) {
    let (mut left, mut told, mut done, mut most) = (samples.iter(), Vec::new(), 0, 0);
    // All see as much as there is room for when they begin.
    scorers.pause(true);
    while done < samples.len() {
        while scorers.has_room() {
            let Some(sample) = left.next() else { break };
            scorers.score(ScoreJob { sample: sample.clone(), models: models.to_vec() });
            most = most.max(scorers.samples());
        }
        scorers.pause(false);
        let scored = scorers.results.blocking_recv().expect("scorers are at work");
        done += usize::from(matches!(scored, Scored::Sample { .. }));
        told.push(scored);
    }
    (told, most)
}

type ByModel = HashMap<Digest, Result<Arc<Score>, Fault>>;

fn results(told: &[Scored]) -> HashMap<Digest, ByModel> {
    let mut all: HashMap<Digest, ByModel> = HashMap::new();
    for scored in told {
        if let Scored::Sample { checksum, results, .. } = scored {
            let before = all.insert(*checksum, results.iter().cloned().collect());
            assert!(before.is_none(), "a sample is told once");
            assert_eq!(all[checksum].len(), results.len(), "and under each model once");
        }
    }
    all
}

#[test]
fn where_models_fit_a_batch_goes_through_all_of_them_before_the_next_begins() {
    let fake = Fake::new(4, 16, 3);
    let batches = fake.batches.clone();
    let mut scorers = spawn(vec![fake]);
    scorers.pause(true);
    let samples: Vec<_> = (0..16).map(|n| sample(n, 1)).collect();
    let models: Vec<_> = (1..=3).map(spec).collect();
    // All are loaded once; from then on the rule holds.
    scorers.score(ScoreJob { sample: sample(99, 1), models: models.clone() });
    scorers.pause(false);
    assert!(scorers.results.blocking_recv().is_some());
    lock(&batches).clear();
    scorers.pause(true);
    for sample in &samples {
        scorers.score(ScoreJob { sample: sample.clone(), models: models.clone() });
    }
    scorers.pause(false);
    for _ in &samples {
        assert!(scorers.results.blocking_recv().is_some());
    }
    let batches = lock(&batches);
    assert_eq!(batches.len(), 12);
    for (turn, three) in batches.chunks(3).enumerate() {
        let wanted: Vec<Digest> = samples[turn * 4..][..4].iter().map(|sample| sample.checksum).collect();
        assert!(three.iter().all(|(_, samples)| *samples == wanted));
        assert_eq!(three.iter().map(|(weights, _)| *weights).collect::<HashSet<_>>().len(), 3);
    }
}

#[test]
fn where_one_model_fits_a_long_run_goes_through_it_before_the_next_is_loaded() {
    const SAMPLES: u32 = 400;
    const WINDOW: usize = 100;
    let fake = Fake::new(4, WINDOW, 1);
    let (batches, loads) = (fake.batches.clone(), fake.loads.clone());
    let mut scorers = spawn(vec![fake]);
    let samples: Vec<_> = (0..SAMPLES).map(|n| sample(n, 1)).collect();
    let models: Vec<_> = (1..=3).map(spec).collect();
    let mut told = Vec::new();
    for window in samples.chunks(WINDOW) {
        // All of it is here before any of it is looked at.
        scorers.pause(true);
        for sample in window {
            assert!(scorers.has_room());
            scorers.score(ScoreJob { sample: sample.clone(), models: models.clone() });
        }
        assert!(!scorers.has_room());
        scorers.pause(false);
        told.extend(window.iter().map(|_| scorers.results.blocking_recv().expect("scorers are at work")));
    }
    assert_eq!(results(&told).len(), samples.len());
    assert!(results(&told).values().all(|by_model| by_model.len() == 3));
    let (loads, windows) = (lock(&loads).len(), SAMPLES as usize / WINDOW);
    assert!(loads <= 3 * windows, "{loads} loads for {windows} windows of three models");
    assert!(lock(&batches).len() >= 300);
}

#[test]
fn two_devices_that_hold_one_model_each_share_the_models() {
    let fakes = [Fake::new(4, 64, 1), Fake::new(4, 64, 1)];
    let loads: Vec<_> = fakes.iter().map(|fake| fake.loads.clone()).collect();
    let mut scorers = spawn(fakes.into());
    let samples: Vec<_> = (0..256).map(|n| sample(n, 1)).collect();
    let (told, most) = run(&mut scorers, &samples, &[spec(1), spec(2)]);
    assert!(most <= 128);
    assert_eq!(results(&told).len(), 256);
    // Alone, one of them would have to swap for each window.
    let loads: usize = loads.iter().map(|loads| lock(loads).len()).sum();
    assert!((2..64).contains(&loads), "{loads} loads for 128 batches");
}

#[test]
fn no_more_samples_are_taken_in_than_the_appetite_says_however_slow_the_listener_is() {
    let (go, gate) = blocking::channel::<()>();
    let fake = Fake::new(2, 8, 1).answering(move |weights, samples| {
        gate.recv().unwrap();
        Ok(samples.iter().map(|sample| Ok(score(weights, sample))).collect())
    });
    let mut scorers = spawn(vec![fake]);
    let mut given = 0;
    while scorers.has_room() {
        // Three rows each.
        scorers.score(ScoreJob { sample: sample(given, 3), models: vec![spec(1)] });
        given += 1;
    }
    assert_eq!(given, 3, "nine rows where eight are wanted: a sample is never split");
    for _ in 0..given {
        go.send(()).unwrap();
        assert!(matches!(scorers.results.blocking_recv(), Some(Scored::Sample { .. })));
    }
    assert!(scorers.has_room());
    assert_eq!(scorers.samples(), 0);
}

fn confirmation(dir: &Path) -> ConfirmJob {
    let path = dir.join("found");
    std::fs::write(&path, b"found").unwrap();
    ConfirmJob {
        submission: SubmissionId(7),
        shelf: corpus::Shelf::default(),
        source: corpus::Source::file(path.into(), 0, 5, false),
        checksum: model::checksum(b"found"),
        target: ObjectId([1; 32]),
        epoch: 1,
        embedding: vec![1.0],
        threshold: 1.0,
        models: vec![],
    }
}

#[test]
fn a_confirmation_goes_before_the_batches_that_wait_and_is_not_paused_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let (go, gate) = blocking::channel::<()>();
    let (begun, started) = blocking::channel::<()>();
    let fake = Fake { confirms: true, ..Fake::new(1, 100, 1) }.answering(move |weights, samples| {
        begun.send(()).unwrap();
        gate.recv().unwrap();
        Ok(samples.iter().map(|sample| Ok(score(weights, sample))).collect())
    });
    let mut scorers = spawn(vec![fake]);
    for n in 0..50 {
        scorers.score(ScoreJob { sample: sample(n, 1), models: vec![spec(1)] });
    }
    started.recv().unwrap();
    scorers.confirm(confirmation(dir.path()));
    go.send(()).unwrap();
    assert!(matches!(scorers.results.blocking_recv(), Some(Scored::Sample { .. })));
    let next = scorers.results.blocking_recv();
    assert!(matches!(next, Some(Scored::Confirmation { submission: SubmissionId(7), .. })));
    started.recv().unwrap();
    // No batch begins from here on.
    scorers.pause(true);
    go.send(()).unwrap();
    assert!(matches!(scorers.results.blocking_recv(), Some(Scored::Sample { .. })));
    scorers.confirm(confirmation(dir.path()));
    assert!(matches!(scorers.results.blocking_recv(), Some(Scored::Confirmation { .. })));
}

#[test]
fn a_device_without_memory_gets_half_and_half_again_and_what_does_not_fit_alone_says_so() {
    const FITS: usize = 3;
    let fake = Fake::new(16, 64, 1).answering(|weights, samples| match samples.iter().map(rows).sum::<usize>() {
        fits if fits <= FITS => Ok(samples.iter().map(|sample| Ok(score(weights, sample))).collect()),
        rows => Err(Setback::OutOfMemory(format!("{rows} rows"))),
    });
    let batches = fake.batches.clone();
    let mut scorers = spawn(vec![fake]);
    let mut samples: Vec<_> = (0..40).map(|n| sample(n, 1)).collect();
    samples.push(sample(1000, FITS + 1));
    // The first batch is a whole one.
    scorers.pause(true);
    for sample in &samples {
        scorers.score(ScoreJob { sample: sample.clone(), models: vec![spec(1)] });
    }
    scorers.pause(false);
    let mut told = Vec::new();
    while told.iter().filter(|told| matches!(told, Scored::Sample { .. })).count() < samples.len() {
        told.push(scorers.results.blocking_recv().expect("scorers are at work"));
    }
    let results = results(&told);
    for sample in &samples {
        let result = &results[&sample.checksum][&spec(1).checksum];
        match rows(sample) {
            1 => assert!(result.is_ok()),
            _ => assert!(matches!(result, Err(Fault::Sample(why)) if why.contains("memory")), "{result:?}"),
        }
    }
    assert!(lock(&batches).iter().all(|(_, samples)| samples.len() <= FITS));
    assert_eq!(scorers.gauges()[0].batch_rows, 2, "it is not asked for more again at once");
    assert_eq!(scorers.gauges()[0].row_limit, Some(2));
    assert_eq!(limits(&told), [(None, Some(2))], "told once, after the batch that was too large");
}

/// What was told of scorers' memory.
fn limits(told: &[Scored]) -> Vec<(Option<usize>, Option<usize>)> {
    told.iter()
        .filter_map(|told| match told {
            Scored::Limit { before, rows, .. } => Some((*before, *rows)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_device_that_cuts_its_own_batches_says_so_once_for_each_change() {
    let limit = Arc::new(Mutex::new(None));
    let said = [Some(8), Some(8), Some(4), Some(4), Some(8), None, None];
    let (mut at, given) = (0, limit.clone());
    let fake = Fake { row_limit: limit, ..Fake::new(1, 64, 1) }.answering(move |weights, samples| {
        *lock(&given) = said[at];
        at += 1;
        Ok(samples.iter().map(|sample| Ok(score(weights, sample))).collect())
    });
    let mut scorers = spawn(vec![fake]);
    let samples: Vec<_> = (0..said.len() as u32).map(|n| sample(n, 1)).collect();
    let (mut told, _) = run(&mut scorers, &samples, &[spec(1)]);
    while limits(&told).len() < 4 {
        told.push(scorers.results.blocking_recv().expect("scorers are at work"));
    }
    let changes = [(None, Some(8)), (Some(8), Some(4)), (Some(4), Some(8)), (Some(8), None)];
    assert_eq!(limits(&told), changes);
    assert_eq!(scorers.gauges()[0].row_limit, None);
}

#[test]
fn a_panic_costs_the_sample_that_causes_it_and_nothing_else() {
    let bad = sample(13, 1).checksum;
    let fake = Fake::new(8, 64, 1).answering(move |weights, samples| {
        assert!(samples.iter().all(|sample| sample.checksum != bad), "thirteen");
        Ok(samples.iter().map(|sample| Ok(score(weights, sample))).collect())
    });
    let mut scorers = spawn(vec![fake]);
    let samples: Vec<_> = (0..40).map(|n| sample(n, 1)).collect();
    let (told, _) = run(&mut scorers, &samples, &[spec(1)]);
    let results = results(&told);
    let failed: Vec<_> = results.iter().filter(|(_, by_model)| by_model.values().any(Result::is_err)).collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0].1.values().all(|result| matches!(result, Err(Fault::Device(why)) if why.contains("thirteen"))));
    assert_eq!(*failed[0].0, bad);
}

#[test]
fn weights_that_nobody_can_use_are_told_once_and_nobody_waits_for_them() {
    let broken = spec(2).checksum;
    let answer = move |weights: &WeightsSpec, samples: &[Sample]| match weights.checksum == broken {
        true => Err(Setback::Weights("not a model".into())),
        false => Ok(samples.iter().map(|sample| Ok(score(weights, sample))).collect()),
    };
    let mut scorers = spawn(vec![Fake::new(4, 64, 2).answering(answer), Fake::new(4, 64, 2).answering(answer)]);
    scorers.pause(true);
    let samples: Vec<_> = (0..20).map(|n| sample(n, 1)).collect();
    for sample in &samples {
        scorers.score(ScoreJob { sample: sample.clone(), models: vec![spec(1), spec(2)] });
    }
    scorers.pause(false);
    let (mut told, mut broken_told) = (Vec::new(), 0);
    while told.len() < samples.len() {
        match scorers.results.blocking_recv().unwrap() {
            Scored::Broken { weights, why } => {
                assert_eq!((weights, why.as_str()), (broken, "not a model"));
                broken_told += 1;
            }
            scored => told.push(scored),
        }
    }
    assert_eq!(broken_told, 1);
    let results = results(&told);
    assert_eq!(results.len(), samples.len());
    assert!(results.values().all(|by_model| by_model.keys().eq([&spec(1).checksum])));
    assert_eq!(scorers.samples(), 0);
}

#[test]
fn what_a_device_leaves_when_it_goes_is_scored_by_another_and_its_end_is_told_once() {
    let mut batches = 0;
    let going = Fake::new(4, 64, 1).answering(move |weights, samples| {
        batches += 1;
        match batches {
            ..3 => Ok(samples.iter().map(|sample| Ok(score(weights, sample))).collect()),
            3 => Err(Setback::Later { why: "busy".into(), pause: Duration::from_millis(1) }),
            4 => Ok(samples[..1].iter().map(|sample| Ok(score(weights, sample))).collect()),
            _ => Err(Setback::Gone("unplugged".into())),
        }
    });
    let mut scorers = spawn(vec![going, Fake::new(4, 64, 1)]);
    let samples: Vec<_> = (0..500).map(|n| sample(n, 1)).collect();
    let (mut told, _) = run(&mut scorers, &samples, &[spec(1)]);
    assert_eq!(results(&told).len(), samples.len());
    assert!(results(&told).values().flat_map(HashMap::values).all(Result::is_ok));
    while let Ok(more) = scorers.results.try_recv() {
        told.push(more);
    }
    let ends = told
        .iter()
        .filter(|told| matches!(told, Scored::Scorer { trouble: Some(why), .. } if why.contains("unplugged")));
    // With an even chance it never came to its fifth batch.
    assert!(ends.count() <= 1);
    assert!(scorers.gauges().iter().any(|gauge| gauge.rows > 0));
}

#[test]
fn a_device_that_only_fails_counts_as_gone_after_a_while() {
    let fake = Fake::new(4, 8, 1)
        .answering(|_, samples| Ok(samples.iter().map(|_| Err(Fault::Device("no answer".into()))).collect()));
    let mut scorers = spawn(vec![fake]);
    for n in 0..40 {
        scorers.score(ScoreJob { sample: sample(n, 1), models: vec![spec(1)] });
    }
    let mut told = Vec::new();
    // It hangs up: there is nobody left.
    while let Some(scored) = scorers.results.blocking_recv() {
        told.push(scored);
    }
    let gone = |told: &&Scored| matches!(told, Scored::Scorer { trouble: Some(why), .. } if why.contains("no answer"));
    assert_eq!(told.iter().filter(gone).count(), 1);
    assert!(told.iter().any(|told| matches!(told, Scored::Broken { .. })));
    assert_eq!(scorers.gauges()[0].doing, queue::Doing::Gone);
    assert!(!scorers.has_room());
}

#[test]
fn threads_end_though_every_queue_is_full_and_nobody_listens() {
    let (alive, ended) = blocking::channel::<()>();
    let mut fakes: Vec<Fake> = (0..3).map(|_| Fake::new(8, 4096, 1)).collect();
    for fake in &mut fakes {
        fake._alive = Some(alive.clone());
    }
    drop(alive);
    let mut scorers = spawn(fakes);
    for n in 0..2000 {
        scorers.score(ScoreJob { sample: sample(n, 1), models: vec![spec(1)] });
    }
    // At least one of them is at work, and all are once the results are full.
    assert!(scorers.results.blocking_recv().is_some());
    drop(scorers);
    assert_eq!(ended.recv(), Err(blocking::RecvError));
}

#[test]
fn what_is_known_of_samples_is_told_when_the_search_is_cleared() {
    let (go, gate) = blocking::channel::<()>();
    let (begun, started) = blocking::channel::<Digest>();
    let fake = Fake::new(4, 64, 2).answering(move |weights, samples| {
        begun.send(weights.checksum).unwrap();
        gate.recv().unwrap();
        Ok(samples.iter().map(|sample| Ok(score(weights, sample))).collect())
    });
    let scorers = spawn(vec![fake]);
    scorers.pause(true);
    for n in 0..4 {
        scorers.score(ScoreJob { sample: sample(n, 1), models: vec![spec(1), spec(2)] });
    }
    scorers.pause(false);
    let first = started.recv().unwrap();
    go.send(()).unwrap();
    started.recv().unwrap();
    let known = scorers.clear_search();
    assert_eq!(results(&known).len(), 4);
    assert!(results(&known).values().all(|by_model| by_model.keys().eq([&first])));
    assert_eq!(scorers.samples(), 0);
    go.send(()).unwrap();
}

#[test]
fn weights_that_only_a_service_that_is_away_might_use_do_not_keep_out_all_others() {
    let broken = spec(2).checksum;
    let (go, gate) = blocking::channel::<()>();
    let here = Fake::new(4, 64, 2).answering(move |weights, samples| match weights.checksum == broken {
        true => Err(Setback::Weights("not a model".into())),
        false => {
            // Until the other one rests.
            let _ = gate.recv();
            Ok(samples.iter().map(|sample| Ok(score(weights, sample))).collect())
        }
    });
    let away = Fake::new(4, 64, 2)
        .answering(|_, _| Err(Setback::Later { why: "no answer".into(), pause: Duration::from_secs(3600) }));
    let mut scorers = spawn(vec![here, away]);
    // So many that either takes of them, though the other one is at it.
    let samples: Vec<_> = (0..40).map(|n| sample(n, 1)).collect();
    // Both take of this one; the first keeps its batch until the second one has had its setback.
    for sample in &samples {
        scorers.score(ScoreJob { sample: sample.clone(), models: vec![spec(1)] });
    }
    while scorers.gauges()[1].doing != queue::Doing::Resting {
        std::thread::sleep(Duration::from_millis(1));
    }
    let more: Vec<_> = (40..60).map(|n| sample(n, 1)).collect();
    for sample in &more {
        scorers.score(ScoreJob { sample: sample.clone(), models: vec![spec(1), spec(2)] });
    }
    drop(go);
    let (mut told, mut broken_told) = (Vec::new(), 0);
    while told.len() < samples.len() + more.len() {
        match scorers.results.blocking_recv().unwrap() {
            Scored::Broken { weights, .. } => {
                assert_eq!(weights, broken);
                broken_told += 1;
            }
            scored @ Scored::Sample { .. } => told.push(scored),
            _ => {}
        }
    }
    assert_eq!(broken_told, 1);
    assert!(results(&told).values().all(|by_model| by_model.keys().eq([&spec(1).checksum])));
    assert!(scorers.has_room());
}

#[test]
fn one_file_under_two_keys_is_two_models() {
    let keyed = |key| Arc::new(WeightsSpec { key: Some([key; 32]), ..(*spec(1)).clone() });
    let (right, wrong) = (keyed(1), keyed(2));
    let bad = wrong.id();
    let fake = Fake::new(4, 64, 2).answering(move |weights, samples| match weights.id() == bad {
        true => Err(Setback::Weights("the key is wrong".into())),
        false => Ok(samples.iter().map(|sample| Ok(score(weights, sample))).collect()),
    });
    let mut scorers = spawn(vec![fake]);
    scorers.pause(true);
    let samples: Vec<_> = (0..8).map(|n| sample(n, 1)).collect();
    for sample in &samples {
        scorers.score(ScoreJob { sample: sample.clone(), models: vec![wrong.clone(), right.clone()] });
    }
    scorers.pause(false);
    let mut told = Vec::new();
    while told.len() < samples.len() {
        match scorers.results.blocking_recv().unwrap() {
            Scored::Broken { weights, .. } => assert_eq!(weights, bad),
            scored => told.push(scored),
        }
    }
    assert!(results(&told).values().all(|by_model| by_model.keys().eq([&right.id()])));
}
