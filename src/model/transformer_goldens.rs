//! The modules one by one against numbers of the reference: those it publishes itself (`upstream_goldens.json`) and every intermediate
//! of one pass of a small model.

use std::path::Path;

use serde_json::Value;
use somascope_kernels::{from_tiles, nll_sum, tile_count, to_tiles};

use super::super::regulariser::Regulariser;
use super::super::{Geometry, Model, arrgen, weights};
use super::*;

fn data(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/model").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&data(name)).unwrap()
}

/// Numbers of nested lists in reading order.
fn flat(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(items) => items.iter().flat_map(flat).collect(),
        number => vec![number.as_f64().unwrap() as f32],
    }
}

fn published(name: &str) -> Vec<f32> {
    let goldens = json("upstream_goldens.json");
    let case = goldens["cases"].as_array().unwrap().iter().find(|case| case["name"] == name);
    flat(&case.unwrap_or_else(|| panic!("no golden `{name}`"))["expected"])
}

fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= 5e-6 * e.abs().max(1.0), "{what}[{i}]: {f}, expected {e}");
    }
}

fn normal(seed: u64, count: usize) -> Vec<f32> {
    arrgen::normal(seed, count, 0.0, 1.0)
}

/// A safetensors file with standard normals from the given seeds; tensors that are not named are zero.
fn file(dims: Dims, seeds: &[(String, u64)]) -> Vec<u8> {
    weights::write(dims, |name, shape| match seeds.iter().find(|(named, _)| named == name) {
        Some((_, seed)) => normal(*seed, shape.iter().product()),
        None => vec![0.0; shape.iter().product()],
    })
}

/// Steps of the pass on the rows of one sequence, in tiles and back.
impl Transformer {
    fn scratch(&self) -> Scratch {
        Scratch::new(4, 4 * TILE, self.dims.embed, self.widest())
    }

    fn room(&self, rows: &[f32]) -> Vec<Column> {
        vec![Column::ZERO; tile_count(rows.len() / self.dims.embed) * self.dims.embed]
    }

    fn rows(&self, tiles: &[Column], like: &[f32]) -> Vec<f32> {
        from_tiles(tiles, self.dims.embed, like.len() / self.dims.embed)
    }

    /// The attention branch of normalised input.
    fn attention_branch(&self, layer: usize, normed: &[f32], positions: &[u32]) -> Vec<f32> {
        let embed = self.dims.embed;
        let (mut queries, mut context, mut branch) = (self.room(normed), self.room(normed), self.room(normed));
        let mut keys_and_values = vec![Column::ZERO; 2 * queries.len()];
        self.layers[layer].project(&to_tiles(normed, embed), &mut queries, &mut keys_and_values);
        self.rotate(0, &self.rotary(positions), &mut queries, &mut keys_and_values);
        let keys_and_values = KeysAndValues { tiles: &keys_and_values, positions: positions.len() };
        let mut scores = vec![Column::ZERO; 4 * TILE];
        for (tile, (queries, context)) in queries.chunks(embed).zip(context.chunks_mut(embed)).enumerate() {
            kernels::attend(queries, keys_and_values, tile, self.heads, &mut scores, context);
        }
        self.layers[layer].output.apply(&context, &mut branch);
        self.rows(&branch, normed)
    }

    /// The feed-forward branch of normalised input.
    fn feed_forward_branch(&self, layer: usize, normed: &[f32]) -> Vec<f32> {
        let mut branch = self.room(normed);
        self.layers[layer].feed_forward(&to_tiles(normed, self.dims.embed), &mut self.scratch().wide, &mut branch);
        self.rows(&branch, normed)
    }

    fn all_layers(&self, x: &[f32], positions: &[u32]) -> Vec<f32> {
        let rotary = self.rotary(positions);
        let mut scratch = self.scratch();
        let mut tiles = to_tiles(x, self.dims.embed);
        let (mut queries, mut keys_and_values) = (tiles.clone(), [&tiles[..], &tiles[..]].concat());
        for layer in 0..self.dims.layers {
            self.project(layer, 0, &rotary, &tiles, &mut scratch, (&mut queries, &mut keys_and_values));
            let keys_and_values = KeysAndValues { tiles: &keys_and_values, positions: positions.len() };
            self.attend(layer, 0, &queries, keys_and_values, &mut scratch, &mut tiles);
        }
        self.rows(&tiles, x)
    }

