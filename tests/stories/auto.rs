//! Somebody lets the policy approve, within limits: it stops at them and says so, and what it did is listed. Switched off, it gives back
//! what nobody has signed. The chain has what the limits allow, and no more.

use crate::{PATIENCE, Player, leave};

/// Room for one sample's bond and not for two.
const LIMIT: &str = "0.0001";
const LIMIT_SHANNONS: u64 = 100_000;

#[test]
fn auto_stops_at_its_limits_and_switched_off_it_gives_back_what_nobody_has_signed() {
    let (player, network) = Player::new();
    let url = network.text("rpc_url").to_owned();

    // The object store is away: what is approved cannot be uploaded, so it is not signed.
    let nowhere = "http://127.0.0.1:9";
    let away = ["--bucket", "away", "--bucket-endpoint-url", nowhere, "--bucket-public-url", nowhere];
    let key_pair = [("S3_ACCESS_KEY_ID", "nobody"), ("S3_SECRET_ACCESS_KEY", "nothing")];
    let dashboard = player.run(&url, &away, &key_pair);
    dashboard.wait_until("two that wait", PATIENCE, |screen| {
        let text = screen.contents();
        text.contains("to approve: press a") && !text.contains(" 1 to approve")
    });
    // The limit of an epoch is the form's second line.
    dashboard.send("P");
    dashboard.wait_for("Limits of automatic approval", PATIENCE);
    dashboard.send(&format!("\t\x15{LIMIT}\r"));
    dashboard.wait_for(&format!("1.00 becomes {LIMIT}"), PATIENCE);
    dashboard.send("y");
    dashboard.wait_for("limits: bonds of an epoch", PATIENCE);
    dashboard.send("m");
    dashboard.wait_for("AUTO", PATIENCE);
    dashboard.send("y");
    dashboard.wait_for(" AUTO ", PATIENCE);
    dashboard.wait_for("1 approved, ", PATIENCE);
    dashboard.send("a");
    dashboard.wait_for("it did", PATIENCE);
    dashboard.wait_for("in this epoch would be above the limit", PATIENCE);
    dashboard.send("\x1b");
    dashboard.wait_for("Wallet", PATIENCE);
    dashboard.send("m");
    dashboard.wait_for(" MANUAL ", PATIENCE);
    dashboard.wait_for("is taken back: AUTO was switched off", PATIENCE);
    dashboard.wait_until("both wait for a person again", PATIENCE, |screen| {
        let text = screen.contents();
        text.contains("to approve: press a") && !text.contains(" 1 to approve")
    });
    leave(dashboard);
    let rewards = player.session.run(&["rewards", "--json"]).ok().json();
    assert_eq!(rewards["totals"]["submitted"], 0, "nothing was signed: {rewards}");

    // With a store, in the same directory: the limits come with the command now.
    let dashboard = player.run(&url, &["--mode", "auto", "--max-epoch-bond", LIMIT], &[]);
    dashboard.wait_for("filled target", PATIENCE);
    dashboard.wait_for("1 approved, ", PATIENCE);
    dashboard.send("a");
    dashboard.wait_for("1 approved with bonds of", PATIENCE);
    dashboard.wait_for("in this epoch would be above the limit", PATIENCE);
    dashboard.send("7");
    dashboard.wait_for("7 Activity", PATIENCE);
    dashboard.wait_for("filled target", PATIENCE);
    leave(dashboard);

    let rewards = player.session.run(&["rewards", "--json"]).ok().json();
    let number = |name: &str| rewards["totals"][name].as_u64().unwrap_or_else(|| panic!("{name} in {rewards}"));
    assert_eq!((number("submitted"), number("filled")), (1, 1));
    let bond = number("bonds_locked_shannons");
    assert!(bond > 0 && bond <= LIMIT_SHANNONS && 2 * bond > LIMIT_SHANNONS, "{rewards}");
    assert_eq!(rewards["complete"], true, "the chain's balance is explained: {rewards}");
    let balance = rewards["balance_shannons"].as_u64().expect("a balance");
    assert_eq!(balance, number("received_shannons") - number("fees_shannons") - bond);
    drop(network);
}
