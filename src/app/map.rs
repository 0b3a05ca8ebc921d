//! The window through which the niche map is seen: bounds that only grow while the basis stays, zoom and cursor.

use std::sync::Arc;

use super::{Effect, State, actions::Action};
use crate::api::{MapPoint, MapView};

/// A rectangle of the projection plane, `min` inclusive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub min: (f32, f32),
    pub max: (f32, f32),
}

impl Bounds {
    fn around(points: impl Iterator<Item = (f32, f32)>) -> Option<Self> {
        points.fold(None, |bounds, (x, y)| {
            let Self { min, max } = bounds.unwrap_or(Self { min: (x, y), max: (x, y) });
            Some(Self { min: (min.0.min(x), min.1.min(y)), max: (max.0.max(x), max.1.max(y)) })
        })
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

    fn holds(self, (x, y): (f32, f32)) -> bool {
        x >= self.min.0 && x <= self.max.0 && y >= self.min.1 && y <= self.max.1
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NearKind {
    Target,
    Model,
    Sample,
}

/// The point nearest to the cursor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Near {
    pub kind: NearKind,
    pub point: MapPoint,
}

#[derive(Clone, Debug, Default)]
pub struct MapWindow {
    basis: u64,
    all: Option<Bounds>,
    /// Doublings.
    pub zoom: u8,
    cursor: Option<(f32, f32)>,
}

const MOST_ZOOM: u8 = 6;
/// The cursor crosses the window in this many steps.
const STEPS: f32 = 40.0;

pub(super) fn finite(point: &MapPoint) -> bool {
    point.x.is_finite() && point.y.is_finite()
}

impl MapWindow {
    pub(super) fn follow(&mut self, map: &MapView) {
        if map.basis != self.basis {
            *self = Self { basis: map.basis, ..Self::default() };
        }
        let points = map.samples.iter().chain(&map.models).chain(&map.targets);
        let Some(seen) = Bounds::around(points.filter(|p| finite(p)).map(|p| (p.x, p.y))) else { return };
        match self.all {
            // A picture that moves with every new point cannot be read.
            Some(all) if all.holds(seen.min) && all.holds(seen.max) => {}
            Some(all) => self.all = Bounds::around([all.min, all.max, seen.min, seen.max].into_iter()),
            None => self.all = Some(seen.padded()),
        }
    }

    /// What is seen: everything, or a part around the cursor. `None` while there is nothing to see.
    pub fn visible(&self) -> Option<Bounds> {
        let all = self.all?;
        let part = f32::from(1_u16 << self.zoom);
        let (width, height) = (all.width() / part, all.height() / part);
        let (x, y) = self.cursor(all);
        let left = (x - width / 2.0).clamp(all.min.0, (all.max.0 - width).max(all.min.0));
        let bottom = (y - height / 2.0).clamp(all.min.1, (all.max.1 - height).max(all.min.1));
        Some(Bounds { min: (left, bottom), max: (left + width, bottom + height) })
    }

    fn cursor(&self, all: Bounds) -> (f32, f32) {
        self.cursor.unwrap_or((all.min.0 + all.width() / 2.0, all.min.1 + all.height() / 2.0))
    }

    pub fn cursor_point(&self) -> Option<(f32, f32)> {
        self.all.map(|all| self.cursor(all))
    }

    pub(super) fn step(&mut self, dx: f32, dy: f32) {
        if let (Some(all), Some(seen)) = (self.all, self.visible()) {
            let (x, y) = self.cursor(all);
            self.cursor = Some((
                (x + dx * seen.width() / STEPS).clamp(all.min.0, all.max.0),
                (y + dy * seen.height() / STEPS * 2.0).clamp(all.min.1, all.max.1),
            ));
        }
    }

    pub(super) fn zoom_in(&mut self) {
        self.zoom = (self.zoom + 1).min(MOST_ZOOM);
    }

    pub(super) fn zoom_out(&mut self) {
        self.zoom = self.zoom.saturating_sub(1);
    }

    /// To the target after the one under the cursor, hits first.
    pub(super) fn next_target(&mut self, map: &MapView) {
        let (hits, others): (Vec<&MapPoint>, Vec<&MapPoint>) =
            map.targets.iter().filter(|p| finite(p)).partition(|p| p.hit);
        let order: Vec<_> = hits.into_iter().chain(others).map(|p| (p.x, p.y)).collect();
        let here = self.cursor.and_then(|cursor| order.iter().position(|point| *point == cursor));
        let next = here.map_or(0, |index| (index + 1) % order.len());
        self.cursor = order.get(next).copied().or(self.cursor);
    }

    /// The point nearest to the cursor as the eye measures it, targets before models before samples at the same spot.
    pub fn near(&self, map: &MapView) -> Option<Near> {
        let seen = self.visible()?;
        let (x, y) = self.cursor_point()?;
        let away = |p: &MapPoint| ((p.x - x) / seen.width()).powi(2) + ((p.y - y) / seen.height()).powi(2);
        let kinds =
            [(NearKind::Target, &map.targets), (NearKind::Model, &map.models), (NearKind::Sample, &map.samples)];
        kinds
            .into_iter()
            .flat_map(|(kind, points)| points.iter().filter(|p| finite(p)).map(move |&point| Near { kind, point }))
            .min_by(|a, b| away(&a.point).total_cmp(&away(&b.point)))
    }
}

/// What the registry's actions do here; `None` for those of other screens.
pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    match action {
        Action::ZoomIn => state.map.zoom_in(),
        Action::ZoomOut => state.map.zoom_out(),
        Action::NextTarget => state.map.next_target(&Arc::clone(&state.snapshot).map),
        _ => return None,
    }
    Some(Vec::new())
}
