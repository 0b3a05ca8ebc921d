//! Targets, one target in full, and models: what the engine tells of them, and what is asked of it.

use std::sync::Arc;

use somascope::{
    api::{Command, Improvement, Mode, NearSample, Snapshot, TargetDetail, TargetModel, TargetRow},
    app::{AppEvent, Effect, Key, State, update},
};

use crate::{
    fixture::{NOW_MS, id},
    harness::{COLOUR, after, busy, press, state, take},
};

/// What the engine tells of the first target with this property.
pub fn looking_at(wanted: impl Fn(&TargetRow) -> bool) -> (Snapshot, usize) {
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
            "no composition of windows comes near it (with 1,456 samples scored)".to_owned(),
            "no sample is scored with model D yet (weights 34%)".to_owned(),
            "12,340 samples of the corpus still to be scored".to_owned(),
        ],
        target,
    };
    snapshot.looked_at = Some(Arc::new(detail));
    (snapshot, at)
}

/// The target in full that nothing fits yet.
pub fn in_full(word: &str) -> State {
    let (snapshot, at) = looking_at(|row| row.best_distance.is_some_and(|best| best > row.threshold));
    assert_eq!(at, 5);
    after(snapshot, &format!("2{}\n{word}", "↓".repeat(at)))
}

/// A target that was looked at, and that somebody else has filled since.
pub fn gone() -> State {
    let (mut snapshot, at) = looking_at(|row| row.pinned);
    let mut detail = snapshot.looked_at.as_deref().cloned().expect("looked at");
    detail.gone = Some("somebody else filled it".to_owned());
    detail.reasons = detail.gone.clone().into_iter().collect();
    snapshot.looked_at = Some(Arc::new(detail));
    let mut state = after(busy(), &format!("2{}\n", "↓".repeat(at)));
    let mut targets = snapshot.targets.to_vec();
    targets.remove(at);
    snapshot.targets = Arc::new(targets);
    take(&mut state, snapshot);
    state
}

/// One pinned, one whose weights are on their way.
pub fn models() -> Snapshot {
    let mut snapshot = busy();
    let mut models = snapshot.models.to_vec();
    models[1].pinned = true;
    models[2].resident = false;
    models[2].fetching = Some((34, 100));
    snapshot.models = Arc::new(models);
    snapshot
}

/// The policy is held to the pinned targets.
pub fn bound() -> Snapshot {
    Snapshot { mode: Mode::Auto, only_pinned: true, ..busy() }
}

#[test]
fn pins_are_sent_to_the_engine_and_a_detail_is_asked_for_and_let_go() {
    let mut state = state(busy(), COLOUR, (120, 40), "2");
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
    let mut state = after(bound(), "O");
    assert!(press(&mut state, "y").contains(&Effect::Send(Command::OnlyPinned(false))));
}
