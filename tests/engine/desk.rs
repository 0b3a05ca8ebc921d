//! The desk: exact costs, and nothing paid or submitted twice whatever dies when.

use std::{
    collections::HashSet,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};
use somascope::{
    api::{Mode, SubmissionState as State},
    chain::client::Client,
    engine::{
        Crash, CrashAt,
        desk::{ClaimableKind, Desk, DeskConfig, DeskError, Order, Secrets, Settled, Whose},
        history::{self, EntryState, JournalUse, Limits, Query, Rewards},
    },
    primitives::{Address, ObjectId, Shannons},
};

use crate::{
    forgetful,
    network::{Network, Orders, PATIENCE},
    process::{Process, Running},
};

pub fn config(orders: &Orders) -> DeskConfig {
    DeskConfig {
        dir: orders.dir.clone(),
        rpc_url: orders.rpc_url.clone(),
        keypair: orders.keypair(),
        store: Some(orders.store()),
        heads: None,
    }
}

pub async fn desk(orders: &Orders) -> Desk {
    Desk::open(config(orders)).await.expect("the desk opens")
}

pub fn fee_of(settled: &Settled) -> Shannons {
    match settled {
        Settled::Executed { success: true, fee, .. } => *fee,
        other => panic!("not executed: {other:?}"),
    }
}

/// Carries an order out and checks every number that was promised.
async fn as_drafted(network: &Network, desk: &mut Desk, order: Order) -> Settled {
    let before = network.balance(desk.address());
    let draft = desk.draft(order).await.expect("a draft");
    let (fee, remaining) = (draft.fee, draft.remaining);
    let settled = desk.carry_out(draft).await.expect("an outcome");
    assert_eq!(fee_of(&settled), fee, "{settled:?}");
    let after = network.balance(desk.address());
    assert_eq!(after, remaining);
    let Settled::Executed { balance_change, .. } = settled else { unreachable!("checked above") };
    assert_eq!(i128::from(after.0) - i128::from(before.0), balance_change.into());
    settled
}

async fn coins(network: &Network, owner: Address) -> Vec<u64> {
    let client = Client::new(&network.devnet.rpc_url, PATIENCE).expect("a URL");
    client.coins(owner).await.expect("coins").iter().map(|coin| coin.balance).collect()
}

pub async fn open_target(network: &Network) -> ObjectId {
    network.with_ledger(|ledger| {
        let epoch = ledger.system_state().epoch;
        let targets = ledger.targets().into_iter();
        let mut open = targets.filter(|(_, t)| t.submitter.is_none() && t.generation_epoch == epoch);
        open.next().expect("an open target").0.id()
    })
}

