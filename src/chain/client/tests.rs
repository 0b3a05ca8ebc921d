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
use crate::chain::{
    convert::EffectsStyle,
    keys::Keypair,
    services::{self, path},
    types::*,
};

const EXECUTE: &str = "/soma.rpc.TransactionExecutionService/ExecuteTransaction";
const GET_TRANSACTION: &str = "/soma.rpc.LedgerService/GetTransaction";
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
            requests.push((method.clone(), body));
            requests.iter().filter(|(path, _)| *path == method).count() - 1
        };
        match self.answers.get(method.as_str()) {
            None => Ok(Status::unimplemented("").into_http()),
            Some(Answer::Refusal(code, text)) => Ok(Status::new(*code, *text).into_http()),
            Some(Answer::HangUp) => Err("hang up"),
            Some(Answer::Silence) => future::pending().await,
            Some(Answer::Messages(messages)) => {
                let sent = match method.as_str() {
                    SUBSCRIBE => &messages[..],
                    _ => &messages[earlier.min(messages.len() - 1)..][..1],
                };
                let mut body = BytesMut::new();
                for message in sent {
                    body.put_u8(0);
                    body.put_u32(message.len() as u32);
                    body.put_slice(message);
                }
                let mut trailers = http::HeaderMap::new();
                trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
                let body = Full::new(body.freeze()).with_trailers(future::ready(Some(Ok::<_, Infallible>(trailers))));
                let response = http::Response::builder().header("content-type", "application/grpc");
                Ok(response.body(Body::new(body)).expect("a response"))
            }
        }
    }
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

fn signed(kind: TransactionKind) -> SignedTransaction {
    key().sign(TransactionData::new(kind, key().address(), Vec::new()))
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
        bond_coin: ObjectRef { id: ObjectId([6; 32]), version: 1, digest: Digest([2; 32]) },
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

#[tokio::test]
async fn executed_effects_of_our_transaction_are_certain() {
    let transaction = claim();
    let (node, client) = client_of(EXECUTE, execute_answer(executed_message(transaction.digest()))).await;
    let Execution::Executed(executed) = client.execute(&transaction).await else { panic!("not executed") };
    assert_eq!(&executed.effects, effects(transaction.digest()).v1());
    assert_eq!(executed.balance_changes.iter().map(|change| change.amount).collect::<Vec<_>>(), [-1600]);

    let request = &node.requests::<rpc::ExecuteTransactionRequest>(EXECUTE)[0];
    assert_eq!(request.read_mask.as_ref().expect("a mask").paths, ["effects", "balance_changes"]);
    assert_eq!(request.signatures.len(), 1);
}

#[tokio::test]
async fn only_a_named_refusal_is_a_refusal() {
    for (code, certain) in [
        (Code::InvalidArgument, true),
        (Code::FailedPrecondition, true),
        (Code::Unavailable, false),
        (Code::DeadlineExceeded, false),
        (Code::Aborted, false),
        (Code::AlreadyExists, false),
        (Code::Internal, false),
        (Code::Unknown, false),
        (Code::Unimplemented, false),
        (Code::ResourceExhausted, false),
        (Code::PermissionDenied, false),
        (Code::NotFound, false),
    ] {
        let (_, client) = client_of(EXECUTE, Answer::Refusal(code, "why")).await;
        let execution = client.execute(&claim()).await;
        assert_eq!(matches!(execution, Execution::Refused(_)), certain, "{code:?}: {execution:?}");
        assert_eq!(matches!(execution, Execution::Unknown(_)), !certain, "{code:?}: {execution:?}");
    }
}

#[tokio::test]
async fn a_refused_connection_means_that_nothing_was_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let client = Client::new(&url, TIMEOUT).expect("a URL");
    let execution = client.execute(&claim()).await;
    assert!(matches!(execution, Execution::Refused(ClientError::Unreachable(_))), "{execution:?}");
    assert!(matches!(client.balance(key().address()).await, Err(ClientError::Unreachable(_))));
}

