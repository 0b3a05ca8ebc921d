//! `somascope score` with the network's models: the open targets that files are nearest to.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::Serialize;

use super::{
    Exit,
    environment::Environment,
    exit,
    network::NetworkArgs,
    order::tell_line,
    output::{OutputArgs, Page},
    place::{self, StateArgs},
    signer::WalletArgs,
};
use crate::{
    engine::nearest::{Field, Nearest, Placed},
    primitives::{Digest, ObjectId, Shannons, clean},
};

/// One file. Field names are a contract: scripts read them.
#[derive(Serialize)]
struct Shown {
    file: String,
    size_bytes: u64,
    checksum: Digest,
    bond_shannons: Shannons,
    targets: Vec<ShownTarget>,
}

#[derive(Serialize)]
struct ShownTarget {
    target: ObjectId,
    epoch: u64,
    hit: bool,
    margin: f32,
    distance: f32,
    threshold: f32,
    model: ObjectId,
    losses: Vec<Loss>,
    reward_pool_shannons: Shannons,
}

#[derive(Serialize)]
struct Loss {
    model: ObjectId,
    loss: f32,
}

impl From<&Nearest> for ShownTarget {
    fn from(near: &Nearest) -> Self {
        Self {
            target: near.target,
            epoch: near.epoch,
            hit: near.is_hit(),
            margin: near.margin(),
            distance: near.distance,
            threshold: near.threshold,
            model: near.model,
            losses: near.losses.iter().map(|(model, loss)| Loss { model: *model, loss: *loss }).collect(),
            reward_pool_shannons: near.reward_pool,
        }
    }
}

impl From<&Placed> for Shown {
    fn from(placed: &Placed) -> Self {
        Self {
            file: placed.path.display().to_string(),
            size_bytes: placed.size,
            checksum: placed.checksum,
            bond_shannons: placed.bond,
            targets: placed.nearest.iter().map(ShownTarget::from).collect(),
        }
    }
}

/// Scores files against a network's open targets. A file that fails only loses its own line.
pub fn rank(
    files: &[PathBuf],
    network: &NetworkArgs,
    state: &StateArgs,
    heads: Option<usize>,
    top: usize,
    output: OutputArgs,
) -> anyhow::Result<Exit> {
    let environment = Environment::read(Path::new("."))?;
    let network = network.resolve(&environment)?;
    // Before gigabytes of models are fetched for nothing.
    let mut ended = Exit::Ok;
    let is_there = |file: &&PathBuf| match fs::metadata(file) {
        Ok(_) => true,
        Err(error) => {
            tell_line(&clean(&format!("error: cannot score {}: {error}", file.display())));
            ended = Exit::BadInput;
            false
        }
    };
    let files: Vec<&PathBuf> = files.iter().filter(is_there).collect();
    if files.is_empty() {
        return Ok(ended);
    }
    // Where a later submission looks for the same weights.
    let wallet = WalletArgs::default().find(&environment)?.map(|found| found.address);
    let field = super::block_on(async {
        let dir = state.to_look_on(&network, wallet).await?;
        place::make_private(&dir)?;
        let progress = |step: &str| tell_line(&format!("{step} …"));
        Ok(Field::survey(&network.rpc_url, &dir, heads, progress).await?)
    })?;
    if field.targets() == 0 {
        tell_line("no target is open now");
    }
    let mut output = output.open();
    for file in files {
        match field.place(file, top) {
            Ok(placed) => output.show(&Shown::from(&placed), page).context("standard output")?,
            Err(error) => {
                let error = anyhow::Error::from(error);
                tell_line(&format!("error: {}", exit::line(&error)));
                ended = Exit::of(&error);
            }
        }
    }
    Ok(ended)
}

fn page(page: &mut Page, shown: &Shown) {
    page.line(format!(
        "{}  {} bytes  {}  bond {} SOMA",
        shown.file, shown.size_bytes, shown.checksum, shown.bond_shannons
    ));
    let rows = shown.targets.iter().map(|target| {
        vec![
            if target.hit { "HIT" } else { "miss" }.to_owned(),
            format!("{:.6}", target.margin),
            format!("{:.6}", target.distance),
            format!("{:.6}", target.threshold),
            target.model.short(),
            target.reward_pool_shannons.to_string(),
            target.target.to_hex_prefixed(),
        ]
    });
    page.table(&["", "MARGIN", "DISTANCE", "THRESHOLD", "MODEL", "REWARD", "TARGET"], rows.collect());
}
