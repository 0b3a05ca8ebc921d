//! The golden values of the official SDK, byte for byte: keys, transactions, objects, ids, and every message it exchanges.

use prost::Message;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use somascope::{
    chain::{
        convert,
        keys::{KeyError, Keypair, verify},
        proto::soma::rpc,
        services,
        types::{
            Manifest, Object, ObjectType, Owner, SignedTransaction, SomaTensor, TargetStatus, TransactionData,
            TransactionKind, UserSignature, create_model_id, to_bcs,
        },
    },
    primitives::{Digest, ObjectId, Shannons, hash},
};

fn vectors() -> Value {
    serde_json::from_str(include_str!("data/protocol-vectors.json")).expect("the vectors are JSON")
}

/// A group of the vectors in its own shape.
fn group<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_value(vectors()[name].take()).unwrap_or_else(|cause| panic!("{name}: {cause}"))
}

type Named<T> = std::collections::BTreeMap<String, T>;

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).expect("hex")
}

// ---- keys ----

#[derive(Deserialize)]
struct Key {
    secret_key_hex: String,
    address: String,
    encoded: String,
    public_key_hex: String,
    keystore_entry_base64: String,
}

#[test]
fn every_text_form_of_a_key_is_the_same_account() {
    let keys: Vec<Key> = group("keys");
    assert_eq!(keys.len(), 6);
    for golden in keys {
        let forms = [
            golden.secret_key_hex.clone(),
            format!("0x{}", golden.secret_key_hex),
            golden.encoded.clone(),
            golden.keystore_entry_base64.clone(),
        ];
        for form in forms {
            let key =
                Keypair::from_text(&SecretString::from(form)).unwrap_or_else(|e| panic!("{}: {e}", golden.address));
            assert_eq!(key.address().to_string(), golden.address);
            assert_eq!(hex::encode(key.public_key()), golden.public_key_hex);
            assert_eq!(key.to_bech32().expose_secret(), golden.encoded);
            assert_eq!(key.to_keystore_entry().expose_secret(), golden.keystore_entry_base64);
        }
    }
}

#[derive(Deserialize)]
struct Phrase {
    mnemonic: String,
    address: String,
    encoded: String,
}

#[test]
fn a_mnemonic_derives_the_wallets_key() {
    let phrases: Vec<Phrase> = group("mnemonics");
    assert_eq!(phrases.len(), 5);
    for golden in phrases {
        let spaced = golden.mnemonic.to_uppercase().replace(' ', " \n ");
        for words in [golden.mnemonic, spaced] {
            let key = Keypair::from_mnemonic(&words.into()).unwrap_or_else(|e| panic!("{}: {e}", golden.address));
            assert_eq!(key.address().to_string(), golden.address);
            assert_eq!(key.to_bech32().expose_secret(), golden.encoded);
        }
    }
}

/// The SDK's `key_errors`, with our own words.
#[test]
fn what_the_sdk_refuses_as_a_key_is_refused() {
    let error = |text: &str| Keypair::from_text(&text.into()).err();
    assert_eq!(error(&"11".repeat(31)), Some(KeyError::Length(31)));
    assert_eq!(error(&"zz".repeat(32)), Some(KeyError::Hex(0)));
    assert_eq!(error("somaprivkey1qqqq"), Some(KeyError::Bech32));
    assert_eq!(Keypair::from_mnemonic(&"not words".into()).err(), Some(KeyError::WordCount(2)));
    let wrong_checksum = "abandon ".repeat(12);
    assert_eq!(Keypair::from_mnemonic(&wrong_checksum.into()).err(), Some(KeyError::MnemonicChecksum));
}

// ---- transactions ----

#[derive(Deserialize)]
struct GoldenTransaction {
    bcs_kind_index: u8,
    tx_data_bcs: String,
    digest: String,
    signing_hash: String,
    signature: String,
    public_key: String,
    sender: String,
    signed_transaction_bcs: String,
    request_proto_hex: String,
}

/// The SDK signed with this one.
fn signer() -> Keypair {
    let keys: Vec<Key> = group("keys");
    Keypair::from_text(&keys[1].secret_key_hex.clone().into()).expect("a golden key")
}

