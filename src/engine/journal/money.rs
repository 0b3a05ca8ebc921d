//! Signed transactions and what they came to; the sums of it all.
//!
//! `balance_end − balance_start = rewards − fees − bonds locked − bonds forfeited` holds because every executed
//! transaction's fee, and every bond and payment, is booked in the same commit that moves its row. Orders that send money
//! away stand outside it.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use super::{
    Journal, JournalError, Outcomes,
    submissions::{self, Step, Submission, amount},
};
use crate::{
    api::{EpochRewards, RewardsView, SubmissionId, SubmissionState as State, Totals, TransactionWord},
    chain::types::SignedTransaction,
    engine::{CrashAt, now_ms},
    primitives::{Digest, Shannons},
};

/// Epochs that the rewards show: nearly three years of a network whose epochs are days.
const EPOCHS_SHOWN: usize = 1024;

const DAY_MS: u64 = 86_400_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum TransactionKind {
    Submit,
    Claim,
}

impl TransactionKind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Claim => "claim",
        }
    }

    pub fn log_word(self) -> TransactionWord {
        match self {
            Self::Submit => TransactionWord::Submit,
            Self::Claim => TransactionWord::Claim,
        }
    }
}

fn kind_from(word: &str) -> TransactionKind {
    if word == "claim" { TransactionKind::Claim } else { TransactionKind::Submit }
}

/// What became of a signed transaction, for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Outcome {
    Success,
    /// Executed with a failure; only a fee was charged.
    Failure,
    /// Never executed, and never will.
    Dead,
}

impl Outcome {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Dead => "dead",
        }
    }
}

/// Signed bytes on disk whose outcome is not yet known.
#[derive(Clone, Debug)]
pub(in crate::engine) struct SignedRecord {
    pub digest: Digest,
    pub kind: TransactionKind,
    pub transaction: SignedTransaction,
    /// How often sending was begun; 0: certainly never sent.
    pub sends: u32,
    /// The checkpoint that the node had shown when it was signed: a node that shows less knows nothing of its coins.
    pub height: u64,
}

/// What the step of an approval says that no person gave.
pub(in crate::engine) const BY_POLICY: &str = "approved by the policy";

/// Who gave the last approval of a row; a person's says nothing.
const APPROVED_BY: &str =
    "(SELECT note FROM steps WHERE submission = submissions.id AND state = 'approved' ORDER BY rowid DESC LIMIT 1)";

/// Bonds of one epoch that are approved or on the chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Committed {
    pub bonds: Shannons,
    /// Submissions that the policy approved, and their part of the bonds.
    pub by_policy: u64,
    pub bonds_by_policy: Shannons,
}

impl Journal {
    /// Stores a submit's signed bytes and moves its row to `Signed`; stores a claim's. Nothing may be sent before this is done.
    ///
    /// A transaction has no nonce: built again from the same coins it is the same one. So one that was taken for dead comes
    /// back to life here, and keeps the count of its sendings: what was sent before may yet be heard of.
    pub async fn sign(
        &self,
        id: SubmissionId,
        kind: TransactionKind,
        transaction: &SignedTransaction,
        height: u64,
    ) -> Result<(Submission, SignedRecord), JournalError> {
        let (transaction, dies) = (transaction.clone(), self.dies.clone());
        self.call(move |connection| {
            let digest = transaction.digest();
            let disk = connection.transaction()?;
            let ordered: bool =
                disk.query_row("SELECT EXISTS (SELECT 1 FROM orders WHERE digest = ?1)", [digest.0], |row| row.get(0))?;
            if ordered {
                return Err(JournalError::AlreadySigned(id, kind.word()).into());
            }
            let stored = disk.query_row(
                "INSERT INTO transactions (digest, submission, kind, signed, signed_at_ms, height)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (digest) DO UPDATE SET outcome = NULL, settled_at_ms = NULL, height = excluded.height
                     WHERE outcome = 'dead' AND submission = excluded.submission AND kind = excluded.kind
                 RETURNING sends",
                params![digest.0, id.0, kind.word(), transaction.to_bytes(), now_ms(), height],
                |row| row.get(0),
            );
            let sends = match stored {
                Ok(sends) => sends,
                // No row: these very bytes may execute, or have.
                Err(rusqlite::Error::QueryReturnedNoRows) => {
                    return Err(JournalError::AlreadySigned(id, kind.word()).into());
                }
                Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {
                    return Err(JournalError::AlreadySigned(id, kind.word()).into());
                }
                Err(error) => return Err(error.into()),
            };
            if kind == TransactionKind::Submit {
                submissions::apply(&disk, id, &Step::new(State::Uploaded, State::Signed))?;
                disk.execute("UPDATE submissions SET digest = ?1 WHERE id = ?2", params![digest.0, id.0])?;
            }
            let submission = submissions::get(&disk, id)?;
            disk.commit()?;
            if kind == TransactionKind::Submit {
                dies.at(CrashAt::Row(State::Signed));
            }
            Ok((submission, SignedRecord { digest, kind, transaction, sends, height }))
        })
        .await
    }

