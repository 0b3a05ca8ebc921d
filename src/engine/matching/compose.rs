//! Compositions for targets that no single sample reaches: which windows of the library, put together, would.
//!
//! The search is linear algebra over the library's rows (`somascope_matching::compose`), one target at a time between other work.
//! What it finds is looked at once more: the embeddings with all their bits, and then, on a thread that may wait for them, the bytes as they
//! are now. A window whose bytes have vanished or changed takes part in nothing more.

use std::{
    collections::{HashMap, HashSet},
    fmt, io,
    str::FromStr,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use somascope_matching::compose::{Groups, LONGEST, Pool, Reach, Scores, Wanted, approach};

use super::{Board, Candidate, Library, TargetSpec, board::z, library::Sample, shelf::Shelf, standing::is_hit};
use crate::{
    engine::{
        corpus::{self, Source, WINDOW},
        pins::Pins,
    },
    model,
    primitives::{Digest, ObjectId},
};

/// Share of its time that the matcher spends on compositions while samples are still being scored on the same processor.
const REST: u32 = 4;
/// A target is asked for again when the windows have become more by this share.
const GROWTH: usize = 20;
/// Sets of models whose windows are kept sorted out.
const POOLS: usize = 8;
/// Search precision may move a mean loss by this share of it: closer calls are not made.
const LOSS_BAND: f32 = 1e-4;
/// Search precision may move the embedding of a mean by so much of a cosine distance; nearer ones to the threshold are not tried. Measured: 1.5e-5
/// at most.
const SAFE_MARGIN: f32 = 1e-4;

/// Where the windows of a composition may come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compose {
    /// Single samples only.
    Off,
    /// Windows of one file or record, so that what is submitted stays coherent.
    #[default]
    SameSource,
    /// Windows of anything that was scored.
    Any,
}

impl Compose {
    const NAMES: [(Self, &'static str); 3] =
        [(Self::Off, "off"), (Self::SameSource, "same-source"), (Self::Any, "any")];
}

impl fmt::Display for Compose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(compose, _)| compose == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for Compose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::NAMES.iter().find(|(_, name)| *name == text);
        known.map(|(compose, _)| *compose).ok_or_else(|| "not one of off, same-source and any".to_owned())
    }
}

/// Whether a composition for a target was looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::engine) enum Sought {
    /// Compositions are off, or cannot be read.
    Off,
    /// A single sample does.
    Needless,
    /// Its turn has not come; each of its models has scored so many samples at least.
    Waiting(usize),
    /// What is within the target is a candidate.
    Done(Outcome),
}

/// What became of a search.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::engine) struct Outcome {
    /// Samples that each of the models had scored at least.
    pub among: usize,
    /// Of the nearest composition that was come by: its windows and its distance.
    pub nearest: Option<(usize, f32)>,
}

/// Asks for compositions, bounded in time.
pub(super) struct Composer {
    compose: Compose,
    min_margin: f32,
    /// How it was when a target was last asked for.
    asked: HashMap<ObjectId, Outcome>,
    /// In the order of their opening, the newest last.
    targets: Vec<ObjectId>,
    pools: Vec<Windows>,
    /// Windows whose bytes are not what was scored.
    gone: HashSet<Digest>,
    /// Targets that are to be asked for again, and when.
    unread: Vec<(Instant, ObjectId)>,
    rest_until: Instant,
    /// `None`: nothing is put together.
    reader: Option<Reader>,
    trouble: Option<String>,
    pins: Pins,
}

/// Reads the bytes of what was found, one composition at a time: those of an archive may take as long as a download.
struct Reader {
    drafts: mpsc::Sender<Draft>,
    checked: mpsc::Receiver<Checked>,
    is_busy: bool,
}

/// A composition whose bytes have not been looked at.
struct Draft {
    target: ObjectId,
    parts: Vec<(Source, Digest)>,
    /// Its checksum is to be found.
    candidate: Candidate,
}

/// What came of a search.
#[derive(Default)]
struct Search {
    /// As [`Outcome::nearest`].
    nearest: Option<(usize, f32)>,
    /// That one, if it is within the target.
    draft: Option<Draft>,
}

enum Checked {
    Whole(ObjectId, Candidate),
    /// These are not what was scored.
    Gone(ObjectId, Vec<Digest>),
    /// Nobody knows: they cannot be read now.
    Unread(ObjectId),
}

/// Before a target is asked for again whose windows could not be read for a reason that may pass.
const OUTAGE: Duration = Duration::from_secs(30);
/// While bytes are being read.
const POLL: Duration = Duration::from_millis(50);

