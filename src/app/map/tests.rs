use proptest::prelude::*;

use super::{raster::Made, *};
use crate::{
    api::{Coverage, MapModel, MapPoint, MapTarget, Region, TargetRow},
    primitives::Shannons,
};

fn row(stage: TargetStage) -> TargetRow {
    TargetRow {
        id: ObjectId([1; 32]),
        epoch: 1,
        stage,
        reward: Shannons(5),
        threshold: 1.0,
        models: Vec::new(),
        best_distance: None,
        seen_at_ms: 0,
        pinned: false,
    }
}

fn sample(x: f32, y: f32, model: u16, margin: Option<f32>) -> MapPoint {
    MapPoint { x, y, model, source: model, loss: 1.0, margin, nearest: 0, sample: 0 }
}

fn made(map: MapView, targets: Vec<TargetRow>, size: (u16, u16), colour: MapColour) -> Made {
    Made {
        map: Arc::new(map),
        targets: Arc::new(targets),
        seen: Bounds { min: (0.0, 0.0), max: (4.0, 2.0) },
        area: Area { x: 5, y: 5, width: size.0, height: size.1 },
        colour,
        classes: if colour == MapColour::Margin { MapPoint::MARGINS.into() } else { 3 },
        regions: true,
        dim: 100,
    }
}

fn raster(map: MapView, targets: Vec<TargetRow>, size: (u16, u16), colour: MapColour) -> Raster {
    Raster::new(made(map, targets, size, colour), None)
}

#[test]
fn a_cell_shows_the_model_of_most_of_its_samples_and_the_best_of_their_margins() {
    let samples = [
        sample(0.1, 1.9, 2, Some(-0.35)),
        sample(0.9, 1.1, 2, Some(-0.05)),
        sample(0.5, 1.5, 1, None),
        sample(2.5, 0.5, 0, Some(0.01)),
        sample(9.0, 0.5, 0, Some(f32::NAN)),
    ];
    let map = MapView { samples: Arc::new(samples.to_vec()), ..MapView::default() };
    let by_model = raster(map.clone(), Vec::new(), (4, 2), MapColour::Model);
    assert_eq!((by_model.cells[0].samples, by_model.cells[0].class), (3, 2));
    // Upper left and lower right of the cell, and its middle.
    assert_eq!(by_model.cells[0].dots, 0x01 | 0x80 | 0x20);
    assert_eq!(by_model.cells[6].samples, 1);
    assert_eq!(by_model.counts[..3], [2, 1, 2]);
    let by_margin = raster(map, Vec::new(), (4, 2), MapColour::Margin);
    // σ is 0.1: half a σ short, a hit.
    assert_eq!((by_margin.cells[0].class, by_margin.cells[6].class), (1, 0));
    assert_eq!(*by_margin.counts, [1, 1, 0, 0, 1, 2, 0]);
}

#[test]
fn what_no_list_names_is_shown_only_where_nothing_else_is() {
    let samples: Vec<MapPoint> =
        [0, 70, 70, 80, u16::MAX].map(|class| sample(0.5, 1.5, class, None)).into_iter().collect();
    let map = MapView { samples: Arc::new(samples), ..MapView::default() };
    let of = |classes| {
        let made = Made { classes, ..made(map.clone(), Vec::new(), (4, 2), MapColour::Source) };
        let raster = Raster::new(made, None);
        (raster.cells[0].class, raster.cells[0].samples, raster.counts)
    };
    let (class, seen, counts) = of(3);
    assert_eq!((class, seen, &**counts), (0, 5, &[1, 0, 0, 4][..]));
    let (class, seen, counts) = of(100);
    assert_eq!((class, seen, counts.len()), (70, 5, 101));
    assert_eq!((counts[0], counts[70], counts[80], counts[100]), (1, 2, 1, 1));
    // More than are counted by cell: the legend has them all the same.
    let (class, seen, counts) = of(9_000);
    assert_eq!((class, seen, counts.len()), (70, 5, 9_001));
    assert_eq!((counts[70], counts[9_000]), (2, 1));
}

#[test]
fn of_two_classes_with_as_many_samples_the_first_is_shown_whatever_their_order() {
    let of = |classes: [u16; 4]| {
        let samples = classes.map(|class| sample(0.5, 1.5, class, None)).to_vec();
        let map = MapView { samples: Arc::new(samples), ..MapView::default() };
        raster(map, Vec::new(), (4, 2), MapColour::Model).cells[0].class
    };
    assert_eq!([of([2, 1, 2, 1]), of([1, 1, 2, 2]), of([2, 2, 1, 1])], [1; 3]);
}

