//! Corpus → scoring → library: which models are in play and resident, what is still to be scored, what is scored.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{Dispatcher, Done, Halt, known::Known};
use crate::{
    api::{Level, LogKind},
    engine::{
        backoff::Backoff,
        corpus::{Reading, Skipped, Source},
        matching::{Ask, ScoredSample},
        published::id_of,
        scoring::{Fault, ScoreJob, Scored, WeightsSpec, halved},
    },
    model::{Placement, Score},
    primitives::{Digest, ObjectId},
};

/// How long models that are here wait for others, to score with all at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// Before weights are asked for again that failed and that nobody said anything about.
const RETRY: Duration = Duration::from_secs(2);

/// Whether a model's weights are on disk. Devices load them from there when they need them.
pub(super) enum Residency {
    Loading,
    Ready,
    Failed { why: String, retry: Instant },
}

/// Everything between the corpus and the library.
#[derive(Default)]
pub(super) struct Pipeline {
    /// Model → id of its weights ([`WeightsSpec::id`], as everywhere here): every active model that an open target has listed since the start.
    pub in_play: BTreeMap<ObjectId, Digest>,
    pub residents: HashMap<Digest, Residency>,
    specs: HashMap<Digest, Arc<WeightsSpec>>,
    /// Of weights that are here and that no device can use.
    broken: HashMap<Digest, Backoff>,
    pub known: Known,
    pass: Option<Pass>,
    /// Since when there is something to score with that the pass at work does not use.
    held_back: Option<Instant>,
    /// Samples at a scorer or waiting for one.
    pub in_scoring: u64,
    /// (sample, weights) of those.
    asked: HashSet<(Digest, Digest)>,
    pub failures: u64,
    pub paused: bool,
}

/// One reading of the corpus.
struct Pass {
    number: u64,
    /// Weights that it scores with.
    weights: HashSet<Digest>,
    /// Once listed.
    samples: Option<u64>,
    position: u64,
    skipped: Skipped,
    /// Samples that the network would not take.
    too_large: u64,
}

impl Pipeline {
    /// Ready to score: weights are here, and earlier scores known.
    fn ready(&self) -> Vec<Arc<WeightsSpec>> {
        let weights: HashSet<&Digest> = self.in_play.values().collect();
        let known = weights.into_iter().filter(|weights| self.known.is_told(weights));
        known.filter_map(|weights| self.resident(weights)).collect()
    }

    /// Whether a sample is neither scored with these weights nor about to be.
    fn lacks(&self, sample: Digest, weights: Digest) -> bool {
        !self.known.has(weights, sample) && !self.asked.contains(&(sample, weights))
    }

    pub fn resident(&self, weights: &Digest) -> Option<Arc<WeightsSpec>> {
        match self.residents.get(weights)? {
            Residency::Ready => self.specs.get(weights).cloned(),
            Residency::Loading | Residency::Failed { .. } => None,
        }
    }

    /// The checksum of weights, which is what people know.
    fn file(&self, weights: Digest) -> Digest {
        self.specs.get(&weights).map_or(weights, |spec| spec.checksum)
    }

    /// Whether a pass listens; otherwise the reader's queue is left alone, and the reader waits.
    pub fn wants_samples(&self) -> bool {
        !self.paused && self.pass.is_some()
    }

    pub fn skipped(&self) -> u64 {
        self.pass.as_ref().map_or(0, |pass| pass.skipped.total() + pass.too_large)
    }

    /// Samples that the reading at work has left out because they, or nearly they, came before.
    pub fn duplicates(&self) -> u64 {
        self.pass.as_ref().map_or(0, |pass| pass.skipped.duplicates + pass.skipped.near_duplicates)
    }

    pub fn remaining(&self) -> Option<u64> {
        let pass = self.pass.as_ref()?;
        Some(pass.samples?.saturating_sub(pass.position) + self.in_scoring)
    }
}

impl Dispatcher {
    /// Whether targets that have just opened list an active model that is not in play. Nearly always they do not.
    pub(super) fn lists_new_models(&self, opened: &[ObjectId]) -> bool {
        let Some(state) = &self.chain.state else { return false };
        let mut listed = opened.iter().filter_map(|id| self.chain.open.get(id)).flat_map(|target| &target.models);
        let is_new = |id: &ObjectId| {
            !self.pipeline.in_play.contains_key(id) && state.models.binary_search_by_key(id, |model| model.id).is_ok()
        };
        listed.any(is_new) || (!opened.is_empty() && self.pipeline.in_play.is_empty())
    }

