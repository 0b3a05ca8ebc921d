//! When to draw: on request, merged, not more often than the interval.

use std::{io, time::Duration};

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect, Size},
};
use tokio::time::Instant;

use super::Screen;

#[derive(Debug)]
pub struct Pictures {
    interval: Duration,
    wanted_since: Option<Instant>,
    next: Instant,
    /// Used again, so that a picture allocates nothing.
    canvas: Buffer,
}

impl Pictures {
    pub fn new(low_bandwidth: bool) -> Self {
        let interval = Duration::from_millis(if low_bandwidth { 500 } else { 33 });
        let now = Instant::now();
        Self { interval, wanted_since: Some(now), next: now, canvas: Buffer::default() }
    }

    pub fn request(&mut self) {
        self.wanted_since.get_or_insert_with(Instant::now);
    }

    /// When the next one is to be drawn, if one is wanted.
    pub fn due(&self) -> Option<Instant> {
        self.wanted_since.map(|_| self.next)
    }

    /// A burst of events that does not end must not hide the screen.
    pub fn overdue(&self) -> bool {
        let now = Instant::now();
        self.wanted_since.is_some_and(|since| now >= self.next + self.interval && now >= since + self.interval)
    }

    /// Draws at the terminal's size of this moment: a storm of resizes is drawn at its last size, whichever event came first.
    pub fn draw(&mut self, screen: &mut impl Screen, draw: impl FnOnce(Size, &mut Buffer)) -> io::Result<()> {
        self.wanted_since = None;
        self.next = Instant::now() + self.interval;
        let size = screen.size()?;
        self.canvas.resize(Rect::from((Position::ORIGIN, size)));
        self.canvas.reset();
        draw(size, &mut self.canvas);
        screen.present(&self.canvas)
    }
}
