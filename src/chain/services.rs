//! The messages of the services whose bodies are BCS (`protocol.md §8`): scoring, faucet, admin.
//!
//! f32 travels as its bit pattern. An empty struct is an empty body.

use serde::{Deserialize, Serialize};

/// Paths of the methods, for clients and servers alike.
pub mod path {
    pub const SCORE: &str = "/scoring.Scoring/Score";
    pub const SCORING_HEALTH: &str = "/scoring.Scoring/Health";
    pub const REQUEST_GAS: &str = "/faucet.Faucet/RequestGas";
    pub const ADVANCE_EPOCH: &str = "/admin.Admin/AdvanceEpoch";
}

/// A request without content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreRequest {
    pub data_url: String,
    /// Base58 of H(data).
    pub data_checksum: String,
    pub data_size: u64,
    pub model_manifests: Vec<ModelManifest>,
    /// f32 bits, `[dim]`.
    pub target_embedding: Vec<u32>,
    pub seed: u64,
}

/// One model's encrypted weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelManifest {
    pub url: String,
    /// Base58, of the encrypted file.
    pub checksum: String,
    pub size: u64,
    /// Base58 of 32 bytes; `None`: not encrypted.
    pub decryption_key: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreResponse {
    /// Index into the request's `model_manifests`.
    pub winner: u64,
    /// f32 bits.
    pub loss_score: Vec<u32>,
    /// f32 bits, `[dim]`.
    pub embedding: Vec<u32>,
    /// f32 bits, one element.
    pub distance: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthResponse {
    pub ok: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GasRequest {
    /// Hex address.
    pub recipient: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GasResponse {
    /// `Success`.
    pub status: String,
    pub coins_sent: Vec<CoinSent>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoinSent {
    pub amount: u64,
    /// `0x` and 64 digits.
    pub id: String,
    /// Base58.
    pub transfer_tx_digest: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvanceEpochResponse {
    /// The new one.
    pub epoch: u64,
}
