//! Compositions for targets that no single sample reaches: which windows of the library, put together, would.
//!
//! The search is linear algebra over the library's rows (`somascope_matching::compose`), one target at a time between other work.
//! What it finds is looked at once more: the embeddings with all their bits, and then, on a thread that may wait for them, the bytes as they
//! are now. A window whose bytes have vanished or changed takes part in nothing more.

mod reader;
mod windows;

use std::{
    collections::{HashMap, HashSet},
    fmt, io,
    str::FromStr,
    sync::mpsc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use somascope_matching::compose::{LONGEST, Reach, Wanted, approach};

use self::{
    reader::{Checked, Draft, Reader},
    windows::Windows,
};
use super::{Board, Candidate, Library, TargetSpec, board::z, shelf::Shelf, standing::is_hit};
use crate::{
    engine::{
        corpus::{self, Source},
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

/// What came of a search.
#[derive(Default)]
struct Search {
    /// As [`Outcome::nearest`].
    nearest: Option<(usize, f32)>,
    /// That one, if it is within the target.
    draft: Option<Draft>,
}

/// Before a target is asked for again whose windows could not be read for a reason that may pass.
const OUTAGE: Duration = Duration::from_secs(30);
/// While bytes are being read.
const POLL: Duration = Duration::from_millis(50);

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
        if let Some(at) = self.pools.iter().position(|held| held.are_current(weights, shelves, library, scored)) {
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
    use super::*;

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
