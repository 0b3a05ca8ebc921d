//! The niche map as a picture: samples by class, models by name, targets by what became of them.

use std::collections::BTreeMap;

use plotters::{
    coord::Shift,
    drawing::{DrawingArea, DrawingAreaErrorKind},
    prelude::{BLACK, Circle, Color, DrawingBackend, IntoFont, Polygon, RGBColor, Rectangle, Text, WHITE},
    style::text_anchor::{HPos, Pos, VPos},
};

use super::picture::Drawing;
use crate::primitives::clean;

type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// Told apart by those who see few colours; again from the start after the last.
const CLASSES: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
    RGBColor(148, 130, 20),
    RGBColor(120, 94, 180),
];
/// From a hit to what is far from one, and what was never measured.
const MARGINS: [RGBColor; 6] = [
    RGBColor(0, 130, 60),
    RGBColor(230, 159, 0),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(160, 160, 160),
    RGBColor(205, 205, 205),
];
const GREY: RGBColor = RGBColor(120, 120, 120);
const FRAME: RGBColor = RGBColor(200, 200, 200);
const HIT: RGBColor = RGBColor(0, 130, 60);
const SENDING: RGBColor = RGBColor(213, 94, 0);
const OURS: RGBColor = RGBColor(0, 70, 140);

const FONT: &str = "sans-serif";
const LETTERS: i32 = 14;
/// Pixels of a dot: samples that share one are one dot, so that a picture of a hundred thousand stays small.
const DOT: i32 = 3;
const TOP: i32 = 62;
const SIDE: i32 = 276;
/// Narrower pictures have no legend.
const WIDE: u32 = 520;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    Open,
    Hit,
    Sending,
    Ours,
}

