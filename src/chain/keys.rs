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
    #[error(
        "not a secret key: give 64 hex digits, Bech32 `somaprivkey1…`, the Base64 of a keystore entry, or the words of a mnemonic"
    )]
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

    /// 24 English words of a new wallet: [`Self::from_mnemonic`] makes its key of them.
    pub fn new_mnemonic() -> SecretString {
        let entropy = Zeroizing::new(rand::random::<[u8; 32]>());
        let mnemonic = bip39::Mnemonic::from_entropy(&*entropy).expect("32 bytes are an entropy of BIP-39");
        // One allocation: growing would leave copies behind.
        let mut words = String::with_capacity(24 * 9);
        for word in mnemonic.words() {
            words.push_str(if words.is_empty() { "" } else { " " });
            words.push_str(word);
        }
        words.into()
    }

    /// Hex (with or without 0x), Bech32 `somaprivkey1…`, Base64 of a keystore entry, or the words of a mnemonic. White space
    /// around is ignored.
    pub fn from_text(text: &SecretString) -> Result<Self, KeyError> {
        // No other form has white space in it.
        if text.expose_secret().split_whitespace().nth(2).is_some() {
            return Self::from_mnemonic(text);
        }
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
        hex::decode_to_slice(digits, &mut *seed).map_err(|_| KeyError::Length(digits.len().div_ceil(2)))?;
        Ok(Self::from_seed(*seed))
    }

    /// Of the original variant only: a Bech32m checksum is an error.
    fn from_bech32(text: &str) -> Result<Self, KeyError> {
        let checked = CheckedHrpstring::new::<Bech32>(text).map_err(|_| KeyError::Bech32)?;
        if checked.hrp() != HRP {
            return Err(KeyError::Bech32);
        }
        let bytes = Zeroizing::new(checked.byte_iter().collect::<Vec<u8>>());
        Self::from_flagged(&bytes)
    }

    fn from_keystore_entry(text: &str) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; 33]);
        let length = BASE64.decode_slice(text, &mut *bytes).map_err(|_| KeyError::Base64)?;
        Self::from_flagged(&bytes[..length])
    }

    /// `flag ‖ seed`.
    fn from_flagged(bytes: &[u8]) -> Result<Self, KeyError> {
        match bytes {
            [ED25519_FLAG, seed @ ..] => {
                let seed = Zeroizing::new(<[u8; 32]>::try_from(seed).map_err(|_| KeyError::Length(seed.len()))?);
                Ok(Self::from_seed(*seed))
            }
            [scheme, ..] => Err(KeyError::Scheme(*scheme)),
            [] => Err(KeyError::Length(0)),
        }
    }

    /// BIP-39 words without a passphrase, `m/44'/784'/0'/0'/0'`. Any white space, any case.
    pub fn from_mnemonic(words: &SecretString) -> Result<Self, KeyError> {
        let words = Zeroizing::new(words.expose_secret().to_lowercase());
        let words = Zeroizing::new(words.split_whitespace().collect::<Vec<_>>().join(" "));
        let mnemonic =
            bip39::Mnemonic::parse_in_normalized(bip39::Language::English, &words).map_err(|cause| match cause {
                bip39::Error::BadWordCount(count) => KeyError::WordCount(count),
                bip39::Error::UnknownWord(index) => KeyError::UnknownWord(index + 1),
                _ => KeyError::MnemonicChecksum,
            })?;
        let seed = Zeroizing::new(mnemonic.to_seed_normalized(""));
        Ok(Self::from_seed(slip10_ed25519::derive_ed25519_private_key(&*seed, &DERIVATION_PATH)))
    }

    /// The 32 bytes that are the secret, to be sealed or shown to their owner.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes())
    }

    /// 64 hex digits, the form of `SOMA_SECRET_KEY` in the network's quickstart.
    pub fn to_hex(&self) -> SecretString {
        hex::encode(*self.seed()).into()
    }

    /// The form that wallets import: `somaprivkey1…`.
    pub fn to_bech32(&self) -> SecretString {
        let text = bech32::encode::<Bech32>(HRP, &*self.flagged()).expect("33 bytes are within Bech32's limit");
        text.into()
    }

    /// The form of a keystore file's entries: Base64 of `flag ‖ seed`.
    pub fn to_keystore_entry(&self) -> SecretString {
        BASE64.encode(*self.flagged()).into()
    }

    fn flagged(&self) -> Zeroizing<[u8; 33]> {
        let mut bytes = Zeroizing::new([ED25519_FLAG; 33]);
        bytes[1..].copy_from_slice(self.key.as_bytes());
        bytes
    }

    pub fn address(&self) -> Address {
        address_of(&self.public_key())
    }

    pub fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// Signs the intent hash of `data` (`protocol.md §4.2`). The caller answers for what `data` says.
    pub fn sign(&self, data: TransactionData) -> SignedTransaction {
        let signature = self.key.sign(data.signing_hash().as_bytes()).to_bytes();
        let bytes = [&[ED25519_FLAG][..], &signature, &self.public_key()].concat();
        SignedTransaction { data, signature: UserSignature(bytes) }
    }
}

/// The account of a public key: `H(00 ‖ public key)`.
pub fn address_of(public_key: &[u8; 32]) -> Address {
    let mut hasher = Hasher::default();
    hasher.update(&[ED25519_FLAG]).update(public_key);
    Address(hasher.finish().0)
}

