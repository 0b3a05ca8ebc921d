//! Reads: what of an answer is believed.

use super::*;

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

#[tokio::test]
async fn numbers_that_no_chain_reaches_are_not_believed() {
    let info = |epoch: u64, height: u64| rpc::GetServiceInfoResponse {
        chain_id: Some("chain".into()),
        chain: Some("localnet".into()),
        epoch: Some(epoch),
        checkpoint_height: Some(height),
        lowest_available_checkpoint: Some(5),
        ..Default::default()
    };
    for (epoch, height, believed) in [(1, 7, true), (1 << 63, 7, false), (1, u64::MAX, false)] {
        let (_, client) = client_of(GET_SERVICE_INFO, messages([info(epoch, height)])).await;
        match client.service_info().await {
            Ok(service) => assert_eq!((service.lowest_available_checkpoint, believed), (Some(5), true)),
            Err(error) => assert!(matches!(error, ClientError::Malformed(_)) && !believed, "{error}"),
        }
    }
}
