//! Objects: coins, stakes, targets and the system state.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Address, Digest, Manifest, ObjectId, ObjectRef, SomaTensor, named_digest, to_bcs};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ObjectType {
    SystemState,
    Coin,
    StakedSoma,
    Target,
}

impl ObjectType {
    /// The text form used by the gRPC services.
    pub fn name(self) -> &'static str {
        match self {
            Self::SystemState => "SystemState",
            Self::Coin => "Coin",
            Self::StakedSoma => "StakedSoma",
            Self::Target => "Target",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::SystemState, Self::Coin, Self::StakedSoma, Self::Target].into_iter().find(|t| t.name() == name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Owner {
    Address(Address),
    Shared { initial_shared_version: u64 },
    Immutable,
}

impl Owner {
    pub const SHARED: Self = Self::Shared { initial_shared_version: 1 };

    pub fn address(&self) -> Option<Address> {
        match self {
            Self::Address(address) => Some(*address),
            _ => None,
        }
    }
}

/// `protocol.md §5.1`. `contents` = object id ‖ type-specific BCS, under one length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    pub object_type: ObjectType,
    pub version: u64,
    contents: Vec<u8>,
    pub owner: Owner,
    pub previous_transaction: Digest,
}

#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error("an object of {0} bytes has no room for its id")]
    TooShort(usize),
    #[error("object {id} is a {found:?}, not a {wanted:?}")]
    WrongType { id: ObjectId, found: ObjectType, wanted: ObjectType },
    #[error("the contents of object {id} do not decode: {source}")]
    Contents { id: ObjectId, source: bcs::Error },
}

impl Object {
    pub fn new(
        object_type: ObjectType,
        id: ObjectId,
        version: u64,
        body: &[u8],
        owner: Owner,
        previous_transaction: Digest,
    ) -> Self {
        Self { object_type, version, contents: [&id.0[..], body].concat(), owner, previous_transaction }
    }

    pub fn coin(id: ObjectId, version: u64, balance: u64, owner: Address, previous_transaction: Digest) -> Self {
        Self::new(ObjectType::Coin, id, version, &balance.to_le_bytes(), Owner::Address(owner), previous_transaction)
    }

    /// Decodes and checks that an id is there.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, bcs::Error> {
        let object: Self = bcs::from_bytes(bytes)?;
        match object.contents.len() {
            32.. => Ok(object),
            n => Err(bcs::Error::Custom(ObjectError::TooShort(n).to_string())),
        }
    }

    /// The id; objects decoded without [`Object::from_bytes`] and too short for one have the zero id.
    pub fn id(&self) -> ObjectId {
        self.contents.first_chunk::<32>().copied().map(ObjectId).unwrap_or_default()
    }

    /// The contents without the id, as the gRPC services send them.
    pub fn body(&self) -> &[u8] {
        self.contents.get(32..).unwrap_or_default()
    }

    pub fn set_body(&mut self, body: &[u8]) {
        self.contents.truncate(32);
        self.contents.extend_from_slice(body);
    }

    /// `H("Object::" ‖ BCS)`.
    pub fn digest(&self) -> Digest {
        named_digest("Object", self)
    }

    pub fn reference(&self) -> ObjectRef {
        ObjectRef { id: self.id(), version: self.version, digest: self.digest() }
    }

    fn decode<'a, T: Deserialize<'a>>(&'a self, wanted: ObjectType) -> Result<T, ObjectError> {
        let id = self.id();
        if self.object_type != wanted {
            return Err(ObjectError::WrongType { id, found: self.object_type, wanted });
        }
        bcs::from_bytes(self.body()).map_err(|source| ObjectError::Contents { id, source })
    }

    pub fn coin_balance(&self) -> Result<u64, ObjectError> {
        self.decode(ObjectType::Coin)
    }

    pub fn set_coin_balance(&mut self, balance: u64) {
        self.set_body(&balance.to_le_bytes());
    }

    pub fn target(&self) -> Result<TargetV1, ObjectError> {
        self.decode(ObjectType::Target)
    }

    pub fn set_target(&mut self, target: &TargetV1) {
        self.set_body(&to_bcs(target));
    }

    pub fn staked_soma(&self) -> Result<StakedSoma, ObjectError> {
        self.decode(ObjectType::StakedSoma)
    }

    pub fn system_state(&self) -> Result<super::SystemState, ObjectError> {
        self.decode(ObjectType::SystemState)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StakedSoma {
    pub pool_id: ObjectId,
    pub stake_activation_epoch: u64,
    pub principal: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetStatus {
    Open,
    Filled { fill_epoch: u64 },
    Claimed,
}

/// The contents of a target (`protocol.md §7.2`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetV1 {
    pub embedding: SomaTensor,
    pub model_ids: Vec<ObjectId>,
    pub distance_threshold: SomaTensor,
    pub reward_pool: u64,
    pub generation_epoch: u64,
    pub status: TargetStatus,
    pub submitter: Option<Address>,
    pub winning_model_id: Option<ObjectId>,
    pub winning_model_owner: Option<Address>,
    pub bond_amount: u64,
    pub winning_data_manifest: Option<Manifest>,
    pub winning_embedding: Option<SomaTensor>,
    pub winning_distance_score: Option<SomaTensor>,
    pub winning_loss_score: Option<SomaTensor>,
    pub submission_reports: BTreeSet<Address>,
}

impl TargetV1 {
    /// A target as it is generated: nobody has answered it yet.
    pub fn open(
        embedding: SomaTensor,
        model_ids: Vec<ObjectId>,
        distance_threshold: SomaTensor,
        reward_pool: u64,
        generation_epoch: u64,
    ) -> Self {
        Self {
            embedding,
            model_ids,
            distance_threshold,
            reward_pool,
            generation_epoch,
            status: TargetStatus::Open,
            submitter: None,
            winning_model_id: None,
            winning_model_owner: None,
            bond_amount: 0,
            winning_data_manifest: None,
            winning_embedding: None,
            winning_distance_score: None,
            winning_loss_score: None,
            submission_reports: BTreeSet::new(),
        }
    }
}
