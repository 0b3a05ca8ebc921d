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

/// Where a wallet's state on one chain is kept: one place, whatever the network is called today, so that one journal knows of
/// everything that is in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// What the network was called when the wallet was first used on the chain.
    pub network: String,
    pub chain_id: String,
    /// No other chain was used under that name before: a local network that is started anew is another chain.
    pub is_first: bool,
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

    /// Where a wallet's state on the chain lives that it was last used on in a network of this name. `None`: it has not been
    /// used there.
    pub fn home(&self, wallet: Address, network: &str) -> Result<Option<Home>, WalletError> {
        let pins = self.of(wallet)?;
        // The later of two in the same millisecond.
        let Some(last) = pins.iter().filter(|pin| pin.network == network).max_by_key(|pin| pin.last_used_ms) else {
            return Ok(None);
        };
        let origin = pins.iter().find(|pin| pin.chain_id == last.chain_id).unwrap_or(last);
        let first = pins.iter().find(|pin| pin.network == origin.network).unwrap_or(origin);
        Ok(Some(Home {
            network: origin.network.clone(),
            chain_id: origin.chain_id.clone(),
            is_first: first.chain_id == origin.chain_id,
        }))
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
    }

    #[test]
    fn a_chain_has_one_home_whatever_its_network_is_called() {
        let dir = tempfile::tempdir().expect("a place");
        let pins = Pins::below(dir.path());
        let home = |network: &str| {
            let home = pins.home(WALLET, network).expect("readable")?;
            Some((home.network, home.chain_id, home.is_first))
        };
        let expected = |network: &str, chain: &str, first| Some((network.to_owned(), chain.to_owned(), first));
        assert_eq!(home("localnet"), None);
        pins.note(WALLET, "a", "localnet", 1).expect("written");
        assert_eq!(home("localnet"), expected("localnet", "a", true));
        // Started anew, and the old one once more.
        pins.note(WALLET, "b", "localnet", 2).expect("written");
        assert_eq!(home("localnet"), expected("localnet", "b", false));
        pins.note(WALLET, "a", "localnet", 3).expect("written");
        assert_eq!(home("localnet"), expected("localnet", "a", true));
        // The same chain by its URL.
        pins.note(WALLET, "b", "http://127.0.0.1:9000", 4).expect("written");
        assert_eq!(home("http://127.0.0.1:9000"), expected("localnet", "b", false));
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
