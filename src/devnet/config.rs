//! What a network is started with.

use std::{path::PathBuf, time::Duration};

use super::genesis::GenesisOptions;

/// How to start a network, or to resume one.
#[derive(Clone, Debug)]
pub struct DevnetConfig {
    /// Where the chain, the objects and the secrets live. Made if it does not exist; resumed if a network lives there.
    pub dir: PathBuf,
    /// Every key and every id that does not depend on time comes from it.
    pub seed: u64,
    pub listen: Ports,
    /// How long an epoch lasts; `None`: only the admin service turns it.
    pub epoch: Option<Duration>,
    /// For a new network; a resumed one keeps its own.
    pub genesis: GenesisOptions,
    /// Registered when the network is new; a resumed one has its own.
    pub models: Vec<ModelSpec>,
    /// Shannons that the faucet gives a request.
    pub faucet_amount: u64,
}

/// Ports on 127.0.0.1; 0 takes any free one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    pub rpc: u16,
    pub faucet: u16,
    pub scoring: u16,
    pub admin: u16,
    /// A network publishes its weights under this port: a resumed one takes the same again.
    pub objects: u16,
}

impl Ports {
    /// Where the official SDK expects a local network (`protocol.md §1.1`). Objects have no usual port.
    pub const LOCALNET: Self = Self { rpc: 9000, faucet: 9123, scoring: 9124, admin: 9125, objects: 0 };
}

/// A model to register.
#[derive(Clone, Debug)]
pub struct ModelSpec {
    /// Names the weights file: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Plain safetensors; published encrypted.
    pub weights: Vec<u8>,
    /// Where the model says it is at home, `[target_embedding_dim]`. `None`: its mean embedding of sample data.
    pub embedding: Option<Vec<f32>>,
    /// Shannons.
    pub stake: u64,
}