impl Mark {
    fn word(self) -> &'static str {
        match self {
            Self::Open => "open target",
            Self::Hit => "hit by ours",
            Self::Sending => "in flight",
            Self::Ours => "filled by us",
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct MapChart {
    pub title: String,
    /// What the map shows, below the title.
    pub about: String,
    /// Place and class.
    pub samples: Vec<(f32, f32, u16)>,
    /// What the classes are called, over the legend.
    pub by: String,
    /// Name of each class and how many samples it has.
    pub classes: Vec<(String, u64)>,
    /// Classes are steps of one scale, not names.
    pub is_scale: bool,
    pub models: Vec<(f32, f32, String)>,
    pub targets: Vec<(f32, f32, Mark)>,
}

/// Pixels of a plane that fits everything.
struct Fit {
    min: (f32, f32),
    scale: (f32, f32),
    corner: (i32, i32),
    size: (i32, i32),
}

impl Fit {
    fn new(points: impl Iterator<Item = (f32, f32)>, corner: (i32, i32), size: (i32, i32)) -> Option<Self> {
        let finite = points.filter(|(x, y)| x.is_finite() && y.is_finite());
        let bounds = finite.fold(None, |bounds: Option<[f32; 4]>, (x, y)| {
            let [a, b, c, d] = bounds.unwrap_or([x, y, x, y]);
            Some([a.min(x), b.min(y), c.max(x), d.max(y)])
        })?;
        let [left, bottom, right, top] = bounds;
        let padded = |low: f32, high: f32| ((high - low) * 0.04).max(1e-3);
        let (x, y) = (padded(left, right), padded(bottom, top));
        let scale = (size.0 as f32 / (right - left + 2.0 * x), size.1 as f32 / (top - bottom + 2.0 * y));
        Some(Self { min: (left - x, bottom - y), scale, corner, size })
    }

    fn pixel(&self, (x, y): (f32, f32)) -> Option<(i32, i32)> {
        if !(x.is_finite() && y.is_finite()) {
            return None;
        }
        let across = ((x - self.min.0) * self.scale.0) as i32;
        let up = ((y - self.min.1) * self.scale.1) as i32;
        Some((self.corner.0 + across, self.corner.1 + self.size.1 - up))
    }
}

impl MapChart {
    fn colour(&self, class: u16) -> RGBColor {
        match self.is_scale {
            true => MARGINS[usize::from(class).min(MARGINS.len() - 1)],
            false if usize::from(class) >= self.classes.len() => GREY,
            false => CLASSES[usize::from(class) % CLASSES.len()],
        }
    }
}

impl Drawing for MapChart {
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Drawn<B> {
        area.fill(&WHITE)?;
        let (width, height) = area.dim_in_pixel();
        let has_legend = width >= WIDE;
        let plot = ((width as i32 - if has_legend { SIDE } else { 16 }).max(1), (height as i32 - TOP - 16).max(1));
        let left = Pos::new(HPos::Left, VPos::Top);
        area.draw(&Text::new(clean(&self.title), (16, 10), (FONT, LETTERS + 5).into_font().color(&BLACK).pos(left)))?;
        area.draw(&Text::new(clean(&self.about), (16, 36), (FONT, LETTERS).into_font().color(&GREY).pos(left)))?;
        let corner = (16, TOP);
        let size = (plot.0 - 16, plot.1);
        area.draw(&Rectangle::new([corner, (corner.0 + size.0, corner.1 + size.1)], FRAME))?;
        let points = self.samples.iter().map(|point| (point.0, point.1));
        let points = points.chain(self.models.iter().map(|model| (model.0, model.1)));
        let points = points.chain(self.targets.iter().map(|target| (target.0, target.1)));
        let Some(fit) = Fit::new(points, corner, size) else { return Ok(()) };
        self.draw_samples(area, &fit)?;
        let mut targets = self.targets.clone();
        // What matters lies on top.
        targets.sort_by_key(|target| target.2);
        for (x, y, mark) in targets {
            if let Some(at) = fit.pixel((x, y)) {
                draw_mark(area, at, mark)?;
            }
        }
        for (x, y, name) in &self.models {
            if let Some(at) = fit.pixel((*x, *y)) {
                area.draw(&Circle::new(at, 10, BLACK.filled()))?;
                let style = (FONT, LETTERS).into_font().color(&WHITE).pos(Pos::new(HPos::Center, VPos::Center));
                area.draw(&Text::new(clean(name), at, style))?;
            }
        }
        if has_legend { self.draw_legend(area, (width as i32 - SIDE + 16, TOP), height as i32) } else { Ok(()) }
    }
}

impl MapChart {
    /// One dot for all samples of a few pixels, in the colour of most of them, the stronger the more they are.
    fn draw_samples<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, fit: &Fit) -> Drawn<B> {
        let mut dots: BTreeMap<(i32, i32), BTreeMap<u16, u32>> = BTreeMap::new();
        for (x, y, class) in &self.samples {
            if let Some((x, y)) = fit.pixel((*x, *y)) {
                *dots.entry((y / DOT, x / DOT)).or_default().entry(*class).or_default() += 1;
            }
        }
        for ((y, x), classes) in dots {
            let count: u32 = classes.values().sum();
            let most = classes.iter().max_by_key(|(class, count)| (**count, std::cmp::Reverse(**class)));
            let colour = self.colour(most.map_or(0, |(class, _)| *class));
            let strength = (0.6 + 0.13 * f64::from(count.ilog2())).min(1.0);
            let corner = (x * DOT, y * DOT);
            let dot = Rectangle::new([corner, (corner.0 + DOT - 1, corner.1 + DOT - 1)], colour.mix(strength).filled());
            area.draw(&dot)?;
        }
        Ok(())
    }

    fn draw_legend<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        (x, mut y): (i32, i32),
        height: i32,
    ) -> Drawn<B> {
        let pos = Pos::new(HPos::Left, VPos::Center);
        let (plain, dim) =
            ((FONT, LETTERS).into_font().color(&BLACK).pos(pos), (FONT, LETTERS).into_font().color(&GREY).pos(pos));
        let line = 20;
        y += 8;
        area.draw(&Text::new(clean(&self.by), (x, y), dim.clone()))?;
        // Room for the targets and the last two lines.
        let room = ((height - y - 9 * line) / line).max(1) as usize;
        for (class, (name, count)) in self.classes.iter().enumerate().take(room) {
            y += line;
            let colour = self.colour(u16::try_from(class).unwrap_or(u16::MAX));
            area.draw(&Rectangle::new([(x, y - 6), (x + 12, y + 6)], colour.filled()))?;
            let name: String = clean(name).chars().take(16).collect();
            area.draw(&Text::new(format!("{name}  {count}"), (x + 20, y), plain.clone()))?;
        }
        if let Some(more @ 1..) = self.classes.len().checked_sub(room) {
            y += line;
            area.draw(&Text::new(format!("and {more} more"), (x + 20, y), dim.clone()))?;
        }
        y += line / 2;
        for mark in [Mark::Hit, Mark::Sending, Mark::Ours, Mark::Open] {
            let count = self.targets.iter().filter(|target| target.2 == mark).count();
            if count > 0 {
                y += line;
                draw_mark(area, (x + 6, y), mark)?;
                area.draw(&Text::new(format!("{}  {count}", mark.word()), (x + 20, y), plain.clone()))?;
            }
        }
        y += line + line / 2;
        area.draw(&Text::new("a target is drawn at our nearest", (x, y), dim.clone()))?;
        area.draw(&Text::new("sample, 1/4 towards its models", (x, y + line), dim))
    }
}

