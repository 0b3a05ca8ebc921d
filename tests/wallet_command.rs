//! `somascope wallet`, `targets`, `models` and `epoch` against the embedded network, as a user and a script meet them.

#[path = "support/newer_node.rs"]
mod newer_node;
#[path = "support/session.rs"]
mod session;

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use session::{Ended, Session};
use somascope::{
    chain::{client::Client, keys::Keypair},
    devnet::{self, Devnet, DevnetConfig, GenesisOptions, ModelSpec, Ports},
    primitives::{Address, SHANNONS_PER_SOMA},
};

const PASSPHRASE: &str = "correct horse battery staple";

fn config(dir: &Path, seed: u64, models: Vec<ModelSpec>) -> DevnetConfig {
    DevnetConfig {
        dir: dir.to_owned(),
        seed,
        listen: Ports::default(),
        epoch: None,
        genesis: GenesisOptions::v5(16),
        models,
        faucet_amount: 2 * SHANNONS_PER_SOMA,
    }
}

/// A network on which only money moves.
async fn bare_network(dir: &Path, seed: u64) -> Devnet {
    devnet::start(config(dir, seed, Vec::new())).await.expect("the network starts")
}

/// Commands against one network, off the test's own threads.
#[derive(Clone)]
struct User {
    session: Arc<Session>,
    network: Vec<String>,
}

impl User {
    fn new(session: &Arc<Session>, network: &Devnet) -> Self {
        Self { session: session.clone(), network: Self::options(&network.rpc_url, network) }
    }

    /// The same, but for the node.
    fn through(&self, rpc_url: &str, network: &Devnet) -> Self {
        Self { session: self.session.clone(), network: Self::options(rpc_url, network) }
    }

    fn options(rpc_url: &str, network: &Devnet) -> Vec<String> {
        [("--network", rpc_url), ("--faucet-url", &network.faucet_url), ("--admin-url", &network.admin_url)]
            .into_iter()
            .flat_map(|(option, value)| [option.to_owned(), value.to_owned()])
            .collect()
    }

    /// Without the network's options.
    async fn offline(&self, args: &[&str]) -> Ended {
        self.with_input(args, None, false).await
    }

    async fn run(&self, args: &[&str]) -> Ended {
        self.with_input(args, None, true).await
    }

    async fn with_input(&self, args: &[&str], input: Option<&str>, online: bool) -> Ended {
        let mut args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        if online {
            args.extend(self.network.iter().cloned());
        }
        let (session, input) = (self.session.clone(), input.map(str::to_owned));
        let ended = tokio::task::spawn_blocking(move || {
            session.run_with(&args.iter().map(String::as_str).collect::<Vec<_>>(), input.as_deref())
        });
        ended.await.expect("it ends")
    }
}

fn with_passphrase() -> Arc<Session> {
    let mut session = Session::new();
    session.environment.push(("SOMASCOPE_PASSPHRASE".into(), PASSPHRASE.into()));
    Arc::new(session)
}

fn shannons(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("{name} is an amount in {value}"))
}

