//! From a configuration to a running dispatcher: what an earlier run left is taken up before anything new begins.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    time,
};

use super::{
    Dispatcher, Halt,
    approval::Refusals,
    chain_view::ChainView,
    health::{ACCEPTED, Health},
    looking::Looking,
    odds::Odds,
    orders::LiveOrder,
    pipeline::Pipeline,
    publish,
    quiet::Quiet,
    rows,
    trails::Trails,
};
use crate::{
    api::{
        BoardView, EngineHandle, Level, MapView, Mode, MoneyLeft, NetworkView, RewardsView, ServerName, Snapshot,
        SubmissionState as State, ThroughputView, WalletView,
    },
    chain::client::Client,
    engine::{
        EngineConfig, EngineError,
        backoff::Backoff,
        board::{Board, Inspector},
        corpus::{self, Reader, Shelf},
        journal::{Committed, Journal, Outcome},
        matching::Matcher,
        meter,
        money::{Purse, Verdict},
        now_ms,
        pins::Pins,
        scoring::{
            Budget, EmbeddingDim, LocalDevice, RemoteScorer, Residents, Scorer, Scorers, Share, WeightsCache,
            available_memory, best_placements,
        },
        snapshot::{Map, Meter},
        watch::{Watch, look},
    },
    model,
    primitives::Shannons,
};

/// Bounds every call to the node but the sending of transactions.
const CALL: Duration = Duration::from_secs(20);
/// How long the start waits for the node before it goes on without.
const FIRST_LOOK: Duration = Duration::from_secs(10);
const COMMANDS: usize = 64;

pub(in crate::engine) async fn start(config: EngineConfig) -> Result<EngineHandle, EngineError> {
    corpus::check(&config.corpus)?;
    let journal = Journal::open(&config.dir, config.die_at)?;
    let started = start_with(config, journal.clone()).await;
    if started.is_err() {
        journal.close().await;
    }
    started
}

async fn start_with(config: EngineConfig, journal: Journal) -> Result<EngineHandle, EngineError> {
    let (dispatcher, handle) = build(config, journal).await?;
    tokio::spawn(dispatcher.run());
    Ok(handle)
}

