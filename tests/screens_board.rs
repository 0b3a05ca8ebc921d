//! The board and the inspector, through a terminal emulator: what a person sees, at the sizes people have.

#[path = "support/emulator.rs"]
#[expect(dead_code, reason = "what the loop does to a screen is looked at elsewhere")]
mod emulator;
#[path = "support/fixture.rs"]
mod fixture;

use std::sync::{Arc, LazyLock};

use emulator::{Emulator, attributes};
use fixture::{NOW_MS, empty, id};
use proptest::prelude::*;
use ratatui::{buffer::Buffer, layout::Rect};
use somascope::{
    api::{Command, Content, EpochReview, Inspect, InspectStage, Inspection, Landed, Snapshot},
    app::{AppEvent, Effect, Key, Look, Place, Section, State, layout::Size, update},
    primitives::{Address, hash},
    terminal::Screen,
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
const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn state(snapshot: Snapshot, look: Look, (width, height): (u16, u16), keys: &[Key]) -> State {
    let mut state = State::new(look, Size { width, height }, NOW_MS, Arc::new(snapshot));
    press(&mut state, keys);
    state
}

fn press(state: &mut State, keys: &[Key]) -> Vec<Effect> {
    keys.iter().flat_map(|key| update(state, AppEvent::Key(*key))).collect()
}

fn picture(state: &State) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, state.size.width, state.size.height));
    views::draw(state, &mut buffer);
    buffer
}

fn screen_text(state: &State) -> String {
    let (mut screen, shared) = Emulator::new(state.size.width, state.size.height);
    screen.present(&picture(state)).expect("the emulator takes everything");
    shared.text()
}

/// Three submissions: text that is here, one whose checksum differs, one on its way.
fn inspection(of: Inspect) -> Inspection {
    let landed = |n: u64, content| Landed {
        target: id("target", 200 + n),
        model: id("model", n % 2),
        submitter: Address(hash(&n.to_le_bytes()).0),
        epoch: 12 - n / 2,
        url: format!("http://127.0.0.1:9000/rival/12/{}.bin", hash(&n.to_le_bytes())),
        size_bytes: 1024 * (n + 1),
        away: 0.913 + n as f32 * 0.02,
        distance: 1.0312,
        threshold: 1.05,
        loss: Some(2.31),
        content,
    };
    let text = b"It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness,\n\
        it was the epoch of belief, \x1b[2Jit was the epoch of incredulity.\n";
    let wrong = "http://127.0.0.1:9000/x: checksum 8eH… instead of Ab4…";
    Inspection {
        of,
        stage: InspectStage::Fetching,
        compared: 41,
        more: false,
        sigma: 0.022,
        items: vec![
            landed(0, Content::Here { preview: text.to_vec(), kind: "text".to_owned() }),
            landed(1, Content::Absent(wrong.to_owned())),
            landed(2, Content::Waiting),
        ],
    }
}

/// The section's keys, from the screen's own key on.
fn keys(section: Section) -> Vec<Key> {
    let tabs = Section::ALL.iter().position(|other| *other == section).unwrap_or(0);
    [vec![Key::Char('8')], vec![Key::Tab; tabs]].concat()
}

#[test]
fn every_question_of_the_board_has_its_place() {
    for section in Section::ALL {
        let name = format!("{section:?}").to_lowercase();
        for (width, height) in SIZES {
            // On a large screen all of them are there at once.
            if height < 60 || section == Section::Models {
                let state = state(busy(), COLOUR, (width, height), &keys(section));
                insta::assert_snapshot!(format!("board_{name}_{width}x{height}"), screen_text(&state));
            }
        }
    }
}

#[test]
fn the_board_without_colours_and_without_unicode() {
    for section in [Section::Models, Section::Review] {
        let name = format!("{section:?}").to_lowercase();
        let mono = state(busy(), MONO, (80, 24), &keys(section));
        insta::assert_snapshot!(format!("board_{name}_mono_80x24"), screen_text(&mono));
    }
    for section in Section::ALL {
        let ascii = screen_text(&state(busy(), ASCII, (80, 24), &keys(section)));
        // What stands for a character that is not safe is the same everywhere.
        assert!(ascii.replace('·', "").is_ascii(), "{ascii}");
    }
}

#[test]
fn the_board_before_the_first_answer_says_what_will_appear_and_when() {
    for (width, height) in SIZES {
        let empty = state(empty(), COLOUR, (width, height), &[Key::Char('8')]);
        insta::assert_snapshot!(format!("board_empty_{width}x{height}"), screen_text(&empty));
    }
}

#[test]
fn reviews_are_paged_through_and_tell_what_is_different() {
    let mut state = state(busy(), COLOUR, (80, 24), &keys(Section::Review));
    assert!(screen_text(&state).contains("epoch 11, ended 20s ago, against epoch 10, 1 of 11"));
    press(&mut state, &[Key::Char('['), Key::Char('['), Key::Char('[')]);
    let text = screen_text(&state);
    assert!(text.contains("epoch 8") && text.contains("4 of 11") && text.contains("seen in part"), "{text}");
    press(&mut state, &[Key::Char(']'), Key::End]);
    assert!(screen_text(&state).contains("the first that is known"));
}

