//! The confirming scorer: the only place where a [`ConfirmedHit`] comes from.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

use super::{Exact, SEED, WeightsError, WeightsSpec, device::is_of_device, weights::Identity};
use crate::{
    api::SubmissionId,
    engine::corpus::{self, Shelf, Source},
    model::{self, Model, ModelError, Precision, Score},
    primitives::{Digest, ObjectId},
};

/// What has to be confirmed: a sample against a target as the chain showed it a moment ago.
pub(in crate::engine) struct ConfirmJob {
    pub submission: SubmissionId,
    pub source: Source,
    /// Reads it again.
    pub shelf: Shelf,
    pub checksum: Digest,
    pub target: ObjectId,
    pub epoch: u64,
    pub embedding: Vec<f32>,
    pub threshold: f32,
    /// All of the target's models, in its order.
    pub models: Vec<(ObjectId, Arc<WeightsSpec>)>,
}

#[derive(Debug, thiserror::Error)]
pub(in crate::engine) enum NotConfirmed {
    #[error("{file} cannot be read again: {cause}")]
    Unreadable { file: String, cause: std::io::Error },
    #[error("{0} has changed since it was scored")]
    Changed(String),
    #[error("{0} looks like a secret or holds one, and an upload is public for ever")]
    Secret(String),
    #[error("model {} is not here: {cause}", .model.short())]
    Weights { model: ObjectId, cause: Box<WeightsError> },
    #[error("model {} cannot score it: {cause}", .model.short())]
    Score { model: ObjectId, cause: ModelError },
    #[error("no model has a finite loss")]
    NoWinner,
    #[error("the confirmed distance {distance} is not within the threshold {threshold}")]
    Miss { distance: f32, threshold: f32 },
    #[error("the confirmation was cut short: {0}")]
    Aborted(String),
}

impl NotConfirmed {
    /// It says nothing about the data: another try may succeed.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Weights { .. } => true,
            Self::Unreadable { cause, .. } => corpus::is_outage(cause),
            _ => false,
        }
    }
}

/// Data that hits a target, proven by scoring the exact bytes in full precision with every model of the target.
///
/// Its fields are private and only [`confirm`] makes it, so nothing else can be signed for.
pub(in crate::engine) struct ConfirmedHit {
    data: Bytes,
    checksum: Digest,
    target: ObjectId,
    epoch: u64,
    models: Vec<(ObjectId, Digest)>,
    losses: Vec<f32>,
    winner: usize,
    embedding: Vec<f32>,
    distance: f32,
}

impl ConfirmedHit {
    pub fn data(&self) -> &Bytes {
        &self.data
    }
    pub fn checksum(&self) -> Digest {
        self.checksum
    }
    pub fn size(&self) -> u64 {
        self.data.len() as u64
    }
    pub fn target(&self) -> ObjectId {
        self.target
    }
    /// The target's generation epoch.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
    /// The target's models with the ids ([`WeightsSpec::id`]) of the weights that were used.
    pub fn models(&self) -> &[(ObjectId, Digest)] {
        &self.models
    }
    pub fn losses(&self) -> Vec<(ObjectId, f32)> {
        self.models.iter().map(|(id, _)| *id).zip(self.losses.iter().copied()).collect()
    }
    pub fn model(&self) -> ObjectId {
        self.models[self.winner].0
    }
    pub fn loss(&self) -> f32 {
        self.losses[self.winner]
    }
    /// The winner's.
    pub fn embedding(&self) -> &[f32] {
        &self.embedding
    }
    pub fn distance(&self) -> f32 {
        self.distance
    }
}

/// (checksum of the data, the weights): one file under two keys is two models.
type Evaluation = (Digest, Identity);

/// The confirming scorer's newest evaluations. One sample often hits many targets of the same models, and equal bytes, weights
/// and seed give equal numbers: they are computed once.
#[derive(Default)]
pub(super) struct Evaluations(Mutex<VecDeque<(Evaluation, Arc<Score>)>>);

impl Evaluations {
    /// At 2,048 dimensions about 2 MiB.
    const KEPT: usize = 256;

