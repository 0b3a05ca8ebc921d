//! What the client never sends (`protocol-corrections.md §0`), whoever asks it to: every request of every public method is
//! recorded and looked at.

use std::collections::BTreeSet;

use super::*;
use crate::chain::services::{ModelManifest, ScoreRequest, path};

/// The paths of an executed transaction that no node was seen to fail at.
const SAFE: &[&str] = &[
    "effects",
    "balance_changes",
    "objects.objects",
    "checkpoint",
    "timestamp",
    "signatures",
    "transaction.kind",
    "transaction.sender",
    "transaction.gas_payment",
];

/// Every method once, against a node that refuses everything: what leaves is what counts.
#[tokio::test]
async fn no_method_sends_a_mask_that_ends_a_nodes_process() {
    let (node, url) = FakeNode::start([]).await;
    let client = Client::new(&url, TIMEOUT).expect("a URL");
    let me = key().address();
    let _ = client.service_info().await;
    let _ = client.epoch_state().await;
    let _ = client.balance(me).await;
    let _ = client.object(ObjectId([1; 32])).await;
    let _ = client.target(ObjectId([1; 32])).await;
    let _ = client.coins(me).await;
    for filter in [TargetFilter::Open, TargetFilter::Filled, TargetFilter::Claimable] {
        let _ = client.targets(filter, Some(me)).await;
    }
    let _ = client.subscribe().await;
    let _ = client.transaction(claim().digest()).await;
    let _ = client.execute(&claim()).await;
    let _ = client.preflight(&claim().data).await;

    let masks = |method| -> Vec<Option<Vec<String>>> {
        let paths = |mask: Option<FieldMask>| mask.map(|mask| mask.paths);
        match method {
            EXECUTE => node
                .requests::<rpc::ExecuteTransactionRequest>(method)
                .into_iter()
                .map(|request| paths(request.read_mask))
                .collect(),
            _ => node
                .requests::<rpc::GetTransactionRequest>(method)
                .into_iter()
                .map(|request| paths(request.read_mask))
                .collect(),
        }
    };
    for (method, safe) in [(EXECUTE, SAFE.to_vec()), (GET_TRANSACTION, [SAFE, &["digest"]].concat())] {
        let sent = masks(method);
        assert_eq!(sent.len(), 1, "{method}");
        for mask in sent {
            // Without a mask a node takes its default, which is safe; ours is always there.
            let mask = mask.expect("a mask");
            assert!(!mask.is_empty() && mask.iter().all(|path| safe.contains(&path.as_str())), "{method}: {mask:?}");
        }
    }

    // The methods that were asked are those that exist: a new one has to be looked at here.
    let asked: BTreeSet<String> =
        node.requests.lock().expect("not poisoned").iter().map(|(path, _)| path.clone()).collect();
    let known = [
        GET_SERVICE_INFO,
        GET_EPOCH,
        GET_BALANCE,
        GET_OBJECT,
        BATCH_GET_OBJECTS,
        LIST_OWNED,
        LIST_TARGETS,
        SUBSCRIBE,
        GET_TRANSACTION,
        EXECUTE,
    ];
    assert_eq!(asked, known.into_iter().map(str::to_owned).collect());
}

/// The source of the client names no other method of a node.
#[test]
fn the_client_calls_no_method_that_is_not_looked_at_here() {
    let sources = [
        include_str!("../auxiliary.rs"),
        include_str!("../checkpoints.rs"),
        include_str!("../checks.rs"),
        include_str!("../execution.rs"),
        include_str!("../mod.rs"),
        include_str!("../pages.rs"),
        include_str!("../preflight.rs"),
        include_str!("../scoring.rs"),
        include_str!("../transport.rs"),
    ];
    let counts = |word: &str| sources.iter().map(|text| text.matches(word).count()).sum::<usize>();
    assert_eq!(counts("ExecuteTransactionRequest {"), 1);
    assert_eq!(counts("GetTransactionRequest {"), 1);
    for never in ["SimulateTransaction", "BatchGetTransactions", "simulate_transaction", "batch_get_transactions"] {
        assert_eq!(counts(never), 0, "{never}");
    }
}

