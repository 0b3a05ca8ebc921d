//! Running one transaction: what it reads and writes, what it pays, and the effects that tell of it.
//!
//! Knows the live state as it was before; changes nothing but its own [`Work`], which becomes an [`Outcome`] that the
//! ledger commits or drops.

mod coins;
mod models;
mod stake;
mod targets;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    admission::Inputs,
    gas,
    state::{LiveState, Lock, Tombstone},
};
use crate::chain::types::{
    Address, BalanceChange, Digest, EffectsObjectChange, ExecutionFailure, ExecutionStatus, IdOperation,
    ModelCommitment, Object, ObjectId, ObjectIn, ObjectOut, ObjectType, Owner, SystemParameters, SystemState,
    SystemStateV1, TransactionData, TransactionEffects, TransactionEffectsV1, TransactionFee, TransactionKind,
    UnchangedSharedKind, to_bcs,
};

pub(super) type ExecutionResult<T = ()> = Result<T, ExecutionFailure>;

/// Everything that a transaction did.
#[derive(Debug)]
pub(super) struct Outcome {
    pub effects: TransactionEffects,
    pub balance_changes: Vec<BalanceChange>,
    /// Input and output versions of every object touched, ascending by (id, version).
    pub objects: Vec<Object>,
    pub written: Vec<Object>,
    pub tombstones: Vec<Tombstone>,
    pub locks: Vec<Lock>,
    /// The new system state, if its contents changed.
    pub system: Option<Arc<SystemStateV1>>,
}

/// A transaction under way.
pub(super) struct Work<'a> {
    pub sender: Address,
    pub epoch: u64,
    parameters: &'a SystemParameters,
    digest: Digest,
    value_fee: u64,
    gas: Option<ObjectId>,
    inputs: BTreeMap<ObjectId, Object>,
    /// What was written (or, `None`, deleted) so far.
    outputs: BTreeMap<ObjectId, Option<Object>>,
    created: BTreeSet<ObjectId>,
    next_creation: u64,
    system: Option<SystemStateV1>,
}

/// Executes an admitted transaction of a user. Failures are outcomes too.
pub(super) fn run(state: &LiveState, data: &TransactionData, inputs: Inputs) -> Outcome {
    let parameters = &state.system().parameters;
    let value_fee = gas::value_fee(data.kind(), &inputs.objects, parameters);
    let Inputs { objects, gas, deleted } = inputs;
    let mut work = Work::new(state, data, objects);
    work.value_fee = value_fee;
    work.gas = gas.first().copied();
    let (base_fee, paid) = work.smash_and_charge_base(&gas);
    let after_base = work.outputs.clone();
    let result = paid
        .and_then(|()| if deleted.is_some() { Err(ExecutionFailure::InputObjectDeleted) } else { Ok(()) })
        .and_then(|()| work.dispatch(state, data.kind()))
        .and_then(|()| work.charge_operation(base_fee));
    match result {
        Ok(fee) => work.finish(ExecutionStatus::Success, fee, deleted, &BTreeSet::new()),
        Err(error) => {
            let dropped = work.roll_back(after_base);
            work.finish(ExecutionStatus::Failure { error }, gas::base_only(base_fee), deleted, &dropped)
        }
    }
}

impl<'a> Work<'a> {
    pub fn new(state: &'a LiveState, data: &TransactionData, inputs: BTreeMap<ObjectId, Object>) -> Self {
        let system = state.system();
        Self {
            sender: data.sender(),
            epoch: system.epoch,
            parameters: &system.parameters,
            digest: data.digest(),
            value_fee: 0,
            gas: None,
            inputs,
            outputs: BTreeMap::new(),
            created: BTreeSet::new(),
            next_creation: 0,
            system: None,
        }
    }

