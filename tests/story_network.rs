//! A story, played on the real program: the network goes away under a dashboard and comes back, and nothing is lost.

#[path = "support/devnet.rs"]
#[expect(dead_code, reason = "what it printed is looked at with the command")]
mod devnet;
#[path = "support/pty.rs"]
#[expect(dead_code, reason = "resizing and signals are tested with the dashboard")]
mod pty;
#[path = "support/session.rs"]
#[expect(dead_code, reason = "what is printed is looked at with the commands")]
mod session;

use std::{path::Path, time::Duration};

use devnet::DevnetProcess;
use pty::Pty;
use session::Session;

/// A debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/corpus/prose");

/// `somascope run` in this home, on the network that lives there.
fn run(home: &Path, network: &DevnetProcess) -> Pty {
    let (data, state) = (home.join("data"), home.join("state"));
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let environment =
        [("HOME", text(home)), ("XDG_DATA_HOME", text(&data)), ("SOMASCOPE_PASSPHRASE", "correct horse".to_owned())];
    let mut environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    // Empty is not set.
    environment.extend(["SOMA_CONFIG_DIR", "SOMA_SECRET_KEY", "SOMASCOPE_NETWORK"].map(|name| (name, "")));
    let state = text(&state);
    let args = ["run", "--network", "devnet", "--rpc-url", network.text("rpc_url"), "--data", DATA, "--dir", &state];
    Pty::spawn(env!("CARGO_BIN_EXE_somascope"), &args, &environment, (120, 40))
}

#[test]
fn a_network_that_was_lost_comes_back_and_what_was_found_is_still_worth_it() {
    let mut session = Session::new();
    session.environment.push(("SOMASCOPE_PASSPHRASE".to_owned(), "correct horse".to_owned()));
    session.environment.push(("SOMASCOPE_NETWORK".to_owned(), "devnet".to_owned()));
    let home = session.home().to_owned();
    let network = DevnetProcess::start(&home, &["--port-base", "0"]).expect("it starts");
    let url = network.text("rpc_url").to_owned();
    let port = url.rsplit(':').next().expect("a port").trim_end_matches('/').to_owned();
    session.run(&["wallet", "new"]).ok();
    session.run(&["wallet", "faucet"]).ok();

    let mut dashboard = run(&home, &network);
    dashboard.wait_for("to approve: press a", PATIENCE);
    assert!(dashboard.text().contains("● heard"), "{}", dashboard.text());

    // Lost: it is said where the eye is, and nothing else stops.
    network.kill();
    dashboard.wait_for("✗ node", PATIENCE);
    assert!(dashboard.text().contains("to approve: press a"), "{}", dashboard.text());
    dashboard.send("2");
    dashboard.wait_for("Open targets", PATIENCE);
    dashboard.send("\x1b");
    dashboard.wait_for("Wallet", PATIENCE);

    // And back, at the same address. Any free ports beside it would not do for the object store's public URLs, which are kept.
    let network = DevnetProcess::start(&home, &["--port-base", &port]).expect("it starts again");
    dashboard.wait_until("a healthy connection", PATIENCE, |screen| {
        let text = screen.contents();
        !text.contains("✗ node") && text.contains("● heard")
    });
    dashboard.send("a");
    dashboard.wait_for("Approving also approves claiming the reward later.", PATIENCE);
    dashboard.send("y");
    dashboard.wait_for("filled", PATIENCE);
    dashboard.send("q");
    assert!(dashboard.wait_exit(PATIENCE).success(), "{}", dashboard.text());
    dashboard.assert_restored();
    drop(network);
}
