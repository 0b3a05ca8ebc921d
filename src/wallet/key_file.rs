//! One encrypted key: argon2id stretches the passphrase, XChaCha20-Poly1305 seals the seed and binds the header to it.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use chacha20poly1305::{
    Key, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::{chain::keys::Keypair, primitives::Address};

const FORMAT: &str = "somascope-wallet";
const VERSION: u64 = 1;
const KDF: &str = "argon2id";
const CIPHER: &str = "xchacha20poly1305";
const SALT_BYTES: usize = 16;

/// What opening a file may cost at most: a hostile file must not take the machine down.
const MAX_MEMORY_KIB: u64 = 1 << 20;
const MAX_ITERATIONS: u64 = 64;
const MAX_PARALLELISM: u64 = 16;

/// What stretching a passphrase costs.
#[derive(Clone, Copy, Debug)]
pub struct KdfCost {
    pub memory_kib: u32,
    pub iterations: u32,
    pub parallelism: u32,
}

/// 64 MiB and a fraction of a second for its user, and for every guess of a thief.
impl Default for KdfCost {
    fn default() -> Self {
        Self { memory_kib: 64 * 1024, iterations: 3, parallelism: 1 }
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyFileError {
    #[error("this is no whole wallet file of somascope: {0}")]
    Foreign(String),
    #[error("this wallet file is of version {0}, and this program knows version {VERSION}: use a newer somascope")]
    Newer(u64),
    #[error("the wallet file asks for {0}: a damaged or hostile file, nothing was tried")]
    Cost(String),
    #[error("the passphrase is wrong, or the wallet file was changed")]
    Passphrase,
    #[error("there is not enough memory to stretch the passphrase")]
    Memory,
    #[error("the wallet file holds another key than it says")]
    OtherKey,
}

/// Field order is part of the format: the header's JSON is what the ciphertext is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u64,
    address: String,
    created_ms: u64,
    kdf: Kdf,
    cipher: String,
    nonce: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kdf {
    name: String,
    version: u64,
    memory_kib: u64,
    iterations: u64,
    parallelism: u64,
    salt: String,
}

/// An encrypted key as its file has it. Nothing in it is secret without the passphrase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    header: Header,
    ciphertext: String,
}

impl KeyFile {
    pub fn seal(
        keypair: &Keypair,
        passphrase: &SecretString,
        cost: KdfCost,
        created_ms: u64,
    ) -> Result<Self, KeyFileError> {
        let nonce: [u8; 24] = rand::random();
        let header = Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            address: keypair.address().to_string(),
            created_ms,
            kdf: Kdf {
                name: KDF.to_owned(),
                version: u64::from(u32::from(Version::V0x13)),
                memory_kib: cost.memory_kib.into(),
                iterations: cost.iterations.into(),
                parallelism: cost.parallelism.into(),
                salt: BASE64.encode(rand::random::<[u8; SALT_BYTES]>()),
            },
            cipher: CIPHER.to_owned(),
            nonce: BASE64.encode(nonce),
        };
        let key = header.kdf.stretch(passphrase)?;
        let seed = keypair.seed();
        let sealed = XChaCha20Poly1305::new(&key)
            .encrypt(&XNonce::from(nonce), Payload { msg: &*seed, aad: &header.bound()? })
            .map_err(|_| KeyFileError::Memory)?;
        Ok(Self { header, ciphertext: BASE64.encode(sealed) })
    }

