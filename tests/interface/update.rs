//! The functional core: events in, state and effects out. No terminal, no clock, no engine.

use std::sync::Arc;

use somascope::{
    api::{Command, Event, Level, LogLine, Mode, Snapshot, SubmissionId, SubmissionState, TargetStage},
    app::{AppEvent, Dialog, Effect, Key, Leave, Life, Near, Pane, Purpose, Screen, SortKey, State, Verdict, update},
};

use crate::{
    fixture::{NOW_MS, empty, id, submission},
    harness::{
        busy, commands,
        person::{key, keys, reads, state},
    },
};

#[test]
fn keys_lead_where_the_help_says() {
    let table: [(&str, Screen); 12] = [
        ("1", Screen::Pane(Pane::Wallet)),
        ("2", Screen::Pane(Pane::Targets)),
        ("3", Screen::Pane(Pane::Map)),
        ("4", Screen::Pane(Pane::Throughput)),
        ("5", Screen::Pane(Pane::Rewards)),
        ("6", Screen::Models),
        ("7", Screen::Log),
        ("a", Screen::Approvals),
        ("z", Screen::Pane(Pane::Targets)),
        ("lz", Screen::Pane(Pane::Map)),
        ("aa", Screen::Dashboard),
        ("33", Screen::Dashboard),
    ];
    for (word, screen) in table {
        let mut state = state(busy());
        keys(&mut state, word);
        assert_eq!(state.screen, screen, "{word}");
        key(&mut state, Key::Esc);
        assert_eq!(state.screen, Screen::Dashboard, "{word} Esc");
    }
}

#[test]
fn tab_walks_through_all_panes_and_back() {
    let mut state = state(busy());
    let mut seen = vec![state.focus];
    for _ in 0..4 {
        key(&mut state, Key::Tab);
        assert!(!seen.contains(&state.focus));
        seen.push(state.focus);
    }
    key(&mut state, Key::Tab);
    assert_eq!(state.focus, seen[0]);
    key(&mut state, Key::BackTab);
    assert_eq!(state.focus, seen[4]);
}

#[test]
fn approving_sends_the_command_once_and_moves_on() {
    let mut state = state(busy());
    assert_eq!(commands(&keys(&mut state, "ay")), [Command::Approve(SubmissionId(0))]);
    assert_eq!(state.approvals.verdict(SubmissionId(0)), Some(Verdict::Approved));
    assert_eq!(state.undecided(), 2);
    reads(&mut state);
    assert_eq!(
        commands(&keys(&mut state, "yn")),
        [Command::Approve(SubmissionId(1)), Command::Reject(SubmissionId(2))]
    );
    // All are answered: another y has nothing to sign.
    assert_eq!(commands(&keys(&mut state, "y")), []);
    assert!(state.notice.is_some());
}

#[test]
fn a_candidate_that_slips_under_the_finger_is_not_approved() {
    let mut state = state(busy());
    keys(&mut state, "a");
    let mut snapshot = busy();
    snapshot.approvals = Arc::new(vec![Arc::new(submission(1, SubmissionState::AwaitingApproval))]);
    update(&mut state, AppEvent::Snapshot(Arc::new(snapshot)));
    assert_eq!(commands(&keys(&mut state, "y")), []);
    assert!(state.notice.as_ref().is_some_and(|notice| notice.text.contains("look again")));
    update(&mut state, AppEvent::Clock { now_ms: NOW_MS + 2_000 });
    assert_eq!(commands(&keys(&mut state, "y")), [Command::Approve(SubmissionId(1))]);
}

#[test]
fn a_reordered_list_keeps_the_selected_candidate() {
    let mut state = state(busy());
    keys(&mut state, "a");
    let mut snapshot = busy();
    let waiting = SubmissionState::AwaitingApproval;
    snapshot.approvals = Arc::new([9, 2, 0].map(|n| Arc::new(submission(n, waiting))).to_vec());
    update(&mut state, AppEvent::Snapshot(Arc::new(snapshot)));
    assert_eq!(commands(&keys(&mut state, "y")), [Command::Approve(SubmissionId(0))]);
}