#[test]
fn the_most_advanced_target_of_a_cell_is_shown_and_crowds_only_where_they_are_densest() {
    let place = |x: f32, y: f32, row: u32| MapTarget { x, y, row };
    let targets = [place(0.5, 1.5, 0), place(0.5, 1.5, 1), place(0.6, 1.5, 9)];
    let map = MapView { targets: Arc::new(targets.to_vec()), ..MapView::default() };
    let rows = vec![row(TargetStage::Hit), TargetRow { pinned: true, ..row(TargetStage::Open) }];
    let one = raster(map, rows, (4, 2), MapColour::Model);
    assert_eq!((one.cells[0].target, one.cells[0].targets, one.cells[0].pinned), (Some(TargetStage::Hit), 2, true));
    assert_eq!((one.stages, one.pinned, one.least), ([1, 0, 0, 1], 1, 1));
    // One in each cell, two in the last: only that one stays.
    let mut crowd: Vec<MapTarget> =
        (0..12u8).map(|n| place(f32::from(n % 4) + 0.5, f32::from(n / 4) * 0.66 + 0.3, 0)).collect();
    crowd.push(crowd[11]);
    let map = MapView { targets: Arc::new(crowd), ..MapView::default() };
    let crowded = raster(map, vec![row(TargetStage::Open)], (4, 3), MapColour::Model);
    assert_eq!(crowded.least, 2);
}

#[test]
fn samples_that_have_not_changed_are_not_looked_through_again_and_nothing_is_left_of_old_targets() {
    let samples = Arc::new(vec![sample(0.5, 1.5, 1, None), sample(2.5, 0.5, 2, None)]);
    let target = |x: f32| Arc::new(vec![MapTarget { x, y: 0.5, row: 0 }]);
    let map = |x: f32| MapView { samples: samples.clone(), targets: target(x), ..MapView::default() };
    let rows = || vec![row(TargetStage::Hit)];
    let first = raster(map(0.5), rows(), (4, 2), MapColour::Model);
    let again = Raster::new(made(map(3.5), rows(), (4, 2), MapColour::Model), Some(&first));
    assert_eq!(again.cells, raster(map(3.5), rows(), (4, 2), MapColour::Model).cells);
    assert!(again.shares_samples_with(&first));
    let other = Raster::new(made(map(3.5), rows(), (4, 2), MapColour::Source), Some(&first));
    assert!(!other.shares_samples_with(&first));
}

#[test]
fn the_whole_map_is_counted_once_however_often_somebody_looks_closer() {
    use crate::app::{AppEvent, Key, Look, layout::Size, update};
    let mut samples: Vec<MapPoint> =
        (0..200u16).map(|n| sample(f32::from(n % 17), f32::from(n % 13), 0, None)).collect();
    let tiles = Arc::new(crate::api::Tiles::order(&mut samples));
    let map = MapView { basis: 1, samples: Arc::new(samples), tiles, ..MapView::default() };
    let snapshot = Snapshot { map: Arc::new(map), ..Snapshot::default() };
    let (look, size) = (Look { ascii: false, colour: true }, Size { width: 120, height: 40 });
    let mut state = State::new(look, size, 0, Arc::new(snapshot));
    let mut press = |key: char| {
        update(&mut state, AppEvent::Key(Key::Char(key)));
        (state.map.zoom(), state.map.raster.clone().expect("there is a map"))
    };
    let (_, whole) = press('3');
    let (zoom, part) = press('+');
    assert!(zoom == 1 && !part.shares_samples_with(&whole));
    assert_eq!(press('+').0, 2);
    press('-');
    let (zoom, again) = press('-');
    assert!(zoom == 0 && again.shares_samples_with(&whole));
}

#[test]
fn a_part_is_drawn_the_same_with_tiles_and_without_them() {
    let at = |n: u16| (f32::from(n * 37 % 101) * 0.08 - 2.0, f32::from(n * 53 % 97) * 0.05 - 1.0);
    let mut samples: Vec<MapPoint> = (0..900).map(|n| sample(at(n).0, at(n).1, n % 3, None)).collect();
    let tiles = crate::api::Tiles::order(&mut samples);
    let plain = MapView { samples: Arc::new(samples), ..MapView::default() };
    let tiled = MapView { tiles: Arc::new(tiles), ..plain.clone() };
    let draw = |map: MapView| raster(map, Vec::new(), (30, 12), MapColour::Model);
    let (with, without) = (draw(tiled), draw(plain));
    assert_eq!((with.cells, &with.counts), (without.cells, &without.counts));
    assert_eq!(with.counts.iter().sum::<u32>(), 900, "those that are not seen count too");
}

prop_compose! {
    fn any_point()(x in prop::num::f32::ANY, y in prop::num::f32::ANY, n: u16, margin in prop::option::of(prop::num::f32::ANY))
        -> MapPoint { sample(x, y, n, margin) }
}

