//! What the library knows of its samples, in SQLite beside the matrices: which there are, where their bytes are, which row of which
//! matrix is theirs under which weights, and what has failed.
//!
//! All of it can be made again by scoring, so a commit does not wait for the disk. A file that is damaged or of another kind is set
//! aside, and a new one begun.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, params};

use crate::{engine::corpus::Source, primitives::Digest};

const FILE: &str = "library.sqlite";
/// `SLIB` in ASCII.
const APPLICATION_ID: i64 = 0x534c_4942;
const VERSION: i64 = 1;
/// Characters of a failure's reason that are kept.
const WHY: usize = 200;
const SCHEMA: &str = "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE weights (
        id INTEGER PRIMARY KEY,
        checksum BLOB NOT NULL UNIQUE,
        dim INTEGER NOT NULL,
        gone_at_ms INTEGER
    );
    CREATE TABLE samples (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        checksum BLOB NOT NULL UNIQUE,
        source TEXT NOT NULL,
        len INTEGER NOT NULL,
        origin INTEGER NOT NULL,
        touched INTEGER NOT NULL
    );
    CREATE TABLE scores (
        sample INTEGER NOT NULL,
        weights INTEGER NOT NULL,
        slot INTEGER NOT NULL,
        loss REAL NOT NULL,
        norm REAL NOT NULL,
        sum INTEGER NOT NULL,
        written INTEGER NOT NULL,
        PRIMARY KEY (sample, weights)
    ) WITHOUT ROWID;
    CREATE TABLE failures (
        weights BLOB NOT NULL,
        checksum BLOB NOT NULL,
        why TEXT NOT NULL,
        PRIMARY KEY (weights, checksum)
    ) WITHOUT ROWID;
";

/// A row of a matrix, as the store knows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row {
    pub sample: i64,
    pub weights: i64,
    pub slot: u32,
    pub loss: f32,
    pub norm: f32,
    pub check: u32,
    /// Counts writes; what comes after the last [`Store::note_synced`] may not be on the disk itself.
    pub written: u64,
}

pub(super) struct KnownSample {
    pub id: i64,
    pub checksum: Digest,
    pub len: u32,
    pub origin: u64,
    /// Grows with every score.
    pub touched: u64,
}

pub(super) struct KnownWeights {
    pub id: i64,
    pub checksum: Digest,
    pub dim: usize,
    pub gone_at_ms: Option<u64>,
}

/// Everything at the start.
#[derive(Default)]
pub(super) struct Contents {
    pub weights: Vec<KnownWeights>,
    pub samples: Vec<KnownSample>,
    pub rows: Vec<Row>,
    pub synced: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("{path}: {cause}")]
pub(in crate::engine) struct StoreError {
    pub path: PathBuf,
    pub cause: rusqlite::Error,
}

pub(super) struct Store {
    connection: Connection,
    path: PathBuf,
}

type Sql<T = ()> = Result<T, rusqlite::Error>;

impl Store {
    /// The third: what was set aside, and why.
    pub fn open(dir: &Path) -> Result<(Self, Contents, Option<String>), StoreError> {
        let path = dir.join(FILE);
        match Self::open_file(&path) {
            Ok((store, contents)) => Ok((store, contents, None)),
            Err(cause) if is_foreign(&cause) => {
                let aside = set_aside(&path);
                let (store, contents) =
                    Self::open_file(&path).map_err(|cause| StoreError { path: path.clone(), cause })?;
                let told = format!("{}: {cause}; it is set aside as {}", path.display(), aside.display());
                Ok((store, contents, Some(told)))
            }
            Err(cause) => Err(StoreError { path, cause }),
        }
    }

    fn open_file(path: &Path) -> Sql<(Self, Contents)> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let mark = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        if tables > 0 && (mark("application_id")?, mark("user_version")?) != (APPLICATION_ID, VERSION) {
            return Err(foreign("a database of another program, or of another version of this one"));
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        if tables == 0 {
            let begun = connection.transaction()?;
            begun.execute_batch(SCHEMA)?;
            begun.pragma_update(None, "application_id", APPLICATION_ID)?;
            begun.pragma_update(None, "user_version", VERSION)?;
            begun.commit()?;
        }
        let contents = contents(&connection)?;
        Ok((Self { connection, path: path.into() }, contents))
    }

