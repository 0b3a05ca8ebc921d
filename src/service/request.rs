//! From a stranger's message to a request that can be worked on: everything that can be refused without a download is refused here, in
//! a real service's words and, where that would end (`protocol-corrections.md §0`), in our own.

use std::fmt;

use tonic::Status;
use url::Url;

use crate::{
    chain::services::{ModelManifest, ScoreRequest},
    primitives::Digest,
    storage::Reach,
};

/// Models of one request. The network lists at most a handful for a target.
const MOST_MODELS: usize = 64;

/// What a request may ask for; its sizes are a stranger's claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub data_bytes: u64,
    /// Of one model.
    pub weights_bytes: u64,
    pub reach: Reach,
}

/// A model's weights as a manifest publishes them.
#[derive(Clone, PartialEq, Eq)]
pub struct Weights {
    pub url: String,
    /// Of the file as it is served.
    pub checksum: Digest,
    pub size: u64,
    /// `None`: the file is not encrypted.
    pub key: Option<[u8; 32]>,
}

/// Without the key: that of a model which is not revealed yet is a secret.
impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Weights").field("url", &self.url).field("checksum", &self.checksum).finish_non_exhaustive()
    }
}

/// A request whose form is right.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoringRequest {
    pub data_url: String,
    pub data_checksum: Digest,
    pub data_size: u64,
    /// At least one.
    pub models: Vec<Weights>,
    /// `[dim]`, not empty; whether the models embed into as many dimensions shows when they are loaded.
    pub target: Vec<f32>,
    pub seed: u64,
}

impl ScoringRequest {
    pub fn parse(request: ScoreRequest, limits: &Limits) -> Result<Self, Status> {
        if request.model_manifests.is_empty() {
            return Err(Status::invalid_argument("At least one model manifest is required"));
        }
        if request.target_embedding.is_empty() {
            return Err(Status::invalid_argument("Target embedding must not be empty"));
        }
        if request.model_manifests.len() > MOST_MODELS {
            return Err(Status::invalid_argument(format!("Models must be at most {MOST_MODELS}")));
        }
        if request.data_size > limits.data_bytes {
            let most = limits.data_bytes;
            return Err(Status::invalid_argument(format!("Data size must be at most {most} bytes")));
        }
        Ok(Self {
            data_url: url(&request.data_url, limits.reach)?,
            data_checksum: checksum(&request.data_checksum)?,
            data_size: request.data_size,
            models: request.model_manifests.iter().map(|m| weights(m, limits)).collect::<Result<_, _>>()?,
            target: request.target_embedding.into_iter().map(f32::from_bits).collect(),
            seed: request.seed,
        })
    }
}

/// A real service leaves a bad URL to its parser and calls it its own fault.
fn url(text: &str, reach: Reach) -> Result<String, Status> {
    let url = Url::parse(text).map_err(|e| Status::internal(e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Status::invalid_argument("URLs must begin with http:// or https://"));
    }
    match reach.refuses(&url) {
        true => Err(Status::invalid_argument(
            "URLs must not lead to a private address: this service fetches from public ones only",
        )),
        false => Ok(url.into()),
    }
}

fn checksum(text: &str) -> Result<Digest, Status> {
    base58(text, "checksum").and_then(|bytes| {
        Digest::try_from(&*bytes)
            .map_err(|_| Status::invalid_argument(format!("Checksum must be 32 bytes, got {}", bytes.len())))
    })
}

/// A real service ends at a key of wrong length. The text of a key is not repeated.
fn key(text: &str) -> Result<[u8; 32], Status> {
    let bytes = base58(text, "decryption key")?;
    <[u8; 32]>::try_from(&*bytes)
        .map_err(|_| Status::invalid_argument(format!("Decryption key must be 32 bytes, got {}", bytes.len())))
}

fn base58(text: &str, name: &str) -> Result<Vec<u8>, Status> {
    bs58::decode(text).into_vec().map_err(|_| {
        Status::invalid_argument(format!("Invalid base58 {name}: Invalid value was given to the function"))
    })
}

