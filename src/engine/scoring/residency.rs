//! Models in memory: each loaded once however many ask, within a budget for each device, the least recently used out first.
//!
//! A model that somebody holds stays: its `Arc` is the hold. What does not fit beside those waits for them to be let go.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, WeakShared},
};
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::AbortHandle,
    time::timeout,
};

use super::{
    ahead::{fetch_ahead, within},
    board::{Activity, WeightsState},
    budget::Budget,
    downloads::{Failure, Urgency},
    weights::{Identity, WeightsCache, WeightsError, WeightsSpec, blocking},
};
use crate::{
    model::{Device, Model, ModelError, Placement, Precision, ReadAt},
    primitives::Digest,
};

/// Loads at the same time: one reads while another converts.
const LOADS: usize = 2;
/// Holders do not tell when they let go, so one who waits for room looks again this often.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// What is fetched ahead, together: anybody with a stake can announce files of this network's largest size.
const PREFETCHED: u64 = 32 << 30;
/// Load failures that are remembered.
const REMEMBERED: usize = 512;

type Key = (Identity, Placement);
type Load = BoxFuture<'static, Result<Arc<Model>, WeightsError>>;

/// Models on the devices of this process; cloning shares them.
#[derive(Clone)]
pub(in crate::engine) struct Residents(Arc<Inner>);

struct Inner {
    cache: WeightsCache,
    /// Bytes of models on each device.
    budget: Budget,
    table: Mutex<Table>,
    /// A model has left.
    freed: Notify,
    loads: Semaphore,
    prefetch: Mutex<Prefetch>,
}

#[derive(Default)]
struct Table {
    models: HashMap<Key, Resident>,
    loading: HashMap<Key, WeakShared<Load>>,
    failures: HashMap<Key, Failure<WeightsError>>,
    /// For models on their way.
    reserved: HashMap<Device, u64>,
    /// Counts uses.
    clock: u64,
}

struct Resident {
    model: Arc<Model>,
    bytes: u64,
    used: u64,
}

#[derive(Default)]
struct Prefetch {
    specs: Vec<WeightsSpec>,
    task: Option<AbortHandle>,
}

impl Residents {
    /// `budget`: bytes of models on each device.
    pub fn new(cache: WeightsCache, budget: impl Into<Budget>) -> Self {
        Self(Arc::new(Inner {
            cache,
            budget: budget.into(),
            table: Mutex::default(),
            freed: Notify::new(),
            loads: Semaphore::new(LOADS),
            prefetch: Mutex::default(),
        }))
    }

    /// The model on this device, from wherever it is now. Dropping the future gives the work up if nobody else asks for it; what
    /// has arrived on disk stays.
    ///
    /// # Errors
    /// A failure is remembered and told again without another attempt until [`retry_after`](Self::retry_after) has passed.
    pub async fn get(&self, spec: &WeightsSpec, placement: Placement) -> Result<Arc<Model>, WeightsError> {
        let key = (spec.identity(), placement);
        if let Some(known) = self.0.table().look_up(&key) {
            return known;
        }
        self.0.cache.fetch(spec, Urgency::Wanted).await?;
        // Dropped after the lock: a load that ends with them gives its room back.
        let mut spent = Vec::new();
        let load = {
            let mut table = self.0.table();
            // Somebody may have been faster.
            if let Some(known) = table.look_up(&key) {
                return known;
            }
            table.loading.retain(|_, load| {
                let load = load.upgrade();
                let lives = load.as_ref().is_some_and(|load| load.peek().is_none());
                spent.extend(load);
                lives
            });
            table.loading.get(&key).and_then(WeakShared::upgrade).unwrap_or_else(|| {
                let load = load(self.0.clone(), spec.clone(), placement).boxed().shared();
                table.loading.extend(load.downgrade().map(|load| (key, load)));
                load
            })
        };
        drop(spent);
        load.await
    }

    /// Brings weights to disk, ahead of everything that is only prefetched.
    pub async fn fetch(&self, spec: &WeightsSpec) -> Result<(), WeightsError> {
        self.0.cache.fetch(spec, Urgency::Wanted).await
    }