    fn get(&self, evaluation: Evaluation) -> Option<Arc<Score>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(key, _)| *key == evaluation).map(|(_, score)| score.clone())
    }

    /// Two threads may compute the same evaluation at once; the second copy only takes a place.
    fn keep(&self, evaluation: Evaluation, score: Score) -> Arc<Score> {
        let score = Arc::new(score);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == Self::KEPT {
            kept.pop_front();
        }
        kept.push_back((evaluation, score.clone()));
        score
    }
}

/// Confirms in the caller's thread, which is kept busy for as long as the models take. `models`: in the order of the job's.
pub(in crate::engine) fn confirm_here(job: &ConfirmJob, models: &[Arc<Model>]) -> Result<ConfirmedHit, NotConfirmed> {
    let exact = |weights: &WeightsSpec, place| {
        let at = job.models.iter().position(|(_, wanted)| **wanted == *weights)?;
        models.get(at).filter(|_| place == 0).cloned().map(Ok)
    };
    confirm(job, &Evaluations::default(), &exact)
}

/// Reads the bytes again, checks that they are the same, and scores them as an audit would.
pub(super) fn confirm(
    job: &ConfirmJob,
    evaluations: &Evaluations,
    exact: &Exact<'_>,
) -> Result<ConfirmedHit, NotConfirmed> {
    let unreadable = |cause| NotConfirmed::Unreadable { file: job.source.label(), cause };
    let (data, secret) = job.shelf.read_again(&job.source).map_err(unreadable)?;
    if model::checksum(&data) != job.checksum {
        return Err(NotConfirmed::Changed(job.source.label()));
    }
    // The scores may be of an earlier run, and what was allowed or the file around the sample has perhaps changed since.
    if secret.is_some() {
        return Err(NotConfirmed::Secret(job.source.label()));
    }
    let mut scores: Vec<Arc<Score>> = Vec::with_capacity(job.models.len());
    for (id, weights) in &job.models {
        let evaluation = (job.checksum, weights.identity());
        scores.push(match evaluations.get(evaluation) {
            Some(score) => score,
            None => evaluations.keep(evaluation, score(&data, *id, weights, exact)?),
        });
    }
    let losses: Vec<f32> = scores.iter().map(|score| score.loss).collect();
    let winner = model::winner(&losses).ok_or(NotConfirmed::NoWinner)?;
    let embedding = scores[winner].embedding.clone();
    let distance = model::cosine_distance(&embedding, &job.embedding);
    // A distance that is no number is a miss.
    let is_hit = distance <= job.threshold;
    if !is_hit {
        return Err(NotConfirmed::Miss { distance, threshold: job.threshold });
    }
    // An exact match may come out a rounding below zero, which is no distance.
    let distance = distance.max(0.0);
    Ok(ConfirmedHit {
        data: data.into(),
        checksum: job.checksum,
        target: job.target,
        epoch: job.epoch,
        models: job.models.iter().map(|(id, weights)| (*id, weights.id())).collect(),
        losses,
        winner,
        embedding,
        distance,
    })
}

