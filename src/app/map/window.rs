//! The part of the plane that is seen: bounds that only grow while the basis stays, zoom, centre and cursor.

use crate::{api::MapView, app::layout::Area};

/// What lies beyond is not on the map.
const FARTHEST: f32 = 1e18;

/// The number at a share of the way between two others. Never decreases with the share.
fn wide(share: f64, (low, high): (f32, f32)) -> f64 {
    f64::from(low) + share * (f64::from(high) - f64::from(low))
}

fn share(value: f64, (low, high): (f32, f32)) -> f64 {
    (value - f64::from(low)) / (f64::from(high) - f64::from(low))
}

fn is_finite((x, y): (f32, f32)) -> bool {
    x.is_finite() && y.is_finite()
}

/// A rectangle of the plane, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub min: (f32, f32),
    pub max: (f32, f32),
}

impl Bounds {
    pub(super) fn around(points: impl Iterator<Item = (f32, f32)>) -> Option<Self> {
        let (mut min, mut max) = ((f32::INFINITY, f32::INFINITY), (f32::NEG_INFINITY, f32::NEG_INFINITY));
        // NaN is not near either.
        for (x, y) in points.filter(|(x, y)| x.abs() <= FARTHEST && y.abs() <= FARTHEST) {
            min = (min.0.min(x), min.1.min(y));
            max = (max.0.max(x), max.1.max(y));
        }
        (min.0 <= max.0).then_some(Self { min, max })
    }

    /// Room at the edges, and never empty.
    fn padded(self) -> Self {
        let pad = |low: f32, high: f32| {
            // Enough for numbers of this size to tell the cells of the closest look apart.
            let by = ((high - low) * 0.06).max(1e-3).max(low.abs().max(high.abs()) * 1e-3);
            (low - by, high + by)
        };
        let (x, y) = (pad(self.min.0, self.max.0), pad(self.min.1, self.max.1));
        Self { min: (x.0, y.0), max: (x.1, y.1) }
    }

    pub fn width(self) -> f32 {
        self.max.0 - self.min.0
    }

    pub fn height(self) -> f32 {
        self.max.1 - self.min.1
    }

    pub fn holds(self, (x, y): (f32, f32)) -> bool {
        x >= self.min.0 && x <= self.max.0 && y >= self.min.1 && y <= self.max.1
    }

    /// The point at these shares of width and height: the upper end at 1.
    fn place(self, (x, y): (f64, f64)) -> (f32, f32) {
        let axis = |at: f64, low: f32, high: f32| {
            let value = wide(at, (low, high)) as f32;
            if at < 1.0 { value.min(high) } else { high }
        };
        (axis(x, self.min.0, self.max.0), axis(y, self.min.1, self.max.1))
    }

    fn shares(self, (x, y): (f32, f32)) -> (f64, f64) {
        (share(x.into(), (self.min.0, self.max.0)), share(y.into(), (self.min.1, self.max.1)))
    }

    /// The middle of a cell of a plot that shows these bounds.
    pub fn point_at(self, column: u16, row: u16, plot: Area) -> (f32, f32) {
        let part = |at: u16, from: u16, of: u16| (f32::from(at.saturating_sub(from)) + 0.5) / f32::from(of.max(1));
        (
            self.min.0 + part(column, plot.x, plot.width) * self.width(),
            self.max.1 - part(row, plot.y, plot.height) * self.height(),
        )
    }

    /// The cell of a point, from the plot's upper left; `None`: outside.
    pub fn cell_of(self, (x, y): (f32, f32), plot: Area) -> Option<(u16, u16)> {
        if !self.holds((x, y)) || plot.width == 0 || plot.height == 0 {
            return None;
        }
        let cell = |part: f32, of: u16| ((part * f32::from(of)) as u16).min(of - 1);
        let across = cell((x - self.min.0) / self.width(), plot.width);
        Some((across, cell((self.max.1 - y) / self.height(), plot.height)))
    }
}

/// Places are kept in shares of everything, from 0 to 1 on each axis, and turned into the map's own numbers by one function that never
/// decreases: so what lies in the window lies in it whatever is rounded.
#[derive(Clone, Debug)]
pub(super) struct Window {
    basis: u64,
    all: Option<Bounds>,
    /// Doublings.
    pub zoom: u8,
    /// Lower left of what is seen.
    corner: (f64, f64),
    /// In what is seen.
    cursor: (f64, f64),
}

impl Default for Window {
    fn default() -> Self {
        Self { basis: 0, all: None, zoom: 0, corner: (0.0, 0.0), cursor: (0.5, 0.5) }
    }
}

const MOST_ZOOM: u8 = 10;
/// The cursor crosses the window in this many steps, a pan moves it by a quarter.
const STEPS: f64 = 40.0;
const PAN: f64 = 0.25;

