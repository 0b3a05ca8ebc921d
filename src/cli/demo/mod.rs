//! `somascope demo`: the whole game in one process, on an embedded network.

pub(super) mod corpus;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow};
use clap::Args;
use tempfile::TempDir;

use super::{
    Exit,
    data::{DATA_HELP, DataArgs},
    device::DeviceArgs,
    devnet::rivals,
    environment::Environment,
    library::LibraryArgs,
    order::tell_line,
    play::{Play, Started},
    relay, specialists,
};
use crate::{
    api::{EngineHandle, Mode},
    chain::{
        client::{Client, request_faucet},
        keys::Keypair,
    },
    devnet::{self, Devnet, DevnetConfig, DevnetError, GenesisOptions, Ports},
    engine::{self, COINS_AHEAD, EXPORTS, EngineConfig, Policy, Sampling, SourceKind, SourceSpec},
    primitives::{Address, Hasher, SHANNONS_PER_SOMA, Shannons},
    storage::{Store, StoreConfig},
};

/// Below a demo's directory: what any engine keeps. Beside it are the network and the corpus.
pub const ENGINE: &str = "engine";

/// Play the whole game on an embedded network: no account, no GPU, no real money.
///
/// Starts a network with its faucet, models and object store on this machine, gives you a funded wallet, scores a corpus, and shows
/// the dashboard. Approve a hit with `a` and `y`, and watch it being filled, audited and paid two epochs later.
#[derive(Args)]
#[command(after_help = format!("Examples:\n  somascope demo\n  somascope demo --auto --data ~/notes\n  \
    somascope demo --headless --auto --epochs 4 --json\n\n{DATA_HELP}\n\n\
    JSON of --headless --json, at the end: samples_scored, model_evaluations, duplicates, hits, submitted, filled, claimed, balance_start_shannons, \
    balance_end_shannons, rewards_shannons, fees_shannons, bonds_locked_start_shannons, bonds_locked_shannons, \
    bonds_forfeited_shannons, epochs, elapsed_s.\n\n\
    Exit codes: 0 ended as asked, everything settled; 1 cut short; 2 a file or option will not do; 4 a submission's outcome is not known \
    yet: the next start with the same --dir settles it."))]
pub struct Demo {
    /// Approve submissions without asking, within the policy's limits.
    #[arg(long)]
    auto: bool,
    /// Score this instead of the demo corpus: a path, `-`, or `stack-v2` (see Data below). Repeat for several.
    #[arg(long, value_name = "SOURCE[=WEIGHT]")]
    data: Vec<SourceSpec>,
    #[command(flatten)]
    sampling: DataArgs,
    /// The network's keys come from it, and every id that does not depend on the time, as those of targets do.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Keep the state here and resume from it [default: a temporary directory, removed at the end but for what you export].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Length of an epoch.
    #[arg(long, default_value_t = 20, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    epoch_seconds: u64,
    /// Competing submitters with wallets of their own.
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u16).range(..=64))]
    rivals: u16,
    /// Port of the network's gRPC service; 0 takes any free one.
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    rpc_port: u16,
    #[command(flatten)]
    library: LibraryArgs,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    pub(super) play: Play,
}

impl Demo {
    pub fn run(self) -> anyhow::Result<Exit> {
        self.play.check()?;
        self.device.placements()?;
        let play_in = |dir: &Path| {
            super::log_to(&dir.join("somascope.log"))?;
            super::block_on(self.play_in(dir))
        };
        if let Some(dir) = &self.dir {
            fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
            return play_in(dir);
        }
        let temporary = tempfile::Builder::new()
            .prefix("somascope-demo-")
            .tempdir()
            .context("no place for the state: say where with --dir")?;
        let ended = play_in(temporary.path());
        keep_exports(temporary);
        ended
    }

    async fn play_in(&self, dir: &Path) -> anyhow::Result<Exit> {
        let sampling = self.sampling.sampling()?;
        let sources = if self.data.is_empty() {
            let root = dir.join("corpus");
            corpus::write(&root).with_context(|| format!("cannot write the demo corpus to {}", root.display()))?;
            vec![root.into()]
        } else {
            // The demo is a network of its own: of the environment it only wants what a source asks for.
            let is_stack = |source: &SourceSpec| matches!(source.kind, SourceKind::Stack(_));
            match self.data.iter().any(is_stack) {
                true => self.sampling.sources(&self.data, &Environment::read(Path::new("."))?),
                false => self.data.clone(),
            }
        };
        // Looked at before a network is started for it; the engine reads it later, file by file.
        engine::check_data(&sources)?;
        let doing = "starting the embedded network …";
        let mode = if self.auto { Mode::Auto } else { Mode::Manual };
        let starting = relay::starting("devnet", "the embedded network", mode, doing);
        // It ends after the engine.
        let mut running = None;
        let start = async {
            if !self.play.has_dashboard() {
                writeln!(io::stderr(), "{doing}")?;
            }
            let mut network = self.start_network(dir).await?;
            network.admit(rivals(self.rivals));
            let network = running.insert(network);
            let keypair = Keypair::from_seed(wallet_seed(self.seed));
            let balance_start = fund(network, keypair.address()).await?;
            let handle = self.start_engine(dir, network, keypair, sources, sampling).await?;
            Ok(Started { handle, balance_start: Some(balance_start) })
        };
        let exit = self.play.through(starting, self.dir.as_deref(), start).await;
        if let Some(network) = running {
            network.shutdown().await;
        }
        exit
    }

