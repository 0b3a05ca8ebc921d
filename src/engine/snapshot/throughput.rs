//! How fast the devices work: a ten-second window, and the history that [`meter`](crate::engine::meter) keeps.

use std::{collections::VecDeque, fs, sync::Arc, time::Duration};

use crate::{
    api::{RateSeries, Rates, ScorerState, ScorerView},
    engine::{
        meter::{Bucket, Level, Rollup},
        scoring::{Doing, Gauge, halved},
    },
};

/// Seconds of the moving window.
const WINDOW_S: usize = 10;

/// Counts of this run, by the second; and of earlier ones, rolled up.
#[derive(Debug, Default)]
pub(in crate::engine) struct Meter {
    pub samples: u64,
    pub evaluations: u64,
    pub tokens: u64,
    /// As the kernel told it last.
    pub resident_bytes: Option<u64>,
    current: Bucket,
    /// All hits of this run, as of the last second.
    hits: u64,
    window: VecDeque<Bucket>,
    pub rollup: Rollup,
    pub minute: RateSeries,
    pub hour: RateSeries,
    pub day: RateSeries,
    scorers: Vec<VecDeque<Gauge>>,
}

impl Meter {
    /// Goes on from what earlier runs have left.
    pub fn new(rollup: Rollup) -> Self {
        Self { rollup, ..Self::default() }
    }

    /// How the scorers are now; once a second, in the same order.
    pub fn gauge(&mut self, gauges: &[Gauge]) {
        self.scorers.resize_with(gauges.len(), VecDeque::new);
        let mut busy = Duration::ZERO;
        for (seconds, gauge) in self.scorers.iter_mut().zip(gauges) {
            busy += seconds.back().map_or(Duration::ZERO, |before| gauge.busy.saturating_sub(before.busy));
            seconds.push_back(gauge.clone());
            if seconds.len() > WINDOW_S + 1 {
                seconds.pop_front();
            }
        }
        let scorers = u128::try_from(gauges.len().max(1)).unwrap_or(1);
        self.current.busy_ms = u64::try_from(busy.as_millis() / scorers).unwrap_or(u64::MAX);
        self.resident_bytes = resident_bytes();
    }

    pub fn scorers(&self) -> Vec<ScorerView> {
        self.scorers
            .iter()
            .filter_map(|seconds| Some(scorer(seconds.front()?, seconds.back()?, seconds.len() - 1)))
            .collect()
    }

    pub fn count(&mut self, evaluations: u64, tokens: u64) {
        self.samples += 1;
        self.evaluations += evaluations;
        self.tokens += tokens;
        self.current.samples += 1;
        self.current.evaluations += evaluations;
        self.current.tokens += tokens;
    }

    /// Ends the second that began at `now_s`; `hits`: all of this run. Gives whether anything that is shown has changed.
    pub fn tick(&mut self, now_s: u64, hits: u64) -> bool {
        let mut second = std::mem::take(&mut self.current);
        second.seconds = 1;
        second.hits = hits.saturating_sub(std::mem::replace(&mut self.hits, hits));
        self.window.push_back(second);
        if self.window.len() > WINDOW_S {
            self.window.pop_front();
        }
        self.rollup.add(now_s, &second);
        let was_active = self.minute.buckets.iter().flatten().any(|rates| rates.samples_per_s > 0.0);
        let moved = now_s / Level::Quarter.width() != self.hour.last_s / Level::Quarter.width();
        // Where nothing happens, the charts of an hour and a day still move on, a bucket at a time.
        if !second.is_active() && !was_active && !moved {
            return false;
        }
        self.minute = series(&self.rollup, Level::Second, RateSeries::MINUTE, now_s);
        // Their newest buckets grow slowly, and whoever records all this writes what is new of it.
        if now_s.is_multiple_of(5) || self.hour.buckets.is_empty() {
            self.hour = series(&self.rollup, Level::Quarter, RateSeries::HOUR, now_s);
        }
        if now_s.is_multiple_of(60) || self.day.buckets.is_empty() {
            self.day = series(&self.rollup, Level::FiveMinutes, RateSeries::DAY, now_s);
        }
        let lives = |series: &RateSeries| series.buckets.iter().flatten().any(|rates| rates.samples_per_s > 0.0);
        second.is_active() || was_active || lives(&self.hour) || lives(&self.day)
    }

    fn mean(&self, value: impl Fn(&Bucket) -> u64) -> f32 {
        match self.window.len() {
            0 => 0.0,
            seconds => self.window.iter().map(value).sum::<u64>() as f32 / seconds as f32,
        }
    }

    pub fn samples_per_s(&self) -> f32 {
        self.mean(|second| second.samples)
    }

    pub fn tokens_per_s(&self) -> f32 {
        self.mean(|second| second.tokens)
    }

    pub fn evaluations_per_s(&self) -> f32 {
        self.mean(|second| second.evaluations)
    }

    /// Over what was run of the last hour.
    pub fn hits_per_h(&self, now_s: u64) -> f32 {
        let mut hour = Bucket::default();
        for bucket in self.rollup.last(Level::Quarter, RateSeries::HOUR, now_s).iter().flatten() {
            hour.add(bucket);
        }
        rates(&hour).hits_per_h
    }
}

fn series(rollup: &Rollup, level: Level, count: usize, now_s: u64) -> RateSeries {
    let buckets = rollup.last(level, count, now_s);
    RateSeries {
        bucket_s: level.width(),
        last_s: now_s - now_s % level.width(),
        buckets: Arc::new(buckets.iter().map(|bucket| bucket.as_ref().map(rates)).collect()),
    }
}