/// Does the same on both axes.
fn both<A, B, C>(a: (A, A), b: (B, B), f: impl Fn(A, B) -> C) -> (C, C) {
    (f(a.0, b.0), f(a.1, b.1))
}

impl Window {
    /// Takes in a new picture. Gives whether it is another one altogether.
    pub fn follow(&mut self, map: &MapView) -> bool {
        let is_new = map.basis != self.basis;
        if is_new {
            *self = Self { basis: map.basis, ..Self::default() };
        }
        let samples = match map.tiles() {
            Some(tiles) => Bounds::around([tiles.min, tiles.max].into_iter()),
            None => Bounds::around(map.samples.iter().map(|p| (p.x, p.y))),
        };
        let corners = samples.into_iter().flat_map(|samples| [samples.min, samples.max]);
        let others = map.models.iter().map(|p| (p.x, p.y)).chain(map.targets.iter().map(|p| (p.x, p.y)));
        let Some(seen) = Bounds::around(corners.chain(others)) else { return is_new };
        match self.all {
            // A picture that moves with every new point cannot be read.
            Some(all) if all.holds(seen.min) && all.holds(seen.max) => {}
            Some(all) => self
                .grow(all, Bounds { min: both(all.min, seen.min, f32::min), max: both(all.max, seen.max, f32::max) }),
            None => self.all = Some(seen.padded()),
        }
        is_new
    }

    /// There is more to see: the middle of the window and the cursor stay where they are.
    fn grow(&mut self, from: Bounds, to: Bounds) {
        let moved = |(x, y): (f64, f64)| {
            let axis = |at: f64, from: (f32, f32), to: (f32, f32)| share(wide(at, from), to);
            let (xs, ys) =
                (((from.min.0, from.max.0), (to.min.0, to.max.0)), ((from.min.1, from.max.1), (to.min.1, to.max.1)));
            (axis(x, xs.0, xs.1), axis(y, ys.0, ys.1))
        };
        let half = self.size() / 2.0;
        let (middle, cursor) = (moved((self.corner.0 + half, self.corner.1 + half)), moved(self.cursor));
        self.all = Some(to);
        self.put((middle.0 - half, middle.1 - half), cursor);
    }

    /// What part of everything is seen, on each axis.
    fn size(&self) -> f64 {
        1.0 / f64::from(1_u16 << self.zoom)
    }

    /// Puts the window and the cursor in it where they may be.
    fn put(&mut self, corner: (f64, f64), cursor: (f64, f64)) {
        let size = self.size();
        self.corner = (corner.0.clamp(0.0, 1.0 - size), corner.1.clamp(0.0, 1.0 - size));
        self.cursor = both(cursor, self.corner, |cursor, corner| cursor.clamp(corner, corner + size));
    }

    /// What is seen: everything, or a part. `None` while there is nothing to see.
    pub fn visible(&self) -> Option<Bounds> {
        let (all, size) = (self.all?, self.size());
        Some(Bounds { min: all.place(self.corner), max: all.place((self.corner.0 + size, self.corner.1 + size)) })
    }

    pub fn cursor(&self) -> Option<(f32, f32)> {
        Some(self.all?.place(self.cursor))
    }

    /// Puts the cursor somewhere, and moves the window if it would not be seen there. What is not finite is nowhere.
    pub fn go(&mut self, point: (f32, f32)) {
        if let Some(all) = self.all.filter(|_| is_finite(point)) {
            self.move_to(all.shares(point));
        }
    }

    fn move_to(&mut self, to: (f64, f64)) {
        let (size, to) = (self.size(), (to.0.clamp(0.0, 1.0), to.1.clamp(0.0, 1.0)));
        let corner = both(self.corner, to, |corner, to| corner.clamp(to - size, to));
        self.put(corner, to);
    }

    /// Puts the cursor somewhere and the window around it.
    pub fn centre_on(&mut self, point: (f32, f32)) {
        if !is_finite(point) {
            return;
        }
        self.go(point);
        let half = self.size() / 2.0;
        self.put((self.cursor.0 - half, self.cursor.1 - half), self.cursor);
    }

    pub fn step(&mut self, dx: f32, dy: f32) {
        let by = self.size() / STEPS;
        self.move_to((self.cursor.0 + f64::from(dx) * by, self.cursor.1 + f64::from(dy) * by * 2.0));
    }

    /// Moves the window as far as there is anything to see, and the cursor with it.
    pub fn pan(&mut self, dx: f32, dy: f32) {
        let (size, before) = (self.size(), self.corner);
        let moved = both(before, (dx, dy), |corner, by| (corner + f64::from(by) * PAN * size).clamp(0.0, 1.0 - size));
        self.put(moved, (self.cursor.0 + moved.0 - before.0, self.cursor.1 + moved.1 - before.1));
    }

