//! The part of the plane that is seen: bounds that only grow while the basis stays, zoom, centre and cursor.

use crate::{
    api::{MapPoint, MapView},
    app::layout::Area,
};

/// A rectangle of the plane, `min` inclusive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub min: (f32, f32),
    pub max: (f32, f32),
}

impl Bounds {
    pub(super) fn around(points: impl Iterator<Item = (f32, f32)>) -> Option<Self> {
        let (mut min, mut max) = ((f32::INFINITY, f32::INFINITY), (f32::NEG_INFINITY, f32::NEG_INFINITY));
        for (x, y) in points.filter(|(x, y)| x.is_finite() && y.is_finite()) {
            min = (min.0.min(x), min.1.min(y));
            max = (max.0.max(x), max.1.max(y));
        }
        (min.0 <= max.0).then_some(Self { min, max })
    }

    /// Room at the edges, and never empty.
    fn padded(self) -> Self {
        let pad = |low: f32, high: f32| {
            let by = ((high - low) * 0.06).max(1e-3);
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

#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    basis: u64,
    all: Option<Bounds>,
    /// Doublings.
    pub zoom: u8,
    centre: Option<(f32, f32)>,
    cursor: Option<(f32, f32)>,
}

const MOST_ZOOM: u8 = 10;
/// The cursor crosses the window in this many steps, a pan moves it by a quarter.
const STEPS: f32 = 40.0;
const PAN: f32 = 0.25;

impl Window {
    /// Takes in a new picture. Gives whether it is another one altogether.
    pub fn follow(&mut self, map: &MapView) -> bool {
        let is_new = map.basis != self.basis;
        if is_new {
            *self = Self { basis: map.basis, ..Self::default() };
        }
        let samples = map.samples.iter().map(|p: &MapPoint| (p.x, p.y));
        let others = map.models.iter().map(|p| (p.x, p.y)).chain(map.targets.iter().map(|p| (p.x, p.y)));
        let Some(seen) = Bounds::around(samples.chain(others)) else { return is_new };
        match self.all {
            // A picture that moves with every new point cannot be read.
            Some(all) if all.holds(seen.min) && all.holds(seen.max) => {}
            Some(all) => self.all = Bounds::around([all.min, all.max, seen.min, seen.max].into_iter()),
            None => self.all = Some(seen.padded()),
        }
        is_new
    }

    /// What is seen: everything, or a part. `None` while there is nothing to see.
    pub fn visible(&self) -> Option<Bounds> {
        let all = self.all?;
        if self.zoom == 0 {
            return Some(all);
        }
        let part = f32::from(1_u16 << self.zoom);
        let (width, height) = (all.width() / part, all.height() / part);
        let middle = (f32::midpoint(all.min.0, all.max.0), f32::midpoint(all.min.1, all.max.1));
        let (x, y) = self.centre.unwrap_or(middle);
        let left = (x - width / 2.0).clamp(all.min.0, (all.max.0 - width).max(all.min.0));
        let bottom = (y - height / 2.0).clamp(all.min.1, (all.max.1 - height).max(all.min.1));
        Some(Bounds { min: (left, bottom), max: (left + width, bottom + height) })
    }

    pub fn cursor(&self) -> Option<(f32, f32)> {
        let all = self.all?;
        let middle = (f32::midpoint(all.min.0, all.max.0), f32::midpoint(all.min.1, all.max.1));
        Some(self.cursor.unwrap_or(middle))
    }

    /// Puts the cursor somewhere, and moves the window if it would not be seen there.
    pub fn go(&mut self, (x, y): (f32, f32)) {
        let (Some(all), Some(seen)) = (self.all, self.visible()) else { return };
        let cursor = (x.clamp(all.min.0, all.max.0), y.clamp(all.min.1, all.max.1));
        self.cursor = Some(cursor);
        let shift = |at: f32, low: f32, high: f32| (at - high).max(0.0) + (at - low).min(0.0);
        let (dx, dy) = (shift(cursor.0, seen.min.0, seen.max.0), shift(cursor.1, seen.min.1, seen.max.1));
        if (dx, dy) != (0.0, 0.0) {
            self.look_at((f32::midpoint(seen.min.0, seen.max.0) + dx, f32::midpoint(seen.min.1, seen.max.1) + dy));
        }
    }

    /// Puts the cursor somewhere and the window around it.
    pub fn centre_on(&mut self, point: (f32, f32)) {
        self.go(point);
        self.look_at(point);
    }

    fn look_at(&mut self, centre: (f32, f32)) {
        self.centre = Some(centre);
        // As far as there is anything to see: panning back answers at once.
        self.centre =
            self.visible().map(|seen| (f32::midpoint(seen.min.0, seen.max.0), f32::midpoint(seen.min.1, seen.max.1)));
    }

    pub fn step(&mut self, dx: f32, dy: f32) {
        if let (Some((x, y)), Some(seen)) = (self.cursor(), self.visible()) {
            self.go((x + dx * seen.width() / STEPS, y + dy * seen.height() / STEPS * 2.0));
        }
    }

    /// Moves the window, and the cursor with it.
    pub fn pan(&mut self, dx: f32, dy: f32) {
        let (Some((x, y)), Some(seen)) = (self.cursor(), self.visible()) else { return };
        let middle = (f32::midpoint(seen.min.0, seen.max.0), f32::midpoint(seen.min.1, seen.max.1));
        self.look_at((middle.0 + dx * PAN * seen.width(), middle.1 + dy * PAN * seen.height()));
        if let Some(now) = self.visible() {
            self.cursor = Some((x + now.min.0 - seen.min.0, y + now.min.1 - seen.min.1));
        }
    }

    /// Zooms so that a point stays where it is on the screen.
    pub fn zoom(&mut self, closer: bool, (x, y): (f32, f32)) {
        let Some(seen) = self.visible() else { return };
        let zoom = if closer { (self.zoom + 1).min(MOST_ZOOM) } else { self.zoom.saturating_sub(1) };
        if zoom == self.zoom {
            return;
        }
        self.zoom = zoom;
        let by = if closer { 0.5 } else { 2.0 };
        let centre = |low: f32, size: f32, at: f32| at - (at - low) * by + size * by / 2.0;
        self.look_at((centre(seen.min.0, seen.width(), x), centre(seen.min.1, seen.height(), y)));
        if let (Some((x, y)), Some(now)) = (self.cursor(), self.visible()) {
            // The cursor comes along: the pointer is where the eye is.
            self.cursor = Some((x.clamp(now.min.0, now.max.0), y.clamp(now.min.1, now.max.1)));
        }
    }

    /// Everything.
    pub fn whole(&mut self) {
        (self.zoom, self.centre) = (0, None);
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
                // And what numbers of this size cannot tell apart.
                let slack = |low: f32, high: f32| (high - low) * 1e-3 + low.abs().max(high.abs()) * 1e-6;
                let slack = (slack(all.min.0, all.max.0), slack(all.min.1, all.max.1));
                prop_assert!(seen.min.0 >= all.min.0 - slack.0 && seen.max.0 <= all.max.0 + slack.0);
                prop_assert!(seen.min.1 >= all.min.1 - slack.1 && seen.max.1 <= all.max.1 + slack.1);
                let (x, y) = window.cursor().unwrap();
                prop_assert!(x >= seen.min.0 - slack.0 && x <= seen.max.0 + slack.0, "{x} in {seen:?}");
                prop_assert!(y >= seen.min.1 - slack.1 && y <= seen.max.1 + slack.1, "{y} in {seen:?}");
            }
            window.whole();
            prop_assert_eq!(window.visible(), Some(all));
        }
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
