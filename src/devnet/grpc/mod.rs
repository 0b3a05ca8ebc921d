//! The services of the RPC port: requests are checked here, answered from the ledger, and masked.
//!
//! Never changes the ledger but by a signed transaction that it lets the ledger judge.

mod executed;
mod execution_service;
mod front;
mod headers;
mod health;
mod ledger_service;
pub(super) mod mask;
mod page;
mod proxy;
mod state_service;
pub(super) mod status;
mod subscription_service;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tonic::{codec::CompressionEncoding, server::NamedService, service::Routes, transport::Server};

use self::{
    execution_service::ExecutionApi, front::Front, health::Health, ledger_service::LedgerApi, proxy::Proxy,
    state_service::StateApi, subscription_service::SubscriptionApi,
};
use super::{listen::Listener, node::Node, scorer::Scorer};
use crate::chain::proto::soma::rpc::{
    ledger_service_server::LedgerServiceServer, state_service_server::StateServiceServer,
    subscription_service_server::SubscriptionServiceServer,
    transaction_execution_service_server::TransactionExecutionServiceServer,
};

/// The services of the port. Any other path is an HTTP 404 without anything of gRPC's (`protocol-corrections.md §2`).
const SERVICES: &[&str] = &[
    LedgerServiceServer::<LedgerApi>::NAME,
    StateServiceServer::<StateApi>::NAME,
    TransactionExecutionServiceServer::<ExecutionApi>::NAME,
    SubscriptionServiceServer::<SubscriptionApi>::NAME,
    Health::NAME,
];

/// Serves until `stop`. `validator`: how the validator shows in texts. `scorer`: downloads what the plain HTTP paths give.
pub(super) async fn serve(
    listener: Listener,
    node: Node,
    validator: String,
    scorer: Arc<Scorer>,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    // As a real node: only this service compresses, and only if it is offered.
    let state = StateServiceServer::new(StateApi(node.clone())).send_compressed(CompressionEncoding::Zstd);
    let routes = Routes::new(LedgerServiceServer::new(LedgerApi(node.clone())))
        .add_service(state)
        .add_service(TransactionExecutionServiceServer::new(ExecutionApi { node: node.clone(), validator }))
        .add_service(SubscriptionServiceServer::new(SubscriptionApi { node: node.clone(), stop: stop.clone() }))
        .add_service(Health { services: SERVICES, stop: stop.clone() });
    let proxy = Arc::new(Proxy { node: node.clone(), scorer });
    Server::builder()
        .accept_http1(true)
        .layer(Front { node, proxy, services: SERVICES })
        .add_routes(routes)
        .serve_with_incoming_shutdown(listener.incoming(), stop.cancelled_owned())
        .await
}