#[test]
fn every_golden_transaction_is_reproduced_byte_for_byte() {
    let transactions: Named<GoldenTransaction> = group("transactions");
    assert_eq!(transactions.len(), 27);
    for (name, golden) in transactions {
        let encoded = bytes(&golden.tx_data_bcs);
        let data: TransactionData = bcs::from_bytes(&encoded).unwrap_or_else(|cause| panic!("{name}: {cause}"));
        assert_eq!(to_bcs(&data), encoded, "{name}");
        assert_eq!(encoded[1], golden.bcs_kind_index, "{name}");
        assert_eq!(data.sender().to_string(), golden.sender, "{name}");
        assert_eq!(data.digest().to_string(), golden.digest, "{name}");
        assert_eq!(hex::encode(data.signing_hash().0), golden.signing_hash, "{name}");

        let signed = signer().sign(data);
        let signature = [vec![0], bytes(&golden.signature), bytes(&golden.public_key)].concat();
        assert_eq!(signed.signature, UserSignature(signature), "{name}");
        assert_eq!(signed.digest().to_string(), golden.digest, "{name}");
        assert_eq!(hex::encode(signed.to_bytes()), golden.signed_transaction_bcs, "{name}");
        assert_eq!(SignedTransaction::from_bytes(&signed.to_bytes()).as_ref(), Ok(&signed), "{name}");
        assert_eq!(verify(&signed), Ok(()), "{name}");
    }
}

#[test]
fn every_golden_request_is_what_we_would_send_and_what_we_would_read() {
    let transactions: Named<GoldenTransaction> = group("transactions");
    for (name, golden) in transactions {
        let sdk = bytes(&golden.request_proto_hex);
        let request = rpc::ExecuteTransactionRequest::decode(&sdk[..]).unwrap_or_else(|e| panic!("{name}: {e}"));
        let signed = SignedTransaction::from_bytes(&bytes(&golden.signed_transaction_bcs))
            .unwrap_or_else(|cause| panic!("{name}: {cause}"));

        let ours = rpc::ExecuteTransactionRequest {
            transaction: Some(convert::transaction_to_proto(&signed.data)),
            signatures: vec![convert::signature_to_proto(&signed.signature)],
            read_mask: request.read_mask.clone(),
        };
        assert_eq!(ours, request, "{name}");
        assert_eq!(ours.encode_to_vec(), sdk, "{name}");

        let message = request.transaction.unwrap_or_else(|| panic!("{name} has no transaction"));
        assert_eq!(convert::transaction_from_proto(&message), Ok(signed.data), "{name}");
        assert_eq!(convert::signature_from_proto(&request.signatures[0]), Ok(signed.signature), "{name}");
    }
}

#[derive(Deserialize)]
struct Judged {
    tx_data_bcs: String,
    accepted: bool,
    digest: String,
    signed_transaction_bcs: Option<String>,
}

#[test]
fn the_decoder_accepts_and_rejects_what_the_sdk_does() {
    let cases: Named<Judged> = group("transaction_bcs_accept_reject");
    assert_eq!(cases.len(), 12);
    for (name, case) in cases {
        let encoded = bytes(&case.tx_data_bcs);
        let decoded = bcs::from_bytes::<TransactionData>(&encoded);
        assert_eq!(decoded.is_ok(), case.accepted, "{name}: {decoded:?}");
        let Ok(data) = decoded else { continue };
        assert_eq!(to_bcs(&data), encoded, "{name}");
        assert_eq!(data.digest().to_string(), case.digest, "{name}");
        let signed = signer().sign(data);
        assert_eq!(Some(hex::encode(signed.to_bytes())), case.signed_transaction_bcs, "{name}");
    }
}

/// `protocol.md §4.3`: a server reads an empty list as present, so pay-all cannot be sent.
#[test]
fn the_one_transaction_that_a_request_cannot_say_is_pay_all() {
    let cases: Named<Judged> = group("transaction_bcs_accept_reject");
    for (name, case) in cases.into_iter().filter(|(_, case)| case.accepted) {
        let data: TransactionData = bcs::from_bytes(&bytes(&case.tx_data_bcs)).expect("accepted");
        let rebuilt = convert::transaction_from_proto(&convert::transaction_to_proto(&data));
        assert_eq!(rebuilt == Ok(data), name != "PayCoins_amounts_None", "{name}");
    }
}

#[test]
fn urls_are_normalised_as_the_servers_do() {
    let cases: Vec<(String, Option<String>)> = group("url_normalisation");
    assert_eq!(cases.len(), 5);
    for (given, normalised) in cases {
        let manifest = Manifest::new(&given, Digest::default(), 1).ok();
        assert_eq!(manifest.map(|manifest| manifest.url().to_owned()), normalised, "{given}");
    }
}

// ---- commitments, ids, objects, amounts ----

#[derive(Deserialize)]
struct Commitment {
    data_hex: String,
    blake2b256_base58: String,
}

