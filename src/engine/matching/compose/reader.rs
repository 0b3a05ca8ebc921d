//! What was found, and whether its bytes are still there: looked at on a thread that may wait for them.

use std::{io, sync::mpsc, thread};

use crate::{
    engine::{
        corpus::{self, Source, WINDOW},
        matching::Candidate,
    },
    model,
    primitives::{Digest, ObjectId},
};

/// Reads the bytes of what was found, one composition at a time: those of an archive may take as long as a download.
pub(super) struct Reader {
    pub drafts: mpsc::Sender<Draft>,
    pub checked: mpsc::Receiver<Checked>,
    pub is_busy: bool,
}

/// A composition whose bytes have not been looked at.
pub(super) struct Draft {
    pub target: ObjectId,
    pub parts: Vec<(Source, Digest)>,
    /// Its checksum is to be found.
    pub candidate: Candidate,
}

pub(super) enum Checked {
    Whole(ObjectId, Candidate),
    /// These are not what was scored.
    Gone(ObjectId, Vec<Digest>),
    /// Nobody knows: they cannot be read now.
    Unread(ObjectId),
}

impl Reader {
    pub fn spawn(contents: corpus::Shelf) -> io::Result<Self> {
        let (drafts, drafted) = mpsc::channel::<Draft>();
        let (told, checked) = mpsc::channel();
        thread::Builder::new().name("composer".into()).spawn(move || {
            for draft in drafted {
                if told.send(draft.check(&contents)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { drafts, checked, is_busy: false })
    }
}

impl Draft {
    fn check(self, contents: &corpus::Shelf) -> Checked {
        let Self { target, parts, candidate } = self;
        let (mut bytes, mut gone, mut is_unread) = (Vec::with_capacity(parts.len() * WINDOW), Vec::new(), false);
        for (source, checksum) in parts {
            match contents.read(&source) {
                Ok(window) if model::checksum(&window) == checksum => bytes.extend(window),
                Ok(_) => gone.push(checksum),
                Err(error) if is_lost(&error) => gone.push(checksum),
                Err(error) => {
                    tracing::debug!("a window of a composition cannot be read now: {error}");
                    is_unread = true;
                    // The next download of the same archive would only be waited for as well.
                    if corpus::is_outage(&error) {
                        break;
                    }
                }
            }
        }
        match (gone.is_empty(), is_unread) {
            (true, false) => Checked::Whole(target, Candidate { checksum: model::checksum(&bytes), ..candidate }),
            (true, true) => Checked::Unread(target),
            (false, _) => Checked::Gone(target, gone),
        }
    }
}

/// The content is not what it was, or nowhere.
fn is_lost(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
    matches!(error.kind(), InvalidData | NotFound | UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::engine::corpus::{Origin, Piece, Record};

    fn draft_of(parts: Vec<(Source, Digest)>) -> Draft {
        let source = Source::composition(parts.iter().map(|(source, _)| source.clone())).unwrap();
        let candidate = Candidate {
            checksum: Digest::default(),
            source,
            model: ObjectId([2; 32]),
            distance: 0.5,
            z: 0.0,
            losses: Vec::new(),
        };
        Draft { target: ObjectId([1; 32]), parts, candidate }
    }

    #[test]
    fn a_window_is_gone_when_it_has_changed_or_vanished_and_not_when_nobody_can_ask() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, [7; 2 * WINDOW]).unwrap();
        let window = |path: &Path, at: u64| Source::file(path.into(), at, WINDOW as u32, true);
        let (same, other) = (model::checksum(&[7; WINDOW]), Digest([9; 32]));
        let contents = corpus::Shelf::default();
        let check = |parts| draft_of(parts).check(&contents);
        let whole = check(vec![(window(&path, 0), same), (window(&path, 1024), same)]);
        assert!(matches!(whole, Checked::Whole(_, found) if found.checksum == model::checksum(&[7; 2 * WINDOW])));
        for lost in [window(&path, 0), window(&path, 5000), window(&dir.path().join("none"), 0)] {
            let checked = check(vec![(window(&path, 0), same), (lost, other)]);
            assert!(matches!(checked, Checked::Gone(_, gone) if gone == [other]));
        }
        // Without a place for contents from the network there is nobody to ask.
        let record = Record::Blob { id: "00".repeat(20).into(), encoding: "UTF-8".into() };
        let origin = Origin { path: Path::new("the-stack-v2/a/b/c").into(), record: Some(record) };
        let blob = Source::from(Piece { origin, offset: 0, len: WINDOW as u32, is_window: true });
        assert!(matches!(check(vec![(window(&path, 0), same), (blob, other)]), Checked::Unread(_)));
    }
}
