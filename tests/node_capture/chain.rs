//! Digests: of transactions, effects, objects and checkpoints, each computed from our types and compared with the recorded.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use prost::Message;
use somascope::{
    chain::{
        convert,
        keys::verify,
        proto::soma::rpc::{self, get_object_result::Result as ObjectItem, get_transaction_result::Result as Item},
        types::{
            Digest, Object, ObjectIn, ObjectOut, SignedTransaction, TransactionData, TransactionEffects,
            TransactionEffectsV1, UserSignature,
        },
    },
    primitives::ObjectId,
};

use crate::capture::{Call, capture};

/// Where an object was shown, which decides whether the digest beside it is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shown {
    /// GetObject, ListOwnedObjects, BatchGetObjects.
    ByItself,
    /// In the `objects` of an executed or simulated transaction.
    WithTransaction,
    InCheckpoint,
}

/// What the whole recording shows, message by message.
#[derive(Default)]
pub struct Recording {
    pub executed: Vec<(Call, rpc::ExecutedTransaction)>,
    pub simulated: Vec<(Call, rpc::ExecutedTransaction)>,
    pub stored: Vec<(Call, rpc::ExecutedTransaction)>,
    pub checkpoints: Vec<(Call, rpc::Checkpoint)>,
    pub objects: Vec<(Call, Shown, rpc::Object)>,
}

/// Walked once.
pub fn walk() -> &'static Recording {
    static RECORDING: LazyLock<Recording> = LazyLock::new(walked);
    &RECORDING
}

fn walked() -> Recording {
    let mut shown = Recording::default();
    for call in &capture().calls {
        for body in &call.response_messages {
            let bytes = &body.bytes()[..];
            macro_rules! decoded {
                ($message:ty) => {
                    <$message>::decode(bytes).expect("decoded before")
                };
            }
            match call.method() {
                "ExecuteTransaction" => {
                    let transaction = decoded!(rpc::ExecuteTransactionResponse).transaction.expect("an answer");
                    shown.executed.push((call.clone(), transaction));
                }
                "SimulateTransaction" => {
                    let transaction = decoded!(rpc::SimulateTransactionResponse).transaction;
                    shown.simulated.extend(transaction.map(|transaction| (call.clone(), transaction)));
                }
                "GetTransaction" => {
                    let transaction = decoded!(rpc::GetTransactionResponse).transaction.expect("an answer");
                    shown.stored.push((call.clone(), transaction));
                }
                "BatchGetTransactions" => {
                    for result in decoded!(rpc::BatchGetTransactionsResponse).transactions {
                        if let Some(Item::Transaction(transaction)) = result.result {
                            shown.stored.push((call.clone(), transaction));
                        }
                    }
                }
                "GetCheckpoint" => {
                    let checkpoint = decoded!(rpc::GetCheckpointResponse).checkpoint.expect("an answer");
                    shown.checkpoints.push((call.clone(), checkpoint));
                }
                "SubscribeCheckpoints" => {
                    let checkpoint = decoded!(rpc::SubscribeCheckpointsResponse).checkpoint;
                    shown.checkpoints.extend(checkpoint.map(|checkpoint| (call.clone(), checkpoint)));
                }
                "GetObject" => {
                    let object = decoded!(rpc::GetObjectResponse).object.expect("an answer");
                    shown.objects.push((call.clone(), Shown::ByItself, object));
                }
                "ListOwnedObjects" => {
                    for object in decoded!(rpc::ListOwnedObjectsResponse).objects {
                        shown.objects.push((call.clone(), Shown::ByItself, object));
                    }
                }
                "BatchGetObjects" => {
                    for result in decoded!(rpc::BatchGetObjectsResponse).objects {
                        if let Some(ObjectItem::Object(object)) = result.result {
                            shown.objects.push((call.clone(), Shown::ByItself, object));
                        }
                    }
                }
                _ => {}
            }
        }
    }
    let of_transactions = shown.executed.iter().chain(&shown.simulated).chain(&shown.stored);
    let mut objects: Vec<_> = of_transactions
        .flat_map(|(call, transaction)| {
            let set = transaction.objects.iter().flat_map(|set| &set.objects);
            set.map(|object| (call.clone(), Shown::WithTransaction, object.clone()))
        })
        .collect();
    objects.extend(shown.checkpoints.iter().flat_map(|(call, checkpoint)| {
        let set = checkpoint.objects.iter().flat_map(|set| &set.objects);
        set.map(|object| (call.clone(), Shown::InCheckpoint, object.clone()))
    }));
    shown.objects.extend(objects);
    shown
}