#[derive(Deserialize)]
struct CommitModel {
    weights: String,
    decryption_key_base58: Digest,
    embedding: Vec<f32>,
    embedding_tensor_bcs: String,
    weights_commitment: String,
    embedding_commitment: String,
    decryption_key_commitment: String,
}

#[test]
fn commitments_are_the_one_hash() {
    for golden in group::<Vec<Commitment>>("commitments") {
        assert_eq!(hash(&bytes(&golden.data_hex)).to_string(), golden.blake2b256_base58);
    }
    let golden: CommitModel = group("commit_model_commitments");
    let weights = golden.weights.strip_suffix(" (ascii)").unwrap_or(&golden.weights);
    let embedding = to_bcs(&SomaTensor::vector(&golden.embedding));
    assert_eq!(hex::encode(hash(weights.as_bytes()).0), golden.weights_commitment);
    assert_eq!(hex::encode(&embedding), golden.embedding_tensor_bcs);
    assert_eq!(hex::encode(hash(&embedding).0), golden.embedding_commitment);
    assert_eq!(hex::encode(hash(golden.decryption_key_base58.as_bytes()).0), golden.decryption_key_commitment);
}

#[derive(Deserialize)]
struct Derived {
    tx_digest: Digest,
    creation_num: u64,
    object_id: Option<ObjectId>,
    seed_u64: Option<String>,
    model_id_returned_by_sdk: Option<ObjectId>,
}

#[test]
fn ids_and_seeds_come_from_the_transactions_digest() {
    let ids: Vec<Derived> = group("derive_object_id");
    let seeds: Vec<Derived> = group("target_seed");
    assert_eq!((ids.len(), seeds.len()), (8, 6));
    for golden in ids.into_iter().chain(seeds) {
        let id = ObjectId::derive(&golden.tx_digest, golden.creation_num);
        assert!(golden.object_id.is_none_or(|expected| expected == id));
        assert!(golden.seed_u64.is_none_or(|expected| expected == id.seed().to_string()));
    }
    let model: Derived = group("create_model_id");
    assert_eq!(Some(create_model_id(&model.tx_digest)), model.model_id_returned_by_sdk);
}

#[derive(Deserialize)]
struct GoldenObject {
    name: String,
    object_id: ObjectId,
    object_type: String,
    version: u64,
    owner: String,
    contents_hex: String,
    previous_transaction: Digest,
    object_bcs: String,
    digest: String,
}

#[test]
fn every_golden_object_decodes_and_has_its_digest() {
    let objects: Vec<GoldenObject> = group("objects");
    assert_eq!(objects.len(), 7);
    for golden in objects {
        let name = &golden.name;
        let object = Object::from_bytes(&bytes(&golden.object_bcs)).unwrap_or_else(|cause| panic!("{name}: {cause}"));
        assert_eq!(hex::encode(to_bcs(&object)), golden.object_bcs, "{name}");
        assert_eq!(object.id(), golden.object_id, "{name}");
        assert_eq!(object.object_type.name(), golden.object_type, "{name}");
        assert_eq!(object.version, golden.version, "{name}");
        assert_eq!(hex::encode(object.body()), golden.contents_hex, "{name}");
        assert_eq!(object.previous_transaction, golden.previous_transaction, "{name}");
        assert_eq!(object.digest().to_string(), golden.digest, "{name}");
        let owner_matches = match golden.owner.as_str() {
            "addr" => matches!(object.owner, Owner::Address(_)),
            "shared" => object.owner == Owner::SHARED,
            _ => object.owner == Owner::Immutable,
        };
        assert!(owner_matches, "{name}: {:?}", object.owner);
        for prefixed in [false, true] {
            let message = convert::object_to_proto(&object, prefixed);
            assert_eq!(convert::object_from_proto(&message).as_ref(), Ok(&object), "{name}");
        }
    }
}

