//! Downloads of weights: each once however many ask, those that are wanted before those that are only fetched ahead, and a
//! server that failed is left alone for a while.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, WeakShared},
};
use tokio::{sync::watch, time::Instant};

use super::board::{Activity, Board};
use crate::{
    engine::backoff::Backoff,
    primitives::Digest,
    storage::{Blob, Brought, Fetcher, Steering, StorageError},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Urgency {
    /// Somebody waits for them.
    Wanted,
    /// Somebody may, later.
    Later,
}

/// A failure, and when there may be another attempt.
pub(super) struct Failure<E> {
    pub error: E,
    retry: Instant,
    backoff: Backoff,
}

impl<E: Clone> Failure<E> {
    /// What passes is tried again soon; what a server or a file says wrongly, seldom: each attempt may cost gigabytes.
    pub fn after(before: Option<Self>, error: E, passing: bool) -> Self {
        let mut backoff = before.map_or_else(
            || match passing {
                true => Backoff::new(Duration::from_secs(2), Duration::from_secs(120)),
                false => Backoff::new(Duration::from_secs(60), Duration::from_secs(3600)),
            },
            |before| before.backoff,
        );
        Self { error, retry: Instant::now() + backoff.next_delay(), backoff }
    }

    /// `None`: it may be tried again.
    pub fn left(&self) -> Option<Duration> {
        self.retry.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

type Flight = BoxFuture<'static, Result<Brought, StorageError>>;

/// Cloning shares it.
#[derive(Clone)]
pub(super) struct Downloads(Arc<Inner>);

struct Inner {
    fetcher: Fetcher,
    board: Arc<Board>,
    table: Mutex<HashMap<Blob, Entry>>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Entry {
    /// Ends when nobody asks any more; what has arrived stays on disk.
    flight: Option<WeakShared<Flight>>,
    /// Who waits for it.
    wanted: usize,
    failure: Option<Failure<StorageError>>,
}

/// Failures that are remembered of blobs that nobody asks for now.
const REMEMBERED: usize = 512;

impl Downloads {
    pub fn new(fetcher: Fetcher, board: Arc<Board>) -> Self {
        Self(Arc::new(Inner { fetcher, board, table: Mutex::default(), changed: watch::channel(()).0 }))
    }

    /// Tells all who listen to [`changes`](Self::changes) to look again.
    pub fn changed(&self) {
        self.0.changed.send_replace(());
    }

    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    pub fn retry_after(&self, blob: &Blob) -> Option<Duration> {
        self.0.table().get(blob)?.failure.as_ref()?.left()
    }

    /// Forgets the failures of everything else.
    pub fn keep(&self, named: &HashSet<Digest>) {
        self.0.table().retain(|blob, entry| named.contains(&blob.checksum) || entry.is_in_flight());
    }

    /// Brings a blob to its place, or joins those who do. A failure is remembered and told again until its time has passed.
    pub async fn bring(&self, blob: &Blob, path: &Path, urgency: Urgency) -> Result<Brought, StorageError> {
        let (flight, _want) = {
            let mut table = self.0.table();
            if table.len() >= REMEMBERED && !table.contains_key(blob) {
                table.retain(|_, entry| entry.is_in_flight());
            }
            let entry = table.entry(blob.clone()).or_default();
            if let Some(failure) = entry.failure.as_ref().filter(|failure| failure.left().is_some()) {
                return Err(failure.error.clone());
            }
            let flight = entry.flight.as_ref().and_then(WeakShared::upgrade).filter(|flight| flight.peek().is_none());
            let flight = flight.unwrap_or_else(|| {
                let flight = fly(self.0.clone(), blob.clone(), path.to_owned()).boxed().shared();
                entry.flight = flight.downgrade();
                flight
            });
            (flight, Want::new(&self.0, entry, blob, urgency))
        };
        self.changed();
        flight.await
    }
}

impl Entry {
    fn is_in_flight(&self) -> bool {
        self.wanted > 0
            || self.flight.as_ref().and_then(WeakShared::upgrade).is_some_and(|flight| flight.peek().is_none())
    }
}

impl Inner {
    fn table(&self) -> MutexGuard<'_, HashMap<Blob, Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits for a blob, until it is dropped.
struct Want<'a> {
    inner: &'a Inner,
    blob: &'a Blob,
    urgency: Urgency,
}

impl<'a> Want<'a> {
    fn new(inner: &'a Inner, entry: &mut Entry, blob: &'a Blob, urgency: Urgency) -> Self {
        entry.wanted += usize::from(urgency == Urgency::Wanted);
        Self { inner, blob, urgency }
    }
}

impl Drop for Want<'_> {
    fn drop(&mut self) {
        if self.urgency == Urgency::Wanted {
            if let Some(entry) = self.inner.table().get_mut(self.blob) {
                entry.wanted = entry.wanted.saturating_sub(1);
            }
            self.inner.changed.send_replace(());
        }
    }
}

async fn fly(inner: Arc<Inner>, blob: Blob, path: PathBuf) -> Result<Brought, StorageError> {
    let pilot = Pilot { inner, blob };
    let result = pilot.inner.fetcher.download(&pilot.blob, &path, &pilot).await;
    let mut table = pilot.inner.table();
    let entry = table.entry(pilot.blob.clone()).or_default();
    entry.failure = match &result {
        Ok(_) => None,
        Err(error) => Some(Failure::after(entry.failure.take(), error.clone(), error.is_passing())),
    };
    drop(table);
    result
}

/// Lets a download that is only ahead of its use wait while others are wanted.
struct Pilot {
    inner: Arc<Inner>,
    blob: Blob,
}

impl Pilot {
    /// What it is at, if it may go on.
    fn turn_now(&self) -> Option<Activity> {
        let table = self.inner.table();
        match table.get(&self.blob).is_some_and(|entry| entry.wanted > 0) {
            true => Some(Activity::Fetching),
            false => table.values().all(|entry| entry.wanted == 0).then_some(Activity::Prefetching),
        }
    }
}

impl Steering for Pilot {
    fn progress(&self, bytes: u64) {
        self.inner.board.note(self.blob.checksum, |state| state.fetched = bytes);
    }

    fn turn(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut changes = self.inner.changed.subscribe();
            loop {
                changes.borrow_and_update();
                if let Some(activity) = self.turn_now() {
                    self.inner.board.note(self.blob.checksum, |state| state.activity = activity);
                    return;
                }
                if changes.changed().await.is_err() {
                    return;
                }
            }
        })
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        self.inner.board.note(self.blob.checksum, |state| state.activity.end(Activity::is_of_disk));
    }
}
