//! The model against the numbers of the reference (`tests/data/model`, described in `reference/model.md §11`).

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde_json::Value;
use somascope::model::{self, Geometry, Model, ModelError, arrgen, tokenizer};

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/model").join(file)
}

fn bytes(file: &str) -> Vec<u8> {
    std::fs::read(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn json(file: &str) -> Value {
    serde_json::from_slice(&bytes(file)).unwrap()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key].as_array().unwrap_or_else(|| panic!("no list `{key}` in {value}"))
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
}

fn bits(value: &Value) -> u32 {
    u32::from_str_radix(value.as_str().unwrap(), 16).unwrap()
}

fn geometry(sequence_length: usize, batch_size: usize) -> Geometry {
    Geometry {
        sequence_length: NonZeroUsize::new(sequence_length).unwrap(),
        batch_size: NonZeroUsize::new(batch_size).unwrap(),
    }
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= tolerance, "{what}[{i}]: {f}, expected {e}");
    }
}

/// The largest relative error of a loss and absolute error of an embedding over all cases of a file.
#[derive(Debug, Default)]
struct Worst {
    loss: f32,
    embedding: f32,
}

fn run_cases(prefix: &str, wanted: impl Fn(&str) -> bool) -> Worst {
    let expected = json(&format!("{prefix}_expected.json"));
    let config = &expected["config"];
    let number = |key: &str| config[key].as_u64().unwrap() as usize;
    let geometry = geometry(number("max_seq_len"), number("batch_size"));
    let models: Vec<Model> = list(&expected, "models")
        .iter()
        .map(|m| Model::from_safetensors(&bytes(m["file"].as_str().unwrap()), Some(number("num_heads"))).unwrap())
        .map(|model| model.with_geometry(geometry))
        .collect();
    let targets: Vec<Vec<f32>> = list(&expected, "targets").iter().map(|t| floats(&t["values"])).collect();

    let mut worst = Worst::default();
    let mut cases = 0;
    for case in list(&expected, "cases") {
        let name = case["input"].as_str().unwrap();
        if !wanted(name) {
            continue;
        }
        cases += 1;
        let data = bytes(&format!("{prefix}_input_{name}.bin"));
        let seed = case["seed"].as_u64().unwrap();
        let mut losses = Vec::new();
        let mut embeddings = Vec::new();
        for (model, expected) in models.iter().zip(list(case, "models")) {
            let result = model.score(&data, seed);
            if expected.get("error").is_some() {
                assert!(matches!(result, Err(ModelError::EmptyData)), "{name}: {result:?}");
                continue;
            }
            let score = result.unwrap();
            let loss = expected["loss"].as_f64().unwrap() as f32;
            let embedding = floats(&expected["embedding"]);
            worst.loss = worst.loss.max((score.loss - loss).abs() / loss.abs());
            assert!((score.loss - loss).abs() <= 1e-5 * loss.abs(), "{name}: loss {}, expected {loss}", score.loss);
            assert_close(&score.embedding, &embedding, 1e-4, name);
            let errors = score.embedding.iter().zip(&embedding).map(|(f, e)| (f - e).abs());
            worst.embedding = errors.fold(worst.embedding, f32::max);
            for (target, distance) in targets.iter().zip(expected["distances"].as_array().into_iter().flatten()) {
                let distance = distance["distance"].as_f64().unwrap() as f32;
                let found = model::cosine_distance(&score.embedding, target);
                assert!((found - distance).abs() <= 1e-5, "{name}: distance {found}, expected {distance}");
            }
            losses.push(score.loss);
            embeddings.push(score.embedding);
        }
        let winner = case["winner"].as_u64().map(|index| index as usize);
        assert_eq!(model::winner(&losses), winner, "{name}: winner");
    }
    assert!(cases > 0, "no case was run");
    worst
}

#[test]
fn small_sequences_score_as_the_reference_scores_them() {
    let worst = run_cases("vec64", |_| true);
    println!("vec64: {worst:?}");
    assert!(worst.loss <= 2e-6 && worst.embedding <= 5e-6, "agreement was better once: {worst:?}");
}

#[test]
fn the_networks_small_model_scores_as_the_reference_scores_it() {
    let worst = run_cases("small16", |name| name != "random_256KiB");
    println!("small16: {worst:?}");
    assert!(worst.loss <= 3e-6 && worst.embedding <= 5e-6, "agreement was better once: {worst:?}");
}

#[test]
fn positions_far_into_a_file_score_as_the_reference_scores_them() {
    let worst = run_cases("small16", |name| name == "random_256KiB");
    println!("small16 256 KiB: {worst:?}");
    assert!(worst.loss <= 3e-6 && worst.embedding <= 5e-6, "agreement was better once: {worst:?}");
}
