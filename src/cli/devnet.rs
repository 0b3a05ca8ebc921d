//! `somascope devnet`: the embedded network as a program of its own, for the official SDK and every other client.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow, bail, ensure};
use clap::Args;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::{CommonArgs, Exit, demo::corpus, endpoints, output::Page, place, specialists};
use crate::{
    devnet::{self, DevnetConfig, DevnetError, Facts, GenesisOptions, ModelSpec, Ports, Recorded, Rivals, recorded},
    model::Model,
    primitives::{Digest, SHANNONS_PER_SOMA, Shannons, hash},
};

const DEFAULT_SEED: u64 = 1;
/// A rival tries a piece of data about so often.
const RIVAL_PAUSE: Duration = Duration::from_secs(2);
/// The first model that `--models` finds has this stake, and each further one as much more: targets go to near and well-staked
/// models.
const FIRST_STAKE_SHANNONS: u64 = 20 * SHANNONS_PER_SOMA;
const FURTHER_STAKE_SHANNONS: u64 = SHANNONS_PER_SOMA;

/// Run a whole SOMA network on this machine: gRPC, faucet, scoring and admin services, an object store, and an auditor.
///
/// Speaks the real network's protocol, so that any client can be tried against it: with the default ports, the official SDK finds it
/// as `SomaClient(chain="localnet")`. It listens on 127.0.0.1 only, its money is worth nothing, and it runs until Ctrl-C. What happened is
/// kept in --dir: the next start goes on from there.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  somascope devnet\n  somascope devnet --dim 16 --epoch-seconds 0 --dir ~/soma-local\n  \
    somascope devnet --port-base 0 --json\n\n\
    With --json it prints one line when it is ready: rpc_url, faucet_url, scoring_url, admin_url, s3_endpoint_url, s3_bucket, \
    s3_public_url, chain_id, epoch, epoch_seconds, embedding_dim, active_models, rivals, faucet_amount_shannons, seed, dir, endpoints_file, \
    pid. The object store's keys are in endpoints_file, which is there while the network runs."
)]
pub struct Devnet {
    /// gRPC on this port, faucet on +123, scoring on +124, admin on +125; 0 takes any free ones.
    #[arg(long, default_value_t = 9000, value_name = "PORT", value_parser = clap::value_parser!(u16).range(..=i64::from(u16::MAX - 125)))]
    port_base: u16,
    /// Keep the state here and resume from it [default: `devnet/network` in the user's data directory].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The network's keys come from it, and every id that does not depend on the time [default: 1, or that of the network in
    /// the directory].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Length of an epoch; 0: only the admin service turns epochs.
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=86_400))]
    epoch_seconds: u64,
    /// Start an empty network for embeddings of N numbers, with the real network's constants: there is no model, and so no target,
    /// until somebody reveals one. Without it, the demo's specialists play.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=8192), conflicts_with = "models")]
    dim: Option<u64>,
    /// Start with the *.safetensors files of a directory (plain V1 weights of one dimension) as models, with the real network's
    /// constants.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Competing submitters with wallets of their own, who fill targets and claim.
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u16).range(..=64))]
    rivals: u16,
    /// What the faucet gives for a request, in SOMA.
    #[arg(long, default_value = "2", value_name = "SOMA")]
    faucet_amount: Shannons,
    #[command(flatten)]
    common: CommonArgs,
}

/// Printed when the network is ready. Field names are a contract: scripts read them.
#[derive(Serialize)]
struct Ready {
    rpc_url: String,
    faucet_url: String,
    scoring_url: String,
    admin_url: String,
    s3_endpoint_url: String,
    s3_bucket: String,
    s3_public_url: String,
    chain_id: String,
    epoch: u64,
    /// 0: only the admin service turns epochs.
    epoch_seconds: u64,
    embedding_dim: u64,
    active_models: usize,
    rivals: u16,
    faucet_amount_shannons: Shannons,
    seed: u64,
    dir: PathBuf,
    /// Holds the object store's keys. `None`: it could not be written.
    endpoints_file: Option<PathBuf>,
    pid: u32,
}

impl Devnet {
    pub fn run(self) -> anyhow::Result<Exit> {
        let dir = match &self.dir {
            Some(dir) => {
                fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
                dir.clone()
            }
            None => {
                let dir = place::data_dir()?.join("devnet").join("network");
                place::make_private(&dir)?;
                dir
            }
        };
        super::log_to(&dir.join("somascope.log"))?;
        super::block_on(self.serve_in(dir))
    }