pub fn sample(orders: &Orders, n: u32) -> PathBuf {
    orders.corpus.join(format!("{n}.txt"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_costs_exactly_what_its_draft_says() {
    let network = Network::start(1).await;
    let orders = network.engine(1).await;
    let (alice, bob) = (Address([0xa1; 32]), Address([0xb0; 32]));
    let mut desk = desk(&orders).await;
    let payments = vec![(alice, Shannons(1)), (bob, Shannons(700_000_001)), (alice, Shannons(5_000))];
    as_drafted(&network, &mut desk, Order::Send { payments }).await;
    assert_eq!((network.balance(alice), network.balance(bob)), (Shannons(5_001), Shannons(700_000_001)));

    as_drafted(&network, &mut desk, Order::Split { parts: 7 }).await;
    let split = coins(&network, orders.address()).await;
    assert_eq!(split.len(), 7);
    assert!(split[0] - split[6] < 10, "of equal worth: {split:?}");

    // Beyond the richest coin: several are used up together.
    let most = Shannons(split[0] + split[1] + 10);
    as_drafted(&network, &mut desk, Order::Send { payments: vec![(bob, most)] }).await;
    as_drafted(&network, &mut desk, Order::Merge).await;
    assert_eq!(coins(&network, orders.address()).await.len(), 2);
    assert!(matches!(desk.draft(Order::Merge).await, Err(DeskError::Order(_))));

    // To the last shannon.
    let held = network.balance(orders.address());
    let fee = desk.draft(Order::Send { payments: vec![(bob, Shannons(held.0 / 2))] }).await.expect("a draft").fee;
    let too_much = Order::Send { payments: vec![(bob, held)] };
    assert!(matches!(desk.draft(too_much).await, Err(DeskError::Poor { needed, held: found })
        if found == held && needed > held.saturating_add(fee)));
    desk.close().await;
}

/// What a child process does before it dies.
#[derive(Serialize, Deserialize)]
struct Job {
    orders: Orders,
    die_at: Crash,
    work: Work,
}

#[derive(Serialize, Deserialize)]
pub enum Work {
    Send { to: Address, amount: Shannons },
    Submit { target: ObjectId, sample: u32 },
    Claim { target: ObjectId },
}

const CHILD: &str = "SOMASCOPE_TEST_DESK";

/// Not a test: the process of a desk that a test lets die.
#[test]
fn child_desk() {
    let Ok(job) = std::env::var(CHILD) else { return };
    let Job { orders, die_at, work } = serde_json::from_str(&job).expect("a job is JSON");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut desk = Desk::open_to_die(config(&orders), Some(die_at)).await.expect("the desk opens");
        match work {
            Work::Send { to, amount } => {
                let draft = desk.draft(Order::Send { payments: vec![(to, amount)] }).await.expect("a draft");
                desk.carry_out(draft).await.expect("an outcome");
            }
            Work::Submit { target, sample: n } => {
                let offer = desk.confirm(target, &sample(&orders, n), Secrets::Refused, |_| ()).await.expect("a hit");
                desk.submit(offer).await.expect("an outcome");
            }
            Work::Claim { target } => {
                let draft = desk.draft(Order::Claim { target }).await.expect("a draft");
                desk.carry_out(draft).await.expect("an outcome");
            }
        }
    });
}

pub async fn dies(orders: &Orders, die_at: impl Into<Crash>, work: Work) {
    let die_at = die_at.into();
    let job = Job { orders: orders.clone(), die_at, work };
    let child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "desk::child_desk", "--nocapture", "--test-threads=1"])
        .env(CHILD, serde_json::to_string(&job).expect("JSON"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = child.expect("the child starts");
    let status = tokio::task::spawn_blocking(move || child.wait().expect("it ends")).await.expect("waited");
    assert!(!status.success(), "{die_at:?}: the desk was to die");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_dies_half_way_is_paid_once_or_not_at_all_and_the_next_desk_says_which() {
    let network = Network::start(1).await;
    let amount = Shannons(123_456_789);
    // Signed only: certainly never sent. Sent: perhaps, so the same bytes are sent.
    for (seed, at, paid, left) in
        [(21, CrashAt::OrderSigned, false, 1), (22, CrashAt::OrderSent, true, 1), (23, CrashAt::OrderSettled, true, 0)]
    {
        let die_at = Crash { at, times: 1 };
        let orders = network.engine(seed).await;
        let to = Address([seed; 32]);
        dies(&orders, die_at, Work::Send { to, amount }).await;
        let desk = desk(&orders).await;
        assert_eq!(desk.leftovers().len(), left, "{die_at:?}: {:?}", desk.leftovers());
        assert_eq!(network.balance(to), if paid { amount } else { Shannons::ZERO }, "{die_at:?}");
        desk.close().await;
        // Nothing is left for a third one.
        let desk = self::desk(&orders).await;
        assert!(desk.leftovers().is_empty());
        assert_eq!(network.balance(to), if paid { amount } else { Shannons::ZERO });
        desk.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_by_hand_survives_a_crash_at_every_state_and_its_claim_too() {
    let states = [
        State::Found,
        State::Confirmed,
        State::AwaitingApproval,
        State::Approved,
        State::Uploaded,
        State::Signed,
        State::Sent,
        State::Filled,
    ];
    let network = Network::start(states.len() as u64).await;
    network.next_epoch().await;
    let mut filled = Vec::new();
    for (seed, die_at) in (31..).zip(states) {
        let orders = network.engine(seed).await;
        let start = network.balance(orders.address());
        let target = open_target(&network).await;
        dies(&orders, die_at, Work::Submit { target, sample: 3 }).await;
        let mut desk = desk(&orders).await;
        // What was signed is settled by the opening alone; the rest is submitted again by whoever wanted it.
        if network.filled(orders.address()).is_empty() {
            let offer = desk.confirm(target, &sample(&orders, 3), Secrets::Refused, |_| ()).await.expect("still a hit");
            fee_of(&desk.submit(offer).await.expect("an outcome"));
        }
        assert_eq!(network.filled(orders.address()), [target], "{die_at:?}");
        let again = desk.confirm(target, &sample(&orders, 3), Secrets::Refused, |_| ()).await;
        assert!(matches!(again, Err(DeskError::AlreadyFilled(_))), "{die_at:?}");
        network.assert_no_target_twice(orders.address());
        desk.close().await;
        filled.push((orders, target, start));
    }
    network.next_epoch().await;
    network.next_epoch().await;
    let claims = [State::Claimable, State::Claimed];
    for (n, (orders, target, start)) in filled.iter().enumerate() {
        if let Some(die_at) = claims.get(n) {
            dies(orders, *die_at, Work::Claim { target: *target }).await;
        }
        let mut desk = desk(orders).await;
        for claim in desk.claimable(Whose::Ours, usize::MAX).await.expect("a list") {
            assert_eq!((claim.target, claim.kind), (*target, ClaimableKind::Ours));
            as_drafted(&network, &mut desk, Order::Claim { target: claim.target }).await;
        }
        desk.close().await;
        // A dashboard that opens the same directory agrees to the last shannon.
        let orders = orders.clone().with_mode(Mode::Manual);
        let last = Process::start(&orders).shut_down().await;
        assert_eq!((last.rewards.total.filled, last.rewards.total.claimed), (1, 1));
        network.assert_books_balance(&orders, &last, *start);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_dashboard_filled_the_desk_claims_and_neither_works_beside_the_other() {
    let network = Network::start(2).await;
    let orders = network.engine(1).await;
    let start = network.balance(orders.address());
    network.next_epoch().await;
    let mut engine = Running::start(orders.config()).await;
    engine.row(State::Filled).await;
    engine.row(State::Filled).await;
    let beside = Desk::open(config(&orders)).await.err().expect("the directory is locked");
    assert!(beside.to_string().contains("another somascope works in"), "{beside}");
    engine.shut_down().await;

    let mut desk = desk(&orders).await;
    let target = network.filled(orders.address())[0];
    let early = desk.draft(Order::Claim { target }).await;
    assert!(matches!(early, Err(DeskError::TooEarly { .. })), "{early:?}");
    network.next_epoch().await;
    network.next_epoch().await;
    for target in network.filled(orders.address()) {
        as_drafted(&network, &mut desk, Order::Claim { target }).await;
    }
    assert!(matches!(desk.draft(Order::Claim { target }).await, Err(DeskError::NoTarget(_))));
    desk.close().await;
    let mut quiet = orders.config();
    quiet.policy.mode = Mode::Manual;
    let last = Running::start(quiet).await.shut_down().await;
    assert_eq!((last.rewards.total.filled, last.rewards.total.claimed), (2, 2));
    network.assert_books_balance(&orders, &last, start);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finder_earns_from_strangers_and_expired_targets_exactly_what_it_was_told() {
    let network = Network::start(3).await;
    let (submitter, finder) = (network.engine(1).await, network.engine(2).await);
    network.next_epoch().await;
    let mut desk = self::desk(&submitter).await;
    let target = open_target(&network).await;
    let offer = desk.confirm(target, &sample(&submitter, 1), Secrets::Refused, |_| ()).await.expect("a hit");
    let (bond, reward) = (offer.bond, offer.reward);
    fee_of(&desk.submit(offer).await.expect("an outcome"));
    desk.close().await;
    network.next_epoch().await;
    network.next_epoch().await;

    let before = network.balance(submitter.address());
    let mut desk = self::desk(&finder).await;
    let found = desk.claimable(Whose::Others, 1000).await.expect("a list");
    let kinds = |kind| found.iter().filter(|claim| claim.kind == kind).count();
    assert_eq!(kinds(ClaimableKind::Others), 1, "{found:?}");
    // Three of the epoch before, two of the same one, and three of the one after it.
    assert_eq!(kinds(ClaimableKind::Expired), 8, "{found:?}");
    let mut earned = 0;
    for claim in &found {
        assert!(claim.pays() && claim.bond == Shannons::ZERO, "{claim:?}");
        let Settled::Executed { balance_change, .. } =
            as_drafted(&network, &mut desk, Order::Claim { target: claim.target }).await
        else {
            unreachable!("as drafted")
        };
        assert_eq!(balance_change, i64::try_from(claim.gain.0 - claim.fee.0).expect("small"));
        earned += balance_change;
    }
    desk.close().await;
    assert!(earned > 0);
    let finds = rewards(&network, &finder, true).await;
    assert_eq!((finds.finds.len(), finds.submissions.len(), finds.complete), (9, 0, true));
    let totals = finds.totals;
    assert_eq!(i128::from(totals.finder_fees.0) - i128::from(totals.fees.0), earned.into());
    // The submitter has its share and its bond, and reads on any machine who claimed.
    let share = network.balance(submitter.address()).saturating_sub(before).saturating_sub(bond);
    assert!(share > Shannons::ZERO && share < reward);
    let told = rewards(&network, &submitter, false).await;
    let entry = &told.submissions[0];
    assert_eq!((entry.state, entry.claimed_by_others, entry.paid), (EntryState::Claimed, true, Some(share)));
    assert!(told.complete, "{:?}", told.gaps);
}

async fn rewards(network: &Network, orders: &Orders, with_journal: bool) -> Rewards {
    let query = Query {
        rpc_url: network.devnet.rpc_url.clone(),
        address: orders.address(),
        dir: with_journal.then(|| orders.dir.clone()),
        limits: Limits::default(),
    };
    history::rewards(query, |_| ()).await.expect("rewards")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_alone_tells_a_fresh_machine_what_the_journal_knows() {
    let network = Network::start(3).await;
    let orders = network.engine(1).await;
    let start = network.balance(orders.address());
    network.next_epoch().await;
    let mut engine = Running::start(orders.config()).await;
    for _ in 0..3 {
        engine.row(State::Filled).await;
    }
    network.next_epoch().await;
    network.next_epoch().await;
    // In any order.
    let (mut claimed, mut filled) = (0, 0);
    while claimed < 3 || filled < 3 {
        match engine.row_in(&[State::Claimed, State::Filled]).await.state {
            State::Claimed => claimed += 1,
            _ => filled += 1,
        }
    }
    let last = engine.shut_down().await;

    let fresh = rewards(&network, &orders, false).await;
    assert!(fresh.complete && fresh.gaps.is_empty(), "{:?}", fresh.gaps);
    let (booked, told) = (last.rewards.total, fresh.totals);
    assert_eq!(
        (told.filled, told.claimed, told.rewards, told.fees, told.bonds_locked, told.bonds_forfeited),
        (booked.filled, booked.claimed, booked.rewards, booked.fees, booked.bonds_locked, booked.bonds_forfeited)
    );
    assert_eq!((told.received, told.sent), (start, Shannons::ZERO));
    let joined = rewards(&network, &orders, true).await;
    assert_eq!(joined.journal, JournalUse::Joined);
    assert!(joined.submissions.iter().all(|entry| entry.source.is_some()), "{:?}", joined.submissions);
    let without_source = |rewards: &Rewards| {
        let plain = |entry: &history::Entry| history::Entry { source: None, steps: Vec::new(), ..entry.clone() };
        (rewards.totals, rewards.epochs.clone(), rewards.submissions.iter().map(plain).collect::<Vec<_>>())
    };
    assert_eq!(without_source(&joined), without_source(&fresh));

    // What was found is kept: a walk that may ask nothing more still knows it all.
    let query = Query {
        rpc_url: network.devnet.rpc_url.clone(),
        address: orders.address(),
        dir: Some(orders.dir.clone()),
        limits: Limits { transactions: 0, at_once: 1, ..Limits::default() },
    };
    let kept = history::rewards(query, |_| ()).await.expect("rewards");
    assert_eq!((kept.totals, kept.complete), (joined.totals, true));
    // And one that may ask little says that it knows little.
    for few in [Limits { transactions: 1, ..Limits::default() }, Limits { calls: 20, ..Limits::default() }] {
        let limits = Limits { at_once: 1, ..few };
        let query = Query { rpc_url: network.devnet.rpc_url.clone(), address: orders.address(), dir: None, limits };
        let cut = history::rewards(query, |_| ()).await.expect("rewards");
        assert!(!cut.complete && cut.gaps[0].contains("limit"), "{:?}", cut.gaps);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_pruned_its_past_is_asked_for_what_it_still_has_and_the_rest_is_told_as_forgotten() {
    let network = Network::start(2).await;
    let orders = network.engine(1).await;
    network.next_epoch().await;
    let mut desk = self::desk(&orders).await;
    for n in [1, 2] {
        let target = open_target(&network).await;
        let offer = desk.confirm(target, &sample(&orders, n), Secrets::Refused, |_| ()).await.expect("a hit");
        fee_of(&desk.submit(offer).await.expect("an outcome"));
        let to = Address([n as u8; 32]);
        as_drafted(&network, &mut desk, Order::Send { payments: vec![(to, Shannons(1000))] }).await;
    }
    network.next_epoch().await;
    network.next_epoch().await;
    for claim in desk.claimable(Whose::Ours, usize::MAX).await.expect("a list") {
        as_drafted(&network, &mut desk, Order::Claim { target: claim.target }).await;
    }
    desk.close().await;
    let whole = rewards(&network, &orders, false).await;
    assert_eq!((whole.complete, whole.totals.claimed, whole.totals.sent), (true, 2, Shannons(2000)));
    let ask = async |node: &str, dir: Option<PathBuf>| {
        let query = Query { rpc_url: node.to_owned(), address: orders.address(), dir, limits: Limits::default() };
        history::rewards(query, |_| ()).await.expect("rewards")
    };

    // Old objects are gone and transactions are not: those tell whose successors they are.
    let node = forgetful::start(&network.devnet.rpc_url, HashSet::new()).await;
    let without_objects = ask(&node, None).await;
    assert_eq!((without_objects.totals, without_objects.complete), (whole.totals, true), "{:?}", without_objects.gaps);

    // The faucet's transaction and the first submission are gone, too.
    let first = &whole.submissions.iter().min_by_key(|entry| entry.submitted_at_ms).expect("two").submit_digest;
    let faucet = network.with_ledger(|ledger| {
        let latest = ledger.checkpoint(None).expect("a chain has checkpoints").summary.sequence_number;
        let all = (0..=latest).filter_map(|number| ledger.checkpoint(Some(number)));
        let mut transactions = all.flat_map(|checkpoint| checkpoint.transactions.clone());
        let ours = transactions.find(|record| record.balance_changes.iter().any(|c| c.address == orders.address()));
        ours.expect("the faucet gave").data.digest()
    });
    let forgotten = HashSet::from([first.expect("it is known"), faucet]);
    let node = forgetful::start(&network.devnet.rpc_url, forgotten).await;
    let pruned = ask(&node, None).await;
    assert!(!pruned.complete && pruned.gaps[0].contains("forgotten"), "{:?}", pruned.gaps);
    assert_eq!((pruned.totals.claimed, pruned.finds.len()), (2, 0));
    let half_known: Vec<_> = pruned.submissions.iter().filter(|entry| entry.submit_digest.is_none()).collect();
    assert!(matches!(half_known[..], [entry] if entry.note.is_some()), "{half_known:?}");
    assert_eq!(pruned.totals.bonds_forfeited, Shannons::ZERO);

    // What was once found is kept.
    ask(&network.devnet.rpc_url, Some(orders.dir.clone())).await;
    let kept = ask(&node, Some(orders.dir.clone())).await;
    assert_eq!((kept.totals, kept.complete), (whole.totals, true), "{:?}", kept.gaps);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_must_not_or_cannot_be_submitted_is_refused_before_anything_is_uploaded() {
    let network = Network::start(1).await;
    let orders = network.engine(1).await;
    network.next_epoch().await;
    let mut desk = desk(&orders).await;
    let target = open_target(&network).await;
    let dir = tempfile::tempdir().expect("a place");
    let file = |name: &str, bytes: &[u8]| {
        std::fs::write(dir.path().join(name), bytes).expect("writable");
        dir.path().join(name)
    };
    let refused = [
        file("empty.txt", b""),
        file("id_rsa", b"anything"),
        file("notes.txt", b"text\n-----BEGIN PRIVATE KEY-----\nMIIB"),
        file("large.txt", &vec![b'a'; (1 << 20) + 1]),
        dir.path().join("missing.txt"),
        dir.path().to_owned(),
    ];
    for path in refused {
        let error = desk.confirm(target, &path, Secrets::Refused, |_| ()).await.err().expect("refused");
        assert!(matches!(error, DeskError::Data { .. }), "{}: {error}", path.display());
    }
    // What somebody says is no secret comes as far as any other file: to the distance, or beyond.
    for name in ["id_rsa", "notes.txt"] {
        let confirmed = desk.confirm(target, &dir.path().join(name), Secrets::Allowed, |_| ()).await;
        assert!(matches!(confirmed, Ok(_) | Err(DeskError::Miss { .. })), "{name}: {:?}", confirmed.err());
    }
    let good = sample(&orders, 1);
    let nowhere = desk.confirm(ObjectId([7; 32]), &good, Secrets::Refused, |_| ()).await.err().expect("refused");
    assert!(matches!(nowhere, DeskError::NoTarget(_)), "{nowhere}");
    network.next_epoch().await;
    let stale = desk.confirm(target, &good, Secrets::Refused, |_| ()).await.err().expect("refused");
    assert!(matches!(stale, DeskError::Closed { .. }) && stale.to_string().contains("expired"), "{stale}");
    desk.close().await;
    assert!(network.executed(orders.address()).is_empty());
}
