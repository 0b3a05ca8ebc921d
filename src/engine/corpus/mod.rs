//! The user's bytes as samples: whole small files, and 1,024-byte windows of larger ones.
//!
//! Knows the file system and checksums; never the network or the model. A pass lists everything, then streams it in a
//! seeded order (so that early samples come from all over the corpus) through a bounded queue. Never holds more than the
//! queue and one span of a file; never follows links, never reads what looks like a secret.

mod reader;
mod secrets;
mod shelf;
mod source;
mod spec;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::{model, primitives::Digest};

pub(super) use reader::{Reader, Reading};
pub(super) use shelf::Shelf;
pub(super) use source::{Origin, Piece, Source};
pub use spec::{Pieces, Sampling, SourceKind, SourceSpec};

/// Bytes of a window: what a model sees at once.
pub(super) const WINDOW: usize = model::SEQUENCE_LENGTH;
/// Larger files are offered as windows only: a bond grows with every byte.
const WHOLE_FILE_LIMIT: u64 = 4 * WINDOW as u64;
/// Windows are read sixteen at a time.
const SPAN: u64 = 16 * WINDOW as u64;
/// Any: the order only has to be the same in every pass.
const ORDER_SEED: u64 = 0x636f_7270_7573;

#[derive(Debug, thiserror::Error)]
#[error("the data in {path} cannot be read: {cause}; check the path and its permissions")]
pub struct CorpusError {
    pub path: PathBuf,
    pub cause: io::Error,
}

/// A piece of data that could be submitted.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub checksum: Digest,
    pub source: Source,
    pub bytes: Arc<[u8]>,
}

/// Files that were passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Skipped {
    pub empty: u64,
    pub unreadable: u64,
    /// They look like secrets.
    pub refused: u64,
    /// Links, devices, names that are not text.
    pub special: u64,
}

impl Skipped {
    pub fn total(self) -> u64 {
        self.empty + self.unreadable + self.refused + self.special
    }
}

/// One read of the pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Whole {
        file: usize,
    },
    /// Windows from this offset on, up to [`SPAN`] bytes.
    Span {
        file: usize,
        offset: u64,
    },
}

/// What a pass will read.
#[derive(Debug, Default)]
struct Listing {
    files: Vec<(Arc<Path>, u64)>,
    units: Vec<Unit>,
    /// Samples that the units will give, duplicates included.
    samples: u64,
    skipped: Skipped,
    refused: Vec<PathBuf>,
}

/// Checks that every root can be read at all, so that a wrong path is told before anything starts.
pub(super) fn check(sources: &[SourceSpec]) -> Result<(), CorpusError> {
    for SourceSpec { kind: SourceKind::Path(path), .. } in sources {
        let opened = std::fs::metadata(path).and_then(|about| {
            if about.is_dir() { std::fs::read_dir(path).map(drop) } else { File::open(path).map(drop) }
        });
        opened.map_err(|cause| CorpusError { path: path.clone(), cause })?;
    }
    Ok(())
}

/// Whether a file must not become public: by its name, by the folder it is in, or because it holds a key.
pub(super) fn looks_secret(path: &Path) -> io::Result<bool> {
    let real = path.canonicalize()?;
    let named = [path, &real].into_iter().any(secrets::is_secret_file);
    Ok(named || real.ancestors().skip(1).any(secrets::is_secret_folder) || secrets::file_holds_a_key(&real)?)
}

impl Listing {
    /// Walks the roots. What cannot be read below them is counted, not an error. `own` (the engine's state) is left out.
    fn of(roots: &[PathBuf], own: &Path) -> Self {
        let own = own.canonicalize().ok();
        let mut listing = Self::default();
        let mut pending: Vec<PathBuf> = Vec::new();
        for root in roots {
            // A root that is itself a link is meant; links below are not followed.
            match root.canonicalize() {
                Ok(path) => pending.push(path),
                Err(_) => listing.skipped.unreadable += 1,
            }
        }
        pending.reverse();
        while let Some(path) = pending.pop() {
            let Ok(about) = path.symlink_metadata() else {
                listing.skipped.unreadable += 1;
                continue;
            };
            if about.is_dir() {
                if Some(&path) == own.as_ref() {
                    continue;
                }
                if secrets::is_secret_folder(&path) {
                    listing.refuse(path);
                    continue;
                }
                match std::fs::read_dir(&path) {
                    Ok(entries) => {
                        let mut children: Vec<_> = entries.filter_map(|entry| entry.ok().map(|e| e.path())).collect();
                        children.sort_unstable_by(|a, b| b.cmp(a));
                        pending.append(&mut children);
                    }
                    Err(_) => listing.skipped.unreadable += 1,
                }
            } else if about.is_file() && path.to_str().is_some() {
                listing.add(path, about.len());
            } else {
                listing.skipped.special += 1;
            }
        }
        listing.units.shuffle(&mut StdRng::seed_from_u64(ORDER_SEED));
        listing
    }

