//! The purse against a chain that does anything: no coin in two hands, none lost.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::chain::types::{
    BalanceChange, EffectsObjectChange, ExecutionStatus, ObjectIn, TransactionEffectsV1, TransactionFee,
};

const OWNER: Address = Address([7; 32]);
const FEE: u64 = 10;
const REWARD: u64 = 500;

fn id(n: u64) -> ObjectId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    ObjectId(bytes)
}

fn coin(n: u64, version: u64, balance: u64) -> Coin {
    let object = Object::coin(id(n), version, balance, OWNER, Digest([version as u8; 32]));
    Coin { reference: object.reference(), balance }
}

fn purse(ahead: usize, balances: &[u64]) -> Purse {
    let mut purse = Purse::new(ahead);
    let coins: Vec<Coin> = (0..).zip(balances).map(|(n, balance)| coin(n, 1, *balance)).collect();
    purse.refreshed(1, &coins);
    purse
}

fn chosen(balances: &[u64], needed: u64) -> Vec<u64> {
    let grip = purse(1, balances).reserve(Shannons(needed), Want::Bond).unwrap();
    grip.coins.iter().map(|coin| u64::from_be_bytes(*coin.id.0.first_chunk().unwrap())).collect()
}

/// A claim paid by these coins, and what it did: the first coin has the sum less the fee, a new coin has the reward.
fn claim(coins: &[Coin], new: u64) -> (TransactionData, Executed, Vec<Coin>) {
    let gas: Vec<ObjectRef> = coins.iter().map(|coin| coin.reference).collect();
    let data = TransactionData::new(TransactionKind::ClaimRewards { target_id: id(999) }, OWNER, gas.clone());
    let digest = data.digest();
    let version = 1 + coins.iter().map(|coin| coin.reference.version).max().unwrap();
    let left = coins.iter().map(|coin| coin.balance).sum::<u64>() - FEE;
    let written: Vec<Object> = [(gas[0].id, left), (id(new), REWARD)]
        .map(|(id, balance)| Object::coin(id, version, balance, OWNER, digest))
        .into();
    let input = |reference: &ObjectRef| ObjectIn::Exist((reference.version, reference.digest), Owner::Address(OWNER));
    let mut changed: Vec<(ObjectId, EffectsObjectChange)> = vec![(
        id(new),
        EffectsObjectChange {
            input_state: ObjectIn::NotExist,
            output_state: ObjectOut::ObjectWrite(written[1].digest(), Owner::Address(OWNER)),
            id_operation: IdOperation::Created,
        },
    )];
    for (at, reference) in gas.iter().enumerate() {
        changed.push((
            reference.id,
            EffectsObjectChange {
                input_state: input(reference),
                output_state: match at {
                    0 => ObjectOut::ObjectWrite(written[0].digest(), Owner::Address(OWNER)),
                    _ => ObjectOut::NotExist,
                },
                id_operation: if at == 0 { IdOperation::None } else { IdOperation::Deleted },
            },
        ));
    }
    changed.sort_by_key(|(id, _)| *id);
    let effects = TransactionEffectsV1 {
        status: ExecutionStatus::Success,
        executed_epoch: 0,
        fee: TransactionFee { base_fee: FEE, operation_fee: 0, value_fee: 0, total_fee: FEE },
        transaction_digest: digest,
        gas_object_index: None,
        dependencies: vec![],
        version,
        changed_objects: changed,
        unchanged_shared_objects: vec![],
    };
    let amount = i128::from(REWARD) - i128::from(FEE);
    let executed = Executed { effects, balance_changes: vec![BalanceChange { address: OWNER, amount }] };
    let after = written.iter().map(|o| Coin { reference: o.reference(), balance: o.coin_balance().unwrap() });
    (data, executed, after.collect())
}

#[test]
fn the_richest_coin_pays_alone_when_it_can() {
    assert_eq!(chosen(&[100, 50, 20], 100), [0]);
}

#[test]
fn more_coins_are_merged_only_when_the_richest_is_not_enough() {
    assert_eq!(chosen(&[100, 50, 20], 101), [0, 1]);
}

#[test]
fn what_an_untidy_wallet_does_not_need_is_merged_smallest_first_and_split_coins_stay() {
    assert_eq!(chosen(&[100, 8, 7, 6, 5, 4, 3, 2, 1], 50), [0, 8]);
    let mut balances = vec![100; 8];
    balances.extend([3, 2, 1]);
    assert_eq!(chosen(&balances, 50), [0, 10, 9, 8]);
}

