//! Refusals as a real node words them (`protocol.md §2.6` with its corrections).

use bytes::Bytes;
use prost::Message;
use tonic::{Code, Status};

use crate::{chain::proto::google::rpc as google, devnet::node::NodeError};

const FIELD_INVALID: &str = "FIELD_INVALID";
const FIELD_MISSING: &str = "FIELD_MISSING";

/// A status whose details repeat it, as every refusal of a node's own has.
pub(in crate::devnet) fn refusal(code: Code, message: impl Into<String>) -> Status {
    with_details(code, message.into(), None)
}

/// INVALID_ARGUMENT with the one violation; the message is its description.
pub(in crate::devnet) fn invalid_field(field: &str, description: &str) -> Status {
    violation(field, description, FIELD_INVALID)
}

/// A required field is absent. Some methods describe it, others say nothing.
pub(in crate::devnet) fn missing_field(field: &str, description: &str) -> Status {
    violation(field, description, FIELD_MISSING)
}

/// An id in a request that does not parse, in the words of `what` kind of parser the node uses there.
pub(in crate::devnet) fn unparsable(field: &str, name: &str, what: Unparsable) -> Status {
    invalid_field(field, &format!("invalid {name}: {what}"))
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(in crate::devnet) enum Unparsable {
    #[error("Unable to parse Address (must be hex string of length 32)")]
    Address,
    /// Another parser of the same text.
    #[error("Unable to parse AccountAddress (must be hex string of length 32)")]
    Account,
    #[error("Unable to parse Digest (must be Base58 string of length 32)")]
    Digest,
}

/// The envelope for answers that carry a failure for each item.
pub(in crate::devnet) fn item_error(code: Code, message: String) -> google::Status {
    google::Status { code: code.into(), message, details: Vec::new() }
}

impl From<NodeError> for Status {
    fn from(error: NodeError) -> Self {
        refusal(Code::Internal, error.to_string())
    }
}

fn violation(field: &str, description: &str, reason: &str) -> Status {
    let violation = google::bad_request::FieldViolation {
        field: field.to_owned(),
        description: description.to_owned(),
        reason: reason.to_owned(),
    };
    with_details(
        Code::InvalidArgument,
        description.to_owned(),
        Some(google::BadRequest { field_violations: vec![violation] }),
    )
}

fn with_details(code: Code, message: String, bad_request: Option<google::BadRequest>) -> Status {
    let details = bad_request.map(|detail| prost_types::Any {
        // A node's type URLs have no host.
        type_url: "/google.rpc.BadRequest".to_owned(),
        value: detail.encode_to_vec(),
    });
    let envelope =
        google::Status { code: code.into(), message: message.clone(), details: details.into_iter().collect() };
    Status::with_details(code, message, Bytes::from(envelope.encode_to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_id_gives_the_bytes_that_a_node_sends() {
        // node-capture.json, `GetObject/bad id`: grpc-status-details-bin
        let status = unparsable("requests[0].object_id", "object_id", Unparsable::Address);
        assert_eq!(status.message(), "invalid object_id: Unable to parse Address (must be hex string of length 32)");
        use base64::Engine;
        assert_eq!(
            base64::engine::general_purpose::STANDARD_NO_PAD.encode(status.details()),
            "CAMSTGludmFsaWQgb2JqZWN0X2lkOiBVbmFibGUgdG8gcGFyc2UgQWRkcmVzcyAobXVzdCBiZSBoZXggc3RyaW5nIG9mIGxlbmd0aCAzMikakAEK\
             Fi9nb29nbGUucnBjLkJhZFJlcXVlc3QSdgp0ChVyZXF1ZXN0c1swXS5vYmplY3RfaWQSTGludmFsaWQgb2JqZWN0X2lkOiBVbmFibGUgdG8gcGFy\
             c2UgQWRkcmVzcyAobXVzdCBiZSBoZXggc3RyaW5nIG9mIGxlbmd0aCAzMikaDUZJRUxEX0lOVkFMSUQ"
        );
    }

    #[test]
    fn a_missing_field_without_words_has_an_empty_message() {
        // node-capture.json, `ListOwnedObjects/missing owner`
        let status = missing_field("owner", "");
        let envelope = google::Status::decode(status.details()).expect("an envelope");
        assert_eq!(status.message(), "");
        assert_eq!(hex::encode(&envelope.details[0].value), "0a160a056f776e65721a0d4649454c445f4d495353494e47");
    }

    #[test]
    fn a_plain_refusal_carries_its_envelope_without_details() {
        // node-capture.json, `GetEpoch/future`
        let status = refusal(Code::NotFound, "Committee for epoch 99 not found");
        let envelope = google::Status::decode(status.details()).expect("an envelope");
        assert_eq!((envelope.code, envelope.message.as_str()), (5, "Committee for epoch 99 not found"));
        assert!(envelope.details.is_empty());
    }
}