#[test]
fn what_lands_here_is_asked_for_shown_and_given_up() {
    for (place, wanted) in
        [([Key::Char('6')], Inspect::Model(id("model", 0))), ([Key::Char('8')], Inspect::Model(id("model", 3)))]
    {
        let mut state = state(busy(), COLOUR, (80, 24), &place);
        let effects = press(&mut state, &[Key::Char('i')]);
        assert!(effects.contains(&Effect::Send(Command::Inspect(wanted.clone()))), "{effects:?}");
        assert_eq!(state.place(), Place::Inspector);
        assert!(screen_text(&state).contains("Asking the chain"));
        // An answer to another question is not shown.
        let mut snapshot = busy();
        snapshot.inspection = Some(Arc::new(inspection(Inspect::Target(id("target", 1)))));
        update(&mut state, AppEvent::Snapshot(Arc::new(snapshot.clone())));
        assert!(screen_text(&state).contains("Asking the chain"));
        snapshot.inspection = Some(Arc::new(inspection(wanted)));
        update(&mut state, AppEvent::Snapshot(Arc::new(snapshot)));
        let text = screen_text(&state);
        assert!(text.contains("best of times") && text.contains("checksum agrees"), "{text}");
        press(&mut state, &[Key::Down]);
        assert!(screen_text(&state).contains("not shown: http://127.0.0.1:9000/x: checksum"));
        let effects = press(&mut state, &[Key::Esc]);
        assert!(effects.contains(&Effect::Send(Command::Inspect(Inspect::Close))), "{effects:?}");
        assert_eq!(state.dialog, None);
    }
}

#[test]
fn the_map_and_the_targets_are_inspected_where_the_cursor_is() {
    let mut on_map = state(busy(), COLOUR, (80, 24), &[Key::Char('3'), Key::Char('t'), Key::Char('i')]);
    let Some(Inspect::Near(cell)) = on_map.inspector.asked.clone() else { panic!("{:?}", on_map.inspector.asked) };
    let (width, height) = (cell.max.0 - cell.min.0, cell.max.1 - cell.min.1);
    assert!((1..100_000).contains(&width) && (1..100_000).contains(&height), "one cell: {cell:?}");
    // A box asks about all of itself, and stays when the answer is closed: what lies there can still be pinned.
    press(&mut on_map, &[Key::Esc, Key::Char('b'), Key::Right, Key::Right, Key::Up, Key::Char('i')]);
    let Some(Inspect::Near(boxed)) = on_map.inspector.asked.clone() else { panic!("{:?}", on_map.inspector.asked) };
    assert!(boxed.max.0 - boxed.min.0 > width && boxed.max.1 - boxed.min.1 > height, "{boxed:?} around {cell:?}");
    assert_eq!(boxed.basis, busy().map.basis);
    let mut snapshot = busy();
    snapshot.inspection = Some(Arc::new(Inspection {
        items: (inspection(Inspect::Near(boxed)).items.into_iter().zip([0.0, 0.034, 0.2]))
            .map(|(item, away)| Landed { away, ..item })
            .collect(),
        ..inspection(Inspect::Near(boxed))
    }));
    update(&mut on_map, AppEvent::Snapshot(Arc::new(snapshot)));
    let text = screen_text(&on_map);
    assert!(text.contains("What lands here on the map") && text.contains("inside") && text.contains("3.4%"), "{text}");
    press(&mut on_map, &[Key::Esc]);
    assert!(on_map.map.boxed().is_some());
    press(&mut on_map, &[Key::Esc]);
    assert!(on_map.map.boxed().is_none());
    press(&mut on_map, &[Key::Char('2')]);
    let selected = on_map.targets.selected;
    press(&mut on_map, &[Key::Char('i')]);
    assert_eq!(on_map.inspector.asked, selected.map(Inspect::Target));
}

#[test]
fn the_inspector_at_every_size() {
    for (width, height) in SIZES {
        let mut state = state(busy(), COLOUR, (width, height), &[Key::Char('6'), Key::Char('i')]);
        let mut snapshot = busy();
        snapshot.inspection = state.inspector.asked.clone().map(inspection).map(Arc::new);
        update(&mut state, AppEvent::Snapshot(Arc::new(snapshot)));
        insta::assert_snapshot!(format!("inspector_{width}x{height}"), screen_text(&state));
        if height == 24 {
            press(&mut state, &[Key::Char('x')]);
            insta::assert_snapshot!("inspector_hex_80x24", screen_text(&state));
        }
    }
}

/// The state of colours says nothing that a word or a glyph does not.
#[test]
fn colours_only_repeat_what_words_say() {
    let state = state(busy(), COLOUR, (80, 24), &keys(Section::Review));
    let (mut screen, shared) = Emulator::new(80, 24);
    screen.present(&picture(&state)).expect("the emulator takes everything");
    insta::assert_snapshot!("board_review_colours_80x24", attributes(shared.look().parser.screen()));
}

#[test]
fn a_reviews_share_is_of_the_fills_and_never_more_than_all() {
    let review = |ours, filled| EpochReview { ours, filled, ..busy().board.reviews[0].clone() };
    assert_eq!([review(1, 3), review(0, 0), review(9, 3)].map(|r| r.share_permille()), [Some(333), None, Some(1000)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn every_size_is_drawn(width in 1u16..=300, height in 1u16..=100, section in 0usize..5, full: bool, inspects: bool, ascii: bool) {
        let look = Look { ascii, colour: true };
        let snapshot = if full { busy() } else { empty() };
        let mut state = state(snapshot.clone(), look, (width, height), &keys(Section::ALL[section]));
        press(&mut state, &[Key::End]);
        if inspects {
            press(&mut state, &[Key::Char('6'), Key::Char('i')]);
            let asked = state.inspector.asked.clone();
            let snapshot = Snapshot { inspection: asked.map(inspection).map(Arc::new), ..snapshot };
            update(&mut state, AppEvent::Snapshot(Arc::new(snapshot)));
        }
        picture(&state);
    }
}