#[test]
fn golden_contents_decode_and_encode_again() {
    let objects: Vec<GoldenObject> = group("objects");
    let object = |name: &str| {
        let golden = objects.iter().find(|object| object.name == name).expect("listed");
        Object::from_bytes(&bytes(&golden.object_bcs)).expect("decodes")
    };
    assert_eq!(object("coin_addr").coin_balance().ok(), Some(123_456_789));
    assert_eq!(object("coin_zero").coin_balance().ok(), Some(0));
    let stake = object("staked_soma").staked_soma().expect("a stake");
    assert_eq!(
        (stake.pool_id, stake.stake_activation_epoch, stake.principal),
        (ObjectId([0x33; 32]), 7, 1_000_000_000)
    );

    let open = object("target_open").target().expect("a target");
    assert_eq!(open.embedding.values(), Ok(vec![0.5, -0.25]));
    assert_eq!(open.model_ids, [ObjectId([0x11; 32]), ObjectId([0x12; 32])]);
    assert_eq!(open.distance_threshold.scalar_value(), Ok(1.05));
    assert_eq!((open.reward_pool, open.generation_epoch, open.status), (12_685_185, 42, TargetStatus::Open));
    assert_eq!(to_bcs(&open), object("target_open").body());

    let filled = object("target_filled").target().expect("a target");
    assert_eq!(filled.status, TargetStatus::Filled { fill_epoch: 42 });
    assert_eq!((filled.bond_amount, filled.submission_reports.len()), (1040, 2));
    assert_eq!(filled.winning_data_manifest.as_ref().map(Manifest::size), Some(16));
    assert_eq!(filled.winning_loss_score.as_ref().map(SomaTensor::values), Some(Ok(vec![1.5, 2.5])));
    assert_eq!(to_bcs(&filled), object("target_filled").body());

    assert!(object("coin_addr").target().is_err(), "a coin is no target");
    assert!(object("systemstate_fake").system_state().is_err(), "three bytes are no system state");
    assert_eq!(ObjectType::from_name("coin"), None, "type names are case-sensitive");
}

#[derive(Deserialize)]
struct Units {
    to_shannons: Vec<(f64, u64)>,
    to_soma: Vec<(u64, f64)>,
}

/// The SDK truncates floats; ours reads decimal text, so it agrees wherever nine decimals say the amount, and refuses the rest.
#[test]
fn amounts_agree_with_the_sdk_where_decimals_can_say_them() {
    let units: Units = group("units");
    for (shannons, soma) in units.to_soma {
        assert_eq!(Shannons(shannons).to_string().parse::<f64>(), Ok(soma));
    }
    for (soma, shannons) in units.to_shannons {
        let text = soma.to_string();
        let exact = soma >= 0.0 && text.split_once('.').is_none_or(|(_, decimals)| decimals.len() <= 9);
        assert_eq!(text.parse().ok(), exact.then_some(Shannons(shannons)), "{text}");
    }
}

// ---- every call of the SDK ----

#[derive(Deserialize)]
struct SdkMethod {
    calls: Vec<SdkCall>,
}

#[derive(Deserialize)]
struct SdkCall {
    method: String,
    request_hex: String,
    response_hex: String,
}

/// Decodes and encodes again: equal lengths mean that our contract knows every field.
fn exact<T: Message + Default>(what: &str, encoded: &[u8]) -> T {
    let message = T::decode(encoded).unwrap_or_else(|cause| panic!("{what}: {cause}"));
    assert_eq!(message.encoded_len(), encoded.len(), "{what} has fields unknown to us");
    message
}

fn exact_bcs<T: DeserializeOwned + Serialize>(what: &str, encoded: &[u8]) -> T {
    let message = bcs::from_bytes(encoded).unwrap_or_else(|cause| panic!("{what}: {cause}"));
    assert_eq!(to_bcs(&message), encoded, "{what}");
    message
}

