//! What a user can get wrong gets a clear error, the exit code 2, and nothing is lost.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Output, Stdio},
};

fn somascope(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_somascope"));
    command
        .args(args)
        .env_remove("HF_TOKEN")
        .env("SOMASCOPE_CONFIG", "none")
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

#[track_caller]
fn assert_refused(output: &Output, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "`{word}` is not in: {stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn weights() -> String {
    format!("{}/tests/data/model/small16_model_0.safetensors", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn no_terminal_says_what_works_without_one() {
    assert_refused(&somascope(&["demo"]), &["--headless"]);
    assert_refused(&somascope(&["setup"]), &["config init"]);
    let dir = tempfile::tempdir().expect("a place");
    let missing = dir.path().join("missing.jsonl");
    let output = somascope(&["replay", text(&missing)]);
    assert_refused(&output, &["missing.jsonl", "No such file"]);
    assert_eq!(String::from_utf8_lossy(&output.stderr).matches("No such file").count(), 1);
}

#[test]
fn a_command_that_says_too_little_is_told_every_way_to_say_more() {
    assert_refused(&somascope(&["claim"]), &["--all", "--finder", "ids"]);
    assert_refused(&somascope(&["wallet", "split"]), &["--parts", "amount"]);
}

#[test]
fn a_file_that_is_not_there_costs_no_download() {
    // Nobody answers there, and nobody is asked.
    let output = somascope(&["score", "no-such-file", "--rpc-url", "http://127.0.0.1:1"]);
    assert_refused(&output, &["cannot score no-such-file", "No such file"]);
}

#[test]
fn a_node_that_is_away_may_be_the_wrong_one() {
    let output = somascope(&["targets", "--rpc-url", "http://127.0.0.1:1"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("unreachable") && stderr.contains("SOMASCOPE_NETWORK"), "{stderr}");
}

#[test]
fn an_unreadable_data_directory_is_named() {
    let output = somascope(&["demo", "--headless", "--epochs", "1", "--data", "/no/such/place"]);
    assert_refused(&output, &["/no/such/place"]);
}

#[test]
fn a_source_that_cannot_be_read_says_what_it_needs() {
    for (args, parts) in [
        (&["--data", "stack-v2:Rust"][..], &["HF_TOKEN", "/settings/tokens"][..]),
        (&["--data", "notes=0"], &["notes=0", "weight", "above 0"]),
        (&["--data", "stack-v2:"], &["stack-v2:Rust,Python"]),
        (&["--data", "-", "--data", "jsonl:-"], &["standard input"]),
        (&["--data", "no/such/*.txt"], &["no/such/*.txt"]),
        (&["--allow-secret", "no/such"], &["--allow-secret", "no/such"]),
    ] {
        assert_refused(&somascope(&[&["demo", "--headless", "--epochs", "1"], args].concat()), parts);
    }
}

#[test]
fn a_port_in_use_is_named_with_the_option_that_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let output = somascope(&["demo", "--headless", "--epochs", "1", "--rpc-port", &port]);
    assert_refused(&output, &[&port, "--rpc-port"]);
}

#[test]
fn a_half_written_state_directory_is_named_and_left_as_it_is() {
    for broken in ["engine/journal.sqlite", "network/ledger.db"] {
        let dir = tempfile::tempdir().expect("a place for the state");
        let file = dir.path().join(broken);
        fs::create_dir_all(file.parent().expect("below the directory")).expect("writable");
        fs::write(&file, b"half a page of somethi").expect("writable");
        let output = somascope(&["demo", "--headless", "--epochs", "1", "--dir", text(dir.path())]);
        assert_refused(&output, &[text(file.parent().expect("below the directory"))]);
        assert_eq!(fs::read(&file).expect("still there"), b"half a page of somethi", "nothing is overwritten");
    }
}

#[test]
fn weights_that_are_not_safetensors_are_named_with_the_cause() {
    let dir = tempfile::tempdir().expect("a place");
    let data = dir.path().join("data.txt");
    fs::write(&data, b"some data").expect("writable");
    let whole = fs::read(weights()).expect("golden weights");
    for (name, bytes) in [("garbage", b"not a model".as_slice()), ("short", &whole[..whole.len() / 2]), ("empty", b"")]
    {
        let file = dir.path().join(name);
        fs::write(&file, bytes).expect("writable");
        let output = somascope(&["score", text(&data), "--weights", text(&file), "--json"]);
        assert_refused(&output, &[text(&file)]);
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_file_that_fails_does_not_cost_the_others_their_score() {
    let dir = tempfile::tempdir().expect("a place");
    let (good, empty) = (dir.path().join("good.txt"), dir.path().join("empty.txt"));
    fs::write(&good, b"some data").expect("writable");
    fs::write(&empty, b"").expect("writable");
    let missing = dir.path().join("missing.txt");
    let output = somascope(&["score", text(&empty), text(&missing), text(&good), "--weights", &weights(), "--json"]);
    assert_refused(&output, &[text(&empty), text(&missing), "empty"]);
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON line");
    assert_eq!(line["file"], text(&good));
    assert_eq!(line["winner"], 0);
}

#[test]
fn a_target_that_does_not_fit_the_models_is_refused_before_anything_is_scored() {
    let dir = tempfile::tempdir().expect("a place");
    let (data, target) = (dir.path().join("data.txt"), dir.path().join("target.json"));
    fs::write(&data, b"some data").expect("writable");
    for (json, words) in [
        ("[1, 2, 3]", &["3 dimensions"][..]),
        ("{\"x\": 1}", &["not a JSON array"]),
        ("[]", &["empty"]),
        ("[0, 0]", &["zero vector"]),
    ] {
        fs::write(&target, json).expect("writable");
        let output = somascope(&["score", text(&data), "--weights", &weights(), "--target-file", text(&target)]);
        assert_refused(&output, words);
    }
}

#[test]
fn keys_must_match_their_weights_and_are_not_repeated() {
    let data = weights();
    let output = somascope(&["score", &data, "--weights", &data, "--key", "a", "--key", "b"]);
    assert_refused(&output, &["2 keys for 1 weights"]);
    let output = somascope(&["score", &data, "--weights", &data, "--key", "notakey0OIl"]);
    assert_refused(&output, &["Base58"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("notakey0OIl"));
}
