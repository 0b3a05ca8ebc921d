//! Where things are kept on this machine: one data directory a user, below it one directory a wallet and network.
//!
//! ```text
//! <data directory>/wallets/<name>.json       encrypted keys
//! <data directory>/pins.json                 which chains each wallet has been used on
//! <data directory>/<network>/<address>/      journal, log and weights of one wallet on one network
//! <data directory>/<network>/read-only/      the same without a wallet
//! ```

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;
use directories::ProjectDirs;

use super::network::Network;
use crate::primitives::Address;

/// The user's own; made on first use.
pub fn data_dir() -> anyhow::Result<PathBuf> {
    let dirs = ProjectDirs::from("org", "somascope", "somascope")
        .context("this user has no home directory: set HOME, or XDG_DATA_HOME to a directory for the state")?;
    Ok(dirs.data_dir().to_owned())
}

/// The directory of one wallet on one network, or of looking only; made if missing, closed to others.
pub fn state_dir(network: &Network, wallet: Option<Address>) -> anyhow::Result<PathBuf> {
    let wallet = wallet.map_or_else(|| "read-only".to_owned(), |address| address.to_string());
    let dir = data_dir()?.join(network.directory()).join(wallet);
    make_private(&dir)?;
    Ok(dir)
}

/// Makes the directory, and its parents, for its user only.
pub fn make_private(dir: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .and_then(|()| close(dir))
        .with_context(|| format!("cannot create {}", dir.display()))
}

/// A directory that an earlier version made open is closed.
fn close(dir: &Path) -> io::Result<()> {
    let permissions = fs::metadata(dir)?.permissions();
    if permissions.mode() & 0o077 == 0 { Ok(()) } else { fs::set_permissions(dir, fs::Permissions::from_mode(0o700)) }
}
