//! Rivals: competing submitters with wallets of their own, who play honestly by the same rules and services as everybody.
//!
//! One of them acts at a time, with a pause between any two acts, so that they never take more than one core. They remember
//! nothing: what a restart forgot of their fills is read from the chain and claimed.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    account::{Account, AccountError},
    ledger::Ledger,
    node::{Node, NodeError},
    scorer::{Scorer, ScorerError},
    secrets::Identities,
};
use crate::{
    chain::{
        client::{ClientError, request_faucet},
        types::{
            Address, Manifest, ModelV1, ObjectId, SomaTensor, SubmitData, TargetStatus, TargetV1, TransactionKind,
        },
    },
    model::{cosine_distance, winner},
    primitives::{Hasher, SHANNONS_PER_SOMA, hash},
    service::Weights,
    storage::{StorageError, Store},
};

/// Below it a rival asks the faucet: no bond of a rival's data comes near.
const POOR_SHANNONS: u64 = SHANNONS_PER_SOMA / 100;
/// What a rival submits, in bytes. The bond grows with it.
const SHORTEST: usize = 160;
const LONGEST: usize = 960;
/// One byte of so many is changed, so that no two rivals submit the same.
const MUTATION: usize = 48;
/// Audits are scored with this seed (`model.md §3.5`).
const SEED: u64 = 0;

/// Who plays against the user.
#[derive(Clone, Debug)]
pub struct Rivals {
    pub count: u16,
    /// What their data is made of; without any, of random characters.
    pub texts: Vec<&'static [u8]>,
    /// Between two attempts of one rival, on average.
    pub pause: Duration,
}

#[derive(Debug, thiserror::Error)]
enum RivalError {
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Scorer(#[from] ScorerError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the faucet: {0}")]
    Faucet(#[from] ClientError),
    #[error("its data's URL: {0}")]
    Url(String),
}

impl RivalError {
    /// Whether nothing can be done any more.
    fn is_final(&self) -> bool {
        matches!(self, Self::Node(NodeError::Stopped) | Self::Account(AccountError::Node(NodeError::Stopped)))
    }
}

struct Rival {
    account: Account,
    address: Address,
    random: StdRng,
    /// The last epoch in which everything claimable was claimed.
    claimed_in: Option<u64>,
}

/// All rivals, and what they share.
pub(super) struct Company {
    node: Node,
    scorer: std::sync::Arc<Scorer>,
    /// The rivals' own at the scorer.
    turns: Semaphore,
    store: Store,
    faucet_url: String,
    rivals: Vec<Rival>,
    texts: Vec<&'static [u8]>,
    pause: Duration,
}

/// What a rival sees of the chain before an attempt.
struct Board {
    epoch: u64,
    open: Vec<OpenTarget>,
    /// The models that the open targets name, in the order in which they are scored.
    models: Vec<(ObjectId, Weights)>,
}

struct OpenTarget {
    id: ObjectId,
    embedding: Vec<f32>,
    threshold: f32,
    generation_epoch: u64,
    /// Indexes into the board's models.
    models: Vec<usize>,
}

/// An open target that a piece of data fills.
struct Hit<'a> {
    target: &'a OpenTarget,
    /// Index into the board's models.
    winner: usize,
    distance: f32,
}

impl Company {
    pub fn new(
        node: Node,
        scorer: std::sync::Arc<Scorer>,
        store: Store,
        faucet_url: String,
        identities: &Identities,
        rivals: Rivals,
    ) -> Self {
        let head = node.head();
        let rival = |number: u16| {
            let keypair = identities.rival(number);
            let address = keypair.address();
            // A restart must not offer the same data again, so the place where the chain stands is part of the seed.
            let mut hasher = Hasher::default();
            hasher.update(b"rival's data").update(&address.0).update(&head.checkpoint.to_le_bytes());
            Rival {
                account: Account::new(node.clone(), keypair).tidy(),
                address,
                random: StdRng::from_seed(hasher.finish().0),
                claimed_in: None,
            }
        };
        Self {
            scorer,
            turns: Semaphore::new(1),
            store,
            faucet_url,
            rivals: (0..rivals.count).map(rival).collect(),
            texts: rivals.texts,
            pause: rivals.pause,
            node,
        }
    }

    pub async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(self.play()).await;
    }

