//! The chain as a stream of news: checkpoints as they come, none left out, and everything again from time to time.
//!
//! Knows the client only. The list of targets is paged to the end when listening begins; from then on checkpoints keep it
//! current, and those that were missed are asked for by number. A light look at epoch and wallet comes often, the whole list
//! again rarely. Both tasks reconnect for ever with growing, capped, jittered delays, and say what is wrong meanwhile. What
//! a node of another chain says is not passed on.

use std::{
    convert::Infallible,
    ops::RangeInclusive,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, stream};
use tokio::{sync::Notify, sync::mpsc, task::AbortHandle, time};

use super::{backoff::Backoff, now_ms};
use crate::{
    api::ServerName,
    chain::client::{CheckpointInfo, Client, ClientError, Coin, EpochState, ServiceInfo, TargetFilter, TargetInfo},
    primitives::Address,
};

/// However often somebody pokes, the chain is not asked more often than this.
const LEAST_GAP: Duration = Duration::from_millis(200);
/// The whole list of targets again, although checkpoints keep it current.
const FULL_EVERY_MS: u64 = 60_000;
/// A list that contradicts what we know is asked for again so soon: it may have come from a node that lags.
const DOUBT_MS: u64 = 5_000;
/// Missed checkpoints that are asked for one by one; beyond, the whole list is quicker.
const MAX_GAP: u64 = 600;
const GAP_AT_ONCE: usize = 8;
/// Decades of checkpoints.
const MOST_MISSED: u64 = 1 << 32;
/// After so long without a checkpoint the node is asked whether there was any.
const QUIET: Duration = Duration::from_secs(5);

/// Everything that the chain says now.
#[derive(Debug)]
pub(super) struct Refresh {
    /// When asking began: what became known later is newer than this.
    pub started_ms: u64,
    pub service: ServiceInfo,
    pub state: EpochState,
    /// `None`: only the rest was looked at.
    pub open: Option<Vec<TargetInfo>>,
    /// Richest first; `None` without a wallet.
    pub coins: Option<Vec<Coin>>,
}

#[derive(Debug)]
pub(super) enum News {
    Refreshed(Box<Refresh>),
    Checkpoint(Box<CheckpointInfo>),
    /// The subscription stands, and the node has shown no checkpoint that we have not.
    Current,
    /// The node serves another chain than the pinned one.
    Foreign(String),
    /// Something does not answer; it is tried again.
    Trouble(ServerName, String),
}

/// What the two tasks and their owner share.
#[derive(Default)]
struct Shared {
    poke: Notify,
    /// Unix time at which the whole list is due; 0: now.
    full_at_ms: AtomicU64,
    /// The pinned chain, once known.
    chain: OnceLock<String>,
}

impl Shared {
    fn full_by(&self, at_ms: u64) {
        self.full_at_ms.fetch_min(at_ms, Ordering::Relaxed);
        self.poke.notify_one();
    }

    fn check(&self, service: &ServiceInfo) -> Result<(), Stop> {
        match self.chain.get() {
            Some(pinned) if *pinned != service.chain_id => Err(Stop::Foreign(service.chain_id.clone())),
            _ => Ok(()),
        }
    }
}

/// Handle on the two watching tasks; they end when this is dropped.
pub(super) struct Watch {
    shared: Arc<Shared>,
    tasks: [AbortHandle; 2],
    pub news: mpsc::Receiver<News>,
}

impl Watch {
    /// `every`: between two light looks.
    pub fn spawn(client: Client, owner: Option<Address>, every: Duration) -> Self {
        let (told, news) = mpsc::channel(64);
        let shared = Arc::new(Shared::default());
        let refresher = tokio::spawn(refresh_for_ever(client.clone(), owner, every, shared.clone(), told.clone()));
        let subscriber = tokio::spawn(subscribe_for_ever(client, shared.clone(), told));
        Self { shared, tasks: [refresher.abort_handle(), subscriber.abort_handle()], news }
    }

