//! Sending signed bytes, and finding out what became of them.
//!
//! Re-sending byte-identical transactions is idempotent (`protocol.md §2.6`), so it is always safe; signing again is not,
//! and is allowed only after [`Verdict::Dead`].

use std::time::Duration;

use crate::chain::{
    client::{Client, ClientError, Executed, Execution},
    types::{Address, SignedTransaction, TargetStatus, TransactionKind},
};

/// How often a node is asked for a digest that a refusal hides.
const ASKED: u32 = 3;
const BETWEEN: Duration = Duration::from_millis(700);

/// What became of a signed transaction.
#[derive(Debug)]
pub(in crate::engine) enum Verdict {
    Executed(Box<Executed>),
    /// Never executed, never will, nothing was charged. `again`: with fresh coins it may work.
    Dead {
        why: String,
        again: bool,
    },
    /// Nobody can say yet.
    Unknown(String),
}

/// Whether a transaction of an earlier attempt is worth sending again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Closing {
    /// The target may still be open: send the same bytes again.
    Open,
    /// It would only fail: ask, and wait for its coins to move on.
    Closed,
}

/// What our coins gained or lost.
pub(in crate::engine) fn change_for(executed: &Executed, owner: Address) -> i64 {
    let ours = executed.balance_changes.iter().filter(|change| change.address == owner);
    // The supply is 1e16 shannons.
    i64::try_from(ours.map(|change| change.amount).sum::<i128>()).unwrap_or_default()
}

/// Nothing was wrong with the transaction itself: another one used its coins, or it never reached the node.
fn is_worth_again(error: &ClientError) -> bool {
    let message = match error {
        ClientError::Unreachable(_) => return true,
        ClientError::Refused { message, .. } => message,
        ClientError::Url(_) | ClientError::Malformed(_) => return false,
    };
    ["not available for consumption", "already locked by a different transaction", "ObjectLockConflict"]
        .iter()
        .any(|text| message.contains(text))
}

/// Sends for the `sends`-th time.
pub(in crate::engine) async fn send(client: &Client, transaction: &SignedTransaction, sends: u32) -> Verdict {
    match client.execute(transaction).await {
        Execution::Executed(executed) => Verdict::Executed(executed),
        Execution::Unknown(error) => Verdict::Unknown(error.to_string()),
        Execution::Refused(error) => refused(client, transaction, sends, &error).await,
    }
}

/// A refusal of the first sending is certain. A later one may come from an execution of the same bytes that the sender
/// has not heard of: its coins are then used up *by itself* (`protocol-corrections.md §1`, on §2.6).
async fn refused(client: &Client, transaction: &SignedTransaction, sends: u32, error: &ClientError) -> Verdict {
    for _ in 0..ASKED {
        match client.transaction(transaction.digest()).await {
            Ok(Some(executed)) => return Verdict::Executed(Box::new(executed)),
            Ok(None) => {}
            Err(unreachable) => return Verdict::Unknown(unreachable.to_string()),
        }
        if sends <= 1 {
            break;
        }
        tokio::time::sleep(BETWEEN).await;
    }
    if sends <= 1 {
        return Verdict::Dead { why: error.to_string(), again: is_worth_again(error) };
    }
    match moved_on(client, transaction).await {
        Ok(Some(why)) => Verdict::Dead { why, again: true },
        Ok(None) => Verdict::Unknown(error.to_string()),
        Err(unreachable) => Verdict::Unknown(unreachable.to_string()),
    }
}