    async fn serve_in(self, dir: PathBuf) -> anyhow::Result<Exit> {
        // Before anything is announced: who reads the announcement may signal at once.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;

        let config = self.config(&dir)?;
        let seed = config.seed;
        let mut network = tokio::select! {
            started = devnet::start(config) => started.map_err(advise)?,
            _ = interrupt.recv() => return Ok(Exit::Refused),
            _ = terminate.recv() => return Ok(Exit::Refused),
            _ = hangup.recv() => return Ok(Exit::Refused),
        };
        if let Some(other) = endpoints::read().ok().flatten().filter(endpoints::Endpoints::is_alive) {
            let _ = writeln!(
                io::stderr(),
                "note: another network of yours runs at {}; other commands will now find this one",
                other.rpc_url
            );
        }
        network.admit(rivals(self.rivals));
        let published = endpoints::publish(&network)
            .inspect_err(|error| {
                let _ = writeln!(
                    io::stderr(),
                    "warning: other commands will not find this network by themselves: its endpoints cannot be written: {error}"
                );
            })
            .ok();
        let Facts { chain_id, epoch, epoch_duration_ms, embedding_dim, active_models } = network.facts().await?;
        if self.epoch_seconds > 0 && epoch_duration_ms != self.epoch_seconds.saturating_mul(1000) {
            let made_for = epoch_duration_ms / 1000;
            let _ = writeln!(io::stderr(), "note: this network was made for epochs of {made_for} s, and still says so");
        }
        let ready = Ready {
            rpc_url: network.rpc_url.clone(),
            faucet_url: network.faucet_url.clone(),
            scoring_url: network.scoring_url.clone(),
            admin_url: network.admin_url.clone(),
            s3_endpoint_url: network.objects.endpoint_url.clone(),
            s3_bucket: network.objects.bucket.clone(),
            s3_public_url: network.objects.public_url.clone(),
            chain_id,
            epoch,
            epoch_seconds: self.epoch_seconds,
            embedding_dim,
            active_models,
            rivals: self.rivals,
            faucet_amount_shannons: self.faucet_amount,
            seed,
            dir: std::path::absolute(&dir).unwrap_or(dir),
            endpoints_file: published.as_ref().map(|published| published.path().to_owned()),
            pid: std::process::id(),
        };
        self.common.output.open().show(&ready, Ready::lines)?;

        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        drop(published);
        network.shutdown().await;
        Ok(Exit::Ok)
    }

    /// A network that is there goes on as it was made; options that say otherwise are refused.
    fn config(&self, dir: &Path) -> anyhow::Result<DevnetConfig> {
        let found = recorded(dir);
        let seed = self.seed.or(found.as_ref().map(|found| found.seed)).unwrap_or(DEFAULT_SEED);
        let given = self.models.as_deref().map(read_models).transpose()?;
        let (genesis, models) = match (&found, given) {
            (Some(found), given) => {
                self.refuse_other_beginning(dir, found, given.as_deref())?;
                (GenesisOptions::v5(self.dim.unwrap_or(found.embedding_dim)), Vec::new())
            }
            (None, Some(models)) => (GenesisOptions::v5(common_dimension(&models)?), models),
            (None, None) => match self.dim {
                Some(dim) => (GenesisOptions::v5(dim), Vec::new()),
                None => (GenesisOptions::demo(specialists::EMBED), specialists::specialists()?),
            },
        };
        Ok(DevnetConfig {
            dir: dir.to_owned(),
            seed,
            listen: self.ports(),
            epoch: (self.epoch_seconds > 0).then(|| Duration::from_secs(self.epoch_seconds)),
            genesis,
            models,
            faucet_amount: self.faucet_amount.0,
        })
    }

    /// `start` refuses another seed and another dimension.
    fn refuse_other_beginning(&self, dir: &Path, found: &Recorded, given: Option<&[ModelSpec]>) -> anyhow::Result<()> {
        let began = |models: &BTreeMap<String, Digest>| match models.len() {
            0 => "empty".to_owned(),
            _ => format!("with the models {}", models.keys().cloned().collect::<Vec<_>>().join(", ")),
        };
        if self.dim.is_some() && !found.models.is_empty() {
            bail!(
                "the network in {} began {}: leave --dim out to resume it, or choose another directory",
                dir.display(),
                began(&found.models)
            );
        }
        if let Some(given) = given {
            let given: BTreeMap<_, _> = given.iter().map(|m| (m.name.clone(), hash(&m.weights))).collect();
            if given != found.models {
                bail!(
                    "the network in {} began {}, not with these of --models: leave --models out to resume it, or choose another \
                     directory",
                    dir.display(),
                    began(&found.models)
                );
            }
        }
        Ok(())
    }