    /// After the registry or the open targets changed: load what is in play, forget what is gone.
    pub(super) async fn review_models(&mut self) -> Result<(), Halt> {
        let Some(state) = &self.chain.state else { return Ok(()) };
        let listed: HashSet<ObjectId> = match self.chain.open.values().flat_map(|t| &t.models).copied().collect() {
            // Between two boards, what is active is what the next targets will list.
            none if HashSet::is_empty(&none) && self.pipeline.in_play.is_empty() => {
                state.models.iter().map(|model| model.id).collect()
            }
            listed => listed,
        };
        let active: BTreeMap<ObjectId, Digest> = state.models.iter().map(|m| (m.id, id_of(m))).collect();
        let files: Vec<Digest> = state.models.iter().map(|model| model.checksum).collect();
        let in_play: BTreeMap<ObjectId, Digest> = active
            .iter()
            .filter(|(id, _)| listed.contains(*id) || self.pipeline.in_play.contains_key(*id))
            .map(|(id, weights)| (*id, *weights))
            .collect();
        if in_play == self.pipeline.in_play {
            return Ok(());
        }
        self.pipeline.in_play = in_play;
        let registered: Vec<Digest> = active.values().copied().collect();
        self.pipeline.residents.retain(|weights, _| registered.contains(weights));
        self.pipeline.known.keep_weights(&registered);
        self.pipeline.specs.retain(|weights, _| registered.contains(weights));
        self.pipeline.asked.retain(|(_, weights)| registered.contains(weights));
        let done = self.scorers.forget(|weights| !registered.contains(weights));
        self.all_scored(done).await?;
        self.matcher.ask(Ask::KeepWeights(registered));
        let cache = self.weights.clone();
        tokio::spawn(async move { cache.keep(files).await });
        self.load_missing();
        self.survey_due = true;
        Ok(())
    }

    /// Brings to disk what the next targets may list.
    pub(super) fn prefetch_weights(&self) {
        self.weights.prefetch(self.chain.next_weights(|model| self.pipeline.in_play.contains_key(model)));
    }

    /// Starts the loading of weights in play that are not here and whose turn (after a failure) it is.
    pub(super) fn load_missing(&mut self) {
        let now = Instant::now();
        for (id, weights) in &self.pipeline.in_play {
            match self.pipeline.residents.get(weights) {
                None => {}
                Some(Residency::Failed { retry, .. }) if *retry <= now => {}
                Some(_) => continue,
            }
            let Some(spec) = self.chain.source(id, self.pipeline.specs.get(weights).map(|spec| &**spec)) else {
                continue;
            };
            self.pipeline.residents.insert(*weights, Residency::Loading);
            self.pipeline.specs.insert(*weights, Arc::new(spec.clone()));
            let (weights, cache, done) = (*weights, self.weights.clone(), self.done.clone());
            tokio::spawn(async move {
                let result = cache.fetch(&spec).await.map_err(|e| e.to_string());
                // Nobody listens after the end.
                let _ = done.send(Done::Weights { weights, result });
            });
        }
    }

    pub(super) async fn weights_loaded(&mut self, weights: Digest, result: Result<(), String>) -> Result<(), Halt> {
        if !self.pipeline.residents.contains_key(&weights) {
            return Ok(());
        }
        match result {
            Ok(()) => {
                self.pipeline.residents.insert(weights, Residency::Ready);
                self.matcher.ask(Ask::Known(weights));
            }
            Err(why) => {
                let spec = self.pipeline.specs.get(&weights);
                let delay = spec.and_then(|spec| self.weights.retry_after(spec, Placement::CPU)).unwrap_or(RETRY);
                self.log_quietly(
                    LogKind::Scoring,
                    Level::Warning,
                    format!("weights {}: {why}", self.pipeline.file(weights)),
                )
                .await?;
                let retry = Instant::now() + delay;
                self.pipeline.residents.insert(weights, Residency::Failed { why, retry });
                self.start_pass_if_due();
            }
        }
        self.dirty = true;
        Ok(())
    }

