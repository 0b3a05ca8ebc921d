//! What the contract demands beyond the recordings.

use super::play::*;
use crate::{
    chain::types::{
        Address, Digest, ExecutionFailure, ExecutionStatus, IdOperation, ModelV1, ObjectId, ObjectOut, ObjectRef,
        ObjectType, SomaTensor, SubmitData, TargetStatus, TransactionData, TransactionKind, to_bcs,
    },
    devnet::ledger::{Genesis, Rejection},
    primitives::SHANNONS_PER_SOMA,
};

fn transfer(coin: ObjectRef, amount: Option<u64>, recipient: Address) -> TransactionKind {
    TransactionKind::TransferCoin { coin, amount, recipient }
}

/// Sends a transfer that must be refused before execution.
fn refused(play: &mut Play, coin: ObjectRef, gas: Vec<ObjectRef>) -> Rejection {
    let before = play.ledger.head.clone();
    let rejection = play.send_with(ALICE, transfer(coin, Some(1), BOB), gas).unwrap_err();
    assert_eq!(play.ledger.head, before, "a refusal leaves no trace");
    rejection
}

#[test]
fn the_same_genesis_gives_the_same_chain_and_another_seed_another() {
    let other = Play::from(&Genesis { seed: 2, ..genesis() });
    assert_eq!(Play::new().ledger.chain_id(), Play::new().ledger.chain_id());
    assert_ne!(Play::new().ledger.chain_id(), other.ledger.chain_id());
}

#[test]
fn genesis_is_checkpoint_zero_and_its_digest_the_chain_id() {
    let play = Play::new();
    let first = play.ledger.checkpoint(Some(0)).unwrap();
    assert_eq!(first.summary.digest(), play.ledger.chain_id());
    assert_eq!((first.summary.previous_digest, first.summary.checkpoint_commitments.len()), (None, 0));
    assert_eq!(play.ledger.balance(&ALICE), 20 * SHANNONS_PER_SOMA);
}

#[test]
fn checkpoints_chain_by_digest_and_name_their_transactions() {
    let (mut play, _) = Play::with_models(1);
    play.fill(ALICE);
    let latest = play.ledger.checkpoint(None).unwrap().summary.sequence_number;
    for number in 1..=latest {
        let before = play.ledger.checkpoint(Some(number - 1)).unwrap();
        let this = play.ledger.checkpoint(Some(number)).unwrap();
        assert_eq!(this.summary.previous_digest, Some(before.summary.digest()));
        assert_eq!(this.summary.network_total_transactions, number + 1);
        assert_eq!((this.transactions.len(), this.transactions[0].checkpoint), (1, number));
        assert_eq!(play.ledger.checkpoint_by_digest(&this.summary.digest()), Some(this));
    }
    assert!(play.ledger.checkpoint(Some(latest + 1)).is_none());
    assert!(play.ledger.checkpoint_by_digest(&Digest([9; 32])).is_none());
}

#[test]
fn an_epochs_first_checkpoint_follows_its_epoch_change() {
    let (play, _) = Play::with_models(1);
    for number in 1..=play.ledger.system_state().epoch {
        let epoch = play.ledger.epoch(number).unwrap();
        let change = play.ledger.checkpoint(Some(epoch.first_checkpoint - 1)).unwrap();
        let kind = change.transactions[0].data.kind().clone();
        assert!(matches!(kind, TransactionKind::ChangeEpoch { epoch: e, .. } if e == epoch.epoch), "{kind:?}");
        assert_eq!(change.summary.epoch, epoch.epoch - 1);
        assert_eq!((epoch.epoch, epoch.state_at_start.epoch), (number, number));
    }
    assert!(play.ledger.epoch(play.ledger.system_state().epoch + 1).is_none());
}

