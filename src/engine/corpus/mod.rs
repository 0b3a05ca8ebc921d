//! The user's data as samples: whole small contents, and windows of 1,024 bytes (or multiples) of larger ones.
//!
//! Knows the file system, checksums and, for The Stack v2 alone, HTTP; never the model or the chain. A pass goes once around all
//! sources, interleaved by their weights, each in a seeded order (so that early samples come from all over it), and begins where the
//! last one stopped. Never holds more than bounded queues, blocks and sketches; never follows links, never reads what looks like a
//! secret.

mod cursors;
mod cut;
mod duplicates;
mod files;
mod flow;
mod listing;
mod order;
mod reader;
mod records;
mod secrets;
mod shelf;
mod source;
mod sources;
mod spec;
mod stack;
mod stdin;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{model, primitives::Digest};

pub(super) use reader::{Reader, Reading};
pub(super) use shelf::{Shelf, is_outage};
pub(super) use source::{Origin, Piece, Record, Source};
pub use spec::{Format, Pieces, Sampling, SourceKind, SourceSpec, SpecError, StackSpec};

/// Bytes of a window: what a model sees at once.
pub(super) const WINDOW: usize = model::SEQUENCE_LENGTH;
/// Any: the order only has to be the same in every pass.
const ORDER_SEED: u64 = 0x636f_7270_7573;

/// Why the engine does not start with this data.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    #[error("the data in {path} cannot be read: {cause}; check the path and its permissions")]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error("{0}")]
    NoToken(String),
    #[error("HF_TOKEN has signs that no token has: copy it again")]
    Token,
    #[error("standard input can be one source only: name `-` once")]
    Stdin,
    #[error("The Stack v2 can be one source only: name its languages together, as in stack-v2:Rust,Python")]
    Stack,
}

/// A piece of data that could be submitted.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub checksum: Digest,
    pub source: Source,
    pub bytes: Arc<[u8]>,
}

/// What a pass has left out: files and records, and samples that were there before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Skipped {
    pub empty: u64,
    /// Above the limit that was set.
    pub large: u64,
    pub unreadable: u64,
    /// They look like secrets.
    pub refused: u64,
    /// Links, devices, names that are not text.
    pub special: u64,
    /// Records that are no JSON, have no content, or are no text in their encoding.
    pub broken: u64,
    /// Not in the archive.
    pub missing: u64,
    /// Samples whose bytes came before.
    pub duplicates: u64,
    /// Samples that are nearly the same as one that came before.
    pub near_duplicates: u64,
}

impl Skipped {
    /// Files and records.
    pub fn total(self) -> u64 {
        self.empty + self.large + self.unreadable + self.refused + self.special + self.broken + self.missing
    }

    fn of(&mut self, why: flow::Why) -> &mut u64 {
        match why {
            flow::Why::Empty => &mut self.empty,
            flow::Why::Large => &mut self.large,
            flow::Why::Unreadable => &mut self.unreadable,
            flow::Why::Refused => &mut self.refused,
            flow::Why::Special => &mut self.special,
            flow::Why::Broken => &mut self.broken,
            flow::Why::Missing => &mut self.missing,
        }
    }
}

/// Checks that every source can be read at all, so that a wrong path or a missing token is told before anything starts.
pub(super) fn check(sources: &[SourceSpec]) -> Result<(), CorpusError> {
    let (mut inputs, mut stacks) = (0, 0);
    for source in sources {
        match &source.kind {
            SourceKind::Path { path, .. } => {
                listing::check(path).map_err(|cause| CorpusError::Unreadable { path: path.clone(), cause })?;
            }
            SourceKind::Stdin { .. } => inputs += 1,
            SourceKind::Stack(spec) => {
                stacks += 1;
                let token = spec.token.as_ref().ok_or_else(|| CorpusError::NoToken(stack::no_token(spec)))?;
                if !stack::is_sendable(token) {
                    return Err(CorpusError::Token);
                }
            }
        }
    }
    match (inputs, stacks) {
        (0 | 1, 0 | 1) => Ok(()),
        (0 | 1, _) => Err(CorpusError::Stack),
        _ => Err(CorpusError::Stdin),
    }
}

/// Whether a file must not become public: by its name, by the folder it is in, or because it holds a key or is packed.
pub(super) fn looks_secret(path: &Path) -> io::Result<bool> {
    let real = path.canonicalize()?;
    let named = [path, &real].into_iter().any(secrets::is_secret_file);
    Ok(named || shelf::is_in_secret_folder(&real) || secrets::find_in_file(&real)?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_directory_is_an_error_that_names_it() {
        let error = check(&[Path::new("/no/such/data").into()]).unwrap_err();
        assert!(error.to_string().contains("/no/such/data"), "{error}");
    }

    #[test]
    fn the_stack_needs_a_token_and_what_is_there_once_is_named_once() {
        let stack = |token: Option<&str>| {
            SourceSpec::from(SourceKind::Stack(StackSpec { token: token.map(Into::into), ..StackSpec::default() }))
        };
        let error = check(&[stack(None)]).unwrap_err().to_string();
        assert!(error.contains("HF_TOKEN") && error.contains("huggingface.co/settings/tokens"), "{error}");
        let error = check(&[stack(Some("hf_\nhunter2"))]).unwrap_err();
        assert!(matches!(error, CorpusError::Token) && !error.to_string().contains("hunter2"));
        assert!(matches!(check(&[stack(Some("a")), stack(Some("a"))]), Err(CorpusError::Stack)));
        let input = || SourceSpec::from(SourceKind::Stdin { format: Format::Bytes });
        assert!(matches!(check(&[input(), input()]), Err(CorpusError::Stdin)));
        assert!(check(&[input(), stack(Some("a"))]).is_ok());
        assert!(!format!("{:?}", stack(Some("hunter2"))).contains("hunter2"));
    }
}