/// A dispatcher that has settled what it could of an earlier run, and has published once.
pub(super) async fn build(config: EngineConfig, journal: Journal) -> Result<(Dispatcher, EngineHandle), EngineError> {
    let (dir, rpc_url) = (config.dir.clone(), config.rpc_url.clone());
    let client = Client::new(&config.rpc_url, CALL)?;
    let keypair = config.keypair.map(Arc::new);
    let address = keypair.as_ref().map(|keypair| keypair.address());
    if let Some(found) = address {
        let recorded = journal.settle_meta("wallet", found.to_string()).await?;
        if recorded != found.to_string() {
            return Err(EngineError::OtherWallet { dir: config.dir, recorded, found });
        }
    }
    if let Some(found) = config.chain {
        let recorded = journal.settle_meta("chain", found.clone()).await?;
        if recorded != found {
            return Err(EngineError::OtherChain { dir, recorded, rpc_url, found });
        }
    }
    let first = time::timeout(FIRST_LOOK, async { look(&client, address, true).await });
    let first = first.await.unwrap_or_else(|_| Err(crate::chain::client::ClientError::Unreachable("no answer".into())));
    if let Ok(first) = &first {
        let found = &first.service.chain_id;
        let recorded = journal.settle_meta("chain", found.clone()).await?;
        if recorded != *found {
            return Err(EngineError::OtherChain { dir, recorded, rpc_url, found: found.clone() });
        }
    }
    let (done, results) = mpsc::unbounded_channel();
    let (command_sender, commands) = mpsc::channel(COMMANDS);
    let (events, event_receiver) = mpsc::unbounded_channel();
    let (snapshot, snapshot_receiver) = watch::channel(Arc::new(nothing_yet(&config.network_name, &config.rpc_url)));
    let accepted = journal.meta(ACCEPTED).await?.and_then(|version| version.parse().ok());
    let store_url = config.store.as_ref().map(|store| store.public_url(""));
    let past = journal.past(publish::LINES, publish::BALANCES).await?;
    let shelf = Shelf::open(&config.dir, &config.corpus, &config.sampling);
    let there = model::devices();
    let budget = Budget::new(config.memory_budget, available_memory(), &there);
    let weights = Residents::new(WeightsCache::new(&config.dir, config.heads)?, budget);
    let placements = if config.devices.is_empty() { best_placements(&there) } else { config.devices };
    let dim = EmbeddingDim::default();
    let mut scorers: Vec<Box<dyn Scorer>> = Vec::new();
    for placement in &placements {
        scorers.push(Box::new(LocalDevice::new(*placement, weights.clone(), Handle::current())));
    }
    for remote in remote_scorers(&config.scorers, config.share_data.as_deref(), &dim).await? {
        scorers.push(Box::new(remote));
    }
    let (meter_file, rollup, no_history) = match meter::Store::open(&dir) {
        Ok((file, rollup)) => (Some(file), rollup, None),
        Err(error) => (None, meter::Rollup::default(), Some(error)),
    };
    let mut devices: Vec<_> = placements.iter().map(|placement| placement.device).chain([model::Device::Cpu]).collect();
    devices.sort_unstable();
    devices.dedup();
    let mut dispatcher = Dispatcher {
        mode: if keypair.is_some() { config.policy.mode } else { Mode::ReadOnly },
        watch: Watch::spawn(client.clone(), address, config.refresh),
        reader: Reader::spawn(config.corpus, config.sampling, config.dir.clone(), shelf.clone())
            .map_err(EngineError::Thread)?,
        scorers: Scorers::spawn(scorers).map_err(EngineError::Thread)?,
        matcher: Matcher::spawn(
            config.policy.min_margin,
            config.compose,
            shelf.clone(),
            &config.dir,
            config.library_bytes,
        )
        .map_err(EngineError::Thread)?,
        board: Board::spawn(&config.dir, address).map_err(EngineError::Thread)?,
        shelf,
        weights,
        dim,
        dir: config.dir,
        network_name: config.network_name,
        rpc_url: rpc_url.clone(),
        limits_at_start: config.policy.limits(),
        policy: config.policy,
        policy_edited_ms: None,
        review_due: true,
        disarmed: false,
        refusals: Refusals::default(),
        fillers: HashMap::new(),
        store: config.store,
        rewards: Arc::new(journal.rewards().await?),
        keypair,
        address,
        inspector: Inspector::new(client.clone(), is_here(&rpc_url)),
        client,
        journal,
        done,
        results,
        commands,
        events,
        snapshot,
        chain: ChainView::default(),
        health: Health::new(&config.rpc_url, store_url, config.accepted_protocol.or(accepted)),
        pipeline: Pipeline::default(),
        rows: rows::Rows::default(),
        standings: HashMap::new(),
        hit_targets: HashSet::new(),
        hits: 0,
        pins: Pins::default(),
        look: Looking::default(),
        trails: Trails::default(),
        odds: Odds::default(),
        has_disagreed: false,
        purse: Purse::new(config.coins_ahead),
        tickets: HashMap::new(),
        orders: BTreeMap::new(),
        tended: None,
        tend_pause: Backoff::new(Duration::from_secs(5), Duration::from_secs(3600)),
        ripened: None,
        claimed_last: false,
        committed: Committed::default(),
        committed_due: true,
        candidates_due: false,
        survey_due: false,
        is_surveying: false,
        survey_again: None,
        map: Map::default(),
        meter: Meter::new(rollup),
        meter_file,
        devices,
        board_view: Arc::new(BoardView::default()),
        money_left: MoneyLeft::default(),
        finds: None,
        finds_due: None,
        inspection: None,
        is_exporting: false,
        quiet: Quiet::default(),
        rewards_due: false,
        is_summing: false,
        sum_again: None,
        balances: Arc::new(past.balances),
        lines: past.log.into(),
        lines_first: 0,
        lines_due: true,
        version: 0,
        dirty: true,
        targets_due: true,
        map_due: true,
        listed: HashMap::new(),
        published_at: None,
        stopping: None,
    };
    let prepared = async {
        for warning in config.warnings {
            dispatcher.log(Level::Warning, warning).await?;
        }
        if let Some(error) = no_history {
            dispatcher.log(Level::Warning, error.to_string()).await?;
        }
        dispatcher.take_up_rows().await?;
        dispatcher.take_up_pins().await?;
        match first {
            Ok(first) => {
                dispatcher.refreshed(first).await?;
                dispatcher.ask_for_in_flight().await?;
                dispatcher.note_balance().await?;
            }
            Err(error) => dispatcher.ails(ServerName::Node, &format!("{error}; trying on")).await?,
        }
        dispatcher.rewards = Arc::new(dispatcher.journal.rewards().await?);
        Ok(())
    };
    prepared.await.map_err(|halt| match halt {
        Halt::Journal(error) => EngineError::Journal(error),
        Halt::Thread(_) => EngineError::Thread(std::io::Error::other(halt.to_string())),
    })?;
    dispatcher.publish();
    let handle = EngineHandle { commands: command_sender, events: event_receiver, snapshot: snapshot_receiver };
    Ok((dispatcher, handle))
}

