//! The rollup on disk: written behind, never waited for.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

use rusqlite::{Connection, params};

use super::{Bucket, Level, Rollup};

const FILE: &str = "throughput.sqlite";
/// `SOMT` in ASCII: marks the file as ours.
const APPLICATION_ID: i64 = 0x534f_4d54;
const VERSION: i64 = 1;
/// Batches that may wait for the disk; more of them are put off.
const WAITING: usize = 4;

type Changes = Vec<(Level, u64, Bucket)>;

#[derive(Debug, thiserror::Error)]
pub(in crate::engine) enum StoreError {
    #[error(
        "{0} is not a history of throughput of this version; it is left as it is, and no history is kept: move it away"
    )]
    Foreign(PathBuf),
    #[error("{path}: {cause}; no history of throughput is kept")]
    Sqlite { path: PathBuf, cause: rusqlite::Error },
    #[error("no thread for the history of throughput: {0}")]
    Thread(std::io::Error),
}

/// Handle on the thread that writes.
pub(in crate::engine) struct Store {
    changes: SyncSender<Changes>,
    thread: JoinHandle<()>,
}

impl Store {
    /// Opens or begins the history of a directory, and reads what earlier runs have left.
    pub fn open(dir: &Path) -> Result<(Self, Rollup), StoreError> {
        let path = dir.join(FILE);
        let broken = |cause: rusqlite::Error| match cause.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
                StoreError::Foreign(path.clone())
            }
            _ => StoreError::Sqlite { path: path.clone(), cause },
        };
        let connection = Connection::open(&path).map_err(broken)?;
        if !prepare(&connection).map_err(broken)? {
            return Err(StoreError::Foreign(path));
        }
        let rollup = read(&connection).map_err(broken)?;
        let (changes, queue) = sync_channel::<Changes>(WAITING);
        let thread = thread::Builder::new()
            .name("meter".into())
            .spawn(move || {
                let mut connection = connection;
                for changes in queue {
                    // A full disk costs history and nothing else; the next batch tries again with what is newer.
                    if let Err(error) = write(&mut connection, &changes) {
                        tracing::warn!("throughput is not written: {error}");
                    }
                }
            })
            .map_err(StoreError::Thread)?;
        Ok((Self { changes, thread }, rollup))
    }

    /// Hands over what has changed; if the disk is behind, it stays a change.
    pub fn write(&self, rollup: &mut Rollup) {
        let changes = rollup.take_changes();
        if changes.is_empty() {
            return;
        }
        if let Err(refused) = self.changes.try_send(changes) {
            let (std::sync::mpsc::TrySendError::Full(changes) | std::sync::mpsc::TrySendError::Disconnected(changes)) =
                refused;
            rollup.put_back(&changes);
        }
    }

    /// Ends after everything that was handed over is written. Blocks.
    pub fn close(self) {
        drop(self.changes);
        // A thread that panicked has written what it could.
        let _ = self.thread.join();
    }
}

/// Whether the file is ours.
fn prepare(connection: &Connection) -> rusqlite::Result<bool> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if tables > 0 {
        if (application, version) != (APPLICATION_ID, VERSION) {
            return Ok(false);
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
    } else {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.execute_batch(
            "CREATE TABLE buckets (
                 level INTEGER NOT NULL,
                 start INTEGER NOT NULL,
                 seconds INTEGER NOT NULL,
                 samples INTEGER NOT NULL,
                 tokens INTEGER NOT NULL,
                 evaluations INTEGER NOT NULL,
                 hits INTEGER NOT NULL,
                 busy_ms INTEGER NOT NULL,
                 PRIMARY KEY (level, start)
             ) WITHOUT ROWID",
        )?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.pragma_update(None, "user_version", VERSION)?;
    }
    // What a loss of power takes is seconds of a chart.
    connection.pragma_update(None, "synchronous", "OFF")?;
    Ok(true)
}

fn read(connection: &Connection) -> rusqlite::Result<Rollup> {
    let mut rollup = Rollup::default();
    let mut statement =
        connection.prepare("SELECT level, start, seconds, samples, tokens, evaluations, hits, busy_ms FROM buckets")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let Some(level) = Level::ALL.get(row.get::<_, usize>(0)?) else { continue };
        let bucket = Bucket {
            seconds: row.get(2)?,
            samples: row.get(3)?,
            tokens: row.get(4)?,
            evaluations: row.get(5)?,
            hits: row.get(6)?,
            busy_ms: row.get(7)?,
        };
        rollup.restore(*level, row.get(1)?, bucket);
    }
    Ok(rollup)
}

fn write(connection: &mut Connection, changes: &Changes) -> rusqlite::Result<()> {
    let disk = connection.transaction()?;
    {
        let mut put = disk.prepare_cached("INSERT OR REPLACE INTO buckets VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
        for (level, start, b) in changes {
            put.execute(params![
                *level as usize,
                start,
                b.seconds,
                b.samples,
                b.tokens,
                b.evaluations,
                b.hits,
                b.busy_ms
            ])?;
        }
        let mut drop_oldest = disk.prepare_cached(
            "DELETE FROM buckets WHERE level = ?1 AND start <=
                 (SELECT start FROM buckets WHERE level = ?1 ORDER BY start DESC LIMIT 1 OFFSET ?2)",
        )?;
        for level in Level::ALL {
            drop_oldest.execute(params![level as usize, level.keeps()])?;
        }
    }
    disk.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(samples: u64) -> Bucket {
        Bucket { seconds: 1, samples, tokens: samples * 9, evaluations: samples * 2, hits: 1, busy_ms: 500 }
    }

    #[test]
    fn a_restart_keeps_the_history_and_the_time_between_is_a_gap() {
        let dir = tempfile::tempdir().unwrap();
        let (store, mut rollup) = Store::open(dir.path()).unwrap();
        for at in 1_000..1_700 {
            rollup.add(at, &second(at % 7));
            if at % 10 == 0 {
                store.write(&mut rollup);
            }
        }
        // Whatever waited for the disk is handed over once there is room.
        loop {
            let changes = rollup.take_changes();
            if changes.is_empty() {
                break;
            }
            rollup.put_back(&changes);
            store.write(&mut rollup);
            thread::yield_now();
        }
        store.close();

        let (store, mut again) = Store::open(dir.path()).unwrap();
        for level in Level::ALL {
            assert_eq!(again.last(level, level.keeps(), 1_699), rollup.last(level, level.keeps(), 1_699), "{level:?}");
        }
        again.add(1_720, &second(3));
        let recent = again.last(Level::Second, 25, 1_720);
        assert!(recent[..4].iter().all(Option::is_some) && recent[4..24].iter().all(Option::is_none));
        assert_eq!(again.last(Level::FiveMinutes, 1, 1_720)[0].unwrap().seconds, 201);
        store.close();
    }

    #[test]
    fn a_file_of_somebody_else_is_left_alone() {
        for bytes in [b"not a database, sorry ".repeat(50), {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("other");
            Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
            std::fs::read(path).unwrap()
        }] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join(FILE), &bytes).unwrap();
            let error = Store::open(dir.path()).err().unwrap();
            assert!(matches!(error, StoreError::Foreign(_)) && error.to_string().contains(FILE), "{error}");
            assert_eq!(std::fs::read(dir.path().join(FILE)).unwrap(), bytes);
        }
    }
}
