//! The whole game with nothing but the command line: `wallet new → faucet → score → submit → epoch → claim → rewards` against
//! `somascope devnet`, as a script plays it.

#[path = "engine/relay.rs"]
mod relay;

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use relay::Relay;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use somascope::{chain::client::Client, primitives::Address};

const PASSPHRASE: &str = "correct horse battery staple";
/// Variables of the machine that must not reach the commands.
const FOREIGN: [&str; 6] =
    ["SOMA_CONFIG_DIR", "SOMA_SECRET_KEY", "SOMASCOPE_NETWORK", "SOMASCOPE_PASSPHRASE", "S3_BUCKET", "RUST_LOG"];

/// A user on a machine of their own.
struct User {
    home: tempfile::TempDir,
    /// Added to every command.
    network: Vec<String>,
}

struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

impl User {
    fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a place"), network: Vec::new() }
    }

    /// Somebody who has never seen this network, and is pointed at it.
    fn elsewhere(ready: &Value) -> Self {
        let option = |name: &str, field: &str| [name.to_owned(), ready[field].as_str().expect("a URL").to_owned()];
        let network = [option("--network", "rpc_url"), option("--faucet-url", "faucet_url")].concat();
        Self { network, ..Self::new() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_somascope"));
        command.current_dir(self.home.path()).args(args).stdin(Stdio::null());
        for name in FOREIGN {
            command.env_remove(name);
        }
        command.env("HOME", self.home.path()).env("XDG_DATA_HOME", self.home.path().join("data"));
        command.env("SOMASCOPE_PASSPHRASE", PASSPHRASE).env("SOMASCOPE_CONFIG", "none");
        command
    }

    fn run_offline(&self, args: &[&str]) -> Ended {
        let output = self.command(args).output().expect("the binary runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let ended = Ended {
            code: output.status.code().expect("no signal"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        ended
    }

    fn run(&self, args: &[&str]) -> Ended {
        let network = self.network.iter().map(String::as_str);
        self.run_offline(&args.iter().copied().chain(network).collect::<Vec<_>>())
    }

    /// The one JSON object of a command that goes well.
    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        let lines = self.lines(args);
        assert_eq!(lines.len(), 1, "{args:?}: {lines:?}");
        lines.into_iter().next().unwrap_or_default()
    }

    /// One JSON object a line.
    #[track_caller]
    fn lines(&self, args: &[&str]) -> Vec<Value> {
        self.run(&[args, &["--json"]].concat()).ends(0).lines()
    }

    #[track_caller]
    fn balance(&self) -> u64 {
        number(&self.json(&["wallet", "balance"]), "balance_shannons")
    }

    /// Somewhere below the home.
    fn has(&self, name: &str) -> bool {
        let mut dirs = vec![self.home.path().to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).expect("readable").flatten() {
                if entry.file_name() == name {
                    return true;
                }
                dirs.extend(entry.path().is_dir().then(|| entry.path()));
            }
        }
        false
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.home.path().join(name);
        fs::write(&path, bytes).expect("writable");
        path
    }
}

impl Ended {
    #[track_caller]
    fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "`{words}` is not in: {}", self.stderr);
        self
    }

    #[track_caller]
    fn lines(&self) -> Vec<Value> {
        let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.stdout.lines().map(line).collect()
    }
}

/// `somascope devnet`, stopped as a user stops it.
struct Network {
    child: Child,
    ready: Value,
}

impl Network {
    fn start(user: &User) -> Self {
        let mut command = user.command(&["devnet", "--port-base", "0", "--epoch-seconds", "0", "--json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary runs");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("it speaks");
        let ready = serde_json::from_str(&line).unwrap_or_else(|e| panic!("not ready: {e}: {line}"));
        Self { child, ready }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Already ended, if it failed.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

#[track_caller]
fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("{name} is no number in {value}"))
}

#[track_caller]
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is no text in {value}"))
}

/// A window of each file of the demo corpus: what somebody's data might be.
fn data(user: &User) -> Vec<String> {
    let mut kinds: Vec<_> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/corpus"))
        .expect("the corpus is there")
        .flatten()
        .collect();
    kinds.sort_by_key(|kind| kind.path());
    let mut files = Vec::new();
    for kind in kinds {
        let mut entries: Vec<_> = fs::read_dir(kind.path()).expect("readable").flatten().collect();
        entries.sort_by_key(|entry| entry.path());
        for entry in entries.iter().take(3) {
            let bytes = fs::read(entry.path()).expect("readable");
            let name = format!("{}.part", entry.file_name().to_string_lossy());
            user.file(&name, &bytes[2048.min(bytes.len() / 2)..][..1024.min(bytes.len() / 2)]);
            files.push(name);
        }
    }
    files
}

