//! `somascope epoch`: where the network is in its game, and by which numbers it plays.

use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::{
    CommonArgs, Exit, block_on, board,
    environment::Environment,
    network::{Network, NetworkArgs},
    output::Page,
    place::StateArgs,
    signer::ReaderArgs,
    time::{date, now_ms, span},
};
use crate::{
    chain::{
        client::{EpochState, KNOWN_PROTOCOL, advance_epoch},
        types::SystemParameters,
    },
    primitives::Shannons,
};

/// Show the epoch, when it ends, and the network's live parameters; or what past epochs were.
#[derive(Args)]
#[command(
    mut_arg("dir", |arg| arg.requires("reviews").conflicts_with("address")),
    after_help = "Examples:\n  somascope epoch --network testnet\n  somascope epoch --network localnet --advance --yes\n  \
    somascope epoch --reviews\n\n\
    --reviews asks no node: it reads what `run`, `demo` or the dashboard has seen and kept, also while one runs. SEEN tells whether the \
    epoch was watched as a whole; else the counts are of what was seen. JSON fields: docs/commands.md."
)]
pub struct Epoch {
    /// End the current epoch now, through the admin service of a local network.
    #[arg(long)]
    advance: bool,
    /// Show the reviews of the epochs that an engine of this wallet has watched, newest first.
    #[arg(long, conflicts_with = "advance")]
    reviews: bool,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    reader: ReaderArgs,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    network: NetworkArgs,
}

#[derive(Serialize)]
struct Shown {
    network: String,
    chain_id: String,
    epoch: u64,
    start_ms: u64,
    ends_ms: u64,
    ends_in_ms: u64,
    checkpoint_height: u64,
    server: String,
    protocol_version: u64,
    /// What this program was written for. Where the network's is newer, signing asks first.
    known_protocol_version: u64,
    threshold: f32,
    reward_per_target_shannons: Shannons,
    targets_generated: u64,
    active_models: usize,
    emission_balance_shannons: Shannons,
    emission_per_epoch_shannons: Shannons,
    parameters: Parameters,
}

/// What a submitter plays by.
#[derive(Serialize)]
struct Parameters {
    epoch_duration_ms: u64,
    base_fee_shannons: Shannons,
    write_object_fee_shannons: Shannons,
    value_fee_bps: u64,
    submission_bond_per_byte_shannons: Shannons,
    max_submission_bytes: u64,
    embedding_dim: u64,
    models_per_target: u64,
    hits_per_epoch: u64,
    submitter_share_bps: u64,
    model_share_bps: u64,
    claimer_share_bps: u64,
    model_architecture_version: u64,
    model_min_stake_shannons: Shannons,
}

impl From<&SystemParameters> for Parameters {
    fn from(parameters: &SystemParameters) -> Self {
        Self {
            epoch_duration_ms: parameters.epoch_duration_ms,
            base_fee_shannons: Shannons(parameters.base_fee),
            write_object_fee_shannons: Shannons(parameters.write_object_fee),
            value_fee_bps: parameters.value_fee_bps,
            submission_bond_per_byte_shannons: Shannons(parameters.submission_bond_per_byte),
            max_submission_bytes: parameters.max_submission_data_size,
            embedding_dim: parameters.target_embedding_dim,
            models_per_target: parameters.target_models_per_target,
            hits_per_epoch: parameters.target_hits_per_epoch,
            submitter_share_bps: parameters.target_submitter_reward_share_bps,
            model_share_bps: parameters.target_model_reward_share_bps,
            claimer_share_bps: parameters.target_claimer_incentive_bps,
            model_architecture_version: parameters.model_architecture_version,
            model_min_stake_shannons: Shannons(parameters.model_min_stake),
        }
    }
}

