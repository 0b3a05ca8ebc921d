//! The headers that every answer of the RPC port carries (`protocol.md §1.3`).

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    chain::convert::timestamp_to_proto,
    devnet::{CHAIN, SERVER, node::Head},
};

/// Writes them into an answer's headers.
pub(in crate::devnet) fn add(head: &Head, headers: &mut HeaderMap) {
    let numbers = [
        ("x-soma-epoch", head.epoch),
        ("x-soma-checkpoint-height", head.checkpoint),
        ("x-soma-timestamp-ms", head.timestamp_ms),
        ("x-soma-lowest-available-checkpoint", 0),
        ("x-soma-lowest-available-checkpoint-objects", 0),
    ];
    for (name, number) in numbers {
        headers.insert(HeaderName::from_static(name), number.into());
    }
    let texts = [
        ("x-soma-chain-id", head.chain_id.clone()),
        ("x-soma-timestamp", timestamp_to_proto(head.timestamp_ms).to_string()),
    ];
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers.insert(HeaderName::from_static("x-soma-chain"), HeaderValue::from_static(CHAIN));
    headers.insert(header::SERVER, HeaderValue::from_static(SERVER));
    add_origin(headers);
}

/// Those of every answer of the port, gRPC's or not: any page in a browser may ask.
pub(in crate::devnet) fn add_origin(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::VARY,
        HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers"),
    );
}
