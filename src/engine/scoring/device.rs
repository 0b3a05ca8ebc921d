//! A device of this machine as a scorer.
//!
//! It searches in its own precision and confirms in f32 with a second copy of the weights, under the same budget: on a card that does not hold
//! both, the copies take turns ([`Residents`] lets the least recently used go), because loading takes seconds where the
//! processor would take minutes. Only what a card cannot do at all (the f32 copy alone is too large for it, or the card is gone)
//! is confirmed on the processor.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::runtime::Handle;

use super::{Exact, Fault, Residents, SEED, Scorer, Setback, WeightsError, WeightsSpec, rows};
use crate::{
    engine::corpus::Sample,
    model::{Device, Model, ModelError, Placement, Score},
    primitives::Digest,
};

/// Rows a core takes at once: enough that no core waits long for the last one of a batch.
const ROWS_A_CORE: usize = 4;
/// Enough to keep a card busy; a model cuts them into what fits.
const ROWS_A_CARD: usize = 64;

/// Scores with models that [`Residents`] keeps on it.
pub(in crate::engine) struct LocalDevice {
    placement: Placement,
    residents: Residents,
    runtime: Handle,
    batch_rows: usize,
    swaps: Swaps,
    limits: Limits,
}

impl LocalDevice {
    /// Needs a runtime, to load weights on.
    pub fn new(placement: Placement, residents: Residents, runtime: Handle) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let batch_rows = match placement.device {
            Device::Cpu => ROWS_A_CORE * cores,
            Device::Cuda(_) | Device::Metal(_) => ROWS_A_CARD,
        };
        Self { placement, residents, runtime, batch_rows, swaps: Swaps::default(), limits: Limits::default() }
    }

    fn model(&mut self, weights: &WeightsSpec) -> Result<Arc<Model>, Setback> {
        let (was_ready, started) = (self.is_ready(weights), Instant::now());
        let model = self.runtime.block_on(self.residents.get(weights, self.placement)).map_err(setback)?;
        if !was_ready {
            self.swaps.loaded(weights.id(), started.elapsed());
        }
        Ok(model)
    }
}

impl Scorer for LocalDevice {
    fn name(&self) -> String {
        self.placement.to_string()
    }

    fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    fn is_ready(&self, weights: &WeightsSpec) -> bool {
        self.residents.peek(weights, self.placement).is_some()
    }

    fn appetite(&self) -> usize {
        self.swaps.appetite(super::APPETITE * self.batch_rows)
    }

    fn evaluate(&mut self, weights: &WeightsSpec, samples: &[Sample]) -> Result<Vec<Result<Score, Fault>>, Setback> {
        let model = self.model(weights)?;
        let data: Vec<&[u8]> = samples.iter().map(|sample| &*sample.bytes).collect();
        let started = Instant::now();
        let results = model.score_batch(&data, SEED);
        self.swaps.evaluated(samples.iter().map(rows).sum(), started.elapsed());
        self.limits.note(weights.id(), model.row_limit());
        for result in &results {
            match result {
                Err(error @ ModelError::OutOfMemory { .. }) => return Err(Setback::OutOfMemory(error.to_string())),
                Err(error @ ModelError::NoDevice { .. }) => return Err(Setback::Gone(error.to_string())),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(results.into_iter().map(|result| result.map_err(fault)).collect())
    }

    fn row_limit(&self) -> Option<usize> {
        self.limits.least()
    }

    fn exact(&self) -> Option<Arc<Exact<'static>>> {
        let (residents, runtime) = (self.residents.clone(), self.runtime.clone());
        let mut places = vec![self.placement.confirming(), Placement::CPU];
        places.dedup();
        Some(Arc::new(move |weights, place| {
            places.get(place).map(|place| runtime.block_on(residents.get(weights, *place)))
        }))
    }
}

/// Why a device cannot use weights.
fn setback(error: WeightsError) -> Setback {
    match &error {
        WeightsError::Load { cause: cause @ (ModelError::NoDevice { .. } | ModelError::Precision { .. }), .. } => {
            Setback::Gone(cause.to_string())
        }
        _ => Setback::Weights(error.to_string()),
    }
}

/// Whose fault it is that a sample has no score.
fn fault(error: ModelError) -> Fault {
    match error {
        ModelError::LossNotFinite(_) => Fault::Weights(error.to_string()),
        _ if is_of_device(&error) => Fault::Device(error.to_string()),
        _ => Fault::Sample(error.to_string()),
    }
}

/// Whether another device might do better.
pub(super) fn is_of_device(error: &ModelError) -> bool {
    use ModelError::{Backend, NoDevice, OutOfMemory, Precision};
    matches!(error, Backend(_) | NoDevice { .. } | OutOfMemory { .. } | Precision { .. })
}

/// Rows that there is room for under each of the models that were used lately. They take turns, so the least is what is told.
#[derive(Default)]
struct Limits {
    /// With the evaluation that said so.
    known: HashMap<Digest, (usize, u64)>,
    evaluations: u64,
}

impl Limits {
    /// Evaluations for which a model that is not used any more counts.
    const LATELY: u64 = 1024;

