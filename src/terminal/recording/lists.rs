//! The large parts of a snapshot, which are shared while they do not change: written when they do, and then, of most, only what is new.

use std::sync::Arc;

use serde_json::Value;

use super::runs::{self, key};
use crate::api::{Rates, Snapshot};

/// One of them.
pub struct List {
    /// Its place; a part of a part stands behind it, and is as before where that is.
    pub name: &'static str,
    pub len: fn(&Snapshot) -> usize,
    pub is_same: fn(&Snapshot, &Snapshot) -> bool,
    /// Puts the list of the first into the second.
    pub copy: fn(&Snapshot, &mut Snapshot),
    pub clear: fn(&mut Snapshot),
    /// What is new in the second, against the first; `None`: this part is written whole.
    pub changes: fn(&Snapshot, &Snapshot) -> Option<Value>,
    /// Puts the list of the first, with these changes, into the second.
    pub apply: fn(&Snapshot, Value, &mut Snapshot) -> Result<(), String>,
}

impl List {
    /// Whether it is in one of these, by the beginning of its name.
    pub fn is_in(&self, others: &[String]) -> bool {
        others.iter().any(|other| is_part(self.name, other))
    }

    /// What it is written together with, or not at all: some lists name rows of others by their places.
    pub fn pace(&self) -> &'static str {
        let is_tied = TIED.iter().any(|tied| self.name == *tied || is_part(self.name, tied));
        if is_tied { TIED[0] } else { self.name }
    }
}

/// The map names targets and models by their places in their lists.
const TIED: [&str; 3] = ["map", "targets", "models"];

fn is_part(name: &str, of: &str) -> bool {
    name.strip_prefix(of).is_some_and(|rest| rest.starts_with('.'))
}

/// `get`: the part of a snapshot; `put`: its place in one. Without changes it is written whole when it changes.
macro_rules! list {
    ($name:expr, |$of:ident| $get:expr, |$to:ident| $put:expr, $len:expr) => {
        list!($name, |$of| $get, |$to| $put, $len, |_, _| None, |_, _, _| {
            Err(format!("it has changes of `{}`", $name))
        })
    };
    ($name:expr, |$of:ident| $get:expr, |$to:ident| $put:expr, $len:expr, $changes:expr, $apply:expr) => {
        List {
            name: $name,
            len: $len,
            is_same: |a, b| {
                let get = |$of: &Snapshot| $get.clone();
                let (a, b) = (get(a), get(b));
                a == b
            },
            copy: |from, $to| {
                let $of = from;
                let part = $get.clone();
                $put = part;
            },
            clear: |$to| $put = Default::default(),
            changes: $changes,
            apply: $apply,
        }
    };
}

/// A part that is written whole when it changes.
macro_rules! whole {
    ($($field:ident).+, $len:expr) => {
        list!(stringify!($($field).+), |of| of.$($field).+, |to| to.$($field).+, $len)
    };
}

/// A list, of which only what is new is written.
macro_rules! entries {
    ($name:expr, |$of:ident| $get:expr, |$to:ident| $put:expr, $key:expr) => {
        list!(
            $name,
            |$of| $get,
            |$to| $put,
            |$of| $get.len(),
            |old, new| {
                let get = |$of: &Snapshot| Arc::clone(&$get);
                serde_json::to_value(runs::runs(&get(old), &get(new), $key)).ok()
            },
            |old, changes, $to| {
                let list = {
                    let get = |$of: &Snapshot| Arc::clone(&$get);
                    let told = serde_json::from_value(changes).map_err(|error| error.to_string())?;
                    runs::rebuilt(&get(old), told)?
                };
                $put = Arc::new(list);
                Ok(())
            }
        )
    };
    ($($field:ident).+, $key:expr) => {
        entries!(stringify!($($field).+), |of| of.$($field).+, |to| to.$($field).+, $key)
    };
}

/// A list of the map, which is shared as a whole.
macro_rules! of_map {
    ($field:ident, $key:expr) => {
        entries!(concat!("map.", stringify!($field)), |of| of.map.$field, |to| Arc::make_mut(&mut to.map).$field, $key)
    };
}

/// A part of the map that is written whole when it changes.
macro_rules! whole_of_map {
    ($field:ident) => {
        list!(concat!("map.", stringify!($field)), |of| of.map.$field, |to| Arc::make_mut(&mut to.map).$field, |_| 0)
    };
}

fn rates(rates: &Option<Rates>) -> u64 {
    key(rates.map(|rates| <[f32; 5]>::from(rates).map(f32::to_bits)))
}

/// What holds others comes before them.
pub const LISTS: &[List] = &[
    entries!(wallet.history, |(at_ms, _)| key(*at_ms)),
    entries!(targets, |row| key(row.id)),
    entries!(models, |row| key(row.id)),
    whole!(map, |_| 0),
    of_map!(samples, |point| point.sample),
    whole_of_map!(tiles),
    of_map!(sources, |source| key(source.as_str())),
    of_map!(reached, |target| key(*target)),
    of_map!(targets, |target| key(target.row)),
    whole_of_map!(coverage),
    whole!(looked_at, |_| 0),
    whole!(inspection, |_| 0),
    whole!(board, |_| 0),
    whole!(policy, |_| 0),
    entries!(throughput.minute.buckets, rates),
    entries!(throughput.hour.buckets, rates),
    entries!(throughput.day.buckets, rates),
    entries!(approvals, |row| key(row.target)),
    entries!(submissions, |row| key((row.target, row.epoch))),
    whole!(rewards, |snapshot| snapshot.rewards.epochs.len()),
    entries!(log, |line| key((line.at_ms, &line.text))),
];