    /// What need not be scored under these weights.
    pub(super) fn scores_known(&mut self, weights: Digest, held: Vec<Digest>, failed: Vec<Digest>) {
        self.pipeline.known.tell(weights, held, failed);
        self.survey_due = true;
        self.start_pass_if_due();
    }

    /// What made room in the library is scored again if it comes by again; what found none there is not.
    pub(super) fn scores_left(&mut self, gone: Vec<(Digest, Digest)>, unkept: Vec<(Digest, Digest)>) {
        gone.into_iter().for_each(|(weights, sample)| self.pipeline.known.leave(weights, sample));
        unkept.into_iter().for_each(|(weights, sample)| self.pipeline.known.pass_over(weights, sample));
    }

    /// Reads the corpus (again) when every model in play is either here or known to fail, and one is here that the pass
    /// at work does not score with. So a sample is scored with all models at once, not once for each that comes late. But a
    /// download that does not end holds nobody up for more than [`PATIENCE`].
    pub(super) fn start_pass_if_due(&mut self) {
        let pipeline = &mut self.pipeline;
        let undecided = |weights: &Digest| match pipeline.residents.get(weights) {
            None | Some(Residency::Loading) => true,
            Some(Residency::Ready) => !pipeline.known.is_told(weights),
            Some(Residency::Failed { .. }) => false,
        };
        let is_undecided = pipeline.in_play.values().any(undecided);
        let ready: HashSet<Digest> = pipeline.ready().iter().map(|weights| weights.id()).collect();
        if ready.is_empty() || pipeline.pass.as_ref().is_some_and(|pass| ready.is_subset(&pass.weights)) {
            pipeline.held_back = None;
            return;
        }
        if is_undecided && pipeline.held_back.get_or_insert_with(Instant::now).elapsed() < PATIENCE {
            return;
        }
        pipeline.held_back = None;
        let number = self.reader.start_pass();
        let skipped = Skipped::default();
        pipeline.pass = Some(Pass { number, weights: ready, samples: None, position: 0, skipped, too_large: 0 });
    }

    pub(super) async fn reading(&mut self, reading: Reading) -> Result<(), Halt> {
        let most = self.most_bytes().unwrap_or(u64::MAX);
        let Some(pass) = &mut self.pipeline.pass else { return Ok(()) };
        match reading {
            Reading::Listed { pass: number, samples, skipped } if number == pass.number => {
                pass.samples = Some(samples);
                pass.skipped = skipped;
                if samples == 0 {
                    self.log_about(LogKind::Corpus, Level::Warning, "the corpus holds nothing to score".into()).await?;
                }
            }
            Reading::Sample { pass: number, position, sample } if number == pass.number => {
                pass.position = position;
                self.dirty = true;
                if sample.bytes.len() as u64 > most {
                    pass.too_large += 1;
                    let text = format!("samples of more than {most} bytes are passed over: the network takes no more");
                    return self.log_quietly(LogKind::Corpus, Level::Warning, text).await;
                }
                let missing = |weights: &Arc<WeightsSpec>| self.pipeline.lacks(sample.checksum, weights.id());
                let models: Vec<_> = self.pipeline.ready().into_iter().filter(missing).collect();
                if !models.is_empty() {
                    self.pipeline.in_scoring += 1;
                    self.pipeline.asked.extend(models.iter().map(|weights| (sample.checksum, weights.id())));
                    self.scorers.score(ScoreJob { sample, models });
                }
            }
            Reading::Notice(text) => self.log_about(LogKind::Corpus, Level::Warning, text).await?,
            Reading::Finished { pass: number, skipped } if number == pass.number => {
                pass.position = pass.samples.unwrap_or(pass.position);
                pass.skipped = skipped;
                self.survey_due = true;
            }
            // Of a pass that was given up.
            Reading::Listed { .. } | Reading::Sample { .. } | Reading::Finished { .. } => return Ok(()),
        }
        self.dirty = true;
        Ok(())
    }

    pub(super) async fn all_scored(&mut self, all: impl IntoIterator<Item = Scored>) -> Result<(), Halt> {
        for scored in all {
            self.scored(scored).await?;
        }
        Ok(())
    }