fn draw_mark<B: DrawingBackend>(area: &DrawingArea<B, Shift>, (x, y): (i32, i32), mark: Mark) -> Drawn<B> {
    let diamond = |size: i32| vec![(x, y - size), (x + size, y), (x, y + size), (x - size, y)];
    match mark {
        // An outline, so that what lies below is seen.
        Mark::Open => {
            area.draw(&Polygon::new(diamond(4), BLACK.mix(0.55).filled()))?;
            area.draw(&Polygon::new(diamond(2), WHITE.filled()))
        }
        Mark::Hit => area.draw(&Polygon::new(diamond(7), HIT.filled())),
        Mark::Sending => area.draw(&Polygon::new(vec![(x, y - 7), (x + 7, y + 6), (x - 7, y + 6)], SENDING.filled())),
        Mark::Ours => area.draw(&Rectangle::new([(x - 5, y - 5), (x + 5, y + 5)], OURS.filled())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::{Format, PictureSize, render};

    fn chart() -> MapChart {
        let at = |n: u16| (f32::from(n % 37) / 37.0, f32::from(n % 53) / 53.0);
        MapChart {
            title: "Niches of <0x12> & \u{1b}[2J".into(),
            about: "by model".into(),
            samples: (0..5_000).map(|n| (at(n).0, at(n).1, n % 3)).collect(),
            by: "Samples by winning model".into(),
            classes: (0..3).map(|n| (format!("model {n}"), 5_000 / 3)).collect(),
            is_scale: false,
            models: vec![(0.2, 0.2, "A".into()), (0.8, 0.7, "B".into())],
            targets: vec![(0.5, 0.5, Mark::Open), (0.1, 0.9, Mark::Hit), (f32::NAN, 0.0, Mark::Ours)],
        }
    }

    #[test]
    fn an_svg_has_every_part_and_merges_samples_that_share_their_pixels() {
        let bytes = render(&chart(), Format::Svg, PictureSize::default()).expect("drawn");
        let svg = String::from_utf8(bytes).expect("text");
        for part in
            ["&lt;0x12&gt; &amp; ·[2J", "Samples by winning model", "model 2  1666", "open target  1", "hit by ours  1"]
        {
            assert!(svg.contains(part), "{part}");
        }
        let dots = svg.matches("<rect").count();
        assert!((1_500..2_500).contains(&dots), "37 × 53 places: {dots}");
    }

    #[test]
    fn every_size_is_drawn_and_nothing_at_all_too() {
        for chart in [chart(), MapChart::default(), MapChart { is_scale: true, ..chart() }] {
            for (width, height) in [(200, 200), (520, 200), (1600, 1000)] {
                for format in [Format::Png, Format::Svg] {
                    let bytes = render(&chart, format, PictureSize { width, height }).expect("drawn");
                    assert!(bytes.len() > 100);
                }
            }
        }
    }
}
