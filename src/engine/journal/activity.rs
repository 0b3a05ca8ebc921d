//! What the screen remembers between runs: the wallet's history, the activity log, and whose journal this is.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Journal, JournalError, Order, Outcomes, Task, submissions::amount};
use crate::{
    api::{Level, LogKind, LogLine},
    primitives::Shannons,
};

/// Kept on disk; older entries go.
const LOG_LINES: usize = 20_000;
const BALANCES: usize = 10_000;

/// The newest entries, oldest first.
#[derive(Debug, Default)]
pub(in crate::engine) struct Past {
    pub log: Vec<LogLine>,
    pub balances: Vec<(u64, Shannons)>,
}

fn level_word(level: Level) -> &'static str {
    match level {
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

fn level_from(word: &str) -> Level {
    match word {
        "warning" => Level::Warning,
        "error" => Level::Error,
        _ => Level::Info,
    }
}

fn write_line(connection: &Connection, line: &LogLine) -> Outcomes<()> {
    let kind = line.kind.as_ref().map(|kind| serde_json::json!(kind).to_string());
    connection.execute(
        "INSERT INTO log (at_ms, level, text, kind) VALUES (?1, ?2, ?3, ?4)",
        params![line.at_ms, level_word(line.level), line.text, kind],
    )?;
    connection.execute("DELETE FROM log WHERE id <= (SELECT max(id) FROM log) - ?1", [LOG_LINES])?;
    Ok(())
}

impl Journal {
    /// Writes a fact about the journal if there is none yet, and gives the one that holds.
    pub async fn settle_meta(&self, key: &'static str, value: String) -> Result<String, JournalError> {
        self.call(move |connection| {
            let disk = connection.transaction()?;
            let held: Option<String> =
                disk.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()?;
            let held = match held {
                Some(held) => held,
                None => {
                    disk.execute("INSERT INTO meta (key, value) VALUES (?1, ?2)", params![key, value])?;
                    value
                }
            };
            disk.commit()?;
            Ok(held)
        })
        .await
    }

    /// A fact about the journal, if it was ever written.
    pub async fn meta(&self, key: &'static str) -> Result<Option<String>, JournalError> {
        self.call(move |connection| {
            Ok(connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()?)
        })
        .await
    }

    /// Writes a fact about the journal, whatever it was before.
    pub async fn set_meta(&self, key: &'static str, value: String) -> Result<(), JournalError> {
        self.call(move |connection| {
            connection.execute(
                "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                params![key, value],
            )?;
            Ok(())
        })
        .await
    }

    pub async fn log(&self, line: LogLine) -> Result<(), JournalError> {
        self.call(move |connection| write_line(connection, &line)).await
    }

    /// Writes a line in its turn, and does not wait for it: what is wrong with the journal is told by the next call that somebody waits
    /// for.
    pub fn log_later(&self, line: LogLine) {
        let task: Task = Box::new(move |connection| drop(write_line(connection, &line)));
        let _ = self.orders.send(Order::Run(task));
    }

    pub async fn note_balance(&self, at_ms: u64, balance: Shannons) -> Result<(), JournalError> {
        self.call(move |connection| {
            connection
                .execute("INSERT INTO wallet_history (at_ms, balance) VALUES (?1, ?2)", params![at_ms, balance.0])?;
            connection.execute(
                "DELETE FROM wallet_history WHERE rowid <= (SELECT max(rowid) FROM wallet_history) - ?1",
                [BALANCES],
            )?;
            Ok(())
        })
        .await
    }

    pub async fn past(&self, lines: usize, balances: usize) -> Result<Past, JournalError> {
        self.call(move |connection| {
            let mut past = Past::default();
            let mut statement =
                connection.prepare("SELECT at_ms, level, text, kind FROM log ORDER BY id DESC LIMIT ?1")?;
            let rows = statement.query_map([lines], |row| {
                let level: String = row.get(1)?;
                // What a newer program wrote is a line without parts.
                let kind: Option<String> = row.get(3)?;
                let kind: Option<LogKind> = kind.and_then(|kind| serde_json::from_str(&kind).ok());
                Ok(LogLine { at_ms: row.get(0)?, level: level_from(&level), text: row.get(2)?, kind })
            })?;
            for row in rows {
                past.log.push(row?);
            }
            past.log.reverse();
            let mut statement =
                connection.prepare("SELECT at_ms, balance FROM wallet_history ORDER BY rowid DESC LIMIT ?1")?;
            let rows = statement.query_map([balances], |row| Ok((row.get(0)?, amount(row, 1)?)))?;
            for row in rows {
                past.balances.push(row?);
            }
            past.balances.reverse();
            Ok(past)
        })
        .await
    }
}
