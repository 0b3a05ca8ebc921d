//! Weights on disk: fetched once, kept encrypted by checksum, checked once a process, decrypted while they are read.

use std::{
    collections::{HashMap, HashSet},
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use super::{
    board::{Activity, Board, WeightsState},
    decrypt::CachedWeights,
    downloads::{Downloads, Urgency},
};
use crate::{
    model::{self, Device, Model, ModelError, Placement},
    primitives::{Digest, Hasher},
    storage::{Blob, Brought, Fetcher, StorageError},
};

/// More than a V1 model in f64 has (9.7 GB). A manifest's size is a stranger's claim.
pub(super) const LARGEST: u64 = 10 << 30;
/// Files of weights that nobody names any more are left in place up to this much together: a node that lags leaves models out
/// for a while, and a model may come back.
const LEFT_OVER: u64 = 20 << 30;
const READ_BLOCK: usize = 1 << 20;

/// Weights as the registry (or a request) names them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(in crate::engine) struct WeightsSpec {
    /// Of the file as it is served.
    pub checksum: Digest,
    pub url: String,
    pub size: u64,
    /// `None`: the file is not encrypted, or its key is not known yet.
    pub key: Option<[u8; 32]>,
}

/// What makes two loaded models the same: the file, and the key that it was read with. A wrong key is another model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::engine) struct Identity {
    pub checksum: Digest,
    /// Hash of the key.
    pub key: Option<Digest>,
}

/// What weights are known by wherever scores are: one file under another key is another model, and a registry may name one checksum
/// with several keys. Without a key the file is the model.
pub(in crate::engine) fn weights_id(checksum: Digest, key: Option<&[u8; 32]>) -> Digest {
    let Some(key) = key else { return checksum };
    let mut hasher = Hasher::default();
    hasher.update(&checksum.0).update(&model::checksum(key).0);
    hasher.finish()
}

impl WeightsSpec {
    /// See [`weights_id`]; `checksum` names the file only.
    pub fn id(&self) -> Digest {
        weights_id(self.checksum, self.key.as_ref())
    }

    pub fn identity(&self) -> Identity {
        Identity { checksum: self.checksum, key: self.key.map(|key| model::checksum(&key)) }
    }

    fn blob(&self) -> Blob {
        Blob { url: self.url.clone(), checksum: self.checksum, size: self.size }
    }
}

/// Without the key, which may be a secret.
impl fmt::Debug for WeightsSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { checksum, url, size, key } = self;
        let about =
            f.debug_struct("WeightsSpec").field("checksum", checksum).field("url", url).field("size", size).finish();
        about.and_then(|()| f.write_str(if key.is_some() { " (encrypted)" } else { "" }))
    }
}

#[derive(Clone, Debug, thiserror::Error)]
pub(in crate::engine) enum WeightsError {
    #[error(transparent)]
    Fetch(#[from] StorageError),
    #[error(
        "the weights {checksum} are refused: their {size} bytes are more than any model of this network has ({LARGEST})"
    )]
    TooLarge { checksum: Digest, size: u64 },
    #[error("the weights {checksum} cannot be read from {}: {cause}", .path.display())]
    Disk { checksum: Digest, path: PathBuf, cause: Arc<io::Error> },
    #[error("the weights {checksum} do not load: {cause}{}", key_advice(.cause, *.encrypted))]
    Load { checksum: Digest, cause: ModelError, encrypted: bool },
    #[error(
        "the weights {checksum} take {needed} bytes on {device}, and the memory budget is {budget}: give more with --memory"
    )]
    OverBudget { checksum: Digest, device: Device, needed: u64, budget: u64 },
    #[error("the loading of the weights {0} was given up")]
    Abandoned(Digest),
}

/// The file has its checksum, so what cannot be read in it is usually the key's fault.
fn key_advice(cause: &ModelError, encrypted: bool) -> &'static str {
    match (cause, encrypted) {
        (ModelError::Unreadable(_), true) => {
            "; the file is the one that was asked for, so its decryption key may be wrong"
        }
        (ModelError::Unreadable(_), false) => {
            "; the file is the one that was asked for, so it may be encrypted: no key was given"
        }
        _ => "",
    }
}

impl WeightsError {
    /// Whether the same may well succeed soon.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Fetch(error) => error.is_passing(),
            Self::Disk { .. } | Self::Abandoned(_) => true,
            Self::Load { cause, .. } => {
                matches!(cause, ModelError::OutOfMemory { .. } | ModelError::Read { .. } | ModelError::Backend(_))
            }
            Self::TooLarge { .. } | Self::OverBudget { .. } => false,
        }
    }
}

/// A file that has been looked through: as long as it looks the same, it is the same.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
}

/// The directory of encrypted weights; cloning shares it.
#[derive(Clone)]
pub(in crate::engine) struct WeightsCache(Arc<Shared>);

struct Shared {
    dir: PathBuf,
    heads: Option<usize>,
    downloads: Downloads,
    board: Arc<Board>,
    /// Files whose checksum this process has seen to be right.
    checked: Mutex<HashMap<Digest, Stamp>>,
    /// One at a time: the disk is one.
    checking: tokio::sync::Mutex<()>,
    /// What the registry names, once somebody has said; everything else is left over.
    named: Mutex<Option<HashSet<Digest>>>,
}

