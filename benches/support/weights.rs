//! Random weights for benches, with the shapes of a V1 model (`reference/model.md §1.4`). Their numbers do not change the work.

use safetensors::{Dtype, tensor::TensorView};
use somascope::model::{VOCABULARY, arrgen};

/// More than any model has.
const TENSORS: u64 = 1 << 16;

/// Safetensors that keep activations as large as a trained model's.
pub fn random(embed: usize, feed_forward: usize, layers: usize, seed: u64) -> Vec<u8> {
    let mut tensors: Vec<(String, Vec<usize>)> = vec![
        ("embedding.weight".into(), vec![VOCABULARY, embed]),
        ("final_norm.gamma".into(), vec![embed]),
        ("final_norm.beta".into(), vec![embed]),
        ("predictor.weight".into(), vec![embed, VOCABULARY]),
        ("predictor.bias".into(), vec![VOCABULARY]),
    ];
    for layer in 0..layers {
        let mut add =
            |part: &str, shape: &[usize]| tensors.push((format!("encoder.layers.{layer}.{part}"), shape.to_vec()));
        for norm in ["norm_1", "norm_2"] {
            add(&format!("{norm}.gamma"), &[embed]);
            add(&format!("{norm}.beta"), &[embed]);
        }
        for part in ["query", "key", "value", "output"] {
            add(&format!("attention.{part}.weight"), &[embed, embed]);
            add(&format!("attention.{part}.bias"), &[embed]);
        }
        add("pwff.linear_inner.weight", &[embed, feed_forward]);
        add("pwff.linear_inner.bias", &[feed_forward]);
        add("pwff.linear_outer.weight", &[feed_forward, embed]);
        add("pwff.linear_outer.bias", &[embed]);
    }
    let values = |(at, (name, shape)): (u64, &(String, Vec<usize>))| -> Vec<u8> {
        let count = shape.iter().product();
        let (mean, spread) = match name.rsplit('.').next() {
            Some("gamma") => (1.0, 0.1),
            Some("weight") if name != "embedding.weight" => (0.0, 1.0 / (shape[0] as f32).sqrt()),
            Some("weight") => (0.0, 1.0),
            _ => (0.0, 0.1),
        };
        arrgen::normal(seed * TENSORS + at, count, mean, spread).iter().flat_map(|v| v.to_le_bytes()).collect()
    };
    let bytes: Vec<Vec<u8>> = (0..).zip(&tensors).map(values).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape), bytes)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).expect("four bytes an element"))
    });
    safetensors::serialize(views, None).expect("a short header")
}
