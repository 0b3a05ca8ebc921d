//! A small embedded network, and what a test may ask of its chain.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::PoisonError,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use somascope::{
    api::{Mode, Snapshot},
    chain::{
        client::{advance_epoch, request_faucet},
        keys::Keypair,
        types::{SomaTensor, SubmitData, TransactionKind},
    },
    devnet::{self, Devnet, DevnetConfig, GenesisOptions, ModelSpec, Ports},
    engine::{COINS_AHEAD, Compose, Crash, EngineConfig, Policy, Sampling},
    primitives::{Address, ObjectId, SHANNONS_PER_SOMA, Shannons},
    storage::{Store, StoreConfig},
};

/// No step of a test takes longer on the slowest machine; every wait ends as soon as its condition holds.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What a child process runs.
#[derive(Clone, Serialize, Deserialize)]
pub struct Orders {
    pub dir: PathBuf,
    pub rpc_url: String,
    pub seed: u8,
    pub mode: Mode,
    pub corpus: PathBuf,
    pub coins_ahead: usize,
    pub die_at: Option<Crash>,
    endpoint_url: String,
    bucket: String,
    access_key_id: String,
    secret_access_key: String,
    public_url: String,
    /// Where the last snapshot goes.
    pub report: PathBuf,
}

impl Orders {
    pub fn config(&self) -> EngineConfig {
        let store = Store::new(StoreConfig {
            endpoint_url: Some(self.endpoint_url.clone()),
            region: "us-east-1".into(),
            bucket: self.bucket.clone(),
            access_key_id: self.access_key_id.clone(),
            secret_access_key: self.secret_access_key.clone().into(),
            public_url: self.public_url.clone(),
        });
        EngineConfig {
            dir: self.dir.clone(),
            network_name: "devnet".into(),
            rpc_url: self.rpc_url.clone(),
            keypair: Some(self.keypair()),
            chain: None,
            policy: Policy { mode: self.mode, ..Policy::default() },
            store: Some(store.expect("the network's store is usable")),
            corpus: vec![self.corpus.clone().into()],
            sampling: Sampling::default(),
            heads: None,
            devices: Vec::new(),
            memory_budget: None,
            scorers: Vec::new(),
            share_data: None,
            library_bytes: 1 << 30,
            // A test that counts fills counts those of single samples.
            compose: Compose::Off,
            refresh: Duration::from_millis(500),
            coins_ahead: self.coins_ahead,
            accepted_protocol: None,
            warnings: Vec::new(),
            die_at: self.die_at,
        }
    }

    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    pub fn in_dir_of(self, other: &Self) -> Self {
        Self { dir: other.dir.clone(), ..self }
    }

    pub fn store(&self) -> Store {
        self.config().store.expect("orders name a store")
    }

    pub fn keypair(&self) -> Keypair {
        Keypair::from_seed([self.seed; 32])
    }

    pub fn address(&self) -> Address {
        self.keypair().address()
    }
}

/// Waits until a condition holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < PATIENCE, "still not: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A network that sleeps.
pub struct Kept {
    config: DevnetConfig,
    dir: tempfile::TempDir,
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("readable").flatten() {
        match entry.file_type().expect("a type").is_dir() {
            true => copy_all(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy")),
        }
    }
}

/// A small network that turns its epochs on demand.
pub struct Network {
    pub devnet: Devnet,
    config: DevnetConfig,
    dir: tempfile::TempDir,
}

/// A transaction of ours that was executed.
#[derive(Clone, Debug)]
pub struct Executed {
    pub target: ObjectId,
    pub is_claim: bool,
    pub succeeded: bool,
}

impl Network {
    /// `targets`: so many open at the start of each epoch, and no replacements.
    pub async fn start(targets: u64) -> Self {
        Self::start_seeded(targets, 7).await
    }

    /// Networks of different seeds are different chains.
    pub async fn start_seeded(targets: u64, seed: u64) -> Self {
        Self::start_with(targets, seed, 5).await
    }

