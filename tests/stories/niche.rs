//! A niche is found by eye on the map and pinned with a box; only what is for it is offered; its candidate is looked at and approved;
//! and the session, which was recorded, is shown to somebody else.

use std::{process::Command, time::Duration};

use crate::{PATIENCE, PROGRAM, approve_until_filled, leave, pty::Pty};

/// For what a person would try again.
const SOON: Duration = Duration::from_secs(4);

#[test]
fn a_niche_is_picked_by_eye_and_its_hit_approved_and_the_recording_tells_it_again() {
    let dir = tempfile::tempdir().expect("a place for the recording");
    let file = dir.path().join("session.jsonl.zst");
    let file = file.to_str().expect("UTF-8");
    // Long epochs: what waits for an approval does not expire before the test has looked at it.
    let args = ["demo", "--epoch-seconds", "600", "--record", file];
    let demo = Pty::spawn(PROGRAM, &args, &[], (120, 40));
    demo.wait_for("to approve: press a", PATIENCE);
    // While nothing is scored the map stands still.
    demo.send("p");
    demo.wait_for("scoring paused", PATIENCE);
    demo.send("3");
    demo.wait_for("3 Niche map", PATIENCE);
    // What was scored before the pause may still lay the map out anew, and then one looks again.
    let shows = |text: &'static str| move |screen: &vt100::Screen| screen.contents().contains(text);
    let mut looks = 0;
    while !demo.with_screen(shows("pinned ")) {
        looks += 1;
        assert!(looks < 30, "no box gets hold of it:\n{}", demo.text());
        // The cursor goes to hits first; a box around it.
        demo.send("t");
        if demo.comes(SOON, shows("margin +")) {
            demo.send("hhhhkkb");
            demo.send("lllllllljjjj");
            demo.send("b");
            demo.comes(SOON, shows("pinned "));
        }
    }
    demo.send("p");
    demo.wait_until("scoring again", PATIENCE, |screen| !screen.contents().contains("scoring paused"));
    demo.send("O");
    demo.wait_for(" ONLY PINNED ", PATIENCE);
    demo.send("2/pinned status:hit\r");
    demo.wait_until("a pinned target that is hit", PATIENCE, |screen| {
        let text = screen.contents();
        text.contains("by margin") && text.lines().any(|line| line.contains(" hit ") && line.contains('P'))
    });
    demo.send("\x1b");
    demo.wait_for("Wallet", PATIENCE);

    // What is offered now is for what was pinned.
    approve_until_filled(&demo);
    demo.send("2/⌫pinned status:ours\r".replace('⌫', "\x15").as_str());
    demo.wait_until("a pinned target that is ours", PATIENCE, |screen| {
        let is_counted = |line: &str| line.contains("/pinned status:ours") && !line.contains("━ 0 of ");
        screen.contents().lines().any(|line| line.contains(" ours ") && line.contains('P'))
            && screen.contents().lines().any(is_counted)
    });
    leave(demo);

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
