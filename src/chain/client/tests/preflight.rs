//! What is asked and found out before a transaction is sent.

use super::*;

const TARGET: ObjectId = ObjectId([4; 32]);

fn service_info(epoch: u64) -> rpc::GetServiceInfoResponse {
    rpc::GetServiceInfoResponse {
        chain_id: Some("chain".into()),
        chain: Some("localnet".into()),
        epoch: Some(epoch),
        checkpoint_height: Some(1),
        ..Default::default()
    }
}

/// An open target of epoch 2, with the model and the dimension of `submission`.
fn open_target() -> TargetV1 {
    target(1.05)
}

fn target_with(target: &TargetV1) -> Object {
    Object::new(ObjectType::Target, TARGET, 2, &to_bcs(target), Owner::SHARED, Digest::default())
}

/// What a node with these objects in this epoch makes of it.
async fn preflight(data: &TransactionData, objects: Vec<Object>, epoch: u64) -> Result<(), Preflight> {
    let answers = [(BATCH_GET_OBJECTS, Answer::Objects(objects)), (GET_SERVICE_INFO, messages([service_info(epoch)]))];
    let (_, url) = FakeNode::start(answers).await;
    Client::new(&url, TIMEOUT).expect("a URL").preflight(data).await
}

fn submit() -> TransactionData {
    submission(0.5, "http://h/x").data
}

fn coins() -> Vec<Object> {
    vec![gas_coin(1_000_000), bond_coin()]
}

fn with(object: Object) -> Vec<Object> {
    [coins(), vec![object]].concat()
}

#[tokio::test]
async fn a_submission_to_an_open_target_with_living_coins_passes() {
    preflight(&submit(), with(target_with(&open_target())), 2).await.expect("nothing speaks against it");
    // A list that lags names the epoch before.
    preflight(&submit(), with(target_with(&open_target())), 1).await.expect("nothing speaks against it");
}

