//! Pins: targets and niches that a person wants served first, or alone.
//!
//! Pure state with its text for the journal; the dispatcher asks it before anything is offered or approved. A pinned model pins
//! every target that lists it, those that are still to come included. A pinned target is that one only: what replaces it when
//! it is filled inherits nothing, and its pin ends with its epoch.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::primitives::ObjectId;

/// Where the journal keeps it.
pub(super) const KEPT_AS: &str = "pins";

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pins {
    /// Each with its epoch.
    targets: BTreeMap<ObjectId, u64>,
    models: BTreeSet<ObjectId>,
    /// Nothing else is offered or approved.
    only: bool,
}

impl Pins {
    /// What an earlier run wrote. What cannot be read restricts rather than widens: nothing is offered until somebody says so.
    pub fn read(text: &str) -> Result<Self, (Self, serde_json::Error)> {
        serde_json::from_str(text).map_err(|error| (Self { only: true, ..Self::default() }, error))
    }

    pub fn text(&self) -> String {
        // Ids, numbers and a truth value always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.targets.is_empty() && self.models.is_empty()
    }

    pub fn only(&self) -> bool {
        self.only
    }

    pub fn set_only(&mut self, only: bool) {
        self.only = only;
    }

    pub fn has_model(&self, model: &ObjectId) -> bool {
        self.models.contains(model)
    }

    /// Whether a target is pinned, by itself or by one of its models.
    pub fn has<'a>(&self, target: &ObjectId, models: impl IntoIterator<Item = &'a ObjectId>) -> bool {
        self.targets.contains_key(target)
            || (!self.models.is_empty() && models.into_iter().any(|model| self.models.contains(model)))
    }

    pub fn pin(&mut self, target: ObjectId, epoch: u64) {
        self.targets.insert(target, epoch);
    }

    pub fn unpin(&mut self, target: &ObjectId) {
        self.targets.remove(target);
    }

    pub fn pin_model(&mut self, model: ObjectId, on: bool) {
        if on {
            self.models.insert(model);
        } else {
            self.models.remove(&model);
        }
    }

    /// A new epoch: targets of earlier ones are gone, and so are models that are no longer registered. Gives whether anything changed,
    /// and the models.
    pub fn turn(&mut self, epoch: u64, is_registered: impl Fn(&ObjectId) -> bool) -> (bool, Vec<ObjectId>) {
        let before = self.targets.len();
        self.targets.retain(|_, of| *of >= epoch);
        let gone: Vec<ObjectId> = self.models.iter().filter(|model| !is_registered(model)).copied().collect();
        self.models.retain(|model| is_registered(model));
        (before != self.targets.len() || !gone.is_empty(), gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ObjectId {
        ObjectId([n; 32])
    }

    #[test]
    fn a_pinned_model_pins_whatever_lists_it_and_a_pinned_target_only_itself() {
        let mut pins = Pins::default();
        assert!(pins.is_empty());
        pins.pin(id(1), 7);
        pins.pin_model(id(100), true);
        assert!(pins.has(&id(1), &[]));
        assert!(pins.has(&id(2), &[id(99), id(100)]));
        assert!(!pins.has(&id(2), &[id(99)]));
        pins.pin_model(id(100), false);
        pins.unpin(&id(1));
        assert!(pins.is_empty());
    }

    #[test]
    fn targets_leave_with_their_epoch_and_models_with_the_registry() {
        let mut pins = Pins::default();
        pins.pin(id(1), 7);
        pins.pin(id(2), 8);
        pins.pin_model(id(100), true);
        pins.pin_model(id(101), true);
        assert_eq!(pins.turn(8, |model| *model == id(100)), (true, vec![id(101)]));
        assert!(!pins.has(&id(1), &[]) && pins.has(&id(2), &[]) && pins.has_model(&id(100)));
        assert_eq!(pins.turn(8, |_| true), (false, vec![]));
    }

    #[test]
    fn what_was_written_is_read_and_what_cannot_be_read_lets_nothing_through() {
        let mut pins = Pins::default();
        pins.pin(id(1), 7);
        pins.pin_model(id(100), true);
        pins.set_only(true);
        assert_eq!(Pins::read(&pins.text()).unwrap(), pins);
        let (fallback, _) = Pins::read("{\"targets\":{},\"models\":[],\"only\":false,\"since\":1}").unwrap_err();
        assert!(fallback.only() && fallback.is_empty());
    }
}
