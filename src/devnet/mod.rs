//! The embedded network: the real contract of `protocol.md`, served by one process on loopback.
//!
//! Knows `chain` types, `model`, `storage`, `service` and `primitives`; nothing but `cli` and tests knows it. `ledger` is the pure state
//! machine (no sockets, no clock of its own); the services around it do the talking. All that happens to the chain happens by
//! a transaction that the ledger judged, the network's own included.
//!
//! ```text
//! grpc, services ─┐                      ┌─ checkpoints ─▶ subscriptions, auditor
//! clock, auditor ─┼─▶ node (one lock) ───┤
//! rivals         ─┤      └─ ledger       └─ head ─▶ response headers
//! bootstrap ──────┘
//! ```

mod account;
mod auditor;
mod bootstrap;
mod clock;
mod config;
mod directory;
mod genesis;
mod grpc;
pub mod ledger;
mod listen;
mod node;
mod objects;
#[cfg(test)]
mod recorded;
mod rivals;
mod scorer;
mod secrets;
mod services;

pub use auditor::{AuditRecord, Verdict};
pub use config::{DevnetConfig, ModelSpec, Ports};
pub use directory::{Recorded, recorded};
pub use genesis::GenesisOptions;
pub use objects::ObjectStoreAccess;
pub use rivals::Rivals;

use std::{
    fmt, io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::{
    account::Account,
    auditor::{Auditor, Audits},
    directory::{Found, NetworkRecord, StateDirectory},
    ledger::{Ledger, LedgerError},
    listen::Listener,
    node::Node,
    scorer::Scorer,
    secrets::Identities,
};
use crate::{chain::types::ModelV1, storage::Store};

/// What `GetServiceInfo` and the headers call us: the real software whose contract this is.
const SERVER: &str = "soma-node/0.1.21";
const CHAIN: &str = "localnet";

/// Connections that do not end by themselves are cut after this long.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum DevnetError {
    #[error("port {port} of 127.0.0.1, which the {service} needs, is in use")]
    PortInUse { port: u16, service: Service },
    #[error("the {service} cannot listen on port {port} of 127.0.0.1: {cause}")]
    Listen { port: u16, service: Service, cause: io::Error },
    #[error(
        "port {port} of 127.0.0.1, under which the network in {dir} published its files, is in use: \
         stop what uses it, or choose another directory"
    )]
    PublishedPortInUse { dir: PathBuf, port: u16 },
    #[error("the network in {dir} publishes its files on port {found} of 127.0.0.1, not {asked}")]
    OtherObjectsPort { dir: PathBuf, found: u16, asked: u16 },
    #[error("{dir}: {cause}")]
    Directory { dir: PathBuf, cause: io::Error },
    #[error("another process runs the network in {dir}: stop it, or choose another directory")]
    DirectoryInUse { dir: PathBuf },
    #[error(
        "the network in {dir} is half-written (its first start was cut short): nothing was changed; choose another directory, \
         or remove this one and start anew"
    )]
    HalfWritten { dir: PathBuf },
    #[error("the network in {dir} was made with seed {found}, not {asked}: choose that seed, or another directory")]
    OtherSeed { dir: PathBuf, found: u64, asked: u64 },
    #[error(
        "the network in {dir} has embeddings of dimension {found}, not {asked}: choose that one, or another directory"
    )]
    OtherDimension { dir: PathBuf, found: u64, asked: u64 },
    #[error("model {name}: {cause}")]
    Model { name: String, cause: String },
    #[error("the object store: {0}")]
    Objects(String),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the network could not start after an internal error: {0}")]
    Internal(String),
}

/// What listens on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Rpc,
    Faucet,
    Scoring,
    Admin,
    Objects,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rpc => "gRPC service",
            Self::Faucet => "faucet",
            Self::Scoring => "scoring service",
            Self::Admin => "admin service",
            Self::Objects => "object store",
        })
    }
}

