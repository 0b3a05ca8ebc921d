//! A node with weaknesses: the embedded one, but for what it has forgotten, has not heard of yet, or refuses.

use std::{
    collections::HashSet,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use prost::Message;
use somascope::{
    chain::proto::soma::rpc::{
        ExecuteTransactionRequest, GetObjectRequest, GetServiceInfoRequest, GetTransactionRequest,
        ledger_service_client::LedgerServiceClient,
    },
    primitives::{Digest, ObjectId},
};
use tonic::{
    body::Body,
    transport::{Channel, Endpoint},
};
use tower::{Service, ServiceExt};

#[derive(Default)]
pub struct Weaknesses {
    /// No object is known at an older version.
    pub old_versions: bool,
    pub transactions: HashSet<Digest>,
    /// Not known at any version.
    pub objects: HashSet<ObjectId>,
    /// What it says of the past that it keeps.
    pub lowest_checkpoint: Option<u64>,
    /// Transactions that this coin pays for are refused: another one has it locked.
    pub locked: Option<ObjectId>,
    /// Transactions that it was to execute.
    pub executes: Arc<AtomicU32>,
}

/// Forwards to `node` until the test ends, but knows no object at an older version and none of these transactions. Gives
/// the URL.
pub async fn start(node: &str, forgotten: HashSet<Digest>) -> String {
    start_with(node, Weaknesses { old_versions: true, transactions: forgotten, ..Weaknesses::default() }).await
}

pub async fn start_with(node: &str, weaknesses: Weaknesses) -> String {
    let channel = Endpoint::from_shared(node.to_owned()).expect("a URL").connect_lazy();
    let service = Weak { channel, weaknesses: Arc::new(weaknesses) };
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
struct Weak {
    channel: Channel,
    weaknesses: Arc<Weaknesses>,
}

impl<B> Service<Request<B>> for Weak
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

impl Weak {
    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, tonic::transport::Error> {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        if !matches!(method.as_str(), "GetObject" | "GetTransaction" | "GetServiceInfo" | "ExecuteTransaction") {
            return self.channel.oneshot(request).await;
        }
        let (head, body) = request.into_parts();
        let bytes = body.collect().await.expect("a whole request").to_bytes();
        // Behind the five bytes of gRPC's frame.
        let message = &bytes[5..];
        let weak = &self.weaknesses;
        let refusal = match method.as_str() {
            "GetObject" => {
                let asked = GetObjectRequest::decode(message).expect("a request");
                let id = asked.object_id.expect("an id").parse().expect("hex");
                let gone = weak.objects.contains(&id) || (weak.old_versions && asked.version.is_some());
                gone.then_some(("5", String::new()))
            }
            "GetTransaction" => {
                let digest = GetTransactionRequest::decode(message).expect("a request").digest;
                let gone = weak.transactions.contains(&digest.expect("a digest").parse().expect("Base58"));
                gone.then_some(("5", String::new()))
            }
            "ExecuteTransaction" => {
                weak.executes.fetch_add(1, Ordering::Relaxed);
                let asked = ExecuteTransactionRequest::decode(message).expect("a request");
                let gas = asked.transaction.expect("a transaction").gas_payment;
                let mut ids = gas.iter().filter_map(|coin| coin.object_id.as_deref()?.parse::<ObjectId>().ok());
                ids.find(|id| weak.locked == Some(*id)).map(|id| {
                    let id = id.to_hex_prefixed();
                    ("9", format!("[Object ({id}, Version(1), o#x) already locked by a different transaction: x]"))
                })
            }
            _ => {
                let Some(lowest) = weak.lowest_checkpoint else {
                    return self.channel.oneshot(Request::from_parts(head, Body::new(Full::new(bytes)))).await;
                };
                let mut node = LedgerServiceClient::new(self.channel.clone());
                let mut info = node.get_service_info(GetServiceInfoRequest {}).await.expect("an answer").into_inner();
                info.lowest_available_checkpoint = Some(lowest);
                return Ok(answered(&info));
            }
        };
        match refusal {
            None => self.channel.oneshot(Request::from_parts(head, Body::new(Full::new(bytes)))).await,
            Some((code, text)) => {
                let answer = Response::builder().header("content-type", "application/grpc");
                let answer = answer.header("grpc-status", code).header("grpc-message", text);
                Ok(answer.body(Body::empty()).expect("well-formed"))
            }
        }
    }
}

fn answered(message: &impl Message) -> Response<Body> {
    let message = message.encode_to_vec();
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).expect("small").to_be_bytes());
    frame.extend(message);
    let trailers =
        HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    let body = Full::new(Bytes::from(frame)).with_trailers(async move { Some(Ok(trailers)) });
    Response::builder().header("content-type", "application/grpc").body(Body::new(body)).expect("well-formed")
}
