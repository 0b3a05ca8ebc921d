//! Submissions: rows, their states, and which state may follow which.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, named_params, params};

use super::{Failure, Journal, JournalError, Outcomes};
use crate::{
    api::{SubmissionId, SubmissionRow, SubmissionState as State},
    engine::{CrashAt, corpus::Source, now_ms},
    primitives::{Digest, ObjectId, Shannons},
};

/// A row with what only the engine needs of it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct Submission {
    pub row: SubmissionRow,
    pub source: Source,
    pub reward_pool: Shannons,
}

/// What a hit is when the library finds it.
#[derive(Clone, Debug)]
pub(in crate::engine) struct NewSubmission {
    pub target: ObjectId,
    pub epoch: u64,
    pub source: Source,
    pub checksum: Digest,
    pub confirmation: Confirmation,
    pub threshold: f32,
    pub bond: Shannons,
    pub fee_estimate: Shannons,
    pub expected_reward: Shannons,
    pub reward_pool: Shannons,
}

/// The numbers that a score gives; confirmed ones replace found ones.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Confirmation {
    pub model: ObjectId,
    pub distance: f32,
    pub losses: Vec<(ObjectId, f32)>,
    pub preview: Vec<u8>,
}

/// What else changes with a state.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Facts {
    pub confirmation: Option<Confirmation>,
    pub url: Option<String>,
    pub bond: Option<Shannons>,
    pub paid: Option<Shannons>,
}

/// One move of a row.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Step {
    pub from: State,
    pub to: State,
    pub note: Option<String>,
    pub facts: Facts,
}

impl Step {
    pub fn new(from: State, to: State) -> Self {
        Self { from, to, note: None, facts: Facts::default() }
    }

