//! A replayed screen, and the line below it: where the recording is, and the keys that move it.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    panes::Ink,
    text::{clean, clock, fit, width},
    theme::Palette,
};
use crate::app::{Hits, Look, State, layout::Size};

/// What a replay tells about itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplayBar {
    pub at_ms: u64,
    pub length_ms: u64,
    pub speed: f32,
    pub playing: bool,
    /// The recorded person's keys are played, too.
    pub following: bool,
    /// A word to the viewer, in place of the keys.
    pub message: Option<String>,
}

impl ReplayBar {
    /// What is left above it, where there is room for both.
    pub fn above(size: Size) -> Size {
        Size { height: size.height - u16::from(size.height > 2), ..size }
    }
}

/// Draws a screen, and below it the bar where there is room for both; tells what lies where.
pub fn draw_replay(state: &State, bar: &ReplayBar, palette: Palette, picture: &mut Buffer) -> Hits {
    let (all, size) = (picture.area, state.size);
    let mut above = Buffer::empty(Rect::new(0, 0, size.width, size.height));
    let hits = super::draw_with(state, palette, &mut above);
    // As wide as each other, so the rows above the bar are the first cells.
    let cells = above.content.len().min(picture.content.len());
    picture.content[..cells].clone_from_slice(&above.content[..cells]);
    if size.height < all.height {
        draw_bar(bar, state.look, palette, Rect { y: size.height, height: 1, ..all }, picture);
    }
    hits
}

/// Into `area`, one row.
fn draw_bar(bar: &ReplayBar, look: Look, palette: Palette, area: Rect, buffer: &mut Buffer) {
    let ink = &mut Ink::with(look, palette, buffer);
    let state = match bar.playing {
        true => "playing",
        false if bar.at_ms >= bar.length_ms => "ended",
        false => "paused",
    };
    let badge = Span::styled(" REPLAY ", ink.theme.badge(ink.theme.accent()));
    let place = format!(" {} / {}  {state}", clock(bar.at_ms), clock(bar.length_ms));
    let speed = if bar.speed == 1.0 { String::new() } else { format!(" ×{}", bar.speed) };
    let speed = if look.ascii { speed.replace('×', "x") } else { speed };
    let arrows = if look.ascii { "Left/Right" } else { "←→" };
    let rest = match &bar.message {
        Some(message) => format!("  {}", clean(message)),
        None => {
            let follow = if bar.following { "" } else { "  f follow" };
            // What is most needed is what a narrow terminal shows.
            format!("  Space pause  q leave{follow}  {arrows} 10 s  , . step  < > speed")
        }
    };
    let start = format!("{place}{speed}");
    let room = usize::from(area.width).saturating_sub(8 + width(&start));
    let rest = fit(&rest, room, ink.theme.glyphs.ellipsis);
    let line = Line::from(vec![badge, Span::styled(start, ink.theme.strong()), Span::styled(rest, ink.theme.dim())]);
    ink.line(area, 0, &line);
}
