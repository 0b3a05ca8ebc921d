//! What has arrived of a blob, beside its final place: a file without gaps, and a record that says of what it is.
//!
//! The record names the hash of what is there, so that a part that a crash tore, or that somebody wrote into, is noticed when it
//! is resumed and not after gigabytes. The file is locked while it is written to: another process waits for it.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use reqwest::header::{ETAG, HeaderMap, HeaderName, LAST_MODIFIED};
use serde::{Deserialize, Serialize};

use super::Blob;
use crate::{
    primitives::{Digest, Hasher, hash},
    storage::StorageError,
};

/// What tells one state of a file at a URL from the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Validator {
    etag: Option<String>,
    last_modified: Option<String>,
}

/// Longer ones are a server's joke.
const LONGEST_VALIDATOR: usize = 512;

impl Validator {
    pub fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| {
            let text = headers.get(name)?.to_str().ok()?;
            (text.len() <= LONGEST_VALIDATOR).then(|| text.to_owned())
        };
        Self { etag: text(ETAG), last_modified: text(LAST_MODIFIED) }
    }

    /// A weak ETag does not promise equal bytes, so it is no condition.
    pub fn if_range(&self) -> Option<&str> {
        self.etag.as_deref().filter(|etag| !etag.starts_with("W/")).or(self.last_modified.as_deref())
    }
}

/// Beside the part, as JSON.
#[derive(Serialize, Deserialize)]
struct Record {
    url: String,
    size: u64,
    validator: Validator,
    /// Bytes of the part that count, and their hash.
    length: u64,
    hash: Digest,
}

pub(super) enum Opened {
    /// The final file is there.
    Finished,
    Part(Box<Part>),
}

/// A locked part. Each step takes it away to a thread that may block and gives it back; when it fails the part stays on disk as
/// it was last recorded.
pub(super) struct Part {
    file: File,
    paths: Paths,
    url: String,
    size: u64,
    hasher: Hasher,
    length: u64,
    validator: Validator,
}

#[derive(Clone)]
struct Paths {
    whole: PathBuf,
    part: PathBuf,
    record: PathBuf,
}

impl Paths {
    /// Two URLs may promise the same bytes, and one of them may lie: each has a part of its own.
    fn new(whole: &Path, url: &str) -> Self {
        let stem = whole.file_stem().unwrap_or_default().to_string_lossy();
        let source = hex::encode(&hash(url.as_bytes()).0[..4]);
        Self {
            whole: whole.to_owned(),
            part: whole.with_file_name(format!("{stem}.{source}.part")),
            record: whole.with_file_name(format!("{stem}.{source}.json")),
        }
    }
}

/// How often a part that another process writes is looked at.
const BUSY: Duration = Duration::from_millis(200);
const READ_BLOCK: usize = 1 << 20;

impl Part {
    /// Opens the part of a blob, with what an earlier attempt left of it.
    pub async fn open(blob: &Blob, whole: &Path, reserve: u64) -> Result<Opened, StorageError> {
        let paths = Paths::new(whole, &blob.url);
        loop {
            let (paths, blob) = (paths.clone(), blob.clone());
            if let Some(opened) = blocking(move || Self::try_open(paths, &blob, reserve)).await? {
                return Ok(opened);
            }
            tokio::time::sleep(BUSY).await;
        }
    }

    /// `None`: somebody else is writing it.
    fn try_open(paths: Paths, blob: &Blob, reserve: u64) -> Result<Option<Opened>, StorageError> {
        if paths.whole.exists() {
            return Ok(Some(Opened::Finished));
        }
        let failed = |cause: io::Error| disk(&paths.part, &cause);
        if let Some(dir) = paths.part.parent() {
            fs::create_dir_all(dir).map_err(failed)?;
        }
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(&paths.part).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            // A file system without locks: two processes would write the same bytes to the same places.
            Err(TryLockError::Error(cause)) if cause.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        // Between opening and locking, its last owner may have given it its final name.
        if paths.whole.exists() || !paths.part.exists() {
            return Ok(None);
        }
        let kept = kept(&paths, &mut file, blob);
        let (hasher, length, validator) = kept.unwrap_or_default();
        if let Some(free) = free_space(&paths.part) {
            let needed = blob.size.saturating_sub(length);
            if needed.saturating_add(reserve) > free {
                if length == 0 {
                    let _ = fs::remove_file(&paths.part);
                }
                return Err(StorageError::NoRoom { path: paths.whole, needed, free, reserve });
            }
        }
        file.seek(SeekFrom::Start(length)).map_err(failed)?;
        let (url, size) = (blob.url.clone(), blob.size);
        Ok(Some(Opened::Part(Box::new(Self { file, paths, url, size, hasher, length, validator }))))
    }