#[test]
fn a_verdict_is_forgotten_when_the_engine_has_acted_on_it() {
    let mut state = state(busy());
    keys(&mut state, "ay");
    update(&mut state, AppEvent::Snapshot(Arc::new(Snapshot { approvals: Arc::default(), ..busy() })));
    update(&mut state, AppEvent::Snapshot(Arc::new(busy())));
    assert_eq!(state.undecided(), 3);
}

#[test]
fn what_signs_more_than_the_eye_rests_on_is_asked_first() {
    let mut state = state(busy());
    assert_eq!(commands(&keys(&mut state, "a*y")), []);
    assert!(matches!(state.dialog, Some(Dialog::Confirm(_))));
    assert_eq!(commands(&keys(&mut state, "n")), []);
    assert_eq!(state.dialog, None);
    let all = [0, 1, 2].map(SubmissionId).to_vec();
    assert_eq!(commands(&keys(&mut state, "yy")), [Command::ApproveMany(all)]);
    assert_eq!(state.undecided(), 0);
}

#[test]
fn auto_is_confirmed_and_manual_is_not() {
    let mut manual = state(busy());
    assert_eq!(commands(&keys(&mut manual, "m")), []);
    assert_eq!(commands(&keys(&mut manual, "y")), [Command::SetMode(Mode::Auto)]);
    let mut auto = state(Snapshot { mode: Mode::Auto, ..busy() });
    assert_eq!(commands(&keys(&mut auto, "m")), [Command::SetMode(Mode::Manual)]);
}

#[test]
fn a_newer_protocol_is_accepted_only_where_there_is_one_and_only_after_a_question() {
    let mut known = state(busy());
    assert_eq!((commands(&keys(&mut known, "v")), known.dialog), (vec![], None));
    assert!(known.notice.is_some_and(|notice| notice.text.contains("known")));
    let mut snapshot = busy();
    snapshot.network.protocol_version = 6;
    snapshot.network.unaccepted_protocol = Some(6);
    let mut newer = state(snapshot);
    assert_eq!(commands(&keys(&mut newer, "v")), []);
    assert_eq!(newer.dialog, Some(Dialog::Confirm(somascope::app::actions::Action::AcceptProtocol)));
    assert_eq!(commands(&keys(&mut newer, "n")), []);
    assert_eq!(commands(&keys(&mut newer, "vy")), [Command::AcceptProtocol(6)]);
}

#[test]
fn an_answer_about_one_protocol_accepts_no_other_that_came_meanwhile() {
    let speaks = |version| {
        let mut snapshot = busy();
        snapshot.network.unaccepted_protocol = version;
        AppEvent::Snapshot(std::sync::Arc::new(snapshot))
    };
    let mut state = state(busy());
    update(&mut state, speaks(Some(6)));
    assert_eq!(commands(&keys(&mut state, "v")), []);
    // The screen shows the question about 6 until it is answered.
    update(&mut state, speaks(Some(7)));
    assert_eq!((state.asked_protocol, commands(&keys(&mut state, "y"))), (Some(6), vec![]));
    assert!(state.notice.as_ref().is_some_and(|notice| notice.text.contains("protocol 7")));
    assert_eq!(state.dialog, Some(Dialog::Confirm(somascope::app::actions::Action::AcceptProtocol)));
    assert_eq!(commands(&keys(&mut state, "y")), [Command::AcceptProtocol(7)]);
    // And where nothing is left to accept, nothing is.
    assert_eq!(commands(&keys(&mut state, "v")), []);
    update(&mut state, speaks(None));
    assert_eq!((commands(&keys(&mut state, "y")), state.dialog), (vec![], None));
}

#[test]
fn read_only_refuses_whatever_can_sign_and_says_so() {
    for word in ["ay", "an", "aY", "m"] {
        let mut state = state(Snapshot { mode: Mode::ReadOnly, ..busy() });
        assert_eq!(commands(&keys(&mut state, word)), [], "{word}");
        assert_eq!(state.dialog, None, "{word}");
        assert!(state.notice.is_some_and(|notice| notice.text.contains("read-only")), "{word}");
    }
    // Pausing signs nothing.
    let mut state = state(Snapshot { mode: Mode::ReadOnly, ..busy() });
    assert_eq!(commands(&keys(&mut state, "p")), [Command::PauseScoring(true)]);
}

