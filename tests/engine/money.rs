//! The money path where others interfere: claims by strangers, reports, coins that move, limits, read-only mode.

use std::sync::Arc;

use bytes::Bytes;
use somascope::{
    api::{Command, Mode, SubmissionRow, SubmissionState as State},
    chain::{
        client::{Client, Execution},
        types::{TransactionData, TransactionKind},
    },
    engine,
    primitives::{ObjectId, Shannons},
};

use crate::{
    network::{Network, Orders, PATIENCE, until},
    process::Running,
};

async fn execute(network: &Network, who: &Orders, kind: impl Fn(&[somascope::chain::client::Coin]) -> TransactionKind) {
    let (keypair, client) = (who.keypair(), Client::new(&network.devnet.rpc_url, PATIENCE).expect("a URL"));
    let coins = client.coins(keypair.address()).await.expect("coins");
    let data = TransactionData::new(kind(&coins), keypair.address(), vec![coins[0].reference]);
    let done = client.execute(&keypair.sign(data)).await;
    assert!(matches!(&done, Execution::Executed(executed) if executed.effects.succeeded()), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_by_somebody_else_is_found_and_booked_to_the_last_shannon() {
    let network = Network::start(1).await;
    let (orders, stranger) = (network.engine(1).await, network.engine(2).await);
    let start = network.balance(orders.address());
    network.next_epoch().await;
    let mut config = orders.config();
    config.policy.auto_claim = false;
    let mut engine = Running::start(config).await;
    let target = engine.row(State::Filled).await.target;
    engine.command(Command::SetMode(Mode::Manual)).await;
    network.next_epoch().await;
    network.next_epoch().await;
    assert_eq!(engine.row(State::Claimable).await.target, target);
    execute(&network, &stranger, |_| TransactionKind::ClaimRewards { target_id: target }).await;
    let row = engine.row(State::Claimed).await;
    assert_eq!(row.note.as_deref(), Some("claimed by somebody else"));
    let last = engine.shut_down().await;
    assert_eq!(last.rewards.total.rewards, row.paid.expect("paid"));
    network.assert_books_balance(&orders, &last, start);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_fill_spawns_is_what_we_computed_of_it_and_is_filled_in_turn() {
    const PAID: usize = 5;
    let network = Network::start_paying(1, PAID as u64, 7, 5).await;
    let orders = network.engine(1).await;
    network.next_epoch().await;
    let engine = Running::start(orders.config()).await;
    until("every paid target is filled", async || network.filled(orders.address()).len() == PAID).await;
    let last = engine.shut_down().await;
    let mut spawned = 0;
    for row in last.submissions.iter().filter(|row| row.state == State::Filled) {
        let replacement = ObjectId::derive(&row.digest.expect("a transaction filled it"), 2);
        spawned += usize::from(last.submissions.iter().any(|other| other.target == replacement));
    }
    // All but the first follow from a fill of ours; each was opened by its effects or by a checkpoint, whichever came first.
    assert_eq!(spawned, PAID - 1);
    assert!(!last.log.iter().any(|line| line.text.contains("not what its fill promised")));
}

/// A network on which the wallet of `network.engine(1)` has filled a target whose data the validator has reported since.
async fn reported_fill() -> (Network, Arc<SubmissionRow>, Shannons) {
    let network = Network::start(1).await;
    let orders = network.engine(1).await;
    let start = network.balance(orders.address());
    network.next_epoch().await;
    let mut engine = Running::start(orders.config()).await;
    let row = engine.row(State::Filled).await;
    engine.shut_down().await;
    let key = format!("{}/{}.bin", row.epoch, row.checksum);
    orders.store().put(&key, Bytes::from_static(b"other bytes")).await.expect("overwritten");
    let network = network.restart().await;
    network.next_epoch().await;
    until("the validator has reported it", async || network.devnet.audits().iter().any(|audit| audit.reported)).await;
    network.next_epoch().await;
    (network, row, start)
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_validators_cannot_fetch_any_more_forfeits_its_bond_and_the_books_say_so() {
    let (network, row, start) = reported_fill().await;
    let orders = network.orders(1).with_mode(Mode::Manual);
    let mut engine = Running::start(orders.config()).await;
    assert_eq!(engine.row(State::Forfeited).await.id, row.id);
    let last = engine.shut_down().await;
    assert_eq!(last.rewards.total.bonds_forfeited, row.bond);
    assert_eq!(last.rewards.total.bonds_locked, Shannons::ZERO);
    network.assert_books_balance(&orders, &last, start);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_by_somebody_else_that_pays_us_nothing_is_booked_as_nothing() {
    let (network, row, start) = reported_fill().await;
    let stranger = network.engine(2).await;
    execute(&network, &stranger, |_| TransactionKind::ClaimRewards { target_id: row.target }).await;
    let orders = network.orders(1).with_mode(Mode::Manual);
    let mut engine = Running::start(orders.config()).await;
    let row = engine.row(State::Forfeited).await;
    assert!(row.note.as_ref().is_some_and(|note| note.contains("payment not found")), "{:?}", row.note);
    let last = engine.shut_down().await;
    assert_eq!((last.rewards.total.rewards, last.rewards.total.bonds_forfeited), (Shannons::ZERO, row.bond));
    network.assert_books_balance(&orders, &last, start);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coin_that_the_user_moves_meanwhile_costs_a_retry_and_no_hit() {
    let network = Network::start(4).await;
    let orders = network.engine(1).await;
    network.next_epoch().await;
    let mut engine = Running::start(orders.config()).await;
    for _ in 0..4 {
        engine.row(State::Uploaded).await;
        // May lose the race for the coin against the engine, which is as good a disturbance.
        let (keypair, client) = (orders.keypair(), Client::new(&network.devnet.rpc_url, PATIENCE).expect("a URL"));
        let coin = client.coins(keypair.address()).await.expect("coins")[0].reference;
        let kind = TransactionKind::TransferCoin { coin, amount: Some(1000), recipient: keypair.address() };
        client.execute(&keypair.sign(TransactionData::new(kind, keypair.address(), vec![coin]))).await;
    }
    until("all four targets are filled", async || network.filled(orders.address()).len() == 4).await;
    engine.shut_down().await;
    network.assert_no_target_twice(orders.address());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_approves_beyond_the_limits_and_the_policy_does_not() {
    let network = Network::start(2).await;
    let orders = network.engine(1).await;
    network.next_epoch().await;
    let mut config = orders.config();
    config.policy.mode = Mode::Manual;
    config.policy.max_bond_per_submission = Shannons(1);
    let mut engine = Running::start(config).await;
    let waiting = engine.row(State::AwaitingApproval).await;
    engine.command(Command::SetMode(Mode::Auto)).await;
    until("the limit is noted on the row", async || {
        let snapshot = engine.0.snapshot.borrow().clone();
        let row = snapshot.approvals.iter().find(|row| row.id == waiting.id).cloned();
        row.and_then(|row| row.note.clone()).is_some_and(|note| note.contains("above the limit"))
    })
    .await;
    engine.command(Command::Approve(waiting.id)).await;
    assert_eq!(engine.row(State::Filled).await.id, waiting.id);
    engine.shut_down().await;
    assert_eq!(network.filled(orders.address()), [waiting.target]);
}

#[tokio::test(flavor = "multi_thread")]
async fn approving_everything_that_waits_stops_at_the_limit_of_the_epoch() {
    let network = Network::start(3).await;
    let orders = network.engine(1).await.with_mode(Mode::Manual);
    network.next_epoch().await;
    let engine = Running::start(orders.config()).await;
    until("three rows wait", async || engine.0.snapshot.borrow().approvals.len() == 3).await;
    let mut bonds: Vec<u64> = engine.shut_down().await.approvals.iter().map(|row| row.bond.0).collect();
    bonds.sort_unstable();

    let mut config = orders.config();
    // Room for any of the rows, and for no two of them.
    config.policy.max_bond_per_epoch = Shannons(bonds[0] + bonds[1] - 1);
    let mut engine = Running::start(config).await;
    until("they wait again", async || engine.0.snapshot.borrow().approvals.len() == 3).await;
    engine.command(Command::SetMode(Mode::Auto)).await;
    engine.row(State::Filled).await;
    let last = engine.shut_down().await;
    assert_eq!((last.approvals.len(), network.filled(orders.address()).len()), (2, 1), "{:?}", last.approvals);
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_signs_nothing_and_shows_what_could_be_hit() {
    let network = Network::start(3).await;
    let orders = network.engine(1).await;
    network.next_epoch().await;
    let mut config = orders.config();
    config.keypair = None;
    let engine = Running::start(config).await;
    engine.command(Command::SetMode(Mode::Auto)).await;
    until("all targets are hit", async || engine.0.snapshot.borrow().throughput.hits == 3).await;
    until("the corpus is done", async || engine.0.snapshot.borrow().throughput.remaining == Some(0)).await;
    let last = engine.shut_down().await;
    assert_eq!((last.mode, last.submissions.len()), (Mode::ReadOnly, 0));
    assert!(last.throughput.samples_scored > 10, "{:?}", last.throughput);
    assert_eq!(last.throughput.model_evaluations, 3 * last.throughput.samples_scored);
    assert!(network.executed(orders.address()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_scores_nothing_again_and_a_foreign_chain_or_wallet_is_refused() {
    let network = Network::start(1).await;
    let orders = network.engine(1).await;
    let mut config = orders.config();
    config.policy.mode = Mode::ReadOnly;
    let engine = Running::start(config).await;
    until("the corpus is done", async || engine.0.snapshot.borrow().throughput.remaining == Some(0)).await;
    assert!(engine.shut_down().await.throughput.samples_scored > 10);

    let mut config = orders.config();
    config.policy.mode = Mode::ReadOnly;
    let engine = Running::start(config).await;
    until("the corpus is passed again", async || engine.0.snapshot.borrow().throughput.remaining == Some(0)).await;
    until("the library came from disk", async || {
        let snapshot = engine.0.snapshot.borrow().clone();
        snapshot.models.iter().map(|model| model.wins).sum::<u64>() > 10
    })
    .await;
    assert_eq!(engine.shut_down().await.throughput.samples_scored, 0);

    let stranger = network.orders(2).in_dir_of(&orders).config();
    assert!(matches!(engine::start(stranger).await, Err(engine::EngineError::OtherWallet { .. })));
    let other = Network::start_seeded(1, 8).await;
    let moved = other.orders(1).in_dir_of(&orders).config();
    let refused = engine::start(moved).await.err();
    assert!(matches!(refused, Some(engine::EngineError::OtherChain { .. })), "{refused:?}");
}
