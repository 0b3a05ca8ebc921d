//! The chain as a stream of news: checkpoints as they come, and everything again from time to time.
//!
//! Knows the client only. The subscription is quick but may miss things; the refresh is the truth. Both reconnect for ever
//! with growing, jittered delays, and say what is wrong meanwhile.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use tokio::{sync::Notify, sync::mpsc, task::AbortHandle, time};

use super::{backoff::Backoff, now_ms};
use crate::{
    chain::client::{CheckpointInfo, Client, ClientError, Coin, EpochState, TargetFilter, TargetInfo},
    primitives::Address,
};

/// However often somebody pokes, the chain is not asked more often than this.
const LEAST_GAP: Duration = Duration::from_millis(200);

/// Everything that the chain says now.
#[derive(Debug)]
pub(super) struct Refresh {
    /// When asking began: what became known later is newer than this.
    pub started_ms: u64,
    pub state: EpochState,
    pub open: Vec<TargetInfo>,
    /// Richest first; `None` without a wallet.
    pub coins: Option<Vec<Coin>>,
}

#[derive(Debug)]
pub(super) enum News {
    Refreshed(Box<Refresh>),
    Checkpoint(Box<CheckpointInfo>),
    /// Something does not answer; it is tried again.
    Trouble(String),
}

/// Handle on the two watching tasks; they end when this is dropped.
pub(super) struct Watch {
    poke: Arc<Notify>,
    tasks: [AbortHandle; 2],
    pub news: mpsc::Receiver<News>,
}

impl Watch {
    pub fn spawn(client: Client, owner: Option<Address>, every: Duration) -> Self {
        let (told, news) = mpsc::channel(64);
        let poke = Arc::new(Notify::new());
        let refresher = tokio::spawn(refresh_for_ever(client.clone(), owner, every, poke.clone(), told.clone()));
        let subscriber = tokio::spawn(subscribe_for_ever(client, poke.clone(), told));
        Self { poke, tasks: [refresher.abort_handle(), subscriber.abort_handle()], news }
    }

    /// Asks for a refresh soon.
    pub fn poke(&self) {
        self.poke.notify_one();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Everything, once.
pub(super) async fn refresh(client: &Client, owner: Option<Address>) -> Result<Refresh, ClientError> {
    let started_ms = now_ms();
    let coins = async {
        match owner {
            Some(owner) => client.coins(owner).await.map(Some),
            None => Ok(None),
        }
    };
    let (state, open, coins) = tokio::try_join!(client.epoch_state(), client.targets(TargetFilter::Open, None), coins)?;
    Ok(Refresh { started_ms, state, open, coins })
}

async fn refresh_for_ever(
    client: Client,
    owner: Option<Address>,
    every: Duration,
    poke: Arc<Notify>,
    told: mpsc::Sender<News>,
) {
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
    loop {
        let (news, pause) = match refresh(&client, owner).await {
            Ok(refreshed) => {
                backoff.reset();
                (News::Refreshed(Box::new(refreshed)), every)
            }
            Err(error) => (News::Trouble(error.to_string()), backoff.next_delay()),
        };
        if told.send(news).await.is_err() {
            return;
        }
        time::sleep(LEAST_GAP).await;
        // A poke ends the pause early, but not the delay after a failure.
        if backoff.failures() == 0 {
            let _ = time::timeout(pause, poke.notified()).await;
        } else {
            time::sleep(pause).await;
        }
    }
}

async fn subscribe_for_ever(client: Client, poke: Arc<Notify>, told: mpsc::Sender<News>) {
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
    loop {
        let broken = match client.subscribe().await {
            Ok(mut checkpoints) => {
                // What happened while nobody listened.
                poke.notify_one();
                loop {
                    match checkpoints.next().await {
                        Some(Ok(checkpoint)) => {
                            backoff.reset();
                            if told.send(News::Checkpoint(Box::new(checkpoint))).await.is_err() {
                                return;
                            }
                        }
                        Some(Err(error)) => break error.to_string(),
                        None => break "the node ended the subscription".into(),
                    }
                }
            }
            Err(error) => error.to_string(),
        };
        if told.send(News::Trouble(format!("subscription: {broken}"))).await.is_err() {
            return;
        }
        time::sleep(backoff.next_delay()).await;
    }
}
