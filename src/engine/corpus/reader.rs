//! The thread that reads the corpus, a pass at a time.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc as blocking,
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::mpsc};

use super::{
    Sample, Sampling, Shelf, Skipped, Source, SourceSpec,
    cursors::Cursors,
    duplicates::{Near, Seen},
    flow::{Next, Report},
    sources::{Part, Sources},
};
use crate::model;

/// Samples that wait for the device: enough to keep it busy, few enough to forget when a pass starts over.
const QUEUE: usize = 64;
/// Between two looks at sources that wait for the network.
const PAUSE: Duration = Duration::from_millis(20);
/// Looking through the sources takes at most so small a part of the time.
const RESCAN_SHARE: u32 = 20;
/// How often a new estimate of the samples to come is told.
const ESTIMATE: Duration = Duration::from_secs(2);

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
    /// `own`: the engine's directory, which is no data and keeps cursors and standard input.
    pub fn spawn(specs: Vec<SourceSpec>, sampling: Sampling, own: PathBuf, shelf: Shelf) -> io::Result<Self> {
        let (passes, asked) = blocking::channel::<u64>();
        let (told, readings) = mpsc::channel(QUEUE);
        let current = Arc::new(AtomicU64::new(0));
        let cursors = Cursors::open(&own);
        let rescan = sampling.rescan;
        let near = (!sampling.keep_near_duplicates).then(Near::new);
        let sources = Sources::open(specs, sampling, own, shelf, Handle::try_current().ok())?;
        let (wanted, report) = (current.clone(), Report::default());
        let mut thread = Thread { sources, cursors, near, report, wanted, told, rescan };
        thread::Builder::new().name("corpus".into()).spawn(move || thread.run(&asked))?;
        Ok(Self { passes, current, readings })
    }

    /// Starts a round of the corpus where the last one stopped, and gives up the pass that runs. Gives the number of the new pass.
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

struct Thread {
    sources: Sources,
    cursors: Cursors,
    near: Option<Near>,
    report: Report,
    wanted: Arc<AtomicU64>,
    told: mpsc::Sender<Reading>,
    rescan: Duration,
}

/// One pass.
struct Pass {
    number: u64,
    parts: Vec<Part>,
    seen: Seen,
    /// Samples behind, left out ones included, and those that were sent.
    position: u64,
    sent: u64,
    /// What was told last, and when.
    estimate: u64,
    estimated: Instant,
    /// When the sources are looked through again.
    rescan: Instant,
}