#[tokio::test]
async fn a_connection_that_broke_after_sending_is_unknown() {
    let (node, client) = client_of(EXECUTE, Answer::HangUp).await;
    let execution = client.execute(&claim()).await;
    assert!(matches!(execution, Execution::Unknown(_)), "{execution:?}");
    assert_eq!(node.requests::<rpc::ExecuteTransactionRequest>(EXECUTE).len(), 1, "sent once, never again by itself");
}

#[tokio::test]
async fn effects_that_are_not_ours_or_make_no_sense_are_unknown() {
    let transaction = claim();
    let contradiction = {
        let mut message = executed_message(transaction.digest());
        message.effects.as_mut().and_then(|effects| effects.status.as_mut()).expect("a status").success = Some(false);
        message
    };
    for answer in [
        executed_message(Digest([9; 32])),
        rpc::ExecutedTransaction {
            digest: Some(Digest([9; 32]).to_string()),
            ..executed_message(transaction.digest())
        },
        rpc::ExecutedTransaction::default(),
        contradiction,
    ] {
        let (_, client) = client_of(EXECUTE, execute_answer(answer)).await;
        let execution = client.execute(&transaction).await;
        assert!(matches!(execution, Execution::Unknown(ClientError::Malformed(_))), "{execution:?}");
    }
}

#[tokio::test]
async fn harmful_or_unverifiable_transactions_never_leave() {
    let (node, client) = client_of(EXECUTE, execute_answer(executed_message(claim().digest()))).await;
    let change_epoch = TransactionKind::ChangeEpoch {
        epoch: 1,
        epoch_start_timestamp_ms: 0,
        protocol_version: 5,
        fees: 0,
        epoch_randomness: Vec::new(),
    };
    let pay_all = TransactionKind::PayCoins { coins: Vec::new(), amounts: None, recipients: vec![key().address()] };
    let mut unsigned = claim();
    unsigned.signature.0.clear();
    for transaction in [
        signed(change_epoch),
        signed(TransactionKind::Genesis { objects: Vec::new() }),
        signed(pay_all),
        unsigned,
        submission(f32::NAN, "http://h/x"),
        submission(f32::INFINITY, "http://h/x"),
        submission(0.5, "HTTP://h/x"),
        submission(0.5, "no url"),
    ] {
        let execution = client.execute(&transaction).await;
        let Execution::Refused(ClientError::Refused { code: "NOT_SENT", .. }) = execution else {
            panic!("{transaction:?}: {execution:?}")
        };
    }
    assert!(node.requests::<rpc::ExecuteTransactionRequest>(EXECUTE).is_empty());
}

#[tokio::test]
async fn a_transaction_that_a_node_does_not_know_is_none_and_a_foreign_one_an_error() {
    let digest = claim().digest();
    let (_, client) = client_of(GET_TRANSACTION, Answer::Refusal(Code::NotFound, "not found")).await;
    assert_eq!(client.transaction(digest).await.expect("an answer"), None);

    let answer = |transaction| messages([rpc::GetTransactionResponse { transaction: Some(transaction) }]);
    let (node, client) = client_of(GET_TRANSACTION, answer(executed_message(digest))).await;
    let executed = client.transaction(digest).await.expect("an answer").expect("known");
    assert_eq!(&executed.effects, effects(digest).v1());
    // Other paths, and the star above all, would end a node's process.
    let request = &node.requests::<rpc::GetTransactionRequest>(GET_TRANSACTION)[0];
    assert_eq!(
        request.read_mask.as_ref().expect("a mask").paths,
        ["digest", "effects", "balance_changes", "checkpoint", "timestamp"]
    );

    let (_, client) = client_of(GET_TRANSACTION, answer(executed_message(Digest([9; 32])))).await;
    assert!(matches!(client.transaction(digest).await, Err(ClientError::Malformed(_))));
}

fn coin_message(id: u8, version: u64, balance: u64, owner: Address) -> rpc::Object {
    convert::object_to_proto(&Object::coin(ObjectId([id; 32]), version, balance, owner, Digest::default()), false)
}

fn owned(objects: Vec<rpc::Object>, token: Option<&[u8]>) -> rpc::ListOwnedObjectsResponse {
    rpc::ListOwnedObjectsResponse { objects, next_page_token: token.map(<[u8]>::to_vec) }
}

