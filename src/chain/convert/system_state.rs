//! The system state: written in full for the embedded network, read as far as a submitter needs it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use super::{
    FieldError, fields,
    fields::required,
    parameters_from_proto, parameters_to_proto,
    tensor::{finite, finite_all, scalar, vector},
    transaction::{manifest_from_proto, manifest_to_proto},
};
use crate::chain::{
    client::{ActiveModelInfo, EpochState, UpcomingWeights},
    proto::soma::rpc,
    types::*,
};

/// Ids with `0x`, addresses without, as a node prints them.
pub fn system_state_to_proto(state: &SystemStateV1) -> rpc::SystemState {
    rpc::SystemState {
        epoch: Some(state.epoch),
        epoch_start_timestamp_ms: Some(state.epoch_start_timestamp_ms),
        protocol_version: Some(state.protocol_version),
        parameters: Some(parameters_to_proto(&state.parameters)),
        validators: Some(validators_to_proto(&state.validators)),
        validator_report_records: reporters_to_proto(&state.validator_report_records, Address::to_string),
        emission_pool: Some(rpc::EmissionPool {
            balance: Some(state.emission_pool.balance),
            emission_per_epoch: Some(state.emission_pool.emission_per_epoch),
        }),
        model_registry: Some(registry_to_proto(&state.model_registry)),
        target_state: Some(rpc::TargetState {
            distance_threshold: scalar(&state.target_state.distance_threshold),
            targets_generated_this_epoch: Some(state.target_state.targets_generated_this_epoch),
            hits_this_epoch: Some(state.target_state.hits_this_epoch),
            hits_ema: Some(state.target_state.hits_ema),
            reward_per_target: Some(state.target_state.reward_per_target),
        }),
        submission_report_records: HashMap::new(),
        safe_mode: Some(state.safe_mode),
        safe_mode_accumulated_fees: Some(state.safe_mode_accumulated_fees),
        safe_mode_accumulated_emissions: Some(state.safe_mode_accumulated_emissions),
    }
}

fn reporters_to_proto<K>(
    records: &BTreeMap<K, BTreeSet<Address>>,
    key: impl Fn(&K) -> String,
) -> HashMap<String, rpc::ReporterSet> {
    let set = |reporters: &BTreeSet<Address>| rpc::ReporterSet {
        reporters: reporters.iter().map(Address::to_string).collect(),
    };
    records.iter().map(|(reported, reporters)| (key(reported), set(reporters))).collect()
}

fn registry_to_proto(registry: &ModelRegistry) -> rpc::ModelRegistry {
    rpc::ModelRegistry {
        staking_pool_mappings: registry
            .staking_pool_mappings
            .iter()
            .map(|(pool, model)| (pool.to_hex_prefixed(), model.to_hex_prefixed()))
            .collect(),
        total_model_stake: Some(registry.total_model_stake),
        model_report_records: reporters_to_proto(&registry.model_report_records, ObjectId::to_hex_prefixed),
        models: registry.models.iter().map(|(id, model)| (id.to_hex_prefixed(), model_to_proto(model.v1()))).collect(),
    }
}

fn model_to_proto(model: &ModelV1) -> rpc::Model {
    let head = model.head();
    let head = rpc::Model {
        owner: Some(head.owner.to_string()),
        architecture_version: Some(head.architecture_version),
        staking_pool: Some(pool_to_proto(&head.staking_pool)),
        commission_rate: Some(head.commission_rate),
        next_epoch_commission_rate: Some(head.next_epoch_commission_rate),
        ..Default::default()
    };
    let committed = |commitment: &ModelCommitment| rpc::Model {
        manifest: Some(manifest_to_proto(&commitment.manifest)),
        weights_commitment: Some(commitment.weights_commitment.0.to_vec()),
        embedding_commitment: Some(commitment.embedding_commitment.0.to_vec()),
        decryption_key_commitment: Some(commitment.decryption_key_commitment.0.to_vec()),
        ..head.clone()
    };
    let state = |word: &str| Some(word.to_owned());
    match model {
        ModelV1::Created(model) => {
            rpc::Model { state: state("created"), create_epoch: Some(model.create_epoch), ..head }
        }
        ModelV1::Pending(model) => rpc::Model {
            state: state("pending"),
            commit_epoch: Some(model.commit_epoch),
            ..committed(&model.commitment)
        },
        ModelV1::Active(model) => rpc::Model {
            state: state("active"),
            decryption_key: Some(model.decryption_key.0.to_vec()),
            embedding: vector(&model.embedding),
            pending_update: model.pending_update.as_ref().map(|update| rpc::PendingModelUpdate {
                manifest: Some(manifest_to_proto(&update.commitment.manifest)),
                weights_commitment: Some(update.commitment.weights_commitment.0.to_vec()),
                embedding_commitment: Some(update.commitment.embedding_commitment.0.to_vec()),
                decryption_key_commitment: Some(update.commitment.decryption_key_commitment.0.to_vec()),
                commit_epoch: Some(update.commit_epoch),
            }),
            ..committed(&model.commitment)
        },
        ModelV1::Inactive(model) => rpc::Model {
            state: state("inactive"),
            decryption_key: Some(model.decryption_key.0.to_vec()),
            embedding: vector(&model.embedding),
            ..committed(&model.commitment)
        },
    }
}

