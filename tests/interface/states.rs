//! Everything that can be on the screen, by name: each has its pictures, and is drawn at every size.

use std::sync::Arc;

use somascope::{
    api::{Event, InspectStage, Level, LogLine, MapLayout, Mode, NetworkView, Snapshot, SubmissionState},
    app::{AppEvent, State, update},
    primitives::Shannons,
    views::ReplayBar,
};

use crate::{
    approvals::{self, crowded, logged},
    board::inspected,
    fixture::{NOW_MS, empty, submission},
    harness::{Drawn, after, busy, shown},
    targets, wizard,
};

pub struct Named {
    pub name: &'static str,
    pub make: fn() -> Drawn,
}

/// A list of names and how each comes about; and a test a name, which compares its pictures.
macro_rules! states {
    ($($name:ident: $made:expr;)*) => {
        pub const STATES: &[Named] = &[$(Named { name: stringify!($name), make: || Drawn::from($made) }),*];

        mod pictures {
            $(#[test]
            fn $name() {
                super::pictured(stringify!($name));
            })*
        }
    };
}

fn pictured(name: &str) {
    let named = STATES.iter().find(|named| named.name == name).expect("it is in the list");
    shown(name, (named.make)());
}

states! {
    // Before there is anything, and when the network is in full swing.
    starting: after(starting(), "");
    dashboard_empty: after(empty(), "");
    dashboard_fresh: after(fresh(), "");
    dashboard_busy: after(busy(), "");
    dashboard_auto: after(auto(), "");
    dashboard_only_pinned: after(targets::bound(), "");
    dashboard_paused: after(paused(), "");
    wallet: after(busy(), "1");
    wallet_empty: after(empty(), "1");
    // What goes wrong.
    read_only: after(read_only(), "");
    read_only_refuses: after(read_only(), "m");
    network_lost: after(lost(), "");
    network_lost_wallet: after(lost(), "1");
    newer_protocol: after(newer_protocol(), "");
    newer_protocol_asked: after(newer_protocol(), "v");
    newer_protocol_wallet: after(newer_protocol(), "1");
    bad_news: failed();
    settling: after(busy(), "q");
    settling_quiet: after(fresh(), "q");
    // What lies above a screen.
    help: after(busy(), "?");
    help_of_the_map: after(busy(), "3?");
    help_of_the_filter: after(busy(), "2?");
    help_search: after(busy(), "?/pane");
    help_search_nothing: after(busy(), "?/casino");
    palette: after(busy(), ":zo");
    palette_whole: after(busy(), ":");
    palette_nothing: after(busy(), ":casino");
    auto_asked: after(busy(), "m");
    only_pinned_off_asked: after(targets::bound(), "O");
    // The map.
    map: after(busy(), "3t");
    map_on_a_model: after(busy(), "3");
    map_by_source: after(busy(), "3c");
    map_by_margin: after(busy(), "3cc");
    map_close: after(busy(), "3t+++");
    map_box: after(busy(), "3bllllllllllkkkkk");
    map_coverage: after(busy(), "3n");
    map_neighbours: after(neighbours(), "3");
    map_empty: after(empty(), "3");
    // Targets and models.
    targets: after(busy(), "2");
    targets_by_pin_reversed: after(busy(), "2sssssssssS");
    targets_filter: after(busy(), "2/status:open margin:>-0.02 !model:D");
    targets_filter_error: after(busy(), "2/status:open margin:>x");
    targets_filter_nothing: after(busy(), "2/status:open reward:>5\n");
    targets_empty: after(empty(), "2");
    target: targets::in_full("");
    target_scrolled: targets::in_full("⇟⇟⇟⇟⇟");
    target_asking: after(busy(), "2↓\n");
    target_gone: targets::gone();
    models: after(targets::models(), "6");
    models_by_stake_reversed: after(targets::models(), "6sSjjj");
    models_empty: after(empty(), "6");
    // What was scored and earned.
    throughput: after(busy(), "4");
    throughput_hour: after(busy(), "4t");
    throughput_day: after(busy(), "4tt");
    throughput_of_hits: after(busy(), "4tsss");
    throughput_empty: after(empty(), "4");
    rewards: after(busy(), "5");
    rewards_by_day: after(busy(), "5[d");
    rewards_filter_nothing: after(busy(), "5/casino");
    rewards_empty: after(empty(), "5");
    submission: after(busy(), "5jjjjjjjj\n");
    submission_failed: after(busy(), "5jj\n");
    copying: after(busy(), "5jjjjjjjjC");
    copying_of_a_candidate: after(busy(), "aC");
    export: after(busy(), "5e");
    export_done: exported(Ok("/home/me/.local/share/somascope/exports/rewards-2026-11-22.csv".to_owned()));
    export_failed: exported(Err("/home/me/.local/share/somascope/exports: no space left on device".to_owned()));
    replay: (after(busy(), ""), bar(None));
    replay_refuses: (after(busy(), "a"), bar(Some("this is a recording: nothing is changed or sent")));
    // Decisions.
    approvals: after(busy(), "a");
    approvals_empty: after(empty(), "a");
    approvals_none_waits: after(Snapshot { approvals: Arc::default(), ..busy() }, "a");
    approvals_read_only: after(read_only(), "a");
    approvals_crowded: after(crowded(), "a");
    approvals_marked: after(crowded(), "a j ");
    approvals_marked_asked: after(crowded(), "a*y");
    approvals_all_gone: approvals::all_gone();
    approvals_reject_asked: after(busy(), "a n");
    approvals_limit: after(crowded(), "aY⌫150000sh\t\t⌫0.01");
    approvals_gone: approvals::gone(true);
    approvals_gone_none_waits: approvals::gone(false);
    candidate_composition: after(crowded(), "ajj");
    candidate_wide_letters: after(crowded(), "ajjjJ");
    candidate_loss: after(crowded(), "ajjjj");
    candidate_hex: after(crowded(), "ajxJ");
    auto: after(Snapshot { mode: Mode::Auto, ..crowded() }, "a");
    auto_none_waits: after(auto(), "a");
    policy: after(busy(), "P⌫0.02\t⌫lots\t⌫3");
    policy_asked: after(busy(), "P⌫0.02\t⌫0.5\t⌫0.0125\n");
    // What was done.
    log: after(logged(), "7");
    log_detail: after(logged(), "7kkk\n");
    log_filtered: after(logged(), "7/level:warn fail\nkkk\n");
    log_typing: after(logged(), "7/kind:up");
    log_filter_nothing: after(logged(), "7/nothing like it\n");
    log_empty: after(empty(), "7");
    // The board.
    board_models: after(busy(), "8");
    board_gaps: after(busy(), "8\t");
    board_fills: after(busy(), "8\t\t");
    board_reach: after(busy(), "8\t\t\t");
    board_review: after(busy(), "8\t\t\t\t");
    board_review_of_an_older_epoch: after(busy(), "8\t\t\t\t[[[");
    board_empty: after(empty(), "8");
    inspector: inspected(|_| {}, "");
    inspector_hex: inspected(|_| {}, "x");
    inspector_not_shown: inspected(|_| {}, "j");
    inspector_asking: after(busy(), "6i");
    inspector_nothing: inspected(|answer| (answer.stage, answer.items) = (InspectStage::Done, Vec::new()), "");
    inspector_failed: inspected(
        |answer| {
            answer.stage = InspectStage::Failed("http://127.0.0.1:50051: connection refused".to_owned());
            answer.items.clear();
        },
        "",
    );
    // The first run.
    wizard_welcome: wizard::step("welcome");
    wizard_network: wizard::step("network");
    wizard_network_asked: wizard::step("network_asked");
    wizard_network_away: wizard::step("network_away");
    wizard_key: wizard::step("key");
    wizard_key_found: wizard::step("key_found");
    wizard_new_key: wizard::step("new_key");
    wizard_import_key: wizard::step("import_key");
    wizard_faucet: wizard::step("faucet");
    wizard_bucket: wizard::step("bucket");
    wizard_bucket_typed: wizard::step("bucket_typed");
    wizard_bucket_bad: wizard::step("bucket_bad");
    wizard_data: wizard::step("data");
    wizard_data_bad: wizard::step("data_bad");
    wizard_review: wizard::step("review");
    wizard_written: wizard::step("written");
}

