//! Stories, played on the real program: a pseudo-terminal, an embedded network, and a person who waits for what the screen shows.

#[path = "../support/devnet.rs"]
#[expect(dead_code, reason = "what else it prints is looked at with the command")]
mod devnet;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/pty.rs"]
#[expect(dead_code, reason = "resizing is tested with the loop")]
mod pty;
#[path = "../support/session.rs"]
#[expect(dead_code, reason = "what is printed is looked at with the commands")]
mod session;
#[path = "../support/svg.rs"]
mod svg;

mod auto;
mod demo;
mod first_run;
mod network;
mod niche;
mod week;

use std::{path::Path, time::Duration};

use devnet::DevnetProcess;
use pty::Pty;
use session::Session;

/// A debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// For a candidate that waits to be on the screen.
const TO_ANSWER: Duration = Duration::from_secs(10);
/// For an upload, a transaction and the node's word that it is done.
const TO_FILL: Duration = Duration::from_secs(20);
const PROGRAM: &str = env!("CARGO_BIN_EXE_somascope");
/// Some of what the demo scores.
const PROSE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/corpus/prose");
const PASSPHRASE: &str = "correct horse";

/// Somebody with a home, a funded wallet in it, and a network that lives beside it.
struct Player {
    session: Session,
}

impl Player {
    /// Its epochs end only when they are told to.
    fn new() -> (Self, DevnetProcess) {
        let mut session = Session::new();
        session.environment.push(("SOMASCOPE_PASSPHRASE".to_owned(), PASSPHRASE.to_owned()));
        session.environment.push(("SOMASCOPE_NETWORK".to_owned(), "devnet".to_owned()));
        // Ports to which it can come back.
        let base = ports::free(&[123, 124, 125]).to_string();
        let network = DevnetProcess::start(session.home(), &["--port-base", &base]).expect("it starts");
        session.run(&["wallet", "new"]).ok();
        session.run(&["wallet", "faucet"]).ok();
        (Self { session }, network)
    }

    /// `somascope run` on the network at this address, with these options too.
    fn run(&self, rpc_url: &str, size: (u16, u16), more: &[&str], environment: &[(&str, &str)]) -> Pty {
        let home = self.session.home();
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        let (data, state) = (text(&home.join("data")), text(&home.join("state")));
        let home = text(home);
        let mut all =
            vec![("HOME", home.as_str()), ("XDG_DATA_HOME", data.as_str()), ("SOMASCOPE_PASSPHRASE", PASSPHRASE)];
        // Empty is not set.
        all.extend(["SOMA_CONFIG_DIR", "SOMA_SECRET_KEY", "SOMASCOPE_NETWORK"].map(|name| (name, "")));
        all.extend_from_slice(environment);
        let args = ["run", "--network", "devnet", "--rpc-url", rpc_url, "--data", PROSE, "--dir", &state];
        Pty::spawn(PROGRAM, &[&args, more].concat(), &all, size)
    }
}

/// Answers yes to what waits until a target is filled with it; ends among the transactions of the activity log. The list of what waits
/// moves while it is looked at: an answer that came too soon after that, or whose candidate left, is given again.
#[track_caller]
fn approve_until_filled(pty: &Pty) {
    for _ in 0..10 {
        pty.send("a");
        if pty
            .comes(TO_ANSWER, |screen| screen.contents().contains("Approving also approves claiming the reward later."))
        {
            pty.send("y");
        }
        // Nothing but transactions: no hit pushes the line out.
        pty.send("7/\x15kind:tx\r");
        if pty.comes(TO_FILL, |screen| screen.contents().contains("filled target")) {
            return;
        }
    }
    panic!("no answer is taken:\n{}", pty.text());
}

/// The story is over: the program ends well and gives the terminal back.
#[track_caller]
fn leave(mut pty: Pty) {
    pty.send("q");
    assert!(pty.wait_exit(PATIENCE).success(), "{}", pty.text());
    pty.assert_restored();
}

/// A picture for the README, of what is on the screen; `UPDATE_PICTURE=1` writes it.
fn picture(name: &str, pty: &Pty) {
    let picture = pty.with_screen(svg::render);
    assert!(picture.starts_with("<svg"), "{name}");
    if std::env::var_os("UPDATE_PICTURE").is_some() {
        let file = format!("{}/assets/screens/{name}.svg", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(file, picture).expect("assets/ is writable");
    }
}