    /// Only what this chain says is passed on from now on.
    pub fn pin(&self, chain_id: &str) {
        // A second pin is the same chain: the journal holds one.
        let _ = self.shared.chain.set(chain_id.to_owned());
    }

    /// Asks for a light look soon.
    pub fn poke(&self) {
        self.shared.poke.notify_one();
    }

    /// Asks for the whole list soon.
    pub fn poke_full(&self) {
        self.shared.full_by(0);
    }

    /// Asks for the whole list again in a while.
    pub fn doubt(&self) {
        self.shared.full_by(now_ms().saturating_add(DOUBT_MS));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// What the node says now; with the whole list of open targets if it is wanted.
pub(super) async fn look(client: &Client, owner: Option<Address>, full: bool) -> Result<Refresh, ClientError> {
    let started_ms = now_ms();
    // First: what the others say is of this chain, and of this checkpoint or a later one.
    let service = client.service_info().await?;
    let coins = async {
        match owner {
            Some(owner) => client.coins(owner).await.map(Some),
            None => Ok(None),
        }
    };
    let open = async {
        match full {
            true => client.targets(TargetFilter::Open, None).await.map(Some),
            false => Ok(None),
        }
    };
    let (state, open, coins) = tokio::try_join!(client.epoch_state(), open, coins)?;
    Ok(Refresh { started_ms, service, state, open, coins })
}

/// Why a task begins anew.
enum Stop {
    Broken(String),
    Foreign(String),
    /// Nobody listens any more.
    Over,
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        Self::Broken(error.to_string())
    }
}

impl Stop {
    /// What is to be told; `None`: nobody listens.
    fn news(self, name: ServerName) -> Option<News> {
        match self {
            Self::Broken(why) => Some(News::Trouble(name, why)),
            Self::Foreign(found) => Some(News::Foreign(found)),
            Self::Over => None,
        }
    }
}

async fn tell(told: &mpsc::Sender<News>, news: News) -> Result<(), Stop> {
    told.send(news).await.map_err(|_| Stop::Over)
}

async fn refresh_for_ever(
    client: Client,
    owner: Option<Address>,
    every: Duration,
    shared: Arc<Shared>,
    told: mpsc::Sender<News>,
) {
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
    loop {
        let full = shared.full_at_ms.load(Ordering::Relaxed) <= now_ms();
        if full {
            // Whoever asks from now on is not served by this list.
            shared.full_at_ms.store(now_ms().saturating_add(FULL_EVERY_MS), Ordering::Relaxed);
        }
        let looked = async {
            let refreshed = look(&client, owner, full).await?;
            shared.check(&refreshed.service)?;
            tell(&told, News::Refreshed(Box::new(refreshed))).await
        };
        let pause = match looked.await {
            Ok(()) => {
                backoff.reset();
                let full_in = shared.full_at_ms.load(Ordering::Relaxed).saturating_sub(now_ms());
                every.min(Duration::from_millis(full_in))
            }
            Err(stop) => {
                if full {
                    shared.full_at_ms.store(0, Ordering::Relaxed);
                }
                let Some(news) = stop.news(ServerName::Node) else { return };
                if told.send(news).await.is_err() {
                    return;
                }
                backoff.next_delay()
            }
        };
        time::sleep(LEAST_GAP).await;
        // A poke ends the pause early, but not the delay after a failure.
        if backoff.failures() == 0 {
            let _ = time::timeout(pause, shared.poke.notified()).await;
        } else {
            time::sleep(pause).await;
        }
    }
}

async fn subscribe_for_ever(client: Client, shared: Arc<Shared>, told: mpsc::Sender<News>) {
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
    let mut last = None;
    loop {
        let stop = match follow(&client, &shared, &told, &mut last, &mut backoff).await {
            Ok(never) => match never {},
            Err(stop) => stop,
        };
        let Some(news) = stop.news(ServerName::Checkpoints) else { return };
        if told.send(news).await.is_err() {
            return;
        }
        time::sleep(backoff.next_delay()).await;
    }
}

/// Passes checkpoints on in their order, none twice and none left out, until something breaks. `last`: the newest that was
/// passed on.
async fn follow(
    client: &Client,
    shared: &Shared,
    told: &mpsc::Sender<News>,
    last: &mut Option<u64>,
    backoff: &mut Backoff,
) -> Result<Infallible, Stop> {
    let mut checkpoints = client.subscribe().await?;
    // After the stream stands, so that no checkpoint falls between.
    let service = client.service_info().await?;
    shared.check(&service)?;
    match *last {
        None => {
            *last = Some(service.checkpoint_height);
            shared.full_by(0);
        }
        Some(known) => {
            is_reachable(known, service.checkpoint_height)?;
            fill(client, shared, told, known.saturating_add(1)..=service.checkpoint_height, last).await?;
        }
    }
    tell(told, News::Current).await?;
    loop {
        let checkpoint = match time::timeout(QUIET, checkpoints.next()).await {
            Ok(Some(checkpoint)) => checkpoint?,
            Ok(None) => return Err(Stop::Broken("the node ended the subscription".into())),
            Err(_) => {
                let service = client.service_info().await?;
                shared.check(&service)?;
                if last.is_some_and(|last| service.checkpoint_height > last) {
                    // One may be on its way at this moment.
                    match time::timeout(QUIET, checkpoints.next()).await {
                        Ok(Some(checkpoint)) => checkpoint?,
                        _ => return Err(Stop::Broken("checkpoints pass and the subscription is silent".into())),
                    }
                } else {
                    backoff.reset();
                    tell(told, News::Current).await?;
                    continue;
                }
            }
        };
        backoff.reset();
        let number = checkpoint.sequence_number;
        if let Some(known) = *last {
            is_reachable(known, number)?;
        }
        match *last {
            // Known already: it was asked for while the stream began, or the node is behind.
            Some(known) if number <= known => continue,
            Some(known) => fill(client, shared, told, known.saturating_add(1)..=number.saturating_sub(1), last).await?,
            None => {}
        }
        *last = Some(number);
        tell(told, News::Checkpoint(Box::new(checkpoint))).await?;
    }
}

/// A checkpoint that no chain can have come to since the last one breaks the stream, instead of being the newest for ever.
fn is_reachable(known: u64, number: u64) -> Result<(), Stop> {
    match number.saturating_sub(known) {
        ..=MOST_MISSED => Ok(()),
        _ => Err(Stop::Broken(format!("the node jumps from checkpoint {known} to {number}"))),
    }
}

/// Asks for missed checkpoints by number; if there are too many, or the node does not have them any more, for the whole list.
async fn fill(
    client: &Client,
    shared: &Shared,
    told: &mpsc::Sender<News>,
    missed: RangeInclusive<u64>,
    last: &mut Option<u64>,
) -> Result<(), Stop> {
    let (first, end) = (*missed.start(), *missed.end());
    if first > end {
        return Ok(());
    }
    if end - first < MAX_GAP {
        let mut filled = stream::iter(missed).map(|number| client.checkpoint(number)).buffered(GAP_AT_ONCE);
        loop {
            match filled.next().await {
                None => return Ok(()),
                Some(Ok(checkpoint)) => {
                    *last = Some(checkpoint.sequence_number);
                    tell(told, News::Checkpoint(Box::new(checkpoint))).await?;
                }
                Some(Err(ClientError::Unreachable(why))) => return Err(Stop::Broken(why)),
                Some(Err(error)) => {
                    tracing::warn!(%error, "a missed checkpoint cannot be had; all targets are listed again");
                    break;
                }
            }
        }
    }
    *last = Some(end);
    shared.full_by(0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_beyond_all_chains_breaks_the_stream_and_a_long_gap_does_not() {
        let is_reachable = |known, number| is_reachable(known, number).is_ok();
        assert!(is_reachable(7, 8) && is_reachable(7, 100_000_000) && is_reachable(7, 3) && is_reachable(7, 0));
        assert!(!is_reachable(7, u64::MAX) && !is_reachable(0, i64::MAX as u64));
        assert!(is_reachable(u64::MAX, 0) && is_reachable(u64::MAX, u64::MAX));
    }
}