/// In the middle of a recording.
fn bar(message: Option<&str>) -> ReplayBar {
    let message = message.map(str::to_owned);
    ReplayBar { at_ms: 83_000, length_ms: 3_600_000, speed: 4.0, playing: true, following: false, message }
}

/// Before the engine has said anything.
fn starting() -> Snapshot {
    Snapshot {
        at_ms: NOW_MS,
        mode: Mode::Manual,
        network: NetworkView {
            name: "devnet".to_owned(),
            rpc_url: "http://127.0.0.1:50051".to_owned(),
            ..NetworkView::default()
        },
        log: Arc::new(vec![LogLine::new(NOW_MS, Level::Info, "connecting to http://127.0.0.1:50051 …")]),
        ..Snapshot::default()
    }
}

/// The network has answered, and nothing has been scored or done.
fn fresh() -> Snapshot {
    let full = busy();
    let open = full.targets.iter().cloned().map(|mut row| {
        (row.stage, row.best_distance, row.pinned) = (somascope::api::TargetStage::Open, None, false);
        row
    });
    Snapshot {
        version: 1,
        network: full.network.clone(),
        wallet: somascope::api::WalletView {
            balance: Shannons(2_000_000_000),
            coins: 1,
            history: Arc::new(vec![(NOW_MS, Shannons(2_000_000_000))]),
            ..empty().wallet
        },
        targets: Arc::new(open.collect()),
        models: full.models.clone(),
        ..empty()
    }
}

