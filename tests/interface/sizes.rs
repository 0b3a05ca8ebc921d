//! From 1×1 to 300×100: everything is drawn, whatever was pressed and whichever way it came to its size.

use std::sync::Arc;

use proptest::prelude::*;
use ratatui::{buffer::Buffer, style::Color};
use somascope::{
    api::{Event, SubmissionState},
    app::{AppEvent, Key, Look, Mouse, actions::ACTIONS, layout::Size, update},
    terminal::Painter,
};

use crate::{
    fixture::{empty, submission},
    harness::{ASCII, COLOUR, Drawn, MONO, busy, hits, picture},
    states::STATES,
};

/// What any picture must hold to.
fn is_sound(picture: &Buffer, (width, height): (u16, u16), look: Look) -> Result<(), String> {
    if (picture.area.width, picture.area.height) != (width, height) {
        return Err(format!("drawn at {}", picture.area));
    }
    for cell in &picture.content {
        if cell.symbol().chars().any(char::is_control) {
            return Err(format!("{:?} reaches the terminal", cell.symbol()));
        }
        if !look.colour && (cell.fg, cell.bg) != (Color::Reset, Color::Reset) {
            return Err(format!("{:?} has a colour", cell.symbol()));
        }
    }
    Ok(())
}

/// The small sizes have the most edges; every width and every height are met, with all kinds of the other.
fn all_sizes(of: usize) -> impl Iterator<Item = (u16, u16)> {
    let small = (1..=14_u16).flat_map(|width| (1..=8_u16).map(move |height| (width, height)));
    let turn = of as u16;
    let large = (0..30_u16).map(move |n| ((n * 10 + turn * 7) % 300 + 1, (n * 13 + turn * 3) % 100 + 1));
    small.chain(large).chain([(300, 100)])
}

#[test]
fn every_state_is_drawn_at_every_size_with_and_without_colour() {
    let mut widths = [false; 300];
    let mut heights = [false; 100];
    for (at, named) in STATES.iter().enumerate() {
        let mut drawn = (named.make)();
        for (n, size) in all_sizes(at).enumerate() {
            let look = [COLOUR, MONO][(n + at) % 2];
            drawn.fit(size, look);
            if let Err(why) = is_sound(&drawn.picture(), size, look) {
                panic!("{} at {size:?}, {look:?}: {why}", named.name);
            }
            (widths[usize::from(size.0) - 1], heights[usize::from(size.1) - 1]) = (true, true);
        }
    }
    assert!(widths.iter().chain(&heights).all(|met| *met), "each width and each height is met");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_state_at_any_size_and_in_any_look(
        at in 0..STATES.len(),
        sizes in proptest::collection::vec(any_size(), 1..4),
        look in proptest::sample::select(vec![COLOUR, MONO, ASCII]),
    ) {
        let mut drawn = (STATES[at].make)();
        for size in sizes {
            drawn.fit(size, look);
            let sound = is_sound(&drawn.picture(), size, look);
            prop_assert!(sound.is_ok(), "{} at {size:?}: {sound:?}", STATES[at].name);
        }
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
            let row = submission(10, SubmissionState::Failed);
            AppEvent::Engine(Event::Submission(Arc::new(row)))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_is_pressed_and_comes_between_two_pictures(
        at in 0..STATES.len(),
        (width, height) in any_size(),
        moves in proptest::collection::vec(any_move(), 0..16),
        ascii in any::<bool>(),
        low_bandwidth in any::<bool>(),
    ) {
        let Drawn::Screen(mut state) = (STATES[at].make)() else { return Ok(()) };
        state.look = Look { ascii, colour: !ascii };
        state.low_bandwidth = low_bandwidth;
        update(&mut state, AppEvent::Resize(Size { width, height }));
        let mut painter = Painter::new(true);
        for step in moves {
            // A click is about the picture that was seen last.
            let event = hits(&state).touch(event(step, state.now_ms));
            update(&mut state, event);
            painter.paint(&picture(&state));
        }
        let last = picture(&state);
        painter.paint(&last);
        let sound = is_sound(&last, (state.size.width, state.size.height), state.look);
        prop_assert!(sound.is_ok(), "{}: {sound:?}", STATES[at].name);
    }
}
