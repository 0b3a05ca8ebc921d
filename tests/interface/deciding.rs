//! Approvals, limits, the log and notifications as the functional core has them: events in, state and effects out.

use std::sync::Arc;

use proptest::prelude::*;
use somascope::{
    api::{Command, Event, Level, LogKind, LogLine, Mode, PolicyLimits, Snapshot, SubmissionId, SubmissionState},
    app::{AppEvent, Dialog, Effect, Key, Notify, State, Sums, Verdict, actions::Action, update},
    primitives::Shannons,
};

use crate::{
    fixture::{NOW_MS, id, submission},
    harness::{
        busy, commands,
        person::{key, keys, reads, state},
    },
};

/// Empties a field of the open form, types into it, and goes to the next.
fn fill(state: &mut State, text: &str) {
    key(state, Key::Ctrl('u'));
    keys(state, text);
    key(state, Key::Tab);
}

/// After keys as a person presses them.
fn deciding(word: &str) -> State {
    let mut state = state(busy());
    keys(&mut state, word);
    state
}

fn ids(numbers: &[i64]) -> Vec<SubmissionId> {
    numbers.iter().map(|n| SubmissionId(*n)).collect()
}

/// The snapshot after candidate `n` has left in this state.
fn without(n: u64, state: SubmissionState, note: &str) -> Snapshot {
    let mut snapshot = busy();
    let mut row = submission(n, state);
    row.note = Some(note.to_owned());
    let rows = snapshot.approvals.iter().filter(|row| row.id.0 != n as i64).cloned();
    snapshot.approvals = Arc::new(rows.collect());
    let mut submissions = vec![Arc::new(row)];
    submissions.extend(snapshot.submissions.iter().filter(|row| row.id.0 != n as i64).cloned());
    snapshot.submissions = Arc::new(submissions);
    snapshot
}

#[test]
fn marked_candidates_are_answered_together_after_one_question() {
    let mut state = state(busy());
    // The first and, the cursor having moved on, the second.
    keys(&mut state, "a  ");
    assert_eq!(state.approvals.marks.len(), 2);
    assert_eq!(commands(&keys(&mut state, "y")), []);
    assert_eq!(state.dialog, Some(Dialog::Confirm(Action::AnswerBatch)));
    let batch = state.approvals.batch.clone().expect("a question is asked");
    assert_eq!((batch.verdict, batch.ids), (Verdict::Approved, ids(&[0, 1])));
    assert_eq!(commands(&keys(&mut state, "y")), [Command::ApproveMany(ids(&[0, 1]))]);
    assert!(state.approvals.marks.is_empty());
    assert_eq!((state.undecided(), state.approvals.selected), (1, Some(SubmissionId(2))));
    // Without marks a y is for the one that is looked at.
    reads(&mut state);
    assert_eq!(commands(&keys(&mut state, "y")), [Command::Approve(SubmissionId(2))]);
}

#[test]
fn all_are_marked_unmarked_and_rejected() {
    let mut state = state(busy());
    keys(&mut state, "a*");
    assert_eq!(state.approvals.marks.len(), 3);
    keys(&mut state, "u");
    assert!(state.approvals.marks.is_empty());
    assert_eq!(commands(&keys(&mut state, "*n")), []);
    assert_eq!(commands(&keys(&mut state, "n")), [], "no is no");
    assert_eq!((state.dialog, state.approvals.batch.clone(), state.approvals.marks.len()), (None, None, 3));
    assert_eq!(commands(&keys(&mut state, "ny")), [Command::RejectMany(ids(&[0, 1, 2]))]);
}

#[test]
fn what_comes_while_a_question_is_open_is_not_answered_with_it_and_what_goes_is_not_either() {
    let mut state = state(busy());
    keys(&mut state, "a*y");
    let mut snapshot = without(1, SubmissionState::Expired, "somebody else filled the target");
    let late = Arc::new(submission(9, SubmissionState::AwaitingApproval));
    Arc::make_mut(&mut snapshot.approvals).push(late);
    update(&mut state, AppEvent::Snapshot(Arc::new(snapshot)));
    assert_eq!(commands(&keys(&mut state, "y")), [Command::ApproveMany(ids(&[0, 2]))]);
    assert_eq!(state.undecided(), 1);
}

