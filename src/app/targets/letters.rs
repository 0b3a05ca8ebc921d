//! The short names of models: a letter for each place in the snapshot's list.

use std::{collections::HashMap, sync::Arc};

pub use crate::api::model_letter;
use crate::{api::ModelRow, primitives::ObjectId};

/// Which model is at which place, looked up by its id.
#[derive(Clone, Debug, Default)]
pub struct Letters {
    models: Arc<Vec<ModelRow>>,
    places: HashMap<ObjectId, usize>,
}

impl Letters {
    /// Gives whether a name has changed.
    pub(super) fn follow(&mut self, models: &Arc<Vec<ModelRow>>) -> bool {
        if Arc::ptr_eq(&self.models, models) {
            return false;
        }
        let ids = |models: &[ModelRow]| models.iter().map(|model| model.id).collect::<Vec<_>>();
        let has_changed = ids(&self.models) != ids(models);
        self.models = Arc::clone(models);
        if has_changed {
            self.places = ids(models).into_iter().zip(0..).collect();
        }
        has_changed
    }

    pub fn index(&self, id: &ObjectId) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// The models' letters next to each other, `?` for one that is not in play; names of several digits stand apart.
    pub fn of(&self, ids: &[ObjectId]) -> String {
        let mut names = String::with_capacity(ids.len());
        let mut was_long = false;
        for id in ids {
            let name = self.index(id).map_or_else(|| "?".to_owned(), model_letter);
            if !names.is_empty() && (was_long || name.len() > 1) {
                names.push(',');
            }
            was_long = name.len() > 1;
            names.push_str(&name);
        }
        names
    }

    /// Places of models, for sorting: those that are not in play come last.
    pub(super) fn places(&self, ids: &[ObjectId]) -> Vec<usize> {
        ids.iter().map(|id| self.index(id).unwrap_or(usize::MAX)).collect()
    }

    /// Whether this is a model's short name, in upper or lower case.
    pub(super) fn is_called(&self, id: &ObjectId, name: &str) -> bool {
        // Longer than any number of models, and compared for every target.
        name.len() <= 6 && self.index(id).is_some_and(|index| model_letter(index).eq_ignore_ascii_case(name))
    }
}
