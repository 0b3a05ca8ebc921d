//! The niche map: when its basis is fitted, and what it shows.
//!
//! The basis stays until somebody asks, the models in play change, or a new epoch finds twice as many samples as it was fitted on, so
//! that points do not jump under the user's eyes. Pure state: fits run elsewhere ([`Job`]), the matcher places the samples.

mod basis;
mod coverage;
mod figure;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

pub(in crate::engine) use self::{basis::Basis, coverage::Grid, figure::figure};
use crate::{
    api::{Coverage, MapLayout, MapModel, MapPart, MapPoint, MapTarget, MapView, TargetRow, TargetStage},
    engine::matching::Picture,
    model::Score,
    primitives::{Digest, ObjectId},
};

/// Fewer points make no picture that lasts.
const LEAST_POINTS: usize = MapView::LEAST_POINTS;
/// The first basis is fitted early, on few points; once there are this many it is fitted again.
const LASTING_POINTS: usize = 256;
/// How far a target is drawn from our nearest sample towards its models.
const PULL: f32 = 0.25;

/// The basis in use and what it was fitted on.
#[derive(Debug, Default)]
pub(in crate::engine) struct Map {
    basis: Option<Arc<Basis>>,
    last_number: u64,
    layout: MapLayout,
    is_asked: bool,
    fitted_weights: Vec<Digest>,
    fitted_epoch: u64,
    fitted_points: usize,
    /// A fit runs on another thread.
    is_fitting: bool,
    /// The weights that it is of, in the order of its winners.
    pub weights: Vec<Digest>,
    pub picture: Picture,
    /// Where targets lay when they were last open: those that we filled stay there.
    last_places: HashMap<ObjectId, [f32; 2]>,
    models: PlacedModels,
}

/// Where models lie by a basis, with their embeddings of an epoch.
#[derive(Debug, Default)]
struct PlacedModels {
    basis: u64,
    epoch: u64,
    places: Vec<(ObjectId, Option<[f32; 2]>)>,
}

/// A fit, to be run where it disturbs nobody.
pub(in crate::engine) struct Job {
    number: u64,
    layout: MapLayout,
    before: Option<Arc<Basis>>,
    is_new: bool,
    chosen: Arc<Vec<(usize, Arc<Score>)>>,
    weights: Vec<Digest>,
    models: Vec<Vec<f32>>,
    epoch: u64,
}

/// What became of a [`Job`].
pub(in crate::engine) struct Fitted {
    basis: Option<Basis>,
    weights: Vec<Digest>,
    epoch: u64,
    points: usize,
    is_new: bool,
}

impl Job {
    /// Long work, on a pool of its own: scoring keeps the usual one busy for seconds.
    pub fn run(self) -> Fitted {
        let work = || match &self.before {
            Some(before) if !self.is_new => before.laid_out(self.number, self.layout, &self.chosen, &self.models),
            before => Basis::fit(self.number, self.layout, &self.chosen, &self.models, before.as_deref()),
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).thread_name(|at| format!("map-{at}")).build();
        let basis = match pool {
            Ok(pool) => pool.install(work),
            Err(_) => work(),
        };
        let (weights, epoch, is_new) = (self.weights, self.epoch, self.is_new);
        Fitted { basis, weights, epoch, points: self.chosen.len(), is_new }
    }
}

impl Map {
    /// Fit again, on what is there now.
    pub fn refit(&mut self) {
        self.is_asked = true;
    }

    pub fn lay_out(&mut self, layout: MapLayout) {
        self.layout = layout;
    }

    pub fn basis(&self) -> Option<Arc<Basis>> {
        self.basis.clone()
    }

    /// The basis of what is shown, if it still is this one.
    pub fn shown(&self, number: u64) -> Option<Arc<Basis>> {
        self.picture.basis.clone().filter(|basis| basis.number == number)
    }

    /// Whose winners lie in a part of the map, by their places in the snapshot's list.
    pub fn winners_in(&self, basis: &Basis, part: &MapPart) -> BTreeSet<usize> {
        let is_in = |point: &&MapPoint| part.away(basis.grid.corners(), (point.x, point.y)).0 <= 0.0;
        self.picture.samples.iter().filter(is_in).map(|point| point.model.into()).collect()
    }

    /// The fit whose time has come. `models`: their embeddings.
    pub fn job(&mut self, epoch: u64, models: impl FnOnce() -> Vec<Vec<f32>>) -> Option<Job> {
        let points = self.picture.chosen.len();
        if self.is_fitting || points < LEAST_POINTS {
            return None;
        }
        let is_new = self.is_asked
            || self.basis.is_none()
            || self.fitted_weights != self.weights
            || (self.fitted_points < LASTING_POINTS && points >= LASTING_POINTS)
            || (self.fitted_epoch != epoch && points >= 2 * self.fitted_points);
        if !is_new && self.basis.as_ref().is_none_or(|basis| basis.layout == self.layout) {
            return None;
        }
        self.is_asked = false;
        self.is_fitting = true;
        self.last_number += 1;
        Some(Job {
            number: self.last_number,
            layout: self.layout,
            before: self.basis.clone(),
            is_new,
            chosen: self.picture.chosen.clone(),
            weights: self.weights.clone(),
            models: models(),
            epoch,
        })
    }