#[test]
fn quitting_settles_first_and_a_second_time_leaves() {
    for quit in [Key::Char('q'), Key::Ctrl('c')] {
        let mut state = state(busy());
        assert_eq!(commands(&key(&mut state, quit)), [Command::Shutdown]);
        assert_eq!(state.life, Life::Settling { since_ms: NOW_MS + 300 });
        // Nothing else is taken while it settles.
        assert!(keys(&mut state, "ay?m").is_empty());
        assert!(key(&mut state, quit).contains(&Effect::Leave(Leave::Unsettled)));
    }
    let mut state = state(busy());
    key(&mut state, Key::Char('q'));
    assert_eq!(update(&mut state, AppEvent::Engine(Event::Stopped)), [Effect::Leave(Leave::Settled)]);
}

#[test]
fn control_c_quits_from_dialogs_and_q_only_closes_them() {
    for word in ["?", "m"] {
        let mut state = state(busy());
        keys(&mut state, word);
        assert_eq!(commands(&keys(&mut state, "q")), [], "{word}");
        assert_eq!(state.dialog, None, "{word}");
        keys(&mut state, word);
        assert_eq!(commands(&key(&mut state, Key::Ctrl('c'))), [Command::Shutdown], "{word}");
    }
}

#[test]
fn an_interrupt_from_outside_is_a_q() {
    let mut state = state(busy());
    assert_eq!(commands(&update(&mut state, AppEvent::Interrupt)), [Command::Shutdown]);
    assert!(update(&mut state, AppEvent::Interrupt).contains(&Effect::Leave(Leave::Unsettled)));
}

#[test]
fn a_filter_is_typed_kept_and_cleared() {
    let mut state = state(busy());
    keys(&mut state, "2/hit");
    assert_eq!(state.targets.rows.len(), 3);
    key(&mut state, Key::Enter);
    // Keys mean actions again, and the filter stays through snapshots.
    keys(&mut state, "j");
    update(&mut state, AppEvent::Snapshot(Arc::new(busy())));
    assert_eq!((state.targets.rows.len(), state.targets.selected), (3, Some(id("target", 1))));
    keys(&mut state, "/");
    key(&mut state, Key::Esc);
    assert_eq!(state.targets.rows.len(), 100);
    keys(&mut state, "/");
    update(&mut state, AppEvent::Paste(id("target", 42).to_string()));
    assert_eq!(state.targets.selected, Some(id("target", 42)));
}

#[test]
fn targets_are_sorted_by_each_key_with_the_unknown_last() {
    let mut state = state(busy());
    keys(&mut state, "2");
    let order = |state: &State| -> Vec<usize> { state.targets.rows.clone() };
    assert_eq!(state.targets.sort, SortKey::Margin);
    assert_eq!(order(&state)[0], 0);
    assert!(order(&state)[90..].iter().all(|&index| index >= 90));
    keys(&mut state, "ss");
    assert_eq!(state.targets.sort, SortKey::Distance);
    assert!(order(&state)[90..].iter().all(|&index| index >= 90));
    keys(&mut state, "s");
    assert_eq!((state.targets.sort, order(&state)[0]), (SortKey::Age, 0));
    keys(&mut state, "s");
    assert!(order(&state).windows(2).all(|pair| busy().targets[pair[0]].id < busy().targets[pair[1]].id));
}

#[test]
fn the_selected_target_survives_a_new_snapshot() {
    let mut state = state(busy());
    keys(&mut state, "2jjj");
    assert_eq!(state.targets.selected, Some(id("target", 3)));
    let mut snapshot = busy();
    snapshot.targets = Arc::new(snapshot.targets[3..].to_vec());
    update(&mut state, AppEvent::Snapshot(Arc::new(snapshot)));
    assert_eq!(state.targets.selected, Some(id("target", 3)));
}

