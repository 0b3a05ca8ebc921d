//! Counts by the second, the quarter minute and five minutes. Sums are kept: a coarse bucket is the sum of its fine ones.

use std::collections::{BTreeMap, BTreeSet};

/// What was counted in some seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Bucket {
    /// Seconds in which the program ran.
    pub seconds: u64,
    pub samples: u64,
    pub tokens: u64,
    pub evaluations: u64,
    pub hits: u64,
    /// Milliseconds of work of a scorer, the mean over all of them.
    pub busy_ms: u64,
}

impl Bucket {
    pub fn add(&mut self, other: &Self) {
        self.seconds = self.seconds.saturating_add(other.seconds);
        self.samples = self.samples.saturating_add(other.samples);
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.evaluations = self.evaluations.saturating_add(other.evaluations);
        self.hits = self.hits.saturating_add(other.hits);
        self.busy_ms = self.busy_ms.saturating_add(other.busy_ms);
    }

    /// Something happened in it.
    pub fn is_active(&self) -> bool {
        self.samples > 0 || self.hits > 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Level {
    Second,
    Quarter,
    FiveMinutes,
}

impl Level {
    pub const ALL: [Self; 3] = [Self::Second, Self::Quarter, Self::FiveMinutes];

    /// Seconds of a bucket.
    pub fn width(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Quarter => 15,
            Self::FiveMinutes => 300,
        }
    }

    /// Buckets that are kept: ten minutes, two hours, eight days.
    pub fn keeps(self) -> usize {
        match self {
            Self::Second => 600,
            Self::Quarter => 480,
            Self::FiveMinutes => 2304,
        }
    }

    fn start(self, at_s: u64) -> u64 {
        at_s - at_s % self.width()
    }
}

#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Rollup {
    /// By [`Level`], then by the unix second of their start.
    levels: [BTreeMap<u64, Bucket>; 3],
    /// Not yet written.
    changed: [BTreeSet<u64>; 3],
}

impl Rollup {
    /// Takes up a bucket as an earlier run has written it.
    pub fn restore(&mut self, level: Level, start_s: u64, bucket: Bucket) {
        self.levels[level as usize].insert(start_s, bucket);
        self.prune(level);
    }

    /// Counts of the second that began at `at_s`.
    pub fn add(&mut self, at_s: u64, counts: &Bucket) {
        for level in Level::ALL {
            let start = level.start(at_s);
            self.levels[level as usize].entry(start).or_default().add(counts);
            self.changed[level as usize].insert(start);
            self.prune(level);
        }
    }

    fn prune(&mut self, level: Level) {
        let buckets = &mut self.levels[level as usize];
        while buckets.len() > level.keeps() {
            buckets.pop_first();
        }
    }

    /// The last `count` buckets up to the one that `now_s` is in, oldest first; `None`: the program did not run.
    pub fn last(&self, level: Level, count: usize, now_s: u64) -> Vec<Option<Bucket>> {
        let newest = level.start(now_s) / level.width();
        let buckets = &self.levels[level as usize];
        let at = |back: usize| {
            let index = newest.checked_sub(back as u64)?;
            buckets.get(&(index * level.width())).copied()
        };
        (0..count).rev().map(at).collect()
    }

    /// What has changed since the last call, as it is now.
    pub fn take_changes(&mut self) -> Vec<(Level, u64, Bucket)> {
        let mut changes = Vec::new();
        for level in Level::ALL {
            for start in std::mem::take(&mut self.changed[level as usize]) {
                changes.extend(self.levels[level as usize].get(&start).map(|bucket| (level, start, *bucket)));
            }
        }
        changes
    }

    /// These could not be written: they are changes still.
    pub fn put_back(&mut self, changes: &[(Level, u64, Bucket)]) {
        for (level, start, _) in changes {
            self.changed[*level as usize].insert(*start);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts() -> impl Strategy<Value = Bucket> {
        (0..50u64, 0..5u64).prop_map(|(samples, hits)| Bucket {
            seconds: 1,
            samples,
            tokens: samples * 1024,
            evaluations: samples * 3,
            hits,
            busy_ms: samples * 7,
        })
    }

    proptest! {
        /// Runs of seconds with gaps between them, within what the finest level keeps.
        #[test]
        fn sums_are_kept_at_each_level_and_gaps_stay_gaps(
            start in 0..4_000_000_000u64,
            runs in proptest::collection::vec((0..60u64, proptest::collection::vec(counts(), 1..60)), 1..5),
        ) {
            let (mut rollup, mut at, mut sum, mut ran) = (Rollup::default(), start, Bucket::default(), BTreeSet::new());
            for (gap, seconds) in &runs {
                at += gap;
                for second in seconds {
                    rollup.add(at, second);
                    sum.add(second);
                    ran.insert(at);
                    at += 1;
                }
            }
            let last = at - 1;
            for level in Level::ALL {
                let mut total = Bucket::default();
                for bucket in rollup.last(level, level.keeps(), last).into_iter().flatten() {
                    prop_assert!(bucket.seconds > 0 && bucket.seconds <= level.width());
                    total.add(&bucket);
                }
                prop_assert_eq!(total, sum);
            }
            let seconds = rollup.last(Level::Second, 600, last);
            for (second, bucket) in (last.saturating_sub(599)..=last).zip(&seconds) {
                prop_assert_eq!(bucket.is_some(), ran.contains(&second), "{}", second);
            }
        }

        #[test]
        fn each_level_is_bounded_whatever_the_clock_does(times in proptest::collection::vec(any::<u64>(), 0..3000)) {
            let mut rollup = Rollup::default();
            for at in times {
                rollup.add(at, &Bucket { seconds: 1, ..Bucket::default() });
            }
            for level in Level::ALL {
                prop_assert!(rollup.levels[level as usize].len() <= level.keeps());
                prop_assert_eq!(rollup.last(level, 7, 3).len(), 7);
            }
        }
    }
}
