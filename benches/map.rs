//! The niche map with 10,000 targets and 100,000 samples, on a terminal of 200×60: a whole draw, one event with its draw, and a new picture
//! with its draw.
//!
//! `cargo bench --bench map`. Goals: a draw ≤ 4 ms; update and draw of one event ≤ 1 ms.

use std::{hint::black_box, sync::Arc};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rand::{Rng, SeedableRng, rngs::StdRng};
use ratatui::{buffer::Buffer, layout::Rect};
use somascope::{
    api::{
        Coverage, MapColour, MapLayout, MapModel, MapPoint, MapTarget, MapView, Region, Snapshot, TargetRow,
        TargetStage, Tiles,
    },
    app::{AppEvent, Key, Look, State, layout::Size, update},
    primitives::{ObjectId, Shannons},
    views,
};

#[path = "../tests/support/fixture.rs"]
#[expect(dead_code, reason = "only the snapshot is wanted")]
mod fixture;

const SAMPLES: usize = 100_000;
const TARGETS: usize = 10_000;
const SIZE: Size = Size { width: 200, height: 60 };

/// Clusters, as models and sources make them.
fn snapshot() -> Snapshot {
    let mut rng = StdRng::seed_from_u64(7);
    let centres: Vec<(f32, f32)> =
        (0..12).map(|_| (rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0))).collect();
    let mut place = |n: usize| {
        let (x, y) = centres[n % centres.len()];
        let mut bell = || (0..4).map(|_| rng.random_range(-0.12..0.12f32)).sum::<f32>();
        (x + bell(), y + bell())
    };
    let samples = (0..SAMPLES).map(|n| {
        let (x, y) = place(n);
        let (model, source) = ((n % 12) as u16 / 3, (n % 5) as u16);
        MapPoint {
            x,
            y,
            model,
            source,
            loss: 2.5,
            margin: Some(0.01 - (n % 97) as f32 * 1e-3),
            nearest: 0,
            sample: n as u64 + 1,
        }
    });
    let mut samples: Vec<MapPoint> = samples.collect();
    let tiles = Tiles::order(&mut samples);
    let targets = (0..TARGETS as u32).map(|row| {
        let (x, y) = place(row as usize);
        MapTarget { x, y, row }
    });
    let targets = targets.collect();
    let mut snapshot = fixture::busy();
    let row = snapshot.targets[0].clone();
    snapshot.targets = Arc::new(
        (0..TARGETS as u64)
            .map(|n| {
                let mut id = [0; 32];
                id[..8].copy_from_slice(&n.to_be_bytes());
                let stage = if n % 100 == 0 { TargetStage::Hit } else { TargetStage::Open };
                TargetRow { id: ObjectId(id), stage, ..row.clone() }
            })
            .collect(),
    );
    let regions = (0..96u16).map(|n| Region {
        column: n % 12,
        row: n / 12,
        samples: 1_000,
        open: 100,
        reward: Shannons(1_000_000),
        need: 4.0 - f32::from(n) * 0.04,
        ..Region::default()
    });
    snapshot.map = Arc::new(MapView {
        basis: 9,
        layout: MapLayout::Principal,
        samples: Arc::new(samples),
        tiles: Arc::new(tiles),
        scored: SAMPLES as u64,
        models: centres.iter().take(4).zip(0..).map(|(&(x, y), model)| MapModel { x, y, model }).collect(),
        targets: Arc::new(targets),
        coverage: Arc::new(Coverage {
            columns: 12,
            rows: 8,
            min: (-1.5, -1.5),
            max: (1.5, 1.5),
            regions: regions.collect(),
        }),
        ..(*snapshot.map).clone()
    });
    snapshot
}

fn draw(state: &State, buffer: &mut Buffer) {
    buffer.reset();
    views::draw(state, buffer);
    black_box(&*buffer);
}

