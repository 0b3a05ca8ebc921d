//! What is nearest to a place, without looking through all samples.

use super::Bounds;
use crate::api::{MapView, Tiles};

/// A point of the map: index into its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Near {
    /// Into [`MapView::targets`].
    Target(usize),
    /// Into [`MapView::models`].
    Model(usize),
    /// Into [`MapView::samples`].
    Sample(usize),
}

/// Distances are as the eye measures them.
struct Search {
    from: (f32, f32),
    scale: (f32, f32),
    /// Squared.
    least: f32,
    near: Option<Near>,
}

impl Search {
    fn see(&mut self, x: f32, y: f32, near: impl FnOnce() -> Near) {
        let away = ((x - self.from.0) * self.scale.0).powi(2) + ((y - self.from.1) * self.scale.1).powi(2);
        // NaN is not nearer than anything.
        if away < self.least {
            (self.least, self.near) = (away, Some(near()));
        }
    }
}

/// The point nearest to a place, targets before models before samples at the same spot.
pub(super) fn nearest(map: &MapView, from: (f32, f32), seen: Bounds) -> Option<Near> {
    let scale = (1.0 / seen.width(), 1.0 / seen.height());
    let mut search = Search { from, scale, least: f32::INFINITY, near: None };
    map.targets.iter().enumerate().for_each(|(at, p)| search.see(p.x, p.y, || Near::Target(at)));
    map.models.iter().enumerate().for_each(|(at, p)| search.see(p.x, p.y, || Near::Model(at)));
    match map.tiles() {
        Some(tiles) => around(map, tiles, &mut search),
        None => map.samples.iter().enumerate().for_each(|(at, p)| search.see(p.x, p.y, || Near::Sample(at))),
    }
    search.near
}

/// Ring by ring of tiles, until nothing farther out can be nearer.
fn around(map: &MapView, tiles: &Tiles, search: &mut Search) {
    let (column, row) = tiles.place(search.from.0, search.from.1);
    let last = tiles.side - 1;
    for ring in 0..=last {
        let (left, right) = (column.saturating_sub(ring), column.saturating_add(ring).min(last));
        let (bottom, top) = (row.saturating_sub(ring), row.saturating_add(ring).min(last));
        for at in bottom..=top {
            let is_edge = row.abs_diff(at) == ring;
            let mut run = |columns: (u16, u16)| {
                let run = tiles.run(at, columns);
                for (number, p) in run.clone().zip(&map.samples[run]) {
                    search.see(p.x, p.y, || Near::Sample(number));
                }
            };
            if is_edge {
                run((left, right));
                continue;
            }
            // Between the edges only the outermost tiles are new.
            [left, right].into_iter().filter(|at| column.abs_diff(*at) == ring).for_each(|at| run((at, at)));
        }
        if search.least <= beyond(tiles, (left, right), (bottom, top), search) {
            return;
        }
    }
}

/// At least how far everything is that lies outside of these tiles, squared; infinite if there is nothing.
fn beyond(tiles: &Tiles, columns: (u16, u16), rows: (u16, u16), search: &Search) -> f32 {
    let axis = |from: f32, scale: f32, low: f32, size: f32, (first, end): (u16, u16)| {
        let edge = |at: u16| low + f32::from(at) * size;
        let before = if first == 0 { f32::INFINITY } else { from - edge(first) };
        let after = if end + 1 == tiles.side { f32::INFINITY } else { edge(end + 1) - from };
        // What is rounded must not hide the nearest.
        (before.min(after) - size * 1e-3).max(0.0) * scale
    };
    let (size, scale) = (tiles.size(), search.scale);
    let x = axis(search.from.0, scale.0, tiles.min.0, size.0, columns);
    let y = axis(search.from.1, scale.1, tiles.min.1, size.1, rows);
    x.min(y).powi(2)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::api::MapPoint;

    proptest! {
        #[test]
        fn tiles_find_what_looking_through_everything_finds(
            places in prop::collection::vec((prop_oneof![9 => -3.0f32..3.0, 1 => prop::num::f32::ANY], -1.0f32..1.0), 1..60),
            from in (-5.0f32..5.0, -2.0f32..2.0),
            zoom in 0.01f32..4.0,
        ) {
            let point = |&(x, y): &(f32, f32)| MapPoint { x, y, model: 0, source: 0, loss: 1.0, margin: None, nearest: 0, sample: 0 };
            let mut samples: Vec<MapPoint> = places.iter().map(point).collect();
            let tiles = Tiles::order(&mut samples);
            let tiled = MapView { samples: Arc::new(samples), tiles: Arc::new(tiles), ..MapView::default() };
            let plain = MapView { tiles: Arc::default(), ..tiled.clone() };
            let seen = Bounds { min: (from.0 - zoom, from.1 - zoom), max: (from.0 + zoom, from.1 + 2.0 * zoom) };
            let away = |near: Option<Near>| {
                let Some(Near::Sample(at)) = near else { return None };
                let sample = &tiled.samples[at];
                Some(((sample.x - from.0) / seen.width()).hypot((sample.y - from.1) / seen.height()))
            };
            let (found, wanted) = (away(nearest(&tiled, from, seen)), away(nearest(&plain, from, seen)));
            prop_assert_eq!(found.is_some(), wanted.is_some());
            if let (Some(found), Some(wanted)) = (found, wanted) {
                prop_assert!(found <= wanted * 1.0001, "{} instead of {}", found, wanted);
            }
        }
    }
}