#[test]
fn a_question_that_has_lost_all_its_candidates_signs_nothing() {
    let mut state = state(busy());
    keys(&mut state, "a y");
    update(&mut state, AppEvent::Snapshot(Arc::new(Snapshot { approvals: Arc::default(), ..busy() })));
    // It stays: a yes that comes now is not for what lies behind it.
    assert_eq!(state.dialog, Some(Dialog::Confirm(Action::AnswerBatch)));
    update(&mut state, AppEvent::Snapshot(Arc::new(busy())));
    reads(&mut state);
    assert_eq!(commands(&keys(&mut state, "y")), []);
    reads(&mut state);
    assert_eq!(commands(&keys(&mut state, "y")), []);
    assert_eq!(state.dialog, Some(Dialog::Confirm(Action::AnswerBatch)));
    key(&mut state, Key::Esc);
    assert_eq!((state.dialog, state.approvals.batch.clone()), (None, None));
}

#[test]
fn all_under_a_limit_are_shown_before_they_are_asked_about() {
    let mut state = state(busy());
    keys(&mut state, "aY");
    assert_eq!(state.dialog, Some(Dialog::Form));
    let form = state.form.as_ref().expect("a form is open");
    // The policy's limits, as far as this epoch has not used them.
    assert_eq!((form.text(0), form.text(1), form.text(2)), ("0.01", "0.99960064", "0.00"));
    // Bonds are 66,560, 133,120 and 199,680.
    fill(&mut state, "133120sh");
    assert_eq!(commands(&key(&mut state, Key::Enter)), []);
    assert_eq!(state.dialog, Some(Dialog::Confirm(Action::AnswerBatch)));
    assert_eq!(commands(&keys(&mut state, "y")), [Command::ApproveMany(ids(&[0, 1]))]);
}

#[test]
fn the_sum_and_the_margin_are_limits_too() {
    let answered = |each: &str, all: &str, margin: &str| {
        let mut state = state(busy());
        keys(&mut state, "aY");
        [each, all, margin].iter().for_each(|text| fill(&mut state, text));
        key(&mut state, Key::Enter);
        commands(&keys(&mut state, "y"))
    };
    let many = |numbers: &[i64]| vec![Command::ApproveMany(ids(numbers))];
    // Best gain first, while the sum lasts.
    assert_eq!(answered("1", "266240sh", "0"), many(&[0, 1]));
    assert_eq!(answered("1", "66560sh", "0"), many(&[0]));
    // Margins are 0.0188, 0.0148 and 0.0108.
    assert_eq!(answered("1", "1", "0.012"), many(&[0, 1]));
    // None falls under it: the form stays open, and takes the y as a letter.
    assert_eq!(answered("1sh", "1", "0"), []);
}

#[test]
fn what_does_not_hold_keeps_a_form_open_and_is_told_at_its_line() {
    let mut state = state(busy());
    keys(&mut state, "P");
    for text in ["0.02", "lots", "3", "0.0000000001"] {
        fill(&mut state, text);
    }
    key(&mut state, Key::Enter);
    let form = state.form.as_ref().expect("the form stays");
    assert_eq!((state.dialog, form.at), (Some(Dialog::Form), 1));
    let told = |line: usize| form.errors[line].clone().unwrap_or_default();
    assert!(form.errors[0].is_none());
    assert!(told(1).contains("`lots` is no amount") && told(3).contains("nine decimals"), "{:?}", form.errors);
    assert!(told(2).contains("no margin is above 2"), "{:?}", form.errors);
    fill(&mut state, "0.01");
    let form = state.form.as_ref().expect("the form stays");
    assert!(form.errors[1].as_ref().is_some_and(|why| why.contains("less than the bond of one")), "{:?}", form.errors);
    key(&mut state, Key::Esc);
    assert_eq!((state.dialog, state.form.is_none()), (None, true));
}

#[test]
fn other_limits_are_asked_about_and_then_sent() {
    let mut state = state(busy());
    keys(&mut state, "P");
    for text in ["2500000sh", "0.5", "0.0125", "0.001"] {
        fill(&mut state, text);
    }
    assert_eq!(commands(&key(&mut state, Key::Enter)), []);
    assert_eq!(state.dialog, Some(Dialog::Confirm(Action::ApplyPolicy)));
    let limits = PolicyLimits {
        max_bond_per_submission: Shannons(2_500_000),
        max_bond_per_epoch: Shannons(500_000_000),
        min_margin_millionths: 12_500,
        min_gain: Shannons(1_000_000),
    };
    assert_eq!(commands(&keys(&mut state, "y")), [Command::SetPolicy(limits)]);
    assert_eq!((state.dialog, state.form.is_none()), (None, true));
    // The same again, and no; and nothing changed at all.
    keys(&mut state, "P");
    fill(&mut state, "0.5");
    key(&mut state, Key::Enter);
    assert_eq!(commands(&keys(&mut state, "n")), []);
    assert!(state.form.is_none());
    keys(&mut state, "P");
    assert_eq!(commands(&key(&mut state, Key::Enter)), []);
    assert_eq!((state.dialog, state.form.is_none()), (None, true));
}

