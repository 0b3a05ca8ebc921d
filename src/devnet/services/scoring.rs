//! Scoring: what a submitter without a device of its own asks.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use tonic::{Code, Status};

use super::{BcsApi, HttpRequest, HttpResponse, unary};
use crate::{
    chain::services::{Empty, HealthResponse, ModelManifest, ScoreRequest, ScoreResponse, path},
    devnet::scorer::{Scorer, ScorerError, Weights},
    model::{ModelError, cosine_distance},
    primitives::Digest,
    storage::StorageError,
};

pub(in crate::devnet) struct ScoringApi {
    scorer: Arc<Scorer>,
    /// What a submission may have; a request's size is a stranger's claim.
    max_data_bytes: u64,
    turns: Semaphore,
}

impl BcsApi for ScoringApi {
    const NAME: &'static str = "scoring.Scoring";

    fn call(self: Arc<Self>, path: &str, request: HttpRequest) -> Option<BoxFuture<'static, HttpResponse>> {
        match path {
            path::SCORE => Some(unary(request, move |request| async move { self.score(request).await })),
            path::SCORING_HEALTH => Some(unary(request, |_: Empty| async { Ok(HealthResponse { ok: true }) })),
            _ => None,
        }
    }
}

impl ScoringApi {
    pub fn new(scorer: Arc<Scorer>, max_data_bytes: u64) -> Self {
        Self { scorer, max_data_bytes, turns: Semaphore::new(1) }
    }

    async fn score(&self, request: ScoreRequest) -> Result<ScoreResponse, Status> {
        if request.model_manifests.is_empty() {
            return Err(Status::invalid_argument("At least one model manifest is required"));
        }
        if request.target_embedding.is_empty() {
            return Err(Status::invalid_argument("Target embedding must not be empty"));
        }
        if request.data_size > self.max_data_bytes {
            let most = self.max_data_bytes;
            return Err(Status::invalid_argument(format!("Data size must be at most {most} bytes")));
        }
        let data_url = url(&request.data_url)?;
        let data_checksum = checksum(&request.data_checksum)?;
        let weights = request.model_manifests.iter().map(weights).collect::<Result<Vec<_>, _>>()?;
        let target: Vec<f32> = request.target_embedding.iter().map(|bits| f32::from_bits(*bits)).collect();

        let data = self.scorer.fetch(&data_url, data_checksum, request.data_size).await;
        let data = data.map_err(|e| competition_error(&ScorerError::Blob(e)))?;
        let evaluation = self.scorer.evaluate(data, &weights, request.seed, &self.turns).await;
        let evaluation = evaluation.map_err(|e| competition_error(&e))?;
        let winning = evaluation.winning();
        // A real service ends here (`protocol-corrections.md §0`).
        if winning.embedding.len() != target.len() {
            return Err(Status::invalid_argument(format!(
                "Target embedding must be of the models' dimension {}, got {}",
                winning.embedding.len(),
                target.len()
            )));
        }
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect();
        Ok(ScoreResponse {
            winner: evaluation.winner as u64,
            loss_score: bits(&[winning.loss]),
            embedding: bits(&winning.embedding),
            distance: bits(&[cosine_distance(&winning.embedding, &target)]),
        })
    }
}

/// A real service leaves a bad URL to its parser and calls it its own fault.
fn url(text: &str) -> Result<String, Status> {
    url::Url::parse(text).map(String::from).map_err(|e| Status::internal(e.to_string()))
}

fn checksum(text: &str) -> Result<Digest, Status> {
    base58(text, "checksum").and_then(|bytes| {
        Digest::try_from(&*bytes)
            .map_err(|_| Status::invalid_argument(format!("Checksum must be 32 bytes, got {}", bytes.len())))
    })
}

/// A real service ends at a key of wrong length.
fn key(text: &str) -> Result<[u8; 32], Status> {
    let bytes = base58(text, "decryption key")?;
    <[u8; 32]>::try_from(&*bytes)
        .map_err(|_| Status::invalid_argument(format!("Decryption key must be 32 bytes, got {}", bytes.len())))
}

