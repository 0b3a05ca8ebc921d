//! The client against a server on a real socket that answers whatever a test says, honest or not.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::{self, Future},
    pin::Pin,
    sync::{Arc, Mutex},
};

use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use prost::Message;
use tonic::{Status, body::Body, codegen::Service};

use super::*;
use crate::chain::{convert::EffectsStyle, keys::Keypair, proto::google::rpc as rpc_status, types::*};

mod execution;
mod preflight;
mod reads;
mod requests;
mod services;

const EXECUTE: &str = "/soma.rpc.TransactionExecutionService/ExecuteTransaction";
const GET_TRANSACTION: &str = "/soma.rpc.LedgerService/GetTransaction";
const BATCH_GET_OBJECTS: &str = "/soma.rpc.LedgerService/BatchGetObjects";
const GET_SERVICE_INFO: &str = "/soma.rpc.LedgerService/GetServiceInfo";
const GET_OBJECT: &str = "/soma.rpc.LedgerService/GetObject";
const GET_EPOCH: &str = "/soma.rpc.LedgerService/GetEpoch";
const LIST_OWNED: &str = "/soma.rpc.StateService/ListOwnedObjects";
const LIST_TARGETS: &str = "/soma.rpc.StateService/ListTargets";
const GET_BALANCE: &str = "/soma.rpc.StateService/GetBalance";
const SUBSCRIBE: &str = "/soma.rpc.SubscriptionService/SubscribeCheckpoints";

const TIMEOUT: Duration = Duration::from_secs(10);

