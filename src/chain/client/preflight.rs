//! Asks the node for everything that a transaction uses before it is signed or sent.
//!
//! A node does not say that an object is unknown, foreign or mistaken: it tries for 90 s and then leaves open whether the
//! transaction may still execute (`protocol-corrections.md §1`, on §2.6), so that its coins have to be held back. And what it
//! executes in vain costs the base fee. One or two reads beforehand tell all of it at once.

use std::collections::BTreeMap;

use super::{Client, ClientError, OBJECT_MASK, checked_target, checks, mask, present, transport::excerpt, within};
use crate::chain::{
    convert,
    proto::soma::rpc::{self, get_object_result::Result as Item},
    types::{
        Address, Object, ObjectId, ObjectRef, ObjectType, Owner, SubmitData, TargetStatus, TargetV1, TransactionData,
        TransactionKind,
    },
};

/// Objects asked for in one request.
const BATCH: usize = 50;

/// Why a transaction would not come to anything if it were sent now.
#[derive(Debug, thiserror::Error)]
pub enum Preflight {
    /// Wrong whatever the chain's state is.
    #[error("{0}")]
    Unsound(String),
    #[error("the node knows no object {id}: it was spent, or is too new for this node")]
    Missing { id: ObjectId },
    #[error("object {id} has been used meanwhile: it is at version {current}, not {given}; list the objects again")]
    Stale { id: ObjectId, given: u64, current: u64 },
    #[error("the node has object {id} only at version {current}, not yet at {given}")]
    NodeBehind { id: ObjectId, given: u64, current: u64 },
    #[error("the reference to object {id} has another digest than the object; list the objects again")]
    WrongDigest { id: ObjectId },
    #[error("object {id} is not owned by the sender {sender}")]
    NotOwned { id: ObjectId, sender: Address },
    #[error("object {id} is a {found:?}, not a {wanted:?}")]
    WrongType { id: ObjectId, found: ObjectType, wanted: ObjectType },
    #[error("there is no target {id}: it was claimed, or never existed")]
    NoTarget { id: ObjectId },
    #[error("target {id} is filled already")]
    TargetNotOpen { id: ObjectId },
    #[error("target {id} was of epoch {generation_epoch}; it is epoch {current_epoch}")]
    TargetExpired { id: ObjectId, generation_epoch: u64, current_epoch: u64 },
    #[error("target {id} can be claimed from epoch {claimable_from} on; it is epoch {current_epoch}")]
    TooEarly { id: ObjectId, claimable_from: u64, current_epoch: u64 },
    #[error("model {model} is not one of target {id}")]
    ModelNotInTarget { id: ObjectId, model: ObjectId },
    #[error("target {id} has {expected} dimensions, the submission has {actual}")]
    Dimension { id: ObjectId, expected: usize, actual: usize },
    #[error("the distance {distance} is over the threshold {threshold} of target {id}")]
    TooFar { id: ObjectId, distance: f32, threshold: f32 },
    /// Nothing is known about the transaction.
    #[error(transparent)]
    Node(#[from] ClientError),
}

impl Preflight {
    /// True if the same transaction may pass a little later: the node was silent, or behind.
    pub fn may_pass_later(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::NodeBehind { .. } | Self::TooEarly { .. } => true,
            Self::Node(error) => matches!(error, ClientError::Unreachable(_)),
            _ => false,
        }
    }
}

impl Client {
    /// `Ok`: at this moment nothing speaks against sending the transaction. It need not be signed yet. Asks for each object
    /// that it uses (exists, at this version with this digest, owned by the sender, of the right type) and for its target
    /// (exists, and its state allows what is wanted).
    pub async fn preflight(&self, data: &TransactionData) -> Result<(), Preflight> {
        checks::sound(data).map_err(Preflight::Unsound)?;
        let Some(inputs) = data.kind().inputs() else { return Ok(()) };
        let mut wanted: Vec<(ObjectRef, Option<ObjectType>)> =
            data.only_gas(&inputs).map(|coin| (*coin, Some(ObjectType::Coin))).collect();
        // A coin that also pays must be one, whatever else may be done with it.
        let pays = |id: &ObjectId| data.gas_payment().iter().any(|coin| coin.id == *id);
        wanted.extend(inputs.owned.iter().map(|(reference, object_type)| {
            (*reference, object_type.or_else(|| pays(&reference.id).then_some(ObjectType::Coin)))
        }));
        let target = data.kind().target_id();
        let ids: Vec<ObjectId> = wanted.iter().map(|(reference, _)| reference.id).chain(target).collect();

        let objects = self.objects(&ids).await?;
        for (reference, object_type) in &wanted {
            usable(objects.get(&reference.id), reference, *object_type, data.sender())?;
        }
        let Some(id) = target else { return Ok(()) };
        let object = objects.get(&id).ok_or(Preflight::NoTarget { id })?;
        if object.object_type != ObjectType::Target {
            return Err(Preflight::WrongType { id, found: object.object_type, wanted: ObjectType::Target });
        }
        let target = checked_target(object)?;
        match data.kind() {
            TransactionKind::SubmitData(submit) => takes(&target, submit, self.service_info().await?.epoch),
            TransactionKind::ClaimRewards { .. } => pays_out(id, &target, self.service_info().await?.epoch),
            _ => Ok(()),
        }
    }

