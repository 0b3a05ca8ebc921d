//! A recording of a real node (`tests/data/node-capture.json.zst`): 402 calls by the official SDK and by hand, in the order of
//! time, each with the bytes of its request and its answer.
#![allow(dead_code, reason = "each of its users looks at other parts")]

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

/// One recorded message's body, without gRPC's five bytes before it.
#[derive(Clone, Deserialize)]
pub struct Body {
    hex: String,
    /// The name of the compression it had on the wire.
    pub compressed_on_wire: Option<String>,
}

impl Body {
    pub fn bytes(&self) -> Vec<u8> {
        hex::decode(&self.hex).expect("the recording is hex")
    }
}

/// One call. `grpc_status` is absent when the client hung up first, or when the answer was none of gRPC's.
#[derive(Clone, Deserialize)]
pub struct Call {
    pub n: usize,
    pub label: String,
    pub note: Option<String>,
    pub chain_epoch: u64,
    pub service: String,
    pub path: String,
    pub request_headers: Vec<(String, String)>,
    pub request: Body,
    pub response_headers: Option<Vec<(String, String)>>,
    pub response_messages: Vec<Body>,
    pub trailers_only: Option<bool>,
    pub grpc_status: Option<i32>,
    pub grpc_message: Option<String>,
}

impl Call {
    /// The method's name, without its service.
    pub fn method(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Unique among the calls of one label.
    pub fn name(&self) -> String {
        format!("{} #{}", self.label, self.n)
    }

    /// Of a second chain, recorded on a fresh node.
    pub fn on_second_chain(&self) -> bool {
        self.note.as_deref().is_some_and(|note| note.starts_with("second chain"))
    }
}

/// A plain GET on the RPC port.
#[derive(Clone, Deserialize)]
pub struct PlainGet {
    pub path: String,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body_hex: String,
}

#[derive(Deserialize)]
pub struct Capture {
    pub calls: Vec<Call>,
    pub transactions_by_label: BTreeMap<String, serde_json::Value>,
    pub http_on_rpc_port: Vec<PlainGet>,
}

/// Read once a process.
pub fn capture() -> &'static Capture {
    static CAPTURE: LazyLock<Capture> = LazyLock::new(|| {
        let packed = &include_bytes!("../data/node-capture.json.zst")[..];
        let json = zstd::decode_all(packed).expect("the recording is zstd");
        serde_json::from_slice(&json).expect("the recording has this shape")
    });
    &CAPTURE
}
