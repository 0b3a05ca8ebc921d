//! Models in memory, loaded once however many ask. All of them: no budget.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::{Mutex, OnceCell};

use super::{WeightsCache, WeightsError, WeightsSpec};
use crate::{model::Model, primitives::Digest};

type Shelved = Arc<OnceCell<Arc<Model>>>;

#[derive(Clone)]
pub(in crate::engine) struct Residents {
    cache: WeightsCache,
    models: Arc<Mutex<HashMap<Digest, Shelved>>>,
}

impl Residents {
    pub fn new(cache: WeightsCache) -> Self {
        Self { cache, models: Arc::default() }
    }

    pub async fn get(&self, spec: &WeightsSpec) -> Result<Arc<Model>, WeightsError> {
        let cell = self.models.lock().await.entry(spec.checksum).or_default().clone();
        cell.get_or_try_init(|| self.cache.load(spec)).await.cloned()
    }

    pub async fn keep(&self, kept: Vec<Digest>) {
        self.models.lock().await.retain(|weights, _| kept.contains(weights));
        self.cache.keep(kept).await;
    }
}
