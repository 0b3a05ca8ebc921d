//! The embedded network's state machine through its public door: signed transactions in, records out.

use somascope::{
    chain::{
        keys::Keypair,
        types::{Address, ObjectId, ObjectType, TransactionData, TransactionKind, UserSignature},
    },
    devnet::ledger::{Genesis, Ledger, Rejection},
    primitives::SHANNONS_PER_SOMA,
};

const DAY_MS: u64 = 86_400_000;

fn alice() -> Keypair {
    Keypair::from_seed([0x11; 32])
}

fn bob() -> Address {
    Keypair::from_seed([0x22; 32]).address()
}

fn network() -> Ledger {
    let accounts = vec![(alice().address(), vec![3 * SHANNONS_PER_SOMA; 3])];
    let validator = Keypair::from_seed([0x33; 32]).address();
    Ledger::open(None, &Genesis::localnet(7, 1_000, 16, accounts, validator)).expect("a temporary network")
}

fn transfer(ledger: &Ledger, amount: u64) -> TransactionData {
    let owner = alice().address();
    let owned = ledger.owned(&owner);
    let [coin, gas, ..] = owned.as_slice() else { panic!("alice has three coins") };
    let kind = TransactionKind::TransferCoin { coin: coin.reference(), amount: Some(amount), recipient: bob() };
    TransactionData::new(kind, owner, vec![gas.reference()])
}

#[test]
fn a_signed_transfer_arrives_and_is_found_again() {
    let mut ledger = network();
    let signed = alice().sign(transfer(&ledger, 1_000_000));
    let record = ledger.execute(&signed, 2_000).expect("accepted");
    assert!(record.effects.v1().succeeded());
    assert_eq!(ledger.balance(&bob()), 1_000_000);
    assert_eq!(ledger.transaction(&signed.digest()), Some(record.clone()));
    assert_eq!(record.signatures, [signed.signature]);
    assert_eq!((record.checkpoint, record.timestamp_ms), (1, 2_000));
    let spent: i128 = record.balance_changes.iter().map(|change| change.amount).sum();
    assert_eq!(-spent, i128::from(record.effects.v1().fee.total_fee));
}

#[test]
fn a_forged_or_altered_transaction_is_refused() {
    let mut ledger = network();
    let mut forged = alice().sign(transfer(&ledger, 1));
    forged.data = transfer(&ledger, 2);
    assert!(matches!(ledger.execute(&forged, 0), Err(Rejection::InvalidSignature(_))));
    forged.signature = UserSignature(vec![0; 97]);
    assert!(matches!(ledger.execute(&forged, 0), Err(Rejection::InvalidSignature(_))));
    let stranger = Keypair::from_seed([0x44; 32]).sign(transfer(&ledger, 1));
    assert!(matches!(ledger.execute(&stranger, 0), Err(Rejection::InvalidSignature(_))));
    assert_eq!(ledger.balance(&bob()), 0);
}

#[test]
fn an_epoch_that_elapsed_rewards_the_validator_with_stake() {
    let mut ledger = network();
    let validator = Keypair::from_seed([0x33; 32]).address();
    assert_eq!(ledger.advance_epoch(1_000 + DAY_MS).expect("epoch 1"), 1);
    let stakes: Vec<u64> = ledger
        .owned(&validator)
        .iter()
        .filter(|object| object.object_type == ObjectType::StakedSoma)
        .filter_map(|object| Some(object.staked_soma().ok()?.principal))
        .collect();
    // Its genesis stake, and 2 % of 70 % of the emission.
    assert_eq!(stakes.iter().sum::<u64>(), 20_000 * SHANNONS_PER_SOMA + 1_370 * SHANNONS_PER_SOMA * 14 / 1_000);
    let change = ledger.checkpoint(None).expect("the epoch change");
    let created: Vec<ObjectId> = change.transactions[0].effects.v1().created().map(|(id, _)| id).collect();
    assert_eq!(created, [ObjectId::derive(&change.transactions[0].data.digest(), 0)]);
}

#[test]
fn a_ledger_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&network());
}
