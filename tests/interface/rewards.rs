//! Rewards and throughput: what their keys do and what they show.

use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;
use somascope::{
    api::{
        Command, Event, Export, ExportFormat, HistoryPage, RateSeries, Snapshot, SubmissionId, SubmissionRow,
        SubmissionState,
    },
    app::{AppEvent, Effect, Look, Pane, Screen as Where, State, SubmissionSort, update},
    terminal::Screen,
};

use crate::{
    emulator::Emulator,
    fixture::{NOW_MS, empty, submission},
    harness::{COLOUR, busy, picture, press, state, take, text},
};

/// Rows that are older than all of the fixture's.
fn older(ids: impl Iterator<Item = i64>, more: bool) -> HistoryPage {
    let states = [SubmissionState::Claimed, SubmissionState::Lost, SubmissionState::Rejected];
    let row = |id: i64| {
        let mut row = submission(id.unsigned_abs(), states[id.unsigned_abs() as usize % 3]);
        row.id = SubmissionId(id);
        row.epoch = 3;
        Arc::new(row)
    };
    HistoryPage { before: None, rows: ids.map(row).collect(), more }
}

#[test]
fn empty_screens_say_what_to_do_next() {
    let rewards = text(&state(empty(), COLOUR, (80, 24), "5"));
    assert!(rewards.contains("Nothing submitted yet.") && rewards.contains("approvals"), "{rewards}");
    let throughput = text(&state(empty(), COLOUR, (80, 24), "4"));
    assert!(throughput.contains("Waiting for models"), "{throughput}");
    // A run that has not begun still shows what the last one did.
    let mut snapshot = empty();
    snapshot.throughput = busy().throughput;
    snapshot.throughput.samples_scored = 0;
    let again = text(&state(snapshot, COLOUR, (80, 24), "4tt"));
    assert!(again.contains("24 h") && again.contains('█'), "{again}");
}

#[test]
fn submissions_are_sorted_and_filtered_and_the_selection_stays() {
    let mut state = state(busy(), COLOUR, (120, 40), "5jj");
    let selected = state.rewards.selected;
    for sort in [SubmissionSort::Changed, SubmissionSort::State, SubmissionSort::Amount, SubmissionSort::Found] {
        press(&mut state, "s");
        assert_eq!((state.rewards.sort, state.rewards.selected), (sort, selected));
    }
    press(&mut state, "/claimed moby\n");
    let shown: Vec<_> = state.rewards.rows.iter().map(|row| (row.state, row.source.clone())).collect();
    assert_eq!(shown, [(SubmissionState::Claimed, "prose/moby-dick.txt +61440".to_owned())]);
    assert!(text(&state).contains("1 of 13"), "{}", text(&state));
    press(&mut state, "/zebra");
    assert!(text(&state).contains("No submission has these words"));
    press(&mut state, "\u{1b}");
    assert_eq!(state.rewards.rows.len(), 13);
}

#[test]
fn the_whole_journal_is_read_behind_the_list_once() {
    let mut state = state(busy(), COLOUR, (120, 40), "");
    let ask = |before: i64| Effect::Send(Command::History { before: Some(SubmissionId(before)) });
    assert!(press(&mut state, "5").contains(&ask(0)));
    assert!(!press(&mut state, "\u{1b}5").iter().any(|e| matches!(e, Effect::Send(_))));
    let page = |ids, more| AppEvent::Engine(Event::History(Arc::new(older(ids, more))));
    assert!(update(&mut state, page(-512..=-1, true)).contains(&ask(-1)), "the last row of a page is its oldest");
    let effects = update(&mut state, page(-600..=-513, false));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Send(_))));
    assert_eq!((state.rewards.known(), state.rewards.is_whole), (13 + 600, true));
    press(&mut state, "G");
    assert_eq!(state.rewards.selected, Some(SubmissionId(-600)));
    assert!(text(&state).contains("613, by newest"), "{}", text(&state));
    // A claim of an old one is told by an event only.
    let mut row = submission(1, SubmissionState::Forfeited);
    row.id = SubmissionId(-600);
    update(&mut state, AppEvent::Engine(Event::Submission(Arc::new(row))));
    assert_eq!(state.rewards.chosen().map(|row| row.state), Some(SubmissionState::Forfeited));
}

