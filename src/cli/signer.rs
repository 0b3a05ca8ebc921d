//! Which wallet a command is about, and how it gets the key.
//!
//! `--wallet NAME`, else `SOMA_SECRET_KEY` of the process or of `.env`, else the active wallet file of somascope, else the active
//! key of the network's own command line. The first that is there counts: one that is there and broken is an error, never a
//! reason to sign with another key.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;

use super::{
    confirm::{self, PASSPHRASE},
    environment::Environment,
    exit::Exit,
    place,
};
use crate::{
    chain::keys::Keypair,
    primitives::{Address, clean},
    wallet::{CliConfig, KeyFileError, Vault, WalletError, WalletFile},
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
    /// A stable word for programs.
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
            Key::Sealed(file) => open(&file, environment),
            Key::Keystore(config) => config
                .keypair(Some(self.address))?
                .ok_or_else(|| Exit::BadInput.because("the keystore has gone since it was found")),
        }
    }
}

/// A wallet that exists, whether it is used or not.
pub struct Candidate {
    pub address: Address,
    pub source: Source,
    /// What the network's own command line calls it.
    pub alias: Option<String>,
    pub created_ms: Option<u64>,
    /// It would be used if nothing before it were there.
    pub eligible: bool,
}

/// Everything that is there, in the order in which it is looked for, and then what is only used when it is named. What is broken
/// is told on standard error: it must not hide the rest.
pub fn candidates(environment: &Environment) -> anyhow::Result<Vec<Candidate>> {
    let mut all = Vec::new();
    let tell = |error: &dyn std::fmt::Display| drop(writeln!(io::stderr(), "warning: {}", clean(&error.to_string())));
    match environment.keypair() {
        Ok(Some(keypair)) => all.push(Candidate {
            address: keypair.address(),
            source: Source::Variable { origin: environment.origin("SOMA_SECRET_KEY") },
            alias: None,
            created_ms: None,
            eligible: true,
        }),
        Ok(None) => {}
        Err(error) => tell(&error),
    }
    let vault = Vault::below(&place::data_dir()?);
    let active = vault.active().unwrap_or_else(|error| {
        tell(&error);
        None
    });
    for name in vault.names()? {
        match vault.read(&name) {
            Ok(wallet) => all.push(Candidate {
                address: wallet.file.address(),
                created_ms: Some(wallet.file.created_ms()),
                alias: None,
                eligible: active.as_ref() == Some(&name),
                source: Source::File { name, path: wallet.path },
            }),
            Err(error) => tell(&error),
        }
    }
    match CliConfig::find() {
        Ok(Some(config)) => {
            let used = config.address().unwrap_or_else(|error| {
                tell(&error);
                None
            });
            let mut aliases = config.aliases();
            let path = config.keystore.clone().unwrap_or(config.dir);
            let mut add = |address, alias, eligible| {
                let source = Source::Keystore { path: path.clone() };
                all.push(Candidate { address, source, alias, created_ms: None, eligible });
            };
            if let Some(address) = used {
                add(address, aliases.remove(&address), config.keystore.is_some());
            }
            aliases.into_iter().for_each(|(address, alias)| add(address, Some(alias), false));
        }
        Ok(None) => {}
        Err(error) => tell(&error),
    }
    // Stable: within each half the order is the one in which they are looked for.
    all.sort_by_key(|candidate| !candidate.eligible);
    Ok(all)
}

/// How often a person may mistype.
const ATTEMPTS: u32 = 3;

/// With the passphrase of the environment, else with the one that the person at the terminal knows.
fn open(file: &WalletFile, environment: &Environment) -> anyhow::Result<Keypair> {
    if let Some(passphrase) = environment.passphrase() {
        return Ok(file.unlock(&passphrase)?);
    }
    let prompt = format!("passphrase of wallet `{}`", file.name);
    for _ in 1..ATTEMPTS {
        match file.unlock(&confirm::secret(&prompt, &format!("set {PASSPHRASE}"))?) {
            Err(WalletError::File { cause: KeyFileError::Passphrase, .. }) => {
                let _ = writeln!(io::stderr(), "this is not the passphrase: once more");
            }
            opened => return Ok(opened?),
        }
    }
    Ok(file.unlock(&confirm::secret(&prompt, &format!("set {PASSPHRASE}"))?)?)
}
