//! From one picture to the next in few bytes: over SSH, bytes are what a dashboard costs.
//!
//! Cells that look the same are not sent, blanks at the end of a line are erased, colours are told by what changes, and
//! small gaps are written over rather than jumped. A picture is one write, and a large one asks the terminal to show it at
//! once (synchronized output, mode 2026; terminals that do not know it ignore it).

use ratatui::buffer::{Buffer, Cell, CellWidth};

use super::sgr::{Pen, is_blank, same};
use crate::views::is_plain;

const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";
/// Fewer bytes than this reach the terminal in one piece anyway.
const SMALL: usize = 256;
/// A jump to the right takes at least so many bytes.
const JUMP: usize = 4;

/// Knows what the terminal shows.
#[derive(Debug)]
pub struct Painter {
    shown: Option<Buffer>,
    sync: bool,
}

impl Painter {
    /// `sync`: ask for synchronized output.
    pub fn new(sync: bool) -> Self {
        Self { shown: None, sync }
    }

    /// The terminal shows something else now: the next picture is painted whole.
    pub fn forget(&mut self) {
        self.shown = None;
    }

    /// The bytes that bring `picture` to the terminal; none if it is there already. They are to be sent whole and in order.
    pub fn paint(&mut self, picture: &Buffer) -> Vec<u8> {
        let mut strokes = Strokes { out: Vec::new(), pen: Pen::PLAIN, cursor: None, width: picture.area.width };
        let width = usize::from(picture.area.width).max(1);
        let rows = (0..picture.area.height).zip(picture.content.chunks_exact(width));
        match self.shown.as_mut().filter(|shown| shown.area == picture.area) {
            Some(shown) => {
                for ((y, row), old) in rows.zip(shown.content.chunks_exact_mut(width)) {
                    if strokes.row(y, Some(old), row) {
                        old.clone_from_slice(row);
                    }
                }
            }
            None => {
                // Whoever wrote before us may have left any colour.
                strokes.out.extend_from_slice(b"\x1b[m");
                for (y, row) in rows {
                    strokes.row(y, None, row);
                }
                self.shown = Some(picture.clone());
            }
        }
        strokes.pen.change(Pen::PLAIN, &mut strokes.out);
        let out = strokes.out;
        if self.sync && out.len() > SMALL { [BEGIN, &out, END].concat() } else { out }
    }
}

/// Columns that a cell's letters fill. Most are known without looking them up.
fn columns(cell: &Cell) -> u16 {
    let mut letters = cell.symbol().chars();
    let is_known = letters.next().is_some_and(is_plain) && letters.next().is_none();
    if is_known { 1 } else { cell.cell_width() }
}

/// The bytes of a picture as they grow, with what they make of the terminal.
struct Strokes {
    out: Vec<u8>,
    pen: Pen,
    /// Where the next letter goes; unknown at the start, at the right edge, and after letters that terminals disagree about.
    cursor: Option<(u16, u16)>,
    width: u16,
}

impl Strokes {
    /// `old`: what the terminal shows in this row; `None` where nobody knows. Whether anything is to be seen of the change.
    fn row(&mut self, y: u16, old: Option<&[Cell]>, new: &[Cell]) -> bool {
        let changed = |x: usize| old.is_none_or(|old| !same(&old[x], &new[x]));
        let Some(first) = (0..new.len()).find(|x| changed(*x)) else { return false };
        let is_odd = |cells: &[Cell]| cells.iter().any(|cell| columns(cell) != 1);
        if is_odd(new) || old.is_some_and(is_odd) {
            self.odd_row(y, old, new, first);
            return true;
        }
        // From here on the line is empty.
        let is_empty = |cell: &Cell| is_blank(cell) && Pen::of(cell) == Pen::PLAIN;
        let end = new.iter().rposition(|cell| !is_empty(cell)).map_or(0, |last| last + 1);
        let tail = (end..new.len()).find(|x| changed(*x));
        let erase = tail.filter(|tail| (tail + 4..new.len()).any(&changed) || old.is_none());
        let stop = erase.unwrap_or(new.len());
        let mut x = first;
        while x < stop {
            if changed(x) {
                self.close_gap(x, y, new);
                self.letter(x, y, &new[x]);
            }
            x += 1;
        }
        if let Some(tail) = erase {
            self.go(tail as u16, y);
            if !Pen::PLAIN.eq(&self.pen) {
                self.pen.change(Pen::PLAIN, &mut self.out);
                self.pen = Pen::PLAIN;
            }
            self.out.extend_from_slice(b"\x1b[K");
        }
        true
    }