    pub fn noting(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

/// Whether a row in `from` may enter `to`.
///
/// Back to `Uploaded` leads only a transaction that was never sent, or was refused before execution and can never execute.
pub(super) fn may_follow(from: State, to: State) -> bool {
    use State::*;
    match from {
        Found => matches!(to, Confirmed | Failed | Expired),
        Confirmed => matches!(to, AwaitingApproval | Failed | Expired),
        AwaitingApproval => matches!(to, Approved | Rejected | Failed | Expired),
        // Back to a judge leads what the policy approved within limits that hold no more.
        Approved => matches!(to, Uploaded | AwaitingApproval | Rejected | Failed | Expired),
        Uploaded => matches!(to, Signed | AwaitingApproval | Rejected | Failed | Expired),
        // What was taken for dead and signed again may be found executed before it is sent again.
        Signed => matches!(to, Sent | Uploaded | Lost | Filled | Failed),
        Sent => matches!(to, Filled | Lost | Failed | Unknown | Uploaded),
        Unknown => matches!(to, Filled | Lost | Failed | Uploaded),
        Filled => matches!(to, Claimable),
        Claimable => matches!(to, Claimed | Forfeited),
        Rejected | Lost | Failed | Claimed | Forfeited | Expired => false,
    }
}

const COLUMNS: &str = "id, state, target, epoch, model, source, checksum, preview, distance, threshold, \
     losses, bond, fee_estimate, expected_reward, reward_pool, paid, digest, url, note, changed_at_ms, \
     (SELECT sum(fee) FROM transactions WHERE submission = submissions.id AND outcome IS NOT NULL), \
     (SELECT digest FROM transactions WHERE submission = submissions.id AND kind = 'claim' AND outcome = 'success'), \
     (SELECT group_concat(state || ' ' || at_ms, ',' ORDER BY rowid) FROM steps WHERE submission = submissions.id)";

fn damaged(what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, what.into())
}

/// Amounts are below 2^63 (the supply is 1e16).
pub(super) fn amount(row: &Row<'_>, column: usize) -> rusqlite::Result<Shannons> {
    row.get::<_, u64>(column).map(Shannons)
}

pub(super) fn source(row: &Row<'_>, column: usize) -> rusqlite::Result<Source> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|_| damaged("a source that is no list of pieces"))
}

pub(super) fn source_to_text(source: &Source) -> String {
    serde_json::json!(source).to_string()
}

fn losses_to_blob(losses: &[(ObjectId, f32)]) -> Vec<u8> {
    losses.iter().flat_map(|(id, loss)| id.0.into_iter().chain(loss.to_le_bytes())).collect()
}

fn losses_from_blob(blob: &[u8]) -> rusqlite::Result<Vec<(ObjectId, f32)>> {
    let (entries, rest) = blob.as_chunks::<36>();
    if !rest.is_empty() {
        return Err(damaged("losses that are no list of 36-byte entries"));
    }
    Ok(entries
        .iter()
        .filter_map(|entry| Some((ObjectId(*entry.first_chunk()?), f32::from_le_bytes(*entry.last_chunk()?))))
        .collect())
}

fn steps_from_text(text: Option<&str>) -> rusqlite::Result<Vec<(State, u64)>> {
    let steps = text.unwrap_or_default().split(',').filter(|step| !step.is_empty()).map(|step| {
        let (state, at_ms) = step.split_once(' ')?;
        Some((State::from_word(state)?, at_ms.parse().ok()?))
    });
    steps.map(|step| step.ok_or_else(|| damaged("a step that is no state with its time"))).collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Submission> {
    let source = source(row, 5)?;
    let state = row.get_ref(1)?.as_str().map_err(|_| damaged("a state that is no text"))?;
    Ok(Submission {
        row: SubmissionRow {
            id: SubmissionId(row.get(0)?),
            state: State::from_word(state).ok_or_else(|| damaged("an unknown state"))?,
            target: ObjectId(row.get(2)?),
            epoch: row.get(3)?,
            model: ObjectId(row.get(4)?),
            source: source.label(),
            checksum: Digest(row.get(6)?),
            size_bytes: source.len().into(),
            pieces: source.places(),
            preview: row.get(7)?,
            distance: row.get(8)?,
            threshold: row.get(9)?,
            losses: losses_from_blob(row.get_ref(10)?.as_blob().map_err(|_| damaged("losses that are no bytes"))?)?,
            bond: amount(row, 11)?,
            fee: Shannons(row.get::<_, Option<u64>>(20)?.unwrap_or(row.get(12)?)),
            expected_reward: amount(row, 13)?,
            paid: row.get::<_, Option<u64>>(15)?.map(Shannons),
            digest: row.get::<_, Option<[u8; 32]>>(16)?.map(Digest),
            claim_digest: row.get::<_, Option<[u8; 32]>>(21)?.map(Digest),
            url: row.get(17)?,
            note: row.get(18)?,
            changed_at_ms: row.get(19)?,
            prospect: None,
            steps: steps_from_text(row.get_ref(22)?.as_str_or_null().map_err(|_| damaged("steps that are no text"))?)?,
        },
        source,
        reward_pool: amount(row, 14)?,
    })
}

pub(super) fn get(connection: &Connection, id: SubmissionId) -> Outcomes<Submission> {
    connection
        .query_row(&format!("SELECT {COLUMNS} FROM submissions WHERE id = ?1"), [id.0], read)
        .optional()?
        .ok_or_else(|| JournalError::NoSubmission(id).into())
}

/// So many rows older than `before`, or the newest, without their previews, which are for decisions; newest first.
pub(super) fn bare(
    connection: &Connection,
    before: Option<SubmissionId>,
    limit: usize,
) -> Outcomes<Vec<SubmissionRow>> {
    let columns = COLUMNS.replacen("preview", "x''", 1);
    let mut statement = connection
        .prepare_cached(&format!("SELECT {columns} FROM submissions WHERE id < ?1 ORDER BY id DESC LIMIT ?2"))?;
    let before = before.map_or(i64::MAX, |id| id.0);
    let rows = statement.query_map(params![before, limit], |row| Ok(read(row)?.row))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn note_step(connection: &Connection, id: SubmissionId, state: State, at_ms: u64, note: Option<&str>) -> Outcomes<()> {
    connection.execute(
        "INSERT INTO steps (submission, state, at_ms, note) VALUES (?1, ?2, ?3, ?4)",
        params![id.0, state.word(), at_ms, note],
    )?;
    Ok(())
}

/// Moves the row inside a transaction of the caller's.
pub(super) fn apply(transaction: &Transaction<'_>, id: SubmissionId, step: &Step) -> Outcomes<()> {
    let found: Option<String> =
        transaction.query_row("SELECT state FROM submissions WHERE id = ?1", [id.0], |row| row.get(0)).optional()?;
    let found = found.ok_or(JournalError::NoSubmission(id))?;
    let found = State::from_word(&found).ok_or_else(|| JournalError::Damaged(format!("the state `{found}`")))?;
    if found != step.from {
        return Err(JournalError::Moved { id, found, expected: step.from, to: step.to }.into());
    }
    if !may_follow(step.from, step.to) {
        return Err(JournalError::Transition { id, from: step.from, to: step.to }.into());
    }
    let now = now_ms();
    transaction.execute(
        "UPDATE submissions SET state = :state, note = :note, url = coalesce(:url, url), bond = coalesce(:bond, bond),
             paid = coalesce(:paid, paid), changed_at_ms = :now WHERE id = :id",
        named_params! {
            ":state": step.to.word(), ":note": step.note, ":url": step.facts.url,
            ":bond": step.facts.bond.map(|b| b.0), ":paid": step.facts.paid.map(|p| p.0), ":now": now, ":id": id.0,
        },
    )?;
    if let Some(confirmed) = &step.facts.confirmation {
        transaction.execute(
            "UPDATE submissions SET model = ?1, distance = ?2, losses = ?3, preview = ?4 WHERE id = ?5",
            params![confirmed.model.0, confirmed.distance, losses_to_blob(&confirmed.losses), confirmed.preview, id.0],
        )?;
    }
    note_step(transaction, id, step.to, now, step.note.as_deref())
}

impl Journal {
    /// A new row in state `Found`; refused while the target has a live or filled one.
    pub async fn insert(&self, new: NewSubmission) -> Result<Submission, JournalError> {
        let dies = self.dies.clone();
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            let now = now_ms();
            let inserted = transaction.execute(
                "INSERT INTO submissions (state, target, epoch, model, source, checksum, preview,
                     distance, threshold, losses, bond, fee_estimate, expected_reward, reward_pool, changed_at_ms)
                 VALUES (:state, :target, :epoch, :model, :source, :checksum, :preview,
                     :distance, :threshold, :losses, :bond, :fee, :expected, :pool, :now)",
                named_params! {
                    ":state": State::Found.word(), ":target": new.target.0, ":epoch": new.epoch,
                    ":model": new.confirmation.model.0, ":source": source_to_text(&new.source),
                    ":checksum": new.checksum.0, ":preview": new.confirmation.preview,
                    ":distance": new.confirmation.distance, ":threshold": new.threshold,
                    ":losses": losses_to_blob(&new.confirmation.losses), ":bond": new.bond.0,
                    ":fee": new.fee_estimate.0, ":expected": new.expected_reward.0, ":pool": new.reward_pool.0,
                    ":now": now,
                },
            );
            match inserted {
                Ok(_) => {}
                Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {
                    return Err(JournalError::Taken(new.target).into());
                }
                Err(error) => return Err(error.into()),
            }
            let id = SubmissionId(transaction.last_insert_rowid());
            note_step(&transaction, id, State::Found, now, None)?;
            let submission = get(&transaction, id)?;
            transaction.commit()?;
            dies.at(CrashAt::Row(State::Found));
            Ok(submission)
        })
        .await
    }