    fn norm(&self, norm: &Norm, x: &[f32]) -> Vec<f32> {
        let mut out = self.room(x);
        norm.apply(&to_tiles(x, self.dims.embed), &mut out);
        self.rows(&out, x)
    }

    fn logits(&self, representations: &[f32]) -> Vec<f32> {
        let positions = representations.len() / self.dims.embed;
        let mut out = vec![Column::ZERO; tile_count(positions) * self.dims.vocabulary];
        self.predictor.apply(&to_tiles(representations, self.dims.embed), &mut out);
        from_tiles(&out, self.dims.vocabulary, positions)
    }

    fn embeddings(&self, tokens: &[u32]) -> Vec<f32> {
        let mut x = vec![Column::ZERO; tile_count(tokens.len()) * self.dims.embed];
        self.embed(tokens, &mut x);
        from_tiles(&x, self.dims.embed, tokens.len())
    }
}

fn transformer(dims: Dims, heads: usize, seeds: &[(String, u64)]) -> Transformer {
    Transformer::load(&Weights::open(&file(dims, seeds)).unwrap(), heads).unwrap()
}

/// `names[i]` gets seed `base + 1 + i`.
fn in_order(base: u64, names: &[&str], layer: usize) -> Vec<(String, u64)> {
    names.iter().zip(base + 1..).map(|(name, seed)| (layer_tensor(layer, name), seed)).collect()
}

const ATTENTION: [&str; 8] = [
    "attention.query.weight",
    "attention.query.bias",
    "attention.key.weight",
    "attention.key.bias",
    "attention.value.weight",
    "attention.value.bias",
    "attention.output.weight",
    "attention.output.bias",
];
const FEED_FORWARD: [&str; 4] =
    ["pwff.linear_inner.weight", "pwff.linear_inner.bias", "pwff.linear_outer.weight", "pwff.linear_outer.bias"];

/// Seeds of the published encoder tests: sixteen in a row per layer, the second layer one later.
fn encoder_seeds(seed: u64, layers: usize) -> Vec<(String, u64)> {
    let names: Vec<&str> =
        [&["norm_1.gamma", "norm_1.beta"][..], &ATTENTION, &["norm_2.gamma", "norm_2.beta"], &FEED_FORWARD].concat();
    (0..layers).flat_map(|layer| in_order(seed + layer as u64, &names, layer)).collect()
}

const TINY: Dims = Dims { vocabulary: 4, embed: 4, feed_forward: 8, layers: 2 };

#[test]
fn rotary_positions_match() {
    let mut rotated = [0.0; 2];
    Rotary::new(&[1], 2).rotate(0, &[1.0, 1.0], &mut rotated);
    assert_close(&rotated, &published("rope_ones"), "rope_ones");

    let rotary = Rotary::new(&[0, 1, 2, 3], 4);
    let mut found = vec![0.0; 2 * 4 * 2 * 4];
    for (i, (head, out)) in normal(70, found.len()).chunks(4).zip(found.chunks_mut(4)).enumerate() {
        rotary.rotate(i / 2 % 4, head, out);
    }
    assert_close(&found, &published("rope_multi_position"), "rope_multi_position");
}

#[test]
fn attention_matches() {
    for (name, seed, batch) in [("attention", 42, 1), ("attention_multi_batch", 80, 2)] {
        let dims = Dims { layers: 1, ..TINY };
        let transformer = transformer(dims, 2, &in_order(seed, &ATTENTION, 0));
        let input = normal(seed + 9, batch * 16);
        let attend = |row: &[f32]| transformer.attention_branch(0, row, &[0, 1, 2, 3]);
        assert_close(&input.chunks(16).flat_map(attend).collect::<Vec<_>>(), &published(name), name);
    }
}

