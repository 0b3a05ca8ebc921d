//! A basis: how embeddings become places in the plane, fixed until it is fitted again.

use std::sync::Arc;

use somascope_matching::picture::{Landmarks, Projection, arrange};

use super::Grid;
use crate::{api::MapLayout, model::Score};

/// Axes that neighbours are told by; the map itself has the first two.
const AXES: usize = 16;
/// Samples that are arranged; others lie among them.
const ARRANGED: usize = 1_500;

#[derive(Clone, Debug)]
pub(in crate::engine) struct Basis {
    /// Never given twice.
    pub number: u64,
    pub layout: MapLayout,
    projection: Arc<Projection>,
    landmarks: Option<Arc<Landmarks>>,
    pub grid: Grid,
}

impl Basis {
    /// Samples under their winners, and the models' own embeddings. Long work. `None`: they are too few, or all alike.
    pub fn fit(
        number: u64,
        layout: MapLayout,
        chosen: &[(usize, Arc<Score>)],
        models: &[Vec<f32>],
        before: Option<&Self>,
    ) -> Option<Self> {
        let samples = chosen.iter().map(|(_, score)| score.embedding.as_slice());
        let mut projection = Projection::fit(samples.chain(models.iter().map(Vec::as_slice)), AXES)?;
        if let Some(before) = before {
            projection = projection.oriented_as(&before.projection);
        }
        Self::lay_out(number, layout, Arc::new(projection), chosen, models)
    }

    /// The same projection in another layout. Long work.
    pub fn laid_out(
        &self,
        number: u64,
        layout: MapLayout,
        chosen: &[(usize, Arc<Score>)],
        models: &[Vec<f32>],
    ) -> Option<Self> {
        Self::lay_out(number, layout, self.projection.clone(), chosen, models)
    }

    fn lay_out(
        number: u64,
        layout: MapLayout,
        projection: Arc<Projection>,
        chosen: &[(usize, Arc<Score>)],
        models: &[Vec<f32>],
    ) -> Option<Self> {
        let samples = chosen.iter().map(|(_, score)| score.embedding.as_slice());
        let models = models.iter().map(Vec::as_slice);
        let (places, landmarks) = match layout {
            MapLayout::Principal => {
                let places = samples.chain(models).filter_map(|point| projection.project(point));
                (places.map(|place| [place[0], place[1]]).collect::<Vec<_>>(), None)
            }
            MapLayout::Neighbours => {
                let points = models.chain(samples.take(ARRANGED)).filter_map(|point| projection.project(point));
                let landmarks = arrange(points.flatten().collect(), projection.count())?;
                (landmarks.places().to_vec(), Some(Arc::new(landmarks)))
            }
        };
        Some(Self { number, layout, projection, landmarks, grid: Grid::over(&places) })
    }

    pub fn dim(&self) -> usize {
        self.projection.dim()
    }

    /// Share of the variance on the map's axes; of a projection only.
    pub fn explained(&self) -> [f32; 2] {
        let axes = self.projection.explained();
        if self.landmarks.is_none() { [axes[0], axes[1]] } else { [0.0; 2] }
    }

    /// `[_, dim]`: what products are taken with for [`place`](Self::place).
    pub fn axes(&self) -> &[f32] {
        let needed = if self.landmarks.is_some() { self.projection.count() } else { 2 };
        &self.projection.axes()[..needed * self.dim()]
    }

    /// Where rows lie, by their products with the axes `[rows, axes]` and their lengths; `None`: without a direction.
    pub fn place(&self, mut products: Vec<f32>, norms: &[f32]) -> Vec<Option<[f32; 2]>> {
        let count = self.axes().len() / self.dim();
        let rows = products.chunks_exact_mut(count).zip(norms);
        let is_there: Vec<bool> = rows.map(|(row, norm)| self.projection.coordinates(row, *norm)).collect();
        let places = match &self.landmarks {
            None => products.chunks_exact(count).map(|row| [row[0], row[1]]).collect(),
            Some(landmarks) => landmarks.place(&products),
        };
        is_there.into_iter().zip(places).map(|(is_there, place)| is_there.then_some(place)).collect()
    }

    /// Where one embedding lies.
    pub fn place_one(&self, embedding: &[f32]) -> Option<[f32; 2]> {
        let coordinates = self.projection.project(embedding)?;
        match &self.landmarks {
            None => Some([coordinates[0], coordinates[1]]),
            Some(landmarks) => landmarks.place(&coordinates).first().copied(),
        }
    }
}
