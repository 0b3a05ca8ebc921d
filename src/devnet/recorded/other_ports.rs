//! Plain HTTP on the RPC port, and the faucet, scoring and admin services.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use super::{
    capture::{Call, capture},
    compare, wire,
};
use crate::{
    chain::{
        keys::Keypair,
        services::{GasResponse, ScoreRequest},
        types::{Address, to_bcs},
    },
    devnet::{
        Service, grpc,
        ledger::{Genesis, Ledger},
        listen::Listener,
        node::Node,
        scorer::Scorer,
        services::{self, AdminApi, FaucetApi, scoring_api},
    },
};

const MAX_DATA_BYTES: u64 = 1 << 20;
/// Where the recorded scoring service found its files.
const RECORDED_FILES: &str = "http://127.0.0.1:9217";
const FAUCET_AMOUNT: u64 = 2_000_000_000;

fn faucet() -> Keypair {
    Keypair::from_seed([9; 32])
}

fn node() -> Node {
    let accounts = vec![(faucet().address(), vec![100 * FAUCET_AMOUNT])];
    Node::new(Ledger::open(None, &Genesis::localnet(0, 0, 16, accounts, Address::default())).expect("a ledger"))
}

async fn listener() -> Listener {
    Listener::bind(0, Service::Rpc).await.expect("a free port")
}

async fn connect(url: String) -> Channel {
    Endpoint::from_shared(url).expect("a URL").connect().await.expect("the server")
}

/// What names the recording's own network: validators that were not reached, and why.
fn told(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body).into_owned();
    text.split_once("last error: ").map_or(text.clone(), |(told, _)| told.to_owned())
}

#[tokio::test]
async fn plain_requests_on_the_rpc_port_are_answered_as_recorded() {
    let stop = CancellationToken::new();
    let listener = listener().await;
    let url = listener.url();
    let scorer = Arc::new(Scorer::new().expect("a client"));
    tokio::spawn(grpc::serve(listener, node(), "k#".to_owned(), scorer, stop.clone()));
    let gets = &capture().http_on_rpc_port;
    assert_eq!(gets.len(), 8);
    for get in gets {
        let answer = reqwest::get(format!("{url}{}", get.path)).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), get.status, "{}", get.path);
        let mut ours: Vec<String> = answer.headers().keys().map(ToString::to_string).collect();
        ours.sort();
        let mut theirs: Vec<String> = get.headers.iter().map(|(name, _)| name.clone()).collect();
        theirs.sort();
        assert_eq!(ours, theirs, "{}", get.path);
        let body = answer.bytes().await.expect("a body");
        assert_eq!(told(&body), told(&hex::decode(&get.body_hex).expect("hex")), "{}", get.path);
    }
    stop.cancel();
}

/// The recorded request with the files where this test has them.
fn moved(call: &Call, files: &str) -> Vec<u8> {
    let bytes = call.request.bytes();
    match bcs::from_bytes::<ScoreRequest>(&bytes) {
        Ok(mut request) => {
            request.data_url = request.data_url.replace(RECORDED_FILES, files);
            for model in &mut request.model_manifests {
                model.url = model.url.replace(RECORDED_FILES, files);
            }
            to_bcs(&request)
        }
        Err(_) => bytes,
    }
}

/// Needs weights, of which the recording has only the manifests.
const NEEDS_WEIGHTS: &[&str] = &[
    "sdk/score",
    "scoring/score ok",
    "scoring/score ok repeated",
    "scoring/seed 1",
    "sdk/score_3_models",
    "sdk/score_5_models",
    "scoring/no key",
];
/// Each turns the epoch of a network whose models and targets are not here.
const TURNS_THE_EPOCH: &str = "AdvanceEpoch";
/// The digest of the recorded bytes, which the recording does not hold.
const OTHER_DIGEST: &str = "scoring/checksum mismatch";

#[tokio::test]
async fn faucet_scoring_and_admin_answer_as_recorded() {
    let stop = CancellationToken::new();
    let files = MockServer::start().await;
    Mock::given(path("/d2.bin")).respond_with(ResponseTemplate::new(200).set_body_bytes([7; 320])).mount(&files).await;

    let node = node();
    let scorer = Arc::new(Scorer::new().expect("a client"));
    let (of_faucet, of_scoring, of_admin) = (listener().await, listener().await, listener().await);
    let urls = [of_faucet.url(), of_scoring.url(), of_admin.url()];
    let faucet_api = FaucetApi::new(node.clone(), faucet(), FAUCET_AMOUNT);
    tokio::spawn(services::serve(of_faucet, faucet_api, stop.clone()));
    tokio::spawn(services::serve(of_scoring, scoring_api(scorer, MAX_DATA_BYTES), stop.clone()));
    tokio::spawn(services::serve(of_admin, AdminApi(node), stop.clone()));
    let [faucet, scoring, admin] = urls.map(connect);
    let (faucet, scoring, admin) = (faucet.await, scoring.await, admin.await);

    let (mut compared, mut left_out) = (0, 0);
    for call in capture().calls.iter().filter(|call| call.service != "rpc") {
        let label = call.label.as_str();
        if NEEDS_WEIGHTS.contains(&label) || call.method() == TURNS_THE_EPOCH {
            left_out += 1;
            continue;
        }
        let channel = match call.service.as_str() {
            "faucet" => &faucet,
            "scoring" => &scoring,
            _ => &admin,
        };
        let nothing = call.grpc_message.as_deref() == Some("Missing request message.");
        let request = moved(call, &files.uri());
        let mut answer = wire::send(channel, call, (!nothing).then_some(&request[..])).await;
        answer.grpc_message = answer.grpc_message.replace(&files.uri(), RECORDED_FILES);
        let mut call = call.clone();
        if label == OTHER_DIGEST {
            for text in [&mut answer.grpc_message, call.grpc_message.get_or_insert_default()] {
                text.truncate(text.find("computed").expect("both digests"));
            }
        }
        compare::envelope(&call, &answer).unwrap_or_else(|difference| panic!("{}: {difference}", call.name()));
        compared += 1;
        if let (Some(ours), Some(theirs)) = (answer.messages.first(), call.response_messages.first()) {
            if call.service == "scoring" {
                assert_eq!(*ours, theirs.bytes(), "{}", call.name());
                continue;
            }
            let [ours, theirs] =
                [ours.clone(), theirs.bytes()].map(|bytes| bcs::from_bytes::<GasResponse>(&bytes).expect("gas"));
            assert_eq!(ours.status, theirs.status);
            let amounts = |gas: &GasResponse| gas.coins_sent.iter().map(|coin| coin.amount).collect::<Vec<_>>();
            assert_eq!(amounts(&ours), amounts(&theirs));
            assert_eq!(ours.coins_sent[0].id.len(), theirs.coins_sent[0].id.len());
        }
    }
    stop.cancel();
    assert_eq!((compared, left_out), (23, 11));
}