pub fn digest(text: &str) -> Digest {
    text.parse().expect("a digest")
}

pub fn effects_of(call: &Call, transaction: &rpc::ExecutedTransaction) -> Option<TransactionEffectsV1> {
    let effects = transaction.effects.as_ref()?;
    // A mask may ask for a part of the effects.
    effects.status.as_ref()?;
    effects.transaction_digest.as_ref()?;
    Some(convert::effects_from_proto(effects).unwrap_or_else(|cause| panic!("{}: {cause}", call.name())))
}

/// The transaction of an ExecuteTransaction or SimulateTransaction request, if it is a whole one.
pub fn requested(call: &Call) -> Option<TransactionData> {
    let bytes = call.request.bytes();
    let transaction = match call.method() {
        "ExecuteTransaction" => rpc::ExecuteTransactionRequest::decode(&bytes[..]).ok()?.transaction,
        "SimulateTransaction" => {
            rpc::SimulateTransactionRequest::decode(&bytes[..]).expect("decoded before").transaction
        }
        _ => None,
    };
    convert::transaction_from_proto(&transaction?).ok()
}

#[test]
fn every_requested_transaction_has_the_digest_and_the_signature_that_the_node_saw() {
    let capture = capture();
    // Preparations were made without a recording.
    let by_label = capture.transactions_by_label.iter().filter(|(label, _)| !label.starts_with("aux/"));
    let by_label: BTreeSet<String> = by_label.filter_map(|(_, value)| value.as_str().map(str::to_owned)).collect();
    let answered: BTreeMap<usize, TransactionEffectsV1> = walk()
        .executed
        .iter()
        .filter_map(|(call, transaction)| Some((call.n, effects_of(call, transaction)?)))
        .collect();
    let (mut rebuilt, mut executed, mut signed, mut labelled) = (0, 0, 0, BTreeSet::new());
    let (mut refused_to_rebuild, mut badly_signed) = (Vec::new(), Vec::new());
    for call in capture.calls.iter().filter(|call| call.method() == "ExecuteTransaction") {
        let request = rpc::ExecuteTransactionRequest::decode(&call.request.bytes()[..]);
        let (Ok(request), Some(data)) = (request, requested(call)) else {
            refused_to_rebuild.push(call.label.as_str());
            continue;
        };
        rebuilt += 1;
        let found = data.digest();
        if by_label.contains(&found.to_string()) {
            labelled.insert(found);
        }
        if let Some(effects) = answered.get(&call.n) {
            assert_eq!(effects.transaction_digest, found, "{}", call.name());
            executed += 1;
        }
        // The message that we would have sent is the one that was sent, but for its own digest, which nodes ignore.
        let again = convert::transaction_to_proto(&data);
        assert_eq!(convert::transaction_from_proto(&again), Ok(data.clone()), "{}", call.name());
        match request.signatures.iter().map(convert::signature_from_proto).collect::<Result<Vec<_>, _>>().as_deref() {
            Ok([signature]) => {
                let transaction = SignedTransaction { data, signature: signature.clone() };
                match verify(&transaction) {
                    Ok(()) => signed += 1,
                    Err(_) => badly_signed.push(call.label.as_str()),
                }
            }
            _ => badly_signed.push(call.label.as_str()),
        }
    }
    assert_eq!(labelled.len(), by_label.len());
    assert_eq!((rebuilt, executed, signed), REQUESTED);
    assert_eq!(refused_to_rebuild, REFUSED_TO_REBUILD);
    assert_eq!(badly_signed, BADLY_SIGNED);
}

