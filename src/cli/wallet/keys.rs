//! Making, bringing, showing and choosing keys.

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::{
    super::{
        CommonArgs, Exit, confirm,
        environment::Environment,
        output::Page,
        place,
        signer::{Candidate, Source, WalletArgs, candidates},
        time::now_ms,
    },
    secrets,
};
use crate::{
    chain::keys::Keypair,
    primitives,
    wallet::{KdfCost, Vault, write_secret},
};

/// The name of a wallet that nobody named.
const DEFAULT_NAME: &str = "default";

/// Make a new key and keep it encrypted.
#[derive(Args)]
#[command(after_help = "Examples:\n  somascope wallet new\n  somascope wallet new --name trading")]
pub struct New {
    /// What to call it.
    #[arg(long, default_value = DEFAULT_NAME, value_name = "NAME")]
    name: String,
    /// Make it of 24 words, shown once on the terminal: the only copy outside the encrypted file.
    #[arg(long)]
    mnemonic: bool,
    #[command(flatten)]
    common: CommonArgs,
}

/// Bring a key that you have: hex, somaprivkey1…, a keystore entry or file, or the words of a mnemonic.
///
/// The secret is read from the terminal without showing it, from standard input if that is a pipe, or from a file. Never from an argument.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  somascope wallet import                       # asks for it, without showing it\n  somascope wallet import --file key.txt --name trading"
)]
pub struct Import {
    /// What to call it.
    #[arg(long, default_value = DEFAULT_NAME, value_name = "NAME")]
    name: String,
    /// Read it from this file, which others must not be able to read.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The address that it must have; chooses among the keys of a keystore file.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<primitives::Address>,
    #[command(flatten)]
    common: CommonArgs,
}

/// Show the secret key itself.
///
/// Asks you to type the last six characters of the address first; --yes does not answer that. A script gives them with --confirm, and so
/// does everybody who wants the key on a standard output that is no terminal.
#[derive(Args)]
#[command(after_help = "Examples:\n  somascope wallet export --out key.txt")]
pub struct Export {
    #[command(flatten)]
    wallet: WalletArgs,
    /// How to write it.
    #[arg(long, value_enum, default_value_t = Form::Bech32)]
    form: Form,
    /// Write it to this new file, which only you can read, instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The last six characters of the address, instead of typing them.
    #[arg(long, value_name = "SIX")]
    confirm: Option<String>,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    /// somaprivkey1…, what other wallets import.
    Bech32,
    /// 64 hex digits, what SOMA_SECRET_KEY has in the network's quickstart.
    Hex,
    /// The Base64 of a keystore entry.
    Keystore,
}

/// Show every wallet there is, and which one is used when none is named.
#[derive(Args)]
#[command(after_help = "Examples:\n  somascope wallet list\n  somascope wallet list --json")]
pub struct List {
    #[command(flatten)]
    common: CommonArgs,
}

/// Choose the wallet file that is used when none is named.
#[derive(Args)]
#[command(after_help = "Examples:\n  somascope wallet use trading")]
pub struct Use {
    /// One of `somascope wallet list`.
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    common: CommonArgs,
}

/// Show the wallet's address.
#[derive(Args)]
#[command(after_help = "Examples:\n  somascope wallet address\n  somascope wallet address -v --wallet trading")]
pub struct Address {
    #[command(flatten)]
    wallet: WalletArgs,
    /// Tell where the key comes from, too, and in which order keys are looked for.
    #[arg(long, short)]
    verbose: bool,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Serialize)]
struct Created {
    name: String,
    address: primitives::Address,
    path: PathBuf,
    active: bool,
}

impl New {
    pub fn run(self, environment: &Environment) -> anyhow::Result<Exit> {
        let vault = Vault::below(&place::data_dir()?);
        vault.ensure_free(&self.name)?;
        let passphrase = new_passphrase(environment)?;
        let keypair = if self.mnemonic {
            let words = Keypair::new_mnemonic();
            secrets::show_mnemonic(&words)?;
            Keypair::from_mnemonic(&words)?
        } else {
            Keypair::generate()
        };
        keep(&vault, &self.name, &keypair, &passphrase, &self.common)
    }
}

