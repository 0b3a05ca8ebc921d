//! Drawing: whole pictures and single events at 200×60, with 10,000 open targets, 100,000 samples on the map, 2,000 candidates that
//! wait, 20,000 submissions and 500 epochs.
//!
//! "draw" is the core's state into cells and all bytes of a terminal that shows something else: goal 4 ms. "event" is what one event
//! costs from the core to the bytes of the difference: goal 1 ms. "all" is what a person asks of all rows at once (another order, the
//! first letter of a filter): goal 50 ms, which is a key's.
//!
//! `cargo bench --bench screen`

#[path = "../tests/support/fixture.rs"]
#[expect(dead_code, reason = "only the network in full swing is drawn")]
mod fixture;

use std::{hint::black_box, sync::Arc};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ratatui::{buffer::Buffer, layout::Rect};
use somascope::{
    api::{
        EpochRewards, Event, HistoryPage, Mode, RewardsView, Snapshot, SubmissionId, SubmissionRow, SubmissionState,
        TargetRow, Tiles,
    },
    app::{AppEvent, Key, Look, State, layout::Size, update},
    primitives::Shannons,
    terminal::Painter,
    views,
};

const TARGETS: usize = 10_000;
const SAMPLES: usize = 100_000;
const WAITING: u64 = 2_000;
const SUBMISSIONS: i64 = 20_000;
/// Of these, those that a snapshot has; the rest is read from the journal in pages.
const RECENT: u64 = 512;
const EPOCHS: u64 = 500;
const SIZE: Size = Size { width: 200, height: 60 };
const LOOK: Look = Look { ascii: false, colour: true };

/// The fixture's network, many times.
fn crowded() -> Snapshot {
    let mut snapshot = fixture::busy();
    let few = snapshot.targets.len();
    let targets = snapshot.targets.iter().cycle().take(TARGETS).cloned().enumerate().map(|(n, mut target)| {
        if n >= few {
            target.id = fixture::id("crowd", n as u64);
            target.best_distance = target.best_distance.map(|distance| distance + n as f32 * 1e-5);
        }
        target
    });
    let mut targets: Vec<_> = targets.collect();
    // As the engine lists them.
    let margin = |row: &TargetRow| row.margin().unwrap_or(f32::NEG_INFINITY);
    targets.sort_by(|a, b| margin(b).total_cmp(&margin(a)).then(a.id.cmp(&b.id)));
    snapshot.targets = Arc::new(targets);
    let mut map = (*snapshot.map).clone();
    let shifted = |n: usize| (n as f32 * 0.618).fract() * 0.1;
    let samples = map.samples.iter().cycle().take(SAMPLES).cloned().enumerate().map(|(n, mut sample)| {
        sample.x += shifted(n);
        sample.y -= shifted(n * 7);
        sample
    });
    let mut samples: Vec<_> = samples.collect();
    // As the engine does it.
    map.tiles = Arc::new(Tiles::order(&mut samples));
    map.samples = Arc::new(samples);
    let marks = map.targets.iter().cycle().take(TARGETS).cloned().enumerate().map(|(n, mut target)| {
        target.x -= shifted(n);
        target.y += shifted(n * 3);
        target
    });
    map.targets = Arc::new(marks.collect());
    snapshot.map = Arc::new(map);
    snapshot.approvals = Arc::new((0..WAITING).map(|n| Arc::new(waiting(n))).collect());
    snapshot.submissions = Arc::new((0..RECENT).rev().map(|n| Arc::new(settled(n as i64))).collect());
    snapshot.rewards = Arc::new(RewardsView { epochs: epochs(), ..(*snapshot.rewards).clone() });
    snapshot
}

fn waiting(n: u64) -> SubmissionRow {
    SubmissionRow {
        id: SubmissionId(1_000_000 + n as i64),
        ..fixture::submission(n % 1_000, SubmissionState::AwaitingApproval)
    }
}

fn settled(id: i64) -> SubmissionRow {
    use SubmissionState::{Claimed, Failed, Filled, Lost};
    let n = id.unsigned_abs();
    let row = fixture::submission(n % 1_000, [Claimed, Filled, Claimed, Lost, Failed][n as usize % 5]);
    let epoch = (EPOCHS as i64 + id * EPOCHS as i64 / SUBMISSIONS).unsigned_abs().min(EPOCHS);
    SubmissionRow { id: SubmissionId(id), epoch, changed_at_ms: fixture::NOW_MS - n * 7_919 % 1_000_003, ..row }
}

