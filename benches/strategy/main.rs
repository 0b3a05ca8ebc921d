//! Plays the reference submitter's algorithm and ours on the embedded network's rules, and prints the fills of each.
//!
//! Same corpus, same models, same number of model evaluations. A strategy is charged for each evaluation that it asks for; the
//! evaluations themselves are made once, by the V1 model, and kept under `target/strategy/`.
//!
//! ```sh
//! cargo bench --bench strategy                     # embeddings of 256 numbers: minutes, then seconds
//! cargo bench --bench strategy -- --dim 2048       # as narrow as the real network's: the better part of an hour on two cores
//! ```

mod game;

use clap::Parser;

use game::{Played, Rules, World, WorldSpec, players};

/// Play several strategies on the same network and print their fills.
#[derive(Parser)]
struct Arguments {
    /// Numbers of an embedding.
    #[arg(long, default_value_t = 256)]
    dim: usize,
    #[arg(long, default_value_t = 256)]
    feed_forward: usize,
    #[arg(long, default_value_t = 1)]
    layers: usize,
    /// Distance thresholds, one network each; the difficulty is held there.
    #[arg(long, value_delimiter = ',', default_value = "1.0,0.98,0.95")]
    thresholds: Vec<f32>,
    /// Evaluations that an epoch lasts.
    #[arg(long, default_value_t = 500)]
    epoch_evaluations: u64,
    /// Targets that the network makes for each evaluation that fits into an epoch. The reference scorer on an L4 makes 37 029
    /// evaluations while the real network makes 86 400 targets.
    #[arg(long, default_value_t = 2.333)]
    targets_per_evaluation: f64,
    /// Windows of the corpus that are used.
    #[arg(long, default_value_t = usize::MAX)]
    windows: usize,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only evaluate, and keep the scores.
    #[arg(long)]
    evaluate_only: bool,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

#[expect(clippy::print_stdout, reason = "its result")]
fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let spec = WorldSpec {
        dim: arguments.dim,
        feed_forward: arguments.feed_forward,
        layers: arguments.layers,
        windows: arguments.windows,
        seed: arguments.seed,
    };
    let world = World::of(spec, Some(&game::cache_dir()))?;
    println!("{}", world.describe());
    if arguments.evaluate_only {
        return Ok(());
    }
    println!(
        "an epoch lasts {} evaluations and has {:.3} targets for each\n",
        arguments.epoch_evaluations, arguments.targets_per_evaluation
    );
    println!("{}", Played::HEADER);
    for threshold in arguments.thresholds {
        let rules = Rules {
            threshold,
            epoch_evaluations: arguments.epoch_evaluations,
            targets_per_epoch: (arguments.epoch_evaluations as f64 * arguments.targets_per_evaluation) as u64,
            seed: arguments.seed,
        };
        let mut reference = None;
        for player in players() {
            let played = game::play(&world, &rules, player)?;
            println!("{}", played.row(threshold, reference.as_ref().unwrap_or(&played)));
            reference.get_or_insert(played);
        }
    }
    Ok(())
}