/// What a network is called by, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// As `GetServiceInfo` gives it.
    pub chain_id: String,
    pub epoch: u64,
    /// As the chain was made; the clock may have been told otherwise since.
    pub epoch_duration_ms: u64,
    pub embedding_dim: u64,
    pub active_models: usize,
}

/// A running network. Dropping it stops it without waiting.
pub struct Devnet {
    pub rpc_url: String,
    pub faucet_url: String,
    pub scoring_url: String,
    pub admin_url: String,
    pub objects: ObjectStoreAccess,
    node: Node,
    identities: Identities,
    scorer: Arc<Scorer>,
    store: Store,
    audits: Audits,
    tasks: JoinSet<()>,
    stop: DropGuard,
    stopping: CancellationToken,
    directory: StateDirectory,
}

/// Starts a network, or resumes the one that lives in the directory. Ready to be used when it returns: a new network with
/// models is in epoch 2 and has targets.
pub async fn start(config: DevnetConfig) -> Result<Devnet, DevnetError> {
    let (directory, found) = StateDirectory::open(&config)?;
    let identities = Identities { seed: config.seed };
    let ports = Ports { objects: objects_port(&config, &found)?, ..config.listen };
    let objects = Listener::bind(ports.objects, Service::Objects).await.map_err(|error| match (error, &found) {
        (DevnetError::PortInUse { port, .. }, Found::Whole(_)) => {
            DevnetError::PublishedPortInUse { dir: config.dir.clone(), port }
        }
        (error, _) => error,
    })?;
    let rpc = Listener::bind(ports.rpc, Service::Rpc).await?;
    let faucet = Listener::bind(ports.faucet, Service::Faucet).await?;
    let scoring = Listener::bind(ports.scoring, Service::Scoring).await?;
    let admin = Listener::bind(ports.admin, Service::Admin).await?;

    // Everything that can be refused is refused before the first byte is written.
    let genesis = genesis::genesis(&config, &identities);
    let (mut record, models) = match found {
        Found::Whole(record) => (record, None),
        Found::New => {
            let dim = usize::try_from(genesis.parameters.target_embedding_dim).unwrap_or(usize::MAX);
            let models = config.models;
            let fingerprints = directory::fingerprints(&models);
            let models = blocking(move || bootstrap::prepare(models, dim, &identities)).await??;
            let record =
                NetworkRecord::new(config.seed, genesis.parameters.target_embedding_dim, fingerprints, objects.port());
            directory.write(&record)?;
            (record, Some(models))
        }
    };

    let path = directory.ledger();
    let ledger = blocking(move || Ledger::open(Some(&path), &genesis)).await??;
    let node = Node::new(ledger);
    let scorer = Arc::new(Scorer::new().map_err(|e| DevnetError::Objects(e.to_string()))?);
    let access = ObjectStoreAccess::new(&objects, &record);
    let store = Store::new(access.store_config()).map_err(|e| DevnetError::Objects(e.to_string()))?;

    let stop = CancellationToken::new();
    let mut devnet = Devnet {
        rpc_url: rpc.url(),
        faucet_url: faucet.url(),
        scoring_url: scoring.url(),
        admin_url: admin.url(),
        objects: access,
        node: node.clone(),
        identities,
        scorer: scorer.clone(),
        store: store.clone(),
        audits: Audits::default(),
        tasks: JoinSet::new(),
        stop: stop.clone().drop_guard(),
        stopping: stop.clone(),
        directory,
    };
    devnet.tasks.spawn(objects::serve(objects, objects::service(&devnet.directory.objects(), &record)?, stop.clone()));
    if let Some(models) = models {
        if !models.is_empty() {
            bootstrap::register(&node, &identities, &store, models).await?;
        }
        record.ready = true;
        devnet.directory.write(&record)?;
    }

    let max_data_bytes = node
        .read(|ledger| ledger.system_state().parameters.max_submission_data_size)
        .await
        .map_err(|e| DevnetError::Internal(e.to_string()))?;
    let scoring_api = services::scoring_api(scorer.clone(), max_data_bytes);
    let validator = identities.validator();
    let validator_name = format!("k#{}..", hex::encode(&validator.public_key()[..4]));
    let faucet_api = services::FaucetApi::new(node.clone(), identities.faucet(), config.faucet_amount);
    let auditor = Auditor {
        node: node.clone(),
        scorer: scorer.clone(),
        turns: Semaphore::new(1),
        address: validator.address(),
        validator: Account::new(node.clone(), validator),
        audits: devnet.audits.clone(),
    };
    let tasks = &mut devnet.tasks;
    tasks.spawn(logged("rpc", grpc::serve(rpc, node.clone(), validator_name, scorer.clone(), stop.clone())));
    tasks.spawn(logged("faucet", services::serve(faucet, faucet_api, stop.clone())));
    tasks.spawn(logged("scoring", services::serve(scoring, scoring_api, stop.clone())));
    tasks.spawn(logged("admin", services::serve(admin, services::AdminApi(node.clone()), stop.clone())));
    tasks.spawn(auditor.run(stop.clone()));
    if let Some(epoch) = config.epoch {
        tasks.spawn(clock::run(node, epoch, stop));
    }
    Ok(devnet)
}