    pub fn fitted(&mut self, fitted: Fitted) {
        self.is_fitting = false;
        if fitted.is_new {
            self.fitted_weights = fitted.weights;
            self.fitted_epoch = fitted.epoch;
            self.fitted_points = fitted.points;
        }
        match fitted.basis {
            Some(basis) => self.basis = Some(Arc::new(basis)),
            // What cannot be laid out so stays as it is.
            None => self.layout = self.basis.as_ref().map_or_else(MapLayout::default, |basis| basis.layout),
        }
    }

    /// Takes in a survey.
    pub fn surveyed(&mut self, weights: Vec<Digest>, picture: Picture) {
        let number = |picture: &Picture| picture.basis.as_ref().map(|basis| basis.number);
        if number(&picture) != number(&self.picture) {
            self.last_places.clear();
        }
        self.last_places.extend(std::mem::take(&mut self.picture.targets));
        self.weights = weights;
        let before = std::mem::replace(&mut self.picture, picture);
        // A survey from before the first fit shows nothing: what was shown stays.
        if self.picture.basis.is_none() && before.basis.is_some() {
            self.picture = Picture { wins: self.picture.wins.clone(), chosen: self.picture.chosen.clone(), ..before };
        }
    }

    /// What is shown. `models`: id and embedding, in the order of the snapshot's list; `targets`: the snapshot's list.
    pub fn view<'a>(
        &mut self,
        epoch: u64,
        models: impl Iterator<Item = (ObjectId, &'a [f32])>,
        targets: &[TargetRow],
    ) -> MapView {
        let is_fitting = self.is_fitting;
        let Some(basis) = self.picture.basis.clone() else {
            return MapView { fitting: is_fitting, ..MapView::default() };
        };
        let models: Vec<(ObjectId, &[f32])> = models.collect();
        let held = &self.models;
        let is_held = (held.basis, held.epoch) == (basis.number, epoch)
            && held.places.iter().map(|(id, _)| id).eq(models.iter().map(|(id, _)| id));
        if !is_held {
            let places = models.iter().map(|(id, embedding)| (*id, basis.place_one(embedding))).collect();
            self.models = PlacedModels { basis: basis.number, epoch, places };
        }
        let model_places: HashMap<&ObjectId, [f32; 2]> =
            self.models.places.iter().filter_map(|(id, place)| Some((id, (*place)?))).collect();
        let current = targets.iter().filter(|row| row.stage == TargetStage::Ours).map(|row| row.id);
        let filled: Vec<ObjectId> = current.collect();
        self.last_places.retain(|id, _| filled.contains(id));
        let place = |row: &TargetRow| {
            let nearest = self.picture.targets.get(&row.id).or_else(|| self.last_places.get(&row.id));
            let serving: Vec<[f32; 2]> = row.models.iter().filter_map(|id| model_places.get(id).copied()).collect();
            let amid = (!serving.is_empty()).then(|| {
                [0, 1].map(|axis| serving.iter().map(|place| place[axis]).sum::<f32>() / serving.len() as f32)
            });
            match (nearest, amid) {
                (Some(near), Some(amid)) => Some([0, 1].map(|axis| near[axis] + PULL * (amid[axis] - near[axis]))),
                (Some(near), None) => Some(*near),
                (None, amid) => amid,
            }
        };
        let placed: Vec<(usize, [f32; 2])> =
            targets.iter().enumerate().filter_map(|(at, row)| Some((at, place(row)?))).collect();
        let covered = placed.iter().map(|(at, place)| (&targets[*at], *place));
        let coverage: Coverage = coverage::cover(basis.grid, &self.picture.counts, covered);
        MapView {
            basis: basis.number,
            layout: basis.layout,
            fitting: is_fitting,
            explained: basis.explained(),
            samples: self.picture.samples.clone(),
            tiles: self.picture.tiles.clone(),
            scored: self.picture.wins.iter().sum(),
            sources: self.picture.sources.clone(),
            reached: self.picture.reached.clone(),
            models: (self.models.places.iter().zip(0..))
                .filter_map(|((_, place), model)| place.map(|[x, y]| MapModel { x, y, model }))
                .collect(),
            targets: Arc::new(placed.iter().map(|(at, [x, y])| MapTarget { x: *x, y: *y, row: *at as u32 }).collect()),
            coverage: Arc::new(coverage),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::Shannons;

    fn chosen(points: usize) -> Arc<Vec<(usize, Arc<Score>)>> {
        let score = |n: usize| Arc::new(Score { loss: 1.0, embedding: vec![1.0, n as f32, (n * n % 17) as f32, 0.5] });
        Arc::new((0..points).map(|n| (0, score(n))).collect())
    }

    fn surveyed(map: &mut Map, points: usize, weights: u8) {
        let picture = Picture { wins: vec![points as u64], chosen: chosen(points), ..Picture::default() };
        map.surveyed(vec![Digest([weights; 32])], picture);
    }

    /// Runs the fit whose time has come.
    fn fit(map: &mut Map, epoch: u64) -> bool {
        let job = map.job(epoch, Vec::new);
        let is_due = job.is_some();
        if let Some(job) = job {
            assert!(map.job(epoch, Vec::new).is_none(), "one at a time");
            map.fitted(job.run());
        }
        is_due
    }

    #[test]
    fn the_basis_stays_until_models_change_or_an_epoch_brings_twice_the_samples_or_somebody_asks() {
        let mut map = Map::default();
        surveyed(&mut map, 5, 0);
        assert!(!fit(&mut map, 1));
        surveyed(&mut map, 300, 0);
        assert!(fit(&mut map, 1) && !fit(&mut map, 1));
        assert!(!fit(&mut map, 2));
        surveyed(&mut map, 900, 0);
        assert!(!fit(&mut map, 1));
        surveyed(&mut map, 600, 0);
        assert!(fit(&mut map, 2) && !fit(&mut map, 2));
        surveyed(&mut map, 300, 1);
        assert!(fit(&mut map, 2) && !fit(&mut map, 2));
        map.refit();
        assert!(fit(&mut map, 2) && !fit(&mut map, 2));
        assert_eq!(map.basis().map(|basis| basis.number), Some(4));
    }

    #[test]
    fn another_layout_is_another_basis_of_the_same_projection() {
        let mut map = Map::default();
        surveyed(&mut map, 300, 0);
        assert!(fit(&mut map, 1));
        let before = map.basis().unwrap();
        map.lay_out(MapLayout::Neighbours);
        assert!(fit(&mut map, 1) && !fit(&mut map, 1));
        let laid_out = map.basis().unwrap();
        assert_eq!((laid_out.layout, laid_out.number), (MapLayout::Neighbours, before.number + 1));
        map.lay_out(MapLayout::Principal);
        assert!(fit(&mut map, 1));
        let back = map.basis().unwrap();
        let point = &chosen(300)[7].1.embedding;
        assert_eq!(back.place_one(point), before.place_one(point));
    }

    #[test]
    fn a_target_lies_by_our_nearest_sample_and_a_quarter_of_the_way_to_its_models() {
        let mut map = Map::default();
        surveyed(&mut map, 300, 0);
        assert!(fit(&mut map, 1));
        assert_eq!(map.view(1, std::iter::empty(), &[]).basis, 0, "nothing is placed yet");
        let basis = map.basis().unwrap();
        let id = |n: u8| ObjectId([n; 32]);
        let samples =
            vec![MapPoint { x: 0.0, y: 0.0, model: 0, source: 0, loss: 1.0, margin: None, nearest: 0, sample: 0 }];
        let picture = Picture {
            wins: vec![300],
            chosen: chosen(300),
            counts: vec![0; basis.grid.len()],
            basis: Some(basis.clone()),
            samples: Arc::new(samples),
            targets: [(id(1), [0.5, 0.25])].into(),
            ..Picture::default()
        };
        map.surveyed(vec![Digest([0; 32])], picture);
        let row = |n: u8, models: Vec<ObjectId>| TargetRow {
            id: id(n),
            epoch: 1,
            stage: TargetStage::Open,
            reward: Shannons(5),
            threshold: 1.0,
            models,
            best_distance: None,
            seen_at_ms: 0,
            pinned: false,
        };
        let embedding = chosen(300)[9].1.embedding.clone();
        let [x, y] = basis.place_one(&embedding).unwrap();
        let rows = [row(1, vec![id(9)]), row(2, vec![id(9)]), row(3, vec![id(8)]), row(1, vec![])];
        let view = map.view(1, [(id(9), embedding.as_slice())].into_iter(), &rows);
        let places: Vec<(u32, f32, f32)> = view.targets.iter().map(|target| (target.row, target.x, target.y)).collect();
        assert_eq!(
            places,
            [
                (0, 0.5 + 0.25 * (x - 0.5), 0.25 + 0.25 * (y - 0.25)),
                (1, x, y),
                // The third is served by nobody that we know.
                (3, 0.5, 0.25),
            ]
        );
        assert_eq!((view.models.len(), view.samples.len(), view.scored), (1, 1, 300));
        assert_eq!(view.coverage.regions.iter().map(|region| region.open).sum::<u32>(), 3);
    }
}
