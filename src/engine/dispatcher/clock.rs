//! What time alone brings: publications, rates, second attempts, and threads that have died.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Dispatcher, Done, Halt};
use crate::{
    api::{Level, RewardsView},
    engine::{
        board::{Fact, Sums},
        journal::{JournalError, Pages},
        now_ms,
    },
    primitives::Shannons,
};

/// A newer "last heard" alone is worth a publication only so often.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Summing up takes at most about this part of one core.
const SUMMING_PART: u32 = 20;
const SUM_AFTER_TROUBLE: Duration = Duration::from_secs(10);
/// Seconds between two writes of the history of throughput.
const METER_WRITES_S: u64 = 10;

impl Dispatcher {
    pub(super) fn on_tick(&mut self) {
        self.review_sums();
        if self.dirty {
            self.publish();
        }
    }

    /// Sums up what was earned, beside the journal's thread, if it is not what it was. The more there is to sum up, the rarer.
    fn review_sums(&mut self) {
        if !self.rewards_due || self.is_summing || self.sum_again.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.rewards_due = false;
        self.is_summing = true;
        let (journal, done) = (self.journal.path().to_owned(), self.done.clone());
        tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let sums = Pages::open(&journal).and_then(|mut pages| pages.sums());
            // The engine may have ended meanwhile.
            let _ = done.send(Done::Summed { sums, took: began.elapsed() });
        });
    }

    pub(super) async fn summed(
        &mut self,
        sums: Result<(RewardsView, BTreeMap<u64, Shannons>), JournalError>,
        took: Duration,
    ) -> Result<(), Halt> {
        self.is_summing = false;
        self.sum_again = Some(Instant::now() + took * SUMMING_PART);
        match sums {
            Ok((rewards, bonds)) => {
                self.rewards = Arc::new(rewards);
                self.board.tell(Fact::Sums(Sums { rewards: self.rewards.clone(), bonds }));
                self.dirty = true;
                Ok(())
            }
            // What is shown is old, and nothing is decided by it.
            Err(error) => {
                self.rewards_due = true;
                self.sum_again = Some(Instant::now() + SUM_AFTER_TROUBLE);
                let text = format!("the sums of rewards are as they were: {error}");
                match self.quiet.admit(text, Instant::now()) {
                    Some(text) => self.log(Level::Warning, text).await,
                    None => Ok(()),
                }
            }
        }
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
