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

/// Whether another transaction has used a gas coin: then this one can never execute.
async fn moved_on(client: &Client, transaction: &SignedTransaction) -> Result<Option<String>, ClientError> {
    for coin in transaction.data.gas_payment() {
        let why = match client.object(coin.id).await? {
            Some(object) if object.previous_transaction == transaction.digest() => return Ok(None),
            Some(object) if object.version > coin.version => {
                format!("coin {} was used by {} first", coin.id.short(), object.previous_transaction)
            }
            Some(_) => continue,
            None => format!("coin {} is gone", coin.id.short()),
        };
        // Two reads are not one: what used the coin may have been this transaction, indexed in between.
        if client.transaction(transaction.digest()).await?.is_some() || filled_by(client, transaction).await? {
            return Ok(None);
        }
        return Ok(Some(why));
    }
    Ok(None)
}

/// Whether the target carries this very submission, whatever the node says of the digest.
async fn filled_by(client: &Client, transaction: &SignedTransaction) -> Result<bool, ClientError> {
    let TransactionKind::SubmitData(submit) = transaction.data.kind() else { return Ok(false) };
    let Some(target) = client.target(submit.target_id).await? else { return Ok(false) };
    Ok(target.status != TargetStatus::Open
        && target.submitter == Some(transaction.data.sender())
        && target.winning_data_manifest.as_ref() == Some(&submit.data_manifest))
}

/// One round of settling a transaction that was perhaps sent: ask for the digest, then send the same bytes again, or
/// conclude. `sends` counts the sending that this call may do.
pub(in crate::engine) async fn resend(
    client: &Client,
    transaction: &SignedTransaction,
    sends: u32,
    closing: Closing,
) -> Verdict {
    match client.transaction(transaction.digest()).await {
        Ok(Some(executed)) => return Verdict::Executed(Box::new(executed)),
        Ok(None) => {}
        Err(error) => return Verdict::Unknown(error.to_string()),
    }
    match moved_on(client, transaction).await {
        Ok(Some(why)) => return Verdict::Dead { why, again: true },
        Ok(None) => {}
        Err(error) => return Verdict::Unknown(error.to_string()),
    }
    match closing {
        Closing::Open => send(client, transaction, sends).await,
        Closing::Closed => Verdict::Unknown("the node does not know the transaction, and the target is closed".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::types::{BalanceChange, Digest};

    #[test]
    fn what_names_used_coins_or_never_arrived_is_worth_another_try() {
        let refused = |message: &str| ClientError::Refused { code: "FAILED_PRECONDITION", message: message.into() };
        assert!(is_worth_again(&refused(
            "Object (0x1, Version(3), o#x) is not available for consumption, its current version: 4"
        )));
        assert!(is_worth_again(&refused(
            "[Object (0x1, Version(3), o#x) already locked by a different transaction: Y]"
        )));
        assert!(!is_worth_again(&refused("Invalid user signature: no")));
        assert!(is_worth_again(&ClientError::Unreachable("connection refused".into())));
    }

    #[test]
    fn changes_of_other_peoples_coins_are_not_ours() {
        let changes = [(1, 5), (2, -7), (1, -2)];
        let balance_changes = changes.map(|(n, amount)| BalanceChange { address: Address([n; 32]), amount }).into();
        let effects = crate::chain::types::TransactionEffectsV1 {
            status: crate::chain::types::ExecutionStatus::Success,
            executed_epoch: 0,
            fee: Default::default(),
            transaction_digest: Digest::default(),
            gas_object_index: None,
            dependencies: vec![],
            version: 1,
            changed_objects: vec![],
            unchanged_shared_objects: vec![],
        };
        assert_eq!(change_for(&Executed { effects, balance_changes }, Address([1; 32])), 3);
    }
}
