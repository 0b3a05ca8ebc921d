//! Specialists of the embedded network: each knows its own kind of bytes best, and its embeddings tell samples apart.

use somascope::model::{
    self, Model, arrgen,
    specialist::{self, Dims},
};

const WINDOW: usize = 1024;
const DEMO: Dims = Dims { embed: 64, feed_forward: 256, layers: 2 };

/// Endless seeded choices.
struct Choices(Vec<f32>, usize);

impl Choices {
    fn new(seed: u64) -> Self {
        Self(arrgen::uniform(seed, 1 << 16, 0.0, 1.0), 0)
    }

    fn below(&mut self, count: usize) -> usize {
        self.1 = (self.1 + 1) % self.0.len();
        (self.0[self.1] * count as f32) as usize % count
    }

    fn of<'a>(&mut self, options: &[&'a str]) -> &'a str {
        options[self.below(options.len())]
    }
}

const NOUNS: [&str; 16] = [
    "river", "harbour", "clerk", "winter", "letter", "garden", "captain", "question", "morning", "village", "engine",
    "silence", "window", "journey", "answer", "shadow",
];
const VERBS: [&str; 10] =
    ["crossed", "remembered", "followed", "left", "watched", "described", "forgot", "reached", "opened", "praised"];
const LINKS: [&str; 8] = ["and then", "because", "although", "while", "before", "so that", "where", "until"];

fn prose(choices: &mut Choices) -> String {
    let clause = |c: &mut Choices| format!("the {} {} the old {}", c.of(&NOUNS), c.of(&VERBS), c.of(&NOUNS));
    let text = format!("{} {} {}. ", clause(choices), choices.of(&LINKS), clause(choices));
    text.replacen('t', "T", 1)
}

fn code(choices: &mut Choices) -> String {
    let (name, field, number) = (choices.of(&NOUNS), choices.of(&NOUNS), choices.below(64));
    let operator = choices.of(&["+", "-", "<<", "&", "%"]);
    format!(
        "    fn {name}_{field}(&self, {field}: u32) -> Result<u32> {{\n        self.{name}[{number}] {operator} {field};\n    }}\n\n"
    )
}

fn json(choices: &mut Choices) -> String {
    let (id, key, value) = (choices.below(100_000), choices.of(&NOUNS), choices.below(1000));
    let tag = choices.of(&["true", "false", "null"]);
    format!("{{\"id\":{id},\"{key}\":{{\"value\":{value}.5,\"active\":{tag}}},\"tags\":[\"{}\"]}},", choices.of(&NOUNS))
}

fn records(choices: &mut Choices) -> Vec<u8> {
    let mut record = vec![0x7f, 0, 1];
    record.extend_from_slice(&(choices.below(70_000) as u32).to_le_bytes());
    record.extend_from_slice(&(choices.below(900) as f64).to_le_bytes());
    record.push(choices.below(256) as u8);
    record
}

fn of_kind(kind: usize, seed: u64, windows: usize) -> Vec<u8> {
    let mut choices = Choices::new(seed);
    let mut bytes = Vec::new();
    while bytes.len() < windows * WINDOW {
        match kind {
            0 => bytes.extend(prose(&mut choices).bytes()),
            1 => bytes.extend(code(&mut choices).bytes()),
            2 => bytes.extend(json(&mut choices).bytes()),
            _ => bytes.extend(records(&mut choices)),
        }
    }
    bytes.truncate(windows * WINDOW);
    bytes
}

fn mean_distance(pairs: impl Iterator<Item = f32>) -> f32 {
    let distances: Vec<f32> = pairs.collect();
    distances.iter().sum::<f32>() / distances.len() as f32
}

#[test]
fn each_knows_its_own_kind_best_and_tells_samples_apart() {
    let kinds = ["prose", "code", "json", "records"];
    let models: Vec<Model> = (0..kinds.len())
        .map(|kind| specialist::build(DEMO, 7, &[&of_kind(kind, kind as u64, 12)]))
        .map(|weights| Model::from_safetensors(&weights, None).unwrap())
        .collect();
    let held_out: Vec<Vec<u8>> = (0..kinds.len()).map(|kind| of_kind(kind, 100 + kind as u64, 4)).collect();

    // embeddings[model][kind][window]
    let mut embeddings = vec![vec![Vec::new(); kinds.len()]; kinds.len()];
    for (kind, data) in held_out.iter().enumerate() {
        let windows: Vec<&[u8]> = data.chunks(WINDOW).collect();
        let mut losses = vec![Vec::new(); windows.len()];
        for (m, model) in models.iter().enumerate() {
            for (losses, score) in losses.iter_mut().zip(model.score_batch(&windows, 0)) {
                let score = score.unwrap();
                losses.push(score.loss);
                embeddings[m][kind].push(score.embedding);
            }
        }
        println!("{}: losses {:?}", kinds[kind], losses[0]);
        for losses in losses {
            assert_eq!(model::winner(&losses), Some(kind), "{}: {losses:?}", kinds[kind]);
        }
    }

    for (m, of_model) in embeddings.iter().enumerate() {
        let pairs = |a: usize, b: usize| of_model[a].iter().flat_map(move |x| of_model[b].iter().map(move |y| (x, y)));
        let distance = |(x, y): (&Vec<f32>, &Vec<f32>)| model::cosine_distance(x, y);
        let own = mean_distance(pairs(m, m).filter(|(x, y)| x != y).map(distance));
        let foreign = (0..kinds.len()).flat_map(|a| (0..a).flat_map(move |b| pairs(a, b)));
        let foreign = mean_distance(foreign.map(distance));
        println!("{} model: mean distance within its kind {own:.3}, between kinds {foreign:.3}", kinds[m]);
        assert!(own > 0.3, "windows of its own kind must not share one direction");
        assert!(foreign > 0.3, "nor windows of different kinds");
    }
}

#[test]
fn the_same_seed_and_examples_give_the_same_weights() {
    let dims = Dims { embed: 16, feed_forward: 32, layers: 1 };
    let examples: [&[u8]; 2] = [b"one example", b"and another, a little longer"];
    let weights = specialist::build(dims, 1, &examples);
    assert!(weights == specialist::build(dims, 1, &examples));
    assert!(weights != specialist::build(dims, 2, &examples));
    assert!(weights != specialist::build(dims, 1, &examples[..1]));
}

#[test]
fn without_examples_it_is_still_a_model() {
    for examples in [&[][..], &[&b""[..]], &[b"x"]] {
        let weights = specialist::build(Dims { embed: 16, feed_forward: 32, layers: 1 }, 1, examples);
        let score = Model::from_safetensors(&weights, None).unwrap().score(b"any bytes", 0).unwrap();
        assert!(score.loss.is_finite());
    }
}

#[test]
fn dimensions_that_no_model_has_are_refused_by_the_loader() {
    for embed in [0, 6, 24] {
        let weights = specialist::build(Dims { embed, feed_forward: 8, layers: 1 }, 1, &[b"text"]);
        assert!(Model::from_safetensors(&weights, None).is_err(), "{embed}");
    }
    let weights = specialist::build(Dims { embed: 16, feed_forward: 8, layers: 0 }, 1, &[b"text"]);
    assert!(Model::from_safetensors(&weights, None).is_err(), "no layers");
}
