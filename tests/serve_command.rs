//! `somascope serve` as a process: scores, refusals, strangers, overload, and an orderly end.

#[path = "support/serve.rs"]
#[expect(dead_code, reason = "it is killed elsewhere")]
mod serve;

use std::{
    path::Path,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use serde::{Serialize, Serializer, ser::SerializeTuple};
use serve::ServeProcess;
use somascope::{
    chain::{
        bcs_codec::BcsCodec,
        client::{ScoringClient, ScoringError, ScoringModel},
        services::{ModelManifest, ScoreRequest, ScoreResponse, path},
        types::Manifest,
    },
    model::Model,
    primitives::{Digest, hash},
};
use tonic::{Code, Request, Status, transport::Endpoint};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

const PATIENCE: Duration = Duration::from_secs(120);

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/model").join(name)).expect("test data")
}

fn weights(n: usize) -> Vec<u8> {
    golden(&format!("small16_model_{n}.safetensors"))
}

/// A server of the three small models, and of data.
struct Files(MockServer);

impl Files {
    async fn start() -> Self {
        let files = Self(MockServer::start().await);
        for n in 0..3 {
            files.put(&format!("/w{n}"), weights(n), Duration::ZERO).await;
        }
        files
    }

    async fn put(&self, path: &str, bytes: Vec<u8>, delay: Duration) {
        let answer = ResponseTemplate::new(200).set_body_bytes(bytes).set_delay(delay);
        Mock::given(matchers::path(path)).respond_with(answer).mount(&self.0).await;
    }

    fn model(&self, n: usize) -> ScoringModel {
        let bytes = weights(n);
        ScoringModel {
            url: format!("{}/w{n}", self.0.uri()),
            checksum: hash(&bytes),
            size: bytes.len() as u64,
            decryption_key: None,
            dim: 16,
        }
    }

    async fn data(&self, path: &str, bytes: &[u8], delay: Duration) -> Manifest {
        self.put(path, bytes.to_vec(), delay).await;
        Manifest::new(&format!("{}{path}", self.0.uri()), hash(bytes), bytes.len() as u64).expect("a URL")
    }

    /// As [`Self::data`], but it comes when the sender is dropped. On a server of its own, which is held up as a whole.
    async fn held_data(paths: &[&'static str]) -> (MockServer, Vec<Manifest>, mpsc::Sender<()>) {
        let (gate, closed) = mpsc::channel();
        let (server, held) = (MockServer::start().await, Arc::new(Mutex::new(closed)));
        let mut manifests = Vec::new();
        for path in paths {
            let (held, bytes) = (held.clone(), path.as_bytes());
            let answer = move |_: &wiremock::Request| {
                // An error is the drop that is waited for.
                let _ = held.lock().expect("nobody panics").recv();
                ResponseTemplate::new(200).set_body_bytes(bytes)
            };
            Mock::given(matchers::path(*path)).respond_with(answer).mount(&server).await;
            let url = format!("{}{path}", server.uri());
            manifests.push(Manifest::new(&url, hash(bytes), bytes.len() as u64).expect("a URL"));
        }
        (server, manifests, gate)
    }

    async fn asked(&self, path: &str) -> usize {
        let requests = self.0.received_requests().await.expect("they are recorded");
        requests.iter().filter(|request| request.url.path() == path && request.method == "GET").count()
    }
}

fn target() -> Vec<f32> {
    (0..16).map(|n| n as f32 - 5.5).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_are_the_models_own_and_nothing_is_fetched_or_computed_twice() {
    let (home, files) = (tempfile::tempdir().expect("a place"), Files::start().await);
    let service = ServeProcess::start(home.path(), &[]).expect("it starts");
    let client = ScoringClient::new(service.url()).expect("a URL");
    assert!(client.health().await.expect("an answer"));
    let bytes = golden("small16_input_ramp.bin");
    let data = files.data("/ramp", &bytes, Duration::ZERO).await;
    let models: Vec<_> = (0..3).map(|n| files.model(n)).collect();
    let local: Vec<_> = (0..3)
        .map(|n| Model::from_safetensors(&weights(n), None).expect("a model").score(&bytes, 0).expect("a score"))
        .collect();
    for _ in 0..2 {
        let all = client.score(&data, &models, &target(), 0, PATIENCE).await.expect("a score");
        let least = local.iter().map(|score| score.loss).fold(f32::INFINITY, f32::min);
        assert_eq!(all.loss, least);
        for (n, own) in local.iter().enumerate() {
            let one = client.score(&data, &models[n..=n], &target(), 0, PATIENCE).await.expect("a score");
            assert_eq!((one.winner, one.loss, &one.embedding), (0, own.loss, &own.embedding));
        }
        assert_eq!(local[all.winner].loss, least);
    }
    let seeded = client.score(&data, &models[..1], &target(), 7, PATIENCE).await.expect("a score");
    assert_ne!(seeded.loss, local[0].loss, "the seed is another score");
    assert_eq!(files.asked("/ramp").await, 1);
    for n in 0..3 {
        assert_eq!(files.asked(&format!("/w{n}")).await, 1);
    }
    service.signal();
    let (status, log) = service.ended();
    assert!(status.success(), "{log}");
    assert_eq!(log.matches(" scored ").count(), 9, "{log}");
}

/// A message as it is, without BCS.
struct Raw(Vec<u8>);

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = serializer.serialize_tuple(self.0.len())?;
        self.0.iter().try_for_each(|byte| SerializeTuple::serialize_element(&mut bytes, byte))?;
        bytes.end()
    }
}