    /// Bytes that are there, from the first on.
    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn validator(&self) -> &Validator {
        &self.validator
    }

    /// From now on a part of this file.
    pub fn of(self, validator: Validator) -> Self {
        Self { validator, ..self }
    }

    pub async fn append(mut self, bytes: Bytes) -> Result<Self, StorageError> {
        blocking(move || {
            let written = self.file.write_all(&bytes);
            written.map_err(|cause| self.unwritable(&cause))?;
            self.hasher.update(&bytes);
            self.length += bytes.len() as u64;
            self.note()?;
            Ok(self)
        })
        .await
    }

    /// Forgets what is there.
    pub async fn restart(mut self) -> Result<Self, StorageError> {
        blocking(move || {
            let _ = fs::remove_file(&self.paths.record);
            let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
            emptied.map_err(|cause| disk(&self.paths.part, &cause))?;
            (self.hasher, self.length, self.validator) = Default::default();
            Ok(self)
        })
        .await
    }

    /// Gives a complete part its final name, or discards it if it is not what was promised.
    pub async fn finish(self, blob: &Blob) -> Result<(), StorageError> {
        let expected = blob.checksum;
        blocking(move || {
            let found = self.hasher.clone().finish();
            if found != expected {
                let _ = fs::remove_file(&self.paths.part);
                let _ = fs::remove_file(&self.paths.record);
                return Err(StorageError::Checksum { url: self.url, expected, found });
            }
            // An earlier attempt may have written more than its record says.
            let named = self.file.set_len(self.length).and_then(|()| fs::rename(&self.paths.part, &self.paths.whole));
            named.map_err(|cause| disk(&self.paths.whole, &cause))?;
            let _ = fs::remove_file(&self.paths.record);
            Ok(())
        })
        .await
    }

    /// Writes down what is there, whole or not at all.
    fn note(&self) -> Result<(), StorageError> {
        let record = Record {
            url: self.url.clone(),
            size: self.size,
            validator: self.validator.clone(),
            length: self.length,
            hash: self.hasher.clone().finish(),
        };
        let fresh = self.paths.record.with_extension("json.new");
        let noted = serde_json::to_vec(&record)
            .map_err(io::Error::other)
            .and_then(|text| fs::write(&fresh, text))
            .and_then(|()| fs::rename(&fresh, &self.paths.record));
        noted.map_err(|cause| self.unwritable(&cause))
    }

    /// A disk that is full gets back what the part took: nothing else could be written, and the journal may be on it too.
    fn unwritable(&self, cause: &io::Error) -> StorageError {
        if matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            let _ = fs::remove_file(&self.paths.record);
            let _ = fs::remove_file(&self.paths.part);
        }
        disk(&self.paths.part, cause)
    }
}

/// What is there of this very blob, and undamaged; reads it once.
fn kept(paths: &Paths, file: &mut File, blob: &Blob) -> Option<(Hasher, u64, Validator)> {
    let record: Record = serde_json::from_slice(&fs::read(&paths.record).ok()?).ok()?;
    if record.url != blob.url || record.size != blob.size || record.length > blob.size {
        return None;
    }
    let mut hasher = Hasher::default();
    let mut block = vec![0; READ_BLOCK];
    let mut left = record.length;
    while left > 0 {
        let next = left.min(READ_BLOCK as u64) as usize;
        file.read_exact(&mut block[..next]).ok()?;
        hasher.update(&block[..next]);
        left -= next as u64;
    }
    (hasher.clone().finish() == record.hash).then_some((hasher, record.length, record.validator))
}

fn disk(path: &Path, cause: &io::Error) -> StorageError {
    let cause = match cause.kind() {
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        io::ErrorKind::QuotaExceeded => "the quota is used up".to_owned(),
        _ => cause.to_string(),
    };
    StorageError::Disk { path: path.to_owned(), cause }
}

/// Bytes that an ordinary user may still write on the disk of this file.
#[cfg(unix)]
fn free_space(path: &Path) -> Option<u64> {
    let about = rustix::fs::statvfs(path).ok()?;
    Some(about.f_bavail.saturating_mul(about.f_frsize))
}

#[cfg(not(unix))]
fn free_space(_path: &Path) -> Option<u64> {
    None
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    let stopped = |cause: tokio::task::JoinError| StorageError::Client(cause.to_string());
    tokio::task::spawn_blocking(work).await.map_err(stopped)?
}
