//! What a transaction did, as the services show it.

use rpc::{
    changed_object::{IdOperation as IdOperationKind, InputObjectState, OutputObjectState},
    unchanged_shared_object::UnchangedSharedObjectKind,
};

use super::{
    FieldError, failure, fields,
    fields::required,
    object::{owner_from_proto, owner_to_proto},
};
use crate::chain::{proto::soma::rpc, types::*};

/// Whose text forms effects take: checkpoints print ids and owners bare, and failures
/// differently (`protocol-corrections.md §1`, on §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectsStyle {
    /// Execute, Simulate and GetTransaction.
    Execute,
    /// GetCheckpoint and SubscribeCheckpoints.
    Checkpoint,
}

/// Finds the type of a changed object.
pub type TypeOf<'a> = &'a dyn Fn(&ObjectId) -> Option<ObjectType>;

/// `object_types` fills `object_type` of changed objects, which checkpoints leave out.
pub fn effects_to_proto(
    effects: &TransactionEffects,
    style: EffectsStyle,
    object_types: Option<TypeOf<'_>>,
) -> rpc::TransactionEffects {
    let effects = effects.v1();
    let id = |id: &ObjectId| match style {
        EffectsStyle::Execute => id.to_hex_prefixed(),
        EffectsStyle::Checkpoint => id.to_string(),
    };
    let changed = |(object_id, change): &(ObjectId, EffectsObjectChange)| rpc::ChangedObject {
        object_id: Some(id(object_id)),
        object_type: object_types.and_then(|of| of(object_id)).map(|t| t.name().to_owned()),
        ..change_to_proto(change, effects.version, style)
    };
    let unchanged = |(object_id, kind): &(ObjectId, UnchangedSharedKind)| {
        let (kind, version, digest) = match kind {
            UnchangedSharedKind::ReadOnlyRoot(v, digest) => (UnchangedSharedObjectKind::ReadOnlyRoot, *v, Some(digest)),
            UnchangedSharedKind::MutateDeleted(v) => (UnchangedSharedObjectKind::MutatedDeleted, *v, None),
            UnchangedSharedKind::ReadDeleted(v) => (UnchangedSharedObjectKind::ReadDeleted, *v, None),
            UnchangedSharedKind::Cancelled(v) => (UnchangedSharedObjectKind::Canceled, *v, None),
        };
        rpc::UnchangedSharedObject {
            kind: Some(kind.into()),
            object_id: Some(id(object_id)),
            version: Some(version),
            digest: digest.map(Digest::to_string),
            object_type: None,
        }
    };
    let error = match &effects.status {
        ExecutionStatus::Success => None,
        ExecutionStatus::Failure { error } => Some(failure::failure_to_proto(error, style)),
    };
    rpc::TransactionEffects {
        status: Some(rpc::ExecutionStatus { success: Some(error.is_none()), error }),
        epoch: Some(effects.executed_epoch),
        fee: Some(fee_to_proto(&effects.fee)),
        transaction_digest: Some(effects.transaction_digest.to_string()),
        gas_object_index: effects.gas_object_index,
        dependencies: effects.dependencies.iter().map(Digest::to_string).collect(),
        lamport_version: Some(effects.version),
        changed_objects: effects.changed_objects.iter().map(changed).collect(),
        unchanged_shared_objects: effects.unchanged_shared_objects.iter().map(unchanged).collect(),
    }
}

/// Without id and type. `version` is the transaction's, which every written object has.
fn change_to_proto(change: &EffectsObjectChange, version: u64, style: EffectsStyle) -> rpc::ChangedObject {
    let owner_to_proto = |owner| owner_to_proto(owner, style == EffectsStyle::Execute);
    let mut message = rpc::ChangedObject {
        input_state: Some(InputObjectState::DoesNotExist.into()),
        output_state: Some(OutputObjectState::DoesNotExist.into()),
        id_operation: Some(
            match change.id_operation {
                IdOperation::None => IdOperationKind::None,
                IdOperation::Created => IdOperationKind::Created,
                IdOperation::Deleted => IdOperationKind::Deleted,
            }
            .into(),
        ),
        ..Default::default()
    };
    if let ObjectIn::Exist((version, digest), owner) = &change.input_state {
        message.input_state = Some(InputObjectState::Exists.into());
        message.input_version = Some(*version);
        message.input_digest = Some(digest.to_string());
        message.input_owner = Some(owner_to_proto(owner));
    }
    if let ObjectOut::ObjectWrite(digest, owner) = &change.output_state {
        message.output_state = Some(OutputObjectState::ObjectWrite.into());
        message.output_version = Some(version);
        message.output_digest = Some(digest.to_string());
        message.output_owner = Some(owner_to_proto(owner));
    }
    message
}

