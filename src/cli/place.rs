//! Where things are kept on this machine: one data directory a user, below it one directory a wallet and network.
//!
//! ```text
//! <data directory>/wallets/<name>.json       encrypted keys
//! <data directory>/pins.json                 which chains each wallet has been used on
//! <data directory>/devnet.json               where the running devnet is found
//! <data directory>/devnet/network/           that devnet itself
//! <data directory>/<network>/<address>/      journal, log and weights of one wallet on one network
//! <data directory>/<network>/<address>-<chain>/  the same on another chain of that name: a local network started anew
//! <data directory>/<network>/read-only/      the same without a wallet
//! ```

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;
use directories::ProjectDirs;

use super::network::{self, Network};
use crate::{primitives::Address, wallet::Pins};

/// The user's own; made on first use.
pub fn data_dir() -> anyhow::Result<PathBuf> {
    ProjectDirs::from("org", "somascope", "somascope")
        .map(|dirs| dirs.data_dir().to_owned())
        .context("this user has no home directory: set HOME, or XDG_DATA_HOME to a directory for the state")
}

/// The directory of one wallet on one network, or of looking only; made if missing, closed to others.
pub fn state_dir(network: &Network, wallet: Option<Address>) -> anyhow::Result<PathBuf> {
    let dir = state_path(network, wallet)?;
    make_private(&dir)?;
    Ok(dir)
}

/// The same, whether it is there or not. A journal never holds two chains, and a chain never has two journals: the last
/// permission to sign has told which chain the network's name means now (see `pinning`).
pub fn state_path(network: &Network, wallet: Option<Address>) -> anyhow::Result<PathBuf> {
    let data = data_dir()?;
    let Some(address) = wallet else { return Ok(data.join(network.directory()).join("read-only")) };
    Ok(match Pins::below(&data).home(address, &network.title())? {
        None => data.join(network.directory()).join(address.to_string()),
        Some(home) => {
            let chain: String = home.chain_id.chars().filter(char::is_ascii_alphanumeric).collect();
            let name = if home.is_first { address.to_string() } else { format!("{address}-{chain}") };
            data.join(network::directory(&home.network)).join(name)
        }
    })
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