impl Reader {
    fn spawn(contents: corpus::Shelf) -> io::Result<Self> {
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

/// The windows that some models have all scored.
struct Windows {
    weights: Vec<Digest>,
    /// Samples under the first of the weights when this was made.
    scored: usize,
    /// [window]: number and checksum of the sample.
    samples: Vec<(u32, Digest)>,
    contents: Vec<u64>,
    groups: Groups,
    /// By model.
    slots: Vec<Vec<u32>>,
    norms: Vec<Vec<f32>>,
    losses: Vec<Vec<f32>>,
}

impl Composer {
    /// `contents`: where samples are read again.
    pub fn new(compose: Compose, min_margin: f32, contents: corpus::Shelf) -> io::Result<Self> {
        let reader = (compose != Compose::Off).then(|| Reader::spawn(contents)).transpose()?;
        Ok(Self {
            compose,
            min_margin: min_margin.max(0.0),
            asked: HashMap::new(),
            targets: Vec::new(),
            pools: Vec::new(),
            gone: HashSet::new(),
            unread: Vec::new(),
            rest_until: Instant::now(),
            reader,
            trouble: None,
            pins: Pins::default(),
        })
    }

    pub fn set_min_margin(&mut self, min_margin: f32) {
        self.min_margin = min_margin.max(0.0);
    }

    /// What has become of the search for one target.
    pub fn sought(&self, spec: &TargetSpec, board: &Board, library: Option<&Library>) -> Sought {
        let Some(library) = library.filter(|_| self.reader.is_some()) else { return Sought::Off };
        match (board.uncovered(&spec.id), self.asked.get(&spec.id)) {
            (None, _) => Sought::Needless,
            (_, None) => Sought::Waiting(scored(spec, library).unwrap_or(0)),
            (_, Some(outcome)) => Sought::Done(*outcome),
        }
    }

    /// New targets, or such whose models have changed.
    pub fn opened(&mut self, targets: &[ObjectId]) {
        if self.compose != Compose::Off {
            self.closed(targets);
            self.targets.extend(targets);
        }
    }

    pub fn closed(&mut self, targets: &[ObjectId]) {
        // A thousand may go at once, of ten thousand.
        let gone: HashSet<&ObjectId> = targets.iter().collect();
        self.targets.retain(|held| !gone.contains(held));
        self.unread.retain(|(_, held)| !gone.contains(held));
        for id in targets {
            self.asked.remove(id);
        }
    }

    /// When to call [`step`](Self::step) next, if there is nothing else to do. `None`: not before something changes.
    pub fn due(&self, board: &Board, library: &Library) -> Option<Duration> {
        if self.reader.as_ref()?.is_busy {
            return Some(POLL);
        }
        let again = self.unread.iter().map(|(at, _)| *at).min();
        let at = if self.next(board, library).is_some() { self.rest_until } else { again?.max(self.rest_until) };
        Some(at.saturating_duration_since(Instant::now()))
    }

    /// Targets to begin with.
    pub fn prefer(&mut self, pins: Pins) {
        self.pins = pins;
    }

    /// What is pinned first; then the newest target that was never asked for; then the newest for which the library has grown enough.
    fn next<'a>(&self, board: &'a Board, library: &Library) -> Option<&'a TargetSpec> {
        let open = self.targets.iter().rev().filter_map(|id| board.uncovered(id));
        let of_windows = open.filter_map(|spec| {
            let scored = scored(spec, library)?;
            let before = self.asked.get(&spec.id).map(|outcome| outcome.among);
            let is_due = match before {
                None => scored > 1,
                Some(before) => has_grown(before, scored),
            };
            let is_pinned = self.pins.has(&spec.id, spec.models.iter().map(|(model, _)| model));
            is_due.then_some(((!is_pinned, before.is_some()), spec))
        });
        of_windows.min_by_key(|(order, _)| *order).map(|(_, spec)| spec)
    }

    /// Looks for a composition for one target, or takes in one that was looked for before. Gives it, with the target.
    pub fn step(&mut self, board: &Board, library: &Library) -> Option<(ObjectId, Candidate)> {
        let reader = self.reader.as_mut()?;
        if reader.is_busy {
            let checked = match reader.checked.try_recv() {
                Ok(checked) => checked,
                Err(mpsc::TryRecvError::Empty) => return None,
                Err(mpsc::TryRecvError::Disconnected) => {
                    self.give_up();
                    return None;
                }
            };
            reader.is_busy = false;
            return match checked {
                Checked::Whole(target, candidate) => Some((target, candidate)),
                Checked::Gone(target, gone) => {
                    self.gone.extend(gone);
                    self.pools.clear();
                    // Without them there may be another.
                    self.asked.remove(&target);
                    None
                }
                Checked::Unread(target) => {
                    self.unread.push((Instant::now() + OUTAGE, target));
                    None
                }
            };
        }
        let began = Instant::now();
        if began < self.rest_until {
            return None;
        }
        for (_, target) in self.unread.extract_if(.., |(at, _)| *at <= began) {
            self.asked.remove(&target);
        }
        let spec = self.next(board, library)?.clone();
        let among = scored(&spec, library).unwrap_or(0);
        let Search { nearest, draft } = self.search(&spec, library).unwrap_or_default();
        self.asked.insert(spec.id, Outcome { among, nearest });
        self.rest_until = Instant::now() + began.elapsed() * REST;
        let reader = self.reader.as_mut()?;
        reader.is_busy = reader.drafts.send(draft?).is_ok();
        if !reader.is_busy {
            self.give_up();
        }
        None
    }

