//! What a person says of their data: where it is, and what is made of it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::WINDOW;

/// One source of data.
#[derive(Clone, Debug)]
pub struct SourceSpec {
    pub kind: SourceKind,
    /// Its share of the samples, against the other sources' weights; above 0.
    pub weight: f64,
}

#[derive(Clone, Debug)]
pub enum SourceKind {
    /// A directory, a file or a glob.
    Path(PathBuf),
}

impl From<SourceKind> for SourceSpec {
    fn from(kind: SourceKind) -> Self {
        Self { kind, weight: 1.0 }
    }
}

impl From<PathBuf> for SourceSpec {
    fn from(path: PathBuf) -> Self {
        SourceKind::Path(path).into()
    }
}

impl From<&Path> for SourceSpec {
    fn from(path: &Path) -> Self {
        path.to_owned().into()
    }
}

/// Which samples are made of a file or a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pieces {
    /// All of it, if it is not too large.
    Whole,
    /// Consecutive windows; the last one may be short.
    Windows,
    Both,
}

/// What is made of all sources.
#[derive(Clone, Debug)]
pub struct Sampling {
    pub pieces: Pieces,
    /// Bytes of a window: a multiple of 1,024.
    pub window: usize,
    /// Files above that rule are not read, and records neither; `None`: any size.
    pub max_bytes: Option<u64>,
    /// Samples that are nearly the same as an earlier one are sent, too.
    pub keep_near_duplicates: bool,
    /// `.gitignore`, `.ignore` and hidden names count.
    pub respect_ignores: bool,
    /// What looks like a secret in or below these is read all the same.
    pub allowed_secrets: Vec<PathBuf>,
    /// How often sources are looked through for what is new.
    pub rescan: Duration,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            pieces: Pieces::Both,
            window: WINDOW,
            max_bytes: None,
            keep_near_duplicates: false,
            respect_ignores: true,
            allowed_secrets: Vec::new(),
            rescan: Duration::from_secs(60),
        }
    }
}
