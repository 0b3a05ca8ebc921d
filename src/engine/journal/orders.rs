//! Orders: signed transactions that belong to no submission, such as splits of coins, transfers and claims for others.
//!
//! They obey the rules of submissions' transactions: on disk before they are sent, the same bytes sent again until the
//! chain has said what became of them, booked once.

use rusqlite::{Row, params};

use super::{Journal, JournalError, Outcome, Outcomes};
use crate::{
    api::TransactionWord,
    chain::types::SignedTransaction,
    engine::{CrashAt, now_ms},
    primitives::{Digest, Shannons},
};

/// A row of the orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::engine) struct OrderId(pub i64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum OrderKind {
    /// Money or objects leave the wallet.
    Send,
    /// One coin becomes several of our own.
    Split,
    /// Several coins become one.
    Merge,
    /// The claim of a target that others filled, for its finder's fee.
    Claim,
}

impl OrderKind {
    const ALL: [Self; 4] = [Self::Send, Self::Split, Self::Merge, Self::Claim];

    pub fn word(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Split => "split",
            Self::Merge => "merge",
            Self::Claim => "claim",
        }
    }

    pub fn log_word(self) -> TransactionWord {
        match self {
            Self::Send => TransactionWord::Transfer,
            Self::Split => TransactionWord::Split,
            Self::Merge => TransactionWord::Merge,
            Self::Claim => TransactionWord::Claim,
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// An order whose outcome is not yet known.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct OpenOrder {
    pub id: OrderId,
    pub kind: OrderKind,
    /// For people.
    pub what: String,
    pub digest: Digest,
    pub transaction: SignedTransaction,
    /// How often sending was begun; 0: certainly never sent.
    pub sends: u32,
    /// The checkpoint that the node had shown when it was signed.
    pub height: u64,
}

const COLUMNS: &str = "id, kind, what, signed, sends, height";

fn read(row: &Row<'_>) -> Outcomes<OpenOrder> {
    let (id, kind): (i64, String) = (row.get(0)?, row.get(1)?);
    let transaction = SignedTransaction::from_bytes(row.get_ref(3)?.as_blob().unwrap_or_default())
        .map_err(|e| JournalError::Damaged(format!("the signed bytes of order {id}: {e}")))?;
    Ok(OpenOrder {
        id: OrderId(id),
        kind: OrderKind::from_word(&kind).ok_or_else(|| JournalError::Damaged(format!("the kind `{kind}`")))?,
        what: row.get(2)?,
        digest: transaction.digest(),
        transaction,
        sends: row.get(4)?,
        height: row.get(5)?,
    })
}

impl Journal {
    /// Stores an order's signed bytes. Nothing may be sent before this is done.
    ///
    /// As with [`sign`](Self::sign), bytes that were taken for dead come back to life with the count of their sendings; bytes
    /// that may execute, or have, are refused.
    pub async fn sign_order(
        &self,
        kind: OrderKind,
        what: String,
        transaction: &SignedTransaction,
        height: u64,
    ) -> Result<OpenOrder, JournalError> {
        let (transaction, dies) = (transaction.clone(), self.dies.clone());
        self.call(move |connection| {
            let digest = transaction.digest();
            let disk = connection.transaction()?;
            let elsewhere: bool =
                disk.query_row("SELECT EXISTS (SELECT 1 FROM transactions WHERE digest = ?1)", [digest.0], |row| {
                    row.get(0)
                })?;
            if elsewhere {
                return Err(JournalError::OrderSigned(digest).into());
            }
            let stored = disk.query_row(
                &format!(
                    "INSERT INTO orders (kind, what, digest, signed, signed_at_ms, height) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                     ON CONFLICT (digest) DO UPDATE SET outcome = NULL, settled_at_ms = NULL, what = excluded.what,
                             height = excluded.height
                         WHERE outcome = 'dead' AND kind = excluded.kind
                     RETURNING {COLUMNS}"
                ),
                params![kind.word(), what, digest.0, transaction.to_bytes(), now_ms(), height],
                |row| Ok(read(row)),
            );
            let order = match stored {
                Ok(order) => order?,
                Err(rusqlite::Error::QueryReturnedNoRows) => return Err(JournalError::OrderSigned(digest).into()),
                Err(error) => return Err(error.into()),
            };
            disk.commit()?;
            dies.at(CrashAt::OrderSigned);
            Ok(order)
        })
        .await
    }

    /// Notes that the sending of an order begins (again).
    pub async fn sending_order(&self, digest: Digest) -> Result<(), JournalError> {
        let dies = self.dies.clone();
        self.call(move |connection| {
            let noted = connection
                .execute("UPDATE orders SET sends = sends + 1 WHERE digest = ?1 AND outcome IS NULL", [digest.0])?;
            in_flight(noted, digest)?;
            dies.at(CrashAt::OrderSent);
            Ok(())
        })
        .await
    }

    /// Books what an order came to. `change`: what the wallet's coins gained or lost, the fee included.
    pub async fn settle_order(
        &self,
        digest: Digest,
        outcome: Outcome,
        fee: Shannons,
        change: i64,
    ) -> Result<(), JournalError> {
        let dies = self.dies.clone();
        self.call(move |connection| {
            let booked = connection.execute(
                "UPDATE orders SET outcome = ?1, fee = ?2, change = ?3, settled_at_ms = ?4
                 WHERE digest = ?5 AND outcome IS NULL",
                params![outcome.word(), fee.0, change, now_ms(), digest.0],
            )?;
            in_flight(booked, digest)?;
            dies.at(CrashAt::OrderSettled);
            Ok(())
        })
        .await
    }

    /// Orders whose outcome is not known, oldest first.
    pub async fn open_orders(&self) -> Result<Vec<OpenOrder>, JournalError> {
        self.call(|connection| {
            let mut statement =
                connection.prepare(&format!("SELECT {COLUMNS} FROM orders WHERE outcome IS NULL ORDER BY id"))?;
            let mut rows = statement.query([])?;
            let mut orders = Vec::new();
            while let Some(row) = rows.next()? {
                orders.push(read(row)?);
            }
            Ok(orders)
        })
        .await
    }
}

fn in_flight(changed: usize, digest: Digest) -> Outcomes<()> {
    match changed {
        1 => Ok(()),
        _ => Err(JournalError::Damaged(format!("order {digest} is not in flight")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chain::{
            keys::Keypair,
            types::{ObjectRef, TransactionData, TransactionKind},
        },
        primitives::ObjectId,
    };

    fn signed(version: u64) -> SignedTransaction {
        let keypair = Keypair::from_seed([1; 32]);
        let coin = ObjectRef { id: ObjectId([3; 32]), version, digest: Digest([4; 32]) };
        let kind = TransactionKind::ClaimRewards { target_id: ObjectId([5; 32]) };
        keypair.sign(TransactionData::new(kind, keypair.address(), vec![coin]))
    }

    #[tokio::test]
    async fn an_open_order_survives_a_reopening_byte_for_byte_and_a_settled_one_is_not_open() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path(), None).unwrap();
        let first = journal.sign_order(OrderKind::Split, "split in 4".into(), &signed(1), 77).await.unwrap();
        assert_eq!((first.sends, first.height, first.digest), (0, 77, signed(1).digest()));
        journal.sending_order(first.digest).await.unwrap();
        let second = journal.sign_order(OrderKind::Claim, "claim".into(), &signed(2), 78).await.unwrap();
        journal.settle_order(second.digest, Outcome::Success, Shannons(40), 60).await.unwrap();
        assert!(journal.settle_order(second.digest, Outcome::Success, Shannons(40), 60).await.is_err());
        journal.close().await;
        let journal = Journal::open(dir.path(), None).unwrap();
        assert_eq!(journal.open_orders().await.unwrap(), [OpenOrder { sends: 1, ..first }]);
        // The finder's fee before its own fee is a reward.
        let total = journal.rewards().await.unwrap().total;
        assert_eq!((total.rewards, total.fees), (Shannons(100), Shannons(40)));
    }

    #[tokio::test]
    async fn a_file_of_the_first_version_grows_orders_and_heights() {
        use super::super::schema::{APPLICATION_ID, MIGRATIONS};
        let dir = tempfile::tempdir().unwrap();
        let old = rusqlite::Connection::open(dir.path().join("journal.sqlite")).unwrap();
        old.execute_batch(MIGRATIONS[0]).unwrap();
        old.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        old.execute_batch(
            "INSERT INTO submissions VALUES (7, 'claimable', zeroblob(32), 3, zeroblob(32), '/x', 0, 1, 0, zeroblob(32),
                 x'', 0.5, 1.0, x'', 10, 1, 5, 20, NULL, NULL, NULL, NULL, 0)",
        )
        .unwrap();
        let signed = signed(1);
        old.execute(
            "INSERT INTO transactions (digest, submission, kind, signed, sends, signed_at_ms) VALUES (?1, 7, 'claim', ?2, 3, 0)",
            params![signed.digest().0, signed.to_bytes()],
        )
        .unwrap();
        drop(old);
        let journal = Journal::open(dir.path(), None).unwrap();
        let record = journal.in_flight(crate::api::SubmissionId(7)).await.unwrap().unwrap();
        assert_eq!((record.sends, record.height, record.transaction), (3, 0, signed.clone()));
        assert_eq!(journal.open_orders().await.unwrap(), []);
        let submission = journal.submission(crate::api::SubmissionId(7)).await.unwrap();
        assert_eq!(
            submission.source,
            crate::engine::corpus::Source::file(std::path::Path::new("/x").into(), 0, 1, false)
        );
        // What a submission has signed is nobody's order.
        let order = journal.sign_order(OrderKind::Claim, "claim".into(), &signed, 5).await;
        assert!(matches!(order, Err(JournalError::OrderSigned(_))));
    }

    #[tokio::test]
    async fn bytes_that_may_execute_are_no_second_order_and_dead_ones_come_back_with_their_sendings() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path(), None).unwrap();
        let digest = journal.sign_order(OrderKind::Send, "send".into(), &signed(1), 5).await.unwrap().digest;
        let again = journal.sign_order(OrderKind::Send, "send".into(), &signed(1), 6).await;
        assert!(matches!(again, Err(JournalError::OrderSigned(found)) if found == digest));
        journal.sending_order(digest).await.unwrap();
        journal.settle_order(digest, Outcome::Dead, Shannons::ZERO, 0).await.unwrap();
        assert!(journal.sending_order(digest).await.is_err());
        let alive = journal.sign_order(OrderKind::Send, "send".into(), &signed(1), 6).await.unwrap();
        assert_eq!((alive.sends, alive.height), (1, 6));
        journal.settle_order(digest, Outcome::Failure, Shannons(1000), -1000).await.unwrap();
        assert!(journal.sign_order(OrderKind::Send, "send".into(), &signed(1), 7).await.is_err());
        // A transfer is no loss, its fee is.
        let total = journal.rewards().await.unwrap().total;
        assert_eq!((total.rewards, total.fees), (Shannons::ZERO, Shannons(1000)));
    }
}