    /// Its thread has failed.
    fn give_up(&mut self) {
        self.reader = None;
        let text =
            "the thread that reads compositions has ended unexpectedly; none are looked for until the next start";
        self.trouble = Some(text.to_owned());
    }

    /// What a person should know, once.
    pub fn trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    fn search(&mut self, spec: &TargetSpec, library: &Library) -> Option<Search> {
        let weights: Vec<Digest> = spec.models.iter().map(|(_, weights)| *weights).collect::<Option<_>>()?;
        let shelves: Vec<&Shelf> = weights.iter().map(|weights| library.shelf(weights)).collect::<Option<_>>()?;
        let dim = spec.embedding.len();
        if dim == 0 || shelves.iter().any(|shelf| shelf.dim() != dim) {
            return None;
        }
        let length = somascope_matching::norm(&spec.embedding);
        let direction: Vec<f32> = spec.embedding.iter().map(|x| x / length).collect();
        let margin = self.min_margin + SAFE_MARGIN;
        let reach = match self.compose {
            Compose::Off => return None,
            Compose::SameSource => Reach::SameGroup,
            Compose::Any => Reach::Any,
        };
        let windows = self.windows(&weights, &shelves, library)?;
        let mean_loss = |losses: &Vec<f32>| losses.iter().sum::<f32>() / losses.len().max(1) as f32;
        let wanted = Wanted {
            target: &direction,
            threshold: spec.threshold,
            margin,
            loss_margin: LOSS_BAND * windows.losses.iter().map(mean_loss).fold(0.0, f32::max),
            reach,
            longest: LONGEST,
        };
        let found = approach(&windows.pool(&shelves), &windows.groups, &wanted)?;
        // One window is an answer that the board has seen for itself.
        let found = Some(found).filter(|found| found.windows.len() > 1)?;
        let samples: Vec<u32> = found.windows.iter().map(|at| windows.samples[*at as usize].0).collect();
        let draft = wanted.is_met_by(&found).then(|| draft(&samples, spec, &shelves, library, margin)).flatten();
        Some(Search { nearest: Some((samples.len(), found.distance)), draft })
    }

    /// The windows under these weights; sorted out anew when the library has changed by enough.
    fn windows(&mut self, weights: &[Digest], shelves: &[&Shelf], library: &Library) -> Option<&Windows> {
        let scored = library.scored(&weights[0]);
        let is_current = |held: &Windows| {
            let in_place = |at: usize, number: u32, checksum: &Digest| {
                library.sample(number).is_some_and(|sample| sample.checksum == *checksum)
                    && shelves.iter().zip(&held.slots).all(|(shelf, slots)| shelf.slot(number) == Some(slots[at]))
            };
            held.weights == weights
                && !has_grown(held.scored, scored)
                && held.samples.iter().enumerate().all(|(at, (number, checksum))| in_place(at, *number, checksum))
        };
        if let Some(at) = self.pools.iter().position(is_current) {
            return self.pools.get(at);
        }
        self.pools.retain(|held| held.weights != weights);
        if self.pools.len() >= POOLS {
            self.pools.remove(0);
        }
        self.pools.push(Windows::of(weights, shelves, library, scored, &self.gone));
        self.pools.last()
    }
}

/// Samples under the target's models; `None` if one of them has no shelf.
fn scored(spec: &TargetSpec, library: &Library) -> Option<usize> {
    let counts = spec.models.iter().map(|(_, weights)| weights.map(|weights| library.scored(&weights)));
    counts.collect::<Option<Vec<_>>>()?.into_iter().min()
}

/// By enough to look again.
fn has_grown(before: usize, now: usize) -> bool {
    now > before + before / GROWTH
}

/// One full sequence: only of such are the scores of a composition the means.
fn is_window(sample: &Sample) -> bool {
    sample.len as usize == WINDOW
}

