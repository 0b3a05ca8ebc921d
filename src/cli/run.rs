//! `somascope run`: the engine and its dashboard on a network.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::bail;
use clap::{Args, ValueEnum};

use super::{
    Exit,
    bucket::BucketArgs,
    data::{DATA_HELP, DataArgs},
    device::DeviceArgs,
    environment::Environment,
    library::LibraryArgs,
    network::NetworkArgs,
    pinning::AcceptArgs,
    place,
    play::{Play, Started},
    relay,
    signer::WalletArgs,
};
use crate::{
    api::Mode,
    chain::client::Client,
    engine::{self, EngineConfig, Policy, SourceSpec},
    primitives::{Shannons, without_paths},
    storage::Store,
};

/// For the first question to the node.
const PATIENCE: Duration = Duration::from_secs(10);

/// Score your data on a network, and submit and claim what hits.
///
/// The wallet is chosen as `somascope wallet` tells; the bucket comes from the environment or from `.env` (see .env.example). Without a
/// wallet it is read-only: it scores and shows, and signs nothing. Every submission waits for your approval unless --mode auto says
/// otherwise.
#[derive(Args)]
#[command(after_help = format!("Examples:\n  somascope run --network testnet --data ~/corpus\n  \
    somascope run --data ~/src=3 --data stack-v2:Rust --data 'texts/*.jsonl.gz' --column body\n  \
    somascope run --network http://127.0.0.1:9000 --data notes.txt --mode auto --max-epoch-bond 0.5\n\n{DATA_HELP}\n\n\
    JSON of --headless --json, at the end: samples_scored, model_evaluations, duplicates, hits, submitted, filled, claimed, balance_start_shannons, \
    balance_end_shannons, rewards_shannons, fees_shannons, bonds_locked_start_shannons, bonds_locked_shannons, \
    bonds_forfeited_shannons, epochs, elapsed_s.\n\n\
    Exit codes: 0 ended as asked, everything settled; 1 cut short; 2 a key, file or option will not do; 3 the node is away, and which \
    chain may be signed on is not known; 4 a submission's outcome is not known yet: the next start settles it."))]
