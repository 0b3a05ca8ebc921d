//! `somascope serve`: the network's scoring service on this machine.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    sync::Mutex,
};

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use tracing_subscriber::EnvFilter;

use super::{
    Exit,
    device::advice,
    doctor,
    order::tell_line,
    output::{OutputArgs, Page},
    place,
};
use crate::{
    engine::Budget,
    model::{self, Device, DeviceInfo},
    service::{self, Host, HostConfig, Limits, ScoringApi},
    storage::Reach,
};

/// If this machine does not tell how much memory is available.
const AVAILABLE_GIB: u64 = 8;

/// Run the network's scoring service on this machine, in place of `soma start scoring`.
///
/// The official SDK (`client.score()`, `scoring_health()`) and every other client of scoring.Scoring can use it. Data and weights are
/// fetched from the URLs that a request names, and checked. Models stay loaded, scores are remembered, and requests that need the same
/// model at the same time share its passes. It runs until Ctrl-C or SIGTERM, and finishes what is at work; a second one ends it at once.
///
/// Requests are not authenticated: whoever reaches it can use this machine's time, memory and network.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  somascope serve\n  somascope serve --listen 0.0.0.0:9124 --allow-private --memory 16\n\n\
    A line of the log for each request goes to standard error; RUST_LOG chooses what else (RUST_LOG=warn: errors only).\n\n\
    With --json it prints one line when it is ready: url, listen, reach (anywhere, public), devices, memory_bytes, max_data_bytes, \
    max_weights_bytes, most_requests, data_dir, pid."
)]
pub struct Serve {
    /// Listen on this address; port 0 takes any free one. Addresses other than this machine's own are for networks that you trust.
    #[arg(long, default_value = "127.0.0.1:9124", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Score on this device: cpu, cuda:0, metal:0. Repeat for several [default: every card that this build can use, else cpu].
    #[arg(long, value_name = "DEVICE")]
    device: Vec<Device>,
    /// Keep downloaded weights here [default: `scoring` in the user's data directory].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Memory for loaded models on each device, in GiB [default: half of the machine's that is available, most of a card's own]. Models that are not in use make room.
    #[arg(long, value_name = "GIB", value_parser = clap::value_parser!(u64).range(1..=1 << 14))]
    memory: Option<u64>,
    /// Attention heads of the models, which weights do not tell [default: 4 for embeddings of 16, else 8].
    #[arg(long, value_name = "N")]
    heads: Option<usize>,
    /// The largest data that is scored, in MiB. The network itself takes 1.
    #[arg(long, default_value_t = 1, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    max_data: u64,
    /// The largest weights that are fetched, in GiB. A model of the real network has 4.5.
    #[arg(long, default_value_t = 5, value_name = "GIB", value_parser = clap::value_parser!(u64).range(1..=1 << 10))]
    max_weights: u64,
    /// Memory for scores of earlier requests, in MiB; 0 remembers none.
    #[arg(long, default_value_t = 64, value_name = "MIB", value_parser = clap::value_parser!(u64).range(..=1 << 16))]
    remember: u64,
    /// Requests at work or waiting; more are refused with RESOURCE_EXHAUSTED. One client has at most three quarters of them.
    #[arg(long, default_value_t = 256, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 16))]
    queue: u32,
    /// Also fetch from private addresses (this machine, its network). So it is by itself where only this machine can ask.
    #[arg(long)]
    allow_private: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Printed when the service is ready. Field names are a contract: scripts read them.
#[derive(Serialize)]
struct Ready {
    url: String,
    listen: SocketAddr,
    /// `anywhere`, or `public`: not from private addresses.
    reach: &'static str,
    devices: Vec<Device>,
    /// For models, on the device that has least.
    memory_bytes: u64,
    max_data_bytes: u64,
    max_weights_bytes: u64,
    most_requests: u32,
    data_dir: PathBuf,
    pid: u32,
}

impl Serve {
    pub fn run(self) -> anyhow::Result<Exit> {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,somascope=info"));
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_target(false)
            .with_writer(Mutex::new(io::stderr()))
            .init();
        super::block_on(self.serve())
    }

