//! `somascope score`: what a scorer computes, for files on this machine; with the network's models or with weights of this machine.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use clap::Args;
use serde::Serialize;

use super::{
    CommonArgs, Exit, near,
    network::NetworkArgs,
    order::tell_line,
    output::{Output, Page},
    place::StateArgs,
};
use crate::{
    model::{self, Model},
    primitives::Digest,
    wallet::read_private,
};

/// Score files with models, as the network does.
///
/// Every file is scored with every model; the model with the lowest loss wins, and the winner's embedding is the file's. With a target,
/// the cosine distance between the two is printed as well. Without --weights, the network's models are downloaded, and the open targets
/// that each file is nearest to are listed, best margin first. Nothing is sent anywhere, so a file
/// that looks like a secret is scored, too; `submit` refuses it without --allow-secret.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  somascope score notes.txt --weights prose.safetensors --weights code.safetensors --json\n  \
    somascope score *.txt --network testnet --top 3\n  \
    somascope score notes.txt --weights mine.enc --key @mine.key\n\n\
    JSON with the network: file, size_bytes, checksum, bond_shannons, targets (target, epoch, hit, margin, distance, threshold, model, \
    losses, reward_pool_shannons). With --weights: file, size_bytes, checksum, winner, losses, embedding, distance.\n\n\
    Exit code 2 says that a file could not be used; the others are still scored. 3: the network is unreachable."
)]
pub struct Score {
    /// The files to score, each as one piece of data.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A model's weights instead of the network's models: safetensors, plain or (with --key) encrypted. Repeat for several models.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["network", "rpc_url", "faucet_url", "scoring_url", "admin_url", "top", "dir"])]
    weights: Vec<PathBuf>,
    /// The Base58 key of encrypted weights, one for each --weights in the same order: `@FILE` has it in a file that only you can read, `-`
    /// means that the weights are plain. The key of a revealed model is public and may be written out; one that is not revealed yet is a
    /// secret, which belongs into a file: others can read a command's arguments.
    #[arg(long, value_name = "KEY|@FILE|-", requires = "weights")]
    key: Vec<String>,
    /// A target's embedding: a JSON array of numbers.
    #[arg(long, value_name = "FILE", requires = "weights")]
    target_file: Option<PathBuf>,
    /// Seed of the regulariser's noise. Validators audit with 0; with the network's models nothing else is possible.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// With the network's models: so many targets of each file.
    #[arg(long, default_value_t = 5, value_name = "N")]
    top: usize,
    /// Attention heads of the models, which weights do not tell [default: 4 for embeddings of 16, else 8].
    #[arg(long)]
    heads: Option<usize>,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    network: NetworkArgs,
}

#[derive(Serialize)]
struct Scored {
    file: String,
    size_bytes: u64,
    checksum: Digest,
    winner: usize,
    losses: Vec<f32>,
    embedding: Vec<f32>,
    distance: Option<f32>,
}

impl Score {
    pub fn run(self) -> anyhow::Result<Exit> {
        let output = self.common.output;
        if self.weights.is_empty() {
            ensure!(self.seed == 0, "--seed: hits are measured with the seed of the audit, which is 0");
            return near::rank(&self.files, &self.network, &self.state, self.heads, self.top, output);
        }
        self.score_all(&mut output.open())
    }

    /// Without usable weights and target nothing can be scored; a file that fails only loses its own line.
    fn score_all(&self, output: &mut Output<io::Stdout>) -> anyhow::Result<Exit> {
        let models = self.load_models()?;
        let target = self.target_file.as_deref().map(read_target).transpose()?;
        if let Some(target) = &target {
            for (model, path) in models.iter().zip(&self.weights) {
                ensure!(
                    target.len() == model.embed_dim(),
                    "the target has {} dimensions, but {} embeds into {}",
                    target.len(),
                    path.display(),
                    model.embed_dim()
                );
            }
        }
        let mut exit = Exit::Ok;
        for file in &self.files {
            match self.score_file(file, &models, target.as_deref()) {
                Ok(scored) => {
                    output.show(&scored, |page, scored| self.page(page, scored)).context("standard output")?
                }
                Err(error) => {
                    tell_line(&format!("error: {}: {error:#}", file.display()));
                    exit = Exit::BadInput;
                }
            }
        }
        Ok(exit)
    }

