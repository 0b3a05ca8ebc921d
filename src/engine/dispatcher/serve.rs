//! The loop: what comes next, and then everything that has become possible. How it begins to end, and how it ends.

use std::{sync::Arc, time::Duration};

use tokio::time::{self, Instant, MissedTickBehavior};

use super::{Dispatcher, Halt};
use crate::{
    api::{Command, Event, Level, LogLine, ServerName, SubmissionState as State},
    engine::{matching::MOST_UNKEPT, now_ms, watch::look},
};

/// At most four publications a second.
const TICK: Duration = Duration::from_millis(250);
/// How long the end waits for the last look at the wallet.
const LAST_LOOK: Duration = Duration::from_secs(5);
/// Scores that are taken in before anything else is looked at.
const SCORED_AT_ONCE: usize = 64;

/// Rows in these states are on their way to another one; in the others they wait for a person, or for epochs to pass.
const AT_WORK: [State; 7] =
    [State::Found, State::Confirmed, State::Approved, State::Uploaded, State::Signed, State::Sent, State::Unknown];

impl Dispatcher {
    pub(super) async fn run(mut self) {
        if let Err(halt) = self.serve().await {
            self.health.halt = Some(halt.to_string());
            // The journal may be what is broken, so this line goes to the owner only.
            let line = LogLine::new(now_ms(), Level::Error, format!("the engine stops: {halt}"));
            self.lines.push_back(line.clone());
            self.lines_due = true;
            let _ = self.events.send(Event::Log(line));
            self.publish();
        }
        // After the last event the directory is free for another engine.
        self.matcher.close().await;
        if let Some(file) = self.meter_file.take() {
            file.write(&mut self.meter.rollup);
            // An error would only say that the thread panicked.
            let _ = tokio::task::spawn_blocking(|| file.close()).await;
        }
        self.board.close().await;
        self.journal.close().await;
        let _ = self.events.send(Event::Stopped);
    }

    async fn serve(&mut self) -> Result<(), Halt> {
        let mut tick = time::interval(TICK);
        let mut second = time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        second.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut scored = Vec::with_capacity(SCORED_AT_ONCE);
        loop {
            let wants_samples = self.pipeline.wants_samples()
                && self.scorers.has_room()
                && self.matcher.unkept() < MOST_UNKEPT
                && self.stopping.is_none();
            tokio::select! {
                // Money before knowledge before bulk.
                biased;
                command = self.commands.recv(), if self.stopping.is_none() => {
                    self.command(command.unwrap_or(Command::Shutdown)).await?;
                }
                Some(done) = self.results.recv() => self.done(done).await?,
                Some(news) = self.watch.news.recv() => self.news(news).await?,
                1.. = self.scorers.results.recv_many(&mut scored, SCORED_AT_ONCE) => self.all_scored(scored.drain(..)).await?,
                Some(reply) = self.matcher.replies.recv() => self.matched(reply).await?,
                Some(news) = self.board.news.recv() => self.board_news(news).await?,
                _ = tick.tick(), if self.is_restless() => self.on_tick(),
                _ = second.tick() => self.on_second().await?,
                Some(reading) = self.reader.readings.recv(), if wants_samples => self.reading(reading).await?,
            }
            self.act().await?;
            if self.is_settled() {
                return self.end().await;
            }
        }
    }

    /// Whether a quarter of a second may bring anything: something to show, or a row or an order that waits for its next attempt.
    /// Otherwise only news wakes us, and the second.
    fn is_restless(&self) -> bool {
        self.dirty
            || self.rewards_due
            || !self.tickets.is_empty()
            || !self.orders.is_empty()
            || self.rows.count(&AT_WORK) > 0
    }

    /// Everything that has become possible. Nothing, until the node has said that it serves our chain: on another one all
    /// targets, coins and transactions of ours would look gone.
    pub(super) async fn act(&mut self) -> Result<(), Halt> {
        if self.chain.chain_id.is_empty() || self.health.foreign.is_some() {
            return Ok(());
        }
        self.expire_rows().await?;
        self.review_approved().await?;
        self.review_committed().await?;
        self.ripen_rows().await?;
        self.find_hits().await?;
        self.confirm_rows();
        self.judge_rows().await?;
        self.upload_rows().await?;
        self.explain_waiting().await?;
        self.tend_purse().await?;
        self.fill_lanes().await?;
        self.settle_rows().await?;
        self.settle_orders().await?;
        self.find_payments();
        Ok(())
    }

    fn is_settled(&self) -> bool {
        let Some(deadline) = self.stopping else { return false };
        let in_flight = !self.rows.in_flight().is_empty() || !self.orders.is_empty();
        (!in_flight && self.results.is_empty()) || Instant::now() >= deadline
    }

    /// The last words: the wallet as it is now, what nobody could say.
    async fn end(&mut self) -> Result<(), Halt> {
        for order in self.orders.values() {
            let text = format!("{}: what was sent has no answer yet; the next start asks again", order.order.what);
            self.journal.log(LogLine::new(now_ms(), Level::Warning, text)).await?;
        }
        for id in self.rows.in_flight() {
            let text = format!("submission {}: what was sent has no answer yet; the next start asks again", id.0);
            self.log(Level::Warning, text).await?;
        }
        match time::timeout(LAST_LOOK, look(&self.client, self.address, true)).await {
            Ok(Ok(last)) => self.refreshed(last).await?,
            Ok(Err(error)) => self.ails(ServerName::Node, &error.to_string()).await?,
            Err(_) => self.ails(ServerName::Node, "it does not answer").await?,
        }
        self.rewards = Arc::new(self.journal.rewards().await?);
        self.publish();
        Ok(())
    }
}
