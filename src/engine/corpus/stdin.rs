//! Standard input, written to disk so that it can be read again.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::engine::now_ms;

/// Bytes that are taken from one input, and that inputs of earlier runs may take together.
const LIMIT: u64 = 1 << 30;

/// An input that is being written to a file.
pub(super) struct Spooled {
    pub path: PathBuf,
    /// The end has come, or the limit.
    ended: Arc<AtomicBool>,
}

impl Spooled {
    /// Starts a thread that reads to the end. It is left behind when nobody needs it any more: a read cannot be given up.
    pub fn spawn(dir: &Path, input: impl Read + Send + 'static) -> io::Result<Self> {
        let dir = dir.join("stdin");
        fs::create_dir_all(&dir)?;
        evict(&dir, LIMIT)?;
        let (mut file, path) = tempfile::Builder::new()
            .prefix(&format!("{:013}-", now_ms()))
            .suffix(".bin")
            .tempfile_in(&dir)?
            .keep()
            .map_err(|e| e.error)?;
        let ended = Arc::new(AtomicBool::new(false));
        let end = ended.clone();
        thread::Builder::new().name("stdin".into()).spawn(move || {
            match copy(input, &mut file, LIMIT) {
                Ok(true) => {}
                Ok(false) => tracing::warn!("standard input is longer than {LIMIT} bytes; the rest is not read"),
                Err(error) => tracing::warn!("standard input: {error}"),
            }
            end.store(true, Ordering::Release);
        })?;
        Ok(Self { path, ended })
    }

    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

/// Whether all of it was below the limit.
fn copy(mut input: impl Read, file: &mut File, limit: u64) -> io::Result<bool> {
    let copied = io::copy(&mut input.by_ref().take(limit), file)?;
    file.flush()?;
    Ok(copied < limit || input.read(&mut [0])? == 0)
}

/// Deletes the oldest inputs until all of them together are below the limit.
fn evict(dir: &Path, limit: u64) -> io::Result<()> {
    let mut files: Vec<(PathBuf, u64)> = fs::read_dir(dir)?
        .filter_map(|entry| entry.ok().and_then(|entry| Some((entry.path(), entry.metadata().ok()?.len()))))
        .collect();
    // Names begin with the time.
    files.sort_unstable();
    let mut total: u64 = files.iter().map(|(_, len)| len).sum();
    for (path, len) in files {
        if total < limit {
            break;
        }
        fs::remove_file(path)?;
        total -= len;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_written_up_to_the_limit() {
        let mut file = tempfile::tempfile().unwrap();
        assert!(copy(&b"0123"[..], &mut file, 4).unwrap());
        assert!(!copy(&b"01234"[..], &mut file, 4).unwrap());
        assert_eq!(file.metadata().unwrap().len(), 8);
    }

    #[test]
    fn the_oldest_inputs_go_first() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["1-a", "2-b", "3-c"] {
            fs::write(dir.path().join(name), [0; 10]).unwrap();
        }
        evict(dir.path(), 21).unwrap();
        let left = |name: &str| dir.path().join(name).exists();
        assert_eq!(["1-a", "2-b", "3-c"].map(left), [false, true, true]);
    }
}
