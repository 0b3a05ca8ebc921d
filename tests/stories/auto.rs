//! Somebody lets the policy approve, within limits: it stops at them and says so, and what it did is listed. Switched off, it gives back
//! what nobody has signed. The chain has what the limits allow, and no more.

use std::time::Duration;

use crate::{PATIENCE, Player, leave};

/// Room for the bonds of a few samples, of a submission as of an epoch; more than that wait.
const LIMIT: &str = "0.0002";
const LIMIT_SHANNONS: u64 = 200_000;

/// Where the policy's panel has room for its reasons.
const LARGE: (u16, u16) = (200, 60);

#[test]
fn auto_stops_at_its_limits_and_switched_off_it_gives_back_what_nobody_has_signed() {
    let (player, network) = Player::new();
    let url = network.text("rpc_url").to_owned();

    // The object store is away: what is approved cannot be uploaded, so it is not signed.
    let nowhere = "http://127.0.0.1:9";
    let away = ["--bucket", "away", "--bucket-endpoint-url", nowhere, "--bucket-public-url", nowhere];
    let key_pair = [("S3_ACCESS_KEY_ID", "nobody"), ("S3_SECRET_ACCESS_KEY", "nothing")];
    let dashboard = player.run(&url, LARGE, &away, &key_pair);
    let waiting = |screen: &vt100::Screen| {
        let text = screen.contents();
        let before = text.split(" to approve: press a").next().filter(|before| before.len() < text.len());
        before.and_then(|before| before.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    // More than the limits have room for, and no more to come.
    // Targets are random points: of some epochs' only few are hit.
    for epochs in 1.. {
        dashboard.wait_for("corpus scored", PATIENCE);
        if dashboard.comes(Duration::from_secs(10), |screen| waiting(screen) > 5) {
            break;
        }
        assert!(epochs < 20, "never many that wait:\n{}", dashboard.text());
        player.session.run(&["epoch", "--advance", "--yes"]).ok();
    }
    // Until no more come.
    let mut all = 0;
    while !dashboard.comes(Duration::ZERO, |screen| waiting(screen) == all) {
        all = dashboard.with_screen(waiting);
        dashboard.comes(Duration::from_secs(3), |screen| waiting(screen) != all);
    }
    dashboard.send("P");
    dashboard.wait_for("Limits of automatic approval", PATIENCE);
    dashboard.send(&format!("\x15{LIMIT}\t\x15{LIMIT}\r"));
    dashboard.wait_for(&format!("1.00 becomes {LIMIT}"), PATIENCE);
    dashboard.send("y");
    dashboard.wait_for("limits: bond of a submission 0.01", PATIENCE);
    dashboard.send("m");
    dashboard.wait_for("AUTO", PATIENCE);
    dashboard.send("y");
    dashboard.wait_for(" AUTO ", PATIENCE);
    dashboard.wait_for(&format!("of {LIMIT} SOMA"), PATIENCE);
    dashboard.send("a");
    dashboard.wait_for(", bonds 0.000", PATIENCE);
    dashboard.wait_for("in this epoch would be above", PATIENCE);
    dashboard.send("\x1b");
    dashboard.wait_for("Wallet", PATIENCE);
    dashboard.send("m");
    dashboard.wait_for(" MANUAL ", PATIENCE);
    dashboard.wait_for("is taken back: AUTO was switched off", PATIENCE);
    dashboard.wait_until("all wait for a person again", PATIENCE, |screen| waiting(screen) >= all);
    leave(dashboard);
    let rewards = player.session.run(&["rewards", "--json"]).ok().json();
    assert_eq!(rewards["totals"]["submitted"], 0, "nothing was signed: {rewards}");

    // With a store, in the same directory: the limits come with the command now.
    let dashboard = player.run(&url, LARGE, &["--mode", "auto", "--max-bond", LIMIT, "--max-epoch-bond", LIMIT], &[]);
    dashboard.wait_for("filled target", PATIENCE);
    dashboard.wait_for(&format!("of {LIMIT} SOMA"), PATIENCE);
    dashboard.send("a");
    dashboard.wait_for(", bonds 0.000", PATIENCE);
    dashboard.wait_for("in this epoch would be above", PATIENCE);
    dashboard.send("7");
    dashboard.wait_for("7 Activity", PATIENCE);
    dashboard.wait_for("filled target", PATIENCE);
    leave(dashboard);

    let rewards = player.session.run(&["rewards", "--json"]).ok().json();
    let number = |name: &str| rewards["totals"][name].as_u64().unwrap_or_else(|| panic!("{name} in {rewards}"));
    assert!(number("filled") > 0 && number("filled") == number("submitted"), "{rewards}");
    let bonds = number("bonds_locked_shannons");
    assert!(bonds > 0 && bonds <= LIMIT_SHANNONS, "{rewards}");
    assert_eq!(rewards["complete"], true, "the chain's balance is explained: {rewards}");
    let balance = rewards["balance_shannons"].as_u64().expect("a balance");
    assert_eq!(balance, number("received_shannons") - number("fees_shannons") - bonds);
    drop(network);
}
