//! Limits that change under way, several approvals at once, and the log of it all.

use std::collections::{BTreeMap, BTreeSet};

use somascope::{
    api::{
        Command, Event, Level, LogKind, LogLine, Mode, PolicyLimits, Snapshot, SubmissionId, SubmissionState as State,
        TransactionWord,
    },
    engine::EngineConfig,
    primitives::Shannons,
    storage::{Store, StoreConfig},
};

use crate::{
    network::{Network, until},
    process::Running,
};

/// No limit that a test could meet.
const WIDE: PolicyLimits = PolicyLimits {
    max_bond_per_submission: Shannons(1_000_000_000),
    max_bond_per_epoch: Shannons(1_000_000_000),
    min_margin_millionths: 0,
    min_gain: Shannons::ZERO,
};

fn up_to(bonds: u64) -> PolicyLimits {
    PolicyLimits { max_bond_per_epoch: Shannons(bonds), ..WIDE }
}

/// An engine with so many candidates that wait for a person, and their bonds, the smallest first.
async fn waiting(config: EngineConfig, count: usize) -> (Running, Vec<u64>) {
    let engine = Running::start(config).await;
    until("they wait", async || engine.0.snapshot.borrow().approvals.len() == count).await;
    let mut bonds: Vec<u64> = engine.0.snapshot.borrow().approvals.iter().map(|row| row.bond.0).collect();
    bonds.sort_unstable();
    (engine, bonds)
}

fn snapshot(engine: &Running) -> std::sync::Arc<Snapshot> {
    engine.0.snapshot.borrow().clone()
}

