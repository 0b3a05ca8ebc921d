//! Samples and their scores: what was scored once is not scored again while the weights exist.

use std::sync::Arc;

use rusqlite::params;

use super::{
    Failure, Journal, JournalError,
    submissions::{source, source_to_text},
};
use crate::{engine::corpus::Source, model::Score, primitives::Digest};

/// A sample with its scores: (checksum of the encrypted weights, score).
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct ScoredSample {
    pub checksum: Digest,
    pub source: Source,
    pub scores: Vec<(Digest, Arc<Score>)>,
}

fn to_blob(embedding: &[f32]) -> Vec<u8> {
    embedding.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn from_blob(blob: &[u8]) -> Vec<f32> {
    blob.as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)).collect()
}

impl Journal {
    /// One commit for all of them.
    pub async fn store_scores(&self, samples: Vec<ScoredSample>) -> Result<(), JournalError> {
        self.call(move |connection| {
            let disk = connection.transaction()?;
            {
                let mut sample = disk.prepare_cached(
                    "INSERT INTO samples (checksum, source) VALUES (?1, ?2)
                     ON CONFLICT (checksum) DO UPDATE SET source = ?2 RETURNING id",
                )?;
                let mut score = disk.prepare_cached(
                    "INSERT OR REPLACE INTO scores (sample, weights, loss, embedding) VALUES (?1, ?2, ?3, ?4)",
                )?;
                for scored in &samples {
                    let id: i64 = sample
                        .query_row(params![scored.checksum.0, source_to_text(&scored.source)], |row| row.get(0))?;
                    for (weights, result) in &scored.scores {
                        score.execute(params![id, weights.0, result.loss, to_blob(&result.embedding)])?;
                    }
                }
            }
            disk.commit()?;
            Ok(())
        })
        .await
    }

    /// Samples scored with these weights: which ones (all), in one list of checksums.
    pub async fn scored_with(&self, weights: Digest) -> Result<Vec<Digest>, JournalError> {
        self.call(move |connection| {
            let mut statement = connection
                .prepare_cached("SELECT checksum FROM scores JOIN samples ON samples.id = sample WHERE weights = ?1")?;
            let rows = statement.query_map([weights.0], |row| Ok(Digest(row.get(0)?)))?;
            rows.collect::<Result<_, _>>().map_err(Failure::from)
        })
        .await
    }

    /// Scores under these weights: the newest samples, up to a number of bytes of embeddings. The oldest of them come first,
    /// as they were scored, so that a full library lets the oldest go and not what it was given first.
    pub async fn load_scores(&self, weights: Digest, limit_bytes: usize) -> Result<Vec<ScoredSample>, JournalError> {
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT checksum, source, loss, embedding
                 FROM scores JOIN samples ON samples.id = sample WHERE weights = ?1 ORDER BY sample DESC",
            )?;
            let mut rows = statement.query([weights.0])?;
            let (mut samples, mut held) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                let embedding = from_blob(&row.get::<_, Vec<u8>>(3)?);
                held += embedding.len() * 4;
                if held > limit_bytes {
                    break;
                }
                let score = Arc::new(Score { loss: row.get(2)?, embedding });
                samples.push(ScoredSample {
                    checksum: Digest(row.get(0)?),
                    source: source(row, 1)?,
                    scores: vec![(weights, score)],
                });
            }
            samples.reverse();
            Ok(samples)
        })
        .await
    }
}
