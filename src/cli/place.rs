//! Where things are kept on this machine: one data directory a user, below it one directory a wallet and network.
//!
//! ```text
//! <data directory>/wallets/<name>.json       encrypted keys
//! <data directory>/pins.json                 which chains each wallet has been used on
//! <data directory>/ui.json                   how the dashboard was left (with --dir DIR, in there)
//! <data directory>/devnet.json               where the running devnet is found
//! <data directory>/devnet/network/           that devnet itself
//! <data directory>/<network>/<address>/      journal, log and weights of one wallet on one network
//! <data directory>/<network>/<address>-<chain>/  the same on another chain of that name: a local network started anew
//! <data directory>/<network>/read-only-<chain>/  the same without a wallet (`read-only/` while nobody knows the chain)
//! ```

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use directories::ProjectDirs;

use super::{
    demo,
    network::{self, Network},
    order::tell_line,
    signer::ReaderArgs,
};
use crate::{
    engine::{Held, hold},
    primitives::Address,
    wallet::Pins,
};

/// Where the state of a wallet is, if not in its usual place.
#[derive(Args, Clone, Debug, Default)]
pub struct StateArgs {
    /// The directory that `run` was given, with its journal, its library and its models [default: that of this wallet and network in the
    /// user's data directory].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl StateArgs {
    /// For a command that signs; made if missing. What comes with it keeps every other command of this wallet from signing meanwhile.
    pub fn to_sign(&self, network: &Network, wallet: Address) -> anyhow::Result<(PathBuf, Option<Held>)> {
        let Some(dir) = &self.dir else { return Ok((state_dir(network, wallet)?, None)) };
        make_private(dir)?;
        Ok((dir.clone(), hold_wallet(network, wallet, dir)?))
    }

    /// For a command that looks at a wallet, or without one at what only looking has left; made if missing there.
    pub fn to_look(
        &self,
        network: &Network,
        wallet: Option<Address>,
        chain_id: Option<&str>,
    ) -> anyhow::Result<PathBuf> {
        match (&self.dir, wallet) {
            // A demo's directory holds its network and its engine.
            (Some(dir), _) => {
                let engine = dir.join(demo::ENGINE);
                Ok(if engine.is_dir() { engine } else { dir.clone() })
            }
            (None, Some(wallet)) => state_path(network, wallet),
            (None, None) => read_only_dir(network, chain_id),
        }
    }

    /// The same where the node is asked which chain it serves, if that matters.
    pub async fn to_look_on(&self, network: &Network, wallet: Option<Address>) -> anyhow::Result<PathBuf> {
        let chain_id = match (&self.dir, wallet) {
            (None, None) => Some(network.client()?.service_info().await?.chain_id),
            _ => None,
        };
        self.to_look(network, wallet, chain_id.as_deref())
    }

    /// Somebody who names an address does not mean what is set for the wallet.
    #[must_use]
    pub fn of(&self, reader: &ReaderArgs) -> Self {
        if reader.address.is_some() { Self::default() } else { self.clone() }
    }
}

/// The user's own; made on first use.
pub fn data_dir() -> anyhow::Result<PathBuf> {
    ProjectDirs::from("org", "somascope", "somascope")
        .map(|dirs| dirs.data_dir().to_owned())
        .context("this user has no home directory: set HOME, or XDG_DATA_HOME to a directory for the state")
}

/// The directory of one wallet on one network; made if missing, closed to others.
pub fn state_dir(network: &Network, wallet: Address) -> anyhow::Result<PathBuf> {
    let dir = state_path(network, wallet)?;
    make_private(&dir)?;
    Ok(dir)
}

/// The same, whether it is there or not. A journal never holds two chains, and a chain never has two journals: the last
/// permission to sign has told which chain the network's name means now (see `pinning`).
pub fn state_path(network: &Network, wallet: Address) -> anyhow::Result<PathBuf> {
    let data = data_dir()?;
    Ok(match Pins::below(&data).home(wallet, &network.title())? {
        None => data.join(network.directory()).join(wallet.to_string()),
        Some(home) => {
            let name = if home.is_first { wallet.to_string() } else { keyed(&wallet.to_string(), &home.chain_id) };
            data.join(network::directory(&home.network)).join(name)
        }
    })
}

