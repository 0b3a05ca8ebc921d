//! The model on an NVIDIA card against the numbers of the reference, in every precision. Where there is no card, its absence must be
//! said clearly.
#![cfg(feature = "cuda")]
#![expect(clippy::print_stderr, reason = "says whether a card was there, and how far off it was")]

use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde_json::Value;
use somascope::model::{Device, Geometry, Model, ModelError, Placement, Precision, cosine_distance, devices};

/// The folder of the package may have moved since this was compiled: cards are seldom where programs are built.
fn bytes(file: &str) -> Vec<u8> {
    let package =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    std::fs::read(package.join("tests/data/model").join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn on_card(precision: Precision) -> Placement {
    Placement { device: Device::Cuda(0), precision }
}

/// `false` if there is none, which must be told.
fn card() -> bool {
    if devices().iter().any(|device| device.device == Device::Cuda(0)) {
        return true;
    }
    let error = Model::load(&bytes("vec64_model_0.safetensors"), Some(4), on_card(Precision::F32)).err();
    assert!(matches!(&error, Some(ModelError::NoDevice { device: Device::Cuda(0), .. })), "{error:?}");
    let text = error.map(|error| error.to_string()).unwrap_or_default();
    assert!(text.contains("not found") || text.contains("no card 0"), "unclear: {text}");
    eprintln!("no card: {text}");
    false
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

/// All cases of a file in one precision, each alone and all together; worst error of a loss and of an embedding.
fn run(prefix: &str, precision: Precision, check: impl Fn(&str, (f32, f32), (&[f32], &[f32]))) {
    let expected: Value = serde_json::from_slice(&bytes(&format!("{prefix}_expected.json"))).unwrap();
    let number = |key: &str| expected["config"][key].as_u64().unwrap() as usize;
    let geometry = Geometry {
        sequence_length: NonZeroUsize::new(number("max_seq_len")).unwrap(),
        batch_size: NonZeroUsize::new(number("batch_size")).unwrap(),
    };
    for (index, model) in expected["models"].as_array().unwrap().iter().enumerate() {
        let file = bytes(model["file"].as_str().unwrap());
        let model = Model::load(&file, Some(number("num_heads")), on_card(precision)).unwrap().with_geometry(geometry);
        assert!(model.resident_bytes() > 0);
        for seed in [0, 42] {
            let cases: Vec<&Value> =
                expected["cases"].as_array().unwrap().iter().filter(|c| c["seed"] == seed).collect();
            let inputs: Vec<Vec<u8>> =
                cases.iter().map(|c| bytes(&format!("{prefix}_input_{}.bin", c["input"].as_str().unwrap()))).collect();
            let samples: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
            let together = model.score_batch(&samples, seed);
            for ((case, data), together) in cases.iter().zip(&samples).zip(together) {
                let name = format!("{prefix}, {}, model {index}, seed {seed}, {precision}", case["input"]);
                if data.is_empty() {
                    assert!(matches!(together, Err(ModelError::EmptyData)), "{name}");
                    continue;
                }
                let wanted = &case["models"][index];
                let (loss, embedding) = (wanted["loss"].as_f64().unwrap() as f32, floats(&wanted["embedding"]));
                for score in [together, model.score(data, seed)] {
                    let score = score.unwrap_or_else(|error| panic!("{name}: {error}"));
                    check(&name, (score.loss, loss), (&score.embedding, &embedding));
                }
            }
        }
    }
}

#[test]
fn full_precision_agrees_with_the_reference() {
    if !card() {
        return;
    }
    for prefix in ["vec64", "small16"] {
        let worst = std::cell::Cell::new((0.0f32, 0.0f32));
        run(prefix, Precision::F32, |name, (loss, wanted), (embedding, expected)| {
            let loss_error = (loss - wanted).abs() / wanted.abs();
            let error = embedding.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            worst.set((worst.get().0.max(loss_error), worst.get().1.max(error)));
            assert!(loss_error <= 1e-5, "{name}: loss {loss}, expected {wanted}");
            assert!(embedding.len() == expected.len() && error <= 1e-4, "{name}: an embedding is off by {error}");
        });
        let (loss, embedding) = worst.get();
        eprintln!("{prefix} in f32: loss off by {loss:.1e} relative at most, embedding by {embedding:.1e}");
    }
}

#[test]
fn search_precisions_stay_far_inside_the_tolerance_of_audits() {
    if !card() {
        return;
    }
    // Audits allow 1e-2. These models are tiny and some of the data constant, so that roundings do not average out as they do in V1
    // (3e-5 in bf16).
    for (precision, limit) in [(Precision::Tf32, 1e-3), (Precision::F16, 1e-3), (Precision::Bf16, 2e-3)] {
        for prefix in ["vec64", "small16"] {
            let worst = std::cell::Cell::new((0.0f32, 0.0f32));
            run(prefix, precision, |name, (loss, wanted), (embedding, expected)| {
                let loss_error = (loss - wanted).abs() / wanted.abs().max(1.0);
                let distance = cosine_distance(embedding, expected);
                worst.set((worst.get().0.max(loss_error), worst.get().1.max(distance)));
                assert!(loss_error < limit, "{name}: loss {loss}, expected {wanted}");
                assert!(distance < 1e-3, "{name}: an embedding is {distance} away");
            });
            let (loss, distance) = worst.get();
            eprintln!(
                "{prefix} in {precision}: loss off by {loss:.1e} at most, embedding by {distance:.1e} cosine distance"
            );
        }
    }
}