    /// All of it, or nothing.
    pub fn change<T>(&mut self, change: impl FnOnce(&Change<'_>) -> Sql<T>) -> Result<T, StoreError> {
        let path = &self.path;
        let changed = self.connection.transaction().and_then(|transaction| {
            let change_ = Change(transaction);
            let result = change(&change_)?;
            change_.0.commit()?;
            Ok(result)
        });
        changed.map_err(|cause| StoreError { path: path.clone(), cause })
    }

    /// `None`: it is not there, or not to be understood.
    pub fn source(&self, sample: i64) -> Option<Source> {
        let mut statement = self.connection.prepare_cached("SELECT source FROM samples WHERE id = ?1").ok()?;
        let text: String = statement.query_row([sample], |row| row.get(0)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Samples that have failed under these weights.
    pub fn failed(&self, weights: Digest) -> Result<Vec<Digest>, StoreError> {
        let failed = || {
            let mut statement = self.connection.prepare_cached("SELECT checksum FROM failures WHERE weights = ?1")?;
            statement.query_map([weights.0], |row| Ok(Digest(row.get(0)?)))?.collect::<Sql<Vec<_>>>()
        };
        failed().map_err(|cause| StoreError { path: self.path.clone(), cause })
    }

    /// Notes that everything written up to now is on the disk itself.
    pub fn note_synced(&mut self, written: u64) -> Result<(), StoreError> {
        self.change(|change| change.0.execute("INSERT OR REPLACE INTO meta VALUES ('synced', ?1)", [written]).map(drop))
    }
}

/// An open transaction.
pub(super) struct Change<'a>(Transaction<'a>);

impl Change<'_> {
    pub fn weights(&self, checksum: Digest, dim: usize) -> Sql<i64> {
        let text = "INSERT INTO weights (checksum, dim) VALUES (?1, ?2) RETURNING id";
        self.0.prepare_cached(text)?.query_row(params![checksum.0, dim], |row| row.get(0))
    }

    pub fn weights_gone(&self, weights: i64, gone_at_ms: Option<u64>) -> Sql {
        let mut statement = self.0.prepare_cached("UPDATE weights SET gone_at_ms = ?2 WHERE id = ?1")?;
        statement.execute(params![weights, gone_at_ms]).map(drop)
    }

    /// Weights with all their rows, and then samples without any.
    pub fn drop_weights(&self, weights: i64, checksum: Digest) -> Sql {
        self.0.execute("DELETE FROM scores WHERE weights = ?1", [weights])?;
        self.0.execute("DELETE FROM weights WHERE id = ?1", [weights])?;
        self.0.execute("DELETE FROM failures WHERE weights = ?1", [checksum.0])?;
        let bare = "DELETE FROM samples WHERE NOT EXISTS (SELECT 1 FROM scores WHERE sample = samples.id)";
        self.0.execute(bare, []).map(drop)
    }

    /// Gives its id.
    pub fn sample(&self, checksum: Digest, source: &Source, origin: u64, touched: u64) -> Sql<i64> {
        let text = "INSERT INTO samples (checksum, source, len, origin, touched) VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (checksum) DO UPDATE SET source = ?2, len = ?3, origin = ?4, touched = ?5 RETURNING id";
        let source_text =
            serde_json::to_string(source).map_err(|cause| rusqlite::Error::ToSqlConversionFailure(cause.into()))?;
        let values = params![checksum.0, source_text, source.len(), origin.cast_signed(), touched];
        self.0.prepare_cached(text)?.query_row(values, |row| row.get(0))
    }

    pub fn row(&self, row: &Row) -> Sql {
        let text = "INSERT OR REPLACE INTO scores (sample, weights, slot, loss, norm, sum, written)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let values = params![row.sample, row.weights, row.slot, row.loss, row.norm, row.check, row.written];
        self.0.prepare_cached(text)?.execute(values).map(drop)
    }

    pub fn drop_row(&self, sample: i64, weights: i64) -> Sql {
        let text = "DELETE FROM scores WHERE sample = ?1 AND weights = ?2";
        self.0.prepare_cached(text)?.execute([sample, weights]).map(drop)
    }

    /// A sample with all its rows.
    pub fn drop_sample(&self, sample: i64) -> Sql {
        self.0.prepare_cached("DELETE FROM scores WHERE sample = ?1")?.execute([sample])?;
        self.0.prepare_cached("DELETE FROM samples WHERE id = ?1")?.execute([sample]).map(drop)
    }

    pub fn failure(&self, weights: Digest, checksum: Digest, why: &str) -> Sql {
        let text = "INSERT OR REPLACE INTO failures (weights, checksum, why) VALUES (?1, ?2, ?3)";
        let why: String = why.chars().take(WHY).collect();
        self.0.prepare_cached(text)?.execute(params![weights.0, checksum.0, why]).map(drop)
    }

    /// Forgets what is too many. By checksum, so that of a corpus with more the same ones stay known, and they do not push each other out.
    pub fn bound_failures(&self, most: u64) -> Sql {
        let count: u64 = self.0.query_row("SELECT count(*) FROM failures", [], |row| row.get(0))?;
        if count <= most {
            return Ok(());
        }
        let text = "DELETE FROM failures WHERE (weights, checksum) IN
            (SELECT weights, checksum FROM failures ORDER BY checksum LIMIT ?1)";
        self.0.execute(text, [count - most]).map(drop)
    }

    /// Forgets all failures under weights that are gone.
    pub fn drop_failures(&self, gone: impl Fn(&Digest) -> bool) -> Sql {
        let mut statement = self.0.prepare_cached("SELECT DISTINCT weights FROM failures")?;
        let all: Vec<Digest> = statement.query_map([], |row| Ok(Digest(row.get(0)?)))?.collect::<Sql<_>>()?;
        let mut gone = all.iter().filter(|weights| gone(weights));
        gone.try_for_each(|w| self.0.execute("DELETE FROM failures WHERE weights = ?1", [w.0]).map(drop))
    }
}

fn contents(connection: &Connection) -> Sql<Contents> {
    let mut statement = connection.prepare("SELECT id, checksum, dim, gone_at_ms FROM weights")?;
    let weights = statement.query_map([], |row| {
        Ok(KnownWeights { id: row.get(0)?, checksum: Digest(row.get(1)?), dim: row.get(2)?, gone_at_ms: row.get(3)? })
    })?;
    let weights = weights.collect::<Sql<_>>()?;
    let mut statement = connection.prepare("SELECT id, checksum, len, origin, touched FROM samples")?;
    let samples = statement.query_map([], |row| {
        Ok(KnownSample {
            id: row.get(0)?,
            checksum: Digest(row.get(1)?),
            len: row.get(2)?,
            origin: row.get::<_, i64>(3)?.cast_unsigned(),
            touched: row.get(4)?,
        })
    })?;
    let samples = samples.collect::<Sql<_>>()?;
    let mut statement = connection.prepare("SELECT sample, weights, slot, loss, norm, sum, written FROM scores")?;
    let rows = statement.query_map([], |row| {
        Ok(Row {
            sample: row.get(0)?,
            weights: row.get(1)?,
            slot: row.get(2)?,
            loss: row.get(3)?,
            norm: row.get(4)?,
            check: row.get(5)?,
            written: row.get(6)?,
        })
    })?;
    let rows = rows.collect::<Sql<_>>()?;
    let synced = connection.prepare("SELECT value FROM meta WHERE key = 'synced'")?;
    let synced = { synced }.query_map([], |row| row.get(0))?.next().transpose()?.unwrap_or(0);
    Ok(Contents { weights, samples, rows, synced })
}

fn foreign(why: &str) -> rusqlite::Error {
    rusqlite::Error::InvalidParameterName(why.into())
}

/// Not ours, or damaged; anything else may pass.
fn is_foreign(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        Some(code) => matches!(code, ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown),
        // Values that no column of ours can have.
        None => true,
    }
}

/// Moves a file out of the way; an older one that was moved so is replaced.
pub(super) fn set_aside(path: &Path) -> PathBuf {
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = beside(".damaged");
    if std::fs::rename(path, &aside).is_err() {
        // Perhaps a directory in the way, perhaps nothing there: what follows says what is wrong.
        let _ = std::fs::remove_file(path);
    }
    for log in ["-wal", "-shm"] {
        // Of the file that is gone; they may not exist.
        let _ = std::fs::remove_file(beside(log));
    }
    aside
}