impl Epoch {
    pub fn run(self) -> anyhow::Result<Exit> {
        let environment = Environment::read(Path::new("."))?;
        let network = self.network.resolve(&environment)?;
        if self.reviews {
            return board::reviews(&network, &environment, &self.reader, &self.state, &self.common.output);
        }
        if self.advance {
            let admin = network.admin()?;
            self.common
                .confirm
                .insist(&format!("End the current epoch of {} for everybody on it?", network.title()))?;
            block_on(async { Ok(advance_epoch(admin).await?) })?;
        }
        let shown = block_on(look(&network))?;
        // A turned epoch stays turned.
        let output = &self.common.output;
        let mut output = if self.advance { output.open_done() } else { output.open() };
        output.show(&shown, show)?;
        Ok(Exit::Ok)
    }
}

async fn look(network: &Network) -> anyhow::Result<Shown> {
    let client = network.client()?;
    let service = client.service_info().await?;
    let protocol_version = client.protocol_version().await?;
    let state: EpochState = client.epoch_state().await?;
    let ends_ms = state.epoch_start_ms.saturating_add(state.parameters.epoch_duration_ms);
    Ok(Shown {
        network: network.title(),
        chain_id: service.chain_id,
        epoch: state.epoch,
        start_ms: state.epoch_start_ms,
        ends_ms,
        ends_in_ms: ends_ms.saturating_sub(now_ms()),
        checkpoint_height: service.checkpoint_height,
        server: service.server,
        protocol_version,
        known_protocol_version: KNOWN_PROTOCOL,
        threshold: state.distance_threshold,
        reward_per_target_shannons: Shannons(state.reward_per_target),
        targets_generated: state.targets_generated_this_epoch,
        active_models: state.models.len(),
        emission_balance_shannons: Shannons(state.emission_balance),
        emission_per_epoch_shannons: Shannons(state.emission_per_epoch),
        parameters: Parameters::from(&state.parameters),
    })
}

fn show(page: &mut Page, shown: &Shown) {
    let percent = |bps: u64| format!("{}.{:02}%", bps / 100, bps % 100);
    let Shown { parameters, .. } = shown;
    page.fact("network", format!("{} (chain {}, {})", shown.network, shown.chain_id, shown.server));
    let newer = if shown.protocol_version > KNOWN_PROTOCOL {
        format!(", newer than {KNOWN_PROTOCOL}, which this program knows: signing asks first")
    } else {
        String::new()
    };
    page.fact("protocol", format!("version {}{newer}", shown.protocol_version));
    let ends = match shown.ends_in_ms {
        0 => "is due to end".to_owned(),
        left => format!("ends in {}", span(left)),
    };
    page.fact("epoch", format!("{}, {ends}", shown.epoch));
    page.fact("started", format!("{}, lasts {}", date(shown.start_ms), span(parameters.epoch_duration_ms)));
    page.fact("checkpoint", shown.checkpoint_height);
    page.fact(
        "targets",
        format!("{} generated in this epoch, {} hits wanted", shown.targets_generated, parameters.hits_per_epoch),
    );
    page.fact("threshold", format!("{:.6} (cosine distance)", shown.threshold));
    page.fact("reward", format!("{} SOMA a target", shown.reward_per_target_shannons));
    page.fact(
        "shares",
        format!(
            "submitter {}, model {}, claimer {}",
            percent(parameters.submitter_share_bps),
            percent(parameters.model_share_bps),
            percent(parameters.claimer_share_bps)
        ),
    );
    page.fact(
        "bond",
        format!(
            "{} SOMA a byte, at most {} bytes",
            parameters.submission_bond_per_byte_shannons, parameters.max_submission_bytes
        ),
    );
    page.fact(
        "fees",
        format!(
            "{} SOMA, {} an object written, {} of a payment",
            parameters.base_fee_shannons,
            parameters.write_object_fee_shannons,
            percent(parameters.value_fee_bps)
        ),
    );
    page.fact("models", format!("{} active, {} a target", shown.active_models, parameters.models_per_target));
    page.fact("embedding", format!("{} dimensions", parameters.embedding_dim));
    page.fact(
        "emission",
        format!("{} SOMA an epoch, {} left", shown.emission_per_epoch_shannons, shown.emission_balance_shannons),
    );
}
