//! NVIDIA cards: this crate's rows and weights for `somascope-cuda`, and its errors as ours.

use somascope_cuda::{Card, CardError, Dims, Model, Precision as CardPrecision, cards};

use super::placement::{Device, DeviceInfo, Precision};
use super::rows::{Row, RowScore, Rows};
use super::{
    ModelError, arrgen,
    regulariser::{self, SLICES},
    weights::Weights,
};

/// A model on a card.
struct OnCard {
    model: Model,
    ordinal: usize,
}

pub(super) fn load(
    weights: &Weights<'_>,
    heads: usize,
    ordinal: usize,
    precision: Precision,
) -> Result<Box<dyn Rows>, ModelError> {
    let dims = Dims {
        vocabulary: weights.dims.vocabulary,
        embed: weights.dims.embed,
        feed_forward: weights.dims.feed_forward,
        layers: weights.dims.layers,
        heads,
    };
    let precision = match precision {
        Precision::F32 => CardPrecision::F32,
        Precision::Tf32 => CardPrecision::Tf32,
        Precision::Bf16 => CardPrecision::Bf16,
        Precision::F16 => CardPrecision::F16,
    };
    let load = || {
        let card = Card::open(ordinal)?;
        Model::load(&card, dims, precision, |tensor| weights.values(tensor).map_err(Failure::File))
    };
    let model = load().map_err(|failure| failure.on(ordinal))?;
    Ok(Box::new(OnCard { model, ordinal }))
}

pub(super) fn devices() -> Vec<DeviceInfo> {
    let info = |card: somascope_cuda::CardInfo| DeviceInfo {
        device: Device::Cuda(card.ordinal),
        name: crate::primitives::clean(&card.name),
        memory_bytes: Some(card.memory_bytes),
    };
    cards().into_iter().map(info).collect()
}

impl Rows for OnCard {
    fn evaluate(&self, rows: &[Row]) -> Result<Vec<RowScore>, ModelError> {
        let rows: Vec<_> = rows.iter().map(on_card).collect();
        let embed = self.embed_dim();
        let noise = |seed| arrgen::normal(seed, embed * SLICES, 0.0, 1.0);
        let mut directions = |seed| Ok::<_, Failure>(regulariser::directions(&noise(seed), SLICES));
        let scores = self.model.evaluate(&rows, &mut directions).map_err(|failure| failure.on(self.ordinal))?;
        let score = |score: somascope_cuda::RowScore| RowScore {
            nll: score.nll,
            regulariser: score.regulariser,
            embedding: score.embedding,
        };
        Ok(scores.into_iter().map(score).collect())
    }

    fn embed_dim(&self) -> usize {
        self.model.dims().embed
    }

    fn resident_bytes(&self) -> u64 {
        self.model.bytes()
    }
}

fn on_card(row: &Row) -> somascope_cuda::Row<'_> {
    let Row { sequence, noise_seed } = row;
    somascope_cuda::Row {
        tokens: &sequence.tokens,
        positions: &sequence.positions,
        targets: &sequence.targets,
        noise_seed: *noise_seed,
    }
}

enum Failure {
    Card(CardError),
    File(ModelError),
}

impl From<CardError> for Failure {
    fn from(error: CardError) -> Self {
        Self::Card(error)
    }
}

impl Failure {
    fn on(self, ordinal: usize) -> ModelError {
        let device = Device::Cuda(ordinal);
        match self {
            Self::File(error) => error,
            Self::Card(CardError::Heads { embed, heads }) => ModelError::Heads { embed, heads },
            Self::Card(CardError::OutOfMemory { wanted: 0, .. }) => {
                ModelError::OutOfMemory { device, what: "what the driver needs".to_owned() }
            }
            Self::Card(CardError::OutOfMemory { wanted, free }) => {
                let what = format!("{} MiB, {} MiB being free", wanted >> 20, free >> 20);
                ModelError::OutOfMemory { device, what }
            }
            Self::Card(error) => ModelError::NoDevice { device, reason: crate::primitives::clean(&error.to_string()) },
        }
    }
}
