//! The chain's rules: what the node's transactions did is what our ledger's arithmetic says.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use somascope::{
    chain::{
        client::{ActiveModelInfo, EpochState, TargetInfo},
        convert, fees,
        proto::soma::rpc,
        rewards::claim_split,
        types::{
            ExecutionStatus, IdOperation, ModelV1, Object, ObjectIn, ObjectOut, ObjectType, SystemParameters,
            SystemStateV1, TargetStatus, TransactionData, TransactionEffectsV1, TransactionKind, UnchangedSharedKind,
            create_model_id,
        },
    },
    devnet::ledger::rules,
    engine::replacement::replacement,
    primitives::{Address, Digest, ObjectId, Shannons},
};

use crate::capture::capture;
use crate::chain::{Recording, effects_of, objects, requested, walk};

type Versions = BTreeMap<(ObjectId, u64), Object>;

/// One transaction with what it did.
struct Done {
    name: String,
    data: TransactionData,
    effects: TransactionEffectsV1,
    balances: BTreeMap<Address, i128>,
}

impl Done {
    fn succeeded(&self) -> bool {
        self.effects.succeeded()
    }

    fn before(&self, id: &ObjectId, versions: &Versions) -> Option<Object> {
        let (_, change) = self.effects.changed_objects.iter().find(|(changed, _)| changed == id)?;
        match change.input_state {
            ObjectIn::Exist((version, _), _) => versions.get(&(*id, version)).cloned(),
            ObjectIn::NotExist => None,
        }
    }

    fn after(&self, id: &ObjectId, versions: &Versions) -> Option<Object> {
        versions.get(&(*id, self.effects.version)).cloned()
    }

    fn state_after(&self, versions: &Versions) -> Option<SystemStateV1> {
        let object = self.after(&ObjectId::SYSTEM_STATE, versions)?;
        Some(object.system_state().expect("a system state").v1().clone())
    }

    fn created(&self) -> BTreeSet<ObjectId> {
        let of = |operation| {
            let changes = self.effects.changed_objects.iter();
            changes.filter(move |(_, change)| change.id_operation == operation).map(|(id, _)| *id)
        };
        of(IdOperation::Created).collect()
    }
}

/// Executed ones, answered by ExecuteTransaction; a repeated one once.
fn executed(recording: &Recording) -> Vec<Done> {
    let mut seen = BTreeSet::new();
    let mut done = Vec::new();
    for (call, transaction) in &recording.executed {
        let (Some(data), Some(effects)) = (requested(call), effects_of(call, transaction)) else { continue };
        if seen.insert(effects.transaction_digest) {
            done.push(made(call.name(), data, effects, &transaction.balance_changes));
        }
    }
    done
}

/// The network's own, out of checkpoints shown whole.
fn of_the_network(recording: &Recording) -> Vec<Done> {
    let mut seen = BTreeSet::new();
    let mut done = Vec::new();
    for (call, checkpoint) in &recording.checkpoints {
        for transaction in &checkpoint.transactions {
            let data = transaction.transaction.as_ref().map(convert::transaction_from_proto);
            let (Some(Ok(data)), Some(effects)) = (data, effects_of(call, transaction)) else { continue };
            if data.kind().inputs().is_none() && seen.insert(effects.transaction_digest) {
                done.push(made(call.name(), data, effects, &transaction.balance_changes));
            }
        }
    }
    done
}

fn made(name: String, data: TransactionData, effects: TransactionEffectsV1, changes: &[rpc::BalanceChange]) -> Done {
    let mut balances = BTreeMap::new();
    for change in changes {
        let change = convert::balance_change_from_proto(change).expect("a balance change");
        *balances.entry(change.address).or_default() += change.amount;
    }
    Done { name, data, effects, balances }
}

/// Of each epoch's states; the value fee is the only one that changes.
fn parameters(versions: &Versions) -> BTreeMap<u64, SystemParameters> {
    let states = versions.values().filter(|object| object.object_type == ObjectType::SystemState);
    let states = states.map(|object| object.system_state().expect("a system state").v1().clone());
    states.map(|state| (state.epoch, state.parameters)).collect()
}

/// `protocol.md §5.3`: which creation numbers become objects.
fn creation_numbers(kind: &TransactionKind, created: usize) -> Vec<u64> {
    match kind {
        // A model and its pool live in the system state; the stake is the only object.
        TransactionKind::CreateModel { .. } => vec![2; created],
        // Nobody takes the first, the second is the target's seed.
        TransactionKind::SubmitData(_) => vec![2; created],
        _ => (0..created as u64).collect(),
    }
}

