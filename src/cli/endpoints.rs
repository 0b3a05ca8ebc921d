//! Where a running `somascope devnet` is found: a file of the user's that says which ports it took and how to write to its
//! object store.
//!
//! One file for each user: the network that was started last is the one that `--network devnet` means. It holds the object store's
//! key, so nobody else may read it.

use std::{
    fs,
    io::{self, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::{Pid, test_kill_process};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

use super::place;
use crate::devnet::{Devnet, ObjectStoreAccess};

const FILE: &str = "devnet.json";
/// On loopback a port answers at once or not at all.
const ANSWER_PATIENCE: Duration = Duration::from_millis(500);

#[derive(Debug, thiserror::Error)]
pub enum EndpointsError {
    #[error("{0} cannot be read: {1}")]
    Unreadable(PathBuf, io::Error),
    #[error("{0} holds a secret and others may read it: remove it and start `somascope devnet` again")]
    Exposed(PathBuf),
    #[error("{0} is not what `somascope devnet` writes: remove it and start that again")]
    Foreign(PathBuf),
}

/// A running network, as its process wrote it down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Endpoints {
    pub pid: u32,
    pub rpc_url: String,
    pub faucet_url: String,
    pub scoring_url: String,
    pub admin_url: String,
    pub objects: Objects,
}

/// Its object store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Objects {
    pub endpoint_url: String,
    pub bucket: String,
    pub access_key_id: String,
    #[serde(serialize_with = "exposed", deserialize_with = "kept_secret")]
    pub secret_access_key: SecretString,
    /// Prefix of public URLs: `{public_url}/{key}`.
    pub public_url: String,
}

/// The one place where the secret is written, into a file of the owner's.
fn exposed<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

fn kept_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

/// What was written down. Removed when this is dropped, unless another network has taken the place meanwhile.
#[derive(Debug)]
pub struct Published {
    path: PathBuf,
    text: Vec<u8>,
}

impl Published {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        if fs::read(&self.path).is_ok_and(|text| text == self.text) {
            // A file that stays is harmless: its process is gone, so it counts for nothing.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes down where `network`, which this process runs, is found.
pub fn publish(network: &Devnet) -> io::Result<Published> {
    let dir = place::data_dir().map_err(io::Error::other)?;
    Endpoints::of(network).publish_in(&dir)
}

/// The network that was written down last, running or not.
pub fn read() -> Result<Option<Endpoints>, EndpointsError> {
    place::data_dir().map_or(Ok(None), |dir| Endpoints::read_in(&dir))
}

impl Endpoints {
    fn of(network: &Devnet) -> Self {
        let ObjectStoreAccess { endpoint_url, bucket, access_key_id, secret_access_key, public_url } =
            network.objects.clone();
        Self {
            pid: std::process::id(),
            rpc_url: network.rpc_url.clone(),
            faucet_url: network.faucet_url.clone(),
            scoring_url: network.scoring_url.clone(),
            admin_url: network.admin_url.clone(),
            objects: Objects { endpoint_url, bucket, access_key_id, secret_access_key, public_url },
        }
    }

    fn publish_in(&self, dir: &Path) -> io::Result<Published> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let path = dir.join(FILE);
        let text = serde_json::to_vec_pretty(self)?;
        // Made readable by the owner only, and only then named.
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(&text)?;
        file.persist(&path)?;
        Ok(Published { path, text })
    }

    fn read_in(dir: &Path) -> Result<Option<Self>, EndpointsError> {
        let path = dir.join(FILE);
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(EndpointsError::Unreadable(path, error)),
        };
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(EndpointsError::Exposed(path));
        }
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|_| EndpointsError::Foreign(path)),
            // Its network stopped between the two looks.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(EndpointsError::Unreadable(path, error)),
        }
    }

    /// Whether that process still runs and its RPC port answers. A network that was killed leaves its file behind.
    pub fn is_alive(&self) -> bool {
        let pid = i32::try_from(self.pid).ok().filter(|pid| *pid > 0).and_then(Pid::from_raw);
        pid.is_some_and(|pid| test_kill_process(pid).is_ok())
            && socket(&self.rpc_url).is_some_and(|at| TcpStream::connect_timeout(&at, ANSWER_PATIENCE).is_ok())
    }
}

fn socket(url: &str) -> Option<SocketAddr> {
    let url = Url::parse(url).ok()?;
    (url.host_str()?, url.port_or_known_default()?).to_socket_addrs().ok()?.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(pid: u32, port: u16) -> Endpoints {
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        Endpoints {
            pid,
            rpc_url: url(port),
            faucet_url: url(2),
            scoring_url: url(3),
            admin_url: url(4),
            objects: Objects {
                endpoint_url: url(5),
                bucket: "somascope".to_owned(),
                access_key_id: "id".to_owned(),
                secret_access_key: "do-not-show".to_owned().into(),
                public_url: format!("{}/somascope", url(5)),
            },
        }
    }

    #[test]
    fn what_is_published_is_read_by_the_owner_only_and_goes_with_the_network() {
        let dir = tempfile::tempdir().expect("a place");
        let data = dir.path().join("somascope");
        assert!(Endpoints::read_in(&data).expect("no file is no error").is_none());
        let published = endpoints(7, 1).publish_in(&data).expect("writable");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(published.path()), mode(&data)), (0o600, 0o700));

        let found = Endpoints::read_in(&data).expect("readable").expect("published");
        assert_eq!((found.pid, &*found.admin_url), (7, "http://127.0.0.1:4"));
        assert_eq!(found.objects.secret_access_key.expose_secret(), "do-not-show");
        assert!(!format!("{found:?}").contains("do-not-show"));
        drop(published);
        assert!(Endpoints::read_in(&data).expect("no file is no error").is_none());
    }

    #[test]
    fn a_network_that_ends_leaves_the_file_of_a_later_one() {
        let dir = tempfile::tempdir().expect("a place");
        let first = endpoints(7, 1).publish_in(dir.path()).expect("writable");
        let second = endpoints(8, 1).publish_in(dir.path()).expect("writable");
        drop(first);
        assert_eq!(Endpoints::read_in(dir.path()).expect("readable").expect("the later one").pid, 8);
        drop(second);
    }

    #[test]
    fn a_file_that_others_may_read_or_that_is_something_else_is_refused() {
        let dir = tempfile::tempdir().expect("a place");
        let published = endpoints(7, 1).publish_in(dir.path()).expect("writable");
        fs::set_permissions(published.path(), fs::Permissions::from_mode(0o644)).expect("ours");
        assert!(matches!(Endpoints::read_in(dir.path()), Err(EndpointsError::Exposed(_))));
        fs::set_permissions(published.path(), fs::Permissions::from_mode(0o600)).expect("ours");
        fs::write(published.path(), "{}").expect("ours");
        assert!(matches!(Endpoints::read_in(dir.path()), Err(EndpointsError::Foreign(_))));
    }

    #[test]
    fn a_network_is_alive_while_its_process_runs_and_its_port_answers() {
        let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = socket.local_addr().expect("an address").port();
        let ours = std::process::id();
        assert!(endpoints(ours, port).is_alive());
        // No process has these numbers.
        assert!(!endpoints(0, port).is_alive());
        assert!(!endpoints(u32::MAX, port).is_alive());
        drop(socket);
        assert!(!endpoints(ours, port).is_alive());
    }
}
