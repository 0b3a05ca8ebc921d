//! Lines of text into cells. Nearly all letters here fill one cell and join nothing: they need not be taken apart by the rules
//! for all scripts, which are most of what a picture costs otherwise.

use ratatui::{
    buffer::Buffer,
    layout::Position,
    style::Style,
    text::{Line, Span},
};

/// One cell each, whatever stands beside it, as long as that is plain too.
pub fn is_plain(letter: char) -> bool {
    matches!(letter,
        ' '..='~' | '·' | 'α'..='ω' | '–' | '—' | '…' | '←'..='↓'
        // Lines, blocks, shapes; dots.
        | '\u{2500}'..='\u{25fc}' | '\u{2800}'..='\u{28ff}')
}

/// The same in letters that every terminal has, each in one cell; what has no likeness is a question mark.
pub fn in_ascii(line: &Line<'_>) -> Line<'static> {
    let alike = |letter: char| match letter {
        ' '..='~' => letter,
        '→' | '≥' => '>',
        '←' | '≤' => '<',
        'σ' => 's',
        '…' | '·' => '.',
        '−' | '–' | '—' | '‑' => '-',
        '×' => 'x',
        '“' | '”' | '„' => '"',
        '‘' | '’' => '\'',
        _ => '?',
    };
    let span = |span: &Span<'_>| Span::styled(span.content.chars().map(alike).collect::<String>(), span.style);
    Line::from_iter(line.spans.iter().map(span)).style(line.style)
}

/// Writes `line` from `at` on, over at most `room` cells. `at` lies in the buffer, and so does the room.
pub fn write(buffer: &mut Buffer, at: Position, room: u16, line: &Line<'_>) {
    let (mut x, end) = (at.x, at.x.saturating_add(room).min(buffer.area.right()));
    for span in &line.spans {
        if x >= end {
            return;
        }
        let style = line.style.patch(span.style);
        x = if span.content.chars().all(is_plain) {
            plain(buffer, Position { x, ..at }, end, &span.content, style)
        } else {
            buffer.set_stringn(x, at.y, &span.content, usize::from(end - x), style).0
        };
    }
}

fn plain(buffer: &mut Buffer, at: Position, end: u16, text: &str, style: Style) -> u16 {
    let start = buffer.index_of(at.x, at.y);
    let cells = buffer.content[start..].iter_mut().take(usize::from(end - at.x));
    let mut written = 0;
    for (cell, letter) in cells.zip(text.chars()) {
        cell.set_char(letter).set_style(style);
        written += 1;
    }
    at.x + written
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::{
        buffer::CellWidth,
        layout::Rect,
        style::{Color, Modifier},
    };

    use super::*;

    #[test]
    fn a_plain_letter_fills_one_cell() {
        for letter in (char::MIN..=char::MAX).filter(|letter| is_plain(*letter)) {
            assert_eq!(letter.to_string().as_str().cell_width(), 1, "{letter:?}");
        }
    }

    proptest! {
        #[test]
        fn lines_are_as_the_library_of_cells_writes_them(
            spans in proptest::collection::vec(
                (prop_oneof!["[ -~·…─⣿α-ω]{0,9}", ".{0,5}", "[a日e\u{301}]{0,4}"], 0_u8..3), 0..6),
            (x, y, room) in (0_u16..30, 0_u16..2, 0_u16..40),
        ) {
            let styles = [Style::new(), Style::new().fg(Color::Red), Style::new().add_modifier(Modifier::BOLD)];
            let spans = spans.into_iter().map(|(text, style)| Span::styled(text, styles[usize::from(style)]));
            let line = Line::from_iter(spans).style(Style::new().bg(Color::Blue));
            let blank = Buffer::empty(Rect::new(0, 0, 30, 2));
            let (mut ours, mut theirs) = (blank.clone(), blank);
            write(&mut ours, Position { x, y }, room, &line);
            theirs.set_line(x, y, &line, room);
            prop_assert_eq!(ours, theirs);
        }
    }
}