#[test]
fn every_message_of_the_sdk_decodes_and_converts() {
    let methods: Named<SdkMethod> = group("sdk_calls");
    let mut executed = 0;
    for (name, call) in methods.into_iter().flat_map(|(name, m)| m.calls.into_iter().map(move |c| (name.clone(), c))) {
        let what = format!("{name} {}", call.method);
        let (request, response) = (bytes(&call.request_hex), bytes(&call.response_hex));
        match call.method.as_str() {
            "/soma.rpc.LedgerService/GetServiceInfo" => {
                exact::<rpc::GetServiceInfoRequest>(&what, &request);
                exact::<rpc::GetServiceInfoResponse>(&what, &response);
            }
            "/soma.rpc.LedgerService/GetEpoch" => {
                exact::<rpc::GetEpochRequest>(&what, &request);
                // Not exact: its maps have entries with default values, which encoders write or leave out.
                let epoch = rpc::GetEpochResponse::decode(&response[..]).expect("an epoch").epoch;
                if let Some(state) = epoch.and_then(|epoch| epoch.system_state) {
                    convert::epoch_state_from_proto(&state).unwrap_or_else(|cause| panic!("{what}: {cause}"));
                }
            }
            "/soma.rpc.LedgerService/GetObject" => {
                exact::<rpc::GetObjectRequest>(&what, &request);
                let object = exact::<rpc::GetObjectResponse>(&what, &response).object.expect("an object");
                convert::object_from_proto(&object).unwrap_or_else(|cause| panic!("{what}: {cause}"));
            }
            "/soma.rpc.LedgerService/GetCheckpoint" => {
                exact::<rpc::GetCheckpointRequest>(&what, &request);
                let checkpoint = exact::<rpc::GetCheckpointResponse>(&what, &response).checkpoint;
                let summary = checkpoint.and_then(|checkpoint| checkpoint.summary).expect("a summary");
                convert::checkpoint_summary_from_proto(&summary).unwrap_or_else(|cause| panic!("{what}: {cause}"));
            }
            "/soma.rpc.LedgerService/GetTransaction" => {
                exact::<rpc::GetTransactionRequest>(&what, &request);
                converts(&what, exact::<rpc::GetTransactionResponse>(&what, &response).transaction);
            }
            "/soma.rpc.StateService/GetBalance" => {
                exact::<rpc::GetBalanceRequest>(&what, &request);
                exact::<rpc::GetBalanceResponse>(&what, &response);
            }
            "/soma.rpc.StateService/ListOwnedObjects" => {
                exact::<rpc::ListOwnedObjectsRequest>(&what, &request);
                for object in exact::<rpc::ListOwnedObjectsResponse>(&what, &response).objects {
                    convert::object_from_proto(&object).unwrap_or_else(|cause| panic!("{what}: {cause}"));
                }
            }
            "/soma.rpc.StateService/ListTargets" => {
                exact::<rpc::ListTargetsRequest>(&what, &request);
                for target in exact::<rpc::ListTargetsResponse>(&what, &response).targets {
                    convert::target_info_from_proto(&target).unwrap_or_else(|cause| panic!("{what}: {cause}"));
                }
            }
            "/soma.rpc.TransactionExecutionService/ExecuteTransaction" => {
                exact::<rpc::ExecuteTransactionRequest>(&what, &request);
                executed += 1;
                let answer = exact::<rpc::ExecuteTransactionResponse>(&what, &response).transaction;
                // The last group of calls was answered with a status and has no body.
                if !response.is_empty() {
                    converts(&what, answer);
                }
            }
            "/soma.rpc.SubscriptionService/SubscribeCheckpoints" => {
                exact::<rpc::SubscribeCheckpointsRequest>(&what, &request);
            }
            "/scoring.Scoring/Score" => {
                exact_bcs::<services::ScoreRequest>(&what, &request);
                let answer: services::ScoreResponse = exact_bcs(&what, &response);
                assert_eq!(answer.distance.len(), 1);
            }
            "/scoring.Scoring/Health" => {
                exact_bcs::<services::Empty>(&what, &request);
                assert!(exact_bcs::<services::HealthResponse>(&what, &response).ok);
            }
            "/faucet.Faucet/RequestGas" => {
                exact_bcs::<services::GasRequest>(&what, &request);
                let answer: services::GasResponse = exact_bcs(&what, &response);
                assert_eq!(answer.coins_sent.first().map(|coin| coin.amount), Some(2_000_000_000));
            }
            "/admin.Admin/AdvanceEpoch" => {
                exact_bcs::<services::Empty>(&what, &request);
                assert_eq!(exact_bcs::<services::AdvanceEpochResponse>(&what, &response).epoch, 43);
            }
            other => panic!("{name} calls {other}, which is not in the contract"),
        }
    }
    assert_eq!(executed, 36);
}

fn converts(what: &str, transaction: Option<rpc::ExecutedTransaction>) {
    let transaction = transaction.unwrap_or_else(|| panic!("{what}: no transaction"));
    let effects = transaction.effects.unwrap_or_else(|| panic!("{what}: no effects"));
    convert::effects_from_proto(&effects).unwrap_or_else(|cause| panic!("{what}: {cause}"));
    for change in &transaction.balance_changes {
        convert::balance_change_from_proto(change).unwrap_or_else(|cause| panic!("{what}: {cause}"));
    }
}

/// A signed claim, cut and flipped everywhere: the decoders answer with an error or a value, never with a panic.
#[test]
fn damaged_transactions_never_panic_a_decoder() {
    let target_id = ObjectId([0x44; 32]);
    let key = signer();
    let data = TransactionData::new(TransactionKind::ClaimRewards { target_id }, key.address(), Vec::new());
    let signed = key.sign(data).to_bytes();
    for i in 0..signed.len() {
        assert!(SignedTransaction::from_bytes(&signed[..i]).is_err(), "cut at {i}");
        let mut flipped = signed.clone();
        flipped[i] ^= 0xff;
        let decoded = SignedTransaction::from_bytes(&flipped);
        assert!(decoded.is_err() || decoded.is_ok_and(|t| verify(&t).is_err()), "flipped at {i}");
    }
}
