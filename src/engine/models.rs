//! Models that stay loaded, for whoever scores without an engine: the same cache, checks and memory budget.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use super::scoring::{Budget, Residents, WeightsCache, WeightsError, WeightsSpec};
use crate::{
    model::{Model, ModelError, Placement},
    primitives::Digest,
    storage::{Fetcher, StorageError},
};

/// Weights as a manifest publishes them.
#[derive(Clone, Copy)]
pub struct Published<'a> {
    pub url: &'a str,
    /// Of the file as it is served.
    pub checksum: Digest,
    pub size: u64,
    /// `None`: the file is not encrypted.
    pub key: Option<[u8; 32]>,
}

impl Published<'_> {
    fn spec(&self) -> WeightsSpec {
        WeightsSpec { checksum: self.checksum, url: self.url.to_owned(), size: self.size, key: self.key }
    }
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum ModelsError {
    #[error(transparent)]
    Blob(StorageError),
    #[error(transparent)]
    Model(ModelError),
    #[error("{0}")]
    Other(String),
}

impl From<WeightsError> for ModelsError {
    fn from(error: WeightsError) -> Self {
        match error {
            WeightsError::Fetch(error) => Self::Blob(error),
            WeightsError::Load { cause, .. } => Self::Model(cause),
            WeightsError::OverBudget { needed, budget, .. } => {
                Self::Other(format!("weights of {needed} bytes do not fit the {budget} bytes for models here"))
            }
            error => Self::Other(error.to_string()),
        }
    }
}

/// The weights directory and what is loaded from it.
pub struct Models {
    residents: Residents,
    /// Weights and their sizes, the most recently used last: the others make room on the disk first.
    recent: Mutex<VecDeque<(Digest, u64)>>,
    /// Bytes of those.
    most_recent: u64,
}

impl Models {
    /// `budget`: of models in memory.
    pub fn new(dir: &Path, heads: Option<usize>, fetcher: Fetcher, budget: Budget) -> Self {
        let cache = WeightsCache::with_fetcher(dir, heads, fetcher);
        let most_recent = budget.largest();
        Self { residents: Residents::new(cache, budget), recent: Mutex::default(), most_recent }
    }

    /// Bytes that the model takes on the device. What is not here is fetched for it, but not loaded; what can never be is an error.
    pub async fn memory(&self, weights: Published<'_>, placement: Placement) -> Result<u64, ModelsError> {
        Ok(self.residents.memory(&weights.spec(), placement).await?)
    }

    /// From memory, disk, or where it is published.
    pub async fn get(&self, weights: Published<'_>, placement: Placement) -> Result<Arc<Model>, ModelsError> {
        let model = self.residents.get(&weights.spec(), placement).await?;
        if let Some(named) = self.note(weights.checksum, weights.size) {
            let residents = self.residents.clone();
            tokio::spawn(async move { residents.keep(named).await });
        }
        Ok(model)
    }

    /// Gives what is to be kept, if that has changed.
    fn note(&self, checksum: Digest, size: u64) -> Option<Vec<Digest>> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let known = recent.iter().position(|(known, _)| *known == checksum);
        let entry = known.and_then(|place| recent.remove(place)).unwrap_or((checksum, size));
        recent.push_back(entry);
        if known.is_some() {
            return None;
        }
        // As much as can be loaded at once; what is beyond that is kept on disk within a bound.
        while recent.len() > 1 && recent.iter().map(|(_, size)| size).sum::<u64>() > self.most_recent {
            recent.pop_front();
        }
        Some(recent.iter().map(|(checksum, _)| *checksum).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_and_fits_the_memory_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let models = Models::new(dir.path(), None, Fetcher::new().unwrap(), Budget::of(10));
        let digest = |n: u8| Digest([n; 32]);
        assert_eq!(models.note(digest(1), 5), Some(vec![digest(1)]));
        assert_eq!(models.note(digest(2), 5), Some(vec![digest(1), digest(2)]));
        assert_eq!(models.note(digest(1), 5), None);
        assert_eq!(models.note(digest(3), 4), Some(vec![digest(1), digest(3)]));
        assert_eq!(models.note(digest(4), 99), Some(vec![digest(4)]));
    }
}
