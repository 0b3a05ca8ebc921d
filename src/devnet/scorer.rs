//! Scores of published data by published models: downloads, decrypts, keeps models loaded.
//!
//! Shared by the scoring service and the auditor. One evaluation at a time runs on the device.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use futures::future::try_join_all;
use tokio::sync::{Mutex, Semaphore};

use crate::{
    model::{Model, ModelError, Score, apply_key_stream, winner},
    primitives::Digest,
    storage::{Fetcher, StorageError},
};

/// Models kept loaded.
const LOADED_MODELS: usize = 16;

/// A model's weights as a manifest publishes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Weights {
    pub url: String,
    /// Of the file as it is served.
    pub checksum: Digest,
    pub size: u64,
    /// `None`: the file is not encrypted.
    pub key: Option<[u8; 32]>,
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
    #[error("no model gives a finite loss")]
    NoWinner,
    #[error("the scoring thread stopped after an internal error")]
    Stopped,
}

pub(super) struct Scorer {
    fetcher: Fetcher,
    loaded: Mutex<VecDeque<(Weights, Arc<Model>)>>,
    device: Semaphore,
}

impl Scorer {
    pub fn new() -> Result<Self, StorageError> {
        Ok(Self { fetcher: Fetcher::new()?, loaded: Mutex::default(), device: Semaphore::new(1) })
    }

    pub async fn fetch(&self, url: &str, checksum: Digest, size: u64) -> Result<Bytes, StorageError> {
        self.fetcher.fetch(url, checksum, size).await
    }

    /// The data's score by every model, in their order.
    pub async fn evaluate(&self, data: Bytes, weights: &[Weights], seed: u64) -> Result<Evaluation, ScorerError> {
        let models = try_join_all(weights.iter().map(|weights| self.model(weights))).await?;
        // Never closed, so a permit always comes.
        let _device = self.device.acquire().await.map_err(|_| ScorerError::Stopped)?;
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
        let encrypted = self.fetcher.fetch(&weights.url, weights.checksum, weights.size).await?;
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
