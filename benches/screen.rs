//! Drawing: whole pictures and single events at 200×60, with 10,000 open targets and 100,000 samples on the map.
//!
//! "draw" is the core's state into cells and all bytes of a terminal that shows something else; "event" is what one event
//! costs from the core to the bytes of the difference. Goals: 4 ms and 1 ms.
//!
//! `cargo bench --bench screen`

#[path = "../tests/support/fixture.rs"]
#[expect(dead_code, reason = "only the network in full swing is drawn")]
mod fixture;

use std::{hint::black_box, sync::Arc};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ratatui::{buffer::Buffer, layout::Rect};
use somascope::{
    api::Snapshot,
    app::{AppEvent, Key, Look, State, layout::Size, update},
    terminal::Painter,
    views,
};

const TARGETS: usize = 10_000;
const SAMPLES: usize = 100_000;
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
    snapshot.targets = Arc::new(targets.collect());
    let mut map = (*snapshot.map).clone();
    let shifted = |n: usize| (n as f32 * 0.618).fract() * 0.1;
    let samples = map.samples.iter().cycle().take(SAMPLES).cloned().enumerate().map(|(n, mut sample)| {
        sample.x += shifted(n);
        sample.y -= shifted(n * 7);
        sample
    });
    map.samples = Arc::new(samples.collect());
    let marks = map.targets.iter().cycle().take(TARGETS).cloned().enumerate().map(|(n, mut target)| {
        target.x -= shifted(n);
        target.y += shifted(n * 3);
        target
    });
    map.targets = Arc::new(marks.collect());
    snapshot.map = Arc::new(map);
    snapshot
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
    let mut group = criterion.benchmark_group("draw");
    let screens = [("dashboard", None), ("targets", Some('2')), ("map", Some('3')), ("approvals", Some('a'))];
    for (name, key) in screens {
        let keys: Vec<Key> = key.map(Key::Char).into_iter().collect();
        let state = state(&snapshot, &keys);
        let mut canvas = Buffer::empty(Rect::new(0, 0, SIZE.width, SIZE.height));
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(draw(&state, &mut canvas, &mut Painter::new(true))));
        });
    }
    group.finish();
}

fn events(criterion: &mut Criterion) {
    let snapshot = crowded();
    // Only a count is new, as in most publications; one target is new; the map has one more sample.
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
    map.samples = Arc::new(samples);
    remapped.map = Arc::new(map);
    let mut group = criterion.benchmark_group("event");
    let cases = [
        ("clock", AppEvent::Clock { now_ms: fixture::NOW_MS + 1_000 }),
        ("key", AppEvent::Key(Key::Down)),
        ("numbers", AppEvent::Snapshot(Arc::new(counted))),
        ("a_target", AppEvent::Snapshot(Arc::new(retargeted))),
        ("a_sample_on_the_map", AppEvent::Snapshot(Arc::new(remapped))),
    ];
    for (name, event) in cases {
        let before = state(&snapshot, &[]);
        let blank = Buffer::empty(Rect::new(0, 0, SIZE.width, SIZE.height));
        let mut canvas = Buffer::empty(Rect::new(0, 0, SIZE.width, SIZE.height));
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || {
                    let mut painter = Painter::new(true);
                    draw(&before, &mut blank.clone(), &mut painter);
                    (before.clone(), painter)
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