    /// A row with wide letters, now or before: from the first change on it is written again.
    fn odd_row(&mut self, y: u16, old: Option<&[Cell]>, new: &[Cell], first: usize) {
        let covers = |cells: &[Cell], x: usize| columns(&cells[x]) > 1;
        let mut x = first;
        // A letter may begin left of the cell that changed.
        while x > 0 && (covers(new, x - 1) || old.is_some_and(|old| covers(old, x - 1))) {
            x -= 1;
        }
        self.go(x as u16, y);
        self.pen.change(Pen::PLAIN, &mut self.out);
        self.pen = Pen::PLAIN;
        // Halves of wide letters that nothing writes over must not stay.
        self.out.extend_from_slice(b"\x1b[K");
        while x < new.len() {
            self.letter(x, y, &new[x]);
            x += usize::from(columns(&new[x]).max(1));
        }
    }

    /// Brings the cursor to `x`, over unchanged letters if that is shorter than a jump.
    fn close_gap(&mut self, x: usize, y: u16, new: &[Cell]) {
        if let Some((from, row)) = self.cursor
            && row == y
            && usize::from(from) < x
        {
            let gap = &new[usize::from(from)..x];
            let bytes: usize = gap.iter().map(|cell| cell.symbol().len()).sum();
            if bytes <= JUMP && gap.iter().all(|cell| self.pen.suits(cell)) {
                for cell in gap {
                    self.out.extend_from_slice(cell.symbol().as_bytes());
                }
                self.cursor = Some((x as u16, y));
            }
        }
        self.go(x as u16, y);
    }

    fn letter(&mut self, x: usize, y: u16, cell: &Cell) {
        self.go(x as u16, y);
        if !self.pen.suits(cell) {
            let pen = Pen::of(cell);
            self.pen.change(pen, &mut self.out);
            self.pen = pen;
        }
        // Nothing of width nothing is drawn: it would join the letter before it.
        let (symbol, width) = match columns(cell) {
            0 => (" ", 1),
            // No half of a letter at the edge.
            width if usize::from(width) > usize::from(self.width) - x => (" ", 1),
            width => (cell.symbol(), width),
        };
        self.out.extend_from_slice(symbol.as_bytes());
        let next = x as u16 + width;
        // Terminals agree on the width of plain letters; at the edge they wait with the next line in different ways.
        self.cursor = (width == 1 && symbol.chars().nth(1).is_none() && next < self.width).then_some((next, y));
    }

