//! The services beside a node whose bodies are BCS (`protocol.md §8`): faucet, admin, and whether scoring is there.

use std::time::Duration;

use http::uri::PathAndQuery;
use serde::{Serialize, de::DeserializeOwned};
use tonic::{Request, Status};

use super::{
    ClientError,
    transport::{Node, excerpt, within},
};
use crate::chain::{
    bcs_codec::BcsCodec,
    services::{AdvanceEpochResponse, Empty, GasRequest, GasResponse, HealthResponse, path},
    types::Address,
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
    Ok(call_over(&Node::new(url)?, method, request, timeout).await?)
}

/// One call over a connection that may have carried others.
pub(super) async fn call_over<Q, A>(
    node: &Node,
    method: &'static str,
    request: Q,
    timeout: Duration,
) -> Result<A, Status>
where
    Q: Serialize + Send + Sync + 'static,
    A: DeserializeOwned + Send + Sync + 'static,
{
    let mut service = tonic::client::Grpc::new(node.channel());
    let answer = async {
        service.ready().await.map_err(|cause| Status::unavailable(cause.to_string()))?;
        service.unary(Request::new(request), PathAndQuery::from_static(method), BcsCodec::<Q, A>::default()).await
    };
    within(timeout, answer).await
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
