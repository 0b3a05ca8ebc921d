//! What is new in a list, against the one before: runs of what stayed, wherever it stood, and what is new.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longer lists are in no snapshot.
const LONGEST: usize = 4 << 20;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Run<L> {
    /// Of the list before: from this entry on, so many.
    Keep(usize, usize),
    New(L),
}

/// What an entry is found again by; entries that are not equal may have the same.
pub fn key(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// `new` in terms of `old`. `key`: what to find an entry by where it does not follow what stood before it.
pub fn runs<'a, T: PartialEq>(old: &[T], new: &'a [T], key: impl Fn(&T) -> u64) -> Vec<Run<&'a [T]>> {
    let places: HashMap<u64, usize> = old.iter().enumerate().map(|(at, entry)| (key(entry), at)).collect();
    let mut runs = Vec::new();
    // Behind the entry of `old` that was met last, and the first of `new` that is in no run yet.
    let (mut next, mut fresh) = (0, 0);
    for (n, entry) in new.iter().enumerate() {
        let follows = old.get(next) == Some(entry);
        let found = if follows { Some(next) } else { places.get(&key(entry)).copied().filter(|at| old[*at] == *entry) };
        let Some(at) = found else {
            next += 1;
            continue;
        };
        if fresh < n {
            runs.push(Run::New(&new[fresh..n]));
        }
        match runs.last_mut() {
            Some(Run::Keep(start, length)) if *start + *length == at => *length += 1,
            _ => runs.push(Run::Keep(at, 1)),
        }
        (next, fresh) = (at + 1, n + 1);
    }
    if fresh < new.len() {
        runs.push(Run::New(&new[fresh..]));
    }
    runs
}

/// How many entries are new in what [`runs`] told.
pub fn fresh(told: &Value) -> usize {
    let runs = told.as_array().into_iter().flatten();
    runs.filter_map(|run| run.get("new")?.as_array()).map(Vec::len).sum()
}

/// The list that [`runs`] told.
///
/// # Errors
/// It keeps what is not there, or is too long.
pub fn rebuilt<T: Clone>(old: &[T], runs: Vec<Run<Vec<T>>>) -> Result<Vec<T>, String> {
    let mut list = Vec::new();
    for run in runs {
        match run {
            Run::Keep(at, length) => {
                let kept = at.checked_add(length).and_then(|end| old.get(at..end));
                list.extend_from_slice(kept.ok_or("a list keeps what was not in it")?);
            }
            Run::New(entries) => list.extend(entries),
        }
        if list.len() > LONGEST {
            return Err("a list is too long".to_owned());
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(old: &[u32], new: &[u32]) -> Vec<Run<Vec<u32>>> {
        let text = serde_json::to_string(&runs(old, new, |n| key(*n))).expect("JSON");
        serde_json::from_str(&text).expect("the same")
    }

    #[test]
    fn what_scrolls_moves_or_changes_in_one_place_is_told_shortly() {
        let old: Vec<u32> = (0..100).collect();
        let scrolled: Vec<u32> = (3..103).collect();
        assert_eq!(told(&old, &scrolled), [Run::Keep(3, 97), Run::New(vec![100, 101, 102])]);
        let mut changed = old.clone();
        changed[40] = 7_000;
        assert_eq!(told(&old, &changed), [Run::Keep(0, 40), Run::New(vec![7_000]), Run::Keep(41, 59)]);
        let before: Vec<u32> = std::iter::once(500).chain(old.clone()).collect();
        assert_eq!(told(&old, &before), [Run::New(vec![500]), Run::Keep(0, 100)]);
        assert_eq!(told(&old, &old), [Run::Keep(0, 100)]);
        assert_eq!(told(&old, &[]), []);
    }

    #[test]
    fn what_keeps_more_than_there_is_is_refused() {
        for run in [Run::Keep(0, 4), Run::Keep(9, 1), Run::Keep(usize::MAX, 2)] {
            assert!(rebuilt(&[1, 2, 3], vec![run]).is_err());
        }
        assert!(rebuilt(&[0_u8; 1 << 20], vec![Run::Keep(0, 1 << 20); 5]).is_err(), "nothing grows without bound");
    }

    proptest! {
        #[test]
        fn every_list_is_rebuilt_as_it_was(old in prop::collection::vec(0..9_u32, 0..40), new in prop::collection::vec(0..9_u32, 0..40)) {
            prop_assert_eq!(rebuilt(&old, told(&old, &new)), Ok(new));
        }
    }
}
