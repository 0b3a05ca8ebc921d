//! The library as the map shows it: a uniform choice of samples, each with its place, its source and its best margin.
//!
//! Places are kept, and only what is new is placed, so much at a time; the rest follows with the next survey.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use somascope_matching::products_of_rows;

use super::{
    Board, Library,
    reach::{Met, mark},
    sight::name_of_sample,
};
use crate::{
    api::{MapPoint, Tiles},
    engine::snapshot::Basis,
    model::Score,
    primitives::{Digest, ObjectId},
};

/// Samples on the map, and those that its basis is fitted on.
const SHOWN: usize = 100_000;
const FITTED: usize = 2_000;
/// What one survey does at most, so that nobody who asks waits long: rows placed, sources looked up, products for margins.
const PLACED_AT_ONCE: usize = 16_384;
const LOOKED_UP_AT_ONCE: usize = 4_096;
const MET_AT_ONCE: usize = 1 << 20;
/// Sources with a name of their own; the rest are "others".
const SOURCES: usize = 11;

/// A survey of the library.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Picture {
    /// How many samples each of the weights wins.
    pub wins: Vec<u64>,
    /// A smaller uniform choice, with the index of each sample's winner: what a basis is fitted on.
    pub chosen: Arc<Vec<(usize, Arc<Score>)>>,
    /// By this basis.
    pub basis: Option<Arc<Basis>>,
    pub samples: Arc<Vec<MapPoint>>,
    pub tiles: Arc<Tiles>,
    pub sources: Arc<Vec<String>>,
    pub reached: Arc<Vec<ObjectId>>,
    /// Where the nearest sample of each open target lies, under the model that wins it for the target.
    pub targets: HashMap<ObjectId, [f32; 2]>,
    /// Samples of the map in each region.
    pub counts: Vec<u32>,
    /// Something was left for the next survey.
    pub is_unfinished: bool,
}

/// What is kept of a sample from one survey to the next.
#[derive(Clone, Copy, Default)]
struct Spot {
    /// Whose it is.
    mark: u32,
    /// By which basis, and under which weights, it was placed; 0: not yet.
    basis: u64,
    winner: u32,
    place: Option<[f32; 2]>,
    /// One more than an index into the folders; 0: not looked up.
    folder: u32,
    /// It has met every open target since so many were closed.
    met: u64,
}

#[derive(Default)]
pub(in crate::engine) struct Atlas {
    /// By number.
    spots: Vec<Spot>,
    folders: Vec<PathBuf>,
    by_folder: HashMap<PathBuf, u32>,
    /// Embeddings of the last survey: the next one chooses nearly the same.
    exact: HashMap<(Digest, Digest), Arc<Score>>,
    /// Where the nearest samples of targets lie, by `basis`.
    basis: u64,
    nearest: HashMap<ObjectId, (Met, [f32; 2])>,
}

/// A sample of the choice.
#[derive(Clone, Copy)]
struct Chosen {
    /// Uniform, and the same for the same sample: more samples displace few.
    key: u64,
    winner: usize,
    slot: u32,
    number: u32,
}

impl Chosen {
    fn mark(&self) -> u32 {
        (self.key >> 32) as u32
    }
}