/// Eight hours an epoch, five submissions in each.
pub fn week() -> Snapshot {
    let mut snapshot = busy();
    let rows = snapshot.submissions.iter().map(|row| {
        let epoch = 12 - row.id.0.unsigned_abs() / 5;
        Arc::new(SubmissionRow { epoch, ..(**row).clone() })
    });
    snapshot.submissions = Arc::new(rows.collect());
    snapshot
}

#[test]
fn an_epoch_or_a_day_is_chosen_and_the_list_is_about_it() {
    let mut again = state(week(), COLOUR, (80, 24), "");
    let mut state = state(week(), COLOUR, (80, 24), "5");
    let epochs = |state: &State| state.rewards.rows.iter().map(|row| row.epoch).collect::<BTreeSet<_>>();
    assert_eq!(epochs(&state), BTreeSet::from([10, 11, 12]));
    press(&mut state, "[[");
    assert_eq!(epochs(&state), BTreeSet::from([11]));
    assert!(
        text(&state).contains("5 of 13 in epoch 11 (read so far), by newest") && text(&state).contains("▶  11"),
        "{}",
        text(&state)
    );
    // The day of that epoch: the 22nd has three of eight hours before the time of the picture.
    press(&mut state, "d");
    assert_eq!(epochs(&state), BTreeSet::from([11, 12]));
    assert!(text(&state).contains("10 of 13 of 11-22 (read so far), by newest"), "{}", text(&state));
    // The next start sums by day too, and lists all of them.
    again.restore(&state.saved());
    assert_eq!((again.rewards.periods.rows.len(), again.rewards.rows.len()), (3, 13));
    // A page of the journal brings more of a day that is older.
    press(&mut state, "[");
    assert_eq!(epochs(&state), BTreeSet::from([10]));
    let mut page = older(-4..=-1, false);
    page.rows.iter_mut().for_each(|row| Arc::make_mut(row).epoch = 9);
    update(&mut state, AppEvent::Engine(Event::History(Arc::new(page))));
    assert_eq!((epochs(&state), state.rewards.rows.len()), (BTreeSet::from([9, 10]), 7));
    press(&mut state, "[[");
    assert!(text(&state).contains("None of these is held"), "{}", text(&state));
    // Esc leaves the day, then the screen.
    press(&mut state, "\u{1b}");
    assert_eq!((state.rewards.rows.len(), state.screen), (17, Where::Pane(Pane::Rewards)));
    press(&mut state, "\u{1b}");
    assert_eq!(state.screen, Where::Dashboard);
}

#[test]
fn what_to_export_is_chosen_by_a_key_and_the_path_is_told() {
    for (key, what, format) in [
        ('c', Export::Submissions, ExportFormat::Csv),
        ('e', Export::Epochs, ExportFormat::Csv),
        ('j', Export::Submissions, ExportFormat::Json),
        ('p', Export::Epochs, ExportFormat::Png),
        ('s', Export::Epochs, ExportFormat::Svg),
    ] {
        let mut state = state(busy(), COLOUR, (80, 24), "5");
        let effects = press(&mut state, &format!("e{key}"));
        assert!(effects.contains(&Effect::Send(Command::Export { what, format })), "{key}: {effects:?}");
        assert_eq!(state.dialog, None);
    }
    let mut state = state(busy(), COLOUR, (80, 24), "5e");
    assert_eq!(press(&mut state, "\u{1b}"), [Effect::Redraw]);
    assert_eq!((state.dialog, state.screen), (None, Where::Pane(Pane::Rewards)));
    update(&mut state, AppEvent::Engine(Event::Exported(Ok("/state/exports/rewards.csv".to_owned()))));
    assert!(text(&state).contains("wrote rewards.csv in "), "{}", text(&state));
    // A long path loses its start, never its name; and it stays when the notice has gone.
    let path = format!("/{}/exports/rewards.png", "deep/".repeat(30));
    update(&mut state, AppEvent::Engine(Event::Exported(Ok(path))));
    update(&mut state, AppEvent::Clock { now_ms: NOW_MS + 60_000 });
    assert!(text(&state).contains("deep//exports/rewards.png ┃"), "{}", text(&state));
}

