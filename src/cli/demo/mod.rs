//! `somascope demo`: the whole game in one process, on an embedded network.

mod corpus;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Args;

use super::{Exit, headless};
use crate::{
    api::{EngineHandle, Mode},
    chain::{
        client::{Client, request_faucet},
        keys::Keypair,
    },
    devnet::{self, Devnet, DevnetConfig, GenesisOptions, ModelSpec, Ports},
    engine::{self, EngineConfig, Policy},
    model::specialist,
    primitives::{Hasher, SHANNONS_PER_SOMA, Shannons},
    storage::{Store, StoreConfig},
    terminal,
};

/// Every model of the demo: small enough for a laptop's processor, large enough to have an opinion.
const SPECIALIST: specialist::Dims = specialist::Dims { embed: 64, feed_forward: 256, layers: 2 };

/// Play the whole game on an embedded network: no account, no GPU, no real money.
///
/// Starts a network with its faucet, models and object store on this machine, gives you a funded wallet, scores a corpus, and shows
/// the dashboard. Approve a hit with `a` and `y`, and watch it being filled, audited and paid two epochs later.
#[derive(Args)]
#[command(after_help = "Examples:\n  somascope demo\n  somascope demo --auto --data ~/notes\n  \
    somascope demo --headless --auto --epochs 4 --json")]
pub struct Demo {
    /// Approve submissions without asking, within the policy's limits.
    #[arg(long)]
    auto: bool,
    /// Run without a terminal; progress goes to standard error.
    #[arg(long)]
    headless: bool,
    /// End after so many epochs (headless only; without it, at Ctrl-C).
    #[arg(long, value_name = "N", requires = "headless")]
    epochs: Option<u64>,
    /// End with one JSON object on standard output (headless only).
    #[arg(long, requires = "headless")]
    json: bool,
    /// Score your own files instead of the demo corpus.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Makes the network and its models reproducible.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Keep the state here and resume from it [default: a temporary directory, removed at the end].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Length of an epoch.
    #[arg(long, default_value_t = 20, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    epoch_seconds: u64,
    /// Port of the network's gRPC service [default: any free one].
    #[arg(long, default_value_t = 0, value_name = "PORT", hide_default_value = true)]
    port: u16,
    /// Draw with ASCII only.
    #[arg(long)]
    ascii: bool,
}

impl Demo {
    pub fn run(self) -> Exit {
        match self.play() {
            Ok(exit) => exit,
            Err(error) => {
                let _ = writeln!(io::stderr(), "error: {error:#}");
                Exit::BadInput
            }
        }
    }

    fn play(self) -> anyhow::Result<Exit> {
        // Kept alive until the end: dropping it removes the directory.
        let temporary;
        let dir: &Path = match &self.dir {
            Some(dir) => {
                std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
                dir
            }
            None => {
                temporary = tempfile::Builder::new().prefix("somascope-demo-").tempdir().context("no place for the state")?;
                temporary.path()
            }
        };
        if !self.headless {
            terminal::require()?;
        }
        super::log_to(&dir.join("somascope.log"))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
        let exit = runtime.block_on(self.play_in(dir));
        // What is still open belongs to a network that ends with us.
        runtime.shutdown_timeout(Duration::from_secs(2));
        exit
    }

    async fn play_in(&self, dir: &Path) -> anyhow::Result<Exit> {
        let started = Instant::now();
        let data = match &self.data {
            Some(data) => data.clone(),
            None => {
                let root = dir.join("corpus");
                corpus::write(&root).with_context(|| format!("cannot write the demo corpus to {}", root.display()))?;
                root
            }
        };
        let _ = writeln!(io::stderr(), "starting the embedded network …");
        let network = self.start_network(dir).await?;
        let balance_start;
        let handle;
        {
            let keypair = Keypair::from_seed(wallet_seed(self.seed));
            let client = Client::new(&network.rpc_url, Duration::from_secs(10))?;
            if client.balance(keypair.address()).await? == 0 {
                request_faucet(&network.faucet_url, keypair.address()).await?;
            }
            balance_start = Shannons(client.balance(keypair.address()).await?);
            handle = self.start_engine(dir, &network, keypair, data).await?;
        }
        let first_epoch = handle.snapshot.borrow().network.epoch;
        let exit = if self.headless {
            let last = headless::follow(handle, first_epoch, self.epochs, &mut io::stderr()).await?;
            let report = headless::Report::new(&last, balance_start, first_epoch, started);
            let mut out = io::stdout().lock();
            if self.json {
                writeln!(out, "{}", serde_json::to_string(&report)?)?;
            } else {
                report.print(&mut out)?;
            }
            Exit::Ok
        } else {
            let options = terminal::Options { ascii: self.ascii, ..Default::default() };
            tokio::task::spawn_blocking(move || terminal::run(handle, options)).await??;
            Exit::Ok
        };
        network.shutdown().await;
        Ok(exit)
    }

    async fn start_network(&self, dir: &Path) -> anyhow::Result<Devnet> {
        let seed = self.seed;
        let models = tokio::task::spawn_blocking(move || {
            (1u64..)
                .zip(corpus::kinds())
                .map(|(n, (name, examples))| ModelSpec {
                    name,
                    weights: specialist::build(SPECIALIST, seed.wrapping_mul(1000).wrapping_add(n), &examples),
                    embedding: None,
                    stake: n * SHANNONS_PER_SOMA,
                })
                .collect()
        })
        .await?;
        let config = DevnetConfig {
            dir: dir.join("network"),
            seed,
            listen: Ports { rpc: self.port, ..Ports::default() },
            epoch: Some(Duration::from_secs(self.epoch_seconds)),
            genesis: GenesisOptions::demo(SPECIALIST.embed as u64),
            models,
            faucet_amount: 2 * SHANNONS_PER_SOMA,
        };
        devnet::start(config).await.context("the embedded network does not start")
    }

    async fn start_engine(
        &self,
        dir: &Path,
        network: &Devnet,
        keypair: Keypair,
        data: PathBuf,
    ) -> anyhow::Result<EngineHandle> {
        let objects = &network.objects;
        let store = Store::new(StoreConfig {
            endpoint_url: Some(objects.endpoint_url.clone()),
            region: "us-east-1".to_owned(),
            bucket: objects.bucket.clone(),
            access_key_id: objects.access_key_id.clone(),
            secret_access_key: objects.secret_access_key.clone(),
            public_url: objects.public_url.clone(),
        })?;
        let config = EngineConfig {
            dir: dir.join("engine"),
            network_name: "devnet".to_owned(),
            rpc_url: network.rpc_url.clone(),
            keypair: Some(keypair),
            policy: Policy { mode: if self.auto { Mode::Auto } else { Mode::Manual }, ..Policy::default() },
            store: Some(store),
            corpus: vec![data],
            heads: None,
            scorer_threads: std::thread::available_parallelism().map_or(1, usize::from),
            refresh: Duration::from_secs(2),
            die_at: None,
        };
        Ok(engine::start(config).await?)
    }
}

/// The demo's wallet belongs to its network: made from the same seed, worth nothing elsewhere.
fn wallet_seed(seed: u64) -> [u8; 32] {
    let mut hasher = Hasher::default();
    hasher.update(b"somascope demo wallet").update(&seed.to_le_bytes());
    hasher.finish().0
}