#[test]
fn a_paste_goes_into_the_field_under_the_cursor() {
    let mut state = state(busy());
    keys(&mut state, "P");
    key(&mut state, Key::Ctrl('u'));
    update(&mut state, AppEvent::Paste("0.25\nsecond line".to_owned()));
    assert_eq!(state.form.as_ref().map(|form| form.text(0).to_owned()).as_deref(), Some("0.25"));
}

#[test]
fn read_only_refuses_marks_of_no_use_and_other_limits() {
    for word in ["a*y", "a*n", "aY", "P"] {
        let mut state = state(Snapshot { mode: Mode::ReadOnly, ..busy() });
        assert_eq!(commands(&keys(&mut state, word)), [], "{word}");
        assert_eq!(state.dialog, None, "{word}");
        assert!(state.notice.is_some_and(|notice| notice.text.contains("read-only")), "{word}");
    }
    // Read-only came while the question stood.
    let mut state = state(busy());
    keys(&mut state, "a*y");
    update(&mut state, AppEvent::Snapshot(Arc::new(Snapshot { mode: Mode::ReadOnly, ..busy() })));
    assert_eq!(commands(&keys(&mut state, "y")), []);
}

#[test]
fn a_candidate_whose_target_is_gone_leaves_and_says_why() {
    let mut state = state(busy());
    keys(&mut state, "a");
    let note = "filled by 0xfeed";
    update(&mut state, AppEvent::Snapshot(Arc::new(without(1, SubmissionState::Expired, note))));
    let gone: Vec<_> = state.approvals.gone.iter().map(|gone| (gone.row.id, gone.row.note.as_deref())).collect();
    assert_eq!(gone, [(SubmissionId(1), Some(note))]);
    assert!(state.notice.as_ref().is_some_and(|notice| notice.text.contains(note)), "{:?}", state.notice);
    // What we answered did not leave by itself, nor what the policy approved.
    keys(&mut state, "y");
    for (n, became) in [(0, SubmissionState::Expired), (2, SubmissionState::Approved)] {
        update(&mut state, AppEvent::Snapshot(Arc::new(without(n, became, "x"))));
    }
    assert_eq!(state.approvals.gone.len(), 1);
    // After a while nobody needs to know any more.
    update(&mut state, AppEvent::Clock { now_ms: NOW_MS + 3_600_000 });
    update(&mut state, AppEvent::Snapshot(Arc::new(busy())));
    assert!(state.approvals.gone.is_empty());
}

#[test]
fn an_answer_goes_to_no_candidate_that_has_just_come_under_the_cursor_whatever_is_marked() {
    let mut state = state(busy());
    keys(&mut state, "aj j");
    let snapshot = without(2, SubmissionState::Expired, "gone");
    update(&mut state, AppEvent::Snapshot(Arc::new(snapshot)));
    assert_eq!((commands(&keys(&mut state, "y")), state.dialog), (vec![], None));
    assert!(state.notice.is_some_and(|notice| notice.text.contains("look again")));
}

fn line(n: u64, level: Level, text: &str) -> LogLine {
    LogLine::new(NOW_MS - 1_000_000 + n, level, text)
}

/// So many lines; every tenth is a warning about a transaction.
fn logged(from: u64, count: u64) -> Snapshot {
    let lines = (from..from + count).map(|n| match n % 10 {
        0 => line(n, Level::Warning, &format!("line {n} went wrong")).about(LogKind::Hit { target: id("target", n) }),
        _ => line(n, Level::Info, &format!("line {n}")),
    });
    Snapshot { log: Arc::new(lines.collect()), log_first: from, ..busy() }
}

fn selected(state: &State) -> Option<String> {
    state.log.line(&state.snapshot).map(|line| line.text.clone())
}

