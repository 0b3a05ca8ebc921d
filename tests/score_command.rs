//! `somascope score` against the golden numbers, plain and encrypted.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use serde_json::Value;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/model");

fn score(args: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_somascope"))
        .arg("score")
        .args(args)
        .arg("--json")
        .env("SOMASCOPE_CONFIG", "none")
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON line")
}

/// The reference's case for an input of the real small model, seed 0.
fn golden(input: &str) -> Value {
    let text = std::fs::read(format!("{DATA}/small16_expected.json")).expect("golden values");
    let expected: Value = serde_json::from_slice(&text).expect("JSON");
    let cases = expected["cases"].as_array().expect("cases");
    cases.iter().find(|case| case["input"] == input && case["seed"] == 0).expect("the case is there").clone()
}

#[test]
fn the_small_models_give_the_references_losses_winner_and_distance() {
    let weights: Vec<String> = (0..3).map(|i| format!("{DATA}/small16_model_{i}.safetensors")).collect();
    let scored = score(&[
        &format!("{DATA}/small16_input_seq_len_plus_1_text.bin"),
        "--weights",
        &weights[0],
        "--weights",
        &weights[1],
        "--weights",
        &weights[2],
    ]);
    let golden = golden("seq_len_plus_1_text");
    assert_eq!(scored["winner"], golden["winner"]);
    assert_eq!(scored["size_bytes"], 1025);
    assert_eq!(scored["distance"], Value::Null);
    for (i, loss) in scored["losses"].as_array().expect("losses").iter().enumerate() {
        let (got, want) = (loss.as_f64().expect("a number"), golden["models"][i]["loss"].as_f64().expect("a number"));
        assert!((got - want).abs() <= 1e-5 * want.abs(), "model {i}: {got} instead of {want}");
    }
    assert_eq!(scored["embedding"].as_array().map(Vec::len), Some(16));
}

#[test]
fn a_target_file_adds_the_winners_distance() {
    let text = std::fs::read(format!("{DATA}/small16_expected.json")).expect("golden values");
    let expected: Value = serde_json::from_slice(&text).expect("JSON");
    let target = &expected["targets"][0];
    let file = tempfile::NamedTempFile::new().expect("a place");
    std::fs::write(file.path(), target["values"].to_string()).expect("writable");

    let weights: Vec<String> = (0..3).map(|i| format!("{DATA}/small16_model_{i}.safetensors")).collect();
    let mut args = vec![format!("{DATA}/small16_input_one_byte_A.bin")];
    args.extend(weights.into_iter().flat_map(|w| ["--weights".to_owned(), w]));
    args.extend(["--target-file".to_owned(), file.path().display().to_string()]);
    let scored = score(&args.iter().map(String::as_str).collect::<Vec<_>>());

    let golden = &golden("one_byte_A")["score_response"][0];
    assert_eq!(golden["target_seed"], target["seed"]);
    assert_eq!(scored["winner"], golden["winner"]);
    let (got, want) = (scored["distance"].as_f64(), golden["distance"].as_f64());
    let difference = got.zip(want).map(|(got, want)| (got - want).abs());
    assert!(difference.is_some_and(|d| d < 1e-5), "{got:?} instead of {want:?}");
}

#[test]
fn encrypted_weights_score_as_the_plain_ones() {
    let plain = format!("{DATA}/vec64_model_0.safetensors");
    let encrypted = format!("{plain}.enc");
    // The key of the golden file: bytes 00 to 1f.
    let key = bs58::encode((0..32).collect::<Vec<u8>>()).into_string();
    let input = format!("{DATA}/vec64_input_utf8_code.bin");
    let with = |extra: &[&str]| score(&[&[input.as_str(), "--heads", "4"], extra].concat());
    let expected = with(&["--weights", &plain]);
    assert_eq!(with(&["--weights", &encrypted, "--key", &key]), expected);
    // A key that is a secret comes in a file of its user's own.
    let place = tempfile::tempdir().expect("a place");
    let file = place.path().join("key");
    fs::write(&file, format!("{key}\n")).expect("writable");
    let at = format!("@{}", file.display());
    for (mode, code) in [(0o600, 0), (0o644, 2)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("ours");
        let args = ["score", &input, "--heads", "4", "--weights", &encrypted, "--key", &at, "--json"];
        let output = Command::new(env!("CARGO_BIN_EXE_somascope"))
            .args(args)
            .env("SOMASCOPE_CONFIG", "none")
            .output()
            .expect("the binary runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        match code {
            0 => assert_eq!(serde_json::from_slice::<Value>(&output.stdout).expect("one JSON line"), expected),
            _ => assert!(stderr.contains("chmod 600") && !stderr.contains(&key), "{stderr}"),
        }
    }
    let both = with(&["--weights", &plain, "--weights", &encrypted, "--key", "-", "--key", &key]);
    assert_eq!(both["losses"], serde_json::json!([expected["losses"][0], expected["losses"][0]]));
    assert_eq!(both["winner"], 0, "the first of equals wins");
}

#[test]
fn a_file_name_commands_no_terminal() {
    let place = tempfile::tempdir().expect("a place");
    let file = place.path().join("\u{1b}[2J\u{202e}x");
    fs::write(&file, b"A").expect("writable");
    let weights = format!("{DATA}/small16_model_0.safetensors");
    for json in [&[][..], &["--json"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_somascope"));
        command.arg("score").arg(&file).args(["/no/\u{1b}[2J", "--weights", &weights]).args(json);
        command.env("SOMASCOPE_CONFIG", "none");
        let output = command.output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
        assert!(text.contains("[2J") && !text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
    }
}
