//! What keys and the mouse do on the map.

use std::sync::Arc;

use super::{Bounds, plot};
use crate::{
    api::{Command, Level, MapColour, MapLayout},
    app::{Effect, Mouse, Pane, Place, Screen, State, actions::Action, update::note},
    primitives::counted,
};

/// The actions of the map's screen.
pub(in crate::app) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    let map = &mut state.map;
    let mut effects = vec![Effect::Redraw];
    match action {
        Action::ZoomIn | Action::ZoomOut => {
            if let Some(cursor) = map.cursor() {
                map.window.zoom(action == Action::ZoomIn, cursor);
            }
        }
        Action::WholeMap => map.window.whole(),
        Action::PanLeft => map.window.pan(-1.0, 0.0),
        Action::PanRight => map.window.pan(1.0, 0.0),
        Action::PanUp => map.window.pan(0.0, 1.0),
        Action::PanDown => map.window.pan(0.0, -1.0),
        Action::NextTarget => map.next_target(&Arc::clone(&state.snapshot)),
        Action::MapColour => {
            map.colour = match map.colour {
                MapColour::Model => MapColour::Source,
                MapColour::Source => MapColour::Margin,
                MapColour::Margin => MapColour::Model,
            };
        }
        Action::Coverage => map.coverage = !map.coverage,
        Action::HideOpen => map.hides_open = !map.hides_open,
        Action::NextRegion => {
            if !map.next_region(&Arc::clone(&state.snapshot).map) {
                return Some(note(state, Level::Info, "no region has an open target that nothing of ours hits"));
            }
        }
        Action::Box => match map.anchor {
            None => map.anchor = map.cursor(),
            Some(_) => return Some(finish_box(state)),
        },
        Action::Layout => {
            let to = match state.snapshot.map.layout {
                MapLayout::Principal => MapLayout::Neighbours,
                MapLayout::Neighbours => MapLayout::Principal,
            };
            effects.push(Effect::Send(Command::LayMapOut(to)));
            let text = match to {
                MapLayout::Principal => "laying the map out by its principal axes",
                MapLayout::Neighbours => "laying the map out by neighbours: this takes a few seconds",
            };
            note(state, Level::Info, text);
        }
        Action::ExportMap => effects.push(Effect::Send(Command::ExportMap(map.colour))),
        Action::Refit => {
            effects.push(Effect::Send(Command::RefitMap));
            note(state, Level::Info, "fitting the map again on what is in the library now");
        }
        _ => return None,
    }
    Some(effects)
}

/// Gives up a box. False: there was none.
pub(in crate::app) fn leave(state: &mut State) -> bool {
    state.map.pressed = None;
    state.screen == Screen::Pane(Pane::Map) && state.dialog.is_none() && state.map.anchor.take().is_some()
}

pub(in crate::app) fn move_by(state: &mut State, dx: f32, dy: f32) {
    state.map.window.step(dx, dy);
}

/// Shows a part again that was seen before, if it is there and nobody has gone elsewhere.
pub(in crate::app) fn look_at(state: &mut State, zoom: u8, centre: (f32, f32)) {
    let map = &mut state.map;
    if map.window.zoom > 0 || !map.visible().is_some_and(|all| all.holds(centre)) {
        return;
    }
    (0..zoom).for_each(|_| map.window.zoom(true, centre));
    map.window.centre_on(centre);
}

/// Page keys pan by a whole window; `isize::MIN` and `MAX` go to the edges.
pub(in crate::app) fn page(state: &mut State, by: isize) {
    let pages = match by {
        isize::MIN => 4_096.0,
        isize::MAX => -4_096.0,
        by => -4.0 * by.signum() as f32,
    };
    state.map.window.pan(0.0, pages);
}

/// Pins what is in the box, or, if all of it is pinned, unpins it.
fn finish_box(state: &mut State) -> Vec<Effect> {
    let (targets, all_pinned) = state.map.boxed_targets(&state.snapshot);
    state.map.anchor = None;
    if targets.is_empty() {
        return note(state, Level::Info, "no open target lies in the box");
    }
    let count = counted(targets.len() as u64, "target");
    let done = if all_pinned { "unpinned" } else { "pinned" };
    let mut effects = note(state, Level::Info, format!("{done} {count}"));
    effects.push(Effect::Send(Command::Pin { targets, on: !all_pinned }));
    effects
}

/// A click moves the cursor, a drag draws a box, the wheel zooms at the pointer. `None`: it is not for the map.
pub(in crate::app) fn mouse(state: &mut State, mouse: Mouse) -> Option<Vec<Effect>> {
    if state.place() != Place::Pane(Pane::Map) {
        return None;
    }
    let (Mouse::Down { column, row }
    | Mouse::Drag { column, row }
    | Mouse::Up { column, row }
    | Mouse::WheelUp { column, row }
    | Mouse::WheelDown { column, row }) = mouse;
    let (plot, seen): (_, Bounds) = (plot(state)?, state.map.visible()?);
    let is_inside = plot.contains(column, row);
    // A drag that leaves the plot ends at its edge.
    let inside = |at: u16, from: u16, size: u16| at.clamp(from, from + size.saturating_sub(1));
    let point = seen.point_at(inside(column, plot.x, plot.width), inside(row, plot.y, plot.height), plot);
    let map = &mut state.map;
    match mouse {
        Mouse::Down { .. } if is_inside => {
            map.pressed = Some(point);
            map.window.go(point);
        }
        Mouse::Drag { .. } if map.pressed.is_some() => {
            if map.anchor.is_none() && map.pressed != Some(point) {
                map.anchor = map.pressed;
            }
            map.window.go(point);
        }
        Mouse::Up { .. } if map.pressed.take().is_some() => {
            // A click while a box is open ends it, as its key does.
            if map.anchor.is_some() {
                return Some(finish_box(state));
            }
        }
        Mouse::WheelUp { .. } if is_inside => map.window.zoom(true, point),
        Mouse::WheelDown { .. } if is_inside => map.window.zoom(false, point),
        _ => return None,
    }
    Some(vec![Effect::Redraw])
}
