//! Which open targets a file is nearest to, by the models of the network: what a person wants to know before submitting.
//!
//! Reads the chain and the file, downloads weights into the cache, and keeps or signs nothing.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    desk::{DeskError, Secrets, check_data},
    published::spec_of,
    scoring::{SEED, WeightsCache, in_tenths},
};
use crate::{
    chain::client::{Client, TargetFilter, TargetInfo},
    model::{self, Model, Score},
    primitives::{Digest, ObjectId, Shannons},
};

/// Bounds every call to the node.
const CALL: Duration = Duration::from_secs(20);

/// A file among the open targets.
#[derive(Clone, Debug)]
pub struct Placed {
    pub path: PathBuf,
    pub size: u64,
    pub checksum: Digest,
    /// That its submission would lock.
    pub bond: Shannons,
    /// Best margin first.
    pub nearest: Vec<Nearest>,
}

/// One target as the file's winning model sees it.
#[derive(Clone, Debug)]
pub struct Nearest {
    pub target: ObjectId,
    pub epoch: u64,
    pub reward_pool: Shannons,
    pub model: ObjectId,
    pub distance: f32,
    pub threshold: f32,
    /// Under each of the target's models, in its order.
    pub losses: Vec<(ObjectId, f32)>,
}

impl Nearest {
    pub fn margin(&self) -> f32 {
        self.threshold - self.distance
    }

    pub fn is_hit(&self) -> bool {
        self.distance <= self.threshold
    }
}

/// The open targets and their models, with weights that are loaded.
pub struct Field {
    targets: Vec<TargetInfo>,
    models: BTreeMap<ObjectId, Arc<Model>>,
    bond_per_byte: u64,
    max_size: u64,
}

impl Field {
    /// Looks at the open targets and loads the weights of their models through the cache in `dir`.
    pub async fn survey(
        rpc_url: &str,
        dir: &Path,
        heads: Option<usize>,
        mut progress: impl FnMut(&str),
    ) -> Result<Self, DeskError> {
        let client = Client::new(rpc_url, CALL)?;
        let (state, targets) = tokio::try_join!(client.epoch_state(), client.targets(TargetFilter::Open, None))?;
        let weights = WeightsCache::new(dir, heads)?;
        let mut models = BTreeMap::new();
        let wanted: Vec<_> =
            state.models.iter().filter(|model| targets.iter().any(|t| t.model_ids.contains(&model.id))).collect();
        for (number, info) in wanted.iter().enumerate() {
            progress(&format!("model {} of {}: {} ({} bytes)", number + 1, wanted.len(), info.id.short(), info.size));
            let downloaded = |percent| progress(&format!("model {}: {percent}% downloaded", info.id.short()));
            models.insert(info.id, weights.load(&spec_of(info), in_tenths(info.size, downloaded)).await?);
        }
        Ok(Self {
            targets,
            models,
            bond_per_byte: state.parameters.submission_bond_per_byte,
            max_size: state.parameters.max_submission_data_size,
        })
    }

    pub fn targets(&self) -> usize {
        self.targets.len()
    }

    /// Scores the file with every model, in full precision, and measures it against every open target. Takes as long as the
    /// models take.
    pub fn place(&self, path: &Path, top: usize) -> Result<Placed, DeskError> {
        // Nothing is sent: whoever submits it is asked then.
        check_data(path, self.max_size, Secrets::Allowed)?;
        let data = std::fs::read(path).map_err(|e| DeskError::Data { path: path.into(), why: e.to_string() })?;
        let mut scores: BTreeMap<ObjectId, Score> = BTreeMap::new();
        for (id, model) in &self.models {
            let score = model.score(&data, SEED);
            scores.insert(*id, score.map_err(|e| DeskError::Scoring(format!("model {}: {e}", id.short())))?);
        }
        let mut nearest: Vec<Nearest> = self.targets.iter().filter_map(|target| measure(target, &scores)).collect();
        nearest.sort_by(|a, b| b.margin().total_cmp(&a.margin()).then(a.target.cmp(&b.target)));
        nearest.truncate(top);
        let size = data.len() as u64;
        let bond = Shannons(size.saturating_mul(self.bond_per_byte));
        Ok(Placed { path: path.into(), size, checksum: model::checksum(&data), bond, nearest })
    }
}

/// `None`: a model of the target is not active any more, so it takes no submission.
fn measure(target: &TargetInfo, scores: &BTreeMap<ObjectId, Score>) -> Option<Nearest> {
    let scored: Vec<(ObjectId, &Score)> =
        target.model_ids.iter().map(|id| Some((*id, scores.get(id)?))).collect::<Option<_>>()?;
    let losses: Vec<f32> = scored.iter().map(|(_, score)| score.loss).collect();
    let (model, winner) = *scored.get(model::winner(&losses)?)?;
    let distance = model::cosine_distance(&winner.embedding, &target.embedding);
    distance.is_finite().then(|| Nearest {
        target: target.id,
        epoch: target.generation_epoch,
        reward_pool: Shannons(target.reward_pool),
        model,
        distance,
        threshold: target.distance_threshold,
        losses: scored.iter().map(|(id, score)| (*id, score.loss)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(loss: f32, embedding: [f32; 2]) -> Score {
        Score { loss, embedding: embedding.to_vec() }
    }

    #[test]
    fn a_target_is_measured_by_the_model_that_wins_among_its_own() {
        let id = |n| ObjectId([n; 32]);
        let target = TargetInfo {
            id: id(9),
            embedding: vec![1.0, 0.0],
            model_ids: vec![id(1), id(2)],
            distance_threshold: 0.5,
            reward_pool: 7,
            generation_epoch: 3,
            status: "open".into(),
            submitter: None,
            bond_amount: 0,
        };
        // The third wins over all, but is not the target's.
        let mut scores = BTreeMap::from([
            (id(1), score(2.0, [0.0, 1.0])),
            (id(2), score(1.0, [1.0, 0.0])),
            (id(3), score(0.1, [-1.0, 0.0])),
        ]);
        let found = measure(&target, &scores).expect("all models are there");
        assert_eq!((found.model, found.distance, found.is_hit()), (id(2), 0.0, true));
        assert_eq!(found.losses, [(id(1), 2.0), (id(2), 1.0)]);
        scores.remove(&id(1));
        assert!(measure(&target, &scores).is_none());
    }
}