    async fn play(&mut self) {
        let Some(count) = u32::try_from(self.rivals.len()).ok().filter(|count| *count > 0) else { return };
        let pause = self.pause / count;
        loop {
            for index in 0..self.rivals.len() {
                match self.act(index).await {
                    Ok(()) => {}
                    Err(error) if error.is_final() => {
                        return tracing::error!(%error, "the rivals stopped");
                    }
                    // Somebody was faster, or a service had a bad moment.
                    Err(error) => tracing::debug!(rival = index, %error, "a rival's attempt failed"),
                }
                let rest = pause.mul_f64(self.rivals[index].random.random_range(0.5..1.5));
                tokio::time::sleep(rest).await;
            }
        }
    }

    async fn act(&mut self, index: usize) -> Result<(), RivalError> {
        let address = self.rivals[index].address;
        if self.node.read(move |ledger| ledger.balance(&address)).await? < POOR_SHANNONS {
            request_faucet(&self.faucet_url, address).await?;
        }
        self.claim(index).await?;
        let board = self.node.read(Board::of).await?;
        if board.open.is_empty() {
            return Ok(());
        }
        let data = invent(&mut self.rivals[index].random, &self.texts);
        self.attempt(index, &board, data).await
    }

    /// Everything that a rival's fills have earned, once an epoch.
    async fn claim(&mut self, index: usize) -> Result<(), RivalError> {
        let rival = &mut self.rivals[index];
        let address = rival.address;
        let epoch = self.node.head().epoch;
        if rival.claimed_in == Some(epoch) {
            return Ok(());
        }
        let due = self.node.read(move |ledger| {
            let epoch = ledger.system_state().epoch;
            let targets = ledger.targets_after(None);
            let due = targets.filter(|(_, _, target)| is_due(target, &address, epoch)).map(|(place, ..)| place.id);
            due.collect::<Vec<_>>()
        });
        for target_id in due.await? {
            match rival.account.send(|_| TransactionKind::ClaimRewards { target_id }).await {
                Ok(_) => tracing::info!(rival = index, %target_id, "a rival claimed"),
                // Whoever claimed it for the finder's fee has paid the rival.
                Err(AccountError::Failed(failure)) => tracing::debug!(rival = index, ?failure, "a claim failed"),
                Err(error) => return Err(error.into()),
            }
        }
        rival.claimed_in = Some(epoch);
        Ok(())
    }

    /// Scores data by every model in play and submits it to one of the targets that it hits, if any.
    async fn attempt(&mut self, index: usize, board: &Board, data: Bytes) -> Result<(), RivalError> {
        let weights: Vec<Weights> = board.models.iter().map(|(_, weights)| weights.clone()).collect();
        let scores = self.scorer.evaluate(data.clone(), &weights, SEED, &self.turns).await?.scores;
        let losses: Vec<f32> = scores.iter().map(|score| score.loss).collect();
        let hits: Vec<Hit<'_>> = board
            .open
            .iter()
            .filter_map(|target| target.hit(&losses, |model| scores[model].embedding.as_slice()))
            .collect();
        let rival = &mut self.rivals[index];
        if hits.is_empty() {
            return Ok(());
        }
        let hit = &hits[rival.random.random_range(0..hits.len())];

        let (checksum, size) = (hash(&data), data.len() as u64);
        let url = self.store.put(&format!("{}/{checksum}.bin", hit.target.generation_epoch), data).await?;
        let manifest = Manifest::new(&url, checksum, size).map_err(|error| RivalError::Url(error.to_string()))?;
        let won = &scores[hit.winner];
        let submission = |bond_coin| {
            TransactionKind::SubmitData(SubmitData {
                target_id: hit.target.id,
                data_manifest: manifest,
                model_id: board.models[hit.winner].0,
                embedding: SomaTensor::vector(&won.embedding),
                distance_score: SomaTensor::scalar(hit.distance),
                loss_score: SomaTensor::scalar(won.loss),
                bond_coin,
            })
        };
        rival.account.send(submission).await?;
        tracing::info!(rival = index, target_id = %hit.target.id, distance = hit.distance, "a rival filled a target");
        Ok(())
    }
}

/// Filled by `submitter` long enough ago (`protocol.md §7.7`).
fn is_due(target: &TargetV1, submitter: &Address, epoch: u64) -> bool {
    let TargetStatus::Filled { fill_epoch } = target.status else { return false };
    target.submitter == Some(*submitter) && epoch > fill_epoch.saturating_add(1)
}