/// Eight hours each.
fn epochs() -> Vec<EpochRewards> {
    let epoch = |epoch: u64| EpochRewards {
        epoch,
        began_ms: Some(fixture::NOW_MS - (EPOCHS - epoch) * 8 * 3_600_000),
        filled: epoch % 40,
        earned: Shannons(6_365_420 * (epoch % 40)),
        fees: Shannons(2_200 * (epoch % 40)),
        ..EpochRewards::default()
    };
    (1..=EPOCHS).rev().map(epoch).collect()
}

/// Older submissions, the newest of them first.
fn page(before: i64, rows: i64) -> AppEvent {
    let rows = (before - rows..before).rev().map(|id| Arc::new(settled(id))).collect();
    AppEvent::Engine(Event::History(Arc::new(HistoryPage { before: Some(SubmissionId(before)), rows, more: true })))
}

/// The rewards' screen with all but one page of the journal read.
fn long_journal(snapshot: &Snapshot, keys: &[Key]) -> (State, AppEvent) {
    let mut state = state(snapshot, &[Key::Char('5')]);
    let size = RECENT as i64;
    let mut before = 0;
    while before - 2 * size > RECENT as i64 - SUBMISSIONS {
        update(&mut state, page(before, size));
        before -= size;
    }
    for key in keys {
        update(&mut state, AppEvent::Key(*key));
    }
    (state, page(before, size))
}

fn state(snapshot: &Snapshot, keys: &[Key]) -> State {
    let mut state = State::new(LOOK, SIZE, fixture::NOW_MS, Arc::new(snapshot.clone()));
    for key in keys {
        update(&mut state, AppEvent::Key(*key));
    }
    state
}

fn draw(state: &State, canvas: &mut Buffer, painter: &mut Painter) -> usize {
    canvas.reset();
    views::draw(state, canvas);
    painter.paint(canvas).len()
}

fn pictures(criterion: &mut Criterion) {
    let snapshot = crowded();
    let mut auto = snapshot.clone();
    auto.mode = Mode::Auto;
    let of = |snapshot: &Snapshot, keys: &str| state(snapshot, &keys.chars().map(Key::Char).collect::<Vec<_>>());
    let days = [Key::Char('d'), Key::Char('['), Key::Char('[')];
    let screens = [
        ("dashboard", of(&snapshot, "")),
        ("targets", of(&snapshot, "2")),
        ("map", of(&snapshot, "3")),
        ("throughput", of(&snapshot, "4t")),
        ("rewards", long_journal(&snapshot, &[Key::End]).0),
        ("rewards_by_day", long_journal(&snapshot, &days).0),
        ("approvals", of(&snapshot, "a")),
        ("approvals_in_auto", of(&auto, "a")),
        ("approvals_all_marked", of(&snapshot, "a*")),
        ("question_about_all_marked", of(&snapshot, "a*y")),
        ("form_of_a_limit", of(&snapshot, "aY")),
        ("form_of_the_policy", of(&snapshot, "aP")),
    ];
    let mut group = criterion.benchmark_group("draw_4ms");
    for (name, state) in screens {
        let mut canvas = Buffer::empty(Rect::new(0, 0, SIZE.width, SIZE.height));
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(draw(&state, &mut canvas, &mut Painter::new(true))));
        });
    }
    group.finish();
}