    fn go(&mut self, x: u16, y: u16) {
        match self.cursor {
            Some((cx, cy)) if (cx, cy) == (x, y) => return,
            Some((cx, cy)) if cy == y && cx < x => {
                let by = x - cx;
                self.out
                    .extend_from_slice(if by == 1 { "\x1b[C".to_owned() } else { format!("\x1b[{by}C") }.as_bytes());
            }
            Some((_, cy)) if cy + 1 == y && x == 0 => self.out.extend_from_slice(b"\r\n"),
            _ => {
                let column = if x == 0 { String::new() } else { format!(";{}", x + 1) };
                self.out.extend_from_slice(format!("\x1b[{}{column}H", y + 1).as_bytes());
            }
        }
        self.cursor = Some((x, y));
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use proptest::prelude::*;
    use ratatui::{
        layout::Rect,
        style::{Color, Modifier, Style},
    };

    use super::*;

    const SIZE: (u16, u16) = (24, 5);

    fn terminal() -> vt100::Parser {
        let nonzero = |n| NonZeroU16::new(n).unwrap_or(NonZeroU16::MIN);
        vt100::Parser::new(nonzero(SIZE.1), nonzero(SIZE.0), 0)
    }

    /// What a person sees: letters, and colours where they show.
    fn seen(parser: &vt100::Parser) -> Vec<String> {
        let cell = |row, column| {
            let Some(cell) = parser.screen().cell(row, column) else { return String::new() };
            let letter = if cell.has_contents() { cell.contents() } else { " " };
            let marked = cell.inverse() || cell.underline();
            let fore = (letter != " " || marked).then(|| (cell.fgcolor(), cell.bold(), cell.dim(), cell.italic()));
            format!("{letter:?} {fore:?} {:?} {} {}", cell.bgcolor(), cell.inverse(), cell.underline())
        };
        (0..SIZE.1).flat_map(|row| (0..SIZE.0).map(move |column| cell(row, column))).collect()
    }

    fn style() -> impl Strategy<Value = Style> {
        let colours = [
            Color::Reset,
            Color::Red,
            Color::LightBlue,
            Color::White,
            Color::Indexed(3),
            Color::Indexed(200),
            Color::Rgb(1, 2, 3),
        ];
        let weights = [Modifier::empty(), Modifier::BOLD, Modifier::DIM, Modifier::REVERSED, Modifier::UNDERLINED];
        let colour = || proptest::sample::select(colours.to_vec());
        let weight = || proptest::sample::select(weights.to_vec());
        (colour(), colour(), weight(), weight())
            .prop_map(|(fg, bg, one, other)| Style::new().fg(fg).bg(bg).add_modifier(one | other))
    }

    /// Words here and there.
    fn picture() -> impl Strategy<Value = Buffer> {
        let word =
            proptest::sample::select(vec!["a", "  ", "bc", " d  e ", "──╮", "日本", "x日", "e\u{301}", "⣿⠁", "f    g"]);
        proptest::collection::vec((0..SIZE.0, 0..SIZE.1, word, style()), 0..14).prop_map(|words| {
            let mut buffer = Buffer::empty(Rect::new(0, 0, SIZE.0, SIZE.1));
            for (x, y, word, style) in words {
                buffer.set_string(x, y, word, style);
            }
            // As the drawing library leaves them: nothing behind a wide letter.
            for y in 0..SIZE.1 {
                let mut x = 0;
                while x < SIZE.0 {
                    let width = buffer[(x, y)].cell_width().max(1);
                    if x + width > SIZE.0 {
                        buffer[(x, y)].set_symbol(" ");
                    }
                    for behind in x + 1..(x + width).min(SIZE.0) {
                        buffer[(behind, y)].reset();
                    }
                    x += width;
                }
            }
            buffer
        })
    }

    proptest! {
        #[test]
        fn from_any_picture_to_any_other_the_terminal_ends_with_it(pictures in proptest::collection::vec(picture(), 1..5)) {
            let (mut painter, mut terminal_after) = (Painter::new(true), terminal());
            terminal_after.process(b"\x1b[31;7mwhat somebody left here\r\nand here");
            for picture in &pictures {
                terminal_after.process(&painter.paint(picture));
                let mut whole = terminal();
                whole.process(&Painter::new(false).paint(picture));
                prop_assert_eq!(seen(&terminal_after), seen(&whole));
                prop_assert!(painter.paint(picture).is_empty());
            }
        }
    }

    #[test]
    fn a_picture_is_on_the_terminal_as_it_was_drawn() {
        let mut picture = Buffer::empty(Rect::new(0, 0, SIZE.0, SIZE.1));
        picture.set_string(2, 1, "hello", Style::new().fg(Color::Green).add_modifier(Modifier::BOLD));
        picture.set_string(20, 4, "edge", Style::new());
        let mut terminal = terminal();
        terminal.process(&Painter::new(true).paint(&picture));
        assert_eq!(terminal.screen().contents(), "\n  hello\n\n\n                    edge");
        let cell = terminal.screen().cell(1, 2).map(|cell| (cell.fgcolor(), cell.bold()));
        assert_eq!(cell, Some((vt100::Color::Idx(2), true)));
    }

    #[test]
    fn a_changed_digit_costs_its_place_and_itself() {
        let mut picture = Buffer::empty(Rect::new(0, 0, SIZE.0, SIZE.1));
        picture.set_string(0, 3, "scored 1,845", Style::new());
        let mut painter = Painter::new(true);
        painter.paint(&picture);
        picture.set_string(0, 3, "scored 1,846", Style::new());
        assert_eq!(painter.paint(&picture), b"\x1b[4;12H6");
        picture.set_string(0, 3, "none        ", Style::new());
        assert_eq!(painter.paint(&picture), b"\x1b[4Hnone\x1b[K");
    }
}
