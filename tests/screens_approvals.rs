//! Approvals, limits and the activity log as a person sees them, at the sizes people have.

#[path = "support/emulator.rs"]
#[expect(dead_code, reason = "what the loop does to a screen is looked at elsewhere")]
mod emulator;
#[path = "support/fixture.rs"]
mod fixture;

use std::sync::{Arc, LazyLock};

use emulator::Emulator;
use fixture::{NOW_MS, empty, id, submission};
use proptest::prelude::*;
use ratatui::{buffer::Buffer, layout::Rect};
use somascope::{
    api::{Level, LogKind, LogLine, Mode, Snapshot, SubmissionState, TransactionWord},
    app::{AppEvent, Key, Look, State, layout::Size, update},
    primitives::{Shannons, hash},
    terminal::Screen,
    views,
};

const COLOUR: Look = Look { ascii: false, colour: true };
const MONO: Look = Look { ascii: false, colour: false };
const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

/// Made once: its many hashes are slow without optimisation.
fn busy() -> Snapshot {
    static BUSY: LazyLock<Snapshot> = LazyLock::new(fixture::busy);
    BUSY.clone()
}

/// Keys of a word; a line break is Enter, a tabulator Tab.
fn press(state: &mut State, word: &str) {
    for c in word.chars() {
        let key = match c {
            '\n' => Key::Enter,
            '\t' => Key::Tab,
            '\u{15}' => Key::Ctrl('u'),
            '\u{1b}' => Key::Esc,
            c => Key::Char(c),
        };
        update(state, AppEvent::Key(key));
    }
}

fn state(snapshot: Snapshot, look: Look, (width, height): (u16, u16), word: &str) -> State {
    let mut state = State::new(look, Size { width, height }, NOW_MS, Arc::new(snapshot));
    press(&mut state, word);
    state
}

fn picture(state: &State) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, state.size.width, state.size.height));
    views::draw(state, &mut buffer);
    buffer
}

fn text(state: &State) -> String {
    let (mut screen, shared) = Emulator::new(state.size.width, state.size.height);
    screen.present(&picture(state)).expect("the emulator takes everything");
    shared.text()
}

/// A picture a size, and one without colour.
fn pictures(name: &str, snapshot: &Snapshot, word: &str) {
    for (width, height) in SIZES {
        let state = state(snapshot.clone(), COLOUR, (width, height), word);
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), text(&state));
    }
    let state = state(snapshot.clone(), MONO, (80, 24), word);
    insta::assert_snapshot!(format!("{name}_mono_80x24"), text(&state));
}

/// More than fit: compositions, a loss, wide letters, a bond above the limit.
fn crowded() -> Snapshot {
    let mut snapshot = busy();
    let rows = (0..30).map(|n| {
        let mut row = submission(n, SubmissionState::AwaitingApproval);
        if n == 3 {
            row.preview = "日本語のテキスト、幅が二倍の文字。\u{1b}[2J\u{202e}\tおわり\n".repeat(40).into_bytes();
            row.size_bytes = row.preview.len() as u64;
            row.bond = Shannons(20_000_000);
        }
        if let (4, Some(prospect)) = (n, &mut row.prospect) {
            prospect.gain = -1_234_567;
            prospect.chance_permille = 12;
        }
        Arc::new(row)
    });
    snapshot.approvals = Arc::new(rows.collect());
    snapshot
}

#[test]
fn one_candidate_in_every_number() {
    pictures("crowded", &crowded(), "a");
    // A composition names its windows; wide letters keep their columns; a bond above the limit says so.
    for (name, word) in [("composition", "ajj"), ("wide_letters", "ajjjJ"), ("loss", "ajjjj"), ("hex", "ajxJ")] {
        for (width, height) in [(80, 24), (120, 40)] {
            let state = state(crowded(), COLOUR, (width, height), word);
            insta::assert_snapshot!(format!("candidate_{name}_{width}x{height}"), text(&state));
        }
    }
}

#[test]
fn marked_ones_and_the_question_about_them() {
    pictures("marked", &crowded(), "a j ");
    pictures("marked_asked", &crowded(), "a*y");
    insta::assert_snapshot!("reject_asked_80x24", text(&state(busy(), COLOUR, (80, 24), "a n")));
}

#[test]
fn a_limit_for_many() {
    pictures("limit", &crowded(), "aY\u{15}150000sh\t\t\u{15}0.01");
}

#[test]
fn limits_in_a_form_and_the_question_before_they_hold() {
    pictures("policy_form", &busy(), "P\u{15}0.02\t\u{15}lots\t\u{15}3");
    pictures("policy_asked", &busy(), "P\u{15}0.02\t\u{15}0.5\t\u{15}0.0125\n");
}

#[test]
fn what_has_gone_says_why() {
    let mut state = state(busy(), COLOUR, (80, 24), "a");
    let mut snapshot = busy();
    let mut row = submission(1, SubmissionState::Expired);
    row.note = Some(format!("filled by {}", id("stranger", 0).to_hex_prefixed()));
    snapshot.approvals = Arc::new(vec![snapshot.approvals[0].clone(), snapshot.approvals[2].clone()]);
    let rest = snapshot.submissions.iter().filter(|other| other.id != row.id).cloned();
    let mut submissions: Vec<_> = rest.collect();
    submissions.insert(0, Arc::new(row));
    snapshot.submissions = Arc::new(submissions);
    update(&mut state, AppEvent::Snapshot(Arc::new(snapshot.clone())));
    insta::assert_snapshot!("gone_80x24", text(&state));
    snapshot.approvals = Arc::default();
    update(&mut state, AppEvent::Clock { now_ms: NOW_MS + 60_000 });
    update(&mut state, AppEvent::Snapshot(Arc::new(snapshot)));
    insta::assert_snapshot!("gone_none_waits_80x24", text(&state));
}