#[test]
fn a_fee_is_paid_by_the_smallest_coin_that_can() {
    let grip = purse(4, &[100, 50, 20]).reserve(Shannons(30), Want::Fee).unwrap();
    assert_eq!(grip.coins[0].id, id(1));
}

#[test]
fn a_wallet_that_cannot_pay_says_what_it_holds_and_one_whose_coins_fly_is_busy() {
    let mut purse = purse(4, &[10, 5]);
    assert_eq!(purse.reserve(Shannons(16), Want::Bond), Err(Short::Poor { held: Shannons(15) }));
    let grip = purse.reserve(Shannons(8), Want::Bond).unwrap();
    assert_eq!(purse.reserve(Shannons(8), Want::Bond), Err(Short::Busy));
    purse.release(grip.ticket);
    purse.release(grip.ticket);
    assert!(purse.reserve(Shannons(8), Want::Bond).is_ok());
    assert_eq!(Purse::new(1).reserve(Shannons(1), Want::Bond), Err(Short::Poor { held: Shannons::ZERO }));
}

#[test]
fn a_locked_coin_is_left_alone_until_the_epoch_turns_or_a_newer_version_is_seen() {
    let mut purse = purse(4, &[100]);
    purse.turn(5);
    purse.refused(&coin(0, 1, 100).reference, CoinTrouble::Locked);
    assert_eq!(purse.reserve(Shannons(1), Want::Bond), Err(Short::Locked));
    purse.refreshed(2, &[coin(0, 1, 100)]);
    assert_eq!(purse.reserve(Shannons(1), Want::Bond), Err(Short::Locked));
    let mut turned = Purse::new(4);
    std::mem::swap(&mut turned, &mut purse);
    turned.turn(6);
    assert!(turned.reserve(Shannons(1), Want::Bond).is_ok());

    let mut purse = self::purse(4, &[100]);
    purse.refused(&coin(0, 1, 100).reference, CoinTrouble::Stale);
    purse.turn(6);
    assert_eq!(purse.reserve(Shannons(1), Want::Bond), Err(Short::Locked));
    purse.refreshed(3, &[coin(0, 2, 90)]);
    assert_eq!(purse.reserve(Shannons(1), Want::Bond).unwrap().sum, Shannons(90));
}

#[test]
fn a_signed_transaction_of_an_earlier_run_keeps_its_coins_even_before_they_are_listed() {
    let coins = [coin(0, 1, 100), coin(1, 1, 50)];
    let (data, executed, after) = claim(&coins[..1], 9);
    let mut purse = Purse::new(4);
    let ticket = purse.hold(&data);
    purse.refreshed(1, &coins);
    assert_eq!(purse.reserve(Shannons(60), Want::Bond), Err(Short::Busy));
    assert_eq!(purse.reserve(Shannons(50), Want::Bond).unwrap().coins, [coins[1].reference]);
    assert!(purse.executed(&data, &executed, &[Shannons(REWARD)], 2));
    purse.release(ticket);
    assert_eq!(purse.reserve(Shannons(60), Want::Bond).unwrap().coins, [after[1].reference]);
}

#[test]
fn a_balance_that_effects_do_not_prove_waits_for_the_node() {
    let coins = [coin(0, 1, 100)];
    let (data, executed, after) = claim(&coins, 9);
    let mut purse = purse(4, &[]);
    purse.refreshed(1, &coins);
    // Without the hint nobody knows what the new coin holds.
    assert!(!purse.executed(&data, &executed, &[], 2));
    assert_eq!((purse.len(), purse.balance()), (1, Shannons(90)));
    // The old list is of before, the new one is of after.
    purse.refreshed(1, &coins);
    assert_eq!(purse.balance(), Shannons(90));
    purse.refreshed(3, &after);
    assert_eq!((purse.len(), purse.balance()), (2, Shannons(590)));
}

/// What happens to a wallet.
#[derive(Clone, Debug)]
enum Happens {
    Reserve {
        needed: u64,
        fee: bool,
    },
    /// The transaction of this grip (modulo their number) executes; `heard`: and we hear of it.
    Executes {
        which: usize,
        heard: bool,
    },
    /// It is certainly dead.
    Dies {
        which: usize,
    },
    /// The node lists the wallet as it was so many changes ago; asked for then, or (a node that lags) now.
    Lists {
        ago: usize,
        lags: bool,
    },
    /// The user spends a coin with another program.
    Elsewhere {
        which: usize,
    },
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (1..300u64, any::<bool>()).prop_map(|(needed, fee)| Happens::Reserve { needed, fee }),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(which, heard)| Happens::Executes { which, heard }),
        1 => any::<usize>().prop_map(|which| Happens::Dies { which }),
        3 => (0..4usize, any::<bool>()).prop_map(|(ago, lags)| Happens::Lists { ago, lags }),
        1 => any::<usize>().prop_map(|which| Happens::Elsewhere { which }),
    ]
}