#[tokio::test]
async fn coins_are_gathered_from_all_pages_newest_version_once_and_richest_first() {
    let me = key().address();
    let first = owned(vec![coin_message(1, 5, 10, me), coin_message(2, 7, 20, me)], Some(b"next"));
    let second =
        owned(vec![coin_message(1, 9, 300, me), coin_message(2, 6, 999, me), coin_message(3, 1, 20, me)], None);
    let (node, client) = client_of(LIST_OWNED, messages([first, second])).await;
    let coins = client.coins(me).await.expect("coins");
    let seen: Vec<_> =
        coins.iter().map(|coin| (coin.reference.id.0[0], coin.reference.version, coin.balance)).collect();
    assert_eq!(seen, [(1, 9, 300), (2, 7, 20), (3, 1, 20)]);
    // The reference's digest is computed from the contents, whatever the node said.
    let richest = Object::coin(ObjectId([1; 32]), 9, 300, me, Digest::default());
    assert_eq!(coins[0].reference, richest.reference());

    let requests = node.requests::<rpc::ListOwnedObjectsRequest>(LIST_OWNED);
    assert_eq!(requests.iter().map(|r| r.page_token.as_deref()).collect::<Vec<_>>(), [None, Some(&b"next"[..])]);
}

#[tokio::test]
async fn somebody_elses_coin_is_not_ours_to_spend() {
    let foreign = owned(vec![coin_message(1, 5, 10, Address([9; 32]))], None);
    let (_, client) = client_of(LIST_OWNED, messages([foreign])).await;
    assert!(matches!(client.coins(key().address()).await, Err(ClientError::Malformed(_))));
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

#[tokio::test]
async fn a_poisoned_target_does_not_hide_the_others() {
    let poisoned = [
        rpc::Target { embedding: vec![0.5, f32::NAN], ..target_message("0x2") },
        rpc::Target { distance_threshold: Some(f32::INFINITY), ..target_message("0x3") },
        rpc::Target { embedding: Vec::new(), ..target_message("0x4") },
        rpc::Target { status: Some("free money".to_owned()), ..target_message("0x6") },
        target_message("0xnothex"),
        rpc::Target::default(),
    ];
    let targets = [vec![target_message("0x1")], poisoned.to_vec(), vec![target_message("0x7")]].concat();
    let answer = messages([rpc::ListTargetsResponse { targets, next_page_token: None }]);
    let (node, client) = client_of(LIST_TARGETS, answer).await;
    let targets = client.targets(TargetFilter::Open, None).await.expect("targets");
    assert_eq!(targets.iter().map(|target| target.id.0[31]).collect::<Vec<_>>(), [1, 7]);
    assert_eq!(targets[0].model_ids, [ObjectId::SYSTEM_STATE]);
    let request = &node.requests::<rpc::ListTargetsRequest>(LIST_TARGETS)[0];
    assert_eq!(request.status_filter.as_deref(), Some("open"));
}

fn target(threshold: f32) -> TargetV1 {
    TargetV1 {
        embedding: SomaTensor::vector(&[0.5, -0.25]),
        model_ids: vec![ObjectId([5; 32])],
        distance_threshold: SomaTensor::scalar(threshold),
        reward_pool: 12_685_185,
        generation_epoch: 2,
        status: TargetStatus::Open,
        submitter: None,
        winning_model_id: None,
        winning_model_owner: None,
        bond_amount: 0,
        winning_data_manifest: None,
        winning_embedding: None,
        winning_distance_score: None,
        winning_loss_score: None,
        submission_reports: Default::default(),
    }
}

fn target_object(id: u8, threshold: f32, previous: Digest) -> Object {
    let body = to_bcs(&target(threshold));
    Object::new(ObjectType::Target, ObjectId([id; 32]), 2, &body, Owner::SHARED, previous)
}

#[tokio::test]
async fn an_object_is_the_one_asked_for_or_none() {
    let object = target_object(4, 1.05, Digest::default());
    let answer = messages([rpc::GetObjectResponse { object: Some(convert::object_to_proto(&object, false)) }]);
    let (_, client) = client_of(GET_OBJECT, answer).await;
    assert_eq!(client.object(object.id()).await.expect("an answer"), Some(object.clone()));
    assert_eq!(client.target(object.id()).await.expect("an answer"), Some(target(1.05)));
    assert!(matches!(client.object(ObjectId([9; 32])).await, Err(ClientError::Malformed(_))));

    let (_, client) = client_of(GET_OBJECT, Answer::Refusal(Code::NotFound, "Object 0x… not found")).await;
    assert_eq!(client.target(object.id()).await.expect("an answer"), None);

    let poisoned = target_object(4, f32::NAN, Digest::default());
    let answer = messages([rpc::GetObjectResponse { object: Some(convert::object_to_proto(&poisoned, false)) }]);
    let (_, client) = client_of(GET_OBJECT, answer).await;
    assert!(matches!(client.target(object.id()).await, Err(ClientError::Malformed(_))));
}

#[tokio::test]
async fn checkpoints_show_written_targets_and_deleted_objects_until_the_stream_breaks() {
    let digest = claim().digest();
    let set =
        [target_object(1, 1.0, Digest([8; 32])), target_object(1, 1.1, digest), target_object(2, f32::NAN, digest)];
    let message = rpc::SubscribeCheckpointsResponse {
        cursor: Some(7),
        checkpoint: Some(rpc::Checkpoint {
            sequence_number: Some(7),
            summary: Some(rpc::CheckpointSummary {
                epoch: Some(3),
                timestamp: Some(convert::timestamp_to_proto(1_795_351_653_369)),
                ..Default::default()
            }),
            transactions: vec![rpc::ExecutedTransaction {
                digest: Some(digest.to_string()),
                effects: Some(convert::effects_to_proto(&effects(digest), EffectsStyle::Checkpoint, None)),
                ..Default::default()
            }],
            objects: Some(rpc::ObjectSet {
                objects: set.iter().map(|object| convert::object_to_proto(object, false)).collect(),
            }),
            ..Default::default()
        }),
    };
    let (_, client) = client_of(SUBSCRIBE, messages([message])).await;
    let mut checkpoints = client.subscribe().await.expect("a stream");
    let seen = checkpoints.next().await.expect("an item").expect("a checkpoint");
    let expected = CheckpointInfo {
        sequence_number: 7,
        epoch: 3,
        timestamp_ms: 1_795_351_653_369,
        transactions: vec![digest],
        targets: vec![(ObjectId([1; 32]), target(1.1))],
        deleted: vec![ObjectId([4; 32])],
    };
    assert_eq!(seen, expected);
    assert!(matches!(checkpoints.next().await, Some(Err(ClientError::Unreachable(_)))), "the stream broke");
    assert!(checkpoints.next().await.is_none());
}

#[tokio::test]
async fn a_silent_node_is_unreachable_in_time() {
    let (_, url) = FakeNode::start([(GET_BALANCE, Answer::Silence)]).await;
    let client = Client::new(&url, Duration::from_millis(50)).expect("a URL");
    assert!(matches!(client.balance(key().address()).await, Err(ClientError::Unreachable(_))));
}

#[tokio::test]
async fn answers_that_are_no_protobuf_or_lack_fields_are_malformed() {
    let (_, client) = client_of(GET_EPOCH, Answer::Messages(vec![vec![0xff; 40]])).await;
    assert!(matches!(client.epoch_state().await, Err(ClientError::Malformed(_))));
    let (_, client) = client_of(GET_EPOCH, Answer::Messages(vec![Vec::new()])).await;
    assert!(matches!(client.epoch_state().await, Err(ClientError::Malformed(_))));
    let (_, client) = client_of(GET_EPOCH, Answer::Refusal(Code::PermissionDenied, "no\x07\nentry")).await;
    let Err(ClientError::Refused { code, message }) = client.epoch_state().await else { panic!("not refused") };
    assert_eq!((code, message.as_str()), ("PERMISSION_DENIED", "no  entry"));
}

#[test]
fn only_http_urls_with_a_host_are_nodes_and_no_password_is_repeated() {
    for good in ["http://127.0.0.1:9000", "https://fullnode.testnet.soma.org:443"] {
        assert!(Client::new(good, TIMEOUT).is_ok(), "{good}");
    }
    for bad in ["", "localhost:9000", "ftp://host", "http://", "unix:///socket", "ftp://me:hunter2@host"] {
        let error = Client::new(bad, TIMEOUT).err().map(|error| error.to_string());
        assert!(error.is_some_and(|text| !text.contains("hunter2")), "{bad}");
    }
}

fn bcs_answer<T: serde::Serialize>(message: &T) -> Answer {
    Answer::Messages(vec![to_bcs(message)])
}

#[tokio::test]
async fn the_faucet_and_the_admin_speak_bcs() {
    let coin = services::CoinSent { amount: 2_000_000_000, id: "0x1".into(), transfer_tx_digest: "1".into() };
    let gas = services::GasResponse { status: "Success".into(), coins_sent: vec![coin] };
    let advanced = services::AdvanceEpochResponse { epoch: 43 };
    let answers = [
        (path::REQUEST_GAS, bcs_answer(&gas)),
        (path::ADVANCE_EPOCH, bcs_answer(&advanced)),
        (path::SCORING_HEALTH, Answer::Messages(vec![vec![1, 2, 3]])),
    ];
    let (node, url) = FakeNode::start(answers).await;
    assert_eq!(request_faucet(&url, key().address()).await.expect("gas"), [2_000_000_000]);
    assert_eq!(advance_epoch(&url).await.expect("an epoch"), 43);
    assert!(scoring_health(&url).await.is_err(), "trailing bytes are no answer");
    let (_, body) = node.requests.lock().expect("not poisoned")[0].clone();
    let request: services::GasRequest = bcs::from_bytes(&body[5..]).expect("our own request");
    assert_eq!(request.recipient, key().address().to_string());
}

fn model() -> ActiveModelInfo {
    ActiveModelInfo {
        id: ObjectId([5; 32]),
        owner: Address([1; 32]),
        stake: 1,
        commission_bps: 0,
        url: "http://h/w.enc".into(),
        checksum: Digest([2; 32]),
        size: 9,
        decryption_key: [3; 32],
        embedding: vec![0.5, -0.25],
    }
}

#[tokio::test]
async fn a_score_is_asked_for_and_answered_within_the_targets_dimension() {
    let good = services::ScoreResponse {
        winner: 1,
        loss_score: vec![1.5f32.to_bits()],
        embedding: vec![0.5f32.to_bits(), 0.25f32.to_bits()],
        distance: vec![0.75f32.to_bits()],
    };
    let data = Manifest::new("http://h/x", Digest([1; 32]), 1).expect("a URL");
    let models = [model(), model()];
    let (node, url) = FakeNode::start([(path::SCORE, bcs_answer(&good))]).await;
    let found = score(&url, &data, &models, &[1.0, 0.0], 0, TIMEOUT).await.expect("a score");
    assert_eq!(found, RemoteScore { winner: 1, loss: vec![1.5], embedding: vec![0.5, 0.25], distance: 0.75 });

    for target in [&[1.0][..], &[1.0, f32::NAN], &[]] {
        let refused = score(&url, &data, &models, target, 0, TIMEOUT).await;
        assert!(matches!(refused, Err(ClientError::Refused { code: "NOT_SENT", .. })), "{refused:?}");
    }
    assert_eq!(node.requests.lock().expect("not poisoned").len(), 1, "harmful requests never leave");

    for bad in [
        services::ScoreResponse { winner: 2, ..good.clone() },
        services::ScoreResponse { embedding: vec![0], ..good.clone() },
        services::ScoreResponse { distance: vec![f32::NAN.to_bits()], ..good.clone() },
        services::ScoreResponse { distance: Vec::new(), ..good.clone() },
    ] {
        let (_, url) = FakeNode::start([(path::SCORE, bcs_answer(&bad))]).await;
        let answer = score(&url, &data, &models, &[1.0, 0.0], 0, TIMEOUT).await;
        assert!(matches!(answer, Err(ClientError::Malformed(_))), "{bad:?}");
    }
}
