//! How crowded each model's place in embedding space is: many models near one another share the targets there.

use std::collections::HashMap;

use super::{Dispatcher, Done};
use crate::{api::CROWD_DISTANCE, model, primitives::ObjectId};

/// Of more models, every pair would be too much to measure.
const MOST: usize = 2_000;

/// The others nearby, and the nearest of all with the distance to it.
pub(super) type Crowd = (u64, Option<(ObjectId, f32)>);

/// Compares every model with every other. Those without an embedding have no place.
fn crowds(models: &[(ObjectId, Vec<f32>)]) -> HashMap<ObjectId, Crowd> {
    let mut crowds: HashMap<ObjectId, Crowd> = models.iter().map(|(id, _)| (*id, (0, None))).collect();
    for (at, (a, x)) in models.iter().enumerate() {
        for (b, y) in models[at + 1..].iter().filter(|(_, y)| !x.is_empty() && x.len() == y.len()) {
            let distance = model::cosine_distance(x, y);
            if !distance.is_finite() {
                continue;
            }
            for (id, other) in [(a, b), (b, a)] {
                let Some((near, nearest)) = crowds.get_mut(id) else { continue };
                *near += u64::from(distance <= CROWD_DISTANCE);
                if nearest.is_none_or(|(_, least)| distance < least) {
                    *nearest = Some((*other, distance));
                }
            }
        }
    }
    crowds
}

impl Dispatcher {
    /// After the registry changed: on another thread, as it is every model with every other.
    pub(super) fn measure_crowds(&self) {
        let Some(state) = self.chain.state.as_ref().filter(|state| state.models.len() <= MOST) else { return };
        let models: Vec<_> = state.models.iter().map(|model| (model.id, model.embedding.clone())).collect();
        let done = self.done.clone();
        tokio::task::spawn_blocking(move || {
            // Nobody listens after the end.
            let _ = done.send(Done::Crowds(crowds(&models)));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_models_crowd_each_other_and_each_knows_its_nearest() {
        let id = |n: u8| ObjectId([n; 32]);
        let models = [
            (id(1), vec![1.0, 0.0]),
            (id(2), vec![1.0, 0.1]),
            (id(3), vec![0.0, 1.0]),
            (id(4), vec![]),
            (id(5), vec![0.0, 0.0]),
        ];
        let crowds = crowds(&models);
        assert_eq!((crowds[&id(1)].0, crowds[&id(2)].0, crowds[&id(3)].0), (1, 1, 0));
        assert_eq!(crowds[&id(1)].1.map(|(other, _)| other), Some(id(2)));
        assert_eq!(crowds[&id(3)].1.map(|(other, _)| other), Some(id(2)));
        assert_eq!((crowds[&id(4)], crowds[&id(5)]), ((0, None), (0, None)));
    }
}
