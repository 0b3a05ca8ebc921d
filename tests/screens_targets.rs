//! Targets, one target in full, and models: whole screens, through a terminal emulator.

#[path = "support/emulator.rs"]
#[expect(dead_code, reason = "what the loop does to a screen is looked at elsewhere")]
mod emulator;
#[path = "support/fixture.rs"]
#[expect(dead_code, reason = "a network that has not answered is looked at elsewhere")]
mod fixture;

use std::sync::{Arc, LazyLock};

use emulator::{Emulator, attributes};
use fixture::{NOW_MS, id};
use ratatui::{buffer::Buffer, layout::Rect};
use somascope::{
    api::{Improvement, NearSample, Snapshot, TargetDetail, TargetModel, TargetRow},
    app::{AppEvent, Key, Look, State, layout::Size, update},
    terminal::Screen,
    views,
};

fn busy() -> Snapshot {
    static BUSY: LazyLock<Snapshot> = LazyLock::new(fixture::busy);
    BUSY.clone()
}

const COLOUR: Look = Look { ascii: false, colour: true };
const MONO: Look = Look { ascii: false, colour: false };
const ASCII: Look = Look { ascii: true, colour: false };
const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

/// The state after these keys.
fn state(snapshot: Snapshot, look: Look, (width, height): (u16, u16), keys: &[Key]) -> State {
    let mut state = State::new(look, Size { width, height }, NOW_MS, Arc::new(snapshot));
    for key in keys {
        update(&mut state, AppEvent::Key(*key));
    }
    state
}

fn picture(state: &State) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, state.size.width, state.size.height));
    views::draw(state, &mut buffer);
    buffer
}

fn emulate(snapshot: Snapshot, look: Look, size: (u16, u16), keys: &[Key]) -> emulator::Shared {
    let (mut screen, shared) = Emulator::new(size.0, size.1);
    screen.present(&picture(&state(snapshot, look, size, keys))).expect("the emulator takes everything");
    shared
}

/// One picture a size, and one without colour.
fn at_all_sizes(name: &str, snapshot: &Snapshot, keys: &[Key]) {
    for (width, height) in SIZES {
        let text = emulate(snapshot.clone(), COLOUR, (width, height), keys).text();
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), text);
    }
    let mono = emulate(snapshot.clone(), MONO, (80, 24), keys);
    let used = attributes(mono.look().parser.screen());
    assert!(!used.contains("fg") && !used.contains("bg"), "{used}");
    insta::assert_snapshot!(format!("{name}_mono_80x24"), mono.text());
    let plain = emulate(snapshot.clone(), ASCII, (120, 40), keys).text().replace('·', ".");
    assert!(plain.is_ascii(), "{plain}");
}

fn typed(word: &str) -> Vec<Key> {
    word.chars().map(Key::Char).collect()
}

/// What the engine tells of the first target with this property.
fn looking_at(wanted: impl Fn(&TargetRow) -> bool) -> (Snapshot, usize) {
    let mut snapshot = busy();
    let at = snapshot.targets.iter().position(wanted).expect("one of them");
    let target = snapshot.targets[at].clone();
    let best = target.best_distance.expect("scored");
    let steps = [(5_400, 0.061), (3_000, 0.044), (900, 0.021), (60, 0.0)];
    let history = steps.iter().zip(0..).map(|((seconds, above), n)| Improvement {
        at_ms: NOW_MS - seconds * 1000,
        distance: best + above,
        source: format!("prose/moby-dick.txt@{}", 1024 * (n + 3)),
    });
    let near = |(n, above): (u64, f32)| NearSample {
        source: if n == 2 {
            "data/\u{1b}[31mevil\u{1b}[0m.bin +7".to_owned()
        } else {
            format!("code/scheduler.rs@{}", 1024 * n)
        },
        model: target.models[n as usize % 3],
        distance: best + above,
        size_bytes: if n == 2 { 8_192 } else { 1_024 },
        pieces: if n == 2 { 8 } else { 1 },
    };
    let models = target.models.iter().zip(0..).map(|(model, n)| TargetModel {
        id: *model,
        wins: [812, 644, 0][n],
        best_distance: (n < 2).then_some(best + n as f32 * 0.013),
    });
    let detail = TargetDetail {
        gone: None,
        dim: 2048,
        models: models.collect(),
        history: history.collect(),
        nearest: [(1, 0.0), (0, 0.004), (2, 0.009), (3, 0.013), (4, 0.02)].map(near).to_vec(),
        scored: Some(1_456),
        submission: None,
        reasons: vec![
            "the nearest sample misses by 0.0070 (0.32 deviations)".to_owned(),
            "no composition of windows was found that reaches it (when 1456 samples were scored)".to_owned(),
            "no sample is scored with model D yet (weights 34 %)".to_owned(),
            "12340 samples of the corpus are still to be scored".to_owned(),
        ],
        target,
    };
    snapshot.looked_at = Some(Arc::new(detail));
    (snapshot, at)
}