    fn dispatch(&mut self, state: &LiveState, kind: &TransactionKind) -> ExecutionResult {
        use TransactionKind as K;
        match kind {
            K::TransferCoin { coin, amount, recipient } => return coins::transfer(self, coin.id, *amount, *recipient),
            K::PayCoins { coins, amounts, recipients } => {
                return coins::pay(self, coins, amounts.as_deref(), recipients);
            }
            K::TransferObjects { objects, recipient } => return coins::transfer_objects(self, objects, *recipient),
            _ => {}
        }
        let mut system = state.system().clone();
        match kind {
            K::AddStake { address, coin_ref, amount } => {
                stake::add_to_validator(self, &mut system, *address, coin_ref.id, *amount)
            }
            K::AddStakeToModel { model_id, coin_ref, amount } => {
                stake::add_to_model(self, &mut system, *model_id, coin_ref.id, *amount)
            }
            K::WithdrawStake { staked_soma } => stake::withdraw(self, &mut system, staked_soma.id),
            K::CreateModel { stake_amount, commission_rate, architecture_version } => {
                models::create(self, &mut system, *stake_amount, *commission_rate, *architecture_version)
            }
            K::CommitModel {
                model_id,
                manifest,
                weights_commitment,
                embedding_commitment,
                decryption_key_commitment,
            } => {
                let commitment = ModelCommitment {
                    manifest: manifest.clone(),
                    weights_commitment: *weights_commitment,
                    embedding_commitment: *embedding_commitment,
                    decryption_key_commitment: *decryption_key_commitment,
                };
                models::commit(self, &mut system, *model_id, commitment)
            }
            K::RevealModel { model_id, decryption_key, embedding } => {
                models::reveal(self, &mut system, *model_id, *decryption_key, embedding)
            }
            K::SetModelCommissionRate { model_id, new_rate } => {
                models::set_commission_rate(self, &mut system, *model_id, *new_rate)
            }
            K::DeactivateModel { model_id } => models::deactivate(self, &mut system, *model_id),
            K::ReportModel { model_id } => models::report(self, &mut system, *model_id),
            K::UndoReportModel { model_id } => models::undo_report(self, &mut system, *model_id),
            K::SubmitData(submission) => targets::submit(self, &mut system, submission),
            K::ClaimRewards { target_id } => targets::claim(self, &mut system, *target_id),
            K::ReportSubmission { target_id } => targets::report(self, &system, *target_id),
            K::UndoReportSubmission { target_id } => targets::undo_report(self, &system, *target_id),
            // The embedded network has one validator for life: it refuses to manage them, at the base fee. System kinds and
            // the coin kinds above never get here.
            _ => Err(ExecutionFailure::InvalidTransactionType),
        }?;
        self.store_system(system)
    }

    /// Replaces the system state, which must be an input.
    pub fn store_system(&mut self, system: SystemStateV1) -> ExecutionResult {
        let wrapped = SystemState::V1(Box::new(system));
        self.object_mut(&ObjectId::SYSTEM_STATE)?.set_body(&to_bcs(&wrapped));
        let SystemState::V1(system) = wrapped;
        self.system = Some(*system);
        Ok(())
    }

    pub fn is_gas(&self, id: &ObjectId) -> bool {
        self.gas.as_ref() == Some(id)
    }

    /// The object as the transaction has left it so far.
    pub fn object(&self, id: &ObjectId) -> ExecutionResult<&Object> {
        let object = match self.outputs.get(id) {
            Some(output) => output.as_ref(),
            None => self.inputs.get(id),
        };
        object.ok_or(ExecutionFailure::ObjectNotFound { object_id: *id })
    }

    pub fn object_mut(&mut self, id: &ObjectId) -> ExecutionResult<&mut Object> {
        if !self.outputs.contains_key(id)
            && let Some(input) = self.inputs.get(id)
        {
            self.outputs.insert(*id, Some(input.clone()));
        }
        let output = self.outputs.get_mut(id).and_then(Option::as_mut);
        output.ok_or(ExecutionFailure::ObjectNotFound { object_id: *id })
    }

    pub fn coin_balance(&self, id: &ObjectId) -> ExecutionResult<u64> {
        self.object(id)?.coin_balance().map_err(|_| ExecutionFailure::InvalidObjectType { object_id: *id })
    }

    /// Leaves a coin with a balance. An emptied coin ends, but the gas coin, which has fees to pay yet.
    pub fn set_balance(&mut self, id: &ObjectId, balance: u64) -> ExecutionResult {
        if balance == 0 && !self.is_gas(id) {
            self.delete(*id);
        } else {
            self.object_mut(id)?.set_coin_balance(balance);
        }
        Ok(())
    }

