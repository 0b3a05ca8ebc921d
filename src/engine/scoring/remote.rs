//! A scoring service elsewhere, ours or the official one, as a scorer (`protocol.md §8.1`).
//!
//! One request for each sample and model: with one model, its loss and embedding are the answer. What a service says is good for the search
//! only; a hit is confirmed on this machine. A service that is away or busy gets its samples taken back and is asked again later; one
//! that answers nonsense is never asked again.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use tokio::runtime::Handle;

use super::{Fault, SEED, Scorer, Setback, WeightsSpec, rows, share::Share};
use crate::{
    chain::{
        client::{ClientError, ScoringClient, ScoringError, ScoringModel},
        types::Manifest,
    },
    engine::{backoff::Backoff, corpus::Sample},
    model::Score,
    primitives::{Digest, clean},
};

/// A service may have to fetch gigabytes of weights first, and an official one reads them anew each time. One that is gone is noticed by
/// its connection, long before.
const PATIENCE: Duration = Duration::from_secs(900);
/// Batches are made to take about so long: enough that the way there and back does not count, little enough that nobody waits long
/// for the last one.
const SHORT: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_millis(1600);
const MOST_ROWS: usize = 64;
/// Characters of a service's own words.
const WORDS: usize = 200;

/// The dimension of the network's embeddings, once the chain has told it; 0 before.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct EmbeddingDim(Arc<AtomicUsize>);

impl EmbeddingDim {
    pub fn set(&self, dim: u64) {
        self.0.store(usize::try_from(dim).unwrap_or(0), Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

pub(in crate::engine) struct RemoteScorer {
    url: String,
    client: ScoringClient,
    share: Share,
    dim: EmbeddingDim,
    runtime: Handle,
    /// Rows on their way at once.
    window: usize,
    pauses: Backoff,
    /// It failed last time: it is asked how it is before it gets work.
    in_doubt: bool,
    /// What ended a batch of which the beginning had results.
    pending: Option<Setback>,
    /// Weights that it has scored with.
    known: HashSet<Digest>,
    /// Weights under which its numbers were not finite.
    broken: HashSet<Digest>,
}

impl RemoteScorer {
    pub fn new(url: &str, share: Share, dim: EmbeddingDim, runtime: Handle) -> Result<Self, ClientError> {
        Ok(Self {
            client: ScoringClient::new(url)?,
            url: url.to_owned(),
            share,
            dim,
            runtime,
            window: 2,
            pauses: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)),
            in_doubt: true,
            pending: None,
            known: HashSet::new(),
            broken: HashSet::new(),
        })
    }

    fn later(&mut self, why: String) -> Setback {
        self.in_doubt = true;
        self.window = (self.window / 2).max(1);
        Setback::Later { why, pause: self.pauses.next_delay() }
    }

    fn setback(&mut self, weights: &WeightsSpec, error: ScoringError) -> Setback {
        match error {
            // The pause tells a busy service from one that is away; its samples go elsewhere meanwhile.
            ScoringError::Busy(_) => self.later("is busy; asked again later".to_owned()),
            // The same words however it shows, so that the log has them once.
            ScoringError::Unreachable(why) => {
                tracing::debug!("{}: {}", self.url, words(&why));
                self.later("does not answer; asked again later".to_owned())
            }
            ScoringError::Failed(why) if why.contains(self.share.prefix()) => {
                let at = self.share.prefix().rsplit_once('/').map_or("", |(base, _)| base);
                self.later(format!(
                    "cannot download samples from {at}: give an address that it can reach as --share-data, and let it through the firewall"
                ))
            }
            ScoringError::Failed(why) => Setback::Weights(format!("{}: {}", self.url, words(&why))),
            ScoringError::NotFinite => {
                self.broken.insert(weights.id());
                match self.broken.len() {
                    // Perhaps it is the model.
                    1 => Setback::Weights(format!("{}: its numbers are not finite", self.url)),
                    _ => Setback::Gone("is not trusted: its numbers are not finite".to_owned()),
                }
            }
            ScoringError::Malformed(why) => Setback::Gone(format!("is not trusted: {}", words(&why))),
            ScoringError::Refused { message, .. } if message.contains("private address") => Setback::Gone(
                "does not fetch from private addresses, and samples are shared at one: start it with --allow-private"
                    .to_owned(),
            ),
            ScoringError::Refused { code, message } => {
                Setback::Gone(format!("does not score for us: {code}: {}", words(&message)))
            }
            ScoringError::NotSent(why) => Setback::Weights(why.to_owned()),
        }
    }

    /// Grows while batches are quick, shrinks when they are slow.
    fn pace(&mut self, rows: usize, took: Duration) {
        if took < SHORT && rows >= self.window {
            self.window = (self.window * 2).min(MOST_ROWS);
        } else if took > LONG {
            self.window = (self.window / 2).max(1);
        }
    }

    async fn is_well(&self) -> Result<(), ScoringError> {
        match self.client.health().await? {
            true => Ok(()),
            false => Err(ScoringError::Busy("not ready".to_owned())),
        }
    }

    /// In order, up to the first that has no answer.
    async fn ask(
        &self,
        weights: &WeightsSpec,
        samples: &[Sample],
        dim: usize,
    ) -> (Vec<Result<Score, Fault>>, Option<ScoringError>) {
        let model = ScoringModel {
            url: weights.url.clone(),
            checksum: weights.checksum,
            size: weights.size,
            decryption_key: weights.key,
            dim,
        };
        // Its distance is of no interest here; it must have a direction.
        let mut target = vec![0.0; dim];
        target[0] = 1.0;
        let (model, target) = (std::slice::from_ref(&model), &target[..]);
        let mut answers = stream::iter(samples)
            .map(async |sample| {
                let offer = self.share.offer(sample.checksum, &sample.bytes);
                let size = sample.bytes.len() as u64;
                let data = Manifest::new(&offer.url, sample.checksum, size)
                    .map_err(|_| ScoringError::NotSent("the address of the samples is no URL"))?;
                let score = self.client.score(&data, model, target, SEED, PATIENCE).await?;
                Ok(Score { loss: score.loss, embedding: score.embedding })
            })
            .buffered(samples.len().max(1));
        let mut results = Vec::with_capacity(samples.len());
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(score) => results.push(Ok(score)),
                Err(ScoringError::Failed(why)) if why.contains("Empty data") => {
                    results.push(Err(Fault::Sample(words(&why))));
                }
                Err(error) => return (results, Some(error)),
            }
        }
        (results, None)
    }
}