    /// Bytes that the model takes on the device, known once its weights are on disk, which this sees to; more than there may be is
    /// an error.
    pub async fn memory(&self, spec: &WeightsSpec, placement: Placement) -> Result<u64, WeightsError> {
        if let Some(resident) = self.0.table().models.get(&(spec.identity(), placement)) {
            return Ok(resident.bytes);
        }
        self.0.cache.fetch(spec, Urgency::Wanted).await?;
        let needed = self.0.needed(spec, placement).await?;
        self.0.check(spec.checksum, placement.device, needed).map(|_| needed)
    }

    /// The model, if it is loaded already.
    pub fn peek(&self, spec: &WeightsSpec, placement: Placement) -> Option<Arc<Model>> {
        let table = self.0.table();
        table.models.get(&(spec.identity(), placement)).map(|resident| resident.model.clone())
    }

    /// How long a failure is told again without another attempt; `None`: the next [`get`](Self::get) tries.
    pub fn retry_after(&self, spec: &WeightsSpec, placement: Placement) -> Option<Duration> {
        let failure = self.0.table().failures.get(&(spec.identity(), placement)).and_then(Failure::left);
        failure.or_else(|| self.0.cache.retry_after(spec))
    }

    /// Bytes of models that are on a device or on their way to it, and how many there may be (`None`: any number).
    pub fn memory_of(&self, device: Device) -> (u64, Option<u64>) {
        let table = self.0.table();
        let loaded = table.models.iter().filter(|((_, placement), _)| placement.device == device);
        let used =
            loaded.map(|(_, resident)| resident.bytes).sum::<u64>() + table.reserved.get(&device).copied().unwrap_or(0);
        (used, Some(self.0.budget.on(device)).filter(|budget| *budget != u64::MAX))
    }

    pub fn watch(&self) -> watch::Receiver<Arc<Vec<WeightsState>>> {
        self.0.cache.board().watch()
    }

    /// Brings these to disk, in this order, in the background and behind everything that is wanted; instead of what an earlier
    /// call named. What goes beyond a bound is left out. Needs a runtime.
    pub fn prefetch(&self, specs: Vec<WeightsSpec>) {
        let specs = within(specs, PREFETCHED);
        let mut prefetch = self.0.prefetch();
        if prefetch.specs == specs {
            return;
        }
        if let Some(task) = prefetch.task.take() {
            task.abort();
        }
        prefetch.specs.clone_from(&specs);
        self.0.cache.keep_also(specs.iter().map(|spec| spec.checksum));
        if !specs.is_empty() {
            prefetch.task = Some(tokio::spawn(fetch_ahead(self.0.cache.clone(), specs)).abort_handle());
        }
    }

    /// After the registry has changed: forgets the models of other weights, and removes what takes too much of the disk. What is
    /// prefetched stays.
    pub async fn keep(&self, registered: Vec<Digest>) {
        let mut named: HashSet<Digest> = registered.into_iter().collect();
        named.extend(self.0.prefetch().specs.iter().map(|spec| spec.checksum));
        let gone = {
            let mut table = self.0.table();
            let gone: Vec<Key> = table.models.keys().filter(|key| !named.contains(&key.0.checksum)).copied().collect();
            table.failures.retain(|(identity, _), _| named.contains(&identity.checksum));
            table.take(&gone)
        };
        self.0.left(gone);
        self.0.cache.keep(named).await;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(task) = self.prefetch.get_mut().unwrap_or_else(PoisonError::into_inner).task.take() {
            task.abort();
        }
    }
}