/// In full precision, at the first place that can.
fn score(data: &[u8], model: ObjectId, weights: &WeightsSpec, exact: &Exact<'_>) -> Result<Score, NotConfirmed> {
    let mut last = NotConfirmed::Aborted("nothing here scores in full precision".into());
    for place in 0.. {
        match exact(weights, place) {
            None => break,
            Some(Err(cause)) => last = NotConfirmed::Weights { model, cause: Box::new(cause) },
            Some(Ok(exact)) if exact.placement().precision != Precision::F32 => {
                last = NotConfirmed::Aborted("only full precision confirms".into());
            }
            Some(Ok(exact)) => match exact.score(data, SEED) {
                Ok(score) => return Ok(score),
                Err(cause) if is_of_device(&cause) => last = NotConfirmed::Score { model, cause },
                Err(cause) => return Err(NotConfirmed::Score { model, cause }),
            },
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_passes_and_a_loss_does_not() {
        use std::io::ErrorKind::{NetworkUnreachable, NotFound, Other, ResourceBusy, TimedOut, UnexpectedEof};
        let passes =
            |kind: std::io::ErrorKind| NotConfirmed::Unreadable { file: "a".into(), cause: kind.into() }.is_passing();
        assert_eq!([TimedOut, ResourceBusy, NetworkUnreachable].map(passes), [true; 3]);
        assert_eq!([NotFound, UnexpectedEof, Other].map(passes), [false; 3]);
        assert!(!NotConfirmed::NoWinner.is_passing());
    }

    #[test]
    fn a_sample_whose_file_has_got_a_key_elsewhere_is_not_confirmed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = [vec![b'a'; 2048], b"-----BEGIN PRIVATE KEY-----".to_vec()].concat();
        std::fs::write(file.path(), &text).unwrap();
        let source = Source::file(file.path().into(), 0, 1024, true);
        let job = ConfirmJob {
            submission: SubmissionId(1),
            source,
            shelf: Shelf::default(),
            checksum: model::checksum(&text[..1024]),
            target: ObjectId([1; 32]),
            epoch: 1,
            embedding: vec![],
            threshold: 2.0,
            models: vec![],
        };
        assert!(matches!(confirm(&job, &Evaluations::default(), &|_, _| None), Err(NotConfirmed::Secret(_))));
        std::fs::write(file.path(), &text[..2048]).unwrap();
        assert!(matches!(confirm(&job, &Evaluations::default(), &|_, _| None), Err(NotConfirmed::NoWinner)));
    }

    #[test]
    fn a_sample_whose_file_is_not_what_was_scored_is_not_confirmed_and_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("found");
        let text = vec![b'a'; 3000];
        let job = ConfirmJob {
            submission: SubmissionId(1),
            source: Source::file(path.as_path().into(), 1024, 1024, true),
            shelf: Shelf::default(),
            checksum: model::checksum(&text[1024..2048]),
            target: ObjectId([1; 32]),
            epoch: 1,
            embedding: vec![],
            threshold: 2.0,
            models: vec![],
        };
        let outcome = || confirm(&job, &Evaluations::default(), &|_, _| None).err().unwrap();
        let refused = |why: NotConfirmed, words: &str| {
            assert!(!why.is_passing(), "{why}");
            assert!(why.to_string().contains("found") && why.to_string().contains(words), "{why}");
        };
        refused(outcome(), "cannot be read again: No such file");
        std::fs::write(&path, &text[..2000]).unwrap();
        refused(outcome(), "cannot be read again");
        let mut other = text.clone();
        other[2047] = b'b';
        std::fs::write(&path, &other).unwrap();
        refused(outcome(), "has changed since it was scored");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        refused(outcome(), "directory");
        std::fs::remove_dir(&path).unwrap();
        // What is around the sample may change.
        other[2047] = b'a';
        other[2048] = b'b';
        std::fs::write(&path, &other).unwrap();
        assert!(matches!(outcome(), NotConfirmed::NoWinner), "it came as far as the models");
    }

    #[test]
    fn a_score_under_one_key_is_not_taken_for_another_keys_though_the_file_is_the_same() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"found").unwrap();
        let spec = |key| WeightsSpec { checksum: Digest([1; 32]), url: String::new(), size: 1, key: Some([key; 32]) };
        let job = |key| ConfirmJob {
            submission: SubmissionId(1),
            source: Source::file(file.path().into(), 0, 5, false),
            shelf: Shelf::default(),
            checksum: model::checksum(b"found"),
            target: ObjectId([1; 32]),
            epoch: 1,
            embedding: vec![1.0, 0.0],
            threshold: 0.5,
            models: vec![(ObjectId([key; 32]), Arc::new(spec(key)))],
        };
        let evaluations = Evaluations::default();
        let of_first = (model::checksum(b"found"), spec(1).identity());
        evaluations.keep(of_first, Score { loss: 1.0, embedding: vec![1.0, 0.0] });
        // What is kept is enough for the model that it is of.
        let hit = confirm(&job(1), &evaluations, &|_, _| None).unwrap();
        assert_eq!(hit.models(), [(ObjectId([1; 32]), spec(1).id())]);
        assert_ne!(spec(1).id(), spec(2).id());
        assert!(matches!(confirm(&job(2), &evaluations, &|_, _| None), Err(NotConfirmed::Aborted(_))));
    }
}