    pub fn delete(&mut self, id: ObjectId) {
        self.outputs.insert(id, None);
    }

    /// The next id of `protocol.md §5.3`.
    pub fn next_id(&mut self) -> ObjectId {
        let id = ObjectId::derive(&self.digest, self.next_creation);
        self.next_creation += 1;
        id
    }

    pub fn create(&mut self, object_type: ObjectType, id: ObjectId, body: &[u8], owner: Owner) {
        self.created.insert(id);
        self.outputs.insert(id, Some(Object::new(object_type, id, 0, body, owner, self.digest)));
    }

    pub fn create_coin(&mut self, owner: Address, balance: u64) {
        let id = self.next_id();
        self.create(ObjectType::Coin, id, &balance.to_le_bytes(), Owner::Address(owner));
    }

    /// What a transaction that writes so many objects still has to pay from its gas coin.
    fn outstanding_fees(&self, written: usize) -> ExecutionResult<u64> {
        gas::operation_fee(written, self.parameters)
            .and_then(|fee| fee.checked_add(self.value_fee))
            .ok_or(ExecutionFailure::InsufficientGas)
    }

    /// Merges the gas coins into the first and takes the base fee, or what there is of it.
    fn smash_and_charge_base(&mut self, gas: &[ObjectId]) -> (u64, ExecutionResult) {
        let total = gas.iter().filter_map(|id| self.coin_balance(id).ok()).sum::<u64>();
        for merged in gas.iter().skip(1) {
            self.delete(*merged);
        }
        let base_fee = self.parameters.base_fee.min(total);
        let paid = match self.gas {
            Some(id) if total >= self.parameters.base_fee => self.set_balance(&id, total - base_fee),
            Some(id) => {
                self.delete(id);
                Err(ExecutionFailure::InsufficientGas)
            }
            None => Err(ExecutionFailure::InsufficientGas),
        };
        (base_fee, paid)
    }

    /// Takes the operation and value fees. The gas coin counts as written even if they use it up.
    fn charge_operation(&mut self, base_fee: u64) -> ExecutionResult<TransactionFee> {
        let kept = self.inputs.keys().filter(|id| !matches!(self.outputs.get(id), Some(None))).count();
        let outstanding = self.outstanding_fees(kept + self.created.len())?;
        let gas = self.gas.ok_or(ExecutionFailure::InsufficientGas)?;
        let balance = self.coin_balance(&gas)?;
        let left = balance.checked_sub(outstanding).ok_or(ExecutionFailure::InsufficientGas)?;
        let total_fee = base_fee.checked_add(outstanding).ok_or(ExecutionFailure::InsufficientGas)?;
        if left == 0 {
            self.delete(gas);
        } else {
            self.set_balance(&gas, left)?;
        }
        let operation_fee = outstanding - self.value_fee;
        Ok(TransactionFee { base_fee, operation_fee, value_fee: self.value_fee, total_fee })
    }

    /// Undoes everything but smash and base fee. Gives the owned inputs that execution had already written: a node reports
    /// those as gone, keeps them alive at their old version, and holds their lock until the epoch ends (seen in
    /// `InsufficientGas/operation fee` and `SubmitData/ModelNotActive` of the capture).
    fn roll_back(&mut self, after_base: BTreeMap<ObjectId, Option<Object>>) -> BTreeSet<ObjectId> {
        let dropped = self
            .outputs
            .keys()
            .filter(|id| !after_base.contains_key(id))
            .filter(|id| self.inputs.get(id).is_some_and(|input| input.owner.address().is_some()))
            .copied()
            .collect();
        self.outputs = after_base;
        self.system = None;
        // The base fee may have taken the last shannon: there are no empty coins.
        if let Some(gas) = self.gas
            && self.coin_balance(&gas) == Ok(0)
        {
            self.delete(gas);
        }
        dropped
    }