    /// Checks shape, version and costs. Whether the passphrase fits only [`Self::open`] can tell.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyFileError> {
        #[derive(Deserialize)]
        struct Outside {
            header: Inside,
        }
        #[derive(Deserialize)]
        struct Inside {
            format: String,
            version: u64,
        }
        // The parser's own words may repeat what it read, and somebody may have put a key here.
        let foreign = |cause: serde_json::Error| {
            let (line, column) = (cause.line(), cause.column());
            KeyFileError::Foreign(format!("its JSON is not what it should be at line {line}, column {column}"))
        };
        let Outside { header: Inside { format, version } } = serde_json::from_slice(bytes).map_err(foreign)?;
        if format != FORMAT {
            return Err(KeyFileError::Foreign("it says so itself".to_owned()));
        }
        if version > VERSION {
            return Err(KeyFileError::Newer(version));
        }
        let file: Self = serde_json::from_slice(bytes).map_err(foreign)?;
        file.check()?;
        Ok(file)
    }

    fn check(&self) -> Result<(), KeyFileError> {
        let foreign = |what: &str| Err(KeyFileError::Foreign(what.to_owned()));
        let Header { version, address, cipher, kdf, .. } = &self.header;
        if *version != VERSION || cipher != CIPHER || kdf.name != KDF || kdf.version != 0x13 {
            return foreign("its version, cipher or key derivation is not known");
        }
        if address.len() != 64 || address.parse::<Address>().is_err() {
            return foreign("its address is none");
        }
        kdf.check()
    }

    /// As the file has it.
    pub fn to_json(&self) -> String {
        // A struct of texts and numbers always serialises.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    pub fn address(&self) -> Address {
        // Checked by `parse`, and `seal` writes one.
        self.header.address.parse().unwrap_or_default()
    }

    pub fn created_ms(&self) -> u64 {
        self.header.created_ms
    }

    pub fn open(&self, passphrase: &SecretString) -> Result<Keypair, KeyFileError> {
        self.check()?;
        let bytes = |text: &str| BASE64.decode(text).ok();
        let foreign = || KeyFileError::Foreign("its Base64 is damaged".to_owned());
        let nonce = bytes(&self.header.nonce).and_then(|n| <[u8; 24]>::try_from(n).ok()).ok_or_else(foreign)?;
        let sealed = bytes(&self.ciphertext).ok_or_else(foreign)?;
        let key = self.header.kdf.stretch(passphrase)?;
        let seed = XChaCha20Poly1305::new(&key)
            .decrypt(&XNonce::from(nonce), Payload { msg: &sealed, aad: &self.header.bound()? })
            .map_err(|_| KeyFileError::Passphrase)?;
        let seed = Zeroizing::new(seed);
        let seed = Zeroizing::new(<[u8; 32]>::try_from(seed.as_slice()).map_err(|_| KeyFileError::OtherKey)?);
        let keypair = Keypair::from_seed(*seed);
        if keypair.address() == self.address() { Ok(keypair) } else { Err(KeyFileError::OtherKey) }
    }
}

impl Header {
    /// What the ciphertext vouches for: all of the header, in the field order of this version.
    fn bound(&self) -> Result<Vec<u8>, KeyFileError> {
        serde_json::to_vec(self).map_err(|cause| KeyFileError::Foreign(cause.to_string()))
    }
}

impl Kdf {
    fn check(&self) -> Result<(), KeyFileError> {
        let within = |what: &str, found: u64, most: u64| match found {
            0 => Err(KeyFileError::Cost(format!("no {what} at all"))),
            n if n > most => Err(KeyFileError::Cost(format!("{n} {what}, and {most} is the most"))),
            _ => Ok(()),
        };
        within("KiB of memory", self.memory_kib, MAX_MEMORY_KIB)?;
        within("passes", self.iterations, MAX_ITERATIONS)?;
        within("lanes", self.parallelism, MAX_PARALLELISM)
    }

    fn stretch(&self, passphrase: &SecretString) -> Result<ZeroizingKey, KeyFileError> {
        self.check()?;
        let salt = BASE64.decode(&self.salt).ok().filter(|salt| salt.len() == SALT_BYTES);
        let salt = salt.ok_or_else(|| KeyFileError::Foreign("its salt is damaged".to_owned()))?;
        let impossible = |_| KeyFileError::Cost("costs that do not fit together".to_owned());
        let small = |n: u64| u32::try_from(n).map_err(|_| KeyFileError::Memory);
        let params = Params::new(small(self.memory_kib)?, small(self.iterations)?, small(self.parallelism)?, Some(32))
            .map_err(impossible)?;
        // Our own blocks: running out of memory is an answer, and what was in them is wiped.
        let mut blocks: Vec<Block> = Vec::new();
        blocks.try_reserve_exact(params.block_count()).map_err(|_| KeyFileError::Memory)?;
        blocks.resize(params.block_count(), Block::default());
        let mut key = ZeroizingKey::default();
        let stretched = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into_with_memory(
            passphrase.expose_secret().as_bytes(),
            &salt,
            &mut key.0,
            &mut blocks,
        );
        blocks.iter_mut().for_each(Zeroize::zeroize);
        stretched.map_err(impossible)?;
        Ok(key)
    }
}

/// The key of one file; wiped when dropped.
#[derive(Default)]
struct ZeroizingKey(Key);

impl std::ops::Deref for ZeroizingKey {
    type Target = Key;
    fn deref(&self) -> &Key {
        &self.0
    }
}

impl Drop for ZeroizingKey {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The least that argon2 takes: thousands of files are opened here.
    const CHEAP: KdfCost = KdfCost { memory_kib: 8, iterations: 1, parallelism: 1 };

    fn secret(text: &str) -> SecretString {
        text.into()
    }

    fn sealed() -> (Keypair, String) {
        let keypair = Keypair::from_seed([7; 32]);
        let file = KeyFile::seal(&keypair, &secret("correct horse"), CHEAP, 1_795_354_828_000).expect("it seals");
        (keypair, file.to_json())
    }