/// Weights from disk to a device.
async fn load(inner: Arc<Inner>, spec: WeightsSpec, placement: Placement) -> Result<Arc<Model>, WeightsError> {
    let key = (spec.identity(), placement);
    let (result, room) = match bring(&inner, &spec, placement).await {
        Ok((model, room)) => (Ok(model), Some(room)),
        Err(error) => (Err(error), None),
    };
    let mut failed_for = None;
    let gone = {
        let mut table = inner.table();
        table.loading.remove(&key);
        // From here on the model itself counts.
        room.into_iter().for_each(|room| room.settle(&mut table));
        match &result {
            Ok(model) => {
                table.failures.remove(&key);
                table.clock += 1;
                let resident = Resident { model: model.clone(), bytes: model.resident_bytes(), used: table.clock };
                table.models.insert(key, resident);
                // It may be larger than it looked.
                table
                    .least_used(placement.device, inner.budget.on(placement.device))
                    .map(|out| table.take(&out))
                    .unwrap_or_default()
            }
            Err(error) => {
                if table.failures.len() >= REMEMBERED {
                    table
                        .failures
                        .retain(|_, failure| failure.left().is_some_and(|left| left > Duration::from_secs(60)));
                }
                let failure = Failure::after(table.failures.remove(&key), error.clone(), error.is_passing());
                failed_for = Some(failure.left().unwrap_or_default());
                table.failures.insert(key, failure);
                Vec::new()
            }
        }
    };
    inner.left(gone);
    inner.cache.board().note(spec.checksum, |state| {
        state.activity.end(Activity::is_of_device);
        match &result {
            Ok(_) => {
                state.residents.push(placement);
                state.residents.sort();
                state.residents.dedup();
                state.forgive();
            }
            Err(error) => state.fail(error.to_string(), failed_for),
        }
    });
    result
}