    /// Versions, effects and balances of what was done.
    pub fn finish(
        mut self,
        status: ExecutionStatus,
        fee: TransactionFee,
        deleted: Option<Tombstone>,
        dropped: &BTreeSet<ObjectId>,
    ) -> Outcome {
        let newest = self.inputs.values().map(|o| o.version).chain(deleted.map(|t| t.version)).max().unwrap_or(0);
        // Versions start at one and grow by one with each transaction: they never reach the end of 64 bits.
        let version = newest.saturating_add(1);
        // Inputs that were not written get the new version too, so that their locks are released.
        for (id, input) in &self.inputs {
            if !dropped.contains(id) {
                self.outputs.entry(*id).or_insert_with(|| Some(input.clone()));
            }
        }
        for object in self.outputs.values_mut().flatten() {
            object.version = version;
            object.previous_transaction = self.digest;
        }

        let mut changed_objects = BTreeMap::new();
        for (id, input) in &self.inputs {
            let output = self.outputs.get(id).and_then(Option::as_ref);
            let id_operation = match output {
                None if !dropped.contains(id) => IdOperation::Deleted,
                _ => IdOperation::None,
            };
            let input_state = ObjectIn::Exist((input.version, input.digest()), input.owner);
            changed_objects.insert(*id, EffectsObjectChange { input_state, output_state: out(output), id_operation });
        }
        for id in &self.created {
            let output_state = out(self.outputs.get(id).and_then(Option::as_ref));
            let change = EffectsObjectChange {
                input_state: ObjectIn::NotExist,
                output_state,
                id_operation: IdOperation::Created,
            };
            changed_objects.insert(*id, change);
        }

        let gas_object_index = self.gas.and_then(|gas| changed_objects.keys().position(|id| *id == gas));
        let dependencies: BTreeSet<Digest> =
            self.inputs.values().map(|o| o.previous_transaction).chain(deleted.map(|t| t.transaction)).collect();
        let effects = TransactionEffects::V1(TransactionEffectsV1 {
            status,
            executed_epoch: self.epoch,
            fee,
            transaction_digest: self.digest,
            gas_object_index: gas_object_index.and_then(|index| u32::try_from(index).ok()),
            dependencies: dependencies.into_iter().collect(),
            version,
            changed_objects: changed_objects.into_iter().collect(),
            unchanged_shared_objects: deleted
                .map(|t| (t.id, UnchangedSharedKind::MutateDeleted(t.version)))
                .into_iter()
                .collect(),
        });

        let ended = self.outputs.iter().filter(|(id, output)| output.is_none() && self.inputs.contains_key(id));
        let tombstones = ended.map(|(id, _)| *id).chain(deleted.map(|t| t.id));
        let tombstones = tombstones.map(|id| Tombstone { id, version, transaction: self.digest }).collect();
        let locked = self.inputs.iter().filter(|(id, _)| dropped.contains(id));
        let locks =
            locked.map(|(id, input)| Lock { id: *id, version: input.version, transaction: self.digest }).collect();
        let written: Vec<Object> = self.outputs.into_values().flatten().collect();
        let balance_changes = balance_changes(self.inputs.values(), &written);
        let mut objects: Vec<Object> = self.inputs.into_values().chain(written.iter().cloned()).collect();
        objects.sort_by_key(|object| (object.id(), object.version));
        Outcome { effects, balance_changes, objects, written, tombstones, locks, system: self.system.map(Arc::new) }
    }
}

fn out(output: Option<&Object>) -> ObjectOut {
    output.map_or(ObjectOut::NotExist, |object| ObjectOut::ObjectWrite(object.digest(), object.owner))
}

/// Coins after minus coins before, per address, without those that are even.
fn balance_changes<'o>(before: impl Iterator<Item = &'o Object>, after: &'o [Object]) -> Vec<BalanceChange> {
    let mut sums: BTreeMap<Address, i128> = BTreeMap::new();
    let signed = before.map(|object| (object, -1)).chain(after.iter().map(|object| (object, 1)));
    for (object, sign) in signed {
        if let (Some(owner), Ok(balance)) = (object.owner.address(), object.coin_balance()) {
            *sums.entry(owner).or_default() += sign * i128::from(balance);
        }
    }
    let changed = sums.into_iter().filter(|(_, amount)| *amount != 0);
    changed.map(|(address, amount)| BalanceChange { address, amount }).collect()
}
