//! What colours, weights and glyphs mean. Views ask for meanings; a [`Palette`] tells how they look. Nothing is told by its
//! colour alone: every meaning has a word or a glyph beside it, so any theme is enough.

mod file;
mod palette;

pub use file::{ThemeError, parse};
pub use palette::{BUILT_IN, Palette, built_in};

use ratatui::{
    style::{Modifier, Style},
    symbols::border,
};

use crate::{
    api::{Level, SubmissionState, TargetStage},
    app::Look,
};

/// Signs that exist in two alphabets.
#[derive(Clone, Copy, Debug)]
pub struct Glyphs {
    pub open: &'static str,
    pub hit: &'static str,
    pub sending: &'static str,
    pub ours: &'static str,
    pub good: &'static str,
    pub bad: &'static str,
    pub waiting: &'static str,
    pub quiet: &'static str,
    pub warning: &'static str,
    pub live: &'static str,
    pub selected: &'static str,
    pub dot: &'static str,
    pub ellipsis: &'static str,
    pub minus: &'static str,
    /// Eight heights.
    pub bars: [&'static str; 8],
    pub ruler: [&'static str; 4],
    pub border: border::Set<'static>,
    pub border_focused: border::Set<'static>,
}

const UNICODE: Glyphs = Glyphs {
    open: "◇",
    hit: "◆",
    sending: "↑",
    ours: "★",
    good: "✓",
    bad: "✗",
    waiting: "?",
    quiet: "·",
    warning: "!",
    live: "●",
    selected: "▶",
    dot: "·",
    ellipsis: "…",
    minus: "−",
    bars: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    ruler: ["─", "━", "●", "┃"],
    border: border::ROUNDED,
    border_focused: border::THICK,
};

const ASCII: Glyphs = Glyphs {
    open: "o",
    hit: "@",
    sending: "^",
    ours: "*",
    good: "+",
    bad: "x",
    waiting: "?",
    quiet: ".",
    warning: "!",
    live: "*",
    selected: ">",
    dot: ".",
    ellipsis: "..",
    minus: "-",
    bars: ["_", "_", ".", ".", "-", "-", "=", "#"],
    ruler: ["-", "=", "o", "|"],
    border: border::Set {
        top_left: "+",
        top_right: "+",
        bottom_left: "+",
        bottom_right: "+",
        vertical_left: "|",
        vertical_right: "|",
        horizontal_top: "-",
        horizontal_bottom: "-",
    },
    border_focused: border::Set {
        top_left: "#",
        top_right: "#",
        bottom_left: "#",
        bottom_right: "#",
        vertical_left: "#",
        vertical_right: "#",
        horizontal_top: "=",
        horizontal_bottom: "=",
    },
};

#[derive(Clone, Copy, Debug)]
pub struct Theme {
    pub glyphs: &'static Glyphs,
    palette: Palette,
    colour: bool,
}

impl Theme {
    /// `palette` is kept to weights where the look is without colour.
    pub fn new(look: Look, palette: Palette) -> Self {
        let palette = if look.colour { palette } else { palette.without_colour() };
        Self { glyphs: if look.ascii { &ASCII } else { &UNICODE }, palette, colour: look.colour }
    }

    pub fn is_ascii(self) -> bool {
        self.glyphs.ellipsis.is_ascii()
    }

    /// Whether colours can tell models apart; else letters must.
    pub fn has_colour(self) -> bool {
        self.colour && self.palette.has_colour()
    }

    /// Labels and what is known anyway.
    pub fn dim(self) -> Style {
        self.palette.dim
    }

    /// The number that matters.
    pub fn strong(self) -> Style {
        self.palette.strong
    }

    /// Where the keys go.
    pub fn focus(self) -> Style {
        self.palette.focus
    }

    /// The frame of a pane that has not the keys.
    pub fn border(self) -> Style {
        self.palette.border
    }

    /// Money that came in, a hit, a healthy connection.
    pub fn good(self) -> Style {
        self.palette.good
    }

    /// Something waits or is on its way.
    pub fn attention(self) -> Style {
        self.palette.attention
    }

    /// Something is lost or broken.
    pub fn bad(self) -> Style {
        self.palette.bad
    }

    pub fn accent(self) -> Style {
        self.palette.accent
    }

    /// A word set off from its line: modes, badges, the cursor's row.
    pub fn badge(self, style: Style) -> Style {
        style.add_modifier(Modifier::REVERSED | Modifier::BOLD)
    }

    pub fn cursor_row(self) -> Style {
        self.palette.cursor
    }

    /// One colour for each model, in the order of the snapshot's list; used again from the start after the last.
    pub fn model(self, index: usize) -> Style {
        self.palette.model(index)
    }

    pub fn level(self, level: Level) -> (&'static str, Style) {
        match level {
            Level::Info => (self.glyphs.dot, Style::new()),
            Level::Warning => (self.glyphs.warning, self.attention()),
            Level::Error => (self.glyphs.bad, self.bad()),
        }
    }

    pub fn stage(self, stage: TargetStage) -> (&'static str, Style) {
        match stage {
            TargetStage::Open => (self.glyphs.open, Style::new()),
            TargetStage::Hit => (self.glyphs.hit, self.good().add_modifier(Modifier::BOLD)),
            TargetStage::InFlight => (self.glyphs.sending, self.attention()),
            TargetStage::Ours => (self.glyphs.ours, self.accent()),
        }
    }

    /// Glyph, word and style of a submission's state.
    pub fn submission(self, state: SubmissionState) -> (&'static str, &'static str, Style) {
        let g = self.glyphs;
        match state {
            SubmissionState::AwaitingApproval => {
                (g.waiting, "to approve", self.attention().add_modifier(Modifier::BOLD))
            }
            SubmissionState::Found | SubmissionState::Confirmed => (g.quiet, state.word(), Style::new()),
            SubmissionState::Approved | SubmissionState::Uploaded | SubmissionState::Signed | SubmissionState::Sent => {
                (g.sending, state.word(), self.attention())
            }
            SubmissionState::Filled => (g.hit, state.word(), self.good()),
            SubmissionState::Claimable => (g.hit, state.word(), self.good().add_modifier(Modifier::BOLD)),
            SubmissionState::Claimed => (g.good, state.word(), self.good()),
            SubmissionState::Unknown => (g.warning, state.word(), self.attention()),
            SubmissionState::Lost | SubmissionState::Failed | SubmissionState::Forfeited => {
                (g.bad, state.word(), self.bad())
            }
            SubmissionState::Rejected | SubmissionState::Expired => (g.quiet, state.word(), self.dim()),
        }
    }
}
