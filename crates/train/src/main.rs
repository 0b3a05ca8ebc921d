//! Trains one of the small V1 models that the embedded network ships: a specialist for one kind of bytes.
//!
//! Not part of the product. Knows the model's file format and arithmetic and the kernels; `assets/README.md` tells how the shipped
//! files were made. One thread, one seed, and the same processor give the same file.

mod adam;
mod data;
mod finish;
mod loss;
mod model;
mod ops;
mod random;

use std::{f64::consts::PI, path::PathBuf, time::Instant};

use clap::Parser;
use rand::{SeedableRng, rngs::StdRng};

use crate::{
    adam::Adam,
    data::Files,
    model::{Dims, Model},
};

/// The embedded network's models: small enough for a laptop's processor, large enough to have an opinion.
const DIMS: Dims = Dims { embed: 64, feed_forward: 256, layers: 2 };
/// Length and number of the windows of a step. Short ones teach the bytes next door and are cheap. But attention that never saw a long window
/// is lost in one, so every fourth step has windows as long as the network's, and so have the last steps.
const SHORT: (usize, usize) = (128, 16);
const LONG: (usize, usize) = (1024, 2);
const WARM_UP: usize = 40;
/// Every so many positions feel the regulariser.
const STRIDE: usize = 32;
/// Windows that the finish looks at.
const FINISH_WINDOWS: usize = 48;

/// Train a specialist: a small V1 model that knows one kind of bytes.
#[derive(Parser)]
struct Arguments {
    /// What it is a specialist of; named in the progress.
    #[arg(long, value_name = "NAME")]
    kind: String,
    /// Directories of files to learn from.
    #[arg(long, value_name = "DIR", num_args = 1.., required = true)]
    data: Vec<PathBuf>,
    /// Directory of files to measure with; they are never learned from and decide nothing.
    #[arg(long, value_name = "DIR")]
    held_out: PathBuf,
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    #[arg(long, default_value_t = 1150, value_name = "N")]
    steps: usize,
    /// The highest learning rate, after the warm-up.
    #[arg(long, default_value_t = 5e-3, value_name = "RATE")]
    rate: f64,
    /// The safetensors file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let Arguments { kind, seed, steps, .. } = &arguments;
    let files = Files::read(&arguments.data)?;
    let held_out = Files::read(&[&arguments.held_out])?;
    println!("{kind}: {} files, {} bytes; {} held out", files.0.len(), files.bytes(), held_out.0.len());

    let model = Model::new(DIMS, *seed)?;
    model.expect(&files.frequencies())?;
    let mut optimiser = Adam::new(model.tensors.values().cloned());
    let mut rng = StdRng::seed_from_u64(*seed);
    let started = Instant::now();
    let mut recent = 0.0;
    for step in 0..*steps {
        let (length, count) = if step % 4 == 3 || step > steps * 85 / 100 { LONG } else { SHORT };
        let windows: Vec<_> = (0..count).map(|_| files.window(&mut rng, length)).collect();
        // The noise is another one in every step: a model must not fit the one that it will be scored with.
        let loss = loss::batch(&model, &windows, seed.wrapping_add(1 + step as u64), STRIDE)?;
        optimiser.step(&loss.backward()?, rate(step, *steps, arguments.rate))?;
        let loss = f64::from(loss.to_scalar::<f32>()?);
        recent = if step == 0 { loss } else { 0.98 * recent + 0.02 * loss };
        if (step + 1) % 100 == 0 || step + 1 == *steps {
            let measured = if (step + 1) % 500 == 0 {
                format!(", held out {:.3}", mean_score(&model, &held_out)?)
            } else {
                String::new()
            };
            println!(
                "{kind}: step {} of {steps}, {:.0} s, loss {recent:.3}{measured}",
                step + 1,
                started.elapsed().as_secs_f32()
            );
        }
    }
    println!("{kind}: held out {:.4}", mean_score(&model, &held_out)?);
    let windows: Vec<_> = (0..FINISH_WINDOWS).map(|_| files.window(&mut rng, LONG.0)).collect();
    finish::finish(&model, &windows)?;
    println!("{kind}: held out {:.4} after the finish", mean_score(&model, &held_out)?);
    model.save(&arguments.out)
}

/// Rises in a line, then falls like a cosine.
fn rate(step: usize, steps: usize, highest: f64) -> f64 {
    if step < WARM_UP {
        return highest * (step + 1) as f64 / WARM_UP as f64;
    }
    let part = (step - WARM_UP) as f64 / (steps.saturating_sub(WARM_UP)).max(1) as f64;
    highest * (0.02 + 0.98 * (1.0 + (PI * part).cos()) / 2.0)
}

/// Mean of the network's loss over files.
fn mean_score(model: &Model, files: &Files) -> anyhow::Result<f32> {
    let scores: Vec<f32> = files.0.iter().map(|file| loss::score(model, file)).collect::<Result<_, _>>()?;
    Ok(scores.iter().sum::<f32>() / scores.len() as f32)
}