/// What the engine tells while another screen, or this one, is looked at.
fn events(criterion: &mut Criterion) {
    let snapshot = crowded();
    // Only a count is new, as in most publications; one target is new; the map has one more sample; a candidate has gone; one
    // submission has changed.
    let mut counted = snapshot.clone();
    counted.throughput.samples_scored += 1;
    let mut retargeted = snapshot.clone();
    let mut targets = (*snapshot.targets).clone();
    targets[1].reward.0 += 1;
    retargeted.targets = Arc::new(targets);
    let mut remapped = snapshot.clone();
    let mut map = (*snapshot.map).clone();
    let mut samples = (*map.samples).clone();
    samples[0].x += 0.01;
    map.tiles = Arc::new(Tiles::order(&mut samples));
    map.samples = Arc::new(samples);
    remapped.map = Arc::new(map);
    let mut answered = snapshot.clone();
    answered.approvals = Arc::new(snapshot.approvals.iter().skip(1).cloned().collect());
    let changed = Arc::new(SubmissionRow { changed_at_ms: fixture::NOW_MS, ..settled(7) });
    let mut resubmitted = snapshot.clone();
    let mut rows = (*snapshot.submissions).clone();
    rows[RECENT as usize - 1 - 7] = Arc::clone(&changed);
    resubmitted.submissions = Arc::new(rows);
    let mut repaid = snapshot.clone();
    repaid.rewards = Arc::new(RewardsView { paid_last_day: Shannons(1), ..(*snapshot.rewards).clone() });

    let dashboard = state(&snapshot, &[]);
    let (journal, last_page) = long_journal(&snapshot, &[]);
    let (amounts, _) = long_journal(&snapshot, &[Key::Char('s'), Key::Char('s'), Key::Char('s')]);
    let approvals = state(&snapshot, &[Key::Char('a')]);
    let marked = state(&snapshot, &[Key::Char('a'), Key::Char('*')]);
    let mut asked = state(&snapshot, &[Key::Char('a'), Key::Char('*'), Key::Char('y')]);
    // Two answers within a quarter of a second are one press.
    update(&mut asked, AppEvent::Clock { now_ms: fixture::NOW_MS + 500 });
    let form = state(&snapshot, &[Key::Char('a'), Key::Char('Y')]);
    let take = |snapshot: &Snapshot| AppEvent::Snapshot(Arc::new(snapshot.clone()));
    let told = AppEvent::Engine(Event::Submission(changed));
    let key = |key: char| AppEvent::Key(Key::Char(key));
    let cases = [
        ("clock", &dashboard, AppEvent::Clock { now_ms: fixture::NOW_MS + 1_000 }),
        ("key", &dashboard, AppEvent::Key(Key::Down)),
        ("numbers", &dashboard, take(&counted)),
        ("a_target", &dashboard, take(&retargeted)),
        ("a_sample_on_the_map", &dashboard, take(&remapped)),
        ("rewards_key", &journal, AppEvent::Key(Key::PageDown)),
        ("rewards_older_epoch", &journal, key('[')),
        ("rewards_by_day", &journal, key('d')),
        ("rewards_a_submission", &journal, told.clone()),
        ("rewards_a_submission_by_amount", &amounts, told),
        ("rewards_a_snapshot", &journal, take(&resubmitted)),
        ("rewards_sums", &journal, take(&repaid)),
        ("rewards_a_page_of_history", &journal, last_page.clone()),
        ("rewards_a_page_of_history_by_amount", &amounts, last_page),
        ("approvals_key", &approvals, AppEvent::Key(Key::Down)),
        ("approvals_one_gone", &approvals, take(&answered)),
        ("approvals_numbers", &approvals, take(&counted)),
        ("approvals_mark", &marked, key(' ')),
        ("approvals_mark_all", &approvals, key('*')),
        ("approvals_one_gone_of_marked", &marked, take(&answered)),
        ("approvals_one_gone_while_asked", &asked, take(&answered)),
        ("approvals_ask_about_all", &marked, key('y')),
        ("limit_a_digit", &form, key('0')),
        ("limit_one_gone", &form, take(&answered)),
    ];
    group(criterion, "event_1ms", &cases);
    let (filtered, _) = long_journal(&snapshot, &[Key::Char('/'), Key::Char('c'), Key::Char('l')]);
    let (filtering, _) = long_journal(&snapshot, &[Key::Char('/')]);
    let all = [
        ("rewards_sort", &journal, key('s')),
        ("rewards_first_letter_of_a_filter", &filtering, key('c')),
        ("rewards_third_letter_of_a_filter", &filtered, key('a')),
        ("approvals_answer_all", &asked, key('y')),
    ];
    group(criterion, "all_50ms", &all);
}

fn group(criterion: &mut Criterion, name: &str, cases: &[(&str, &State, AppEvent)]) {
    let mut group = criterion.benchmark_group(name);
    for (name, before, event) in cases {
        let blank = Buffer::empty(Rect::new(0, 0, SIZE.width, SIZE.height));
        let mut canvas = Buffer::empty(Rect::new(0, 0, SIZE.width, SIZE.height));
        group.bench_function(*name, |bencher| {
            bencher.iter_batched(
                || {
                    let mut painter = Painter::new(true);
                    draw(before, &mut blank.clone(), &mut painter);
                    ((*before).clone(), painter)
                },
                |(mut state, mut painter)| {
                    update(&mut state, event.clone());
                    let bytes = draw(&state, &mut canvas, &mut painter);
                    // Dropping them is not part of an event.
                    (state, painter, bytes)
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, pictures, events);
criterion_main!(benches);