async fn bring(
    inner: &Arc<Inner>,
    spec: &WeightsSpec,
    placement: Placement,
) -> Result<(Arc<Model>, Room), WeightsError> {
    let _ended = Ended { inner, checksum: spec.checksum };
    let needed = inner.needed(spec, placement).await?;
    let mut room = inner.room(spec.checksum, placement, needed).await?;
    // Never closed.
    let _turn = inner.loads.acquire().await.map_err(|_| WeightsError::Abandoned(spec.checksum))?;
    inner.cache.board().note(spec.checksum, |state| state.activity = Activity::Loading(placement));
    let mut retried = false;
    loop {
        let (cache, owned) = (inner.cache.clone(), spec.clone());
        // The room goes with the work, which ends in its own time even if nobody waits any more.
        let read = blocking(spec.checksum, move || (cache.read(&owned, placement), room));
        let (result, back) = read.await?;
        room = back;
        match result {
            Ok(model) => return Ok((Arc::new(model), room)),
            Err(WeightsError::Load { cause: ModelError::OutOfMemory { .. }, .. })
                if !retried && inner.evict_all(placement.device) =>
            {
                retried = true;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Ends what the board says of a load that nobody waits for any more.
struct Ended<'a> {
    inner: &'a Inner,
    checksum: Digest,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.inner.cache.board().note(self.checksum, |state| state.activity.end(Activity::is_of_device));
    }
}

/// Bytes that the weights will take on the device: elements by the size that they have there. A header that cannot be read is
/// for the model to complain about.
fn memory_of(file: &dyn ReadAt, placement: Placement) -> u64 {
    /// Of headers that are looked at.
    const HEADER: u64 = 16 << 20;
    let elements = || {
        let mut prefix = [0; 8];
        file.read_at(0, &mut prefix).ok()?;
        let length = u64::from_le_bytes(prefix);
        let length = usize::try_from(length).ok().filter(|_| length <= HEADER && length < file.size())?;
        let mut header = vec![0; length];
        file.read_at(8, &mut header).ok()?;
        let metadata: safetensors::tensor::Metadata = serde_json::from_slice(&header).ok()?;
        let of = |shape: &[usize]| shape.iter().try_fold(1_u64, |product, axis| product.checked_mul(*axis as u64));
        metadata.tensors().values().try_fold(0_u64, |sum, tensor| sum.checked_add(of(&tensor.shape)?))
    };
    let element = match placement.precision {
        Precision::F32 | Precision::Tf32 => 4,
        Precision::Bf16 | Precision::F16 => 2,
    };
    elements().map_or(file.size(), |elements| elements.saturating_mul(element))
}

impl Table {
    /// What is known without any work.
    fn look_up(&mut self, key: &Key) -> Option<Result<Arc<Model>, WeightsError>> {
        self.clock += 1;
        if let Some(resident) = self.models.get_mut(key) {
            resident.used = self.clock;
            return Some(Ok(resident.model.clone()));
        }
        self.failures.get(key).filter(|failure| failure.left().is_some()).map(|failure| Err(failure.error.clone()))
    }

    /// Bytes on a device, those on their way included.
    fn used(&self, device: Device) -> u64 {
        let models = self.models.iter().filter(|((_, placement), _)| placement.device == device);
        models.map(|(_, resident)| resident.bytes).sum::<u64>() + self.reserved.get(&device).copied().unwrap_or(0)
    }

    /// The models to let go for no more than so many bytes to remain: the least recently used of those that nobody holds, and
    /// no more than are needed. `None`: too much is held.
    fn least_used(&self, device: Device, allowed: u64) -> Option<Vec<Key>> {
        let mut used = self.used(device);
        let mut free: Vec<(&Key, &Resident)> = self
            .models
            .iter()
            .filter(|((_, placement), resident)| placement.device == device && Arc::strong_count(&resident.model) == 1)
            .collect();
        free.sort_by_key(|(_, resident)| resident.used);
        let mut out = Vec::new();
        for (key, resident) in free {
            if used <= allowed {
                break;
            }
            used -= resident.bytes;
            out.push(*key);
        }
        (used <= allowed).then_some(out)
    }

    fn release(&mut self, device: Device, bytes: u64) {
        if let Some(reserved) = self.reserved.get_mut(&device) {
            *reserved = reserved.saturating_sub(bytes);
        }
    }

    /// Takes models out, for the caller to drop outside of the lock.
    fn take(&mut self, keys: &[Key]) -> Vec<(Key, Resident)> {
        keys.iter().filter_map(|key| self.models.remove_entry(key)).collect()
    }
}

/// Bytes of a device that are spoken for.
struct Room {
    inner: Arc<Inner>,
    device: Device,
    bytes: u64,
}

impl Room {
    fn settle(mut self, table: &mut Table) {
        table.release(self.device, std::mem::take(&mut self.bytes));
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.inner.table().release(self.device, self.bytes);
        }
        self.inner.freed.notify_waiters();
    }
}

impl Inner {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn prefetch(&self) -> MutexGuard<'_, Prefetch> {
        self.prefetch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of memory for weights on disk.
    async fn needed(&self, spec: &WeightsSpec, placement: Placement) -> Result<u64, WeightsError> {
        let (cache, owned) = (self.cache.clone(), spec.clone());
        blocking(spec.checksum, move || cache.open(&owned).map(|file| memory_of(&file, placement))).await?
    }

    /// The device's budget, if so much fits it at all.
    fn check(&self, checksum: Digest, device: Device, needed: u64) -> Result<u64, WeightsError> {
        let budget = self.budget.on(device);
        if needed > budget { Err(WeightsError::OverBudget { checksum, device, needed, budget }) } else { Ok(budget) }
    }

    /// Waits until the device has room beside the models that are held.
    async fn room(self: &Arc<Self>, checksum: Digest, placement: Placement, bytes: u64) -> Result<Room, WeightsError> {
        let device = placement.device;
        let budget = self.check(checksum, device, bytes)?;
        loop {
            let freed = self.freed.notified();
            let gone = {
                let mut table = self.table();
                table.least_used(device, budget - bytes).map(|out| {
                    *table.reserved.entry(device).or_default() += bytes;
                    table.take(&out)
                })
            };
            if let Some(gone) = gone {
                self.left(gone);
                return Ok(Room { inner: self.clone(), device, bytes });
            }
            self.cache.board().note(checksum, |state| state.activity = Activity::WaitingForRoom(placement));
            let _ = timeout(LOOK_AGAIN, freed).await;
        }
    }

    /// Everything that nobody holds, for a device that has less room than it should. Whether there was anything.
    fn evict_all(&self, device: Device) -> bool {
        let gone = {
            let mut table = self.table();
            let free = |((_, placement), resident): &(&Key, &Resident)| {
                placement.device == device && Arc::strong_count(&resident.model) == 1
            };
            let out: Vec<Key> = table.models.iter().filter(free).map(|(key, _)| *key).collect();
            table.take(&out)
        };
        let any = !gone.is_empty();
        self.left(gone);
        any
    }

    /// Notes and drops models that were taken out.
    fn left(&self, gone: Vec<(Key, Resident)>) {
        for ((identity, placement), resident) in gone {
            drop(resident);
            self.cache.board().note(identity.checksum, |state| state.residents.retain(|there| *there != placement));
        }
        self.freed.notify_waiters();
    }
}

#[cfg(test)]
#[path = "residency_tests.rs"]
mod tests;