fn auto() -> Snapshot {
    Snapshot { mode: Mode::Auto, approvals: Arc::default(), ..busy() }
}

fn paused() -> Snapshot {
    Snapshot { scoring_paused: true, ..busy() }
}

fn read_only() -> Snapshot {
    let mut snapshot = Snapshot { mode: Mode::ReadOnly, approvals: Arc::default(), ..busy() };
    snapshot.wallet.address = None;
    snapshot
}

fn lost() -> Snapshot {
    let mut snapshot = busy();
    snapshot.network.upstreams[0].last_heard_ms = Some(NOW_MS - 75_000);
    snapshot.network.trouble = Some("node: connection refused by http://127.0.0.1:50051; trying again".to_owned());
    snapshot.network.upstreams[0].trouble = Some("connection refused".to_owned());
    snapshot
}

fn newer_protocol() -> Snapshot {
    let mut snapshot = busy();
    snapshot.network.protocol_version = 6;
    snapshot.network.unaccepted_protocol = Some(6);
    snapshot.network.upstreams[1].last_heard_ms = Some(NOW_MS - 75_000);
    snapshot.network.upstreams[1].trouble = Some("the node ended the subscription".to_owned());
    snapshot.network.trouble = Some("the network speaks protocol 6 and this program knows up to 5".to_owned());
    snapshot
}

/// The map as neighbours lie, while it is fitted again.
fn neighbours() -> Snapshot {
    let mut snapshot = busy();
    let map = Arc::make_mut(&mut snapshot.map);
    (map.layout, map.fitting) = (MapLayout::Neighbours, true);
    snapshot
}

/// A submission has just failed.
fn failed() -> State {
    let mut state = after(busy(), "");
    let row = submission(10, SubmissionState::Failed);
    update(&mut state, AppEvent::Engine(Event::Submission(Arc::new(row))));
    state
}

fn exported(how: Result<String, String>) -> State {
    let mut state = after(busy(), "5ec");
    update(&mut state, AppEvent::Engine(Event::Exported(how)));
    state
}