    fn ports(&self) -> Ports {
        match self.port_base {
            0 => Ports::default(),
            base => Ports { rpc: base, faucet: base + 123, scoring: base + 124, admin: base + 125, objects: 0 },
        }
    }
}

/// So many rivals with the demo corpus, for people to race against.
pub fn rivals(count: u16) -> Rivals {
    Rivals { count, texts: corpus::kinds().flat_map(|(_, files)| files).collect(), pause: RIVAL_PAUSE }
}

/// The library names the service; which option moves it is known here.
fn advise(error: DevnetError) -> anyhow::Error {
    match error {
        DevnetError::PortInUse { .. } | DevnetError::Listen { .. } => {
            anyhow!("{error}: choose other ones with --port-base, or 0 for any free ones")
        }
        DevnetError::Ledger(_) | DevnetError::Objects(_) | DevnetError::Internal(_) => {
            Exit::Refused.because(error.to_string())
        }
        error => error.into(),
    }
}

/// The weights of a directory, by name.
fn read_models(dir: &Path) -> anyhow::Result<Vec<ModelSpec>> {
    let unreadable = || format!("cannot read the models in {}", dir.display());
    let entries =
        fs::read_dir(dir).with_context(unreadable)?.collect::<Result<Vec<_>, _>>().with_context(unreadable)?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    paths.sort();
    ensure!(!paths.is_empty(), "there are no *.safetensors files in {}", dir.display());
    let mut stake = FIRST_STAKE_SHANNONS;
    let mut models = Vec::new();
    for path in paths {
        let name = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
        let name = name.with_context(|| format!("the name of {} is not UTF-8", path.display()))?;
        let weights = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        models.push(ModelSpec { name, weights, embedding: None, stake });
        stake += FURTHER_STAKE_SHANNONS;
    }
    Ok(models)
}

/// The dimension that all of them embed into.
fn common_dimension(models: &[ModelSpec]) -> anyhow::Result<u64> {
    let mut common: Option<(usize, &str)> = None;
    for spec in models {
        let model = Model::from_safetensors(&spec.weights, None)
            .with_context(|| format!("{}.safetensors of --models", spec.name))?;
        let dim = model.embed_dim();
        match common {
            Some((other, name)) if other != dim => bail!(
                "the models of a network embed into one dimension, but {name}.safetensors has {other} and {}.safetensors {dim}",
                spec.name
            ),
            _ => common = Some((dim, &spec.name)),
        }
    }
    let (dim, _) = common.context("there is no model")?;
    Ok(u64::try_from(dim)?)
}

impl Ready {
    /// The same for people.
    fn lines(page: &mut Page, ready: &Self) {
        let models = match ready.active_models {
            0 => "none yet".to_owned(),
            n => format!("{n} active"),
        };
        let epochs = match ready.epoch_seconds {
            0 => "turned by the admin service".to_owned(),
            seconds => format!("of {seconds} s"),
        };
        page.line("the network runs; Ctrl-C stops it")
            .fact("chain", &ready.chain_id)
            .fact("epoch", format!("{} ({epochs})", ready.epoch))
            .fact("models", format!("{models}, embeddings of {}", ready.embedding_dim))
            .fact("rivals", ready.rivals)
            .fact("rpc", &ready.rpc_url)
            .fact("faucet", format!("{} ({} SOMA a request)", ready.faucet_url, ready.faucet_amount_shannons))
            .fact("scoring", &ready.scoring_url)
            .fact("admin", &ready.admin_url)
            .fact("object store", format!("{} (bucket {})", ready.s3_endpoint_url, ready.s3_bucket))
            .fact("public URLs", format!("{}/…", ready.s3_public_url));
        if let Some(file) = &ready.endpoints_file {
            page.fact("store's keys", format!("in {}", file.display()));
        }
        page.fact("state", format!("{} (seed {})", ready.dir.display(), ready.seed));
        page.fact("official SDK", ready.sdk_client());
    }

    /// How the official SDK is told of this network.
    fn sdk_client(&self) -> String {
        let at = |url: &str, port: u16| url.ends_with(&format!(":{port}"));
        if at(&self.rpc_url, Ports::LOCALNET.rpc) && at(&self.faucet_url, Ports::LOCALNET.faucet) {
            return "await SomaClient(chain=\"localnet\")".to_owned();
        }
        let Self { rpc_url, scoring_url, admin_url, faucet_url, .. } = self;
        format!(
            "await SomaClient(\"{rpc_url}\", scoring_url=\"{scoring_url}\", admin_url=\"{admin_url}\", \
             faucet_url=\"{faucet_url}\")"
        )
    }
}