#[test]
fn escape_leaves_the_details_first() {
    let mut state = state(busy(), COLOUR, (80, 24), "5\n");
    assert!(text(&state).contains("Checksum"));
    press(&mut state, "\u{1b}");
    assert!(!state.rewards.detail && state.screen == Where::Pane(Pane::Rewards));
    press(&mut state, "\u{1b}");
    assert_eq!(state.screen, Where::Dashboard);
}

#[test]
fn the_copied_text_is_the_transaction_or_the_target() {
    let mut state = state(busy(), COLOUR, (80, 24), "5");
    let copied = |effects: Vec<Effect>| {
        effects.into_iter().find_map(|e| if let Effect::Copy(text) = e { Some(text) } else { None })
    };
    press(&mut state, "G");
    let target = state.rewards.chosen().map(|row| row.target.to_hex_prefixed());
    assert_eq!(copied(press(&mut state, "c")), target);
    press(&mut state, "g");
    let claimed = state.rewards.rows.iter().position(|row| row.claim_digest.is_some()).expect("one is claimed");
    press(&mut state, &"j".repeat(claimed));
    let digest = state.rewards.chosen().and_then(|row| row.claim_digest).map(|digest| digest.to_string());
    assert_eq!(copied(press(&mut state, "c")), digest);
}

#[test]
fn a_second_of_scoring_costs_few_bytes_on_the_dashboard() {
    let mut snapshot = busy();
    let mut state = state(snapshot.clone(), COLOUR, (120, 40), "");
    let (mut screen, shared) = Emulator::new(120, 40);
    screen.present(&picture(&state)).expect("drawn");
    let before = shared.look().bytes;
    for n in 1..=20 {
        let series = &mut snapshot.throughput.minute;
        let mut buckets = series.buckets.to_vec();
        buckets.rotate_left(1);
        *series = RateSeries { last_s: series.last_s + 1, buckets: Arc::new(buckets), ..series.clone() };
        snapshot.version += n;
        take(&mut state, snapshot.clone());
        screen.present(&picture(&state)).expect("drawn");
    }
    let each = (shared.look().bytes - before) / 20;
    // A chart that moves every second took over 800.
    assert!(each < 300, "{each} bytes a second for the chart alone");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_size_any_history_any_keys(
        width in 1_u16..=300,
        height in 1_u16..=100,
        small in any::<bool>(),
        keys in proptest::collection::vec(proptest::sample::select("45\nt[]s/ejkGzx".chars().collect::<Vec<_>>()), 0..8),
        ascii in any::<bool>(),
        (bucket_s, last_s, buckets) in
            (0..400u64, any::<u32>(), proptest::collection::vec(proptest::option::of(any::<f32>()), 0..300)),
    ) {
        let size = if small { (width % 30 + 1, height % 12 + 1) } else { (width, height) };
        let mut snapshot = busy();
        let rates = |value: Option<f32>| value.map(|samples_per_s| somascope::api::Rates { samples_per_s, ..Default::default() });
        let buckets: Arc<Vec<_>> = Arc::new(buckets.into_iter().map(rates).collect());
        let series = RateSeries { bucket_s, last_s: last_s.into(), buckets };
        snapshot.throughput.minute = series.clone();
        snapshot.throughput.hour = series;
        let keys: String = keys.into_iter().collect();
        let _ = picture(&state(snapshot, Look { ascii, colour: !ascii }, size, &keys));
    }
}

#[test]
fn only_what_was_never_signed_has_certainly_cost_nothing() {
    for state in [SubmissionState::Lost, SubmissionState::Forfeited, SubmissionState::Claimed] {
        let mut row = submission(1, state);
        assert!(row.was_signed(), "{state:?}");
        // Signed again and found executed, before it was sent again.
        row.steps.retain(|(state, _)| *state != SubmissionState::Sent);
        assert!(row.was_signed(), "{state:?}");
        row.steps.retain(|(state, _)| *state != SubmissionState::Signed);
        assert!(!row.was_signed(), "{state:?}");
    }
}
