//! Signatures: 97 bytes in BCS, their parts in protobuf.

use rpc::{SignatureScheme, user_signature::Signature};

use super::{FieldError, fields::required};
use crate::chain::{proto::soma::rpc, types::UserSignature};

/// `00 ‖ signature ‖ public key` taken apart. Bytes that are too short give empty parts, which every server refuses.
pub fn signature_to_proto(signature: &UserSignature) -> rpc::UserSignature {
    let part = |range: std::ops::RangeFrom<usize>, length: usize| {
        signature.0.get(range).map(|rest| rest.iter().take(length).copied().collect())
    };
    rpc::UserSignature {
        scheme: Some(SignatureScheme::Ed25519.into()),
        signature: Some(Signature::Simple(rpc::SimpleSignature {
            scheme: Some(SignatureScheme::Ed25519.into()),
            signature: Some(part(1.., 64).unwrap_or_default()),
            public_key: Some(part(65.., 32).unwrap_or_default()),
        })),
    }
}

/// Only Ed25519, named in both places (`protocol.md §4.3`).
pub fn signature_from_proto(signature: &rpc::UserSignature) -> Result<UserSignature, FieldError> {
    ed25519(signature.scheme)?;
    let simple = match &signature.signature {
        Some(Signature::Simple(simple)) => simple,
        Some(Signature::Multisig(_)) => return Err(FieldError::invalid("signature", "multisig is not supported")),
        None => return Err(FieldError::missing("signature")),
    };
    ed25519(simple.scheme)?;
    let bytes = required("signature", simple.signature.as_deref())?;
    let public_key = required("public_key", simple.public_key.as_deref())?;
    for (field, part, length) in [("signature", bytes, 64), ("public_key", public_key, 32)] {
        if part.len() != length {
            return Err(FieldError::invalid(field, "could not convert slice to array"));
        }
    }
    Ok(UserSignature([&[0], bytes, public_key].concat()))
}

fn ed25519(scheme: Option<i32>) -> Result<(), FieldError> {
    match SignatureScheme::try_from(required("scheme", scheme)?) {
        Ok(SignatureScheme::Ed25519) => Ok(()),
        _ => Err(FieldError::invalid("scheme", "invalid or unknown signature scheme")),
    }
}