    /// Notes that sending begins (again); a `Signed` row becomes `Sent`.
    pub async fn sending(&self, id: SubmissionId, digest: Digest) -> Result<Submission, JournalError> {
        let dies = self.dies.clone();
        self.call(move |connection| {
            let disk = connection.transaction()?;
            disk.execute("UPDATE transactions SET sends = sends + 1 WHERE digest = ?1", [digest.0])?;
            let first = submissions::get(&disk, id)?.row.state == State::Signed;
            if first {
                submissions::apply(&disk, id, &Step::new(State::Signed, State::Sent))?;
            }
            let submission = submissions::get(&disk, id)?;
            disk.commit()?;
            if first {
                dies.at(CrashAt::Row(State::Sent));
            }
            Ok(submission)
        })
        .await
    }

    /// Books what a transaction came to, and moves the row with it, in one commit.
    pub async fn settle(
        &self,
        id: SubmissionId,
        digest: Digest,
        outcome: Outcome,
        fee: Shannons,
        change: i64,
        step: Option<Step>,
    ) -> Result<Submission, JournalError> {
        let dies = self.dies.clone();
        self.call(move |connection| {
            let disk = connection.transaction()?;
            let booked = disk.execute(
                "UPDATE transactions SET outcome = ?1, fee = ?2, change = ?3, settled_at_ms = ?4
                 WHERE digest = ?5 AND submission = ?6 AND outcome IS NULL",
                params![outcome.word(), fee.0, change, now_ms(), digest.0, id.0],
            )?;
            if booked != 1 {
                return Err(JournalError::Damaged(format!("transaction {digest} is not in flight")).into());
            }
            if let Some(step) = &step {
                submissions::apply(&disk, id, step)?;
            }
            let submission = submissions::get(&disk, id)?;
            disk.commit()?;
            if let Some(step) = step {
                dies.at(CrashAt::Row(step.to));
            }
            Ok(submission)
        })
        .await
    }

    /// Drops the signatures of rows that were certainly never sent, in one commit: whoever signed may have changed their mind
    /// since, and so may the limits. A submission's row is `Uploaded` again, a claim's stays where it is. No node has seen the
    /// bytes, so nothing that is signed in their place can conflict with them. Gives the rows, oldest first.
    pub async fn drop_unsent(&self) -> Result<Vec<(Submission, TransactionKind, Digest)>, JournalError> {
        self.call(|connection| {
            let disk = connection.transaction()?;
            let unsent: Vec<([u8; 32], i64, String)> = disk
                .prepare(
                    "SELECT digest, submission, kind FROM transactions
                     WHERE outcome IS NULL AND sends = 0 ORDER BY submission",
                )?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<Result<_, _>>()?;
            let mut dropped = Vec::with_capacity(unsent.len());
            for (digest, id, kind) in unsent {
                let (id, kind) = (SubmissionId(id), kind_from(&kind));
                disk.execute(
                    "UPDATE transactions SET outcome = 'dead', settled_at_ms = ?1 WHERE digest = ?2",
                    params![now_ms(), digest],
                )?;
                if kind == TransactionKind::Submit {
                    let step = Step::new(State::Signed, State::Uploaded)
                        .noting("its signature was never sent, and is dropped");
                    submissions::apply(&disk, id, &step)?;
                    disk.execute("UPDATE submissions SET digest = NULL WHERE id = ?1", [id.0])?;
                }
                dropped.push((submissions::get(&disk, id)?, kind, Digest(digest)));
            }
            disk.commit()?;
            Ok(dropped)
        })
        .await
    }

