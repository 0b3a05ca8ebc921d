//! Required fields, ids and digests of a message, with the errors that a node puts into its `BadRequest`.

use std::fmt;

use crate::chain::types::{Address, Digest, ObjectId};

/// Why a field was refused; the text is the `reason` of a `google.rpc.BadRequest` violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldReason {
    Missing,
    Invalid,
}

impl fmt::Display for FieldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "FIELD_MISSING",
            Self::Invalid => "FIELD_INVALID",
        })
    }
}

/// A message that is none of our types. Prints as a node prints it (`protocol-corrections.md §1`, on §2.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's own name, as nodes report it: `sender`, `url`, `checksum`.
    pub field: &'static str,
    pub reason: FieldReason,
    /// Empty for a missing field.
    pub description: String,
}

impl std::error::Error for FieldError {}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error converting from protobuf: field: {} reason: {}", self.field, self.reason)?;
        match self.description.as_str() {
            "" => Ok(()),
            text => write!(f, " description: {text}"),
        }
    }
}

impl FieldError {
    pub fn missing(field: &'static str) -> Self {
        Self { field, reason: FieldReason::Missing, description: String::new() }
    }

    pub fn invalid(field: &'static str, description: impl Into<String>) -> Self {
        Self { field, reason: FieldReason::Invalid, description: description.into() }
    }
}

/// The field, or that it is missing.
pub(super) fn required<T>(field: &'static str, value: Option<T>) -> Result<T, FieldError> {
    value.ok_or_else(|| FieldError::missing(field))
}

/// An address in hex, with or without `0x`; required.
pub(super) fn address(field: &'static str, text: Option<&str>) -> Result<Address, FieldError> {
    let parsed = required(field, text)?.parse();
    parsed.map_err(|_| FieldError::invalid(field, "Unable to parse Address (must be hex string of length 32)"))
}

/// An id in any of the forms of `protocol.md §0.2`; required.
pub(super) fn object_id(field: &'static str, text: Option<&str>) -> Result<ObjectId, FieldError> {
    address(field, text).map(|address| ObjectId(address.0))
}

/// A digest in Base58; required.
pub(super) fn digest(field: &'static str, text: Option<&str>) -> Result<Digest, FieldError> {
    let parsed = required(field, text)?.parse();
    parsed.map_err(|_| FieldError::invalid(field, "Unable to parse Digest (must be Base58 string of length 32)"))
}

/// A checksum, commitment or key that travels as bytes; required.
pub(super) fn digest_bytes(field: &'static str, bytes: Option<&[u8]>) -> Result<Digest, FieldError> {
    let read = Digest::try_from(required(field, bytes)?);
    read.map_err(|_| FieldError::invalid(field, "could not convert slice to array"))
}
