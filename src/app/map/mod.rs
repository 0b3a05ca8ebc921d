//! The niche map: what part of it is seen and how, the cursor, the box, and the picture in cells that drawing copies.

mod acts;
mod dots;
mod near;
mod raster;
mod tally;
mod window;

use std::{collections::HashSet, sync::Arc};

use super::{
    Effect, Pane, Screen, State,
    layout::{Area, inner},
};
use crate::{
    api::{Command, MapColour, MapPart, MapPoint, MapTarget, MapView, SampleDetail, Snapshot, TargetStage},
    primitives::ObjectId,
};
use near::nearest;
use raster::Made;
use window::Window;

pub(super) use acts::{act, leave, look_at, mouse, move_by, page};
pub use near::Near;
pub use raster::{Cell, Raster, STAGES};
pub use window::Bounds;

/// How far a margin is beyond (or, below zero, short of) the threshold, in units of what distances to a random target scatter by.
pub fn z(margin: f32, dim: u64) -> f32 {
    margin * (dim as f32).sqrt()
}

#[derive(Clone, Debug, Default)]
pub struct MapWindow {
    window: Window,
    pub colour: MapColour,
    /// Regions are shown by what they lack, instead of the samples.
    pub coverage: bool,
    /// Targets that nothing of ours hits are left out.
    pub hides_open: bool,
    /// Where a box begins.
    anchor: Option<(f32, f32)>,
    /// Where the mouse was pressed.
    pressed: Option<(f32, f32)>,
    /// The region that was jumped to last.
    pub region: Option<usize>,
    jumped: Option<Jump>,
    raster: Option<Arc<Raster>>,
    /// The last one of the whole map: zooming out finds what was counted there.
    overview: Option<Arc<Raster>>,
    near: Option<Found>,
    /// The sample that the engine was last asked about, and what it told.
    asked: Option<u64>,
    sample: Option<Arc<SampleDetail>>,
}

/// Where the target lies that was jumped to last, and the cursor then.
#[derive(Clone, Copy, Debug)]
struct Jump {
    target: (f32, f32),
    cursor: Option<(f32, f32)>,
}

/// What is nearest to a place.
#[derive(Clone, Debug)]
struct Found {
    map: Arc<MapView>,
    at: (f32, f32),
    seen: Bounds,
    near: Option<Near>,
}

/// Where things lie on the full screen: the plot and the panel beside or below it.
pub fn places(body: Area) -> (Area, Area) {
    const SIDE: u16 = 32;
    let inner = inner(body);
    if inner.width >= 76 {
        let (plot, rest) = inner.split_left(inner.width - SIDE - 2);
        let (_, side) = rest.split_left(2);
        (plot, side)
    } else {
        // The map first.
        inner.split_top(inner.height - (inner.height / 3).min(6))
    }
}

/// The plot of a pane, above its legend.
fn pane_plot(area: Area) -> Area {
    let inner = inner(area);
    inner.split_top(inner.height - u16::from(inner.height > 3)).0
}

/// The plot that is on the screen.
fn plot(state: &State) -> Option<Area> {
    match state.screen {
        Screen::Dashboard => state.panes().area_of(Pane::Map).map(pane_plot),
        Screen::Pane(Pane::Map) => Some(places(state.frame().body).0),
        _ => None,
    }
}

/// Makes anew what drawing copies, if anything that it shows has changed.
pub(super) fn settle(state: &mut State) {
    let (Some(area), Some(seen)) = (plot(state), state.map.visible()) else { return };
    let snapshot = &state.snapshot;
    let made = Made {
        map: snapshot.map.clone(),
        targets: snapshot.targets.clone(),
        seen,
        area,
        colour: state.map.colour,
        classes: match state.map.colour {
            MapColour::Model => snapshot.models.len(),
            MapColour::Source => snapshot.map.sources.len(),
            MapColour::Margin => MapPoint::MARGINS.into(),
        },
        regions: state.map.coverage,
        dim: snapshot.network.embedding_dim,
    };
    if !state.map.raster.as_ref().is_some_and(|raster| raster.is_of(&made)) {
        let map = &mut state.map;
        let last = map.raster.as_ref();
        let alike = last.into_iter().chain(&map.overview).find(|raster| raster.is_drawn_as(&made));
        let raster = Arc::new(Raster::new(made, alike.or(last).map(|raster| &**raster)));
        if map.zoom() == 0 {
            map.overview = Some(Arc::clone(&raster));
        }
        map.raster = Some(raster);
    }
    if let (Screen::Pane(Pane::Map), Some(cursor)) = (state.screen, state.map.cursor()) {
        let map = &state.snapshot.map;
        let is_known = (state.map.near.as_ref())
            .is_some_and(|found| Arc::ptr_eq(&found.map, map) && (found.at, found.seen) == (cursor, seen));
        if !is_known {
            let near = nearest(map, cursor, seen);
            state.map.near = Some(Found { map: map.clone(), at: cursor, seen, near });
        }
    }
}

/// Asks about the sample under the cursor: a snapshot says of a hundred thousand only what is drawn.
pub(super) fn ask(state: &mut State) -> Option<Effect> {
    if state.screen != Screen::Pane(Pane::Map) {
        return None;
    }
    let Near::Sample(at) = state.map.near()? else { return None };
    let sample = state.snapshot.map.samples.get(at)?.sample;
    // 0: what a recording from before says.
    let is_new = sample != 0 && state.map.asked != Some(sample);
    is_new.then(|| {
        state.map.asked = Some(sample);
        Effect::Send(Command::LookAtSample(sample))
    })
}

