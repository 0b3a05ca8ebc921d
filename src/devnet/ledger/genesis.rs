//! The first state of a chain: the system state with its one validator, and everybody's coins.

use ed25519_dalek::SigningKey;

use super::{Genesis, epoch::TOTAL_VOTING_POWER, execution::Outcome, pools};
use crate::{
    chain::types::{
        Address, Digest, EffectsObjectChange, EmissionPool, ExecutionStatus, IdOperation, ModelRegistry, Object,
        ObjectId, ObjectIn, ObjectOut, ObjectType, Owner, RawBytes, SomaTensor, StakedSoma, SystemParameters,
        SystemState, SystemStateV1, TargetState, TransactionData, TransactionEffects, TransactionEffectsV1,
        TransactionFee, TransactionKind, Validator, ValidatorMetadata, ValidatorSet, to_bcs,
    },
    primitives::{Hasher, SHANNONS_PER_SOMA},
};

const FIRST_VERSION: u64 = 1;
/// A local network's validator: 20 000 SOMA of stake, 2 % commission.
const VALIDATOR_STAKE: u64 = 20_000 * SHANNONS_PER_SOMA;
const VALIDATOR_COMMISSION_BPS: u64 = 200;
/// The compressed generators of BLS12-381 (G2, G1): valid points where clients parse keys, although nobody signs with them.
const BLS_G2_GENERATOR: &str = "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8";
const BLS_G1_GENERATOR: &str =
    "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb";

/// The parameters of protocol version 5 (`protocol.md §11`) for targets of a dimension.
pub fn parameters_v5(target_embedding_dim: u64) -> SystemParameters {
    SystemParameters {
        epoch_duration_ms: 86_400_000,
        validator_reward_allocation_bps: 7_000,
        model_min_stake: SHANNONS_PER_SOMA,
        model_architecture_version: 1,
        model_reveal_slash_rate_bps: 5_000,
        model_tally_slash_rate_bps: 9_500,
        target_epoch_fee_collection: SHANNONS_PER_SOMA,
        base_fee: 1_000,
        write_object_fee: 300,
        value_fee_bps: 10,
        min_value_fee_bps: 1,
        max_value_fee_bps: 50,
        fee_adjustment_rate_bps: 1_250,
        target_models_per_target: 3,
        target_embedding_dim,
        target_initial_distance_threshold: SomaTensor::scalar(1.05),
        target_reward_allocation_bps: 8_000,
        target_hits_per_epoch: 86_400,
        target_hits_ema_decay_bps: 9_000,
        target_difficulty_adjustment_rate_bps: 10_000,
        target_max_distance_threshold: SomaTensor::scalar(2.0),
        target_min_distance_threshold: SomaTensor::scalar(0.95),
        target_initial_targets_per_epoch: 100,
        target_submitter_reward_share_bps: 4_975,
        target_model_reward_share_bps: 4_975,
        target_claimer_incentive_bps: 50,
        submission_bond_per_byte: 65,
        max_submission_data_size: 1_048_576,
    }
}

impl Genesis {
    /// A local network at protocol version 5, with the emission of the real one.
    pub fn localnet(
        seed: u64,
        timestamp_ms: u64,
        target_embedding_dim: u64,
        accounts: Vec<(Address, Vec<u64>)>,
        validator: Address,
    ) -> Self {
        Self {
            seed,
            timestamp_ms,
            protocol_version: 5,
            parameters: parameters_v5(target_embedding_dim),
            emission_per_epoch: 1_370 * SHANNONS_PER_SOMA,
            emission_balance: 680_000 * SHANNONS_PER_SOMA,
            accounts,
            validator,
        }
    }

    /// Why no chain can begin from this, if so.
    fn refusal(&self) -> Option<String> {
        let coins = self.accounts.iter().flat_map(|(_, coins)| coins);
        let amounts = coins.chain([&self.emission_balance, &VALIDATOR_STAKE]);
        if amounts.copied().try_fold(0u64, u64::checked_add).is_none() {
            return Some("the supply exceeds 64 bits of shannons".to_owned());
        }
        let parameters = &self.parameters;
        let thresholds = [
            ("initial", &parameters.target_initial_distance_threshold),
            ("least", &parameters.target_min_distance_threshold),
            ("greatest", &parameters.target_max_distance_threshold),
        ];
        for (name, threshold) in thresholds {
            if !threshold.scalar_value().is_ok_and(f32::is_finite) {
                return Some(format!("the {name} distance threshold is not one finite number"));
            }
        }
        if parameters.target_embedding_dim == 0 || parameters.target_hits_per_epoch == 0 {
            return Some("targets need a dimension and a wanted number of hits".to_owned());
        }
        None
    }
}

/// The ids of genesis in their order (`protocol.md §7.4`).
#[derive(Default)]
struct Ids {
    next: u64,
}

impl Ids {
    fn take(&mut self) -> ObjectId {
        let mut hasher = Hasher::default();
        hasher.update(b"soma-genesis-object-id").update(&self.next.to_le_bytes());
        self.next += 1;
        ObjectId(hasher.finish().0)
    }
}

fn bls_point<const N: usize>(digits: &str) -> RawBytes<N> {
    let mut bytes = [0; N];
    hex::decode_to_slice(digits, &mut bytes).expect("the generators are constants of the right length");
    RawBytes(bytes)
}