    async fn serve(self) -> anyhow::Result<Exit> {
        // Before anything is announced: who reads the announcement may signal at once.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;

        let dir = match &self.data_dir {
            Some(dir) => dir.clone(),
            None => place::data_dir()?.join("scoring"),
        };
        place::make_private(&dir)?;
        let socket = TcpListener::bind(self.listen).await.map_err(|cause| {
            Exit::BadInput
                .because(format!("cannot listen on {}: {cause}; choose another address with --listen", self.listen))
        })?;
        let listen = socket.local_addr().context("the socket has no address")?;
        let is_local = listen.ip().is_loopback();
        let reach = if self.allow_private || is_local { Reach::Anywhere } else { Reach::Public };
        if !is_local {
            tell_line(&format!(
                "warning: everybody who reaches {listen} can use this service: it asks for no password. Let a firewall choose who does"
            ));
        }
        let limits = Limits { data_bytes: self.max_data << 20, weights_bytes: self.max_weights << 30, reach };
        let found = model::devices();
        let devices = self.devices(&found)?;
        let available = doctor::available_memory().unwrap_or(AVAILABLE_GIB << 30);
        let memory = Budget::new(self.memory.map(|gib| gib << 30), Some(available), &found);
        let memory_bytes = devices.iter().map(|device| memory.on(*device)).min().unwrap_or_default();
        let host = Host::new(HostConfig {
            dir: dir.clone(),
            heads: self.heads,
            devices: devices.clone(),
            memory,
            remembered_bytes: usize::try_from(self.remember << 20).unwrap_or(usize::MAX),
            most_requests: usize::try_from(self.queue).unwrap_or(usize::MAX),
            reach,
        })?;
        let ready = Ready {
            url: format!("http://{listen}"),
            listen,
            reach: match reach {
                Reach::Anywhere => "anywhere",
                Reach::Public => "public",
            },
            devices,
            memory_bytes,
            max_data_bytes: limits.data_bytes,
            max_weights_bytes: limits.weights_bytes,
            most_requests: self.queue,
            data_dir: std::path::absolute(&dir).unwrap_or(dir),
            pid: std::process::id(),
        };
        if self.output.json {
            self.output.open().show(&ready, |_, _| ())?;
        }
        ready.tell();

        let stop = CancellationToken::new();
        let incoming = TcpIncoming::from(socket).with_nodelay(Some(true));
        let mut serving = tokio::spawn(service::serve(incoming, ScoringApi::new(host, limits), stop.clone()));
        tokio::select! {
            ended = &mut serving => {
                ended.context("the service broke")??;
                return Err(Exit::Refused.because("the service ended without being asked to"));
            }
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stop.cancel();
        tell_line("finishing what is at work; Ctrl-C again ends at once");
        tokio::select! {
            ended = serving => ended.context("the service broke")??,
            _ = interrupt.recv() => return Ok(Exit::Refused),
            _ = terminate.recv() => return Ok(Exit::Refused),
        }
        Ok(Exit::Ok)
    }
}

impl Serve {
    /// Those asked for, each once; else the cards, else the processor.
    fn devices(&self, found: &[DeviceInfo]) -> anyhow::Result<Vec<Device>> {
        let found: Vec<Device> = found.iter().map(|info| info.device).collect();
        if self.device.is_empty() {
            let cards: Vec<Device> = found.into_iter().filter(|device| *device != Device::Cpu).collect();
            return Ok(if cards.is_empty() { vec![Device::Cpu] } else { cards });
        }
        let mut devices = self.device.clone();
        devices.sort();
        devices.dedup();
        match devices.iter().find(|device| !found.contains(device)) {
            Some(missing) => {
                let names: Vec<String> = found.iter().map(Device::to_string).collect();
                bail!("this build finds no {missing} here, only {}{}", names.join(", "), advice(*missing))
            }
            None => Ok(devices),
        }
    }
}

impl Ready {
    /// For people; a closed standard error must not stop the work.
    fn tell(&self) {
        let mut page = Page::default();
        page.line(format!("the scoring service listens on {}; Ctrl-C stops it", self.url))
            .fact("devices", self.devices.iter().map(Device::to_string).collect::<Vec<_>>().join(", "))
            .fact("fetches from", self.reach)
            .fact(
                "models",
                format!("up to {:.1} GiB loaded on each device", self.memory_bytes as f64 / f64::from(1 << 30)),
            )
            .fact("data", format!("up to {} MiB", self.max_data_bytes >> 20))
            .fact("weights kept in", self.data_dir.display());
        let _ = io::stderr().write_all(page.finish().as_bytes());
    }
}