/// (file, target) pairs by the command line's own scores: hits of different files and targets, and one miss.
fn hits_and_a_miss(scored: &[Value], count: usize) -> (Vec<(String, Value)>, (String, Value)) {
    let all = scored.iter().flat_map(|file| {
        let targets = file["targets"].as_array().expect("a list").iter();
        targets.map(|target| (text(file, "file").to_owned(), target.clone()))
    });
    let (hits, misses): (Vec<_>, Vec<_>) = all.partition(|(_, target)| target["hit"] == true);
    let mut chosen: Vec<(String, Value)> = Vec::new();
    for (file, target) in hits {
        let is_new = |(f, t): &(String, Value)| *f != file && t["target"] != target["target"];
        if chosen.len() < count && chosen.iter().all(is_new) {
            chosen.push((file, target));
        }
    }
    assert_eq!(chosen.len(), count, "the demo's data hits the demo's targets");
    (chosen, misses.into_iter().next().expect("not everything hits everything"))
}

/// What `rewards` writes for other programs, and that it writes over nothing.
fn tables_and_pictures(user: &User, submissions: usize) {
    let table = user.run(&["rewards", "--csv", "-"]).ends(0).stdout;
    let lines: Vec<_> = table.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), submissions + 1, "{table}");
    assert!(lines[0].starts_with("target,state,epoch,") && lines[0].ends_with(",steps,note"), "{}", lines[0]);
    assert!(
        lines[1..]
            .iter()
            .all(|line| line.starts_with("0x") && line.contains(",claimed,") && line.contains("; sent 20"))
    );
    let epochs = user.run(&["rewards", "--csv", "-", "--by", "epoch"]).ends(0).stdout;
    assert!(epochs.starts_with("epoch,filled,lost,earned_shannons,earned_soma,"), "{epochs}");

    let files = ["rewards", "--csv", "r.csv", "--png", "r.png", "--svg", "r.svg", "--size", "640x480"];
    let written = user.run(&files).ends(0);
    let place = user.home.path().canonicalize().expect("it is there");
    let read = |name: &str| fs::read(place.join(name)).expect("it was written");
    for name in ["r.csv", "r.png", "r.svg"] {
        assert!(
            written.stderr.contains(&format!("wrote {}", user.home.path().join(name).display())),
            "{}",
            written.stderr
        );
    }
    assert_eq!(String::from_utf8(read("r.csv")).expect("text"), table);
    assert!(String::from_utf8(read("r.svg")).expect("text").starts_with("<svg width=\"640\" height=\"480\""));
    let png = read("r.png");
    assert_eq!((&png[..8], &png[16..24]), (&b"\x89PNG\r\n\x1a\n"[..], &[0, 0, 2, 128, 0, 0, 1, 224][..]));

    fs::write(place.join("r.csv"), "mine").expect("ours");
    assert!(user.run(&files).ends(2).stderr.contains("--force"));
    assert_eq!(read("r.csv"), b"mine");
    user.run(&[&files[..], &["--force"]].concat()).ends(0);
    assert_eq!(read("r.csv"), table.as_bytes());
    user.run_offline(&["rewards", "--csv", "-", "--json"]).ends(2);
    user.run_offline(&["rewards", "--png", "a.png", "--size", "10x10"]).ends(2);
}

