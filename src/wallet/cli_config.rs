//! The configuration of the network's own command line (`protocol.md §3.3`), read and never written.

use std::{
    collections::BTreeMap,
    env, io,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use directories::BaseDirs;
use secrecy::SecretString;
use serde::Deserialize;
use serde_yaml_ng::Value;

use super::{
    WalletError,
    private_file::{read_private, read_public},
};
use crate::{
    chain::keys::{Keypair, address_of},
    primitives::Address,
};

/// What `client.yaml` and the files beside it say. The keystore is read when a key is asked for.
#[derive(Clone, Debug)]
pub struct CliConfig {
    pub dir: PathBuf,
    /// `None`: the keys are not in a file.
    pub keystore: Option<PathBuf>,
    pub active_address: Option<Address>,
    pub envs: Vec<CliEnv>,
}

/// A network as the command line knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CliEnv {
    pub alias: String,
    pub rpc: String,
    /// It wants a password, which this program does not send.
    pub basic_auth: bool,
}

#[derive(Deserialize)]
struct ClientYaml {
    keystore: Option<Value>,
    #[serde(default)]
    envs: Vec<EnvYaml>,
    active_address: Option<String>,
}

#[derive(Deserialize)]
struct EnvYaml {
    alias: String,
    rpc: String,
    basic_auth: Option<Value>,
}

