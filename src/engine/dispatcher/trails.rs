//! How our best distance to each target fell: bounded, in memory, gone with the target.

use std::collections::HashMap;

use crate::{
    api::Improvement,
    engine::{corpus::Source, matching::Standing, now_ms},
    primitives::ObjectId,
};

/// Steps that are kept of a target: records of a random sequence are as rare as its logarithm, so this is hardly ever reached.
const STEPS: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Trails {
    /// With the source as it is, so that ten thousand labels are not made for nobody.
    steps: HashMap<ObjectId, Vec<(u64, f32, Option<Source>)>>,
}

impl Trails {
    pub fn note(&mut self, target: ObjectId, standing: &Standing) {
        let Some(distance) = standing.best_distance else { return };
        let steps = self.steps.entry(target).or_default();
        if steps.last().is_some_and(|(_, last, _)| *last <= distance) {
            return;
        }
        if steps.len() >= STEPS {
            // The first says where it began.
            steps.remove(1);
        }
        steps.push((now_ms(), distance, standing.nearest.as_ref().map(|nearest| nearest.source.clone())));
    }

    pub fn forget(&mut self, target: &ObjectId) {
        self.steps.remove(target);
    }

    /// Oldest first.
    pub fn of(&self, target: &ObjectId) -> Vec<Improvement> {
        let steps = self.steps.get(target).into_iter().flatten();
        let source = |source: &Option<Source>| source.as_ref().map(Source::label).unwrap_or_default();
        steps
            .map(|(at_ms, distance, from)| Improvement { at_ms: *at_ms, distance: *distance, source: source(from) })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_improvements_are_kept_the_first_of_them_always_and_not_too_many() {
        let id = ObjectId([1; 32]);
        let mut trails = Trails::default();
        let standing = |distance: f32| Standing { best_distance: Some(distance), ..Standing::default() };
        for n in 0..100u16 {
            trails.note(id, &standing(1.0 - f32::from(n) / 1000.0));
            trails.note(id, &standing(1.0));
        }
        trails.note(id, &Standing::default());
        let steps = trails.of(&id);
        assert_eq!((steps.len(), steps[0].distance, steps[STEPS - 1].distance), (STEPS, 1.0, 0.901));
        assert!(steps.windows(2).all(|pair| pair[1].distance < pair[0].distance));
        trails.forget(&id);
        assert_eq!(trails.of(&id), []);
    }
}
