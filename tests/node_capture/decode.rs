//! Every request and every answer decodes, whichever message it is, and nothing of it is lost on the way.

use std::collections::BTreeMap;

use prost::Message;
use serde::{Serialize, de::DeserializeOwned};
use somascope::chain::{
    convert,
    proto::{google, soma::rpc},
    services,
};

use crate::capture::{Call, capture};

/// Health's messages: one field each. The service is the gRPC project's own.
#[derive(Clone, PartialEq, Message)]
struct HealthCheck {
    #[prost(string, tag = "1")]
    service: String,
}
#[derive(Clone, PartialEq, Message)]
struct Health {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// Decodes and encodes again: a field that we do not know would be missing. Maps may come in another order, so lengths are
/// compared.
fn whole<M: Message + Default>(call: &Call, bytes: &[u8]) -> M {
    let message = M::decode(bytes).unwrap_or_else(|cause| panic!("{}: {cause}", call.name()));
    assert_eq!(message.encoded_len(), bytes.len(), "{}: something is not in our messages", call.name());
    message
}

fn whole_bcs<T: Serialize + DeserializeOwned>(call: &Call, bytes: &[u8]) {
    let value: T = bcs::from_bytes(bytes).unwrap_or_else(|cause| panic!("{}: {cause}", call.name()));
    assert_eq!(bcs::to_bytes(&value).expect("BCS"), bytes, "{}", call.name());
}

type Check = fn(&Call, &[u8]);

fn message<M: Message + Default>(call: &Call, bytes: &[u8]) {
    whole::<M>(call, bytes);
}

/// Request and answer of a method. `None`: there is no such method.
fn messages(path: &str) -> Option<(Check, Check)> {
    use rpc::*;
    macro_rules! both {
        ($request:ty, $answer:ty) => {
            Some((message::<$request> as Check, message::<$answer> as Check))
        };
        (bcs $request:ty, $answer:ty) => {
            Some((whole_bcs::<$request> as Check, whole_bcs::<$answer> as Check))
        };
    }
    match path.strip_prefix("/soma.rpc.") {
        Some("LedgerService/GetServiceInfo") => both!(GetServiceInfoRequest, GetServiceInfoResponse),
        Some("LedgerService/GetObject") => both!(GetObjectRequest, GetObjectResponse),
        Some("LedgerService/BatchGetObjects") => both!(BatchGetObjectsRequest, BatchGetObjectsResponse),
        Some("LedgerService/GetTransaction") => both!(GetTransactionRequest, GetTransactionResponse),
        Some("LedgerService/BatchGetTransactions") => both!(BatchGetTransactionsRequest, BatchGetTransactionsResponse),
        Some("LedgerService/GetCheckpoint") => both!(GetCheckpointRequest, GetCheckpointResponse),
        Some("LedgerService/GetEpoch") => both!(GetEpochRequest, GetEpochResponse),
        Some("StateService/ListOwnedObjects") => both!(ListOwnedObjectsRequest, ListOwnedObjectsResponse),
        Some("StateService/GetBalance") => both!(GetBalanceRequest, GetBalanceResponse),
        Some("StateService/GetTarget") => both!(GetTargetRequest, GetTargetResponse),
        Some("StateService/ListTargets") => both!(ListTargetsRequest, ListTargetsResponse),
        Some("StateService/GetChallenge") => both!(GetChallengeRequest, GetChallengeResponse),
        Some("StateService/ListChallenges") => both!(ListChallengesRequest, ListChallengesResponse),
        Some("TransactionExecutionService/ExecuteTransaction") => {
            both!(ExecuteTransactionRequest, ExecuteTransactionResponse)
        }
        Some("TransactionExecutionService/SimulateTransaction") => {
            both!(SimulateTransactionRequest, SimulateTransactionResponse)
        }
        Some("SubscriptionService/SubscribeCheckpoints") => {
            both!(SubscribeCheckpointsRequest, SubscribeCheckpointsResponse)
        }
        Some(_) => None,
        None => match path {
            services::path::SCORE => both!(bcs services::ScoreRequest, services::ScoreResponse),
            services::path::SCORING_HEALTH => both!(bcs services::Empty, services::HealthResponse),
            services::path::REQUEST_GAS => both!(bcs services::GasRequest, services::GasResponse),
            services::path::ADVANCE_EPOCH => both!(bcs services::Empty, services::AdvanceEpochResponse),
            "/grpc.health.v1.Health/Check" => both!(HealthCheck, Health),
            _ => None,
        },
    }
}

/// Requests that are no message, which is what they are for.
const UNDECODABLE: &[&str] = &[
    "Admission/garbage protobuf",
    "garbage protobuf GetObject",
    "faucet/empty body",
    "faucet/trailing byte",
    "scoring/empty body",
    "scoring/trailing byte",
];

#[test]
fn every_recorded_message_decodes_and_loses_nothing() {
    let calls = &capture().calls;
    assert_eq!(calls.len(), 402);
    let (mut requests, mut answers, mut streamed, mut refused, mut unknown) = (0, 0, 0, 0, Vec::new());
    for call in calls {
        let Some((request, answer)) = messages(&call.path) else {
            assert!(call.response_messages.is_empty(), "{}", call.name());
            unknown.push(call.path.as_str());
            continue;
        };
        if !UNDECODABLE.contains(&call.label.as_str()) {
            request(call, &call.request.bytes());
            requests += 1;
        }
        for message in &call.response_messages {
            answer(call, &message.bytes());
        }
        match call.response_messages.len() {
            0 => refused += 1,
            _ if call.method() == "SubscribeCheckpoints" => streamed += call.response_messages.len(),
            1 => answers += 1,
            other => panic!("{}: {other} answers", call.name()),
        }
    }
    assert_eq!(
        unknown,
        [
            "/faucet.Faucet/Nope",
            "/soma.rpc.StateService/Nope",
            "/soma.rpc.NopeService/Nope",
            "/scoring.Scoring/Nope",
            "/admin.Admin/Nope"
        ]
    );
    let subscriptions = calls.iter().filter(|call| call.method() == "SubscribeCheckpoints").count();
    assert_eq!(requests, 402 - UNDECODABLE.len() - unknown.len());
    assert_eq!(answers + refused + subscriptions + unknown.len(), 402);
    assert_eq!((answers, streamed, refused), (ANSWERS, STREAMED, REFUSED));
}

const ANSWERS: usize = 278;
const STREAMED: usize = 53;
/// Without a message: refused, unknown, or hung up on.
const REFUSED: usize = 105;

/// The status in the trailers and the one in `grpc-status-details-bin`, with its BadRequest, tell the same.
#[test]
fn every_refusal_has_a_status_whose_details_decode() {
    use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD as BASE64};
    let mut codes: BTreeMap<i32, usize> = BTreeMap::new();
    let (mut details, mut violations) = (0, 0);
    for call in &capture().calls {
        let Some(code) = call.grpc_status.filter(|code| *code != 0) else { continue };
        *codes.entry(code).or_default() += 1;
        assert_eq!(call.trailers_only, Some(true), "{}", call.name());
        let headers = call.response_headers.as_ref().expect("an answer has headers");
        let Some((_, text)) = headers.iter().find(|(name, _)| name == "grpc-status-details-bin") else { continue };
        let bytes = BASE64.decode(text.trim_end_matches('=')).expect("Base64");
        let status: google::rpc::Status = whole(call, &bytes);
        assert_eq!((status.code, status.message.as_str()), (code, call.grpc_message.as_deref().unwrap_or_default()));
        details += 1;
        for detail in status.details {
            assert_eq!(detail.type_url, "/google.rpc.BadRequest", "{}", call.name());
            let bad: google::rpc::BadRequest = whole(call, &detail.value);
            let [violation] = &bad.field_violations[..] else { panic!("{}: not one violation", call.name()) };
            assert_eq!(violation.description, status.message, "{}", call.name());
            assert!(matches!(violation.reason.as_str(), "FIELD_INVALID" | "FIELD_MISSING"), "{}", call.name());
            violations += 1;
        }
    }
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), CODES);
    assert_eq!((details, violations), DETAILS);
}