impl CliConfig {
    /// Looks where the command line looks: `$SOMA_CONFIG_DIR`, else `~/.soma/soma_config`.
    pub fn find() -> Result<Option<Self>, WalletError> {
        let named = env::var_os("SOMA_CONFIG_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        let dir = named.or_else(|| Some(BaseDirs::new()?.home_dir().join(".soma").join("soma_config")));
        dir.map_or(Ok(None), |dir| Self::read(&dir))
    }

    /// `None`: the directory has neither a `client.yaml` nor a keystore.
    pub fn read(dir: &Path) -> Result<Option<Self>, WalletError> {
        let path = dir.join("client.yaml");
        let keystore = dir.join("soma.keystore");
        let bytes = match read_public(&path) {
            Err(WalletError::Unreadable { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
                return Ok(keystore.exists().then(|| Self {
                    dir: dir.to_owned(),
                    keystore: Some(keystore),
                    active_address: None,
                    envs: Vec::new(),
                }));
            }
            bytes => bytes?,
        };
        let foreign = |cause: String| WalletError::Foreign { path: path.clone(), cause };
        // The parser's own words may repeat what it read, and an environment may have a password.
        let at = |cause: serde_yaml_ng::Error| match cause.location() {
            Some(at) => format!("not what it should be at line {}, column {}", at.line(), at.column()),
            None => "not what it should be".to_owned(),
        };
        let yaml: ClientYaml = serde_yaml_ng::from_slice(&bytes).map_err(|cause| foreign(at(cause)))?;
        let keystore = yaml.keystore.as_ref().and_then(tagged_file);
        let active_address = yaml.active_address.map(|text| text.trim().parse()).transpose();
        Ok(Some(Self {
            dir: dir.to_owned(),
            // A relative path is meant from the file that has it.
            keystore: keystore.map(|file| dir.join(file)),
            active_address: active_address.map_err(|cause| foreign(format!("active_address: {cause}")))?,
            envs: yaml
                .envs
                .into_iter()
                .map(|env| CliEnv {
                    alias: env.alias,
                    rpc: env.rpc,
                    basic_auth: env.basic_auth.is_some_and(|auth| !auth.is_null()),
                })
                .collect(),
        }))
    }

    pub fn env(&self, alias: &str) -> Option<&CliEnv> {
        self.envs.iter().find(|env| env.alias == alias)
    }

    /// The active address; the keystore is only read where `client.yaml` names none.
    pub fn address(&self) -> Result<Option<Address>, WalletError> {
        match (self.active_address, &self.keystore) {
            (Some(address), _) => Ok(Some(address)),
            (None, None) => Ok(None),
            (None, Some(_)) => Ok(self.keypair(None)?.map(|keypair| keypair.address())),
        }
    }

    /// The key of `address`, else of the active address, else the only one. `None`: there are no keys.
    pub fn keypair(&self, address: Option<Address>) -> Result<Option<Keypair>, WalletError> {
        let Some(path) = &self.keystore else { return Ok(None) };
        let mut keys = match read_private(path) {
            Err(WalletError::Unreadable { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => keys_in_keystore(path, &bytes?)?,
        };
        match (address.or(self.active_address), keys.len()) {
            (_, 0) => Ok(None),
            (Some(wanted), _) => match keys.iter().position(|key| key.address() == wanted) {
                Some(at) => Ok(Some(keys.swap_remove(at))),
                None => Err(WalletError::NotInKeystore { path: path.clone(), address: wanted }),
            },
            (None, 1) => Ok(keys.pop()),
            (None, keys) => Err(WalletError::NoActiveAddress { path: path.clone(), keys }),
        }
    }

    /// What the command line calls its addresses. Names are for people: a file that does not read gives none.
    pub fn aliases(&self) -> BTreeMap<Address, String> {
        #[derive(Deserialize)]
        struct Alias {
            alias: String,
            public_key_base64: String,
        }
        let aliases: Vec<Alias> = read_public(&self.dir.join("soma.aliases"))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let address = |text: &str| match BASE64.decode(text).ok()?.as_slice() {
            [0, key @ ..] => Some(address_of(key.try_into().ok()?)),
            _ => None,
        };
        aliases.into_iter().filter_map(|a| Some((address(&a.public_key_base64)?, a.alias))).collect()
    }
}

/// `File: path` or `!File path`: the two spellings of an externally tagged enum.
fn tagged_file(value: &Value) -> Option<PathBuf> {
    let path = match value {
        Value::Tagged(tagged) if tagged.tag == "File" => &tagged.value,
        Value::Mapping(mapping) => mapping.get("File")?,
        _ => return None,
    };
    path.as_str().map(PathBuf::from)
}

/// Every key of a keystore: a JSON array of Base64 texts.
pub fn keys_in_keystore(path: &Path, bytes: &[u8]) -> Result<Vec<Keypair>, WalletError> {
    let foreign = || WalletError::Foreign {
        path: path.to_owned(),
        // The parser's own words may repeat what it read.
        cause: "a keystore is a JSON array of Base64 texts".to_owned(),
    };
    // Borrowed: no copy of a secret is left behind.
    let entries: Vec<&str> = serde_json::from_slice(bytes).map_err(|_| foreign())?;
    let keypair = |entry: &&str| {
        Keypair::from_text(&SecretString::from(*entry))
            .map_err(|cause| WalletError::Key { path: path.to_owned(), cause })
    };
    entries.iter().map(keypair).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use secrecy::ExposeSecret;

    use super::*;

    fn key(n: u8) -> Keypair {
        Keypair::from_seed([n; 32])
    }

    /// What the command line leaves after its first run, with two keys.
    fn fixture(keystore: &str, active: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a place");
        let entries: Vec<String> =
            [key(1), key(2)].iter().map(|key| format!("  \"{}\"", key.to_keystore_entry().expose_secret())).collect();
        let path = dir.path().join("soma.keystore");
        fs::write(&path, format!("[\n{}\n]", entries.join(",\n"))).expect("writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
        let public = BASE64.encode([&[0][..], &key(2).public_key()].concat());
        let aliases = format!("[{{\"alias\": \"gifted-topaz\", \"public_key_base64\": \"{public}\"}}]");
        fs::write(dir.path().join("soma.aliases"), aliases).expect("writable");
        let yaml = format!(
            "---\nkeystore:{}\nexternal_keys: ~\nenvs:\n  - alias: testnet\n    rpc: \"https://fullnode.testnet.soma.org:443\"\n    \
             basic_auth: ~\n  - alias: local\n    rpc: \"http://127.0.0.1:9000\"\n    basic_auth: \"me:pw\"\n    chain_id: 4c78adac\n\
             active_env: testnet\nactive_address: {active}\n",
            keystore.replace("PATH", &path.display().to_string())
        );
        fs::write(dir.path().join("client.yaml"), yaml).expect("writable");
        dir
    }

    fn read(dir: &tempfile::TempDir) -> CliConfig {
        CliConfig::read(dir.path()).expect("it reads").expect("it is there")
    }

    #[test]
    fn both_spellings_of_the_keystore_lead_to_the_active_key() {
        let active = format!("\"{}\"", key(2).address());
        for spelling in ["\n  File: PATH", " !File PATH", "\n  File: soma.keystore"] {
            let dir = fixture(spelling, &active);
            let config = read(&dir);
            assert_eq!(config.address().expect("named"), Some(key(2).address()), "{spelling}");
            let keypair = config.keypair(None).expect("readable").expect("there");
            assert_eq!(keypair.address(), key(2).address());
            let first = config.keypair(Some(key(1).address())).expect("readable").expect("there");
            assert_eq!(first.address(), key(1).address());
            assert!(matches!(config.keypair(Some(Address([9; 32]))), Err(WalletError::NotInKeystore { .. })));
        }
    }

    #[test]
    fn an_address_without_quotes_is_one_whatever_yaml_takes_it_for() {
        // All digits, and one that reads like a float.
        for address in ["1".repeat(64), format!("1e{}", "2".repeat(62)), format!("0x{}", "a".repeat(64))] {
            let dir = fixture("\n  File: PATH", &address);
            assert_eq!(read(&dir).active_address, address.parse().ok(), "{address}");
        }
    }

    #[test]
    fn without_an_active_address_several_keys_are_a_question() {
        let dir = fixture("\n  File: PATH", "~");
        assert!(matches!(read(&dir).keypair(None), Err(WalletError::NoActiveAddress { keys: 2, .. })));
        let one = format!("[\"{}\"]", key(1).to_keystore_entry().expose_secret());
        fs::write(dir.path().join("soma.keystore"), one).expect("writable");
        assert_eq!(read(&dir).address().expect("one"), Some(key(1).address()));
    }

    #[test]
    fn environments_and_aliases_are_read() {
        let dir = fixture("\n  File: PATH", "~");
        let config = read(&dir);
        let testnet = config.env("testnet").expect("there");
        assert_eq!((testnet.rpc.as_str(), testnet.basic_auth), ("https://fullnode.testnet.soma.org:443", false));
        let local = config.env("local").expect("there");
        assert_eq!((local.basic_auth, local.rpc.as_str()), (true, "http://127.0.0.1:9000"));
        assert_eq!(config.aliases(), [(key(2).address(), "gifted-topaz".to_owned())].into());
    }

    #[test]
    fn a_keystore_that_others_may_read_is_refused() {
        let dir = fixture("\n  File: PATH", &key(2).address().to_string());
        let path = dir.path().join("soma.keystore");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("ours");
        assert!(matches!(read(&dir).keypair(None), Err(WalletError::Exposed(_))));
    }

    #[test]
    fn no_configuration_is_none_and_a_broken_one_an_error_without_secrets() {
        let dir = tempfile::tempdir().expect("a place");
        assert!(CliConfig::read(dir.path()).expect("nothing there").is_none());
        for yaml in ["keystore: [", "envs: 5", "active_address: nonsense"] {
            fs::write(dir.path().join("client.yaml"), yaml).expect("writable");
            assert!(matches!(CliConfig::read(dir.path()), Err(WalletError::Foreign { .. })), "{yaml}");
        }
        let dir = fixture(" !InMem {}", "~");
        assert!(read(&dir).keypair(None).expect("no keys").is_none());

        let dir = fixture("\n  File: PATH", "~");
        let entry = key(1).to_keystore_entry();
        for damaged in [format!("{{\"{}\": 1}}", entry.expose_secret()), format!("[\"{}x\"]", entry.expose_secret())] {
            fs::write(dir.path().join("soma.keystore"), damaged).expect("writable");
            let error = read(&dir).keypair(None).err().expect("damaged").to_string();
            assert!(!error.contains(&entry.expose_secret()[..12]), "{error}");
        }
    }
}
