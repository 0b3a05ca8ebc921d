//! The device of every machine, with real models that do not all fit.

use std::path::Path;

use super::super::{ConfirmJob, ScoreJob, Scored, Scorers, WeightsCache};
use super::*;
use crate::{
    api::SubmissionId,
    engine::corpus::{Shelf, Source},
    model,
    primitives::ObjectId,
};

struct Bench {
    _dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    residents: Residents,
    specs: Vec<Arc<WeightsSpec>>,
    models: Vec<Model>,
}

/// Three models on disk, and memory for so many of them.
fn bench(fit: u64) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let weights = dir.path().join("weights");
    std::fs::create_dir(&weights).unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/model");
    let (mut specs, mut models, mut largest) = (Vec::new(), Vec::new(), 0);
    for n in 0..3 {
        let bytes = std::fs::read(data.join(format!("small16_model_{n}.safetensors"))).unwrap();
        let checksum = model::checksum(&bytes);
        std::fs::write(weights.join(format!("{checksum}.enc")), &bytes).unwrap();
        let (url, size) = ("http://127.0.0.1:9/none".to_owned(), bytes.len() as u64);
        specs.push(Arc::new(WeightsSpec { checksum, url, size, key: None }));
        models.push(Model::from_safetensors(&bytes, None).unwrap());
        largest = largest.max(size);
    }
    let residents = Residents::new(WeightsCache::new(dir.path(), None).unwrap(), fit * largest);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    Bench { _dir: dir, runtime, residents, specs, models }
}

impl Bench {
    fn scorers(&self, batch_rows: usize) -> Scorers {
        let device = LocalDevice::new(Placement::CPU, self.residents.clone(), self.runtime.handle().clone());
        Scorers::spawn(vec![Box::new(LocalDevice { batch_rows, ..device })]).unwrap()
    }
}

/// Of different lengths, one of them longer than a batch of the regulariser's noise.
fn samples() -> Vec<Sample> {
    let lengths = [1, 10, 1023, 1024, 1025, 3000, 17 * 1024 + 5, 64, 2048, 700];
    let sample = |(n, length): (usize, usize)| {
        let bytes: Vec<u8> = (0..length).map(|at| (at * 31 + at * at % 7 + n * 17) as u8).collect();
        let source = Source::file(Path::new("sample").into(), 0, length as u32, false);
        Sample { checksum: model::checksum(&bytes), source, bytes: bytes.into() }
    };
    lengths.into_iter().enumerate().map(sample).collect()
}

#[test]
fn scores_are_the_same_whatever_the_batches_and_however_few_models_fit() {
    for (fit, batch_rows) in [(1, 1), (1, 7), (3, 3), (3, 64)] {
        let bench = bench(fit);
        let mut scorers = bench.scorers(batch_rows);
        let samples = samples();
        for sample in &samples {
            scorers.score(ScoreJob { sample: sample.clone(), models: bench.specs.clone() });
        }
        for _ in &samples {
            let Some(Scored::Sample { checksum, results, .. }) = scorers.results.blocking_recv() else {
                panic!("nothing fails here");
            };
            let sample = samples.iter().find(|sample| sample.checksum == checksum).unwrap();
            assert_eq!(results.len(), 3);
            for (weights, result) in results {
                let at = bench.specs.iter().position(|spec| spec.checksum == weights).unwrap();
                let alone = bench.models[at].score(&sample.bytes, SEED).unwrap();
                assert_eq!(*result.unwrap(), alone, "{} bytes, {fit} fit, {batch_rows} rows", sample.bytes.len());
            }
        }
        let loaded: usize = bench.residents.watch().borrow().iter().map(|state| state.residents.len()).sum();
        assert!(loaded as u64 <= fit, "{loaded} models are loaded where {fit} fit");
        assert_eq!(scorers.gauges()[0].rows, 3 * samples.iter().map(|sample| rows(sample) as u64).sum::<u64>());
    }
}

#[test]
fn a_hit_is_confirmed_with_every_model_of_the_target_though_only_one_fits() {
    let bench = bench(1);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("found");
    let data = b"what is found is scored again, to the last byte";
    std::fs::write(&path, data).unwrap();
    let scores: Vec<Score> = bench.models.iter().map(|model| model.score(data, SEED).unwrap()).collect();
    let losses: Vec<f32> = scores.iter().map(|score| score.loss).collect();
    let winner = model::winner(&losses).unwrap();
    let ids = (1..=3).map(|n| ObjectId([n; 32]));
    let mut scorers = bench.scorers(8);
    scorers.confirm(ConfirmJob {
        submission: SubmissionId(1),
        source: Source::file(path.into(), 0, data.len() as u32, false),
        shelf: Shelf::default(),
        checksum: model::checksum(data),
        target: ObjectId([9; 32]),
        epoch: 4,
        embedding: scores[winner].embedding.clone(),
        threshold: 0.01,
        models: ids.zip(bench.specs.iter().cloned()).collect(),
    });
    let Some(Scored::Confirmation { result: Ok(hit), .. }) = scorers.results.blocking_recv() else {
        panic!("it is a hit");
    };
    assert_eq!(hit.losses().into_iter().map(|(_, loss)| loss).collect::<Vec<_>>(), losses);
    assert_eq!(hit.model(), ObjectId([winner as u8 + 1; 32]));
    assert!(hit.distance() < 1e-6);
}

#[test]
fn a_card_that_is_not_there_is_gone_at_once_and_hits_are_confirmed_on_the_processor() {
    let bench = bench(3);
    let card = Placement { device: Device::Metal(7), precision: model::Precision::Bf16 };
    let mut device = LocalDevice::new(card, bench.residents.clone(), bench.runtime.handle().clone());
    let gone = device.evaluate(&bench.specs[0], &samples()[..1]);
    assert!(matches!(&gone, Err(Setback::Gone(why)) if why.contains("metal:7")), "{gone:?}");
    let exact = device.exact().unwrap();
    assert!(matches!(exact(&bench.specs[0], 0), Some(Err(WeightsError::Load { .. }))));
    assert_eq!(exact(&bench.specs[0], 1).unwrap().unwrap().placement(), Placement::CPU);
    assert!(exact(&bench.specs[0], 2).is_none());
}
