//! The niche map: when to fit its basis, and the points that it shows.
//!
//! The basis stays until the models in play change, or a new epoch finds twice as many samples as it was fitted on, so
//! that points do not jump under the user's eyes.

use std::sync::Arc;

use super::projection::Projection;
use crate::{
    api::{MapPoint, MapView},
    model::Score,
    primitives::{Digest, ObjectId},
};

/// Fewer points make no picture that lasts.
const LEAST_POINTS: usize = 16;
/// The first basis is fitted early, on few points; once there are this many it is fitted again.
const LASTING_POINTS: usize = 256;

/// A uniform choice of the library, each sample with the index of its winner among `weights`.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Survey {
    pub weights: Vec<Digest>,
    pub wins: Vec<u64>,
    pub chosen: Arc<Vec<(usize, Arc<Score>)>>,
}

/// The basis in use and what it was fitted on.
#[derive(Debug, Default)]
pub(in crate::engine) struct Map {
    projection: Option<Projection>,
    basis: u64,
    fitted_weights: Vec<Digest>,
    fitted_epoch: u64,
    fitted_points: usize,
    /// The survey, placed.
    samples: Vec<MapPoint>,
    /// A fit runs on another thread.
    pub fitting: bool,
}

/// A model or a target: its id, the model whose colour it has, its embedding, and whether it is hit.
pub(in crate::engine) struct Place<'a> {
    pub id: ObjectId,
    pub model: u16,
    pub embedding: &'a [f32],
    pub hit: bool,
}

/// The arithmetic of a fit: samples under their winners, and the models' own embeddings.
pub(in crate::engine) fn fit(survey: &Survey, models: &[Vec<f32>]) -> Option<Projection> {
    let samples = survey.chosen.iter().map(|(_, score)| score.embedding.as_slice());
    Projection::fit(samples.chain(models.iter().map(Vec::as_slice)))
}

impl Map {
    pub fn wants_fit(&self, survey: &Survey, epoch: u64) -> bool {
        let points = survey.chosen.len();
        if self.fitting || points < LEAST_POINTS {
            return false;
        }
        self.projection.is_none()
            || self.fitted_weights != survey.weights
            || (self.fitted_points < LASTING_POINTS && points >= LASTING_POINTS)
            || (self.fitted_epoch != epoch && points >= 2 * self.fitted_points)
    }

    pub fn fitted(&mut self, projection: Option<Projection>, weights: Vec<Digest>, epoch: u64, points: usize) {
        self.fitting = false;
        self.fitted_weights = weights;
        self.fitted_epoch = epoch;
        self.fitted_points = points;
        if let Some(projection) = projection {
            self.projection = Some(projection);
            self.basis += 1;
        }
    }

    /// Places the samples of a new survey, or by a new basis. `colours`: for each of the survey's weights, the index of its
    /// model on the screen.
    pub fn place(&mut self, survey: &Survey, colours: &[u16]) {
        let Some(projection) = &self.projection else { return };
        let sample = |(winner, score): &(usize, Arc<Score>)| {
            let [x, y] = projection.project(&score.embedding)?;
            Some(MapPoint { x, y, model: *colours.get(*winner)?, id: None, hit: false })
        };
        self.samples = survey.chosen.iter().filter_map(sample).collect();
    }

    pub fn view(&self, models: &[Place<'_>], targets: &[Place<'_>]) -> MapView {
        let Some(projection) = &self.projection else { return MapView::default() };
        let place = |place: &Place<'_>| {
            let [x, y] = projection.project(place.embedding)?;
            Some(MapPoint { x, y, model: place.model, id: Some(place.id), hit: place.hit })
        };
        MapView {
            basis: self.basis,
            explained: projection.explained,
            samples: self.samples.clone(),
            models: models.iter().filter_map(place).collect(),
            targets: targets.iter().filter_map(place).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(points: usize, weights: u8) -> Survey {
        let score = |n: usize| Arc::new(Score { loss: 1.0, embedding: vec![1.0, n as f32, (n * n) as f32] });
        Survey {
            weights: vec![Digest([weights; 32])],
            wins: vec![points as u64],
            chosen: Arc::new((0..points).map(|n| (0, score(n))).collect()),
        }
    }

    fn fitted(map: &mut Map, survey: &Survey, epoch: u64) {
        map.fitted(fit(survey, &[]), survey.weights.clone(), epoch, survey.chosen.len());
    }

    #[test]
    fn the_basis_stays_until_models_change_or_an_epoch_brings_twice_the_samples() {
        let mut map = Map::default();
        assert!(!map.wants_fit(&survey(5, 0), 1));
        assert!(map.wants_fit(&survey(300, 0), 1));
        fitted(&mut map, &survey(300, 0), 1);
        assert!(!map.wants_fit(&survey(299, 0), 2));
        assert!(!map.wants_fit(&survey(900, 0), 1));
        assert!(map.wants_fit(&survey(600, 0), 2));
        assert!(map.wants_fit(&survey(300, 1), 1));
    }

    #[test]
    fn samples_models_and_targets_are_placed_by_the_same_basis() {
        let (mut map, survey) = (Map::default(), survey(20, 0));
        fitted(&mut map, &survey, 1);
        let embedding = survey.chosen[3].1.embedding.clone();
        let place = Place { id: ObjectId([1; 32]), model: 4, embedding: &embedding, hit: true };
        map.place(&survey, &[4]);
        let view = map.view(&[], &[place]);
        assert_eq!((view.basis, view.samples.len(), view.targets.len()), (1, 20, 1));
        assert_eq!((view.samples[3].x, view.samples[3].y), (view.targets[0].x, view.targets[0].y));
        assert_eq!((view.samples[3].model, view.samples[3].id), (4, None));
    }
}