impl Atlas {
    /// Looks through the library under these weights, each with the number of its model on the screen.
    pub fn survey(
        &mut self,
        weights: &[(Digest, u16)],
        basis: Option<Arc<Basis>>,
        library: &Library,
        board: &mut Board,
    ) -> Picture {
        let digests: Vec<Digest> = weights.iter().map(|(weights, _)| *weights).collect();
        let won = library.winners(&digests);
        let wins = won.iter().map(|won| won.len() as u64).collect();
        let mut all: Vec<Chosen> = Vec::with_capacity(won.iter().map(Vec::len).sum());
        for (winner, won) in won.into_iter().enumerate() {
            all.extend(won.into_iter().filter_map(|(slot, number)| {
                let checksum = &library.sample(number)?.checksum.0;
                let key = u64::from_be_bytes(checksum[..8].try_into().unwrap_or_default());
                Some(Chosen { key, winner, slot, number })
            }));
        }
        lowest(&mut all, SHOWN);
        let mut fitted = all.clone();
        lowest(&mut fitted, FITTED);
        let chosen = Arc::new(self.exact(&fitted, &digests, library));
        let mut picture = Picture { wins, chosen, ..Picture::default() };
        let Some(basis) = basis else { return picture };
        all.sort_unstable_by_key(|chosen| chosen.number);
        if let Some(last) = all.last() {
            let room = self.spots.len().max(last.number as usize + 1);
            self.spots.resize(room, Spot::default());
        }
        for chosen in &all {
            let spot = &mut self.spots[chosen.number as usize];
            if spot.mark != chosen.mark() {
                *spot = Spot { mark: chosen.mark(), ..Spot::default() };
            }
        }
        let is_placed = self.place(&all, &digests, &basis, library);
        let is_looked_up = self.look_up(&all, library);
        let is_met = self.meet_again(&all, library, board);
        picture.is_unfinished = !(is_placed && is_looked_up && is_met);
        let (names, names_of) = name(&self.folders);
        picture.sources = Arc::new(names);
        picture.counts = vec![0; basis.grid.len()];
        let mut reached: Vec<ObjectId> = Vec::new();
        let mut keys: HashMap<ObjectId, u32> = HashMap::new();
        let points = all.iter().filter_map(|chosen| {
            let spot = &self.spots[chosen.number as usize];
            let [x, y] = spot.place.filter(|_| spot.basis == basis.number)?;
            picture.counts[basis.grid.cell(x, y)] += 1;
            let best = board.reach().best(chosen.number, chosen.mark());
            let nearest = best.map_or(0, |(_, target)| {
                *keys.entry(target).or_insert_with(|| {
                    reached.push(target);
                    reached.len() as u32 - 1
                })
            });
            let loss = library.shelf(&digests[chosen.winner])?.losses()[chosen.slot as usize];
            Some(MapPoint {
                x,
                y,
                model: weights[chosen.winner].1,
                source: spot.folder.checked_sub(1).map_or(u16::MAX, |folder| names_of[folder as usize]),
                loss,
                margin: best.map(|(margin, _)| margin),
                nearest,
                sample: name_of_sample(chosen.number, chosen.mark()),
            })
        });
        let mut points: Vec<MapPoint> = points.collect();
        picture.tiles = Arc::new(Tiles::order(&mut points));
        picture.samples = Arc::new(points);
        picture.reached = Arc::new(reached);
        picture.targets = self.place_targets(&basis, library, board);
        picture.basis = Some(basis);
        picture
    }

    /// The scores of samples with all their bits, under their winners.
    fn exact(&mut self, chosen: &[Chosen], weights: &[Digest], library: &Library) -> Vec<(usize, Arc<Score>)> {
        let mut kept = HashMap::with_capacity(chosen.len());
        let scores = chosen.iter().filter_map(|chosen| {
            let key = (weights[chosen.winner], library.sample(chosen.number)?.checksum);
            let score = match self.exact.remove(&key) {
                Some(score) => score,
                None => {
                    let shelf = library.shelf(&key.0)?;
                    let loss = shelf.losses()[chosen.slot as usize];
                    Arc::new(Score { loss, embedding: shelf.exact(chosen.slot)? })
                }
            };
            kept.insert(key, score.clone());
            Some((chosen.winner, score))
        });
        let scores = scores.collect();
        self.exact = kept;
        scores
    }

    /// Places what is new. Gives whether that was all.
    fn place(&mut self, all: &[Chosen], weights: &[Digest], basis: &Basis, library: &Library) -> bool {
        let is_new = |chosen: &&Chosen| {
            let spot = &self.spots[chosen.number as usize];
            spot.basis != basis.number || spot.winner != mark(&weights[chosen.winner])
        };
        let new: Vec<Chosen> = all.iter().filter(is_new).copied().collect();
        for (winner, digest) in weights.iter().enumerate() {
            let rows = new.iter().take(PLACED_AT_ONCE).filter(|chosen| chosen.winner == winner);
            let rows: Vec<(u32, u32)> = rows.map(|chosen| (chosen.slot, chosen.number)).collect();
            for ((_, number), place) in rows.iter().zip(places(&rows, digest, basis, library)) {
                let spot = &mut self.spots[*number as usize];
                (spot.basis, spot.winner, spot.place) = (basis.number, mark(digest), place);
            }
        }
        new.len() <= PLACED_AT_ONCE
    }

