//! The large parts of a snapshot, which are shared while they do not change: written only when they do.

use std::sync::Arc;

use crate::api::Snapshot;

/// One of them.
pub struct List {
    pub name: &'static str,
    pub len: fn(&Snapshot) -> usize,
    pub is_same: fn(&Snapshot, &Snapshot) -> bool,
    /// Puts the list of the first into the second.
    pub copy: fn(&Snapshot, &mut Snapshot),
    pub clear: fn(&mut Snapshot),
}

macro_rules! list {
    ($($field:ident).+, $len:expr) => {
        List {
            name: stringify!($($field).+),
            len: $len,
            is_same: |a, b| Arc::ptr_eq(&a.$($field).+, &b.$($field).+),
            copy: |from, to| to.$($field).+ = Arc::clone(&from.$($field).+),
            clear: |snapshot| snapshot.$($field).+ = Arc::default(),
        }
    };
}

pub const LISTS: &[List] = &[
    list!(wallet.history, |snapshot| snapshot.wallet.history.len()),
    list!(targets, |snapshot| snapshot.targets.len()),
    list!(models, |snapshot| snapshot.models.len()),
    list!(map, |snapshot| snapshot.map.samples.len() + snapshot.map.targets.len()),
    list!(board, |_| 0),
    list!(policy, |_| 0),
    list!(throughput.minute.buckets, |snapshot| snapshot.throughput.minute.buckets.len()),
    list!(throughput.hour.buckets, |snapshot| snapshot.throughput.hour.buckets.len()),
    list!(throughput.day.buckets, |snapshot| snapshot.throughput.day.buckets.len()),
    list!(approvals, |snapshot| snapshot.approvals.len()),
    list!(submissions, |snapshot| snapshot.submissions.len()),
    list!(rewards, |snapshot| snapshot.rewards.epochs.len()),
    list!(log, |snapshot| snapshot.log.len()),
];
