//! Somebody starts it for the first time, without a key and without a configuration.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::{PATIENCE, PROGRAM, PROSE, devnet::DevnetProcess, leave, picture, pty::Pty};

fn somascope(home: &Path) -> Pty {
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let environment = [
        ("HOME", text(home)),
        ("XDG_DATA_HOME", text(&home.join("data"))),
        ("XDG_CONFIG_HOME", text(&home.join("config"))),
    ];
    let mut environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    // Empty is not set.
    let unset = ["SOMASCOPE_CONFIG", "SOMA_CONFIG_DIR", "SOMA_SECRET_KEY", "SOMASCOPE_NETWORK", "SOMASCOPE_PASSPHRASE"];
    environment.extend(unset.map(|name| (name, "")));
    Pty::spawn(PROGRAM, &[], &environment, (100, 32))
}

#[test]
fn the_first_run_leads_to_a_dashboard_and_the_second_one_starts_there() {
    let home = tempfile::tempdir().expect("a place");
    let network = DevnetProcess::start(home.path(), &["--port-base", "0"]).expect("it starts");

    let wizard = somascope(home.path());
    wizard.wait_for("Try it now", PATIENCE);
    picture("first_run", &wizard);
    wizard.send("j\r");
    wizard.wait_for("Which network?", PATIENCE);
    wizard.send("j\r");
    wizard.wait_for("Make a new key", PATIENCE);
    wizard.send("\r");
    wizard.wait_for("passphrase again", PATIENCE);
    wizard.send("correct horse\rcorrect horse\r\r");
    wizard.wait_for("balance  0", PATIENCE);
    wizard.send("\r");
    wizard.wait_until("money of the faucet", PATIENCE, |screen| {
        let text = screen.contents();
        text.contains("balance") && !text.contains("balance  0") && !text.contains("asking")
    });
    // The cursor is where one goes on.
    wizard.send("\r");
    // The network brings a bucket: it is not asked for.
    wizard.wait_for("What shall be scored?", PATIENCE);
    wizard.send(&format!("{PROSE}\r\r"));
    wizard.wait_for("a directory with", PATIENCE);
    wizard.send("\r");
    wizard.wait_for("mode     manual", PATIENCE);
    wizard.send("\r");
    wizard.wait_for("Open the dashboard", PATIENCE);
    let config = home.path().join("config/somascope/config.toml");
    let text = fs::read_to_string(&config).expect("it is written");
    assert!(text.contains("\nname = \"devnet\"\n") && text.contains(&format!("\nsources = [\"{PROSE}\"]\n")), "{text}");
    assert_eq!(fs::metadata(&config).expect("there").permissions().mode() & 0o777, 0o600);

    // The key is locked, and the chain is new to it: both are asked for on the plain terminal.
    wizard.send("\r");
    start(wizard);
    // From now on the program starts where the first run ended, and the chain is known.
    start(somascope(home.path()));
    drop(network);
}

/// Answers what is asked before the dashboard, sees a hit there, and leaves.
fn start(dashboard: Pty) {
    dashboard.wait_for("passphrase", PATIENCE);
    dashboard.send("correct horse\r");
    dashboard.wait_for("Open targets", PATIENCE);
    dashboard.wait_for("to approve: press a", PATIENCE);
    leave(dashboard);
}
