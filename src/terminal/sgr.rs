//! Colours and weights as a terminal is told them (ECMA-48 SGR), in the fewest bytes.

use ratatui::{
    buffer::Cell,
    style::{Color, Modifier},
};

/// What shows on a cell without a letter.
const VISIBLE_ON_BLANK: Modifier = Modifier::REVERSED
    .union(Modifier::UNDERLINED)
    .union(Modifier::SLOW_BLINK)
    .union(Modifier::RAPID_BLINK)
    .union(Modifier::CROSSED_OUT);

/// How the terminal draws the next letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pen {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

impl Pen {
    pub const PLAIN: Self = Self { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() };

    /// What this cell needs; a blank one without marks needs a background only.
    pub fn of(cell: &Cell) -> Self {
        if is_blank(cell) {
            return Self { bg: cell.bg, ..Self::PLAIN };
        }
        Self { fg: cell.fg, bg: cell.bg, modifier: cell.modifier }
    }

    /// Whether `cell`, drawn with this pen, looks as it should.
    pub fn suits(self, cell: &Cell) -> bool {
        if is_blank(cell) {
            return self.bg == cell.bg && !self.modifier.intersects(VISIBLE_ON_BLANK);
        }
        self == Self::of(cell)
    }

    /// The sequence that turns this pen into `to`: what changes, or everything anew, whichever is shorter.
    pub fn change(self, to: Self, out: &mut Vec<u8>) {
        if self == to {
            return;
        }
        let mut changes = Numbers::default();
        let (mut gone, come) = (self.modifier - to.modifier, to.modifier - self.modifier);
        // To some terminals bold and dim are two values of one thing, and the last one told counts.
        let strength = Modifier::BOLD | Modifier::DIM;
        if self.modifier.intersects(strength) && come.intersects(strength) {
            gone |= self.modifier & strength;
        }
        let mut again = Modifier::empty();
        for (modifier, _, off) in WEIGHTS {
            if gone.contains(modifier) && !changes.list().contains(&off) {
                changes.push(off);
                // 22 ends bold and dim together, 25 both ways of blinking.
                let same = WEIGHTS.iter().filter(|(_, _, other)| *other == off).map(|(modifier, ..)| *modifier);
                again |= same.fold(Modifier::empty(), Modifier::union) & to.modifier;
            }
        }
        weights(come | again, &mut changes);
        if self.fg != to.fg {
            colour(to.fg, 30, &mut changes);
        }
        if self.bg != to.bg {
            colour(to.bg, 40, &mut changes);
        }
        // `ESC [ ; 1 m` and `ESC [ m`: an absent number is 0, which forgets everything.
        let mut anew = Numbers::default();
        weights(to.modifier, &mut anew);
        if to.fg != Color::Reset {
            colour(to.fg, 30, &mut anew);
        }
        if to.bg != Color::Reset {
            colour(to.bg, 40, &mut anew);
        }
        out.extend_from_slice(b"\x1b[");
        if anew.len() + usize::from(anew.len() > 0) < changes.len() {
            if anew.len() > 0 {
                out.push(b';');
            }
            anew.write(out);
        } else {
            changes.write(out);
        }
        out.push(b'm');
    }
}

/// Nothing of it is seen but its background.
pub fn is_blank(cell: &Cell) -> bool {
    cell.symbol() == " " && !cell.modifier.intersects(VISIBLE_ON_BLANK)
}

/// Whether two cells look the same.
pub fn same(a: &Cell, b: &Cell) -> bool {
    let alike = a.bg == b.bg && a.fg == b.fg && a.modifier == b.modifier;
    a.symbol() == b.symbol() && (alike || Pen::of(a) == Pen::of(b))
}

/// Modifier, the number that begins it, the number that ends it.
const WEIGHTS: [(Modifier, u8, u8); 9] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::SLOW_BLINK, 5, 25),
    (Modifier::RAPID_BLINK, 6, 25),
    (Modifier::REVERSED, 7, 27),
    (Modifier::HIDDEN, 8, 28),
    (Modifier::CROSSED_OUT, 9, 29),
];

/// Numbers of a sequence. Few enough to stay where they are made: a picture changes its pen some thousand times.
#[derive(Default)]
struct Numbers {
    numbers: [u8; Self::MOST],
    count: usize,
}

impl Numbers {
    /// Every weight begun and ended, and two colours in full.
    const MOST: usize = 2 * WEIGHTS.len() + 2 * 5;

    fn push(&mut self, number: u8) {
        self.numbers[self.count] = number;
        self.count += 1;
    }

    fn list(&self) -> &[u8] {
        &self.numbers[..self.count]
    }

