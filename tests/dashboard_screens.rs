//! Whole screens, through a terminal emulator: what a person sees, at the sizes people have.

#[path = "support/emulator.rs"]
#[expect(dead_code, reason = "what the loop does to a screen is looked at elsewhere")]
mod emulator;
#[path = "support/fixture.rs"]
mod fixture;

use std::sync::{Arc, LazyLock};

use emulator::{Emulator, Shared, attributes};
use fixture::{NOW_MS, empty};
use proptest::prelude::*;
use ratatui::{buffer::Buffer, layout::Rect};
use somascope::{
    api::{Mode, Snapshot},
    app::{AppEvent, Hits, Key, Look, Mouse, State, actions::ACTIONS, layout::Size, update},
    terminal::{Painter, Screen},
    views,
};

/// Made once: its many hashes are slow without optimisation.
fn busy() -> Snapshot {
    static BUSY: LazyLock<Snapshot> = LazyLock::new(fixture::busy);
    BUSY.clone()
}

const COLOUR: Look = Look { ascii: false, colour: true };
const MONO: Look = Look { ascii: false, colour: false };
const ASCII: Look = Look { ascii: true, colour: false };

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

fn hits(state: &State) -> Hits {
    views::draw(state, &mut Buffer::empty(Rect::new(0, 0, state.size.width, state.size.height)))
}

fn emulate(snapshot: Snapshot, look: Look, size: (u16, u16), keys: &[Key]) -> Shared {
    let (mut screen, shared) = Emulator::new(size.0, size.1);
    screen.present(&picture(&state(snapshot, look, size, keys))).expect("the emulator takes everything");
    shared
}

fn screen_text(snapshot: Snapshot, look: Look, size: (u16, u16), keys: &[Key]) -> String {
    emulate(snapshot, look, size, keys).text()
}

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

/// One snapshot a size, in the look of most terminals.
fn at_all_sizes(name: &str, snapshot: &Snapshot, keys: &[Key]) {
    for (width, height) in SIZES {
        insta::assert_snapshot!(
            format!("{name}_{width}x{height}"),
            screen_text(snapshot.clone(), COLOUR, (width, height), keys)
        );
    }
}

#[test]
fn the_dashboard_in_full_swing() {
    at_all_sizes("dashboard_busy", &busy(), &[]);
}

#[test]
fn the_palette_lies_over_the_screen_that_it_is_about() {
    at_all_sizes("palette", &busy(), &[Key::Char(':'), Key::Char('z'), Key::Char('o')]);
}

#[test]
fn the_help_shows_what_was_searched_for() {
    let keys = ['?', '/', 'p', 'a', 'n', 'e'].map(Key::Char);
    insta::assert_snapshot!("help_search_80x24", screen_text(busy(), COLOUR, (80, 24), &keys));
}

#[test]
fn the_dashboard_before_the_first_answer_says_what_comes_next() {
    at_all_sizes("dashboard_empty", &empty(), &[]);
}

#[test]
fn approvals_show_every_number_of_the_decision() {
    at_all_sizes("approvals", &busy(), &[Key::Char('a')]);
}

#[test]
fn approvals_of_binary_data_show_hex() {
    insta::assert_snapshot!(screen_text(busy(), COLOUR, (80, 24), &[Key::Char('a'), Key::Char('x')]));
}

#[test]
fn help_lists_the_registry() {
    at_all_sizes("help", &busy(), &[Key::Char('?')]);
}

#[test]
fn the_map_zoomed_has_a_cursor_and_an_inspector() {
    at_all_sizes("map", &busy(), &[Key::Char('3'), Key::Char('t')]);
}

#[test]
fn every_pane_fills_the_screen_when_zoomed() {
    for (name, key) in
        [("wallet", '1'), ("targets", '2'), ("throughput", '4'), ("rewards", '5'), ("models", '6'), ("log", '7')]
    {
        let keys = [Key::Char(key)];
        insta::assert_snapshot!(format!("zoomed_{name}_120x40"), screen_text(busy(), COLOUR, (120, 40), &keys));
        insta::assert_snapshot!(format!("zoomed_{name}_80x24"), screen_text(busy(), COLOUR, (80, 24), &keys));
    }
}

#[test]
fn questions_and_farewell() {
    let all = [Key::Char('a'), Key::Char('*'), Key::Char('y')];
    insta::assert_snapshot!("confirm_approve_all_80x24", screen_text(busy(), COLOUR, (80, 24), &all));
    insta::assert_snapshot!("confirm_auto_80x24", screen_text(busy(), COLOUR, (80, 24), &[Key::Char('m')]));
    insta::assert_snapshot!("settling_80x24", screen_text(busy(), COLOUR, (80, 24), &[Key::Char('q')]));
    let filter = [Key::Char('2'), Key::Char('/'), Key::Char('h'), Key::Char('i')];
    insta::assert_snapshot!("filter_80x24", screen_text(busy(), COLOUR, (80, 24), &filter));
}