    async fn start_network(&self, dir: &Path) -> anyhow::Result<Devnet> {
        let models = tokio::task::spawn_blocking(specialists::specialists).await??;
        let config = DevnetConfig {
            dir: dir.join("network"),
            seed: self.seed,
            listen: Ports { rpc: self.rpc_port, ..Ports::default() },
            epoch: Some(Duration::from_secs(self.epoch_seconds)),
            genesis: GenesisOptions::demo(specialists::EMBED),
            models,
            faucet_amount: 2 * SHANNONS_PER_SOMA,
        };
        devnet::start(config).await.map_err(|error| match error {
            DevnetError::PortInUse { .. } | DevnetError::Listen { .. } => {
                anyhow!("{error}: choose another one with --rpc-port, or 0 for any free one")
            }
            error => anyhow::Error::new(error).context("the embedded network does not start"),
        })
    }

    async fn start_engine(
        &self,
        dir: &Path,
        network: &Devnet,
        keypair: Keypair,
        sources: Vec<SourceSpec>,
        sampling: Sampling,
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
            dir: dir.join(ENGINE),
            network_name: "devnet".to_owned(),
            rpc_url: network.rpc_url.clone(),
            keypair: Some(keypair),
            chain: None,
            policy: Policy { mode: if self.auto { Mode::Auto } else { Mode::Manual }, ..Policy::default() },
            store: Some(store),
            corpus: sources,
            sampling,
            heads: None,
            devices: self.device.placements()?,
            memory_budget: self.device.memory_bytes(),
            scorers: Vec::new(),
            share_data: None,
            library_bytes: self.library.bytes(),
            compose: self.library.compose(),
            refresh: Duration::from_secs(2),
            coins_ahead: COINS_AHEAD,
            accepted_protocol: None,
            warnings: self.play.setup.notices.clone(),
            die_at: None,
        };
        Ok(engine::start(config).await?)
    }
}

/// Removes the state of a demo, but for what somebody has exported: that stays where it was said to be.
fn keep_exports(temporary: TempDir) {
    let engine = temporary.path().join(ENGINE);
    let exports = engine.join(EXPORTS);
    if fs::read_dir(&exports).is_ok_and(|mut files| files.next().is_some()) {
        let root = temporary.keep();
        for (dir, stays) in [(&root, &engine), (&engine, &exports)] {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten().filter(|entry| entry.path() != *stays) {
                let path = entry.path();
                // What cannot be removed is in the way of nothing.
                let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            }
        }
        tell_line(&format!("what you exported is in {}", exports.display()));
    }
}

/// The demo's wallet belongs to its network: made from the same seed, worth nothing elsewhere.
fn wallet_seed(seed: u64) -> [u8; 32] {
    let mut hasher = Hasher::default();
    hasher.update(b"somascope demo wallet").update(&seed.to_le_bytes());
    hasher.finish().0
}

/// Asks the faucet once in a wallet's life; gives what the wallet has.
async fn fund(network: &Devnet, wallet: Address) -> anyhow::Result<Shannons> {
    let client = Client::new(&network.rpc_url, Duration::from_secs(10))?;
    if client.balance(wallet).await? == 0 {
        request_faucet(&network.faucet_url, wallet).await.context("the faucet gives nothing")?;
    }
    Ok(Shannons(client.balance(wallet).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_exported_outlives_the_demo_and_nothing_else_does() {
        let demo = || tempfile::tempdir().expect("a place");
        let nothing = demo();
        let path = nothing.path().to_owned();
        fs::create_dir_all(path.join(ENGINE).join(EXPORTS)).expect("writable");
        keep_exports(nothing);
        assert!(!path.exists());

        let something = demo();
        let path = something.path().to_owned();
        let exports = path.join(ENGINE).join(EXPORTS);
        for file in [path.join("network/ledger"), path.join(ENGINE).join("journal"), exports.join("rewards.csv")] {
            fs::create_dir_all(file.parent().expect("below")).expect("writable");
            fs::write(file, "1").expect("writable");
        }
        keep_exports(something);
        let names =
            |dir: &Path| fs::read_dir(dir).expect("there").flatten().map(|entry| entry.file_name()).collect::<Vec<_>>();
        assert_eq!((names(&path), names(&path.join(ENGINE))), (vec![ENGINE.into()], vec![EXPORTS.into()]));
        assert_eq!(names(&exports), ["rewards.csv"]);
        fs::remove_dir_all(path).expect("ours");
    }
}
