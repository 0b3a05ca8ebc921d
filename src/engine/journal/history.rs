//! What was rebuilt from the chain, kept so that a node which forgets takes nothing from us.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{Journal, JournalError, Outcomes, Submission, submissions::amount};
use crate::{engine::history::Past, primitives::Shannons};

impl Journal {
    /// Every transaction that an earlier walk has found. One of another version of this program that is not understood is
    /// found again.
    pub async fn remembered(&self) -> Result<Vec<Past>, JournalError> {
        self.call(|connection| {
            let mut statement = connection.prepare("SELECT entry FROM chain_history")?;
            let entries = statement.query_map([], |row| row.get::<_, String>(0))?;
            let mut remembered = Vec::new();
            for entry in entries {
                remembered.extend(serde_json::from_str::<Past>(&entry?));
            }
            Ok(remembered)
        })
        .await
    }

    pub async fn remember(&self, found: Vec<Past>) -> Result<(), JournalError> {
        self.call(move |connection| {
            let disk = connection.transaction()?;
            for past in &found {
                let entry = serde_json::to_string(past)
                    .map_err(|e| JournalError::Damaged(format!("transaction {}: {e}", past.digest)))?;
                disk.execute(
                    "INSERT INTO chain_history (digest, entry) VALUES (?1, ?2)
                     ON CONFLICT (digest) DO UPDATE SET entry = excluded.entry",
                    params![past.digest.0, entry],
                )?;
            }
            disk.commit()?;
            Ok(())
        })
        .await
    }

    /// Bonds that were put on the targets that we filled in each epoch, whatever became of them.
    pub async fn bonds_by_epoch(&self) -> Result<BTreeMap<u64, Shannons>, JournalError> {
        self.call(|connection| bonds_by_epoch(connection)).await
    }

    /// Submissions that were signed, oldest first.
    pub async fn signed_rows(&self) -> Result<Vec<Submission>, JournalError> {
        self.list_where("digest IS NOT NULL ORDER BY id").await
    }
}

pub(super) fn bonds_by_epoch(connection: &Connection) -> Outcomes<BTreeMap<u64, Shannons>> {
    // The plus keeps to the index that has everything.
    let mut statement = connection.prepare_cached(
        "SELECT epoch, sum(bond) FROM submissions
         WHERE +state IN ('filled', 'claimable', 'claimed', 'forfeited') GROUP BY epoch",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, amount(row, 1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
