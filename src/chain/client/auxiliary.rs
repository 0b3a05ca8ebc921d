//! The services beside a node whose bodies are BCS: faucet, admin, scoring (`protocol.md §8`).

use std::time::Duration;

use http::uri::PathAndQuery;
use serde::{Serialize, de::DeserializeOwned};
use tonic::{Request, Status};

use super::{
    ActiveModelInfo, ClientError,
    transport::{Node, excerpt, within},
};
use crate::chain::{
    bcs_codec::BcsCodec,
    services::{
        AdvanceEpochResponse, Empty, GasRequest, GasResponse, HealthResponse, ModelManifest, ScoreRequest,
        ScoreResponse, path,
    },
    types::{Address, Digest, Manifest},
};

/// A faucet waits for its transaction.
const FAUCET_TIMEOUT: Duration = Duration::from_secs(60);
/// The server itself gives up after 120 s.
const ADVANCE_TIMEOUT: Duration = Duration::from_secs(130);
const HEALTH_TIMEOUT: Duration = Duration::from_secs(10);

/// One call over a connection of its own: these services are asked rarely.
async fn call<Q, A>(url: &str, method: &'static str, request: Q, timeout: Duration) -> Result<A, ClientError>
where
    Q: Serialize + Send + Sync + 'static,
    A: DeserializeOwned + Send + Sync + 'static,
{
    let mut service = tonic::client::Grpc::new(Node::new(url)?.channel());
    let answer = async {
        service.ready().await.map_err(|cause| Status::unavailable(cause.to_string()))?;
        service.unary(Request::new(request), PathAndQuery::from_static(method), BcsCodec::<Q, A>::default()).await
    };
    Ok(within(timeout, answer).await?)
}

/// `/faucet.Faucet/RequestGas`: the amounts sent.
pub async fn request_faucet(url: &str, recipient: Address) -> Result<Vec<u64>, ClientError> {
    let request = GasRequest { recipient: recipient.to_string() };
    let answer: GasResponse = call(url, path::REQUEST_GAS, request, FAUCET_TIMEOUT).await?;
    match answer.status.as_str() {
        "Success" => Ok(answer.coins_sent.iter().map(|coin| coin.amount).collect()),
        other => Err(ClientError::Malformed(format!("the faucet answered `{}`", excerpt(other, 200)))),
    }
}

/// `/admin.Admin/AdvanceEpoch`: the new epoch.
pub async fn advance_epoch(url: &str) -> Result<u64, ClientError> {
    let answer: AdvanceEpochResponse = call(url, path::ADVANCE_EPOCH, Empty {}, ADVANCE_TIMEOUT).await?;
    Ok(answer.epoch)
}

/// `/scoring.Scoring/Health`.
pub async fn scoring_health(url: &str) -> Result<bool, ClientError> {
    let answer: HealthResponse = call(url, path::SCORING_HEALTH, Empty {}, HEALTH_TIMEOUT).await?;
    Ok(answer.ok)
}

/// What a scoring service found.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteScore {
    /// Index into the models asked about.
    pub winner: usize,
    /// The winner's.
    pub loss: Vec<f32>,
    /// The winner's, `[dim]`.
    pub embedding: Vec<f32>,
    pub distance: f32,
}

/// `/scoring.Scoring/Score`: every model on the data of the manifest. Keys are 32 bytes by type; an embedding whose length
/// or numbers are wrong is refused here, because it would end the server's process (`protocol-corrections.md §0`).
pub async fn score(
    url: &str,
    data: &Manifest,
    models: &[ActiveModelInfo],
    target_embedding: &[f32],
    seed: u64,
    timeout: Duration,
) -> Result<RemoteScore, ClientError> {
    let request = score_request(data, models, target_embedding, seed)?;
    let answer: ScoreResponse = call(url, path::SCORE, request, timeout).await?;
    remote_score(&answer, models.len(), target_embedding.len())
}

fn score_request(
    data: &Manifest,
    models: &[ActiveModelInfo],
    target_embedding: &[f32],
    seed: u64,
) -> Result<ScoreRequest, ClientError> {
    let not_sent = |message: &str| Err(ClientError::Refused { code: "NOT_SENT", message: message.to_owned() });
    if models.is_empty() || target_embedding.is_empty() {
        return not_sent("scoring needs a model and a target");
    }
    if models.iter().any(|model| model.embedding.len() != target_embedding.len()) {
        return not_sent("the target's dimension is not that of every model");
    }
    if target_embedding.iter().any(|value| !value.is_finite()) {
        return not_sent("the target's numbers must be finite");
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
                decryption_key: Some(Digest(model.decryption_key).to_string()),
            })
            .collect(),
        target_embedding: target_embedding.iter().map(|value| value.to_bits()).collect(),
        seed,
    })
}

fn remote_score(answer: &ScoreResponse, models: usize, dimension: usize) -> Result<RemoteScore, ClientError> {
    let malformed = |cause: &str| ClientError::Malformed(format!("the score {cause}"));
    let floats = |bits: &[u32]| -> Result<Vec<f32>, ClientError> {
        let values: Vec<f32> = bits.iter().map(|bits| f32::from_bits(*bits)).collect();
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(values),
            false => Err(malformed("has numbers that are not finite")),
        }
    };
    let winner = usize::try_from(answer.winner).ok().filter(|winner| *winner < models);
    let (embedding, distance) = (floats(&answer.embedding)?, floats(&answer.distance)?);
    let [distance] = distance[..] else { return Err(malformed("has not exactly one distance")) };
    if embedding.len() != dimension {
        return Err(malformed("has an embedding of another dimension"));
    }
    Ok(RemoteScore {
        winner: winner.ok_or_else(|| malformed("names no model as the winner"))?,
        loss: floats(&answer.loss_score)?,
        embedding,
        distance,
    })
}