#[test]
fn repeating_a_transaction_gives_its_first_record() {
    let mut play = Play::new();
    let coin = play.coin(ALICE);
    let first = play.send_with(ALICE, transfer(coin, Some(5), BOB), vec![coin]).unwrap();
    let again = play.send_with(ALICE, transfer(coin, Some(5), BOB), vec![coin]).unwrap();
    assert_eq!(first, again);
    assert_eq!(play.ledger.checkpoint(None).unwrap().summary.sequence_number, 1);
}

#[test]
fn a_stale_coin_is_refused_with_its_current_version() {
    let mut play = Play::new();
    let (coin, gas) = (play.coins(ALICE)[0], play.coins(ALICE)[1]);
    play.send_with(ALICE, transfer(coin, Some(5), BOB), vec![gas]).unwrap();
    let gas = play.ledger.object(&gas.id).unwrap().reference();
    let rejection = refused(&mut play, coin, vec![gas]);
    assert_eq!(rejection, Rejection::Stale(coin, 2));
    let text = format!(
        "Object (0x{}, Version(1), o#{}) is not available for consumption, its current version: Version(2)",
        coin.id, coin.digest
    );
    assert_eq!(rejection.to_string(), text);
}

#[test]
fn a_coin_that_was_consumed_is_locked_by_its_consumer() {
    let mut play = Play::new();
    let [coin, gas, merged, ..] = play.coins(ALICE)[..] else { panic!("four coins") };
    let record = play.send_with(ALICE, transfer(coin, Some(5), BOB), vec![gas, merged]).unwrap();
    let gas = play.ledger.object(&gas.id).unwrap().reference();
    let rejection = refused(&mut play, merged, vec![gas]);
    let digest = record.effects.v1().transaction_digest;
    assert_eq!(rejection, Rejection::Locked(merged, digest));
    let end = format!("already locked by a different transaction: TransactionDigest({digest})");
    assert!(rejection.to_string().ends_with(&end), "{rejection}");
}

#[test]
fn bad_references_are_refused_with_the_nodes_words() {
    let mut play = Play::new();
    let [coin, gas, ..] = play.coins(ALICE)[..] else { panic!("four coins") };
    let unknown = ObjectRef { id: ObjectId([0x99; 32]), ..coin };
    let future = ObjectRef { version: 1015, ..coin };
    let wrong = ObjectRef { digest: Digest([1; 32]), ..coin };
    let foreign = play.coin(BOB);
    let state = play.ledger.object(&ObjectId::SYSTEM_STATE).unwrap().reference();
    let cases: Vec<(ObjectRef, Vec<ObjectRef>, String)> = vec![
        (unknown, vec![gas], format!("Could not find the referenced object {:?} at version None", unknown.id)),
        (
            future,
            vec![gas],
            format!("Could not find the referenced object {:?} at version Some(Version(1015))", coin.id),
        ),
        (
            wrong,
            vec![gas],
            format!("Invalid Object digest for object {:?}. Expected digest : o#{}", coin.id, coin.digest),
        ),
        (
            foreign,
            vec![gas],
            format!(
                "Transaction was not signed by the correct sender: Object {:?} is owned by account address {BOB}, but \
                 given owner/signer address is {ALICE}",
                foreign.id
            ),
        ),
        (coin, vec![], "Gas payment error No gas payment provided".to_owned()),
        (coin, vec![gas, gas], "The transaction inputs contain duplicated ObjectRef's".to_owned()),
        (
            coin,
            vec![state],
            format!(
                "Gas payment error Gas object {:?} must be owned by an address, not Shared {{ initial_shared_version: \
                 Version(1) }}",
                state.id
            ),
        ),
    ];
    for (coin, gas, text) in cases {
        assert_eq!(refused(&mut play, coin, gas), Rejection::Retriable(text));
    }
}