#[test]
fn a_scripted_session_from_a_new_wallet_to_its_rewards() {
    let mut user = User::new();
    let network = Network::start(&user);
    // The network is found by its name on its own machine.
    user.network = vec!["--network".to_owned(), "devnet".to_owned()];

    let wallet = user.run_offline(&["wallet", "new", "--json"]).ends(0).lines().remove(0);
    let address = text(&wallet, "address").to_owned();
    user.run(&["wallet", "faucet", "--json"]).ends(0);
    let start = user.balance();
    assert_eq!(start, number(&network.ready, "faucet_amount_shannons"));

    let healthy = user.json(&["doctor", "--data", "."]);
    assert_eq!((number(&healthy, "failures"), text(&healthy, "network")), (0, "devnet"), "{healthy}");
    let checked: Vec<&str> = healthy["checks"].as_array().expect("a list").iter().map(|c| text(c, "name")).collect();
    for name in
        ["key", "chain", "clock", "balance", "scoring", "bucket write", "bucket public read", "bucket delete", "memory"]
    {
        assert!(checked.contains(&name), "{name}: {checked:?}");
    }

    // Who looks leaves no journal, which would belong to a chain.
    assert_eq!(user.json(&["rewards", "--yes"])["journal"], "none");
    assert!(!user.has("journal.sqlite"));

    let open = user.lines(&["targets"]);
    assert!(!open.is_empty());
    let files = data(&user);
    let score: Vec<&str> =
        ["score"].into_iter().chain(files.iter().map(String::as_str)).chain(["--top", "1000"]).collect();
    let scored = user.lines(&score);
    assert_eq!(scored.len(), files.len());
    assert!(scored.iter().all(|file| file["targets"].as_array().is_some_and(|found| found.len() == open.len())));
    let (mut hits, (far_file, far)) = hits_and_a_miss(&scored, 2);

    // What will not do is refused before anything is sent.
    let far_target = text(&far, "target");
    user.run(&["submit", &far_file, "--target", far_target, "--yes"]).ends(2).says("beyond the threshold");
    user.file("id_ed25519", b"not even a key");
    user.run(&["submit", "id_ed25519", "--target", far_target, "--yes"])
        .ends(2)
        .says("looks like a secret")
        .says("--allow-secret");
    user.file("empty", b"");
    user.run(&["submit", "empty", "--target", far_target, "--yes"]).ends(2).says("empty");
    // One of them has a name that is refused, and is no secret.
    fs::rename(user.home.path().join(&hits[1].0), user.home.path().join("my.pem")).expect("ours");
    hits[1].0 = "my.pem".to_owned();
    user.run(&["submit", "my.pem", "--target", text(&hits[1].1, "target"), "--yes"]).ends(2).says("--allow-secret");
    let (file, target) = (&hits[0].0, text(&hits[0].1, "target"));
    user.run(&["submit", file, "--target", target]).ends(2).says("--yes");
    user.run(&["submit", file, "--target", &"7".repeat(64), "--yes"]).ends(1).says("not on the chain");
    assert_eq!(user.balance(), start);

    let (mut fees, mut bonds) = (0, 0);
    for (file, near) in &hits {
        let target = text(near, "target");
        let allowed: &[&str] = if file == "my.pem" { &["--allow-secret"] } else { &[] };
        let done = user.json(&[&["submit", file, "--target", target, "--yes"], allowed].concat());
        assert_eq!((text(&done, "status"), text(&done, "target")), ("executed", target), "{done}");
        assert_eq!((&done["distance"], &done["model"]), (&near["distance"], &near["model"]), "as it was scored");
        let (fee, bond) = (number(&done, "fee_shannons"), number(&done, "bond_shannons"));
        assert!(fee <= number(&done, "max_fee_shannons"), "{done}");
        let change = done["balance_change_shannons"].as_i64().expect("a number");
        assert_eq!(change, -i64::try_from(fee + bond).expect("small"));
        (fees, bonds) = (fees + fee, bonds + bond);
    }
    assert_eq!(user.balance(), start - fees - bonds);
    user.run(&["submit", file, "--target", target, "--yes"]).ends(1).says("already filled by this wallet");
    user.run(&["claim", target, "--yes"]).ends(1).says("can be claimed from epoch");
    assert!(user.lines(&["claim", "--all", "--yes"]).is_empty(), "nothing is due");
    let waiting = user.json(&["rewards"]);
    let totals = &waiting["totals"];
    assert_eq!((number(totals, "pending"), number(totals, "bonds_locked_shannons")), (2, bonds), "{waiting}");

    for _ in 0..2 {
        user.run(&["epoch", "--advance", "--yes", "--json"]).ends(0);
    }
    let claims = user.lines(&["claim", "--all", "--yes"]);
    assert_eq!(claims.len(), 2);
    let mut rewards = 0;
    for claim in &claims {
        assert_eq!((text(claim, "status"), text(claim, "kind")), ("executed", "ours"), "{claim}");
        assert_eq!(claim["fee_shannons"], claim["cost_shannons"], "the cost was exact");
        fees += number(claim, "fee_shannons");
        rewards += number(claim, "gain_shannons");
    }
    let end = user.balance();
    assert_eq!(end, start + rewards - fees, "bonds are back, rewards are here, fees are paid");
    assert!(end > start);

    let told = user.json(&["rewards"]);
    let totals = &told["totals"];
    assert_eq!((number(totals, "filled"), number(totals, "claimed"), number(totals, "claimable")), (2, 2, 0));
    assert_eq!((number(totals, "rewards_shannons"), number(totals, "fees_shannons")), (rewards, fees));
    assert_eq!((&told["complete"], number(&told, "balance_shannons")), (&Value::Bool(true), end), "{told}");
    let submissions = told["submissions"].as_array().expect("a list");
    assert!(submissions.iter().all(|entry| text(entry, "state") == "claimed"
        && (text(entry, "source").ends_with(".part") || text(entry, "source") == "my.pem")));

    tables_and_pictures(&user, submissions.len());

    // The chain alone tells another machine the same.
    let elsewhere = User::elsewhere(&network.ready);
    let fresh = elsewhere.json(&["rewards", "--address", &address]);
    let comparable = |rewards: &Value| {
        let mut rewards = rewards.clone();
        for name in ["network", "journal"] {
            rewards[name].take();
        }
        for entry in rewards["submissions"].as_array_mut().into_iter().flatten() {
            entry["source"].take();
            entry["steps"].take();
        }
        rewards
    };
    assert_eq!(comparable(&fresh), comparable(&told));

    // A stranger takes the finder's fees of what nobody filled.
    elsewhere.run_offline(&["wallet", "new", "--json"]).ends(0);
    elsewhere.run(&["wallet", "faucet", "--json"]).ends(0);
    let before = elsewhere.balance();
    let found = elsewhere.lines(&["claim", "--finder", "--limit", "3", "--yes"]);
    assert_eq!(found.len(), 3);
    let mut earned = 0;
    for claim in &found {
        assert_eq!((text(claim, "status"), text(claim, "kind")), ("executed", "expired"), "{claim}");
        assert!(number(claim, "gain_shannons") > number(claim, "cost_shannons"), "{claim}");
        earned += number(claim, "gain_shannons") - number(claim, "fee_shannons");
    }
    assert_eq!(elsewhere.balance(), before + earned);
    let finds = elsewhere.json(&["rewards"]);
    assert_eq!(finds["finds"].as_array().map(Vec::len), Some(3));
    assert_eq!(finds["complete"], true, "{finds}");
    drop(network);
    user.run(&["rewards"]).ends(3);
}

