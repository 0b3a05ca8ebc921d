//! The niche map: what its keys and the mouse do.

use std::sync::Arc;

use proptest::prelude::*;
use somascope::{
    api::{Command, Event, MapColour, MapLayout, MapView, SampleDetail, TargetStage},
    app::{AppEvent, Effect, Key, Look, Mouse, Near, State, layout::Size, map::places, update},
    primitives::ObjectId,
};

use crate::{
    fixture::NOW_MS,
    harness::{COLOUR, busy, picture, press, state as open, take, text as shown},
};

fn map_of(state: &mut State, change: impl FnOnce(&mut MapView)) {
    let mut snapshot = (*state.snapshot).clone();
    change(Arc::make_mut(&mut snapshot.map));
    take(state, snapshot);
}

fn pins(effects: &[Effect]) -> Option<(Vec<ObjectId>, bool)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send(Command::Pin { targets, on }) => Some((targets.clone(), *on)),
        _ => None,
    })
}

#[test]
fn a_box_pins_what_lies_in_it_and_a_second_one_unpins_it() {
    let mut snapshot = busy();
    Arc::make_mut(&mut snapshot.targets).iter_mut().for_each(|row| row.pinned = false);
    let mut state = open(snapshot, COLOUR, (120, 40), "3t");
    let Some(Near::Target(at)) = state.map.near() else { panic!("{:?}", state.map.near()) };
    let id = state.snapshot.targets[state.snapshot.map.targets[at].row as usize].id;
    let (targets, on) = pins(&press(&mut state, "bb")).expect("a box of one cell pins what is there");
    assert!(on && targets.contains(&id) && targets.len() < 4);
    assert!(state.notice.as_ref().is_some_and(|notice| notice.text.starts_with("pinned ")));
    // The engine has done so.
    let mut snapshot = (*state.snapshot).clone();
    let rows = Arc::make_mut(&mut snapshot.targets);
    rows.iter_mut().filter(|row| targets.contains(&row.id)).for_each(|row| row.pinned = true);
    take(&mut state, snapshot);
    assert_eq!(state.map.raster().map(|raster| raster.pinned), Some(targets.len() as u32));
    assert_eq!(pins(&press(&mut state, "bb")), Some((targets, false)));
    // Esc gives a box up and stays; again, it leaves.
    press(&mut state, "b");
    assert!(state.map.boxed().is_some());
    update(&mut state, AppEvent::Key(Key::Esc));
    assert!(state.map.boxed().is_none() && state.map.near().is_some());
    assert_eq!(state.screen, somascope::app::Screen::Pane(somascope::app::Pane::Map));
    update(&mut state, AppEvent::Key(Key::Esc));
    assert_eq!(state.screen, somascope::app::Screen::Dashboard);
}

#[test]
fn the_whole_map_in_a_box_pins_every_open_target_and_not_what_we_have_filled() {
    let mut state = open(busy(), COLOUR, (120, 40), "3");
    let plot = places(state.frame().body).0;
    let mouse = |state: &mut State, mouse| update(state, AppEvent::Mouse(mouse));
    mouse(&mut state, Mouse::Down { column: plot.x, row: plot.y });
    mouse(&mut state, Mouse::Drag { column: plot.x + 10, row: plot.y + 3 });
    let effects = mouse(&mut state, Mouse::Drag { column: 500, row: 500 });
    assert_eq!(pins(&effects), None);
    let effects = mouse(&mut state, Mouse::Up { column: 500, row: 500 });
    let (targets, on) = pins(&effects).expect("a drag pins");
    let open = busy().targets.iter().filter(|row| row.stage != TargetStage::Ours).count();
    assert_eq!((targets.len(), on), (open, true));
    assert!(state.map.boxed().is_none());
}

#[test]
fn the_mouse_moves_the_cursor_and_the_wheel_zooms_where_it_points() {
    let mut state = open(busy(), COLOUR, (120, 40), "3");
    let plot = places(state.frame().body).0;
    let (column, row) = (plot.x + 20, plot.y + 5);
    let seen = state.map.visible().expect("there is a map");
    let point = seen.point_at(column, row, plot);
    update(&mut state, AppEvent::Mouse(Mouse::Down { column, row }));
    update(&mut state, AppEvent::Mouse(Mouse::Up { column, row }));
    assert_eq!(state.map.cursor(), Some(point));
    assert!(state.map.boxed().is_none());
    for _ in 0..3 {
        update(&mut state, AppEvent::Mouse(Mouse::WheelUp { column, row }));
    }
    assert_eq!(state.map.zoom(), 3);
    assert_eq!(state.map.visible().and_then(|seen| seen.cell_of(point, plot)), Some((20, 5)));
    for _ in 0..9 {
        update(&mut state, AppEvent::Mouse(Mouse::WheelDown { column, row }));
    }
    assert_eq!(state.map.visible(), Some(seen));
    // Beside the plot it is not the map's.
    let before = state.map.cursor();
    update(&mut state, AppEvent::Mouse(Mouse::Down { column: 119, row: 20 }));
    assert_eq!(state.map.cursor(), before);
}

#[test]
fn panning_moves_the_window_and_nothing_of_the_log() {
    let mut state = open(busy(), COLOUR, (120, 40), "3++");
    let before = state.map.visible().expect("there is a map");
    press(&mut state, "L");
    let right = state.map.visible().expect("there is a map");
    assert!(right.min.0 > before.min.0 && right.min.1 == before.min.1);
    press(&mut state, "HK");
    let up = state.map.visible().expect("there is a map");
    assert!((up.min.0 - before.min.0).abs() < 1e-5 && up.min.1 > before.min.1);
    press(&mut state, "0");
    assert_eq!(state.map.zoom(), 0);
}