#[test]
fn inputs_listed_twice_unknown_targets_and_huge_transactions_never_finish() {
    let (mut play, _) = Play::with_models(1);
    let [coin, gas, ..] = play.coins(ALICE)[..] else { panic!("coins") };
    let late = Rejection::Retriable("timed-out before finality could be reached".to_owned());
    let twice = TransactionKind::PayCoins { coins: vec![coin, coin], amounts: Some(vec![1]), recipients: vec![BOB] };
    assert_eq!(play.send_with(ALICE, twice, vec![gas]).unwrap_err(), late);
    let huge =
        TransactionKind::PayCoins { coins: vec![coin], amounts: Some(vec![1; 10_000]), recipients: vec![BOB; 10_000] };
    assert_eq!(play.send_with(ALICE, huge, vec![gas]).unwrap_err(), late);
    let nowhere = TransactionKind::ClaimRewards { target_id: ObjectId([2; 32]) };
    assert!(matches!(play.send_with(ALICE, nowhere, vec![gas]), Err(Rejection::Retriable(_))));
    let state = TransactionKind::ClaimRewards { target_id: ObjectId::SYSTEM_STATE };
    assert!(matches!(play.send_with(ALICE, state, vec![gas]), Err(Rejection::Retriable(_))));
    let coin_as_target = TransactionKind::ClaimRewards { target_id: coin.id };
    assert!(matches!(play.send_with(ALICE, coin_as_target, vec![gas]), Err(Rejection::Retriable(_))));
}

#[test]
fn a_payment_of_amounts_leaves_room_for_its_fees_in_its_coins() {
    let mut play = Play::new();
    let [coin, gas, ..] = play.coins(ALICE)[..] else { panic!("coins") };
    let held = play.ledger.object(&coin.id).unwrap().coin_balance().unwrap();
    let pay = |coin, amount| TransactionKind::PayCoins {
        coins: vec![coin],
        amounts: Some(vec![amount]),
        recipients: vec![BOB],
    };
    let parameters = &play.ledger.system_state().parameters;
    let reserve = held * parameters.value_fee_bps / 10_000 + 2 * parameters.write_object_fee;
    let error = ExecutionFailure::InsufficientCoinBalance;
    let effects = play.send_with(ALICE, pay(coin, held), vec![gas]).unwrap().effects.v1().clone();
    assert_eq!(effects.status, ExecutionStatus::Failure { error }, "though another coin would pay the fees");

    let [.., coin, gas] = play.coins(ALICE)[..] else { panic!("coins") };
    let effects = play.send_with(ALICE, pay(coin, held - reserve), vec![gas]).unwrap().effects.v1().clone();
    assert!(effects.succeeded(), "{:?}", effects.status);
}

#[test]
fn users_may_not_send_system_transactions() {
    let mut play = Play::new();
    let gas = vec![play.coin(ALICE)];
    let kind = TransactionKind::ChangeEpoch {
        epoch: 1,
        epoch_start_timestamp_ms: 0,
        protocol_version: 5,
        fees: 0,
        epoch_randomness: vec![],
    };
    assert!(matches!(play.send_with(ALICE, kind, gas), Err(Rejection::Invalid(_))));
}

#[test]
fn managing_validators_is_refused_at_the_base_fee() {
    let mut play = Play::new();
    for kind in [
        TransactionKind::SetCommissionRate { new_rate: 1 },
        TransactionKind::ReportValidator { reportee: VALIDATOR },
        TransactionKind::RemoveValidator { pubkey_bytes: vec![1] },
    ] {
        let effects = play.send(VALIDATOR, kind);
        assert_eq!(effects.status, ExecutionStatus::Failure { error: ExecutionFailure::InvalidTransactionType });
        assert_eq!(effects.fee.total_fee, 1_000);
    }
}