    fn open(text: &[u8], passphrase: &str) -> Result<Address, KeyFileError> {
        Ok(KeyFile::parse(text)?.open(&secret(passphrase))?.address())
    }

    #[test]
    fn a_key_returns_with_its_passphrase_and_with_no_other() {
        let (keypair, text) = sealed();
        assert_eq!(open(text.as_bytes(), "correct horse"), Ok(keypair.address()));
        for wrong in ["correct horse ", "Correct horse", ""] {
            assert_eq!(open(text.as_bytes(), wrong), Err(KeyFileError::Passphrase), "{wrong}");
        }
        let file = KeyFile::parse(text.as_bytes()).expect("it parses");
        assert_eq!((file.address(), file.created_ms()), (keypair.address(), 1_795_354_828_000));
    }

    #[test]
    fn the_default_costs_are_in_the_file_and_work() {
        let keypair = Keypair::from_seed([8; 32]);
        let file = KeyFile::seal(&keypair, &secret("x"), KdfCost::default(), 0).expect("it seals");
        let json: serde_json::Value = serde_json::from_str(&file.to_json()).expect("JSON");
        let kdf = &json["header"]["kdf"];
        assert_eq!((kdf["name"].as_str(), kdf["memory_kib"].as_u64()), (Some("argon2id"), Some(65_536)));
        assert_eq!((kdf["iterations"].as_u64(), kdf["parallelism"].as_u64()), (Some(3), Some(1)));
        assert_eq!(file.open(&secret("x")).map(|key| key.address()), Ok(keypair.address()));
    }

    #[test]
    fn the_file_says_nothing_of_the_key_and_differs_each_time() {
        let (keypair, text) = sealed();
        for form in [keypair.to_hex(), keypair.to_bech32(), keypair.to_keystore_entry()] {
            assert!(!text.contains(form.expose_secret()));
        }
        assert_ne!(text, sealed().1, "salt and nonce are new each time");
    }

    #[test]
    fn every_truncation_is_an_error() {
        let (_, text) = sealed();
        for length in 0..text.trim_end().len() {
            assert!(open(&text.as_bytes()[..length], "correct horse").is_err(), "{length} bytes");
        }
    }

    #[test]
    fn every_changed_bit_is_an_error() {
        let (_, text) = sealed();
        for at in 0..text.trim_end().len() {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let opened = open(&bytes, "correct horse");
                assert!(opened.is_err(), "bit {bit} of byte {at}: {}", String::from_utf8_lossy(&bytes));
            }
        }
    }

    #[test]
    fn hostile_costs_are_refused_before_any_memory_is_taken() {
        let (_, text) = sealed();
        let four_tib = (4_u64 << 40) / 1024;
        for (field, cost) in [
            ("memory_kib", four_tib),
            ("memory_kib", u64::MAX),
            ("memory_kib", 0),
            ("iterations", 1 << 40),
            ("iterations", 0),
            ("parallelism", 1 << 24),
        ] {
            let mut json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            json["header"]["kdf"][field] = cost.into();
            let error = open(json.to_string().as_bytes(), "correct horse").expect_err("refused");
            assert!(matches!(error, KeyFileError::Cost(_)), "{field} {cost}: {error}");
        }
    }

    #[test]
    fn a_newer_file_and_a_foreign_one_are_told_apart() {
        let (_, text) = sealed();
        let newer = text.replace("\"version\": 1,", "\"version\": 2,");
        assert_eq!(open(newer.as_bytes(), "correct horse"), Err(KeyFileError::Newer(2)));
        for foreign in ["", "{}", "[]", "not JSON", "{\"crypto\": {\"cipher\": \"aes-128-ctr\"}}"] {
            assert!(matches!(open(foreign.as_bytes(), "x"), Err(KeyFileError::Foreign(_))), "{foreign}");
        }
        let other = text.replace(FORMAT, "other-wallet");
        assert!(matches!(open(other.as_bytes(), "x"), Err(KeyFileError::Foreign(_))));
    }

    proptest! {
        #[test]
        fn any_key_returns_with_any_passphrase(seed: [u8; 32], passphrase in ".{1,40}") {
            let keypair = Keypair::from_seed(seed);
            let file = KeyFile::seal(&keypair, &secret(&passphrase), CHEAP, 0).expect("it seals");
            prop_assert_eq!(open(file.to_json().as_bytes(), &passphrase), Ok(keypair.address()));
        }

        #[test]
        fn any_bytes_are_an_error_and_no_panic(bytes: Vec<u8>) {
            prop_assert!(open(&bytes, "x").is_err());
        }
    }
}
