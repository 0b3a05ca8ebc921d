//! The thread that reads the corpus, a pass at a time.

use std::{
    collections::{HashMap, HashSet},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc as blocking,
    },
    thread,
};

use tokio::sync::mpsc;

use super::{Listing, Piece, Sample, Sampling, Shelf, Skipped, Source, SourceKind, SourceSpec, WINDOW};
use crate::{model, primitives::clean};

/// Samples that wait for the device: enough to keep it busy, few enough to forget when a pass starts over.
const QUEUE: usize = 64;

/// What the reader tells.
#[derive(Debug)]
pub(in crate::engine) enum Reading {
    /// The pass begins, or more has been found: so many samples in all, duplicates included, as far as is known.
    Listed { pass: u64, samples: u64, skipped: Skipped },
    /// `position`: how many samples of the listing lie behind, this one included.
    Sample { pass: u64, position: u64, sample: Sample },
    /// What a person should know: what is not read, and why. Safe to print; never what a secret says.
    Notice(String),
    /// All that is there has been sent. More may follow when more is found.
    Finished { pass: u64, skipped: Skipped },
}

/// Handle on the reading thread; it ends when this is dropped.
pub(in crate::engine) struct Reader {
    passes: blocking::Sender<u64>,
    current: Arc<AtomicU64>,
    pub readings: mpsc::Receiver<Reading>,
}

impl Reader {
    pub fn spawn(sources: Vec<SourceSpec>, _sampling: Sampling, own: PathBuf, shelf: Shelf) -> io::Result<Self> {
        let roots: Vec<PathBuf> =
            sources.into_iter().map(|SourceSpec { kind: SourceKind::Path(path), .. }| path).collect();
        let (passes, asked) = blocking::channel::<u64>();
        let (told, readings) = mpsc::channel(QUEUE);
        let current = Arc::new(AtomicU64::new(0));
        let wanted = current.clone();
        thread::Builder::new().name("corpus".into()).spawn(move || {
            while let Ok(pass) = asked.recv() {
                if wanted.load(Ordering::Relaxed) == pass
                    && read_pass(&roots, &own, &shelf, pass, &wanted, &told).is_err()
                {
                    return;
                }
            }
        })?;
        Ok(Self { passes, current, readings })
    }

    /// Starts the corpus from its beginning, and gives up the pass that runs. Gives the number of the new pass.
    pub fn start_pass(&self) -> u64 {
        let pass = self.current.fetch_add(1, Ordering::Relaxed) + 1;
        // The thread only ends when the receiver of readings is gone, that is, with `self`.
        let _ = self.passes.send(pass);
        pass
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.current.store(u64::MAX, Ordering::Relaxed);
    }
}

/// The listener is gone.
struct Deaf;

fn read_pass(
    roots: &[PathBuf],
    own: &Path,
    shelf: &Shelf,
    pass: u64,
    wanted: &AtomicU64,
    told: &mpsc::Sender<Reading>,
) -> Result<(), Deaf> {
    let tell = |reading| told.blocking_send(reading).map_err(|_| Deaf);
    let mut listing = Listing::of(roots, own);
    let refused = std::mem::take(&mut listing.refused);
    tell(Reading::Listed { pass, samples: listing.samples, skipped: listing.skipped })?;
    for path in refused {
        tell(Reading::Notice(clean(&format!(
            "{} looks like a secret and is not read: uploads are public",
            path.display()
        ))))?;
    }
    let (mut skipped, mut seen, mut position) = (listing.skipped, HashSet::new(), 0);
    // Looked through before the first unit of a file; `None`: it cannot be.
    let mut secret: HashMap<Arc<Path>, Option<bool>> = HashMap::new();
    for unit in &listing.units {
        let (whole, step) = listing.whole(*unit);
        let (source, path) = (Source::from(whole.clone()), &whole.origin.path);
        let pieces = u64::from(whole.len).div_ceil(step as u64);
        let is_secret = match secret.get(path) {
            Some(known) => *known,
            None => {
                let found = shelf.is_secret(&source).ok();
                secret.insert(path.clone(), found);
                match found {
                    Some(true) => {
                        skipped.refused += 1;
                        tell(Reading::Notice(clean(&format!(
                            "{} holds a private key and is not read: uploads are public",
                            path.display()
                        ))))?;
                    }
                    Some(false) => {}
                    None => skipped.unreadable += 1,
                }
                found
            }
        };
        let bytes = match is_secret {
            // It was listed a moment ago: gone, shortened or locked.
            Some(false) => shelf.read(&source).unwrap_or_else(|_| {
                skipped.unreadable += 1;
                Vec::new()
            }),
            Some(true) | None => Vec::new(),
        };
        for (at, bytes) in bytes.chunks(step).enumerate() {
            if wanted.load(Ordering::Relaxed) != pass {
                return Ok(());
            }
            let checksum = model::checksum(bytes);
            if !seen.insert(checksum) {
                continue;
            }
            let piece = Piece {
                offset: whole.offset + (at * WINDOW) as u64 * u64::from(whole.is_window),
                // At most a whole small file.
                len: bytes.len() as u32,
                ..whole.clone()
            };
            let sample = Sample { checksum, source: piece.into(), bytes: bytes.into() };
            tell(Reading::Sample { pass, position: position + at as u64 + 1, sample })?;
        }
        position += pieces;
    }
    tell(Reading::Finished { pass, skipped })
}