#[test]
fn created_ids_are_derived_from_the_digest() {
    let recording = walk();
    let versions = objects(recording);
    let (mut ids, mut models) = (0, 0);
    for done in executed(recording).into_iter().chain(of_the_network(recording)) {
        // Genesis ids come from a counter of its own.
        if matches!(done.data.kind(), TransactionKind::Genesis { .. }) {
            continue;
        }
        let created = done.created();
        let digest = done.effects.transaction_digest;
        let numbers = creation_numbers(done.data.kind(), created.len());
        let expected: BTreeSet<_> = numbers.iter().map(|number| ObjectId::derive(&digest, *number)).collect();
        assert_eq!(created, expected, "{}", done.name);
        ids += created.len();
        if let (TransactionKind::CreateModel { .. }, true) = (done.data.kind(), done.succeeded()) {
            let Some(state) = done.state_after(&versions) else { continue };
            let model = state.model_registry.models.get(&create_model_id(&digest)).expect("the created model");
            assert_eq!(model.v1().head().staking_pool.id, ObjectId::derive(&digest, 1), "{}", done.name);
            models += 1;
        }
    }
    assert_eq!((ids, models), CREATED);
}

const CREATED: (usize, usize) = (374, 4);

#[test]
fn versions_follow_the_newest_input() {
    let recording = walk();
    let mut checked = 0;
    for done in executed(recording).into_iter().chain(of_the_network(recording)) {
        let changed = done.effects.changed_objects.iter().filter_map(|(_, change)| match change.input_state {
            ObjectIn::Exist((version, _), _) => Some(version),
            ObjectIn::NotExist => None,
        });
        let unchanged = done.effects.unchanged_shared_objects.iter().map(|(_, kind)| match kind {
            UnchangedSharedKind::ReadOnlyRoot(version, _)
            | UnchangedSharedKind::MutateDeleted(version)
            | UnchangedSharedKind::ReadDeleted(version)
            | UnchangedSharedKind::Cancelled(version) => *version,
        });
        let newest = changed.chain(unchanged).max();
        // Prologues and genesis have no inputs that they write.
        let Some(newest) = newest else { continue };
        assert_eq!(done.effects.version, newest + 1, "{}", done.name);
        checked += 1;
    }
    assert_eq!(checked, VERSIONS);
}

const VERSIONS: usize = 112;

#[test]
fn fees_are_what_the_rules_charge() {
    let recording = walk();
    let versions = objects(recording);
    let parameters = parameters(&versions);
    let (mut whole, mut base_only, mut odd) = (0, 0, Vec::new());
    let mut estimated = 0;
    for done in executed(recording) {
        let (fee, effects) = (done.effects.fee, &done.effects);
        let parameters = &parameters[&effects.executed_epoch];
        if !done.succeeded() {
            assert_eq!((fee.operation_fee, fee.value_fee, fee.total_fee), (0, 0, fee.base_fee), "{}", done.name);
            match fee.base_fee == parameters.base_fee {
                true => base_only += 1,
                // The gas coin had less: all of it.
                false => odd.push((done.name.split(" #").next().unwrap_or_default().to_owned(), fee.base_fee)),
            }
            continue;
        }
        let written = effects.changed_objects.iter().filter(|(_, change)| change.output_state != ObjectOut::NotExist);
        // A gas coin that the fees emptied was written before it was deleted (`protocol-corrections.md §1`).
        let gas = effects.gas_object_index.map(|index| &effects.changed_objects[index as usize].1);
        let emptied = gas.is_some_and(|gas| gas.output_state == ObjectOut::NotExist);
        let inputs: BTreeMap<_, _> =
            effects.changed_objects.iter().filter_map(|(id, _)| Some((*id, done.before(id, &versions)?))).collect();
        let written = written.count() + usize::from(emptied);
        let expected = rules::fees(done.data.kind(), &inputs, parameters, written).expect("64 bits");
        assert_eq!(fee, expected, "{}", done.name);
        whole += 1;
        // What we tell a user beforehand.
        let estimate = match done.data.kind() {
            TransactionKind::SubmitData(submit) => {
                let bond_is_gas = done.data.gas_payment()[0].id == submit.bond_coin.id;
                Some(fees::submit_data(parameters, bond_is_gas, !done.created().is_empty()))
            }
            TransactionKind::ClaimRewards { target_id } => {
                let target = inputs[target_id].target().expect("a target");
                let bond = target.status != TargetStatus::Open && target.bond_amount > 0;
                bond.then(|| fees::claim(parameters, Shannons(target.reward_pool)))
            }
            _ => None,
        };
        if let Some(estimate) = estimate {
            // At most: a bond coin that the bond consumes is not written again.
            assert!(estimate.0 >= fee.total_fee && estimate.0 - fee.total_fee <= 300, "{}", done.name);
            estimated += 1;
        }
    }
    assert_eq!((whole, base_only, estimated), FEES);
    assert_eq!(odd, ODD_FEES.map(|(label, fee)| (label.to_owned(), fee)));
}

