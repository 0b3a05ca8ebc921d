//! What the board has seen, on disk: so a restart does not lose the epoch, and no review is ever lost.
//!
//! A database of its own beside the journal: losing the last second of it costs a count, so its commits do not wait for the disk, and others
//! may read it while an engine writes. Targets are kept for the epoch that goes on, fills up to a limit, reviews for ever.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction, params};

use super::{
    field::{Class, ModelFacts},
    fills::Fill,
    review::{Book, End, EpochFacts, Seen},
};
use crate::{
    api::EpochReview,
    primitives::{Address, ObjectId, Shannons},
};

const FILE: &str = "board.sqlite";
/// `SOMB`: marks the file as ours.
const APPLICATION_ID: i64 = 0x534f_4d42;
const VERSION: i64 = 1;
/// Fills that are remembered one by one; of older ones the count of each submitter stays.
const FILLS_KEPT: i64 = 20_000;
/// A reader and the writer wait so long for each other.
const PATIENCE: Duration = Duration::from_secs(5);

const TABLES: &str = "
    CREATE TABLE reviews (epoch INTEGER PRIMARY KEY, review TEXT NOT NULL);
    CREATE TABLE book (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        epoch INTEGER NOT NULL,
        dim INTEGER NOT NULL,
        threshold REAL NOT NULL,
        reward INTEGER NOT NULL
    );
    CREATE TABLE registry (
        model BLOB PRIMARY KEY,
        stake INTEGER NOT NULL,
        commission_bps INTEGER NOT NULL,
        embedding BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE targets (
        id BLOB PRIMARY KEY,
        opened_at_ms INTEGER,
        reach INTEGER NOT NULL,
        ending INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE fills (
        n INTEGER PRIMARY KEY,
        target BLOB NOT NULL UNIQUE,
        epoch INTEGER NOT NULL,
        submitter BLOB NOT NULL,
        model BLOB,
        opened_at_ms INTEGER,
        filled_at_ms INTEGER NOT NULL,
        distance REAL,
        size_bytes INTEGER,
        reward INTEGER NOT NULL
    );
    CREATE TABLE fillers (address BLOB PRIMARY KEY, fills INTEGER NOT NULL) WITHOUT ROWID;
";

#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    #[error("{path}: {cause}")]
    Sqlite { path: PathBuf, cause: rusqlite::Error },
    #[error("{0} is not the board of this version of somascope; move it away or use another directory")]
    Foreign(PathBuf),
}

type Outcome<T = ()> = Result<T, rusqlite::Error>;

/// What an earlier run left.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub book: Option<Book>,
    /// Oldest first.
    pub fills: Vec<Fill>,
    pub fillers: Vec<(Address, u64)>,
    /// Newest first.
    pub reviews: Vec<EpochReview>,
}

pub(super) struct Store {
    path: PathBuf,
    connection: Connection,
}

/// What is written down together.
pub(super) struct Change<'a>(Transaction<'a>);

impl Store {
    pub fn open(dir: &Path) -> Result<Self, BoardError> {
        let path = dir.join(FILE);
        let failed = |cause| BoardError::Sqlite { path: path.clone(), cause };
        let connection = Connection::open(&path).map_err(failed)?;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        if !is_ours(&connection).map_err(failed)? {
            let tables: i64 = connection
                .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
                .map_err(|_| BoardError::Foreign(path.clone()))?;
            if tables > 0 {
                return Err(BoardError::Foreign(path));
            }
            connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
            let made = format!(
                "BEGIN; {TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
            );
            connection.execute_batch(&made).map_err(failed)?;
        }
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
        Ok(Self { path, connection })
    }

    pub fn left(&self) -> Result<Left, BoardError> {
        let failed = |cause| BoardError::Sqlite { path: self.path.clone(), cause };
        Ok(Left {
            book: book(&self.connection).map_err(failed)?,
            fills: fills(&self.connection).map_err(failed)?,
            fillers: fillers(&self.connection).map_err(failed)?,
            reviews: listed(&self.connection).map_err(failed)?,
        })
    }

    /// Everything or nothing.
    pub fn change(&mut self, work: impl FnOnce(&Change<'_>) -> Outcome) -> Result<(), BoardError> {
        let failed = |cause| BoardError::Sqlite { path: self.path.clone(), cause };
        let change = Change(self.connection.transaction().map_err(failed)?);
        work(&change).map_err(failed)?;
        change.0.commit().map_err(failed)
    }
}

/// Whether the file is of this version.
fn is_ours(connection: &Connection) -> Outcome<bool> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok((number("application_id")?, number("user_version")?) == (APPLICATION_ID, VERSION))
}

/// The reviews in a directory, newest first; reads only.
pub(super) fn reviews(dir: &Path) -> Result<Vec<EpochReview>, BoardError> {
    let path = dir.join(FILE);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let failed = |cause| BoardError::Sqlite { path: path.clone(), cause };
    // Not read-only for SQLite: whoever reads a log that another process writes takes part in its locks.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    connection.pragma_update(None, "query_only", true).map_err(failed)?;
    match is_ours(&connection) {
        Ok(true) => listed(&connection).map_err(failed),
        _ => Err(BoardError::Foreign(path)),
    }
}

/// What another version has written and this one does not understand is passed over.
fn listed(connection: &Connection) -> Outcome<Vec<EpochReview>> {
    let mut statement = connection.prepare("SELECT review FROM reviews ORDER BY epoch DESC")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut reviews = Vec::new();
    for row in rows {
        reviews.extend(serde_json::from_str::<EpochReview>(&row?));
    }
    Ok(reviews)
}

fn id(row: &Row<'_>, column: usize) -> Outcome<[u8; 32]> {
    row.get(column)
}