    /// Asks the store where samples come from. Gives whether that was all.
    fn look_up(&mut self, all: &[Chosen], library: &Library) -> bool {
        let unknown = all.iter().filter(|chosen| self.spots[chosen.number as usize].folder == 0);
        let unknown: Vec<u32> = unknown.map(|chosen| chosen.number).take(LOOKED_UP_AT_ONCE + 1).collect();
        for number in unknown.iter().take(LOOKED_UP_AT_ONCE) {
            let source = library.source(*number);
            let origin = source.as_ref().and_then(|source| source.pieces().first()).map(|piece| &piece.origin);
            // The records of a file are like the files of a folder.
            let folder = origin.map(|origin| match &origin.record {
                Some(_) => origin.path.to_path_buf(),
                None => origin.path.parent().unwrap_or(Path::new("")).join(kind(&origin.path)),
            });
            let folder = folder.unwrap_or_default();
            let key = *self.by_folder.entry(folder.clone()).or_insert_with(|| {
                self.folders.push(folder);
                self.folders.len() as u32
            });
            self.spots[*number as usize].folder = key;
        }
        unknown.len() <= LOOKED_UP_AT_ONCE
    }

    /// Lets samples whose best target is closed meet the others. Gives whether that was all.
    fn meet_again(&mut self, all: &[Chosen], library: &Library, board: &mut Board) -> bool {
        let (targets, closed) = (board.reach().len(), board.reach().closed());
        if targets == 0 {
            return true;
        }
        let most = (MET_AT_ONCE / targets).max(8);
        let is_lost = |chosen: &&Chosen| {
            self.spots[chosen.number as usize].met != closed
                && board.reach().best(chosen.number, chosen.mark()).is_none()
        };
        let lost: Vec<u32> = all.iter().filter(is_lost).map(|chosen| chosen.number).take(most + 1).collect();
        let now = &lost[..lost.len().min(most)];
        board.meet_again(now, library);
        // What no target takes is not asked for again until targets have changed.
        now.iter().for_each(|number| self.spots[*number as usize].met = closed);
        lost.len() <= most
    }

    fn place_targets(&mut self, basis: &Basis, library: &Library, board: &Board) -> HashMap<ObjectId, [f32; 2]> {
        let before = std::mem::take(&mut self.nearest);
        let is_same_basis = std::mem::replace(&mut self.basis, basis.number) == basis.number;
        let mut unplaced: HashMap<Digest, Vec<(ObjectId, Met, u32)>> = HashMap::new();
        for (id, met) in board.reach().nearest() {
            match before.get(&id) {
                Some(&(held, place)) if is_same_basis && held == met => {
                    self.nearest.insert(id, (met, place));
                }
                _ => {
                    let is_there = library.sample(met.number).is_some_and(|sample| mark(&sample.checksum) == met.mark);
                    let slot = library.shelf(&met.winner).and_then(|shelf| shelf.slot(met.number));
                    if let Some(slot) = slot.filter(|_| is_there) {
                        unplaced.entry(met.winner).or_default().push((id, met, slot));
                    }
                }
            }
        }
        for (winner, targets) in unplaced {
            let rows: Vec<(u32, u32)> = targets.iter().map(|(_, met, slot)| (*slot, met.number)).collect();
            for ((id, met, _), place) in targets.iter().zip(places(&rows, &winner, basis, library)) {
                if let Some(place) = place {
                    self.nearest.insert(*id, (*met, place));
                }
            }
        }
        self.nearest.iter().map(|(id, (_, place))| (*id, *place)).collect()
    }
}

/// The lowest keys, in any order.
fn lowest(all: &mut Vec<Chosen>, most: usize) {
    if all.len() > most {
        all.select_nth_unstable_by_key(most, |chosen| (chosen.key, chosen.number));
        all.truncate(most);
    }
}

/// Where rows `(slot, _)` of one shelf lie.
fn places(rows: &[(u32, u32)], weights: &Digest, basis: &Basis, library: &Library) -> Vec<Option<[f32; 2]>> {
    let dim = basis.dim();
    let Some(shelf) = library.shelf(weights).filter(|shelf| shelf.dim() == dim) else { return vec![None; rows.len()] };
    let slots: Vec<u32> = rows.iter().map(|(slot, _)| *slot).collect();
    let norms: Vec<f32> = slots.iter().map(|slot| shelf.norms()[*slot as usize]).collect();
    let mut products = vec![0.0; slots.len() * basis.axes().len() / dim];
    products_of_rows(shelf.embeddings(), dim, &slots, basis.axes(), &mut products);
    basis.place(products, &norms)
}

