//! The network goes away under a dashboard and comes back, and nothing is lost.

use crate::{PATIENCE, Player, approve_until_filled, devnet::DevnetProcess, leave};

#[test]
fn a_network_that_was_lost_comes_back_and_what_was_found_is_still_worth_it() {
    let (player, network) = Player::new();
    let url = network.text("rpc_url").to_owned();
    let port = url.rsplit(':').next().expect("a port").trim_end_matches('/').to_owned();

    let dashboard = player.run(&url, (120, 40), &[], &[]);
    dashboard.wait_for("to approve: press a", PATIENCE);
    dashboard.wait_for("● node", PATIENCE);

    // Lost: it is said where the eye is, and nothing else stops.
    network.kill();
    dashboard.wait_for("✗ node", PATIENCE);
    assert!(dashboard.text().contains("to approve: press a"), "{}", dashboard.text());
    dashboard.send("2");
    dashboard.wait_for("Open targets", PATIENCE);
    dashboard.send("\x1b");
    dashboard.wait_for("Wallet", PATIENCE);

    // And back, at the same address. Any free ports beside it would not do for the object store's public URLs, which are kept.
    let network = DevnetProcess::start(player.session.home(), &["--port-base", &port]).expect("it starts again");
    dashboard.wait_until("a healthy connection", PATIENCE, |screen| {
        let text = screen.contents();
        !text.contains("✗ node") && text.contains("● node")
    });
    approve_until_filled(&dashboard);
    leave(dashboard);
    drop(network);
}