fn pool_to_proto(pool: &StakingPool) -> rpc::StakingPool {
    let rate = |rate: &PoolTokenExchangeRate| rpc::PoolTokenExchangeRate {
        soma_amount: Some(rate.soma_amount),
        pool_token_amount: Some(rate.pool_token_amount),
    };
    rpc::StakingPool {
        id: Some(pool.id.to_hex_prefixed()),
        activation_epoch: pool.activation_epoch,
        deactivation_epoch: pool.deactivation_epoch,
        soma_balance: Some(pool.soma_balance),
        rewards_pool: Some(pool.rewards_pool),
        pool_token_balance: Some(pool.pool_token_balance),
        exchange_rates: pool.exchange_rates.iter().map(|(epoch, at)| (*epoch, rate(at))).collect(),
        pending_stake: Some(pool.pending_stake),
        pending_total_soma_withdraw: Some(pool.pending_total_soma_withdraw),
        pending_pool_token_withdraw: Some(pool.pending_pool_token_withdraw),
    }
}

fn validators_to_proto(set: &ValidatorSet) -> rpc::ValidatorSet {
    rpc::ValidatorSet {
        total_stake: Some(set.total_stake),
        validators: set.validators.iter().map(validator_to_proto).collect(),
        pending_validators: set.pending_validators.iter().map(validator_to_proto).collect(),
        // Indexes into the validators, of which there are far fewer than 2^32.
        pending_removals: set.pending_removals.iter().filter_map(|index| u32::try_from(*index).ok()).collect(),
        staking_pool_mappings: set
            .staking_pool_mappings
            .iter()
            .map(|(pool, validator)| (pool.to_hex_prefixed(), validator.to_string()))
            .collect(),
        inactive_validators: set
            .inactive_validators
            .iter()
            .map(|(pool, validator)| (pool.to_hex_prefixed(), validator_to_proto(validator)))
            .collect(),
        at_risk_validators: set
            .at_risk_validators
            .iter()
            .map(|(validator, epochs)| (validator.to_string(), *epochs))
            .collect(),
    }
}

fn validator_to_proto(validator: &Validator) -> rpc::Validator {
    let metadata = &validator.metadata;
    rpc::Validator {
        soma_address: Some(metadata.soma_address.to_string()),
        protocol_pubkey: Some(metadata.protocol_pubkey.0.to_vec()),
        network_pubkey: Some(metadata.network_pubkey.0.to_vec()),
        worker_pubkey: Some(metadata.worker_pubkey.0.to_vec()),
        net_address: Some(metadata.net_address.clone()),
        p2p_address: Some(metadata.p2p_address.clone()),
        primary_address: Some(metadata.primary_address.clone()),
        voting_power: Some(validator.voting_power),
        commission_rate: Some(validator.commission_rate),
        next_epoch_stake: Some(validator.next_epoch_stake),
        next_epoch_commission_rate: Some(validator.next_epoch_commission_rate),
        staking_pool: Some(pool_to_proto(&validator.staking_pool)),
        next_epoch_protocol_pubkey: metadata.next_epoch_protocol_pubkey.map(|key| key.0.to_vec()),
        next_epoch_network_pubkey: metadata.next_epoch_network_pubkey.map(|key| key.0.to_vec()),
        next_epoch_worker_pubkey: metadata.next_epoch_worker_pubkey.map(|key| key.0.to_vec()),
        next_epoch_net_address: metadata.next_epoch_net_address.clone(),
        next_epoch_p2p_address: metadata.next_epoch_p2p_address.clone(),
        next_epoch_primary_address: metadata.next_epoch_primary_address.clone(),
        proxy_address: Some(metadata.proxy_address.clone()),
        next_epoch_proxy_address: metadata.next_epoch_proxy_address.clone(),
        proof_of_possession: Some(metadata.proof_of_possession.0.to_vec()),
        next_epoch_proof_of_possession: metadata.next_epoch_proof_of_possession.map(|proof| proof.0.to_vec()),
    }
}

