//! The state directory: whose it is, whether it is whole, and what a resumed network needs beside its chain.
//!
//! Never deletes anything: what it does not understand, it names.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{DevnetConfig, DevnetError, ModelSpec};
use crate::primitives::{Digest, hash};

const RECORD: &str = "network.json";
const LEDGER: &str = "ledger.db";
const OBJECTS: &str = "objects";
const LOCK: &str = "network.lock";

/// What is written down of a network beside its chain.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct NetworkRecord {
    pub seed: u64,
    pub embedding_dim: u64,
    /// The models that it began with, and the hashes of their weights.
    pub models: BTreeMap<String, Digest>,
    /// Set once models and targets are there. Without it the first start was cut short.
    pub ready: bool,
    /// The published URLs name it.
    pub objects_port: u16,
    pub access_key_id: String,
    pub secret_access_key: String,
}

/// How the network of a directory was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub seed: u64,
    pub embedding_dim: u64,
    /// The models that it began with, and the hashes of their weights.
    pub models: BTreeMap<String, Digest>,
}

/// How the network in `dir` was made. `None`: there is none, or none that could be resumed; `start` says why.
pub fn recorded(dir: &Path) -> Option<Recorded> {
    let record: NetworkRecord = serde_json::from_slice(&fs::read(dir.join(RECORD)).ok()?).ok()?;
    record.ready.then_some(Recorded { seed: record.seed, embedding_dim: record.embedding_dim, models: record.models })
}

/// What is written down of models.
pub(super) fn fingerprints(models: &[ModelSpec]) -> BTreeMap<String, Digest> {
    models.iter().map(|model| (model.name.clone(), hash(&model.weights))).collect()
}

/// A directory that is ours while this value lives.
pub(super) struct StateDirectory {
    root: PathBuf,
    lock: fs::File,
}

impl Drop for StateDirectory {
    fn drop(&mut self) {
        // Closing alone would leave it to a process that is being started at this moment and has a copy yet.
        let _ = self.lock.unlock();
    }
}

/// A network to begin, or one to go on with.
pub(super) enum Found {
    New,
    Whole(NetworkRecord),
}

impl StateDirectory {
    /// Makes it if needed, locks it, and looks at what is there.
    pub fn open(config: &DevnetConfig) -> Result<(Self, Found), DevnetError> {
        let root = config.dir.clone();
        let failed = |cause| DevnetError::Directory { dir: root.clone(), cause };
        fs::create_dir_all(&root).map_err(failed)?;
        let lock = fs::File::create(root.join(LOCK)).map_err(failed)?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => DevnetError::DirectoryInUse { dir: root.clone() },
            fs::TryLockError::Error(cause) => failed(cause),
        })?;

        let ledger_exists = root.join(LEDGER).try_exists().map_err(failed)?;
        let half_written = || DevnetError::HalfWritten { dir: root.clone() };
        let found = match fs::read(root.join(RECORD)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !ledger_exists => Found::New,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(half_written()),
            Err(error) => return Err(failed(error)),
            Ok(bytes) => match serde_json::from_slice::<NetworkRecord>(&bytes) {
                Ok(record) if !record.ready || !ledger_exists => return Err(half_written()),
                Ok(record) if record.seed != config.seed => {
                    return Err(DevnetError::OtherSeed { dir: root, found: record.seed, asked: config.seed });
                }
                Ok(record) if record.embedding_dim != config.genesis.parameters.target_embedding_dim => {
                    return Err(DevnetError::OtherDimension {
                        dir: root,
                        found: record.embedding_dim,
                        asked: config.genesis.parameters.target_embedding_dim,
                    });
                }
                Ok(record) => Found::Whole(record),
                Err(_) => return Err(half_written()),
            },
        };
        fs::create_dir_all(root.join(OBJECTS)).map_err(failed)?;
        Ok((Self { root, lock }, found))
    }

    pub fn ledger(&self) -> PathBuf {
        self.root.join(LEDGER)
    }

    pub fn objects(&self) -> PathBuf {
        self.root.join(OBJECTS)
    }

    /// Replaces the record as a whole, readable by the owner only.
    pub fn write(&self, record: &NetworkRecord) -> Result<(), DevnetError> {
        let failed = |cause| DevnetError::Directory { dir: self.root.clone(), cause };
        let text = serde_json::to_vec_pretty(record).map_err(|e| failed(e.into()))?;
        let mut file = tempfile::NamedTempFile::new_in(&self.root).map_err(failed)?;
        io::Write::write_all(&mut file, &text).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(self.root.join(RECORD)).map_err(|e| failed(e.error))?;
        Ok(())
    }
}

impl NetworkRecord {
    /// For a new network: with fresh credentials of its object store.
    pub fn new(seed: u64, embedding_dim: u64, models: BTreeMap<String, Digest>, objects_port: u16) -> Self {
        let secret: [u8; 30] = rand::random();
        let id: [u8; 9] = rand::random();
        Self {
            seed,
            embedding_dim,
            models,
            ready: false,
            objects_port,
            access_key_id: format!("SOMA{}", hex::encode_upper(id)),
            secret_access_key: URL_SAFE_NO_PAD.encode(secret),
        }
    }
}