impl Import {
    pub fn run(self, environment: &Environment) -> anyhow::Result<Exit> {
        let vault = Vault::below(&place::data_dir()?);
        vault.ensure_free(&self.name)?;
        let keypair = secrets::import(self.file.as_deref(), self.address)?;
        for name in vault.names()? {
            if vault.read(&name).is_ok_and(|known| known.file.address() == keypair.address()) {
                return Err(Exit::BadInput.because(format!("wallet `{name}` has this key already")));
            }
        }
        let passphrase = new_passphrase(environment)?;
        keep(&vault, &self.name, &keypair, &passphrase, &self.common)
    }
}

/// Of a file that is about to be written.
fn new_passphrase(environment: &Environment) -> anyhow::Result<SecretString> {
    environment.passphrase().map_or_else(confirm::new_passphrase, Ok)
}

fn keep(
    vault: &Vault,
    name: &str,
    keypair: &Keypair,
    passphrase: &SecretString,
    common: &CommonArgs,
) -> anyhow::Result<Exit> {
    let wallet = vault.create(name, keypair, passphrase, KdfCost::default(), now_ms())?;
    let active = vault.active()?.as_deref() == Some(name);
    let created = Created { name: wallet.name, address: keypair.address(), path: wallet.path, active };
    common.output.open_done().show(&created, |page: &mut Page, created| {
        page.fact("address", created.address.to_hex_prefixed());
        page.fact("wallet", format!("{} ({})", created.name, created.path.display()));
        if !created.active {
            page.line(format!(
                "Another wallet is the active one: `somascope wallet use {}` makes it this.",
                created.name
            ));
        }
    })?;
    Ok(Exit::Ok)
}

#[derive(Serialize)]
struct Exported<'a> {
    address: primitives::Address,
    key_scheme: &'static str,
    form: Form,
    exported_private_key: &'a str,
}

impl Export {
    pub fn run(self, environment: &Environment) -> anyhow::Result<Exit> {
        let found = self.wallet.need(environment)?;
        let (address, source) = (found.address, found.source.clone());
        self.confirm(address, &source)?;
        let keypair = found.unlock(environment)?;
        let secret = match self.form {
            Form::Bech32 => keypair.to_bech32(),
            Form::Hex => keypair.to_hex(),
            Form::Keystore => keypair.to_keystore_entry(),
        };
        if let Some(path) = &self.out {
            write_secret(path, &secret)?;
            let written = Written { address, path: path.clone(), form: self.form };
            self.common.output.open_done().show(&written, |page, written| {
                page.line(format!("wrote {}", written.path.display()));
            })?;
            return Ok(Exit::Ok);
        }
        let exported =
            Exported { address, key_scheme: "ed25519", form: self.form, exported_private_key: secret.expose_secret() };
        self.common.output.open().show(&exported, |page, exported| {
            page.line(exported.exported_private_key);
        })?;
        Ok(Exit::Ok)
    }

    /// Typed by a person who sees what for, or given by a script that knows the address.
    fn confirm(&self, address: primitives::Address, source: &Source) -> anyhow::Result<()> {
        let text = address.to_string();
        let end = text.get(text.len().saturating_sub(6)..).unwrap_or_default();
        if let Some(given) = &self.confirm {
            return if given == end {
                Ok(())
            } else {
                Err(Exit::BadInput.because(format!("--confirm: this is not the end of {}", address.to_hex_prefixed())))
            };
        }
        if self.out.is_none() && !io::stdout().is_terminal() {
            return Err(Exit::BadInput.because(
                "a secret key goes to a terminal, or to a private file (--out); to pipe it, confirm with --confirm and the \
                 last six characters of the address",
            ));
        }
        let question = format!(
            "Whoever sees the secret key of {} ({source}) owns its money. Type the last six characters of the address to go on:",
            address.to_hex_prefixed()
        );
        if confirm::typed(&question, end, "--confirm")? { Ok(()) } else { Err(confirm::declined()) }
    }
}