#[test]
fn a_coin_kept_by_a_failed_submission_is_locked_until_the_epoch_ends() {
    let (mut play, models) = Play::with_models(1);
    let target = play.open_target();
    let bond = play.coins(ALICE)[0];
    play.ok(MAKER, TransactionKind::DeactivateModel { model_id: models[0] });
    let submission = play.submission(bond, target);
    let failed = play.send(ALICE, TransactionKind::SubmitData(submission));
    assert_eq!(failed.status, ExecutionStatus::Failure { error: ExecutionFailure::ModelNotActive });
    let change =
        failed.changed_objects.iter().find(|(id, _)| *id == bond.id).map(|(_, change)| change.clone()).unwrap();
    assert_eq!((change.output_state, change.id_operation), (ObjectOut::NotExist, IdOperation::None));

    assert_eq!(play.ledger.object(&bond.id).unwrap().reference(), bond, "the coin is alive as it was");
    let gas = vec![play.coin(ALICE)];
    let again = play.send_with(ALICE, transfer(bond, Some(1), BOB), gas).unwrap_err();
    assert_eq!(again, Rejection::Locked(bond, failed.transaction_digest));
    play.advance();
    let gas = vec![play.coin(ALICE)];
    assert!(play.send_with(ALICE, transfer(bond, Some(1), BOB), gas).unwrap().effects.v1().succeeded());
}

#[test]
fn the_last_gas_coin_pays_what_it_has_and_ends() {
    let mut play = Play::new();
    let [coin, gas, ..] = play.coins(ALICE)[..] else { panic!("four coins") };
    let poor = play.send_with(ALICE, transfer(coin, Some(500), ALICE), vec![gas]).unwrap();
    let poor = poor.effects.v1().created().next().map(|(id, _)| play.ledger.object(&id).unwrap().reference()).unwrap();
    let rich = play.coin(ALICE);
    let effects = play.send_with(ALICE, transfer(rich, Some(1), BOB), vec![poor]).unwrap().effects.v1().clone();
    assert_eq!(effects.status, ExecutionStatus::Failure { error: ExecutionFailure::InsufficientGas });
    assert_eq!(effects.fee.total_fee, 500);
    assert!(play.ledger.object(&poor.id).is_none());
}

#[test]
fn a_submission_that_is_no_number_is_refused_after_the_references_own_checks() {
    let (mut play, _) = Play::with_models(1);
    let target = play.open_target();
    for score in [f32::NAN, -1.0, f32::NEG_INFINITY] {
        let distance_score = SomaTensor::scalar(score);
        let submission = SubmitData { distance_score, ..play.submission(play.coin(ALICE), target) };
        let error = play.fails(ALICE, TransactionKind::SubmitData(submission));
        assert!(matches!(error, ExecutionFailure::InvalidArguments { .. }), "{score}: {error:?}");
    }
    for bad in ["embedding", "loss"] {
        let mut submission = play.submission(play.coin(ALICE), target);
        match bad {
            "embedding" => submission.embedding = SomaTensor::vector(&[f32::INFINITY; 4]),
            _ => submission.loss_score = SomaTensor::vector(&[f32::NAN]),
        }
        let error = play.fails(ALICE, TransactionKind::SubmitData(submission));
        assert!(matches!(error, ExecutionFailure::InvalidArguments { .. }), "{bad}: {error:?}");
    }
    let status = play.ledger.object(&target).unwrap().target().unwrap().status;
    assert_eq!(status, TargetStatus::Open);
}

#[test]
fn the_order_of_checks_is_the_references() {
    let (mut play, models) = Play::with_models(1);
    let target = play.open_target();
    let mut submission = play.submission(play.coin(ALICE), target);
    // Everything wrong at once, then mended one by one.
    submission.model_id = ObjectId([9; 32]);
    submission.embedding = SomaTensor::vector(&[1.0]);
    submission.distance_score = SomaTensor::scalar(1.9);
    submission.data_manifest = manifest(u64::MAX);
    let try_it = |play: &mut Play, submission: &SubmitData| {
        let bond_coin = play.coin(ALICE);
        play.fails(ALICE, TransactionKind::SubmitData(SubmitData { bond_coin, ..submission.clone() }))
    };
    let model_id = submission.model_id;
    assert_eq!(try_it(&mut play, &submission), ExecutionFailure::ModelNotInTarget { model_id, target_id: target });
    submission.model_id = models[0];
    assert_eq!(try_it(&mut play, &submission), ExecutionFailure::EmbeddingDimensionMismatch { expected: 4, actual: 1 });
    submission.embedding = embedding(1);
    assert!(matches!(try_it(&mut play, &submission), ExecutionFailure::DistanceExceedsThreshold { .. }));
    submission.distance_score = SomaTensor::scalar(0.1);
    assert_eq!(
        try_it(&mut play, &submission),
        ExecutionFailure::DataExceedsMaxSize { size: u64::MAX, max_size: 1_048_576 }
    );
    submission.data_manifest = manifest(1_048_576);
    play.advance();
    assert_eq!(
        try_it(&mut play, &submission),
        ExecutionFailure::TargetExpired { generation_epoch: 2, current_epoch: 3 }
    );
}

