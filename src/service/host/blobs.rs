//! Data that requests name: fetched once for all who ask at the same time or soon after. Bounded by bytes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use tokio::sync::OnceCell;

use crate::{primitives::Digest, storage::StorageError};

type Blob = Arc<OnceCell<Bytes>>;

/// By (checksum, size).
pub(super) struct Blobs {
    /// The most recently used is last.
    kept: Mutex<VecDeque<((Digest, u64), Blob)>>,
    most_bytes: u64,
}

impl Blobs {
    pub fn new(most_bytes: u64) -> Self {
        Self { kept: Mutex::default(), most_bytes }
    }

    /// From memory, from somebody else's download that is on its way, or by `download`, which checks what it gives.
    pub async fn get(
        &self,
        checksum: Digest,
        size: u64,
        download: impl Future<Output = Result<Bytes, StorageError>>,
    ) -> Result<Bytes, StorageError> {
        let blob = self.place((checksum, size));
        // Whose download fails tells only its own caller; the next one who waits tries its own URL.
        blob.get_or_try_init(|| download).await.cloned()
    }

    fn place(&self, wanted: (Digest, u64)) -> Blob {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|(key, _)| *key == wanted).and_then(|place| kept.remove(place));
        let entry = found.unwrap_or_else(|| (wanted, Blob::default()));
        let blob = entry.1.clone();
        kept.push_back(entry);
        // Sizes are claims until the bytes are here: they count as claimed, so that nobody is surprised later.
        while kept.iter().map(|((_, size), _)| size).sum::<u64>() > self.most_bytes {
            kept.pop_front();
        }
        blob
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn two_who_ask_at_once_share_a_download_and_a_failure_is_nobody_elses() -> Result<(), StorageError> {
        let (blobs, downloads) = (Blobs::new(100), AtomicUsize::new(0));
        let digest = Digest([1; 32]);
        let good = async || {
            downloads.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(Bytes::from_static(b"soma"))
        };
        let bad = async || Err(StorageError::Download { url: String::new(), cause: "away".to_owned() });
        let (failed, found) = tokio::join!(blobs.get(digest, 4, bad()), blobs.get(digest, 4, good()));
        assert!(failed.is_err());
        assert_eq!(found?, &b"soma"[..]);
        let (one, two) = tokio::join!(blobs.get(digest, 4, good()), blobs.get(digest, 4, good()));
        assert_eq!((one?, two?), (Bytes::from_static(b"soma"), Bytes::from_static(b"soma")));
        assert_eq!(downloads.load(Ordering::Relaxed), 1);
        Ok(())
    }

    #[tokio::test]
    async fn what_does_not_fit_is_not_kept() -> Result<(), StorageError> {
        let blobs = Blobs::new(4);
        let give = async || Ok(Bytes::from_static(b"soma"));
        assert_eq!(blobs.get(Digest([1; 32]), 5, give()).await?.len(), 4);
        assert!(blobs.kept.lock().unwrap().is_empty());
        Ok(())
    }
}