#[test]
fn the_log_follows_the_newest_line_until_somebody_looks_back() {
    let mut state = state(logged(0, 100));
    keys(&mut state, "7");
    assert!(state.log.follows());
    update(&mut state, AppEvent::Snapshot(Arc::new(logged(0, 110))));
    assert_eq!(selected(&state).as_deref(), Some("line 109"));
    keys(&mut state, "kk");
    // The line stays under the eye, although older ones have left.
    update(&mut state, AppEvent::Snapshot(Arc::new(logged(50, 100))));
    assert_eq!((selected(&state).as_deref(), state.log.follows()), (Some("line 107"), false));
    update(&mut state, AppEvent::Snapshot(Arc::new(logged(500, 100))));
    assert_eq!(selected(&state).as_deref(), Some("line 500 went wrong"));
    keys(&mut state, "f");
    assert!(state.log.follows());
    keys(&mut state, "f");
    assert_eq!((selected(&state).as_deref(), state.log.follows()), (Some("line 599"), false));
    keys(&mut state, "G");
    assert!(state.log.follows());
}

#[test]
fn the_log_is_filtered_as_it_is_typed_and_for_as_long_as_one_wants() {
    let mut state = state(logged(0, 100));
    keys(&mut state, "7/level:warn 4");
    assert_eq!(state.log.rows, [40]);
    key(&mut state, Key::Enter);
    update(&mut state, AppEvent::Snapshot(Arc::new(logged(0, 150))));
    assert_eq!(state.log.rows, [40, 140]);
    keys(&mut state, "/");
    key(&mut state, Key::Esc);
    assert_eq!(state.log.rows.len(), 150);
    keys(&mut state, "/kind:hit");
    key(&mut state, Key::Enter);
    assert_eq!(state.log.rows.len(), 15);
    // What one wants of such a line is its id.
    let effects = keys(&mut state, "kc");
    assert!(effects.contains(&Effect::Copy(id("target", 130).to_hex_prefixed())), "{effects:?}");
}

#[test]
fn a_hit_and_a_fill_ring_if_somebody_wants_to_hear_it() {
    let rings = |by: Notify, mode: Mode, row: SubmissionState| {
        let mut state = state(Snapshot { mode, ..busy() });
        state.notifier.by = by;
        let effects = update(&mut state, AppEvent::Engine(Event::Submission(Arc::new(submission(0, row)))));
        effects.into_iter().find(|effect| matches!(effect, Effect::Notify { .. }))
    };
    let waiting = SubmissionState::AwaitingApproval;
    assert_eq!(rings(Notify::None, Mode::Manual, waiting), None);
    assert_eq!(rings(Notify::Bell, Mode::Manual, waiting), Some(Effect::Notify { text: None, bell: true }));
    assert_eq!(rings(Notify::Both, Mode::Auto, waiting), None);
    let told = rings(Notify::Osc9, Mode::Auto, SubmissionState::Filled);
    assert!(matches!(told, Some(Effect::Notify { text: Some(text), bell: false }) if text.ends_with("filled")));
    assert!(rings(Notify::Bell, Mode::Auto, SubmissionState::Forfeited).is_some());
    assert_eq!(rings(Notify::Bell, Mode::Auto, SubmissionState::Uploaded), None);
}

