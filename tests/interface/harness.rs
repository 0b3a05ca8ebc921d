//! A state, keys, and what a person sees then: pictures that went through a terminal emulator.

use std::sync::{Arc, LazyLock};

use ratatui::{buffer::Buffer, layout::Rect};
use somascope::{
    api::{Command, Snapshot},
    app::{AppEvent, Effect, Hits, Key, Look, Place, State, layout::Size, update, wizard::Wizard},
    terminal::Screen,
    views::{self, Palette, ReplayBar},
};

use crate::{
    emulator::{Emulator, Shared, attributes},
    fixture::{self, NOW_MS},
};

pub const COLOUR: Look = Look { ascii: false, colour: true };
/// As under `NO_COLOR`.
pub const MONO: Look = Look { ascii: false, colour: false };
pub const ASCII: Look = Look { ascii: true, colour: false };
/// Those that people have.
pub const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

/// A network in full swing. Made once: its many hashes are slow without optimisation.
pub fn busy() -> Snapshot {
    static BUSY: LazyLock<Snapshot> = LazyLock::new(fixture::busy);
    BUSY.clone()
}

/// Keys of a word. A line break is Enter, a tabulator Tab; arrows are themselves, ⇟ is a page down, and ⌫ empties a line.
pub fn keys(word: &str) -> Vec<Key> {
    let key = |c| match c {
        '\n' => Key::Enter,
        '\t' => Key::Tab,
        '\u{1b}' => Key::Esc,
        '⌫' => Key::Ctrl('u'),
        '↓' => Key::Down,
        '⇟' => Key::PageDown,
        c => Key::Char(c),
    };
    word.chars().map(key).collect()
}

/// Presses the keys of a word while no time passes.
pub fn press(state: &mut State, word: &str) -> Vec<Effect> {
    keys(word).into_iter().flat_map(|key| update(state, AppEvent::Key(key))).collect()
}

pub fn commands(effects: &[Effect]) -> Vec<Command> {
    let command = |effect: &Effect| if let Effect::Send(command) = effect { Some(command.clone()) } else { None };
    effects.iter().filter_map(command).collect()
}

/// Keys as a person presses them, with time in between.
pub mod person {
    use super::*;

    pub fn state(snapshot: Snapshot) -> State {
        after(snapshot, "")
    }

    /// No faster than a person, who reads a question before answering it.
    pub fn key(state: &mut State, key: Key) -> Vec<Effect> {
        if state.place() == Place::Confirm {
            reads(state);
        }
        let now_ms = state.now_ms + 300;
        update(state, AppEvent::Clock { now_ms });
        update(state, AppEvent::Key(key))
    }

    /// Long enough to see what the next answer is about.
    pub fn reads(state: &mut State) {
        let now_ms = state.now_ms + 600;
        update(state, AppEvent::Clock { now_ms });
    }

    /// The effects of all keys of a word.
    pub fn keys(state: &mut State, word: &str) -> Vec<Effect> {
        super::keys(word).into_iter().flat_map(|each| key(state, each)).collect()
    }
}

/// The state after the keys of a word.
pub fn state(snapshot: Snapshot, look: Look, (width, height): (u16, u16), word: &str) -> State {
    let mut state = State::new(look, Size { width, height }, NOW_MS, Arc::new(snapshot));
    press(&mut state, word);
    state
}

/// The same in the usual look and size.
pub fn after(snapshot: Snapshot, word: &str) -> State {
    state(snapshot, COLOUR, (120, 40), word)
}

pub fn take(state: &mut State, snapshot: Snapshot) -> Vec<Effect> {
    update(state, AppEvent::Snapshot(Arc::new(snapshot)))
}

pub fn picture(state: &State) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, state.size.width, state.size.height));
    views::draw(state, &mut buffer);
    buffer
}

/// What a click on the picture would mean.
pub fn hits(state: &State) -> Hits {
    views::draw(state, &mut Buffer::empty(Rect::new(0, 0, state.size.width, state.size.height)))
}

/// What a terminal makes of a picture.
pub fn emulate(picture: &Buffer) -> Shared {
    let (mut screen, shared) = Emulator::new(picture.area.width, picture.area.height);
    screen.present(picture).expect("the emulator takes everything");
    shared
}

pub fn text(state: &State) -> String {
    emulate(&picture(state)).text()
}

/// Whatever can be drawn.
pub enum Drawn {
    Screen(Box<State>),
    /// With the bar of a replay below it; of this size together.
    Replay(Box<State>, ReplayBar, Size),
    FirstRun(Box<Wizard>),
}

impl From<State> for Drawn {
    fn from(state: State) -> Self {
        Self::Screen(Box::new(state))
    }
}

impl From<(State, ReplayBar)> for Drawn {
    fn from((state, bar): (State, ReplayBar)) -> Self {
        let size = state.size;
        Self::Replay(Box::new(state), bar, size)
    }
}

impl From<Wizard> for Drawn {
    fn from(wizard: Wizard) -> Self {
        Self::FirstRun(Box::new(wizard))
    }
}

impl Drawn {
    /// The terminal has this size now, and wants to be drawn on like this.
    pub fn fit(&mut self, (width, height): (u16, u16), look: Look) {
        let size = Size { width, height };
        match self {
            Self::Screen(state) => {
                state.look = look;
                update(state, AppEvent::Resize(size));
            }
            Self::Replay(state, _, whole) => {
                *whole = size;
                state.look = look;
                update(state, AppEvent::Resize(ReplayBar::above(size)));
            }
            Self::FirstRun(wizard) => {
                wizard.look = look;
                wizard.on(&AppEvent::Resize(size));
            }
        }
    }

    fn size(&self) -> Size {
        match self {
            Self::Screen(state) => state.size,
            Self::Replay(_, _, size) => *size,
            Self::FirstRun(wizard) => wizard.size,
        }
    }

    pub fn picture(&self) -> Buffer {
        self.picture_in(Palette::default())
    }

    pub fn picture_in(&self, palette: Palette) -> Buffer {
        let Size { width, height } = self.size();
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        match self {
            Self::Screen(state) => drop(views::draw_with(state, palette, &mut buffer)),
            Self::Replay(state, bar, _) => drop(views::draw_replay(state, bar, palette, &mut buffer)),
            Self::FirstRun(wizard) => views::draw_wizard(wizard, palette, &mut buffer),
        }
        buffer
    }
}

/// Its pictures: the sizes that people have, in colour and without; the styles with the smallest.
pub fn shown(name: &str, drawn: impl Into<Drawn>) {
    let mut drawn = drawn.into();
    for size in SIZES {
        for (look, word) in [(COLOUR, "colour"), (MONO, "mono")] {
            drawn.fit(size, look);
            one(&format!("{name}_{}x{}_{word}", size.0, size.1), &drawn.picture(), size == SIZES[0]);
        }
    }
}

/// One picture.
pub fn one(name: &str, picture: &Buffer, with_styles: bool) {
    let screen = emulate(picture);
    let mut text = screen.text();
    if with_styles {
        let styles = attributes(screen.look().parser.screen());
        text = format!("{}\n\n{styles}", text.trim_end());
    }
    insta::with_settings!({
        snapshot_path => "../snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, text);
    });
}