#[tokio::test]
async fn what_reaches_a_scoring_service_has_whole_keys_and_a_target_of_the_right_length() {
    let (node, url) = FakeNode::start([]).await;
    let data = Manifest::new("http://h/x", Digest([1; 32]), 1).expect("a URL");
    let model = |dimension: usize| ScoringModel {
        url: "http://h/w.enc".into(),
        checksum: Digest([2; 32]),
        size: 9,
        decryption_key: Some([3; 32]),
        dim: dimension,
    };
    let service = ScoringClient::new(&url).expect("a URL");
    for (models, target) in [
        (vec![], vec![1.0, 0.0]),
        (vec![model(2)], vec![]),
        (vec![model(2)], vec![1.0]),
        (vec![model(2), model(3)], vec![1.0, 0.0]),
        (vec![model(2)], vec![1.0, f32::NAN]),
        (vec![model(2)], vec![f32::NEG_INFINITY, 1.0]),
    ] {
        let answer = service.score(&data, &models, &target, 0, TIMEOUT).await;
        assert!(matches!(answer, Err(ScoringError::NotSent(_))), "{answer:?}");
    }
    assert!(node.requests.lock().expect("not poisoned").is_empty());

    let _ = service.score(&data, &[model(2), model(2)], &[1.0, 0.0], 0, TIMEOUT).await;
    let (method, body) = node.requests.lock().expect("not poisoned").remove(0);
    assert_eq!(method, path::SCORE);
    let request: ScoreRequest = bcs::from_bytes(&body[5..]).expect("our own request");
    assert_eq!((request.target_embedding.len(), request.model_manifests.len()), (2, 2));
    for ModelManifest { decryption_key, checksum, .. } in request.model_manifests {
        for text in [decryption_key.expect("a key"), checksum] {
            assert_eq!(bs58::decode(text).into_vec().expect("Base58").len(), 32);
        }
    }
}

fn manifest(url: &str, size: u64) -> Manifest {
    Manifest::V1(ManifestV1 { url: url.into(), metadata: Metadata::V1(MetadataV1 { checksum: Digest([1; 32]), size }) })
}

fn reference(id: u8) -> ObjectRef {
    ObjectRef { id: ObjectId([id; 32]), version: 1, digest: Digest([2; 32]) }
}

