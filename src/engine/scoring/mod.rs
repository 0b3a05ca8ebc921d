//! Scoring: dedicated threads that score samples and confirm hits, one for each device, and the weights they use.
//!
//! Knows `model`, `storage` (to fetch weights) and the corpus; of the chain's client only what
//! asks scoring services; never the journal. Confirmations go
//! before search. Never makes a [`ConfirmedHit`] from anything but bytes read again and scored in full precision, and never
//! holds more samples than its scorers have an appetite for.
//!
//! A [`Scorer`] is a device of this machine ([`device`]) or a service elsewhere. Each has a thread ([`worker`]) that takes
//! batches (one model, rows of different samples) from one [`queue`], so nobody waits while another has too much:
//!
//! - **Batch-major where the models fit.** A scorer takes the oldest samples that wait for a model that it holds, so a batch
//!   goes through all models in turn, and samples are done soon.
//! - **Model-major where they do not.** Only when nothing waits for a model that it holds does a scorer take another one, the
//!   one that most samples wait for and that fewest others work at. Between two loads lie all samples that are here. A device
//!   that has had to load the same weights twice therefore asks for more samples (its *appetite*): so many that loading costs
//!   at most a tenth of the time, within a bound.

mod ahead;
mod board;
mod budget;
mod confirm;
mod decrypt;
mod device;
mod downloads;
mod queue;
mod remote;
mod residency;
mod share;
mod weights;
mod worker;

use std::{fmt, io, sync::Arc, thread, time::Duration};

use tokio::sync::mpsc;

use super::corpus::{Sample, Source};
use crate::{
    api::SubmissionId,
    model::{Model, SEQUENCE_LENGTH, Score},
    primitives::Digest,
};

pub(super) use board::{Activity, WeightsState};
pub(super) use budget::best_placements;
pub use budget::{Budget, available_memory};
pub(super) use confirm::{ConfirmJob, ConfirmedHit, NotConfirmed, confirm_here};
pub(super) use device::LocalDevice;
use queue::Queue;
pub(super) use queue::{Doing, Gauge, halved};
pub(super) use remote::{EmbeddingDim, RemoteScorer};
pub(super) use residency::Residents;
pub(super) use share::Share;
pub use share::ShareError;
pub(super) use weights::{WeightsCache, WeightsError, WeightsSpec, in_tenths, weights_id};

/// The audit's seed (`protocol.md §7.8`).
pub(super) const SEED: u64 = 0;

/// Results that wait for the dispatcher; a scorer that has more waits.
const RESULTS: usize = 64;

/// One sample, to be scored once with each of these models.
pub(super) struct ScoreJob {
    pub sample: Sample,
    pub models: Vec<Arc<WeightsSpec>>,
}

/// Whatever can evaluate models on samples. It has a thread of its own, so its methods may block if they do not say otherwise.
pub(super) trait Scorer: Send {
    /// For the screen and the log, such as `cuda:0, bf16` or a URL.
    fn name(&self) -> String;

    /// Rows (of [`SEQUENCE_LENGTH`] tokens) that one batch should have. A sample is never split, so it may be more.
    fn batch_rows(&self) -> usize;

    /// Whether evaluating with these weights can begin at once, without loading. Must not block.
    fn is_ready(&self, _weights: &WeightsSpec) -> bool {
        true
    }

    /// Rows that should be here, waiting or in work, for this scorer to be busy. Must not block.
    fn appetite(&self) -> usize {
        APPETITE * self.batch_rows()
    }

    /// A result for each sample, in order, all under the same weights; fewer results give the remaining samples back. Of an
    /// `Err`, the samples are given back and scored elsewhere or later, unless it says otherwise.
    fn evaluate(&mut self, weights: &WeightsSpec, samples: &[Sample]) -> Result<Vec<Result<Score, Fault>>, Setback>;

    /// Rows that it takes at a time, if its memory has no room for as many as it should. Must not block.
    fn row_limit(&self) -> Option<usize> {
        None
    }

    /// Where confirmations get their models; `None`: this scorer confirms nothing.
    fn exact(&self) -> Option<Arc<Exact<'static>>> {
        None
    }
}

/// Batches that should be here for each scorer: one in work, and enough behind it.
const APPETITE: usize = 4;