pub fn effects_from_proto(effects: &rpc::TransactionEffects) -> Result<TransactionEffectsV1, FieldError> {
    let status = required("status", effects.status.as_ref())?;
    Ok(TransactionEffectsV1 {
        status: match (required("success", status.success)?, &status.error) {
            (true, None) => ExecutionStatus::Success,
            (false, Some(error)) => ExecutionStatus::Failure { error: failure::failure_from_proto(error) },
            // A success with an error, or a failure without one, says nothing certain.
            _ => return Err(FieldError::invalid("status", "success and error disagree")),
        },
        executed_epoch: required("epoch", effects.epoch)?,
        fee: fee_from_proto(required("fee", effects.fee.as_ref())?)?,
        transaction_digest: fields::digest("transaction_digest", effects.transaction_digest.as_deref())?,
        gas_object_index: effects.gas_object_index,
        dependencies: effects
            .dependencies
            .iter()
            .map(|text| fields::digest("dependencies", Some(text)))
            .collect::<Result<_, FieldError>>()?,
        version: required("lamport_version", effects.lamport_version)?,
        changed_objects: effects.changed_objects.iter().map(change_from_proto).collect::<Result<_, FieldError>>()?,
        unchanged_shared_objects: effects
            .unchanged_shared_objects
            .iter()
            .map(unchanged_from_proto)
            .collect::<Result<_, FieldError>>()?,
    })
}

fn change_from_proto(change: &rpc::ChangedObject) -> Result<(ObjectId, EffectsObjectChange), FieldError> {
    let input_state = match InputObjectState::try_from(required("input_state", change.input_state)?) {
        Ok(InputObjectState::DoesNotExist) => ObjectIn::NotExist,
        Ok(InputObjectState::Exists) => ObjectIn::Exist(
            (
                required("input_version", change.input_version)?,
                fields::digest("input_digest", change.input_digest.as_deref())?,
            ),
            owner_from_proto("input_owner", required("input_owner", change.input_owner.as_ref())?)?,
        ),
        Ok(InputObjectState::Unknown) | Err(_) => return Err(FieldError::invalid("input_state", "unknown state")),
    };
    let output_state = match OutputObjectState::try_from(required("output_state", change.output_state)?) {
        Ok(OutputObjectState::DoesNotExist) => ObjectOut::NotExist,
        Ok(OutputObjectState::ObjectWrite) => ObjectOut::ObjectWrite(
            fields::digest("output_digest", change.output_digest.as_deref())?,
            owner_from_proto("output_owner", required("output_owner", change.output_owner.as_ref())?)?,
        ),
        Ok(OutputObjectState::Unknown) | Err(_) => return Err(FieldError::invalid("output_state", "unknown state")),
    };
    let id_operation = match IdOperationKind::try_from(required("id_operation", change.id_operation)?) {
        Ok(IdOperationKind::None) => IdOperation::None,
        Ok(IdOperationKind::Created) => IdOperation::Created,
        Ok(IdOperationKind::Deleted) => IdOperation::Deleted,
        Ok(IdOperationKind::Unknown) | Err(_) => return Err(FieldError::invalid("id_operation", "unknown operation")),
    };
    let id = fields::object_id("object_id", change.object_id.as_deref())?;
    Ok((id, EffectsObjectChange { input_state, output_state, id_operation }))
}

fn unchanged_from_proto(object: &rpc::UnchangedSharedObject) -> Result<(ObjectId, UnchangedSharedKind), FieldError> {
    let version = required("version", object.version)?;
    let kind = match UnchangedSharedObjectKind::try_from(required("kind", object.kind)?) {
        Ok(UnchangedSharedObjectKind::ReadOnlyRoot) => {
            UnchangedSharedKind::ReadOnlyRoot(version, fields::digest("digest", object.digest.as_deref())?)
        }
        Ok(UnchangedSharedObjectKind::MutatedDeleted) => UnchangedSharedKind::MutateDeleted(version),
        Ok(UnchangedSharedObjectKind::ReadDeleted) => UnchangedSharedKind::ReadDeleted(version),
        Ok(UnchangedSharedObjectKind::Canceled) => UnchangedSharedKind::Cancelled(version),
        Ok(UnchangedSharedObjectKind::Unknown) | Err(_) => return Err(FieldError::invalid("kind", "unknown kind")),
    };
    Ok((fields::object_id("object_id", object.object_id.as_deref())?, kind))
}

pub(super) fn fee_to_proto(fee: &TransactionFee) -> rpc::TransactionFee {
    rpc::TransactionFee {
        base_fee: Some(fee.base_fee),
        operation_fee: Some(fee.operation_fee),
        value_fee: Some(fee.value_fee),
        total_fee: Some(fee.total_fee),
    }
}

pub(super) fn fee_from_proto(fee: &rpc::TransactionFee) -> Result<TransactionFee, FieldError> {
    Ok(TransactionFee {
        base_fee: required("base_fee", fee.base_fee)?,
        operation_fee: required("operation_fee", fee.operation_fee)?,
        value_fee: required("value_fee", fee.value_fee)?,
        total_fee: required("total_fee", fee.total_fee)?,
    })
}

pub fn balance_change_to_proto(change: &BalanceChange) -> rpc::BalanceChange {
    rpc::BalanceChange { address: Some(change.address.to_string()), amount: Some(change.amount.to_string()) }
}

pub fn balance_change_from_proto(change: &rpc::BalanceChange) -> Result<BalanceChange, FieldError> {
    Ok(BalanceChange {
        address: fields::address("address", change.address.as_deref())?,
        amount: required("amount", change.amount.as_deref())?
            .parse()
            .map_err(|_| FieldError::invalid("amount", "not a decimal number"))?,
    })
}