/// Everything that a node would answer only after 90 s, or execute although it is no use: with a part of the reason.
fn useless() -> Vec<(TransactionData, &'static str)> {
    use TransactionKind as K;
    let me = key().address();
    let gas = || vec![gas_coin(1_000_000).reference()];
    let plain = |kind: K| TransactionData::new(kind, me, gas());
    let claim_with = |gas| TransactionData::new(K::ClaimRewards { target_id: ObjectId([4; 32]) }, me, gas);
    let K::SubmitData(good) = submission(0.5, "http://h/x").data.kind().clone() else { unreachable!() };
    let submit = |change: &dyn Fn(&mut SubmitData)| {
        let mut submit = good.clone();
        change(&mut submit);
        plain(K::SubmitData(submit))
    };
    let commit = |url: &str| {
        plain(K::CommitModel {
            model_id: ObjectId([5; 32]),
            manifest: manifest(url, 9),
            weights_commitment: Digest([1; 32]),
            embedding_commitment: Digest([1; 32]),
            decryption_key_commitment: Digest([1; 32]),
        })
    };
    let pay = |coins, amounts, recipients| plain(K::PayCoins { coins, amounts, recipients });
    let change_epoch = K::ChangeEpoch {
        epoch: 1,
        epoch_start_timestamp_ms: 0,
        protocol_version: 5,
        fees: 0,
        epoch_randomness: Vec::new(),
    };
    let prologue = K::ConsensusCommitPrologueV1 {
        epoch: 1,
        round: 1,
        sub_dag_index: None,
        commit_timestamp_ms: 0,
        consensus_commit_digest: Digest([1; 32]),
        additional_state_digest: Digest([1; 32]),
    };
    let coin = gas_coin(1_000_000).reference();
    let system = ObjectRef { id: ObjectId::SYSTEM_STATE, ..reference(1) };
    let many = |count: usize| {
        (0..count).map(|n| ObjectRef { id: ObjectId::derive(&Digest([1; 32]), n as u64), ..reference(1) })
    };
    vec![
        (plain(change_epoch), "network's own"),
        (plain(prologue), "network's own"),
        (plain(K::Genesis { objects: Vec::new() }), "network's own"),
        (claim_with(Vec::new()), "no gas coin"),
        (claim_with(vec![coin, coin]), "gas coin twice"),
        (claim_with(vec![coin, ObjectRef { version: 9, ..coin }]), "gas coin twice"),
        (claim_with(vec![system]), "no gas coins"),
        (claim_with(vec![ObjectRef { id: ObjectId([4; 32]), ..reference(1) }]), "no gas coins"),
        (claim_with(many(3600).collect()), "consensus takes 262144"),
        (
            plain(K::RevealModel {
                model_id: ObjectId([5; 32]),
                decryption_key: Digest([1; 32]),
                embedding: SomaTensor::vector(&vec![0.5; 66_000]),
            }),
            "consensus takes 262144",
        ),
        (pay(vec![reference(8), reference(8)], Some(vec![1]), vec![me]), "an object twice"),
        (plain(K::TransferObjects { objects: vec![reference(8), reference(8)], recipient: me }), "an object twice"),
        (plain(K::TransferObjects { objects: vec![], recipient: me }), "nothing to transfer"),
        (plain(K::ClaimRewards { target_id: ObjectId::SYSTEM_STATE }), "an object twice"),
        (submit(&|s| s.bond_coin.id = s.target_id), "an object twice"),
        (pay(vec![reference(8)], None, vec![me]), "an amount for each"),
        (pay(vec![reference(8)], Some(vec![1, 2]), vec![me]), "an amount for each"),
        (pay(vec![], Some(vec![1]), vec![me]), "coins and recipients"),
        (pay(vec![reference(8)], Some(vec![]), vec![]), "coins and recipients"),
        (submit(&|s| s.data_manifest = manifest("http://h/x", 0)), "empty data"),
        (submit(&|s| s.data_manifest = manifest("file:///etc/passwd", 1)), "not http"),
        (submit(&|s| s.data_manifest = manifest("ipfs://Qm/abc", 1)), "not http"),
        (submit(&|s| s.data_manifest = manifest("relative/path", 1)), "no absolute URL"),
        (submit(&|s| s.data_manifest = manifest("http://me:hunter2@h/x", 1)), "user or password"),
        (submit(&|s| s.data_manifest = manifest("HTTP://h/x", 1)), "not normalised"),
        (submit(&|s| s.embedding = SomaTensor::vector(&[0.5, f32::NAN])), "see position 1"),
        (submit(&|s| s.embedding = SomaTensor::vector(&[])), "embedding is empty"),
        (submit(&|s| s.loss_score = SomaTensor::vector(&[f32::INFINITY])), "loss must be finite"),
        (submit(&|s| s.loss_score = SomaTensor::vector(&[])), "loss is empty"),
        (submit(&|s| s.distance_score = SomaTensor::scalar(f32::NAN)), "distance must be finite"),
        (submit(&|s| s.distance_score = SomaTensor::scalar(-0.001)), "below zero"),
        (submit(&|s| s.distance_score = SomaTensor::vector(&[0.1, 0.2])), "one number"),
        (commit("ftp://h/w"), "not http"),
        (
            plain(K::RevealModel {
                model_id: ObjectId([5; 32]),
                decryption_key: Digest([1; 32]),
                embedding: SomaTensor::vector(&[f32::NAN]),
            }),
            "see position 0",
        ),
    ]
}

#[tokio::test]
async fn what_is_certainly_of_no_use_is_refused_here_and_never_leaves() {
    let (node, url) = FakeNode::start([]).await;
    let client = Client::new(&url, TIMEOUT).expect("a URL");
    for (data, reason) in useless() {
        let Err(Preflight::Unsound(text)) = client.preflight(&data).await else { panic!("passed: {reason}") };
        assert!(text.contains(reason) && !text.contains("hunter2"), "{text}: {reason}");
        let execution = client.execute(&key().sign(data)).await;
        let Execution::Refused(ClientError::Refused { code: "NOT_SENT", message }) = execution else {
            panic!("{reason}: {execution:?}")
        };
        assert_eq!(message, text);
    }
    assert!(node.requests.lock().expect("not poisoned").is_empty());
}

#[tokio::test]
async fn a_node_that_answers_after_ninety_seconds_is_waited_for_and_one_that_never_does_is_not() {
    let limit = super::super::execution::EXECUTE_TIMEOUT.as_secs();
    assert!((95..120).contains(&limit), "a node says after 90 s that it gave up: {limit}");
    // Short, and longer on a machine that is so busy that the request has not left by then.
    for limit in [50, 500, 5_000, 50_000].map(Duration::from_millis) {
        let (node, client) = client_of(EXECUTE, Answer::Silence).await;
        let execution = client.execute_within(limit, &claim()).await;
        assert!(matches!(execution, Execution::Unknown(ClientError::Unreachable(_))), "{execution:?}");
        if node.requests::<rpc::ExecuteTransactionRequest>(EXECUTE).len() == 1 {
            return;
        }
    }
    panic!("it was never asked");
}