/// Checks a `flag ‖ signature ‖ public key` against the sender's address and the data, in a node's order and words: what
/// follows `Invalid user signature: ` (`protocol-corrections.md §2`).
pub fn verify(transaction: &SignedTransaction) -> Result<(), String> {
    let not_valid = |cause: &str| Err(format!("Signature is not valid: {cause}"));
    let Some(([ED25519_FLAG], rest)) = transaction.signature.0.split_first_chunk::<1>() else {
        return not_valid("not an Ed25519 signature");
    };
    let (Some((signature, _)), Some(public_key), 96) =
        (rest.split_first_chunk::<64>(), rest.last_chunk::<32>(), rest.len())
    else {
        return not_valid("not 97 bytes");
    };
    let (sender, signer) = (transaction.data.sender(), address_of(public_key));
    if signer != sender {
        return Err(format!("Required Signature from {sender} is absent [\"{signer}\"]"));
    }
    let checked = VerifyingKey::from_bytes(public_key).and_then(|key| {
        key.verify_strict(transaction.data.signing_hash().as_bytes(), &Signature::from_bytes(signature))
    });
    checked.or_else(|_| not_valid("Fail to verify user sig Invalid signature was given to the function"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::types::{ObjectId, TransactionKind};

    fn signed() -> SignedTransaction {
        let key = Keypair::from_seed([7; 32]);
        let claim = TransactionKind::ClaimRewards { target_id: ObjectId([1; 32]) };
        key.sign(TransactionData::new(claim, key.address(), Vec::new()))
    }

    fn error_of(text: &str) -> Option<KeyError> {
        Keypair::from_text(&text.into()).err()
    }

    #[test]
    fn a_generated_key_returns_from_its_own_text_forms() {
        let key = Keypair::generate();
        for text in [key.to_bech32(), key.to_keystore_entry()] {
            assert_eq!(Keypair::from_text(&text).map(|k| k.address()), Ok(key.address()));
        }
        assert_ne!(key.address(), Keypair::generate().address());
    }

    #[test]
    fn white_space_and_case_around_a_secret_do_not_matter() {
        let key = Keypair::from_seed([0xab; 32]);
        for text in
            [format!("  0x{}\n", "ab".repeat(32)), "AB".repeat(32), key.to_bech32().expose_secret().to_uppercase()]
        {
            assert_eq!(Keypair::from_text(&text.into()).map(|k| k.address()), Ok(key.address()));
        }
    }

    #[test]
    fn a_damaged_key_is_told_apart_from_a_foreign_one() {
        let key = Keypair::from_seed([7; 32]).to_bech32();
        let mistyped = key.expose_secret().replace("somaprivkey1q", "somaprivkey1p");
        assert_eq!(error_of(&mistyped), Some(KeyError::Bech32));
        assert_eq!(error_of(&"ab".repeat(31)), Some(KeyError::Length(31)));
        assert_eq!(error_of("0xabc"), Some(KeyError::Length(2)));
        assert_eq!(error_of(&format!("{}zz", "ab".repeat(31))), Some(KeyError::Hex(62)));
        assert_eq!(error_of(&BASE64.encode([1; 33])), Some(KeyError::Scheme(1)));
        assert_eq!(error_of(&"*".repeat(44)), Some(KeyError::Base64));
        assert_eq!(error_of(""), Some(KeyError::Unrecognised));
        assert_eq!(error_of("correct horse"), Some(KeyError::Unrecognised));
    }

    #[test]
    fn a_bech32m_checksum_is_refused() {
        let flagged = *Keypair::from_seed([7; 32]).flagged();
        let modified = bech32::encode::<bech32::Bech32m>(HRP, &flagged).expect("short");
        assert_eq!(error_of(&modified), Some(KeyError::Bech32));
    }

    #[test]
    fn no_error_repeats_what_was_given() {
        for text in ["hunter2 is my password", &"z".repeat(64), "somaprivkey1hunter2", &"hunter2!".repeat(8)] {
            let shown = error_of(text).map(|e| format!("{e} {e:?}")).unwrap_or_default();
            assert!(!shown.is_empty() && !shown.contains("hunter2") && !shown.contains("zz"), "{shown}");
        }
        let words = SecretString::from("zebra ".repeat(11) + "hunter2");
        assert_eq!(Keypair::from_mnemonic(&words).err(), Some(KeyError::UnknownWord(12)));
    }

    #[test]
    fn a_signature_is_of_its_sender_and_of_every_byte() {
        assert_eq!(verify(&signed()), Ok(()));

        let mut forged = signed();
        forged.signature.0[10] ^= 1;
        assert_eq!(
            verify(&forged),
            Err("Signature is not valid: Fail to verify user sig Invalid signature was given to the function".into())
        );

        let mut other_sender = signed();
        let claim = other_sender.data.kind().clone();
        other_sender.data = TransactionData::new(claim, Address([9; 32]), Vec::new());
        let text = verify(&other_sender).expect_err("another sender");
        assert!(text.starts_with(&format!("Required Signature from {} is absent", Address([9; 32]))), "{text}");

        for length in 0..97 {
            let mut cut = signed();
            cut.signature.0.truncate(length);
            assert!(verify(&cut).is_err(), "{length} bytes");
        }
        let mut long = signed();
        long.signature.0.push(0);
        assert!(verify(&long).is_err());
        let mut scheme = signed();
        scheme.signature.0[0] = 1;
        assert!(verify(&scheme).is_err());
    }
}