    /// In letters.
    fn len(&self) -> usize {
        let digits = |number: &u8| 1 + usize::from(*number > 9) + usize::from(*number > 99);
        self.list().iter().map(digits).sum::<usize>() + self.count.saturating_sub(1)
    }

    fn write(&self, out: &mut Vec<u8>) {
        for (at, number) in self.list().iter().enumerate() {
            if at > 0 {
                out.push(b';');
            }
            let (hundreds, tens, ones) = (number / 100, number / 10 % 10, number % 10);
            if hundreds > 0 {
                out.push(b'0' + hundreds);
            }
            if hundreds + tens > 0 {
                out.push(b'0' + tens);
            }
            out.push(b'0' + ones);
        }
    }
}

fn weights(modifier: Modifier, numbers: &mut Numbers) {
    for (_, on, _) in WEIGHTS.iter().filter(|(weight, ..)| modifier.contains(*weight)) {
        numbers.push(*on);
    }
}

/// `base`: 30 for the letter, 40 for what is behind it. The first sixteen are the terminal's own.
fn colour(colour: Color, base: u8, numbers: &mut Numbers) {
    let (plain, bright) = (base, base + 60);
    numbers.push(match colour {
        Color::Reset => plain + 9,
        Color::Black => plain,
        Color::Red => plain + 1,
        Color::Green => plain + 2,
        Color::Yellow => plain + 3,
        Color::Blue => plain + 4,
        Color::Magenta => plain + 5,
        Color::Cyan => plain + 6,
        Color::Gray => plain + 7,
        Color::DarkGray => bright,
        Color::LightRed => bright + 1,
        Color::LightGreen => bright + 2,
        Color::LightYellow => bright + 3,
        Color::LightBlue => bright + 4,
        Color::LightMagenta => bright + 5,
        Color::LightCyan => bright + 6,
        Color::White => bright + 7,
        Color::Indexed(n @ 0..8) => plain + n,
        Color::Indexed(n @ 8..16) => bright + n - 8,
        Color::Indexed(_) | Color::Rgb(..) => base + 8,
    });
    match colour {
        Color::Indexed(n @ 16..) => [5, n].into_iter().for_each(|number| numbers.push(number)),
        Color::Rgb(r, g, b) => [2, r, g, b].into_iter().for_each(|number| numbers.push(number)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(from: Pen, to: Pen) -> String {
        let mut out = Vec::new();
        from.change(to, &mut out);
        String::from_utf8(out).unwrap_or_default().replace('\x1b', "^")
    }

    #[test]
    fn the_shorter_way_is_taken() {
        let green = Pen { fg: Color::Green, ..Pen::PLAIN };
        let bold = Pen { modifier: Modifier::BOLD, ..green };
        let dim = Pen { modifier: Modifier::DIM, ..Pen::PLAIN };
        let both = Pen { modifier: Modifier::BOLD | Modifier::DIM, ..Pen::PLAIN };
        assert_eq!(bytes(Pen::PLAIN, green), "^[32m");
        assert_eq!(bytes(green, bold), "^[1m");
        assert_eq!(bytes(bold, Pen::PLAIN), "^[m");
        assert_eq!(bytes(bold, green), "^[22m");
        assert_eq!(bytes(bold, dim), "^[;2m");
        assert_eq!(bytes(both, dim), "^[;2m");
        assert_eq!(bytes(green, green), "");
        assert_eq!(bytes(Pen::PLAIN, Pen { bg: Color::Indexed(200), ..Pen::PLAIN }), "^[48;5;200m");
    }

    #[test]
    fn all_that_a_pen_can_be_is_told_at_once() {
        let colours = |a, b| Pen { fg: Color::Rgb(a, 0, 9), bg: Color::Rgb(10, 99, b), modifier: Modifier::empty() };
        let all = Pen { modifier: Modifier::all(), ..colours(255, 100) };
        assert_eq!(bytes(Pen::PLAIN, all), "^[1;2;3;4;5;6;7;8;9;38;2;255;0;9;48;2;10;99;100m");
        // As many numbers as there can be: most weights end, and two colours change.
        let few = Pen { modifier: Modifier::DIM | Modifier::SLOW_BLINK, ..colours(3, 4) };
        assert_eq!(bytes(all, few), "^[;2;5;38;2;3;0;9;48;2;10;99;4m");
        let others = Pen { modifier: Modifier::all() - few.modifier, ..colours(1, 2) };
        assert_eq!(bytes(few, others), "^[;1;3;4;6;7;8;9;38;2;1;0;9;48;2;10;99;2m");
    }
}