impl Windows {
    fn of(weights: &[Digest], shelves: &[&Shelf], library: &Library, scored: usize, gone: &HashSet<Digest>) -> Self {
        let models = weights.len();
        let mut windows = Self {
            weights: weights.to_vec(),
            scored,
            samples: Vec::new(),
            contents: Vec::new(),
            groups: Groups::default(),
            slots: vec![Vec::new(); models],
            norms: vec![Vec::new(); models],
            losses: vec![Vec::new(); models],
        };
        let (mut origins, mut groups) = (HashMap::new(), Vec::new());
        'samples: for number in shelves[0].samples() {
            let Some(sample) = library.sample(*number).filter(|sample| is_window(sample)) else { continue };
            if gone.contains(&sample.checksum) {
                continue;
            }
            for shelf in shelves {
                if shelf.slot(*number).is_none() {
                    continue 'samples;
                }
            }
            for (at, shelf) in shelves.iter().enumerate() {
                let Some(slot) = shelf.slot(*number) else { continue };
                windows.slots[at].push(slot);
                windows.norms[at].push(shelf.norms()[slot as usize]);
                windows.losses[at].push(shelf.losses()[slot as usize]);
            }
            let next = origins.len() as u32;
            groups.push(*origins.entry(sample.origin).or_insert(next));
            windows.samples.push((*number, sample.checksum));
            windows.contents.push(sample.checksum.0.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
        }
        let pool = windows.pool(shelves);
        windows.groups = Groups::new(&pool, &groups);
        windows
    }

    fn pool<'a>(&'a self, shelves: &[&'a Shelf]) -> Pool<'a> {
        let of_models = shelves.iter().zip(&self.slots).zip(self.norms.iter().zip(&self.losses));
        let models = of_models.map(|((shelf, slots), (norms, losses))| Scores {
            rows: shelf.embeddings(),
            row_of: slots,
            norms,
            losses,
        });
        Pool { dim: shelves[0].dim(), models: models.collect(), contents: &self.contents }
    }
}

/// Judges a composition by all bits of its rows; `None`: it is no hit after all, or a part of it is not there any more.
fn draft(samples: &[u32], spec: &TargetSpec, shelves: &[&Shelf], library: &Library, min_margin: f32) -> Option<Draft> {
    let part = |number: &u32| Some((library.source(*number)?, library.sample(*number)?.checksum));
    let mut parts: Vec<(Source, Digest)> = samples.iter().map(part).collect::<Option<_>>()?;
    // As they follow each other where they come from.
    parts.sort_by_cached_key(|(source, _)| order(source));
    let count = samples.len() as f32;
    let mean_loss = |shelf: &&Shelf| {
        let loss = |number: &u32| Some(shelf.losses()[shelf.slot(*number)? as usize]);
        Some(samples.iter().map(loss).sum::<Option<f32>>()? / count)
    };
    let losses: Vec<f32> = shelves.iter().map(mean_loss).collect::<Option<_>>()?;
    let winner = model::winner(&losses)?;
    let mut mean = vec![0.0; spec.embedding.len()];
    for number in samples {
        let shelf = shelves[winner];
        let embedding = shelf.exact(shelf.slot(*number)?)?;
        mean.iter_mut().zip(embedding).for_each(|(mean, x)| *mean += x / count);
    }
    let distance = model::cosine_distance(&mean, &spec.embedding);
    let source = Source::composition(parts.iter().map(|(source, _)| source.clone()))?;
    let candidate = Candidate {
        checksum: Digest::default(),
        source,
        model: spec.models[winner].0,
        distance,
        z: z(spec.threshold - distance, spec.embedding.len()),
        losses: spec.models.iter().map(|(id, _)| *id).zip(losses).collect(),
    };
    is_hit(distance, spec.threshold, min_margin).then_some(Draft { target: spec.id, parts, candidate })
}

/// By origin, then by offset.
fn order(source: &Source) -> (String, u64) {
    let piece = source.pieces().first();
    let origin = piece.map(|piece| serde_json::to_string(&piece.origin).unwrap_or_default());
    (origin.unwrap_or_default(), piece.map_or(0, |piece| piece.offset))
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

    #[test]
    fn a_reading_thread_that_has_died_is_told_once_and_composing_ends() {
        let dir = tempfile::tempdir().unwrap();
        let library = Library::open(dir.path(), 1 << 20).unwrap();
        let board = Board::new(0.0);
        let mut composer = Composer::new(Compose::Any, 0.0, corpus::Shelf::default()).unwrap();
        let (drafts, _) = mpsc::channel();
        let (_, checked) = mpsc::channel();
        composer.reader = Some(Reader { drafts, checked, is_busy: true });
        assert!(composer.due(&board, &library).is_some());
        assert!(composer.step(&board, &library).is_none());
        assert!(composer.trouble().is_some_and(|text| text.contains("ended unexpectedly")));
        assert_eq!((composer.due(&board, &library), composer.trouble()), (None, None));
    }
}
