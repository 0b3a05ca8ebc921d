//! What `somascope serve` keeps between requests: loaded models, data, scores; and who works when.
//!
//! A request takes a seat, is answered from memory if it can be, else waits for its blobs, and for each of its models' turn in memory and
//! then in a device's queue. Whoever goes away is forgotten at each of these points.

mod blobs;
mod desk;
mod memory;
mod pins;
mod places;
mod seats;

use std::{io, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{
    FutureExt,
    future::{try_join, try_join_all},
};

use self::{
    blobs::Blobs,
    memory::{Memory, ScoreKey},
    places::{Place, least_busy},
    seats::Seats,
};
use super::{Evaluate, Failure, ScoringRequest, Weights, Won};
use crate::{
    engine::{
        Budget,
        models::{Models, ModelsError, Published},
    },
    model::{Device, Score, winner},
    primitives::{Digest, hash},
    storage::{Fetcher, Reach, StorageError},
};

/// Data kept for those who ask again with another model.
const DATA_BYTES: u64 = 64 << 20;
/// A download of data may take this long, and what its size takes on a slow line.
const PATIENCE: Duration = Duration::from_secs(60);
const SLOW_LINE_BYTES_PER_SECOND: u64 = 64 << 10;

pub struct HostConfig {
    /// Where weights are kept.
    pub dir: PathBuf,
    /// Attention heads, which weights do not tell; `None`: the model's own rule.
    pub heads: Option<usize>,
    /// At least one.
    pub devices: Vec<Device>,
    /// Of loaded models, on each device.
    pub memory: Budget,
    /// Of remembered scores.
    pub remembered_bytes: usize,
    /// Requests at work or waiting; more are refused.
    pub most_requests: usize,
    pub reach: Reach,
}

#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("a scoring thread could not be started: {0}")]
    Thread(io::Error),
}

pub struct Host {
    models: Models,
    fetcher: Fetcher,
    data: Blobs,
    memory: Arc<Memory>,
    seats: Seats,
    places: Vec<Place>,
}

fn key_of(request: &ScoringRequest, weights: &Weights) -> ScoreKey {
    ScoreKey {
        data: (request.data_checksum, request.data_size),
        weights: (weights.checksum, weights.size),
        key: weights.key.map(|key| hash(&key)),
        seed: request.seed,
    }
}

fn published(weights: &Weights) -> Published<'_> {
    Published { url: &weights.url, checksum: weights.checksum, size: weights.size, key: weights.key }
}

impl From<ModelsError> for Failure {
    fn from(error: ModelsError) -> Self {
        match error {
            ModelsError::Blob(error) => error.into(),
            ModelsError::Model(error) => error.into(),
            ModelsError::Other(text) => Self::Internal(text),
        }
    }
}

impl Host {
    pub fn new(config: HostConfig) -> Result<Self, HostError> {
        let memory = Arc::new(Memory::new(config.remembered_bytes));
        let fetcher = Fetcher::reaching(config.reach)?;
        let open =
            |device: &Device| Place::open(*device, config.memory.on(*device), &memory).map_err(HostError::Thread);
        Ok(Self {
            places: config.devices.iter().map(open).collect::<Result<_, _>>()?,
            models: Models::new(&config.dir, config.heads, fetcher.clone(), config.memory),
            fetcher,
            data: Blobs::new(DATA_BYTES),
            memory,
            seats: Seats::new(config.most_requests),
        })
    }

    /// All of it in time: a server that sends a byte now and then holds no seat for ever.
    async fn download(&self, url: &str, checksum: Digest, size: u64) -> Result<Bytes, StorageError> {
        let patience = PATIENCE + Duration::from_secs(size / SLOW_LINE_BYTES_PER_SECOND);
        let download = self.fetcher.fetch(url, checksum, size);
        tokio::time::timeout(patience, download).await.unwrap_or_else(|_| {
            let cause = format!("not complete after {} s", patience.as_secs());
            Err(StorageError::Download { url: url.to_owned(), cause })
        })
    }

