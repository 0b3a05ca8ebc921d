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
        let foreign = |cause: serde_json::Error| KeyFileError::Foreign(cause.to_string());
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
