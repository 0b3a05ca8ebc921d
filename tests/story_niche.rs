//! A story, played on the real program: a niche is found by eye on the map, its candidate is looked at and approved, and the
//! session, which was recorded, is shown to somebody else.

#[path = "support/pty.rs"]
#[expect(dead_code, reason = "resizing and signals are tested with the dashboard")]
mod pty;

use std::{process::Command, time::Duration};

use pty::Pty;

/// A debug build on a busy machine starts its network and finds its first hit within this.
const PATIENCE: Duration = Duration::from_secs(120);
const PROGRAM: &str = env!("CARGO_BIN_EXE_somascope");

#[test]
fn a_niche_is_picked_by_eye_and_its_hit_approved_and_the_recording_tells_it_again() {
    let dir = tempfile::tempdir().expect("a place for the recording");
    let file = dir.path().join("session.jsonl.zst");
    let file = file.to_str().expect("UTF-8");
    // Long epochs: what waits for an approval does not expire before the test has looked at it.
    let args = ["demo", "--epoch-seconds", "600", "--record", file];
    let mut demo = Pty::spawn(PROGRAM, &args, &[], (120, 40));
    demo.wait_for("to approve: press a", PATIENCE);
    demo.send("3");
    demo.wait_for("3 Niche map", PATIENCE);
    // The cursor goes to hits first.
    demo.send("t");
    demo.wait_for("margin +", PATIENCE);
    demo.send("a");
    demo.wait_for("Approving also approves claiming the reward later.", PATIENCE);
    demo.send("y");
    demo.wait_for("approved", PATIENCE);
    demo.send("\x1b");
    demo.wait_for("filled target", PATIENCE);
    demo.send("q");
    assert!(demo.wait_exit(PATIENCE).success(), "{}", demo.text());
    demo.assert_restored();

    // On another terminal, without any network.
    let mut replay = Pty::spawn(PROGRAM, &["replay", file, "--speed", "64"], &[], (120, 41));
    replay.wait_for("REPLAY", PATIENCE);
    replay.send("\x1b[F");
    replay.wait_for("filled", PATIENCE);
    replay.send("7");
    replay.wait_for("filled target", PATIENCE);
    replay.wait_for("f follow", PATIENCE);
    replay.send("\x03");
    assert!(replay.wait_exit(PATIENCE).success(), "{}", replay.text());
    replay.assert_restored();

    let printed = Command::new(PROGRAM).args(["replay", file, "--text", "120x40"]).output().expect("it runs");
    let text = String::from_utf8_lossy(&printed.stdout);
    assert!(printed.status.success() && text.lines().count() == 40, "{text}");
}
