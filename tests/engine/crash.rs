//! The engine dies right after each state has reached the disk; the next start settles what it left.

use std::sync::Arc;

use somascope::{
    api::{Command, Mode, SubmissionId, SubmissionRow, SubmissionState as State},
    chain::{
        client::Client,
        types::{Manifest, SomaTensor, SubmitData, TransactionData, TransactionKind},
    },
    primitives::{ObjectId, Shannons},
};

use crate::{
    network::{Network, Orders, PATIENCE, until},
    process::Process,
    relay::Relay,
};

/// Open at the start of each epoch; every sample of the corpus hits every one.
const TARGETS: usize = 4;

/// Kills an engine at `state`, starts it again, and plays until what it filled is claimed.
async fn dies_and_recovers(network: &Network, seed: u8, state: State) {
    let mut orders = network.engine(seed).await;
    let (address, start) = (orders.address(), network.balance(orders.address()));
    network.next_epoch().await;

    orders.die_at = Some(state.into());
    let mut first = Process::start(&orders);
    let mut turned = 0;
    let status = first
        .wait(async || {
            // Late states need time to pass.
            if matches!(state, State::Claimable | State::Claimed) && turned < 2 && !network.filled(address).is_empty() {
                network.next_epoch().await;
                turned += 1;
            }
        })
        .await;
    assert!(!status.success(), "{state:?}: the engine was to die");
    let filled_before = network.filled(address);

    orders.die_at = None;
    let second = Process::start(&orders);
    until("every target of the epoch is filled", async || network.filled(address).len() >= TARGETS).await;
    let due = network.filled(address);
    assert!(filled_before.iter().all(|target| due.contains(target)));
    network.next_epoch().await;
    network.next_epoch().await;
    until("what was filled is claimed", async || {
        let executed = network.executed(address);
        due.iter().all(|target| executed.iter().any(|tx| tx.is_claim && tx.succeeded && tx.target == *target))
    })
    .await;
    let last = second.shut_down().await;

    network.assert_no_target_twice(address);
    network.assert_books_balance(&orders, &last, start);
    let unsettled: Vec<_> = last
        .submissions
        .iter()
        .filter(|row| matches!(row.state, State::Signed | State::Sent | State::Unknown))
        .collect();
    assert!(unsettled.is_empty(), "{state:?}: {unsettled:?}");
    // The row at which it died is the oldest one that got so far.
    let first_row = last.submissions.iter().min_by_key(|row| row.id).expect("rows");
    assert!(first_row.state.is_final() || first_row.state == State::Filled, "{state:?}: {first_row:?}");
    assert!(last.rewards.total.claimed >= due.len() as u64, "{:?}", last.rewards.total);
    assert_eq!(last.rewards.total.filled, network.filled(address).len() as u64, "no hit is lost and none invented");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hit_survives_a_crash_at_every_state_of_its_journal_row() {
    let network = Network::start(TARGETS as u64).await;
    let states = [
        State::Found,
        State::Confirmed,
        State::AwaitingApproval,
        State::Approved,
        State::Uploaded,
        State::Signed,
        State::Sent,
        State::Filled,
        State::Claimable,
        State::Claimed,
    ];
    for (seed, state) in (10..).zip(states) {
        dies_and_recovers(&network, seed, state).await;
    }
}

/// Somebody else fills so many open targets; which. The chain believes any distance within the threshold
/// (`protocol.md §7.6`).
pub async fn rival_fills(network: &Network, rival: &Orders, targets: usize) -> Vec<ObjectId> {
    let (keypair, client) = (rival.keypair(), Client::new(&network.devnet.rpc_url, PATIENCE).expect("a URL"));
    let epoch = network.with_ledger(|ledger| ledger.system_state().epoch);
    let open = network.with_ledger(|ledger| {
        let targets = ledger.targets().into_iter().map(|(object, target)| (object.id(), target));
        targets.filter(|(_, target)| target.submitter.is_none() && target.generation_epoch == epoch).collect::<Vec<_>>()
    });
    let mut filled = Vec::new();
    for (target_id, target) in open.into_iter().take(targets) {
        let coin = client.coins(keypair.address()).await.expect("coins")[0].reference;
        let kind = TransactionKind::SubmitData(SubmitData {
            target_id,
            data_manifest: Manifest::new("http://127.0.0.1:1/x", Default::default(), 1).expect("a URL"),
            model_id: target.model_ids[0],
            embedding: target.embedding.clone(),
            distance_score: SomaTensor::scalar(0.0),
            loss_score: SomaTensor::scalar(0.0),
            bond_coin: coin,
        });
        let transaction = keypair.sign(TransactionData::new(kind, keypair.address(), vec![coin]));
        client.execute(&transaction).await;
        filled.push(target_id);
    }
    assert!(filled.iter().all(|target| network.filled(rival.address()).contains(target)));
    filled
}

/// Kills an engine at `state`, lets a rival fill its target, and starts it again until its first row has ended.
async fn dies_and_loses(network: &Network, seed: u8, state: State) -> (State, Shannons) {
    let (mut orders, rival) = (network.engine(seed).await, network.engine(seed + 1).await);
    // Without splits the fees are those of the submission.
    orders.coins_ahead = 1;
    let start = network.balance(orders.address());
    network.next_epoch().await;
    orders.die_at = Some(state.into());
    let status = Process::start(&orders).wait(async || {}).await;
    assert!(!status.success());
    rival_fills(network, &rival, usize::MAX).await;
    orders.die_at = None;
    let mut second = Process::start(&orders);
    // It ends by itself as soon as nothing is in flight.
    second.command(&Command::Shutdown);
    let last = second.shut_down().await;
    network.assert_no_target_twice(orders.address());
    network.assert_books_balance(&orders, &last, start);
    let is_signed = |row: &&Arc<SubmissionRow>| row.steps.iter().any(|(state, _)| *state == State::Signed);
    let row = last.submissions.iter().find(is_signed).expect("a signed row");
    (row.state, last.rewards.total.fees)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rival_filled_while_the_engine_was_dead_is_lost_and_costs_at_most_the_base_fee() {
    let network = Network::start(2).await;
    // Signed and certainly never sent: not sent any more.
    assert_eq!(dies_and_loses(&network, 50, State::Signed).await, (State::Expired, Shannons::ZERO));
    // Perhaps sent: the same bytes are sent until the chain says what became of them.
    assert_eq!(dies_and_loses(&network, 60, State::Sent).await, (State::Lost, Shannons(1000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fill_whose_answer_was_lost_is_unknown_and_found_again_by_its_digest() {
    let network = Network::start(1).await;
    let mut orders = network.engine(70).await;
    let (address, start) = (orders.address(), network.balance(orders.address()));
    network.next_epoch().await;
    let relay = Relay::start(&network.devnet.rpc_url).await;
    orders.rpc_url = relay.url();
    orders.die_at = Some(State::Unknown.into());
    let mut first = Process::start(&orders);
    let status = first
        .wait(async || {
            // The answer is still on its way through the slow relay.
            if !network.filled(address).is_empty() {
                relay.cut();
            }
        })
        .await;
    assert!(!status.success(), "the engine was to die when it knew nothing");
    let filled: Vec<ObjectId> = network.filled(address);
    assert_eq!(filled.len(), 1);

    orders.rpc_url = network.devnet.rpc_url.clone();
    orders.die_at = None;
    let last = Process::start(&orders).shut_down().await;
    let row = last.submissions.iter().find(|row| row.target == filled[0]).expect("its row");
    assert_eq!(row.state, State::Filled);
    network.assert_no_target_twice(address);
    network.assert_books_balance(&orders, &last, start);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_row_stays_rejected_and_a_waiting_one_expires_across_crashes() {
    let network = Network::start(2).await;
    let mut orders = network.engine(80).await;
    let (address, start) = (orders.address(), network.balance(orders.address()));
    orders.mode = Mode::Manual;
    network.next_epoch().await;
    orders.die_at = Some(State::Rejected.into());
    let mut first = Process::start(&orders);
    for row in [1, 2] {
        let waits = format!("id: SubmissionId({row}), state: AwaitingApproval");
        until("two rows wait for approval", async || first.saw(&waits)).await;
    }
    first.command(&Command::Reject(SubmissionId(1)));
    assert!(!first.wait(async || {}).await.success());

    orders.die_at = Some(State::Expired.into());
    let mut second = Process::start(&orders);
    network.next_epoch().await;
    assert!(!second.wait(async || {}).await.success());

    orders.die_at = None;
    let last = Process::start(&orders).shut_down().await;
    let state_of = |id| last.submissions.iter().find(|row| row.id == SubmissionId(id)).map(|row| row.state);
    assert_eq!((state_of(1), state_of(2)), (Some(State::Rejected), Some(State::Expired)));
    assert!(network.executed(address).is_empty(), "nothing was signed");
    network.assert_books_balance(&orders, &last, start);
}
