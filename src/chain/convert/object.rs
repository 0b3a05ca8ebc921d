//! Objects: the contents travel without the id that leads them in BCS.

use rpc::owner::OwnerKind;

use super::{FieldError, fields, fields::required};
use crate::chain::{proto::soma::rpc, types::*};

/// `prefixed`: ids and owners with `0x`, as in the `objects` of ExecuteTransaction; without everywhere else.
pub fn object_to_proto(object: &Object, prefixed: bool) -> rpc::Object {
    let id = object.id();
    rpc::Object {
        object_id: Some(if prefixed { id.to_hex_prefixed() } else { id.to_string() }),
        version: Some(object.version),
        digest: Some(object.digest().to_string()),
        owner: Some(owner_to_proto(&object.owner, prefixed)),
        object_type: Some(object.object_type.name().to_owned()),
        contents: Some(object.body().to_vec()),
        previous_transaction: Some(object.previous_transaction.to_string()),
    }
}

/// Needs everything but the digest, which is not looked at: nodes send wrong ones (`protocol-corrections.md §1`, on §2.2).
pub fn object_from_proto(object: &rpc::Object) -> Result<Object, FieldError> {
    let object_type = required("object_type", object.object_type.as_deref())?;
    Ok(Object::new(
        ObjectType::from_name(object_type).ok_or_else(|| FieldError::invalid("object_type", "unknown object type"))?,
        fields::object_id("object_id", object.object_id.as_deref())?,
        required("version", object.version)?,
        required("contents", object.contents.as_deref())?,
        owner_from_proto("owner", required("owner", object.owner.as_ref())?)?,
        fields::digest("previous_transaction", object.previous_transaction.as_deref())?,
    ))
}

pub fn owner_to_proto(owner: &Owner, prefixed: bool) -> rpc::Owner {
    let (kind, address, version) = match owner {
        Owner::Address(address) => {
            let text = if prefixed { address.to_hex_prefixed() } else { address.to_string() };
            (OwnerKind::Address, Some(text), None)
        }
        Owner::Shared { initial_shared_version } => (OwnerKind::Shared, None, Some(*initial_shared_version)),
        Owner::Immutable => (OwnerKind::Immutable, None, None),
    };
    rpc::Owner { kind: Some(kind.into()), address, version }
}

/// `field` names a kind that is none.
pub fn owner_from_proto(field: &'static str, owner: &rpc::Owner) -> Result<Owner, FieldError> {
    match OwnerKind::try_from(required("kind", owner.kind)?) {
        Ok(OwnerKind::Address) => fields::address("address", owner.address.as_deref()).map(Owner::Address),
        Ok(OwnerKind::Shared) => Ok(Owner::Shared { initial_shared_version: required("version", owner.version)? }),
        Ok(OwnerKind::Immutable) => Ok(Owner::Immutable),
        Ok(OwnerKind::Unknown) | Err(_) => Err(FieldError::invalid(field, "unknown kind of owner")),
    }
}
