//! The board: models and crowds, gaps, opportunity, who fills and how fast, near misses, and a review of every epoch.
//!
//! Knows `api`, the shapes of models and targets, and a database of its own in the engine's directory; decides nothing, signs nothing, and
//! never stops an engine: what cannot be kept is shown from memory. The dispatcher tells facts and never waits; the arithmetic is done on
//! the board's own thread, at most once a second and only when something changed. [`inspect`] alone asks the network, and only on request.

mod field;
mod fills;
mod finds;
mod inspect;

mod review;
mod store;
mod thread;

use std::{collections::HashMap, io, path::Path, sync::Arc, sync::mpsc as blocking};

use tokio::sync::{mpsc, oneshot};

use super::matching::Nearest;
use crate::{
    api::{BoardView, EpochReview, MoneyLeft},
    primitives::{Address, ObjectId},
};

pub(super) use field::{ModelFacts, TargetFacts};
pub(super) use fills::Fill;
pub(super) use finds::{LISTED, finds};
pub(super) use inspect::{Around, Inspector, Question};
pub(super) use review::{EpochFacts, Sums};
pub use store::BoardError;

/// Something that the dispatcher knows.
pub(super) enum Fact {
    /// What the node says of epoch and registry now; told when it is different.
    Epoch(EpochFacts),
    Opened(Vec<TargetFacts>),
    /// Not open any more. `newest_epoch`: what is of an earlier one is over.
    Closed {
        targets: Vec<ObjectId>,
        newest_epoch: u64,
    },
    /// When targets appeared, by a checkpoint.
    Appeared {
        targets: Vec<(ObjectId, u64)>,
        at_ms: u64,
    },
    /// By a checkpoint. The opening times are filled in here.
    Filled(Vec<Fill>),
    /// What we hold nearest to targets.
    Nearest(Vec<(ObjectId, Option<Nearest>)>),
    /// Samples that each model wins.
    Wins(HashMap<ObjectId, u64>),
    Sums(Sums),
    Money(MoneyLeft),
    /// Write everything down and end, then say so.
    Close(oneshot::Sender<()>),
}

pub(super) enum News {
    View(Arc<BoardView>),
    /// An epoch is over, in a line for the activity log.
    Reviewed(String),
    /// Something that a person should know.
    Trouble(String),
}

/// Handle on the thread; it ends when this is dropped.
pub(super) struct Board {
    facts: blocking::Sender<Fact>,
    pub news: mpsc::UnboundedReceiver<News>,
}

impl Board {
    /// `dir`: the engine's. `us`: our wallet.
    pub fn spawn(dir: &Path, us: Option<Address>) -> io::Result<Self> {
        let (facts, told) = blocking::channel();
        let (news, hear) = mpsc::unbounded_channel();
        thread::spawn(dir, us, told, news)?;
        Ok(Self { facts, news: hear })
    }

    pub fn tell(&self, fact: Fact) {
        // The thread lives as long as `self`: it ends with the last sender or the receiver.
        let _ = self.facts.send(fact);
    }

    /// Ends the thread after everything that was told before.
    pub async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        self.tell(Fact::Close(reply));
        // An error only says that the thread has ended already.
        let _ = closed.await;
    }
}

/// The reviews that an engine's directory keeps, newest first; also while an engine works there. Empty without any.
pub fn reviews(dir: &Path) -> Result<Vec<EpochReview>, BoardError> {
    store::reviews(dir)
}
