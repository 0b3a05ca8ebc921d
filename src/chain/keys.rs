//! Secret keys: every text form of `protocol.md §3`, addresses and signatures. Never printable.

use super::types::{Address, SignedTransaction, TransactionData};

/// An Ed25519 key pair. Zeroed when dropped; no `Debug`, no `Serialize`.
pub struct Keypair {}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {}

impl Keypair {
    /// From the 32-byte seed.
    pub fn from_seed(_seed: [u8; 32]) -> Self {
        unimplemented!()
    }
    pub fn generate() -> Self {
        unimplemented!()
    }
    /// Hex (with or without 0x), Bech32 `somaprivkey1…`, or Base64 of a keystore entry.
    pub fn from_text(_text: &secrecy::SecretString) -> Result<Self, KeyError> {
        unimplemented!()
    }
    /// BIP-39 words, `m/44'/784'/0'/0'/0'`.
    pub fn from_mnemonic(_words: &secrecy::SecretString) -> Result<Self, KeyError> {
        unimplemented!()
    }
    pub fn to_bech32(&self) -> secrecy::SecretString {
        unimplemented!()
    }
    pub fn address(&self) -> Address {
        unimplemented!()
    }
    pub fn public_key(&self) -> [u8; 32] {
        unimplemented!()
    }
    pub fn sign(&self, _data: TransactionData) -> SignedTransaction {
        unimplemented!()
    }
}

/// Checks a `flag ‖ signature ‖ public key` against the data and the sender's address.
pub fn verify(_transaction: &SignedTransaction) -> Result<(), String> {
    unimplemented!()
}
