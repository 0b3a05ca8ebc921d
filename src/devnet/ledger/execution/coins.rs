//! Coins and other owned objects change hands (`protocol.md §4.7`).

use super::{ExecutionResult, Work};
use crate::chain::types::{Address, ExecutionFailure, ObjectId, ObjectRef, Owner};

pub(super) fn transfer(
    work: &mut Work<'_>,
    coin: ObjectId,
    amount: Option<u64>,
    recipient: Address,
) -> ExecutionResult {
    let balance = work.coin_balance(&coin)?;
    if work.is_gas(&coin) {
        // Gas coin and new coin are written; the fees stay behind in the gas coin.
        let reserve = work.outstanding_fees(2)?;
        let moved = match amount {
            Some(amount) => match amount.checked_add(reserve) {
                Some(needed) if needed <= balance => amount,
                _ => return Err(ExecutionFailure::InsufficientCoinBalance),
            },
            None => match balance.checked_sub(reserve) {
                Some(rest) if rest > 0 => rest,
                _ => return Err(ExecutionFailure::InsufficientGas),
            },
        };
        work.set_balance(&coin, balance - moved)?;
        work.create_coin(recipient, moved);
        return Ok(());
    }
    match amount {
        Some(amount) if amount > balance => Err(ExecutionFailure::InsufficientCoinBalance),
        Some(amount) if amount < balance => {
            work.set_balance(&coin, balance - amount)?;
            work.create_coin(recipient, amount);
            Ok(())
        }
        _ => {
            work.object_mut(&coin)?.owner = Owner::Address(recipient);
            Ok(())
        }
    }
}

/// `amounts: None` pays everything to a single recipient.
pub(super) fn pay(
    work: &mut Work<'_>,
    coins: &[ObjectRef],
    amounts: Option<&[u64]>,
    recipients: &[Address],
) -> ExecutionResult {
    let invalid = |reason: String| Err(ExecutionFailure::InvalidArguments { reason });
    if let Some(amounts) = amounts
        && amounts.len() != recipients.len()
    {
        return invalid(format!(
            "Amounts and recipients must match. Got {} amounts and {} recipients",
            amounts.len(),
            recipients.len()
        ));
    }
    if recipients.is_empty() || (amounts.is_none() && recipients.len() != 1) {
        return invalid(format!("cannot pay {} recipients", recipients.len()));
    }
    let mut held = 0u64;
    for coin in coins {
        held = held.checked_add(work.coin_balance(&coin.id)?).ok_or(ExecutionFailure::CoinBalanceOverflow)?;
    }
    let Some(first) = coins.first() else { return invalid("no coins to pay from".to_owned()) };
    let keeper = coins.iter().map(|coin| coin.id).find(|id| work.is_gas(id)).unwrap_or(first.id);
    let reserve = work.outstanding_fees(1 + recipients.len())?;
    let all;
    // With amounts, the coins must cover the fees too, even where another coin pays them.
    let (amounts, must_cover) = match amounts {
        Some(amounts) => (amounts, reserve),
        None => {
            let kept = if work.is_gas(&keeper) { reserve } else { 0 };
            all = [held.checked_sub(kept).ok_or(ExecutionFailure::InsufficientGas)?];
            (&all[..], kept)
        }
    };
    let paid = amounts.iter().try_fold(0u64, |sum, amount| sum.checked_add(*amount));
    let paid = paid.ok_or(ExecutionFailure::CoinBalanceOverflow)?;
    let Some(left) = held.checked_sub(paid).filter(|left| *left >= must_cover) else {
        return Err(ExecutionFailure::InsufficientCoinBalance);
    };
    for coin in coins.iter().filter(|coin| coin.id != keeper) {
        work.delete(coin.id);
    }
    work.set_balance(&keeper, left)?;
    for (recipient, amount) in recipients.iter().zip(amounts) {
        work.create_coin(*recipient, *amount);
    }
    Ok(())
}

pub(super) fn transfer_objects(work: &mut Work<'_>, objects: &[ObjectRef], recipient: Address) -> ExecutionResult {
    for object in objects {
        work.object_mut(&object.id)?.owner = Owner::Address(recipient);
    }
    Ok(())
}
