//! Several transactions at once: their coins, their crashes, their speed.

use std::{collections::BTreeSet, time::Duration};

use somascope::{
    api::{Command, Event, Mode, Snapshot, SubmissionId, SubmissionState as State},
    chain::{
        client::{Client, Execution},
        types::{TransactionData, TransactionKind},
    },
    engine::{Crash, CrashAt},
    primitives::ObjectId,
};

use crate::{
    network::{Network, Orders, PATIENCE, until},
    process::{Process, Running},
    relay::Relay,
};

const TARGETS: usize = 4;

/// A manual engine in a process of its own, behind a slow wire, with every target waiting for approval.
async fn ready(network: &Network, relay: &Relay, orders: &Orders) -> Process {
    let mut orders = orders.clone().with_mode(Mode::Manual);
    orders.rpc_url = relay.url();
    let process = Process::start(&orders);
    until("all targets wait for approval", async || {
        (1..=TARGETS).all(|row| process.saw(&format!("id: SubmissionId({row}), state: AwaitingApproval")))
    })
    .await;
    assert!(network.filled(orders.address()).is_empty());
    process
}

fn assert_nothing_was_wasted(last: &Snapshot) {
    assert_eq!(last.rewards.total.filled, TARGETS as u64, "{:?}", last.submissions);
    assert_eq!(last.rewards.total.lost, 0);
    // A coin that two transactions use shows as one that never executed.
    let dead: Vec<_> = last.log.iter().filter(|line| line.text.contains("never executed")).collect();
    assert!(dead.is_empty(), "{dead:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_with_several_in_flight_settles_all_and_uses_no_coin_and_no_target_twice() {
    let network = Network::start(TARGETS as u64).await;
    let points = [
        (CrashAt::OrderSigned, 1),
        (CrashAt::OrderSent, 1),
        (CrashAt::OrderSettled, 1),
        (CrashAt::Row(State::Signed), 3),
        (CrashAt::Row(State::Sent), 3),
        (CrashAt::Row(State::Filled), 2),
    ];
    for (seed, (at, times)) in (100..).zip(points) {
        let mut orders = network.engine(seed).await;
        let start = network.balance(orders.address());
        network.next_epoch().await;
        let relay = Relay::start(&network.devnet.rpc_url).await;
        orders.die_at = Some(Crash { at, times });
        let mut first = ready(&network, &relay, &orders).await;
        if at == CrashAt::Row(State::Sent) {
            relay.slow_down(Duration::from_secs(5));
        }
        first.command(&Command::ApproveMany((1..=TARGETS as i64).map(SubmissionId).collect()));
        assert!(!first.wait(async || {}).await.success(), "{at:?}: the engine was to die");
        if at == CrashAt::Row(State::Sent) {
            // The answers are still on the slow wire: three are in flight.
            assert!(!first.saw("state: Filled"));
        }

        orders.die_at = None;
        let second = Process::start(&orders);
        until("every target is filled", async || network.filled(orders.address()).len() >= TARGETS).await;
        let last = second.shut_down().await;
        network.assert_no_target_twice(orders.address());
        network.assert_books_balance(&orders, &last, start);
        assert_nothing_was_wasted(&last);
        let open = |state| matches!(state, State::Signed | State::Sent | State::Unknown);
        assert!(last.submissions.iter().all(|row| !open(row.state)), "{at:?}: {:?}", last.submissions);
    }
}

/// Approves everything behind a slow wire; the most submissions that were on their way at the same time.
async fn most_at_once(targets: usize, coins_ahead: usize) -> usize {
    let network = Network::start(targets as u64).await;
    let mut orders = network.engine(1).await.with_mode(Mode::Manual);
    let start = network.balance(orders.address());
    let relay = Relay::start(&network.devnet.rpc_url).await;
    orders.rpc_url = relay.url();
    orders.coins_ahead = coins_ahead;
    network.next_epoch().await;
    let mut engine = Running::start(orders.config()).await;
    until("all targets wait", async || engine.0.snapshot.borrow().approvals.len() == targets).await;
    let all = engine.0.snapshot.borrow().approvals.iter().map(|row| row.id).collect();
    engine.command(Command::ApproveMany(all)).await;
    let (mut sent, mut most, mut filled) = (BTreeSet::new(), 0, 0);
    while filled < targets {
        let event = tokio::time::timeout(PATIENCE, engine.0.events.recv()).await.expect("something happens");
        let Event::Submission(row) = event.expect("the engine runs") else { continue };
        match row.state {
            State::Sent => _ = sent.insert(row.id),
            State::Filled => {
                filled += 1;
                sent.remove(&row.id);
            }
            _ => _ = sent.remove(&row.id),
        }
        most = most.max(sent.len());
    }
    let last = engine.shut_down().await;
    network.assert_no_target_twice(orders.address());
    network.assert_books_balance(&orders, &last, start);
    most
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_submissions_fly_at_once_as_was_asked_for_and_no_more() {
    const FILLS: usize = 8;
    assert_eq!(most_at_once(FILLS, 1).await, 1);
    let most = most_at_once(FILLS, 4).await;
    assert!((2..=4).contains(&most), "{most} at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn coins_that_the_user_merges_away_meanwhile_cost_a_retry_and_no_hit() {
    const MANY: usize = 8;
    let network = Network::start(MANY as u64).await;
    let orders = network.engine(1).await;
    network.next_epoch().await;
    let mut engine = Running::start(orders.config()).await;
    let (keypair, client) = (orders.keypair(), Client::new(&network.devnet.rpc_url, PATIENCE).expect("a URL"));
    for _ in 0..3 {
        engine.row(State::Uploaded).await;
        // It may lose the race for a coin against the engine, which is as good a disturbance, but not every time.
        until("the coins are merged", async || {
            let coins: Vec<_> =
                client.coins(keypair.address()).await.expect("coins").iter().map(|coin| coin.reference).collect();
            let kind =
                TransactionKind::TransferCoin { coin: coins[0], amount: Some(1000), recipient: keypair.address() };
            let done = client.execute(&keypair.sign(TransactionData::new(kind, keypair.address(), coins))).await;
            matches!(done, Execution::Executed(_))
        })
        .await;
    }
    until("all targets are filled", async || network.filled(orders.address()).len() == MANY).await;
    engine.shut_down().await;
    network.assert_no_target_twice(orders.address());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_full_of_dust_is_swept_and_the_books_still_balance() {
    let network = Network::start(TARGETS as u64).await;
    let (orders, friend) = (network.engine(1).await, network.engine(2).await);
    let (keypair, client) = (friend.keypair(), Client::new(&network.devnet.rpc_url, PATIENCE).expect("a URL"));
    let coin = client.coins(keypair.address()).await.expect("coins")[0].reference;
    let kind = TransactionKind::PayCoins {
        coins: vec![coin],
        amounts: Some(vec![100; 150]),
        recipients: vec![orders.address(); 150],
    };
    client.execute(&keypair.sign(TransactionData::new(kind, keypair.address(), vec![coin]))).await;
    let start = network.balance(orders.address());
    network.next_epoch().await;
    let engine = Running::start(orders.config()).await;
    until("every target is filled", async || network.filled(orders.address()).len() == TARGETS).await;
    let last = engine.shut_down().await;
    assert!(last.log.iter().any(|line| line.text.contains("small coins merged")), "{:?}", last.log);
    assert!(last.wallet.coins < 30, "{:?}", last.wallet);
    network.assert_books_balance(&orders, &last, start);
    assert_nothing_was_wasted(&last);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lags_is_not_believed_that_a_coin_is_gone() {
    let network = Network::start(TARGETS as u64).await;
    let start = network.balance(network.engine(1).await.address());
    network.next_epoch().await;
    // The node as it is before the engine begins: it knows none of the coins that splits will make.
    let (network, kept) = network.keep().await;
    let mut orders = network.orders(1);
    orders.die_at = Some(Crash { at: CrashAt::Row(State::Sent), times: 3 });
    assert!(!Process::start(&orders).wait(async || {}).await.success());
    let filled: Vec<ObjectId> = network.filled(orders.address());
    let height = network.height();

    let (behind, kept) = network.exchange(kept).await;
    // It shows as many checkpoints as the other one did, and still has not executed what made the coins.
    for stranger in 100.. {
        if behind.height() > height {
            break;
        }
        behind.engine(stranger).await;
    }
    let mut lagging = behind.orders(1).in_dir_of(&orders).with_mode(Mode::ReadOnly);
    lagging.corpus = orders.corpus.clone();
    let engine = Running::start(lagging.config()).await;
    // A round of asking later each says that nobody knows.
    until("all that was sent has been asked for", async || {
        let snapshot = engine.0.snapshot.borrow();
        let is_any = |state| snapshot.submissions.iter().any(|row| row.state == state);
        is_any(State::Unknown) && !is_any(State::Sent)
    })
    .await;
    let snapshot = engine.shut_down().await;
    assert!(snapshot.log.iter().all(|line| !line.text.contains("is gone")), "{:?}", snapshot.log);
    assert!(behind.executed(orders.address()).is_empty(), "nothing was sent to it");

    let (network, _kept) = behind.exchange(kept).await;
    let orders = network.orders(1);
    let second = Process::start(&orders);
    until("every target is filled", async || network.filled(orders.address()).len() >= TARGETS).await;
    let last = second.shut_down().await;
    assert!(filled.iter().all(|target| network.filled(orders.address()).contains(target)));
    network.assert_no_target_twice(orders.address());
    network.assert_books_balance(&orders, &last, start);
}