fn rates(bucket: &Bucket) -> Rates {
    let a_second = |count: u64| if bucket.seconds == 0 { 0.0 } else { count as f32 / bucket.seconds as f32 };
    Rates {
        samples_per_s: a_second(bucket.samples),
        tokens_per_s: a_second(bucket.tokens),
        evaluations_per_s: a_second(bucket.evaluations),
        hits_per_h: a_second(bucket.hits) * 3600.0,
        // A batch is booked when it ends, so one that was long may be more than the second.
        busy: (a_second(bucket.busy_ms) / 1000.0).min(1.0),
    }
}

/// Of this process, as the kernel counts them.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// A scorer, `seconds` after it was as `before`.
fn scorer(before: &Gauge, now: &Gauge, seconds: usize) -> ScorerView {
    let a_second = |counted: f64| if seconds == 0 { 0.0 } else { (counted / seconds as f64) as f32 };
    let (rows, bytes) = (now.rows.saturating_sub(before.rows), now.bytes.saturating_sub(before.bytes));
    let busy: Duration = now.busy.saturating_sub(before.busy);
    ScorerView {
        name: now.name.clone(),
        state: match now.doing {
            Doing::Idle => ScorerState::Idle,
            Doing::Scoring => ScorerState::Scoring,
            Doing::Confirming => ScorerState::Confirming,
            Doing::Resting => ScorerState::Resting,
            Doing::Gone => ScorerState::Gone,
        },
        batch_rows: now.row_limit.map_or(now.batch_rows, |limit| limit.min(now.batch_rows)) as u64,
        rows_per_s: a_second(rows as f64),
        bytes_per_s: a_second(bytes as f64),
        // A batch is booked when it ends, so one that was long may be more than the window.
        busy: a_second(busy.as_secs_f64()).min(1.0),
        trouble: now.trouble.clone().or_else(|| now.row_limit.map(halved)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_ten_seconds() {
        let mut meter = Meter::default();
        for now in 0..20 {
            for _ in 0..3 {
                meter.count(2, 100);
            }
            meter.tick(now, 0);
        }
        assert_eq!((meter.samples_per_s(), meter.tokens_per_s(), meter.evaluations_per_s()), (3.0, 300.0, 6.0));
        for now in 20..25 {
            meter.tick(now, 0);
        }
        assert_eq!(meter.samples_per_s(), 1.5);
        assert_eq!((meter.samples, meter.evaluations, meter.tokens), (60, 120, 6000));
    }

    #[test]
    fn a_scorer_is_shown_with_what_it_did_in_the_last_ten_seconds() {
        let mut meter = Meter::default();
        for n in 0..30 {
            let busy = Duration::from_millis(500 * n);
            meter.count(1, 1);
            meter.gauge(&[Gauge { rows: 8 * n, bytes: 800 * n, busy, doing: Doing::Scoring, ..Gauge::default() }]);
            meter.tick(n, 0);
        }
        let view = &meter.scorers()[0];
        assert_eq!((view.rows_per_s, view.bytes_per_s, view.busy), (8.0, 800.0, 0.5));
        assert_eq!(view.state, ScorerState::Scoring);
        assert_eq!(meter.minute.buckets.last().unwrap().map(|rates| rates.busy), Some(0.5));
    }

    #[test]
    fn a_scorer_that_is_short_of_memory_says_so_unless_something_worse_is_wrong() {
        let mut meter = Meter::default();
        let short = Gauge { batch_rows: 64, row_limit: Some(8), ..Gauge::default() };
        meter.gauge(std::slice::from_ref(&short));
        let view = &meter.scorers()[0];
        assert_eq!((view.batch_rows, view.trouble.as_deref()), (8, Some("batch halved to 8 rows: out of memory")));
        meter.gauge(&[Gauge { trouble: Some("unplugged".into()), ..short }]);
        assert_eq!(meter.scorers()[0].trouble.as_deref(), Some("unplugged"));
    }

    #[test]
    fn an_idle_device_changes_nothing_on_the_screen() {
        let mut meter = Meter::default();
        assert!(!(1..=120).any(|now| meter.tick(now, 0)));
        meter.count(1, 1);
        assert!(meter.tick(121, 0));
        // What was done leaves the minute; then only the hour and the day move on, a bucket at a time.
        let changed: Vec<_> = (122..=300).filter(|now| meter.tick(*now, 0)).collect();
        assert!(changed.iter().filter(|now| **now > 182).all(|now| now % 15 == 0), "{changed:?}");
        assert_eq!(meter.minute.buckets.len(), RateSeries::MINUTE);
    }

    #[test]
    fn gaps_are_gaps_and_hits_are_those_of_the_hours_that_were_run() {
        let mut meter = Meter::default();
        for now in 7200..7215 {
            meter.count(1, 1);
            meter.tick(now, now - 7199);
        }
        meter.tick(7230, 15);
        assert_eq!(meter.hour.last_s, 7230);
        let last: Vec<_> = meter.hour.buckets[236..].iter().map(|rates| rates.map(|r| r.samples_per_s)).collect();
        assert_eq!(last, [None, Some(1.0), None, Some(0.0)]);
        // Fifteen in sixteen seconds.
        assert_eq!(meter.hits_per_h(7230), 15.0 / 16.0 * 3600.0);
    }
}
