//! Orders with their exact costs, before anything is signed (`protocol.md §4.6–4.8`).

use super::{Desk, DeskError, Draft, Order, claims};
use crate::{
    chain::{
        client::Coin,
        fees,
        types::{ObjectRef, SystemParameters, TransactionData, TransactionKind},
    },
    primitives::{Address, ObjectId, Shannons},
};

/// Coins in one transaction; the official client merges as many.
const COINS: usize = 256;
/// Up to so many coins a wallet is left as it is; beyond, the smallest are used up on the way.
const TIDY_COINS: usize = 8;
/// Payments in one transaction; its size is limited to 262,144 bytes.
const PAYMENTS: usize = 256;

/// What a builder chose.
struct Plan {
    kind: TransactionKind,
    gas: Vec<Coin>,
    what: String,
    fee: Shannons,
    /// Payments to others.
    paid: Shannons,
    gain: Option<Shannons>,
    bond: Shannons,
    warning: Option<String>,
}

impl Desk {
    /// The exact costs of an order as the chain is now. Nothing is signed.
    pub async fn draft(&self, order: Order) -> Result<Draft, DeskError> {
        self.draft_without(order, &[]).await
    }

    /// A draft that uses none of these coins as they are here.
    pub(super) async fn draft_without(&self, order: Order, avoid: &[ObjectRef]) -> Result<Draft, DeskError> {
        let client = &self.wallet.client;
        let (state, held) = tokio::try_join!(client.epoch_state(), client.coins(self.address))?;
        let height = client.service_info().await?.checkpoint_height;
        let coins = usable(&held, avoid);
        let parameters = &state.parameters;
        let plan = match &order {
            Order::Send { payments } => send(parameters, &coins, payments)?,
            Order::Merge => merge(parameters, &coins, self.address)?,
            Order::Split { parts } => split(parameters, &coins, self.address, *parts)?,
            Order::Claim { target } => self.claim(parameters, &coins, *target, state.epoch).await?,
        };
        let held: Shannons = held.iter().map(|coin| Shannons(coin.balance)).sum();
        let total = plan.paid.saturating_add(plan.fee);
        let incoming = plan.gain.unwrap_or_default().saturating_add(plan.bond);
        let gas = plan.gas.iter().map(|coin| coin.reference).collect();
        Ok(Draft {
            order,
            what: plan.what,
            fee: plan.fee,
            total,
            gain: plan.gain,
            bond: plan.bond,
            remaining: held.saturating_add(incoming).saturating_sub(total),
            warning: plan.warning,
            data: TransactionData::new(plan.kind, self.address, gas),
            height,
        })
    }

    async fn claim(
        &self,
        parameters: &SystemParameters,
        coins: &[Coin],
        id: ObjectId,
        epoch: u64,
    ) -> Result<Plan, DeskError> {
        let target = self.wallet.client.target(id).await?.ok_or(DeskError::NoTarget(id))?;
        let worth = claims::appraise(parameters, id, &target, self.address, epoch)?;
        let gas = enough(coins, worth.fee)?;
        Ok(Plan {
            kind: TransactionKind::ClaimRewards { target_id: id },
            gas,
            what: worth.what(),
            fee: worth.fee,
            paid: Shannons::ZERO,
            gain: Some(worth.gain),
            bond: worth.bond,
            warning: (worth.reports > 0).then(|| {
                format!(
                    "{} validators have reported its data: if they are enough, the bond is theirs and only the finder's fee is paid",
                    worth.reports
                )
            }),
        })
    }
}

/// Coins but those that a refusal was about; at another version they are others.
pub(super) fn usable(coins: &[Coin], avoid: &[ObjectRef]) -> Vec<Coin> {
    let is_avoided =
        |coin: &Coin| avoid.iter().any(|a| a.id == coin.reference.id && a.version == coin.reference.version);
    coins.iter().filter(|coin| !is_avoided(coin)).copied().collect()
}

fn sum(amounts: impl Iterator<Item = Shannons>) -> Result<Shannons, DeskError> {
    let mut amounts = amounts;
    amounts
        .try_fold(Shannons::ZERO, Shannons::checked_add)
        .ok_or_else(|| DeskError::Order("the amounts exceed 64 bits".into()))
}

/// The fewest coins that hold `needed`, richest first, and the dust of an untidy wallet on top.
pub(super) fn enough(coins: &[Coin], needed: Shannons) -> Result<Vec<Coin>, DeskError> {
    let held: Shannons = coins.iter().map(|coin| Shannons(coin.balance)).sum();
    if held < needed || coins.is_empty() {
        return Err(DeskError::Poor { needed, held });
    }
    let mut reached = Shannons::ZERO;
    for (number, coin) in coins.iter().take(COINS).enumerate() {
        reached = reached.saturating_add(Shannons(coin.balance));
        if reached >= needed {
            let dust = if coins.len() > TIDY_COINS { COINS - number - 1 } else { 0 };
            let rest = coins[number + 1..].iter().rev().take(dust);
            return Ok(coins[..=number].iter().chain(rest).copied().collect());
        }
    }
    Err(DeskError::Scattered { coins: COINS, needed })
}

