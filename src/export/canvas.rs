//! Pixels: what plotters draws on for a PNG. Strokes and discs are anti-aliased by their distance to each pixel's centre.

use std::{
    convert::Infallible,
    io::{self, Write},
};

use flate2::{Compression, Crc, write::ZlibEncoder};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontTransform,
    text_anchor::{HPos, VPos},
};

use super::letters;

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

pub struct Canvas<'a> {
    width: u32,
    height: u32,
    /// RGB, row by row.
    pixels: &'a mut [u8],
}

/// Pixels of a white picture.
pub fn blank(width: u32, height: u32) -> Vec<u8> {
    vec![255; width as usize * height as usize * 3]
}

impl<'a> Canvas<'a> {
    /// `pixels` are as [`blank`] gives them.
    pub fn new(pixels: &'a mut [u8], width: u32, height: u32) -> Self {
        Self { width, height, pixels }
    }

    fn blend(&mut self, x: i32, y: i32, colour: BackendColor, coverage: f32) {
        let (Ok(column), Ok(row)) = (u32::try_from(x), u32::try_from(y)) else { return };
        if column >= self.width || row >= self.height {
            return;
        }
        let alpha = coverage.clamp(0.0, 1.0) * colour.alpha as f32;
        let at = (row as usize * self.width as usize + column as usize) * 3;
        for (pixel, ink) in self.pixels[at..at + 3].iter_mut().zip([colour.rgb.0, colour.rgb.1, colour.rgb.2]) {
            *pixel = (f32::from(*pixel) * (1.0 - alpha) + f32::from(ink) * alpha).round() as u8;
        }
    }

    /// Everything within `radius` of the path, each pixel once.
    fn stroke(&mut self, path: &[(f32, f32)], radius: f32, colour: BackendColor) {
        let reach = radius + 1.0;
        let limits = |values: &mut dyn Iterator<Item = f32>, size: u32| {
            let (low, high) = values.fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)));
            ((low - reach).floor().max(0.0) as i32, (high + reach).ceil().min(size as f32 - 1.0) as i32)
        };
        let (left, right) = limits(&mut path.iter().map(|point| point.0), self.width);
        let (top, bottom) = limits(&mut path.iter().map(|point| point.1), self.height);
        if path.is_empty() || left > right || top > bottom {
            return;
        }
        let columns = (right - left + 1) as usize;
        let mut nearest = vec![f32::MAX; columns * (bottom - top + 1) as usize];
        let whole = [path[0], path[0]];
        for ends in if path.len() == 1 { whole.windows(2) } else { path.windows(2) } {
            let (a, b) = (ends[0], ends[1]);
            let low = |p: f32, q: f32, edge: i32| ((p.min(q) - reach).floor() as i32).max(edge);
            let high = |p: f32, q: f32, edge: i32| ((p.max(q) + reach).ceil() as i32).min(edge);
            for y in low(a.1, b.1, top)..=high(a.1, b.1, bottom) {
                for x in low(a.0, b.0, left)..=high(a.0, b.0, right) {
                    let near = &mut nearest[(y - top) as usize * columns + (x - left) as usize];
                    *near = near.min(distance((x as f32, y as f32), a, b));
                }
            }
        }
        for (y, row) in (top..).zip(nearest.chunks(columns)) {
            for (x, near) in (left..).zip(row) {
                if *near < radius + 0.5 {
                    self.blend(x, y, colour, radius + 0.5 - near);
                }
            }
        }
    }
}

/// Pixels as a PNG file.
pub fn to_png(pixels: &[u8], width: u32, height: u32) -> io::Result<Vec<u8>> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = Vec::with_capacity(13);
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    // Eight bits a channel, RGB, deflate, filters by row, not interlaced.
    header.extend([8, 2, 0, 0, 0]);
    chunk(&mut png, b"IHDR", &header);
    let mut rows = ZlibEncoder::new(Vec::new(), Compression::default());
    for row in pixels.chunks(width as usize * 3) {
        rows.write_all(&[0])?;
        rows.write_all(row)?;
    }
    chunk(&mut png, b"IDAT", &rows.finish()?);
    chunk(&mut png, b"IEND", &[]);
    Ok(png)
}