/// The live state. A model that does not decode is left out with a warning: anyone can register one.
pub fn epoch_state_from_proto(state: &rpc::SystemState) -> Result<EpochState, FieldError> {
    let target_state = required("target_state", state.target_state.as_ref())?;
    let emission_pool = required("emission_pool", state.emission_pool.as_ref())?;
    let epoch = required("epoch", state.epoch)?;
    let (mut models, mut upcoming) = (BTreeMap::new(), Vec::new());
    for (id, model) in &required("model_registry", state.model_registry.as_ref())?.models {
        // Fetched ahead only, so one that does not decode is no loss.
        upcoming.extend(upcoming_weights(id, model, epoch));
        if model.state.as_deref() != Some("active") {
            continue;
        }
        match fields::object_id("models", Some(id)).and_then(|id| active_model(id, model)) {
            Ok(model) => {
                models.insert(model.id, model);
            }
            Err(cause) => {
                tracing::warn!(%cause, id = ?id.chars().take(66).collect::<String>(), "left out an active model")
            }
        }
    }
    upcoming.sort_by_key(|weights| (Reverse(weights.stake), weights.model));
    Ok(EpochState {
        epoch,
        protocol_version: required("protocol_version", state.protocol_version)?,
        epoch_start_ms: required("epoch_start_timestamp_ms", state.epoch_start_timestamp_ms)?,
        parameters: parameters_from_proto(required("parameters", state.parameters.as_ref())?)?,
        distance_threshold: finite(
            "distance_threshold",
            required("distance_threshold", target_state.distance_threshold)?,
        )?,
        reward_per_target: required("reward_per_target", target_state.reward_per_target)?,
        targets_generated_this_epoch: required(
            "targets_generated_this_epoch",
            target_state.targets_generated_this_epoch,
        )?,
        emission_balance: required("balance", emission_pool.balance)?,
        emission_per_epoch: required("emission_per_epoch", emission_pool.emission_per_epoch)?,
        models: models.into_values().collect(),
        upcoming,
    })
}

/// A commit counts until the end of the epoch after it: later it can no longer be revealed.
fn upcoming_weights(id: &str, model: &rpc::Model, epoch: u64) -> Option<UpcomingWeights> {
    let (manifest, committed) = match (model.state.as_deref(), &model.pending_update) {
        (Some("pending"), _) => (model.manifest.as_ref(), model.commit_epoch),
        (Some("active"), Some(update)) => (update.manifest.as_ref(), update.commit_epoch),
        _ => return None,
    };
    if committed?.saturating_add(1) < epoch {
        return None;
    }
    let manifest = manifest_from_proto(manifest?).ok()?;
    Some(UpcomingWeights {
        model: fields::object_id("models", Some(id)).ok()?,
        stake: model.staking_pool.as_ref()?.soma_balance?,
        url: manifest.url().to_owned(),
        checksum: manifest.checksum(),
        size: manifest.size(),
    })
}