fn book(connection: &Connection) -> Outcome<Option<Book>> {
    let facts = |row: &Row<'_>| {
        Ok(EpochFacts {
            epoch: row.get(0)?,
            dim: row.get(1)?,
            threshold: row.get(2)?,
            reward: Shannons(row.get(3)?),
            models: Arc::default(),
        })
    };
    let found = connection.query_row("SELECT epoch, dim, threshold, reward FROM book", [], facts).optional()?;
    let Some(mut facts) = found else { return Ok(None) };
    let mut statement = connection.prepare("SELECT model, stake, commission_bps, embedding FROM registry")?;
    let models = statement.query_map([], |row| {
        let (values, _) = row.get_ref(3)?.as_blob()?.as_chunks::<4>();
        Ok(ModelFacts {
            id: ObjectId(id(row, 0)?),
            stake: Shannons(row.get(1)?),
            commission_bps: row.get(2)?,
            embedding: values.iter().map(|value| f32::from_le_bytes(*value)).collect(),
        })
    })?;
    facts.models = Arc::new(models.collect::<Outcome<_>>()?);
    // Of what happened meanwhile nobody knows.
    let mut book = Book::new(facts, false);
    let mut statement = connection.prepare("SELECT id, opened_at_ms, reach, ending FROM targets")?;
    let targets = statement.query_map([], |row| {
        let reach = [Class::Far, Class::Near, Class::Hit][row.get::<_, usize>(2)?.min(2)];
        let end = [End::Open, End::Filled, End::Unseen][row.get::<_, usize>(3)?.min(2)];
        Ok((ObjectId(id(row, 0)?), Seen { opened_at_ms: row.get(1)?, reach, end }))
    })?;
    book.targets = targets.collect::<Outcome<_>>()?;
    Ok(Some(book))
}

fn fills(connection: &Connection) -> Outcome<Vec<Fill>> {
    let mut statement = connection.prepare(
        "SELECT target, epoch, submitter, model, opened_at_ms, filled_at_ms, distance, size_bytes, reward
         FROM fills ORDER BY n",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Fill {
            target: ObjectId(id(row, 0)?),
            epoch: row.get(1)?,
            submitter: Address(id(row, 2)?),
            model: row.get::<_, Option<[u8; 32]>>(3)?.map(ObjectId),
            opened_at_ms: row.get(4)?,
            filled_at_ms: row.get(5)?,
            distance: row.get(6)?,
            size_bytes: row.get(7)?,
            reward: Shannons(row.get(8)?),
        })
    })?;
    rows.collect()
}

fn fillers(connection: &Connection) -> Outcome<Vec<(Address, u64)>> {
    let mut statement = connection.prepare("SELECT address, fills FROM fillers")?;
    let rows = statement.query_map([], |row| Ok((Address(id(row, 0)?), row.get(1)?)))?;
    rows.collect()
}

impl Change<'_> {
    /// A new epoch: its registry in place of the old one's, and no targets yet.
    pub fn begin(&self, facts: &EpochFacts) -> Outcome {
        self.0.execute_batch("DELETE FROM book; DELETE FROM registry; DELETE FROM targets;")?;
        self.0.execute(
            "INSERT INTO book (one, epoch, dim, threshold, reward) VALUES (1, ?1, ?2, ?3, ?4)",
            params![facts.epoch, facts.dim, facts.threshold, facts.reward.0],
        )?;
        let mut insert =
            self.0.prepare("INSERT INTO registry (model, stake, commission_bps, embedding) VALUES (?1, ?2, ?3, ?4)")?;
        for model in facts.models.iter() {
            let embedding: Vec<u8> = model.embedding.iter().flat_map(|value| value.to_le_bytes()).collect();
            insert.execute(params![model.id.0, model.stake.0, model.commission_bps, embedding])?;
        }
        Ok(())
    }

    pub fn target(&self, id: &ObjectId, seen: &Seen) -> Outcome {
        let mut upsert = self.0.prepare_cached(
            "INSERT INTO targets (id, opened_at_ms, reach, ending) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE
             SET opened_at_ms = excluded.opened_at_ms, reach = excluded.reach, ending = excluded.ending",
        )?;
        upsert.execute(params![id.0, seen.opened_at_ms, seen.reach as i64, seen.end as i64])?;
        Ok(())
    }

    pub fn fill(&self, fill: &Fill) -> Outcome {
        let mut insert = self.0.prepare_cached(
            "INSERT OR IGNORE INTO fills
             (target, epoch, submitter, model, opened_at_ms, filled_at_ms, distance, size_bytes, reward)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        let Fill { target, epoch, submitter, model, opened_at_ms, filled_at_ms, distance, size_bytes, reward } = fill;
        let inserted = insert.execute(params![
            target.0,
            epoch,
            submitter.0,
            model.map(|model| model.0),
            opened_at_ms,
            filled_at_ms,
            distance,
            size_bytes,
            reward.0
        ])?;
        if inserted > 0 {
            self.0
                .prepare_cached(
                    "INSERT INTO fillers (address, fills) VALUES (?1, 1) ON CONFLICT (address) DO UPDATE SET fills = fills + 1",
                )?
                .execute([submitter.0])?;
            self.0
                .prepare_cached("DELETE FROM fills WHERE n <= (SELECT max(n) FROM fills) - ?1")?
                .execute([FILLS_KEPT])?;
        }
        Ok(())
    }

    pub fn review(&self, review: &EpochReview) -> Outcome {
        let text = serde_json::to_string(review).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
        self.0.execute(
            "INSERT INTO reviews (epoch, review) VALUES (?1, ?2) ON CONFLICT (epoch) DO UPDATE SET review = excluded.review",
            params![review.epoch, text],
        )?;
        Ok(())
    }
}
