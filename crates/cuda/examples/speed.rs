//! Speed and error of the full V1 model with random weights, on one card. `benches/gpu.sh` runs it.
//!
//! Arguments: `ordinal` (default 0), then batch sizes (default 1 16 32 64).
#![expect(clippy::print_stdout, reason = "a program that prints a table")]

use std::sync::Arc;
use std::time::Instant;

use somascope_cuda::{Card, CardError, Dims, Model, Precision, Row, RowScore, matrix_rate};

const V1: Dims = Dims { vocabulary: 264, embed: 2048, feed_forward: 8192, layers: 24, heads: 8 };
const SEQ: usize = 1024;
/// Rows whose scores are compared between precisions.
const COMPARED: usize = 16;

fn main() -> Result<(), CardError> {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let card = Card::open(arguments.next().unwrap_or(0))?;
    let mut batches: Vec<usize> = arguments.collect();
    if batches.is_empty() {
        batches = vec![1, 16, 32, 64];
    }
    let (free, total) = card.memory()?;
    println!("card: {}, {} of {} MiB free", card.name(), free >> 20, total >> 20);
    println!("libraries: {}", somascope_cuda::versions());
    let rate = matrix_rate(&card)?;
    println!("matrix rate, bf16, 8192 x 8192 x 8192, random data: {:.0} TFLOP/s", rate / 1e12);
    println!("work: {:.3} GFLOP a token (products, the causal half of attention, regulariser)", work_per_token() / 1e9);

    let rows = Rows::new(*batches.iter().max().unwrap_or(&1).max(&COMPARED));
    let mut exact: Option<Vec<RowScore>> = None;
    println!("{:<5} {:>5} {:>10} {:>10} {:>10} {:>7} {:>9}", "", "rows", "ms", "rows/s", "TFLOP/s", "share", "GiB");
    for precision in [Precision::F32, Precision::Tf32, Precision::Bf16, Precision::F16] {
        let began = Instant::now();
        let model = Model::random(&card, V1, precision, 1)?;
        println!(
            "{}: {:.2} GiB of weights, made in {:.1} s",
            precision.name(),
            gib(model.bytes()),
            began.elapsed().as_secs_f64()
        );
        for batch in &batches {
            if precision == Precision::F32 && *batch > 32 {
                continue;
            }
            let milliseconds = time(&card, &model, &rows.take(*batch))?;
            let flops = work_per_token() * (SEQ * batch) as f64 / (milliseconds / 1e3);
            let used = total - card.memory()?.0;
            println!(
                "{:<5} {batch:>5} {milliseconds:>10.2} {:>10.1} {:>10.1} {:>6.1}% {:>9.1}",
                precision.name(),
                *batch as f64 / (milliseconds / 1e3),
                flops / 1e12,
                flops / rate * 100.0,
                gib(used)
            );
        }
        let scores = model.evaluate(&rows.take(COMPARED), &mut directions)?;
        match &exact {
            None => exact = Some(scores),
            Some(exact) => report_error(precision, exact, &scores),
        }
        let profiled = if precision == Precision::F32 { 16 } else { 32 };
        let profile = model.profile(&rows.take(profiled), &mut directions)?;
        let parts: Vec<String> =
            profile.iter().map(|part| format!("{} {:.2}", part.stage, part.milliseconds)).collect();
        println!("  ms by stage, {profiled} rows: {}", parts.join(", "));
    }
    Ok(())
}

/// Products, the causal half of attention, the regulariser's projection (`model.md §7`).
fn work_per_token() -> f64 {
    let Dims { vocabulary, embed, feed_forward, layers, .. } = V1;
    let weights = layers * (4 * embed * embed + 2 * embed * feed_forward) + embed * vocabulary;
    let attention = 4 * SEQ * embed * layers / 2;
    (2 * weights + attention + 2 * embed * 256) as f64
}

/// Median of several, milliseconds.
fn time(card: &Arc<Card>, model: &Model, rows: &[Row<'_>]) -> Result<f64, CardError> {
    // The first chooses algorithms and uploads directions.
    for _ in 0..2 {
        model.evaluate(rows, &mut directions)?;
    }
    let mut times = Vec::new();
    let began = Instant::now();
    while times.len() < 3 || (times.len() < 20 && began.elapsed().as_secs_f64() < 2.0) {
        card.synchronize()?;
        let start = Instant::now();
        model.evaluate(rows, &mut directions)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn report_error(precision: Precision, exact: &[RowScore], scores: &[RowScore]) {
    let loss = |score: &RowScore| (score.nll + 0.02 * score.regulariser) / SEQ as f64;
    let (mut loss_error, mut distance) = (0.0f64, 0.0f64);
    for (a, b) in exact.iter().zip(scores) {
        loss_error = loss_error.max((loss(a) - loss(b)).abs() / loss(a).abs());
        let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
        let (a, b) = (&a.embedding, &b.embedding);
        distance = distance.max(1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt());
    }
    println!(
        "  {} against f32, worst of {} rows: loss {loss_error:.1e} relative, embedding {distance:.1e} cosine distance",
        precision.name(),
        exact.len()
    );
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / (1u64 << 30) as f64
}

/// Directions of a batch's noise: columns of length 1.
fn directions(seed: u64) -> Result<Vec<f32>, CardError> {
    let mut state = seed;
    let mut values: Vec<f32> = (0..V1.embed * 256).map(|_| normal(&mut state)).collect();
    for column in 0..256 {
        let squares: f32 = (0..V1.embed).map(|row| values[row * 256 + column].powi(2)).sum();
        (0..V1.embed).for_each(|row| values[row * 256 + column] /= squares.sqrt());
    }
    Ok(values)
}

/// Near enough to normal: the sum of four uniforms.
fn normal(state: &mut u64) -> f32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    (0..4).map(|i| ((z >> (16 * i)) & 0xffff) as f32 / 65_536.0 - 0.5).sum::<f32>() * 3f32.sqrt()
}

/// Full rows of random bytes, each the start of its own data.
struct Rows {
    tokens: Vec<Vec<u32>>,
    targets: Vec<Vec<u32>>,
    positions: Vec<u32>,
}

impl Rows {
    fn new(count: usize) -> Self {
        let mut state = 3;
        let mut byte = || {
            normal(&mut state);
            (state >> 40) as u32 % 256
        };
        let tokens: Vec<Vec<u32>> = (0..count).map(|_| (0..SEQ).map(|_| byte()).collect()).collect();
        let targets = tokens.iter().map(|row| row[1..].iter().copied().chain([256]).collect()).collect();
        Self { tokens, targets, positions: (0..SEQ as u32).collect() }
    }

    fn take(&self, count: usize) -> Vec<Row<'_>> {
        let rows = self.tokens.iter().zip(&self.targets).take(count);
        rows.map(|(tokens, targets)| Row { tokens, targets, positions: &self.positions, noise_seed: 0 }).collect()
    }
}
