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

/// For a content that has to be fetched again.
const PATIENCE: Duration = Duration::from_secs(60);

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

    /// The objects of the Software Heritage archive. The error is for people.
    pub(super) fn archive(&self) -> Result<Arc<Archive>, String> {
        let (dir, spec) = self.0.stack.as_ref().ok_or("there is no place for contents from the network")?;
        self.0.archive.get_or_init(|| Archive::open(dir, spec)).clone()
    }

    /// The bytes of all pieces, one after the other. Blocks, for an object of an archive as long as its download takes.
    pub fn read(&self, source: &Source) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(source.len() as usize);
        // Pieces of one composition are often of one record.
        let mut content: Option<(&Origin, Vec<u8>)> = None;
        for piece in source.pieces() {
            let origin = &piece.origin;
            let Some(record) = &origin.record else {
                bytes.extend(files::read_at(&origin.path, piece.offset, piece.len as usize)?);
                continue;
            };
            if content.as_ref().is_none_or(|(of, _)| *of != origin) {
                content = Some((origin, self.record(origin, record)?));
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
        let (id, encoding) = (id.clone(), encoding.clone());
        runtime.spawn(async move { told.send(archive.text_again(&id, &encoding).await) });
        let text = text.recv_timeout(PATIENCE).map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        let text = text.map_err(io::Error::other)?.ok_or(io::ErrorKind::InvalidData)?;
        Ok(text.into_bytes())
    }

    /// Whether any origin of the source holds a key, in this part of it or in any other. Records are looked at by themselves. Blocks.
    pub fn is_secret(&self, source: &Source) -> io::Result<bool> {
        for (at, piece) in source.pieces().iter().enumerate() {
            let origin = &piece.origin;
            if source.pieces()[..at].iter().any(|earlier| earlier.origin == *origin) {
                continue;
            }
            let found = match &origin.record {
                _ if self.allows(&origin.path) => None,
                None => self.secret_in(&origin.path)?,
                Some(record) => secrets::find(&self.record(origin, record)?),
            };
            if found.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
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
        assert!(shelf.is_secret(&Source::file(path.as_path().into(), 0, 1, true)).unwrap());
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
}
