//! The matcher's thread: a new target against a large library is a lot of arithmetic, and the dispatcher must not wait.

use std::{
    collections::HashSet,
    io,
    sync::{Arc, mpsc as blocking},
    thread,
};

use tokio::sync::mpsc;

use super::{Board, Library, Standing, TargetSpec};
use crate::{
    engine::journal::ScoredSample,
    model::Score,
    primitives::{Digest, ObjectId},
};

/// Bytes of embeddings and entries in memory. Older samples stay on disk.
const LIBRARY_BYTES: usize = 1 << 30;
/// Points of the map.
const SURVEYED: usize = 2_000;

pub(in crate::engine) enum Ask {
    /// Scores, new or from disk.
    Scored(Vec<ScoredSample>),
    Opened(Vec<TargetSpec>),
    Closed(Vec<ObjectId>),
    /// Only these weights are in the registry now.
    KeepWeights(Vec<Digest>),
    /// How the library looks under these weights.
    Survey(Vec<Digest>),
}

pub(in crate::engine) enum Reply {
    /// Only targets whose standing changed.
    Standings(Vec<(ObjectId, Standing)>),
    Survey {
        weights: Vec<Digest>,
        wins: Vec<u64>,
        chosen: Vec<(usize, Arc<Score>)>,
    },
}

/// Handle on the thread; it ends when this is dropped.
pub(in crate::engine) struct Matcher {
    asks: blocking::Sender<Ask>,
    pub replies: mpsc::UnboundedReceiver<Reply>,
}

impl Matcher {
    pub fn spawn(min_margin: f32) -> io::Result<Self> {
        let (asks, asked) = blocking::channel();
        let (told, replies) = mpsc::unbounded_channel();
        thread::Builder::new().name("matcher".into()).spawn(move || {
            let (mut library, mut board) = (Library::new(LIBRARY_BYTES), Board::new(min_margin));
            for ask in asked {
                if told.send(answer(ask, &mut library, &mut board)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { asks, replies })
    }

    pub fn ask(&self, ask: Ask) {
        // The thread lives as long as `self`: it ends with the last sender or the receiver.
        let _ = self.asks.send(ask);
    }
}

fn answer(ask: Ask, library: &mut Library, board: &mut Board) -> Reply {
    let mut changed = HashSet::new();
    match ask {
        Ask::Scored(samples) => {
            for sample in samples {
                let entry = library.add(sample.checksum, sample.source, sample.scores);
                changed.extend(board.offer(&entry));
            }
        }
        Ask::Opened(targets) => {
            for target in targets {
                let id = target.id;
                if board.open(target, library) {
                    changed.insert(id);
                }
            }
        }
        Ask::Closed(targets) => targets.iter().for_each(|id| board.close(id)),
        Ask::KeepWeights(weights) => library.keep_weights(&weights),
        Ask::Survey(weights) => {
            let (wins, chosen) = library.survey(&weights, SURVEYED);
            return Reply::Survey { weights, wins, chosen };
        }
    }
    let standings = changed.into_iter().filter_map(|id| Some((id, board.standing(&id)?.clone())));
    Reply::Standings(standings.collect())
}