/// What the fake answers to one method.
#[derive(Clone)]
enum Answer {
    /// One message a page; the last for every later call. Streams get all of them.
    Messages(Vec<Vec<u8>>),
    Refusal(Code, &'static str),
    /// To BatchGetObjects: those of them that are asked for.
    Objects(Vec<Object>),
    /// Reads the request and drops the connection.
    HangUp,
    Silence,
}

/// Records requests, answers from a table.
#[derive(Clone, Default)]
struct FakeNode {
    answers: Arc<HashMap<&'static str, Answer>>,
    requests: Arc<Mutex<Vec<(String, Bytes)>>>,
}

impl FakeNode {
    /// Serves until the test ends. Gives the URL.
    async fn start(answers: impl IntoIterator<Item = (&'static str, Answer)>) -> (Self, String) {
        let node = Self { answers: Arc::new(answers.into_iter().collect()), requests: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let service = node.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(service.clone());
                tokio::spawn(async move {
                    // An error here is the hang-up that a test asked for.
                    let _ =
                        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        (node, url)
    }

    fn requests<T: Message + Default>(&self, method: &str) -> Vec<T> {
        let requests = self.requests.lock().expect("not poisoned");
        let bodies = requests.iter().filter(|(path, _)| path == method).map(|(_, body)| &body[5..]);
        bodies.map(|body| T::decode(body).expect("our own request")).collect()
    }

    async fn answer<B>(self, request: http::Request<B>) -> Result<http::Response<Body>, &'static str>
    where
        B: BodyExt<Data = Bytes, Error: std::fmt::Debug>,
    {
        let method = request.uri().path().to_owned();
        let body = request.into_body().collect().await.expect("a whole request").to_bytes();
        let earlier = {
            let mut requests = self.requests.lock().expect("not poisoned");
            requests.push((method.clone(), body.clone()));
            requests.iter().filter(|(path, _)| *path == method).count() - 1
        };
        match self.answers.get(method.as_str()) {
            None => Ok(Status::unimplemented("").into_http()),
            Some(Answer::Refusal(code, text)) => Ok(Status::new(*code, *text).into_http()),
            Some(Answer::HangUp) => Err("hang up"),
            Some(Answer::Silence) => future::pending().await,
            Some(Answer::Objects(objects)) => Ok(framed(&[found(objects, &body[5..]).encode_to_vec()])),
            Some(Answer::Messages(messages)) => Ok(framed(match method.as_str() {
                SUBSCRIBE => messages,
                _ => &messages[earlier.min(messages.len() - 1)..][..1],
            })),
        }
    }
}

/// The objects of a BatchGetObjects request, in its order.
fn found(objects: &[Object], request: &[u8]) -> rpc::BatchGetObjectsResponse {
    use rpc::get_object_result::Result as Item;
    let request = rpc::BatchGetObjectsRequest::decode(request).expect("our own request");
    let one = |wanted: &rpc::GetObjectRequest| {
        let id: ObjectId = wanted.object_id().parse().expect("our own id");
        let result = match objects.iter().find(|object| object.id() == id) {
            Some(object) => Item::Object(convert::object_to_proto(object, false)),
            None => Item::Error(rpc_status::Status {
                code: 5,
                message: format!("Object 0x{id} not found"),
                details: Vec::new(),
            }),
        };
        rpc::GetObjectResult { result: Some(result) }
    };
    rpc::BatchGetObjectsResponse { objects: request.requests.iter().map(one).collect() }
}

/// A successful answer with these messages.
fn framed(messages: &[Vec<u8>]) -> http::Response<Body> {
    let mut body = BytesMut::new();
    for message in messages {
        body.put_u8(0);
        body.put_u32(message.len() as u32);
        body.put_slice(message);
    }
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    let body = Full::new(body.freeze()).with_trailers(future::ready(Some(Ok::<_, Infallible>(trailers))));
    let response = http::Response::builder().header("content-type", "application/grpc");
    response.body(Body::new(body)).expect("a response")
}

impl<B> Service<http::Request<B>> for FakeNode
where
    B: BodyExt<Data = Bytes, Error: std::fmt::Debug> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = &'static str;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}

/// A node with one answer, and a client of it.
async fn client_of(method: &'static str, answer: Answer) -> (FakeNode, Client) {
    let (node, url) = FakeNode::start([(method, answer)]).await;
    (node, Client::new(&url, TIMEOUT).expect("a URL"))
}

fn messages<T: Message>(messages: impl IntoIterator<Item = T>) -> Answer {
    Answer::Messages(messages.into_iter().map(|message| message.encode_to_vec()).collect())
}

fn key() -> Keypair {
    Keypair::from_seed([7; 32])
}

fn gas_coin(balance: u64) -> Object {
    Object::coin(ObjectId([7; 32]), 3, balance, key().address(), Digest([2; 32]))
}

fn bond_coin() -> Object {
    Object::coin(ObjectId([6; 32]), 1, 500_000, key().address(), Digest([2; 32]))
}

fn signed(kind: TransactionKind) -> SignedTransaction {
    key().sign(TransactionData::new(kind, key().address(), vec![gas_coin(1_000_000).reference()]))
}

fn claim() -> SignedTransaction {
    signed(TransactionKind::ClaimRewards { target_id: ObjectId([4; 32]) })
}

fn submission(distance: f32, url: &str) -> SignedTransaction {
    let metadata = Metadata::V1(MetadataV1 { checksum: Digest([1; 32]), size: 1 });
    signed(TransactionKind::SubmitData(SubmitData {
        target_id: ObjectId([4; 32]),
        data_manifest: Manifest::V1(ManifestV1 { url: url.to_owned(), metadata }),
        model_id: ObjectId([5; 32]),
        embedding: SomaTensor::vector(&[0.5, 0.25]),
        distance_score: SomaTensor::scalar(distance),
        loss_score: SomaTensor::scalar(1.0),
        bond_coin: bond_coin().reference(),
    }))
}

/// Successful effects of the transaction with this digest, which deleted one object.
fn effects(transaction_digest: Digest) -> TransactionEffects {
    let change = EffectsObjectChange {
        input_state: ObjectIn::Exist((1, Digest([3; 32])), Owner::SHARED),
        output_state: ObjectOut::NotExist,
        id_operation: IdOperation::Deleted,
    };
    TransactionEffects::V1(TransactionEffectsV1 {
        status: ExecutionStatus::Success,
        executed_epoch: 3,
        fee: TransactionFee { base_fee: 1000, operation_fee: 600, value_fee: 0, total_fee: 1600 },
        transaction_digest,
        gas_object_index: None,
        dependencies: Vec::new(),
        version: 2,
        changed_objects: vec![(ObjectId([4; 32]), change)],
        unchanged_shared_objects: Vec::new(),
    })
}

fn executed_message(digest: Digest) -> rpc::ExecutedTransaction {
    rpc::ExecutedTransaction {
        effects: Some(convert::effects_to_proto(&effects(digest), EffectsStyle::Execute, None)),
        balance_changes: vec![convert::balance_change_to_proto(&BalanceChange {
            address: key().address(),
            amount: -1600,
        })],
        ..Default::default()
    }
}

fn execute_answer(transaction: rpc::ExecutedTransaction) -> Answer {
    messages([rpc::ExecuteTransactionResponse { transaction: Some(transaction) }])
}

fn coin_message(id: u8, version: u64, balance: u64, owner: Address) -> rpc::Object {
    convert::object_to_proto(&Object::coin(ObjectId([id; 32]), version, balance, owner, Digest::default()), false)
}

fn target_message(id: &str) -> rpc::Target {
    rpc::Target {
        id: Some(id.to_owned()),
        embedding: vec![0.5, -0.25],
        model_ids: vec!["0x5".to_owned()],
        distance_threshold: Some(1.05),
        reward_pool: Some(12_685_185),
        generation_epoch: Some(2),
        status: Some("open".to_owned()),
        ..Default::default()
    }
}

fn target(threshold: f32) -> TargetV1 {
    TargetV1::open(
        SomaTensor::vector(&[0.5, -0.25]),
        vec![ObjectId([5; 32])],
        SomaTensor::scalar(threshold),
        12_685_185,
        2,
    )
}

fn target_object(id: u8, threshold: f32, previous: Digest) -> Object {
    let body = to_bcs(&target(threshold));
    Object::new(ObjectType::Target, ObjectId([id; 32]), 2, &body, Owner::SHARED, previous)
}
