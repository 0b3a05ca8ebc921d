//! Sending a transaction, and what may be concluded from the answer.

use super::*;

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
