//! Weights on disk and in memory: fetched once, kept encrypted by checksum, decrypted only in memory.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::{
    model::{self, Model, ModelError},
    primitives::Digest,
    storage::{Fetcher, StorageError},
};

/// Weights as the registry names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct WeightsSpec {
    /// Of the encrypted file.
    pub checksum: Digest,
    pub url: String,
    pub size: u64,
    pub key: [u8; 32],
}

#[derive(Debug, thiserror::Error)]
pub(in crate::engine) enum WeightsError {
    #[error(transparent)]
    Fetch(#[from] StorageError),
    #[error("the weights {checksum} do not load: {cause}")]
    Load { checksum: Digest, cause: ModelError },
    #[error("the loading of the weights {0} was given up")]
    Abandoned(Digest),
}

/// The directory of encrypted weights.
#[derive(Clone)]
pub(in crate::engine) struct WeightsCache {
    dir: Arc<Path>,
    fetcher: Fetcher,
    heads: Option<usize>,
    /// One at a time: weights are gigabytes.
    turn: Arc<Semaphore>,
}

impl WeightsCache {
    pub fn new(dir: &Path, heads: Option<usize>) -> Result<Self, StorageError> {
        Ok(Self { dir: dir.join("weights").into(), fetcher: Fetcher::new()?, heads, turn: Arc::new(Semaphore::new(1)) })
    }

    fn path(&self, checksum: &Digest) -> PathBuf {
        self.dir.join(format!("{checksum}.enc"))
    }

    /// From the cache if it holds the right bytes, else from the network; decrypted and ready to score.
    pub async fn load(&self, spec: &WeightsSpec) -> Result<Arc<Model>, WeightsError> {
        // The semaphore is never closed.
        let _turn = self.turn.acquire().await.map_err(|_| WeightsError::Abandoned(spec.checksum))?;
        let path = self.path(&spec.checksum);
        let (cached, wanted) = (path.clone(), spec.checksum);
        let cached = self.blocking(wanted, move || std::fs::read(cached).ok().filter(|b| model::checksum(b) == wanted));
        let encrypted = match cached.await? {
            Some(bytes) => Bytes::from(bytes),
            None => {
                let bytes = self.fetcher.fetch(&spec.url, spec.checksum, spec.size).await?;
                let copy = bytes.clone();
                // A full disk costs another download in the next run, not this one.
                if let Err(cause) = self.blocking(wanted, move || store(&path, &copy)).await? {
                    tracing::warn!("weights {wanted} are used, but not kept in {}: {cause}", self.dir.display());
                }
                bytes
            }
        };
        let (key, heads) = (spec.key, self.heads);
        let loaded = self.blocking(wanted, move || {
            // No copy: nobody else holds the bytes any more.
            let mut bytes = Vec::from(encrypted);
            model::apply_key_stream(&key, &mut bytes);
            Model::from_safetensors(&bytes, heads)
        });
        loaded.await?.map(Arc::new).map_err(|cause| WeightsError::Load { checksum: wanted, cause })
    }

    /// Removes the files of weights that are gone from the registry.
    pub async fn keep(&self, kept: Vec<Digest>) {
        // Between two loads, or the file that one is writing would go with what earlier crashes left. Never closed.
        let Ok(_turn) = self.turn.acquire().await else { return };
        let names: Vec<_> = kept.iter().map(|checksum| self.path(checksum)).collect();
        let dir = self.dir.clone();
        // A file that cannot be removed costs disk space and nothing else.
        let _ = tokio::task::spawn_blocking(move || {
            for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                if !names.contains(&entry.path()) {
                    let _ = std::fs::remove_file(entry.path());
                }
            }
        })
        .await;
    }

    async fn blocking<T: Send + 'static>(
        &self,
        checksum: Digest,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WeightsError> {
        tokio::task::spawn_blocking(work).await.map_err(|_| WeightsError::Abandoned(checksum))
    }
}

/// Whole or not at all: a crash leaves no half file under the final name.
fn store(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let partial = path.with_extension("part");
    std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path)).inspect_err(|_| {
        // What has been written only takes the room that was missing.
        let _ = std::fs::remove_file(&partial);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_fails_leaves_no_part_of_the_weights() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights.enc");
        // A directory under the final name: the bytes can be written, and not take their place.
        std::fs::create_dir(&path).unwrap();
        store(&path, b"weights").unwrap_err();
        assert!(!path.with_extension("part").exists());
        std::fs::remove_dir(&path).unwrap();
        store(&path, b"weights").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"weights");
    }

    #[tokio::test]
    async fn only_the_weights_of_the_registry_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let cache = WeightsCache::new(dir.path(), None).unwrap();
        let (kept, gone) = (Digest([1; 32]), Digest([2; 32]));
        for checksum in [kept, gone] {
            store(&cache.path(&checksum), b"weights").unwrap();
        }
        cache.keep(vec![kept]).await;
        assert!(cache.path(&kept).exists() && !cache.path(&gone).exists());
    }
}
