//! Compositions on a network: a target that no single window of ours reaches is filled by several of them, and the audit agrees.

use std::{collections::BTreeMap, path::Path};

use somascope::{
    api::{Mode, SubmissionState as State},
    chain::types::{ObjectId, SomaTensor, TargetStatus, TargetV1},
    devnet::{DevnetConfig, GenesisOptions, ModelSpec, Ports, Verdict},
    engine::Compose,
    model::{self, Model, Score},
    primitives::SHANNONS_PER_SOMA,
};

use crate::{
    network::{Network, until},
    process::Running,
};

const WINDOW: usize = model::SEQUENCE_LENGTH;
const KINDS: [&str; 3] = ["prose", "python", "rust"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn weights(kind: &str) -> Vec<u8> {
    std::fs::read(root().join(format!("assets/specialists/{kind}.safetensors"))).expect("a specialist")
}

/// Two texts of eight full windows each.
fn texts() -> Vec<Vec<u8>> {
    ["prose/moby-dick-01.txt", "rust/update.rs"]
        .map(|name| {
            let mut text = std::fs::read(root().join("assets/corpus").join(name)).expect("a text");
            text.truncate(8 * WINDOW);
            text
        })
        .into()
}

async fn network() -> Network {
    let mut genesis = GenesisOptions::v5(64);
    let parameters = &mut genesis.parameters;
    parameters.target_initial_targets_per_epoch = 60;
    parameters.target_hits_per_epoch = 60;
    for threshold in [
        &mut parameters.target_initial_distance_threshold,
        &mut parameters.target_min_distance_threshold,
        &mut parameters.target_max_distance_threshold,
    ] {
        *threshold = SomaTensor::scalar(0.74);
    }
    genesis.emission_per_epoch_shannons = 12_685_185 * 60 * 10 / 8 + 60;
    let models = KINDS.map(|kind| ModelSpec {
        name: kind.into(),
        weights: weights(kind),
        embedding: None,
        stake: SHANNONS_PER_SOMA,
    });
    let files: BTreeMap<String, Vec<u8>> =
        texts().into_iter().enumerate().map(|(n, text)| (format!("{n}.txt"), text)).collect();
    let config = DevnetConfig {
        dir: "network".into(),
        seed: 11,
        listen: Ports::default(),
        epoch: None,
        genesis,
        models: models.into(),
        faucet_amount: 10 * SHANNONS_PER_SOMA,
    };
    Network::of(config, &files).await
}

/// Least distance of any window of the corpus by itself, as the network's rule has it.
fn nearest(target: &TargetV1, scores: &[(ObjectId, Vec<Score>)]) -> f32 {
    let embedding = target.embedding.values().expect("numbers");
    let distance = |window: usize| {
        let of = |id: &ObjectId| &scores.iter().find(|(model, _)| model == id).expect("one of the models").1[window];
        let all: Vec<&Score> = target.model_ids.iter().map(of).collect();
        let winner = model::winner(&all.iter().map(|score| score.loss).collect::<Vec<_>>()).expect("a winner");
        model::cosine_distance(&all[winner].embedding, &embedding)
    };
    (0..scores[0].1.len()).map(distance).fold(f32::INFINITY, f32::min)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_no_window_reaches_is_filled_by_several_of_one_file_and_the_audit_agrees() {
    let network = network().await;
    let orders = network.engine(1).await;
    network.next_epoch().await;
    let mut config = orders.config();
    config.compose = Compose::SameSource;
    config.policy.mode = Mode::Auto;
    let mut engine = Running::start(config).await;
    let filled = loop {
        let row = engine.row(State::Filled).await;
        if row.source.contains(" +") {
            break row;
        }
    };
    engine.shut_down().await;

    assert!(filled.size_bytes > WINDOW as u64 && filled.size_bytes.is_multiple_of(WINDOW as u64), "{filled:?}");
    let (first, more) = filled.source.split_once(" +").expect("its pieces are counted");
    assert_eq!(more.parse::<u64>().expect("a number") + 1, filled.size_bytes / WINDOW as u64);
    assert!(first.contains(".txt@"), "{first}");

    let target =
        network.with_ledger(|ledger| ledger.object(&filled.target).expect("a target").target().expect("decodes"));
    assert!(matches!(target.status, TargetStatus::Filled { .. }));
    let named: Vec<(ObjectId, &str)> = network.with_ledger(|ledger| {
        let registry = ledger.system_state().model_registry.models.iter();
        // Its weights are published under its name.
        let is_named = |text: &str, kind: &str| text.contains(&format!("/{kind}.safetensors"));
        let kind = |text: String| KINDS.into_iter().find(|kind| is_named(&text, kind)).expect("a specialist");
        registry.map(|(id, model)| (*id, kind(format!("{:?}", model.v1())))).collect()
    });
    let windows: Vec<Vec<u8>> = texts().iter().flat_map(|text| text.chunks(WINDOW).map(<[u8]>::to_vec)).collect();
    let windows: Vec<&[u8]> = windows.iter().map(Vec::as_slice).collect();
    let scores: Vec<(ObjectId, Vec<Score>)> = named
        .into_iter()
        .map(|(id, kind)| {
            let model = Model::from_safetensors(&weights(kind), None).expect("a model");
            (id, model.score_batch(&windows, 0).into_iter().collect::<Result<_, _>>().expect("scores"))
        })
        .collect();
    let threshold = target.distance_threshold.scalar_value().expect("a number");
    assert!(nearest(&target, &scores) > threshold, "a single window would have done");

    network.next_epoch().await;
    until("the auditor has looked at it", async || {
        network.devnet.audits().iter().any(|audit| audit.target == filled.target)
    })
    .await;
    let audits = network.devnet.audits();
    let audit = audits.iter().find(|audit| audit.target == filled.target).expect("an audit");
    assert_eq!(audit.verdict, Verdict::Honest);
}