impl Devnet {
    pub async fn facts(&self) -> Result<Facts, DevnetError> {
        let facts = self.node.read(|ledger| Facts {
            chain_id: ledger.chain_id().to_string(),
            epoch: ledger.system_state().epoch,
            epoch_duration_ms: ledger.system_state().parameters.epoch_duration_ms,
            embedding_dim: ledger.system_state().parameters.target_embedding_dim,
            active_models: {
                let models = ledger.system_state().model_registry.models.values();
                models.filter(|model| matches!(model.v1(), ModelV1::Active(_))).count()
            },
        });
        facts.await.map_err(|e| DevnetError::Internal(e.to_string()))
    }

    /// Lets rivals play until the network stops. They are the same ones at every start of a network.
    pub fn admit(&mut self, rivals: Rivals) {
        let (node, scorer, store) = (self.node.clone(), self.scorer.clone(), self.store.clone());
        let company = rivals::Company::new(node, scorer, store, self.faucet_url.clone(), &self.identities, rivals);
        self.tasks.spawn(company.run(self.stopping.clone()));
    }

    /// The chain itself, for tests that look behind the services.
    pub fn ledger(&self) -> Arc<Mutex<Ledger>> {
        self.node.ledger()
    }

    /// What the auditor found about the fills of the last epochs, by target. Older audits than this start's are not kept.
    pub fn audits(&self) -> Vec<AuditRecord> {
        self.audits.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Stops every service and waits until the directory can be used again.
    pub async fn shutdown(self) {
        let Self { mut tasks, stop, .. } = self;
        stop.disarm().cancel();
        let ended = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(SHUTDOWN_PATIENCE, ended).await.is_err() {
            tracing::debug!("connections were still open at shutdown");
            tasks.shutdown().await;
        }
    }
}

/// A resumed network's published URLs name its port: it must have the same again.
fn objects_port(config: &DevnetConfig, found: &Found) -> Result<u16, DevnetError> {
    match (found, config.listen.objects) {
        (Found::New, asked) => Ok(asked),
        (Found::Whole(record), asked) if asked == 0 || asked == record.objects_port => Ok(record.objects_port),
        (Found::Whole(record), asked) => {
            Err(DevnetError::OtherObjectsPort { dir: config.dir.clone(), found: record.objects_port, asked })
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, DevnetError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| DevnetError::Internal(error.to_string()))
}

async fn logged(service: &'static str, serving: impl Future<Output = Result<(), tonic::transport::Error>>) {
    if let Err(error) = serving.await {
        tracing::error!(service, %error, "a service of the network stopped");
    }
}