    fn load_models(&self) -> anyhow::Result<Vec<Model>> {
        ensure!(
            self.key.is_empty() || self.key.len() == self.weights.len(),
            "{} keys for {} weights: give one --key for each --weights, in the same order (`-` for a plain file)",
            self.key.len(),
            self.weights.len()
        );
        let keys = self.key.iter().map(|k| Some(k.as_str())).chain(std::iter::repeat(None));
        self.weights.iter().zip(keys).map(|(path, key)| self.load_model(path, key)).collect()
    }

    fn load_model(&self, path: &Path, key: Option<&str>) -> anyhow::Result<Model> {
        let mut bytes = fs::read(path).with_context(|| format!("cannot read weights {}", path.display()))?;
        if let Some(key) = key.filter(|key| *key != "-") {
            // The text of a key is not repeated: before its reveal it is a secret.
            let key = match key.strip_prefix('@') {
                Some(file) => key_of(&read_private(Path::new(file))?),
                None => key_of(key.as_bytes()),
            };
            let Some(key) = key else { bail!("--key for {} is not Base58 of 32 bytes", path.display()) };
            model::apply_key_stream(key.as_bytes(), &mut bytes);
        }
        Model::from_safetensors(&bytes, self.heads).with_context(|| format!("weights {}", path.display()))
    }

    fn score_file(&self, file: &Path, models: &[Model], target: Option<&[f32]>) -> anyhow::Result<Scored> {
        let data = fs::read(file).context("cannot read")?;
        ensure!(!data.is_empty(), "is empty: there is nothing to score");
        let mut scores = models
            .iter()
            .zip(&self.weights)
            .map(|(model, path)| model.score(&data, self.seed).with_context(|| format!("with {}", path.display())))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let losses: Vec<f32> = scores.iter().map(|score| score.loss).collect();
        let winner = model::winner(&losses).context("no model has a finite loss")?;
        let embedding = scores.swap_remove(winner).embedding;
        Ok(Scored {
            file: file.display().to_string(),
            size_bytes: data.len() as u64,
            checksum: crate::primitives::hash(&data),
            winner,
            distance: target.map(|target| model::cosine_distance(&embedding, target)),
            losses,
            embedding,
        })
    }

    fn page(&self, page: &mut Page, scored: &Scored) {
        page.line(format!("{}  {} bytes  {}", scored.file, scored.size_bytes, scored.checksum));
        for (index, (loss, path)) in scored.losses.iter().zip(&self.weights).enumerate() {
            let mark = if index == scored.winner { "wins" } else { "" };
            page.line(format!("  {loss:>10.6}  {mark:4}  {}", path.display()));
        }
        if let Some(distance) = scored.distance {
            page.line(format!("  distance to the target: {distance:.6}"));
        }
    }
}

/// A key as text, with white space around it.
fn key_of(text: &[u8]) -> Option<Digest> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

fn read_target(path: &Path) -> anyhow::Result<Vec<f32>> {
    let text = fs::read(path).with_context(|| format!("cannot read target {}", path.display()))?;
    let target: Vec<f32> = serde_json::from_slice(&text)
        .with_context(|| format!("target {} is not a JSON array of numbers", path.display()))?;
    ensure!(!target.is_empty(), "target {} is empty", path.display());
    ensure!(target.iter().all(|v| v.is_finite()), "target {} has numbers beyond f32", path.display());
    ensure!(target.iter().any(|v| *v != 0.0), "target {} is the zero vector: it has no direction", path.display());
    Ok(target)
}
