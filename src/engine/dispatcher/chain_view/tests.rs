//! What is open, what is not, and what a list that lags may not undo.

use super::*;
use crate::{
    chain::{
        client::{ActiveModelInfo, ServiceInfo},
        types::{
            EffectsObjectChange, ExecutionStatus, IdOperation, ObjectIn, ObjectOut, SomaTensor, TransactionEffectsV1,
            TransactionFee,
        },
    },
    devnet::GenesisOptions,
    engine::money,
    primitives::{Address, Digest},
};

pub fn active_model(n: u8) -> ActiveModelInfo {
    ActiveModelInfo {
        id: ObjectId([n; 32]),
        owner: Address([1; 32]),
        stake: u64::from(n) * 1_000,
        commission_bps: 0,
        url: String::new(),
        checksum: Digest([n; 32]),
        size: 1,
        decryption_key: [0; 32],
        embedding: crate::model::arrgen::normal(n.into(), 16, 0.0, 1.0),
    }
}

pub fn effects_of_fill(
    transaction_digest: Digest,
    executed_epoch: u64,
    spawned: Option<ObjectId>,
) -> TransactionEffectsV1 {
    let created = EffectsObjectChange {
        input_state: ObjectIn::NotExist,
        output_state: ObjectOut::NotExist,
        id_operation: IdOperation::Created,
    };
    TransactionEffectsV1 {
        status: ExecutionStatus::Success,
        executed_epoch,
        fee: TransactionFee::default(),
        transaction_digest,
        gas_object_index: None,
        dependencies: vec![],
        version: 1,
        changed_objects: spawned.into_iter().map(|id| (id, created.clone())).collect(),
        unchanged_shared_objects: vec![],
    }
}

pub fn refresh(epoch: u64, open: &[u8]) -> Refresh {
    let target = |n: &u8| TargetInfo {
        id: ObjectId([*n; 32]),
        embedding: vec![],
        model_ids: vec![],
        distance_threshold: 1.0,
        reward_pool: 1,
        generation_epoch: epoch,
        status: "open".into(),
        submitter: None,
        bond_amount: 0,
    };
    let state = EpochState {
        epoch,
        protocol_version: 5,
        epoch_start_ms: 0,
        parameters: GenesisOptions::v5(16).parameters,
        distance_threshold: 1.0,
        reward_per_target: 1,
        targets_generated_this_epoch: 0,
        emission_balance: 0,
        emission_per_epoch: 0,
        models: vec![],
        upcoming: vec![],
    };
    // Asked for after everything that is known became known.
    let open = Some(open.iter().map(target).collect());
    Refresh { started_ms: u64::MAX, service: ServiceInfo::default(), state, open, coins: None }
}

fn open(chain: &ChainView) -> Vec<u8> {
    let mut open: Vec<u8> = chain.open.keys().map(|id| id.0[0]).collect();
    open.sort_unstable();
    open
}

#[test]
fn one_list_without_a_target_closes_nothing_and_two_let_it_go_until_it_is_listed_again() {
    let mut chain = ChainView::default();
    chain.refreshed(refresh(1, &[1, 2]));
    for _ in 0..3 {
        assert_eq!(chain.refreshed(refresh(1, &[1])).closed, []);
        assert_eq!(chain.refreshed(refresh(1, &[1, 2])).closed, []);
    }
    chain.refreshed(refresh(1, &[1]));
    assert_eq!(chain.refreshed(refresh(1, &[1])).closed, [ObjectId([2; 32])]);
    assert_eq!(chain.refreshed(refresh(1, &[1, 2])).opened, [ObjectId([2; 32])]);
    assert_eq!(open(&chain), [1, 2]);
}

#[test]
fn a_target_that_is_known_to_be_filled_stays_closed_whatever_a_list_says() {
    let mut chain = ChainView::default();
    chain.refreshed(refresh(1, &[1, 2]));
    chain.note_closed(ObjectId([2; 32]));
    chain.refreshed(refresh(1, &[1, 2]));
    assert_eq!(open(&chain), [1]);
}

#[test]
fn nothing_is_signed_in_an_epochs_last_moments_and_an_overdue_end_is_not_waited_for() {
    let ending = |length: u64, left: i64| {
        let mut refresh = refresh(1, &[]);
        refresh.state.parameters.epoch_duration_ms = length;
        refresh.state.epoch_start_ms = now_ms().saturating_add_signed(left) - length;
        let mut chain = ChainView::default();
        chain.refreshed(refresh);
        chain.is_epoch_ending()
    };
    const DAY: u64 = 86_400_000;
    assert_eq!([60_000, 30_000, -30_000, -60_000].map(|left| ending(DAY, left)), [false, true, true, false]);
    // A demo's epoch of 20 s.
    assert_eq!([2_000, 500, -2_000].map(|left| ending(20_000, left)), [false, true, false]);
}

#[test]
fn a_light_look_keeps_the_targets_and_a_new_epoch_asks_for_its_own() {
    let mut chain = ChainView::default();
    chain.refreshed(refresh(1, &[1, 2]));
    let light = |epoch| Refresh { open: None, ..refresh(epoch, &[]) };
    assert!(!chain.refreshed(light(1)).stale);
    assert_eq!(open(&chain), [1, 2]);
    let changes = chain.refreshed(light(2));
    assert_eq!((changes.stale, changes.closed.len(), open(&chain)), (true, 2, vec![]));
}

#[test]
fn a_target_that_no_chain_can_have_is_passed_over() {
    let mut chain = ChainView::default();
    let mut told = refresh(1, &[1, 2, 3]);
    if let Some([_, rich, late]) = told.open.as_deref_mut() {
        (rich.reward_pool, late.generation_epoch) = (1 << 63, u64::MAX);
    }
    chain.refreshed(told);
    assert_eq!(open(&chain), [1]);

    let target = |reward_pool, generation_epoch| {
        let (embedding, threshold) = (SomaTensor::vector(&[1.0]), SomaTensor::scalar(1.0));
        TargetV1::open(embedding, vec![], threshold, reward_pool, generation_epoch)
    };
    let targets = [target(u64::MAX, 1), target(1, u64::MAX), target(money::MOST.0, 1)];
    let changes = chain.checkpoint(&CheckpointInfo {
        sequence_number: 1,
        epoch: 1,
        timestamp_ms: 0,
        transactions: vec![],
        targets: (4..).map(|n| ObjectId([n; 32])).zip(targets).collect(),
        deleted: vec![],
    });
    assert_eq!((open(&chain), chain.newest_epoch, changes.stale), (vec![1, 6], 1, false));
}

#[test]
fn a_list_of_an_epoch_that_is_over_changes_nothing() {
    let mut chain = ChainView::default();
    chain.refreshed(refresh(2, &[3, 4]));
    let changes = chain.refreshed(refresh(1, &[1, 2]));
    assert_eq!((changes.new_epoch, open(&chain), chain.epoch()), (None, vec![3, 4], Some(2)));
    assert_eq!(chain.refreshed(refresh(3, &[5])).new_epoch, Some(3));
    assert_eq!(open(&chain), [5]);
}