#[test]
fn the_map_stays_put_while_points_come_and_starts_over_with_a_new_basis() {
    let mut state = state(busy());
    let before = state.map.visible();
    let mut snapshot = busy();
    Arc::make_mut(&mut Arc::make_mut(&mut snapshot.map).samples).truncate(10);
    update(&mut state, AppEvent::Snapshot(Arc::new(snapshot.clone())));
    assert_eq!(state.map.visible(), before);
    let map = Arc::make_mut(&mut snapshot.map);
    map.basis = 2;
    map.targets = Arc::default();
    update(&mut state, AppEvent::Snapshot(Arc::new(snapshot)));
    assert_ne!(state.map.visible(), before);
}

#[test]
fn the_maps_cursor_finds_hits_first_and_zooms_where_it_stands() {
    let mut state = state(busy());
    keys(&mut state, "3t");
    let Some(Near::Target(at)) = state.map.near() else { panic!("{:?}", state.map.near()) };
    let near = state.snapshot.map.targets[at];
    assert_eq!(state.snapshot.targets[near.row as usize].stage, TargetStage::Hit);
    let wide = state.map.visible().expect("the map is not empty").width();
    keys(&mut state, "++");
    let close = state.map.visible().expect("the map is not empty");
    assert!((close.width() - wide / 4.0).abs() < 1e-3);
    assert!(close.min.0 <= near.x && near.x <= close.max.0);
    keys(&mut state, "--------");
    assert_eq!(state.map.zoom(), 0);
}

#[test]
fn points_that_are_no_numbers_do_no_harm() {
    let mut snapshot = busy();
    let map = Arc::make_mut(&mut snapshot.map);
    Arc::make_mut(&mut map.samples)[0].x = f32::NAN;
    Arc::make_mut(&mut map.targets)[0].y = f32::INFINITY;
    map.models[0].x = f32::NEG_INFINITY;
    let mut state = state(snapshot);
    keys(&mut state, "3tt+hjkl");
    assert!(state.map.visible().is_some_and(|seen| seen.width().is_finite() && seen.height().is_finite()));
}

#[test]
fn the_balance_at_the_start_is_the_first_one_seen() {
    let mut state = state(empty());
    assert_eq!(state.balance_at_start, None);
    update(&mut state, AppEvent::Snapshot(Arc::new(busy())));
    let first = busy().wallet.history[0].1;
    assert_eq!(state.balance_at_start, Some(first));
    let mut later = busy();
    later.wallet.history = Arc::new(later.wallet.history[100..].to_vec());
    update(&mut state, AppEvent::Snapshot(Arc::new(later)));
    assert_eq!(state.balance_at_start, Some(first));
}

#[test]
fn bad_news_is_told_and_goes_away_again() {
    let mut state = state(busy());
    let line = |level| Event::Log(LogLine::new(NOW_MS, level, "the node is gone"));
    assert!(update(&mut state, AppEvent::Engine(line(Level::Info))).is_empty());
    assert_eq!(update(&mut state, AppEvent::Engine(line(Level::Error))), [Effect::Redraw]);
    update(&mut state, AppEvent::Clock { now_ms: NOW_MS + 3_000 });
    assert!(state.notice.is_some());
    update(&mut state, AppEvent::Clock { now_ms: NOW_MS + 30_000 });
    assert!(state.notice.is_none());
}

#[test]
fn what_changes_nothing_asks_for_no_picture() {
    let mut state = state(busy());
    let same = Arc::clone(&state.snapshot);
    let table = [
        AppEvent::Snapshot(same),
        AppEvent::Resize(state.size),
        AppEvent::Clock { now_ms: NOW_MS },
        AppEvent::Key(Key::Char('X')),
        AppEvent::Engine(Event::EpochStarted { epoch: 13 }),
        AppEvent::Engine(Event::Submission(Arc::new(submission(0, SubmissionState::Found)))),
    ];
    for event in table {
        assert!(update(&mut state, event.clone()).is_empty(), "{event:?}");
    }
}

