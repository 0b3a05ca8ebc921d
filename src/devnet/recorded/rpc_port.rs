//! The RPC port.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use prost::Message;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use super::{
    capture::{Call, capture},
    compare,
    wire::{self, Answer},
};
use crate::{
    chain::{
        convert,
        proto::soma::rpc,
        types::{Address, Digest, Object, TransactionData, TransactionKind},
    },
    devnet::{
        grpc,
        ledger::{Genesis, Ledger},
        listen::Listener,
        node::Node,
        scorer::Scorer,
    },
};

/// The recorded validator's name in texts.
const VALIDATOR: &str = "k#8c66dc2c..";

struct Replayed {
    ledger: Arc<Mutex<Ledger>>,
    channel: Channel,
    /// What the recorded transactions use and nothing recorded wrote.
    adopt: BTreeMap<Digest, Vec<Object>>,
    /// The recorded turns of the epochs, in their order.
    turns: VecDeque<TransactionData>,
    /// The state with which the first epoch began whose turn was not recorded.
    epoch_1: Object,
    /// Recorded page tokens and ours.
    tokens: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Objects taken over from recorded answers, because no recorded transaction made them.
    adopted: usize,
}

impl Replayed {
    async fn start(stop: CancellationToken) -> Self {
        let genesis = Genesis::localnet(0, 0, 16, Vec::new(), Address::default());
        let mut ledger = Ledger::open(None, &genesis).expect("a ledger");
        let recorded = Ledger::recorded();
        // The chain began before the recording: its state is that of the first transaction that used it.
        let state_of = |epoch| {
            let mut adopted = recorded.iter().flat_map(|(objects, _)| objects);
            let found = adopted.find(|o| o.system_state().is_ok_and(|state| state.v1().epoch == epoch));
            found.expect("a state").clone()
        };
        ledger.adopt(state_of(0));
        // Balances are asked for before the coins are shown.
        for call in capture().calls.iter().filter(|call| call.label == "sdk/list_owned_objects").take(1) {
            shown(call).into_iter().for_each(|object| ledger.adopt(object));
        }
        let epoch_1 = state_of(1);
        let is_turn = |data: &TransactionData| matches!(data.kind(), TransactionKind::ChangeEpoch { .. });
        let turns = recorded.iter().map(|(_, data)| data).filter(|data| is_turn(data)).cloned().collect();
        let adopt = recorded.into_iter().map(|(objects, data)| (data.digest(), objects)).collect();
        let node = Node::new(ledger);
        let ledger = node.ledger();
        let listener = Listener::bind(0, "").await.expect("a free port");
        let url = listener.url();
        let scorer = Arc::new(Scorer::new().expect("a client"));
        tokio::spawn(grpc::serve(listener, node, VALIDATOR.to_owned(), scorer, stop));
        let channel = Endpoint::from_shared(url).expect("a URL").connect().await.expect("the server");
        Self { ledger, channel, adopt, turns, epoch_1, tokens: BTreeMap::new(), adopted: 0 }
    }

    /// Brings the ledger to where the recorded chain was when this was asked.
    fn prepare(&mut self, call: &Call) {
        let mut ledger = self.ledger.lock().expect("whole");
        // An epoch's turn is in the recording, but nobody asked for it on this port.
        while ledger.system_state().epoch < call.chain_epoch {
            if call.chain_epoch == 1 {
                ledger.adopt(self.epoch_1.clone());
                break;
            }
            let data = self.turns.pop_front().expect("a recorded turn");
            let objects = self.adopt.remove(&data.digest()).into_iter().flatten();
            objects.for_each(|object| ledger.adopt(object));
            ledger.replay(&data);
        }
        if let Some(objects) = executed(call).and_then(|data| self.adopt.remove(&data.digest())) {
            objects.into_iter().for_each(|object| ledger.adopt(object));
        }
        for object in funded(call) {
            if ledger.object(&object.id()).is_none() {
                ledger.adopt(object);
                self.adopted += 1;
            }
        }
        for object in shown(call) {
            let known = ledger.object(&object.id()).map_or(0, |known| known.version);
            if known < object.version {
                ledger.adopt(object);
                self.adopted += 1;
            }
        }
    }

    /// Whether a recorded transaction can be executed here, or was.
    fn knows(&self, digest: &Digest) -> bool {
        self.adopt.contains_key(digest) || self.ledger.lock().expect("whole").transaction(digest).is_some()
    }

    async fn ask(&mut self, call: &Call) -> Answer {
        self.prepare(call);
        let bytes = self.with_our_token(call);
        // The codes of a message that never came and of an empty one are different.
        let nothing = call.grpc_message.as_deref() == Some("Missing request message.");
        let answer = wire::send(&self.channel, call, (!nothing).then_some(&bytes[..])).await;
        let tokens = |bytes: &[u8]| match call.method() {
            "ListOwnedObjects" => rpc::ListOwnedObjectsResponse::decode(bytes).ok()?.next_page_token,
            "ListTargets" => rpc::ListTargetsResponse::decode(bytes).ok()?.next_page_token,
            _ => None,
        };
        if let ([ours], [theirs]) = (&answer.messages[..], &call.response_messages[..])
            && let (Some(ours), Some(theirs)) = (tokens(ours), tokens(&theirs.bytes()))
        {
            self.tokens.insert(theirs, ours);
        }
        answer
    }