/// The services of a configuration, each once, with the place where they fetch samples.
async fn remote_scorers(
    urls: &[String],
    share_data: Option<&str>,
    dim: &EmbeddingDim,
) -> Result<Vec<RemoteScorer>, EngineError> {
    if urls.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(far) = urls.iter().find(|url| share_data.is_none() && !is_here(url)) {
        return Err(EngineError::NothingShared(far.clone()));
    }
    let share = Share::start(share_data).await?;
    let mut seen = HashSet::new();
    let each = urls.iter().filter(|url| seen.insert(url.trim_end_matches('/')));
    let scorers = each.map(|url| RemoteScorer::new(url, share.clone(), dim.clone(), Handle::current()));
    Ok(scorers.collect::<Result<_, _>>()?)
}

/// On this machine. What is no URL is refused by the client.
fn is_here(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else { return true };
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => true,
    }
}

impl Dispatcher {
    /// The rows of earlier runs, with the signed bytes of those whose outcome is not known. What was signed and never sent is
    /// signed again only if whoever approved it still does: a person, or the policy as it is now.
    async fn take_up_rows(&mut self) -> Result<(), Halt> {
        for (submission, kind, _) in self.journal.drop_unsent().await? {
            let (id, what) = (submission.row.id.0, kind.word());
            self.log(
                Level::Info,
                format!("submission {id}: its {what} was signed and never sent; that signature is dropped"),
            )
            .await?;
        }
        for submission in self.journal.newest(rows::RECENT).await?.into_iter().rev() {
            self.rows.note(submission);
        }
        for submission in self.journal.unfinished().await? {
            let id = submission.row.id;
            self.rows.note(submission);
            let record = self.journal.in_flight(id).await?;
            let failed_claims = match self.rows.live.get(&id).map(rows::Live::state) {
                Some(State::Claimable) => self.journal.failed_claims(id).await?,
                _ => 0,
            };
            if let Some(record) = &record {
                self.tickets.insert(id, self.purse.hold(&record.transaction.data));
            }
            if let Some(live) = self.rows.live.get_mut(&id) {
                live.record = record;
                live.failed_claims = failed_claims;
            }
        }
        for order in self.journal.open_orders().await? {
            if order.sends == 0 {
                // Whoever signed it has not sent it, and may have changed their mind since.
                self.journal.settle_order(order.digest, Outcome::Dead, Shannons::ZERO, 0).await?;
                self.log(Level::Info, format!("{}: was never sent, and is dropped", order.what)).await?;
                continue;
            }
            let ticket = self.purse.hold(&order.transaction.data);
            self.orders.insert(order.id, LiveOrder::new(order, ticket));
        }
        Ok(())
    }

    /// What was sent and has been executed is booked before the first snapshot, so that its balance and its sums agree.
    async fn ask_for_in_flight(&mut self) -> Result<(), Halt> {
        for id in self.rows.in_flight() {
            let record = self.rows.live.get(&id).and_then(|live| live.record.as_ref());
            let Some(digest) = record.filter(|record| record.sends > 0).map(|record| record.digest) else { continue };
            if let Ok(Some(executed)) = self.client.transaction(digest).await {
                self.settled(id, Verdict::Executed(Box::new(executed))).await?;
            }
        }
        let orders: Vec<_> = self.orders.iter().map(|(id, order)| (*id, order.order.digest)).collect();
        for (id, digest) in orders {
            if let Ok(Some(executed)) = self.client.transaction(digest).await {
                self.order_settled(id, Verdict::Executed(Box::new(executed))).await?;
            }
        }
        Ok(())
    }
}

/// What the handle shows until the first publication, which precedes its return.
fn nothing_yet(name: &str, rpc_url: &str) -> Snapshot {
    Snapshot {
        version: 0,
        at_ms: now_ms(),
        mode: Mode::ReadOnly,
        scoring_paused: false,
        only_pinned: false,
        network: NetworkView {
            name: name.into(),
            rpc_url: rpc_url.into(),
            chain_id: String::new(),
            epoch: 0,
            epoch_ends_at_ms: 0,
            threshold: 0.0,
            reward_per_target: Shannons::ZERO,
            reward_for_submitter: Shannons::ZERO,
            embedding_dim: 0,
            protocol_version: 0,
            unaccepted_protocol: None,
            upstreams: Vec::new(),
            trouble: None,
        },
        wallet: WalletView {
            address: None,
            balance: Shannons::ZERO,
            coins: 0,
            locked_bonds: Shannons::ZERO,
            pending_rewards: Shannons::ZERO,
            claimable_rewards: Shannons::ZERO,
            history: Arc::default(),
        },
        targets: Arc::default(),
        looked_at: None,
        models: Arc::default(),
        map: Arc::new(MapView::default()),
        board: Arc::default(),
        inspection: None,
        throughput: ThroughputView::default(),
        policy: Arc::default(),
        approvals: Arc::default(),
        submissions: Arc::default(),
        rewards: Arc::new(RewardsView::default()),
        log: Arc::default(),
        log_first: 0,
    }
}
