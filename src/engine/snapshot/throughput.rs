//! How fast the device works: a ten-second window and five minutes of history.

use std::{collections::VecDeque, sync::Arc};

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
}

impl Meter {
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