    fn note(&mut self, weights: Digest, limit: Option<usize>) {
        self.evaluations += 1;
        match limit {
            Some(rows) => self.known.insert(weights, (rows, self.evaluations)),
            None => self.known.remove(&weights),
        };
        self.known.retain(|_, (_, at)| *at + Self::LATELY > self.evaluations);
    }

    fn least(&self) -> Option<usize> {
        self.known.values().map(|(rows, _)| *rows).min()
    }
}

/// How often weights are loaded again, and what that costs against the evaluations between.
#[derive(Default)]
struct Swaps {
    known: HashSet<Digest>,
    /// Means, in seconds.
    load_s: f64,
    row_s: f64,
    /// Rows evaluated since weights came for the second time; `None`: that is long ago, or never was.
    since: Option<usize>,
}

impl Swaps {
    /// Share of the time that loading may take: one part in so many.
    const SHARE: f64 = 10.0;
    /// At 2,048 dimensions, 32 MiB of embeddings for each model.
    const MOST: usize = 4096;

    fn loaded(&mut self, weights: Digest, took: Duration) {
        self.load_s = mean(self.load_s, took.as_secs_f64());
        if !self.known.insert(weights) {
            self.since = Some(0);
        }
    }

    fn evaluated(&mut self, rows: usize, took: Duration) {
        self.row_s = mean(self.row_s, took.as_secs_f64() / rows.max(1) as f64);
        // Four full runs without a swap: the models in play fit now.
        self.since = self.since.map(|since| since + rows).filter(|since| *since < 4 * Self::MOST);
    }

    /// Rows that should be here, where `least` is enough for models that stay.
    fn appetite(&self, least: usize) -> usize {
        if self.since.is_none() || self.row_s <= 0.0 {
            return least;
        }
        // Saturates.
        let amortised = (Self::SHARE * self.load_s / self.row_s) as usize;
        amortised.clamp(least, Self::MOST.max(least))
    }
}

/// A moving mean; 0 is none yet.
fn mean(before: f64, now: f64) -> f64 {
    if before == 0.0 { now } else { before + (now - before) / 8.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_loads_weights_again_asks_for_enough_samples_to_make_up_for_it() {
        let mut swaps = Swaps::default();
        for n in 0..3 {
            swaps.loaded(Digest([n; 32]), Duration::from_secs(2));
            swaps.evaluated(32, Duration::from_millis(320));
        }
        assert_eq!(swaps.appetite(128), 128, "they fit, as far as anybody knows");
        swaps.loaded(Digest([0; 32]), Duration::from_secs(2));
        // 2 s of loading, 10 ms a row.
        assert!((1990..=2010).contains(&swaps.appetite(128)), "{}", swaps.appetite(128));
        swaps.evaluated(4 * Swaps::MOST, Duration::from_secs(164));
        assert_eq!(swaps.appetite(128), 128, "nothing was loaded for long");
    }

    #[test]
    fn the_model_with_the_least_room_counts_until_it_has_more_or_is_not_used() {
        let (mut limits, one, other) = (Limits::default(), Digest([1; 32]), Digest([2; 32]));
        limits.note(one, None);
        assert_eq!(limits.least(), None);
        limits.note(one, Some(8));
        limits.note(other, Some(4));
        assert_eq!(limits.least(), Some(4));
        limits.note(other, Some(16));
        assert_eq!(limits.least(), Some(8));
        (0..Limits::LATELY).for_each(|_| limits.note(other, None));
        assert_eq!(limits.least(), None);
    }

    #[test]
    fn the_appetite_is_bounded_and_a_slow_device_has_a_small_one() {
        let mut swaps = Swaps::default();
        swaps.loaded(Digest([0; 32]), Duration::from_secs(60));
        swaps.loaded(Digest([0; 32]), Duration::from_secs(60));
        swaps.evaluated(1, Duration::from_micros(1));
        assert_eq!(swaps.appetite(16), Swaps::MOST);
        let mut slow = Swaps::default();
        slow.loaded(Digest([0; 32]), Duration::from_secs(10));
        slow.loaded(Digest([0; 32]), Duration::from_secs(10));
        slow.evaluated(4, Duration::from_secs(100));
        assert_eq!(slow.appetite(8), 8);
    }
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod device_tests;
