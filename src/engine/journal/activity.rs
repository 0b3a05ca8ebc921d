//! What the screen remembers between runs: the wallet's history, the activity log, and whose journal this is.

use rusqlite::{OptionalExtension, params};

use super::{Journal, JournalError, submissions::amount};
use crate::{
    api::{Level, LogLine},
    primitives::Shannons,
};

/// Kept on disk; older entries go.
const LOG_LINES: usize = 10_000;
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
        self.call(move |connection| {
            connection.execute(
                "INSERT INTO log (at_ms, level, text) VALUES (?1, ?2, ?3)",
                params![line.at_ms, level_word(line.level), line.text],
            )?;
            connection.execute("DELETE FROM log WHERE id <= (SELECT max(id) FROM log) - ?1", [LOG_LINES])?;
            Ok(())
        })
        .await
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
            let mut statement = connection.prepare("SELECT at_ms, level, text FROM log ORDER BY id DESC LIMIT ?1")?;
            let rows = statement.query_map([lines], |row| {
                let level: String = row.get(1)?;
                Ok(LogLine { at_ms: row.get(0)?, level: level_from(&level), text: row.get(2)? })
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