fn bench(criterion: &mut Criterion) {
    let snapshot = Arc::new(snapshot());
    let look = Look { ascii: false, colour: true };
    let mut buffer = Buffer::empty(Rect::new(0, 0, SIZE.width, SIZE.height));
    let mut group = criterion.benchmark_group("map_200x60_100k");
    let fresh = || State::new(look, SIZE, fixture::NOW_MS, snapshot.clone());
    let key = |state: &mut State, c: char| update(state, AppEvent::Key(Key::Char(c)));

    let mut state = fresh();
    group.bench_function("draw_dashboard", |b| b.iter(|| draw(&state, &mut buffer)));
    key(&mut state, '3');
    group.bench_function("draw_map", |b| b.iter(|| draw(&state, &mut buffer)));
    key(&mut state, 'u');
    group.bench_function("draw_coverage", |b| b.iter(|| draw(&state, &mut buffer)));
    key(&mut state, 'u');
    let mut turn = false;
    group.bench_function("cursor_key_and_draw", |b| {
        b.iter(|| {
            turn = !turn;
            key(&mut state, if turn { 'h' } else { 'l' });
            draw(&state, &mut buffer);
        });
    });
    // Closer, and back to the whole.
    let mut close = state.clone();
    key(&mut close, '+');
    for (name, before, zoom) in [("zoom_in", &state, '+'), ("zoom_out", &close, '-')] {
        group.bench_function(format!("{name}_key_and_draw"), |b| {
            b.iter_batched_ref(
                || before.clone(),
                |state| {
                    key(state, zoom);
                    draw(state, &mut buffer);
                },
                BatchSize::SmallInput,
            );
        });
    }
    // Each key there and back again, on a part of the map.
    (0..3).for_each(|_| drop(key(&mut state, '+')));
    for (name, [there, back]) in [("pan", ['L', 'H']), ("zoomed_cursor", ['h', 'l']), ("zoomed_zoom", ['+', '-'])] {
        group.bench_function(format!("{name}_key_and_draw"), |b| {
            b.iter(|| {
                turn = !turn;
                key(&mut state, if turn { there } else { back });
                draw(&state, &mut buffer);
            });
        });
    }
    key(&mut state, '0');
    group.bench_function("box_of_a_few_cells_pinned", |b| {
        b.iter(|| "bllkkb".chars().map(|c| key(&mut state, c).len()).sum::<usize>());
    });
    group.bench_function("next_target", |b| b.iter(|| key(&mut state, 't')));
    // A few samples are others: what the engine sends after a survey. And all of them lie elsewhere: a new basis.
    let mut few = (*snapshot.map).clone();
    let mut samples = (*few.samples).clone();
    samples.iter_mut().step_by(9_973).for_each(|point| point.x += 0.01);
    few.tiles = Arc::new(Tiles::order(&mut samples));
    few.samples = Arc::new(samples);
    let mut turned = (*snapshot.map.samples).clone();
    turned.iter_mut().for_each(|point| (point.x, point.y) = (-point.y, point.x));
    let tiles = Arc::new(Tiles::order(&mut turned));
    let refitted = MapView { basis: few.basis + 1, tiles, samples: Arc::new(turned), ..few.clone() };
    for (name, map) in [("few_samples_changed", few), ("new_basis", refitted)] {
        let other = Arc::new(Snapshot { map: Arc::new(map), ..(*snapshot).clone() });
        group.bench_function(format!("{name}_and_draw"), |b| {
            b.iter(|| {
                turn = !turn;
                let next = if turn { &other } else { &snapshot };
                update(&mut state, AppEvent::Snapshot(next.clone()));
                draw(&state, &mut buffer);
            });
        });
    }
    for colour in [MapColour::Model, MapColour::Margin] {
        state.map.colour = colour;
        let other = Arc::new(Snapshot { map: Arc::new((*snapshot.map).clone()), ..(*snapshot).clone() });
        group.bench_function(format!("snapshot_and_draw_{colour:?}"), |b| {
            b.iter(|| {
                turn = !turn;
                let next = if turn { &other } else { &snapshot };
                update(&mut state, AppEvent::Snapshot(next.clone()));
                draw(&state, &mut buffer);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
