//! The chain on disk: one SQLite file, one SQLite transaction per checkpoint.
//!
//! Invariants: a commit is there as a whole or not at all, and synced before it returns; no row is ever changed but `live`,
//! `tombstones`, `locks` and an epoch's end, and none removed but old versions of the system state; one process at a time
//! holds the file.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    EpochRecord, LedgerError,
    state::{Lock, Tombstone},
};
use crate::chain::types::{
    BalanceChange, CheckpointSummary, Digest, Object, ObjectId, SystemState, SystemStateV1, TransactionData,
    TransactionEffects, UserSignature, to_bcs,
};

/// Marks a file as ours (`somL`).
const APPLICATION_ID: i32 = 0x736F_6D4C;
const FORMAT: i32 = 2;
/// Every transaction of the game writes the whole system state: only the versions of so many past epochs are kept.
const KEPT_STATE_EPOCHS: u64 = 3;

const SCHEMA: &str = "
    CREATE TABLE objects (id BLOB, version INTEGER, bytes BLOB NOT NULL, PRIMARY KEY (id, version)) STRICT, WITHOUT ROWID;
    CREATE TABLE live (id BLOB PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE tombstones (id BLOB PRIMARY KEY, version INTEGER NOT NULL, digest BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE locks (id BLOB, version INTEGER, digest BLOB NOT NULL, PRIMARY KEY (id, version)) STRICT, WITHOUT ROWID;
    CREATE TABLE checkpoints (sequence_number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE,
        summary_digest BLOB NOT NULL UNIQUE, summary BLOB NOT NULL, record BLOB NOT NULL) STRICT;
    CREATE TABLE epochs (epoch INTEGER PRIMARY KEY, start_ms INTEGER NOT NULL, end_ms INTEGER,
        first_checkpoint INTEGER NOT NULL, state_version INTEGER NOT NULL, state BLOB NOT NULL) STRICT;
";

/// What a row of `checkpoints` holds of its transaction; the objects are found through the effects.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredTransaction {
    pub data: TransactionData,
    pub signatures: Vec<UserSignature>,
    pub effects: TransactionEffects,
    pub balance_changes: Vec<BalanceChange>,
    pub timestamp_ms: u64,
}

/// Everything that one checkpoint changes.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub summary: &'a CheckpointSummary,
    pub transaction: &'a StoredTransaction,
    pub written: &'a [Object],
    pub tombstones: &'a [Tombstone],
    pub locks: &'a [Lock],
    /// The epoch that begins after this checkpoint, which ends the one before.
    pub epoch: Option<&'a EpochRecord>,
}

pub(super) struct Store {
    /// A mutex only because SQLite's handle is not `Sync`; never held across anything slow but the query.
    connection: Mutex<Connection>,
    name: String,
}

impl Store {
    /// Opens or creates the file. `None`: a private one that disappears with its handle.
    pub fn open(path: Option<&Path>) -> Result<Self, LedgerError> {
        let name = path.map_or_else(|| "a temporary file".to_owned(), |path| path.display().to_string());
        // SQLite takes the empty name for a temporary file.
        let opened = Connection::open(path.unwrap_or_else(|| Path::new(""))).and_then(|connection| {
            connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
            let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
            let format: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
            let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
            Ok((connection, (application, format, tables > 0)))
        });
        let (connection, mark) = opened.map_err(|e| storage_error(&name, &e))?;
        match mark {
            (0, 0, false) | (APPLICATION_ID, FORMAT, _) => {}
            (APPLICATION_ID, format, _) => {
                let cause = format!(
                    "written in format {format}, this version reads format {FORMAT}: use another state directory"
                );
                return Err(LedgerError::Storage { path: name, cause });
            }
            _ => {
                let cause = "an SQLite file of another program: use another state directory".to_owned();
                return Err(LedgerError::Storage { path: name, cause });
            }
        }
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
            .map_err(|e| storage_error(&name, &e))?;
        Ok(Self { connection: Mutex::new(connection), name })
    }

    /// Runs a query; a panic elsewhere cannot leave the handle half-used, so poison is no reason to stop.
    fn query<T>(&self, run: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, LedgerError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        run(&mut connection).map_err(|e| storage_error(&self.name, &e))
    }

