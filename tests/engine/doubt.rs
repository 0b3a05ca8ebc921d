//! The desk where the node does not know enough, or the disk fails: nothing is signed a second time.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use somascope::{
    api::{Mode, SubmissionState as State},
    chain::{
        client::{Client, Execution, request_faucet},
        types::{TransactionData, TransactionKind},
    },
    engine::{
        Crash, CrashAt,
        desk::{Desk, DeskError, Order, Secrets, Settled, Trouble},
    },
    primitives::{Address, Shannons},
};

use crate::{
    desk::{Work, config, desk, dies, fee_of, open_target, sample},
    forgetful::{self, Weaknesses},
    network::{Network, Orders, PATIENCE, until},
    process::Running,
    relay::Relay,
};

fn behind(orders: &Orders, url: String) -> Orders {
    let mut orders = orders.clone();
    orders.rpc_url = url;
    orders
}

fn pay(to: Address) -> Order {
    Order::Send { payments: vec![(to, AMOUNT)] }
}

const AMOUNT: Shannons = Shannons(123_456);

/// The wallet's first coin is used by a transaction that this journal knows nothing of.
async fn moves_a_coin(network: &Network, orders: &Orders) {
    let (keypair, client) = (orders.keypair(), Client::new(&network.devnet.rpc_url, PATIENCE).expect("a URL"));
    let coin = client.coins(keypair.address()).await.expect("coins")[0].reference;
    let kind = TransactionKind::TransferCoin { coin, amount: Some(1000), recipient: Address([0xee; 32]) };
    let done = client.execute(&keypair.sign(TransactionData::new(kind, keypair.address(), vec![coin]))).await;
    assert!(matches!(&done, Execution::Executed(done) if done.effects.succeeded()), "{done:?}");
}