/// Rebuilt; executed under the same digest; with a good signature.
const REQUESTED: (usize, usize, usize) = (143, 112, 132);
/// Made to be no transaction: the node refused each of them.
const REFUSED_TO_REBUILD: &[&str] = &[
    "Admission/missing transaction",
    "Admission/missing sender",
    "Admission/sender not hex",
    "Admission/missing kind",
    "Admission/bad Base58 digest",
    "Admission/missing coin",
    "Admission/retired kind initiate_challenge",
    "Admission/garbage protobuf",
    "Admission/empty body",
    "Admission/submit bad url",
    "Admission/submit without manifest",
    "Admission/submit short checksum",
    "Admission/submit without distance",
    "Admission/submit without bond",
];
/// Signed so on purpose; the last two say something else than was signed.
const BADLY_SIGNED: &[&str] = &[
    "Admission/bad signature (flipped bit)",
    "Admission/signed by another key",
    "Admission/no signatures",
    "Admission/two signatures",
    "Admission/short signature",
    "Admission/short public key",
    "Admission/scheme BLS",
    "Admission/no outer scheme",
    "Admission/body changed after signing, digest kept",
    "Admission/short recipient",
    "Admission/submit url not normalised",
];

#[test]
fn every_transaction_in_an_answer_has_the_digest_that_stands_beside_it() {
    let shown = walk();
    let (mut own, mut nested_wrong, mut user, mut signed, mut system) = (0, 0, 0, 0, 0);
    let in_checkpoints = shown
        .checkpoints
        .iter()
        .flat_map(|(call, checkpoint)| checkpoint.transactions.iter().map(move |transaction| (call, transaction)));
    let stored = shown.stored.iter().map(|(call, transaction)| (call, transaction));
    for (call, transaction) in in_checkpoints.chain(stored) {
        let Some(message) = transaction.transaction.as_ref().filter(|message| message.kind.is_some()) else { continue };
        let Ok(data) = convert::transaction_from_proto(message) else {
            // A mask may leave out the sender.
            assert!(message.sender.is_none(), "{}", call.name());
            continue;
        };
        let Some(outer) = transaction.digest.as_deref().map(digest) else { continue };
        assert_eq!(data.digest(), outer, "{}", call.name());
        own += 1;
        match &message.digest {
            Some(nested) if digest(nested) != outer => nested_wrong += 1,
            _ => {}
        }
        match data.kind().inputs() {
            None => system += 1,
            Some(_) => {
                user += 1;
                // A mask may leave the signatures out.
                let Some(signature) = transaction.signatures.first() else { continue };
                let signature: UserSignature = convert::signature_from_proto(signature).expect("a signature");
                assert_eq!(verify(&SignedTransaction { data, signature }), Ok(()), "{}", call.name());
                signed += 1;
            }
        }
    }
    assert_eq!((own, user, signed, system, nested_wrong), ANSWERED);
}

/// All; of users; whose signature is shown and verifies; of the network; whose nested digest is another.
const ANSWERED: (usize, usize, usize, usize, usize) = (122, 12, 7, 110, 1);

