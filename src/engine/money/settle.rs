//! Sending signed bytes, and finding out what became of them.
//!
//! Re-sending byte-identical transactions is idempotent (`protocol.md §2.6`), so it is always safe; signing again is not,
//! and is allowed only after [`Verdict::Dead`].

use std::time::Duration;

use crate::chain::{
    client::{Client, ClientError, Executed, Execution},
    types::{Address, ObjectId, ObjectRef, SignedTransaction, TargetStatus, TransactionKind},
};

use super::{CoinTrouble, MOST};

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
        /// Coins that the refusal is about.
        coins: Vec<(ObjectRef, CoinTrouble)>,
    },
    /// Nobody can say yet.
    Unknown(String),
}

/// A signed transaction on its way.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Flight {
    pub transaction: SignedTransaction,
    /// The sending that may be done now is the `sends`-th.
    pub sends: u32,
    /// The checkpoint that the node had shown when it was signed. What a node says is missing means nothing before it has
    /// executed as much.
    pub height: u64,
    /// Another chain knows nothing of it.
    pub chain_id: String,
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
    // Nothing honest is cut off, and no sum of a lying node wraps round.
    let sum = ours.fold(0i128, |sum, change| sum.saturating_add(change.amount));
    let most = i128::from(MOST.0);
    i64::try_from(sum.clamp(-most, most)).unwrap_or_default()
}

/// Nothing was wrong with the transaction itself: another one used its coins, or it never reached the node.
fn is_worth_again(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable(_) => true,
        ClientError::Refused { message, .. } => trouble_with(message).is_some(),
        ClientError::Url(_) | ClientError::Malformed(_) => false,
    }
}

/// What a refusal says of coins (`protocol.md §2.6`).
fn trouble_with(message: &str) -> Option<CoinTrouble> {
    let says = |text: &str| message.contains(text);
    if says("not available for consumption") {
        return Some(CoinTrouble::Stale);
    }
    (says("already locked by a different transaction") || says("ObjectLockConflict")).then_some(CoinTrouble::Locked)
}

/// The coins that a refusal names; all, if it names none of ours.
fn refused_coins(transaction: &SignedTransaction, error: &ClientError) -> Vec<(ObjectRef, CoinTrouble)> {
    let ClientError::Refused { message, .. } = error else { return Vec::new() };
    let Some(trouble) = trouble_with(message) else { return Vec::new() };
    let named: Vec<ObjectId> = message
        .split("Object (")
        .skip(1)
        .filter_map(|rest| rest.split([',', ')']).next()?.trim().parse().ok())
        .collect();
    let gas = transaction.data.gas_payment();
    let inputs = transaction.data.kind().inputs();
    // Coins that are spent beside those that pay.
    let others = inputs.iter().flat_map(|inputs| &inputs.owned).map(|(reference, _)| *reference);
    let others = others.filter(|other| gas.iter().all(|coin| coin.id != other.id));
    let mut coins: Vec<ObjectRef> = gas.iter().copied().chain(others).filter(|coin| named.contains(&coin.id)).collect();
    if coins.is_empty() {
        coins = gas.to_vec();
    }
    coins.into_iter().map(|coin| (coin, trouble)).collect()
}

/// Sends for the `sends`-th time.
pub(in crate::engine) async fn send(client: &Client, flight: &Flight) -> Verdict {
    match client.execute(&flight.transaction).await {
        Execution::Executed(executed) => Verdict::Executed(executed),
        Execution::Unknown(error) => Verdict::Unknown(error.to_string()),
        Execution::Refused(error) => refused(client, flight, &error).await,
    }
}

/// A refusal of the first sending is certain. A later one may come from an execution of the same bytes that the sender
/// has not heard of: its coins are then used up *by itself* (`protocol-corrections.md §1`, on §2.6).
async fn refused(client: &Client, flight: &Flight, error: &ClientError) -> Verdict {
    for _ in 0..ASKED {
        match client.transaction(flight.transaction.digest()).await {
            Ok(Some(executed)) => return Verdict::Executed(Box::new(executed)),
            Ok(None) => {}
            Err(unreachable) => return Verdict::Unknown(unreachable.to_string()),
        }
        if flight.sends <= 1 {
            break;
        }
        tokio::time::sleep(BETWEEN).await;
    }
    if flight.sends <= 1 {
        let coins = refused_coins(&flight.transaction, error);
        return Verdict::Dead { why: error.to_string(), again: is_worth_again(error), coins };
    }
    moved_on(client, flight).await.unwrap_or_else(|| Verdict::Unknown(error.to_string()))
}

/// Whether another transaction has used a gas coin: then this one can never execute. `None`: nothing speaks against it.
async fn moved_on(client: &Client, flight: &Flight) -> Option<Verdict> {
    match used_coin(client, &flight.transaction).await {
        Ok(Coins::Ours) => None,
        Ok(Coins::Doubtful(why)) => Some(Verdict::Unknown(why)),
        Ok(Coins::Used(coin, why)) => Some(match is_ahead(client, flight).await {
            Ok(()) => Verdict::Dead { why, again: true, coins: vec![(coin, CoinTrouble::Stale)] },
            Err(doubt) => Verdict::Unknown(doubt),
        }),
        Err(unreachable) => Some(Verdict::Unknown(unreachable.to_string())),
    }
}

