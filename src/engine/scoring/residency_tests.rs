//! Models in memory: one load for all who ask, the budget, who has to go, who has to wait.

use super::*;
use crate::{
    engine::scoring::weights::{
        LARGEST,
        tests::{KEY, encrypted, plain, spec_of},
    },
    storage::scripted::{Server, hasty, head, honest},
};

const PATHS: [&str; 6] = ["/0", "/1", "/2", "/3", "/4", "/5"];

struct Stage {
    _dir: tempfile::TempDir,
    server: Server,
    specs: Vec<WeightsSpec>,
    residents: Residents,
}

/// Six models of one size, and room for so many.
async fn stage(fit: u64) -> Stage {
    let files: Vec<bytes::Bytes> = (0..6).map(encrypted).collect();
    let server = Server::of_files(PATHS.into_iter().zip(files.iter().cloned())).await;
    let specs = PATHS.iter().zip(&files).map(|(path, file)| spec_of(file, server.at(path))).collect();
    let dir = tempfile::tempdir().unwrap();
    let one = Model::from_safetensors(&plain(0), None).unwrap().resident_bytes();
    let residents = Residents::new(WeightsCache::with_fetcher(dir.path(), None, hasty()), fit * one);
    Stage { _dir: dir, server, specs, residents }
}

impl Stage {
    async fn get(&self, n: usize) -> Result<Arc<Model>, WeightsError> {
        self.residents.get(&self.specs[n], Placement::CPU).await
    }

    fn resident(&self) -> Vec<usize> {
        (0..6).filter(|n| self.residents.peek(&self.specs[*n], Placement::CPU).is_some()).collect()
    }

    fn state(&self, n: usize) -> WeightsState {
        let states = self.residents.watch();
        let found = states.borrow().iter().find(|state| state.checksum == self.specs[n].checksum).cloned();
        found.expect("it is on the board")
    }
}

#[tokio::test]
async fn the_least_recently_used_goes_first_and_nothing_is_loaded_twice_that_fits() {
    let stage = stage(3).await;
    for n in [0, 1, 2] {
        stage.get(n).await.unwrap();
    }
    let first = Arc::downgrade(&stage.get(0).await.unwrap());
    assert_eq!(stage.resident(), [0, 1, 2]);
    stage.get(3).await.unwrap();
    assert_eq!(stage.resident(), [0, 2, 3], "1 was used longest ago");
    stage.get(2).await.unwrap();
    stage.get(4).await.unwrap();
    assert_eq!(stage.resident(), [2, 3, 4]);
    assert!(first.upgrade().is_none(), "it is gone from memory, too");
    assert_eq!(stage.state(0).residents, []);
    assert_eq!(stage.state(4).residents, [Placement::CPU]);
    let requests = stage.server.seen().len();
    stage.get(0).await.unwrap();
    assert_eq!(stage.server.seen().len(), requests, "it is still on disk");
}

#[tokio::test]
async fn a_model_that_somebody_holds_stays_and_a_load_waits_for_it() {
    let stage = stage(2).await;
    let held = (stage.get(0).await.unwrap(), stage.get(1).await.unwrap());
    let mut states = stage.residents.watch();
    let (residents, spec) = (stage.residents.clone(), stage.specs[2].clone());
    let waiting = tokio::spawn(async move { residents.get(&spec, Placement::CPU).await });
    let waits = |states: &Arc<Vec<WeightsState>>| {
        states.iter().any(|state| state.activity == Activity::WaitingForRoom(Placement::CPU))
    };
    states.wait_for(waits).await.unwrap();
    assert_eq!(stage.resident(), [0, 1]);
    assert!(!waiting.is_finished());
    drop(held.1);
    waiting.await.unwrap().unwrap();
    assert_eq!(stage.resident(), [0, 2]);
    assert_eq!(stage.state(2).activity, Activity::Idle);
}