/// Every effects message, in whatever style, is the same effects; their digest stands in the checkpoint's contents.
#[test]
fn every_effects_message_decodes_and_has_the_digest_of_the_checkpoints_contents() {
    let shown = walk();
    let mut all: Vec<(String, TransactionEffectsV1)> = Vec::new();
    let mut partial = 0;
    let of_transactions = shown.executed.iter().chain(&shown.simulated).chain(&shown.stored);
    let in_checkpoints = shown.checkpoints.iter().flat_map(|(call, checkpoint)| {
        checkpoint.transactions.iter().map(move |transaction| (call.clone(), transaction.clone()))
    });
    for (call, transaction) in of_transactions.cloned().chain(in_checkpoints) {
        match effects_of(&call, &transaction) {
            Some(effects) => all.push((call.name(), effects)),
            None => partial += usize::from(transaction.effects.is_some()),
        }
    }
    let contents: BTreeMap<Digest, Digest> = shown
        .checkpoints
        .iter()
        .flat_map(|(_, checkpoint)| checkpoint.contents.iter().flat_map(|contents| &contents.transactions))
        .map(|info| (digest(info.transaction()), digest(info.effects())))
        .collect();
    let mut by_transaction: BTreeMap<Digest, Digest> = BTreeMap::new();
    let mut in_contents = 0;
    for (name, effects) in &all {
        let found = TransactionEffects::V1(effects.clone()).digest();
        if let Some(recorded) = contents.get(&effects.transaction_digest) {
            assert_eq!(*recorded, found, "{name}");
            in_contents += 1;
        }
        // Repeated, stored, streamed: always the same.
        let first = by_transaction.entry(effects.transaction_digest).or_insert(found);
        assert_eq!(*first, found, "{name}");
        assert!(effects.changed_objects.is_sorted_by_key(|(id, _)| *id), "{name}");
    }
    assert_eq!((all.len(), partial, in_contents, by_transaction.len()), EFFECTS);
}

/// All; in part only; with a digest in a checkpoint's contents; different ones.
const EFFECTS: (usize, usize, usize, usize) = (244, 0, 52, 220);

/// Every version that the effects name, with its digest.
fn versions(
    call: &Call,
    transaction: &rpc::ExecutedTransaction,
) -> impl Iterator<Item = ((ObjectId, u64), Digest)> + use<> {
    let effects = effects_of(call, transaction);
    let version = effects.as_ref().map_or(0, |effects| effects.version);
    effects.into_iter().flat_map(|effects| effects.changed_objects).flat_map(move |(id, change)| {
        let before = match change.input_state {
            ObjectIn::Exist((version, digest), _) => Some(((id, version), digest)),
            ObjectIn::NotExist => None,
        };
        let after = match change.output_state {
            ObjectOut::ObjectWrite(digest, _) => Some(((id, version), digest)),
            ObjectOut::NotExist => None,
        };
        before.into_iter().chain(after)
    })
}

/// Every version of every object that the recording shows whole.
pub fn objects(shown: &Recording) -> BTreeMap<(ObjectId, u64), Object> {
    let whole = shown.objects.iter().filter_map(|(_, _, object)| convert::object_from_proto(object).ok());
    whole.map(|object| ((object.id(), object.version), object)).collect()
}

#[test]
fn every_object_has_the_digest_that_the_node_computed() {
    let shown = walk();
    // What effects say of a version: id, version → digest.
    let mut written: BTreeMap<(ObjectId, u64), Digest> = BTreeMap::new();
    let real = shown.executed.iter().chain(&shown.stored).cloned();
    let in_checkpoints = shown.checkpoints.iter().flat_map(|(call, checkpoint)| {
        checkpoint.transactions.iter().map(move |transaction| (call.clone(), transaction.clone()))
    });
    for (call, transaction) in real.chain(in_checkpoints) {
        written.extend(versions(&call, &transaction));
    }
    // What a simulation wrote was never written.
    let simulated: BTreeMap<usize, BTreeMap<(ObjectId, u64), Digest>> =
        shown.simulated.iter().map(|(call, transaction)| (call.n, versions(call, transaction).collect())).collect();
    let mut counts: BTreeMap<Shown, Counts> = BTreeMap::new();
    let mut partial = BTreeMap::<Shown, usize>::new();
    let mut types = BTreeMap::<&str, usize>::new();
    for (call, place, message) in &shown.objects {
        let Ok(object) = convert::object_from_proto(message) else {
            *partial.entry(*place).or_default() += 1;
            continue;
        };
        *types.entry(object.object_type.name()).or_default() += 1;
        let (whole, own_right, own_wrong, by_effects) = counts.entry(*place).or_default();
        *whole += 1;
        let found = object.digest();
        match message.digest.as_deref().map(digest) {
            Some(beside) if beside == found => *own_right += 1,
            Some(_) => *own_wrong += 1,
            None => {}
        }
        // Two chains have different ids, so a version is one object.
        let version = (object.id(), object.version);
        if let Some(recorded) = simulated.get(&call.n).unwrap_or(&written).get(&version) {
            assert_eq!(*recorded, found, "{}: {} {}", call.name(), object.id(), object.version);
            *by_effects += 1;
        }
        let again = convert::object_to_proto(&object, false);
        assert_eq!(convert::object_from_proto(&again).as_ref(), Ok(&object), "{}", call.name());
        // The content is what its type says, and nothing else.
        match object.object_type {
            somascope::chain::types::ObjectType::Coin => drop(object.coin_balance().expect("a coin")),
            somascope::chain::types::ObjectType::StakedSoma => drop(object.staked_soma().expect("a stake")),
            somascope::chain::types::ObjectType::Target => {
                let target = object.target().expect("a target");
                assert_eq!(somascope::chain::types::to_bcs(&target), object.body(), "{}", call.name());
            }
            somascope::chain::types::ObjectType::SystemState => {
                let state = object.system_state().expect("a system state");
                assert_eq!(somascope::chain::types::to_bcs(&state), object.body(), "{}", call.name());
            }
        }
    }
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), OBJECTS);
    assert_eq!(partial.into_iter().collect::<Vec<_>>(), PARTIAL_OBJECTS);
    assert_eq!(types.into_iter().collect::<Vec<_>>(), OBJECT_TYPES);
}