#[test]
fn ids_are_copied_whole() {
    let copied = |word: &str| {
        let mut state = state(busy());
        let effects = keys(&mut state, &format!("{word}c"));
        effects.into_iter().find_map(|effect| if let Effect::Copy(text) = effect { Some(text) } else { None })
    };
    let address = busy().wallet.address.expect("the fixture has a wallet");
    assert_eq!(copied(""), Some(address.to_hex_prefixed()));
    assert_eq!(copied("2j"), Some(id("target", 1).to_hex_prefixed()));
    assert_eq!(copied("6j"), Some(id("model", 1).to_hex_prefixed()));
    assert_eq!(copied("a"), Some(id("target", 0).to_hex_prefixed()));
}

#[test]
fn a_part_of_a_submission_is_chosen_and_copied() {
    let mut state = state(busy());
    keys(&mut state, "5");
    let at = state.rewards.rows.iter().position(|row| row.url.is_some() && row.digest.is_some()).expect("one was sent");
    (0..at).for_each(|_| drop(key(&mut state, Key::Down)));
    let row = Arc::clone(state.rewards.chosen().expect("one is selected"));
    let copied = |effects: Vec<Effect>| {
        effects.into_iter().find_map(|effect| if let Effect::Copy(text) = effect { Some(text) } else { None })
    };
    assert_eq!(copied(keys(&mut state, "Cu")), row.url);
    assert_eq!(state.dialog, None);
    assert_eq!(copied(keys(&mut state, "Cd")), row.digest.map(|digest| digest.to_string()));
    assert_eq!(copied(keys(&mut state, "Ct")), Some(row.target.to_hex_prefixed()));
    assert_eq!(copied(keys(&mut state, "Cs")), Some(row.checksum.to_string()));
    // What is not known yet is not offered, and is not copied.
    keys(&mut state, "aC");
    let offered: Vec<_> = somascope::app::choices(&state).into_iter().map(|(info, _)| info.id).collect();
    assert_eq!(offered, ["copy-target", "copy-checksum", "copy-file"]);
    assert_eq!(copied(keys(&mut state, "d")), None);
    assert_eq!(copied(keys(&mut state, "f")), Some(state.snapshot.approvals[0].source.clone()));
}

#[test]
fn every_end_that_money_depends_on_is_told_in_words_of_its_own() {
    use SubmissionState::{AwaitingApproval, Claimed, Failed, Filled, Forfeited, Lost, Unknown};
    let mut told = Vec::new();
    for entered in SubmissionState::ALL {
        let mut state = state(busy());
        state.notifier.by = somascope::app::Notify::Osc9;
        let event = AppEvent::Engine(Event::Submission(Arc::new(submission(0, entered))));
        let texts = update(&mut state, event).into_iter().filter_map(|effect| match effect {
            Effect::Notify { text, .. } => text,
            _ => None,
        });
        told.extend(texts.map(|text| (entered, text)));
    }
    let states: Vec<_> = told.iter().map(|(state, _)| *state).collect();
    assert_eq!(states, [AwaitingApproval, Filled, Lost, Failed, Unknown, Claimed, Forfeited]);
    for (at, (_, text)) in told.iter().enumerate() {
        assert!(told[..at].iter().all(|(_, other)| other != text), "{text}");
    }
}

