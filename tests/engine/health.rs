//! What the engine shows of the network, and what it does when the node is not what it was.

use std::{sync::atomic::Ordering, time::Duration};

use somascope::{
    api::{Command, Mode, ServerName, Snapshot, SubmissionState as State},
    engine::{EngineConfig, EngineError},
    primitives::ObjectId,
};

use crate::{
    crash::rival_fills,
    network::{Network, until},
    process::Running,
    relay::Relay,
};

fn is_open(snapshot: &Snapshot, target: &ObjectId) -> bool {
    snapshot.targets.iter().any(|row| row.id == *target)
}

#[tokio::test(flavor = "multi_thread")]
async fn fills_by_others_are_seen_by_the_subscription_alone_and_those_of_an_outage_are_made_up_for() {
    let network = Network::start(4).await;
    let (orders, rival) = (network.engine(1).await, network.engine(2).await);
    network.next_epoch().await;
    let relay = Relay::start(&network.devnet.rpc_url).await;
    let mut config = orders.config();
    config.keypair = None;
    config.rpc_url = relay.url();
    // Nothing is looked at again meanwhile: only the subscription tells.
    config.refresh = Duration::from_secs(3600);
    let engine = Running::start(config).await;
    until("four targets are open and the subscription stands", async || {
        let snapshot = engine.0.snapshot.borrow();
        let checkpoints = snapshot.network.upstreams.iter().find(|server| server.name == ServerName::Checkpoints);
        snapshot.targets.len() == 4 && checkpoints.is_some_and(|server| server.last_heard_ms.is_some())
    })
    .await;
    let filled = rival_fills(&network, &rival, 1).await[0];
    // The next list is an hour away: that it is seen at all, the subscription has done.
    until("the fill is seen", async || !is_open(&engine.0.snapshot.borrow(), &filled)).await;

    relay.cut();
    let missed = rival_fills(&network, &rival, 2).await;
    until("the broken subscription is shown", async || engine.0.snapshot.borrow().network.trouble.is_some()).await;
    assert!(missed.iter().all(|target| is_open(&engine.0.snapshot.borrow(), target)), "nobody can know yet");
    relay.lead_to(&network.devnet.rpc_url);
    until("the missed fills are made up for", async || {
        missed.iter().all(|target| !is_open(&engine.0.snapshot.borrow(), target))
    })
    .await;
    assert_eq!(engine.shut_down().await.targets.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_serves_another_chain_stops_all_work_until_it_serves_ours_again() {
    let (network, other) = (Network::start(2).await, Network::start_seeded(2, 8).await);
    let orders = network.engine(1).await.with_mode(Mode::Manual);
    network.next_epoch().await;
    let relay = Relay::start(&network.devnet.rpc_url).await;
    let mut config = orders.config();
    config.rpc_url = relay.url();
    let mut engine = Running::start(config).await;
    until("two rows wait", async || engine.0.snapshot.borrow().approvals.len() == 2).await;
    let before = engine.0.snapshot.borrow().clone();
    relay.lead_to(&other.devnet.rpc_url);
    until("the other chain is shown", async || {
        engine.0.snapshot.borrow().network.trouble.as_ref().is_some_and(|trouble| trouble.contains("another chain"))
    })
    .await;
    engine.command(Command::ApproveMany(before.approvals.iter().map(|row| row.id).collect())).await;
    until("they are approved", async || engine.0.snapshot.borrow().approvals.is_empty()).await;
    let heard = || relay.heard.load(Ordering::Relaxed);
    let before_it = heard();
    until("the other chain was looked at again and again", async || heard() >= before_it + 10).await;
    let meanwhile = engine.0.snapshot.borrow().clone();
    assert_eq!(
        (&meanwhile.targets.len(), &meanwhile.wallet),
        (&before.targets.len(), &before.wallet),
        "nothing was read"
    );
    assert!(other.executed(orders.address()).is_empty());

    relay.lead_to(&network.devnet.rpc_url);
    engine.row(State::Filled).await;
    engine.row(State::Filled).await;
    // The subscription comes back in its own time.
    until("nothing ails any more", async || engine.0.snapshot.borrow().network.trouble.is_none()).await;
    engine.shut_down().await;
    assert_eq!(network.filled(orders.address()).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_whose_node_is_away_at_the_start_works_on_no_other_chain_than_it_is_told() {
    let network = Network::start(2).await;
    let orders = network.engine(1).await;
    network.next_epoch().await;
    let relay = Relay::start(&network.devnet.rpc_url).await;
    relay.cut();
    let told = |config: EngineConfig| EngineConfig { chain: Some("another".into()), rpc_url: relay.url(), ..config };
    let engine = Running::start(told(orders.config())).await;
    relay.lead_to(&network.devnet.rpc_url);
    until("the node's chain is shown as foreign", async || {
        engine.0.snapshot.borrow().network.trouble.as_ref().is_some_and(|trouble| trouble.contains("serves another"))
    })
    .await;
    let last = engine.shut_down().await;
    assert!(last.targets.is_empty() && network.filled(orders.address()).is_empty(), "nothing was read or signed");
    // Nor does it start where that can be seen at once.
    let refused = somascope::engine::start(told(orders.config())).await;
    assert!(matches!(refused.err(), Some(EngineError::OtherChain { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_protocol_is_shown_and_nothing_is_signed_until_somebody_accepts_it() {
    let network = Network::start_with(1, 7, 6).await;
    let orders = network.engine(1).await;
    network.next_epoch().await;
    let mut engine = Running::start(orders.config()).await;
    let row = engine.row(State::Approved).await;
    until("the row says why it waits", async || {
        let snapshot = engine.0.snapshot.borrow();
        let rows = snapshot.submissions.iter().find(|held| held.id == row.id);
        rows.and_then(|held| held.note.as_deref()).is_some_and(|note| note.contains("protocol 6"))
    })
    .await;
    let shown = engine.0.snapshot.borrow().network.clone();
    assert_eq!((shown.protocol_version, shown.unaccepted_protocol, shown.embedding_dim), (6, Some(6), 16));
    engine.command(Command::AcceptProtocol(7)).await;
    engine.command(Command::AcceptProtocol(6)).await;
    assert_eq!(engine.row(State::Filled).await.id, row.id);
    assert_eq!(engine.shut_down().await.network.unaccepted_protocol, None);
    // The answer is kept.
    let again = Running::start(orders.config()).await;
    assert_eq!(again.shut_down().await.network.unaccepted_protocol, None);
    // Who accepts one protocol accepts no other.
    let other = Running::start(EngineConfig { accepted_protocol: Some(7), ..orders.config() }).await;
    assert_eq!(other.shut_down().await.network.unaccepted_protocol, Some(6));
}
