//! Scoring: what a submitter without a device of its own asks.

use std::{net::IpAddr, sync::Arc};

use tokio::sync::Semaphore;

use crate::{
    devnet::scorer::{MAX_WEIGHTS_BYTES, Scorer, ScorerError},
    service::{Evaluate, Failure, Limits, ScoringApi, ScoringRequest, Won},
    storage::Reach,
};

/// The network's scorer, one evaluation at a time for all who ask through this service.
pub(in crate::devnet) struct Turns {
    scorer: Arc<Scorer>,
    turns: Semaphore,
}

/// `max_data_bytes`: what a submission may have; a request's size is a stranger's claim.
pub(in crate::devnet) fn scoring_api(scorer: Arc<Scorer>, max_data_bytes: u64) -> ScoringApi<Turns> {
    let limits = Limits { data_bytes: max_data_bytes, weights_bytes: MAX_WEIGHTS_BYTES, reach: Reach::Anywhere };
    ScoringApi::new(Turns { scorer, turns: Semaphore::new(1) }, limits)
}

impl Evaluate for Turns {
    async fn evaluate(&self, _guest: Option<IpAddr>, request: &ScoringRequest) -> Result<Won, Failure> {
        let data = self.scorer.fetch(&request.data_url, request.data_checksum, request.data_size).await?;
        let evaluation = self.scorer.evaluate(data, &request.models, request.seed, &self.turns).await?;
        Ok(Won { winner: evaluation.winner, score: Arc::new(evaluation.winning().clone()) })
    }
}

impl From<ScorerError> for Failure {
    fn from(error: ScorerError) -> Self {
        match error {
            ScorerError::Blob(error) => error.into(),
            ScorerError::Model(error) => error.into(),
            ScorerError::NoWinner => Self::NoWinner,
            ScorerError::Stopped => Self::Stopped,
            ScorerError::HugeWeights(_) => Self::Internal(error.to_string()),
        }
    }
}