pub struct Run {
    /// What to score: a path, `-`, or `stack-v2` (see Data below). Repeat for several. What hits is uploaded, so it becomes public.
    #[arg(long, required = true, value_name = "SOURCE[=WEIGHT]")]
    data: Vec<SourceSpec>,
    #[command(flatten)]
    sampling: DataArgs,
    /// Who approves submissions.
    #[arg(long, value_enum, default_value_t = ModeArg::Manual)]
    mode: ModeArg,
    /// Auto mode: the largest bond of one submission, in SOMA.
    #[arg(long, value_name = "SOMA", default_value_t = Policy::default().max_bond_per_submission)]
    max_bond: Shannons,
    /// Auto mode: the sum of bonds in one epoch, in SOMA.
    #[arg(long, value_name = "SOMA", default_value_t = Policy::default().max_bond_per_epoch)]
    max_epoch_bond: Shannons,
    /// Least margin (threshold less distance, 0 to 2) of what is offered, and of what auto mode approves.
    #[arg(long, value_name = "DISTANCE", default_value_t = 0.0, value_parser = margin)]
    min_margin: f32,
    /// Auto mode: the least gain in SOMA that a submission is expected to have, after fees and with its chance and risk.
    #[arg(long, value_name = "SOMA", default_value_t = Shannons::ZERO)]
    min_gain: Shannons,
    /// Transactions on their way at once, each paid by a coin of its own; coins are split ahead to so many when there is use for them.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    at_once: u8,
    /// Where journal, weights, the library of scores and spooled data are kept [default: a directory of this wallet and network in the user's data directory].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// A scoring service that searches with this machine: `somascope serve` or the official one, on this machine or another. Repeat for
    /// several. What hits is confirmed here.
    #[arg(long, value_name = "URL")]
    scorer: Vec<String>,
    /// Let scoring services on other machines fetch the samples that they score from this address of this machine. Whoever reaches it
    /// sees a sample only if they know its address, which is in no list.
    #[arg(long, value_name = "http://HOST:PORT")]
    share_data: Option<String>,
    /// Attention heads of the models [default: 4 for embeddings of 16, else 8].
    #[arg(long)]
    heads: Option<usize>,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    wallet: WalletArgs,
    #[command(flatten)]
    accept: AcceptArgs,
    #[command(flatten)]
    library: LibraryArgs,
    #[command(flatten)]
    pub(super) play: Play,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    bucket: BucketArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum ModeArg {
    Manual,
    Auto,
    ReadOnly,
}

/// A difference of cosine distances.
fn margin(text: &str) -> Result<f32, String> {
    let margin = text.parse::<f32>().ok().filter(|margin| (0.0..=2.0).contains(margin));
    margin.ok_or_else(|| "a margin is a number from 0 to 2, such as 0.0125".to_owned())
}

impl Run {
    pub fn run(self) -> anyhow::Result<Exit> {
        self.play.check()?;
        let devices = self.device.placements()?;
        if self.share_data.is_some() && self.scorer.is_empty() {
            bail!("--share-data is for scoring services: name them with --scorer, or leave it out");
        }
        let environment = Environment::read(Path::new("."))?;
        let (sampling, sources) = (self.sampling.sampling()?, self.sampling.sources(&self.data, &environment));
        let network = self.network.resolve(&environment)?;
        let store = network.bucket(&environment, &self.bucket)?.map(Store::new).transpose()?;
        let found = match self.mode {
            ModeArg::ReadOnly => None,
            ModeArg::Manual | ModeArg::Auto => self.wallet.find(&environment)?,
        };
        let mode = match self.mode {
            _ if found.is_none() => Mode::ReadOnly,
            ModeArg::Manual => Mode::Manual,
            ModeArg::Auto => Mode::Auto,
            ModeArg::ReadOnly => Mode::ReadOnly,
        };
        if mode == Mode::ReadOnly && matches!(self.mode, ModeArg::Auto) {
            bail!(
                "--mode auto needs a wallet: make one with `somascope wallet new`, or set SOMA_SECRET_KEY (see .env.example)"
            );
        }
        if mode != Mode::ReadOnly && store.is_none() {
            bail!(
                "submissions need a public bucket: set S3_BUCKET and its companions (see .env.example), or --mode read-only"
            );
        }
        let keypair = found.map(|found| found.unlock(&environment)).transpose()?;
        super::block_on(async {
            let client = Client::new(&network.rpc_url, PATIENCE)?;
            // Questions are asked before the dashboard takes the terminal.
            let allowed = match &keypair {
                Some(keypair) => {
                    // A closed standard error must not stop the work.
                    let _ = writeln!(io::stderr(), "connecting to {} …", without_paths(&network.rpc_url));
                    Some(self.accept.ensure_start_allowed(&network, &client, keypair.address()).await?)
                }
                None => None,
            };
            // One process signs for a wallet, whatever directory it keeps its state in.
            let _held = match (&self.dir, &keypair) {
                (Some(dir), Some(keypair)) => place::hold_wallet(&network, keypair.address(), dir)?,
                _ => None,
            };
            let (play, title) = (self.play.clone(), network.title());
            let doing = format!("connecting to {} …", without_paths(&network.rpc_url));
            let starting = relay::starting(&title, &network.rpc_url, mode, &doing);
            let keep_in = self.dir.clone().or_else(|| place::data_dir().ok());
            let start = async {
                // A node that is away is no reason not to start: the engine says so and keeps trying.
                let mut balance_start = None;
                let chain = match (&keypair, &allowed) {
                    (Some(keypair), Some(allowed)) => {
                        balance_start = client.balance(keypair.address()).await.ok().map(Shannons);
                        Some(allowed.chain_id.clone())
                    }
                    _ => client.service_info().await.ok().map(|service| service.chain_id),
                };
                let dir = match self.dir {
                    Some(dir) => {
                        place::make_private(&dir)?;
                        dir
                    }
                    None => match &keypair {
                        Some(keypair) => place::state_dir(&network, keypair.address())?,
                        None => place::read_only_dir(&network, chain.as_deref())?,
                    },
                };
                super::log_to(&dir.join("somascope.log"))?;
                let config = EngineConfig {
                    dir,
                    network_name: title,
                    rpc_url: network.rpc_url.clone(),
                    keypair,
                    chain,
                    policy: Policy {
                        mode,
                        max_bond_per_submission: self.max_bond,
                        max_bond_per_epoch: self.max_epoch_bond,
                        min_margin: self.min_margin,
                        min_gain: self.min_gain,
                        auto_barred: self.play.setup.is_broken,
                        ..Policy::default()
                    },
                    store,
                    corpus: sources,
                    sampling,
                    heads: self.heads,
                    devices,
                    memory_budget: self.device.memory_bytes(),
                    scorers: self.scorer,
                    share_data: self.share_data,
                    library_bytes: self.library.bytes(),
                    compose: self.library.compose(),
                    refresh: Duration::from_secs(15),
                    coins_ahead: self.at_once.into(),
                    accepted_protocol: allowed.and_then(|allowed| allowed.accepted_protocol),
                    warnings: self.play.setup.notices.clone(),
                    die_at: None,
                };
                Ok(Started { handle: engine::start(config).await?, balance_start })
            };
            play.through(starting, keep_in.as_deref(), start).await
        })
    }
}
