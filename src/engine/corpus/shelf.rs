//! Reads the bytes of a sample again, and remembers which files hold keys.

use std::{
    collections::HashMap,
    fs::Metadata,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError, mpsc},
    time::Duration,
};

use tokio::runtime::Handle;

use super::{
    Origin, Record, Sampling, Source, SourceSpec, StackSpec, files, records, secrets,
    stack::{self, Archive},
};

/// Files whose verdict is kept: about 10 MiB of paths.
const VERDICTS: usize = 65_536;

/// For a content that has to be fetched again: a device may be waiting. What comes later is kept for the next try.
const PATIENCE: Duration = Duration::from_secs(15);

/// What tells one state of a file from another: size, modification time (seconds, nanoseconds), inode, device.
type Stamp = (u64, i64, i64, u64, u64);

/// Where samples are read again; cloning shares it.
#[derive(Clone, Default)]
pub(in crate::engine) struct Shelf(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Canonical; what looks like a secret in or below them is let through.
    allowed: Vec<PathBuf>,
    verdicts: Mutex<HashMap<PathBuf, (Stamp, Option<&'static str>)>>,
    /// Of the archive's objects; opened when the first one is wanted.
    archive: OnceLock<Result<Arc<Archive>, String>>,
    /// The engine's directory and the settings of The Stack v2.
    stack: Option<(PathBuf, StackSpec)>,
    runtime: Option<Handle>,
}

impl Shelf {
    /// Below `dir` contents from the network are kept. An allowed path that does not exist allows nothing.
    pub fn open(dir: &Path, sources: &[SourceSpec], sampling: &Sampling) -> Self {
        let allowed = sampling.allowed_secrets.iter().filter_map(|path| path.canonicalize().ok()).collect();
        // Samples of an earlier run may come from there, too.
        let stack = stack::spec_in(sources).cloned().unwrap_or_default();
        let runtime = Handle::try_current().ok();
        Self(Arc::new(Inner { allowed, stack: Some((dir.join("spool"), stack)), runtime, ..Inner::default() }))
    }

    /// For one file that may become public whatever it looks like; `path`: canonical.
    pub fn allowing(path: PathBuf) -> Self {
        Self(Arc::new(Inner { allowed: vec![path], ..Inner::default() }))
    }

    /// The objects of the Software Heritage archive. The error is for people.
    pub(super) fn archive(&self) -> Result<Arc<Archive>, String> {
        let (dir, spec) = self.0.stack.as_ref().ok_or("there is no place for contents from the network")?;
        self.0.archive.get_or_init(|| Archive::open(dir, spec)).clone()
    }

    /// The bytes of all pieces, one after the other. Blocks, for an object of an archive as long as its download takes.
    pub fn read(&self, source: &Source) -> io::Result<Vec<u8>> {
        self.read_with(source, |_, _| Ok(()))
    }

    /// As [`Self::read`], with the kind of a secret that an origin is by its name or holds, in this part of it or in any other.
    /// What was allowed in an earlier run does not count, and no record is fetched twice.
    pub fn read_again(&self, source: &Source) -> io::Result<(Vec<u8>, Option<&'static str>)> {
        let mut found = None;
        let bytes = self.read_with(source, |origin, content| {
            if found.is_none() {
                found = self.secret_of(origin, content)?;
            }
            Ok(())
        })?;
        Ok((bytes, found))
    }

    /// `look` sees each origin before it is cut, of records with their content.
    fn read_with(
        &self,
        source: &Source,
        mut look: impl FnMut(&Origin, Option<&[u8]>) -> io::Result<()>,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(source.len() as usize);
        // Pieces of one composition are often of one record.
        let mut content: Option<(&Origin, Vec<u8>)> = None;
        for piece in source.pieces() {
            let origin = &piece.origin;
            let Some(record) = &origin.record else {
                look(origin, None)?;
                bytes.extend(files::read_at(&origin.path, piece.offset, piece.len as usize)?);
                continue;
            };
            if content.as_ref().is_none_or(|(of, _)| *of != origin) {
                let whole = self.record(origin, record)?;
                look(origin, Some(&whole))?;
                content = Some((origin, whole));
            }
            let whole = content.as_ref().map_or(&[][..], |(_, whole)| whole);
            let part = usize::try_from(piece.offset).ok().and_then(|from| whole.get(from..)?.get(..piece.len as usize));
            bytes.extend(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        }
        Ok(bytes)
    }

    fn record(&self, origin: &Origin, record: &Record) -> io::Result<Vec<u8>> {
        let Record::Blob { id, encoding } = record else { return records::read(&origin.path, record) };
        let archive = self.archive().map_err(io::Error::other)?;
        let runtime = self.0.runtime.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let (told, text) = mpsc::channel();
        let (path, id, encoding) = (origin.path.clone(), id.clone(), encoding.clone());
        runtime.spawn(async move { told.send(archive.text_again(&path, &id, &encoding).await) });
        let text = text.recv_timeout(PATIENCE).map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        Ok(text?.ok_or(io::ErrorKind::InvalidData)?.into_bytes())
    }

    /// The rule of the listing once more, and what the content says; `content`: of a record, which is looked at by itself.
    fn secret_of(&self, origin: &Origin, content: Option<&[u8]>) -> io::Result<Option<&'static str>> {
        let path = &*origin.path;
        if self.allows(path) {
            return Ok(None);
        }
        if secrets::is_secret_file(path) {
            return Ok(Some("a secret by its name"));
        }
        // A folder of a public archive is nobody's own.
        let is_local = !matches!(origin.record, Some(Record::Blob { .. }));
        if is_local && is_in_secret_folder(path) {
            return Ok(Some("a file in a folder of secrets"));
        }
        content.map_or_else(|| self.secret_in(path), |content| Ok(secrets::find(content)))
    }

    /// Whether somebody has said that this file may become public.
    pub fn allows(&self, path: &Path) -> bool {
        self.0.allowed.iter().any(|allowed| path.starts_with(allowed))
    }

    /// The kind of a secret in a file. It is looked through once for each of its states: hits of one large file are confirmed again
    /// and again.
    pub fn secret_in(&self, path: &Path) -> io::Result<Option<&'static str>> {
        if self.allows(path) {
            return Ok(None);
        }
        let stamp = stamp(&path.metadata()?);
        let known = self.0.verdicts.lock().unwrap_or_else(PoisonError::into_inner).get(path).copied();
        if let Some((_, verdict)) = known.filter(|(of, _)| *of == stamp) {
            return Ok(verdict);
        }
        let verdict = secrets::find_in_file(path)?;
        let mut verdicts = self.0.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() >= VERDICTS {
            verdicts.clear();
        }
        verdicts.insert(path.to_owned(), (stamp, verdict));
        Ok(verdict)
    }
}

