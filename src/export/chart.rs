//! Rewards as a picture: what each epoch brought and cost, and what it came to.

use plotters::{
    coord::{Shift, types::RangedCoordf64},
    drawing::{DrawingArea, DrawingAreaErrorKind},
    prelude::{
        BLACK, Cartesian2d, ChartBuilder, ChartContext, Color, DrawingBackend, IntoFont, LineSeries, PathElement,
        RGBColor, Rectangle, Text, WHITE,
    },
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{letters, picture::Drawing, records::EpochRecord};
use crate::primitives::{SHANNONS_PER_SOMA, clean};

type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;
type Plane<'a, B> = ChartContext<'a, B, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

// Told apart by those who see few colours, and by their place: what came in stands above the line, what was lost below.
const EARNED: RGBColor = RGBColor(0, 158, 115);
const PENDING: RGBColor = RGBColor(86, 180, 233);
const FORFEITED: RGBColor = RGBColor(213, 94, 0);
const FEES: RGBColor = RGBColor(130, 130, 130);
const NET: RGBColor = RGBColor(0, 70, 140);
const GRID: RGBColor = RGBColor(225, 225, 225);

const FONT: &str = "sans-serif";
const LETTERS: i32 = 15;

/// Bars for each epoch, and below them the sum of all so far.
#[derive(Clone, Debug)]
pub struct RewardsChart {
    /// Whose rewards, where.
    pub title: String,
    /// Any order.
    pub epochs: Vec<EpochRecord>,
}

/// For drawing only.
fn soma(shannons: i128) -> f64 {
    shannons as f64 / SHANNONS_PER_SOMA as f64
}

impl Drawing for RewardsChart {
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Drawn<B> {
        area.fill(&WHITE)?;
        let (width, height) = area.dim_in_pixel();
        let mut epochs = self.epochs.clone();
        epochs.sort_by_key(|epoch| epoch.epoch);
        // A whole address in a narrow picture gets smaller letters.
        let wide = letters::width(&self.title) * letters::unit(1.0);
        let size = ((width as f32 - 32.0) / wide.max(1.0)).clamp(6.0, LETTERS as f32 + 5.0);
        let title = (FONT, f64::from(size)).into_font().color(&BLACK).pos(Pos::new(HPos::Left, VPos::Top));
        area.draw(&Text::new(clean(&self.title), (16, 12), title))?;
        let (Some(first), Some(last)) = (epochs.first(), epochs.last()) else {
            let style = (FONT, LETTERS).into_font().color(&FEES).pos(Pos::new(HPos::Center, VPos::Center));
            let middle = (width as i32 / 2, height as i32 / 2);
            return area.draw(&Text::new("no submission was filled yet", middle, style));
        };
        legend(area)?;
        let (_, charts) = area.split_vertically(64);
        let (upper, lower) = charts.split_vertically((height.saturating_sub(64)) * 3 / 5);
        let x = (first.epoch as f64 - 0.6)..(last.epoch as f64 + 0.6);

        let incoming = |epoch: &EpochRecord| soma(i128::from(epoch.earned.0) + i128::from(epoch.pending.0));
        let outgoing = |epoch: &EpochRecord| soma(i128::from(epoch.forfeited.0) + i128::from(epoch.fees.0));
        let high = epochs.iter().map(incoming).fold(0.0, f64::max);
        let low = -epochs.iter().map(outgoing).fold(0.0, f64::max);
        let mut plane = chart_on(&upper, x.clone(), padded(low, high))?;
        mesh(&mut plane, "SOMA by epoch", (first.epoch, last.epoch))?;
        let bars = epochs.iter().flat_map(|epoch| {
            let (earned, forfeited) = (soma(epoch.earned.0.into()), soma(epoch.forfeited.0.into()));
            let parts = [
                (0.0, earned, EARNED),
                (earned, incoming(epoch), PENDING),
                (-forfeited, 0.0, FORFEITED),
                (-outgoing(epoch), -forfeited, FEES),
            ];
            let (left, right) = (epoch.epoch as f64 - 0.38, epoch.epoch as f64 + 0.38);
            let bar = move |(from, to, colour): (f64, f64, RGBColor)| {
                Rectangle::new([(left, from), (right, to)], colour.filled())
            };
            parts.into_iter().filter(|(from, to, _)| from != to).map(bar)
        });
        plane.draw_series(bars)?;
        zero(&mut plane, x.clone())?;

        let mut sum = 0;
        let mut steps = Vec::with_capacity(epochs.len() * 2);
        for epoch in &epochs {
            steps.push((epoch.epoch as f64 - 0.5, soma(sum)));
            sum += epoch.net();
            steps.push((epoch.epoch as f64 - 0.5, soma(sum)));
        }
        steps.push((last.epoch as f64 + 0.5, soma(sum)));
        let (low, high) = steps.iter().fold((0.0, 0.0), |(low, high): (f64, f64), (_, y)| (low.min(*y), high.max(*y)));
        let mut plane = chart_on(&lower, x.clone(), padded(low, high))?;
        mesh(&mut plane, "net SOMA since the first", (first.epoch, last.epoch))?;
        zero(&mut plane, x)?;
        plane.draw_series(LineSeries::new(steps, NET.stroke_width(2)))?;
        Ok(())
    }
}

fn legend<B: DrawingBackend>(area: &DrawingArea<B, Shift>) -> Drawn<B> {
    let style = (FONT, LETTERS - 1).into_font().color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
    let mut x = 16;
    for (colour, word) in
        [(EARNED, "earned"), (PENDING, "pending"), (FORFEITED, "forfeited (down)"), (FEES, "fees (down)")]
    {
        area.draw(&Rectangle::new([(x, 44), (x + 12, 56)], colour.filled()))?;
        area.draw(&Text::new(word, (x + 18, 50), style.clone()))?;
        x += 44 + word.len() as i32 * 9;
    }
    Ok(())
}

/// A little air above and below, and never an empty range.
fn padded(low: f64, high: f64) -> std::ops::Range<f64> {
    let air = ((high - low) * 0.06).max(1e-9);
    (if low < 0.0 { low - air } else { 0.0 })..(high + air)
}

fn chart_on<'a, B: DrawingBackend>(
    area: &'a DrawingArea<B, Shift>,
    x: std::ops::Range<f64>,
    y: std::ops::Range<f64>,
) -> Result<Plane<'a, B>, DrawingAreaErrorKind<B::ErrorType>> {
    ChartBuilder::on(area)
        .margin_left(12)
        .margin_right(20)
        .margin_top(14)
        .x_label_area_size(28)
        .y_label_area_size(100)
        .build_cartesian_2d(x, y)
}

