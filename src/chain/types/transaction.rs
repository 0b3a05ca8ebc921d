//! Transactions: what is signed.

use serde::{Deserialize, Serialize};

use super::{Address, Digest, Object, ObjectId, SomaTensor, named_digest, to_bcs};
use crate::primitives::Hasher;

/// An object at one version (73 bytes in BCS).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    pub id: ObjectId,
    pub version: u64,
    pub digest: Digest,
}

/// Where bytes can be downloaded, and what they must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Manifest {
    V1(ManifestV1),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ManifestV1 {
    /// Normalised by the WHATWG rules: anything else fails signature verification (`protocol.md §4.3`).
    pub url: String,
    pub metadata: Metadata,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Metadata {
    V1(MetadataV1),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MetadataV1 {
    pub checksum: Digest,
    pub size: u64,
}

impl Manifest {
    /// A manifest with the URL in its normalised form.
    pub fn new(url: &str, checksum: Digest, size: u64) -> Result<Self, url::ParseError> {
        let url = url::Url::parse(url)?.to_string();
        Ok(Self::V1(ManifestV1 { url, metadata: Metadata::V1(MetadataV1 { checksum, size }) }))
    }

    pub fn url(&self) -> &str {
        let Self::V1(v1) = self;
        &v1.url
    }

    pub fn checksum(&self) -> Digest {
        let Self::V1(ManifestV1 { metadata: Metadata::V1(m), .. }) = self;
        m.checksum
    }

    pub fn size(&self) -> u64 {
        let Self::V1(ManifestV1 { metadata: Metadata::V1(m), .. }) = self;
        m.size
    }
}

/// `protocol.md §4.1`: no nonce, no expiry; object versions make a transaction unique.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransactionData {
    V1(TransactionDataV1),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionDataV1 {
    pub kind: TransactionKind,
    pub sender: Address,
    /// The first is the primary gas coin; the others are merged into it.
    pub gas_payment: Vec<ObjectRef>,
}

impl TransactionData {
    pub fn new(kind: TransactionKind, sender: Address, gas_payment: Vec<ObjectRef>) -> Self {
        Self::V1(TransactionDataV1 { kind, sender, gas_payment })
    }

    pub fn kind(&self) -> &TransactionKind {
        let Self::V1(v1) = self;
        &v1.kind
    }

    pub fn sender(&self) -> Address {
        let Self::V1(v1) = self;
        v1.sender
    }

    pub fn gas_payment(&self) -> &[ObjectRef] {
        let Self::V1(v1) = self;
        &v1.gas_payment
    }

    /// `H("TransactionData::" ‖ BCS)`.
    pub fn digest(&self) -> Digest {
        named_digest("TransactionData", self)
    }

    /// The 32 bytes that are signed: `H(intent 00 00 01 ‖ BCS)`.
    pub fn signing_hash(&self) -> Digest {
        let mut hasher = Hasher::default();
        hasher.update(&Intent::TRANSACTION.0).update(&to_bcs(self));
        hasher.finish()
    }
}

/// Scope, version, app id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent(pub [u8; 3]);

impl Intent {
    pub const TRANSACTION: Self = Self([0, 0, 1]);
}

/// Variant indexes of `protocol.md §4.4`. System kinds (0–2) are decoded, never built by the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransactionKind {
    Genesis {
        objects: Vec<Object>,
    },
    ConsensusCommitPrologueV1 {
        epoch: u64,
        round: u64,
        sub_dag_index: Option<u64>,
        commit_timestamp_ms: u64,
        consensus_commit_digest: Digest,
        additional_state_digest: Digest,
    },
    /// `epoch` is the new one.
    ChangeEpoch {
        epoch: u64,
        epoch_start_timestamp_ms: u64,
        protocol_version: u64,
        fees: u64,
        epoch_randomness: Vec<u8>,
    },
    AddValidator {
        pubkey_bytes: Vec<u8>,
        network_pubkey_bytes: Vec<u8>,
        worker_pubkey_bytes: Vec<u8>,
        proof_of_possession: Vec<u8>,
        net_address: Vec<u8>,
        p2p_address: Vec<u8>,
        primary_address: Vec<u8>,
        proxy_address: Vec<u8>,
    },
    RemoveValidator {
        pubkey_bytes: Vec<u8>,
    },
    ReportValidator {
        reportee: Address,
    },
    UndoReportValidator {
        reportee: Address,
    },
    UpdateValidatorMetadata {
        next_epoch_network_address: Option<Vec<u8>>,
        next_epoch_p2p_address: Option<Vec<u8>>,
        next_epoch_primary_address: Option<Vec<u8>>,
        next_epoch_proxy_address: Option<Vec<u8>>,
        next_epoch_protocol_pubkey: Option<Vec<u8>>,
        next_epoch_worker_pubkey: Option<Vec<u8>>,
        next_epoch_network_pubkey: Option<Vec<u8>>,
        next_epoch_proof_of_possession: Option<Vec<u8>>,
    },
    SetCommissionRate {
        new_rate: u64,
    },
    /// `amount: None` moves the whole coin.
    TransferCoin {
        coin: ObjectRef,
        amount: Option<u64>,
        recipient: Address,
    },
    PayCoins {
        coins: Vec<ObjectRef>,
        amounts: Option<Vec<u64>>,
        recipients: Vec<Address>,
    },
    TransferObjects {
        objects: Vec<ObjectRef>,
        recipient: Address,
    },
    AddStake {
        address: Address,
        coin_ref: ObjectRef,
        amount: Option<u64>,
    },
    WithdrawStake {
        staked_soma: ObjectRef,
    },
    CreateModel {
        stake_amount: u64,
        commission_rate: u64,
        architecture_version: u64,
    },
    CommitModel {
        model_id: ObjectId,
        manifest: Manifest,
        weights_commitment: Digest,
        embedding_commitment: Digest,
        decryption_key_commitment: Digest,
    },
    RevealModel {
        model_id: ObjectId,
        decryption_key: Digest,
        embedding: SomaTensor,
    },
    AddStakeToModel {
        model_id: ObjectId,
        coin_ref: ObjectRef,
        amount: Option<u64>,
    },
    SetModelCommissionRate {
        model_id: ObjectId,
        new_rate: u64,
    },
    DeactivateModel {
        model_id: ObjectId,
    },
    ReportModel {
        model_id: ObjectId,
    },
    UndoReportModel {
        model_id: ObjectId,
    },
    SubmitData(SubmitData),
    ClaimRewards {
        target_id: ObjectId,
    },
    ReportSubmission {
        target_id: ObjectId,
    },
    UndoReportSubmission {
        target_id: ObjectId,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmitData {
    pub target_id: ObjectId,
    pub data_manifest: Manifest,
    pub model_id: ObjectId,
    pub embedding: SomaTensor,
    /// Shape `[1]`.
    pub distance_score: SomaTensor,
    /// Shape `[1]`: the winner's loss.
    pub loss_score: SomaTensor,
    pub bond_coin: ObjectRef,
}

/// `00 ‖ signature ‖ public key`, 97 bytes (`protocol.md §4.2`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserSignature(pub Vec<u8>);

/// A transaction with its sender's signature; its BCS is what the official `Keypair.sign` returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTransaction {
    pub data: TransactionData,
    pub signature: UserSignature,
}

impl SignedTransaction {
    pub fn digest(&self) -> Digest {
        self.data.digest()
    }

    /// A vector of one: `01 ‖ intent ‖ data ‖ 01 ‖ signature`.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_bcs(&[((Intent::TRANSACTION, &self.data), [&self.signature].as_slice())].as_slice())
    }

    /// Exactly one transaction with exactly one signature and the transaction intent; nothing may follow.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, bcs::Error> {
        type Wire = Vec<((Intent, TransactionData), Vec<UserSignature>)>;
        let mut wire: Wire = bcs::from_bytes(bytes)?;
        let bad = |what: &str| bcs::Error::Custom(what.to_owned());
        let (Some(((intent, data), mut signatures)), true) = (wire.pop(), wire.is_empty()) else {
            return Err(bad("not exactly one signed transaction"));
        };
        if intent != Intent::TRANSACTION {
            return Err(bad("the intent is not that of a transaction"));
        }
        match (signatures.pop(), signatures.is_empty()) {
            (Some(signature), true) => Ok(Self { data, signature }),
            _ => Err(bad("not exactly one signature")),
        }
    }
}

/// The id that CreateModel gives to its model: the first id of the transaction (`protocol.md §5.3`).
pub fn create_model_id(transaction: &Digest) -> ObjectId {
    ObjectId::derive(transaction, 0)
}