fn only_leftover(desk: &Desk) -> &Settled {
    let [leftover] = desk.leftovers() else { panic!("{:?}", desk.leftovers()) };
    &leftover.settled
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_know_a_coin_or_has_pruned_its_past_proves_nothing() {
    let network = Network::start(1).await;
    let (early, pruned) = (network.engine(41).await, network.engine(42).await);
    let [to_early, to_pruned] = [Address([0xa1; 32]), Address([0xa2; 32])];
    let at = Crash { at: CrashAt::OrderSent, times: 1 };
    dies(&early, at, Work::Send { to: to_early, amount: AMOUNT }).await;
    dies(&pruned, at, Work::Send { to: to_pruned, amount: AMOUNT }).await;
    moves_a_coin(&network, &pruned).await;

    // To one node the coin is not yet there; the other one no longer knows what was executed when this was signed.
    let client = Client::new(&network.devnet.rpc_url, PATIENCE).expect("a URL");
    let objects = client.coins(early.address()).await.expect("coins").iter().map(|coin| coin.reference.id).collect();
    let unaware = Weaknesses { objects, ..Weaknesses::default() };
    let executes = Arc::clone(&unaware.executes);
    let forgetful = Weaknesses { lowest_checkpoint: Some(1 << 40), ..Weaknesses::default() };
    let (unaware, forgetful) = (
        behind(&early, forgetful::start_with(&network.devnet.rpc_url, unaware).await),
        behind(&pruned, forgetful::start_with(&network.devnet.rpc_url, forgetful).await),
    );
    let desks = tokio::join!(desk(&unaware), desk(&forgetful));
    for (desk, says) in [(desks.0, "does not know coin"), (desks.1, "ask a node that keeps more")] {
        let settled = only_leftover(&desk);
        assert!(matches!(settled, Settled::Unknown { why, .. } if why.contains(says)), "{settled:?}");
        desk.close().await;
    }
    assert_eq!(executes.load(Ordering::Relaxed), 0, "a node takes 90 s to miss a coin");

    let known = desk(&early).await;
    fee_of(only_leftover(&known));
    assert_eq!(network.balance(to_early), AMOUNT, "paid once");
    known.close().await;
    let mut known = desk(&pruned).await;
    let settled = only_leftover(&known);
    assert!(matches!(settled, Settled::Refused { why } if why.contains("give the order again")), "{settled:?}");
    assert_eq!(network.balance(to_pruned), Shannons::ZERO);
    let draft = known.draft(pay(to_pruned)).await.expect("a draft");
    fee_of(&known.carry_out(draft).await.expect("an outcome"));
    assert_eq!(network.balance(to_pruned), AMOUNT);
    known.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_coin_is_passed_over_and_its_transaction_is_never_sent_twice() {
    let network = Network::start(1).await;
    let (rich, poor) = (network.engine(43).await, network.engine(44).await);
    request_faucet(&network.devnet.faucet_url, rich.address()).await.expect("the faucet gives");
    let client = Client::new(&network.devnet.rpc_url, PATIENCE).expect("a URL");
    for (orders, sent, paid) in [(&rich, 2, AMOUNT), (&poor, 1, Shannons::ZERO)] {
        let locked = client.coins(orders.address()).await.expect("coins")[0].reference.id;
        let weak = Weaknesses { locked: Some(locked), ..Weaknesses::default() };
        let executes = Arc::clone(&weak.executes);
        let orders = behind(orders, forgetful::start_with(&network.devnet.rpc_url, weak).await);
        let mut desk = desk(&orders).await;
        let to = Address([orders.seed; 32]);
        let draft = desk.draft(pay(to)).await.expect("a draft");
        let settled = desk.carry_out(draft).await.expect("an outcome");
        assert_eq!(matches!(settled, Settled::Executed { success: true, .. }), paid == AMOUNT, "{settled:?}");
        if let Settled::Refused { why } = &settled {
            assert!(why.contains("already locked") && why.contains("without the coins in question"), "{why}");
        }
        assert_eq!((network.balance(to), executes.load(Ordering::Relaxed)), (paid, sent));
        desk.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_fails_after_the_bytes_were_sent_is_no_bad_input() {
    let network = Network::start(1).await;
    let orders = network.engine(45).await;
    let relay = Relay::start(&network.devnet.rpc_url).await;
    let mut desk = desk(&behind(&orders, relay.url())).await;
    let to = Address([0xa5; 32]);
    let draft = desk.draft(pay(to)).await.expect("a draft");
    relay.slow_down(Duration::from_secs(2));
    let journal = rusqlite::Connection::open(journal_of(&orders)).expect("a journal");
    let break_it = until("the bytes are on the slow wire", async || {
        // Fails while nothing is sent yet.
        let sent = journal.query_row("SELECT count(*) FROM orders WHERE sends = 1", [], |row| row.get::<_, u32>(0));
        sent == Ok(1) && journal.execute("ALTER TABLE orders RENAME TO lost", []).is_ok()
    });
    let (outcome, ()) = tokio::join!(desk.carry_out(draft), break_it);
    let error = outcome.expect_err("it cannot be booked");
    assert!(matches!(&error, DeskError::Unsettled { what, .. } if what.contains("journal")), "{error}");
    assert_eq!((error.trouble(), network.balance(to)), (Trouble::Unknown, AMOUNT));
    desk.close().await;
    // Once the disk is well again, the next desk knows.
    journal.execute("ALTER TABLE lost RENAME TO orders", []).expect("mended");
    drop(journal);
    let desk = self::desk(&orders).await;
    fee_of(only_leftover(&desk));
    assert_eq!(network.balance(to), AMOUNT, "paid once");
    desk.close().await;
}

fn journal_of(orders: &Orders) -> std::path::PathBuf {
    let files = std::fs::read_dir(&orders.dir).expect("a directory").flatten().map(|entry| entry.path());
    let mut journals = files.filter(|path| path.extension().is_some_and(|ext| ext == "db" || ext == "sqlite"));
    journals.next().expect("a journal")
}

/// What the dashboard finds of the wallet's submissions.
async fn states(orders: &Orders) -> Vec<State> {
    let engine = Running::start(orders.clone().with_mode(Mode::ReadOnly).config()).await;
    engine.shut_down().await.submissions.iter().map(|row| row.state).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_desk_found_signed_and_never_sent_waits_for_an_approval_again() {
    let network = Network::start(1).await;
    network.next_epoch().await;
    let orders = network.engine(48).await;
    let target = open_target(&network).await;
    dies(&orders, State::Signed, Work::Submit { target, sample: 3 }).await;
    let desk = self::desk(&orders).await;
    let settled = only_leftover(&desk);
    assert!(
        matches!(settled, Settled::Refused { why } if why.contains("never sent; the submission waits for an approval")),
        "{settled:?}"
    );
    desk.close().await;
    // The next run asks, as it says.
    assert_eq!(states(&orders).await, [State::AwaitingApproval]);
    let engine = Running::start(orders.clone().with_mode(Mode::Manual).config()).await;
    until("it waits for a person", async || engine.0.snapshot.borrow().approvals.iter().any(|r| r.target == target))
        .await;
    engine.shut_down().await;
    assert!(network.executed(orders.address()).is_empty(), "nobody has said that it is still wanted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_that_came_to_nothing_at_the_desk_is_not_taken_up_by_the_next_run() {
    let network = Network::start(2).await;
    network.next_epoch().await;
    let (left, cut) = (network.engine(46).await, network.engine(47).await);
    let target = open_target(&network).await;

    dies(&left, State::Sent, Work::Submit { target, sample: 3 }).await;
    moves_a_coin(&network, &left).await;
    let desk = self::desk(&left).await;
    let settled = only_leftover(&desk);
    assert!(matches!(settled, Settled::Refused { why } if why.contains("give the order again")), "{settled:?}");
    desk.close().await;
    assert_eq!(states(&left).await, [State::Failed]);

    let relay = Relay::start(&network.devnet.rpc_url).await;
    let mut desk = Desk::open(config(&behind(&cut, relay.url()))).await.expect("the desk opens");
    let offer = desk.confirm(target, &sample(&cut, 3), Secrets::Refused, |_| ()).await.expect("a hit");
    relay.cut();
    let error = desk.submit(offer).await.expect_err("the node is gone");
    assert_eq!(error.trouble(), Trouble::Unreachable, "{error}");
    desk.close().await;
    assert_eq!(states(&cut).await, [State::Failed]);
    assert_eq!(network.filled(left.address()).len() + network.filled(cut.address()).len(), 0);
}
