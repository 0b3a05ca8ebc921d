//! The line below a replayed screen: where the recording is, and the keys that move it.

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
use crate::app::Look;

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

/// Draws the bar into `area`, one row.
pub fn replay_bar(bar: &ReplayBar, look: Look, palette: Palette, area: Rect, buffer: &mut Buffer) {
    let ink = &mut Ink::with(look, palette, buffer);
    let state = if bar.playing { "playing" } else { "paused" };
    let badge = Span::styled(" REPLAY ", ink.theme.badge(ink.theme.accent()));
    let place = format!(" {} / {}  {state}", clock(bar.at_ms), clock(bar.length_ms));
    let speed = if bar.speed == 1.0 { String::new() } else { format!(" ×{}", bar.speed) };
    let speed = if look.ascii { speed.replace('×', "x") } else { speed };
    let arrows = if look.ascii { "Left/Right" } else { "←→" };
    let rest = match &bar.message {
        Some(message) => format!("  {}", clean(message)),
        None => {
            let follow = if bar.following { "" } else { "  f follow" };
            format!("  Space pause  {arrows} 10 s  , . step  < > speed{follow}  q leave")
        }
    };
    let start = format!("{place}{speed}");
    let room = usize::from(area.width).saturating_sub(8 + width(&start));
    let rest = fit(&rest, room, ink.theme.glyphs.ellipsis);
    let line = Line::from(vec![badge, Span::styled(start, ink.theme.strong()), Span::styled(rest, ink.theme.dim())]);
    ink.line(area, 0, &line);
}
