//! Requests as bytes on a real socket, and answers as they came: no generated client between.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use tonic::{body::Body, transport::Channel};
use tower::ServiceExt;

use super::capture::Call;

pub struct Answer {
    pub status: u16,
    /// Sorted names of the headers.
    pub headers: Vec<String>,
    /// With the zstd of those that were compressed undone.
    pub messages: Vec<Vec<u8>>,
    pub compressed: bool,
    pub trailers_only: bool,
    pub grpc_status: Option<i32>,
    pub grpc_message: String,
    /// The bytes of `grpc-status-details-bin`.
    pub details: Option<Vec<u8>>,
}

/// The recorded headers that a client chooses; the transport adds the others.
fn chosen(call: &Call) -> impl Iterator<Item = (&str, &str)> {
    let chosen = |name: &str| matches!(name, "te" | "content-type" | "grpc-accept-encoding");
    call.request_headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(move |(name, _)| chosen(name))
}

/// `message`: without gRPC's five bytes; `None`: no message at all.
pub async fn send(channel: &Channel, call: &Call, message: Option<&[u8]>) -> Answer {
    let mut body = BytesMut::new();
    if let Some(message) = message {
        body.put_u8(0);
        body.put_u32(u32::try_from(message.len()).expect("short"));
        body.put_slice(message);
    }
    let mut request = http::Request::post(call.path.as_str());
    for (name, value) in chosen(call) {
        request = request.header(name, value);
    }
    let request = request.body(Body::new(Full::new(body.freeze()))).expect("a request");
    let response = channel.clone().oneshot(request).await.unwrap_or_else(|e| panic!("{}: {e}", call.name()));
    let (head, body) = response.into_parts();
    let compressed = head.headers.contains_key("grpc-encoding");
    let trailers_only = head.headers.contains_key("grpc-status");
    let mut headers: Vec<String> = head.headers.keys().map(ToString::to_string).collect();
    headers.sort();
    // A stream of checkpoints has no end to wait for.
    let (data, trailers) = match call.method() {
        "SubscribeCheckpoints" => (Bytes::new(), None),
        _ => {
            let whole = body.collect().await.unwrap_or_else(|e| panic!("{}: {e}", call.name()));
            let trailers = whole.trailers().cloned();
            (whole.to_bytes(), trailers)
        }
    };
    let fields = if trailers_only { Some(head.headers) } else { trailers };
    let field = |name: &str| fields.as_ref()?.get(name)?.to_str().ok().map(str::to_owned);
    Answer {
        status: head.status.as_u16(),
        headers,
        messages: messages(&data),
        compressed,
        trailers_only,
        grpc_status: field("grpc-status").and_then(|code| code.parse().ok()),
        grpc_message: field("grpc-message").map(|text| unescaped(&text)).unwrap_or_default(),
        details: field("grpc-status-details-bin")
            .map(|text| BASE64.decode(text.trim_end_matches('=')).expect("Base64")),
    }
}

fn messages(mut data: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some((prefix, rest)) = data.split_first_chunk::<5>() {
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
        let Some((message, rest)) = rest.split_at_checked(length) else { break };
        messages.push(match prefix[0] {
            0 => message.to_vec(),
            _ => zstd::decode_all(message).expect("zstd"),
        });
        data = rest;
    }
    messages
}

/// The percent-encoding of `grpc-message`.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        match (first, after.split_at_checked(2)) {
            (b'%', Some((digits, after))) => {
                bytes.push(u8::from_str_radix(std::str::from_utf8(digits).expect("ASCII"), 16).expect("hex"));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}
