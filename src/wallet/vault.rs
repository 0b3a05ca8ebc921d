//! The directory of named wallets.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use secrecy::SecretString;

use super::{
    KdfCost, KeyFile, WalletError,
    private_file::{self, Overwrite, read_private, read_public},
};
use crate::{chain::keys::Keypair, primitives::clean};

/// The name of a wallet that nobody named.
pub const DEFAULT_NAME: &str = "default";
/// Holds the name of the active wallet.
const ACTIVE: &str = "active";

/// Named wallets below one directory. Looks at the disk whenever it is asked.
pub struct Vault {
    dir: PathBuf,
}

/// One wallet as its file tells it, without any passphrase.
#[derive(Debug)]
pub struct WalletFile {
    pub name: String,
    pub path: PathBuf,
    pub file: KeyFile,
}

impl WalletFile {
    pub fn unlock(&self, passphrase: &SecretString) -> Result<Keypair, WalletError> {
        self.file.open(passphrase).map_err(|cause| WalletError::File { path: self.path.clone(), cause })
    }
}

impl Vault {
    /// The wallets of a data directory. Nothing is made until a wallet is.
    pub fn below(data_dir: &Path) -> Self {
        Self { dir: data_dir.join("wallets") }
    }

    fn path(&self, name: &str) -> Result<PathBuf, WalletError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 32 || !name.chars().all(allowed) {
            return Err(WalletError::Name(clean(&name.chars().take(40).collect::<String>())));
        }
        Ok(self.dir.join(format!("{name}.json")))
    }

    /// Seals a key under a new name. The first wallet becomes the active one.
    pub fn create(
        &self,
        name: &str,
        keypair: &Keypair,
        passphrase: &SecretString,
        cost: KdfCost,
        now_ms: u64,
    ) -> Result<WalletFile, WalletError> {
        let path = self.ensure_free(name)?;
        let first = self.names()?.is_empty();
        let file = KeyFile::seal(keypair, passphrase, cost, now_ms)
            .map_err(|cause| WalletError::File { path: path.clone(), cause })?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)
            .map_err(|cause| WalletError::Unwritable { path: self.dir.clone(), cause })?;
        private_file::write(&path, file.to_json().as_bytes(), Overwrite::Never).map_err(|cause| {
            if cause.kind() == io::ErrorKind::AlreadyExists {
                WalletError::Exists { name: name.to_owned(), path: path.clone() }
            } else {
                WalletError::Unwritable { path: path.clone(), cause }
            }
        })?;
        if first {
            self.set_active(name)?;
        }
        Ok(WalletFile { name: name.to_owned(), path, file })
    }

    /// Where a wallet of this name would be written; an error if it cannot be.
    pub fn ensure_free(&self, name: &str) -> Result<PathBuf, WalletError> {
        let path = self.path(name)?;
        if fs::symlink_metadata(&path).is_ok() {
            return Err(WalletError::Exists { name: name.to_owned(), path });
        }
        Ok(path)
    }

    /// Sorted.
    pub fn names(&self) -> Result<Vec<String>, WalletError> {
        let unreadable = |cause| WalletError::Unreadable { path: self.dir.clone(), cause };
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(unreadable(cause)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(unreadable)?.file_name();
            let name = name.to_str().and_then(|name| name.strip_suffix(".json"));
            names.extend(name.filter(|name| self.path(name).is_ok()).map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    pub fn read(&self, name: &str) -> Result<WalletFile, WalletError> {
        let path = self.path(name)?;
        let bytes = match read_private(&path) {
            Err(WalletError::Unreadable { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
                return Err(WalletError::Missing { name: name.to_owned(), dir: self.dir.clone() });
            }
            bytes => bytes?,
        };
        let file = KeyFile::parse(&bytes).map_err(|cause| WalletError::File { path: path.clone(), cause })?;
        Ok(WalletFile { name: name.to_owned(), path, file })
    }

    /// The wallet that is used when none is named: the chosen one, else `default`, else the only one.
    pub fn active(&self) -> Result<Option<String>, WalletError> {
        let names = self.names()?;
        let path = self.dir.join(ACTIVE);
        match read_public(&path) {
            Ok(bytes) => {
                let name = String::from_utf8_lossy(&bytes).trim().to_owned();
                // A chosen wallet that is gone must not silently become another one.
                return if names.contains(&name) {
                    Ok(Some(name))
                } else {
                    Err(WalletError::Missing {
                        name: clean(&name.chars().take(40).collect::<String>()),
                        dir: self.dir.clone(),
                    })
                };
            }
            Err(WalletError::Unreadable { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        match names.as_slice() {
            [] => Ok(None),
            names if names.iter().any(|name| name == DEFAULT_NAME) => Ok(Some(DEFAULT_NAME.to_owned())),
            [only] => Ok(Some(only.clone())),
            _ => Err(WalletError::NoneActive),
        }
    }

    pub fn set_active(&self, name: &str) -> Result<(), WalletError> {
        if !self.names()?.iter().any(|known| known == name) {
            self.path(name)?;
            return Err(WalletError::Missing { name: name.to_owned(), dir: self.dir.clone() });
        }
        let path = self.dir.join(ACTIVE);
        private_file::write(&path, format!("{name}\n").as_bytes(), Overwrite::Replace)
            .map_err(|cause| WalletError::Unwritable { path, cause })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const CHEAP: KdfCost = KdfCost { memory_kib: 8, iterations: 1, parallelism: 1 };

    fn make(vault: &Vault, name: &str, seed: u8) -> Result<WalletFile, WalletError> {
        vault.create(name, &Keypair::from_seed([seed; 32]), &"x".into(), CHEAP, 0)
    }

    #[test]
    fn the_first_wallet_is_the_active_one_until_another_is_chosen() {
        let dir = tempfile::tempdir().expect("a place");
        let vault = Vault::below(dir.path());
        assert_eq!((vault.active().expect("none"), vault.names().expect("none").len()), (None, 0));
        make(&vault, "savings", 1).expect("made");
        make(&vault, "default", 2).expect("made");
        assert_eq!(vault.active().expect("chosen").as_deref(), Some("savings"));
        vault.set_active("default").expect("it is there");
        assert_eq!(vault.active().expect("chosen").as_deref(), Some("default"));
        assert_eq!(vault.names().expect("two"), ["default", "savings"]);
        assert!(matches!(vault.set_active("nobody"), Err(WalletError::Missing { .. })));
        fs::remove_file(dir.path().join("wallets/default.json")).expect("ours");
        assert!(matches!(vault.active(), Err(WalletError::Missing { .. })), "never silently another wallet");
    }

    #[test]
    fn files_and_their_directory_are_the_users_own_and_never_overwritten() {
        let dir = tempfile::tempdir().expect("a place");
        let vault = Vault::below(dir.path());
        let wallet = make(&vault, "default", 1).expect("made");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&wallet.path), mode(&vault.dir)), (0o600, 0o700));
        let before = fs::read(&wallet.path).expect("readable");
        assert!(matches!(make(&vault, "default", 2), Err(WalletError::Exists { .. })));
        assert_eq!(fs::read(&wallet.path).expect("readable"), before);

        fs::set_permissions(&wallet.path, fs::Permissions::from_mode(0o640)).expect("ours");
        let error = vault.read("default").expect_err("others may read it");
        assert!(matches!(error, WalletError::Exposed(_)) && error.to_string().contains("chmod 600"));
    }

    #[test]
    fn a_name_cannot_lead_elsewhere() {
        let dir = tempfile::tempdir().expect("a place");
        let vault = Vault::below(dir.path());
        for name in ["", "../x", "a/b", ".", "a b", "ä", &"x".repeat(33)] {
            assert!(matches!(make(&vault, name, 1), Err(WalletError::Name(_))), "{name}");
            assert!(matches!(vault.read(name), Err(WalletError::Name(_))), "{name}");
        }
    }
}
