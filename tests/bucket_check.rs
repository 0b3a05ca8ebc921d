//! The live check of a bucket, as the first run and `doctor` make it: against a real S3 server, and against everything that goes wrong.
//! Each failure is told by what it is and what to do, and no key is ever repeated.

#[path = "support/session.rs"]
#[expect(dead_code, reason = "files of the home are looked through elsewhere")]
mod session;

use std::{fs, path::Path};

use secrecy::ExposeSecret;
use serde_json::Value;
use session::Session;
use somascope::{
    devnet::{self, Devnet, DevnetConfig, GenesisOptions, Ports},
    primitives::SHANNONS_PER_SOMA,
    storage::StoreConfig,
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

async fn network(dir: &Path) -> Devnet {
    let config = DevnetConfig {
        dir: dir.to_owned(),
        seed: 5,
        listen: Ports::default(),
        epoch: None,
        genesis: GenesisOptions::v5(16),
        models: Vec::new(),
        faucet_amount: SHANNONS_PER_SOMA,
    };
    devnet::start(config).await.expect("the network starts")
}

/// What was found of the bucket: (exit code, name and status of each check, what was found and what to do about it).
struct Found {
    code: i32,
    checks: Vec<(String, String)>,
    told: String,
}

impl Found {
    #[track_caller]
    fn fails(&self, code: i32, check: &str, words: &[&str]) {
        assert_eq!(self.code, code, "{}", self.told);
        let last = self.checks.iter().find(|(_, status)| status == "fail");
        assert_eq!(last.map(|(name, _)| name.as_str()), Some(check), "{}", self.told);
        for word in words {
            assert!(self.told.contains(word), "`{word}` is not in {}", self.told);
        }
    }
}

/// `doctor` with this bucket in `.env`, on a network that is well.
fn check(rpc_url: &str, store: &StoreConfig) -> Found {
    use std::os::unix::fs::PermissionsExt;
    let session = Session::new();
    let secret = store.secret_access_key.expose_secret();
    let lines = [
        ("S3_BUCKET", store.bucket.as_str()),
        ("S3_ENDPOINT_URL", store.endpoint_url.as_deref().unwrap_or_default()),
        ("S3_PUBLIC_URL", &store.public_url),
        ("S3_ACCESS_KEY_ID", &store.access_key_id),
        ("S3_SECRET_ACCESS_KEY", secret),
    ];
    let text: String = lines.iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
    let path = session.home().join(".env");
    fs::write(&path, text).expect("writable");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
    let ended = session.run(&["doctor", "--json", "--network", rpc_url]);
    for secret in [secret, "hunter2"] {
        assert!(!(ended.stdout.clone() + &ended.stderr).contains(secret), "a secret is told: {}", ended.stdout);
    }
    let report: Value = ended.json();
    let checks = report["checks"].as_array().expect("a list").iter();
    let checks: Vec<&Value> =
        checks.filter(|check| check["name"].as_str().is_some_and(|name| name.starts_with("bucket"))).collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Found {
        code: ended.code,
        told: checks.iter().map(|check| format!("{} → {}\n", text(&check["what"]), text(&check["remedy"]))).collect(),
        checks: checks.iter().map(|check| (text(&check["name"]), text(&check["status"]))).collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_bucket_is_written_read_in_public_and_left_as_it_was() {
    let place = tempfile::tempdir().expect("a place");
    let network = network(place.path()).await;
    let found = check(&network.rpc_url, &network.objects.store_config());
    let expected =
        ["bucket write", "bucket public read", "bucket delete"].map(|name| (name.to_owned(), "ok".to_owned()));
    assert_eq!((found.checks, found.code), (expected.to_vec(), 0), "{}", found.told);
    let left =
        fs::read_dir(place.path().join("objects/somascope/doctor")).map_or(0, |entries| entries.flatten().count());
    assert_eq!(left, 0, "nothing is left behind");
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_bucket_is_told_with_what_to_do() {
    let place = tempfile::tempdir().expect("a place");
    let network = network(place.path()).await;
    let (good, rpc_url) = (network.objects.store_config(), network.rpc_url.clone());
    let with = |change: &dyn Fn(&mut StoreConfig)| {
        let mut store = good.clone();
        change(&mut store);
        check(&rpc_url, &store)
    };

    let found = with(&|store| store.access_key_id = "AKIASOMEBODYELSE".to_owned());
    found.fails(2, "bucket write", &["copy S3_ACCESS_KEY_ID again", "S3_ENDPOINT_URL"]);
    let found = with(&|store| store.secret_access_key = "guessed-secret-of-nobody".to_owned().into());
    found.fails(2, "bucket write", &["SignatureDoesNotMatch", "S3_SECRET_ACCESS_KEY is not the secret"]);
    let found = with(&|store| store.bucket = "no-such-bucket".to_owned());
    found.fails(2, "bucket write", &["NoSuchBucket", "correct S3_BUCKET, or make the bucket `no-such-bucket`"]);

    // Of this server only the one bucket is public.
    fs::create_dir(place.path().join("objects/private")).expect("ours");
    let found = with(&|store| {
        store.bucket = "private".to_owned();
        store.public_url = store.public_url.replace("/somascope", "/private");
    });
    found.fails(1, "bucket public read", &["HTTP 403", "let everybody read its objects"]);
    assert_eq!(found.checks.last().map(|(_, status)| status.as_str()), Some("ok"), "it is deleted nevertheless");
    let found = with(&|store| store.public_url += "/deeper");
    found.fails(2, "bucket public read", &["HTTP 404", "S3_PUBLIC_URL", "leads somewhere else"]);
    let found = with(&|store| store.public_url = "http://127.0.0.1:1/soma".to_owned());
    found.fails(3, "bucket public read", &["S3_PUBLIC_URL (http://127.0.0.1:1/…)", "everybody can reach it"]);

    let found = with(&|store| store.endpoint_url = Some("http://127.0.0.1:1".to_owned()));
    found.fails(3, "bucket write", &["refused", "http://127.0.0.1:1 (S3_ENDPOINT_URL) is written right"]);
    let found = with(&|store| store.endpoint_url = Some("s3.example.com hunter2".to_owned()));
    found.fails(2, "bucket", &["is no URL"]);
    network.shutdown().await;
}

/// What other services say, word for word.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_a_wrong_region_and_what_is_no_s3_are_told_apart() {
    let place = tempfile::tempdir().expect("a place");
    let network = network(place.path()).await;
    let xml = |code: &str, message: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        )
    };
    for (status, body, code, words) in [
        (
            403,
            xml("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
            2,
            ["difference between the request time", "timedatectl set-ntp true"],
        ),
        (
            301,
            xml("PermanentRedirect", "The bucket must be addressed otherwise."),
            2,
            ["PermanentRedirect", "AWS_REGION"],
        ),
        (403, xml("AccessDenied", "Access Denied"), 1, ["AccessDenied", "s3:PutObject"]),
        (404, "<html>nothing here</html>".to_owned(), 1, ["HTTP 404", "check S3_ENDPOINT_URL"]),
    ] {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(status).set_body_raw(body, "application/xml");
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let store = StoreConfig { endpoint_url: Some(server.uri()), ..network.objects.store_config() };
        check(&network.rpc_url, &store).fails(code, "bucket write", &words);
    }
    network.shutdown().await;
}