#[test]
fn a_filled_target_pays_submitter_owner_and_claimer_and_gives_the_bond_back() {
    let (mut play, _) = Play::with_models(1);
    let target = play.fill(ALICE);
    let (alice, maker) = (play.ledger.balance(&ALICE), play.ledger.balance(&MAKER));
    play.advance();
    assert_eq!(
        play.fails(BOB, TransactionKind::ClaimRewards { target_id: target }),
        ExecutionFailure::AuditWindowOpen { fill_epoch: 2, current_epoch: 3 }
    );
    play.advance();
    let bob = play.ledger.balance(&BOB);
    let effects = play.ok(BOB, TransactionKind::ClaimRewards { target_id: target });
    assert_eq!(play.ledger.balance(&ALICE), alice + 6_310_881 + 650);
    assert_eq!(play.ledger.balance(&MAKER), maker + 6_310_879);
    assert_eq!(play.ledger.balance(&BOB) + effects.fee.total_fee, bob + 63_425);
    assert!(play.ledger.object(&target).is_none());
    let again = play.send(BOB, TransactionKind::ClaimRewards { target_id: target });
    assert_eq!(again.status, ExecutionStatus::Failure { error: ExecutionFailure::InputObjectDeleted });
    assert_eq!(again.unchanged_shared_objects.len(), 1);
}

#[test]
fn a_reported_submission_forfeits_its_bond_to_the_validator() {
    let (mut play, _) = Play::with_models(1);
    let target_id = play.fill(ALICE);
    let report = TransactionKind::ReportSubmission { target_id };
    assert_eq!(
        play.fails(VALIDATOR, report.clone()),
        ExecutionFailure::AuditWindowClosed { fill_epoch: 2, current_epoch: 2 }
    );
    play.advance();
    assert_eq!(play.fails(BOB, report.clone()), ExecutionFailure::NotAValidator);
    play.ok(VALIDATOR, report.clone());
    play.ok(VALIDATOR, TransactionKind::UndoReportSubmission { target_id });
    assert_eq!(
        play.fails(VALIDATOR, TransactionKind::UndoReportSubmission { target_id }),
        ExecutionFailure::ReportRecordNotFound
    );
    play.ok(VALIDATOR, report);
    play.advance();
    let (alice, validator) = (play.ledger.balance(&ALICE), play.ledger.balance(&VALIDATOR));
    let pool = play.ledger.system_state().emission_pool.balance;
    play.ok(BOB, TransactionKind::ClaimRewards { target_id });
    assert_eq!(play.ledger.balance(&ALICE), alice, "neither reward nor bond");
    assert_eq!(play.ledger.balance(&VALIDATOR), validator + 650);
    assert_eq!(play.ledger.system_state().emission_pool.balance, pool + 12_685_185 - 63_425);
}

