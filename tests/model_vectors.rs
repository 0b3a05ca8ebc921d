//! The model against the numbers of the reference (`tests/data/model`, described in `reference/model.md §11`).

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde_json::Value;
use somascope::model::{self, Geometry, Model, ModelError, Placement, arrgen, tokenizer};

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

type Load = fn(&[u8], usize) -> Result<Model, ModelError>;

fn on_the_processor(bytes: &[u8], heads: usize) -> Result<Model, ModelError> {
    Model::load(&bytes, Some(heads), Placement::CPU)
}

fn as_tensors(bytes: &[u8], heads: usize) -> Result<Model, ModelError> {
    Model::load_as_tensors(&bytes, Some(heads))
}

fn run_cases(prefix: &str, load: Load, wanted: impl Fn(&str) -> bool) -> Worst {
    let expected = json(&format!("{prefix}_expected.json"));
    let config = &expected["config"];
    let number = |key: &str| config[key].as_u64().unwrap() as usize;
    let geometry = geometry(number("max_seq_len"), number("batch_size"));
    let models: Vec<Model> = list(&expected, "models")
        .iter()
        .map(|m| load(&bytes(m["file"].as_str().unwrap()), number("num_heads")).unwrap())
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
    let worst = run_cases("vec64", on_the_processor, |_| true);
    println!("vec64: {worst:?}");
    assert!(worst.loss <= 1e-6 && worst.embedding <= 5e-6, "agreement was better once: {worst:?}");
}

#[test]
fn the_networks_small_model_scores_as_the_reference_scores_it() {
    let worst = run_cases("small16", on_the_processor, |name| name != "random_256KiB");
    println!("small16: {worst:?}");
    assert!(worst.loss <= 4e-6 && worst.embedding <= 5e-6, "agreement was better once: {worst:?}");
}

#[test]
fn positions_far_into_a_file_score_as_the_reference_scores_them() {
    let worst = run_cases("small16", on_the_processor, |name| name == "random_256KiB");
    println!("small16 256 KiB: {worst:?}");
    assert!(worst.loss <= 4e-6 && worst.embedding <= 5e-6, "agreement was better once: {worst:?}");
}

/// What cards run whose makers' own languages we do not speak.
#[test]
fn tensors_score_as_the_reference_scores_them() {
    let worst = run_cases("vec64", as_tensors, |_| true);
    println!("vec64 as tensors: {worst:?}");
    let some = ["empty", "one_byte_A", "seq_len_plus_1_text", "three_and_half_chunks_random"];
    let worst = run_cases("small16", as_tensors, |name| some.contains(&name));
    println!("small16 as tensors: {worst:?}");
}

/// All inputs of all lengths, the empty one too, in one call.
#[test]
fn samples_that_share_passes_score_as_the_reference_scores_them() {
    let expected = json("small16_expected.json");
    let cases: Vec<&Value> = list(&expected, "cases").iter().filter(|case| case["seed"] == 0).collect();
    let inputs: Vec<Vec<u8>> =
        cases.iter().map(|case| bytes(&format!("small16_input_{}.bin", case["input"].as_str().unwrap()))).collect();
    let samples: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    for (index, model) in list(&expected, "models").iter().enumerate() {
        let model = on_the_processor(&bytes(model["file"].as_str().unwrap()), 4).unwrap();
        let scores = model.score_batch(&samples, 0);
        assert_eq!(scores.len(), samples.len());
        for (case, score) in cases.iter().zip(scores) {
            let expected = &case["models"][index];
            if expected.get("error").is_some() {
                assert!(matches!(score, Err(ModelError::EmptyData)));
                continue;
            }
            let (score, loss) = (score.unwrap(), expected["loss"].as_f64().unwrap() as f32);
            assert!(
                (score.loss - loss).abs() <= 1e-5 * loss.abs(),
                "{}: {}, expected {loss}",
                case["input"],
                score.loss
            );
            assert_close(&score.embedding, &floats(&expected["embedding"]), 1e-4, "embedding");
        }
    }
}

#[test]
fn tokens_targets_and_positions_match() {
    for case in list(&json("tokenizer.json"), "cases") {
        let data = hex::decode(case["data_hex"].as_str().unwrap()).unwrap();
        let length = case["max_seq_len"].as_u64().unwrap() as usize;
        let expected = list(case, "sequences");
        assert_eq!(tokenizer::sequence_count(data.len(), length), expected.len(), "{case}");
        for (index, expected) in expected.iter().enumerate() {
            let sequence = tokenizer::sequence(&data, index, length);
            assert_eq!(sequence.tokens, ids(&expected["token_ids"]), "{case}");
            assert_eq!(sequence.targets, ids(&expected["targets"]), "{case}");
            assert_eq!(sequence.positions, ids(&expected["pos_ids"]), "{case}");
        }
    }
}

