//! Compositions on a network: a target that no single window of ours reaches is filled by several of them, and the audit agrees.

use std::{collections::BTreeMap, path::Path};

use somascope::{
    api::{Mode, SubmissionState as State},
    chain::types::{ObjectId, SomaTensor, TargetV1},
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
/// Windows of each file.
const EACH: usize = 8;
const THRESHOLD: f32 = 0.74;
const MARGIN: f32 = 0.005;
const KINDS: [&str; 3] = ["prose", "python", "rust"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn weights(kind: &str) -> Vec<u8> {
    std::fs::read(root().join(format!("assets/specialists/{kind}.safetensors"))).expect("a specialist")
}

/// Two texts of full windows.
fn texts() -> Vec<Vec<u8>> {
    ["prose/moby-dick-01.txt", "rust/update.rs"]
        .map(|name| {
            let mut text = std::fs::read(root().join("assets/corpus").join(name)).expect("a text");
            text.truncate(EACH * WINDOW);
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
        *threshold = SomaTensor::scalar(THRESHOLD);
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

/// Scores of all windows of the corpus, by model.
type Scores = Vec<(ObjectId, Vec<Score>)>;

fn scores(network: &Network) -> Scores {
    let named: Vec<(ObjectId, &str)> = network.with_ledger(|ledger| {
        let registry = ledger.system_state().model_registry.models.iter();
        // Its weights are published under its name.
        let is_named = |text: &str, kind: &str| text.contains(&format!("/{kind}.safetensors"));
        let kind = |text: String| KINDS.into_iter().find(|kind| is_named(&text, kind)).expect("a specialist");
        registry.map(|(id, model)| (*id, kind(format!("{:?}", model.v1())))).collect()
    });
    let texts = texts();
    let windows: Vec<&[u8]> = texts.iter().flat_map(|text| text.chunks(WINDOW)).collect();
    let score = |(id, kind): (ObjectId, &str)| {
        let model = Model::from_safetensors(&weights(kind), None).expect("a model");
        (id, model.score_batch(&windows, 0).into_iter().collect::<Result<_, _>>().expect("scores"))
    };
    named.into_iter().map(score).collect()
}

/// How far these windows, put together, are from a target: the network's rule, from the windows' own scores.
fn distance(windows: &[usize], target: &TargetV1, scores: &Scores) -> f32 {
    let of = |id: &ObjectId| &scores.iter().find(|(model, _)| model == id).expect("one of the models").1;
    let all: Vec<&Vec<Score>> = target.model_ids.iter().map(of).collect();
    let losses: Vec<f32> =
        all.iter().map(|scores| windows.iter().map(|window| scores[*window].loss).sum::<f32>()).collect();
    let won = all[model::winner(&losses).expect("a winner")];
    let sum: Vec<f32> = (0..64).map(|at| windows.iter().map(|window| won[*window].embedding[at]).sum()).collect();
    model::cosine_distance(&sum, &target.embedding.values().expect("numbers"))
}

/// Open targets that some windows of one file reach together, by more than is asked for, and none by itself.
fn only_together(network: &Network, scores: &Scores) -> Vec<ObjectId> {
    let epoch = network.with_ledger(|ledger| ledger.system_state().epoch);
    let targets: Vec<(ObjectId, TargetV1)> = network.with_ledger(|ledger| {
        let open = ledger.targets().into_iter().filter(|(_, target)| target.generation_epoch == epoch);
        open.map(|(object, target)| (object.id(), target)).collect()
    });
    let is_one = |(_, target): &&(ObjectId, TargetV1)| {
        let within = THRESHOLD - MARGIN - 1e-3;
        let alone = (0..2 * EACH).map(|window| distance(&[window], target, scores)).fold(f32::INFINITY, f32::min);
        let subsets = (0..2).flat_map(|file| {
            (1u32..1 << EACH).map(move |set| {
                (0..EACH).filter(|at| set >> at & 1 == 1).map(|at| file * EACH + at).collect::<Vec<usize>>()
            })
        });
        alone > THRESHOLD && subsets.map(|set| distance(&set, target, scores)).any(|distance| distance <= within)
    };
    targets.iter().filter(is_one).map(|(id, _)| *id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_target_that_only_several_windows_of_one_file_reach_is_filled_by_them_and_the_audit_agrees() {
    let network = network().await;
    let orders = network.engine(1).await;
    let scores = scores(&network);
    let mut wanted = only_together(&network, &scores);
    while wanted.is_empty() {
        // Its targets are drawn by chance.
        network.next_epoch().await;
        wanted = only_together(&network, &scores);
    }
    let mut config = orders.config();
    config.compose = Compose::SameSource;
    config.policy.mode = Mode::Auto;
    config.policy.min_margin = MARGIN;
    let engine = Running::start(config).await;
    until("they are filled", async || {
        let filled = network.filled(orders.address());
        wanted.iter().all(|target| filled.contains(target))
    })
    .await;
    let last = engine.shut_down().await;
    network.assert_no_target_twice(orders.address());

    for target in &wanted {
        let mut rows = last.submissions.iter();
        let row = rows.find(|row| row.target == *target && row.state == State::Filled).expect("a filled row");
        let (first, more) = row.source.split_once(" +").expect("its pieces are counted");
        let pieces = 1 + more.parse::<u64>().expect("a number");
        assert!(first.contains(".txt@"), "{first}");
        assert_eq!(row.size_bytes, pieces * WINDOW as u64);
    }
    network.next_epoch().await;
    until("the auditor has looked at them", async || {
        let audits = network.devnet.audits();
        wanted.iter().all(|target| audits.iter().any(|audit| audit.target == *target))
    })
    .await;
    for audit in network.devnet.audits() {
        assert_eq!(audit.verdict, Verdict::Honest, "{audit:?}");
    }
}