#[test]
fn a_broken_connection_and_a_read_only_session_say_so() {
    let mut snapshot = busy();
    snapshot.mode = Mode::ReadOnly;
    snapshot.approvals = Arc::default();
    snapshot.wallet.address = None;
    snapshot.network.upstreams[0].last_heard_ms = Some(NOW_MS - 75_000);
    snapshot.network.trouble = Some("node: connection refused by http://127.0.0.1:50051; trying again".to_owned());
    insta::assert_snapshot!("read_only_in_trouble_80x24", screen_text(snapshot, COLOUR, (80, 24), &[]));
}

#[test]
fn a_newer_protocol_and_a_quiet_server_are_shown_in_words() {
    let mut snapshot = busy();
    snapshot.network.protocol_version = 6;
    snapshot.network.unaccepted_protocol = Some(6);
    snapshot.network.upstreams[1].last_heard_ms = Some(NOW_MS - 75_000);
    snapshot.network.upstreams[1].trouble = Some("the node ended the subscription".to_owned());
    snapshot.network.trouble = Some("the network speaks protocol 6 and this program knows up to 5".to_owned());
    insta::assert_snapshot!("newer_protocol_mono_80x24", screen_text(snapshot.clone(), MONO, (80, 24), &[]));
    let keys = [Key::Char('v')];
    insta::assert_snapshot!("newer_protocol_asked_80x24", screen_text(snapshot.clone(), COLOUR, (80, 24), &keys));
    let keys = [Key::Char('1')];
    insta::assert_snapshot!("newer_protocol_wallet_120x40", screen_text(snapshot, COLOUR, (120, 40), &keys));
}

#[test]
fn small_and_narrow_terminals_show_the_focused_pane() {
    insta::assert_snapshot!("dashboard_busy_50x14", screen_text(busy(), COLOUR, (50, 14), &[]));
    insta::assert_snapshot!("dashboard_busy_50x60", screen_text(busy(), COLOUR, (50, 60), &[]));
    insta::assert_snapshot!("approvals_50x14", screen_text(busy(), COLOUR, (50, 14), &[Key::Char('a')]));
}

#[test]
fn colours_have_fixed_meanings() {
    let dashboard = emulate(busy(), COLOUR, (80, 24), &[]);
    insta::assert_snapshot!("colours_dashboard_80x24", attributes(dashboard.look().parser.screen()));
    let approvals = emulate(busy(), COLOUR, (80, 24), &[Key::Char('a')]);
    insta::assert_snapshot!("colours_approvals_80x24", attributes(approvals.look().parser.screen()));
}

#[test]
fn without_colour_nothing_is_coloured_and_the_words_are_the_same() {
    for keys in [&[][..], &[Key::Char('a')], &[Key::Char('6')], &[Key::Char('5')]] {
        let mono = emulate(busy(), MONO, (120, 40), keys);
        let attributes = attributes(mono.look().parser.screen());
        assert!(!attributes.contains("fg") && !attributes.contains("bg"), "{attributes}");
        // The map's dots become letters; everything else stays.
        let letters =
            |text: &str| text.chars().filter(|c| c.is_ascii_uppercase() || c.is_ascii_digit()).collect::<String>();
        let coloured = screen_text(busy(), COLOUR, (120, 40), keys);
        assert_eq!(letters(&mono.text()), letters(&coloured));
    }
    insta::assert_snapshot!("dashboard_busy_mono_80x24", screen_text(busy(), MONO, (80, 24), &[]));
}

#[test]
fn ascii_is_ascii() {
    let keys: [&[Key]; 6] =
        [&[], &[Key::Char('a')], &[Key::Char('?')], &[Key::Char('3')], &[Key::Char('6')], &[Key::Char('q')]];
    for keys in keys {
        for snapshot in [busy(), empty()] {
            // What comes from outside may have any letters; the program's own may not.
            let text = screen_text(snapshot, ASCII, (120, 40), keys).replace('·', ".");
            assert!(text.is_ascii(), "{}", text.lines().filter(|line| !line.is_ascii()).collect::<Vec<_>>().join("\n"));
        }
    }
    insta::assert_snapshot!("dashboard_busy_ascii_80x24", screen_text(busy(), ASCII, (80, 24), &[]));
}

#[test]
fn hostile_text_cannot_reach_the_terminal() {
    let evil = "x\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\r\n\u{202e}y";
    let mut snapshot = busy();
    snapshot.network.name = evil.to_owned();
    snapshot.network.trouble = Some(evil.to_owned());
    snapshot.throughput.device = evil.to_owned();
    let mut row = fixture::submission(0, somascope::api::SubmissionState::AwaitingApproval);
    row.source = evil.to_owned();
    row.url = Some(evil.to_owned());
    row.note = Some(evil.to_owned());
    row.preview = evil.as_bytes().to_vec();
    snapshot.approvals = Arc::new(vec![Arc::new(row.clone())]);
    snapshot.submissions = Arc::new(vec![Arc::new(row)]);
    for key in ['a', '1', '2', '4', '5', '7'] {
        let buffer = picture(&state(snapshot.clone(), COLOUR, (120, 40), &[Key::Char(key)]));
        let bad = |symbol: &str| symbol.chars().any(|c| c.is_control() || c == '\u{202e}');
        assert!(!buffer.content.iter().any(|cell| bad(cell.symbol())), "screen {key}");
    }
}