pub(super) fn told(state: &mut State, detail: Arc<SampleDetail>) -> Vec<Effect> {
    state.map.sample = Some(detail);
    vec![Effect::Redraw]
}

impl MapWindow {
    /// What the engine told of a sample; `None`: nothing yet, or of another one.
    pub fn sample(&self, sample: u64) -> Option<&SampleDetail> {
        self.sample.as_deref().filter(|detail| detail.sample == sample)
    }

    pub(super) fn follow(&mut self, map: &MapView) {
        if self.window.follow(map) {
            (self.anchor, self.pressed, self.region) = (None, None, None);
        }
    }

    /// What is seen. `None` while there is nothing to see.
    pub fn visible(&self) -> Option<Bounds> {
        self.window.visible()
    }

    /// Doublings.
    pub fn zoom(&self) -> u8 {
        self.window.zoom
    }

    pub fn cursor(&self) -> Option<(f32, f32)> {
        self.window.cursor()
    }

    /// The picture, as of the last event.
    pub fn raster(&self) -> Option<&Raster> {
        self.raster.as_deref()
    }

    /// What is nearest to the cursor, on the full screen.
    pub fn near(&self) -> Option<Near> {
        self.near.as_ref().and_then(|found| found.near)
    }

    /// The box from its first corner to the cursor.
    pub fn boxed(&self) -> Option<Bounds> {
        let (anchor, cursor) = (self.anchor?, self.cursor()?);
        Bounds::around([anchor, cursor].into_iter())
    }

    /// The box, or without one the cursor. Whole cells: what a cell shows lies anywhere in it.
    fn chosen(&self) -> Option<Bounds> {
        let (cursor, seen) = (self.cursor()?, self.visible()?);
        let mut corners = self.boxed().unwrap_or(Bounds { min: cursor, max: cursor });
        if let Some(plot) = self.raster().map(Raster::area) {
            let (dx, dy) = (
                0.5 * seen.width() / f32::from(plot.width.max(1)),
                0.5 * seen.height() / f32::from(plot.height.max(1)),
            );
            corners.min = (corners.min.0 - dx, corners.min.1 - dy);
            corners.max = (corners.max.0 + dx, corners.max.1 + dy);
        }
        Some(corners)
    }

    /// The part of the map that the box or the cursor is about; `None` while there is no map.
    pub(super) fn part(&self, map: &MapView) -> Option<MapPart> {
        let (chosen, coverage) = (self.chosen()?, &map.coverage);
        MapPart::new(map.basis, [coverage.min, coverage.max], [chosen.min, chosen.max])
    }

    /// The open targets in the box, and whether all of them are pinned already.
    fn boxed_targets(&self, snapshot: &Snapshot) -> (Vec<ObjectId>, bool) {
        let Some(corners) = self.boxed().and_then(|_| self.chosen()) else { return (Vec::new(), false) };
        let rows = snapshot.map.targets.iter().filter(|target| corners.holds((target.x, target.y)));
        let rows = rows.filter_map(|target| snapshot.targets.get(target.row as usize));
        let open: Vec<_> = rows.filter(|row| row.stage != TargetStage::Ours).collect();
        (open.iter().map(|row| row.id).collect(), open.iter().all(|row| row.pinned))
    }

    /// To the target after the one under the cursor, hits first.
    fn next_target(&mut self, snapshot: &Snapshot) {
        let hit = |row: u32| snapshot.targets.get(row as usize).is_some_and(|row| row.stage == TargetStage::Hit);
        let finite = snapshot.map.targets.iter().filter(|p| p.x.is_finite() && p.y.is_finite());
        let (hits, others): (Vec<&MapTarget>, Vec<&MapTarget>) = finite.partition(|p| hit(p.row));
        let mut order: Vec<(f32, f32)> = hits.into_iter().chain(others).map(|p| (p.x, p.y)).collect();
        // Several may lie at one sample.
        let mut known = HashSet::new();
        order.retain(|(x, y)| known.insert((x.to_bits(), y.to_bits())));
        let stays = self.jumped.filter(|jump| jump.cursor == self.cursor());
        let here = stays.and_then(|jump| order.iter().position(|point| *point == jump.target));
        let next = here.map_or(0, |index| (index + 1) % order.len());
        if let Some(point) = order.get(next) {
            self.window.go(*point);
            self.jumped = Some(Jump { target: *point, cursor: self.cursor() });
        }
    }

    /// To the region after the last one that has something to earn, the most underserved first.
    fn next_region(&mut self, map: &MapView) -> bool {
        let coverage = &map.coverage;
        let paying = coverage.regions.iter().take_while(|region| region.need > 0.0).count();
        if paying == 0 {
            return false;
        }
        let next = self.region.map_or(0, |last| (last + 1) % paying);
        let region = coverage.regions[next];
        let middle =
            |low: f32, high: f32, at: u16, of: u16| low + (f32::from(at) + 0.5) / f32::from(of.max(1)) * (high - low);
        self.region = Some(next);
        self.coverage = true;
        self.window.centre_on((
            middle(coverage.min.0, coverage.max.0, region.column, coverage.columns),
            middle(coverage.min.1, coverage.max.1, region.row, coverage.rows),
        ));
        true
    }
}

#[cfg(test)]
mod tests;