#[cfg(test)]
mod tests {
    use super::{super::SPAN, *};

    fn spawn(root: &Path) -> io::Result<Reader> {
        Reader::spawn(vec![root.into()], Sampling::default(), "/nowhere".into(), Shelf::default())
    }

    async fn whole_pass(reader: &mut Reader) -> (Vec<Sample>, Skipped, u64) {
        let wanted = reader.start_pass();
        let (mut samples, mut listed) = (Vec::new(), 0);
        loop {
            match reader.readings.recv().await.unwrap() {
                Reading::Listed { samples, .. } => listed = samples,
                Reading::Sample { pass, position, sample } if pass == wanted => {
                    assert!(position <= listed);
                    samples.push(sample);
                }
                Reading::Finished { pass, skipped } if pass == wanted => return (samples, skipped, listed),
                _ => {}
            }
        }
    }

    #[tokio::test]
    async fn every_distinct_piece_is_read_once_and_in_the_same_order_each_pass() {
        let dir = tempfile::tempdir().unwrap();
        let text: Vec<u8> = (0..50_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        std::fs::write(dir.path().join("large"), &text).unwrap();
        std::fs::write(dir.path().join("a"), b"the same").unwrap();
        std::fs::write(dir.path().join("b"), b"the same").unwrap();
        let mut reader = spawn(dir.path()).unwrap();
        let (first, skipped, listed) = whole_pass(&mut reader).await;
        assert_eq!((first.len() as u64, listed), (50_000u64.div_ceil(1024) + 1, 50_000u64.div_ceil(1024) + 2));
        assert_eq!(skipped.total(), 0);
        for sample in &first {
            assert_eq!(model::checksum(&sample.source.read().unwrap()), sample.checksum);
        }
        let (second, ..) = whole_pass(&mut reader).await;
        assert!(first.iter().map(|s| s.checksum).eq(second.iter().map(|s| s.checksum)));
    }

    #[tokio::test]
    async fn a_new_pass_gives_up_the_one_that_runs() {
        let dir = tempfile::tempdir().unwrap();
        let text: Vec<u8> = (0..500_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        std::fs::write(dir.path().join("large"), &text).unwrap();
        let mut reader = spawn(dir.path()).unwrap();
        reader.start_pass();
        reader.readings.recv().await.unwrap();
        let (samples, ..) = whole_pass(&mut reader).await;
        assert_eq!(samples.len(), 500_000usize.div_ceil(1024));
    }

    #[tokio::test]
    async fn a_key_inside_an_innocent_file_is_refused_and_told() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("notes.txt"), b"-----BEGIN PRIVATE KEY-----\nMIIB").unwrap();
        let mut reader = spawn(dir.path()).unwrap();
        let (samples, skipped, _) = whole_pass(&mut reader).await;
        assert!(samples.is_empty());
        assert_eq!(skipped.refused, 1);
    }

    #[tokio::test]
    async fn no_part_of_a_large_file_with_a_key_is_read_wherever_its_mark_lies() {
        let mark = b"-----BEGIN PRIVATE KEY-----\n";
        // At the end of a span, across its border, and far behind the first.
        for at in [SPAN as usize - mark.len(), SPAN as usize - 10, 70_000] {
            let dir = tempfile::tempdir().unwrap();
            let mut text: Vec<u8> = (0..90_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            text[at..at + mark.len()].copy_from_slice(mark);
            std::fs::write(dir.path().join("notes.txt"), &text).unwrap();
            let mut reader = spawn(dir.path()).unwrap();
            let (samples, skipped, _) = whole_pass(&mut reader).await;
            assert_eq!((samples.len(), skipped.refused), (0, 1), "mark at {at}");
        }
    }
}