#[test]
fn the_list_has_columns_as_wide_as_the_terminal_and_marks_what_is_pinned() {
    at_all_sizes("targets_list", &busy(), &typed("2"));
    at_all_sizes("targets_by_pin_reversed", &busy(), &typed("2sssssssssS"));
}

#[test]
fn a_filter_is_explained_while_it_is_wrong_and_the_last_good_one_stays() {
    at_all_sizes("targets_filter", &busy(), &typed("2/status:open margin:>-0.02 !model:D"));
    at_all_sizes("targets_filter_error", &busy(), &typed("2/status:open margin:>x"));
    let help = [typed("?/margin"), vec![Key::Enter]].concat();
    at_all_sizes("targets_filter_help", &busy(), &help);
}

#[test]
fn a_target_in_full_says_why_nothing_fits_it_yet() {
    let (snapshot, at) = looking_at(|row| row.best_distance.is_some_and(|best| best > row.threshold));
    assert_eq!(at, 5);
    let keys = [typed("2"), vec![Key::Down; at], vec![Key::Enter]].concat();
    at_all_sizes("target_detail", &snapshot, &keys);
    // Small ones scroll.
    let keys = [keys, vec![Key::PageDown; 5]].concat();
    insta::assert_snapshot!("target_detail_scrolled_80x24", emulate(snapshot, COLOUR, (80, 24), &keys).text());
}

#[test]
fn a_target_that_nobody_has_told_of_yet_or_that_has_gone_says_so() {
    let keys = [typed("2"), vec![Key::Down, Key::Enter]].concat();
    at_all_sizes("target_detail_asking", &busy(), &keys);
    let (mut snapshot, at) = looking_at(|row| row.pinned);
    let mut detail = snapshot.looked_at.as_deref().cloned().expect("looked at");
    detail.gone = Some("somebody else filled it".to_owned());
    detail.reasons = detail.gone.clone().into_iter().collect();
    snapshot.looked_at = Some(Arc::new(detail));
    let mut state = state(busy(), COLOUR, (80, 24), &[typed("2"), vec![Key::Down; at], vec![Key::Enter]].concat());
    let mut targets = snapshot.targets.to_vec();
    targets.remove(at);
    snapshot.targets = Arc::new(targets);
    update(&mut state, AppEvent::Snapshot(Arc::new(snapshot)));
    let (mut screen, shared) = Emulator::new(80, 24);
    screen.present(&picture(&state)).expect("the emulator takes everything");
    insta::assert_snapshot!("target_detail_gone_80x24", shared.text());
}

#[test]
fn the_models_screen_tells_who_plays_and_what_can_be_used_here() {
    let mut snapshot = busy();
    let mut models = snapshot.models.to_vec();
    models[1].pinned = true;
    models[2].resident = false;
    models[2].fetching = Some((34, 100));
    snapshot.models = Arc::new(models);
    at_all_sizes("models_list", &snapshot, &typed("6"));
    at_all_sizes("models_by_stake_reversed", &snapshot, &typed("6sSjjj"));
}

#[test]
fn pins_are_sent_to_the_engine_and_a_detail_is_asked_for_and_let_go() {
    use somascope::{api::Command, app::Effect};
    let mut state = state(busy(), COLOUR, (120, 40), &typed("2"));
    let mut press = |key: Key| -> Vec<Command> {
        let effects = update(&mut state, AppEvent::Key(key));
        effects.into_iter().filter_map(|e| if let Effect::Send(command) = e { Some(command) } else { None }).collect()
    };
    let (first, second) = (busy().targets[0].id, busy().targets[1].id);
    assert_eq!(press(Key::Char('P')), [Command::Pin { targets: vec![first], on: true }]);
    press(Key::Down);
    assert_eq!(press(Key::Char('P')), [Command::Pin { targets: vec![second], on: false }]);
    assert_eq!(press(Key::Enter), [Command::Look(Some(second))]);
    assert_eq!(press(Key::Left), [Command::Look(Some(first))]);
    assert_eq!(press(Key::Char('P')), [Command::Pin { targets: vec![first], on: true }]);
    assert_eq!(press(Key::Esc), [Command::Look(None)]);
    assert_eq!(press(Key::Enter), [Command::Look(Some(first))]);
    assert_eq!(press(Key::Char('6')), [Command::Look(None)]);
    assert_eq!(press(Key::Char('P')), [Command::PinModel { model: id("model", 0), on: true }]);
    assert_eq!(press(Key::Char('O')), [Command::OnlyPinned(true)]);
}

#[test]
fn the_policy_is_let_loose_on_all_targets_only_after_a_question() {
    use somascope::{
        api::{Command, Mode},
        app::Effect,
    };
    let mut snapshot = busy();
    snapshot.mode = Mode::Auto;
    snapshot.only_pinned = true;
    at_all_sizes("only_pinned_off_asked", &snapshot, &typed("O"));
    let mut state = state(snapshot, COLOUR, (80, 24), &typed("O"));
    assert!(update(&mut state, AppEvent::Key(Key::Char('y'))).contains(&Effect::Send(Command::OnlyPinned(false))));
}
