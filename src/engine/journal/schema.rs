//! The tables, and how older files grow to them.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::JournalError;

/// `SOMA` in ASCII: marks the file as ours.
pub(super) const APPLICATION_ID: i64 = 0x534f_4d41;

/// Step *n* brings `user_version` from *n* to *n* + 1.
pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

    CREATE TABLE samples (
        id INTEGER PRIMARY KEY,
        checksum BLOB NOT NULL UNIQUE,
        path TEXT NOT NULL,
        start INTEGER NOT NULL,
        len INTEGER NOT NULL,
        is_window INTEGER NOT NULL
    );
    CREATE TABLE scores (
        sample INTEGER NOT NULL REFERENCES samples,
        weights BLOB NOT NULL,
        loss REAL NOT NULL,
        embedding BLOB NOT NULL
    );
    CREATE UNIQUE INDEX scores_of_weights ON scores (weights, sample);

    CREATE TABLE submissions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        state TEXT NOT NULL,
        target BLOB NOT NULL,
        epoch INTEGER NOT NULL,
        model BLOB NOT NULL,
        path TEXT NOT NULL,
        start INTEGER NOT NULL,
        len INTEGER NOT NULL,
        is_window INTEGER NOT NULL,
        checksum BLOB NOT NULL,
        preview BLOB NOT NULL,
        distance REAL NOT NULL,
        threshold REAL NOT NULL,
        losses BLOB NOT NULL,
        bond INTEGER NOT NULL,
        fee_estimate INTEGER NOT NULL,
        expected_reward INTEGER NOT NULL,
        reward_pool INTEGER NOT NULL,
        paid INTEGER,
        digest BLOB,
        url TEXT,
        note TEXT,
        changed_at_ms INTEGER NOT NULL
    );
    CREATE INDEX submissions_by_state ON submissions (state);
    CREATE INDEX submissions_by_epoch ON submissions (epoch);
    CREATE UNIQUE INDEX one_live_submission_a_target ON submissions (target)
        WHERE state NOT IN ('rejected', 'lost', 'failed', 'expired');
    CREATE TABLE steps (
        submission INTEGER NOT NULL REFERENCES submissions,
        state TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        note TEXT
    );
    CREATE INDEX steps_of_submission ON steps (submission);

    CREATE TABLE transactions (
        digest BLOB PRIMARY KEY,
        submission INTEGER NOT NULL REFERENCES submissions,
        kind TEXT NOT NULL,
        signed BLOB NOT NULL,
        sends INTEGER NOT NULL DEFAULT 0,
        outcome TEXT,
        fee INTEGER NOT NULL DEFAULT 0,
        change INTEGER NOT NULL DEFAULT 0,
        signed_at_ms INTEGER NOT NULL,
        settled_at_ms INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX transactions_of_submission ON transactions (submission);
    CREATE UNIQUE INDEX one_signature_that_counts ON transactions (submission, kind)
        WHERE outcome IS NULL OR outcome = 'success';

    CREATE TABLE wallet_history (at_ms INTEGER NOT NULL, balance INTEGER NOT NULL);
    CREATE TABLE log (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, level TEXT NOT NULL, text TEXT NOT NULL);
",
    "
    ALTER TABLE transactions ADD COLUMN height INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE orders (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        what TEXT NOT NULL,
        digest BLOB NOT NULL UNIQUE,
        signed BLOB NOT NULL,
        signed_at_ms INTEGER NOT NULL,
        height INTEGER NOT NULL,
        sends INTEGER NOT NULL DEFAULT 0,
        outcome TEXT,
        fee INTEGER NOT NULL DEFAULT 0,
        change INTEGER NOT NULL DEFAULT 0,
        settled_at_ms INTEGER
    );
    CREATE INDEX open_orders ON orders (id) WHERE outcome IS NULL;
",
    "
    CREATE TABLE chain_history (digest BLOB PRIMARY KEY, entry TEXT NOT NULL) WITHOUT ROWID;
",
    "
    ALTER TABLE samples ADD COLUMN source TEXT NOT NULL DEFAULT '';
    UPDATE samples SET source = json_array(json_object(
        'path', path, 'offset', start, 'len', len, 'is_window', json(iif(is_window, 'true', 'false'))));
    ALTER TABLE samples DROP COLUMN path;
    ALTER TABLE samples DROP COLUMN start;
    ALTER TABLE samples DROP COLUMN len;
    ALTER TABLE samples DROP COLUMN is_window;
    ALTER TABLE submissions ADD COLUMN source TEXT NOT NULL DEFAULT '';
    UPDATE submissions SET source = json_array(json_object(
        'path', path, 'offset', start, 'len', len, 'is_window', json(iif(is_window, 'true', 'false'))));
    ALTER TABLE submissions DROP COLUMN path;
    ALTER TABLE submissions DROP COLUMN start;
    ALTER TABLE submissions DROP COLUMN len;
    ALTER TABLE submissions DROP COLUMN is_window;
",
    // Scores are kept in the library's directory now, and what was here is scored again: no version with these tables was released.
    "
    DROP TABLE scores;
    DROP TABLE samples;
",
    // What a line of the log is about, as JSON.
    "
    ALTER TABLE log ADD COLUMN kind TEXT;
",
    // Sums over years of submissions read these alone, not rows with their previews and signed bytes.
    "
    DROP INDEX submissions_by_epoch;
    CREATE INDEX submissions_sums ON submissions (epoch, state, paid, expected_reward, bond, changed_at_ms);
    DROP INDEX transactions_of_submission;
    CREATE INDEX transactions_sums ON transactions (submission, kind, fee, sends, outcome);
    CREATE INDEX steps_of_approval ON steps (submission, note) WHERE state = 'approved';
",
];

pub(super) fn open(path: &Path) -> Result<Connection, JournalError> {
    let foreign = |cause: String| JournalError::Foreign { path: path.into(), cause };
    let broken = |cause: rusqlite::Error| match cause.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => foreign(cause.to_string()),
        _ => JournalError::Sqlite { path: path.into(), cause },
    };
    // An empty file is what a crash between creation and the first commit leaves, so it begins anew.
    let is_new = std::fs::metadata(path).map_or(true, |about| about.len() == 0);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(broken)?;
    if !is_new {
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(broken)?;
        let application: i64 =
            connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(broken)?;
        if application != APPLICATION_ID && tables > 0 {
            return Err(foreign("a database of another program".into()));
        }
        let verdict: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0)).map_err(broken)?;
        if verdict != "ok" {
            return Err(foreign(verdict));
        }
    }
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(broken)?;
    let known = MIGRATIONS.len() as i64;
    if version > known {
        return Err(JournalError::Newer { path: path.into(), found: version, known });
    }
    connection.pragma_update(None, "journal_mode", "WAL").map_err(broken)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(broken)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(broken)?;
    for (migration, version) in MIGRATIONS.iter().zip(1i64..).skip(usize::try_from(version).unwrap_or(0)) {
        let step = connection.transaction().map_err(broken)?;
        step.execute_batch(migration).map_err(broken)?;
        step.pragma_update(None, "application_id", APPLICATION_ID).map_err(broken)?;
        step.pragma_update(None, "user_version", version).map_err(broken)?;
        step.commit().map_err(broken)?;
    }
    Ok(connection)
}