#[test]
fn a_grid_larger_than_any_map_is_not_shown() {
    let of = |columns, rows| {
        let coverage =
            Coverage { columns, rows, max: (4.0, 2.0), regions: vec![Region::default()], ..Coverage::default() };
        let map = MapView { coverage: Arc::new(coverage), ..MapView::default() };
        raster(map, Vec::new(), (4, 2), MapColour::Model).cells.iter().any(|cell| cell.region.is_some())
    };
    assert!(of(2, 2) && !of(u16::MAX, u16::MAX) && !of(0, 9));
}

proptest! {
    #[test]
    fn what_has_changed_is_counted_as_if_all_were_counted_anew(
        (places, again) in (20usize..120).prop_flat_map(|n| {
            let point = || (-1.0f32..5.0, -1.0f32..3.0, 0u16..5, prop::option::of(-0.5f32..0.1));
            (prop::collection::vec(point(), n), prop::collection::vec((0..n, point()), 0..4))
        }),
        colour in prop::sample::select(vec![MapColour::Model, MapColour::Source, MapColour::Margin]),
        part: bool,
    ) {
        // Corners that stay: the tiles are the same ones.
        let corners = [sample(-1.0, -1.0, 0, None), sample(5.0, 3.0, 0, None)];
        let view = |points: &[(f32, f32, u16, Option<f32>)]| {
            let points = points.iter().map(|(x, y, class, margin)| sample(*x, *y, *class, *margin));
            let mut samples: Vec<MapPoint> = corners.into_iter().chain(points).collect();
            let tiles = Arc::new(crate::api::Tiles::order(&mut samples));
            MapView { samples: Arc::new(samples), tiles, ..MapView::default() }
        };
        let mut moved = places.clone();
        for (at, point) in again {
            moved[at] = point;
        }
        let draw = |map: MapView, before: Option<&Raster>, whole: bool| {
            let mut made = made(map, Vec::new(), (20, 9), colour);
            if whole {
                made.seen = Bounds { min: (-1.0, -1.0), max: (5.0, 3.0) };
            }
            Raster::new(made, before)
        };
        let first = draw(view(&places), None, true);
        // A part of it: what lies elsewhere is only counted by class.
        let first = draw(first.map(), Some(&first), !part);
        let after = draw(view(&moved), Some(&first), !part);
        let anew = draw(view(&moved), None, !part);
        prop_assert!(after.follows(&first));
        prop_assert_eq!(after.cells, anew.cells);
        prop_assert_eq!(after.counts, anew.counts);
    }

    #[test]
    fn a_sample_is_drawn_where_the_cursor_finds_it(
        x in -0.5f32..4.5, y in -0.5f32..2.5, size in (1u16..300, 1u16..100),
    ) {
        let map = MapView { samples: Arc::new(vec![sample(x, y, 0, None)]), ..MapView::default() };
        let made = made(map, Vec::new(), size, MapColour::Model);
        let (seen, area) = (made.seen, made.area);
        let raster = Raster::new(made, None);
        let drawn = raster.cells.iter().position(|cell| cell.samples == 1);
        // At the edge of a cell rounding decides.
        let near = |by: f32| seen.cell_of((x + by, y), area).into_iter().chain(seen.cell_of((x, y + by), area));
        let is_near = |at: usize| {
            let cell = ((at % usize::from(size.0)) as u16, (at / usize::from(size.0)) as u16);
            [-1e-4, 0.0, 1e-4].into_iter().flat_map(near).any(|found| found == cell)
        };
        prop_assert_eq!(drawn.is_some(), seen.holds((x, y)));
        prop_assert!(drawn.is_none_or(is_near), "{:?}", drawn);
    }

    #[test]
    fn anything_at_all_becomes_cells_of_any_size(
        samples in prop::collection::vec(any_point(), 0..40),
        size in (0u16..90, 0u16..40),
        colour in prop::sample::select(vec![MapColour::Model, MapColour::Source, MapColour::Margin]),
        grid in (0u16..4, 0u16..4),
        row_number: u32,
    ) {
        let targets = samples.iter().map(|point| MapTarget { x: point.x, y: point.y, row: row_number % 3 }).collect();
        let models = samples.iter().map(|point| MapModel { x: point.x, y: point.y, model: point.model }).collect();
        let coverage = Coverage {
            columns: grid.0,
            rows: grid.1,
            regions: vec![Region { column: 3, ..Region::default() }; 2],
            ..Coverage::default()
        };
        let seen = samples.len() as u32;
        let map = MapView {
            samples: Arc::new(samples),
            targets: Arc::new(targets),
            models,
            coverage: Arc::new(coverage),
            ..MapView::default()
        };
        let raster = raster(map, vec![row(TargetStage::Open)], size, colour);
        prop_assert_eq!(raster.cells.len(), usize::from(size.0) * usize::from(size.1));
        prop_assert_eq!(raster.counts.iter().sum::<u32>(), seen);
        prop_assert!(raster.cells.iter().map(|cell| cell.samples).sum::<u32>() <= seen);
    }
}
