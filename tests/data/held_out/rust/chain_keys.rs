//! Secret keys: every text form of `protocol.md §3`, addresses and signatures.
//!
//! A secret is never printable: no `Debug`, no `Serialize`, zeroed when dropped, and no error repeats any part of one.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bech32::{Bech32, Hrp, primitives::decode::CheckedHrpstring};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::types::{Address, SignedTransaction, TransactionData, UserSignature};
use crate::primitives::Hasher;

/// Marks an Ed25519 key or signature; the only scheme of user accounts.
const ED25519_FLAG: u8 = 0;
/// Human-readable part of the Bech32 form.
const HRP: Hrp = Hrp::parse_unchecked("somaprivkey");
/// `m/44'/784'/0'/0'/0'`; the derivation hardens every level.
const DERIVATION_PATH: [u32; 5] = [44, 784, 0, 0, 0];

/// An Ed25519 key pair. Zeroed when dropped; no `Debug`, no `Serialize`.
pub struct Keypair {
    key: SigningKey,
}

/// Why a text is no secret key. Tells shapes and positions, never contents.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    #[error("not a secret key: give 64 hex digits, Bech32 `somaprivkey1…` or the Base64 of a keystore entry")]
    Unrecognised,
    #[error("a secret key is 32 bytes, not {0}")]
    Length(usize),
    #[error("the secret key is not hex: see position {0}")]
    Hex(usize),
    #[error("the Bech32 secret key is damaged: mistyped, cut off, or not a `somaprivkey1…`")]
    Bech32,
    #[error("the Base64 secret key is damaged")]
    Base64,
    #[error("the secret key is of scheme {0}: only Ed25519 keys (scheme 0) can own an account")]
    Scheme(u8),
    #[error("a mnemonic has 12, 15, 18, 21 or 24 words, not {0}")]
    WordCount(usize),
    #[error("word {0} of the mnemonic is not in the English BIP-39 list")]
    UnknownWord(usize),
    #[error("the mnemonic's checksum is wrong: a word is mistyped or out of place")]
    MnemonicChecksum,
}

impl Keypair {
    /// From the 32-byte seed of RFC 8032.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        Self { key: SigningKey::from_bytes(&seed) }
    }

    pub fn generate() -> Self {
        Self::from_seed(rand::random())
    }

    /// Hex (with or without 0x), Bech32 `somaprivkey1…`, or Base64 of a keystore entry. White space around is ignored.
    pub fn from_text(text: &SecretString) -> Result<Self, KeyError> {
        let text = text.expose_secret().trim();
        let digits = text.strip_prefix("0x").unwrap_or(text);
        // Told apart by length: a keystore entry may consist of hex digits only.
        if text.get(..HRP.len() + 1).is_some_and(|start| start.eq_ignore_ascii_case("somaprivkey1")) {
            Self::from_bech32(text)
        } else if text.len() == 44 && digits.len() == 44 {
            Self::from_keystore_entry(text)
        } else if digits.len() == 64 || digits.len() < text.len() {
            Self::from_hex(digits)
        } else if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            Err(KeyError::Length(digits.len().div_ceil(2)))
        } else {
            Err(KeyError::Unrecognised)
        }
    }

    fn from_hex(digits: &str) -> Result<Self, KeyError> {
        if let Some(position) = digits.bytes().position(|b| !b.is_ascii_hexdigit()) {
            return Err(KeyError::Hex(position));
        }
        let mut seed = Zeroizing::new([0; 32]);