#[test]
fn a_hit_is_replaced_as_long_as_the_epochs_budget_lasts() {
    let mut genesis = genesis();
    // Two targets' worth of budget: 80 % of the emission for 2.5 rewards.
    genesis.parameters.target_hits_per_epoch = 2;
    genesis.parameters.target_initial_targets_per_epoch = 1;
    let mut play = Play::from(&genesis);
    let model = play.create_model(SHANNONS_PER_SOMA);
    play.ok(MAKER, commit(model, 0));
    play.advance();
    play.ok(MAKER, reveal(model, 0));
    play.advance();
    let open = |play: &Play| play.ledger.targets().iter().filter(|(_, t)| t.status == TargetStatus::Open).count();
    assert_eq!(open(&play), 1);
    play.fill(ALICE);
    assert_eq!(open(&play), 1, "replaced");
    play.fill(ALICE);
    assert_eq!(open(&play), 0, "the budget is spent");
}

#[test]
fn only_an_epoch_that_really_elapsed_emits() {
    let mut play = Play::new();
    let before = play.ledger.system_state().emission_pool;
    play.advance();
    assert_eq!(play.ledger.system_state().emission_pool.balance, before.balance);
    play.ledger.advance_epoch(NOW + 86_400_000).unwrap();
    let emitted = before.emission_per_epoch;
    assert_eq!(play.ledger.system_state().emission_pool.balance, before.balance - emitted + emitted * 3 / 10);
    let stake = play.ledger.system_state().validators.total_stake;
    assert_eq!(stake, 20_000 * SHANNONS_PER_SOMA + emitted * 7 / 10);
}

#[test]
fn an_epoch_change_that_fails_goes_on_in_safe_mode_and_keeps_the_fees_for_the_next() {
    let (mut play, _) = Play::with_models(1);
    play.fill(ALICE);
    let whole = supply(&play.ledger);
    let with_hits_ema = |play: &mut Play, hits_ema| {
        let mut object = play.ledger.object(&ObjectId::SYSTEM_STATE).unwrap().clone();
        let mut system = object.system_state().unwrap();
        system.v1_mut().target_state.hits_ema = hits_ema;
        system.v1_mut().parameters.target_hits_ema_decay_bps = 20_000;
        object.set_body(&to_bcs(&system));
        play.ledger.adopt(object);
    };
    with_hits_ema(&mut play, u64::MAX);
    let fees = play.ledger.head.epoch_rolling_transaction_fees.total_fee;
    assert_eq!(play.advance(), 3);
    let system = play.ledger.system_state();
    assert_eq!((system.safe_mode, system.safe_mode_accumulated_fees, system.epoch), (true, fees, 3));
    assert_eq!(supply(&play.ledger), whole);
    with_hits_ema(&mut play, 1);
    assert_eq!(play.advance(), 4);
    let system = play.ledger.system_state();
    assert_eq!((system.safe_mode, system.safe_mode_accumulated_fees), (false, 0));
    assert_eq!(supply(&play.ledger), whole);
}

#[test]
fn a_model_that_misses_its_reveal_loses_half_its_stake() {
    let mut play = Play::new();
    let model = play.create_model(2 * SHANNONS_PER_SOMA);
    play.ok(MAKER, commit(model, 0));
    play.advance();
    play.advance();
    let state = play.ledger.system_state().model_registry.models[&model].v1().clone();
    let ModelV1::Inactive(ended) = state else { panic!("{state:?}") };
    assert_eq!(ended.head.staking_pool.soma_balance, SHANNONS_PER_SOMA);
    let stake = play.ledger.owned(&MAKER).into_iter().find(|o| o.object_type == ObjectType::StakedSoma);
    let staked_soma = stake.unwrap().reference();
    let before = play.ledger.balance(&MAKER);
    let fee = play.ok(MAKER, TransactionKind::WithdrawStake { staked_soma }).fee.total_fee;
    assert_eq!(play.ledger.balance(&MAKER) + fee, before + SHANNONS_PER_SOMA);
}

