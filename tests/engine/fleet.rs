//! An engine with scoring services: real processes that search with it, one of which dies.

use std::collections::BTreeMap;

use somascope::{
    api::{Mode, Snapshot},
    engine::{EngineConfig, EngineError},
    primitives::ObjectId,
};

use crate::{
    network::{Network, Orders, until},
    process::Running,
    serve::ServeProcess,
};

/// Enough samples that every scorer gets some.
const SAMPLES: u32 = 600;

fn read_only(orders: &Orders, scorers: Vec<String>) -> EngineConfig {
    EngineConfig { keypair: None, scorers, ..orders.clone().with_mode(Mode::ReadOnly).config() }
}

fn is_through(snapshot: &Snapshot) -> bool {
    snapshot.throughput.samples_scored > 0 && snapshot.throughput.remaining == Some(0)
}

fn distances(snapshot: &Snapshot) -> BTreeMap<ObjectId, Option<u32>> {
    snapshot.targets.iter().map(|row| (row.id, row.best_distance.map(f32::to_bits))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_dies_costs_no_sample_and_no_number() {
    let network = Network::start(6).await;
    let orders = network.orders(1);
    for n in 0..SAMPLES {
        // Near duplicates would be passed over.
        let words = (0..20 + n % 60).map(|at| format!("{:x} ", (n * 1009 + at).wrapping_mul(2_654_435_761)));
        let text: String = words.collect();
        std::fs::write(orders.corpus.join(format!("more-{n}.txt")), text).expect("a file");
    }
    network.next_epoch().await;
    let homes = [(); 2].map(|()| tempfile::tempdir().expect("a place"));
    let [lasting, dying] = homes.each_ref().map(|home| ServeProcess::start(home.path(), &[]).expect("it starts"));
    let dying_url = dying.url().to_owned();
    let engine = Running::start(read_only(&orders, vec![lasting.url().to_owned(), dying_url.clone()])).await;
    let mut dying = Some(dying);
    until("all samples are scored", async || {
        let snapshot = engine.0.snapshot.borrow().clone();
        let at_work =
            snapshot.throughput.scorers.iter().any(|scorer| scorer.name == dying_url && scorer.rows_per_s > 0.0);
        if at_work && let Some(dying) = dying.take() {
            dying.kill();
        }
        is_through(&snapshot)
    })
    .await;
    assert!(dying.is_none(), "it was at work when it died");
    let with_fleet = engine.shut_down().await;
    let scored = with_fleet.throughput.samples_scored;
    assert!(scored >= u64::from(SAMPLES), "{scored}");
    assert_eq!(with_fleet.throughput.model_evaluations, 3 * scored);
    let told = with_fleet.log.iter().filter(|line| line.text.contains(&dying_url)).count();
    assert_eq!(told, 1, "its end is told once: {:?}", with_fleet.log);
    lasting.signal();
    let (status, log) = lasting.ended();
    assert!(status.success() && log.contains(" scored "), "{log}");

    let alone = EngineConfig { dir: orders.dir.with_extension("alone"), ..read_only(&orders, Vec::new()) };
    let engine = Running::start(alone).await;
    until("all samples are scored here", async || is_through(&engine.0.snapshot.borrow())).await;
    let alone = engine.shut_down().await;
    assert_eq!(alone.throughput.samples_scored, scored, "each was scored once");
    assert_eq!(distances(&with_fleet), distances(&alone));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_on_another_machine_needs_an_address_to_fetch_samples_from() {
    let network = Network::start(2).await;
    let config = read_only(&network.orders(1), vec!["http://192.0.2.7:9124".to_owned()]);
    let error = somascope::engine::start(config).await.err().expect("it is refused");
    assert!(matches!(&error, EngineError::NothingShared(url) if url == "http://192.0.2.7:9124"), "{error}");
    assert!(error.to_string().contains("--share-data"), "{error}");
}