fn mesh<B: DrawingBackend>(plane: &mut Plane<'_, B>, what: &str, (first, last): (u64, u64)) -> Drawn<B> {
    let whole = |x: &f64| if (x - x.round()).abs() < 1e-6 { format!("{}", x.round()) } else { String::new() };
    let amount = |y: &f64| {
        let text = format!("{y:.6}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        if text.is_empty() || text == "-0" { "0".to_owned() } else { text.to_owned() }
    };
    let style = (FONT, LETTERS - 2).into_font().color(&BLACK);
    plane
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(FEES)
        .x_labels(usize::try_from(last - first + 1).unwrap_or(usize::MAX).min(16))
        .y_labels(7)
        .x_label_formatter(&whole)
        .y_label_formatter(&amount)
        .label_style(style)
        .x_desc("")
        .y_desc(what)
        .draw()
}

fn zero<B: DrawingBackend>(plane: &mut Plane<'_, B>, x: std::ops::Range<f64>) -> Drawn<B> {
    plane.draw_series([PathElement::new(vec![(x.start, 0.0), (x.end, 0.0)], BLACK)])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::{
        export::{Format, PictureSize, render},
        primitives::Shannons,
    };

    fn chart(epochs: u64) -> RewardsChart {
        let epochs = (0..epochs).map(|n| EpochRecord {
            epoch: 12 - n.min(12),
            filled: n,
            lost: 0,
            earned: Shannons(6_365_420 * (n % 4)),
            pending: Shannons(if n < 2 { 6_370_000 } else { 0 }),
            forfeited: Shannons(if n == 5 { 66_560 } else { 0 }),
            fees: Shannons(2_200 * n),
        });
        RewardsChart { title: "Rewards of <0x12> & \u{1b}[2J on devnet".into(), epochs: epochs.collect() }
    }

    /// Fails unless every element that is opened is closed, in order.
    fn assert_well_formed(svg: &str) {
        let mut open = Vec::new();
        let mut rest = svg;
        while let Some(start) = rest.find('<') {
            assert!(!rest[..start].contains('>'), "a bare > before {}", &rest[start..]);
            let end = start + rest[start..].find('>').expect("a tag ends");
            let tag = &rest[start + 1..end];
            match tag.strip_prefix('/') {
                _ if tag.starts_with(['?', '!']) || tag.ends_with('/') => {}
                Some(name) => assert_eq!(open.pop(), Some(name)),
                None => open.extend(tag.split_whitespace().next()),
            }
            rest = &rest[end + 1..];
        }
        assert!(open.is_empty(), "{open:?} are open");
    }

    #[test]
    fn an_svg_is_well_formed_and_says_what_it_shows() {
        for epochs in [0, 1, 9] {
            let bytes = render(&chart(epochs), Format::Svg, PictureSize::default()).expect("drawn");
            let svg = String::from_utf8(bytes).expect("text");
            assert!(svg.starts_with("<svg width=\"1200\" height=\"800\""), "{}", &svg[..120]);
            assert_well_formed(&svg);
            assert!(svg.contains("&lt;0x12&gt; &amp; ·[2J"), "the title is escaped");
            let says = if epochs == 0 { "no submission was filled yet" } else { "forfeited (down)" };
            assert!(svg.contains(says), "{epochs}");
        }
    }

    #[test]
    fn a_png_has_its_size_sound_sums_and_ink_of_every_kind() {
        let size = PictureSize { width: 640, height: 480 };
        let png = render(&chart(9), Format::Png, size).expect("drawn");
        assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
        let (mut at, mut data, mut kinds) = (8, Vec::new(), Vec::new());
        while at < png.len() {
            let length = u32::from_be_bytes(png[at..at + 4].try_into().expect("four")) as usize;
            let body = &png[at + 4..at + 8 + length];
            let mut sum = flate2::Crc::new();
            sum.update(body);
            assert_eq!(png[at + 8 + length..at + 12 + length], sum.sum().to_be_bytes());
            kinds.push(body[..4].to_vec());
            if body.starts_with(b"IHDR") {
                assert_eq!(body[4..12], [0, 0, 2, 128, 0, 0, 1, 224]);
            } else if body.starts_with(b"IDAT") {
                data.extend(&body[4..]);
            }
            at += 12 + length;
        }
        assert_eq!(kinds, [b"IHDR", b"IDAT", b"IEND"]);
        let mut pixels = Vec::new();
        flate2::read::ZlibDecoder::new(&data[..]).read_to_end(&mut pixels).expect("deflated");
        assert_eq!(pixels.len(), 480 * (1 + 640 * 3));
        let has = |colour: RGBColor| {
            pixels.chunks(1 + 640 * 3).any(|row| row[1..].as_chunks::<3>().0.contains(&[colour.0, colour.1, colour.2]))
        };
        // Fees are grey, like the axes.
        assert!([EARNED, PENDING, FORFEITED, FEES, NET, BLACK].into_iter().all(has));
    }

    #[test]
    fn small_pictures_and_large_numbers_are_drawn() {
        let mut many = chart(9);
        many.epochs[0].earned = Shannons(u64::MAX);
        many.epochs[1].epoch = u64::MAX >> 12;
        for size in [PictureSize { width: 200, height: 200 }, PictureSize { width: 201, height: 1000 }] {
            for format in [Format::Png, Format::Svg] {
                render(&many, format, size).expect("drawn");
            }
        }
    }
}
