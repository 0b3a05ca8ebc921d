//! The whole game through the binary, without a terminal.

use std::process::{Command, Output};

use serde_json::Value;

fn demo(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_somascope"))
        .args(["demo", "--headless", "--auto", "--json", "--epoch-seconds", "8"])
        .args(args)
        .env("SOMASCOPE_CONFIG", "none")
        .output()
        .expect("the binary runs")
}

/// The one JSON object on standard output.
fn report(output: &Output) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let stdout = std::str::from_utf8(&output.stdout).expect("JSON is UTF-8");
    assert_eq!(stdout.lines().count(), 1, "one object and nothing else: {stdout}");
    serde_json::from_str(stdout).expect("standard output is JSON")
}

fn number(report: &Value, name: &str) -> i128 {
    report[name].as_u64().unwrap_or_else(|| panic!("{name} is a number in {report}")).into()
}

/// `balance_end − balance_start = rewards − fees − bonds still locked (by this run) − bonds forfeited`.
fn assert_balances(report: &Value) {
    let change = number(report, "balance_end_shannons") - number(report, "balance_start_shannons");
    let booked = number(report, "rewards_shannons")
        - number(report, "fees_shannons")
        - (number(report, "bonds_locked_shannons") - number(report, "bonds_locked_start_shannons"))
        - number(report, "bonds_forfeited_shannons");
    assert_eq!(change, booked, "{report}");
}

#[test]
fn four_epochs_of_the_demo_earn_rewards_and_the_books_balance() {
    let report = report(&demo(&["--epochs", "4"]));
    for name in ["samples_scored", "hits", "submitted", "filled", "claimed", "rewards_shannons", "fees_shannons"] {
        assert!(number(&report, name) > 0, "{name} in {report}");
    }
    // One more may end while what is in flight is settled.
    assert!((4..=5).contains(&number(&report, "epochs")), "{report}");
    assert!(number(&report, "model_evaluations") >= number(&report, "samples_scored"), "{report}");
    assert_eq!(number(&report, "bonds_forfeited_shannons"), 0, "the audit agrees with every fill: {report}");
    assert!(report["elapsed_s"].as_f64().is_some_and(|s| s > 10.0), "{report}");
    assert_balances(&report);
}

#[test]
fn a_second_run_in_the_same_directory_goes_on_where_the_first_stopped() {
    let dir = tempfile::tempdir().expect("a place for the state");
    let path = dir.path().to_str().expect("UTF-8");
    let first = report(&demo(&["--epochs", "1", "--dir", path]));
    assert_balances(&first);
    let second = report(&demo(&["--epochs", "3", "--dir", path]));
    assert_balances(&second);
    assert_eq!(
        number(&second, "balance_start_shannons"),
        number(&first, "balance_end_shannons"),
        "the network kept the wallet"
    );
    assert!(number(&second, "claimed") > 0, "what the first run filled, the second claims: {second}");
}
