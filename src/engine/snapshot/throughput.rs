//! How fast the device works: a ten-second window and five minutes of history.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{
    api::{ScorerState, ScorerView},
    engine::scoring::{Doing, Gauge, halved},
};

/// Seconds of the moving window.
const WINDOW_S: usize = 10;
/// Seconds of history.
const HISTORY_S: usize = 300;

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    samples: u64,
    tokens: u64,
}

/// Counts of this run, by the second.
#[derive(Debug, Default)]
pub(in crate::engine) struct Meter {
    pub samples: u64,
    pub evaluations: u64,
    pub tokens: u64,
    current: Second,
    window: VecDeque<Second>,
    history: Arc<Vec<f32>>,
    scorers: Vec<VecDeque<Gauge>>,
}

impl Meter {
    /// How the scorers are now; once a second, in the same order.
    pub fn gauge(&mut self, gauges: &[Gauge]) {
        self.scorers.resize_with(gauges.len(), VecDeque::new);
        for (seconds, gauge) in self.scorers.iter_mut().zip(gauges) {
            seconds.push_back(gauge.clone());
            if seconds.len() > WINDOW_S + 1 {
                seconds.pop_front();
            }
        }
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
        self.current.tokens += tokens;
    }

    /// Ends a second. Gives whether anything that is shown has changed.
    pub fn tick(&mut self) -> bool {
        let second = std::mem::take(&mut self.current);
        self.window.push_back(second);
        if self.window.len() > WINDOW_S {
            self.window.pop_front();
        }
        let was_idle = self.history.iter().all(|rate| *rate == 0.0);
        if second.samples == 0 && was_idle {
            return false;
        }
        let mut history = self.history.to_vec();
        history.push(second.samples as f32);
        let excess = history.len().saturating_sub(HISTORY_S);
        history.drain(..excess);
        self.history = Arc::new(history);
        true
    }

    fn mean(&self, value: impl Fn(&Second) -> u64) -> f32 {
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

    /// Samples a second, oldest first.
    pub fn history(&self) -> Arc<Vec<f32>> {
        self.history.clone()
    }
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
        for _ in 0..20 {
            for _ in 0..3 {
                meter.count(2, 100);
            }
            meter.tick();
        }
        assert_eq!((meter.samples_per_s(), meter.tokens_per_s()), (3.0, 300.0));
        for _ in 0..5 {
            meter.tick();
        }
        assert_eq!(meter.samples_per_s(), 1.5);
        assert_eq!((meter.samples, meter.evaluations, meter.tokens), (60, 120, 6000));
    }

    #[test]
    fn a_scorer_is_shown_with_what_it_did_in_the_last_ten_seconds() {
        let mut meter = Meter::default();
        for n in 0..30 {
            let busy = Duration::from_millis(500 * n);
            meter.gauge(&[Gauge { rows: 8 * n, bytes: 800 * n, busy, doing: Doing::Scoring, ..Gauge::default() }]);
        }
        let view = &meter.scorers()[0];
        assert_eq!((view.rows_per_s, view.bytes_per_s, view.busy), (8.0, 800.0, 0.5));
        assert_eq!(view.state, ScorerState::Scoring);
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
        assert!(!meter.tick());
        meter.count(1, 1);
        assert!(meter.tick());
        for _ in 0..HISTORY_S {
            meter.tick();
        }
        assert!(!meter.tick());
        assert_eq!(meter.history().len(), HISTORY_S);
    }
}