/// One transaction that pays everybody: the coins are used up together, and what is left stays in the first, which pays the
/// fees.
fn send(parameters: &SystemParameters, coins: &[Coin], payments: &[(Address, Shannons)]) -> Result<Plan, DeskError> {
    if payments.is_empty() || payments.len() > PAYMENTS {
        return Err(DeskError::Order(format!("{} payments: one transaction has 1 to {PAYMENTS}", payments.len())));
    }
    if payments.iter().any(|(_, amount)| *amount == Shannons::ZERO) {
        return Err(DeskError::Order("an amount of 0 cannot be sent".into()));
    }
    let paid = sum(payments.iter().map(|(_, amount)| *amount))?;
    let fee = fees::pay_coins(parameters, payments.len(), paid);
    let used = enough(coins, sum([paid, fee].into_iter())?)?;
    let kind = TransactionKind::PayCoins {
        coins: used.iter().map(|coin| coin.reference).collect(),
        amounts: Some(payments.iter().map(|(_, amount)| amount.0).collect()),
        recipients: payments.iter().map(|(recipient, _)| *recipient).collect(),
    };
    let what = match payments {
        [(recipient, amount)] => format!("send {amount} SOMA to {recipient}"),
        many => format!("send {paid} SOMA in {} payments", many.len()),
    };
    Ok(Plan { kind, gas: used[..1].to_vec(), what, fee, paid, gain: None, bond: Shannons::ZERO, warning: None })
}

/// As the official client does it: the smallest coin is transferred to ourselves, and the others, as its gas, become one. No
/// transaction whose costs are known leaves a single coin for less.
fn merge(parameters: &SystemParameters, coins: &[Coin], address: Address) -> Result<Plan, DeskError> {
    let Some((smallest, others)) = coins.split_last().filter(|(_, others)| others.len() > 1) else {
        let count = coins.len();
        return Err(DeskError::Order(format!(
            "nothing to merge: the wallet has {count} coins, and merging leaves two"
        )));
    };
    // The richest stay: of more coins than fit, the poorest are worth merging.
    let gas: Vec<Coin> = match others.len() {
        ..COINS => others.to_vec(),
        many => others[..1].iter().chain(&others[many - (COINS - 2)..]).copied().collect(),
    };
    let fee = fees::transfer_whole_coin(parameters, Shannons(smallest.balance));
    let held = gas.iter().map(|coin| Shannons(coin.balance)).sum();
    if held < fee {
        return Err(DeskError::Poor { needed: fee, held });
    }
    let kind = TransactionKind::TransferCoin { coin: smallest.reference, amount: None, recipient: address };
    let what = format!("merge {} coins into 2", gas.len() + 1);
    Ok(Plan { kind, gas, what, fee, paid: Shannons::ZERO, gain: None, bond: Shannons::ZERO, warning: None })
}

fn split(parameters: &SystemParameters, coins: &[Coin], address: Address, parts: u32) -> Result<Plan, DeskError> {
    if parts < 2 || parts as usize > PAYMENTS {
        return Err(DeskError::Order(format!("{parts} parts: a coin can be split into 2 to {PAYMENTS}")));
    }
    let Some(richest) = coins.first() else {
        return Err(DeskError::Poor { needed: Shannons(1), held: Shannons::ZERO });
    };
    let new = parts as usize - 1;
    let without_value = fees::pay_coins(parameters, new, Shannons::ZERO);
    let rest = Shannons(richest.balance).saturating_sub(without_value);
    // Equal shares of what the fees leave, where the fees grow with what is moved.
    let shares = u128::from(parts) * 10_000 + new as u128 * u128::from(parameters.value_fee_bps);
    let share = u64::try_from(u128::from(rest.0) * 10_000 / shares).unwrap_or(0);
    if share == 0 {
        let needed = without_value.saturating_add(Shannons(u64::from(parts)));
        return Err(DeskError::Poor { needed, held: Shannons(richest.balance) });
    }
    let fee = fees::pay_coins(parameters, new, Shannons(share * new as u64));
    let kind = TransactionKind::PayCoins {
        coins: vec![richest.reference],
        amounts: Some(vec![share; new]),
        recipients: vec![address; new],
    };
    let what = format!("split a coin of {} SOMA into {parts} of {}", Shannons(richest.balance), Shannons(share));
    Ok(Plan {
        kind,
        gas: vec![*richest],
        what,
        fee,
        paid: Shannons::ZERO,
        gain: None,
        bond: Shannons::ZERO,
        warning: None,
    })
}
