//! The system state object `0x…05`: epoch, parameters, models, emission, difficulty (`protocol.md §7.9`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeTuple};

use super::{Address, Digest, Manifest, ObjectId, SomaTensor};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SystemState {
    V1(Box<SystemStateV1>),
}

impl SystemState {
    pub fn v1(&self) -> &SystemStateV1 {
        let Self::V1(v1) = self;
        v1
    }

    pub fn v1_mut(&mut self) -> &mut SystemStateV1 {
        let Self::V1(v1) = self;
        v1
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemStateV1 {
    pub epoch: u64,
    pub protocol_version: u64,
    pub validators: ValidatorSet,
    pub parameters: SystemParameters,
    pub epoch_start_timestamp_ms: u64,
    pub validator_report_records: BTreeMap<Address, BTreeSet<Address>>,
    pub model_registry: ModelRegistry,
    pub emission_pool: EmissionPool,
    pub target_state: TargetState,
    pub safe_mode: bool,
    pub safe_mode_accumulated_fees: u64,
    pub safe_mode_accumulated_emissions: u64,
}

/// In field-number order of the protobuf message, without the retired challenger bond.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemParameters {
    pub epoch_duration_ms: u64,
    pub validator_reward_allocation_bps: u64,
    pub model_min_stake: u64,
    pub model_architecture_version: u64,
    pub model_reveal_slash_rate_bps: u64,
    pub model_tally_slash_rate_bps: u64,
    pub target_epoch_fee_collection: u64,
    pub base_fee: u64,
    pub write_object_fee: u64,
    /// The live value; the protocol config has only its start.
    pub value_fee_bps: u64,
    pub min_value_fee_bps: u64,
    pub max_value_fee_bps: u64,
    pub fee_adjustment_rate_bps: u64,
    pub target_models_per_target: u64,
    pub target_embedding_dim: u64,
    pub target_initial_distance_threshold: SomaTensor,
    pub target_reward_allocation_bps: u64,
    pub target_hits_per_epoch: u64,
    pub target_hits_ema_decay_bps: u64,
    pub target_difficulty_adjustment_rate_bps: u64,
    pub target_max_distance_threshold: SomaTensor,
    pub target_min_distance_threshold: SomaTensor,
    pub target_initial_targets_per_epoch: u64,
    pub target_submitter_reward_share_bps: u64,
    pub target_model_reward_share_bps: u64,
    pub target_claimer_incentive_bps: u64,
    pub submission_bond_per_byte: u64,
    pub max_submission_data_size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmissionPool {
    pub balance: u64,
    pub emission_per_epoch: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetState {
    pub distance_threshold: SomaTensor,
    pub targets_generated_this_epoch: u64,
    pub hits_this_epoch: u64,
    pub hits_ema: u64,
    pub reward_per_target: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRegistry {
    pub models: BTreeMap<ObjectId, Model>,
    /// Pool → model.
    pub staking_pool_mappings: BTreeMap<ObjectId, ObjectId>,
    pub total_model_stake: u64,
    pub model_report_records: BTreeMap<ObjectId, BTreeSet<Address>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolTokenExchangeRate {
    pub soma_amount: u64,
    pub pool_token_amount: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StakingPool {
    pub id: ObjectId,
    pub activation_epoch: Option<u64>,
    pub deactivation_epoch: Option<u64>,
    pub soma_balance: u64,
    pub rewards_pool: u64,
    pub pool_token_balance: u64,
    pub exchange_rates: BTreeMap<u64, PoolTokenExchangeRate>,
    pub pending_stake: u64,
    pub pending_total_soma_withdraw: u64,
    pub pending_pool_token_withdraw: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Model {
    V1(ModelV1),
}

impl Model {
    pub fn v1(&self) -> &ModelV1 {
        let Self::V1(v1) = self;
        v1
    }

    pub fn v1_mut(&mut self) -> &mut ModelV1 {
        let Self::V1(v1) = self;
        v1
    }
}

/// The state enum of `protocol.md §7.9`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelV1 {
    Created(CreatedModel),
    Pending(PendingModel),
    Active(ActiveModel),
    Inactive(InactiveModel),
}

/// What every model has, whatever its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelHead {
    pub owner: Address,
    pub architecture_version: u64,
    pub staking_pool: StakingPool,
    pub commission_rate: u64,
    pub next_epoch_commission_rate: u64,
}

/// What a commit promises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCommitment {
    pub manifest: Manifest,
    pub weights_commitment: Digest,
    pub embedding_commitment: Digest,
    pub decryption_key_commitment: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedModel {
    pub head: ModelHead,
    pub create_epoch: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingModel {
    pub head: ModelHead,
    pub commitment: ModelCommitment,
    pub commit_epoch: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveModel {
    pub head: ModelHead,
    pub commitment: ModelCommitment,
    pub decryption_key: Digest,
    pub embedding: SomaTensor,
    pub pending_update: Option<PendingModelUpdate>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingModelUpdate {
    pub commitment: ModelCommitment,
    pub commit_epoch: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InactiveModel {
    pub head: ModelHead,
    pub commitment: ModelCommitment,
    pub decryption_key: Digest,
    pub embedding: SomaTensor,
}

impl ModelV1 {
    pub fn head(&self) -> &ModelHead {
        match self {
            Self::Created(m) => &m.head,
            Self::Pending(m) => &m.head,
            Self::Active(m) => &m.head,
            Self::Inactive(m) => &m.head,
        }
    }

    pub fn head_mut(&mut self) -> &mut ModelHead {
        match self {
            Self::Created(m) => &mut m.head,
            Self::Pending(m) => &mut m.head,
            Self::Active(m) => &mut m.head,
            Self::Inactive(m) => &mut m.head,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatorSet {
    pub total_stake: u64,
    pub validators: Vec<Validator>,
    pub pending_validators: Vec<Validator>,
    pub pending_removals: Vec<u64>,
    pub staking_pool_mappings: BTreeMap<ObjectId, Address>,
    pub inactive_validators: BTreeMap<ObjectId, Validator>,
    pub at_risk_validators: BTreeMap<Address, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validator {
    pub metadata: ValidatorMetadata,
    pub voting_power: u64,
    pub staking_pool: StakingPool,
    pub commission_rate: u64,
    pub next_epoch_stake: u64,
    pub next_epoch_commission_rate: u64,
}

/// Keys are raw bytes without a length (`protocol-corrections.md §1`, on §7.9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatorMetadata {
    pub soma_address: Address,
    pub protocol_pubkey: RawBytes<96>,
    pub network_pubkey: RawBytes<32>,
    pub worker_pubkey: RawBytes<32>,
    pub net_address: String,
    pub p2p_address: String,
    pub primary_address: String,
    pub proxy_address: String,
    pub proof_of_possession: RawBytes<48>,
    pub next_epoch_protocol_pubkey: Option<RawBytes<96>>,
    pub next_epoch_network_pubkey: Option<RawBytes<32>>,
    pub next_epoch_net_address: Option<String>,
    pub next_epoch_p2p_address: Option<String>,
    pub next_epoch_primary_address: Option<String>,
    pub next_epoch_worker_pubkey: Option<RawBytes<32>>,
    pub next_epoch_proof_of_possession: Option<RawBytes<48>>,
    pub next_epoch_proxy_address: Option<String>,
}

/// Exactly `N` bytes, no length prefix.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RawBytes<const N: usize>(pub [u8; N]);

impl<const N: usize> std::fmt::Debug for RawBytes<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl<const N: usize> Serialize for RawBytes<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(N)?;
        for byte in &self.0 {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }
}

impl<'de, const N: usize> Deserialize<'de> for RawBytes<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<const N: usize>;
        impl<'de, const N: usize> de::Visitor<'de> for Elements<N> {
            type Value = RawBytes<N>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{N} bytes")
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<RawBytes<N>, A::Error> {
                let mut bytes = [0; N];
                for (i, byte) in bytes.iter_mut().enumerate() {
                    *byte = seq.next_element()?.ok_or_else(|| de::Error::invalid_length(i, &self))?;
                }
                Ok(RawBytes(bytes))
            }
        }
        deserializer.deserialize_tuple(N, Elements::<N>)
    }
}
