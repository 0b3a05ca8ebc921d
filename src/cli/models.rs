//! `somascope models`: who competes, with what stake, and where the weights are.

use std::{collections::BTreeMap, path::Path};

use clap::Args;
use serde::Serialize;

use super::{CommonArgs, Exit, block_on, environment::Environment, network::NetworkArgs};
use crate::{
    chain::client::{ActiveModelInfo, TargetFilter},
    primitives::{Address, Digest, ObjectId, Shannons},
};

/// List the active models, richest stake first.
#[derive(Args)]
#[command(after_help = "Examples:\n  somascope models --json | jq -r 'select(.open_targets > 0) | .url'")]
pub struct Models {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    network: NetworkArgs,
}

#[derive(Serialize)]
struct Shown {
    id: ObjectId,
    owner: Address,
    stake_shannons: Shannons,
    commission_bps: u64,
    /// Of the encrypted weights.
    url: String,
    size_bytes: u64,
    checksum: Digest,
    /// Public since the model was revealed.
    decryption_key: Digest,
    embedding_dim: usize,
    open_targets: usize,
}

impl Models {
    pub fn run(self) -> anyhow::Result<Exit> {
        let network = self.network.resolve(&Environment::read(Path::new("."))?)?;
        let (mut models, targets) = block_on(async {
            let client = network.client()?;
            Ok((client.epoch_state().await?.models, client.targets(TargetFilter::Open, None).await?))
        })?;
        let mut in_targets: BTreeMap<ObjectId, usize> = BTreeMap::new();
        for model in targets.iter().flat_map(|target| &target.model_ids) {
            *in_targets.entry(*model).or_default() += 1;
        }
        models.sort_by_key(|model| (std::cmp::Reverse(model.stake), model.id));
        let shown = models.into_iter().map(|model| {
            let ActiveModelInfo { id, owner, stake, commission_bps, url, checksum, size, decryption_key, embedding } =
                model;
            Shown {
                id,
                owner,
                stake_shannons: Shannons(stake),
                commission_bps,
                url,
                size_bytes: size,
                checksum,
                decryption_key: Digest(decryption_key),
                embedding_dim: embedding.len(),
                open_targets: in_targets.get(&id).copied().unwrap_or(0),
            }
        });
        let columns = ["MODEL", "STAKE", "COMMISSION", "OWNER", "SIZE", "DIM", "TARGETS", "WEIGHTS"];
        self.common.output.open().list(&shown.collect::<Vec<_>>(), &columns, |model| {
            vec![
                model.id.to_hex_prefixed(),
                model.stake_shannons.to_string(),
                format!("{}.{:02}%", model.commission_bps / 100, model.commission_bps % 100),
                model.owner.short(),
                model.size_bytes.to_string(),
                model.embedding_dim.to_string(),
                model.open_targets.to_string(),
                model.url.clone(),
            ]
        })?;
        Ok(Exit::Ok)
    }
}
