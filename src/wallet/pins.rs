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

#[cfg(test)]
mod tests {
    use super::*;

    const WALLET: Address = Address([7; 32]);

    fn pin(chain_id: &str) -> Pin {
        Pin { chain_id: chain_id.to_owned(), network: "testnet".to_owned(), first_used_ms: 5 }
    }

    #[test]
    fn chains_are_remembered_for_each_wallet_once() {
        let dir = tempfile::tempdir().expect("a place");
        let pins = Pins::below(&dir.path().join("new"));
        assert!(pins.of(WALLET).expect("nothing yet").is_empty());
        for chain in ["a", "b", "a"] {
            pins.add(WALLET, pin(chain)).expect("written");
        }
        assert_eq!(pins.of(WALLET).expect("two"), [pin("a"), pin("b")]);
        assert!(pins.of(Address([8; 32])).expect("another wallet").is_empty());
    }

    #[test]
    fn two_at_once_forget_nothing() {
        let dir = tempfile::tempdir().expect("a place");
        std::thread::scope(|scope| {
            for n in 0..8 {
                let pins = Pins::below(dir.path());
                scope.spawn(move || pins.add(WALLET, pin(&n.to_string())).expect("written"));
            }
        });
        assert_eq!(Pins::below(dir.path()).of(WALLET).expect("all").len(), 8);
    }

    #[test]
    fn a_damaged_or_newer_file_is_an_error_and_not_a_first_use() {
        let dir = tempfile::tempdir().expect("a place");
        let pins = Pins::below(dir.path());
        for text in ["", "{", "{\"version\": 2, \"wallets\": {}}", "{\"version\": 1}"] {
            fs::write(dir.path().join("pins.json"), text).expect("writable");
            assert!(matches!(pins.of(WALLET), Err(WalletError::Foreign { .. })), "{text}");
            assert!(pins.add(WALLET, pin("a")).is_err(), "{text}");
        }
    }
}
