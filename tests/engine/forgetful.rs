//! A node that has pruned its past: the embedded one, but for old versions of objects and certain transactions.

use std::{
    collections::HashSet,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use prost::Message;
use somascope::{
    chain::proto::soma::rpc::{GetObjectRequest, GetTransactionRequest},
    primitives::Digest,
};
use tonic::{
    body::Body,
    transport::{Channel, Endpoint},
};
use tower::{Service, ServiceExt};

/// Forwards to `node` until the test ends, but knows no object at an older version and none of these transactions. Gives
/// the URL.
pub async fn start(node: &str, forgotten: HashSet<Digest>) -> String {
    let channel = Endpoint::from_shared(node.to_owned()).expect("a URL").connect_lazy();
    let service = Pruned { channel, forgotten: Arc::new(forgotten) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                // It ends when its client goes away.
                let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    url
}

#[derive(Clone)]
struct Pruned {
    channel: Channel,
    forgotten: Arc<HashSet<Digest>>,
}

impl<B> Service<Request<B>> for Pruned
where
    B: BodyExt<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(self.clone().answer(request.map(Body::new)))
    }
}

impl Pruned {
    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, tonic::transport::Error> {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        if !matches!(method.as_str(), "GetObject" | "GetTransaction") {
            return self.channel.oneshot(request).await;
        }
        let (head, body) = request.into_parts();
        let bytes = body.collect().await.expect("a whole request").to_bytes();
        // Behind the five bytes of gRPC's frame.
        let message = &bytes[5..];
        let gone = match method.as_str() {
            "GetObject" => GetObjectRequest::decode(message).expect("a request").version.is_some(),
            _ => {
                let digest = GetTransactionRequest::decode(message).expect("a request").digest;
                self.forgotten.contains(&digest.expect("a digest").parse().expect("Base58"))
            }
        };
        if gone {
            let answer = Response::builder().header("content-type", "application/grpc").header("grpc-status", "5");
            return Ok(answer.body(Body::empty()).expect("well-formed"));
        }
        self.channel.oneshot(Request::from_parts(head, Body::new(Full::new(bytes)))).await
    }
}