/// Gives a model in full precision: at the first place, the second, and so on; `None`: there are no more places. Blocks while
/// it loads.
pub(super) type Exact<'a> = dyn Fn(&WeightsSpec, usize) -> Option<Result<Arc<Model>, WeightsError>> + Send + Sync + 'a;

/// Why one sample has no score under one model. It would fail again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The weights are to blame: other samples will fail the same.
    Weights(String),
    /// The sample is, or nobody knows.
    Sample(String),
    /// The device failed at it. Many of them in a row mean that the device is gone.
    Device(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Weights(why) | Self::Sample(why) | Self::Device(why)) = self;
        f.write_str(why)
    }
}

/// Why a batch has no results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Setback {
    /// The batch is tried again in halves; a single sample that does not fit is told so.
    OutOfMemory(String),
    /// These weights cannot be used here. If no scorer can use them, they are told as broken.
    Weights(String),
    /// The scorer cannot work for so long (a service that is away or busy).
    Later { why: String, pause: Duration },
    /// It never will again.
    Gone(String),
}

/// What the scorers tell.
pub(super) enum Scored {
    Sample {
        checksum: Digest,
        source: Source,
        tokens: u64,
        /// By the ids of weights ([`WeightsSpec::id`]), as everywhere here.
        results: Vec<(Digest, Result<Arc<Score>, Fault>)>,
    },
    Confirmation {
        submission: SubmissionId,
        result: Result<Box<ConfirmedHit>, NotConfirmed>,
    },
    /// No scorer can use these weights; samples no longer wait for them.
    Broken {
        weights: Digest,
        why: String,
    },
    /// So many rows fit a scorer's memory now (`None`: as many as it is given), and `before`.
    Limit {
        name: String,
        before: Option<usize>,
        rows: Option<usize>,
    },
    /// Trouble of a scorer, or (`None`) its end.
    Scorer {
        name: String,
        trouble: Option<String>,
    },
}

/// Handle on the scoring threads; they end when this is dropped, after the batch at hand.
pub(super) struct Scorers {
    queue: Arc<Queue>,
    pub results: mpsc::Receiver<Scored>,
}

impl Scorers {
    pub fn spawn(scorers: Vec<Box<dyn Scorer>>) -> io::Result<Self> {
        let (told, results) = mpsc::channel(RESULTS);
        let handle = Self { queue: Arc::default(), results };
        let evaluations = Arc::<confirm::Evaluations>::default();
        for (number, scorer) in scorers.into_iter().enumerate() {
            let seat = handle.queue.enlist(&*scorer);
            let (queue, told, evaluations) = (handle.queue.clone(), told.clone(), evaluations.clone());
            let work = move || worker::work(&queue, seat, scorer, &evaluations, &told);
            thread::Builder::new().name(format!("scorer-{number}")).spawn(work)?;
        }
        Ok(handle)
    }

    /// Whether another sample is wanted. One that comes nevertheless is taken.
    pub fn has_room(&self) -> bool {
        self.queue.has_room()
    }

    pub fn score(&self, job: ScoreJob) {
        self.queue.push(job);
    }

    pub fn confirm(&self, job: ConfirmJob) {
        self.queue.confirm(job);
    }

    /// Stops the search; confirmations go on.
    pub fn pause(&self, paused: bool) {
        self.queue.pause(paused);
    }

    /// Forgets the samples that wait for these weights. Gives the samples that are done thereby.
    pub fn forget(&self, gone: impl Fn(&Digest) -> bool) -> Vec<Scored> {
        self.queue.forget(gone)
    }

    /// Forgets all samples that wait or are in work. Gives what is known of them.
    pub fn clear_search(&self) -> Vec<Scored> {
        self.queue.clear()
    }

    /// How the scorers are, in the order in which they were given.
    pub fn gauges(&self) -> Vec<Gauge> {
        self.queue.gauges()
    }

    /// Samples here, waiting or in work.
    pub fn samples(&self) -> usize {
        self.queue.samples()
    }

    /// Rows here, waiting or in work, and how many there should be.
    pub fn rows(&self) -> (usize, usize) {
        self.queue.rows()
    }
}

impl Drop for Scorers {
    fn drop(&mut self) {
        self.queue.close();
    }
}

#[cfg(test)]
mod tests;

/// Rows of a sample: what it costs.
fn rows(sample: &Sample) -> usize {
    sample.bytes.len().div_ceil(SEQUENCE_LENGTH).max(1)
}
