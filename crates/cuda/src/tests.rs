//! Each stage of a pass against plain f64 loops over what the stage before left on the card, for several shapes and each precision.
//!
//! Where there is no card, these tests check that the error says so, and that the kernels compile if the compiler is there.

use std::collections::HashMap;

use crate::forward::{SLICES, Watch};
use crate::model::settings_for;
use crate::{Card, CardError, Dims, Model, Precision, Row, RowScore, cards, program};

const PRECISIONS: [Precision; 4] = [Precision::F32, Precision::Tf32, Precision::Bf16, Precision::F16];
const PADDING: u32 = 256;
/// Positions that are checked where a shape has too many for a slow reference.
const CHECKED: usize = 40;

const V1: Dims = Dims { vocabulary: 264, embed: 2048, feed_forward: 8192, layers: 1, heads: 8 };
const VEC64: Dims = Dims { vocabulary: 264, embed: 64, feed_forward: 256, layers: 2, heads: 4 };
const SMALL: Dims = Dims { vocabulary: 264, embed: 16, feed_forward: 32, layers: 2, heads: 4 };
/// Head dimensions 128, 48, 96 and 320.
const MIDDLE: Dims = Dims { vocabulary: 264, embed: 512, feed_forward: 1024, layers: 1, heads: 4 };
const UNEVEN: Dims = Dims { vocabulary: 264, embed: 144, feed_forward: 96, layers: 2, heads: 3 };
const PADDED: Dims = Dims { vocabulary: 264, embed: 192, feed_forward: 256, layers: 1, heads: 2 };
const WIDE_HEAD: Dims = Dims { vocabulary: 264, embed: 640, feed_forward: 256, layers: 1, heads: 2 };

/// The first card, or the reason why there is none, which must be a clear one.
fn card() -> Option<std::sync::Arc<Card>> {
    match Card::open(0) {
        Ok(card) => Some(card),
        Err(error @ (CardError::Library { .. } | CardError::NoCard { .. })) => {
            assert!(cards().is_empty(), "cards are listed that do not open: {error}");
            let text = error.to_string();
            assert!(text.contains("not found") || text.contains("no card 0"), "unclear: {text}");
            None
        }
        Err(error) => panic!("the card does not open: {error}"),
    }
}

#[test]
fn a_card_that_is_not_there_is_named() {
    let error = Card::open(4_000).err().expect("nobody has so many").to_string();
    assert!(error.contains("not found") || error.contains("no card 4000"), "unclear: {error}");
}

#[test]
fn every_kernel_compiles() {
    // SAFETY: opening NVRTC runs its initialisers only.
    if !unsafe { cudarc::nvrtc::sys::is_culib_present() } {
        return;
    }
    for dims in [V1, VEC64, SMALL, MIDDLE, UNEVEN, PADDED, WIDE_HEAD] {
        for precision in PRECISIONS {
            for (capability, shared_memory) in [((8, 0), 163 << 10), ((8, 9), 99 << 10), ((9, 0), 227 << 10)] {
                let settings = settings_for(dims, precision, shared_memory);
                program::check(&settings, capability).unwrap_or_else(|error| panic!("{settings:?}: {error}"));
            }
        }
    }
}