    pub async fn start_with(targets: u64, seed: u64, protocol_version: u64) -> Self {
        Self::start_paying(targets, targets, seed, protocol_version).await
    }

    /// So many targets in each epoch: `targets` at its start, the rest as replacements of those that were filled.
    pub async fn start_paying(targets: u64, paid: u64, seed: u64, protocol_version: u64) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/model");
        let models = (0..3u64).map(|n| ModelSpec {
            name: format!("model-{n}"),
            weights: std::fs::read(data.join(format!("small16_model_{n}.safetensors"))).expect("test data"),
            embedding: None,
            stake: (n + 1) * SHANNONS_PER_SOMA,
        });
        let mut genesis = GenesisOptions::v5(16);
        genesis.protocol_version = protocol_version;
        genesis.parameters.target_initial_targets_per_epoch = targets;
        genesis.parameters.target_hits_per_epoch = paid;
        // Every sample hits every target, in every epoch: what is filled depends on the engine alone.
        genesis.parameters.target_initial_distance_threshold = SomaTensor::scalar(2.0);
        genesis.parameters.target_difficulty_adjustment_rate_bps = 0;
        // 80 % of it pays for `paid` targets of about 0.0127 SOMA.
        genesis.emission_per_epoch_shannons = 12_685_185 * paid * 10 / 8 + 2;
        let config = DevnetConfig {
            dir: dir.path().join("network"),
            seed,
            listen: Ports::default(),
            epoch: None,
            genesis,
            models: models.collect(),
            faucet_amount: 2 * SHANNONS_PER_SOMA,
        };
        let mut files = BTreeMap::new();
        for n in 0..24u32 {
            let line = format!(
                "sample {n}: {}\n",
                "abcdefghijklmnopqrstuvwxyz".chars().cycle().skip(n as usize).take(40).collect::<String>()
            );
            files.insert(format!("{n}.txt"), line.repeat(1 + n as usize % 7).into_bytes());
        }
        Self::launch(config, &files, dir).await
    }

