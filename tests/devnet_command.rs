//! `somascope devnet` as a program: what it prints, refuses, writes down and remembers.

#[path = "support/devnet.rs"]
mod devnet;
#[path = "support/ports.rs"]
mod ports;

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use devnet::DevnetProcess;
use serde_json::Value;
use somascope::{
    chain::{
        client::{self, Client, Execution, TargetFilter},
        keys::Keypair,
        types::{Address, TransactionData, TransactionKind},
    },
    storage::{Store, StoreConfig},
};

const SOON: Duration = Duration::from_secs(60);
const ANNA: Address = Address([0xa1; 32]);

fn start(home: &Path, args: &[&str]) -> DevnetProcess {
    DevnetProcess::start(home, &[&["--port-base", "0"], args].concat()).expect("it starts")
}

fn endpoints_file(home: &Path) -> std::path::PathBuf {
    // Where the system keeps a user's data.
    let places = [home.join("data/somascope"), home.join("Library/Application Support/org.somascope.somascope")];
    let dir = places.iter().find(|dir| dir.exists()).unwrap_or(&places[0]);
    dir.join("devnet.json")
}

/// All that a client can see of a network's state.
#[derive(Debug, PartialEq)]
struct Seen {
    chain_id: String,
    epoch: u64,
    balance: u64,
    targets: Vec<String>,
}

async fn look(network: &DevnetProcess) -> Seen {
    let client = Client::new(network.text("rpc_url"), SOON).expect("a URL");
    let info = client.service_info().await.expect("an answer");
    assert_eq!(info.chain_id, network.text("chain_id"));
    let targets = client.targets(TargetFilter::Open, None).await.expect("targets");
    Seen {
        chain_id: info.chain_id,
        epoch: info.epoch,
        balance: client.balance(ANNA).await.expect("a balance"),
        targets: targets.into_iter().map(|target| format!("{target:?}")).collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_survives_its_end_and_its_crash() {
    let home = tempfile::tempdir().expect("a directory");
    let network = start(home.path(), &["--seed", "9"]);
    let (faucet, dim) = (network.text("faucet_url").to_owned(), network.number("embedding_dim"));
    assert_eq!((network.number("epoch"), network.number("seed")), (2, 9));
    assert!(network.number("active_models") >= 3, "the specialists play");
    client::request_faucet(&faucet, ANNA).await.expect("the faucet gives");
    let before = look(&network).await;
    assert_eq!((before.balance, before.targets.is_empty()), (2_000_000_000, false));
    let objects = network.text("s3_public_url").to_owned();
    assert!(network.terminate().success());

    // Without a word of how it was made.
    let network = start(home.path(), &[]);
    assert_eq!((network.number("seed"), network.number("embedding_dim")), (9, dim));
    assert_eq!(network.text("s3_public_url"), objects, "published URLs go on to work");
    assert_eq!(look(&network).await, before);

    let sender = Keypair::from_seed([5; 32]);
    client::request_faucet(network.text("faucet_url"), sender.address()).await.expect("the faucet gives");
    let node = Client::new(network.text("rpc_url"), SOON).expect("a URL");
    let coin = node.coins(sender.address()).await.expect("coins").first().expect("a coin").reference;
    let kind = TransactionKind::TransferCoin { coin, amount: Some(77), recipient: ANNA };
    let sent = node.execute(&sender.sign(TransactionData::new(kind, sender.address(), vec![coin]))).await;
    assert!(matches!(sent, Execution::Executed(_)), "{sent:?}");
    client::advance_epoch(network.text("admin_url")).await.expect("a new epoch");
    let before = look(&network).await;
    assert_eq!((before.balance, before.epoch), (2_000_000_077, 3));
    network.kill();
    assert!(endpoints_file(home.path()).exists(), "nobody was left to remove it");

    let network = start(home.path(), &[]);
    assert_eq!(look(&network).await, before, "what was answered is kept");
    assert!(network.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_writes_down_lets_others_write_to_its_object_store_and_goes_with_it() {
    let home = tempfile::tempdir().expect("a directory");
    let network = start(home.path(), &["--dim", "16", "--faucet-amount", "0.5"]);
    let file = endpoints_file(home.path());
    assert_eq!(network.text("endpoints_file"), file.to_str().expect("UTF-8"));
    assert_eq!(fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
    let found: Value = serde_json::from_slice(&fs::read(&file).expect("readable")).expect("JSON");
    for name in ["rpc_url", "faucet_url", "scoring_url", "admin_url"] {
        assert_eq!(found[name], network.ready[name]);
    }
    let text = |name: &str| found["objects"][name].as_str().expect("text").to_owned();
    assert!(!network.ready.to_string().contains(&text("secret_access_key")), "secrets are not printed");
    let store = Store::new(StoreConfig {
        endpoint_url: Some(text("endpoint_url")),
        region: "us-east-1".to_owned(),
        bucket: text("bucket"),
        access_key_id: text("access_key_id"),
        secret_access_key: text("secret_access_key").into(),
        public_url: text("public_url"),
    })
    .expect("a store");
    let url = store.put("0/x.bin", bytes::Bytes::from_static(b"x")).await.expect("an upload");
    assert_eq!(url, format!("{}/0/x.bin", network.text("s3_public_url")));

    assert_eq!((network.number("epoch"), network.number("active_models")), (0, 0), "an empty network is at its start");
    let sent = client::request_faucet(network.text("faucet_url"), ANNA).await.expect("the faucet gives");
    assert_eq!(sent, [500_000_000]);
    assert!(network.terminate().success());
    assert!(!file.exists());
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do_about_it() {
    let home = tempfile::tempdir().expect("a directory");
    assert!(start(home.path(), &["--dim", "16"]).terminate().success());
    // Only the faucet's port is in use.
    let base = ports::free(&[123, 124, 125]);
    let port = base + 123;
    let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).expect("it was free");
    let base = base.to_string();
    let empty = home.path().join("empty");
    fs::create_dir(&empty).expect("a directory");
    let empty = empty.to_str().expect("UTF-8");
    let port_text = format!("port {port} of 127.0.0.1, which the faucet needs, is in use");
    let other = tempfile::tempdir().expect("a directory");
    let (there, nowhere) = (home.path(), other.path());
    let cases: [(&Path, &[&str], &[&str]); 9] = [
        (there, &["--port-base", &base], &[&port_text, "--port-base"]),
        (there, &["--port-base", "0", "--seed", "2"], &["made with seed 1, not 2", "another directory"]),
        (there, &["--port-base", "0", "--dim", "32"], &["dimension 16, not 32", "another directory"]),
        (there, &["--port-base", "0", "--models", "tests/data/model"], &["began empty", "leave --models out"]),
        (nowhere, &["--port-base", "0", "--models", empty], &["no *.safetensors"]),
        (nowhere, &["--port-base", "0", "--models", "tests/data/model"], &["vec64_intermediates_ramp_model_0.safe"]),
        (nowhere, &["--port-base", "65411"], &["65411 is not in 0..=65410"]),
        (nowhere, &["--dim", "16", "--models", empty], &["cannot be used with"]),
        (nowhere, &["--dim", "0"], &["0 is not in 1..=8192"]),
    ];
    for (home, args, words) in cases {
        let Err(refusal) = DevnetProcess::start(home, args) else { panic!("{args:?} was taken") };
        assert_eq!(refusal.code, Some(2), "{args:?}: {}", refusal.stderr);
        for word in words {
            assert!(refusal.stderr.contains(word), "{args:?}: {word:?} is not in {:?}", refusal.stderr);
        }
    }
}
