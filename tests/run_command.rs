//! `somascope run` against a network that is not its own: here the embedded one, as any node.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command, time::Duration};

use secrecy::ExposeSecret;
use serde_json::Value;
use somascope::{
    chain::{
        client::{Client, request_faucet},
        keys::Keypair,
    },
    devnet::{self, Devnet, DevnetConfig, GenesisOptions, ModelSpec, Ports},
    primitives::SHANNONS_PER_SOMA,
};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/corpus/prose/moby-dick-07.txt");
const SEED: [u8; 32] = [7; 32];

async fn network(dir: &Path) -> Devnet {
    let weights = [
        &include_bytes!("data/model/small16_model_0.safetensors")[..],
        &include_bytes!("data/model/small16_model_1.safetensors")[..],
        &include_bytes!("data/model/small16_model_2.safetensors")[..],
    ];
    let model = |(n, weights): (usize, &[u8])| ModelSpec {
        name: format!("model-{n}"),
        weights: weights.to_vec(),
        embedding: None,
        stake: SHANNONS_PER_SOMA,
    };
    let config = DevnetConfig {
        dir: dir.join("network"),
        seed: 9,
        listen: Ports::default(),
        epoch: Some(Duration::from_secs(4)),
        genesis: GenesisOptions::v5(16),
        models: weights.into_iter().enumerate().map(model).collect(),
        faucet_amount: SHANNONS_PER_SOMA,
    };
    devnet::start(config).await.expect("the network starts")
}

/// `.env` in the working directory, as the quickstart has it.
fn write_environment(dir: &Path, network: &Devnet) {
    let objects = &network.objects;
    let text = format!(
        "SOMA_SECRET_KEY={}\nS3_BUCKET={}\nS3_ACCESS_KEY_ID={}\nS3_SECRET_ACCESS_KEY={}\nS3_ENDPOINT_URL={}\nS3_PUBLIC_URL={}\n",
        hex::encode(SEED),
        objects.bucket,
        objects.access_key_id,
        objects.secret_access_key.expose_secret(),
        objects.endpoint_url,
        objects.public_url,
    );
    fs::write(dir.join(".env"), text).expect("writable");
    fs::set_permissions(dir.join(".env"), fs::Permissions::from_mode(0o600)).expect("ours");
}

async fn run(dir: &Path, url: &str, args: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_somascope"));
    command.current_dir(dir).args(["run", "--headless", "--json", "--network", url, "--data", DATA, "--dir"]);
    command.arg(dir.join("state")).args(args);
    // Nothing of the machine's own wallets.
    command.env("HOME", dir).env("XDG_DATA_HOME", dir.join("data")).env("SOMASCOPE_CONFIG", "none");
    for name in ["SOMA_CONFIG_DIR", "SOMA_SECRET_KEY", "SOMASCOPE_NETWORK", "SOMASCOPE_PASSPHRASE"] {
        command.env_remove(name);
    }
    tokio::task::spawn_blocking(move || command.output().expect("the binary runs")).await.expect("it ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_funded_wallet_fills_targets_of_a_network_that_it_is_pointed_at() {
    let dir = tempfile::tempdir().expect("a place");
    let network = network(dir.path()).await;
    write_environment(dir.path(), &network);
    let address = Keypair::from_seed(SEED).address();
    request_faucet(&network.faucet_url, address).await.expect("the faucet gives");

    let output = run(dir.path(), &network.rpc_url, &["--mode", "auto", "--epochs", "3"]).await;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert!(report["filled"].as_u64() > Some(0), "{report}\n{stderr}");
    let client = Client::new(&network.rpc_url, Duration::from_secs(10)).expect("a URL");
    assert_eq!(report["balance_end_shannons"].as_u64(), client.balance(address).await.ok());

    // No secret of the environment is in anything that was written or printed.
    let log = fs::read_to_string(dir.path().join("state/somascope.log")).expect("the log is there");
    for secret in [hex::encode(SEED), network.objects.secret_access_key.expose_secret().to_owned()] {
        assert!(!log.contains(&secret) && !stderr.contains(&secret));
    }
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_it_scores_and_signs_nothing() {
    let dir = tempfile::tempdir().expect("a place");
    let network = network(dir.path()).await;
    let output = run(dir.path(), &network.rpc_url, &["--epochs", "1"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert!(report["samples_scored"].as_u64() > Some(0), "{report}");
    assert_eq!(report["submitted"], 0);

    let refused = run(dir.path(), &network.rpc_url, &["--mode", "auto"]).await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("SOMA_SECRET_KEY"));
    network.shutdown().await;
}