impl Thread {
    fn run(&mut self, asked: &blocking::Receiver<u64>) {
        let Ok(mut number) = asked.recv() else { return };
        'passes: loop {
            if self.wanted.load(Ordering::Relaxed) == number {
                let mut pass = self.begin(number);
                while let Ok(()) = self.go_on(&mut pass) {
                    self.cursors.write();
                    // Until there is something new: another pass, or another file.
                    loop {
                        match asked.recv_timeout(pass.rescan.saturating_duration_since(Instant::now())) {
                            Ok(next) => {
                                number = next;
                                continue 'passes;
                            }
                            Err(blocking::RecvTimeoutError::Disconnected) => return,
                            Err(blocking::RecvTimeoutError::Timeout) => {}
                        }
                        if self.look_again(&mut pass) {
                            break;
                        }
                    }
                }
            }
            self.cursors.write();
            match asked.recv() {
                Ok(next) => number = next,
                Err(_) => return,
            }
        }
    }

    fn tell(&self, reading: Reading) -> Result<(), Deaf> {
        self.told.blocking_send(reading).map_err(|_| Deaf)
    }

    fn tell_notices(&mut self) -> Result<(), Deaf> {
        for text in std::mem::take(&mut self.report.notices) {
            self.tell(Reading::Notice(text))?;
        }
        Ok(())
    }

    fn begin(&mut self, number: u64) -> Pass {
        self.report.restart();
        self.cursors.restart();
        let now = Instant::now();
        let parts = self.sources.parts(&self.cursors, &mut self.report);
        let rescan = Instant::now() + self.rescan.max(now.elapsed() * RESCAN_SHARE);
        Pass { number, parts, seen: Seen::new(), position: 0, sent: 0, estimate: 0, estimated: now, rescan }
    }

    /// Takes up what is new in the sources; whether there is anything.
    fn look_again(&mut self, pass: &mut Pass) -> bool {
        let now = Instant::now();
        let more = self.sources.new_parts(&mut self.report);
        pass.rescan = Instant::now() + self.rescan.max(now.elapsed() * RESCAN_SHARE);
        let is_more = !more.is_empty();
        let turn = pass.parts.iter().map(|part| part.turn).fold(0.0, f64::max);
        pass.parts.extend(more.into_iter().map(|part| Part { turn, ..part }));
        is_more
    }

    fn tell_estimate(&mut self, pass: &mut Pass) -> Result<(), Deaf> {
        let left: u64 = pass.parts.iter().map(|part| part.stream.remaining()).sum();
        // A source that waits for the network has not told what it has.
        let waits = pass.parts.iter().any(|part| !part.is_over);
        let samples = (pass.position + left).max(u64::from(waits));
        (pass.estimate, pass.estimated) = (samples, Instant::now());
        self.tell(Reading::Listed { pass: pass.number, samples, skipped: self.report.skipped })
    }

    /// Reads until everything has been sent. The error: the pass is given up.
    fn go_on(&mut self, pass: &mut Pass) -> Result<(), Deaf> {
        self.tell_estimate(pass)?;
        self.tell_notices()?;
        loop {
            if self.wanted.load(Ordering::Relaxed) != pass.number {
                return Err(Deaf);
            }
            if Instant::now() >= pass.rescan && self.look_again(pass) {
                self.tell_estimate(pass)?;
            }
            let mut order: Vec<usize> = (0..pass.parts.len()).filter(|at| !pass.parts[*at].is_over).collect();
            if order.is_empty() {
                self.tell_notices()?;
                return self.tell(Reading::Finished { pass: pass.number, skipped: self.report.skipped });
            }
            order.sort_by(|a, b| pass.parts[*a].turn.total_cmp(&pass.parts[*b].turn));
            // The next in turn that does not wait.
            let mut moved = false;
            for at in order {
                match pass.parts[at].stream.next(&mut self.report) {
                    Next::Pending => continue,
                    Next::End => {
                        pass.parts[at].is_over = true;
                        if let Some(key) = &pass.parts[at].key {
                            self.cursors.forget(key);
                        }
                    }
                    Next::Chunk(chunk) => self.send(pass, at, chunk)?,
                }
                moved = true;
                break;
            }
            self.tell_notices()?;
            if !moved {
                thread::sleep(PAUSE);
            }
        }
    }

    fn send(&mut self, pass: &mut Pass, at: usize, chunk: super::flow::Chunk) -> Result<(), Deaf> {
        let before = pass.position;
        pass.position += chunk.counted;
        // What waits long (a download) must not be owed everything afterwards.
        let newest = pass.parts.iter().filter(|part| !part.is_over).map(|part| part.turn).fold(0.0, f64::max);
        let part = &mut pass.parts[at];
        part.turn = part.turn.max(newest - 64.0 / part.weight) + chunk.counted as f64 / part.weight;
        if pass.position > pass.estimate || pass.estimated.elapsed() >= ESTIMATE {
            self.tell_estimate(pass)?;
        }
        for (number, (piece, bytes)) in (1..).zip(chunk.samples) {
            let checksum = model::checksum(&bytes);
            if !pass.seen.insert(&checksum) {
                self.report.skipped.duplicates += 1;
                continue;
            }
            let kind = if piece.is_window { u64::from(piece.len) } else { 0 };
            if self.near.as_mut().is_some_and(|near| near.is_duplicate(&checksum, kind, &bytes)) {
                self.report.skipped.near_duplicates += 1;
                continue;
            }
            if self.wanted.load(Ordering::Relaxed) != pass.number {
                return Err(Deaf);
            }
            let sample = Sample { checksum, source: Source::from(piece), bytes: bytes.into() };
            let position = (before + number).min(pass.position);
            self.tell(Reading::Sample { pass: pass.number, position, sample })?;
            pass.sent += 1;
        }
        let part = &pass.parts[at];
        if let Some(key) = &part.key {
            self.cursors.note(key, part.stream.fingerprint(), part.stream.cursor(), pass.sent);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