#[test]
fn random_arrays_match_bit_for_bit() {
    let expected = json("arrgen.json");
    let same_bits = |found: &[f32], expected: &Value| {
        let expected: Vec<u32> = expected.as_array().unwrap().iter().map(bits).collect();
        assert_eq!(found.iter().map(|v| v.to_bits()).collect::<Vec<_>>(), expected);
    };
    for case in list(&expected, "cases") {
        let seed: u64 = case["seed"].as_str().unwrap().parse().unwrap();
        same_bits(&arrgen::normal(seed, 64, 0.0, 1.0), &case["normal_0_1_first64_bits"]);
        same_bits(&arrgen::uniform(seed, 64, 0.0, 1.0), &case["uniform_0_1_first64_bits"]);
        let scaled = floats(&case["normal_1p5_0p25"]);
        assert_eq!(arrgen::normal(seed, scaled.len(), 1.5, 0.25), scaled);
        let shifted = floats(&case["uniform_m3_5"]);
        assert_eq!(arrgen::uniform(seed, shifted.len(), -3.0, 5.0), shifted);
        let many = arrgen::normal(seed, 4096, 0.0, 1.0);
        let sum = many.iter().map(|v| f64::from(*v)).sum::<f64>();
        assert!((sum - case["normal_4096_sum_f64"].as_f64().unwrap()).abs() < 1e-9, "seed {seed}: {sum}");
        assert_eq!(f64::from(many[4095]), case["normal_0_1_index_4095"].as_f64().unwrap());
    }
    let noise = arrgen::normal(0, 2048 * 256, 0.0, 1.0);
    let expected = &expected["sigreg_noise_v1_seed0_[2048,256]"];
    assert_eq!(noise[..4], floats(&expected["first4"]));
    assert_eq!(noise[noise.len() - 4..], floats(&expected["last4"]));
    let sum = noise.iter().map(|v| f64::from(*v)).sum::<f64>();
    assert!((sum - expected["sum_f64"].as_f64().unwrap()).abs() < 1e-6, "{sum}");
}

#[test]
fn models_are_chosen_and_distances_measured_bit_for_bit() {
    for case in list(&json("model_selection.json"), "cases") {
        let number = |key: &str| case[key].as_u64().unwrap();
        let dim = number("dim") as usize;
        let target = arrgen::normal(number("target_seed"), dim, 0.0, 1.0);
        let stakes: Vec<u64> = list(case, "stakes").iter().map(|stake| stake.as_u64().unwrap()).collect();
        let duplicates = case["duplicate_rows_1_2_3"].as_bool().unwrap();
        let embeddings: Vec<Vec<f32>> = (0..stakes.len() as u64)
            .map(|i| if duplicates { i.min(1) } else { i })
            .map(|i| arrgen::normal(number("embedding_seed_base") + i, dim, 0.0, 1.0))
            .collect();
        let distances = embeddings.iter().map(|embedding| model::cosine_distance(embedding, &target).to_bits());
        let expected: Vec<u32> = list(case, "scoring_cosine_distance_bits").iter().map(bits).collect();
        assert_eq!(distances.collect::<Vec<_>>(), expected);

        let models: Vec<(&[f32], u64)> = embeddings.iter().map(Vec::as_slice).zip(stakes).collect();
        let order: Vec<usize> = list(case, "order").iter().map(|index| index.as_u64().unwrap() as usize).collect();
        assert_eq!(model::select_models(&target, &models, order.len()), order);
        assert_eq!(model::select_models(&target, &models, 1), order[..1]);
        assert_eq!(model::select_models(&target, &models, 99), order);
        assert_eq!(model::select_models(&target, &[], 3), [0usize; 0]);
    }
}

#[test]
fn encrypted_weights_and_checksums_match() {
    for case in list(&json("crypto.json"), "cases") {
        let text = |key: &str| case[key].as_str().unwrap();
        let key: [u8; 32] = hex::decode(text("key_hex")).unwrap().try_into().unwrap();
        let (plain, encrypted) = match case["plain_hex"].as_str() {
            Some(plain) => (hex::decode(plain).unwrap(), hex::decode(text("encrypted_hex")).unwrap()),
            None => (bytes(text("name")), bytes(&format!("{}.enc", text("name")))),
        };
        assert_eq!(model::checksum(&plain).to_string(), text("blake2b256_plain_base58"));
        assert_eq!(model::checksum(&encrypted).to_string(), text("checksum_encrypted_base58"));
        assert_eq!(hex::encode(model::checksum(&key).0), text("key_commitment_hex"));
        let mut worked_on = plain.clone();
        model::apply_key_stream(&key, &mut worked_on);
        assert!(worked_on == encrypted, "{}: encryption", text("name"));
        model::apply_key_stream(&key, &mut worked_on);
        assert!(worked_on == plain, "{}: decryption", text("name"));
    }
}
