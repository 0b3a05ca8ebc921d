//! From the plane to dots, eight a cell.

use super::Bounds;
use crate::app::layout::Area;

/// Of a cell: two columns of four.
pub(super) const DOTS: usize = 8;

/// The dots of a plot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dots {
    seen: Bounds,
    across: Axis,
    down: Axis,
    width: u32,
    /// The cell of what lies in none, after all others.
    pub outside: u32,
}

impl Dots {
    pub fn over(seen: Bounds, area: Area) -> Self {
        let (width, height) = (u32::from(area.width), u32::from(area.height));
        let outside = width * height;
        // Of a plot without cells all is outside.
        let (across, down) = if outside == 0 { (0, 0) } else { (width * 2, height * 4) };
        Self {
            seen,
            across: Axis::over(seen.min.0, seen.width(), across),
            down: Axis::over(seen.max.1, -seen.height(), down),
            width,
            outside,
        }
    }

    pub fn cell(&self, x: f32, y: f32) -> usize {
        self.dot(x, y) as usize / DOTS
    }

    /// The number of a dot: eight of the first cell, eight of the next, row by row. What is not seen is in the cell [`outside`](Self::outside).
    pub fn dot(&self, x: f32, y: f32) -> u32 {
        let (min, max) = (self.seen.min, self.seen.max);
        // No branches: this is done for a hundred thousand places while somebody waits.
        let is_seen = (x >= min.0) & (x <= max.0) & (y >= min.1) & (y <= max.1);
        let (across, down) = (self.across.at(x), self.down.at(y));
        let cell = (down >> 2) * self.width + (across >> 1);
        if is_seen { cell << 3 | (down & 3) << 1 | (across & 1) } else { self.outside << 3 }
    }
}

/// From places to whole numbers from 0 up to, and without, a size.
#[derive(Clone, Copy, Debug)]
struct Axis {
    from: f32,
    scale: f32,
    most: f32,
    /// Parts of a dot that are told apart, as a power of two.
    parts: f32,
    shift: u32,
}

impl Axis {
    /// From here on a float has no fraction, and its low bits are the whole number.
    const WHOLE: f32 = 8_388_608.0;

    fn over(from: f32, length: f32, size: u32) -> Self {
        let shift = size.leading_zeros().saturating_sub(9).min(16);
        let parts = (1u32 << shift) as f32;
        Self { from, scale: size as f32 / length, most: (size as f32 - 0.5).max(0.0), parts, shift }
    }

    /// Through the bits of the float: a cast, which has to mind what fits no whole number, is done one by one.
    fn at(&self, value: f32) -> u32 {
        let at = (value - self.from) * self.scale;
        // NaN is 0.
        let at = if at > 0.0 { at } else { 0.0 };
        let at = if at < self.most { at } else { self.most };
        ((at * self.parts + Self::WHOLE).to_bits() & 0x7f_ffff) >> self.shift
    }
}
