//! Which chains each wallet has been used on. A chain that is not among them is asked about before anything is signed.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    WalletError,
    private_file::{self, Overwrite, read_public},
};
use crate::primitives::Address;

const VERSION: u64 = 1;

/// A chain that a wallet has been used on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    pub chain_id: String,
    /// What the network was called then.
    pub network: String,
    pub first_used_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    version: u64,
    wallets: BTreeMap<Address, Vec<Pin>>,
}

/// The pins of a data directory.
pub struct Pins {
    path: PathBuf,
}

impl Pins {
    pub fn below(data_dir: &Path) -> Self {
        Self { path: data_dir.join("pins.json") }
    }

    /// The chains that this wallet has been used on, oldest first.
    pub fn of(&self, wallet: Address) -> Result<Vec<Pin>, WalletError> {
        Ok(self.read()?.wallets.remove(&wallet).unwrap_or_default())
    }

    /// Remembers a chain; one that is known stays as it is.
    pub fn add(&self, wallet: Address, pin: Pin) -> Result<(), WalletError> {
        let unwritable = |cause| WalletError::Unwritable { path: self.path.clone(), cause };
        let dir = self.path.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unwritable)?;
        // Two commands at once must not forget each other's pin. Unlocked when it is closed.
        let lock = File::create(self.path.with_extension("lock")).map_err(unwritable)?;
        lock.lock().map_err(unwritable)?;
        let mut known = self.read()?;
        let pins = known.wallets.entry(wallet).or_default();
        if pins.iter().any(|known| known.chain_id == pin.chain_id) {
            return Ok(());
        }
        pins.push(pin);
        let text = serde_json::to_string_pretty(&known).map_err(|cause| unwritable(cause.into()))?;
        private_file::write(&self.path, text.as_bytes(), Overwrite::Replace).map_err(unwritable)
    }

    fn read(&self) -> Result<Known, WalletError> {
        let bytes = match read_public(&self.path) {
            Err(WalletError::Unreadable { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
                return Ok(Known { version: VERSION, wallets: BTreeMap::new() });
            }
            bytes => bytes?,
        };
        let foreign = |cause: String| WalletError::Foreign { path: self.path.clone(), cause };
        let known: Known = serde_json::from_slice(&bytes).map_err(|cause| foreign(cause.to_string()))?;
        if known.version == VERSION {
            Ok(known)
        } else {
            Err(foreign(format!("version {}, and this program knows version {VERSION}", known.version)))
        }
    }
}
