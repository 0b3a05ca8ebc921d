//! `somascope run` against a network that is not its own: here the embedded one, as any node.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

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
        epoch: Some(Duration::from_secs(8)),
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

fn program(dir: &Path, command: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_somascope"));
    // Nothing of the machine's own wallets.
    program.current_dir(dir).env("HOME", dir).env("XDG_DATA_HOME", dir.join("data")).env("SOMASCOPE_CONFIG", "none");
    for name in ["SOMA_CONFIG_DIR", "SOMA_SECRET_KEY", "SOMASCOPE_NETWORK", "SOMASCOPE_PASSPHRASE"] {
        program.env_remove(name);
    }
    program.arg(command);
    program
}

/// With its state in `state`, as somebody keeps it who names a place.
fn run_in(dir: &Path, state: &str, url: &str, args: &[&str]) -> Command {
    let mut command = program(dir, "run");
    command.args(["--headless", "--json", "--network", url, "--data", DATA, "--dir"]).arg(dir.join(state)).args(args);
    command
}

async fn ended(mut command: Command) -> std::process::Output {
    tokio::task::spawn_blocking(move || command.output().expect("the binary runs")).await.expect("it ends")
}

async fn run(dir: &Path, url: &str, args: &[&str]) -> std::process::Output {
    ended(run_in(dir, "state", url, args)).await
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

    // Other commands find that journal where they are told, and settle what is in it.
    let told = |command: &str, args: &[&str], dir_from: &str| {
        let mut told = program(dir.path(), command);
        told.args(args).args(["--json", "--network", &network.rpc_url]);
        match dir_from {
            "option" => told.args(["--dir", "state"]),
            "variable" => told.env("SOMASCOPE_DIR", "state").env("SOMASCOPE_NETWORK", &network.rpc_url),
            _ => &mut told,
        };
        ended(told)
    };
    for (dir_from, journal) in [("option", "joined"), ("variable", "joined"), ("nowhere", "none")] {
        let rewards = told("rewards", &[], dir_from).await;
        let rewards: Value = serde_json::from_slice(&rewards.stdout).expect("one JSON object");
        assert_eq!(rewards["journal"], journal, "{dir_from}: {rewards}");
    }
    let claimed = told("claim", &["--all", "--yes"], "option").await;
    assert!(claimed.status.success(), "{}", String::from_utf8_lossy(&claimed.stderr));

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
    // Whatever is left of the first, the second one is whole.
    let output = run(dir.path(), &network.rpc_url, &["--epochs", "2"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert!(report["samples_scored"].as_u64() > Some(0), "{report}");
    assert_eq!(report["submitted"], 0);

    let refused = run(dir.path(), &network.rpc_url, &["--mode", "auto"]).await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("SOMA_SECRET_KEY"));
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_signs_for_a_wallet_wherever_its_state_is() {
    let dir = tempfile::tempdir().expect("a place");
    let network = network(dir.path()).await;
    write_environment(dir.path(), &network);
    request_faucet(&network.faucet_url, Keypair::from_seed(SEED).address()).await.expect("the faucet gives");
    let url = network.rpc_url.clone();
    let split = || {
        let mut split = program(dir.path(), "wallet");
        split.args(["split", "--parts", "2", "--yes", "--network", &url]);
        ended(split)
    };
    let mut running = run_in(dir.path(), "state", &url, &["--mode", "manual"]);
    let mut running = running.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary runs");
    // Written once it holds the wallet.
    let log = dir.path().join("state/somascope.log");
    let begins = async {
        while !log.exists() {
            assert_eq!(running.try_wait().expect("ours"), None, "it goes on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), begins).await.expect("it begins");
    for refused in [split().await, ended(run_in(dir.path(), "other", &url, &["--epochs", "1"])).await] {
        let stderr = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("another somascope works in"), "{stderr}");
    }
    running.kill().expect("ours");
    running.wait().expect("it ends");
    let output = split().await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    network.shutdown().await;
}
