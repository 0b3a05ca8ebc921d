//! The two methods of `scoring.Scoring`, whoever evaluates.

use std::{net::IpAddr, sync::Arc, time::Instant};

use futures::future::BoxFuture;
use tonic::{Status, transport::server::TcpConnectInfo};

use super::{BcsApi, Failure, HttpRequest, HttpResponse, Limits, ScoringRequest, unary};
use crate::{
    chain::services::{Empty, HealthResponse, ScoreRequest, ScoreResponse, path},
    model::{Score, cosine_distance},
    primitives::clean,
};

/// Characters of an error in the log.
const TOLD: usize = 300;

/// The model with the least loss.
#[derive(Clone, Debug)]
pub struct Won {
    /// Its place in the request.
    pub winner: usize,
    pub score: Arc<Score>,
}

/// Who computes what is asked for.
pub trait Evaluate: Send + Sync + 'static {
    /// `guest`: who asks, if that is known.
    fn evaluate(
        &self,
        guest: Option<IpAddr>,
        request: &ScoringRequest,
    ) -> impl Future<Output = Result<Won, Failure>> + Send;
}

pub struct ScoringApi<E> {
    evaluator: E,
    limits: Limits,
}

impl<E: Evaluate> BcsApi for ScoringApi<E> {
    const NAME: &'static str = "scoring.Scoring";

    fn call(self: Arc<Self>, path: &str, request: HttpRequest) -> Option<BoxFuture<'static, HttpResponse>> {
        match path {
            path::SCORE => {
                let connection = request.extensions().get::<TcpConnectInfo>();
                let guest = connection.and_then(TcpConnectInfo::remote_addr).map(|address| address.ip().to_canonical());
                Some(unary(request, move |request| async move { self.score(guest, request).await }))
            }
            path::SCORING_HEALTH => Some(unary(request, |_: Empty| async { Ok(HealthResponse { ok: true }) })),
            _ => None,
        }
    }
}

impl<E: Evaluate> ScoringApi<E> {
    pub fn new(evaluator: E, limits: Limits) -> Self {
        Self { evaluator, limits }
    }

    /// Answers, and writes a line of it to the log.
    async fn score(&self, guest: Option<IpAddr>, request: ScoreRequest) -> Result<ScoreResponse, Status> {
        let began = Instant::now();
        let (models, bytes) = (request.model_manifests.len(), request.data_size);
        let answer = self.answer(guest, request).await;
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let guest = guest.map_or_else(|| "-".to_owned(), |guest| guest.to_string());
        match &answer {
            Ok(score) => tracing::info!(guest, models, bytes, took_ms, winner = score.winner, "scored"),
            Err(status) => {
                let why = without_queries(status.message());
                let why: String = clean(&why).chars().take(TOLD).collect();
                tracing::info!(guest, models, bytes, took_ms, code = ?status.code(), why, "not scored");
            }
        }
        answer
    }

    async fn answer(&self, guest: Option<IpAddr>, request: ScoreRequest) -> Result<ScoreResponse, Status> {
        let request = ScoringRequest::parse(request, &self.limits)?;
        let Won { winner, score } = self.evaluator.evaluate(guest, &request).await?;
        if score.embedding.len() != request.target.len() {
            return Err(Failure::other_dimension(score.embedding.len(), request.target.len()).into());
        }
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect();
        Ok(ScoreResponse {
            winner: winner as u64,
            loss_score: bits(&[score.loss]),
            embedding: bits(&score.embedding),
            distance: bits(&[cosine_distance(&score.embedding, &request.target)]),
        })
    }
}

/// An URL's query may be a signature that lets whoever has it read, and what stands before its `@` a password.
fn without_queries(text: &str) -> String {
    let word = |word: &str| -> String {
        let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
        let shown = rest.split(['?', '#']).next().unwrap_or_default();
        let (host, path) = shown.split_once('/').map_or((shown, None), |(host, path)| (host, Some(path)));
        let host = host.rsplit('@').next().unwrap_or_default();
        match path {
            Some(path) => format!("{scheme}://{host}/{path}"),
            None => format!("{scheme}://{host}"),
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_names_a_url_without_what_opens_it() {
        let text = "HTTP 403 from https://me:word@h.example/a/b?sig=abc#f";
        assert_eq!(without_queries(text), "HTTP 403 from https://h.example/a/b");
        assert_eq!(without_queries("nothing of the kind: a?b"), "nothing of the kind: a?b");
    }
}