    pub async fn advance(&self, id: SubmissionId, step: Step) -> Result<Submission, JournalError> {
        let dies = self.dies.clone();
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            apply(&transaction, id, &step)?;
            let submission = get(&transaction, id)?;
            transaction.commit()?;
            dies.at(CrashAt::Row(step.to));
            Ok(submission)
        })
        .await
    }

    /// Says why a row stays where it is.
    pub async fn note(&self, id: SubmissionId, note: String) -> Result<Submission, JournalError> {
        self.call(move |connection| {
            connection.execute("UPDATE submissions SET note = ?1 WHERE id = ?2", params![note, id.0])?;
            get(connection, id)
        })
        .await
    }

    /// Rows in which something can still happen, oldest first.
    pub async fn unfinished(&self) -> Result<Vec<Submission>, JournalError> {
        let open = State::ALL.into_iter().filter(|state| !state.is_final()).map(|state| format!("'{}'", state.word()));
        let open = open.collect::<Vec<_>>().join(", ");
        self.list(format!("SELECT {COLUMNS} FROM submissions WHERE state IN ({open}) ORDER BY id")).await
    }

    /// The newest rows of any state, newest first.
    pub async fn newest(&self, limit: usize) -> Result<Vec<Submission>, JournalError> {
        self.list(format!("SELECT {COLUMNS} FROM submissions ORDER BY id DESC LIMIT {limit}")).await
    }

    /// Rows of an epoch, oldest first.
    pub async fn of_epoch(&self, epoch: u64) -> Result<Vec<Submission>, JournalError> {
        self.list(format!("SELECT {COLUMNS} FROM submissions WHERE epoch = {epoch} ORDER BY id")).await
    }

    /// The condition is ours, never from outside.
    pub(super) async fn list_where(&self, condition: &'static str) -> Result<Vec<Submission>, JournalError> {
        self.list(format!("SELECT {COLUMNS} FROM submissions WHERE {condition}")).await
    }

    pub async fn submission(&self, id: SubmissionId) -> Result<Submission, JournalError> {
        self.call(move |connection| get(connection, id)).await
    }

    /// The row of a target in which something can still happen, or that filled it.
    pub async fn live_row(&self, target: ObjectId) -> Result<Option<Submission>, JournalError> {
        self.call(move |connection| {
            let query = format!(
                "SELECT {COLUMNS} FROM submissions
                 WHERE target = ?1 AND state NOT IN ('rejected', 'lost', 'failed', 'expired')"
            );
            Ok(connection.query_row(&query, [target.0], read).optional()?)
        })
        .await
    }

    async fn list(&self, query: String) -> Result<Vec<Submission>, JournalError> {
        self.call(move |connection| {
            let mut statement = connection.prepare(&query)?;
            let rows = statement.query_map([], read)?;
            rows.collect::<Result<_, _>>().map_err(Failure::from)
        })
        .await
    }
}
