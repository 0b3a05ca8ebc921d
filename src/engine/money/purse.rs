//! The wallet's coins as the engine knows them, and which of them are spoken for.
//!
//! What the node lists and what our own executed transactions did to coins meet here: the newest version of a coin counts.
//! A coin that a signed, unsettled transaction uses is offered to nobody else, so that several can be on their way at once
//! and none of them twice.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::{
    chain::{
        client::{Coin, Executed},
        types::{
            Address, Digest, IdOperation, Object, ObjectId, ObjectOut, ObjectRef, Owner, TransactionData,
            TransactionKind,
        },
    },
    primitives::Shannons,
};

use super::change_for;

/// Coins that a wallet may have before the smallest are merged into gas payments on the way; more if more fly at once.
const TIDY_COINS: usize = 8;
/// Coins in one gas payment.
const GAS_COINS: usize = 64;

/// The right to use certain coins, until it is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::engine) struct Ticket(u64);

/// Coins that somebody may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Grip {
    pub ticket: Ticket,
    /// The first pays and, in a submission, carries the bond.
    pub coins: Vec<ObjectRef>,
    pub sum: Shannons,
}

/// Which coin is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Want {
    /// The richest, so that bonds use the coins up evenly.
    Bond,
    /// The smallest that suffices, so that the others stay free for bonds.
    Fee,
}

/// Why no coins are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Short {
    /// Enough is there, but transactions on their way use it.
    Busy,
    /// Enough is there, but other transactions have locked it until the epoch ends.
    Locked,
    Poor {
        held: Shannons,
    },
}

/// What keeps a coin from being used at a version that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum CoinTrouble {
    /// The node knows a newer version.
    Stale,
    /// Another transaction has locked it: it executes, or the lock ends with the epoch.
    Locked,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    coin: Coin,
    known_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Aside {
    /// Newer ones are as good as any.
    version: u64,
    /// The last epoch in which it is kept aside.
    until: u64,
}

#[derive(Debug, Default)]
pub(in crate::engine) struct Purse {
    coins: BTreeMap<ObjectId, Held>,
    /// Deleted by our own transactions, with the time: a list of a node that lags must not bring them back.
    gone: HashMap<ObjectId, u64>,
    aside: HashMap<ObjectId, Aside>,
    tickets: BTreeMap<Ticket, Vec<ObjectId>>,
    uses: HashMap<ObjectId, u32>,
    issued: u64,
    epoch: u64,
    /// Transactions that may fly at once.
    ahead: usize,
    is_known: bool,
}

/// The owned objects that a transaction names.
fn inputs(data: &TransactionData) -> HashSet<ObjectId> {
    let kind = data.kind().inputs().into_iter().flat_map(|inputs| inputs.owned);
    data.gas_payment().iter().map(|coin| coin.id).chain(kind.map(|(object, _)| object.id)).collect()
}

impl Purse {
    pub fn new(ahead: usize) -> Self {
        Self { ahead: ahead.max(1), ..Self::default() }
    }

    /// Whether the node has ever listed the wallet.
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    pub fn balance(&self) -> Shannons {
        self.coins.values().map(|held| Shannons(held.coin.balance)).sum()
    }

    pub fn len(&self) -> usize {
        self.coins.len()
    }

    /// Transactions that may still be prepared beside those that hold coins.
    pub fn room(&self) -> usize {
        self.ahead.saturating_sub(self.tickets.len())
    }

    pub fn ahead(&self) -> usize {
        self.ahead
    }

    /// Coins that hold less than `unit`, and their sum.
    pub fn below(&self, unit: Shannons) -> (u64, Shannons) {
        let below = || self.coins.values().map(|held| Shannons(held.coin.balance)).filter(|balance| *balance < unit);
        (below().count() as u64, below().sum())
    }

    /// Coins that alone can pay `unit`, whether or not they are in use now.
    pub fn able(&self, unit: Shannons) -> usize {
        let able = |held: &&Held| Shannons(held.coin.balance) >= unit && !self.is_aside(&held.coin);
        self.coins.values().filter(able).count()
    }

    fn is_aside(&self, coin: &Coin) -> bool {
        let Coin { reference, .. } = coin;
        let aside = self.aside.get(&reference.id);
        aside.is_some_and(|aside| reference.version <= aside.version && self.epoch <= aside.until)
    }

    /// Usable coins that nobody uses, richest first.
    fn free(&self) -> Vec<Coin> {
        let coins = self.coins.values().map(|held| held.coin);
        let mut free: Vec<Coin> =
            coins.filter(|coin| !self.uses.contains_key(&coin.reference.id) && !self.is_aside(coin)).collect();
        free.sort_by_key(|coin| (std::cmp::Reverse(coin.balance), coin.reference.id));
        free
    }

