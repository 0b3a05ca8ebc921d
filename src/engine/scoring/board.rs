//! What becomes of weights, for the screen: one line for each file, published with every change.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use crate::{engine::now_ms, model::Placement, primitives::Digest};

/// What is being done about weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) enum Activity {
    #[default]
    Idle,
    Fetching,
    /// Ahead of their use; waits while others are wanted.
    Prefetching,
    /// Of the file's checksum.
    Checking,
    /// For models to leave the device.
    WaitingForRoom(Placement),
    Loading(Placement),
}

impl Activity {
    pub fn is_of_disk(self) -> bool {
        matches!(self, Self::Fetching | Self::Prefetching | Self::Checking)
    }

    pub fn is_of_device(self) -> bool {
        matches!(self, Self::WaitingForRoom(_) | Self::Loading(_))
    }

    /// Nothing goes on, if this did.
    pub fn end(&mut self, of: impl Fn(Self) -> bool) {
        if of(*self) {
            *self = Self::Idle;
        }
    }
}

/// One file of weights.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct WeightsState {
    pub checksum: Digest,
    /// Bytes that are here, of `size` in all.
    pub fetched: u64,
    pub size: u64,
    /// Whole and checked.
    pub on_disk: bool,
    /// Where its model is loaded.
    pub residents: Vec<Placement>,
    pub activity: Activity,
    /// Why the last attempt failed, and when (Unix time) there may be another one.
    pub error: Option<String>,
    pub retry_at_ms: Option<u64>,
}

impl WeightsState {
    fn new(checksum: Digest) -> Self {
        Self {
            checksum,
            fetched: 0,
            size: 0,
            on_disk: false,
            residents: Vec::new(),
            activity: Activity::Idle,
            error: None,
            retry_at_ms: None,
        }
    }

    pub fn fail(&mut self, why: String, retry: Option<Duration>) {
        let at = |retry: Duration| now_ms().saturating_add(u64::try_from(retry.as_millis()).unwrap_or(u64::MAX));
        (self.error, self.retry_at_ms) = (Some(why), retry.map(at));
    }

    pub fn forgive(&mut self) {
        (self.error, self.retry_at_ms) = (None, None);
    }
}

/// Files that are shown. A service is asked for whatever its clients name.
const LINES: usize = 256;

pub(super) struct Board {
    states: Mutex<BTreeMap<Digest, WeightsState>>,
    published: watch::Sender<Arc<Vec<WeightsState>>>,
}

impl Default for Board {
    fn default() -> Self {
        Self { states: Mutex::default(), published: watch::channel(Arc::default()).0 }
    }
}

impl Board {
    pub fn watch(&self) -> watch::Receiver<Arc<Vec<WeightsState>>> {
        self.published.subscribe()
    }

    pub fn note(&self, checksum: Digest, change: impl FnOnce(&mut WeightsState)) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if states.len() >= LINES && !states.contains_key(&checksum) {
            states.retain(|_, state| !state.residents.is_empty() || state.activity != Activity::Idle);
        }
        let state = states.entry(checksum).or_insert_with(|| WeightsState::new(checksum));
        let before = state.clone();
        change(state);
        if *state != before || before == WeightsState::new(checksum) {
            self.published.send_replace(Arc::new(states.values().cloned().collect()));
        }
    }

    pub fn keep(&self, named: &HashSet<Digest>) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let before = states.len();
        states.retain(|checksum, state| named.contains(checksum) || !state.residents.is_empty());
        if states.len() != before {
            self.published.send_replace(Arc::new(states.values().cloned().collect()));
        }
    }
}