#[test]
fn a_model_reported_by_the_validator_ends_at_the_epoch_change() {
    let (mut play, models) = Play::with_models(2);
    let model_id = models[0];
    assert_eq!(play.fails(BOB, TransactionKind::ReportModel { model_id }), ExecutionFailure::NotAValidator);
    play.ok(VALIDATOR, TransactionKind::ReportModel { model_id });
    play.advance();
    let registry = &play.ledger.system_state().model_registry;
    assert!(matches!(registry.models[&model_id].v1(), ModelV1::Inactive(_)));
    assert_eq!(registry.models[&model_id].v1().head().staking_pool.soma_balance, SHANNONS_PER_SOMA / 20);
    assert_eq!(registry.total_model_stake, SHANNONS_PER_SOMA);
    let open = play.ledger.object(&play.open_target()).unwrap().target().unwrap();
    assert_eq!(open.model_ids, [models[1]]);
}

#[test]
fn an_update_replaces_an_active_models_embedding_in_place() {
    let (mut play, models) = Play::with_models(1);
    play.ok(MAKER, commit(models[0], 9));
    assert_eq!(play.fails(MAKER, reveal(models[0], 9)), ExecutionFailure::ModelRevealEpochMismatch);
    play.advance();
    assert_eq!(play.fails(MAKER, reveal(models[0], 8)), ExecutionFailure::ModelEmbeddingCommitmentMismatch);
    play.ok(MAKER, reveal(models[0], 9));
    let ModelV1::Active(model) = play.ledger.system_state().model_registry.models[&models[0]].v1() else {
        panic!("inactive")
    };
    assert_eq!((&model.embedding, &model.pending_update), (&embedding(9), &None));
}

#[test]
fn simulating_leaves_no_trace_and_foretells_the_execution() {
    let mut play = Play::new();
    let coin = play.coin(ALICE);
    let gas = play.coins(ALICE)[0];
    let kind = transfer(coin, Some(7), BOB);
    let data = TransactionData::new(kind.clone(), ALICE, vec![gas]);
    let foretold = play.ledger.simulate(&data, NOW).unwrap();
    assert_eq!(play.ledger.checkpoint(None).unwrap().summary.sequence_number, 0);
    assert_eq!(*play.send_with(ALICE, kind, vec![gas]).unwrap(), foretold);
}

#[test]
fn simulating_without_gas_takes_the_senders_other_coins() {
    let play = Play::new();
    let coin = play.coins(ALICE)[1];
    let data = TransactionData::new(transfer(coin, Some(7), BOB), ALICE, vec![]);
    let record = play.ledger.simulate(&data, NOW).unwrap();
    let picked: Vec<_> = play.coins(ALICE).into_iter().filter(|other| *other != coin).collect();
    assert_eq!(record.data.gas_payment(), picked);
    assert!(record.effects.v1().succeeded());
}

#[test]
fn owned_objects_come_by_type_balance_and_id() {
    let mut play = Play::new();
    let coin = play.coin(MAKER);
    play.send_with(MAKER, transfer(coin, Some(3), MAKER), vec![coin]).unwrap();
    play.create_model(SHANNONS_PER_SOMA);
    let owned = play.ledger.owned(&MAKER);
    let keys: Vec<_> = owned.iter().map(|o| (o.object_type, o.coin_balance().unwrap_or(0), o.id())).collect();
    assert!(keys.is_sorted(), "{keys:?}");
    assert_eq!(keys.last().map(|key| key.0), Some(ObjectType::StakedSoma));
}

#[test]
fn old_versions_of_objects_stay_readable() {
    let mut play = Play::new();
    let coin = play.coin(ALICE);
    play.send_with(ALICE, transfer(coin, Some(3), BOB), vec![coin]).unwrap();
    assert_eq!(play.ledger.object_at(&coin.id, 1).map(|o| o.reference()), Some(coin));
    assert_eq!(play.ledger.object_at(&coin.id, 2).as_ref(), play.ledger.object(&coin.id));
    assert_eq!(play.ledger.object_at(&coin.id, 3), None);
    assert_eq!(play.ledger.object_at(&coin.id, u64::MAX), None);
}