fn weights(manifest: &ModelManifest, limits: &Limits) -> Result<Weights, Status> {
    if manifest.size > limits.weights_bytes {
        let most = limits.weights_bytes;
        return Err(Status::invalid_argument(format!("Weights must be at most {most} bytes")));
    }
    Ok(Weights {
        url: url(&manifest.url, limits.reach)?,
        checksum: checksum(&manifest.checksum)?,
        size: manifest.size,
        key: manifest.decryption_key.as_deref().map(key).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    const LIMITS: Limits = Limits { data_bytes: 1000, weights_bytes: 9000, reach: Reach::Anywhere };

    fn request() -> ScoreRequest {
        ScoreRequest {
            data_url: "http://127.0.0.1:9/d.bin".to_owned(),
            data_checksum: Digest([1; 32]).to_string(),
            data_size: 3,
            model_manifests: vec![ModelManifest {
                url: "http://127.0.0.1:9/w.enc".to_owned(),
                checksum: Digest([2; 32]).to_string(),
                size: 7,
                decryption_key: None,
            }],
            target_embedding: vec![0],
            seed: 0,
        }
    }

    fn refusal(request: ScoreRequest, limits: &Limits) -> (Code, String) {
        let status = ScoringRequest::parse(request, limits).expect_err("it will not do");
        (status.code(), status.message().to_owned())
    }

    fn manifest(change: impl FnOnce(&mut ModelManifest)) -> ScoreRequest {
        let mut request = request();
        change(&mut request.model_manifests[0]);
        request
    }

    #[test]
    fn a_request_that_cannot_be_scored_is_refused_in_a_nodes_words() {
        let key = |text: &str| manifest(|m| m.decryption_key = Some(text.to_owned()));
        let cases = [
            (ScoreRequest { model_manifests: Vec::new(), ..request() }, "At least one model manifest is required"),
            (ScoreRequest { target_embedding: Vec::new(), ..request() }, "Target embedding must not be empty"),
            (ScoreRequest { data_size: 1001, ..request() }, "Data size must be at most 1000 bytes"),
            (
                ScoreRequest { data_checksum: "0OIl".to_owned(), ..request() },
                "Invalid base58 checksum: Invalid value was given to the function",
            ),
            (ScoreRequest { data_checksum: "abcd".to_owned(), ..request() }, "Checksum must be 32 bytes, got 3"),
            (key("abcd"), "Decryption key must be 32 bytes, got 3"),
            (key("0OIl"), "Invalid base58 decryption key: Invalid value was given to the function"),
            (manifest(|m| m.size = 9001), "Weights must be at most 9000 bytes"),
            (
                ScoreRequest { data_url: "file:///etc/passwd".to_owned(), ..request() },
                "URLs must begin with http:// or https://",
            ),
            (manifest(|m| m.url = "ftp://h/w".to_owned()), "URLs must begin with http:// or https://"),
            (
                ScoreRequest { model_manifests: vec![request().model_manifests[0].clone(); 65], ..request() },
                "Models must be at most 64",
            ),
        ];
        for (request, text) in cases {
            assert_eq!(refusal(request, &LIMITS), (Code::InvalidArgument, text.to_owned()));
        }
    }

    #[test]
    fn a_url_that_is_none_is_the_services_own_error() {
        let bad = ScoreRequest { data_url: "d.bin".to_owned(), ..request() };
        assert_eq!(refusal(bad, &LIMITS), (Code::Internal, "relative URL without a base".to_owned()));
    }

    #[test]
    fn a_service_for_strangers_does_not_look_around_in_its_own_network() {
        let public = Limits { reach: Reach::Public, ..LIMITS };
        for host in ["127.0.0.1", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:192.168.0.1]", "2130706433", "0"] {
            let request = ScoreRequest { data_url: format!("http://{host}/x"), ..request() };
            let (code, text) = refusal(request.clone(), &public);
            assert_eq!(code, Code::InvalidArgument, "{host}");
            assert!(text.contains("private address"), "{text}");
            ScoringRequest::parse(request, &LIMITS).expect("it may be asked of a service of one's own");
        }
        let weights = "https://weights.example/w".to_owned();
        let mut fine = manifest(|m| m.url = weights);
        fine.data_url = "https://8.8.8.8/x".to_owned();
        ScoringRequest::parse(fine, &public).expect("both are public");
    }

    #[test]
    fn a_key_is_not_in_what_is_written_to_a_log() {
        let mut request = manifest(|m| m.decryption_key = Some(Digest([0x5c; 32]).to_string()));
        request.data_size = 3;
        let parsed = ScoringRequest::parse(request, &LIMITS).expect("it is right");
        assert_eq!(parsed.models[0].key, Some([0x5c; 32]));
        assert!(!format!("{parsed:?}").contains("92"), "{parsed:?}");
    }
}
