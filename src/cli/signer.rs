//! Which wallet a command is about, and how it gets the key.
//!
//! `--wallet NAME`, else `SOMA_SECRET_KEY` of the process or of `.env`, else the active wallet file of somascope, else the active
//! key of the network's own command line. The first that is there counts: one that is there and broken is an error, never a
//! reason to sign with another key.

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;

use super::{
    confirm::{self, PASSPHRASE},
    environment::Environment,
    exit::Exit,
    place,
};
use crate::{
    chain::keys::Keypair,
    primitives::Address,
    wallet::{CliConfig, Vault, WalletFile, forbid_core_files},
};

/// For commands that sign.
#[derive(Args, Clone, Debug, Default)]
pub struct WalletArgs {
    /// The wallet file of this name [default: SOMA_SECRET_KEY, else the active wallet file, else the key of the network's own command
    /// line; `somascope wallet address -v` shows which].
    #[arg(long, value_name = "NAME")]
    pub wallet: Option<String>,
}

/// For commands that only look: any address will do.
#[derive(Args, Clone, Debug, Default)]
pub struct ReaderArgs {
    /// Look at this address instead of a wallet of yours.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "wallet")]
    pub address: Option<Address>,
    #[command(flatten)]
    pub wallet: WalletArgs,
}

/// Where a key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An encrypted file of somascope.
    File { name: String, path: PathBuf },
    /// `SOMA_SECRET_KEY` of the environment or of `.env`.
    Variable { origin: &'static str },
    /// The keystore of the network's own command line.
    Keystore { path: PathBuf },
}

impl Source {
    /// `wallet file`, `environment` or `keystore`: stable words for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::File { .. } => "wallet_file",
            Self::Variable { .. } => "environment",
            Self::Keystore { .. } => "keystore",
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { name, path } => write!(f, "wallet `{name}` ({})", path.display()),
            Self::Variable { origin } => write!(f, "SOMA_SECRET_KEY of {origin}"),
            Self::Keystore { path } => write!(f, "the network's own keystore ({})", path.display()),
        }
    }
}

/// A wallet that was found and, if it is an encrypted file, not opened yet.
pub struct Found {
    pub address: Address,
    pub source: Source,
    key: Key,
}

enum Key {
    Sealed(WalletFile),
    Open(Keypair),
    Keystore(CliConfig),
}

impl WalletArgs {
    /// `None`: there is no wallet anywhere.
    pub fn find(&self, environment: &Environment) -> anyhow::Result<Option<Found>> {
        forbid_core_files();
        let vault = Vault::below(&place::data_dir()?);
        if let Some(name) = &self.wallet {
            return Ok(Some(Found::file(vault.read(name)?)));
        }
        if let Some(keypair) = environment.keypair()? {
            let source = Source::Variable { origin: environment.origin("SOMA_SECRET_KEY") };
            return Ok(Some(Found { address: keypair.address(), source, key: Key::Open(keypair) }));
        }
        if let Some(name) = vault.active()? {
            return Ok(Some(Found::file(vault.read(&name)?)));
        }
        let Some(config) = CliConfig::find()? else { return Ok(None) };
        let (Some(address), Some(path)) = (config.address()?, config.keystore.clone()) else { return Ok(None) };
        Ok(Some(Found { address, source: Source::Keystore { path }, key: Key::Keystore(config) }))
    }

    /// [`Self::find`], and none is an error.
    pub fn need(&self, environment: &Environment) -> anyhow::Result<Found> {
        self.find(environment)?.ok_or_else(|| {
            Exit::BadInput.because(
                "there is no wallet: make one with `somascope wallet new`, bring one with `somascope wallet import`, or set \
                 SOMA_SECRET_KEY (see .env.example)",
            )
        })
    }
}

impl ReaderArgs {
    pub fn address(&self, environment: &Environment) -> anyhow::Result<Address> {
        self.address.map_or_else(|| Ok(self.wallet.need(environment)?.address), Ok)
    }
}

impl Found {
    fn file(file: WalletFile) -> Self {
        let source = Source::File { name: file.name.clone(), path: file.path.clone() };
        Self { address: file.file.address(), source, key: Key::Sealed(file) }
    }

    /// The key itself; asks for the passphrase where one is needed and none is set.
    pub fn unlock(self, environment: &Environment) -> anyhow::Result<Keypair> {
        match self.key {
            Key::Open(keypair) => Ok(keypair),
            Key::Sealed(file) => {
                let passphrase = passphrase_of(&file.name, environment)?;
                Ok(file.unlock(&passphrase)?)
            }
            Key::Keystore(config) => config
                .keypair(Some(self.address))?
                .ok_or_else(|| Exit::BadInput.because("the keystore has gone since it was found")),
        }
    }
}

/// Of an existing wallet file.
pub fn passphrase_of(name: &str, environment: &Environment) -> anyhow::Result<SecretString> {
    environment
        .passphrase()
        .map_or_else(|| confirm::secret(&format!("passphrase of wallet `{name}`"), &format!("set {PASSPHRASE}")), Ok)
}