    pub fn corrupt(&self, what: &str) -> LedgerError {
        let cause = format!("{what}: the file is damaged, move it away to begin a new network");
        LedgerError::Storage { path: self.name.clone(), cause }
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8], what: &str) -> Result<T, LedgerError> {
        bcs::from_bytes(bytes).map_err(|e| self.corrupt(&format!("{what} does not decode ({e})")))
    }

    /// Writes a checkpoint, or nothing.
    pub fn commit(&self, batch: &Batch<'_>) -> Result<(), LedgerError> {
        self.query(|connection| {
            let transaction = connection.transaction()?;
            if batch.summary.sequence_number == 0 {
                transaction.execute_batch(SCHEMA)?;
                transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
                transaction.pragma_update(None, "user_version", FORMAT)?;
            }
            write(&transaction, batch)?;
            transaction.commit()
        })
    }

    /// Live objects, by the joined tables.
    pub fn live_objects(&self) -> Result<Vec<Object>, LedgerError> {
        let rows: Vec<Vec<u8>> = self.query(|connection| {
            let sql = "SELECT bytes FROM live LEFT JOIN objects USING (id, version)";
            connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
        })?;
        let decode = |bytes: &Vec<u8>| Object::from_bytes(bytes);
        rows.iter().map(decode).collect::<Result<_, _>>().map_err(|e| self.corrupt(&format!("a live object: {e}")))
    }

    pub fn locks(&self) -> Result<Vec<Lock>, LedgerError> {
        self.query(|connection| {
            let mut statement = connection.prepare("SELECT id, version, digest FROM locks")?;
            let lock = |row: &rusqlite::Row<'_>| {
                Ok(Lock { id: ObjectId(row.get(0)?), version: unsigned(row, 1)?, transaction: Digest(row.get(2)?) })
            };
            statement.query_map([], lock)?.collect()
        })
    }

    pub fn tombstone(&self, id: &ObjectId) -> Result<Option<Tombstone>, LedgerError> {
        self.query(|connection| {
            let mut statement = connection.prepare_cached("SELECT version, digest FROM tombstones WHERE id = ?")?;
            let tombstone = |row: &rusqlite::Row<'_>| {
                Ok(Tombstone { id: *id, version: unsigned(row, 0)?, transaction: Digest(row.get(1)?) })
            };
            statement.query_row([id.0], tombstone).optional()
        })
    }

    pub fn object_at(&self, id: &ObjectId, version: u64) -> Result<Option<Object>, LedgerError> {
        // A version beyond SQLite's integers was never written.
        let Ok(version) = i64::try_from(version) else { return Ok(None) };
        let bytes: Option<Vec<u8>> = self.query(|connection| {
            let mut statement = connection.prepare_cached("SELECT bytes FROM objects WHERE id = ? AND version = ?")?;
            statement.query_row(params![id.0, version], |row| row.get(0)).optional()
        })?;
        let object = bytes.map(|bytes| Object::from_bytes(&bytes)).transpose();
        object.map_err(|e| self.corrupt(&format!("object {id} at version {version}: {e}")))
    }

    /// `None` before genesis.
    pub fn latest(&self) -> Result<Option<u64>, LedgerError> {
        self.query(|connection| {
            let exists = "SELECT count(*) FROM sqlite_master WHERE name = 'checkpoints'";
            if connection.query_row(exists, [], |row| row.get::<_, i64>(0))? == 0 {
                return Ok(None);
            }
            let last = "SELECT sequence_number FROM checkpoints ORDER BY sequence_number DESC LIMIT 1";
            connection.query_row(last, [], |row| unsigned(row, 0)).optional()
        })
    }

    pub fn checkpoint_of(&self, transaction: &Digest) -> Result<Option<u64>, LedgerError> {
        self.query(|connection| {
            let sql = "SELECT sequence_number FROM checkpoints WHERE digest = ?";
            connection.prepare_cached(sql)?.query_row([transaction.0], |row| unsigned(row, 0)).optional()
        })
    }

    pub fn checkpoint_by_digest(&self, summary: &Digest) -> Result<Option<u64>, LedgerError> {
        self.query(|connection| {
            let sql = "SELECT sequence_number FROM checkpoints WHERE summary_digest = ?";
            connection.prepare_cached(sql)?.query_row([summary.0], |row| unsigned(row, 0)).optional()
        })
    }

    pub fn checkpoint(&self, number: u64) -> Result<Option<(CheckpointSummary, StoredTransaction)>, LedgerError> {
        let Ok(number) = i64::try_from(number) else { return Ok(None) };
        let row: Option<(Vec<u8>, Vec<u8>)> = self.query(|connection| {
            let sql = "SELECT summary, record FROM checkpoints WHERE sequence_number = ?";
            connection.prepare_cached(sql)?.query_row([number], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })?;
        let decode = |(summary, record): (Vec<u8>, Vec<u8>)| {
            Ok((self.decode(&summary, "a checkpoint")?, self.decode(&record, "a transaction")?))
        };
        row.map(decode).transpose()
    }

    pub fn epoch(&self, epoch: u64) -> Result<Option<EpochRecord>, LedgerError> {
        type Row = (u64, Option<u64>, u64, Vec<u8>);
        let Ok(number) = i64::try_from(epoch) else { return Ok(None) };
        let row: Option<Row> = self.query(|connection| {
            let sql = "SELECT start_ms, end_ms, first_checkpoint, state FROM epochs WHERE epoch = ?";
            let row = |row: &rusqlite::Row<'_>| {
                let end_ms: Option<i64> = row.get(1)?;
                let end_ms = end_ms.map(|_| unsigned(row, 1)).transpose()?;
                Ok((unsigned(row, 0)?, end_ms, unsigned(row, 2)?, row.get(3)?))
            };
            connection.prepare_cached(sql)?.query_row([number], row).optional()
        })?;
        let decode = |(start_ms, end_ms, first_checkpoint, state): Row| {
            let SystemState::V1(state) = self.decode(&state, "an epoch's system state")?;
            let state_at_start = Arc::<SystemStateV1>::from(state);
            Ok(EpochRecord { epoch, start_ms, end_ms, first_checkpoint, state_at_start })
        };
        row.map(decode).transpose()
    }

    /// The first checkpoint whose objects are all there while this epoch runs.
    pub fn lowest_with_objects(&self, running: u64) -> Result<Option<u64>, LedgerError> {
        let oldest = i64::try_from(running.saturating_sub(KEPT_STATE_EPOCHS)).unwrap_or(i64::MAX);
        self.query(|connection| {
            let sql = "SELECT first_checkpoint FROM epochs WHERE epoch = ?";
            connection.prepare_cached(sql)?.query_row([oldest], |row| unsigned(row, 0)).optional()
        })
    }
}

