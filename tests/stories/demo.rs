//! The demo is looked at, approved in, left to itself, squeezed and ended from outside; and the README's pictures are taken of it.

use crate::{
    PATIENCE, PROGRAM, approve_until_filled, leave, picture,
    pty::{Pty, Signal},
};

fn demo(size: (u16, u16), args: &[&str]) -> Pty {
    let args = [&["demo"], args].concat();
    Pty::spawn(PROGRAM, &args, &[], size)
}

#[test]
fn a_hit_is_approved_by_key_and_seen_filled_and_quitting_restores_the_terminal() {
    // Long epochs: what waits for an approval does not expire before the test has looked at it.
    let demo = demo((120, 40), &["--epoch-seconds", "600"]);
    demo.wait_for("to approve: press a", PATIENCE);
    demo.send("a");
    demo.wait_for("y approve", PATIENCE);
    demo.wait_for("Approving also approves claiming the reward later.", PATIENCE);
    for fact in ["Distance", "margin", "Losses", "Bond", "reward", "fee", "devnet"] {
        assert!(demo.text().contains(fact), "{fact} is shown before the approval:\n{}", demo.text());
    }
    approve_until_filled(&demo);
    demo.send("?");
    demo.wait_for("Help", PATIENCE);
    // Esc and q in one breath would be Alt-q.
    demo.send("\x1b");
    demo.wait_until("the help gone", PATIENCE, |screen| !screen.contents().contains("Help"));
    leave(demo);
}

/// Every screen of the README, but for the first run's: its picture's name, the keys that lead there from the one before, and what it
/// shows.
const SCREENS: [(&str, &str, &str); 17] = [
    ("dashboard", "\x1b", "Niche map"),
    ("wallet", "1", "1 Wallet \u{2501}"),
    ("targets", "2", "by margin"),
    ("target", "\r", "Its models"),
    ("map", "3", "Samples by winning model"),
    ("coverage", "u", "coverage, "),
    ("throughput", "4", "4 Throughput \u{2501}"),
    ("rewards", "5", "5 Rewards \u{2501}"),
    ("submission", "/claimed\r\r", "Sent in"),
    ("activity", "7", "7 Activity \u{2501}"),
    ("board", "8", "8 Board \u{2501}"),
    ("review", "\x1b[Z", "ended"),
    ("approvals", "a", "Approving also approves claiming the reward later."),
    ("limits", "P", "Limits of automatic approval"),
    ("auto", "m", "Let the policy approve by itself"),
    ("palette", ":", "Enter does it"),
    ("help", "?", "On this screen"),
];
/// While AUTO fills targets: there is always one to look into.
const OF_FILLS: [(&str, &str, &str); 2] =
    [("models", "6", "6 Models \u{2501}"), ("inspector", "jji", "checksum agrees")];
/// They lie above another one, and Esc closes them.
const ABOVE: [&str; 5] = ["inspector", "limits", "auto", "palette", "help"];

#[test]
fn auto_mode_earns_by_itself_until_the_user_takes_over() {
    let demo = demo((120, 40), &["--auto", "--epoch-seconds", "20"]);
    demo.wait_for(" AUTO ", PATIENCE);
    demo.wait_for("claimed target", PATIENCE);
    // The README's pictures: these very screens.
    tour(&demo, &OF_FILLS);
    demo.send("m");
    demo.wait_for(" MANUAL ", PATIENCE);
    demo.wait_for("to approve: press a", PATIENCE);
    tour(&demo, &SCREENS);
    leave(demo);
}

fn tour(demo: &Pty, screens: &[(&str, &str, &str)]) {
    for &(name, keys, shown) in screens {
        demo.send(keys);
        demo.wait_for(shown, PATIENCE);
        picture(name, demo);
        if ABOVE.contains(&name) {
            // Esc and a letter in one breath would be Alt and that letter.
            demo.send("\x1b");
            demo.wait_until("it closed", PATIENCE, |screen| !screen.contents().contains(shown));
        }
    }
}

#[test]
fn a_terminal_too_small_still_draws_and_leaves() {
    let demo = demo((12, 3), &["--epoch-seconds", "600"]);
    demo.wait_until("something drawn", PATIENCE, |screen| {
        screen.alternate_screen() && !screen.contents().trim().is_empty()
    });
    leave(demo);
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

    let second = demo((80, 24), &["--epoch-seconds", "600", "--dir", path]);
    second.wait_for("to approve", PATIENCE);
    leave(second);
}
