//! One drawing, two kinds of files: vectors (SVG) and pixels (PNG).

use std::{error::Error, str::FromStr};

use plotters::{
    coord::Shift,
    drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea},
    prelude::{DrawingBackend, SVGBackend},
};

use super::canvas::{self, Canvas};

/// What can be drawn on either.
pub trait Drawing {
    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Png,
    Svg,
}

impl Format {
    /// By the end of a file's name.
    pub fn of_name(name: &str) -> Option<Self> {
        let end = name.rsplit_once('.')?.1;
        match end.to_ascii_lowercase().as_str() {
            "png" => Some(Self::Png),
            "svg" => Some(Self::Svg),
            _ => None,
        }
    }
}

/// Pixels; written `1200x800`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureSize {
    pub width: u32,
    pub height: u32,
}

impl Default for PictureSize {
    fn default() -> Self {
        Self { width: 1200, height: 800 }
    }
}

impl PictureSize {
    /// Smaller ones hold no chart, larger ones no memory.
    const LEAST: u32 = 200;
    const MOST: u32 = 8192;
}

impl FromStr for PictureSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let range = Self::LEAST..=Self::MOST;
        let side = |text: &str| text.parse().ok().filter(|side| range.contains(side));
        text.split_once(['x', '×'])
            .and_then(|(width, height)| Some(Self { width: side(width)?, height: side(height)? }))
            .ok_or_else(|| format!("a size is WIDTHxHEIGHT, each from {} to {} pixels", Self::LEAST, Self::MOST))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the picture could not be drawn: {0}")]
pub struct PictureError(String);

fn failed(error: impl Error) -> PictureError {
    PictureError(error.to_string())
}

/// The file's bytes.
pub fn render(drawing: &impl Drawing, format: Format, size: PictureSize) -> Result<Vec<u8>, PictureError> {
    match format {
        Format::Svg => {
            let mut text = String::new();
            let area = SVGBackend::with_string(&mut text, (size.width, size.height)).into_drawing_area();
            drawing.draw(&area).and_then(|()| area.present()).map_err(failed)?;
            drop(area);
            Ok(text.into_bytes())
        }
        Format::Png => {
            let mut pixels = canvas::blank(size.width, size.height);
            let area = Canvas::new(&mut pixels, size.width, size.height).into_drawing_area();
            drawing.draw(&area).and_then(|()| area.present()).map_err(failed)?;
            drop(area);
            canvas::to_png(&pixels, size.width, size.height).map_err(failed)
        }
    }
}
