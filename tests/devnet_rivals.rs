//! Rivals on an embedded network: they fill targets with their own wallets, claim two epochs later, and make no money from nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use somascope::{
    chain::{
        client,
        types::{Address, ObjectId, ObjectType, TargetStatus, TargetV1},
    },
    devnet::{self, Devnet, DevnetConfig, GenesisOptions, ModelSpec, Ports, Rivals, Verdict, ledger::Ledger},
    model::arrgen,
};

const SOON: Duration = Duration::from_secs(60);
const TEXT: &[u8] = include_bytes!("../assets/corpus/prose/moby-dick-01.txt");

fn config(dir: &Path) -> DevnetConfig {
    let weights = [
        &include_bytes!("data/model/small16_model_0.safetensors")[..],
        &include_bytes!("data/model/small16_model_1.safetensors")[..],
        &include_bytes!("data/model/small16_model_2.safetensors")[..],
    ];
    let spec = |(index, weights): (u64, &[u8])| ModelSpec {
        name: format!("small-{index}"),
        weights: weights.to_vec(),
        embedding: Some(arrgen::normal(index, 16, 0.0, 1.0)),
        stake: 1_000_000_000,
    };
    DevnetConfig {
        dir: dir.to_owned(),
        seed: 3,
        listen: Ports::default(),
        epoch: None,
        genesis: GenesisOptions::v5(16),
        models: (0..).zip(weights).map(spec).collect(),
        faucet_amount: 2_000_000_000,
    }
}

async fn start(dir: &Path) -> Devnet {
    let mut network = devnet::start(config(dir)).await.expect("a network");
    network.admit(Rivals { count: 2, texts: vec![TEXT], pause: Duration::from_millis(20) });
    network
}

/// Polls the chain; what rivals do has no event that a test could wait for.
async fn eventually<T: Send + 'static>(
    network: &Devnet,
    what: &str,
    look: impl Fn(&Ledger) -> Option<T> + Clone + Send + 'static,
) -> T {
    let looking = async {
        loop {
            let (ledger, look) = (network.ledger(), look.clone());
            let found = tokio::task::spawn_blocking(move || look(&ledger.lock().expect("whole"))).await;
            if let Some(found) = found.expect("it looked") {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, looking).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// Fills by submitter, with their epochs.
fn fills(ledger: &Ledger) -> BTreeMap<Address, BTreeMap<ObjectId, u64>> {
    let mut fills: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for (object, target) in ledger.targets() {
        if let (TargetV1 { submitter: Some(submitter), .. }, TargetStatus::Filled { fill_epoch }) =
            (&target, &target.status)
        {
            fills.entry(*submitter).or_default().insert(object.id(), *fill_epoch);
        }
    }
    fills
}

/// Everything that can be owned, summed from every object that any checkpoint ever wrote and that is alive.
fn supply(ledger: &Ledger) -> u128 {
    let system = ledger.system_state();
    let head = ledger.checkpoint(None).expect("the chain has a head");
    let latest = &head.summary;
    let written: BTreeSet<ObjectId> = (0..=latest.sequence_number)
        .flat_map(|number| ledger.checkpoint(Some(number)).expect("every checkpoint is kept").transactions.clone())
        .flat_map(|transaction| transaction.objects.iter().map(|object| object.id()).collect::<Vec<_>>())
        .collect();
    let on_objects: u128 = written
        .iter()
        .filter_map(|id| ledger.object(id))
        .map(|object| match object.object_type {
            ObjectType::Coin => u128::from(object.coin_balance().expect("a coin")),
            ObjectType::Target => {
                let target = object.target().expect("a target");
                u128::from(target.reward_pool) + u128::from(target.bond_amount)
            }
            ObjectType::StakedSoma | ObjectType::SystemState => 0,
        })
        .sum();
    let models = system.model_registry.models.values().map(|model| &model.v1().head().staking_pool);
    let validators = system.validators.validators.iter().map(|validator| &validator.staking_pool);
    let staked: u128 = models.chain(validators).map(|p| u128::from(p.soma_balance) + u128::from(p.pending_stake)).sum();
    // Of the running epoch; its turn takes them in.
    let fees = if latest.epoch == system.epoch { latest.epoch_rolling_transaction_fees.total_fee } else { 0 };
    on_objects + staked + u128::from(fees) + u128::from(system.emission_pool.balance)
}

async fn read<T: Send + 'static>(network: &Devnet, read: impl FnOnce(&Ledger) -> T + Send + 'static) -> T {
    let ledger = network.ledger();
    tokio::task::spawn_blocking(move || read(&ledger.lock().expect("whole"))).await.expect("it was read")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rivals_fill_targets_honestly_and_claim_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let network = devnet::start(config(dir.path())).await.expect("a network");
    let before = read(&network, supply).await;
    network.shutdown().await;

    let network = start(dir.path()).await;
    let both = |ledger: &Ledger| Some(fills(ledger)).filter(|fills| fills.len() == 2);
    let filled = eventually(&network, "a fill by each rival", both).await;
    let judged = async {
        loop {
            let audits = network.audits();
            if audits.iter().map(|audit| audit.submitter).collect::<BTreeSet<_>>().len() == 2 {
                return audits;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    for audit in tokio::time::timeout(SOON, judged).await.expect("both are audited") {
        assert_eq!(audit.verdict, Verdict::Honest, "{audit:?}");
    }
    let old: BTreeMap<ObjectId, Address> =
        filled.iter().flat_map(|(who, targets)| targets.keys().map(|target| (*target, *who))).collect();
    client::advance_epoch(&network.admin_url).await.expect("a new epoch");
    client::advance_epoch(&network.admin_url).await.expect("a new epoch");
    network.shutdown().await;

    // They remember nothing, and claim what is theirs.
    let network = start(dir.path()).await;
    let ids: Vec<ObjectId> = old.keys().copied().collect();
    let gone = move |ledger: &Ledger| ids.iter().all(|id| ledger.object(id).is_none()).then_some(());
    eventually(&network, "the claims", gone).await;
    let claimers: BTreeSet<Address> = old.into_values().collect();
    assert_eq!(claimers.len(), 2);
    let wallets = claimers.clone();
    let coins = read(&network, move |ledger| wallets.iter().map(|who| ledger.owned(who).len()).max()).await;
    assert!(coins.expect("two wallets") <= 32, "their purses stay short: {coins:?}");
    assert_eq!(read(&network, supply).await, before, "no shannon was made or lost");
    network.shutdown().await;
}