/// Every text form of a key that must never be seen.
fn forms(key: &Keypair) -> Vec<String> {
    [key.to_hex(), key.to_bech32(), key.to_keystore_entry()].map(|form| form.expose_secret().to_owned()).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_is_made_funded_spent_from_and_exported_and_no_secret_is_ever_seen() {
    let place = tempfile::tempdir().expect("a place");
    let network = bare_network(place.path(), 1).await;
    let session = with_passphrase();
    let user = User::new(&session, &network);

    // A new key: encrypted, its user's own, and found without being named.
    let made = user.offline(&["wallet", "new", "--json"]).await.ok().json();
    let path = made["path"].as_str().expect("a path");
    assert_eq!(fs::metadata(path).expect("written").permissions().mode() & 0o777, 0o600);
    assert_eq!((made["name"].as_str(), made["active"].as_bool()), (Some("default"), Some(true)));
    let address: Address = made["address"].as_str().expect("text").parse().expect("an address");
    let shown = user.offline(&["wallet", "address"]).await.ok().stdout;
    assert_eq!(shown, format!("{}\n", address.to_hex_prefixed()));
    let again = user.offline(&["wallet", "new"]).await.ends(2);
    again.says(&["default", "--name"]);

    // Empty, then funded twice.
    let balance = user.run(&["wallet", "balance", "--json"]).await.ok().json();
    assert_eq!((shannons(&balance, "balance_shannons"), balance["coins"].as_u64()), (0, Some(0)));
    for _ in 0..2 {
        let given = user.run(&["wallet", "faucet", "--json"]).await.ok().json();
        assert_eq!(shannons(&given, "received_shannons"), 2 * SHANNONS_PER_SOMA);
    }
    let coins = user.run(&["wallet", "coins", "--json"]).await.ok().lines();
    assert_eq!(coins.iter().map(|coin| shannons(coin, "balance_shannons")).sum::<u64>(), 4 * SHANNONS_PER_SOMA);
    assert!(coins.iter().all(|coin| coin["id"].as_str().is_some_and(|id| id.len() == 64)), "{coins:?}");

    // Without a yes nothing is sent, but everything is shown.
    let recipient = Address([0xab; 32]);
    let to = recipient.to_hex_prefixed();
    let plan = user.run(&["wallet", "send", &to, "1.5", "--json"]).await.ends(2);
    let chain_id = balance["chain_id"].as_str().expect("text");
    plan.says(&["--yes", chain_id, &to, "1.50 SOMA", "fee", "total", "left then"]);
    let client = Client::new(&network.rpc_url, Duration::from_secs(10)).expect("a URL");
    assert_eq!(client.balance(recipient).await.ok(), Some(0));

    // Exact to the shannon, in two payments.
    let sent = user.run(&["wallet", "send", &to, "1.5soma", &to, "7sh", "--yes", "--json"]).await.ok().json();
    assert_eq!((sent["status"].as_str(), sent["created"].as_array().map(Vec::len)), (Some("executed"), Some(2)));
    assert_eq!(client.balance(recipient).await.ok(), Some(1_500_000_007));
    let fee = shannons(&sent, "fee_shannons");
    assert_eq!(sent["balance_change_shannons"].as_i64(), Some(-(1_500_000_007 + i64::try_from(fee).expect("small"))));
    let after = shannons(&user.run(&["wallet", "balance", "--json"]).await.ok().json(), "balance_shannons");
    assert_eq!(after, 4 * SHANNONS_PER_SOMA - 1_500_000_007 - fee);

    // What the wallet does not have is refused; nothing is charged.
    let poor = user.run(&["wallet", "send", &to, "1000", "--yes"]).await.ends(1);
    poor.says(&["needed", "the wallet holds", "SOMA"]);

    // One coin becomes several, of equal worth and of given amounts; many become two.
    let count = async || user.run(&["wallet", "coins", "--json"]).await.ok().lines().len();
    let before = count().await;
    user.run(&["wallet", "split", "--parts", "4", "--yes", "--json"]).await.ok();
    assert_eq!(count().await, before + 3);
    user.run(&["wallet", "split", "0.1", "250000sh", "--yes"]).await.ok();
    let coins = user.run(&["wallet", "coins", "--json"]).await.ok().lines();
    for amount in [100_000_000, 250_000] {
        assert!(coins.iter().any(|coin| shannons(coin, "balance_shannons") == amount), "{coins:?}");
    }
    user.run(&["wallet", "merge", "--yes"]).await.ok();
    assert_eq!(count().await, 2);

    // Export: not into a pipe by accident, and every form comes back as the same key.
    user.offline(&["wallet", "export", "--yes"]).await.ends(2).says(&["--confirm"]);
    user.offline(&["wallet", "export", "--confirm", "000000"]).await.ends(2);
    let end = address.to_string().split_off(58);
    let file = session.home().join("exported");
    let out = file.to_str().expect("UTF-8");
    let args = ["wallet", "export", "--confirm", &end, "--form", "hex", "--out", out];
    user.offline(&args).await.ok();
    assert_eq!(fs::metadata(&file).expect("written").permissions().mode() & 0o777, 0o600);
    let secret = SecretString::from(fs::read_to_string(&file).expect("text"));
    let key = Keypair::from_text(&secret).expect("a key");
    assert_eq!(key.address(), address);
    fs::remove_file(&file).expect("ours");
    session.assert_never_seen(&[forms(&key), vec![PASSPHRASE.to_owned()]].concat());

    for (form, expected) in ["hex", "bech32", "keystore"].iter().zip(forms(&key)) {
        let exported = user.offline(&["wallet", "export", "--confirm", &end, "--form", form, "--json"]).await.ok();
        assert_eq!(exported.json()["exported_private_key"].as_str(), Some(expected.as_str()));
    }
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_chain_and_a_newer_protocol_are_asked_about_and_yes_does_not_answer() {
    let place = tempfile::tempdir().expect("a place");
    let home = bare_network(&place.path().join("home"), 1).await;
    let other = bare_network(&place.path().join("other"), 2).await;
    let session = with_passphrase();
    let (user, abroad) = (User::new(&session, &home), User::new(&session, &other));
    user.offline(&["wallet", "new"]).await.ok();
    let chain = async |user: &User| {
        let balance = user.run(&["wallet", "balance", "--json"]).await.ok().json();
        balance["chain_id"].as_str().expect("text").to_owned()
    };
    let (here, there) = (chain(&user).await, chain(&abroad).await);
    assert_ne!(here, there);
    for user in [&user, &abroad] {
        user.run(&["wallet", "faucet"]).await.ok();
    }
    let pay = ["wallet", "send", &"ab".repeat(32), "0.1", "--yes", "--json"];
    assert_eq!(user.run(&pay).await.ok().json()["chain_id"], here, "the first chain is no question");
    abroad.run(&pay).await.ends(2).says(&[&here, &there, "--accept-chain"]);
    // A run signs later, when nobody may be there to ask: it asks at the start, or does not start.
    let data = session.home().join("data.txt");
    fs::write(&data, "some data").expect("writable");
    let env = session.home().join(".env");
    let bucket = "S3_BUCKET=b\nS3_ACCESS_KEY_ID=i\nS3_SECRET_ACCESS_KEY=s\nS3_PUBLIC_URL=http://127.0.0.1:1/b\n";
    fs::write(&env, bucket).expect("writable");
    fs::set_permissions(&env, fs::Permissions::from_mode(0o600)).expect("ours");
    let run = ["run", "--headless", "--epochs", "1", "--data", data.to_str().expect("UTF-8")];
    abroad.run(&run).await.ends(2).says(&["--accept-chain"]);
    let nowhere = [&run[..], &["--network", "http://127.0.0.1:1"]].concat();
    user.offline(&nowhere).await.ends(3).says(&["has not been used on", "read-only"]);
    // The chain that was accepted while the node was away is what counts: here for the journal of another one.
    let state = session.files("journal.sqlite").remove(0);
    let state = state.parent().and_then(Path::to_str).expect("UTF-8");
    let accepts = ["--rpc-url", "http://127.0.0.1:1", "--accept-chain", "elsewhere", "--dir", state];
    user.run(&[&run[..], &accepts].concat()).await.ends(2).says(&["belongs to the chain", &here, "elsewhere"]);
    let wrong = [&pay[..], &["--accept-chain", &here]].concat();
    abroad.run(&wrong).await.ends(2).says(&[&there]);
    let accepted = [&pay[..], &["--accept-chain", &there]].concat();
    assert_eq!(abroad.run(&accepted).await.ok().json()["chain_id"], there);
    abroad.run(&pay).await.ok();
    user.run(&pay).await.ok();

    // The same chain after its next upgrade: reading goes on and says so, signing asks.
    let upgraded = user.through(&newer_node::start(&home.rpc_url).await, &home);
    let epoch = upgraded.run(&["epoch", "--json"]).await.ok().json();
    assert_eq!((epoch["protocol_version"].as_u64(), epoch["known_protocol_version"].as_u64()), (Some(6), Some(5)));
    assert!(upgraded.run(&["epoch"]).await.ok().stdout.contains("newer than 5"));
    upgraded.run(&["wallet", "balance"]).await.ok();
    upgraded.run(&pay).await.ends(2).says(&["version 6", "--accept-protocol 6"]);
    upgraded.run(&[&pay[..], &["--accept-protocol", "6"]].concat()).await.ok();
    // Another URL, the same chain, the same journal: one of each chain.
    assert_eq!(session.files("journal.sqlite").len(), 2, "{:?}", session.files("journal.sqlite"));
    home.shutdown().await;
    other.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_models_and_the_epoch_are_listed() {
    let place = tempfile::tempdir().expect("a place");
    let weights = [
        &include_bytes!("data/model/small16_model_0.safetensors")[..],
        &include_bytes!("data/model/small16_model_1.safetensors")[..],
        &include_bytes!("data/model/small16_model_2.safetensors")[..],
    ];
    let model = |(n, weights): (u64, &[u8])| ModelSpec {
        name: format!("model-{n}"),
        weights: weights.to_vec(),
        embedding: None,
        stake: n * SHANNONS_PER_SOMA,
    };
    let config = config(place.path(), 3, (1..).zip(weights).map(model).collect());
    let network = devnet::start(config).await.expect("the network starts");
    let user = User::new(&Arc::new(Session::new()), &network);

    let models = user.run(&["models", "--json"]).await.ok().lines();
    let stakes: Vec<u64> = models.iter().map(|model| shannons(model, "stake_shannons")).collect();
    assert_eq!(stakes, [3, 2, 1].map(|n| n * SHANNONS_PER_SOMA));
    assert!(models.iter().all(|model| model["embedding_dim"] == 16 && shannons(model, "size_bytes") > 0));
    let richest = models[0]["id"].as_str().expect("an id");

    let targets = user.run(&["targets", "--json"]).await.ok().lines();
    assert_eq!(targets.len() as u64, user.run(&["epoch", "--json"]).await.ok().json()["targets_generated"]);
    assert!(targets.iter().all(|target| target["status"] == "open" && shannons(target, "reward_shannons") > 0));
    assert!(targets.iter().all(|target| target.get("embedding").is_none()));
    let with_model = user.run(&["targets", "--json", "--model", richest]).await.ok().lines();
    assert_eq!(with_model.len() as u64, models[0]["open_targets"]);
    assert_eq!(user.run(&["targets", "--json", "--limit", "3"]).await.ok().lines().len(), 3);
    let id = targets[5]["id"].as_str().expect("an id");
    let one = user.run(&["targets", "--id", id, "--embedding", "--json"]).await.ok().json();
    assert_eq!(one["embedding"].as_array().map(Vec::len), Some(16));
    let table = user.run(&["targets"]).await.ok().stdout;
    assert!(table.starts_with("STATUS") && table.contains(&format!("0x{id}")), "{table}");

    // Only a person, or --yes, turns the epoch; then what was open has expired.
    let epoch = async || user.run(&["epoch", "--json"]).await.ok().json()["epoch"].as_u64().expect("a number");
    let before = epoch().await;
    user.run(&["epoch", "--advance"]).await.ends(2).says(&["--yes"]);
    let advanced = user.run(&["epoch", "--advance", "--yes", "--json"]).await.ok().json();
    assert_eq!(advanced["epoch"].as_u64(), Some(before + 1));
    let expired = user.run(&["targets", "--status", "expired", "--json"]).await.ok().lines();
    assert_eq!(expired.len(), targets.len());
    let all = user.run(&["targets", "--status", "all", "--json"]).await.ok().lines();
    let open = user.run(&["targets", "--json"]).await.ok().lines();
    assert_eq!(all.len(), expired.len() + open.len());
    network.shutdown().await;
}

#[test]
fn what_is_wrong_has_its_own_exit_code() {
    let session = with_passphrase();
    let refuse = |args: &[&str], code: i32, words: &[&str]| drop(session.run(args).ends(code).says(words));
    // A port that nobody listens on.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
    let away = format!("http://127.0.0.1:{port}");
    refuse(&["wallet", "balance", "--address", "0x5", "--network", &away], 3, &["unreachable"]);
    refuse(&["targets", "--network", &away], 3, &["unreachable"]);
    refuse(&["epoch", "--network", "devnet"], 3, &["somascope devnet"]);
    refuse(&["wallet", "faucet", "--address", "0x5", "--network", &away], 2, &["--faucet-url"]);
    refuse(&["wallet", "balance", "--network", "nowhere"], 2, &["nowhere"]);
    refuse(&["wallet", "address"], 2, &["wallet new"]);
    refuse(&["wallet", "address", "--wallet", "savings"], 2, &["savings"]);
    refuse(&["wallet", "send", "0x5", "1"], 2, &["64 hex digits"]);
    refuse(&["wallet", "send", &"ab".repeat(32), "1e9"], 2, &["1e9"]);
    refuse(&["wallet", "send", &"ab".repeat(32), "1", "0x5"], 2, &["amount"]);
    refuse(&["wallet", "split"], 2, &["--parts"]);
    refuse(&["epoch", "--advance", "--network", "testnet"], 2, &["--admin-url"]);

    session.run(&["wallet", "new"]).ok();
    refuse(&["wallet", "merge", "--yes", "--network", &away], 3, &["unreachable"]);
    let end = session.run(&["wallet", "address"]).ok().stdout.trim_end().to_owned().split_off(60);
    let mut other = Session::new();
    other.environment.push(("SOMASCOPE_PASSPHRASE".into(), "wrong".into()));
    other.environment.push(("XDG_DATA_HOME".into(), session.home().join("data").display().to_string()));
    other.run(&["wallet", "export", "--confirm", &end]).ends(2).says(&["passphrase is wrong"]);
    other.environment.remove(0);
    other.run(&["wallet", "export", "--confirm", &end]).ends(2).says(&["SOMASCOPE_PASSPHRASE"]);
    other.run(&["wallet", "new", "--name", "second"]).ends(2).says(&["SOMASCOPE_PASSPHRASE"]);
}

#[test]
fn every_form_of_a_key_is_imported_from_a_pipe_or_a_private_file() {
    let key = Keypair::from_seed([7; 32]);
    let keystore = format!("[\n  \"{}\",\n  \"{}\"\n]", forms(&Keypair::from_seed([8; 32]))[2], forms(&key)[2]);
    let exported = format!("{{\"alias\": \"a\", \"exported_private_key\": \"{}\"}}", forms(&key)[1]);
    let mut inputs: Vec<String> = forms(&key);
    inputs.extend([format!("0x{}\n", forms(&key)[0]), exported, keystore.clone()]);
    for input in &inputs {
        let session = with_passphrase();
        let address = key.address().to_string();
        let args = ["wallet", "import", "--json", "--address", &address];
        let imported = session.run_with(&args, Some(input)).ok().json();
        assert_eq!(imported["address"].as_str(), Some(address.as_str()));
        session.assert_never_seen(&forms(&key));
        session.run_with(&["wallet", "import", "--name", "b"], Some(&forms(&key)[0])).ends(2).says(&["already"]);
    }

    let session = with_passphrase();
    // Of `protocol-vectors.json`.
    let mnemonic = "film crazy soon outside stand loop subway crumble thrive popular green nuclear struggle pistol arm wife \
                    phrase warfare march wheat nephew ask sunny firm";
    let imported = session.run_with(&["wallet", "import", "--json"], Some(mnemonic)).ok().json();
    let expected = Keypair::from_mnemonic(&mnemonic.into()).expect("words").address();
    assert_eq!(imported["address"].as_str(), Some(expected.to_string().as_str()));

    let ambiguous = session.run_with(&["wallet", "import", "--name", "k"], Some(&keystore)).ends(2);
    ambiguous.says(&["--address", &key.address().to_string()]);
    let file = session.home().join("key.txt");
    fs::write(&file, &forms(&key)[1]).expect("writable");
    let path = file.to_str().expect("UTF-8");
    session.run(&["wallet", "import", "--name", "f", "--file", path]).ends(2).says(&["chmod 600"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("ours");
    session.run(&["wallet", "import", "--name", "f", "--file", path]).ok();
    fs::remove_file(&file).expect("ours");
    for bad in
        ["", "hunter2hunter2", "correct horse battery staple and more words than that", "{\"x\": \"hunter2hunter2\"}"]
    {
        session.run_with(&["wallet", "import", "--name", "bad"], Some(bad)).ends(2);
    }
    session.assert_never_seen(&[forms(&key), vec!["hunter2hunter2".to_owned(), mnemonic[..20].to_owned()]].concat());
}

#[test]
fn keys_are_looked_for_in_a_fixed_order_and_list_shows_it() {
    let mut session = Session::new();
    let address = |session: &Session, args: &[&str]| {
        let shown = session.run(&[&["wallet", "address", "--json"], args].concat()).ok().json();
        let text = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
        (text("address"), text("source"))
    };
    let of = |seed: u8, source: &str| (Keypair::from_seed([seed; 32]).address().to_string(), source.to_owned());

    // The network's own command line's keystore is the last resort,
    let config = session.home().join(".soma/soma_config");
    fs::create_dir_all(&config).expect("writable");
    let keystore = config.join("soma.keystore");
    fs::write(&keystore, format!("[\"{}\"]", forms(&Keypair::from_seed([1; 32]))[2])).expect("writable");
    fs::set_permissions(&keystore, fs::Permissions::from_mode(0o600)).expect("ours");
    let yaml =
        format!("keystore:\n  File: {}\nenvs:\n  - alias: home\n    rpc: http://127.0.0.1:1\n", keystore.display());
    fs::write(config.join("client.yaml"), yaml).expect("writable");
    assert_eq!(address(&session, &[]), of(1, "keystore"));
    // and its environments are networks.
    session.run(&["wallet", "balance", "--network", "home"]).ends(3).says(&["unreachable"]);

    // then the active wallet file,
    session.environment.push(("SOMASCOPE_PASSPHRASE".into(), PASSPHRASE.into()));
    session.run_with(&["wallet", "import"], Some(&hex::encode([2; 32]))).ok();
    session.run_with(&["wallet", "import", "--name", "second"], Some(&hex::encode([5; 32]))).ok();
    assert_eq!(address(&session, &[]), of(2, "wallet_file"));
    session.run(&["wallet", "use", "second"]).ok();
    assert_eq!(address(&session, &[]), of(5, "wallet_file"));

    // then `.env`, then the process's own variable, and a named one before all.
    let env = session.home().join(".env");
    fs::write(&env, format!("SOMA_SECRET_KEY={}\n", hex::encode([3; 32]))).expect("writable");
    fs::set_permissions(&env, fs::Permissions::from_mode(0o600)).expect("ours");
    assert_eq!(address(&session, &[]), of(3, "environment"));
    session.environment.push(("SOMA_SECRET_KEY".into(), hex::encode([4; 32])));
    assert_eq!(address(&session, &[]), of(4, "environment"));
    assert_eq!(address(&session, &["--wallet", "default"]), of(2, "wallet_file"));

    let listed = session.run(&["wallet", "list", "--json"]).ok().lines();
    let shown: Vec<(String, bool)> = listed
        .iter()
        .map(|wallet| (wallet["source"].as_str().unwrap_or_default().to_owned(), wallet["used"] == true))
        .collect();
    let expected = [("environment", true), ("wallet_file", false), ("keystore", false), ("wallet_file", false)];
    assert_eq!(shown, expected.map(|(source, used)| (source.to_owned(), used)));
    assert!(session.run(&["wallet", "address", "-v"]).ok().stdout.contains("SOMA_SECRET_KEY of the environment"));

    // What is broken is an error, and never a reason to take another key.
    session.environment.retain(|(name, _)| name != "SOMA_SECRET_KEY");
    fs::write(&env, "SOMA_SECRET_KEY=nonsense-nonsense\n").expect("writable");
    session.run(&["wallet", "address"]).ends(2).says(&["SOMA_SECRET_KEY"]);
    fs::remove_file(&env).expect("ours");
    fs::write(session.data().join("wallets/second.json"), "{").expect("ours");
    session.run(&["wallet", "address"]).ends(2).says(&["second.json"]);
    // But one that is not needed hides nothing.
    assert_eq!(session.run(&["wallet", "list", "--json"]).ok().says(&["warning", "second.json"]).lines().len(), 2);
}
