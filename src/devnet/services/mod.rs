//! The services whose bodies are BCS (`protocol.md §8`): scoring, faucet, admin. Their framing, and what a scoring request may be, is
//! shared with `somascope serve`.

mod admin;
mod faucet;
mod scoring;

pub(super) use admin::AdminApi;
pub(super) use faucet::FaucetApi;
pub(super) use scoring::scoring_api;

use tokio_util::sync::CancellationToken;

use super::listen::Listener;
use crate::service::{self, BcsApi, HttpRequest, HttpResponse, unary};

/// Serves until `stop`.
pub(super) async fn serve<S: BcsApi>(
    listener: Listener,
    api: S,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    service::serve(listener.incoming(), api, stop).await
}