impl WeightsCache {
    pub fn new(dir: &Path, heads: Option<usize>) -> Result<Self, StorageError> {
        Ok(Self::with_fetcher(dir, heads, Fetcher::new()?))
    }

    pub fn with_fetcher(dir: &Path, heads: Option<usize>, fetcher: Fetcher) -> Self {
        let board = Arc::new(Board::default());
        Self(Arc::new(Shared {
            dir: dir.join("weights"),
            heads,
            downloads: Downloads::new(fetcher, board.clone()),
            board,
            checked: Mutex::default(),
            checking: tokio::sync::Mutex::default(),
            named: Mutex::default(),
        }))
    }

    pub(super) fn board(&self) -> &Arc<Board> {
        &self.0.board
    }

    pub(super) fn path(&self, checksum: &Digest) -> PathBuf {
        self.0.dir.join(format!("{checksum}.enc"))
    }

    /// The model on the processor in full precision, from the cache if it holds the right bytes, else from the network.
    /// `progress` hears of the bytes that are here, of a download only.
    pub async fn load(&self, spec: &WeightsSpec, mut progress: impl FnMut(u64)) -> Result<Arc<Model>, WeightsError> {
        let mut states = self.0.board.watch();
        let fetch = self.fetch(spec, Urgency::Wanted);
        tokio::pin!(fetch);
        loop {
            tokio::select! {
                biased;
                fetched = &mut fetch => break fetched?,
                Ok(()) = states.changed() => {
                    let states = states.borrow_and_update().clone();
                    let of_this = states.iter().find(|state| state.checksum == spec.checksum);
                    if let Some(state) = of_this.filter(|state| state.activity == Activity::Fetching) {
                        progress(state.fetched);
                    }
                }
            }
        }
        let (cache, owned) = (self.clone(), spec.clone());
        blocking(spec.checksum, move || cache.read(&owned, Placement::CPU)).await?.map(Arc::new)
    }

    /// Reads a model from its file, which must be here. Blocks.
    pub(super) fn read(&self, spec: &WeightsSpec, placement: Placement) -> Result<Model, WeightsError> {
        let load = |cause| WeightsError::Load { checksum: spec.checksum, cause, encrypted: spec.key.is_some() };
        Model::load(&self.open(spec)?, self.0.heads, placement).map_err(load)
    }

    /// The plain bytes of weights that are here, decrypted as they are read.
    pub(super) fn open(&self, spec: &WeightsSpec) -> Result<CachedWeights, WeightsError> {
        let path = self.path(&spec.checksum);
        CachedWeights::open(&path, spec.key).map_err(|cause| WeightsError::Disk {
            checksum: spec.checksum,
            path,
            cause: Arc::new(cause),
        })
    }

    /// Sees to it that the right bytes are on disk.
    pub async fn fetch(&self, spec: &WeightsSpec, urgency: Urgency) -> Result<(), WeightsError> {
        let fetched = self.try_fetch(spec, urgency).await;
        self.0.board.note(spec.checksum, |state| {
            state.activity.end(|activity| activity == Activity::Checking);
            match &fetched {
                Ok(()) => (state.on_disk, state.fetched, state.size) = (true, spec.size, spec.size),
                Err(error) => state.fail(error.to_string(), self.retry_after(spec)),
            }
        });
        fetched
    }

