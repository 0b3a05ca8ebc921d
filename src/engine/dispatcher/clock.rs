//! What time alone brings: publications, rates, second attempts, and threads that have died.

use std::{sync::Arc, time::Duration};

use super::{Dispatcher, Halt};
use crate::engine::now_ms;

/// A newer "last heard" alone is worth a publication only so often.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Seconds between two writes of the history of throughput.
const METER_WRITES_S: u64 = 10;

impl Dispatcher {
    pub(super) async fn on_tick(&mut self) -> Result<(), Halt> {
        if self.rewards_due {
            self.rewards_due = false;
            self.rewards = Arc::new(self.journal.rewards().await?);
            self.board_sums(self.rewards.clone()).await?;
            self.dirty = true;
        }
        if self.dirty {
            self.publish();
        }
        Ok(())
    }

    /// Threads that end before we say so have failed. What is in flight at the end is not given up for them.
    pub(super) fn review_threads(&self) -> Result<(), Halt> {
        match (self.matcher.replies.is_closed(), self.reader.readings.is_closed()) {
            _ if self.stopping.is_some() => Ok(()),
            (true, _) => Err(Halt::Thread("matches samples with targets")),
            (_, true) => Err(Halt::Thread("reads the corpus")),
            (false, false) => Ok(()),
        }
    }

    pub(super) async fn on_second(&mut self) -> Result<(), Halt> {
        self.review_threads()?;
        self.meter.gauge(&self.scorers.gauges());
        let now_s = now_ms() / 1000;
        self.dirty |= self.meter.tick(now_s, self.hits);
        if let Some(file) = self.meter_file.as_ref().filter(|_| now_s.is_multiple_of(METER_WRITES_S)) {
            file.write(&mut self.meter.rollup);
        }
        self.load_missing();
        self.start_pass_if_due();
        self.review_map();
        self.review_look();
        self.look_for_finds();
        self.review_money_left();
        self.dirty |= self.published_at.is_none_or(|at| at.elapsed() >= HEARTBEAT)
            && self.health.upstreams != self.snapshot.borrow().network.upstreams;
        // Rows may wait for a limit or for a delay to pass, not only for news.
        self.candidates_due = true;
        Ok(())
    }
}
