//! The services of the RPC port: requests are checked here, answered from the ledger, and masked.
//!
//! Never changes the ledger but by a signed transaction that it lets the ledger judge.

mod executed;
mod execution_service;
mod headers;
mod ledger_service;
pub(super) mod mask;
mod page;
mod state_service;
pub(super) mod status;
mod subscription_service;

use tokio_util::sync::CancellationToken;
use tonic::{service::Routes, transport::Server};
use tower::util::MapResponseLayer;

use self::{
    execution_service::ExecutionApi, ledger_service::LedgerApi, state_service::StateApi,
    subscription_service::SubscriptionApi,
};
use super::{listen::Listener, node::Node};
use crate::chain::proto::soma::rpc::{
    ledger_service_server::LedgerServiceServer, state_service_server::StateServiceServer,
    subscription_service_server::SubscriptionServiceServer,
    transaction_execution_service_server::TransactionExecutionServiceServer,
};

/// Serves until `stop`. `validator`: how the validator shows in texts.
pub(super) async fn serve(
    listener: Listener,
    node: Node,
    validator: String,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let routes = Routes::new(LedgerServiceServer::new(LedgerApi(node.clone())))
        .add_service(StateServiceServer::new(StateApi(node.clone())))
        .add_service(TransactionExecutionServiceServer::new(ExecutionApi { node: node.clone(), validator }))
        .add_service(SubscriptionServiceServer::new(SubscriptionApi { node: node.clone(), stop: stop.clone() }));
    let with_headers = MapResponseLayer::new(move |mut response: http::Response<_>| {
        headers::add(&node.head(), response.headers_mut());
        response
    });
    Server::builder()
        .layer(with_headers)
        .add_routes(routes)
        .serve_with_incoming_shutdown(listener.incoming(), stop.cancelled_owned())
        .await
}