/// What stands for all files of a kind in a folder.
fn kind(path: &Path) -> PathBuf {
    match path.extension() {
        Some(extension) => format!("*.{}", extension.to_string_lossy()).into(),
        None => "*".into(),
    }
}

/// Names for groups of folders: what lies below the deepest folder that all share. Gives for each folder the index of its name.
fn name(folders: &[PathBuf]) -> (Vec<String>, Vec<u16>) {
    let mut shared: Option<&Path> = folders.first().and_then(|folder| folder.parent());
    for folder in folders {
        while let Some(path) = shared
            && !folder.starts_with(path)
        {
            shared = path.parent();
        }
    }
    let shared = shared.unwrap_or(Path::new(""));
    let mut names: Vec<String> = Vec::new();
    let names_of = folders.iter().map(|folder| {
        let below = folder.strip_prefix(shared).unwrap_or(folder);
        let first = below.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
        let name = first.filter(|first| !first.is_empty()).unwrap_or_else(|| "?".to_owned());
        let at = names.iter().position(|held| *held == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        at as u16
    });
    let mut names_of: Vec<u16> = names_of.collect();
    if names.len() > SOURCES + 1 {
        names.truncate(SOURCES);
        names.push("others".to_owned());
        names_of.iter_mut().for_each(|name| *name = (*name).min(SOURCES as u16));
    }
    (names, names_of)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{TargetSpec, library::ScoredSample},
        *,
    };
    use crate::{api::MapLayout, engine::corpus::Source};

    fn names(folders: &[&str]) -> (Vec<String>, Vec<u16>) {
        name(&folders.iter().map(PathBuf::from).collect::<Vec<_>>())
    }

    #[test]
    fn sources_are_what_lies_below_the_folder_that_all_share() {
        let (found, of) = names(&["/d/corpus/rust/*.rs", "/d/corpus/prose/*.txt", "/d/corpus/rust/deep/*.rs"]);
        assert_eq!((found, of), (vec!["rust".to_owned(), "prose".to_owned()], vec![0, 1, 0]));
        assert_eq!(names(&["/d/*.rs", "/d/*.md"]).0, ["*.rs", "*.md"]);
        assert_eq!(names(&["/d/notes/*.md"]).0, ["*.md"]);
        assert_eq!(names(&["/a/x.jsonl", "stack-v2/Rust"]).0.len(), 2);
        assert_eq!(names(&[]).0.len(), 0);
    }

    const DIM: usize = 8;

    fn embedding(n: usize) -> Vec<f32> {
        crate::model::arrgen::normal(n as u64, DIM, 0.0, 1.0)
    }

    fn weights(model: u8) -> Digest {
        Digest([model; 32])
    }

    /// The second model wins every third sample.
    fn sample(n: usize) -> ScoredSample {
        let score = |model: usize| {
            let loss = if n.is_multiple_of(3) == (model == 1) { 1.0 } else { 2.0 };
            (weights(model as u8), Arc::new(Score { loss, embedding: embedding(2 * n + model) }))
        };
        let path = format!("/data/{}/{n}.txt", if n.is_multiple_of(2) { "even" } else { "odd" });
        ScoredSample {
            checksum: crate::model::checksum(&n.to_le_bytes()),
            source: Source::file(Path::new(&path).into(), 0, 10, false),
            scores: vec![score(0), score(1)],
            failures: Vec::new(),
        }
    }

    fn target(n: u8, models: &[u8]) -> TargetSpec {
        TargetSpec {
            id: ObjectId([n; 32]),
            embedding: embedding(9_000 + usize::from(n)).into(),
            threshold: 0.8,
            models: models.iter().map(|model| (ObjectId([*model; 32]), Some(weights(*model)))).collect(),
        }
    }

    /// The best margin of a sample to these targets, by the rule.
    fn best(n: usize, targets: &[TargetSpec]) -> (f32, ObjectId) {
        let margin = |target: &TargetSpec| {
            let winner = target.models.iter().map(|(id, _)| usize::from(id.0[0])).min_by(|a, b| {
                let loss = |model: usize| if n.is_multiple_of(3) == (model == 1) { 1 } else { 2 };
                loss(*a).cmp(&loss(*b))
            });
            let ours = embedding(2 * n + winner.unwrap());
            (target.threshold - crate::model::cosine_distance(&ours, &target.embedding), target.id)
        };
        targets.iter().map(margin).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
    }

    #[test]
    fn every_sample_has_its_place_its_source_and_its_best_margin_as_targets_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let mut library = Library::open(dir.path(), u64::MAX).unwrap();
        let (mut board, mut atlas) = (Board::new(0.0), Atlas::default());
        let mut targets = vec![target(1, &[0, 1]), target(2, &[0]), target(3, &[1])];
        let models = [(weights(0), 4), (weights(1), 7)];
        let add = |library: &mut Library, board: &mut Board, from: usize, to: usize| {
            let samples: Vec<ScoredSample> = (from..to).map(sample).collect();
            library.add(&samples).unwrap();
            board.offer(&samples, Some(library), &mut Vec::new());
        };
        // Some meet the targets as they open, the others as they are scored.
        add(&mut library, &mut board, 0, 60);
        board.open(targets.clone(), Some(&library), &mut Vec::new());
        add(&mut library, &mut board, 60, 100);

        let first = atlas.survey(&models, None, &library, &mut board);
        assert_eq!((first.wins.clone(), first.chosen.len(), first.samples.len()), (vec![66, 34], 100, 0));
        let basis = Arc::new(Basis::fit(1, MapLayout::Principal, &first.chosen, &[], None).unwrap());
        let mut check = |board: &mut Board, library: &Library, targets: &[TargetSpec], count: usize| {
            let picture = atlas.survey(&models, Some(basis.clone()), library, board);
            assert!(!picture.is_unfinished);
            assert_eq!(picture.samples.len(), count);
            assert_eq!(picture.counts.iter().sum::<u32>() as usize, count);
            assert!(picture.tiles.are_of(count));
            let mut found = std::collections::HashSet::new();
            for n in 0..count {
                let winner = usize::from(n.is_multiple_of(3));
                let [x, y] = basis.place_one(&embedding(2 * n + winner)).unwrap();
                let away = |point: &MapPoint| (point.x - x).hypot(point.y - y);
                let (at, point) =
                    (picture.samples.iter().enumerate()).min_by(|(_, a), (_, b)| away(a).total_cmp(&away(b))).unwrap();
                assert!(found.insert(at), "one sample, one point");
                assert!((point.x - x).abs() < 1e-2 && (point.y - y).abs() < 1e-2, "{point:?} at {x} {y}");
                assert_eq!((usize::from(point.model), point.loss), ([4, 7][winner], 1.0));
                assert_eq!(
                    picture.sources[usize::from(point.source)],
                    if n.is_multiple_of(2) { "even" } else { "odd" }
                );
                let (margin, id) = best(n, targets);
                assert!((point.margin.unwrap() - margin).abs() < 1e-2, "{n}: {point:?} {margin}");
                assert_eq!(picture.reached[point.nearest as usize], id);
            }
            for target in targets {
                let nearest = (0..count).max_by(|a, b| {
                    let of = |n: usize| best(n, std::slice::from_ref(target)).0;
                    of(*a).total_cmp(&of(*b))
                });
                let n = nearest.unwrap();
                let loss = |model: u8| if n.is_multiple_of(3) == (model == 1) { 1 } else { 2 };
                let winner = target.models.iter().map(|(id, _)| id.0[0]).min_by_key(|model| loss(*model)).unwrap();
                let [x, y] = basis.place_one(&embedding(2 * n + usize::from(winner))).unwrap();
                let [u, v] = picture.targets[&target.id];
                assert!((x - u).abs() < 1e-2 && (y - v).abs() < 1e-2);
            }
            assert_eq!(picture.targets.len(), targets.len());
        };
        check(&mut board, &library, &targets, 100);
        // Its samples find other targets.
        board.close(&targets.remove(0).id);
        check(&mut board, &library, &targets, 100);
        add(&mut library, &mut board, 100, 120);
        targets.push(target(5, &[1, 0]));
        board.open(targets[2..].to_vec(), Some(&library), &mut Vec::new());
        check(&mut board, &library, &targets, 120);
    }

    #[test]
    fn many_sources_are_a_few_and_the_others() {
        let folders: Vec<PathBuf> = (0..40).map(|n| format!("/d/{n}/*.rs").into()).collect();
        let (found, of) = name(&folders);
        assert_eq!((found.len(), found.last().map(String::as_str)), (SOURCES + 1, Some("others")));
        assert_eq!((of[3], of[39]), (3, SOURCES as u16));
    }
}