    /// The recorded request, with our token where it has one that the node gave.
    fn with_our_token(&self, call: &Call) -> Vec<u8> {
        let bytes = call.request.bytes();
        macro_rules! exchanged {
            ($message:ty) => {
                match <$message>::decode(&bytes[..]) {
                    Ok(mut request) if request.page_token.as_ref().is_some_and(|t| self.tokens.contains_key(t)) => {
                        request.page_token = request.page_token.map(|token| self.tokens[&token].clone());
                        request.encode_to_vec()
                    }
                    _ => bytes,
                }
            };
        }
        match call.method() {
            "ListOwnedObjects" => exchanged!(rpc::ListOwnedObjectsRequest),
            "ListTargets" => exchanged!(rpc::ListTargetsRequest),
            _ => bytes,
        }
    }
}

/// The transaction of a request that the recorded node executed.
fn executed(call: &Call) -> Option<TransactionData> {
    if call.method() != "ExecuteTransaction" || call.response_messages.is_empty() {
        return None;
    }
    let request = rpc::ExecuteTransactionRequest::decode(&call.request.bytes()[..]).ok()?;
    convert::transaction_from_proto(&request.transaction?).ok()
}

/// The coins of refused transactions come from one payment that was not recorded, 5 000 000 shannons each: known because the
/// references hold their digests. Each belongs to the sender, or to whom the refusal names.
fn funded(call: &Call) -> Vec<Object> {
    let payment: Digest = "CdvnfR4FS5f3zYEEuUsZPiqiryFES2HgFuLDGCL6S37y".parse().expect("a digest");
    let Some(text) = call.grpc_message.as_deref().filter(|_| call.label.starts_with("Admission/")) else {
        return Vec::new();
    };
    let request = rpc::ExecuteTransactionRequest::decode(&call.request.bytes()[..]).ok();
    let data = request.and_then(|request| convert::transaction_from_proto(&request.transaction?).ok());
    let Some((data, inputs)) = data.and_then(|data| Some((data.clone(), data.kind().inputs()?))) else {
        return Vec::new();
    };
    let named = text.split_once("owned by account address ").map(|(_, rest)| rest[..64].parse().expect("an address"));
    let references = inputs.owned.iter().map(|(reference, _)| reference).chain(data.gas_payment());
    references
        .filter(|reference| !text.contains(&format!("{:?} at version None", reference.id)))
        .map(|reference| {
            let owner = match named {
                Some(owner) if text.contains(&format!("Object {:?}", reference.id)) => owner,
                _ => data.sender(),
            };
            let coin = Object::coin(reference.id, 15, 5_000_000, owner, payment);
            let known = coin.digest() == reference.digest || text.contains(&coin.digest().to_string());
            assert!(known || reference.version != 15, "{}: {reference:?}", call.name());
            coin
        })
        .collect()
}

/// The live objects that a recorded answer shows whole.
fn shown(call: &Call) -> Vec<Object> {
    let messages = call.response_messages.iter().map(|body| body.bytes());
    let objects: Vec<rpc::Object> = match call.method() {
        "GetObject" => messages.filter_map(|b| rpc::GetObjectResponse::decode(&b[..]).ok()?.object).collect(),
        "ListOwnedObjects" => messages
            .filter_map(|b| rpc::ListOwnedObjectsResponse::decode(&b[..]).ok())
            .flat_map(|list| list.objects)
            .collect(),
        _ => Vec::new(),
    };
    objects.iter().filter_map(|object| convert::object_from_proto(object).ok()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rpc_port_answers_as_the_recorded_node_did() {
    let stop = CancellationToken::new();
    let mut replayed = Replayed::start(stop.clone()).await;
    let (mut envelopes, mut contents) = (0, 0);
    let (mut wrong, mut left_out) = (Vec::new(), Vec::new());
    for call in &capture().calls {
        if call.service != "rpc" || call.on_second_chain() {
            continue;
        }
        if let Some(data) = executed(call)
            && !replayed.knows(&data.digest())
        {
            left_out.push(call.name());
            continue;
        }
        let answer = replayed.ask(call).await;
        match compare::envelope(call, &answer) {
            Ok(()) => envelopes += 1,
            Err(difference) => {
                wrong.push(format!("{}: {difference}", call.name()));
                continue;
            }
        }
        let theirs: Vec<Vec<u8>> = call.response_messages.iter().map(|body| body.bytes()).collect();
        match compare::content(call, &answer.messages, &theirs) {
            Ok(true) => contents += 1,
            Ok(false) => {}
            Err(difference) => wrong.push(format!("{}: {difference}", call.name())),
        }
    }
    stop.cancel();
    for line in left_out.iter().chain(&wrong) {
        println!("{line}");
    }
    assert_eq!((left_out.len(), wrong.len(), envelopes, contents, replayed.adopted), (0, 0, 0, 0, 0));
}
