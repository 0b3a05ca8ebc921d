//! The journal read beside its thread, on a connection that can only read: pages of rows and sums for whoever looks back, or writes
//! a file. Blocks, so it is for tasks that may; neither the dispatcher nor a write ever waits for it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use super::{Failure, Journal, JournalError, Outcomes, history, money, submissions};
use crate::{
    api::{RewardsView, SubmissionId, SubmissionRow},
    primitives::Shannons,
};

/// SQLite lets readers wait only while it recovers or cleans up its log.
const PATIENCE: Duration = Duration::from_secs(5);

impl Journal {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A journal that is open elsewhere.
pub(in crate::engine) struct Pages {
    connection: Connection,
    path: PathBuf,
}

impl Pages {
    /// # Errors
    /// [`JournalError::Sqlite`] if the file cannot be read.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(path, flags).and_then(|connection| {
            connection.busy_timeout(PATIENCE)?;
            Ok(connection)
        });
        let connection = opened.map_err(|cause| JournalError::Sqlite { path: path.into(), cause })?;
        Ok(Self { connection, path: path.into() })
    }

    /// So many rows older than `before`, or the newest, without their previews; newest first.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`] if the file cannot be read.
    pub fn older(&self, before: Option<SubmissionId>, limit: usize) -> Result<Vec<SubmissionRow>, JournalError> {
        let rows = submissions::bare(&self.connection, before, limit);
        self.told(rows)
    }

    /// Everything that was earned and spent, and the bonds of each epoch's fills, as of one moment.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`] if the file cannot be read.
    pub fn sums(&mut self) -> Result<(RewardsView, BTreeMap<u64, Shannons>), JournalError> {
        let sums = self.connection.transaction().map_err(Failure::from);
        let sums = sums.and_then(|disk| Ok((money::rewards(&disk)?, history::bonds_by_epoch(&disk)?)));
        self.told(sums)
    }

    fn told<T>(&self, outcome: Outcomes<T>) -> Result<T, JournalError> {
        outcome.map_err(|failure| match failure {
            Failure::Journal(error) => error,
            Failure::Sqlite(cause) => JournalError::Sqlite { path: self.path.clone(), cause },
        })
    }
}
