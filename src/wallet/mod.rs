//! Keys at rest: the encrypted wallet files, the network's own command line's keystore, and which chains a wallet knows.
//!
//! Knows `chain` (keys) and `primitives`. Hands keys out and keeps them; never signs, never logs or prints a secret, never asks
//! anybody anything, never speaks to the network. Files with keys are for their user only, or they are refused.

mod cli_config;
mod hardening;
mod key_file;
mod pins;
mod private_file;
mod vault;

use std::{io, path::PathBuf};

pub use cli_config::{CliConfig, CliEnv, keys_in_keystore};
pub use hardening::forbid_core_files;
pub use key_file::{KdfCost, KeyFile, KeyFileError};
pub use pins::{Home, Pin, Pins};
pub use private_file::{read_private, replace_private, write_secret};
pub use vault::{Vault, WalletFile};

use crate::{chain::keys::KeyError, primitives::Address};

/// What stands between a user and a key. Tells files and shapes, never contents.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    #[error("cannot read {path}: {cause}")]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error("cannot write {path}: {cause}")]
    Unwritable { path: PathBuf, cause: io::Error },
    #[error("{0} holds secrets and others may read it: run `chmod 600 {0}`")]
    Exposed(PathBuf),
    #[error("{0} is too large for what it should be")]
    TooLarge(PathBuf),
    #[error("{path}: {cause}")]
    File { path: PathBuf, cause: KeyFileError },
    #[error("{path} is not understood: {cause}")]
    Foreign { path: PathBuf, cause: String },
    #[error("the key in {path}: {cause}")]
    Key { path: PathBuf, cause: KeyError },
    #[error("`{0}` is no name for a wallet: 1 to 32 letters, digits, `-` or `_`")]
    Name(String),
    #[error("there is a wallet `{name}` already ({path}): choose another name with --name")]
    Exists { name: String, path: PathBuf },
    #[error("there is no wallet `{name}` in {dir}: `somascope wallet list` shows what there is")]
    Missing { name: String, dir: PathBuf },
    #[error(
        "none of several wallets is the active one: choose with --wallet, or for good with `somascope wallet use NAME`"
    )]
    NoneActive,
    #[error("{path} has no key of 0x{address}")]
    NotInKeystore { path: PathBuf, address: Address },
    #[error("{path} has {keys} keys and client.yaml names none of them active")]
    NoActiveAddress { path: PathBuf, keys: usize },
}
