//! A screen for the real loop and the real drawing: the bytes go through a terminal emulator.

use std::{
    fmt::Write as _,
    io,
    num::NonZeroU16,
    sync::{Arc, Mutex, MutexGuard},
};

use ratatui::{buffer::Buffer, layout::Size};
use somascope::terminal::{Painter, Screen};

/// What the emulator has seen, shared between the loop and the test.
pub struct Seen {
    pub parser: vt100::Parser,
    pub bytes: usize,
    /// Pictures that sent anything.
    pub pictures: usize,
    pub clipboard: Vec<String>,
    pub notified: Vec<(Option<String>, bool)>,
    pub mouse: bool,
    pub suspended: usize,
    /// The terminal was given back for good.
    pub left: bool,
    /// It takes nothing any more.
    pub broken: bool,
    size: Size,
}

#[derive(Clone)]
pub struct Shared(Arc<Mutex<Seen>>);

impl Shared {
    pub fn look(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().expect("no test panics while it looks")
    }

    /// The user pulls at the window's corner.
    pub fn resize(&self, width: u16, height: u16) {
        let mut seen = self.look();
        seen.size = Size { width, height };
        seen.parser.screen_mut().set_size(nonzero(height), nonzero(width));
    }

    pub fn text(&self) -> String {
        text(self.look().parser.screen())
    }
}

pub struct Emulator {
    painter: Painter,
    shared: Shared,
}

impl Emulator {
    pub fn new(width: u16, height: u16) -> (Self, Shared) {
        let shared = Shared(Arc::new(Mutex::new(Seen {
            parser: vt100::Parser::new(nonzero(height), nonzero(width), 0),
            bytes: 0,
            pictures: 0,
            clipboard: Vec::new(),
            notified: Vec::new(),
            mouse: false,
            suspended: 0,
            left: false,
            size: Size { width, height },
            broken: false,
        })));
        (Self { painter: Painter::new(true), shared: shared.clone() }, shared)
    }
}

impl Screen for Emulator {
    fn size(&self) -> io::Result<Size> {
        Ok(self.shared.look().size)
    }
    fn present(&mut self, picture: &Buffer) -> io::Result<()> {
        let bytes = self.painter.paint(picture);
        let mut seen = self.shared.look();
        if seen.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        seen.bytes += bytes.len();
        seen.pictures += usize::from(!bytes.is_empty());
        seen.parser.process(&bytes);
        Ok(())
    }
    fn forget(&mut self) {
        self.painter.forget();
    }
    fn capture_mouse(&mut self, on: bool) -> io::Result<()> {
        self.shared.look().mouse = on;
        Ok(())
    }
    fn to_clipboard(&mut self, text: &str) -> io::Result<()> {
        self.shared.look().clipboard.push(text.to_owned());
        Ok(())
    }
    fn notify(&mut self, text: Option<&str>, bell: bool) -> io::Result<()> {
        self.shared.look().notified.push((text.map(str::to_owned), bell));
        Ok(())
    }
    fn suspend(&mut self) -> io::Result<()> {
        self.shared.look().suspended += 1;
        Ok(())
    }
    fn resume(&mut self) -> io::Result<()> {
        self.painter.forget();
        Ok(())
    }
    fn farewell(&mut self, _words: &str) {
        self.shared.look().left = true;
    }
}

fn nonzero(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).expect("a terminal has at least one cell")
}

/// The screen as lines, trailing spaces dropped.
pub fn text(screen: &vt100::Screen) -> String {
    let (_, columns) = screen.size();
    let lines: Vec<_> = screen.rows(0, columns.get()).map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// Colours and weights: `row: from-to what, …`; rows that look the same are one line.
pub fn attributes(screen: &vt100::Screen) -> String {
    let (rows, _) = screen.size();
    let mut same: Vec<(u16, u16, String)> = Vec::new();
    for row in 0..rows.get() {
        let runs = runs(screen, row);
        match same.last_mut() {
            Some((_, last, before)) if *before == runs => *last = row,
            _ => same.push((row, row, runs)),
        }
    }
    let mut listing = String::new();
    for (first, last, runs) in same.iter().filter(|(.., runs)| !runs.is_empty()) {
        let rows = if first == last { first.to_string() } else { format!("{first}-{last}") };
        writeln!(listing, "{rows}: {runs}").expect("strings take everything");
    }
    listing
}

/// Blanks between two words in the same style belong to them.
fn runs(screen: &vt100::Screen, row: u16) -> String {
    let (_, columns) = screen.size();
    let mut runs: Vec<(u16, u16, String)> = Vec::new();
    let mut only_blanks = false;
    for column in 0..columns.get() {
        let Some(cell) = screen.cell(row, column) else { continue };
        let words = words(cell);
        match runs.last_mut() {
            Some((_, last, running)) if *running == words && (*last + 1 == column || only_blanks) => *last = column,
            _ if words.is_empty() => {
                only_blanks &= !cell.has_contents() || cell.contents() == " ";
                continue;
            }
            _ => runs.push((column, column, words)),
        }
        only_blanks = true;
    }
    let runs: Vec<_> = runs.iter().map(|(from, to, words)| format!("{from}-{to} {words}")).collect();
    runs.join(", ")
}

fn words(cell: &vt100::Cell) -> String {
    let mut words = Vec::new();
    let colour = |name: &str, colour| match colour {
        vt100::Color::Default => None,
        vt100::Color::Idx(n) => Some(format!("{name}{n}")),
        vt100::Color::Rgb(r, g, b) => Some(format!("{name}#{r:02x}{g:02x}{b:02x}")),
    };
    // A blank cell has no visible foreground.
    if cell.has_contents() && cell.contents() != " " || cell.inverse() {
        words.extend(colour("fg", cell.fgcolor()));
        words.extend(cell.bold().then(|| "bold".to_owned()));
        words.extend(cell.dim().then(|| "dim".to_owned()));
    }
    words.extend(colour("bg", cell.bgcolor()));
    words.extend(cell.inverse().then(|| "inverse".to_owned()));
    words.join(" ")
}
