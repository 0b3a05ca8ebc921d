//! Keys of the network's own accounts and models: all from the one seed, so that a network can be made again.
//!
//! Anybody who knows the seed knows the keys. That is fine for a network on loopback, and for nothing else.

use crate::{
    chain::{keys::Keypair, types::Digest},
    primitives::Hasher,
};

#[derive(Clone, Copy, Debug)]
pub(super) struct Identities {
    pub seed: u64,
}

impl Identities {
    pub fn faucet(&self) -> Keypair {
        Keypair::from_seed(self.derive("faucet", "").0)
    }

    pub fn validator(&self) -> Keypair {
        Keypair::from_seed(self.derive("validator", "").0)
    }

    pub fn model_owner(&self, model: &str) -> Keypair {
        Keypair::from_seed(self.derive("model-owner", model).0)
    }

    pub fn rival(&self, number: u16) -> Keypair {
        Keypair::from_seed(self.derive("rival", &number.to_string()).0)
    }

    /// The key that a model's weights are encrypted with until it is revealed.
    pub fn weights_key(&self, model: &str) -> Digest {
        self.derive("weights", model)
    }

    fn derive(&self, role: &str, name: &str) -> Digest {
        let mut hasher = Hasher::default();
        for part in [b"somascope devnet".as_slice(), role.as_bytes(), name.as_bytes(), &self.seed.to_le_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        hasher.finish()
    }
}
