//! `grpc.health.v1.Health`: serving, as long as somebody answers. The messages have a field each, so they are written here.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream, stream::BoxStream};
use prost::Message;
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Request, Response, Status,
    body::Body,
    server::{Grpc, NamedService, ServerStreamingService},
};
use tonic_prost::ProstCodec;
use tower::Service;

#[derive(Clone, PartialEq, Message)]
pub struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    pub service: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct HealthCheckResponse {
    /// 1: serving.
    #[prost(int32, tag = "1")]
    pub status: i32,
}

const SERVING: i32 = 1;

/// Knows the names of the services; the empty name is the whole server.
#[derive(Clone)]
pub(super) struct Health {
    pub services: &'static [&'static str],
    pub stop: CancellationToken,
}

impl NamedService for Health {
    const NAME: &'static str = "grpc.health.v1.Health";
}

impl Health {
    fn check(&self, service: &str) -> Result<HealthCheckResponse, Status> {
        match service.is_empty() || self.services.contains(&service) {
            true => Ok(HealthCheckResponse { status: SERVING }),
            false => Err(Status::new(Code::NotFound, "service not registered")),
        }
    }
}

/// One status, then silence until the server stops: nothing ever changes before.
struct Watch(Health);

impl ServerStreamingService<HealthCheckRequest> for Watch {
    type Response = HealthCheckResponse;
    type ResponseStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<HealthCheckRequest>) -> Self::Future {
        let first = self.0.check(&request.get_ref().service);
        let rest = stream::pending().take_until(self.0.stop.clone().cancelled_owned());
        async move { Ok(Response::new(stream::iter([first]).chain(rest).boxed())) }.boxed()
    }
}

impl Service<http::Request<Body>> for Health {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let health = self.clone();
        let mut grpc = Grpc::new(ProstCodec::<HealthCheckResponse, HealthCheckRequest>::default());
        async move {
            Ok(match request.uri().path().rsplit('/').next() {
                Some("Check") => {
                    let check = tower::service_fn(move |request: Request<HealthCheckRequest>| {
                        let answer = health.check(&request.get_ref().service).map(Response::new);
                        async move { answer }
                    });
                    grpc.unary(check, request).await
                }
                Some("Watch") => grpc.server_streaming(Watch(health), request).await,
                _ => Status::unimplemented("").into_http(),
            })
        }
        .boxed()
    }
}
