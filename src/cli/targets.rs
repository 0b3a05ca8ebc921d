//! `somascope targets`: what can be hit, what was hit, and what can be claimed.

use std::{collections::BTreeMap, path::Path};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{CommonArgs, Exit, block_on, environment::Environment, network::NetworkArgs};
use crate::{
    chain::client::{Client, TargetFilter, TargetInfo},
    primitives::{Address, ObjectId, Shannons},
};

/// List the network's targets, to the last page.
#[derive(Args)]
#[command(after_help = "Examples:\n  somascope targets --network testnet\n  \
    somascope targets --status claimable --submitter 0x… --json\n  \
    somascope targets --id 0x… --embedding --json | jq .embedding > target.json")]
pub struct Targets {
    /// Which ones.
    #[arg(long, value_enum, default_value_t = Status::Open)]
    status: Status,
    /// Only those that this model is in.
    #[arg(long, value_name = "MODEL")]
    model: Option<ObjectId>,
    /// Only those that this account filled.
    #[arg(long, value_name = "ADDRESS")]
    submitter: Option<Address>,
    /// Only this one.
    #[arg(long, value_name = "TARGET")]
    id: Option<ObjectId>,
    /// At most so many.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// With --json: the embeddings, too.
    #[arg(long)]
    embedding: bool,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    network: NetworkArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Status {
    /// Of this epoch and not hit yet.
    Open,
    /// Hit and not claimed, whether or not the reward is due.
    Filled,
    /// Whoever claims them is paid: filled two epochs ago, or never filled and over.
    Claimable,
    /// Never filled, and their epoch is over: the claimer gets a finder's fee.
    Expired,
    /// All that the network still has.
    All,
}

#[derive(Serialize)]
struct Shown {
    id: ObjectId,
    status: String,
    /// In which it was generated.
    epoch: u64,
    threshold: f32,
    reward_shannons: Shannons,
    bond_shannons: Shannons,
    models: Vec<ObjectId>,
    submitter: Option<Address>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    embedding: Vec<f32>,
}

impl Targets {
    pub fn run(self) -> anyhow::Result<Exit> {
        let network = self.network.resolve(&Environment::read(Path::new("."))?)?;
        let targets = block_on(async { self.status.list(&network.client()?, self.submitter).await })?;
        let wanted = |target: &TargetInfo| {
            self.id.is_none_or(|id| id == target.id) && self.model.is_none_or(|model| target.model_ids.contains(&model))
        };
        let shown = targets.into_iter().filter(wanted).take(self.limit.unwrap_or(usize::MAX)).map(|target| Shown {
            id: target.id,
            status: target.status,
            epoch: target.generation_epoch,
            threshold: target.distance_threshold,
            reward_shannons: Shannons(target.reward_pool),
            bond_shannons: Shannons(target.bond_amount),
            models: target.model_ids,
            submitter: target.submitter,
            embedding: if self.embedding { target.embedding } else { Vec::new() },
        });
        let columns = ["STATUS", "EPOCH", "REWARD", "THRESHOLD", "MODELS", "SUBMITTER", "TARGET"];
        self.common.output.open().list(&shown.collect::<Vec<_>>(), &columns, |target| {
            vec![
                target.status.clone(),
                target.epoch.to_string(),
                target.reward_shannons.to_string(),
                format!("{:.6}", target.threshold),
                target.models.iter().map(ObjectId::short).collect::<Vec<_>>().join(" "),
                target.submitter.map(|address| address.short()).unwrap_or_default(),
                target.id.to_hex_prefixed(),
            ]
        })?;
        Ok(Exit::Ok)
    }
}

impl Status {
    /// Oldest epoch first, then by id.
    async fn list(self, client: &Client, submitter: Option<Address>) -> anyhow::Result<Vec<TargetInfo>> {
        let lists: &[TargetFilter] = match self {
            Self::Open => &[TargetFilter::Open],
            Self::Filled => &[TargetFilter::Filled],
            Self::Claimable | Self::Expired => &[TargetFilter::Claimable],
            // Claimable ones are filled, or open and over: neither of the other lists has the latter.
            Self::All => &[TargetFilter::Open, TargetFilter::Filled, TargetFilter::Claimable],
        };
        let mut targets = BTreeMap::new();
        for filter in lists {
            // A server's filter by submitter leaves open ones out in some lists and not in others.
            let found = client.targets(*filter, submitter).await?.into_iter();
            targets.extend(found.map(|target| ((target.generation_epoch, target.id), target)));
        }
        let wanted = |target: &TargetInfo| {
            (self != Self::Expired || target.submitter.is_none())
                && submitter.is_none_or(|by| target.submitter == Some(by))
        };
        Ok(targets.into_values().filter(wanted).collect())
    }
}