/// A node that lags, that serves another chain, or that has thrown its past away, does not know what the transaction was
/// built on, or what it came to: its silence proves nothing.
async fn is_ahead(client: &Client, flight: &Flight) -> Result<(), String> {
    let service = client.service_info().await.map_err(|unreachable| unreachable.to_string())?;
    if service.chain_id != flight.chain_id {
        return Err(format!("the node serves another chain, {}", service.chain_id));
    }
    if service.checkpoint_height < flight.height {
        return Err(format!(
            "the node is behind: it shows checkpoint {}, and this was signed at {}",
            service.checkpoint_height, flight.height
        ));
    }
    match service.lowest_available_checkpoint {
        Some(lowest) if lowest > flight.height => Err(format!(
            "the node knows no transaction before checkpoint {lowest}, and this was signed at {}: ask a node that keeps more",
            flight.height
        )),
        _ => Ok(()),
    }
}

/// What the gas coins of a transaction tell.
enum Coins {
    /// Nothing against it.
    Ours,
    /// Another transaction has used this one.
    Used(ObjectRef, String),
    /// This node has not seen enough to say.
    Doubtful(String),
}

async fn used_coin(client: &Client, transaction: &SignedTransaction) -> Result<Coins, ClientError> {
    let mut doubt = None;
    for coin in transaction.data.gas_payment() {
        let why = match client.object(coin.id).await? {
            Some(object) if object.previous_transaction == transaction.digest() => return Ok(Coins::Ours),
            Some(object) if object.version > coin.version => {
                format!("coin {} was used by {} first", coin.id.short(), object.previous_transaction)
            }
            Some(_) => continue,
            None if is_consumed(client, coin).await? => format!("coin {} is gone", coin.id.short()),
            None => {
                doubt = Some(format!(
                    "the node does not know coin {} at all: it has not heard of it yet, or has forgotten it",
                    coin.id.short()
                ));
                continue;
            }
        };
        // Two reads are not one: what used the coin may have been this transaction, indexed in between.
        if client.transaction(transaction.digest()).await?.is_some() || filled_by(client, transaction).await? {
            return Ok(Coins::Ours);
        }
        return Ok(Coins::Used(*coin, why));
    }
    Ok(doubt.map_or(Coins::Ours, Coins::Doubtful))
}

/// Whether a coin that is not there was there as it was signed. A node that has not yet executed what made the coin, however
/// many checkpoints it shows, misses it just as well. The absence is read after the presence: it may be made in between.
async fn is_consumed(client: &Client, coin: &ObjectRef) -> Result<bool, ClientError> {
    Ok(client.object_at(coin.id, coin.version).await?.is_some() && client.object(coin.id).await?.is_none())
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
/// conclude. `flight.sends` counts the sending that this call may do.
pub(in crate::engine) async fn resend(client: &Client, flight: &Flight, closing: Closing) -> Verdict {
    match client.transaction(flight.transaction.digest()).await {
        Ok(Some(executed)) => return Verdict::Executed(Box::new(executed)),
        Ok(None) => {}
        Err(error) => return Verdict::Unknown(error.to_string()),
    }
    if let Some(verdict) = moved_on(client, flight).await {
        return verdict;
    }
    match closing {
        Closing::Open => send(client, flight).await,
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
        // A validator's words come wrapped.
        assert!(is_worth_again(&refused(
            "Transaction is rejected as invalid by more than 1/3 of validators by stake (non-retriable). Non-retriable \
             errors: [Object (0x1, Version(3), o#x) already locked by a different transaction: Y { k#1 } with 10000 stake]."
        )));
        assert!(!is_worth_again(&refused("Invalid user signature: no")));
        assert!(is_worth_again(&ClientError::Unreachable("connection refused".into())));
    }

    #[test]
    fn a_refusal_puts_aside_the_coin_that_it_names_or_all_if_it_names_none() {
        let keypair = crate::chain::keys::Keypair::from_seed([1; 32]);
        let coin = |n| ObjectRef { id: ObjectId([n; 32]), version: 3, digest: Digest([n; 32]) };
        let kind = TransactionKind::ClaimRewards { target_id: ObjectId([5; 32]) };
        let data = crate::chain::types::TransactionData::new(kind, keypair.address(), vec![coin(1), coin(2)]);
        let transaction = keypair.sign(data);
        let coins = |message: String| {
            let error = ClientError::Refused { code: "FAILED_PRECONDITION", message };
            refused_coins(&transaction, &error).into_iter().map(|(coin, why)| (coin.id.0[0], why)).collect::<Vec<_>>()
        };
        let id = ObjectId([2; 32]).to_hex_prefixed();
        let locked =
            format!("Non-retriable errors: [Object ({id}, Version(3), o#x) already locked by a different transaction");
        assert_eq!(coins(locked), [(2, CoinTrouble::Locked)]);
        let stale =
            "Object (0x99, Version(3), o#x) is not available for consumption, its current version: 4".to_owned();
        assert_eq!(coins(stale), [(1, CoinTrouble::Stale), (2, CoinTrouble::Stale)]);
        assert_eq!(coins("Invalid user signature".to_owned()), []);
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
        let executed = Executed { effects, balance_changes };
        assert_eq!(change_for(&executed, Address([1; 32])), 3);

        // No node makes us add up to nonsense.
        let of = |amount: i128, times: usize| {
            let change = BalanceChange { address: Address([1; 32]), amount };
            change_for(&Executed { balance_changes: vec![change; times], ..executed.clone() }, Address([1; 32]))
        };
        let most = i64::try_from(MOST.0).unwrap();
        assert_eq!((of(i128::MIN, 2), of(i128::MAX, 3), of(i128::from(i64::MIN), 1)), (-most, most, -most));
    }
}