    async fn try_fetch(&self, spec: &WeightsSpec, urgency: Urgency) -> Result<(), WeightsError> {
        if spec.size > LARGEST {
            return Err(WeightsError::TooLarge { checksum: spec.checksum, size: spec.size });
        }
        self.0.board.note(spec.checksum, |state| state.size = spec.size);
        let mut made_room = false;
        loop {
            if self.is_here(spec).await? {
                return Ok(());
            }
            let (blob, path) = (spec.blob(), self.path(&spec.checksum));
            let brought = tokio::select! {
                brought = self.0.downloads.bring(&blob, &path, urgency) => brought,
                // Another URL was faster with the same bytes.
                () = self.until_checked(&spec.checksum) => continue,
            };
            match brought {
                Ok(Brought::Now) => {
                    self.0.board.note(spec.checksum, WeightsState::forgive);
                    self.note_checked(&spec.checksum);
                }
                Ok(Brought::Before) => {}
                Err(StorageError::NoRoom { .. }) if !made_room && self.remove_left_over(0).await => made_room = true,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// When a fetch that failed is worth another attempt; `None`: now.
    pub fn retry_after(&self, spec: &WeightsSpec) -> Option<Duration> {
        self.0.downloads.retry_after(&spec.blob())
    }

    /// Whether the file is here; looks through it once a process, and removes one that is broken.
    async fn is_here(&self, spec: &WeightsSpec) -> Result<bool, WeightsError> {
        let (path, wanted) = (self.path(&spec.checksum), spec.checksum);
        if stamp(&path).is_none() {
            return Ok(false);
        }
        let _turn = self.0.checking.lock().await;
        let Some(found) = stamp(&path) else { return Ok(false) };
        if self.checked().get(&wanted) != Some(&found) {
            self.0.board.note(wanted, |state| state.activity = Activity::Checking);
            let file = path.clone();
            let hash = blocking(wanted, move || hash_of(&file)).await?;
            match hash {
                Ok(hash) if hash == wanted => {
                    self.checked().insert(wanted, found);
                }
                outcome => {
                    let why = outcome.map_or_else(|cause| cause.to_string(), |_| "its checksum is wrong".to_owned());
                    tracing::warn!("{} is fetched again: {why}", path.display());
                    let removed = fs::remove_file(&path);
                    removed.map_err(|cause| WeightsError::Disk { checksum: wanted, path, cause: Arc::new(cause) })?;
                    return Ok(false);
                }
            }
        }
        // The bytes are right, so the manifest is wrong.
        match found.size == spec.size {
            true => Ok(true),
            false => Err(StorageError::Size { url: spec.url.clone(), expected: spec.size, found: found.size }.into()),
        }
    }

    fn checked(&self) -> MutexGuard<'_, HashMap<Digest, Stamp>> {
        self.0.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_checked(&self, checksum: &Digest) {
        if let Some(stamp) = stamp(&self.path(checksum)) {
            self.checked().insert(*checksum, stamp);
            self.0.downloads.changed();
        }
    }

    async fn until_checked(&self, checksum: &Digest) {
        let mut changes = self.0.downloads.changes();
        loop {
            changes.borrow_and_update();
            if self.checked().contains_key(checksum) && self.path(checksum).exists() {
                return;
            }
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// From now on everything else is left over: begun downloads of it are removed, and of whole files the oldest, until few
    /// enough bytes of them remain.
    pub async fn keep(&self, named: impl IntoIterator<Item = Digest>) {
        let named: HashSet<Digest> = named.into_iter().collect();
        self.0.downloads.keep(&named);
        self.0.board.keep(&named);
        *self.0.named.lock().unwrap_or_else(PoisonError::into_inner) = Some(named);
        self.remove_left_over(LEFT_OVER).await;
    }

    /// These are needed as well.
    pub(super) fn keep_also(&self, checksums: impl IntoIterator<Item = Digest>) {
        if let Some(named) = &mut *self.0.named.lock().unwrap_or_else(PoisonError::into_inner) {
            named.extend(checksums);
        }
    }

    /// Whether anything was removed.
    pub(super) async fn remove_left_over(&self, allowance: u64) -> bool {
        let named = self.0.named.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Nobody has said what is needed.
        let Some(named) = named else { return false };
        let dir = self.0.dir.clone();
        let removed = tokio::task::spawn_blocking(move || sweep(&dir, &named, allowance)).await.unwrap_or_default();
        self.checked().retain(|checksum, _| !removed.contains(checksum));
        !removed.is_empty()
    }
}

/// Downloads of which people hear while they run.
const LONG: u64 = 64 << 20;

/// From bytes that are here to whole tenths, each told once, of a file that takes long.
pub(in crate::engine) fn in_tenths(size: u64, mut tell: impl FnMut(u64)) -> impl FnMut(u64) {
    let mut told = 0;
    move |fetched| {
        let tenth = fetched.saturating_mul(10) / size.max(1);
        if size >= LONG && tenth > told {
            told = tenth;
            tell(tenth * 10);
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let about = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(Stamp { size: about.len(), modified: about.modified().ok() })
}

fn hash_of(path: &Path) -> io::Result<Digest> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Hasher::default();
    let mut block = vec![0; READ_BLOCK];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&block[..read]),
        };
    }
}

/// Removes what is ours and not named. A file that cannot be removed costs disk space and nothing else.
fn sweep(dir: &Path, named: &HashSet<Digest>, allowance: u64) -> Vec<Digest> {
    let (mut whole, mut removed) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let Some((stem, end)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
        let Some(checksum) = stem.parse::<Digest>().ok().filter(|checksum| !named.contains(checksum)) else { continue };
        match (end, entry.metadata()) {
            ("enc", Ok(about)) => whole.push((about.modified().ok(), about.len(), checksum, path)),
            // Another process may be at work on it.
            (end, _) if end.ends_with("part") => {
                let is_idle = fs::File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
                if is_idle && fs::remove_file(&path).is_ok() {
                    let _ = fs::remove_file(path.with_extension("json"));
                    removed.push(checksum);
                }
            }
            _ => {}
        }
    }
    whole.sort();
    let mut total: u64 = whole.iter().map(|(_, size, ..)| size).sum();
    for (_, size, checksum, path) in whole {
        if total <= allowance {
            break;
        }
        if fs::remove_file(path).is_ok() {
            total -= size;
            removed.push(checksum);
        }
    }
    removed
}

pub(super) async fn blocking<T: Send + 'static>(
    checksum: Digest,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, WeightsError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| WeightsError::Abandoned(checksum))
}

#[cfg(test)]
#[path = "weights_tests.rs"]
pub(super) mod tests;
