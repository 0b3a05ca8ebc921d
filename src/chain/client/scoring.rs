//! The client of a scoring service (`protocol.md §8.1`), ours or the official one.
//!
//! An official service ends its process at a target of another length than its models' embeddings (`protocol-corrections.md §0`): every
//! model is asked about with the dimension that it embeds into, and a request where these differ is not sent.

use std::{error::Error, sync::Arc, time::Duration};

use tonic::{Code, Status};

use super::{
    ActiveModelInfo, ClientError,
    auxiliary::call_over,
    transport::{Node, code_name, excerpt},
};
use crate::chain::{
    services::{Empty, HealthResponse, ModelManifest, ScoreRequest, ScoreResponse, path},
    types::{Digest, Manifest},
};

const HEALTH_TIMEOUT: Duration = Duration::from_secs(10);

/// A model as a scoring service is told of it.
#[derive(Clone)]
pub struct ScoringModel {
    pub url: String,
    /// Of the file as it is served.
    pub checksum: Digest,
    pub size: u64,
    /// `None`: the file is not encrypted.
    pub decryption_key: Option<[u8; 32]>,
    /// Of its embeddings.
    pub dim: usize,
}

impl From<&ActiveModelInfo> for ScoringModel {
    fn from(model: &ActiveModelInfo) -> Self {
        Self {
            url: model.url.clone(),
            checksum: model.checksum,
            size: model.size,
            decryption_key: Some(model.decryption_key),
            dim: model.embedding.len(),
        }
    }
}

/// What a scoring service found.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteScore {
    /// Index into the models asked about.
    pub winner: usize,
    /// The winner's.
    pub loss: f32,
    /// The winner's, `[dim]`.
    pub embedding: Vec<f32>,
    pub distance: f32,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScoringError {
    #[error("it cannot be asked about this: {0}")]
    NotSent(&'static str),
    /// It could not be reached, or did not answer in time.
    #[error("it does not answer: {0}")]
    Unreachable(String),
    /// It has too much to do.
    #[error("it is busy: {0}")]
    Busy(String),
    /// It tried, and could not: data or weights did not come, or have no score.
    #[error("it cannot score this: {0}")]
    Failed(String),
    /// It does not take such requests.
    #[error("it refuses this: {code}: {message}")]
    Refused { code: &'static str, message: String },
    /// The numbers of its answer are not finite.
    #[error("its numbers are not finite")]
    NotFinite,
    #[error("its answer is not understood: {0}")]
    Malformed(String),
}

impl From<Status> for ScoringError {
    fn from(status: Status) -> Self {
        let message = excerpt(status.message(), 1000);
        match status.code() {
            Code::ResourceExhausted => Self::Busy(message),
            // What a service says of its own work begins so.
            Code::Internal if message.starts_with("Runtime competition error") => Self::Failed(message),
            // A connection that broke in the middle.
            Code::Internal if status.source().is_some() => Self::Unreachable(message),
            // Our codec's words, or of a service that did not understand us.
            Code::Internal | Code::OutOfRange => Self::Malformed(message),
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown | Code::Aborted => {
                Self::Unreachable(message)
            }
            code => Self::Refused { code: code_name(code), message },
        }
    }
}

/// One service, over one connection, which is made at the first call. Its calls need a tokio runtime.
#[derive(Clone)]
pub struct ScoringClient(Arc<Node>);

impl ScoringClient {
    pub fn new(url: &str) -> Result<Self, ClientError> {
        Ok(Self(Arc::new(Node::new(url)?)))
    }

    /// `/scoring.Scoring/Health`.
    pub async fn health(&self) -> Result<bool, ScoringError> {
        let answer: HealthResponse = call_over(&self.0, path::SCORING_HEALTH, Empty {}, HEALTH_TIMEOUT).await?;
        Ok(answer.ok)
    }

    /// `/scoring.Scoring/Score`: every model on the data of the manifest.
    pub async fn score(
        &self,
        data: &Manifest,
        models: &[ScoringModel],
        target_embedding: &[f32],
        seed: u64,
        timeout: Duration,
    ) -> Result<RemoteScore, ScoringError> {
        let request = score_request(data, models, target_embedding, seed)?;
        let answer: ScoreResponse = call_over(&self.0, path::SCORE, request, timeout).await?;
        remote_score(&answer, models.len(), target_embedding.len())
    }
}

fn score_request(
    data: &Manifest,
    models: &[ScoringModel],
    target_embedding: &[f32],
    seed: u64,
) -> Result<ScoreRequest, ScoringError> {
    if models.is_empty() || target_embedding.is_empty() {
        return Err(ScoringError::NotSent("scoring needs a model and a target"));
    }
    if models.iter().any(|model| model.dim != target_embedding.len()) {
        return Err(ScoringError::NotSent("the target's dimension is not that of every model"));
    }
    if target_embedding.iter().any(|value| !value.is_finite()) {
        return Err(ScoringError::NotSent("the target's numbers must be finite"));
    }
    Ok(ScoreRequest {
        data_url: data.url().to_owned(),
        data_checksum: data.checksum().to_string(),
        data_size: data.size(),
        model_manifests: models
            .iter()
            .map(|model| ModelManifest {
                url: model.url.clone(),
                checksum: model.checksum.to_string(),
                size: model.size,
                decryption_key: model.decryption_key.map(|key| Digest(key).to_string()),
            })
            .collect(),
        target_embedding: target_embedding.iter().map(|value| value.to_bits()).collect(),
        seed,
    })
}

fn remote_score(answer: &ScoreResponse, models: usize, dimension: usize) -> Result<RemoteScore, ScoringError> {
    let malformed = |cause: &str| ScoringError::Malformed(format!("the score {cause}"));
    let winner = usize::try_from(answer.winner).ok().filter(|winner| *winner < models);
    let winner = winner.ok_or_else(|| malformed("names no model as the winner"))?;
    let [loss] = answer.loss_score[..] else { return Err(malformed("has not exactly one loss")) };
    let [distance] = answer.distance[..] else { return Err(malformed("has not exactly one distance")) };
    if answer.embedding.len() != dimension {
        return Err(malformed("has an embedding of another dimension"));
    }
    let embedding: Vec<f32> = answer.embedding.iter().map(|bits| f32::from_bits(*bits)).collect();
    let score = RemoteScore { winner, loss: f32::from_bits(loss), embedding, distance: f32::from_bits(distance) };
    let is_finite =
        score.loss.is_finite() && score.distance.is_finite() && score.embedding.iter().all(|v| v.is_finite());
    if is_finite { Ok(score) } else { Err(ScoringError::NotFinite) }
}
