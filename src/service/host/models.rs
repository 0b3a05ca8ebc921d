//! Loaded models (interim).
use std::{collections::HashMap, sync::Arc};

use tokio::sync::{Mutex, OnceCell};

use crate::{
    model::{Model, apply_key_stream},
    primitives::Digest,
    service::{Failure, Weights},
    storage::Fetcher,
};

type Id = (Digest, u64, Option<[u8; 32]>);

pub(super) struct Models {
    fetcher: Fetcher,
    heads: Option<usize>,
    loaded: Mutex<HashMap<Id, Arc<OnceCell<Arc<Model>>>>>,
}

impl Models {
    pub fn new(fetcher: Fetcher, heads: Option<usize>) -> Self {
        Self { fetcher, heads, loaded: Mutex::default() }
    }

    pub async fn get(&self, weights: &Weights) -> Result<Arc<Model>, Failure> {
        let id = (weights.checksum, weights.size, weights.key);
        let cell = self.loaded.lock().await.entry(id).or_default().clone();
        let load = async || {
            let bytes = self.fetcher.fetch(&weights.url, weights.checksum, weights.size).await?;
            let (key, heads) = (weights.key, self.heads);
            let model = tokio::task::spawn_blocking(move || {
                let mut bytes = Vec::from(bytes);
                if let Some(key) = key {
                    apply_key_stream(&key, &mut bytes);
                }
                Model::from_safetensors(&bytes, heads)
            });
            Ok::<_, Failure>(Arc::new(model.await.map_err(|_| Failure::Stopped)??))
        };
        cell.get_or_try_init(load).await.cloned()
    }
}
