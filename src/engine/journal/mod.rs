//! The journal: everything that must survive a crash, in SQLite (WAL, `synchronous=FULL`) on one thread behind a channel.
//!
//! Knows `api` words and chain digests; never the network. Decides nothing: it refuses impossible transitions and second
//! signatures, and is otherwise told what happened. A file that it does not understand is an error, and is left as it is.

mod activity;
mod history;
mod money;
mod orders;
mod pages;
mod schema;
mod submissions;

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc as blocking,
    },
    thread,
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{Crash, CrashAt};
use crate::api::{SubmissionId, SubmissionState};

pub(super) use money::{BY_POLICY, Committed, Outcome, SignedRecord, TransactionKind};
pub(super) use orders::{OpenOrder, OrderId, OrderKind};
pub(super) use pages::Pages;
pub(super) use submissions::{Confirmation, NewSubmission, Step, Submission};

pub(super) const FILE: &str = "journal.sqlite";
const LOCK: &str = "engine.lock";

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the directory {path} cannot be used: {cause}")]
    Directory { path: PathBuf, cause: std::io::Error },
    #[error("another somascope works in {}; end it first", .0.display())]
    InUse(PathBuf),
    #[error(
        "{path} is not a journal of somascope ({cause}); nothing was changed, use another directory or move the file away"
    )]
    Foreign { path: PathBuf, cause: String },
    #[error("{path} has version {found} and this program knows up to {known}; use a newer somascope")]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("{path}: {cause}")]
    Sqlite { path: PathBuf, cause: rusqlite::Error },
    #[error("submission {} is {}, not {}: it cannot become {}", .id.0, .found.word(), .expected.word(), .to.word())]
    Moved { id: SubmissionId, found: SubmissionState, expected: SubmissionState, to: SubmissionState },
    #[error("submission {}: no way leads from {} to {}", .id.0, .from.word(), .to.word())]
    Transition { id: SubmissionId, from: SubmissionState, to: SubmissionState },
    #[error("the journal holds no submission {}", .0.0)]
    NoSubmission(SubmissionId),
    #[error("target {0} already has a live submission")]
    Taken(crate::primitives::ObjectId),
    #[error("submission {} already has a signed {} that may execute", .0.0, .1)]
    AlreadySigned(SubmissionId, &'static str),
    #[error("transaction {0} is already signed and may execute")]
    OrderSigned(crate::primitives::Digest),
    #[error("the journal's entry is damaged: {0}")]
    Damaged(String),
    #[error("the journal's thread has ended")]
    Ended,
}

/// What SQLite says inside a task; the path is added outside.
#[derive(Debug)]
enum Failure {
    Sqlite(rusqlite::Error),
    Journal(JournalError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

type Outcomes<T> = Result<T, Failure>;
type Task = Box<dyn FnOnce(&mut Connection) + Send>;

enum Order {
    Run(Task),
    /// Let the file and the directory go, then say so.
    Close(oneshot::Sender<()>),
}

/// A directory in which nobody else works while this lives.
#[derive(Debug)]
pub struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // Closing alone would leave it to a process that is being started at this moment and has a copy yet.
        let _ = self.0.unlock();
    }
}

/// Holds a directory for this process; it is made if missing.
pub fn hold(dir: &Path) -> Result<Held, JournalError> {
    let unusable = |cause| JournalError::Directory { path: dir.into(), cause };
    std::fs::create_dir_all(dir).map_err(unusable)?;
    let lock = File::create(dir.join(LOCK)).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(Held(lock)),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse(dir.into())),
        Err(TryLockError::Error(cause)) => Err(unusable(cause)),
    }
}

/// Handle on the journal's thread. Calls are executed in the order in which they were made.
#[derive(Clone)]
pub(super) struct Journal {
    orders: blocking::Sender<Order>,
    path: PathBuf,
    dies: Dies,
}

impl Journal {
    /// Opens or begins the journal of a directory, and locks the directory for this process.
    pub fn open(dir: &Path, die_at: Option<Crash>) -> Result<Self, JournalError> {
        let unusable = |cause| JournalError::Directory { path: dir.into(), cause };
        let lock = hold(dir)?;
        let path = dir.join(FILE);
        let mut connection = schema::open(&path)?;
        let (orders, queue) = blocking::channel();
        thread::Builder::new()
            .name("journal".into())
            .spawn(move || {
                let mut closing = None;
                for order in queue {
                    match order {
                        Order::Run(task) => task(&mut connection),
                        Order::Close(reply) => {
                            closing = Some(reply);
                            break;
                        }
                    }
                }
                // Only after the last write may another engine come in.
                drop(connection);
                drop(lock);
                if let Some(reply) = closing {
                    // Whoever asked may have stopped waiting.
                    let _ = reply.send(());
                }
            })
            .map_err(unusable)?;
        Ok(Self { orders, path, dies: Dies::new(die_at) })
    }

    /// Ends the thread after everything that was asked before; later calls give [`JournalError::Ended`].
    pub async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.orders.send(Order::Close(reply)).is_ok() {
            // An error only says that the thread has ended already.
            let _ = closed.await;
        }
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Outcomes<T> + Send + 'static,
    ) -> Result<T, JournalError> {
        let (reply, answer) = oneshot::channel();
        let task: Task = Box::new(move |connection| {
            // A caller that no longer waits does not undo what is on disk.
            let _ = reply.send(work(connection));
        });
        self.orders.send(Order::Run(task)).map_err(|_| JournalError::Ended)?;
        answer.await.map_err(|_| JournalError::Ended)?.map_err(|failure| match failure {
            Failure::Journal(error) => error,
            Failure::Sqlite(cause) => JournalError::Sqlite { path: self.path.clone(), cause },
        })
    }
}

/// Ends the process if a test asked for it.
#[derive(Clone, Default)]
struct Dies {
    at: Option<CrashAt>,
    /// How often the point is still passed by.
    spared: Arc<AtomicU32>,
}

impl Dies {
    fn new(crash: Option<Crash>) -> Self {
        let spared = crash.map_or(0, |crash| crash.times.saturating_sub(1));
        Self { at: crash.map(|crash| crash.at), spared: Arc::new(spared.into()) }
    }

    /// Called right after the commit that led to this point.
    fn at(&self, point: CrashAt) {
        if cfg!(debug_assertions) && self.at == Some(point) {
            let less = |left: u32| left.checked_sub(1);
            if self.spared.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err() {
                std::process::abort();
            }
        }
    }
}

#[cfg(test)]
mod tests;
