//! gRPC services whose bodies are BCS (`protocol.md §8`): one request, one answer, no code generated.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use serde::{Serialize, de::DeserializeOwned};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status,
    body::Body,
    server::{Grpc, NamedService},
    transport::{Server, server::TcpIncoming},
};

use crate::chain::bcs_codec::BcsCodec;

/// Calls at once on one connection.
const CALLS: u32 = 256;
const ALIVE: Duration = Duration::from_secs(30);

pub type HttpRequest = http::Request<Body>;
pub type HttpResponse = http::Response<Body>;

/// One service: its name, and its methods by path.
pub trait BcsApi: Send + Sync + 'static {
    const NAME: &'static str;

    /// `None`: no such method.
    fn call(self: Arc<Self>, path: &str, request: HttpRequest) -> Option<BoxFuture<'static, HttpResponse>>;
}

/// Decodes one request, lets `answer` answer it, and encodes that.
pub fn unary<Q, A, F>(
    request: HttpRequest,
    answer: impl FnOnce(Q) -> F + Send + 'static,
) -> BoxFuture<'static, HttpResponse>
where
    Q: DeserializeOwned + Send + Sync + 'static,
    A: Serialize + Send + Sync + 'static,
    F: Future<Output = Result<A, Status>> + Send + 'static,
{
    let mut answer = Some(answer);
    let service = tower::service_fn(move |request: Request<Q>| {
        let answer = answer.take().map(|answer| answer(request.into_inner()));
        async move {
            match answer {
                Some(answer) => answer.await.map(Response::new),
                None => Err(Status::internal("a unary call has one request")),
            }
        }
    });
    async move { Grpc::new(BcsCodec::<A, Q>::default()).unary(service, request).await }.boxed()
}

struct BcsServer<S>(Arc<S>);

impl<S> Clone for BcsServer<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: BcsApi> NamedService for BcsServer<S> {
    const NAME: &'static str = S::NAME;
}

impl<S: BcsApi> tower::Service<HttpRequest> for BcsServer<S> {
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<HttpResponse, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let path = request.uri().path().to_owned();
        match self.0.clone().call(&path, request) {
            Some(answer) => answer.map(Ok).boxed(),
            None => futures::future::ready(Ok(Status::unimplemented("").into_http())).boxed(),
        }
    }
}

/// Serves until `stop`, then lets running calls end.
pub async fn serve<S: BcsApi>(
    incoming: TcpIncoming,
    api: S,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    Server::builder()
        .max_concurrent_streams(Some(CALLS))
        // Who is gone without a word frees what it holds.
        .http2_keepalive_interval(Some(ALIVE))
        .http2_keepalive_timeout(Some(ALIVE))
        .add_service(BcsServer(Arc::new(api)))
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
        .await
}
