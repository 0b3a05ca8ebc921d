//! The registry: which weights a model has, where they are, and which may be wanted next.

use std::cmp::Reverse;

use super::ChainView;
use crate::{
    chain::client::ActiveModelInfo,
    engine::{
        matching::TargetSpec,
        published::{id_of, spec_of},
        scoring::WeightsSpec,
    },
    primitives::{Digest, ObjectId},
};

impl ChainView {
    pub fn model(&self, id: &ObjectId) -> Option<&ActiveModelInfo> {
        self.state.as_ref()?.models.iter().find(|model| model.id == *id)
    }

    /// Weights that the next targets may list, and no target in play does: of active models, then (without their key) what is
    /// about to be revealed; richest stake first, as targets choose by stake.
    pub fn next_weights(&self, in_play: impl Fn(&ObjectId) -> bool) -> Vec<WeightsSpec> {
        let Some(state) = &self.state else { return Vec::new() };
        let mut active: Vec<&ActiveModelInfo> = state.models.iter().filter(|model| !in_play(&model.id)).collect();
        active.sort_by_key(|model| Reverse(model.stake));
        let active = active.into_iter().map(spec_of);
        let upcoming = state.upcoming.iter().map(|weights| WeightsSpec {
            checksum: weights.checksum,
            url: weights.url.clone(),
            size: weights.size,
            key: None,
        });
        active.chain(upcoming).collect()
    }

    /// The id of a model's weights ([`WeightsSpec::id`]).
    pub fn weights(&self, id: &ObjectId) -> Option<Digest> {
        self.model(id).map(id_of)
    }

    /// Where to get a model's weights. Other models may name the same ones elsewhere, truly or not: after an attempt at one place the
    /// next one's turn it is.
    pub fn source(&self, id: &ObjectId, tried: Option<&WeightsSpec>) -> Option<WeightsSpec> {
        let own = self.model(id)?;
        let mut named: Vec<&ActiveModelInfo> = self.state.iter().flat_map(|state| &state.models).collect();
        named.retain(|model| id_of(model) == id_of(own));
        let last = tried.and_then(|tried| named.iter().rposition(|model| spec_of(model) == *tried));
        let next = last.map_or(0, |last| (last + 1) % named.len());
        named.get(next).map(|model| spec_of(model))
    }

    pub fn spec(&self, id: &ObjectId) -> Option<TargetSpec> {
        let target = self.open.get(id)?;
        Some(TargetSpec {
            id: *id,
            embedding: target.embedding.clone(),
            threshold: target.threshold,
            models: target.models.iter().map(|model| (*model, self.weights(model))).collect(),
        })
    }
}