    /// Zooms so that a point stays where it is on the screen. The cursor comes along: the pointer is where the eye is.
    pub fn zoom(&mut self, closer: bool, point: (f32, f32)) {
        let Some(all) = self.all.filter(|_| is_finite(point)) else { return };
        let zoom = if closer { (self.zoom + 1).min(MOST_ZOOM) } else { self.zoom.saturating_sub(1) };
        if zoom == self.zoom {
            return;
        }
        self.zoom = zoom;
        let by = if closer { 0.5 } else { 2.0 };
        let corner = both(self.corner, all.shares(point), |corner, at| at - (at - corner) * by);
        self.put(corner, self.cursor);
    }

    /// Everything.
    pub fn whole(&mut self) {
        self.zoom = 0;
        self.put((0.0, 0.0), self.cursor);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::MapModel;

    fn window(points: &[(f32, f32)]) -> Window {
        let mut window = Window::default();
        let models = points.iter().map(|&(x, y)| MapModel { x, y, model: 0 });
        window.follow(&MapView { basis: 1, models: models.collect(), ..MapView::default() });
        window
    }

    proptest! {
        #[test]
        fn whatever_is_done_the_cursor_stays_in_a_window_that_stays_in_bounds(
            points in prop::collection::vec((-1e6f32..1e6, -1e6f32..1e6), 1..9),
            moves in prop::collection::vec((0u8..5, -1.0f32..2.0, -1.0f32..2.0), 0..60),
        ) {
            let mut window = window(&points);
            let all = window.all.unwrap();
            for (what, x, y) in moves {
                let point = (all.min.0 + x * all.width(), all.min.1 + y * all.height());
                match what {
                    0 => window.step(x * 3.0, y * 3.0),
                    1 => window.pan(x * 3.0, y * 3.0),
                    2 => window.zoom(true, point),
                    3 => window.zoom(false, point),
                    _ => window.go(point),
                }
                let seen = window.visible().unwrap();
                prop_assert!(all.holds(seen.min) && all.holds(seen.max), "{seen:?} in {all:?}");
                prop_assert!(seen.width() > 0.0 && seen.height() > 0.0, "{seen:?}");
                let cursor = window.cursor().unwrap();
                prop_assert!(seen.holds(cursor), "{cursor:?} in {seen:?}");
            }
            window.whole();
            prop_assert_eq!(window.visible(), Some(all));
        }
    }

    #[test]
    fn a_place_that_is_no_number_is_not_gone_to() {
        let mut window = window(&[(0.0, 0.0), (8.0, 8.0)]);
        window.zoom(true, (2.0, 2.0));
        let before = (window.visible(), window.cursor());
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for point in [(wrong, 1.0), (1.0, wrong), (wrong, wrong)] {
                window.go(point);
                window.zoom(true, point);
                window.centre_on(point);
                assert_eq!((window.visible(), window.cursor()), before, "{point:?}");
            }
        }
    }

    #[test]
    fn more_to_see_moves_neither_the_cursor_nor_the_middle_of_the_window() {
        let mut window = window(&[(0.0, 0.0), (8.0, 8.0)]);
        window.zoom(true, (2.0, 2.0));
        window.zoom(true, (2.0, 2.0));
        window.go((2.5, 1.5));
        let middle = |seen: Bounds| (f32::midpoint(seen.min.0, seen.max.0), f32::midpoint(seen.min.1, seen.max.1));
        let (before, cursor) = (middle(window.visible().unwrap()), window.cursor().unwrap());
        let models = vec![MapModel { x: -8.0, y: 9.5, model: 0 }];
        window.follow(&MapView { basis: 1, models, ..MapView::default() });
        let (after, seen) = (middle(window.visible().unwrap()), window.visible().unwrap());
        assert!((before.0 - after.0).abs() < 1e-5 && (before.1 - after.1).abs() < 1e-5, "{before:?} {after:?}");
        assert!(seen.holds(cursor) && window.all.unwrap().holds((-8.0, 9.5)));
        let now = window.cursor().unwrap();
        assert!((now.0 - cursor.0).abs() < 1e-5 && (now.1 - cursor.1).abs() < 1e-5);
    }

    #[test]
    fn zooming_keeps_the_point_under_the_pointer_and_panning_the_cursor_on_the_screen() {
        let mut window = window(&[(0.0, 0.0), (8.0, 8.0)]);
        let plot = Area { x: 3, y: 2, width: 80, height: 20 };
        let point = window.visible().unwrap().point_at(43, 6, plot);
        window.zoom(true, point);
        window.zoom(true, point);
        assert_eq!(window.visible().unwrap().cell_of(point, plot), Some((40, 4)));
        let (before, cursor) = (window.visible().unwrap(), window.cursor().unwrap());
        window.pan(1.0, 0.0);
        let (after, moved) = (window.visible().unwrap(), window.cursor().unwrap());
        assert!(after.min.0 > before.min.0);
        assert!(((moved.0 - after.min.0) - (cursor.0 - before.min.0)).abs() < 1e-4);
    }
}
