//! `GET /data/{target}` and `/model/{model}` on the RPC port: published bytes for who cannot reach where they were published
//! (`protocol.md §8.4`). A real node asks its validators' proxies; one process is its own.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use tonic::body::Body;

use crate::{
    chain::types::{Manifest, ModelV1, ObjectId},
    devnet::{ledger::Ledger, node::Node, scorer::Scorer},
};

/// What a path asks for: the text of an id.
pub(super) enum Wanted {
    Data(String),
    Model(String),
}

pub(super) struct Proxy {
    pub node: Node,
    pub scorer: Arc<Scorer>,
}

impl Proxy {
    pub fn wanted(path: &str) -> Option<Wanted> {
        match path.strip_prefix('/')?.split_once('/')? {
            ("data", id) => Some(Wanted::Data(id.to_owned())),
            ("model", id) => Some(Wanted::Model(id.to_owned())),
            _ => None,
        }
    }

    /// The bytes behind the manifest, checked; or a node's words for that they are not to be had.
    pub async fn answer(&self, wanted: Wanted) -> Response<Body> {
        let text = match &wanted {
            Wanted::Data(text) | Wanted::Model(text) => text,
        };
        let Some(id) = whole_id(text) else {
            return plain(StatusCode::BAD_REQUEST, format!("Invalid resource ID: {text}"));
        };
        match self.fetch(wanted, id).await {
            Ok(bytes) => with_body(StatusCode::OK, "application/octet-stream", bytes),
            Err(cause) => plain(
                StatusCode::BAD_GATEWAY,
                format!("Failed to fetch from validators: All 1 validators failed, last error: {cause}"),
            ),
        }
    }

    async fn fetch(&self, wanted: Wanted, id: ObjectId) -> Result<Bytes, String> {
        let manifest = self.node.read(move |ledger| manifest(ledger, &wanted, &id)).await;
        let manifest = manifest.map_err(|error| error.to_string())??;
        let fetched = self.scorer.fetch(manifest.url(), manifest.checksum(), manifest.size()).await;
        fetched.map_err(|error| error.to_string())
    }
}

/// 64 hex digits, with or without `0x`: no short forms here.
fn whole_id(text: &str) -> Option<ObjectId> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.len() == 64 { digits.parse().ok() } else { None }
}

fn manifest(ledger: &Ledger, wanted: &Wanted, id: &ObjectId) -> Result<Manifest, String> {
    let found = match wanted {
        Wanted::Data(_) => {
            let target = ledger.object(id).and_then(|object| object.target().ok());
            target.and_then(|target| target.winning_data_manifest)
        }
        Wanted::Model(_) => ledger.system_state().model_registry.models.get(id).and_then(|model| match model.v1() {
            ModelV1::Created { .. } => None,
            ModelV1::Pending(model) => Some(model.commitment.manifest.clone()),
            ModelV1::Active(model) => Some(model.commitment.manifest.clone()),
            ModelV1::Inactive(model) => Some(model.commitment.manifest.clone()),
        }),
    };
    found.ok_or_else(|| format!("nothing is published under {id:?}"))
}

fn plain(status: StatusCode, text: String) -> Response<Body> {
    with_body(status, "text/plain; charset=utf-8", Bytes::from(text))
}

fn with_body(status: StatusCode, content_type: &'static str, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(bytes)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
