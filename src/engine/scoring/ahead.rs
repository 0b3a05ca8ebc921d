//! Weights that will be wanted, on disk before that.

use std::{collections::HashSet, time::Duration};

use tokio::time::sleep;

use super::{
    downloads::Urgency,
    weights::{LARGEST, WeightsCache, WeightsSpec},
};

/// What failed is not tried again before.
const PAUSE: Duration = Duration::from_secs(5);

/// The first of each file, as many as fit.
pub(super) fn within(specs: Vec<WeightsSpec>, mut bytes: u64) -> Vec<WeightsSpec> {
    let mut seen = HashSet::new();
    let mut fits = |spec: &WeightsSpec| {
        let fits = spec.size <= bytes.min(LARGEST) && seen.insert(spec.checksum);
        bytes -= if fits { spec.size } else { 0 };
        fits
    };
    specs.into_iter().filter(|spec| fits(spec)).collect()
}

/// Until all of them are on disk.
pub(super) async fn fetch_ahead(cache: WeightsCache, specs: Vec<WeightsSpec>) {
    let mut missing = specs;
    while !missing.is_empty() {
        let mut failed = Vec::new();
        for spec in missing {
            if let Err(error) = cache.fetch(&spec, Urgency::Later).await {
                tracing::debug!("weights {} are not prefetched: {error}", spec.checksum);
                failed.push(spec);
            }
        }
        let pause = failed.iter().map(|spec| cache.retry_after(spec).unwrap_or_default()).min();
        sleep(pause.unwrap_or_default().max(PAUSE)).await;
        missing = failed;
    }
}