fn ed25519_key(seed: u64, name: &str) -> RawBytes<32> {
    let mut hasher = Hasher::default();
    hasher.update(b"embedded-network").update(&seed.to_le_bytes()).update(name.as_bytes());
    RawBytes(SigningKey::from_bytes(&hasher.finish().0).verifying_key().to_bytes())
}

fn validator(genesis: &Genesis, pool_id: ObjectId) -> Validator {
    let address = |port: u16| format!("/ip4/127.0.0.1/tcp/{port}/http");
    let mut staking_pool = pools::new_pool(pool_id, VALIDATOR_STAKE);
    staking_pool.activation_epoch = Some(0);
    // A node's genesis pool starts with an empty rate, which means one to one.
    staking_pool.exchange_rates.insert(0, Default::default());
    Validator {
        metadata: ValidatorMetadata {
            soma_address: genesis.validator,
            protocol_pubkey: bls_point(BLS_G2_GENERATOR),
            network_pubkey: ed25519_key(genesis.seed, "network"),
            worker_pubkey: ed25519_key(genesis.seed, "worker"),
            net_address: address(8080),
            p2p_address: address(8084),
            primary_address: address(8081),
            proxy_address: address(8082),
            proof_of_possession: bls_point(BLS_G1_GENERATOR),
            next_epoch_protocol_pubkey: None,
            next_epoch_network_pubkey: None,
            next_epoch_net_address: None,
            next_epoch_p2p_address: None,
            next_epoch_primary_address: None,
            next_epoch_worker_pubkey: None,
            next_epoch_proof_of_possession: None,
            next_epoch_proxy_address: None,
        },
        voting_power: TOTAL_VOTING_POWER,
        staking_pool,
        commission_rate: VALIDATOR_COMMISSION_BPS,
        next_epoch_stake: VALIDATOR_STAKE,
        next_epoch_commission_rate: VALIDATOR_COMMISSION_BPS,
    }
}

fn system_state(genesis: &Genesis, pool_id: ObjectId) -> SystemStateV1 {
    SystemStateV1 {
        epoch: 0,
        protocol_version: genesis.protocol_version,
        validators: ValidatorSet {
            total_stake: VALIDATOR_STAKE,
            validators: vec![validator(genesis, pool_id)],
            staking_pool_mappings: [(pool_id, genesis.validator)].into(),
            ..Default::default()
        },
        epoch_start_timestamp_ms: genesis.timestamp_ms,
        validator_report_records: Default::default(),
        model_registry: ModelRegistry::default(),
        emission_pool: EmissionPool {
            balance: genesis.emission_balance,
            emission_per_epoch: genesis.emission_per_epoch,
        },
        // Without models there are no targets yet, hence no reward: the first epoch change sets it.
        target_state: TargetState {
            distance_threshold: genesis.parameters.target_initial_distance_threshold.clone(),
            targets_generated_this_epoch: 0,
            hits_this_epoch: 0,
            hits_ema: 0,
            reward_per_target: 0,
        },
        parameters: genesis.parameters.clone(),
        safe_mode: false,
        safe_mode_accumulated_fees: 0,
        safe_mode_accumulated_emissions: 0,
    }
}

/// The genesis transaction with what it created; the text says why there is none.
pub(super) fn run(genesis: &Genesis) -> Result<(TransactionData, Outcome), String> {
    if let Some(refusal) = genesis.refusal() {
        return Err(refusal);
    }
    let nobody = Digest::default();
    let mut ids = Ids::default();
    let pool_id = ids.take();
    let system = SystemState::V1(Box::new(system_state(genesis, pool_id)));
    let object = |object_type, id, body: &[u8], owner| Object::new(object_type, id, FIRST_VERSION, body, owner, nobody);
    let mut objects = vec![object(ObjectType::SystemState, ObjectId::SYSTEM_STATE, &to_bcs(&system), Owner::SHARED)];
    let stake = StakedSoma { pool_id, stake_activation_epoch: 0, principal: VALIDATOR_STAKE };
    let validator = Owner::Address(genesis.validator);
    objects.push(object(ObjectType::StakedSoma, ids.take(), &to_bcs(&stake), validator));
    for (owner, coins) in &genesis.accounts {
        for balance in coins {
            objects.push(Object::coin(ids.take(), FIRST_VERSION, *balance, *owner, nobody));
        }
    }
    objects.sort_by_key(Object::id);

    let kind = TransactionKind::Genesis { objects: objects.clone() };
    let data = TransactionData::new(kind, Address::default(), Vec::new());
    let digest = data.digest();
    for object in &mut objects {
        object.previous_transaction = digest;
    }
    let created = objects.iter().map(|object| {
        let output_state = ObjectOut::ObjectWrite(object.digest(), object.owner);
        let input_state = ObjectIn::NotExist;
        (object.id(), EffectsObjectChange { input_state, output_state, id_operation: IdOperation::Created })
    });
    let effects = TransactionEffects::V1(TransactionEffectsV1 {
        status: ExecutionStatus::Success,
        executed_epoch: 0,
        fee: TransactionFee::default(),
        transaction_digest: digest,
        gas_object_index: None,
        dependencies: Vec::new(),
        version: FIRST_VERSION,
        changed_objects: created.collect(),
        unchanged_shared_objects: Vec::new(),
    });
    let outcome = Outcome {
        effects,
        balance_changes: Vec::new(),
        written: objects.clone(),
        objects,
        tombstones: Vec::new(),
        locks: Vec::new(),
        system: None,
    };
    Ok((data, outcome))
}