#[test]
fn feed_forward_matches() {
    let inputs = [
        ("pwff_ones", 42, vec![1.0; 4]),
        ("pwff_normal_input", 50, normal(55, 4)),
        ("pwff_batched", 60, normal(65, 2 * 3 * 4)),
    ];
    for (name, seed, input) in inputs {
        let dims = Dims { feed_forward: 2, layers: 1, ..TINY };
        let transformer = transformer(dims, 2, &in_order(seed, &FEED_FORWARD, 0));
        assert_close(&transformer.feed_forward_branch(0, &input), &published(name), name);
    }
}

#[test]
fn norm_linear_and_embedding_match() {
    for (name, seed, input) in
        [("layer_norm_ones", 42, vec![1.0; 4]), ("layer_norm_uniform", 44, arrgen::uniform(46, 4, 0.0, 1.0))]
    {
        let seeds = [("final_norm.gamma".to_owned(), seed), ("final_norm.beta".to_owned(), seed + 1)];
        let transformer = transformer(TINY, 2, &seeds);
        assert_close(&transformer.norm(&transformer.final_norm, &input), &published(name), name);
    }
    let narrow = Dims { embed: 2, ..TINY };
    for (name, seed, input) in
        [("linear_ones", 42, vec![1.0; 2]), ("linear_uniform", 44, arrgen::uniform(46, 2, 0.0, 1.0))]
    {
        let seeds = [("predictor.bias".to_owned(), seed), ("predictor.weight".to_owned(), seed + 1)];
        assert_close(&transformer(narrow, 1, &seeds).logits(&input), &published(name), name);
    }
    let embedded = transformer(narrow, 1, &[("embedding.weight".to_owned(), 42)]).embeddings(&[0, 1, 2, 3]);
    assert_close(&embedded, &published("embedding"), "embedding");
}

#[test]
fn the_encoder_matches() {
    for (name, seed, input, layers, batch) in [
        ("encoder_seed42", 42, 142, 2, 1),
        ("encoder_seed90", 90, 290, 2, 1),
        ("encoder_seed100_batch2", 100, 300, 1, 2),
    ] {
        let transformer = transformer(Dims { layers, ..TINY }, 2, &encoder_seeds(seed, layers));
        let x = normal(input, batch * 16);
        let encoded: Vec<f32> = x.chunks(16).flat_map(|row| transformer.all_layers(row, &[0, 1, 2, 3])).collect();
        assert_close(&encoded, &published(name), name);
    }
}

/// Seeds of the published tests of whole models.
fn model_seeds(seed: u64) -> Vec<(String, u64)> {
    let mut seeds = encoder_seeds(seed, 2);
    for (name, offset) in [
        ("final_norm.gamma", 100),
        ("final_norm.beta", 200),
        ("embedding.weight", 250),
        ("predictor.weight", 300),
        ("predictor.bias", 400),
    ] {
        seeds.push((name.to_owned(), seed + offset));
    }
    seeds
}

#[test]
fn the_whole_model_matches() {
    let transformer = transformer(TINY, 2, &model_seeds(42));
    let ids = [0, 1, 2, 3];
    let encoded = transformer.all_layers(&transformer.embeddings(&ids), &ids);
    let representations = transformer.norm(&transformer.final_norm, &encoded);
    assert_close(&representations, &published("model_encode"), "model_encode");
    assert_close(&transformer.logits(&representations), &published("model_predict"), "model_predict");
}

#[test]
fn the_runner_tests_of_the_reference_score_as_it_scores_them() {
    let geometry = Geometry { sequence_length: 8.try_into().unwrap(), batch_size: 2.try_into().unwrap() };
    let dims = Dims { vocabulary: 264, ..TINY };
    let model = Model::from_safetensors(&file(dims, &model_seeds(42)), Some(2)).unwrap().with_geometry(geometry);
    let expected = json("upstream_runner_tests_values.json");
    for case in expected["cases"].as_array().unwrap() {
        let bytes: Vec<u8> = (0..case["bytes"].as_u64().unwrap()).map(|byte| byte as u8).collect();
        let score = model.score(&bytes, case["seed"].as_u64().unwrap()).unwrap();
        let name = format!("{} bytes", bytes.len());
        assert_close(&[score.loss], &flat(&Value::Array(vec![case["loss"].clone()])), &name);
        assert_close(&score.embedding, &flat(&case["embedding"]), &name);
    }
}

