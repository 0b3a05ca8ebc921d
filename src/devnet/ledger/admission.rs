//! What is refused before execution (`protocol.md §4.5` with its corrections): nothing is charged, nothing changes.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Rejection,
    state::{LiveState, Tombstone},
    store::Store,
};
use crate::chain::types::{
    KindInputs, MAX_TRANSACTION_BYTES, Object, ObjectId, ObjectRef, ObjectType, Owner, TransactionData,
    TransactionKind, to_bcs,
};

/// Most coins that a simulation without gas picks.
const MAX_PICKED_GAS_COINS: usize = 100;

/// A transaction's inputs, checked.
#[derive(Debug)]
pub(super) struct Inputs {
    /// Owned and shared, at the versions that the transaction uses.
    pub objects: BTreeMap<ObjectId, Object>,
    /// In the order of the payment; the first pays.
    pub gas: Vec<ObjectId>,
    /// A shared input that was deleted: the transaction will fail, and pay for it.
    pub deleted: Option<Tombstone>,
}

fn wanted(kind: &TransactionKind) -> Result<KindInputs, Rejection> {
    let system = || Rejection::Invalid("system transactions are not accepted from users".to_owned());
    kind.inputs().ok_or_else(system)
}

fn retriable<T>(text: impl Into<String>) -> Result<T, Rejection> {
    Err(Rejection::Retriable(text.into()))
}

/// Coins of the sender that the kind does not use, as a node picks them for a simulation without gas.
pub(super) fn pick_gas(state: &LiveState, data: &TransactionData) -> Result<Vec<ObjectRef>, Rejection> {
    let used: BTreeSet<ObjectId> = wanted(data.kind())?.owned.iter().map(|(o, _)| o.id).collect();
    Ok(state
        .owned(&data.sender())
        .filter(|o| o.object_type == ObjectType::Coin && !used.contains(&o.id()))
        .take(MAX_PICKED_GAS_COINS)
        .map(Object::reference)
        .collect())
}

/// Every check but the signature's.
pub(super) fn admit(state: &LiveState, store: &Store, data: &TransactionData) -> Result<Inputs, Rejection> {
    let inputs = wanted(data.kind())?;
    if to_bcs(data).len() > MAX_TRANSACTION_BYTES {
        return retriable("timed-out before finality could be reached");
    }
    if data.gas_payment().is_empty() {
        return retriable("Gas payment error No gas payment provided");
    }
    if inputs.repeat() {
        return retriable("timed-out before finality could be reached");
    }
    let gas: Vec<ObjectId> = data.gas_payment().iter().map(|o| o.id).collect();
    if gas.iter().collect::<BTreeSet<_>>().len() != gas.len() {
        return retriable("The transaction inputs contain duplicated ObjectRef's");
    }
    let mut objects = BTreeMap::new();
    for reference in inputs.owned.iter().map(|(reference, _)| reference).chain(data.only_gas(&inputs)) {
        let is_gas = gas.contains(&reference.id);
        objects.insert(reference.id, owned_input(state, store, data, reference, is_gas)?);
    }
    let mut balance = 0u64;
    for id in &gas {
        let coin = objects.get(id).and_then(|o| o.coin_balance().ok()).unwrap_or(0);
        balance = balance
            .checked_add(coin)
            .ok_or_else(|| Rejection::Invalid("the gas coins together exceed 64 bits".to_owned()))?;
    }
    let mut deleted = None;
    for id in inputs.shared {
        match shared_input(state, store, id)? {
            Ok(object) => drop(objects.insert(id, object)),
            Err(tombstone) => deleted = Some(tombstone),
        }
    }
    Ok(Inputs { objects, gas, deleted })
}

fn owned_input(
    state: &LiveState,
    store: &Store,
    data: &TransactionData,
    reference: &ObjectRef,
    is_gas: bool,
) -> Result<Object, Rejection> {
    let ObjectRef { id, version, digest } = *reference;
    let Some(object) = state.object(&id) else { return Err(gone(store, reference)) };
    if is_gas {
        match object.owner {
            Owner::Shared { initial_shared_version } => {
                return retriable(format!(
                    "Gas payment error Gas object {id:?} must be owned by an address, not Shared {{ \
                     initial_shared_version: Version({initial_shared_version}) }}"
                ));
            }
            Owner::Immutable => {
                return retriable(format!(
                    "Gas payment error Gas object {id:?} must be owned by an address, not Immutable"
                ));
            }
            Owner::Address(_) if object.object_type != ObjectType::Coin => {
                return retriable(format!("Gas payment error Gas object {id:?} is not a coin"));
            }
            Owner::Address(_) => {}
        }
    }
    if version < object.version {
        return Err(Rejection::Stale(*reference, object.version));
    }
    if version > object.version {
        return retriable(format!("Could not find the referenced object {id:?} at version Some(Version({version}))"));
    }
    let actual = object.digest();
    if digest != actual {
        return retriable(format!("Invalid Object digest for object {id:?}. Expected digest : o#{actual}"));
    }
    let sender = data.sender();
    match object.owner {
        Owner::Address(owner) if owner == sender => {}
        Owner::Address(owner) => {
            return retriable(format!(
                "Transaction was not signed by the correct sender: Object {id:?} is owned by account address {owner}, \
                 but given owner/signer address is {sender}"
            ));
        }
        Owner::Shared { .. } | Owner::Immutable => {
            return retriable(format!("Object {id:?} is not owned by an address and cannot be an owned input"));
        }
    }
    match state.locked_by(reference) {
        Some(holder) if holder != data.digest() => Err(Rejection::Locked(*reference, holder)),
        _ => Ok(object.clone()),
    }
}

/// An owned object that is not alive: consumed by somebody, or never seen.
fn gone(store: &Store, reference: &ObjectRef) -> Rejection {
    let ObjectRef { id, version, .. } = *reference;
    let consumed = store.tombstone(&id).and_then(|tombstone| Ok((tombstone, store.object_at(&id, version)?)));
    match consumed {
        Ok((Some(tombstone), Some(_))) => Rejection::Locked(*reference, tombstone.transaction),
        Ok(_) => Rejection::Retriable(format!("Could not find the referenced object {id:?} at version None")),
        Err(error) => Rejection::Retriable(error.to_string()),
    }
}

/// A live shared object, or what remains of it.
fn shared_input(state: &LiveState, store: &Store, id: ObjectId) -> Result<Result<Object, Tombstone>, Rejection> {
    match state.object(&id) {
        Some(object) if object.owner == Owner::SHARED => Ok(Ok(object.clone())),
        Some(_) => retriable(format!("Object {id:?} is not a shared object")),
        None => match store.tombstone(&id) {
            Ok(Some(tombstone)) => Ok(Err(tombstone)),
            Ok(None) => retriable(format!("Could not find the referenced object {id:?} at version None")),
            Err(error) => retriable(error.to_string()),
        },
    }
}