fn chunk(png: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    png.extend((data.len() as u32).to_be_bytes());
    png.extend(kind);
    png.extend(data);
    let mut sum = Crc::new();
    sum.update(kind);
    sum.update(data);
    png.extend(sum.sum().to_be_bytes());
}

/// From a point to the segment between `a` and `b`.
fn distance(point: (f32, f32), a: (f32, f32), b: (f32, f32)) -> f32 {
    let (along, to) = ((b.0 - a.0, b.1 - a.1), (point.0 - a.0, point.1 - a.1));
    let length = along.0 * along.0 + along.1 * along.1;
    let share = if length > 0.0 { ((to.0 * along.0 + to.1 * along.1) / length).clamp(0.0, 1.0) } else { 0.0 };
    (to.0 - share * along.0).hypot(to.1 - share * along.1)
}

fn point((x, y): BackendCoord) -> (f32, f32) {
    (x as f32, y as f32)
}

fn half_width(style: &impl BackendStyle) -> f32 {
    style.stroke_width().max(1) as f32 / 2.0
}

impl DrawingBackend for Canvas<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, colour: BackendColor) -> Drawn {
        self.blend(x, y, colour, 1.0);
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.stroke(&[point(from), point(to)], half_width(style), style.color());
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        let path: Vec<_> = path.into_iter().map(point).collect();
        self.stroke(&path, half_width(style), style.color());
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(&mut self, a: BackendCoord, b: BackendCoord, style: &S, fill: bool) -> Drawn {
        if !fill {
            let corners = [a, (b.0, a.1), b, (a.0, b.1), a].map(point);
            self.stroke(&corners, half_width(style), style.color());
            return Ok(());
        }
        for y in a.1.min(b.1).max(0)..=a.1.max(b.1).min(self.height as i32 - 1) {
            for x in a.0.min(b.0).max(0)..=a.0.max(b.0).min(self.width as i32 - 1) {
                self.blend(x, y, style.color(), 1.0);
            }
        }
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(&mut self, centre: BackendCoord, radius: u32, style: &S, fill: bool) -> Drawn {
        let (centre, radius) = (point(centre), radius as f32);
        let reach = (radius + half_width(style) + 1.0).ceil() as i32;
        for dy in -reach..=reach {
            for dx in -reach..=reach {
                let far = (dx as f32).hypot(dy as f32);
                let coverage = if fill { radius + 0.5 - far } else { half_width(style) + 0.5 - (far - radius).abs() };
                if coverage > 0.0 {
                    self.blend(centre.0 as i32 + dx, centre.1 as i32 + dy, style.color(), coverage);
                }
            }
        }
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, at: BackendCoord) -> Drawn {
        let size = style.size() as f32;
        let unit = letters::unit(size);
        let dx = match style.anchor().h_pos {
            HPos::Left => 0.0,
            HPos::Right => -letters::width(text),
            HPos::Center => -letters::width(text) / 2.0,
        };
        let dy = match style.anchor().v_pos {
            VPos::Top => 0.0,
            VPos::Center => -letters::CAPITAL / 2.0,
            VPos::Bottom => -(letters::CAPITAL + letters::DESCENT),
        };
        let turn = |x: f32, y: f32| match style.transform() {
            FontTransform::None => (x, y),
            FontTransform::Rotate90 => (-y, x),
            FontTransform::Rotate180 => (-x, -y),
            FontTransform::Rotate270 => (y, -x),
        };
        for stroke in letters::strokes(text) {
            let path: Vec<_> = stroke
                .into_iter()
                .map(|(x, y)| {
                    let (x, y) = turn((x + dx) * unit, (y + dy) * unit);
                    (at.0 as f32 + x, at.1 as f32 + y)
                })
                .collect();
            self.stroke(&path, letters::pen(size), style.color());
        }
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        let unit = letters::unit(style.size() as f32);
        let (width, height) = (letters::width(text) * unit, (letters::CAPITAL + letters::DESCENT) * unit);
        Ok((width.ceil() as u32, height.ceil() as u32))
    }
}