#[test]
fn the_clock_tells_what_came_too_soon_after_a_bell() {
    let mut state = state(busy());
    state.notifier.by = Notify::Osc9;
    let fill = |n| AppEvent::Engine(Event::Submission(Arc::new(submission(n, SubmissionState::Filled))));
    let is_told = |effects: Vec<Effect>| effects.iter().any(|effect| matches!(effect, Effect::Notify { .. }));
    assert!(is_told(update(&mut state, fill(1))));
    assert!(!is_told(update(&mut state, fill(2))));
    assert!(!is_told(update(&mut state, AppEvent::Clock { now_ms: NOW_MS + 1_000 })));
    assert!(is_told(update(&mut state, AppEvent::Clock { now_ms: NOW_MS + 5_000 })));
    assert!(!is_told(update(&mut state, AppEvent::Clock { now_ms: NOW_MS + 50_000 })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is pressed: one command names no candidate twice, none is answered twice, and several are never answered without the
    /// question about exactly them.
    #[test]
    fn no_candidate_is_answered_twice_and_none_unasked(
        pressed in proptest::collection::vec(proptest::sample::select("aynYuxjk* P0.5\n\t\u{1b}".chars().collect::<Vec<_>>()), 0..40),
        leaves in proptest::collection::vec(any::<bool>(), 40),
    ) {
        let mut state = state(busy());
        let mut answered: Vec<SubmissionId> = Vec::new();
        for (c, leaves) in pressed.into_iter().zip(leaves) {
            let asked = match state.dialog {
                Some(Dialog::Confirm(Action::AnswerBatch)) => state.approvals.batch.clone().map(|batch| batch.ids),
                _ => None,
            };
            let pressed = match c {
                '\n' => Key::Enter,
                '\t' => Key::Tab,
                '\u{1b}' => Key::Esc,
                c => Key::Char(c),
            };
            for command in commands(&key(&mut state, pressed)) {
                let named = match command {
                    Command::Approve(one) | Command::Reject(one) => vec![one],
                    Command::ApproveMany(many) | Command::RejectMany(many) => {
                        prop_assert!(asked.as_ref().is_some_and(|asked| many.iter().all(|one| asked.contains(one))));
                        many
                    }
                    _ => Vec::new(),
                };
                for one in named {
                    prop_assert!(!answered.contains(&one));
                    answered.push(one);
                }
            }
            if leaves && c == 'x' {
                let note = "somebody else filled the target";
                update(&mut state, AppEvent::Snapshot(Arc::new(without(1, SubmissionState::Expired, note))));
            }
            // What is kept beside the list is what counting all of it gives.
            let (rows, approvals) = (&state.snapshot.approvals, &state.approvals);
            let waiting = rows.iter().filter(|row| approvals.verdict(row.id).is_none()).count();
            prop_assert_eq!(state.undecided(), waiting);
            prop_assert_eq!(approvals.position(), rows.iter().position(|row| Some(row.id) == approvals.selected));
            let sums = |ids: &dyn Fn(&SubmissionId) -> bool| Sums::of(rows.iter().filter(|row| ids(&row.id)));
            prop_assert_eq!(approvals.marked, sums(&|id| approvals.marks.contains(id)));
            if let Some(batch) = &approvals.batch {
                prop_assert_eq!(batch.sums, sums(&|id| batch.ids.contains(id)));
            }
        }
    }
}

/// It begins to repeat after half a second, and nothing comes of that.
fn stays_held(state: &mut State, key: Key) {
    for pause_ms in std::iter::once(500).chain([33; 50]) {
        let now_ms = state.now_ms + pause_ms;
        update(state, AppEvent::Clock { now_ms });
        assert_eq!(commands(&update(state, AppEvent::Key(key))), []);
    }
}

#[test]
fn a_key_that_is_held_answers_once() {
    let mut state = deciding("a");
    let first = update(&mut state, AppEvent::Key(Key::Char('y')));
    assert!(matches!(commands(&first)[..], [Command::Approve(_)]), "{first:?}");
    stays_held(&mut state, Key::Char('y'));
    reads(&mut state);
    assert!(matches!(commands(&key(&mut state, Key::Char('y')))[..], [Command::Approve(_)]));
}

#[test]
fn a_key_that_is_held_does_not_answer_its_own_question() {
    let mut state = deciding("a*y");
    assert!(state.dialog.is_some());
    stays_held(&mut state, Key::Char('y'));
    assert!(matches!(commands(&key(&mut state, Key::Char('y')))[..], [Command::ApproveMany(_)]));
}

#[test]
fn an_answer_to_a_question_that_has_lost_its_candidate_is_not_for_another() {
    let mut state = deciding("a");
    keys(&mut state, " ");
    let marked = *state.approvals.marks.iter().next().expect("one is marked");
    keys(&mut state, "y");
    assert!(state.dialog.is_some());
    let left = state.snapshot.approvals.iter().filter(|row| row.id != marked).cloned().collect();
    let snapshot = Snapshot { approvals: Arc::new(left), ..(*state.snapshot).clone() };
    update(&mut state, AppEvent::Snapshot(Arc::new(snapshot)));
    reads(&mut state);
    assert_eq!(commands(&key(&mut state, Key::Char('y'))), []);
    assert_eq!(state.dialog, Some(Dialog::Confirm(Action::AnswerBatch)));
}

#[test]
fn a_candidate_that_comes_into_an_empty_list_under_the_eye_is_not_answered_at_once() {
    let mut state = deciding("a");
    let all = Arc::clone(&state.snapshot);
    for approvals in [Arc::new(Vec::new()), Arc::clone(&all.approvals)] {
        let snapshot = Snapshot { approvals, ..(*all).clone() };
        update(&mut state, AppEvent::Snapshot(Arc::new(snapshot)));
    }
    assert_eq!(commands(&key(&mut state, Key::Char('y'))), []);
}