#[test]
fn the_regulariser_matches() {
    let cases = [
        ("sigreg_normal", normal(43, 10 * 10 * 1024), normal(44, 1024 * 256), 256, 17),
        ("sigreg_uniform", arrgen::uniform(43, 10 * 10 * 1024, 0.0, 1.0), normal(44, 1024 * 256), 256, 17),
        ("sigreg_small_dim", normal(100, 2 * 3 * 8), normal(101, 8 * 4), 4, 5),
        ("sigreg_single_batch", normal(111, 16), normal(112, 16 * 256), 256, 17),
    ];
    for (name, input, noise, slices, points) in cases {
        let positions = input.len() / (noise.len() / slices);
        let regulariser = Regulariser::new(&noise, slices, points);
        let embed = noise.len() / slices;
        let mut room = vec![Column::ZERO; slices];
        let sum: f64 = input
            .chunks(TILE * embed)
            .map(|rows| regulariser.sum_of_tile(&to_tiles(rows, embed), rows.len() / embed, &mut room))
            .sum();
        assert_close(&[(sum / positions as f64) as f32], &published(name), name);
    }
}

#[test]
fn every_intermediate_of_a_pass_matches() {
    let bytes = data("vec64_intermediates_ramp_model_0.safetensors");
    let expected = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let expected = |name: &str, row: usize| -> Vec<f32> {
        let view = expected.tensor(name).unwrap();
        let all: Vec<f32> = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        all.chunks(all.len() / view.shape()[0]).nth(row).unwrap().to_vec()
    };
    let model = data("vec64_model_0.safetensors");
    let transformer = Transformer::load(&Weights::open(&model).unwrap(), 4).unwrap();
    let input = data("vec64_input_ramp.bin");
    for row in 0..3 {
        let sequence = super::super::tokenizer::sequence(&input, row, 64);
        let as_floats = |ids: &[u32]| ids.iter().map(|id| *id as f32).collect::<Vec<_>>();
        assert_eq!(as_floats(&sequence.tokens), expected("token_ids", row));
        assert_eq!(as_floats(&sequence.positions), expected("pos_ids", row));
        assert_eq!(as_floats(&sequence.targets), expected("targets", row));
        let mut x = transformer.embeddings(&sequence.tokens);
        assert_close(&x, &expected("after_embedding", row), "after_embedding");
        for (l, layer) in transformer.layers.iter().enumerate() {
            let normed = transformer.norm(&layer.norm_1, &x);
            assert_close(&normed, &expected(&format!("layer{l}.norm_1"), row), "norm_1");
            let attended = transformer.attention_branch(l, &normed, &sequence.positions);
            assert_close(&attended, &expected(&format!("layer{l}.attention"), row), "attention");
            kernels::add(&mut x, &attended);
            let fed_forward = transformer.feed_forward_branch(l, &transformer.norm(&layer.norm_2, &x));
            assert_close(&fed_forward, &expected(&format!("layer{l}.pwff"), row), "pwff");
            kernels::add(&mut x, &fed_forward);
            assert_close(&x, &expected(&format!("layer{l}.out"), row), "out");
        }
        let representations = transformer.norm(&transformer.final_norm, &x);
        assert_close(&representations, &expected("representations", row), "representations");
        let logits = transformer.logits(&representations);
        assert_close(&logits, &expected("logits", row), "logits");
        let nll = expected("nll_masked", row);
        for (slot, nll) in nll[..sequence.counted()].iter().enumerate() {
            let found = nll_sum(&logits[slot * 264..][..264], 264, &sequence.targets[slot..=slot]);
            assert_close(&[found as f32], &[*nll], "nll");
        }
        assert!(nll[sequence.counted()..].iter().all(|nll| *nll == 0.0));
    }
}
