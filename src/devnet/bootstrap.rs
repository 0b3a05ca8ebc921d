//! The first two epochs of a new network: its models register as everybody's do, by create, commit and reveal
//! (`protocol.md §7.10`), and the first targets appear with epoch 2.

use bytes::Bytes;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{DevnetError, ModelSpec, account::Account, node::Node, secrets::Identities};
use crate::{
    chain::types::{Digest, Manifest, ObjectId, SomaTensor, TransactionKind, to_bcs},
    model::{Model, SEQUENCE_LENGTH, apply_key_stream},
    primitives::hash,
    storage::Store,
};

/// What a model takes of its stakers' rewards.
const COMMISSION_BPS: u64 = 0;
const ARCHITECTURE_VERSION: u64 = 1;

/// A model that was looked at and can be registered.
pub(super) struct PreparedModel {
    name: String,
    stake: u64,
    embedding: SomaTensor,
    key: Digest,
    encrypted: Bytes,
}

/// Checks every model before anything is written, so that a bad file leaves no half-written network.
pub(super) fn prepare(
    models: Vec<ModelSpec>,
    dim: usize,
    identities: &Identities,
) -> Result<Vec<PreparedModel>, DevnetError> {
    let mut names = std::collections::HashSet::new();
    let mut prepared = Vec::new();
    for spec in models {
        let refuse = |cause: String| DevnetError::Model { name: spec.name.clone(), cause };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if spec.name.is_empty() || !spec.name.chars().all(plain) || spec.name.starts_with('.') {
            return Err(refuse("the name must be letters, digits, `-`, `_` and `.`".to_owned()));
        }
        if !names.insert(spec.name.clone()) {
            return Err(refuse("there are two models of this name".to_owned()));
        }
        let model = Model::from_safetensors(&spec.weights, None).map_err(|e| refuse(e.to_string()))?;
        let embedding = match spec.embedding {
            Some(embedding) => embedding,
            None => mean_embedding(&model, identities.seed).map_err(|e| refuse(e.to_string()))?,
        };
        if model.embed_dim() != dim || embedding.len() != dim {
            let found = model.embed_dim();
            let given = embedding.len();
            return Err(DevnetError::Model {
                name: spec.name,
                cause: format!(
                    "weights of dimension {found} and an embedding of {given} on a network of dimension {dim}"
                ),
            });
        }
        let key = identities.weights_key(&spec.name);
        let mut encrypted = spec.weights;
        apply_key_stream(&key.0, &mut encrypted);
        prepared.push(PreparedModel {
            name: spec.name,
            stake: spec.stake,
            embedding: SomaTensor::vector(&embedding),
            key,
            encrypted: encrypted.into(),
        });
    }
    Ok(prepared)
}

/// The mean embedding of some windows of printable characters.
fn mean_embedding(model: &Model, seed: u64) -> Result<Vec<f32>, crate::model::ModelError> {
    const WINDOWS: usize = 4;
    let mut random = StdRng::seed_from_u64(seed);
    let sample: Vec<u8> = (0..WINDOWS * SEQUENCE_LENGTH).map(|_| random.random_range(b' '..=b'~')).collect();
    Ok(model.score(&sample, 0)?.embedding)
}

/// Brings a chain at epoch 0 to epoch 2 with every model active.
pub(super) async fn register(
    node: &Node,
    identities: &Identities,
    store: &Store,
    models: Vec<PreparedModel>,
) -> Result<(), DevnetError> {
    let mut revealing = Vec::new();
    for model in models {
        let failed = |cause: String| DevnetError::Model { name: model.name.clone(), cause };
        let owner = Account::new(node.clone(), identities.model_owner(&model.name));
        let created = owner
            .send(|_| TransactionKind::CreateModel {
                stake_amount: model.stake,
                commission_rate: COMMISSION_BPS,
                architecture_version: ARCHITECTURE_VERSION,
            })
            .await
            .map_err(|e| failed(format!("not created: {e}")))?;
        let model_id = ObjectId::derive(&created.effects.v1().transaction_digest, 0);

        let (checksum, size) = (hash(&model.encrypted), model.encrypted.len() as u64);
        let file = format!("models/0/{}.safetensors.enc", model.name);
        let url = store.put(&file, model.encrypted.clone()).await.map_err(|e| failed(e.to_string()))?;
        let manifest = Manifest::new(&url, checksum, size).map_err(|e| failed(e.to_string()))?;
        owner
            .send(|_| TransactionKind::CommitModel {
                model_id,
                manifest,
                weights_commitment: checksum,
                embedding_commitment: hash(&to_bcs(&model.embedding)),
                decryption_key_commitment: hash(&model.key.0),
            })
            .await
            .map_err(|e| failed(format!("not committed: {e}")))?;
        revealing.push((owner, model_id, model));
    }

    turn(node).await?;
    for (owner, model_id, model) in revealing {
        owner
            .send(|_| TransactionKind::RevealModel {
                model_id,
                decryption_key: model.key,
                embedding: model.embedding.clone(),
            })
            .await
            .map_err(|e| DevnetError::Model { name: model.name.clone(), cause: format!("not revealed: {e}") })?;
        tracing::info!(model = model.name, id = %model_id, "model registered");
    }
    turn(node).await
}

async fn turn(node: &Node) -> Result<(), DevnetError> {
    node.advance_epoch(None).await.map(drop).map_err(|e| DevnetError::Internal(e.to_string()))
}