    fn kept(&self) -> usize {
        TIDY_COINS.max(2 * self.ahead)
    }

    /// Free coins beyond what a wallet needs, smallest first.
    fn spare<'a>(&self, free: &'a [Coin]) -> impl Iterator<Item = &'a Coin> + use<'a> {
        let stay = self.kept().saturating_sub(self.uses.len()).min(free.len());
        free[stay..].iter().rev()
    }

    /// The node's list. `started_ms`: when it was asked for; what became known later is newer.
    pub fn refreshed(&mut self, started_ms: u64, listed: &[Coin]) {
        self.is_known = true;
        let ids: HashSet<ObjectId> = listed.iter().map(|coin| coin.reference.id).collect();
        self.gone.retain(|id, at_ms| ids.contains(id) || *at_ms >= started_ms);
        self.coins.retain(|id, held| ids.contains(id) || held.known_ms >= started_ms);
        for coin in listed {
            let id = coin.reference.id;
            let is_older = |held: &Held| held.coin.reference.version >= coin.reference.version;
            if !self.gone.contains_key(&id) && !self.coins.get(&id).is_some_and(is_older) {
                self.coins.insert(id, Held { coin: *coin, known_ms: started_ms });
            }
        }
    }

    pub fn turn(&mut self, epoch: u64) {
        self.epoch = epoch;
        let coins = &self.coins;
        self.aside.retain(|id, aside| {
            aside.until >= epoch && coins.get(id).is_some_and(|held| held.coin.reference.version <= aside.version)
        });
    }

    /// Coins for `needed`: one that can pay alone, or else as many of the richest as it takes; with the smallest of an untidy
    /// wallet, merged on the way.
    pub fn reserve(&mut self, needed: Shannons, want: Want) -> Result<Grip, Short> {
        let free = self.free();
        let alone = match want {
            Want::Bond => free.first(),
            Want::Fee => free.iter().rev().find(|coin| Shannons(coin.balance) >= needed),
        };
        let mut chosen: Vec<Coin> = Vec::new();
        match alone.filter(|coin| Shannons(coin.balance) >= needed) {
            Some(coin) => chosen.push(*coin),
            None => {
                let mut sum = Shannons::ZERO;
                let mut rest = free.iter().take(GAS_COINS);
                while sum < needed {
                    let Some(coin) = rest.next() else { return Err(self.short_of(needed)) };
                    sum = sum.saturating_add(Shannons(coin.balance));
                    chosen.push(*coin);
                }
            }
        }
        let spare = self.spare(&free).filter(|coin| !chosen.contains(coin)).copied();
        let spare: Vec<Coin> = spare.take(GAS_COINS.saturating_sub(chosen.len())).collect();
        chosen.extend(spare);
        Ok(self.grip(&chosen))
    }

    fn short_of(&self, needed: Shannons) -> Short {
        let usable = self.coins.values().filter(|held| !self.is_aside(&held.coin));
        let usable: Shannons = usable.map(|held| Shannons(held.coin.balance)).sum();
        match self.balance() {
            _ if usable >= needed && !self.uses.is_empty() => Short::Busy,
            held if held >= needed && usable < needed => Short::Locked,
            held => Short::Poor { held },
        }
    }

    /// The richest free coin, if it alone holds `needed`.
    pub fn reserve_richest(&mut self, needed: Shannons) -> Option<Grip> {
        let richest = self.free().first().copied().filter(|coin| Shannons(coin.balance) >= needed)?;
        Some(self.grip(&[richest]))
    }

    /// Spare coins, smallest first, if there are at least `least`.
    pub fn reserve_spare(&mut self, least: usize, most: usize) -> Option<Grip> {
        let free = self.free();
        let spare: Vec<Coin> = self.spare(&free).take(most).copied().collect();
        (spare.len() >= least).then(|| self.grip(&spare))
    }

    fn grip(&mut self, coins: &[Coin]) -> Grip {
        let ids = coins.iter().map(|coin| coin.reference.id).collect();
        Grip {
            ticket: self.issue(ids),
            coins: coins.iter().map(|coin| coin.reference).collect(),
            sum: coins.iter().map(|coin| Shannons(coin.balance)).sum(),
        }
    }

    fn issue(&mut self, ids: Vec<ObjectId>) -> Ticket {
        self.issued += 1;
        let ticket = Ticket(self.issued);
        for id in &ids {
            *self.uses.entry(*id).or_default() += 1;
        }
        self.tickets.insert(ticket, ids);
        ticket
    }

    /// Keeps back what a transaction of an earlier run uses.
    pub fn hold(&mut self, data: &TransactionData) -> Ticket {
        self.issue(inputs(data).into_iter().collect())
    }

    /// Gives the coins back. A second time it does nothing.
    pub fn release(&mut self, ticket: Ticket) {
        for id in self.tickets.remove(&ticket).unwrap_or_default() {
            if let Some(uses) = self.uses.get_mut(&id) {
                *uses -= 1;
                if *uses == 0 {
                    self.uses.remove(&id);
                }
            }
        }
    }

    /// Takes over what an executed transaction of ours did to coins. A balance that effects do not tell is worked out and
    /// proved by the object's digest; `hints` are amounts that it may have moved. What cannot be proved is left out until
    /// the node lists it. Gives whether everything could be.
    pub fn executed(&mut self, data: &TransactionData, executed: &Executed, hints: &[Shannons], now_ms: u64) -> bool {
        let mut all_proved = true;
        let (effects, owner) = (&executed.effects, data.sender());
        let (mut made, mut before) = (hints.to_vec(), Some(Shannons::ZERO));
        let moved = match data.kind() {
            TransactionKind::PayCoins { amounts: Some(amounts), .. } => amounts.iter().map(|a| Shannons(*a)).sum(),
            TransactionKind::TransferCoin { amount: Some(amount), .. } => Shannons(*amount),
            _ => Shannons::ZERO,
        };
        if let TransactionKind::PayCoins { amounts: Some(amounts), .. } = data.kind() {
            made.extend(amounts.iter().map(|amount| Shannons(*amount)));
        }
        // The gas coin has taken in every coin of the payment.
        for coin in data.gas_payment() {
            let held = self.coins.get(&coin.id).filter(|held| held.coin.reference == *coin);
            before = held.and_then(|held| before?.checked_add(Shannons(held.coin.balance)));
        }
        let fee = Shannons(effects.fee.total_fee);
        let mut left: Vec<Shannons> = Vec::new();
        if let Some(before) = before {
            let paid = before.checked_sub(fee);
            left.extend(paid);
            left.extend(before.0.checked_add_signed(change_for(executed, owner)).map(Shannons));
            let spent = hints.iter().copied().chain([moved]);
            left.extend(spent.filter_map(|spent| paid?.checked_sub(spent)));
        }
        for (id, change) in &effects.changed_objects {
            if self.coins.get(id).is_some_and(|held| held.coin.reference.version >= effects.version) {
                continue;
            }
            match &change.output_state {
                // Only this: an input without an output may still be alive (`protocol-corrections.md §1`, on §4.6.5).
                ObjectOut::NotExist if change.id_operation == IdOperation::Deleted => {
                    self.coins.remove(id);
                    self.gone.insert(*id, now_ms);
                }
                ObjectOut::NotExist => {}
                ObjectOut::ObjectWrite(digest, Owner::Address(new_owner)) if *new_owner == owner => {
                    let as_before = self.coins.get(id).map(|held| Shannons(held.coin.balance));
                    let is_gas = data.gas_payment().first().is_some_and(|gas| gas.id == *id);
                    let guesses = if is_gas { &left } else { &made };
                    let written = guesses.iter().copied().chain(as_before).find_map(|balance| {
                        proved(*id, effects.version, balance, owner, effects.transaction_digest, *digest)
                    });
                    match written {
                        Some(coin) => {
                            self.coins.insert(*id, Held { coin, known_ms: now_ms });
                        }
                        // Whatever it is now, the version that we knew is gone.
                        None => {
                            all_proved = false;
                            if let Some(held) = self.coins.remove(id) {
                                let version = held.coin.reference.version;
                                self.aside.insert(*id, Aside { version, until: u64::MAX });
                            }
                        }
                    }
                }
                ObjectOut::ObjectWrite(..) => {
                    self.coins.remove(id);
                }
            }
        }
        all_proved
    }

    /// A reference that was refused: not offered again at this version.
    pub fn refused(&mut self, reference: &ObjectRef, trouble: CoinTrouble) {
        let until = match trouble {
            CoinTrouble::Stale => u64::MAX,
            CoinTrouble::Locked => self.epoch,
        };
        self.aside.insert(reference.id, Aside { version: reference.version, until });
    }
}

/// The coin, if it has this balance: its digest tells.
fn proved(
    id: ObjectId,
    version: u64,
    balance: Shannons,
    owner: Address,
    transaction: Digest,
    digest: Digest,
) -> Option<Coin> {
    let object = Object::coin(id, version, balance.0, owner, transaction);
    (object.digest() == digest).then(|| Coin { reference: object.reference(), balance: balance.0 })
}

#[cfg(test)]
#[path = "purse_tests.rs"]
mod tests;
