//! The live objects with the indexes that execution and the services read. In memory; the history is in `store`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::chain::types::{
    Address, Digest, Object, ObjectError, ObjectId, ObjectRef, ObjectType, SystemStateV1, TargetStatus, TargetV1,
};

/// What remains of a deleted object: the version that ended it, or that last tried to use it, and by which transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tombstone {
    pub id: ObjectId,
    pub version: u64,
    pub transaction: Digest,
}

/// An owned object that a failed transaction keeps for the rest of the epoch although it did not consume it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lock {
    pub id: ObjectId,
    pub version: u64,
    pub transaction: Digest,
}

/// The order in which a node lists an owner's objects: type, balance, id.
type OwnerKey = (ObjectType, u64, ObjectId);

/// A target's place in the node's list: open before filled, then by epoch and id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TargetPlace {
    pub filled: bool,
    pub generation_epoch: u64,
    pub id: ObjectId,
}

#[derive(Debug)]
pub(super) struct LiveState {
    objects: HashMap<ObjectId, Object>,
    owned: HashMap<Address, BTreeSet<OwnerKey>>,
    /// Decoded: a list looks at every target, and expired ones pile up until somebody claims them.
    targets: BTreeMap<TargetPlace, TargetV1>,
    locks: HashMap<(ObjectId, u64), Digest>,
    system: Arc<SystemStateV1>,
}

impl LiveState {
    /// The objects must hold the system state.
    pub fn new(objects: Vec<Object>, locks: Vec<Lock>) -> Result<Self, ObjectError> {
        let system = objects.iter().find(|o| o.id() == ObjectId::SYSTEM_STATE).map(Object::system_state).transpose()?;
        let system = system.ok_or(ObjectError::TooShort(0))?;
        let mut state = Self {
            objects: HashMap::new(),
            owned: HashMap::new(),
            targets: BTreeMap::new(),
            locks: HashMap::new(),
            system: Arc::new(system.v1().clone()),
        };
        for object in objects {
            state.put(object);
        }
        for lock in locks {
            state.lock(&lock);
        }
        Ok(state)
    }

    pub fn system(&self) -> &SystemStateV1 {
        &self.system
    }

    pub fn shared_system(&self) -> Arc<SystemStateV1> {
        Arc::clone(&self.system)
    }

    pub fn set_system(&mut self, system: Arc<SystemStateV1>) {
        self.system = system;
    }

    pub fn object(&self, id: &ObjectId) -> Option<&Object> {
        self.objects.get(id)
    }

    pub fn owned(&self, owner: &Address) -> impl DoubleEndedIterator<Item = &Object> {
        self.owned.get(owner).into_iter().flatten().filter_map(|(_, _, id)| self.objects.get(id))
    }

    /// Sum of the owner's coins. The supply fits into 64 bits, so saturation is never reached.
    pub fn balance(&self, owner: &Address) -> u64 {
        self.owned
            .get(owner)
            .into_iter()
            .flatten()
            .filter(|(kind, ..)| *kind == ObjectType::Coin)
            .fold(0, |sum, (_, balance, _)| sum.saturating_add(*balance))
    }

    pub fn targets_after(
        &self,
        after: Option<&TargetPlace>,
    ) -> impl Iterator<Item = (&TargetPlace, &Object, &TargetV1)> {
        let rest = self.targets.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        rest.filter_map(|(place, target)| Some((place, self.objects.get(&place.id)?, target)))
    }

    #[cfg(test)]
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    pub fn locked_by(&self, object: &ObjectRef) -> Option<Digest> {
        self.locks.get(&(object.id, object.version)).copied()
    }

    pub fn lock(&mut self, lock: &Lock) {
        self.locks.insert((lock.id, lock.version), lock.transaction);
    }

    pub fn release_locks(&mut self) {
        self.locks.clear();
    }

    pub fn put(&mut self, object: Object) {
        let id = object.id();
        self.remove(&id);
        if let Some((place, target)) = as_target(&object) {
            self.targets.insert(place, target);
        }
        if let Some(owner) = object.owner.address() {
            self.owned.entry(owner).or_default().insert(owner_key(&object));
        }
        self.objects.insert(id, object);
    }

    pub fn remove(&mut self, id: &ObjectId) {
        let Some(object) = self.objects.remove(id) else { return };
        if let Some((place, _)) = as_target(&object) {
            self.targets.remove(&place);
        }
        if let Some(owner) = object.owner.address()
            && let Some(keys) = self.owned.get_mut(&owner)
        {
            keys.remove(&owner_key(&object));
            if keys.is_empty() {
                self.owned.remove(&owner);
            }
        }
    }
}

fn as_target(object: &Object) -> Option<(TargetPlace, TargetV1)> {
    if object.object_type != ObjectType::Target {
        return None;
    }
    let target = object.target().ok()?;
    let filled = target.status != TargetStatus::Open;
    Some((TargetPlace { filled, generation_epoch: target.generation_epoch, id: object.id() }, target))
}

fn owner_key(object: &Object) -> OwnerKey {
    (object.object_type, object.coin_balance().unwrap_or(0), object.id())
}