#[tokio::test]
async fn a_load_that_nobody_waits_for_any_more_gives_its_place_up() {
    let stage = stage(1).await;
    let held = stage.get(0).await.unwrap();
    let mut states = stage.residents.watch();
    let waits = |states: &Arc<Vec<WeightsState>>| {
        states.iter().any(|state| state.activity == Activity::WaitingForRoom(Placement::CPU))
    };
    // What is looked at is locked, so it must be let go before the load is dropped.
    let waited = async { states.wait_for(waits).await.map(drop) };
    tokio::select! {
        _ = stage.get(1) => panic!("there is no room"),
        waited = waited => waited.unwrap(),
    }
    assert_eq!(stage.state(1).activity, Activity::Idle);
    drop(held);
    stage.get(2).await.unwrap();
    assert_eq!(stage.residents.0.table().used(Device::Cpu), stage.residents.0.budget.on(Device::Cpu));
}

#[tokio::test]
async fn what_never_fits_is_an_error_that_names_the_setting() {
    let mut stage = stage(0).await;
    stage.residents = Residents::new(stage.residents.0.cache.clone(), 100);
    let error = stage.get(0).await.err().expect("100 bytes hold no model").to_string();
    assert!(error.contains("--memory") && error.contains("100") && error.contains("cpu"), "{error}");
    assert!(stage.residents.retry_after(&stage.specs[0], Placement::CPU).is_some());
    assert!(stage.resident().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_ask_at_once_get_one_model_of_one_download() {
    let stage = Arc::new(stage(6).await);
    let asked: Vec<_> = (0..24)
        .map(|n| {
            let stage = stage.clone();
            tokio::spawn(async move { (n % 2, stage.get(n % 2).await.unwrap()) })
        })
        .collect();
    let mut got: [Vec<Arc<Model>>; 2] = Default::default();
    for task in asked {
        let (n, model) = task.await.unwrap();
        got[n].push(model);
    }
    for models in &got {
        assert!(models.iter().all(|model| Arc::ptr_eq(model, &models[0])));
    }
    let mut ranges: Vec<_> =
        stage.server.seen().into_iter().map(|seen| (seen.path, seen.range.map(|r| r.start))).collect();
    let requests = ranges.len();
    ranges.sort();
    ranges.dedup();
    assert_eq!(ranges.len(), requests, "no byte was asked for twice");
}

#[tokio::test]
async fn one_file_under_two_keys_is_two_models_and_a_wrong_key_spoils_nothing() {
    let stage = stage(6).await;
    let wrong = WeightsSpec { key: Some([1; 32]), ..stage.specs[0].clone() };
    for _ in 0..2 {
        let error = stage.residents.get(&wrong, Placement::CPU).await.err().expect("garbage").to_string();
        assert!(error.contains("its decryption key may be wrong"), "{error}");
    }
    assert!(stage.state(0).error.is_some_and(|error| error.contains("key")));
    let model = stage.get(0).await.unwrap();
    assert_eq!(
        model.score(b"text", 0).unwrap(),
        Model::from_safetensors(&plain(0), None).unwrap().score(b"text", 0).unwrap()
    );
    assert_eq!(stage.specs[0].key, Some(KEY));
    assert_eq!(stage.state(0).error, None);
}

#[tokio::test]
async fn a_checksum_that_is_wrong_costs_one_model_and_the_others_go_on() {
    let stage = stage(6).await;
    let lie = WeightsSpec { checksum: Digest([3; 32]), ..stage.specs[0].clone() };
    let (failed, loaded) = tokio::join!(stage.residents.get(&lie, Placement::CPU), stage.get(1));
    let error = failed.err().expect("it is another file").to_string();
    assert!(error.contains("checksum") && error.contains("/0"), "{error}");
    loaded.unwrap();
    // Gigabytes are not asked for again at once.
    assert!(stage.residents.retry_after(&lie, Placement::CPU).is_some());
}

#[tokio::test]
async fn what_comes_next_is_on_disk_before_it_is_wanted_and_survives_the_registrys_review() {
    let stage = stage(6).await;
    // Without their key, as before a reveal.
    let sealed = |n: usize| WeightsSpec { key: None, ..stage.specs[n].clone() };
    stage.residents.keep(vec![stage.specs[0].checksum]).await;
    stage.residents.prefetch(vec![sealed(1), sealed(2)]);
    let mut states = stage.residents.watch();
    let is_there = |n: usize| {
        let checksum = stage.specs[n].checksum;
        move |states: &Arc<Vec<WeightsState>>| states.iter().any(|state| state.checksum == checksum && state.on_disk)
    };
    for n in [1, 2] {
        states.wait_for(is_there(n)).await.unwrap();
    }
    // The same again changes nothing; another list takes the first one's place.
    stage.residents.prefetch(vec![sealed(1), sealed(2)]);
    stage.residents.keep(vec![stage.specs[0].checksum]).await;
    assert!(!stage.residents.0.cache.remove_left_over(0).await);
    let requests = stage.server.seen().len();
    stage.get(1).await.unwrap();
    assert_eq!(stage.server.seen().len(), requests, "nothing is left to fetch");
    stage.residents.prefetch(vec![sealed(3)]);
    states.wait_for(is_there(3)).await.unwrap();
    stage.residents.keep(vec![stage.specs[0].checksum]).await;
    assert!(stage.residents.0.cache.remove_left_over(0).await, "2 is of no more use");
    assert!(stage.resident().is_empty(), "1 was neither registered nor announced any more");
}

#[tokio::test]
async fn a_failure_is_forgotten_when_its_time_has_passed() {
    let file = encrypted(0);
    let served = file.clone();
    let server =
        Server::start(move |seen| if seen.number == 0 { head(404, &[], 0) } else { honest(seen, &served, "\"v\"") });
    let server = server.await;
    let dir = tempfile::tempdir().unwrap();
    let residents = Residents::new(WeightsCache::with_fetcher(dir.path(), None, hasty()), u64::MAX);
    let spec = spec_of(&file, server.url.clone());
    assert!(residents.get(&spec, Placement::CPU).await.is_err());
    let left = residents.retry_after(&spec, Placement::CPU).unwrap_or_default();
    let again = residents.get(&spec, Placement::CPU).await;
    // A machine may be so busy that its time has passed already.
    if residents.retry_after(&spec, Placement::CPU).is_some() {
        assert!(again.is_err());
        assert_eq!(server.seen().len(), 1);
    }
    tokio::time::sleep(left).await;
    residents.get(&spec, Placement::CPU).await.unwrap();
    assert_eq!(residents.retry_after(&spec, Placement::CPU), None);
}

#[test]
fn what_is_announced_is_bounded_and_each_file_comes_once() {
    let spec = |n: u8, size: u64| WeightsSpec { checksum: Digest([n; 32]), url: String::new(), size, key: None };
    let chosen = within(vec![spec(1, 40), spec(2, 70), spec(1, 40), spec(3, 50), spec(4, 20), spec(5, 10)], 100);
    assert_eq!(chosen.iter().map(|spec| spec.checksum.0[0]).collect::<Vec<_>>(), [1, 3, 5]);
    assert!(within(vec![spec(1, LARGEST + 1)], u64::MAX).is_empty());
}

#[test]
fn memory_is_told_from_the_header_before_anything_is_loaded() {
    let file = plain(0);
    let precise = memory_of(&file, Placement::CPU);
    assert_eq!(precise, Model::from_safetensors(&file, None).unwrap().resident_bytes());
    let half = Placement { device: Device::Cuda(0), precision: Precision::Bf16 };
    assert_eq!(memory_of(&file, half), precise / 2);
    // Garbage is for the model to complain about.
    for garbage in [&[0xff; 64][..], &[1, 2], &[]] {
        assert_eq!(memory_of(&garbage, half), garbage.len() as u64);
    }
}