    /// Scores that are not remembered, in the order of `missing`.
    async fn compute(
        &self,
        guest: Option<IpAddr>,
        request: &ScoringRequest,
        missing: &[(ScoreKey, &Weights)],
    ) -> Result<Vec<Arc<Score>>, Failure> {
        let place = least_busy(&self.places).ok_or(Failure::Stopped)?;
        let download = self.download(&request.data_url, request.data_checksum, request.data_size);
        let data = async { Ok::<_, Failure>(self.data.get(request.data_checksum, request.data_size, download).await?) };
        let data = data.shared();
        // Each model has its own wait for memory, and is let go when its evaluation ends: they need not fit together.
        let scores = missing.iter().map(|(key, weights)| {
            let (data, weights) = (data.clone(), published(weights));
            async move {
                // Memory does not wait for the network.
                let memory = async { Ok(self.models.memory(weights, place.placement).await?) };
                let (data, bytes) = try_join(data, memory).await?;
                let _pinned = place.pins.pin(((key.weights.0, key.key), bytes)).await;
                let model = self.models.get(weights, place.placement).await?;
                place.desk.ask(guest, *key, model, data).await.unwrap_or(Err(Failure::Stopped))
            }
        });
        try_join_all(scores).await
    }
}

impl Evaluate for Host {
    async fn evaluate(&self, guest: Option<IpAddr>, request: &ScoringRequest) -> Result<Won, Failure> {
        let _seat = self.seats.take(guest)?;
        let keys: Vec<ScoreKey> = request.models.iter().map(|weights| key_of(request, weights)).collect();
        let mut scores: Vec<Option<Arc<Score>>> = keys.iter().map(|key| self.memory.get(key)).collect();
        let is_missing = |(score, _): &(&Option<Arc<Score>>, _)| score.is_none();
        let asked = keys.iter().copied().zip(&request.models);
        let missing: Vec<_> = scores.iter().zip(asked).filter(is_missing).map(|(_, asked)| asked).collect();
        if !missing.is_empty() {
            let mut computed = self.compute(guest, request, &missing).await?.into_iter();
            scores.iter_mut().filter(|score| score.is_none()).for_each(|score| *score = computed.next());
        }
        let scores: Vec<Arc<Score>> = scores.into_iter().flatten().collect();
        let losses: Vec<f32> = scores.iter().map(|score| score.loss).collect();
        let winner = winner(&losses).ok_or(Failure::NoWinner)?;
        Ok(Won { winner, score: scores[winner].clone() })
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join;
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

    use super::*;
    use crate::model::Model;

    async fn publish(files: &MockServer, name: &str, bytes: &[u8]) -> (String, Digest, u64) {
        let answer = ResponseTemplate::new(200).set_body_bytes(bytes);
        Mock::given(matchers::path(format!("/{name}"))).respond_with(answer).mount(files).await;
        (format!("{}/{name}", files.uri()), hash(bytes), bytes.len() as u64)
    }

    #[tokio::test]
    async fn models_that_do_not_fit_the_memory_together_answer_one_after_another() {
        let (files, dir) = (MockServer::start().await, tempfile::tempdir().unwrap());
        let (mut models, mut alone) = (Vec::new(), Vec::new());
        let mut bytes_of_one = 0;
        for n in 0..3 {
            let path = format!("{}/tests/data/model/small16_model_{n}.safetensors", env!("CARGO_MANIFEST_DIR"));
            let plain = std::fs::read(path).unwrap();
            let (url, checksum, size) = publish(&files, &n.to_string(), &plain).await;
            models.push(Weights { url, checksum, size, key: None });
            let model = Model::from_safetensors(&plain, None).unwrap();
            bytes_of_one = model.resident_bytes();
            alone.push(model.score(b"soma", 0).unwrap());
        }
        let (data_url, data_checksum, data_size) = publish(&files, "data", b"soma").await;
        let host = Host::new(HostConfig {
            dir: dir.path().to_owned(),
            heads: None,
            devices: vec![Device::Cpu],
            memory: Budget::of(bytes_of_one),
            remembered_bytes: 0,
            most_requests: 8,
            reach: Reach::Anywhere,
        })
        .unwrap();
        let request = ScoringRequest { data_url, data_checksum, data_size, models, target: vec![0.5; 16], seed: 0 };
        let mut backwards = request.clone();
        backwards.models.reverse();
        let both = join(host.evaluate(None, &request), host.evaluate(None, &backwards));
        let (one, other) = tokio::time::timeout(Duration::from_secs(60), both).await.expect("nobody waits for ever");
        let (one, other) = (one.unwrap(), other.unwrap());
        let losses: Vec<f32> = alone.iter().map(|score| score.loss).collect();
        assert_eq!(Some(one.winner), winner(&losses));
        assert_eq!(*one.score, alone[one.winner]);
        assert_eq!((2 - other.winner, &other.score), (one.winner, &one.score));
    }
}