    /// A network of one's own, with these files as the corpus.
    pub async fn of(config: DevnetConfig, files: &BTreeMap<String, Vec<u8>>) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let config = DevnetConfig { dir: dir.path().join("network"), ..config };
        Self::launch(config, files, dir).await
    }

    async fn launch(config: DevnetConfig, files: &BTreeMap<String, Vec<u8>>, dir: tempfile::TempDir) -> Self {
        let devnet = devnet::start(config.clone()).await.expect("the network starts");
        let corpus = dir.path().join("corpus");
        std::fs::create_dir(&corpus).expect("a corpus");
        for (name, bytes) in files {
            std::fs::write(corpus.join(name), bytes).expect("a file");
        }
        Self { devnet, config, dir }
    }

    /// Stops the network and resumes it: its auditor then looks at every fill again.
    pub async fn restart(self) -> Self {
        let Self { devnet, config, dir } = self;
        devnet.shutdown().await;
        let devnet = devnet::start(config.clone()).await.expect("the network resumes");
        Self { devnet, config, dir }
    }

    /// Keeps the network as it is now, beside it.
    pub async fn keep(self) -> (Self, Kept) {
        let Self { devnet, config, dir } = self;
        devnet.shutdown().await;
        let copy = tempfile::tempdir().expect("a directory");
        let kept = DevnetConfig { dir: copy.path().join("network"), ..config.clone() };
        copy_all(&config.dir, &kept.dir);
        let devnet = devnet::start(config.clone()).await.expect("the network resumes");
        (Self { devnet, config, dir }, Kept { config: kept, dir: copy })
    }

    /// Stops this network and resumes another.
    pub async fn exchange(self, kept: Kept) -> (Self, Kept) {
        let Self { devnet, config, dir } = self;
        devnet.shutdown().await;
        let devnet = devnet::start(kept.config.clone()).await.expect("the network resumes");
        (Self { devnet, config: kept.config, dir: kept.dir }, Kept { config, dir })
    }

    /// Orders for an engine with a directory and a funded wallet of its own.
    pub async fn engine(&self, seed: u8) -> Orders {
        let orders = self.orders(seed);
        request_faucet(&self.devnet.faucet_url, orders.address()).await.expect("the faucet gives");
        orders
    }

    pub fn orders(&self, seed: u8) -> Orders {
        let objects = &self.devnet.objects;
        let dir = self.dir.path().join(format!("engine-{seed}"));
        let store = objects.store_config();
        Orders {
            report: dir.with_extension("json"),
            dir,
            rpc_url: self.devnet.rpc_url.clone(),
            seed,
            mode: Mode::Auto,
            corpus: self.dir.path().join("corpus"),
            coins_ahead: COINS_AHEAD,
            die_at: None,
            endpoint_url: objects.endpoint_url.clone(),
            bucket: objects.bucket.clone(),
            access_key_id: objects.access_key_id.clone(),
            secret_access_key: secrecy::ExposeSecret::expose_secret(&store.secret_access_key).to_owned(),
            public_url: objects.public_url.clone(),
        }
    }

    pub async fn next_epoch(&self) -> u64 {
        advance_epoch(&self.devnet.admin_url).await.expect("the epoch turns")
    }

    pub fn with_ledger<T>(&self, look: impl FnOnce(&devnet::ledger::Ledger) -> T) -> T {
        look(&self.devnet.ledger().lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Of the newest checkpoint.
    pub fn height(&self) -> u64 {
        self.with_ledger(|ledger| ledger.checkpoint(None).expect("a chain has checkpoints").summary.sequence_number)
    }

    pub fn balance(&self, owner: Address) -> Shannons {
        Shannons(self.with_ledger(|ledger| ledger.balance(&owner)))
    }

    /// What the chain executed for this sender, in order.
    pub fn executed(&self, sender: Address) -> Vec<Executed> {
        self.with_ledger(|ledger| {
            let latest = ledger.checkpoint(None).expect("a chain has checkpoints").summary.sequence_number;
            let mut found = Vec::new();
            for number in 0..=latest {
                let checkpoint = ledger.checkpoint(Some(number)).expect("every checkpoint is kept");
                for record in checkpoint.transactions.iter().filter(|record| record.data.sender() == sender) {
                    let (target, is_claim) = match record.data.kind() {
                        TransactionKind::SubmitData(SubmitData { target_id, .. }) => (*target_id, false),
                        TransactionKind::ClaimRewards { target_id } => (*target_id, true),
                        _ => continue,
                    };
                    found.push(Executed { target, is_claim, succeeded: record.effects.v1().succeeded() });
                }
            }
            found
        })
    }

    /// Targets that this sender has filled.
    pub fn filled(&self, sender: Address) -> Vec<ObjectId> {
        let fills = self.executed(sender).into_iter().filter(|tx| !tx.is_claim && tx.succeeded);
        fills.map(|tx| tx.target).collect()
    }

    /// Never two submissions of one sender for one target.
    pub fn assert_no_target_twice(&self, sender: Address) {
        let mut submitted: BTreeMap<ObjectId, u32> = BTreeMap::new();
        for tx in self.executed(sender).iter().filter(|tx| !tx.is_claim) {
            *submitted.entry(tx.target).or_default() += 1;
        }
        assert!(submitted.values().all(|times| *times == 1), "submitted twice: {submitted:?}");
    }

    /// `balance_end − balance_start = rewards − fees − bonds locked − bonds forfeited`, over the journal's whole life.
    pub fn assert_books_balance(&self, orders: &Orders, last: &Snapshot, start: Shannons) {
        let total = last.rewards.total;
        assert_eq!(last.wallet.balance, self.balance(orders.address()), "the wallet is as the chain says");
        let change = i128::from(last.wallet.balance.0) - i128::from(start.0);
        let booked = i128::from(total.rewards.0)
            - i128::from(total.fees.0)
            - i128::from(total.bonds_locked.0)
            - i128::from(total.bonds_forfeited.0);
        assert_eq!(change, booked, "{total:?}");
    }
}