    /// The signed transaction of a row whose outcome is not known.
    pub async fn in_flight(&self, id: SubmissionId) -> Result<Option<SignedRecord>, JournalError> {
        self.call(move |connection| {
            let found: Option<(String, Vec<u8>, u32, u64)> = connection
                .query_row(
                    "SELECT kind, signed, sends, height FROM transactions WHERE submission = ?1 AND outcome IS NULL",
                    [id.0],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
                )
                .optional()?;
            let Some((kind, bytes, sends, height)) = found else { return Ok(None) };
            let transaction = SignedTransaction::from_bytes(&bytes)
                .map_err(|e| JournalError::Damaged(format!("the signed bytes of submission {}: {e}", id.0)))?;
            Ok(Some(SignedRecord { digest: transaction.digest(), kind: kind_from(&kind), transaction, sends, height }))
        })
        .await
    }

    /// Claims of a row that executed and failed.
    pub async fn failed_claims(&self, id: SubmissionId) -> Result<u32, JournalError> {
        self.call(move |connection| {
            Ok(connection.query_row(
                "SELECT count(*) FROM transactions WHERE submission = ?1 AND kind = 'claim' AND outcome = 'failure'",
                [id.0],
                |row| row.get(0),
            )?)
        })
        .await
    }

    /// Bonds of the epoch's rows that are approved, in flight or filled.
    pub async fn bonds_committed(&self, epoch: u64) -> Result<Committed, JournalError> {
        self.call(move |connection| {
            let query = format!(
                "SELECT coalesce(sum(bond), 0), coalesce(sum(is_policy), 0), coalesce(sum(bond) FILTER (WHERE is_policy), 0)
                 FROM (SELECT bond, {APPROVED_BY} IS ?2 AS is_policy FROM submissions WHERE epoch = ?1 AND state IN
                 ('approved', 'uploaded', 'signed', 'sent', 'unknown', 'filled', 'claimable', 'claimed', 'forfeited'))"
            );
            Ok(connection.query_row(&query, params![epoch, BY_POLICY], |row| {
                Ok(Committed { bonds: amount(row, 0)?, by_policy: row.get(1)?, bonds_by_policy: amount(row, 2)? })
            })?)
        })
        .await
    }

