//! The shipped specialists on files that none of them was trained on: each knows its own kind of bytes best, and kinds keep together.

use std::{fs, path::Path, sync::LazyLock};

use somascope::model::{Model, SEQUENCE_LENGTH, Score, cosine_distance, winner};

/// Wins out of ten that make a specialist.
const WINS_OF_TEN: usize = 8;
const LARGEST_TOTAL: usize = 12 << 20;

struct Trial {
    /// Index into [`Trials::kinds`].
    kind: usize,
    file: String,
    bytes: usize,
    /// By every specialist, in the order of the kinds.
    scores: Vec<Score>,
}

impl Trial {
    fn positions(&self) -> usize {
        self.bytes.next_multiple_of(SEQUENCE_LENGTH)
    }

    fn winner(&self) -> usize {
        let losses: Vec<f32> = self.scores.iter().map(|score| score.loss).collect();
        winner(&losses).expect("finite losses")
    }

    /// The embedding that the network would look at.
    fn embedding(&self) -> &[f32] {
        &self.scores[self.winner()].embedding
    }
}

struct Trials {
    kinds: Vec<String>,
    weights_bytes: usize,
    trials: Vec<Trial>,
}

/// Every held-out file under every specialist, scored once for all tests.
static TRIALS: LazyLock<Trials> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let weights = files(&root.join("assets/specialists"));
    let kinds: Vec<String> = weights.iter().map(|(name, _)| name.replace(".safetensors", "")).collect();
    let models: Vec<Model> =
        weights.iter().map(|(_, bytes)| Model::from_safetensors(bytes, None).expect("a model")).collect();
    let mut trials = Vec::new();
    for (kind, name) in kinds.iter().enumerate() {
        let held_out = files(&root.join("tests/data/held_out").join(name));
        let samples: Vec<&[u8]> = held_out.iter().map(|(_, bytes)| bytes.as_slice()).collect();
        let mut scores = vec![Vec::new(); samples.len()];
        for model in &models {
            for (scores, score) in scores.iter_mut().zip(model.score_batch(&samples, 0)) {
                scores.push(score.expect("a score"));
            }
        }
        trials.extend(held_out.into_iter().zip(scores).map(|((file, data), scores)| Trial {
            kind,
            file,
            bytes: data.len(),
            scores,
        }));
    }
    Trials { kinds, weights_bytes: weights.iter().map(|(_, bytes)| bytes.len()).sum(), trials }
});

/// Names and contents, in the order of the names.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    let name = |path: &Path| path.file_name().expect("a file").to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), fs::read(path).expect("readable"))).collect()
}

#[test]
fn each_has_the_lowest_loss_on_files_of_its_kind_that_it_never_saw() {
    let Trials { kinds, trials, .. } = &*TRIALS;
    assert!(kinds.len() >= 5, "{kinds:?}");
    let mut beaten = Vec::new();
    for (kind, name) in kinds.iter().enumerate() {
        let own: Vec<&Trial> = trials.iter().filter(|trial| trial.kind == kind).collect();
        let won = own.iter().filter(|trial| trial.winner() == kind).count();
        // A loss is a mean over positions, padding included.
        let nats: f32 = own.iter().map(|trial| trial.scores[kind].loss * trial.positions() as f32).sum();
        let bytes: usize = own.iter().map(|trial| trial.bytes).sum();
        println!("{name}: {won} of {}, {:.2} nats a byte", own.len(), nats / bytes as f32);
        for trial in own.iter().filter(|trial| trial.winner() != kind) {
            let losses: Vec<f32> = trial.scores.iter().map(|score| score.loss).collect();
            println!("  {} goes to {}: {losses:?}", trial.file, kinds[trial.winner()]);
        }
        assert!(own.len() >= 10, "{name}: ten files at least");
        if won * 10 < own.len() * WINS_OF_TEN {
            beaten.push(name);
        }
    }
    assert!(beaten.is_empty(), "{beaten:?} lose to others on their own ground");
}

#[test]
fn files_of_a_kind_are_neighbours_and_yet_not_all_in_one_place() {
    let Trials { kinds, trials, .. } = &*TRIALS;
    for (kind, name) in kinds.iter().enumerate() {
        let (own, foreign): (Vec<&Trial>, Vec<&Trial>) = trials.iter().partition(|trial| trial.kind == kind);
        let mean = |pairs: Vec<(&Trial, &Trial)>| {
            let distances = pairs.iter().map(|(a, b)| cosine_distance(a.embedding(), b.embedding()));
            distances.sum::<f32>() / pairs.len() as f32
        };
        let within = mean(own.iter().enumerate().flat_map(|(i, a)| own[..i].iter().map(move |b| (*a, *b))).collect());
        let across = mean(own.iter().flat_map(|a| foreign.iter().map(move |b| (*a, *b))).collect());
        println!("{name}: mean distance within {within:.3}, to other kinds {across:.3}");
        assert!(within + 0.1 < across, "{name}: {within} within, {across} to others");
        assert!(within > 0.1, "{name}: samples of one kind must be able to reach different targets: {within}");
    }
}

#[test]
fn together_they_are_small_enough_to_ship() {
    assert!(TRIALS.weights_bytes <= LARGEST_TOTAL, "{}", TRIALS.weights_bytes);
}