    fn refuse(&mut self, path: PathBuf) {
        self.skipped.refused += 1;
        self.refused.push(path);
    }

    fn add(&mut self, path: PathBuf, len: u64) {
        if len == 0 {
            self.skipped.empty += 1;
            return;
        }
        if secrets::is_secret_file(&path) {
            return self.refuse(path);
        }
        let file = self.files.len();
        self.files.push((path.into(), len));
        if len <= WHOLE_FILE_LIMIT {
            self.units.push(Unit::Whole { file });
            self.samples += 1;
        }
        if len > WINDOW as u64 {
            self.units.extend((0..len).step_by(SPAN as usize).map(|offset| Unit::Span { file, offset }));
            self.samples += len.div_ceil(WINDOW as u64);
        }
    }

    /// The piece that is all of a unit, and the bytes of each sample in it.
    fn whole(&self, unit: Unit) -> (Piece, usize) {
        let piece = |path: &Arc<Path>, offset, len, is_window| Piece {
            origin: Origin { path: path.clone() },
            offset,
            len,
            is_window,
        };
        match unit {
            Unit::Whole { file } => {
                let (path, len) = &self.files[file];
                // At most WHOLE_FILE_LIMIT.
                let len = *len as u32;
                (piece(path, 0, len, false), len as usize)
            }
            Unit::Span { file, offset } => {
                let (path, len) = &self.files[file];
                let len = (len - offset).min(SPAN) as u32;
                (piece(path, offset, len, true), WINDOW)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, bytes: &[u8]) {
        std::fs::write(dir.join(name), bytes).unwrap();
    }

    #[test]
    fn small_files_come_whole_and_large_ones_as_windows_too() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "small", &[1; 1024]);
        write(dir.path(), "medium", &[2; 1025]);
        write(dir.path(), "large", &[3; 40_000]);
        let listing = Listing::of(&[dir.path().into()], Path::new("/nowhere"));
        // small: 1; medium: whole + 2 windows; large: 40 windows in 3 spans.
        assert_eq!(listing.samples, 1 + 3 + 40);
        assert_eq!(listing.units.len(), 1 + 2 + 3);
    }

    #[test]
    fn empty_and_secret_files_and_links_are_counted_and_left_out() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "empty", b"");
        write(dir.path(), ".env", b"KEY=1");
        write(dir.path(), "good", b"data");
        std::fs::create_dir(dir.path().join(".ssh")).unwrap();
        write(&dir.path().join(".ssh"), "config", b"Host *");
        #[cfg(unix)]
        std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
        let listing = Listing::of(&[dir.path().into()], Path::new("/nowhere"));
        assert_eq!(listing.samples, 1);
        assert_eq!((listing.skipped.empty, listing.skipped.refused), (1, 2));
        #[cfg(unix)]
        assert_eq!(listing.skipped.special, 1);
    }

    #[test]
    fn the_engines_own_state_is_not_data() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("state")).unwrap();
        write(&dir.path().join("state"), "journal.sqlite", &[9; 10]);
        write(dir.path(), "good", b"data");
        assert_eq!(Listing::of(&[dir.path().into()], &dir.path().join("state")).samples, 1);
    }

    #[test]
    fn a_missing_directory_is_an_error_that_names_it() {
        let error = check(&[Path::new("/no/such/data").into()]).unwrap_err();
        assert!(error.to_string().contains("/no/such/data"), "{error}");
    }

    #[test]
    fn a_source_reads_its_own_window_again() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..3000u32).map(|i| (i % 251) as u8).collect();
        write(dir.path(), "file", &bytes);
        let source = Source::file(dir.path().join("file").into(), 1024, 1024, true);
        assert_eq!(source.read().unwrap(), bytes[1024..2048]);
        assert_eq!(source.label(), "file@1024");
    }
}