fn write(transaction: &Transaction<'_>, batch: &Batch<'_>) -> rusqlite::Result<()> {
    let summary = batch.summary;
    transaction.prepare_cached("INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?)")?.execute(params![
        signed(summary.sequence_number)?,
        batch.transaction.data.digest().0,
        summary.digest().0,
        to_bcs(summary),
        to_bcs(batch.transaction)
    ])?;
    let mut insert = transaction.prepare_cached("INSERT INTO objects VALUES (?, ?, ?)")?;
    let mut enliven = transaction.prepare_cached("INSERT OR REPLACE INTO live VALUES (?, ?)")?;
    for object in batch.written {
        let (id, version) = (object.id().0, signed(object.version)?);
        insert.execute(params![id, version, to_bcs(object)])?;
        enliven.execute(params![id, version])?;
    }
    for Tombstone { id, version, transaction: digest } in batch.tombstones {
        transaction.prepare_cached("DELETE FROM live WHERE id = ?")?.execute([id.0])?;
        let mut bury = transaction.prepare_cached("INSERT OR REPLACE INTO tombstones VALUES (?, ?, ?)")?;
        bury.execute(params![id.0, signed(*version)?, digest.0])?;
    }
    for Lock { id, version, transaction: digest } in batch.locks {
        let mut lock = transaction.prepare_cached("INSERT OR REPLACE INTO locks VALUES (?, ?, ?)")?;
        lock.execute(params![id.0, signed(*version)?, digest.0])?;
    }
    if let Some(epoch) = batch.epoch {
        transaction.execute("DELETE FROM locks", [])?;
        let start_ms = signed(epoch.start_ms)?;
        transaction.execute("UPDATE epochs SET end_ms = ? WHERE end_ms IS NULL", [start_ms])?;
        let state = SystemState::V1(Box::new(SystemStateV1::clone(&epoch.state_at_start)));
        let (number, first_checkpoint) = (signed(epoch.epoch)?, signed(epoch.first_checkpoint)?);
        let system = ObjectId::SYSTEM_STATE.0;
        let insert = "INSERT INTO epochs SELECT ?, ?, NULL, ?, version, ? FROM live WHERE id = ?";
        transaction.execute(insert, params![number, start_ms, first_checkpoint, to_bcs(&state), system])?;
        let prune = "DELETE FROM objects WHERE id = ? AND version < (SELECT state_version FROM epochs WHERE epoch = ?)";
        transaction.execute(prune, params![system, signed(epoch.epoch.saturating_sub(KEPT_STATE_EPOCHS))?])?;
    }
    Ok(())
}

fn signed(value: u64) -> rusqlite::Result<i64> {
    i64::try_from(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}

fn unsigned(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// Says what to do about the causes that a person can remove.
fn storage_error(name: &str, error: &rusqlite::Error) -> LedgerError {
    use rusqlite::ErrorCode as Code;
    let advice = match error.sqlite_error_code() {
        Some(Code::NotADatabase | Code::DatabaseCorrupt) => {
            "the file is damaged or of another program: move it away, or use another state directory"
        }
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => "another process uses it: stop that one first",
        Some(Code::CannotOpen | Code::PermissionDenied | Code::ReadOnly) => {
            "is the directory there, and may it be written to?"
        }
        Some(Code::DiskFull) => "make room on the disk",
        _ => "the state directory may be damaged: use another one, or move it away",
    };
    LedgerError::Storage { path: name.to_owned(), cause: format!("{error} ({advice})") }
}
