//! What is written down and told: steps of rows, lines of the log, the wallet's balance.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Dispatcher, Halt, publish, rows};
use crate::{
    api::{Event, Level, LogKind, LogLine, SubmissionId, SubmissionState as State},
    engine::{
        journal::{Step, Submission},
        money, now_ms,
    },
};

impl Dispatcher {
    pub(super) async fn advance(&mut self, id: SubmissionId, step: Step) -> Result<(), Halt> {
        let submission = self.journal.advance(id, step).await?;
        self.note_row(submission);
        Ok(())
    }

    /// Takes over a row as the journal has it now, and tells if it has entered a state.
    pub(super) fn note_row(&mut self, submission: Submission) {
        self.note_row_about(submission, None);
    }

    /// [`Self::note_row`], with what the log's line is about if the row does not say it itself.
    pub(super) fn note_row_about(&mut self, submission: Submission, kind: Option<LogKind>) {
        let (id, state) = (submission.row.id, submission.row.state);
        let before = self.rows.live.get(&id).map(|live| live.state());
        let row = self.rows.note(submission);
        self.dirty = true;
        self.targets_due = true;
        self.rewards_due = true;
        if before != Some(state) {
            self.committed_due = true;
            if before.is_some() && matches!(state, State::Claimed | State::Forfeited) {
                self.odds.judged(state == State::Forfeited);
            }
            if state == State::Filled && Some(row.epoch) != self.chain.epoch() {
                self.ripened = None;
            }
            self.candidates_due |= state.is_final() || matches!(state, State::Confirmed | State::Filled);
            let activity = rows::activity(&row);
            let _ = self.events.send(Event::Submission(row));
            if let Some(line) = activity {
                let line = LogLine { kind: kind.or(line.kind), ..line };
                self.journal.log_later(line.clone());
                self.say(line);
            }
        }
    }

    pub(super) async fn note_balance(&mut self) -> Result<(), Halt> {
        let balance = self.purse.balance().min(money::MOST);
        if self.address.is_none() || self.balances.last().is_some_and(|(_, last)| *last == balance) {
            return Ok(());
        }
        let now = now_ms();
        self.journal.note_balance(now, balance).await?;
        let mut balances = self.balances.to_vec();
        balances.push((now, balance));
        let excess = balances.len().saturating_sub(publish::BALANCES);
        balances.drain(..excess);
        self.balances = Arc::new(balances);
        Ok(())
    }

    pub(super) async fn log(&mut self, level: Level, text: String) -> Result<(), Halt> {
        self.log_line(LogLine::new(now_ms(), level, text)).await
    }

    pub(super) async fn log_about(&mut self, kind: LogKind, level: Level, text: String) -> Result<(), Halt> {
        self.log_line(LogLine::new(now_ms(), level, text).about(kind)).await
    }

    pub(super) async fn log_line(&mut self, line: LogLine) -> Result<(), Halt> {
        self.journal.log(line.clone()).await?;
        self.say(line);
        Ok(())
    }

    /// A line that may come again and again.
    pub(super) async fn log_quietly(&mut self, kind: LogKind, level: Level, text: String) -> Result<(), Halt> {
        match self.quiet.admit(text, Instant::now()) {
            Some(text) => self.log_about(kind, level, text).await,
            None => Ok(()),
        }
    }

    /// Shows a line.
    pub(super) fn say(&mut self, line: LogLine) {
        self.lines.push_back(line.clone());
        if self.lines.len() > publish::LINES {
            self.lines.pop_front();
            self.lines_first += 1;
        }
        self.lines_due = true;
        self.dirty = true;
        let _ = self.events.send(Event::Log(line));
    }
}
