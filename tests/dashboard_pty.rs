//! The dashboard of the real demo on a real pseudo-terminal.

#[path = "support/pty.rs"]
#[expect(dead_code, reason = "resizing is tested with the loop")]
mod pty;
#[path = "support/svg.rs"]
mod svg;

use std::time::Duration;

use pty::{Pty, Signal};

/// A debug build on a busy machine starts its network and finds its first hit within this.
const PATIENCE: Duration = Duration::from_secs(120);

fn demo(size: (u16, u16), args: &[&str]) -> Pty {
    let args = [&["demo"], args].concat();
    Pty::spawn(env!("CARGO_BIN_EXE_somascope"), &args, &[], size)
}

#[test]
fn a_hit_is_approved_by_key_and_seen_filled_and_quitting_restores_the_terminal() {
    // Long epochs: what waits for an approval does not expire before the test has looked at it.
    let mut demo = demo((120, 40), &["--epoch-seconds", "600"]);
    demo.wait_for("to approve: press a", PATIENCE);
    demo.send("a");
    demo.wait_for("y approve", PATIENCE);
    demo.wait_for("Approving also approves claiming the reward later.", PATIENCE);
    for fact in ["Distance", "margin", "Losses", "Bond", "reward", "fee", "devnet"] {
        assert!(demo.text().contains(fact), "{fact} is shown before the approval:\n{}", demo.text());
    }
    demo.send("y");
    demo.wait_for("approved", PATIENCE);
    demo.send("\x1b");
    demo.wait_for("filled target", PATIENCE);
    demo.send("?");
    demo.wait_for("Help", PATIENCE);
    // Esc and q in one breath would be Alt-q.
    demo.send("\x1b");
    demo.wait_until("the help gone", PATIENCE, |screen| !screen.contents().contains("Help"));
    demo.send("q");
    assert!(demo.wait_exit(PATIENCE).success(), "{}", demo.text());
    demo.assert_restored();
}

/// Every screen of the README: its picture's name, the keys that lead there from the one before, and what it shows.
const SCREENS: [(&str, &str, &str); 10] = [
    ("dashboard", "", "Niche map"),
    ("targets", "2", "by margin"),
    ("target", "\r", "Why it is not filled yet"),
    ("map", "3", "Samples by winning model"),
    ("throughput", "4", "4 Throughput \u{2501}"),
    ("rewards", "5", "5 Rewards \u{2501}"),
    ("models", "6", "6 Models \u{2501}"),
    ("activity", "7", "7 Activity \u{2501}"),
    ("board", "8", "8 Board \u{2501}"),
    ("approvals", "a", "Approving also approves claiming the reward later."),
];

#[test]
fn auto_mode_earns_by_itself_until_the_user_takes_over() {
    let mut demo = demo((120, 40), &["--auto", "--epoch-seconds", "12"]);
    demo.wait_for(" AUTO ", PATIENCE);
    demo.wait_for("claimed target", PATIENCE);
    demo.send("m");
    demo.wait_for(" MANUAL ", PATIENCE);
    demo.wait_for("to approve: press a", PATIENCE);

    // The README's pictures: these very screens.
    for (name, keys, shown) in SCREENS {
        demo.send(keys);
        demo.wait_for(shown, PATIENCE);
        let picture = demo.with_screen(svg::render);
        assert!(picture.starts_with("<svg"), "{name}");
        if std::env::var_os("UPDATE_PICTURE").is_some() {
            std::fs::write(format!("{}/assets/screens/{name}.svg", env!("CARGO_MANIFEST_DIR")), picture)
                .expect("assets/ is writable");
        }
    }
    demo.send("q");
    assert!(demo.wait_exit(PATIENCE).success(), "{}", demo.text());
    demo.assert_restored();
}

#[test]
fn a_terminal_too_small_still_draws_and_leaves() {
    let mut demo = demo((12, 3), &["--epoch-seconds", "600"]);
    demo.wait_until("something drawn", PATIENCE, |screen| {
        screen.alternate_screen() && !screen.contents().trim().is_empty()
    });
    demo.send("q");
    assert!(demo.wait_exit(PATIENCE).success(), "{}", demo.text());
    demo.assert_restored();
}

#[test]
fn a_terminated_demo_gives_the_terminal_back_and_keeps_its_state() {
    let dir = tempfile::tempdir().expect("a place for the state");
    let path = dir.path().to_str().expect("UTF-8");
    let mut first = demo((80, 24), &["--epoch-seconds", "600", "--dir", path]);
    first.wait_for("to approve", PATIENCE);
    first.signal(Signal::TERM);
    assert!(!first.wait_exit(PATIENCE).success(), "a signal is no success");
    first.assert_restored();

    let mut second = demo((80, 24), &["--epoch-seconds", "600", "--dir", path]);
    second.wait_for("to approve", PATIENCE);
    second.send("q");
    assert!(second.wait_exit(PATIENCE).success(), "{}", second.text());
    second.assert_restored();
}