fn base58(text: &str, name: &str) -> Result<Vec<u8>, Status> {
    bs58::decode(text).into_vec().map_err(|_| {
        Status::invalid_argument(format!("Invalid base58 {name}: Invalid value was given to the function"))
    })
}

fn weights(manifest: &ModelManifest) -> Result<Weights, Status> {
    Ok(Weights {
        url: url(&manifest.url)?,
        checksum: checksum(&manifest.checksum)?,
        size: manifest.size,
        key: manifest.decryption_key.as_deref().map(key).transpose()?,
    })
}

/// The texts of node-capture.json, `scoring/…`.
fn competition_error(error: &ScorerError) -> Status {
    let text = match error {
        ScorerError::Blob(StorageError::Size { expected, found, .. }) => {
            format!("Blob error: size mismatch: expected {expected} bytes, got {found} bytes")
        }
        ScorerError::Blob(StorageError::Checksum { expected, found, .. }) => {
            format!("Blob error: checksum mismatch: expected {expected}, computed {found}")
        }
        ScorerError::Blob(StorageError::Download { url, cause }) => format!("Blob error: {cause} from {url}"),
        ScorerError::Blob(error) => format!("Blob error: {error}"),
        ScorerError::Model(ModelError::EmptyData) => "Empty data: data loader produced no batches".to_owned(),
        ScorerError::Model(error) => format!("Model error: \"{error}\""),
        ScorerError::HugeWeights(_) | ScorerError::NoWinner | ScorerError::Stopped => error.to_string(),
    };
    Status::new(Code::Internal, format!("Runtime competition error: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> ScoreRequest {
        ScoreRequest {
            data_url: "http://127.0.0.1:9/d.bin".to_owned(),
            data_checksum: Digest([1; 32]).to_string(),
            data_size: 3,
            model_manifests: vec![ModelManifest {
                url: "http://127.0.0.1:9/w.enc".to_owned(),
                checksum: Digest([2; 32]).to_string(),
                size: 7,
                decryption_key: None,
            }],
            target_embedding: vec![0],
            seed: 0,
        }
    }

    async fn refusal(request: ScoreRequest) -> (Code, String) {
        let api = ScoringApi::new(Arc::new(Scorer::new().expect("a client")), 1000);
        let status = api.score(request).await.expect_err("nothing is served on this port");
        (status.code(), status.message().to_owned())
    }

    #[tokio::test]
    async fn a_request_that_cannot_be_scored_is_refused_in_a_nodes_words() {
        let key = |text: &str| {
            let manifest = request().model_manifests[0].clone();
            vec![ModelManifest { decryption_key: Some(text.to_owned()), ..manifest }]
        };
        let cases = [
            (ScoreRequest { model_manifests: Vec::new(), ..request() }, "At least one model manifest is required"),
            (ScoreRequest { target_embedding: Vec::new(), ..request() }, "Target embedding must not be empty"),
            (ScoreRequest { data_size: 1001, ..request() }, "Data size must be at most 1000 bytes"),
            (
                ScoreRequest { data_checksum: "0OIl".to_owned(), ..request() },
                "Invalid base58 checksum: Invalid value was given to the function",
            ),
            (ScoreRequest { data_checksum: "abcd".to_owned(), ..request() }, "Checksum must be 32 bytes, got 3"),
            (ScoreRequest { model_manifests: key("abcd"), ..request() }, "Decryption key must be 32 bytes, got 3"),
        ];
        for (request, text) in cases {
            assert_eq!(refusal(request).await, (Code::InvalidArgument, text.to_owned()));
        }
    }

    #[tokio::test]
    async fn a_url_that_is_none_is_the_services_own_error() {
        let bad = ScoreRequest { data_url: "d.bin".to_owned(), ..request() };
        assert_eq!(refusal(bad).await, (Code::Internal, "relative URL without a base".to_owned()));
    }

    #[test]
    fn blobs_that_are_not_what_they_should_be_are_told_with_both_values() {
        let size = StorageError::Size { url: String::new(), expected: 321, found: 320 };
        assert_eq!(
            competition_error(&size.into()).message(),
            "Runtime competition error: Blob error: size mismatch: expected 321 bytes, got 320 bytes"
        );
    }
}