/// Nothing is on its way.
fn is_quiet(snapshot: &Snapshot) -> bool {
    let flying = [State::Found, State::Confirmed, State::Approved, State::Uploaded, State::Signed, State::Sent];
    !snapshot.submissions.iter().any(|row| flying.contains(&row.state))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_obeys_the_limits_of_now_and_tells_what_it_did() {
    let network = Network::start(3).await;
    let orders = network.engine(1).await.with_mode(Mode::Manual);
    network.next_epoch().await;
    let (engine, bonds) = waiting(orders.config(), 3).await;
    // Room for any of the rows, and for no two of them.
    engine.command(Command::SetPolicy(up_to(bonds[0] + bonds[1] - 1))).await;
    engine.command(Command::SetMode(Mode::Auto)).await;
    until("one is filled and the others are left alone", async || {
        let policy = snapshot(&engine).policy.clone();
        network.filled(orders.address()).len() == 1 && policy.auto.refused == 2
    })
    .await;
    let policy = snapshot(&engine).policy.clone();
    assert_eq!((policy.auto.approved, policy.auto.bonds, policy.auto.refusals.len()), (1, policy.used, 2));
    assert!(policy.auto.refusals[0].why.contains("above the limit"), "{policy:?}");
    assert!(policy.edited_at_ms.is_some());
    assert_eq!(policy.at_start.max_bond_per_submission, Shannons(10_000_000));

    engine.command(Command::SetPolicy(WIDE)).await;
    until("the others are filled", async || network.filled(orders.address()).len() == 3).await;
    until("the books are closed", async || is_quiet(&snapshot(&engine))).await;
    let last = engine.shut_down().await;
    assert_eq!((last.policy.auto.approved, last.policy.auto.refused), (3, 0));
    assert_eq!(last.policy.used, Shannons(bonds.iter().sum()));
    let changes = last.log.iter().filter(|line| line.kind == Some(LogKind::Policy));
    assert_eq!(changes.count(), 3, "{:?}", last.log);
}

/// A store that nobody answers for.
fn nowhere() -> Store {
    Store::new(StoreConfig {
        endpoint_url: Some("http://127.0.0.1:9".into()),
        region: "us-east-1".into(),
        bucket: "nowhere".into(),
        access_key_id: "nobody".into(),
        secret_access_key: "nothing".to_owned().into(),
        public_url: "http://127.0.0.1:9/nowhere/".into(),
    })
    .expect("a store may be away")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_policy_approved_and_nobody_has_signed_is_taken_back_by_lower_limits() {
    let network = Network::start(2).await;
    let orders = network.engine(1).await;
    network.next_epoch().await;
    let config = EngineConfig { store: Some(nowhere()), ..orders.config() };
    let mut engine = Running::start(config).await;
    engine.row(State::Approved).await;
    engine.row(State::Approved).await;
    assert_eq!(engine.0.snapshot.borrow().policy.limits, engine.0.snapshot.borrow().policy.at_start);
    engine.command(Command::SetPolicy(up_to(1))).await;
    until("they wait for a person", async || {
        let snapshot = snapshot(&engine);
        snapshot.approvals.len() == 2 && snapshot.policy.used == Shannons::ZERO
    })
    .await;
    let last = engine.shut_down().await;
    assert_eq!((last.policy.auto.approved, last.policy.auto.bonds), (0, Shannons::ZERO));
    assert!(last.approvals.iter().all(|row| row.note.as_ref().is_some_and(|note| note.contains("above the limit"))));
    assert_eq!(last.log.iter().filter(|line| line.text.contains("taken back")).count(), 2);

    // So do the limits of the next start, which never let what was approved under others be signed.
    let mut config = orders.config();
    config.policy.max_bond_per_epoch = Shannons(1);
    let engine = Running::start(config).await;
    until("they wait again", async || snapshot(&engine).approvals.len() == 2).await;
    engine.command(Command::ApproveMany(snapshot(&engine).approvals.iter().map(|row| row.id).collect())).await;
    until("a person's approval goes beyond", async || network.filled(orders.address()).len() == 2).await;
    engine.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_auto_approved_and_nobody_has_signed_waits_for_a_person_once_it_is_switched_off() {
    let network = Network::start(2).await;
    let orders = network.engine(1).await;
    network.next_epoch().await;
    let mut config = EngineConfig { store: Some(nowhere()), ..orders.config() };
    config.policy.auto_barred = true;
    let mut engine = Running::start(config).await;
    engine.row(State::Approved).await;
    engine.row(State::Approved).await;
    engine.command(Command::SetMode(Mode::Manual)).await;
    until("they wait for a person", async || {
        let snapshot = snapshot(&engine);
        snapshot.mode == Mode::Manual && snapshot.approvals.len() == 2 && snapshot.policy.used == Shannons::ZERO
    })
    .await;
    // Limits that could not be read: there is no way back.
    engine.command(Command::SetMode(Mode::Auto)).await;
    until("it is refused", async || {
        snapshot(&engine).log.iter().any(|line| line.text.contains("the configuration is broken"))
    })
    .await;
    let last = engine.shut_down().await;
    assert_eq!((last.mode, last.approvals.len()), (Mode::Manual, 2));
    assert!(network.filled(orders.address()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn approvals_of_an_earlier_run_are_judged_by_the_limits_of_this_one() {
    let network = Network::start(2).await;
    let orders = network.engine(1).await;
    network.next_epoch().await;
    let mut engine = Running::start(EngineConfig { store: Some(nowhere()), ..orders.config() }).await;
    let first = engine.row(State::Approved).await;
    let second = engine.row(State::Approved).await;
    engine.shut_down().await;
    let mut config = orders.config();
    config.policy.max_bond_per_epoch = first.bond.max(second.bond);
    let mut engine = Running::start(config).await;
    engine.row(State::Filled).await;
    until("the other one waits", async || snapshot(&engine).approvals.len() == 1).await;
    let last = engine.shut_down().await;
    assert_eq!(network.filled(orders.address()).len(), 1, "{:?}", last.submissions);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_limit_is_exceeded_by_what_is_signed_after_it_was_lowered() {
    const TARGETS: usize = 6;
    let network = Network::start(TARGETS as u64).await;
    let orders = network.engine(1).await.with_mode(Mode::Manual);
    network.next_epoch().await;
    let (mut engine, bonds) = waiting(orders.config(), TARGETS).await;
    let limit = bonds[TARGETS - 1] * 2;
    engine.command(Command::SetPolicy(WIDE)).await;
    engine.command(Command::SetMode(Mode::Auto)).await;
    // Somewhere on the way of the first ones.
    engine.row(State::Uploaded).await;
    engine.command(Command::SetPolicy(up_to(limit))).await;
    until("what is beyond the limit waits or is filled", async || {
        let snapshot = snapshot(&engine);
        snapshot.policy.limits == up_to(limit) && is_quiet(&snapshot)
    })
    .await;
    engine.command(Command::Shutdown).await;
    // The order of events is that of what happened.
    let (mut signed, mut lowered) = (BTreeMap::<SubmissionId, u64>::new(), false);
    let mut before = BTreeSet::new();
    while let Some(event) = engine.0.events.recv().await {
        match event {
            Event::Submission(row) if row.state == State::Signed => {
                signed.insert(row.id, row.bond.0);
                let sum: u64 = signed.values().sum();
                assert!(
                    !lowered || sum <= limit,
                    "{sum} is signed, {limit} is the limit, {before:?} were signed before"
                );
            }
            Event::Log(line) if line.kind == Some(LogKind::Policy) && line.text.contains("bonds of an epoch 1.00") => {
                lowered = true;
                before = signed.keys().copied().collect();
            }
            Event::Stopped => break,
            _ => {}
        }
    }
    assert!(lowered);
    let filled = network.filled(orders.address()).len();
    assert!(filled < TARGETS || before.len() == TARGETS, "{filled} are filled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_margin_is_demanded_and_forgiven_under_way() {
    let network = Network::start(2).await;
    let orders = network.engine(1).await;
    network.next_epoch().await;
    let mut config = orders.config();
    // Distances are about 1, thresholds 2: nobody comes so near.
    config.policy.min_margin = 1.9;
    let engine = Running::start(config).await;
    until("the corpus is done", async || snapshot(&engine).throughput.remaining == Some(0)).await;
    until("the library came from disk", async || {
        snapshot(&engine).models.iter().map(|model| model.wins).sum::<u64>() > 10
    })
    .await;
    assert_eq!(snapshot(&engine).submissions.len(), 0);
    engine.command(Command::SetPolicy(WIDE)).await;
    until("both are filled", async || network.filled(orders.address()).len() == 2).await;
    let last = engine.shut_down().await;
    assert!(last.log.iter().any(|line| line.text.contains("minimum margin 1.900000")), "{:?}", last.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_changes_no_limits() {
    let network = Network::start(1).await;
    let orders = network.engine(1).await;
    let warnings = vec!["config.toml is broken".to_owned()];
    let engine = Running::start(EngineConfig { keypair: None, warnings, ..orders.config() }).await;
    let before = snapshot(&engine).policy.limits;
    engine.command(Command::SetPolicy(up_to(7))).await;
    until("it says so", async || snapshot(&engine).log.iter().any(|line| line.text.contains("read-only"))).await;
    let last = engine.shut_down().await;
    assert_eq!(last.policy.limits, before);
    // What was wrong before it began stays to be read.
    let is_warning = |line: &LogLine| line.level == Level::Warning && line.text == "config.toml is broken";
    assert!(last.log.iter().any(is_warning), "{:?}", last.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_a_person_marked_are_filled_and_the_log_tells_of_it_in_the_next_run() {
    let network = Network::start(3).await;
    let orders = network.engine(1).await.with_mode(Mode::Manual);
    network.next_epoch().await;
    let (engine, _) = waiting(orders.config(), 3).await;
    let rows = snapshot(&engine).approvals.clone();
    // Best expected gain first, and its parts add up.
    let gains: Vec<i64> = rows.iter().map(|row| row.prospect.expect("a prospect").gain).collect();
    assert!(gains.is_sorted_by(|a, b| a >= b), "{gains:?}");
    let prospect = rows[0].prospect.expect("a prospect");
    let expected = rows[0].expected_reward.0 - rows[0].fee.0 - prospect.at_risk.0;
    assert_eq!((prospect.chance_permille, prospect.gain), (1000, expected as i64));
    assert_eq!(rows[0].pieces.len(), 1);
    engine.command(Command::ApproveMany(vec![rows[0].id, rows[2].id])).await;
    engine.command(Command::RejectMany(vec![rows[1].id])).await;
    until("the marked ones are filled", async || network.filled(orders.address()).len() == 2).await;
    until("the books are closed", async || is_quiet(&snapshot(&engine))).await;
    let last = engine.shut_down().await;
    assert!(!network.filled(orders.address()).contains(&rows[1].target));
    assert_eq!((last.policy.auto.approved, last.policy.used), (0, rows[0].bond.saturating_add(rows[2].bond)));

    let mut config = orders.config();
    config.policy.mode = Mode::ReadOnly;
    let engine = Running::start(config).await;
    let log = snapshot(&engine).log.clone();
    engine.shut_down().await;
    for row in last.submissions.iter().filter(|row| row.state == State::Filled) {
        let digest = row.digest.expect("it was sent");
        let is_fill = |kind: &LogKind| matches!(kind, LogKind::Transaction { what: TransactionWord::Submit, digest: told, fee: Some(_) } if *told == digest);
        assert!(log.iter().any(|line| line.kind.as_ref().is_some_and(is_fill)), "{log:?}");
        let url = row.url.clone().expect("it was uploaded");
        let upload = LogKind::Upload { url, bytes: row.size_bytes };
        assert!(log.iter().any(|line| line.kind == Some(upload.clone())), "{log:?}");
    }
    let rejected = LogKind::Hit { target: rows[1].target };
    assert!(log.iter().any(|line| line.kind == Some(rejected.clone()) && line.text.starts_with("rejected")), "{log:?}");
}