#[test]
fn auto_shows_its_limits_and_what_it_did() {
    let auto = Snapshot { mode: Mode::Auto, approvals: Arc::default(), ..busy() };
    pictures("auto_none_waits", &auto, "a");
    let waiting = Snapshot { mode: Mode::Auto, ..crowded() };
    pictures("auto", &waiting, "a");
}

/// A day of work.
fn logged() -> Snapshot {
    let mut lines: Vec<LogLine> = (0..200_u64)
        .map(|n| {
            let at_ms = NOW_MS - (200 - n) * 300_000;
            let digest = hash(&n.to_le_bytes());
            match n % 5 {
                0 => LogLine::new(
                    at_ms,
                    Level::Info,
                    format!("hit: data/{n}.txt is 1.0312 from target ab12, threshold 1.0500"),
                )
                .about(LogKind::Hit { target: id("target", n) }),
                1 => {
                    let url = format!("https://bucket.example/12/{digest}.bin");
                    LogLine::new(at_ms, Level::Info, format!("uploaded data/{n}.txt, 1024 bytes, to {url}"))
                        .about(LogKind::Upload { url, bytes: 1024 })
                }
                2 => LogLine::new(
                    at_ms,
                    Level::Info,
                    format!("filled target ab12 with data/{n}.txt, bond 0.00006656 SOMA"),
                )
                .about(LogKind::Transaction {
                    what: TransactionWord::Submit,
                    digest,
                    fee: Some(Shannons(2_200)),
                }),
                3 => LogLine::new(at_ms, Level::Warning, "node: connection refused; trying again")
                    .about(LogKind::Network),
                _ => LogLine::new(
                    at_ms,
                    Level::Error,
                    format!("failed: target ab12 with 資料/{n}.txt\u{1b}[2J: InsufficientBond"),
                )
                .about(LogKind::Transaction {
                    what: TransactionWord::Submit,
                    digest,
                    fee: Some(Shannons(1_000)),
                }),
            }
        })
        .collect();
    lines.push(LogLine::new(NOW_MS, Level::Info, "limits: bonds of an epoch 1.00 → 0.50 SOMA").about(LogKind::Policy));
    Snapshot { log: Arc::new(lines), ..busy() }
}

#[test]
fn the_log_is_searched_and_read() {
    pictures("log", &logged(), "7");
    pictures("log_filtered", &logged(), "7/level:warn fail\nkkk\n");
    insta::assert_snapshot!("log_typing_80x24", text(&state(logged(), COLOUR, (80, 24), "7/kind:up")));
    insta::assert_snapshot!("log_no_match_80x24", text(&state(logged(), COLOUR, (80, 24), "7/nothing like it\n")));
    insta::assert_snapshot!("log_empty_80x24", text(&state(empty(), COLOUR, (80, 24), "7")));
}

#[test]
fn nothing_hostile_reaches_the_terminal_from_any_of_these() {
    let mut snapshot = crowded();
    let evil = "x\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\r\ny";
    let mut row = submission(3, SubmissionState::AwaitingApproval);
    row.pieces = vec![evil.to_owned(), evil.repeat(40)];
    row.note = Some(evil.to_owned());
    row.source = evil.to_owned();
    snapshot.approvals = Arc::new(vec![Arc::new(row)]);
    let policy = Arc::make_mut(&mut snapshot.policy);
    policy.auto.refusals[0].why = evil.to_owned();
    policy.auto.refusals[0].source = evil.to_owned();
    let upload = LogKind::Upload { url: evil.to_owned(), bytes: 1 };
    snapshot.log = Arc::new(vec![LogLine::new(NOW_MS, Level::Error, evil).about(upload)]);
    snapshot.network.name = evil.to_owned();
    for mode in [Mode::Manual, Mode::Auto] {
        for word in ["a", "a*y", "aY", "P", "7", "7\n", "7/x\n"] {
            let state = state(Snapshot { mode, ..snapshot.clone() }, COLOUR, (120, 40), word);
            let bad = |symbol: &str| symbol.chars().any(|c| c.is_control() || c == '\u{202e}');
            assert!(!picture(&state).content.iter().any(|cell| bad(cell.symbol())), "{word}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_size_draws(
        width in 1_u16..=300,
        height in 1_u16..=100,
        small in any::<bool>(),
        word in prop_oneof![
            Just("a"), Just("a j yn"), Just("a*y"), Just("aY"), Just("aY\u{15}x\t\u{15}y"), Just("P"), Just("P\u{15}2\n"), Just("ajjJJJx"),
            Just("7"), Just("7/level:warn fail\nkkk\n"), Just("7kkkG\n"), Just("7/zzz\n\n"),
        ],
        auto in any::<bool>(),
        full in any::<bool>(),
        ascii in any::<bool>(),
    ) {
        let size = if small { (width % 30 + 1, height % 12 + 1) } else { (width, height) };
        let mut snapshot = if full { Snapshot { log: logged().log, ..crowded() } } else { empty() };
        snapshot.mode = if auto { Mode::Auto } else { Mode::Manual };
        let _ = picture(&state(snapshot, Look { ascii, colour: !ascii }, size, word));
    }
}