/// Whether a folder on the way to it holds secrets by convention.
pub(super) fn is_in_secret_folder(path: &Path) -> bool {
    path.ancestors().skip(1).any(secrets::is_secret_folder)
}

/// The place where a content is cannot be asked just now: it says nothing about the content.
pub(in crate::engine) fn is_outage(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, NetworkUnreachable, ResourceBusy, TimedOut};
    matches!(error.kind(), Interrupted | NetworkUnreachable | ResourceBusy | TimedOut)
}

fn stamp(about: &Metadata) -> Stamp {
    (about.size(), about.mtime(), about.mtime_nsec(), about.ino(), about.dev())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"-----BEGIN PRIVATE KEY-----";

    #[test]
    fn a_composition_reads_its_pieces_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path: Arc<Path> = dir.path().join("file").into();
        std::fs::write(&path, b"0123456789").unwrap();
        let piece = |offset, len| Source::file(path.clone(), offset, len, true);
        let both = Source::composition([piece(6, 3), piece(1, 2)]).unwrap();
        assert_eq!(Shelf::default().read(&both).unwrap(), b"67812");
        assert!(Shelf::default().read(&piece(6, 5)).is_err(), "beyond its end");
    }

    #[test]
    fn a_file_is_looked_through_again_when_it_has_changed_and_only_then() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, b"nothing of the kind").unwrap();
        let shelf = Shelf::default();
        assert_eq!(shelf.secret_in(&path).unwrap(), None);
        // Of the same state: the verdict is the remembered one, however wrong.
        let marked = Some("a mark of this test");
        shelf.0.verdicts.lock().unwrap().get_mut(&path).unwrap().1 = marked;
        assert_eq!(shelf.secret_in(&path).unwrap(), marked);
        std::fs::write(&path, KEY).unwrap();
        assert_eq!(shelf.secret_in(&path).unwrap(), Some("a private key"));
        assert_eq!(
            shelf.read_again(&Source::file(path.as_path().into(), 0, 1, true)).unwrap().1,
            Some("a private key")
        );
    }

    #[test]
    fn only_what_is_allowed_by_its_path_is_let_through() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("fixtures")).unwrap();
        let paths = ["fixtures/a", "b"].map(|name| dir.path().canonicalize().unwrap().join(name));
        paths.iter().for_each(|path| std::fs::write(path, KEY).unwrap());
        let allowed_secrets = vec![dir.path().join("fixtures"), dir.path().join("not there")];
        let shelf = Shelf::open(dir.path(), &[], &Sampling { allowed_secrets, ..Sampling::default() });
        assert_eq!(paths.map(|path| shelf.secret_in(&path).unwrap().is_some()), [false, true]);
    }

    #[test]
    fn what_an_earlier_run_was_allowed_is_not_confirmed_without_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let write = |name: &str, text: &[u8]| {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        };
        let record = Record::Line { number: 1, at: 0, field: "text".into() };
        let line = b"{\"text\": \"nothing of the kind\"}\n";
        let origin = |path: PathBuf, record: Option<Record>| Origin { path: path.into(), record };
        let origins = [
            origin(write("fixtures/.env", b"DEBUG=1 and more"), None),
            origin(write("fixtures/.kube/config", b"clusters: []"), None),
            origin(write("fixtures/.aws/a.jsonl", line), Some(record.clone())),
            origin(write("plain/a.jsonl", line), Some(record)),
        ];
        let verdicts = |allowed_secrets| {
            let shelf = Shelf::open(dir.path(), &[], &Sampling { allowed_secrets, ..Sampling::default() });
            let found = |origin: &Origin| {
                let piece = super::super::Piece { origin: origin.clone(), offset: 0, len: 4, is_window: true };
                let (bytes, found) = shelf.read_again(&piece.into()).unwrap();
                assert_eq!(bytes.len(), 4);
                found.is_some()
            };
            origins.each_ref().map(found)
        };
        assert_eq!(verdicts(vec![root.join("fixtures")]), [false; 4]);
        assert_eq!(verdicts(vec![]), [true, true, true, false]);
    }
}
