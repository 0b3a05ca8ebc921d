//! The constants of a new network: all numbers that one may want to tune are here.

use std::time::Duration;

use super::{
    config::DevnetConfig,
    ledger::{Genesis, parameters_v5},
    secrets::Identities,
};
use crate::{
    chain::types::{SomaTensor, SystemParameters},
    primitives::{SHANNONS_PER_SOMA, now_ms},
};

const PROTOCOL_VERSION: u64 = 5;
/// 2026-01-01. Fixed, because every id comes from the genesis: a seed gives the same chain and the same models on every run.
/// Targets still differ, as the time of an epoch's turn enters their ids. A network without models stays in epoch 0, which
/// must have begun when the network did.
const GENESIS_TIMESTAMP_MS: u64 = 1_767_225_600_000;
/// A real local network's.
const EMISSION_BALANCE_SHANNONS: u64 = 680_000 * SHANNONS_PER_SOMA;
/// The faucet's coins.
const FAUCET_COINS_SHANNONS: [u64; 5] = [300_000 * SHANNONS_PER_SOMA; 5];
/// What a model's owner has beside the stake, for fees.
const OWNER_SHANNONS: u64 = 100 * SHANNONS_PER_SOMA;
/// For the fees of reports.
const VALIDATOR_SHANNONS: u64 = 1_000 * SHANNONS_PER_SOMA;

/// Parameters of a new network and what it emits.
#[derive(Clone, Debug, PartialEq)]
pub struct GenesisOptions {
    /// `epoch_duration_ms` follows the configured epoch, if there is one.
    pub parameters: SystemParameters,
    pub emission_per_epoch_shannons: u64,
    /// What the network says that it speaks; the rules are those of 5.
    pub protocol_version: u64,
}

impl GenesisOptions {
    /// The real network's constants at protocol version 5 (`protocol.md §11`), for embeddings of `dim` numbers.
    pub fn v5(dim: u64) -> Self {
        Self {
            parameters: parameters_v5(dim),
            emission_per_epoch_shannons: 1_370 * SHANNONS_PER_SOMA,
            protocol_version: PROTOCOL_VERSION,
        }
    }

    /// The demo's network: small models in few dimensions reach far closer than large ones, and one person fills targets for
    /// minutes, not a crowd for days. So fewer targets and hits, thresholds where a hit takes some looking, and the real
    /// network's reward for each.
    pub fn demo(dim: u64) -> Self {
        let v5 = Self::v5(dim);
        Self {
            parameters: SystemParameters {
                target_initial_targets_per_epoch: 40,
                target_hits_per_epoch: 120,
                target_initial_distance_threshold: SomaTensor::scalar(0.74),
                target_min_distance_threshold: SomaTensor::scalar(0.5),
                target_max_distance_threshold: SomaTensor::scalar(0.76),
                ..v5.parameters
            },
            // 12 685 185 for each of 120 targets is the 80 % of it that goes to targets.
            emission_per_epoch_shannons: 12_685_185 * 120 * 10 / 8,
            ..v5
        }
    }
}

/// The chain's first state: everybody's coins.
pub(super) fn genesis(config: &DevnetConfig, identities: &Identities) -> Genesis {
    let owners = config
        .models
        .iter()
        .map(|model| (identities.model_owner(&model.name).address(), vec![model.stake.saturating_add(OWNER_SHANNONS)]));
    let accounts: Vec<_> = [
        (identities.faucet().address(), FAUCET_COINS_SHANNONS.to_vec()),
        (identities.validator().address(), vec![VALIDATOR_SHANNONS]),
    ]
    .into_iter()
    .chain(owners)
    .collect();
    let mut parameters = config.genesis.parameters.clone();
    if let Some(epoch_ms) = config.epoch.map(epoch_ms) {
        parameters.epoch_duration_ms = epoch_ms;
    }
    Genesis {
        seed: config.seed,
        timestamp_ms: if config.models.is_empty() { now_ms() } else { GENESIS_TIMESTAMP_MS },
        protocol_version: config.genesis.protocol_version,
        parameters,
        emission_per_epoch: config.genesis.emission_per_epoch_shannons,
        emission_balance: EMISSION_BALANCE_SHANNONS,
        accounts,
        validator: identities.validator().address(),
    }
}

/// At least a millisecond, so that time always comes to an epoch's end.
pub(super) fn epoch_ms(epoch: Duration) -> u64 {
    u64::try_from(epoch.as_millis()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `protocol.md §7.5`, step 6.
    fn reward_per_target(options: &GenesisOptions) -> u64 {
        let parameters = &options.parameters;
        options.emission_per_epoch_shannons * parameters.target_reward_allocation_bps
            / 10_000
            / parameters.target_hits_per_epoch
    }

    #[test]
    fn a_target_of_the_demo_pays_what_one_of_the_real_network_pays() {
        assert_eq!(reward_per_target(&GenesisOptions::v5(2048)), 12_685_185);
        assert_eq!(reward_per_target(&GenesisOptions::demo(64)), 12_685_185);
    }
}