#[tokio::test]
async fn coins_must_be_there_unspent_ours_and_coins() {
    let target = || target_with(&open_target());
    let replaced = |object: Object| {
        let others = coins().into_iter().filter(|coin| coin.id() != object.id());
        others.chain([object.clone(), target()]).collect::<Vec<_>>()
    };
    let gas = gas_coin(1_000_000);

    let error = preflight(&submit(), vec![bond_coin(), target()], 2).await.expect_err("no gas coin");
    assert!(matches!(error, Preflight::Missing { id } if id == gas.id()) && error.may_pass_later(), "{error}");

    let mut newer = gas.clone();
    newer.version = 9;
    let error = preflight(&submit(), replaced(newer), 2).await.expect_err("spent");
    assert!(matches!(error, Preflight::Stale { given: 3, current: 9, .. }) && !error.may_pass_later(), "{error}");

    let mut older = gas.clone();
    older.version = 2;
    let error = preflight(&submit(), replaced(older), 2).await.expect_err("the node lags");
    assert!(matches!(error, Preflight::NodeBehind { given: 3, current: 2, .. }) && error.may_pass_later(), "{error}");

    let error = preflight(&submit(), replaced(gas_coin(5)), 2).await.expect_err("another content");
    assert!(matches!(error, Preflight::WrongDigest { .. }), "{error}");

    let mut foreign = gas.clone();
    foreign.owner = Owner::Address(Address([9; 32]));
    let error = preflight(&submit(), replaced(foreign), 2).await.expect_err("foreign");
    assert!(matches!(error, Preflight::NotOwned { sender, .. } if sender == key().address()), "{error}");

    let mut stake = gas.clone();
    stake.object_type = ObjectType::StakedSoma;
    let error = preflight(&submit(), replaced(stake), 2).await.expect_err("no coin");
    assert!(
        matches!(error, Preflight::WrongType { found: ObjectType::StakedSoma, wanted: ObjectType::Coin, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_target_that_would_not_take_the_submission_is_named_with_the_reason() {
    let error = preflight(&submit(), coins(), 2).await.expect_err("no target");
    assert!(matches!(error, Preflight::NoTarget { id: TARGET }), "{error}");

    let coin = Object::coin(TARGET, 1, 5, key().address(), Digest::default());
    let error = preflight(&submit(), with(coin), 2).await.expect_err("a coin");
    assert!(matches!(error, Preflight::WrongType { wanted: ObjectType::Target, .. }), "{error}");

    let filled = TargetV1 { status: TargetStatus::Filled { fill_epoch: 2 }, ..open_target() };
    let error = preflight(&submit(), with(target_with(&filled)), 2).await.expect_err("filled");
    assert!(matches!(error, Preflight::TargetNotOpen { id: TARGET }), "{error}");

    let error = preflight(&submit(), with(target_with(&open_target())), 3).await.expect_err("expired");
    assert!(matches!(error, Preflight::TargetExpired { generation_epoch: 2, current_epoch: 3, .. }), "{error}");

    let other = TargetV1 { model_ids: vec![ObjectId([8; 32])], ..open_target() };
    let error = preflight(&submit(), with(target_with(&other)), 2).await.expect_err("another model");
    assert!(matches!(error, Preflight::ModelNotInTarget { model: ObjectId([5, ..]), .. }), "{error}");

    let wide = TargetV1 { embedding: SomaTensor::vector(&[0.5; 3]), ..open_target() };
    let error = preflight(&submit(), with(target_with(&wide)), 2).await.expect_err("another dimension");
    assert!(matches!(error, Preflight::Dimension { expected: 3, actual: 2, .. }), "{error}");

    let error = preflight(&submit(), with(target_with(&target(0.25))), 2).await.expect_err("too far");
    assert!(matches!(error, Preflight::TooFar { .. }) && !error.may_pass_later(), "{error}");
    preflight(&submit(), with(target_with(&target(0.5))), 2).await.expect("equality passes");

    let error = preflight(&submit(), with(target_with(&target(f32::NAN))), 2).await.expect_err("poisoned");
    assert!(matches!(error, Preflight::Node(ClientError::Malformed(_))), "{error}");
}

#[tokio::test]
async fn a_claim_passes_from_the_epoch_on_in_which_it_pays() {
    let filled = TargetV1 { status: TargetStatus::Filled { fill_epoch: 2 }, ..open_target() };
    for (target, first) in [(filled, 4), (open_target(), 3)] {
        for epoch in 2..6 {
            let found = preflight(&claim().data, with(target_with(&target)), epoch).await;
            match found {
                Ok(()) => assert!(epoch >= first),
                Err(error @ Preflight::TooEarly { claimable_from, current_epoch, .. }) => {
                    assert!(epoch < first && error.may_pass_later());
                    assert_eq!((claimable_from, current_epoch), (first, epoch));
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[tokio::test]
async fn many_gas_coins_are_asked_for_in_batches_and_a_coin_of_the_kind_only_once() {
    let me = key().address();
    let coins: Vec<Object> = (0..120u8).map(|n| Object::coin(ObjectId([n; 32]), 1, 7, me, Digest::default())).collect();
    let gas: Vec<ObjectRef> = coins.iter().map(Object::reference).collect();
    let kind = TransactionKind::TransferCoin { coin: gas[0], amount: Some(1), recipient: me };
    let data = TransactionData::new(kind, me, gas);
    let (node, url) = FakeNode::start([(BATCH_GET_OBJECTS, Answer::Objects(coins))]).await;
    Client::new(&url, TIMEOUT).expect("a URL").preflight(&data).await.expect("nothing speaks against it");
    let asked: Vec<usize> = node
        .requests::<rpc::BatchGetObjectsRequest>(BATCH_GET_OBJECTS)
        .iter()
        .map(|request| request.requests.len())
        .collect();
    assert_eq!(asked, [50, 50, 20]);
}

#[tokio::test]
async fn a_node_that_answers_about_other_objects_or_not_at_all_lets_nothing_pass() {
    let data = claim().data;
    let one = |object: &Object| rpc::GetObjectResult {
        result: Some(rpc::get_object_result::Result::Object(convert::object_to_proto(object, false))),
    };
    let gas = gas_coin(1_000_000);
    let failed = rpc_status::Status { code: 13, message: "disk\x07".into(), details: Vec::new() };
    for (objects, later) in [
        (vec![one(&bond_coin()), one(&bond_coin())], false),
        (vec![one(&gas)], false),
        (vec![one(&gas), rpc::GetObjectResult { result: None }], false),
        (vec![one(&gas), rpc::GetObjectResult { result: Some(rpc::get_object_result::Result::Error(failed)) }], false),
    ] {
        let answer = messages([rpc::BatchGetObjectsResponse { objects }]);
        let (_, client) = client_of(BATCH_GET_OBJECTS, answer).await;
        let error = client.preflight(&data).await.expect_err("no answer to the question");
        assert!(matches!(error, Preflight::Node(_)), "{error}");
        assert_eq!(error.may_pass_later(), later, "{error}");
        assert!(!error.to_string().contains('\x07'));
    }
    let (_, client) = client_of(BATCH_GET_OBJECTS, Answer::Refusal(Code::Unavailable, "busy")).await;
    let error = client.preflight(&data).await.expect_err("no answer");
    assert!(error.may_pass_later(), "{error}");
}