/// Every stage in every precision, with ordinary scores and with scores so low that the mask shows.
fn stages_agree(dims: Dims, seq: usize, rows: usize) {
    let Some(card) = card() else { return };
    let mut failures = Vec::new();
    for low_scores in [false, true] {
        let case = Case::new(dims, seq, rows, low_scores);
        for precision in PRECISIONS {
            case.check(&card, precision, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn stages_of_a_small_model() {
    stages_agree(VEC64, 64, 3);
}

#[test]
fn stages_of_the_networks_small_model() {
    stages_agree(SMALL, 1024, 2);
}

#[test]
fn stages_with_heads_of_128() {
    stages_agree(MIDDLE, 200, 2);
}

#[test]
fn stages_with_heads_of_48() {
    stages_agree(UNEVEN, 72, 3);
}

#[test]
fn stages_with_heads_of_96() {
    stages_agree(PADDED, 130, 2);
}

#[test]
fn stages_with_heads_too_wide_for_tiles() {
    stages_agree(WIDE_HEAD, 96, 2);
}

#[test]
fn stages_of_a_single_token() {
    stages_agree(VEC64, 1, 2);
}

#[test]
fn stages_of_a_layer_of_v1() {
    stages_agree(V1, 1024, 2);
}

#[test]
fn results_do_not_depend_on_company() {
    let Some(card) = card() else { return };
    for precision in PRECISIONS {
        let case = Case::new(MIDDLE, 128, 37, false);
        let model = case.load(&card, precision);
        let together = case.evaluate(&model, &case.rows());
        for (row, score) in case.rows().into_iter().zip(together) {
            let alone = case.evaluate(&model, &[row]).remove(0);
            let near = |a: f64, b: f64| (a - b).abs() <= 2e-3 * a.abs().max(1.0);
            assert!(near(alone.nll, score.nll) && near(alone.regulariser, score.regulariser), "{alone:?} {score:?}");
            let distance =
                difference(&alone.embedding, &score.embedding.iter().map(|v| f64::from(*v)).collect::<Vec<_>>());
            assert!(distance < 1e-3, "{}: embeddings differ by {distance}", precision.name());
        }
    }
}

#[test]
fn a_row_that_does_not_fit_is_refused() {
    let Some(card) = card() else { return };
    let case = Case::new(VEC64, 64, 1, false);
    let model = case.load(&card, Precision::F32);
    let far: Vec<u32> = (0..64).map(|i| i * 2).collect();
    for row in [Row { positions: &far, ..case.rows()[0] }, Row { targets: &[1], ..case.rows()[0] }] {
        let error = model.evaluate(&[row], &mut |seed| case.directions(seed)).expect_err("it does not fit");
        assert!(matches!(error, CardError::Row(_)), "{error}");
    }
}

#[test]
fn too_much_for_the_card_is_told_apart() {
    let Some(card) = card() else { return };
    let (_, total) = card.memory().expect("a card knows its memory");
    let error = card.allocate(total as usize + (1 << 30)).expect_err("more than there is");
    assert!(matches!(error, CardError::OutOfMemory { wanted, .. } if wanted > total), "{error}");
}

/// A model, rows, and everything they are made of.
struct Case {
    dims: Dims,
    seq: usize,
    low_scores: bool,
    tensors: HashMap<String, Vec<f32>>,
    tokens: Vec<Vec<u32>>,
    positions: Vec<Vec<u32>>,
    targets: Vec<Vec<u32>>,
    seeds: Vec<u64>,
}

impl Case {
    fn new(dims: Dims, seq: usize, rows: usize, low_scores: bool) -> Self {
        let mut random = Random(7);
        let mut tensors = HashMap::new();
        let Dims { vocabulary, embed, feed_forward, layers, .. } = dims;
        let mut add = |name: String, count: usize, centre: f32, spread: f32| {
            tensors.insert(name, (0..count).map(|_| centre + spread * random.normal()).collect::<Vec<f32>>());
        };
        let (by_embed, by_hidden) = ((embed as f32).sqrt().recip(), (feed_forward as f32).sqrt().recip());
        add("embedding.weight".into(), vocabulary * embed, 0.0, 1.0);
        for layer in 0..layers {
            let name = |part: &str| format!("encoder.layers.{layer}.{part}");
            for part in ["query", "key", "value", "output"] {
                add(name(&format!("attention.{part}.weight")), embed * embed, 0.0, by_embed);
                // Scores far below the fill, so that masked keys show.
                let centre = match part {
                    "query" if low_scores => 110.0,
                    "key" if low_scores => -110.0,
                    _ => 0.0,
                };
                add(name(&format!("attention.{part}.bias")), embed, centre, 0.3);
            }
            for norm in ["norm_1", "norm_2"] {
                add(name(&format!("{norm}.gamma")), embed, 1.0, 0.2);
                add(name(&format!("{norm}.beta")), embed, 0.0, 0.2);
            }
            add(name("pwff.linear_inner.weight"), embed * feed_forward, 0.0, by_embed);
            add(name("pwff.linear_inner.bias"), feed_forward, 0.0, 0.3);
            add(name("pwff.linear_outer.weight"), embed * feed_forward, 0.0, by_hidden);
            add(name("pwff.linear_outer.bias"), embed, 0.0, 0.3);
        }
        add("final_norm.gamma".into(), embed, 1.0, 0.2);
        add("final_norm.beta".into(), embed, 0.0, 0.2);
        add("predictor.weight".into(), embed * vocabulary, 0.0, by_embed);
        add("predictor.bias".into(), vocabulary, 0.0, 0.3);

        // Each row ends in more padding than the one before, and starts further into its data.
        let length = |row: usize| seq - row * seq / (2 * rows);
        let tokens: Vec<Vec<u32>> = (0..rows)
            .map(|row| (0..seq).map(|i| if i < length(row) { random.next() as u32 % 256 } else { PADDING }).collect())
            .collect();
        let positions =
            (0..rows).map(|row| (0..seq).map(|i| (row % 5 * 4096 + i.min(length(row) - 1)) as u32).collect()).collect();
        let targets = tokens.iter().map(|row: &Vec<u32>| row[1..].iter().copied().chain([PADDING]).collect()).collect();
        // Not in order, so that rows are grouped and put back.
        let seeds = (0..rows).map(|row| (row as u64 * 5) % 3).collect();
        Self { dims, seq, low_scores, tensors, tokens, positions, targets, seeds }
    }

    fn rows(&self) -> Vec<Row<'_>> {
        let row = |i: usize| Row {
            tokens: &self.tokens[i],
            positions: &self.positions[i],
            targets: &self.targets[i],
            noise_seed: self.seeds[i],
        };
        (0..self.tokens.len()).map(row).collect()
    }

    fn directions(&self, seed: u64) -> Result<Vec<f32>, CardError> {
        let mut random = Random(seed + 100);
        let spread = (self.dims.embed as f32).sqrt().recip();
        Ok((0..self.dims.embed * SLICES).map(|_| random.normal() * spread).collect())
    }

    fn load(&self, card: &std::sync::Arc<Card>, precision: Precision) -> Model {
        Model::load(card, self.dims, precision, |name| Ok::<_, CardError>(self.tensors[name].clone()))
            .unwrap_or_else(|error| panic!("{:?} in {}: {error}", self.dims, precision.name()))
    }

    fn evaluate(&self, model: &Model, rows: &[Row<'_>]) -> Vec<RowScore> {
        model
            .evaluate(rows, &mut |seed| self.directions(seed))
            .unwrap_or_else(|error| panic!("{:?}: {error}", self.dims))
    }

    fn check(&self, card: &std::sync::Arc<Card>, precision: Precision, failures: &mut Vec<String>) {
        let model = self.load(card, precision);
        let mut watch = Watch::Values(Vec::new());
        let scores = model
            .evaluate_watched(&self.rows(), &mut |seed| self.directions(seed), &mut watch)
            .unwrap_or_else(|error| panic!("{:?} in {}: {error}", self.dims, precision.name()));
        let Watch::Values(values) = watch else { unreachable!("values were asked for") };
        let mut stages =
            Stages { case: self, precision, values: values.into_iter(), order: self.order(), report: Vec::new() };
        stages.check(&scores);
        let worst = |(stage, error, limit): &(&str, f64, f64)| {
            (error.is_nan() || error > limit).then(|| {
                format!(
                    "{:?} seq {} {} low {}: {stage} off by {error:.2e}, limit {limit:.0e}",
                    self.dims,
                    self.seq,
                    precision.name(),
                    self.low_scores
                )
            })
        };
        failures.extend(stages.report.iter().filter_map(worst));
    }

    /// Rows as the pass has them: by noise seed.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.seeds.len()).collect();
        order.sort_by_key(|row| self.seeds[*row]);
        order
    }
}

/// Follows a pass stage by stage.
struct Stages<'a> {
    case: &'a Case,
    precision: Precision,
    values: std::vec::IntoIter<(&'static str, Vec<f32>)>,
    order: Vec<usize>,
    /// Stage, relative error, limit.
    report: Vec<(&'static str, f64, f64)>,
}

impl Stages<'_> {
    fn next(&mut self, expected: &str) -> Vec<f32> {
        let (stage, values) = self.values.next().expect("a stage is missing");
        assert_eq!(stage, expected);
        values
    }

    fn tensor(&self, name: &str) -> &[f32] {
        &self.case.tensors[name]
    }

    /// Tokens that are checked: all, or some of each block of queries.
    fn checked(&self) -> Vec<usize> {
        let tokens = self.case.seq * self.order.len();
        let step = (tokens / CHECKED).max(1);
        (0..tokens).step_by(step).chain([tokens - 1]).collect()
    }

    fn compare(
        &mut self,
        stage: &'static str,
        width: usize,
        got: &[f32],
        limit: f64,
        reference: impl Fn(usize) -> Vec<f64>,
    ) {
        let checked = self.checked();
        let got: Vec<f32> = checked.iter().flat_map(|t| got[t * width..(t + 1) * width].to_vec()).collect();
        let reference: Vec<f64> = checked.iter().flat_map(|t| reference(*t)).collect();
        self.report.push((stage, difference(&got, &reference), limit));
    }

    /// What rounding to operands costs a stage.
    fn limit(&self) -> f64 {
        match self.precision {
            Precision::F32 => 1e-5,
            Precision::Tf32 => 1e-3,
            Precision::F16 => 1e-3,
            Precision::Bf16 => 6e-3,
        }
    }

    /// As operands of a product are on the card.
    fn rounded(&self, value: f32, precision: Precision) -> f64 {
        let dropped = match precision {
            Precision::F32 => return f64::from(value),
            Precision::Tf32 => 13,
            Precision::Bf16 => 16,
            Precision::F16 => return f64::from(round_f16(value)),
        };
        let bits = value.to_bits();
        let even = if precision == Precision::Tf32 { 1 } else { (bits >> dropped) & 1 };
        f64::from(f32::from_bits((bits + (1 << (dropped - 1)) - 1 + even) >> dropped << dropped))
    }

    /// A tensor as the products have it.
    fn operand(&self, name: &str, precision: Precision) -> Vec<f32> {
        self.tensor(name).iter().map(|w| self.rounded(*w, precision) as f32).collect()
    }

    fn directions(&self, seed: u64, precision: Precision) -> Vec<f32> {
        let exact = self.case.directions(seed).expect("made without fail");
        exact.into_iter().map(|d| self.rounded(d, precision) as f32).collect()
    }

    /// Row `token` of `input [_, inner]` times `weights [inner, features]`, which are rounded already.
    fn product(&self, input: &[f32], token: usize, weights: &[f32], features: usize, precision: Precision) -> Vec<f64> {
        let inner = weights.len() / features;
        let mut out = vec![0.0; features];
        for (x, weights) in input[token * inner..(token + 1) * inner].iter().zip(weights.chunks_exact(features)) {
            let x = self.rounded(*x, precision);
            for (sum, w) in out.iter_mut().zip(weights) {
                *sum += x * f64::from(*w);
            }
        }
        out
    }

    fn normalised(&self, x: &[f32], token: usize, shift: &[f64], name: &str) -> Vec<f64> {
        let embed = self.case.dims.embed;
        let x: Vec<f64> =
            x[token * embed..(token + 1) * embed].iter().zip(shift).map(|(x, s)| f64::from(*x) + s).collect();
        let mean = x.iter().sum::<f64>() / embed as f64;
        let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / embed as f64;
        let (gamma, beta) = (self.tensor(&format!("{name}.gamma")), self.tensor(&format!("{name}.beta")));
        let scale =
            |(x, (g, b)): (&f64, (&f32, &f32))| (x - mean) / (variance + 1e-5).sqrt() * f64::from(*g) + f64::from(*b);
        x.iter().zip(gamma.iter().zip(beta)).map(scale).collect()
    }

    fn check(&mut self, scores: &[RowScore]) {
        let case = self.case;
        let Dims { embed, feed_forward, layers, vocabulary, .. } = case.dims;
        let (seq, limit, precision) = (case.seq, self.limit(), self.precision);
        self.next("start");
        let mut x = self.next("embedding");
        let token = |order: &[usize], t: usize| case.tokens[order[t / seq]][t % seq] as usize;
        let table = self.tensor("embedding.weight").to_vec();
        let order = self.order.clone();
        self.compare("embedding", embed, &x, 0.0, |t| wide(&table[token(&order, t) * embed..][..embed]));
        let mut shift = vec![0.0f64; embed];
        for layer in 0..layers {
            let name = |part: &str| format!("encoder.layers.{layer}.{part}");
            let normed = self.next("norm");
            let reference = |s: &Self, t| s.normalised(&x, t, &shift, &name("norm_1"));
            let expected: HashMap<usize, Vec<f64>> =
                self.checked().into_iter().map(|t| (t, reference(self, t))).collect();
            self.compare("norm", embed, &normed, limit, |t| expected[&t].clone());

            let qkv = self.next("qkv");
            let parts = ["query", "key", "value"]
                .map(|part| self.operand(&name(&format!("attention.{part}.weight")), precision));
            let expected: HashMap<usize, Vec<f64>> = self
                .checked()
                .into_iter()
                .map(|t| (t, parts.iter().flat_map(|w| self.product(&normed, t, w, embed, precision)).collect()))
                .collect();
            self.compare("qkv", 3 * embed, &qkv, limit, |t| expected[&t].clone());

            let turned = self.next("rotary");
            let biases =
                ["query", "key", "value"].map(|part| self.tensor(&name(&format!("attention.{part}.bias"))).to_vec());
            self.compare("rotary", 3 * embed, &turned, limit, |t| rotated(case, &order, &qkv, &biases, t));

            let context = self.next("attention");
            // Scores near -100 000 are known to a few hundredths only.
            let limit_here = if case.low_scores { 2e-2 } else { limit * 2.0 };
            self.compare("attention", embed, &context, limit_here, |t| attended(case, &turned, &biases[2], t));

            let added = self.next("output");
            let weights = self.operand(&name("attention.output.weight"), precision);
            let expected: HashMap<usize, Vec<f64>> = self
                .checked()
                .into_iter()
                .map(|t| {
                    (t, sum(&x[t * embed..(t + 1) * embed], self.product(&context, t, &weights, embed, precision)))
                })
                .collect();
            self.compare("output", embed, &added, limit.min(1e-4), |t| expected[&t].clone());
            x = added;
            shift.iter_mut().zip(self.tensor(&name("attention.output.bias"))).for_each(|(s, b)| *s += f64::from(*b));

            let normed = self.next("norm");
            let reference = |s: &Self, t| s.normalised(&x, t, &shift, &name("norm_2"));
            let expected: HashMap<usize, Vec<f64>> =
                self.checked().into_iter().map(|t| (t, reference(self, t))).collect();
            self.compare("norm 2", embed, &normed, limit, |t| expected[&t].clone());

            let inner = self.next("inner");
            let weights = self.operand(&name("pwff.linear_inner.weight"), precision);
            let expected: HashMap<usize, Vec<f64>> = self
                .checked()
                .into_iter()
                .map(|t| (t, self.product(&normed, t, &weights, feed_forward, precision)))
                .collect();
            self.compare("inner", feed_forward, &inner, limit, |t| expected[&t].clone());

            let hidden = self.next("gelu");
            let bias = self.tensor(&name("pwff.linear_inner.bias")).to_vec();
            self.compare("gelu", feed_forward, &hidden, limit, |t| {
                let inputs = inner[t * feed_forward..(t + 1) * feed_forward].iter().zip(&bias);
                inputs.map(|(x, b)| gelu(f64::from(*x) + f64::from(*b))).collect()
            });

            let added = self.next("outer");
            let weights = self.operand(&name("pwff.linear_outer.weight"), precision);
            let expected: HashMap<usize, Vec<f64>> = self
                .checked()
                .into_iter()
                .map(|t| (t, sum(&x[t * embed..(t + 1) * embed], self.product(&hidden, t, &weights, embed, precision))))
                .collect();
            self.compare("outer", embed, &added, limit.min(1e-4), |t| expected[&t].clone());
            x = added;
            shift.iter_mut().zip(self.tensor(&name("pwff.linear_outer.bias"))).for_each(|(s, b)| *s += f64::from(*b));
        }
        let last = self.next("final norm");
        let expected: HashMap<usize, Vec<f64>> =
            self.checked().into_iter().map(|t| (t, self.normalised(&x, t, &shift, "final_norm"))).collect();
        self.compare("final norm", embed, &last, 1e-5, |t| expected[&t].clone());

        let loss_precision = if precision == Precision::F32 { Precision::F32 } else { Precision::Tf32 };
        let loss_limit = if precision == Precision::F32 { 1e-5 } else { 1e-4 };
        let logits = self.next("predictor");
        let weights = self.operand("predictor.weight", loss_precision);
        let expected: HashMap<usize, Vec<f64>> = self
            .checked()
            .into_iter()
            .map(|t| (t, self.product(&last, t, &weights, vocabulary, loss_precision)))
            .collect();
        self.compare("predictor", vocabulary, &logits, loss_limit, |t| expected[&t].clone());

        let nll = self.next("likelihood");
        let bias = self.tensor("predictor.bias").to_vec();
        self.compare("likelihood", 1, &nll, 1e-5, |t| {
            let target = case.targets[order[t / seq]][t % seq];
            let logits: Vec<f64> = sum(&bias, wide(&logits[t * vocabulary..(t + 1) * vocabulary]));
            let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let log_sum = logits.iter().map(|l| (l - top).exp()).sum::<f64>().ln() + top;
            vec![if target == PADDING { 0.0 } else { log_sum - logits[target as usize] }]
        });

        let projections = self.next("projection");
        let directions: HashMap<u64, Vec<f32>> =
            case.seeds.iter().map(|seed| (*seed, self.directions(*seed, loss_precision))).collect();
        let expected: HashMap<usize, Vec<f64>> = self
            .checked()
            .into_iter()
            .map(|t| (t, self.product(&last, t, &directions[&case.seeds[order[t / seq]]], SLICES, loss_precision)))
            .collect();
        self.compare("projection", SLICES, &projections, loss_limit, |t| expected[&t].clone());

        let regulariser = self.next("regulariser");
        self.compare("regulariser", 1, &regulariser, 1e-5, |t| {
            vec![characteristic_error(&projections[t * SLICES..(t + 1) * SLICES])]
        });

        let means = self.next("means");
        for (place, row) in order.iter().enumerate() {
            let total =
                |values: &[f32]| values[place * seq..(place + 1) * seq].iter().map(|v| f64::from(*v)).sum::<f64>();
            let score = &scores[*row];
            assert_eq!(
                score.embedding,
                means[place * embed..(place + 1) * embed],
                "embeddings came back in another order"
            );
            self.report.push(("nll sum", (score.nll - total(&nll)).abs() / total(&nll).abs().max(1.0), 1e-12));
            self.report.push((
                "regulariser sum",
                (score.regulariser - total(&regulariser)).abs() / total(&regulariser),
                1e-12,
            ));
            let mean =
                |e: usize| (0..seq).map(|i| f64::from(last[(place * seq + i) * embed + e])).sum::<f64>() / seq as f64;
            let reference: Vec<f64> = (0..embed).map(mean).collect();
            self.report.push(("mean", difference(&score.embedding, &reference), 1e-6));
        }
    }
}

fn rotated(case: &Case, order: &[usize], qkv: &[f32], biases: &[Vec<f32>; 3], t: usize) -> Vec<f64> {
    let Dims { embed, heads, .. } = case.dims;
    let head = embed / heads;
    let position = case.positions[order[t / case.seq]][t % case.seq] as f32;
    let qkv = &qkv[t * 3 * embed..(t + 1) * 3 * embed];
    let mut out = wide(qkv);
    for (part, bias) in biases.iter().enumerate().take(2) {
        for h in 0..heads {
            for i in 0..head / 2 {
                let angle = f64::from(position / 10_000f32.powf((i * 2) as f32 / head as f32));
                let (a, b) = (h * head + i, h * head + i + head / 2);
                let value = |e: usize| f64::from(qkv[part * embed + e]) + f64::from(bias[e]);
                out[part * embed + a] = value(a) * angle.cos() - value(b) * angle.sin();
                out[part * embed + b] = value(b) * angle.cos() + value(a) * angle.sin();
            }
        }
    }
    out
}

/// With the mask as the reference has it: -10000 in place of the score.
fn attended(case: &Case, qkv: &[f32], bias: &[f32], t: usize) -> Vec<f64> {
    let Dims { embed, heads, .. } = case.dims;
    let (head, seq) = (embed / heads, case.seq);
    let (row, query) = (t / seq, t % seq);
    let mut out = wide(bias);
    for h in 0..heads {
        let at = |token: usize, part: usize| &qkv[((row * seq + token) * 3 + part) * embed + h * head..][..head];
        let q = at(query, 0);
        let score = |key: usize| {
            if key > query { -10_000.0 } else { dot(q, at(key, 1)) / (head as f64).sqrt() }
        };
        let scores: Vec<f64> = (0..seq).map(score).collect();
        let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|s| (s - top).exp()).collect();
        let total: f64 = weights.iter().sum();
        for (key, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            for (o, v) in out[h * head..(h + 1) * head].iter_mut().zip(at(key, 2)) {
                *o += weight / total * f64::from(*v);
            }
        }
    }
    out
}

fn characteristic_error(projections: &[f32]) -> f64 {
    let step = 3.0 / 16.0;
    (0..17)
        .map(|j| {
            let t = step * f64::from(j);
            let mean =
                |f: fn(f64) -> f64| projections.iter().map(|y| f(f64::from(*y) * t)).sum::<f64>() / SLICES as f64;
            let normal = (-t * t / 2.0).exp();
            let weight = if j == 0 || j == 16 { step } else { 2.0 * step } * normal;
            ((mean(f64::cos) - normal).powi(2) + mean(f64::sin).powi(2)) * weight
        })
        .sum::<f64>()
        * SLICES as f64
}

/// ‖got − reference‖ / ‖reference‖; NaN where anything is not a number.
fn difference(got: &[f32], reference: &[f64]) -> f64 {
    assert_eq!(got.len(), reference.len());
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let off = squares(&mut got.iter().zip(reference).map(|(g, r)| f64::from(*g) - r));
    if off == 0.0 { 0.0 } else { off / squares(&mut reference.iter().copied()) }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

fn sum(a: &[f32], b: Vec<f64>) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) + b).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn gelu(x: f64) -> f64 {
    x * (1.0 + erf(x / std::f64::consts::SQRT_2)) / 2.0
}

/// By its series, or its continued fraction where that would lose digits.
fn erf(x: f64) -> f64 {
    if x.abs() < 3.0 {
        let (mut term, mut total) = (x, x);
        for n in 1..80 {
            term *= -x * x / f64::from(n);
            total += term / f64::from(2 * n + 1);
        }
        return total * 2.0 / std::f64::consts::PI.sqrt();
    }
    let mut fraction = 0.0;
    for n in (1..60).rev() {
        fraction = f64::from(n) / 2.0 / (x.abs() + fraction);
    }
    x.signum() * (1.0 - (-x * x).exp() / ((x.abs() + fraction) * std::f64::consts::PI.sqrt()))
}

pub(crate) fn f16_to_f32(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (u32::from(bits >> 15) << 31, (bits >> 10) & 31, u32::from(bits & 1023));
    match exponent {
        0 => f32::from_bits(sign | (fraction as f32 * 2f32.powi(-24)).to_bits()),
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (u32::from(exponent) + 112) << 23 | fraction << 13),
    }
}

/// To the nearest f16, in range.
fn round_f16(value: f32) -> f32 {
    let step =
        if value.abs() < 2f32.powi(-14) { 2f32.powi(-24) } else { 2f32.powi(value.abs().log2().floor() as i32 - 10) };
    (value / step).round_ties_even() * step
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Near enough to normal: the sum of four uniforms.
    fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum: f32 = (0..4).map(|i| ((bits >> (16 * i)) & 0xffff) as f32 / 65_536.0 - 0.5).sum();
        sum * 3f32.sqrt()
    }
}