fn message(request: &ScoreRequest) -> Vec<u8> {
    bcs::to_bytes(request).expect("BCS")
}

async fn send(url: &str, message: Vec<u8>) -> Result<ScoreResponse, Status> {
    let channel = Endpoint::from_shared(url.to_owned()).expect("a URL").connect().await.expect("the service");
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.expect("it is connected");
    let path = http::uri::PathAndQuery::from_static(path::SCORE);
    let answer = grpc.unary(Request::new(Raw(message)), path, BcsCodec::<Raw, ScoreResponse>::default()).await;
    answer.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_are_refused_each_by_itself() {
    let (home, files) = (tempfile::tempdir().expect("a place"), Files::start().await);
    let service = ServeProcess::start(home.path(), &[]).expect("it starts");
    let bytes = golden("small16_input_utf8_code.bin");
    let data = files.data("/data", &bytes, Duration::ZERO).await;
    let broken = b"no safetensors at all".to_vec();
    files.put("/broken", broken.clone(), Duration::ZERO).await;
    let manifest = |n: usize| {
        let model = files.model(n);
        let (checksum, size) = (model.checksum.to_string(), model.size);
        ModelManifest { url: model.url, checksum, size, decryption_key: None }
    };
    let good = ScoreRequest {
        data_url: data.url().to_owned(),
        data_checksum: data.checksum().to_string(),
        data_size: data.size(),
        model_manifests: vec![manifest(0)],
        target_embedding: target().iter().map(|value| value.to_bits()).collect(),
        seed: 0,
    };
    let with = |change: &dyn Fn(&mut ScoreRequest)| {
        let mut request = good.clone();
        change(&mut request);
        message(&request)
    };
    let mut truncated = message(&good);
    truncated.truncate(truncated.len() - 3);
    // A string of almost 2 GiB, and a vector of as many manifests.
    let huge_string = [0xff, 0xff, 0xff, 0xff, 0x07].to_vec();
    let strings = [data.url().to_owned(), data.checksum().to_string()];
    let mut huge_count = bcs::to_bytes(&(&strings[0], &strings[1], data.size())).expect("BCS");
    huge_count.extend(&huge_string);
    let cases: Vec<(&str, Vec<u8>, Code, &str)> = vec![
        ("truncated", truncated, Code::Internal, "unexpected end of input"),
        ("trailing", [message(&good), vec![0]].concat(), Code::Internal, "remaining input"),
        ("huge string", huge_string, Code::Internal, "unexpected end of input"),
        ("huge count", huge_count, Code::Internal, "unexpected end of input"),
        ("no models", with(&|r| r.model_manifests.clear()), Code::InvalidArgument, "At least one model manifest"),
        ("no target", with(&|r| r.target_embedding.clear()), Code::InvalidArgument, "must not be empty"),
        ("long target", with(&|r| r.target_embedding.push(0)), Code::InvalidArgument, "dimension 16, got 17"),
        ("bad base58", with(&|r| r.data_checksum = "0OIl".into()), Code::InvalidArgument, "Invalid base58 checksum"),
        (
            "bad key",
            with(&|r| r.model_manifests[0].decryption_key = Some("abc".into())),
            Code::InvalidArgument,
            "Decryption key must be 32 bytes",
        ),
        ("large", with(&|r| r.data_size = (1 << 20) + 1), Code::InvalidArgument, "at most 1048576 bytes"),
        ("larger than said", with(&|r| r.data_size -= 1), Code::Internal, "size mismatch: expected 75 bytes, got 76"),
        ("smaller than said", with(&|r| r.data_size += 1), Code::Internal, "size mismatch: expected 77 bytes, got 76"),
        ("no size", with(&|r| r.data_size = 0), Code::Internal, "size mismatch: expected 0 bytes, got 76"),
        ("file", with(&|r| r.data_url = "file:///etc/passwd".into()), Code::InvalidArgument, "http:// or https://"),
        ("no url", with(&|r| r.data_url = "x".into()), Code::Internal, "relative URL without a base"),
        (
            // Data that is known is not asked for again, wherever it is said to be.
            "gone",
            with(&|r| {
                r.data_url.push_str(".gone");
                r.data_checksum = Digest([9; 32]).to_string();
            }),
            Code::Internal,
            "Blob error: HTTP 404 from http://",
        ),
        (
            "broken weights",
            with(&|r| {
                let manifest = &mut r.model_manifests[0];
                manifest.url = manifest.url.replace("/w0", "/broken");
                (manifest.checksum, manifest.size) = (hash(&broken).to_string(), broken.len() as u64);
            }),
            Code::Internal,
            "Runtime competition error: Model error: \"",
        ),
        (
            "weights of another size",
            with(&|r| r.model_manifests = vec![ModelManifest { size: manifest(1).size + 1, ..manifest(1) }]),
            Code::Internal,
            "Runtime competition error: Blob error: size mismatch",
        ),
        (
            "other weights",
            with(&|r| r.model_manifests[0].checksum = Digest([7; 32]).to_string()),
            Code::Internal,
            "Runtime competition error: Blob error: checksum mismatch",
        ),
    ];
    for (name, message, code, text) in cases {
        let refused = send(service.url(), message).await.expect_err(name);
        assert_eq!(refused.code(), code, "{name}: {refused}");
        assert!(refused.message().contains(text), "{name}: {refused}");
    }
    let score = send(service.url(), message(&good)).await.expect("it still scores");
    assert_eq!((score.winner, score.embedding.len()), (0, 16));
    let health = ScoringClient::new(service.url()).expect("a URL").health().await;
    assert_eq!(health, Ok(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_requests_than_the_queue_takes_are_told_to_come_again() {
    let (home, files) = (tempfile::tempdir().expect("a place"), Files::start().await);
    let service = ServeProcess::start(home.path(), &["--queue", "2"]).expect("it starts");
    let client = ScoringClient::new(service.url()).expect("a URL");
    // It does not come, so that requests wait; each request is about its own.
    let (_server, held, gate) = Files::held_data(&["/0", "/1", "/2", "/3", "/4", "/5"]).await;
    let mut waiting: FuturesUnordered<_> = held
        .into_iter()
        .map(|data| {
            let (client, models) = (client.clone(), vec![files.model(0)]);
            async move { client.score(&data, &models, &target(), 0, PATIENCE).await }
        })
        .collect();
    for _ in 0..4 {
        let answer = waiting.next().await.expect("six were asked");
        assert!(matches!(&answer, Err(ScoringError::Busy(why)) if why.contains("try again")), "{answer:?}");
    }
    drop(gate);
    for _ in 0..2 {
        waiting.next().await.expect("six were asked").expect("it was waiting");
    }
    let data = files.data("/later", b"later", Duration::ZERO).await;
    client.score(&data, &[files.model(0)], &target(), 0, PATIENCE).await.expect("there is room again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_at_work_is_finished_before_it_ends() {
    let (home, files) = (tempfile::tempdir().expect("a place"), Files::start().await);
    let service = ServeProcess::start(home.path(), &[]).expect("it starts");
    let client = ScoringClient::new(service.url()).expect("a URL");
    let (_server, held, gate) = Files::held_data(&["/slow"]).await;
    let models = [files.model(0)];
    let target = target();
    let score = client.score(&held[0], &models, &target, 0, PATIENCE);
    let stop = async {
        // Weights come before data.
        while files.asked("/w0").await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        service.signal();
        // It has heard it when it takes nobody else in.
        while ScoringClient::new(service.url()).expect("a URL").health().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(gate);
    };
    let (score, ()) = tokio::join!(score, stop);
    assert!(score.expect("it was at work").loss.is_finite());
    drop(client);
    let (status, log) = service.ended();
    assert!(status.success() && log.contains("finishing what is at work"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_strangers_can_ask_it_warns_and_fetches_from_public_addresses_only() {
    let (home, files) = (tempfile::tempdir().expect("a place"), Files::start().await);
    let data = files.data("/data", b"data", Duration::ZERO).await;
    for (args, allowed) in
        [(&["--listen", "0.0.0.0:0"][..], false), (&["--listen", "0.0.0.0:0", "--allow-private"], true)]
    {
        let service = ServeProcess::start(home.path(), args).expect("it starts");
        let url = service.url().replace("0.0.0.0", "127.0.0.1");
        let client = ScoringClient::new(&url).expect("a URL");
        let models = [files.model(0)];
        let answer = client.score(&data, &models, &target(), 0, PATIENCE).await;
        match answer {
            Ok(_) => assert!(allowed),
            Err(ScoringError::Refused { code: "INVALID_ARGUMENT", message }) if message.contains("private address") => {
                assert!(!allowed);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(service.ready["reach"], if allowed { "anywhere" } else { "public" });
        service.signal();
        let (_, log) = service.ended();
        assert!(log.contains("warning: everybody who reaches"), "{log}");
    }
    assert_eq!(files.asked("/data").await, 1);
}

#[test]
fn an_address_in_use_is_told_with_what_to_do() {
    let home = tempfile::tempdir().expect("a place");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let refusal = ServeProcess::start(home.path(), &["--listen", &address]).err().expect("it is taken");
    assert_eq!(refusal.code, Some(2));
    assert!(refusal.stderr.contains(&address) && refusal.stderr.contains("--listen"), "{}", refusal.stderr);
    let refusal = ServeProcess::start(home.path(), &["--device", "cuda:63"]).err().expect("no such card");
    assert!(refusal.code == Some(2) && refusal.stderr.contains("cuda:63"), "{}", refusal.stderr);
}