/// A piece of one of the texts, a little changed.
fn invent(random: &mut StdRng, texts: &[&[u8]]) -> Bytes {
    let length = random.random_range(SHORTEST..=LONGEST);
    let text = if texts.is_empty() { &[][..] } else { texts[random.random_range(0..texts.len())] };
    let start = random.random_range(0..=text.len().saturating_sub(length));
    let mut data = text[start..text.len().min(start + length)].to_vec();
    data.resize_with(data.len().max(SHORTEST), || random.random_range(b' '..=b'~'));
    for _ in 0..data.len().div_ceil(MUTATION) {
        let place = random.random_range(0..data.len());
        data[place] = random.random_range(b' '..=b'~');
    }
    data.into()
}

impl Board {
    fn of(ledger: &Ledger) -> Self {
        let system = ledger.system_state();
        let mut board = Self { epoch: system.epoch, open: Vec::new(), models: Vec::new() };
        let mut places = BTreeMap::new();
        for (place, _, target) in ledger.targets_after(None) {
            if target.status != TargetStatus::Open || target.generation_epoch != board.epoch {
                continue;
            }
            let mut model = |id: &ObjectId| {
                if let Some(index) = places.get(id) {
                    return Some(*index);
                }
                let ModelV1::Active(model) = system.model_registry.models.get(id)?.v1() else { return None };
                board.models.push((*id, Weights::published(model)));
                places.insert(*id, board.models.len() - 1);
                Some(board.models.len() - 1)
            };
            // A target with a model that is gone cannot be audited: an honest submitter leaves it alone.
            let models: Option<Vec<usize>> = target.model_ids.iter().map(&mut model).collect();
            let (Some(models), Ok(embedding), Ok(threshold)) =
                (models, target.embedding.values(), target.distance_threshold.scalar_value())
            else {
                continue;
            };
            board.open.push(OpenTarget {
                id: place.id,
                embedding,
                threshold,
                generation_epoch: target.generation_epoch,
                models,
            });
        }
        board
    }
}

impl OpenTarget {
    /// Whether data of these losses is a hit: the winner is the model of the target's own with the least loss.
    fn hit<'e>(&self, losses: &[f32], embedding: impl Fn(usize) -> &'e [f32]) -> Option<Hit<'_>> {
        let own: Vec<f32> = self.models.iter().map(|model| losses[*model]).collect();
        let winner = self.models[winner(&own)?];
        let found = embedding(winner);
        if found.len() != self.embedding.len() {
            return None;
        }
        let distance = cosine_distance(found, &self.embedding);
        (distance <= self.threshold).then_some(Hit { target: self, winner, distance })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_made_of_the_texts_and_never_twice_the_same() {
        let text: &'static [u8] = &[b'\n'; 4000];
        let mut random = StdRng::seed_from_u64(1);
        let pieces: Vec<Bytes> = (0..50).map(|_| invent(&mut random, &[text])).collect();
        for piece in &pieces {
            assert!((SHORTEST..=LONGEST).contains(&piece.len()));
            let changed = piece.iter().filter(|byte| **byte != b'\n').count();
            assert!((1..=piece.len().div_ceil(MUTATION)).contains(&changed), "{changed} of {}", piece.len());
        }
        let distinct: std::collections::BTreeSet<_> = pieces.iter().collect();
        assert_eq!(distinct.len(), pieces.len());
        // A text may be short, or there may be none.
        assert_eq!(invent(&mut random, &[b"short"]).len(), SHORTEST);
        assert_eq!(invent(&mut random, &[]).len(), SHORTEST);
        let again = invent(&mut StdRng::seed_from_u64(1), &[text]);
        assert_eq!(again, pieces[0], "the same seed is the same data");
    }

    #[test]
    fn the_winner_is_the_best_of_the_targets_own_models_and_the_threshold_is_inclusive() {
        let target = |threshold| OpenTarget {
            id: ObjectId([1; 32]),
            embedding: vec![1.0, 0.0],
            threshold,
            generation_epoch: 2,
            models: vec![2, 1],
        };
        let embeddings = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]];
        let embedding = |model: usize| embeddings[model].as_slice();
        // Model 0 is better, but not the target's.
        let losses = [0.1, 0.9, 0.5];
        let distance = cosine_distance(&embeddings[2], &[1.0, 0.0]);
        let exact = target(distance);
        let hit = exact.hit(&losses, embedding).expect("equality passes");
        assert_eq!((hit.winner, hit.distance), (2, distance));
        let missed = target(distance.next_down());
        assert!(missed.hit(&losses, embedding).is_none());
        let unscored = target(2.0);
        assert!(unscored.hit(&[0.1, f32::NAN, f32::NAN], embedding).is_none(), "no model has a loss");
    }
}
