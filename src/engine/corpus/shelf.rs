//! Reads the bytes of a sample again, and remembers which files hold keys.

use std::{
    collections::HashMap,
    fs::Metadata,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{Source, secrets};

/// Files whose verdict is kept: about 10 MiB of paths.
const VERDICTS: usize = 65_536;

/// What tells one state of a file from another: size, modification time (seconds, nanoseconds), inode, device.
type Stamp = (u64, i64, i64, u64, u64);

/// Where samples are read again; cloning shares it.
#[derive(Clone, Default)]
pub(in crate::engine) struct Shelf(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Canonical; what looks like a secret in or below them is let through.
    allowed: Vec<PathBuf>,
    verdicts: Mutex<HashMap<PathBuf, (Stamp, bool)>>,
}

impl Shelf {
    /// A path that does not exist allows nothing.
    pub fn new(allowed_secrets: &[PathBuf]) -> Self {
        let allowed = allowed_secrets.iter().filter_map(|path| path.canonicalize().ok()).collect();
        Self(Arc::new(Inner { allowed, verdicts: Mutex::default() }))
    }

    /// The bytes of all pieces, one after the other. Blocks.
    pub fn read(&self, source: &Source) -> io::Result<Vec<u8>> {
        source.read()
    }

    /// Whether any origin of the source holds a key, in this part of it or in any other. Blocks.
    pub fn is_secret(&self, source: &Source) -> io::Result<bool> {
        for (at, piece) in source.pieces().iter().enumerate() {
            let known = source.pieces()[..at].iter().any(|earlier| earlier.origin == piece.origin);
            if !known && self.file_is_secret(&piece.origin.path)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether somebody has said that this file may become public.
    pub fn allows(&self, path: &Path) -> bool {
        self.0.allowed.iter().any(|allowed| path.starts_with(allowed))
    }

    /// Looks a file through once for each state of it: hits of one large file are confirmed again and again.
    pub fn file_is_secret(&self, path: &Path) -> io::Result<bool> {
        if self.allows(path) {
            return Ok(false);
        }
        let stamp = stamp(&path.metadata()?);
        let known = self.0.verdicts.lock().unwrap_or_else(PoisonError::into_inner).get(path).copied();
        if let Some((_, verdict)) = known.filter(|(of, _)| *of == stamp) {
            return Ok(verdict);
        }
        let verdict = secrets::file_holds_a_key(path)?;
        let mut verdicts = self.0.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() >= VERDICTS {
            verdicts.clear();
        }
        verdicts.insert(path.to_owned(), (stamp, verdict));
        Ok(verdict)
    }
}

fn stamp(about: &Metadata) -> Stamp {
    (about.size(), about.mtime(), about.mtime_nsec(), about.ino(), about.dev())
}