    /// Those of the objects that exist, as they are now.
    async fn objects(&self, ids: &[ObjectId]) -> Result<BTreeMap<ObjectId, Object>, ClientError> {
        let mut objects = BTreeMap::new();
        for ids in ids.chunks(BATCH) {
            let requests = ids.iter().map(|id| rpc::GetObjectRequest {
                object_id: Some(id.to_hex_prefixed()),
                version: None,
                read_mask: None,
            });
            let request = rpc::BatchGetObjectsRequest { requests: requests.collect(), read_mask: mask(OBJECT_MASK) };
            let answer = within(self.timeout, self.ledger().batch_get_objects(request)).await?;
            if answer.objects.len() != ids.len() {
                let (got, asked) = (answer.objects.len(), ids.len());
                return Err(ClientError::Malformed(format!("{got} answers for {asked} objects")));
            }
            for (id, answer) in ids.iter().zip(answer.objects) {
                match present("result", answer.result)? {
                    Item::Object(object) => {
                        let object = convert::object_from_proto(&object)?;
                        if object.id() != *id {
                            let text = format!("asked for object {id}, got {}", object.id());
                            return Err(ClientError::Malformed(text));
                        }
                        objects.insert(*id, object);
                    }
                    Item::Error(error) if error.code == i32::from(tonic::Code::NotFound) => {}
                    Item::Error(error) => {
                        let message = format!("object {id}: {}", excerpt(&error.message, 200));
                        return Err(ClientError::Refused { code: "ITEM", message });
                    }
                }
            }
        }
        Ok(objects)
    }
}

/// The admission rules of an owned input (`protocol.md §4.5`), in their order.
fn usable(
    object: Option<&Object>,
    reference: &ObjectRef,
    wanted: Option<ObjectType>,
    sender: Address,
) -> Result<(), Preflight> {
    let ObjectRef { id, version: given, digest } = *reference;
    let object = object.ok_or(Preflight::Missing { id })?;
    if object.owner != Owner::Address(sender) {
        return Err(Preflight::NotOwned { id, sender });
    }
    if let Some(wanted) = wanted.filter(|wanted| *wanted != object.object_type) {
        return Err(Preflight::WrongType { id, found: object.object_type, wanted });
    }
    let current = object.version;
    match given.cmp(&current) {
        std::cmp::Ordering::Less => Err(Preflight::Stale { id, given, current }),
        std::cmp::Ordering::Greater => Err(Preflight::NodeBehind { id, given, current }),
        std::cmp::Ordering::Equal if object.digest() != digest => Err(Preflight::WrongDigest { id }),
        std::cmp::Ordering::Equal => Ok(()),
    }
}

/// Whether the target takes the submission (`protocol.md §7.6`).
fn takes(target: &TargetV1, submit: &SubmitData, current_epoch: u64) -> Result<(), Preflight> {
    let id = submit.target_id;
    if target.status != TargetStatus::Open {
        return Err(Preflight::TargetNotOpen { id });
    }
    if current_epoch > target.generation_epoch {
        return Err(Preflight::TargetExpired { id, generation_epoch: target.generation_epoch, current_epoch });
    }
    if !target.model_ids.contains(&submit.model_id) {
        return Err(Preflight::ModelNotInTarget { id, model: submit.model_id });
    }
    let (expected, actual) = (target.embedding.len(), submit.embedding.len());
    if expected != actual {
        return Err(Preflight::Dimension { id, expected, actual });
    }
    let number = |tensor: &crate::chain::types::SomaTensor| {
        tensor.scalar_value().map_err(|cause| ClientError::Malformed(format!("target {id}: {cause}")))
    };
    let (distance, threshold) = (number(&submit.distance_score)?, number(&target.distance_threshold)?);
    if distance > threshold {
        return Err(Preflight::TooFar { id, distance, threshold });
    }
    Ok(())
}

/// Whether there is something to claim (`protocol.md §7.1`). A node that lags names the epoch before for a moment.
fn pays_out(id: ObjectId, target: &TargetV1, current_epoch: u64) -> Result<(), Preflight> {
    let claimable_from = match target.status {
        TargetStatus::Open => target.generation_epoch.saturating_add(1),
        TargetStatus::Filled { fill_epoch } => fill_epoch.saturating_add(2),
        TargetStatus::Claimed => return Err(Preflight::NoTarget { id }),
    };
    if current_epoch < claimable_from {
        return Err(Preflight::TooEarly { id, claimable_from, current_epoch });
    }
    Ok(())
}
