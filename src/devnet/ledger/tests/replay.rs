//! Transactions of a real node, executed again: every digest must come out as recorded (`tests/data/ledger/replay.json`,
//! taken from the capture; two submissions with distances that we refuse are left out).

use serde::Deserialize;

use crate::{
    chain::types::{
        Address, Digest, ExecutionStatus, IdOperation, Object, ObjectId, ObjectIn, ObjectOut, TransactionData,
        TransactionEffectsV1, TransactionKind, UnchangedSharedKind,
    },
    devnet::ledger::{
        BalanceChange, EpochRecord, Genesis, Ledger, TransactionRecord,
        epoch::{self, Change},
    },
};

#[derive(Deserialize)]
struct Recorded {
    label: String,
    data: String,
    digest: Digest,
    epoch: u64,
    error: Option<String>,
    fee: [u64; 4],
    version: u64,
    dependencies: Vec<Digest>,
    /// Id, input version, output digest, operation.
    changed: Vec<(ObjectId, Option<u64>, Option<Digest>, String)>,
    gas_index: Option<u32>,
    unchanged: Vec<(ObjectId, u64)>,
    balance_changes: Vec<(Address, String)>,
    /// Inputs that no earlier recorded transaction wrote.
    adopt: Vec<String>,
}

fn recordings() -> Vec<Recorded> {
    serde_json::from_str(include_str!("../../../../tests/data/ledger/replay.json")).unwrap()
}

impl Ledger {
    /// Makes an object live that no transaction here has written.
    pub(in crate::devnet) fn adopt(&mut self, object: Object) {
        if object.id() == ObjectId::SYSTEM_STATE {
            let system = object.system_state().unwrap();
            self.state.set_system(std::sync::Arc::new(system.v1().clone()));
            self.running.epoch = system.v1().epoch;
            self.running.state_at_start = self.state.shared_system();
        }
        self.state.put(object);
    }

    /// The recorded transactions in their order: what has to be adopted before, and what was executed.
    pub(in crate::devnet) fn recorded() -> Vec<(Vec<Object>, TransactionData)> {
        let object = |text: &String| Object::from_bytes(&hex::decode(text).unwrap()).unwrap();
        let data = |text: &String| bcs::from_bytes(&hex::decode(text).unwrap()).unwrap();
        recordings().iter().map(|one| (one.adopt.iter().map(object).collect(), data(&one.data))).collect()
    }

    pub(in crate::devnet) fn replay(&mut self, data: &TransactionData) -> TransactionRecord {
        if let TransactionKind::ChangeEpoch { epoch, epoch_start_timestamp_ms: start_ms, fees, .. } = *data.kind() {
            let outcome = epoch::run(&self.state, data, Change { epoch, start_ms, fees });
            let summary = self.next_checkpoint(&outcome, start_ms);
            let next = EpochRecord {
                epoch,
                start_ms,
                end_ms: None,
                first_checkpoint: summary.sequence_number + 1,
                state_at_start: outcome.system.clone().unwrap(),
            };
            let record = self.append(summary, data.clone(), Vec::new(), outcome, Some(next)).unwrap();
            return TransactionRecord::clone(&record);
        }
        let record = self.execute_verified(data, Vec::new(), 0).unwrap_or_else(|e| panic!("{e}"));
        TransactionRecord::clone(&record)
    }
}

fn operation(operation: IdOperation) -> &'static str {
    match operation {
        IdOperation::None => "NONE",
        IdOperation::Created => "CREATED",
        IdOperation::Deleted => "DELETED",
    }
}

fn assert_as_recorded(recorded: &Recorded, effects: &TransactionEffectsV1, balances: &[BalanceChange]) {
    let label = &recorded.label;
    assert_eq!(effects.transaction_digest, recorded.digest, "{label}");
    match (&effects.status, &recorded.error) {
        (ExecutionStatus::Success, None) => {}
        (ExecutionStatus::Failure { error }, Some(expected)) => {
            // The node prints ids and numbers inside the failure in its own way: the variant is what must agree.
            let variant = |text: &str| text.split([' ', '(']).next().unwrap_or_default().to_owned();
            assert_eq!(variant(&format!("{error:?}")), variant(expected), "{label}");
        }
        (status, expected) => panic!("{label}: {status:?} instead of {expected:?}"),
    }
    let fee = effects.fee;
    assert_eq!([fee.base_fee, fee.operation_fee, fee.value_fee, fee.total_fee], recorded.fee, "{label}");
    assert_eq!((effects.executed_epoch, effects.version), (recorded.epoch, recorded.version), "{label}");
    assert_eq!(effects.dependencies, recorded.dependencies, "{label}");
    assert_eq!(effects.gas_object_index, recorded.gas_index, "{label}");
    let changed: Vec<_> = effects
        .changed_objects
        .iter()
        .map(|(id, change)| {
            let input = match change.input_state {
                ObjectIn::Exist((version, _), _) => Some(version),
                ObjectIn::NotExist => None,
            };
            let output = match change.output_state {
                ObjectOut::ObjectWrite(digest, _) => Some(digest),
                ObjectOut::NotExist => None,
            };
            (*id, input, output, operation(change.id_operation).to_owned())
        })
        .collect();
    assert_eq!(changed, recorded.changed, "{label}");
    let unchanged: Vec<_> = effects
        .unchanged_shared_objects
        .iter()
        .map(|(id, kind)| match kind {
            UnchangedSharedKind::MutateDeleted(version) => (*id, *version),
            other => panic!("{label}: {other:?}"),
        })
        .collect();
    assert_eq!(unchanged, recorded.unchanged, "{label}");
    let balances: Vec<_> = balances.iter().map(|change| (change.address, change.amount.to_string())).collect();
    assert_eq!(balances, recorded.balance_changes, "{label}");
}

/// Fees, versions, dependencies, created ids, output digests (hence every byte of coins, stakes, targets and the system
/// state), balance changes: 107 transactions in four epochs with three epoch changes.
#[test]
fn a_real_nodes_transactions_have_the_recorded_effects_byte_for_byte() {
    let genesis = Genesis::localnet(0, 0, 16, Vec::new(), Address::default());
    let mut ledger = Ledger::open(None, &genesis).unwrap();
    let recordings = recordings();
    assert_eq!(recordings.len(), 107);
    for (recorded, (objects, data)) in recordings.iter().zip(Ledger::recorded()) {
        for object in objects {
            ledger.adopt(object);
        }
        let record = ledger.replay(&data);
        assert_as_recorded(recorded, record.effects.v1(), &record.balance_changes);
        assert_eq!(ledger.transaction(&recorded.digest).as_deref(), Some(&record), "{}", recorded.label);
    }
}
