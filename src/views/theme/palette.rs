//! How meanings look: three palettes of our own; others come from a file.

use ratatui::style::{Color, Modifier, Style};

/// Models have so many colours at most.
pub const MODELS: usize = 12;

/// A style for each meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    pub dim: Style,
    pub strong: Style,
    pub focus: Style,
    pub border: Style,
    pub good: Style,
    pub attention: Style,
    pub bad: Style,
    pub accent: Style,
    pub cursor: Style,
    pub(super) models: [Style; MODELS],
    pub(super) model_count: usize,
}

/// The names of our own palettes; the first is used where none is named.
pub const BUILT_IN: [&str; 3] = ["terminal", "colour-blind", "mono"];

/// The palette of this name, if it is one of ours.
pub fn built_in(name: &str) -> Option<Palette> {
    match name {
        "terminal" => Some(Palette::default()),
        "colour-blind" => Some(Palette::colour_blind()),
        "mono" => Some(Palette::default().without_colour()),
        _ => None,
    }
}

const fn plain(colour: Color) -> Style {
    Style::new().fg(colour)
}

impl Default for Palette {
    /// The terminal's own 16 colours on its own background; no dark blue, which many palettes make unreadable.
    fn default() -> Self {
        let accent = plain(Color::Cyan);
        Self {
            dim: Style::new().add_modifier(Modifier::DIM),
            strong: Style::new().add_modifier(Modifier::BOLD),
            focus: accent.add_modifier(Modifier::BOLD),
            border: Style::new().add_modifier(Modifier::DIM),
            good: plain(Color::Green),
            attention: plain(Color::Yellow),
            bad: plain(Color::Red),
            accent,
            cursor: Style::new().add_modifier(Modifier::REVERSED),
            models: [Style::new(); MODELS],
            model_count: 1,
        }
        .with_models(&[
            plain(Color::Cyan),
            plain(Color::Magenta),
            plain(Color::Yellow),
            plain(Color::Green),
            plain(Color::LightBlue),
            plain(Color::LightRed),
        ])
    }
}

impl Palette {
    /// Sky blue, yellow and vermilion instead of green, yellow and red: told apart with any kind of colour vision. Of the 256
    /// fixed colours, since a terminal's own sixteen may be anything.
    fn colour_blind() -> Self {
        let accent = plain(Color::Indexed(175));
        Self {
            focus: accent.add_modifier(Modifier::BOLD),
            good: plain(Color::Indexed(75)),
            attention: plain(Color::Indexed(220)),
            bad: plain(Color::Indexed(202)).add_modifier(Modifier::BOLD),
            accent,
            ..Self::default()
        }
        .with_models(&[75, 214, 36, 227, 202, 175].map(|n| plain(Color::Indexed(n))))
    }

    /// At least one and at most [`MODELS`] of `styles`.
    pub(super) fn with_models(mut self, styles: &[Style]) -> Self {
        for (place, style) in self.models.iter_mut().zip(styles) {
            *place = *style;
        }
        self.model_count = styles.len().clamp(1, MODELS);
        self
    }

    pub fn model(&self, index: usize) -> Style {
        self.models[index % self.model_count]
    }

    fn styles_mut(&mut self) -> impl Iterator<Item = &mut Style> {
        let Self { dim, strong, focus, border, good, attention, bad, accent, cursor, models, .. } = self;
        [dim, strong, focus, border, good, attention, bad, accent, cursor].into_iter().chain(models)
    }

    /// Weights only. Colours are for eyes that can tell them apart.
    #[must_use]
    pub fn without_colour(mut self) -> Self {
        for style in self.styles_mut() {
            (style.fg, style.bg) = (None, None);
        }
        self
    }

    pub(super) fn has_colour(&self) -> bool {
        self.models[..self.model_count].iter().any(|style| style.fg.is_some())
    }

    /// For terminals that know 256 colours and no more: the nearest of those.
    #[must_use]
    pub fn in_256_colours(mut self) -> Self {
        for style in self.styles_mut() {
            style.fg = style.fg.map(nearest);
            style.bg = style.bg.map(nearest);
        }
        self
    }
}

/// Of the 6×6×6 cube and the 24 greys.
fn nearest(colour: Color) -> Color {
    let Color::Rgb(r, g, b) = colour else { return colour };
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let level = |c: u8| (0..6_u8).min_by_key(|&n| LEVELS[usize::from(n)].abs_diff(c)).unwrap_or(0);
    let away = |to: [u8; 3]| to.into_iter().zip([r, g, b]).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum::<u32>();
    let cube = [level(r), level(g), level(b)];
    let grey = (0..24_u8).min_by_key(|n| away([8 + 10 * n; 3])).unwrap_or(0);
    if away([8 + 10 * grey; 3]) < away(cube.map(|n| LEVELS[usize::from(n)])) {
        Color::Indexed(232 + grey)
    } else {
        Color::Indexed(16 + 36 * cube[0] + 6 * cube[1] + cube[2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_a_palette() {
        assert!(BUILT_IN.iter().all(|name| built_in(name).is_some()));
        assert_eq!(built_in(BUILT_IN[0]), Some(Palette::default()));
        assert_eq!(built_in("solarised"), None);
    }

    #[test]
    fn colours_have_a_nearest_one_of_256() {
        assert_eq!(nearest(Color::Rgb(255, 95, 0)), Color::Indexed(202));
        assert_eq!(nearest(Color::Rgb(90, 90, 90)), Color::Indexed(240));
        assert_eq!(nearest(Color::Green), Color::Green);
    }

    #[test]
    fn mono_keeps_the_weights() {
        let mono = Palette::default().without_colour();
        assert!(!mono.has_colour());
        assert_eq!(mono.focus, Style::new().add_modifier(Modifier::BOLD));
    }
}