/// Fees of successes; failures that cost the base fee; estimates compared.
const FEES: (usize, usize, usize) = (67, 41, 27);
/// A coin of 500 shannons cannot pay even the base fee: all of it is taken (`protocol.md §4.6`).
const ODD_FEES: [(&str, u64); 1] = [("InsufficientGas/below base fee", 500)];

#[test]
fn rewards_are_split_as_the_rules_say() {
    let recording = walk();
    let versions = objects(recording);
    let parameters = parameters(&versions);
    let (mut filled, mut expired) = (0, 0);
    for done in executed(recording).into_iter().filter(Done::succeeded) {
        let TransactionKind::ClaimRewards { target_id } = done.data.kind() else { continue };
        let target = done.before(target_id, &versions).expect("the claimed target").target().expect("a target");
        let parameters = &parameters[&done.effects.executed_epoch];
        let split = claim_split(parameters, Shannons(target.reward_pool));
        let mut expected: BTreeMap<Address, i128> = BTreeMap::new();
        let mut pays = |to: Address, amount: u64| *expected.entry(to).or_default() += i128::from(amount);
        pays(done.data.sender(), split.claimer.0);
        match target.status {
            TargetStatus::Open => expired += 1,
            TargetStatus::Filled { .. } => {
                pays(target.submitter.expect("a submitter"), split.submitter.0);
                pays(target.winning_model_owner.expect("an owner"), split.model_owner.0);
                pays(target.submitter.expect("a submitter"), target.bond_amount);
                filled += 1;
            }
            TargetStatus::Claimed => panic!("{}: claimed before", done.name),
        }
        *expected.entry(done.data.sender()).or_default() -= i128::from(done.effects.fee.total_fee);
        assert_eq!(done.balances, expected, "{}", done.name);
    }
    assert_eq!((filled, expired), REWARDS);
}

const REWARDS: (usize, usize) = (6, 3);

#[test]
fn a_replacement_is_computable_from_the_submission_and_the_state_after_it() {
    let recording = walk();
    let versions = objects(recording);
    let (mut replacements, mut unseen) = (0, Vec::new());
    for done in executed(recording).into_iter().filter(Done::succeeded) {
        if !matches!(done.data.kind(), TransactionKind::SubmitData(_)) {
            continue;
        }
        let digest = done.effects.transaction_digest;
        let id = ObjectId::derive(&digest, 2);
        assert_eq!(done.created(), BTreeSet::from([id]), "{}", done.name);
        let (Some(state), Some(target)) = (done.state_after(&versions), done.after(&id, &versions)) else {
            unseen.push(done.name.split(" #").next().unwrap_or_default().to_owned());
            continue;
        };
        let expected = rules::target(&state, &ObjectId::derive(&digest, 1)).expect("models are active");
        // Embedding bit by bit, models in their order, threshold, reward, epoch.
        assert_eq!(target.target().expect("a target"), expected, "{}", done.name);
        // The engine knows the same from what it reads of the state.
        let (predicted, contents) = replacement(&as_read(&state), &digest).expect("models are active");
        assert_eq!((predicted, contents), (id, expected), "{}", done.name);
        replacements += 1;
    }
    assert_eq!(replacements, REPLACEMENTS);
    assert_eq!(unseen, UNSEEN_REPLACEMENTS);
}