    /// No device can use what was fetched. That may change (memory is freed, a service comes back), but not soon, and each attempt
    /// reads the corpus again.
    async fn weights_broken(&mut self, weights: Digest, why: String) -> Result<(), Halt> {
        self.pipeline.asked.retain(|(_, asked)| *asked != weights);
        if let Some(pass) = &mut self.pipeline.pass {
            pass.weights.remove(&weights);
        }
        if self.pipeline.residents.contains_key(&weights) {
            self.log_quietly(
                LogKind::Scoring,
                Level::Warning,
                format!("weights {}: {why}", self.pipeline.file(weights)),
            )
            .await?;
            let fresh = || Backoff::new(Duration::from_secs(600), Duration::from_secs(6 * 3600));
            let retry = Instant::now() + self.pipeline.broken.entry(weights).or_insert_with(fresh).next_delay();
            self.pipeline.residents.insert(weights, Residency::Failed { why, retry });
        }
        self.dirty = true;
        Ok(())
    }

    async fn scorer_news(&mut self, name: String, trouble: Option<String>) -> Result<(), Halt> {
        let (level, text) = match trouble {
            Some(trouble) => (Level::Warning, format!("{name}: {trouble}")),
            None => (Level::Info, format!("{name}: scores again")),
        };
        self.log_quietly(LogKind::Scoring, level, text).await
    }

    async fn scorer_limit(&mut self, name: String, before: Option<usize>, rows: Option<usize>) -> Result<(), Halt> {
        self.dirty = true;
        let (level, text) = match rows {
            Some(rows) if before.is_none_or(|before| rows < before) => (Level::Warning, halved(rows)),
            Some(rows) => (Level::Info, format!("batch of {rows} rows again")),
            None => (Level::Info, "batches of full size again: there is memory".to_owned()),
        };
        self.log_quietly(LogKind::Scoring, level, format!("{name}: {text}")).await
    }

    /// A sample without a score: what weights are to blame for is told once for them, not for each sample.
    async fn sample_failed(&mut self, weights: Digest, source: &Source, why: Fault) -> Result<(), Halt> {
        self.pipeline.failures += 1;
        let text = match why {
            Fault::Weights(why) => format!("weights {}: {why}", self.pipeline.file(weights)),
            Fault::Sample(why) => format!("{}: {why}", source.label()),
            Fault::Device(why) => format!("samples are passed over: {why}"),
        };
        self.log_quietly(LogKind::Scoring, Level::Warning, text).await
    }

    pub(super) async fn scored(&mut self, scored: Scored) -> Result<(), Halt> {
        match scored {
            Scored::Confirmation { submission, result } => self.confirmation(submission, result).await,
            Scored::Broken { weights, why } => self.weights_broken(weights, why).await,
            Scored::Limit { name, before, rows } => self.scorer_limit(name, before, rows).await,
            Scored::Scorer { name, trouble } => self.scorer_news(name, trouble).await,
            Scored::Sample { checksum, source, tokens, results } => {
                self.pipeline.in_scoring = self.pipeline.in_scoring.saturating_sub(1);
                // Without results it was let go: nobody could score it.
                if !results.is_empty() {
                    self.meter.count(results.len() as u64, tokens);
                }
                let mut scores: Vec<(Digest, Arc<Score>)> = Vec::with_capacity(results.len());
                let mut failures = Vec::new();
                for (weights, result) in results {
                    self.pipeline.asked.remove(&(checksum, weights));
                    match result {
                        Ok(score) => {
                            self.pipeline.known.hold(weights, checksum);
                            scores.push((weights, score));
                        }
                        Err(why) => {
                            // It would fail again.
                            self.pipeline.known.pass_over(weights, checksum);
                            // What the device or the weights are to blame for may go well another time.
                            if let Fault::Sample(why) = &why {
                                failures.push((weights, why.clone()));
                            }
                            self.sample_failed(weights, &source, why).await?;
                        }
                    }
                }
                self.survey_due |= !scores.is_empty();
                self.matcher.ask(Ask::Scored(vec![ScoredSample { checksum, source, scores, failures }]));
                self.dirty = true;
                Ok(())
            }
        }
    }
}
