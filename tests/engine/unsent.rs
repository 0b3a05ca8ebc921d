//! Signed, and then the engine died before any node had seen it: what the next start may do depends on who approved it, and on what is
//! in force now.

use somascope::{
    api::{Command, Mode, SubmissionId, SubmissionState as State},
    primitives::Shannons,
};

use crate::{
    network::{Network, Orders, until},
    process::{Process, Running},
};

/// An engine that died right after it had signed its only hit, by its own approval.
async fn signed_by_policy(network: &Network, seed: u8) -> Orders {
    let mut orders = network.engine(seed).await;
    network.next_epoch().await;
    orders.die_at = Some(State::Signed.into());
    assert!(!Process::start(&orders).wait(async || {}).await.success(), "the engine was to die");
    orders.die_at = None;
    assert!(network.executed(orders.address()).is_empty(), "it was never sent");
    orders
}

fn state_of(engine: &Running) -> Option<State> {
    engine.0.snapshot.borrow().submissions.first().map(|row| row.state)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_policy_approved_is_not_sent_by_a_start_in_manual_mode_before_a_person_says_so() {
    let network = Network::start(1).await;
    let orders = signed_by_policy(&network, 1).await.with_mode(Mode::Manual);
    let start = network.balance(orders.address());
    let mut engine = Running::start(orders.config()).await;
    until("it waits for a person", async || engine.0.snapshot.borrow().approvals.len() == 1).await;
    let row = engine.0.snapshot.borrow().approvals[0].clone();
    assert_eq!((row.digest, row.note.as_deref()), (None, Some("AUTO is off")));
    assert!(network.executed(orders.address()).is_empty());
    engine.command(Command::Approve(row.id)).await;
    assert_eq!(engine.row(State::Filled).await.id, row.id);
    let last = engine.shut_down().await;
    network.assert_no_target_twice(orders.address());
    network.assert_books_balance(&orders, &last, start);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_policy_approved_is_not_sent_beyond_the_limits_of_this_start() {
    let network = Network::start(1).await;
    let orders = signed_by_policy(&network, 2).await;
    let start = network.balance(orders.address());
    let mut config = orders.config();
    config.policy.max_bond_per_epoch = Shannons(1);
    let engine = Running::start(config).await;
    until("it waits for a person", async || engine.0.snapshot.borrow().approvals.len() == 1).await;
    let last = engine.shut_down().await;
    assert!(last.approvals[0].note.as_ref().is_some_and(|note| note.contains("above the limit")));
    assert!(network.executed(orders.address()).is_empty());
    // Within them it is, once.
    let mut engine = Running::start(orders.config()).await;
    engine.row(State::Filled).await;
    let last = engine.shut_down().await;
    network.assert_no_target_twice(orders.address());
    network.assert_books_balance(&orders, &last, start);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_in_read_only_mode_sends_nothing_and_keeps_it_for_later() {
    let network = Network::start(1).await;
    let orders = signed_by_policy(&network, 3).await;
    let start = network.balance(orders.address());
    let mut config = orders.config();
    config.policy.mode = Mode::ReadOnly;
    let mut engine = Running::start(config).await;
    until("the corpus is done", async || engine.0.snapshot.borrow().throughput.remaining == Some(0)).await;
    assert_eq!(state_of(&engine), Some(State::Uploaded));
    assert!(network.executed(orders.address()).is_empty());
    engine.command(Command::SetMode(Mode::Auto)).await;
    engine.row(State::Filled).await;
    let last = engine.shut_down().await;
    network.assert_no_target_twice(orders.address());
    network.assert_books_balance(&orders, &last, start);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_approved_is_signed_anew_without_another_question() {
    let network = Network::start(1).await;
    let mut orders = network.engine(4).await.with_mode(Mode::Manual);
    let start = network.balance(orders.address());
    network.next_epoch().await;
    orders.die_at = Some(State::Signed.into());
    let mut first = Process::start(&orders);
    until("it waits", async || first.saw("state: AwaitingApproval")).await;
    first.command(&Command::Approve(SubmissionId(1)));
    assert!(!first.wait(async || {}).await.success());

    orders.die_at = None;
    let mut engine = Running::start(orders.config()).await;
    assert_eq!(engine.row(State::Filled).await.id, SubmissionId(1));
    let last = engine.shut_down().await;
    network.assert_no_target_twice(orders.address());
    network.assert_books_balance(&orders, &last, start);
}