/// Keeps the other commands of this wallet from signing while a run with a directory of its own does. `None`: it is the wallet's usual
/// directory, which that run will hold itself.
pub fn hold_wallet(network: &Network, wallet: Address, dir: &Path) -> anyhow::Result<Option<Held>> {
    let usual = state_dir(network, wallet)?;
    let is_same = fs::canonicalize(dir).is_ok_and(|dir| fs::canonicalize(&usual).is_ok_and(|usual| usual == dir));
    if is_same { Ok(None) } else { Ok(Some(hold(&usual)?)) }
}

/// The directory of looking only at one chain; made if missing. `None`: the node is away, and the chain that was looked at last
/// is the likeliest.
pub fn read_only_dir(network: &Network, chain_id: Option<&str>) -> anyhow::Result<PathBuf> {
    let parent = data_dir()?.join(network.directory());
    let dir = match chain_id {
        Some(chain_id) => parent.join(keyed(READ_ONLY, chain_id)),
        None => last_read_only(&parent).unwrap_or_else(|| parent.join(READ_ONLY)),
    };
    make_private(&dir)?;
    Ok(dir)
}

const READ_ONLY: &str = "read-only";

fn keyed(name: &str, chain_id: &str) -> String {
    let chain: String = chain_id.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{name}-{chain}")
}

fn last_read_only(parent: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(parent).ok()?.flatten();
    let keyed = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("read-only-"));
    keyed.max_by_key(|entry| entry.metadata().and_then(|about| about.modified()).ok()).map(|entry| entry.path())
}

/// Makes the directory, and its parents, for its user only. One of ours that an earlier version made open is closed; one that
/// somebody else has made, and has reasons for, stays as it is: files with secrets are closed themselves.
pub fn make_private(dir: &Path) -> anyhow::Result<()> {
    let is_ours = data_dir().is_ok_and(|data| dir.starts_with(data));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .and_then(|()| keep_private(dir, is_ours))
        .with_context(|| format!("cannot create {}", dir.display()))
}

fn keep_private(dir: &Path, is_ours: bool) -> io::Result<()> {
    let mode = fs::metadata(dir)?.permissions().mode();
    if mode & 0o077 != 0 && is_ours {
        return fs::set_permissions(dir, fs::Permissions::from_mode(0o700));
    }
    if mode & 0o022 != 0 {
        tell_line(&format!("warning: others may write to {}: use a directory of your own", dir.display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(dir: &Path) -> u32 {
        fs::metadata(dir).expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn what_we_make_is_closed_and_what_others_made_stays_as_it_is() {
        let place = tempfile::tempdir().expect("a place");
        let (new, old) = (place.path().join("a/b"), place.path().join("old"));
        fs::create_dir(&old).expect("writable");
        fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).expect("ours");
        make_private(&new).expect("made");
        make_private(&old).expect("there");
        assert_eq!((mode(&new), mode(&place.path().join("a")), mode(&old)), (0o700, 0o700, 0o755));
        keep_private(&old, true).expect("ours");
        assert_eq!(mode(&old), 0o700);
    }

    #[test]
    fn a_node_that_is_away_means_the_chain_that_was_looked_at_last() {
        let place = tempfile::tempdir().expect("a place");
        assert_eq!(last_read_only(&place.path().join("none")), None);
        for (name, age) in [("read-only", 0), ("read-only-a", 9), ("read-only-b", 5), ("other", 1)] {
            let dir = place.path().join(name);
            fs::create_dir(&dir).expect("writable");
            let then = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
            fs::File::open(&dir).and_then(|dir| dir.set_modified(then)).expect("ours");
        }
        assert_eq!(last_read_only(place.path()), Some(place.path().join("read-only-b")));
    }
}