proptest! {
    #[test]
    fn no_coin_is_ever_offered_twice_and_none_is_lost(
        balances in prop::collection::vec(20..400u64, 1..14),
        story in prop::collection::vec(happens(), 1..60),
    ) {
        let start: BTreeMap<ObjectId, Coin> =
            (0..).zip(&balances).map(|(n, balance)| (id(n), coin(n, 1, *balance))).collect();
        let mut past = vec![start];
        let mut purse = purse(4, &balances);
        let mut open: Vec<(Grip, bool)> = Vec::new();
        let (mut clock, mut new) = (1, 1000);
        for event in story {
            clock += 1;
            let now = past.last().unwrap().clone();
            match event {
                Happens::Reserve { needed, fee } => {
                    let want = if fee { Want::Fee } else { Want::Bond };
                    if let Ok(grip) = purse.reserve(Shannons(needed), want) {
                        prop_assert!(grip.sum >= Shannons(needed));
                        let ids: BTreeSet<ObjectId> = grip.coins.iter().map(|coin| coin.id).collect();
                        prop_assert_eq!(ids.len(), grip.coins.len());
                        for (other, _) in &open {
                            prop_assert!(other.coins.iter().all(|coin| !ids.contains(&coin.id)));
                        }
                        open.push((grip, false));
                    }
                }
                Happens::Executes { which, heard } if !open.is_empty() => {
                    let at = which % open.len();
                    let (grip, executed_unheard) = &open[at];
                    // It executes only if its coins are as it says.
                    let coins: Option<Vec<Coin>> = grip
                        .coins
                        .iter()
                        .map(|wanted| now.get(&wanted.id).filter(|coin| coin.reference == *wanted).copied())
                        .collect();
                    // It executes only if they pay its fee, too.
                    let can_pay = |coins: &Vec<Coin>| coins.iter().map(|coin| coin.balance).sum::<u64>() >= FEE;
                    let Some(coins) = coins.filter(|coins| !executed_unheard && can_pay(coins)) else { continue };
                    new += 1;
                    let (data, executed, after) = claim(&coins, new);
                    let mut next = now;
                    next.retain(|id, _| coins.iter().all(|coin| coin.reference.id != *id));
                    next.extend(after.into_iter().map(|coin| (coin.reference.id, coin)));
                    past.push(next);
                    if heard {
                        let (grip, _) = open.remove(at);
                        purse.executed(&data, &executed, &[Shannons(REWARD)], clock);
                        purse.release(grip.ticket);
                    } else {
                        open[at].1 = true;
                    }
                }
                Happens::Dies { which } if !open.is_empty() => {
                    let at = which % open.len();
                    if !open[at].1 {
                        let (grip, _) = open.remove(at);
                        for coin in &grip.coins {
                            if now.get(&coin.id).is_none_or(|held| held.reference != *coin) {
                                purse.refused(coin, CoinTrouble::Stale);
                            }
                        }
                        purse.release(grip.ticket);
                    }
                }
                Happens::Lists { ago, lags } => {
                    let listed = &past[past.len().saturating_sub(1 + ago)];
                    let asked = if lags { clock } else { clock.saturating_sub(ago as u64 + 1) };
                    purse.refreshed(asked, &listed.values().copied().collect::<Vec<_>>());
                }
                Happens::Elsewhere { which } => {
                    let mut next = now;
                    let Some(spent) = next.values().nth(which % next.len().max(1)).copied() else { continue };
                    let number = u64::from_be_bytes(*spent.reference.id.0.first_chunk().unwrap());
                    next.insert(spent.reference.id, coin(number, spent.reference.version + 1, spent.balance / 2 + 1));
                    past.push(next);
                }
                _ => {}
            }
        }
        for (grip, _) in open {
            purse.release(grip.ticket);
        }
        purse.refreshed(clock + 1, &past.last().unwrap().values().copied().collect::<Vec<_>>());
        let chain = past.last().unwrap();
        prop_assert_eq!(purse.len(), chain.len());
        prop_assert_eq!(purse.balance(), chain.values().map(|coin| Shannons(coin.balance)).sum());
        let free: BTreeMap<ObjectId, Coin> = purse.free().into_iter().map(|coin| (coin.reference.id, coin)).collect();
        prop_assert_eq!(&free, chain);
        prop_assert_eq!(purse.room(), 4);
    }
}
