//! Scores of published data by published models: downloads, decrypts, keeps models loaded.
//!
//! Shared by the scoring service and the auditor, which take turns each for itself: neither waits behind the other's queue.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::try_join_all;
use tokio::sync::{Mutex, Semaphore};

use crate::{
    chain::types::ActiveModel,
    model::{Model, ModelError, Score, apply_key_stream, winner},
    primitives::Digest,
    service::Weights,
    storage::{Fetcher, StorageError},
};

/// Models kept loaded.
const LOADED_MODELS: usize = 16;
/// More than a model of the real network's size has (4.5 GiB); a manifest's size is a stranger's claim.
pub(super) const MAX_WEIGHTS_BYTES: u64 = 5 << 30;
/// A whole download may take this long, and what its size takes on a slow line.
const BASE_PATIENCE: Duration = Duration::from_secs(5);
const SLOW_LINE_BYTES_PER_SECOND: u64 = 4 << 20;

impl Weights {
    /// What a revealed model publishes.
    pub(super) fn published(model: &ActiveModel) -> Self {
        let manifest = &model.commitment.manifest;
        Self {
            url: manifest.url().to_owned(),
            checksum: manifest.checksum(),
            size: manifest.size(),
            key: Some(model.decryption_key.0),
        }
    }
}

/// Every model's score of one piece of data.
#[derive(Debug)]
pub(super) struct Evaluation {
    pub scores: Vec<Score>,
    /// Index of the least loss.
    pub winner: usize,
}

impl Evaluation {
    pub fn winning(&self) -> &Score {
        &self.scores[self.winner]
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ScorerError {
    #[error(transparent)]
    Blob(#[from] StorageError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("weights of {0} bytes: at most {MAX_WEIGHTS_BYTES} are loaded")]
    HugeWeights(u64),
    #[error("no model gives a finite loss")]
    NoWinner,
    #[error("the scoring thread stopped after an internal error")]
    Stopped,
}

pub(super) struct Scorer {
    fetcher: Fetcher,
    loaded: Mutex<VecDeque<(Weights, Arc<Model>)>>,
}

/// Ends a download that a slow line would have finished: a server that sends a byte now and then holds nobody up.
pub(super) async fn in_time(
    url: &str,
    size: u64,
    download: impl Future<Output = Result<Bytes, StorageError>>,
) -> Result<Bytes, StorageError> {
    let patience = BASE_PATIENCE + Duration::from_secs(size / SLOW_LINE_BYTES_PER_SECOND);
    let late = |_| {
        let cause = format!("not complete after {} s", patience.as_secs());
        Err(StorageError::Download { url: url.to_owned(), cause })
    };
    tokio::time::timeout(patience, download).await.unwrap_or_else(late)
}

impl Scorer {
    pub fn new() -> Result<Self, StorageError> {
        Ok(Self { fetcher: Fetcher::new()?, loaded: Mutex::default() })
    }

    pub async fn fetch(&self, url: &str, checksum: Digest, size: u64) -> Result<Bytes, StorageError> {
        in_time(url, size, self.fetcher.fetch(url, checksum, size)).await
    }

    /// The data's score by every model, in their order. `turns` are the caller's own, one permit for each evaluation at a time.
    pub async fn evaluate(
        &self,
        data: Bytes,
        weights: &[Weights],
        seed: u64,
        turns: &Semaphore,
    ) -> Result<Evaluation, ScorerError> {
        let models = try_join_all(weights.iter().map(|weights| self.model(weights))).await?;
        // Never closed, so a permit always comes.
        let _turn = turns.acquire().await.map_err(|_| ScorerError::Stopped)?;
        tokio::task::spawn_blocking(move || {
            let scores = models.iter().map(|model| model.score(&data, seed)).collect::<Result<Vec<_>, _>>()?;
            let losses: Vec<f32> = scores.iter().map(|score| score.loss).collect();
            let winner = winner(&losses).ok_or(ScorerError::NoWinner)?;
            Ok(Evaluation { scores, winner })
        })
        .await
        .map_err(|_| ScorerError::Stopped)?
    }

    /// A model from memory, or from where its manifest says.
    async fn model(&self, weights: &Weights) -> Result<Arc<Model>, ScorerError> {
        if let Some(model) = self.recall(weights).await {
            return Ok(model);
        }
        if weights.size > MAX_WEIGHTS_BYTES {
            return Err(ScorerError::HugeWeights(weights.size));
        }
        let encrypted = self.fetch(&weights.url, weights.checksum, weights.size).await?;
        let key = weights.key;
        let model = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::from(encrypted);
            if let Some(key) = key {
                apply_key_stream(&key, &mut bytes);
            }
            Model::from_safetensors(&bytes, None)
        })
        .await
        .map_err(|_| ScorerError::Stopped)??;
        let model = Arc::new(model);
        let mut loaded = self.loaded.lock().await;
        loaded.push_back((weights.clone(), model.clone()));
        if loaded.len() > LOADED_MODELS {
            loaded.pop_front();
        }
        Ok(model)
    }

    /// The same bytes under the same key are the same model, wherever they come from. The most recently used is last.
    async fn recall(&self, wanted: &Weights) -> Option<Arc<Model>> {
        let mut loaded = self.loaded.lock().await;
        let same =
            |known: &Weights| (known.checksum, known.size, known.key) == (wanted.checksum, wanted.size, wanted.key);
        let place = loaded.iter().position(|(known, _)| same(known))?;
        let entry = loaded.remove(place)?;
        let model = entry.1.clone();
        loaded.push_back(entry);
        Some(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn weights_of_a_claimed_size_that_no_model_has_are_not_even_asked_for() {
        let weights = Weights {
            url: "http://127.0.0.1:9/w.enc".to_owned(),
            checksum: Digest([1; 32]),
            size: MAX_WEIGHTS_BYTES + 1,
            key: None,
        };
        let scorer = Scorer::new().expect("a client");
        let refused = scorer.evaluate(Bytes::new(), &[weights], 0, &Semaphore::new(1)).await;
        assert!(matches!(refused, Err(ScorerError::HugeWeights(_))), "{refused:?}");
    }
}
