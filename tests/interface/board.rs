//! The board and the inspector: what their keys do and what they show.

use std::sync::Arc;

use somascope::{
    api::{Command, Content, EpochReview, Inspect, InspectStage, Inspection, Landed},
    app::{Effect, Place, State},
    primitives::{Address, hash},
};

use crate::{
    fixture::id,
    harness::{COLOUR, after, busy, commands, press, state, take, text},
};

/// Three submissions: text that is here, one whose checksum differs, one on its way.
pub fn inspection(of: Inspect) -> Inspection {
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

/// The inspector on the first model, with this answer.
pub fn inspected(change: impl FnOnce(&mut Inspection), word: &str) -> State {
    let mut state = after(busy(), "6i");
    let mut snapshot = busy();
    let mut answer = inspection(state.inspector.asked.clone().expect("a model is asked about"));
    change(&mut answer);
    snapshot.inspection = Some(Arc::new(answer));
    take(&mut state, snapshot);
    press(&mut state, word);
    state
}

#[test]
fn reviews_are_paged_through_and_tell_what_is_different() {
    let mut state = state(busy(), COLOUR, (80, 24), "8\t\t\t\t");
    assert!(text(&state).contains("epoch 11, ended 20s ago, against epoch 10, 1 of 11"));
    press(&mut state, "[[[");
    let seen = text(&state);
    assert!(seen.contains("epoch 8") && seen.contains("4 of 11") && seen.contains("seen in part"), "{seen}");
    press(&mut state, "]G");
    assert!(text(&state).contains("the first that is known"));
}

#[test]
fn what_lands_here_is_asked_for_shown_and_given_up() {
    for (place, wanted) in [("6", Inspect::Model(id("model", 0))), ("8", Inspect::Model(id("model", 3)))] {
        let mut state = state(busy(), COLOUR, (80, 24), place);
        let effects = press(&mut state, "i");
        assert!(effects.contains(&Effect::Send(Command::Inspect(wanted.clone()))), "{effects:?}");
        assert_eq!(state.place(), Place::Inspector);
        assert!(text(&state).contains("Asking the chain"));
        // An answer to another question is not shown.
        let mut snapshot = busy();
        snapshot.inspection = Some(Arc::new(inspection(Inspect::Target(id("target", 1)))));
        take(&mut state, snapshot.clone());
        assert!(text(&state).contains("Asking the chain"));
        snapshot.inspection = Some(Arc::new(inspection(wanted)));
        take(&mut state, snapshot);
        let seen = text(&state);
        assert!(seen.contains("best of times") && seen.contains("checksum agrees"), "{seen}");
        press(&mut state, "j");
        assert!(text(&state).contains("not shown: http://127.0.0.1:9000/x: checksum"));
        assert_eq!(commands(&press(&mut state, "\u{1b}")), [Command::Inspect(Inspect::Close)]);
        assert_eq!(state.dialog, None);
    }
}

#[test]
fn the_map_and_the_targets_are_inspected_where_the_cursor_is() {
    let mut on_map = state(busy(), COLOUR, (80, 24), "3ti");
    let Some(Inspect::Near(cell)) = on_map.inspector.asked.clone() else { panic!("{:?}", on_map.inspector.asked) };
    let (width, height) = (cell.max.0 - cell.min.0, cell.max.1 - cell.min.1);
    assert!((1..100_000).contains(&width) && (1..100_000).contains(&height), "one cell: {cell:?}");
    // A box asks about all of itself, and stays when the answer is closed: what lies there can still be pinned.
    press(&mut on_map, "\u{1b}bllki");
    let Some(Inspect::Near(boxed)) = on_map.inspector.asked.clone() else { panic!("{:?}", on_map.inspector.asked) };
    assert!(boxed.max.0 - boxed.min.0 > width && boxed.max.1 - boxed.min.1 > height, "{boxed:?} around {cell:?}");
    assert_eq!(boxed.basis, busy().map.basis);
    let (mut snapshot, mut answer) = (busy(), inspection(Inspect::Near(boxed)));
    answer.items.iter_mut().zip([0.0, 0.034, 0.2]).for_each(|(item, away)| item.away = away);
    snapshot.inspection = Some(Arc::new(answer));
    take(&mut on_map, snapshot);
    let seen = text(&on_map);
    assert!(seen.contains("What lands here on the map") && seen.contains("inside") && seen.contains("3.4%"), "{seen}");
    press(&mut on_map, "\u{1b}");
    assert!(on_map.map.boxed().is_some());
    press(&mut on_map, "\u{1b}");
    assert!(on_map.map.boxed().is_none());
    press(&mut on_map, "2");
    let selected = on_map.targets.selected;
    press(&mut on_map, "i");
    assert_eq!(on_map.inspector.asked, selected.map(Inspect::Target));
}

#[test]
fn a_reviews_share_is_of_the_fills_and_never_more_than_all() {
    let review = |ours, filled| EpochReview { ours, filled, ..busy().board.reviews[0].clone() };
    assert_eq!([review(1, 3), review(0, 0), review(9, 3)].map(|r| r.share_permille()), [Some(333), None, Some(1000)]);
}