/// What a client is told of a state.
fn as_read(state: &SystemStateV1) -> EpochState {
    let models = state.model_registry.models.iter().filter_map(|(id, model)| match model.v1() {
        ModelV1::Active(active) => Some(ActiveModelInfo {
            id: *id,
            owner: active.head.owner,
            stake: active.head.staking_pool.soma_balance,
            commission_bps: active.head.commission_rate,
            url: String::new(),
            checksum: Digest::default(),
            size: 0,
            decryption_key: [0; 32],
            embedding: active.embedding.values().expect("numbers"),
        }),
        _ => None,
    });
    EpochState {
        epoch: state.epoch,
        protocol_version: state.protocol_version,
        epoch_start_ms: state.epoch_start_timestamp_ms,
        parameters: state.parameters.clone(),
        distance_threshold: state.target_state.distance_threshold.scalar_value().expect("a number"),
        reward_per_target: state.target_state.reward_per_target,
        targets_generated_this_epoch: state.target_state.targets_generated_this_epoch,
        emission_balance: state.emission_pool.balance,
        emission_per_epoch: state.emission_pool.emission_per_epoch,
        models: models.collect(),
        upcoming: Vec::new(),
    }
}

const REPLACEMENTS: usize = 21;
/// The official SDK's mask `objects` selects nothing (`protocol-corrections.md §1`, on §2.2), so its replacement is not shown.
const UNSEEN_REPLACEMENTS: &[&str] = &["sdk/submit_data"];

/// Targets as lists show them, whole.
fn listed_targets() -> BTreeMap<ObjectId, TargetInfo> {
    let lists = capture().calls.iter().filter(|call| call.method() == "ListTargets");
    let messages = lists
        .flat_map(|call| &call.response_messages)
        .flat_map(|body| rpc::ListTargetsResponse::decode(&body.bytes()[..]).expect("decoded before").targets);
    let whole = messages.filter(|target| target.reward_pool.is_some() && target.generation_epoch.is_some());
    whole.filter_map(|target| convert::target_info_from_proto(&target).ok()).map(|info| (info.id, info)).collect()
}

#[test]
fn an_epochs_turn_sets_difficulty_fee_and_targets_as_the_rules_say() {
    let recording = walk();
    let versions = objects(recording);
    let listed = listed_targets();
    let (mut turns, mut targets) = (Vec::new(), 0);
    for done in of_the_network(recording) {
        let TransactionKind::ChangeEpoch { epoch, fees, .. } = *done.data.kind() else { continue };
        assert_eq!(done.effects.status, ExecutionStatus::Success);
        let before = done.before(&ObjectId::SYSTEM_STATE, &versions).expect("the state before");
        let before = before.system_state().expect("a system state").v1().clone();
        let after = done.state_after(&versions).expect("the state after");
        let mut expected = rules::retargeted(&before).expect("64 bits");
        expected.targets_generated_this_epoch = after.target_state.targets_generated_this_epoch;
        assert_eq!(after.target_state, expected, "{}", done.name);
        assert_eq!(
            after.parameters.value_fee_bps,
            rules::next_value_fee_bps(&before.parameters, fees),
            "{}",
            done.name
        );
        for id in done.created() {
            // The first one created is the validator's reward, a stake.
            if id == ObjectId::derive(&done.effects.transaction_digest, 0) {
                continue;
            }
            let expected = rules::target(&after, &id).expect("models are active");
            let listed = &listed[&id];
            assert_eq!(listed.embedding, expected.embedding.values().expect("numbers"), "{id}");
            assert_eq!(listed.model_ids, expected.model_ids, "{id}");
            let threshold = expected.distance_threshold.scalar_value().expect("a number");
            assert_eq!(
                (listed.distance_threshold, listed.reward_pool, listed.generation_epoch),
                (threshold, expected.reward_pool, expected.generation_epoch),
                "{id}"
            );
            targets += 1;
        }
        let threshold = after.target_state.distance_threshold.scalar_value().expect("a scalar");
        turns.push((epoch, threshold.to_bits(), after.parameters.value_fee_bps));
    }
    turns.sort_unstable();
    assert_eq!(turns, TURNS.map(|(epoch, threshold, bps)| (epoch, f32::to_bits(threshold), bps)));
    assert_eq!(targets, EPOCH_TARGETS);
}

/// Epoch, its threshold, its value fee.
const TURNS: [(u64, f32, u64); 3] = [(2, 1.05, 8), (3, 1.099_999_9, 7), (4, 1.199_999_8, 7)];
const EPOCH_TARGETS: usize = 300;