const CODES: [(i32, usize); 6] = [(3, 64), (5, 9), (9, 2), (12, 6), (13, 13), (14, 13)];
/// Refusals with details, and those of them with a BadRequest.
const DETAILS: (usize, usize) = (84, 49);

/// Whatever a submitter reads becomes one of our types: states, targets, listed and alone.
#[test]
fn every_system_state_and_every_target_becomes_our_type() {
    let (mut states, mut listed, mut partial) = (0, 0, 0);
    let mut target = |call: &Call, target: &rpc::Target| match convert::target_info_from_proto(target) {
        Ok(info) => {
            listed += 1;
            // Written again as a node writes it: ids lose their leading zeros, addresses have no 0x.
            assert_eq!(info.embedding, target.embedding);
            let digits = info.id.to_string();
            assert_eq!(target.id.as_deref(), Some(format!("0x{}", digits.trim_start_matches('0')).as_str()));
            assert_eq!(info.submitter.map(|address| address.to_string()), target.submitter);
        }
        // Asked for without what a target needs to be played.
        Err(cause) => {
            let request = String::from_utf8_lossy(&call.request.bytes()).into_owned();
            let asked_for_all = request.contains("embedding") && request.contains("distance_threshold");
            assert!(!asked_for_all || request.contains('*'), "{}: {cause}", call.name());
            partial += 1;
        }
    };
    for call in &capture().calls {
        for body in &call.response_messages {
            match call.method() {
                "GetEpoch" => {
                    let answer = rpc::GetEpochResponse::decode(&body.bytes()[..]).expect("decoded before");
                    let Some(state) = answer.epoch.and_then(|epoch| epoch.system_state) else { continue };
                    let info =
                        convert::epoch_state_from_proto(&state).unwrap_or_else(|e| panic!("{}: {e}", call.name()));
                    assert_eq!(Some(info.epoch), state.epoch);
                    states += 1;
                }
                "GetTarget" => {
                    let answer = rpc::GetTargetResponse::decode(&body.bytes()[..]).expect("decoded before");
                    answer.target.iter().for_each(|found| target(call, found));
                }
                "ListTargets" => {
                    let answer = rpc::ListTargetsResponse::decode(&body.bytes()[..]).expect("decoded before");
                    answer.targets.iter().for_each(|found| target(call, found));
                }
                _ => {}
            }
        }
    }
    assert_eq!((states, listed, partial), STATES_AND_TARGETS);
}

/// States; targets to play; targets asked for in part.
const STATES_AND_TARGETS: (usize, usize, usize) = (18, 346, 485);