#[test]
fn a_network_that_does_not_answer_is_unreachable_and_the_doctor_says_what_to_do() {
    let user = User { network: vec!["--network".to_owned(), "http://127.0.0.1:1".to_owned()], ..User::new() };
    user.run_offline(&["wallet", "new", "--json"]).ends(0);
    user.file("notes.txt", b"some data");
    let target = "1".repeat(64);
    for args in [
        &["rewards"][..],
        &["claim", "--all", "--yes"],
        &["submit", "notes.txt", "--target", &target, "--yes"],
        &["score", "notes.txt"],
    ] {
        user.run(args).ends(3).says("unreachable");
    }
    let told = user.run(&["doctor", "--json"]).ends(3).lines().remove(0);
    let chain = told["checks"].as_array().expect("a list").iter().find(|check| check["name"] == "chain");
    let chain = chain.expect("it is checked");
    assert_eq!(text(chain, "status"), "fail");
    assert!(text(chain, "remedy").contains("--rpc-url"), "{chain}");

    // A service that only others need is a warning.
    let scoring = ["doctor", "--json", "--scoring-url", "http://127.0.0.1:1", "--yes"];
    let told = user.run(&scoring).ends(3).lines().remove(0);
    let scoring = told["checks"].as_array().expect("a list").iter().find(|check| check["name"] == "scoring");
    let scoring = scoring.expect("it is checked");
    assert_eq!(text(scoring, "status"), "warn");
    assert!(text(scoring, "remedy").contains("--scoring-url"), "{scoring}");

    // A variable that is no text is not one that is not set.
    for args in [&["wallet", "address"][..], &["doctor"], &["run", "--headless", "--data", "notes.txt"]] {
        let mut command = user.command(args);
        let output =
            command.env("SOMA_SECRET_KEY", OsStr::from_bytes(b"hunter2\xff")).output().expect("the binary runs");
        let printed = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
        assert_eq!(output.status.code(), Some(2), "{printed}");
        assert!(
            printed.contains("SOMA_SECRET_KEY") && printed.contains("UTF-8") && !printed.contains("hunter2"),
            "{printed}"
        );
    }

    // A secret that others may read is found, and the rest of the checks still made.
    let env = user.file(".env", b"SOMA_SECRET_KEY=0000\n");
    fs::set_permissions(&env, fs::Permissions::from_mode(0o644)).expect("ours");
    let told = user.run(&["doctor", "--json", "--data", "notes.txt"]).ends(2).lines().remove(0);
    let checks = told["checks"].as_array().expect("a list");
    let modes = checks.iter().find(|check| check["name"] == "file modes").expect("it is checked");
    assert!(text(modes, "remedy").contains("chmod 600 .env"), "{modes}");
    assert!(checks.iter().any(|check| check["name"] == "data" && check["status"] == "ok"), "{told}");
    assert!(!told.to_string().contains("0000\\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_answer_is_lost_ends_with_4_and_the_next_command_finds_it_paid_once() {
    let user = User::new();
    let network = Network::start(&user);
    let (node, faucet) = (text(&network.ready, "rpc_url").to_owned(), text(&network.ready, "faucet_url").to_owned());
    user.run_offline(&["wallet", "new", "--json"]).ends(0);
    user.run_offline(&["wallet", "faucet", "--network", &node, "--faucet-url", &faucet, "--json"]).ends(0);
    let relay = Relay::start(&node).await;
    // Time to cut it while the answer is on its way.
    relay.slow_down(Duration::from_secs(1));
    let (recipient, amount) = (Address([7; 32]), 123_456_789);
    let through = relay.url();
    // The same network by name: one journal, whatever the way to the node.
    let send = |rpc_url: &str| {
        let recipient = recipient.to_hex_prefixed();
        let amount = format!("{amount}sh");
        user.command(&[
            "wallet",
            "send",
            &recipient,
            &amount,
            "--network",
            "devnet",
            "--rpc-url",
            rpc_url,
            "--yes",
            "--json",
        ])
    };
    let mut command = send(&through);
    let sending = tokio::task::spawn_blocking(move || command.output().expect("the binary runs"));
    let client = Client::new(&node, Duration::from_secs(10)).expect("a URL");
    while client.balance(recipient).await.expect("it answers") == 0 {
        assert!(!sending.is_finished(), "it ended before it paid");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The answer is still on its way through the slow relay.
    relay.cut();
    let unknown = sending.await.expect("it ends");
    let stderr = String::from_utf8_lossy(&unknown.stderr);
    assert_eq!(unknown.status.code(), Some(4), "{stderr}");
    let told: Value = serde_json::from_slice(&unknown.stdout).expect("JSON");
    assert_eq!(told["status"], "unknown");
    // Nobody knows what it cost, so nothing is said.
    assert_eq!((&told["fee_shannons"], &told["balance_change_shannons"]), (&Value::Null, &Value::Null), "{told}");
    let digest = text(&told, "digest").to_owned();

    // Whatever signs next with this wallet settles it first; it was paid, and it was paid once.
    let next = user.run_offline(&["claim", "--all", "--yes", "--network", "devnet", "--rpc-url", &node]).ends(0);
    assert!(next.stderr.contains(&digest) && next.stderr.contains("executed"), "{}", next.stderr);
    assert_eq!(client.balance(recipient).await.expect("it answers"), amount);
    let rewards =
        user.run_offline(&["rewards", "--json", "--network", "devnet", "--rpc-url", &node]).ends(0).lines().remove(0);
    assert_eq!((number(&rewards["totals"], "sent_shannons"), &rewards["complete"]), (amount, &Value::Bool(true)));

    // A result that cannot be printed is no reason to pay again.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let unprinted = send(&node).stdout(full).output().expect("the binary runs");
    let stderr = String::from_utf8_lossy(&unprinted.stderr);
    assert_eq!(unprinted.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("what was done is done"), "{stderr}");
    assert_eq!(client.balance(recipient).await.expect("it answers"), 2 * amount);
}

#[test]
fn help_teaches_every_money_command_with_examples_and_exit_codes() {
    let user = User::new();
    // Without its line breaks.
    let help = |args: &[&str]| {
        let help = user.run_offline(args).ends(0).stdout;
        help.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for command in ["run", "demo", "submit", "claim", "rewards", "doctor"] {
        let help = help(&[command, "--help"]);
        for part in ["Examples:", "JSON", "Exit codes: 0 ", "; 1 ", "; 2 "] {
            assert!(help.contains(part), "{command} lacks `{part}`: {help}");
        }
    }
    for command in ["send", "merge", "split"] {
        let help = help(&["wallet", command, "--help"]);
        for part in ["Example", "JSON", "Exit codes: 0 ", "; 1 ", "; 2 ", "; 3 ", "; 4 "] {
            assert!(help.contains(part), "wallet {command} lacks `{part}`: {help}");
        }
    }
    assert!(help(&["wallet", "faucet", "--help"]).contains("Who gets the coins"));
    let rewards = help(&["rewards", "--help"]);
    assert!(rewards.contains("earned_shannons") && rewards.contains("succeeded"), "{rewards}");
    user.run_offline(&["claim"]).ends(2);
    user.run_offline(&["claim", "--all", &"1".repeat(64)]).ends(2);
}