fn active_model(id: ObjectId, model: &rpc::Model) -> Result<ActiveModelInfo, FieldError> {
    let manifest = manifest_from_proto(required("manifest", model.manifest.as_ref())?)?;
    let pool = required("staking_pool", model.staking_pool.as_ref())?;
    Ok(ActiveModelInfo {
        id,
        owner: fields::address("owner", model.owner.as_deref())?,
        stake: required("soma_balance", pool.soma_balance)?,
        commission_bps: required("commission_rate", model.commission_rate)?,
        url: manifest.url().to_owned(),
        checksum: manifest.checksum(),
        size: manifest.size(),
        decryption_key: fields::digest_bytes("decryption_key", model.decryption_key.as_deref())?.0,
        embedding: finite_all("embedding", &model.embedding)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::fixtures::parameters;

    fn head(stake: u64) -> ModelHead {
        ModelHead {
            owner: Address([1; 32]),
            architecture_version: 1,
            staking_pool: StakingPool {
                id: ObjectId([2; 32]),
                activation_epoch: Some(1),
                deactivation_epoch: None,
                soma_balance: stake,
                rewards_pool: 0,
                pool_token_balance: stake,
                exchange_rates: BTreeMap::from([(0, PoolTokenExchangeRate::default())]),
                pending_stake: 0,
                pending_total_soma_withdraw: 0,
                pending_pool_token_withdraw: 0,
            },
            commission_rate: 1000,
            next_epoch_commission_rate: 1000,
        }
    }

    fn commitment() -> ModelCommitment {
        ModelCommitment {
            manifest: Manifest::new("http://h/w.enc", Digest([3; 32]), 9).expect("a URL"),
            weights_commitment: Digest([3; 32]),
            embedding_commitment: Digest([4; 32]),
            decryption_key_commitment: Digest([5; 32]),
        }
    }

    fn active(stake: u64, embedding: &[f32]) -> Model {
        Model::V1(ModelV1::Active(ActiveModel {
            head: head(stake),
            commitment: commitment(),
            decryption_key: Digest([6; 32]),
            embedding: SomaTensor::vector(embedding),
            pending_update: Some(PendingModelUpdate { commitment: commitment(), commit_epoch: 6 }),
        }))
    }

    fn state() -> SystemStateV1 {
        let pending = PendingModel { head: head(7), commitment: commitment(), commit_epoch: 6 };
        let models = [
            (9, active(5, &[0.5, -0.25])),
            (1, active(6, &[1.0, 2.0])),
            (2, Model::V1(ModelV1::Created(CreatedModel { head: head(7), create_epoch: 6 }))),
            (3, Model::V1(ModelV1::Pending(pending))),
            (4, active(8, &[f32::NAN, 2.0])),
        ];
        SystemStateV1 {
            epoch: 7,
            protocol_version: 5,
            validators: ValidatorSet::default(),
            parameters: parameters(),
            epoch_start_timestamp_ms: 1_795_351_773_454,
            validator_report_records: BTreeMap::new(),
            model_registry: ModelRegistry {
                models: models.into_iter().map(|(id, model)| (ObjectId([id; 32]), model)).collect(),
                ..Default::default()
            },
            emission_pool: EmissionPool { balance: 100, emission_per_epoch: 10 },
            target_state: TargetState {
                distance_threshold: SomaTensor::scalar(1.05),
                targets_generated_this_epoch: 3,
                hits_this_epoch: 2,
                hits_ema: 1,
                reward_per_target: 12_685_185,
            },
            safe_mode: false,
            safe_mode_accumulated_fees: 0,
            safe_mode_accumulated_emissions: 0,
        }
    }

    #[test]
    fn a_submitter_reads_the_active_models_in_order_and_no_poisoned_one() {
        let read = epoch_state_from_proto(&system_state_to_proto(&state())).expect("a state");
        assert_eq!(read.models.iter().map(|model| (model.id.0[0], model.stake)).collect::<Vec<_>>(), [(1, 6), (9, 5)]);
        let model = &read.models[1];
        assert_eq!((model.url.as_str(), model.checksum, model.size), ("http://h/w.enc", Digest([3; 32]), 9));
        assert_eq!((model.decryption_key, &model.embedding[..]), ([6; 32], &[0.5, -0.25][..]));
        assert_eq!((read.epoch, read.epoch_start_ms, read.distance_threshold), (7, 1_795_351_773_454, 1.05));
        assert_eq!((read.reward_per_target, read.emission_balance, read.emission_per_epoch), (12_685_185, 100, 10));
        assert_eq!(read.parameters, parameters());
    }

    #[test]
    fn what_may_still_be_revealed_is_known_before_it_is_active_richest_first() {
        let upcoming = |epoch: u64| {
            let state = SystemStateV1 { epoch, ..state() };
            epoch_state_from_proto(&system_state_to_proto(&state)).expect("a state").upcoming
        };
        // Committed in epoch 6: revealed in 7 or never.
        for epoch in [6, 7] {
            let found = upcoming(epoch);
            let known: Vec<_> = found.iter().map(|weights| (weights.model.0[0], weights.stake)).collect();
            assert_eq!(
                known,
                [(4, 8), (3, 7), (1, 6), (9, 5)],
                "two updates, a new model, and one whose embedding is poisoned"
            );
            assert_eq!(
                (found[1].url.as_str(), found[1].checksum, found[1].size),
                ("http://h/w.enc", Digest([3; 32]), 9)
            );
        }
        assert_eq!(upcoming(8), []);
    }

    #[test]
    fn models_have_the_fields_of_their_state_only() {
        let message = system_state_to_proto(&state());
        let models = message.model_registry.expect("a registry").models;
        let model = |id: u8| &models[&ObjectId([id; 32]).to_hex_prefixed()];
        let shape = |model: &rpc::Model| {
            (
                model.state.clone(),
                model.create_epoch,
                model.commit_epoch,
                model.manifest.is_some(),
                model.decryption_key.is_some(),
            )
        };
        assert_eq!(shape(model(2)), (Some("created".into()), Some(6), None, false, false));
        assert_eq!(shape(model(3)), (Some("pending".into()), None, Some(6), true, false));
        assert_eq!(shape(model(9)), (Some("active".into()), None, None, true, true));
        assert_eq!(model(9).pending_update.as_ref().and_then(|update| update.commit_epoch), Some(6));
    }

    #[test]
    fn a_state_without_its_numbers_is_refused() {
        let whole = system_state_to_proto(&state());
        let lacking = rpc::SystemState { target_state: None, ..whole.clone() };
        assert_eq!(epoch_state_from_proto(&lacking), Err(FieldError::missing("target_state")));
        let poisoned = rpc::TargetState { distance_threshold: Some(f32::NAN), ..whole.target_state.expect("set") };
        assert!(epoch_state_from_proto(&rpc::SystemState { target_state: Some(poisoned), ..whole }).is_err());
    }
}
