//! A node of the network after its next upgrade: the embedded one, but for the protocol version that it tells.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{BufMut, Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use prost::Message;
use somascope::chain::proto::soma::rpc::GetEpochResponse;
use tonic::{
    body::Body,
    transport::{Channel, Endpoint},
};
use tower::{Service, ServiceExt};

pub const VERSION: u64 = 6;

/// Forwards everything to `node` until the test ends. Gives the URL.
pub async fn start(node: &str) -> String {
    let channel = Endpoint::from_shared(node.to_owned()).expect("a URL").connect_lazy();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let channel = channel.clone();
            tokio::spawn(async move {
                // It ends when its client goes away.
                let service = TowerToHyperService::new(Upgraded(channel));
                let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    url
}

#[derive(Clone)]
struct Upgraded(Channel);

impl<B> Service<Request<B>> for Upgraded
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
        Box::pin(forward(self.0.clone(), request.map(Body::new)))
    }
}

async fn forward(channel: Channel, request: Request<Body>) -> Result<Response<Body>, tonic::transport::Error> {
    let is_epoch = request.uri().path().ends_with("/GetEpoch");
    let response = channel.oneshot(request).await?;
    if !is_epoch {
        return Ok(response);
    }
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("the embedded network answers");
    let trailers = body.trailers().cloned();
    let bytes = upgraded(&body.to_bytes());
    let body = Full::new(bytes).with_trailers(async move { trailers.map(Ok) });
    Ok(Response::from_parts(head, Body::new(body)))
}

/// The message behind the five bytes of gRPC's frame, of a later version.
fn upgraded(frame: &[u8]) -> Bytes {
    let mut answer = GetEpochResponse::decode(&frame[5..]).expect("an epoch");
    let epoch = answer.epoch.as_mut().expect("an epoch");
    for version in [
        epoch.protocol_config.as_mut().and_then(|config| config.protocol_version.as_mut()),
        epoch.system_state.as_mut().and_then(|state| state.protocol_version.as_mut()),
    ] {
        version.into_iter().for_each(|version| *version = VERSION);
    }
    let message = answer.encode_to_vec();
    let mut bytes = BytesMut::with_capacity(message.len() + 5);
    bytes.put_u8(0);
    bytes.put_u32(message.len().try_into().expect("small"));
    bytes.put_slice(&message);
    bytes.freeze()
}