#[test]
fn another_layout_and_another_fit_are_asked_of_the_engine() {
    let mut state = open(busy(), COLOUR, (120, 40), "3");
    let sent = |effects: Vec<Effect>| {
        effects.into_iter().find_map(|effect| match effect {
            Effect::Send(command) => Some(command),
            _ => None,
        })
    };
    assert_eq!(sent(press(&mut state, "f")), Some(Command::LayMapOut(MapLayout::Neighbours)));
    map_of(&mut state, |map| map.layout = MapLayout::Neighbours);
    assert!(shown(&state).contains("neighbours"));
    assert_eq!(sent(press(&mut state, "f")), Some(Command::LayMapOut(MapLayout::Principal)));
    assert_eq!(sent(press(&mut state, "r")), Some(Command::RefitMap));
    press(&mut state, "ccc");
    assert_eq!(state.map.colour, MapColour::Model);
}

#[test]
fn gaps_come_one_after_the_other_and_end_where_nothing_is_to_earn() {
    let mut state = open(busy(), COLOUR, (120, 40), "3");
    let paying = busy().map.coverage.regions.iter().filter(|region| region.need > 0.0).count();
    for at in 0..=paying {
        press(&mut state, "n");
        assert_eq!(state.map.region, Some(at % paying));
    }
    map_of(&mut state, |map| map.coverage = Arc::default());
    press(&mut state, "n");
    assert!(state.notice.as_ref().is_some_and(|notice| notice.text.contains("no region")));
}

#[test]
fn what_is_drawn_is_made_once_for_a_picture() {
    let mut state = open(busy(), COLOUR, (120, 40), "3");
    let at = |state: &State| state.map.raster().map(|raster| raster.cells.as_ptr());
    let before = at(&state);
    press(&mut state, "hjk");
    update(&mut state, AppEvent::Clock { now_ms: NOW_MS + 1000 });
    assert_eq!(at(&state), before);
    press(&mut state, "+");
    assert_ne!(at(&state), before);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_keys_and_clicks_at_any_size_are_drawn(
        size in (1u16..220, 1u16..70),
        ascii: bool,
        events in proptest::collection::vec((0u8..6, any::<prop::sample::Index>(), 0u16..230, 0u16..75), 0..25),
    ) {
        let keys: Vec<char> = "hjklHJKL+-0tbcunfrogG3z".chars().collect();
        let look = Look { ascii, colour: !ascii };
        let mut state = open(busy(), look, size, "3");
        for (what, key, column, row) in events {
            match what {
                0 => drop(update(&mut state, AppEvent::Mouse(Mouse::Down { column, row }))),
                1 => drop(update(&mut state, AppEvent::Mouse(Mouse::Drag { column, row }))),
                2 => drop(update(&mut state, AppEvent::Mouse(Mouse::Up { column, row }))),
                3 => drop(update(&mut state, AppEvent::Mouse(Mouse::WheelUp { column, row }))),
                4 => {
                    let size = Size { width: column, height: row };
                    drop(update(&mut state, AppEvent::Resize(size)));
                }
                _ => drop(press(&mut state, &keys[key.index(keys.len())].to_string())),
            }
            picture(&state);
        }
    }
}

#[test]
fn a_sample_under_the_cursor_is_asked_for_once_and_shown_with_its_loss_under_every_model() {
    let mut state = open(busy(), COLOUR, (120, 40), "");
    map_of(&mut state, |map| {
        map.targets = Arc::default();
        map.models = Vec::new();
        Arc::make_mut(&mut map.samples).iter_mut().zip(1..).for_each(|(point, n)| point.sample = n);
    });
    let asked = |effects: &[Effect]| -> Vec<u64> {
        let sample = |effect: &Effect| match effect {
            Effect::Send(Command::LookAtSample(sample)) => Some(*sample),
            _ => None,
        };
        effects.iter().filter_map(sample).collect()
    };
    let first = asked(&press(&mut state, "3"));
    let Some(Near::Sample(at)) = state.map.near() else { panic!("{:?}", state.map.near()) };
    let sample = state.snapshot.map.samples[at].sample;
    assert_eq!(first, [sample]);
    assert!(shown(&state).contains(" under "), "until it is told, the winner's loss");
    // The clock does not ask again.
    assert!(asked(&update(&mut state, AppEvent::Clock { now_ms: NOW_MS + 1_000 })).is_empty());
    let detail = |sample: u64| {
        let losses =
            state.snapshot.models.iter().zip([2.5, 2.25, 3.75]).map(|(model, loss)| (model.id, loss)).collect();
        Arc::new(SampleDetail { sample, source: "prose/walden.txt@4096".to_owned(), size_bytes: 1024, losses })
    };
    let (own, other) = (detail(sample), detail(sample + 1));
    update(&mut state, AppEvent::Engine(Event::Sample(other)));
    assert!(!shown(&state).contains("walden"), "of another sample");
    update(&mut state, AppEvent::Engine(Event::Sample(own)));
    let text = shown(&state);
    assert!(text.contains("walden.txt") && text.contains("A 2.5000 B 2.2500"), "{text}");
    // Elsewhere lies another one.
    assert!(!asked(&press(&mut state, "llllllllllllllllllll")).is_empty());
}