    /// Rows that the policy approved and nobody has signed, the farthest first.
    pub async fn approved_by_policy(&self) -> Result<Vec<SubmissionId>, JournalError> {
        self.call(|connection| {
            let mut statement = connection.prepare(&format!(
                "SELECT id FROM submissions WHERE state IN ('approved', 'uploaded') AND {APPROVED_BY} IS ?1
                 ORDER BY state DESC, id"
            ))?;
            let ids = statement.query_map([BY_POLICY], |row| Ok(SubmissionId(row.get(0)?)))?;
            Ok(ids.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Everything that was earned and spent, since the journal began.
    pub async fn rewards(&self) -> Result<RewardsView, JournalError> {
        self.call(|connection| rewards(&connection.transaction()?)).await
    }
}

pub(super) fn rewards(disk: &rusqlite::Transaction<'_>) -> Outcomes<RewardsView> {
    let paid_last_day = disk.query_row(
        "SELECT coalesce(sum(paid), 0) FROM submissions WHERE paid IS NOT NULL AND changed_at_ms >= ?1",
        [now_ms().saturating_sub(DAY_MS)],
        |row| amount(row, 0),
    )?;
    let since_ms = disk.query_row("SELECT at_ms FROM steps ORDER BY rowid LIMIT 1", [], |row| row.get(0)).optional()?;
    Ok(RewardsView { epochs: epochs(disk)?, total: totals(disk)?, paid_last_day, since_ms })
}

fn totals(disk: &rusqlite::Transaction<'_>) -> Outcomes<Totals> {
    let (fees, submitted) = disk.query_row(
        "SELECT coalesce(sum(fee), 0),
             count(DISTINCT CASE WHEN kind = 'submit' AND sends > 0 AND outcome IS NOT 'dead' THEN submission END)
         FROM transactions",
        [],
        |row| Ok((amount(row, 0)?, row.get(1)?)),
    )?;
    // What an order for others brought in beyond its fee is a reward; what a transfer takes out is neither.
    let (order_fees, finders_fees) = disk.query_row(
        "SELECT coalesce(sum(fee), 0), coalesce(sum(change + fee) FILTER (WHERE kind = 'claim'), 0) FROM orders",
        [],
        |row| Ok((amount(row, 0)?, amount(row, 1)?)),
    )?;
    let totals = disk.query_row(
        "SELECT coalesce(sum(state IN ('filled', 'claimable', 'claimed', 'forfeited')), 0),
             coalesce(sum(state IN ('lost', 'failed')), 0),
             coalesce(sum(state = 'claimed'), 0),
             coalesce(sum(paid), 0),
             coalesce(sum(bond) FILTER (WHERE state IN ('filled', 'claimable')), 0),
             coalesce(sum(bond) FILTER (WHERE state = 'forfeited'), 0)
         FROM submissions",
        [],
        |row| {
            Ok(Totals {
                submitted,
                filled: row.get(0)?,
                lost: row.get(1)?,
                claimed: row.get(2)?,
                rewards: amount(row, 3)?.saturating_add(finders_fees),
                fees: fees.saturating_add(order_fees),
                bonds_locked: amount(row, 4)?,
                bonds_forfeited: amount(row, 5)?,
            })
        },
    )?;
    Ok(totals)
}

fn epochs(disk: &rusqlite::Transaction<'_>) -> Outcomes<Vec<EpochRewards>> {
    let mut statement = disk.prepare_cached(
        "SELECT epoch, filled, lost, earned, pending, forfeited,
             (SELECT at_ms FROM steps WHERE submission = first ORDER BY steps.rowid LIMIT 1)
         FROM (SELECT epoch,
             sum(state IN ('filled', 'claimable', 'claimed', 'forfeited')) AS filled,
             sum(state IN ('lost', 'failed')) AS lost,
             coalesce(sum(paid), 0) AS earned,
             coalesce(sum(expected_reward) FILTER (WHERE state IN ('filled', 'claimable')), 0) AS pending,
             coalesce(sum(bond) FILTER (WHERE state = 'forfeited'), 0) AS forfeited,
             min(id) AS first
         FROM submissions WHERE state NOT IN ('found', 'confirmed', 'awaiting_approval', 'rejected', 'expired')
         GROUP BY epoch ORDER BY epoch DESC LIMIT ?1) ORDER BY epoch DESC",
    )?;
    let rows = statement.query_map([EPOCHS_SHOWN], |row| {
        Ok(EpochRewards {
            epoch: row.get(0)?,
            began_ms: row.get(6)?,
            filled: row.get(1)?,
            lost: row.get(2)?,
            earned: amount(row, 3)?,
            pending: amount(row, 4)?,
            forfeited: amount(row, 5)?,
            fees: Shannons::ZERO,
        })
    })?;
    let mut epochs = rows.collect::<Result<Vec<_>, _>>()?;
    let oldest = epochs.last().map_or(u64::MAX, |epoch| epoch.epoch);
    let mut fees = disk.prepare_cached(
        "SELECT epoch, sum(transactions.fee) FROM transactions JOIN submissions ON submissions.id = submission
         WHERE epoch >= ?1 GROUP BY epoch",
    )?;
    let oldest = i64::try_from(oldest).unwrap_or(i64::MAX);
    let fees: BTreeMap<u64, Shannons> =
        fees.query_map([oldest], |row| Ok((row.get(0)?, amount(row, 1)?)))?.collect::<Result<_, _>>()?;
    for epoch in &mut epochs {
        epoch.fees = fees.get(&epoch.epoch).copied().unwrap_or_default();
    }
    Ok(epochs)
}