#[test]
fn the_map_is_shown_again_as_it_was_left() {
    use somascope::{api::MapLayout, app::Saved};
    let mut left = state(busy());
    keys(&mut left, "3t++");
    let (saved, seen) = (left.saved(), left.map.visible().expect("there is a map"));
    // The first snapshot has no map yet; then it comes, and nothing has to be laid out for it.
    let mut again = state(empty());
    again.restore(&saved);
    assert_eq!((again.saved().map_view, again.map.visible()), (saved.map_view.clone(), None));
    let effects = update(&mut again, AppEvent::Snapshot(Arc::new(busy())));
    assert_eq!((commands(&effects), again.map.zoom()), (vec![], 2));
    let now = again.map.visible().expect("there is a map");
    assert!((now.min.0 - seen.min.0).abs() < 1e-3 && (now.max.1 - seen.max.1).abs() < 1e-3, "{now:?} {seen:?}");

    // Another layout is asked for once, and what was zoomed into waits for it.
    let mut other = state(empty());
    other.restore(&Saved { map_layout: Some("neighbours".to_owned()), ..saved.clone() });
    let effects = update(&mut other, AppEvent::Snapshot(Arc::new(busy())));
    assert_eq!((commands(&effects), other.map.zoom()), (vec![Command::LayMapOut(MapLayout::Neighbours)], 0));
    let mut snapshot = busy();
    snapshot.version += 1;
    assert_eq!(commands(&update(&mut other, AppEvent::Snapshot(Arc::new(snapshot.clone())))), []);
    Arc::make_mut(&mut snapshot.map).layout = MapLayout::Neighbours;
    update(&mut other, AppEvent::Snapshot(Arc::new(snapshot)));
    assert_eq!(other.map.zoom(), 2);

    // What means nothing is passed over.
    for words in ["", "2", "2 1", "2 nan 0", "99 0 0", "-1 0 0", "2 inf 0", "2 1e30 0", "x y z"] {
        let mut odd = state(busy());
        let saved =
            Saved { map_layout: Some("casino".to_owned()), map_view: Some(words.to_owned()), ..Saved::default() };
        odd.restore(&saved);
        let mut snapshot = busy();
        snapshot.version += 1;
        assert_eq!(commands(&update(&mut odd, AppEvent::Snapshot(Arc::new(snapshot)))), [], "{words}");
        assert_eq!(odd.map.zoom(), 0, "{words}");
    }
}

#[test]
fn the_palette_does_what_its_words_find_and_obeys_the_same_rules() {
    let mut state = state(busy());
    keys(&mut state, ":rewar");
    assert_eq!(state.dialog, Some(Dialog::Typing(Purpose::Palette)));
    key(&mut state, Key::Enter);
    assert_eq!((state.dialog, state.screen), (None, Screen::Pane(Pane::Rewards)));

    // The way to AUTO asks, from here too.
    keys(&mut state, ":mode");
    assert_eq!(commands(&key(&mut state, Key::Enter)), []);
    assert_eq!(state.dialog, Some(Dialog::Confirm(somascope::app::actions::Action::Mode)));

    key(&mut state, Key::Esc);
    keys(&mut state, ":xyzzy");
    assert_eq!(state.palette.found.len(), 0);
    key(&mut state, Key::Enter);
    assert!(state.notice.as_ref().is_some_and(|notice| notice.level == Level::Warning));

    let mut read_only = self::state(Snapshot { mode: Mode::ReadOnly, ..busy() });
    keys(&mut read_only, ":mode");
    assert!(read_only.palette.found.iter().all(|info| !info.mutates));
}

#[test]
fn the_help_is_searched_and_the_search_is_left_in_two_steps() {
    let mut state = state(busy());
    keys(&mut state, "?/clip");
    assert_eq!((state.dialog, state.help_search.as_str()), (Some(Dialog::Typing(Purpose::HelpSearch)), "clip"));
    key(&mut state, Key::Enter);
    assert_eq!((state.dialog, state.help_search.as_str()), (Some(Dialog::Help), "clip"));
    keys(&mut state, "/");
    key(&mut state, Key::Esc);
    assert_eq!((state.dialog, state.help_search.as_str()), (Some(Dialog::Help), ""));
    key(&mut state, Key::Esc);
    assert_eq!(state.dialog, None);
}

#[test]
fn a_rebound_key_is_the_one_that_counts() {
    use somascope::app::actions::Keymap;
    let mut state = state(busy());
    state.keymap = Arc::new(Keymap::with([("models", vec![Key::F(6)])]).expect("a good binding"));
    keys(&mut state, "6");
    assert_eq!(state.screen, Screen::Dashboard);
    key(&mut state, Key::F(6));
    assert_eq!(state.screen, Screen::Models);
}