impl Scorer for RemoteScorer {
    fn name(&self) -> String {
        self.url.clone()
    }

    fn batch_rows(&self) -> usize {
        self.window
    }

    fn is_ready(&self, weights: &WeightsSpec) -> bool {
        self.known.contains(&weights.id())
    }

    fn evaluate(&mut self, weights: &WeightsSpec, samples: &[Sample]) -> Result<Vec<Result<Score, Fault>>, Setback> {
        if let Some(setback) = self.pending.take() {
            return Err(setback);
        }
        let dim = self.dim.get();
        if dim == 0 {
            let why = "waits until the chain has told the embeddings' dimension".to_owned();
            return Err(Setback::Later { why, pause: Duration::from_secs(1) });
        }
        let runtime = self.runtime.clone();
        if self.in_doubt {
            runtime.block_on(self.is_well()).map_err(|error| self.setback(weights, error))?;
        }
        let started = Instant::now();
        let (results, error) = runtime.block_on(self.ask(weights, samples, dim));
        if !results.is_empty() {
            self.in_doubt = false;
            self.known.insert(weights.id());
        }
        let Some(error) = error else {
            self.pauses.reset();
            self.pace(samples.iter().map(rows).sum(), started.elapsed());
            return Ok(results);
        };
        let setback = self.setback(weights, error);
        if results.is_empty() {
            return Err(setback);
        }
        self.pending = Some(setback);
        Ok(results)
    }
}

/// A stranger's words, made safe and short.
fn words(text: &str) -> String {
    clean(text).chars().take(WORDS).collect()
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