/// Whole objects; whose digest stands beside them; beside which another stands; that effects name.
type Counts = (usize, usize, usize, usize);

const OBJECTS: &[(Shown, Counts)] = &[
    (Shown::ByItself, (130, 130, 0, 116)),
    // Nodes put something else beside the objects of a transaction (`protocol-corrections.md §1`, on §2.2).
    (Shown::WithTransaction, (649, 16, 633, 649)),
    (Shown::InCheckpoint, (64, 64, 0, 64)),
];
/// Asked for with a mask that leaves out what an object is made of.
const PARTIAL_OBJECTS: &[(Shown, usize)] = &[(Shown::ByItself, 22)];
const OBJECT_TYPES: &[(&str, usize)] = &[("Coin", 511), ("StakedSoma", 12), ("SystemState", 188), ("Target", 132)];

#[test]
fn every_checkpoint_summary_has_its_digest() {
    let (mut right, mut ends_of_epochs, mut partial, mut chained) = (BTreeSet::new(), Vec::new(), 0, 0);
    let mut previous: BTreeMap<Digest, Digest> = BTreeMap::new();
    for (call, checkpoint) in &walk().checkpoints {
        let Some(message) = &checkpoint.summary else { continue };
        let Ok(summary) = convert::checkpoint_summary_from_proto(message) else {
            partial += 1;
            continue;
        };
        let Some(recorded) = message.digest.as_deref().or(checkpoint.digest.as_deref()).map(digest) else {
            partial += 1;
            continue;
        };
        // An epoch's last summary holds what was never seen as BCS.
        if summary.end_of_epoch_data.is_some() {
            ends_of_epochs.push((call.label.clone(), summary.digest() == recorded));
            continue;
        }
        assert_eq!(summary.digest(), recorded, "{}", call.name());
        if let Some(before) = summary.previous_digest {
            previous.insert(recorded, before);
        }
        right.insert(recorded);
    }
    chained += previous.values().filter(|before| right.contains(before)).count();
    assert_eq!((right.len(), partial, chained), SUMMARIES);
    assert_eq!(ends_of_epochs, ENDS_OF_EPOCHS.map(|(label, right)| (label.to_owned(), right)));
}

/// Different ones with the right digest; shown in part only; whose predecessor is among them.
const SUMMARIES: (usize, usize, usize) = (7, 20, 3);
/// Label, and whether the digest is right.
const ENDS_OF_EPOCHS: [(&str, bool); 3] = [
    ("GetCheckpoint/last of epoch 1", false),
    ("GetCheckpoint/last of epoch 2", false),
    ("GetCheckpoint/last of epoch 3", false),
];