#[derive(Serialize)]
struct Written {
    address: primitives::Address,
    path: PathBuf,
    form: Form,
}

/// A wallet as `list` and `address -v` show it.
#[derive(Serialize)]
struct Listed {
    /// Of a wallet file, or what the network's own command line calls it.
    name: Option<String>,
    address: primitives::Address,
    source: &'static str,
    path: Option<PathBuf>,
    /// It is the one that is used when none is named.
    used: bool,
    created_ms: Option<u64>,
}

fn listed(environment: &Environment) -> anyhow::Result<Vec<Listed>> {
    let listed = candidates(environment)?.into_iter().enumerate().map(|(n, candidate)| {
        let source = candidate.source.word();
        let (name, path) = match candidate.source {
            Source::File { name, path } => (Some(name), Some(path)),
            Source::Variable { .. } => (None, None),
            Source::Keystore { path } => (candidate.alias, Some(path)),
        };
        let Candidate { address, eligible, created_ms, .. } = candidate;
        Listed { name, address, source, path, used: n == 0 && eligible, created_ms }
    });
    Ok(listed.collect())
}

const COLUMNS: [&str; 4] = ["USED", "NAME", "ADDRESS", "FROM"];

fn row(wallet: &Listed) -> Vec<String> {
    let from = match &wallet.path {
        Some(path) => format!("{} {}", wallet.source.replace('_', " "), path.display()),
        None => "SOMA_SECRET_KEY".to_owned(),
    };
    let used = if wallet.used { "*" } else { "" };
    vec![used.to_owned(), wallet.name.clone().unwrap_or_default(), wallet.address.to_hex_prefixed(), from]
}

impl List {
    pub fn run(self, environment: &Environment) -> anyhow::Result<Exit> {
        self.common.output.open().list(&listed(environment)?, &COLUMNS, row)?;
        Ok(Exit::Ok)
    }
}

#[derive(Serialize)]
struct Used {
    name: String,
    address: primitives::Address,
}

impl Use {
    pub fn run(self) -> anyhow::Result<Exit> {
        let vault = Vault::below(&place::data_dir()?);
        let address = vault.read(&self.name)?.file.address();
        vault.set_active(&self.name)?;
        self.common.output.open_done().show(&Used { name: self.name, address }, |page, used| {
            page.line(format!("{} ({}) is the active wallet now", used.name, used.address.to_hex_prefixed()));
        })?;
        Ok(Exit::Ok)
    }
}

#[derive(Serialize)]
struct Shown {
    address: primitives::Address,
    source: &'static str,
    name: Option<String>,
    path: Option<PathBuf>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<Listed>,
}

impl Address {
    pub fn run(self, environment: &Environment) -> anyhow::Result<Exit> {
        let found = self.wallet.need(environment)?;
        let candidates = if self.verbose { listed(environment)? } else { Vec::new() };
        let (name, path) = match &found.source {
            Source::File { name, path } => (Some(name.clone()), Some(path.clone())),
            Source::Variable { .. } => (None, None),
            Source::Keystore { path } => (None, Some(path.clone())),
        };
        let shown = Shown { address: found.address, source: found.source.word(), name, path, candidates };
        self.common.output.open().show(&shown, |page, shown| {
            page.line(shown.address.to_hex_prefixed());
            if self.verbose {
                page.fact("from", &found.source);
                page.fact("order", "--wallet, SOMA_SECRET_KEY (environment, then .env), active wallet file, the network's own keystore");
                page.line("");
                page.table(&COLUMNS, shown.candidates.iter().map(row).collect());
            }
        })?;
        Ok(Exit::Ok)
    }
}