/// Every key that does anything anywhere, from the registry: a new screen is drawn here without being named.
fn registered_keys() -> Vec<Key> {
    ACTIONS.iter().flat_map(|info| info.keys).copied().collect()
}

/// What may happen between two pictures.
#[derive(Clone, Debug)]
enum Move {
    Key(Key),
    Mouse(u16, u16, usize),
    Paste,
    Resize(u16, u16),
    /// The network in full swing, or one that has told nothing.
    Network(bool),
    Later(u64),
    News,
}

fn any_size() -> impl Strategy<Value = (u16, u16)> {
    // Small ones have the most edges.
    prop_oneof![
        (1_u16..=300, 1_u16..=100),
        (1_u16..=30, 1_u16..=12),
        (1_u16..=300, 1_u16..=3),
        (1_u16..=3, 1_u16..=100)
    ]
}

fn any_move() -> impl Strategy<Value = Move> {
    let typed = "hi:.*!<\u{e9}\u{65e5}".chars().map(Key::Char);
    prop_oneof![
        8 => proptest::sample::select(registered_keys()).prop_map(Move::Key),
        2 => proptest::sample::select(typed.collect::<Vec<_>>()).prop_map(Move::Key),
        2 => (0_u16..310, 0_u16..110, 0_usize..5).prop_map(|(column, row, kind)| Move::Mouse(column, row, kind)),
        1 => Just(Move::Paste),
        2 => any_size().prop_map(|(width, height)| Move::Resize(width, height)),
        1 => any::<bool>().prop_map(Move::Network),
        1 => (0_u64..400_000_000).prop_map(Move::Later),
        1 => Just(Move::News),
    ]
}

fn event(step: Move, now_ms: u64) -> AppEvent {
    match step {
        Move::Key(key) => AppEvent::Key(key),
        Move::Mouse(column, row, kind) => AppEvent::Mouse(match kind {
            0 => Mouse::Down { column, row },
            1 => Mouse::Drag { column, row },
            2 => Mouse::Up { column, row },
            3 => Mouse::WheelUp { column, row },
            _ => Mouse::WheelDown { column, row },
        }),
        Move::Paste => AppEvent::Paste("pasted \u{1b}[2J text\n".to_owned()),
        Move::Resize(width, height) => AppEvent::Resize(Size { width, height }),
        Move::Network(full) => AppEvent::Snapshot(Arc::new(if full { busy() } else { empty() })),
        Move::Later(by) => AppEvent::Clock { now_ms: now_ms.saturating_add(by) },
        Move::News => {
            let row = fixture::submission(10, somascope::api::SubmissionState::Failed);
            AppEvent::Engine(somascope::api::Event::Submission(Arc::new(row)))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// From 1×1 to 300×100, whatever was pressed, and whichever way it came to this size.
    #[test]
    fn every_screen_draws_at_every_size(
        (width, height) in any_size(),
        moves in proptest::collection::vec(any_move(), 0..16),
        full in any::<bool>(),
        ascii in any::<bool>(),
        low_bandwidth in any::<bool>(),
    ) {
        let look = Look { ascii, colour: !ascii };
        let mut state = state(if full { busy() } else { empty() }, look, (width, height), &[]);
        state.low_bandwidth = low_bandwidth;
        let mut painter = Painter::new(true);
        for step in moves {
            // A click is about the picture that was seen last.
            let event = hits(&state).touch(event(step, state.now_ms));
            update(&mut state, event);
            painter.paint(&picture(&state));
        }
        let last = picture(&state);
        painter.paint(&last);
        prop_assert_eq!((last.area.width, last.area.height), (state.size.width, state.size.height));
        let printable = |symbol: &str| symbol.chars().all(|c| !c.is_control());
        prop_assert!(last.content.iter().all(|cell| printable(cell.symbol())));
    }
}

#[test]
fn the_smallest_terminals_draw_every_screen() {
    for key in registered_keys() {
        let mut state = state(busy(), COLOUR, (80, 24), &[key]);
        for (width, height) in (1..=12).flat_map(|width| (1..=8).map(move |height| (width, height))) {
            state.size = Size { width, height };
            let _ = picture(&state);
        }
    }
}

#[test]
fn the_dashboard_draws_at_every_width_and_at_every_height() {
    let mut state = state(busy(), COLOUR, (80, 24), &[]);
    let sizes = (1..=300).map(|width| (width, 24)).chain((1..=100).map(|height| (80, height)));
    for (width, height) in sizes.chain([(300, 100)]) {
        state.size = Size { width, height };
        let _ = picture(&state);
    }
}
