//! `somascope map`: the niche map of a directory as a file, through the binary.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use serde_json::Value;
use somascope::{
    devnet::{self, Devnet, DevnetConfig, GenesisOptions, ModelSpec, Ports},
    primitives::SHANNONS_PER_SOMA,
};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/corpus/prose");

async fn network(dir: &Path) -> Devnet {
    let weights = [
        &include_bytes!("data/model/small16_model_0.safetensors")[..],
        &include_bytes!("data/model/small16_model_1.safetensors")[..],
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

/// The binary in a home of its own, without a wallet.
async fn somascope(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_somascope"));
    command.current_dir(dir).args(args).env("HOME", dir).env("XDG_DATA_HOME", dir.join("data"));
    for name in ["SOMA_CONFIG_DIR", "SOMA_SECRET_KEY", "SOMASCOPE_NETWORK", "SOMASCOPE_PASSPHRASE"] {
        command.env_remove(name);
    }
    let output = tokio::task::spawn_blocking(move || command.output().expect("the binary runs")).await;
    output.expect("it ends")
}

/// Exit code and what it said.
fn ended(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_map_of_what_was_scored_is_drawn_against_the_targets_that_are_open() {
    let place = tempfile::tempdir().expect("a place");
    let dir = place.path();
    let network = network(dir).await;
    let url = network.rpc_url.clone();
    let map = async |out: &str, more: &[&str]| {
        let args = ["map", "--network", &url, "--dir", "state", "--out", out];
        somascope(dir, &[&args, more].concat()).await
    };

    let (code, told) = ended(&map("early.svg", &[]).await);
    assert!(code == Some(2) && told.contains("no scored samples yet"), "{code:?} {told}");
    assert!(!dir.join("state").exists(), "looking makes nothing");

    // Whatever is left of the first, the second one is whole.
    let run = ["run", "--headless", "--network", &url, "--data", DATA, "--dir", "state", "--epochs", "2"];
    let output = somascope(dir, &run).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let output = map("map.svg", &["--json", "--colour", "margin"]).await;
    assert_eq!(ended(&output).0, Some(0), "{}", ended(&output).1);
    let shown: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let svg = fs::read_to_string(dir.join("map.svg")).expect("the picture is there");
    assert_eq!(shown["bytes"], svg.len());
    assert!(shown["file"].as_str().is_some_and(|file| Path::new(file).is_absolute()), "{shown}");
    assert!(shown["samples"].as_u64() >= Some(16) && shown["targets"].as_u64() > Some(0), "{shown}");
    assert!(
        svg.starts_with("<svg") && svg.contains("Samples by best margin") && svg.contains("open target"),
        "{shown}"
    );

    let output = map("map.png", &["--size", "640x480", "--layout", "neighbours", "--colour", "source"]).await;
    assert_eq!(ended(&output).0, Some(0), "{}", ended(&output).1);
    let png = fs::read(dir.join("map.png")).expect("the picture is there");
    assert!(png.starts_with(b"\x89PNG") && png[16..24] == [0, 0, 2, 128, 0, 0, 1, 224]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("map.png"));

    for (out, more, said) in [
        ("map.jpeg", &[][..], "ends in .svg or .png"),
        ("map.svg", &["--size", "9x9"][..], "WIDTHxHEIGHT"),
        ("no/such/place.svg", &[][..], "there is no directory no/such"),
        ("map.svg", &[][..], "--force writes over it"),
        ("-", &["--json"][..], "choose one"),
    ] {
        let (code, told) = ended(&map(out, more).await);
        assert!(code == Some(2) && told.contains(said), "{code:?} {told}");
    }

    let before = fs::read(dir.join("map.svg")).expect("it is as it was");
    assert_eq!(before, svg.as_bytes());
    let output = map("map.svg", &["--force"]).await;
    assert_eq!(ended(&output).0, Some(0), "{}", ended(&output).1);
    assert_ne!(fs::read(dir.join("map.svg")).expect("there"), before, "coloured otherwise");
    let output = map("-", &["--format", "png"]).await;
    assert!(ended(&output).0 == Some(0) && output.stdout.starts_with(b"\x89PNG"), "{}", ended(&output).1);

    // An engine holds its library.
    let lock = fs::File::open(dir.join("state/library/lock")).expect("the library is there");
    lock.try_lock().expect("nobody has it");
    let (code, told) = ended(&map("busy.svg", &[]).await);
    assert!(code == Some(2) && told.contains("an engine works in"), "{code:?} {told}");
    drop(lock);

    network.shutdown().await;
    let (code, told) = ended(&map("late.svg", &[]).await);
    assert_eq!(code, Some(3), "{told}");
}
