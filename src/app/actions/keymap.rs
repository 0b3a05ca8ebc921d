//! Which key does what: the registry's own keys, and what the user made of them.

use std::fmt;

use super::{ACTIONS, Action, ActionInfo, at};
use crate::app::{Key, Place};

/// The keys of every action. An action without a key is still found in the palette.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keymap {
    /// By place in the registry.
    keys: Vec<Vec<Key>>,
}

/// Why a user's bindings will not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeymapError {
    /// Nothing has this id; the nearest that there is.
    Unknown { id: String, meant: Option<&'static str> },
    /// The user gave one key to two actions of one place.
    Twice { key: Key, first: &'static str, second: &'static str },
    /// Without it there is no way out, or no way to answer.
    Unbound { id: &'static str },
}

impl fmt::Display for KeymapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { id, meant: None } => write!(f, "no action is called `{id}`: README.md lists them"),
            Self::Unknown { id, meant: Some(meant) } => {
                write!(f, "no action is called `{id}`: did you mean `{meant}`?")
            }
            Self::Twice { key, first, second } => {
                write!(
                    f,
                    "the key {} is given to `{first}` and to `{second}`, which meet on one screen",
                    key.name(true)
                )
            }
            Self::Unbound { id } => write!(f, "`{id}` needs a key"),
        }
    }
}

impl std::error::Error for KeymapError {}

impl Default for Keymap {
    fn default() -> Self {
        Self { keys: ACTIONS.iter().map(|info| info.keys.to_vec()).collect() }
    }
}

impl Keymap {
    /// The registry's keys with the user's instead where there are any. A key that the user gives to an action is taken
    /// from every other one that it would meet on a screen.
    ///
    /// # Errors
    /// Everything that is wrong with the bindings, in their order.
    pub fn with<'a>(bindings: impl IntoIterator<Item = (&'a str, Vec<Key>)>) -> Result<Self, Vec<KeymapError>> {
        let mut map = Self::default();
        let (mut errors, mut bound) = (Vec::new(), Vec::<usize>::new());
        for (id, keys) in bindings {
            let Some(index) = ACTIONS.iter().position(|info| info.id == id) else {
                errors.push(KeymapError::Unknown { id: id.to_owned(), meant: nearest(id) });
                continue;
            };
            for (other, key) in bound.iter().flat_map(|&other| keys.iter().map(move |key| (other, key))) {
                if other != index && meet(other, index) && map.keys[other].contains(key) {
                    errors.push(KeymapError::Twice { key: *key, first: ACTIONS[other].id, second: ACTIONS[index].id });
                }
            }
            for other in (0..ACTIONS.len()).filter(|&other| other != index && meet(other, index)) {
                if !bound.contains(&other) {
                    map.keys[other].retain(|key| !keys.contains(key));
                }
            }
            map.keys[index] = keys;
            bound.push(index);
        }
        for (info, keys) in ACTIONS.iter().zip(&map.keys) {
            let essential = matches!(info.action, Action::Quit | Action::LeaveNow | Action::Confirm)
                || info.places == [Place::Confirm]
                || info.places == [Place::Help]
                || info.id == "close-inspector"
                || info.id == "no-export"
                || info.id == "no-copy";
            if essential && keys.is_empty() {
                errors.push(KeymapError::Unbound { id: info.id });
            }
        }
        if errors.is_empty() { Ok(map) } else { Err(errors) }
    }

    /// What `key` means at `place`.
    pub fn lookup(&self, key: Key, place: Place) -> Option<&'static ActionInfo> {
        at(place).find(|info| self.keys(info).contains(&key))
    }

    /// What does this, as it is bound now.
    pub fn keys(&self, info: &ActionInfo) -> &[Key] {
        ACTIONS.iter().position(|other| other.id == info.id).map_or(&[], |index| &self.keys[index])
    }
}

/// Whether two actions can be asked for at one place.
fn meet(a: usize, b: usize) -> bool {
    ACTIONS[a].places.iter().any(|place| ACTIONS[b].places.contains(place))
}

/// The id that needs the fewest changes, if they are few.
fn nearest(id: &str) -> Option<&'static str> {
    let distance = |other: &str| {
        let mut row: Vec<usize> = (0..=other.len()).collect();
        for (i, a) in id.bytes().enumerate() {
            let mut before = std::mem::replace(&mut row[0], i + 1);
            for (j, b) in other.bytes().enumerate() {
                let change = before + usize::from(a != b);
                before = row[j + 1];
                row[j + 1] = change.min(row[j] + 1).min(before + 1);
            }
        }
        row[other.len()]
    };
    ACTIONS.iter().map(|info| (distance(info.id), info.id)).min().filter(|(by, _)| *by <= 3).map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_given_is_taken_from_whoever_had_it() {
        let map = Keymap::with([("pause", vec![Key::Char('m')])]).expect("a good binding");
        assert_eq!(map.lookup(Key::Char('m'), Place::Dashboard).map(|info| info.id), Some("pause"));
        assert_eq!(map.lookup(Key::Char('p'), Place::Dashboard).map(|info| info.id), None);
        assert!(ACTIONS.iter().filter(|info| info.id == "mode").all(|info| map.keys(info).is_empty()));
    }

    #[test]
    fn what_will_not_do_is_told() {
        let errors = Keymap::with([
            ("pauze", vec![Key::Char('1')]),
            ("help", vec![Key::Char('X')]),
            ("quit", vec![]),
            ("pause", vec![Key::Char('X')]),
        ])
        .expect_err("three mistakes");
        assert_eq!(
            errors,
            [
                KeymapError::Unknown { id: "pauze".to_owned(), meant: Some("pause") },
                KeymapError::Twice { key: Key::Char('X'), first: "help", second: "pause" },
                KeymapError::Unbound { id: "quit" },
            ]
        );
    }
}
