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
    pub last_used_ms: u64,
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

    /// Remembers that a wallet is used on a chain, for the first time or again.
    pub fn note(&self, wallet: Address, chain_id: &str, network: &str, now_ms: u64) -> Result<(), WalletError> {
        let unwritable = |cause| WalletError::Unwritable { path: self.path.clone(), cause };
        let dir = self.path.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unwritable)?;
        // Two commands at once must not forget each other's pin. Unlocked when it is closed.
        let lock = File::create(self.path.with_extension("lock")).map_err(unwritable)?;
        lock.lock().map_err(unwritable)?;
        let mut known = self.read()?;
        let pins = known.wallets.entry(wallet).or_default();
        let same = |pin: &&mut Pin| pin.chain_id == chain_id && pin.network == network;
        match pins.iter_mut().find(same) {
            Some(pin) => pin.last_used_ms = now_ms,
            None => pins.push(Pin {
                chain_id: chain_id.to_owned(),
                network: network.to_owned(),
                first_used_ms: now_ms,
                last_used_ms: now_ms,
            }),
        }
        let text = serde_json::to_string_pretty(&known).map_err(|cause| unwritable(cause.into()))?;
        private_file::write(&self.path, text.as_bytes(), Overwrite::Replace).map_err(unwritable)
    }

    /// The chain that a wallet was last used on in a network of this name, and whether it was the first one there: a local
    /// network that is started anew is another chain under the same name.
    pub fn current(&self, wallet: Address, network: &str) -> Result<Option<(Pin, bool)>, WalletError> {
        let mut pins = self.of(wallet)?;
        pins.retain(|pin| pin.network == network);
        let first = pins.first().map(|pin| pin.chain_id.clone());
        // The later of two in the same millisecond.
        let last = pins.into_iter().max_by_key(|pin| pin.last_used_ms);
        Ok(last.map(|pin| (pin.clone(), first.is_some_and(|first| first == pin.chain_id))))
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

    fn chains(pins: &Pins) -> Vec<String> {
        pins.of(WALLET).expect("readable").into_iter().map(|pin| pin.chain_id).collect()
    }

    #[test]
    fn chains_are_remembered_for_each_wallet_once() {
        let dir = tempfile::tempdir().expect("a place");
        let pins = Pins::below(&dir.path().join("new"));
        assert!(chains(&pins).is_empty());
        for (now, chain) in [(5, "a"), (6, "b"), (7, "a")] {
            pins.note(WALLET, chain, "testnet", now).expect("written");
        }
        assert_eq!(chains(&pins), ["a", "b"]);
        assert!(pins.of(Address([8; 32])).expect("another wallet").is_empty());
        let (pin, first) = pins.current(WALLET, "testnet").expect("readable").expect("used");
        assert_eq!((pin.chain_id.as_str(), pin.first_used_ms, pin.last_used_ms, first), ("a", 5, 7, true));
        pins.note(WALLET, "b", "testnet", 8).expect("written");
        let (pin, first) = pins.current(WALLET, "testnet").expect("readable").expect("used");
        assert_eq!((pin.chain_id.as_str(), first), ("b", false));
        assert_eq!(pins.current(WALLET, "localnet").expect("readable"), None);
    }

    #[test]
    fn two_at_once_forget_nothing() {
        let dir = tempfile::tempdir().expect("a place");
        std::thread::scope(|scope| {
            for n in 0..8 {
                let pins = Pins::below(dir.path());
                scope.spawn(move || pins.note(WALLET, &n.to_string(), "testnet", n).expect("written"));
            }
        });
        assert_eq!(chains(&Pins::below(dir.path())).len(), 8);
    }

    #[test]
    fn a_damaged_or_newer_file_is_an_error_and_not_a_first_use() {
        let dir = tempfile::tempdir().expect("a place");
        let pins = Pins::below(dir.path());
        for text in ["", "{", "{\"version\": 2, \"wallets\": {}}", "{\"version\": 1}"] {
            fs::write(dir.path().join("pins.json"), text).expect("writable");
            assert!(matches!(pins.of(WALLET), Err(WalletError::Foreign { .. })), "{text}");
            assert!(pins.note(WALLET, "a", "testnet", 1).is_err(), "{text}");
        }
    }
}
