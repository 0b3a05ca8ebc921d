//! The pen that all panes draw with: framed boxes, lines, bars.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    text::{Line, Span},
    widgets::{Block, Clear, Widget},
};

use super::{
    letters,
    table::Table,
    text,
    theme::{Palette, Theme},
};
use crate::app::{Hit, Hits, Look, Sorting, layout::Area};

/// Columns of a label with its value, unless they need more.
const PAIR: u16 = 44;

pub struct Ink<'a> {
    pub theme: Theme,
    pub buffer: &'a mut Buffer,
    /// What lies where, where somebody asks.
    pub hits: Option<Hits>,
}

impl<'a> Ink<'a> {
    pub fn with(look: Look, palette: Palette, buffer: &'a mut Buffer) -> Self {
        Self { theme: Theme::new(look, palette), buffer, hits: None }
    }

    /// What a click or the wheel means there; what is told later lies above.
    pub fn hit(&mut self, area: Rect, hit: Hit) {
        let area = area.intersection(self.buffer.area);
        if let Some(hits) = &mut self.hits {
            hits.push(Area { x: area.x, y: area.y, width: area.width, height: area.height }, hit);
        }
    }

    /// [`Self::hit`] of one row of an area.
    pub fn hit_row(&mut self, area: Rect, row: u16, hit: Hit) {
        if row < area.height {
            self.hit(Rect { y: area.y.saturating_add(row), height: 1, ..area }, hit);
        }
    }

    /// Whatever was told to lie somewhere lies below something else now.
    pub fn cover(&mut self) {
        if let Some(hits) = &mut self.hits {
            hits.cover();
        }
    }

    /// The heads of a table's columns: what each of them sorts by.
    pub fn heads(&mut self, area: Rect, table: &Table<'_>, sorting: impl Fn(usize) -> Option<Sorting>) {
        for (column, x, width) in table.places() {
            if let Some(sorting) = sorting(column) {
                let x = area.x.saturating_add(x);
                let width = width.min(area.right().saturating_sub(x));
                self.hit(Rect { x, width, height: area.height.min(1), ..area }, Hit::Sort(sorting));
            }
        }
    }

    /// Pieces of one line, beside each other, some of which mean something.
    pub fn pieces(&mut self, area: Rect, row: u16, pieces: Vec<(Span<'static>, Option<Hit>)>) {
        let mut x = area.x;
        for (piece, hit) in &pieces {
            let width = (piece.width() as u16).min(area.right().saturating_sub(x));
            if let Some(hit) = hit {
                self.hit_row(Rect { x, width, ..area }, row, *hit);
            }
            x = x.saturating_add(width);
        }
        self.line(area, row, &Line::from(pieces.into_iter().map(|(piece, _)| piece).collect::<Vec<_>>()));
    }

    /// A box with a title; returns its inside. Too small for a box: the whole area, without one.
    pub fn frame(&mut self, title: Line<'static>, right: Line<'static>, focused: bool, area: Rect) -> Rect {
        let area = area.intersection(self.buffer.area);
        if area.width < 4 || area.height < 3 {
            return area;
        }
        let (set, style) = if focused {
            (self.theme.glyphs.border_focused, self.theme.focus())
        } else {
            (self.theme.glyphs.border, self.theme.border())
        };
        let block = Block::bordered().border_set(set).border_style(style);
        let inner = block.inner(area);
        block.render(area, self.buffer);
        let edge = Rect { x: area.x + 1, width: area.width - 2, ..area };
        let (title_width, right_width) = (title.width(), right.width());
        self.line(edge, 0, &title);
        if title_width + right_width + 4 <= usize::from(area.width) {
            let room = right_width as u16;
            self.line(Rect { x: edge.right() - room, width: room, ..edge }, 0, &right);
        }
        // A column of air on both sides.
        if inner.width > 12 { Rect { x: inner.x + 1, width: inner.width - 2, ..inner } } else { inner }
    }

    /// A pane's title: its number key and name, and what it wants to say on the right.
    pub fn pane(&mut self, key: &str, name: &str, right: String, focused: bool, area: Rect) -> Rect {
        let name_style = if focused { self.theme.focus() } else { self.theme.strong() };
        let mut title = vec![Span::styled(format!(" {name} "), name_style)];
        if !key.is_empty() {
            title.insert(0, Span::styled(format!(" {key}"), self.theme.dim()));
        }
        let right = if right.is_empty() { Line::default() } else { Line::styled(format!(" {right} "), Style::new()) };
        self.frame(Line::from(title), right, focused, area)
    }

    pub fn line(&mut self, area: Rect, row: u16, line: &Line<'_>) {
        let area = area.intersection(self.buffer.area);
        if row < area.height && area.width > 0 {
            let at = Position { x: area.x, y: area.y + row };
            if self.theme.is_ascii() && !line.spans.iter().all(|span| span.content.is_ascii()) {
                letters::write(self.buffer, at, area.width, &letters::in_ascii(line));
            } else {
                letters::write(self.buffer, at, area.width, line);
            }
        }
    }

    pub fn lines(&mut self, area: Rect, lines: &[Line<'_>]) {
        for (row, line) in (0..area.height).zip(lines) {
            self.line(area, row, line);
        }
    }

    /// Label on the left, value on the right of one row, no further apart than an eye follows.
    pub fn pair(&mut self, area: Rect, row: u16, label: &str, value: String, style: Style) {
        let wanted = u16::try_from(text::width(label) + 1 + text::width(&value)).unwrap_or(u16::MAX);
        let area = Rect { width: area.width.min(wanted.max(PAIR)), ..area };
        let room = usize::from(area.width).saturating_sub(text::width(label) + 1);
        let value = text::fit(&value, room, self.theme.glyphs.ellipsis);
        let gap = usize::from(area.width).saturating_sub(text::width(label) + text::width(&value));
        let line = Line::from(vec![
            Span::styled(label.to_owned(), self.theme.dim()),
            Span::raw(" ".repeat(gap)),
            Span::styled(value, style),
        ]);
        self.line(area, row, &line);
    }

    /// One value a column, the newest at the right, filled up from the bottom of `area`; scaled from `low` to `high`.
    pub fn bars(&mut self, area: Rect, values: &[f32], (low, high): (f32, f32), style: Style) {
        let area = area.intersection(self.buffer.area);
        let columns = usize::from(area.width);
        let values = &values[values.len().saturating_sub(columns)..];
        let range = (high - low).max(f32::EPSILON);
        let eighths = f32::from(area.height) * 8.0;
        let start = area.x + area.width - values.len() as u16;
        for (x, value) in (start..).zip(values) {
            // A value that is there at all is never drawn as nothing.
            let level = (((value - low) / range).clamp(0.0, 1.0) * eighths).round().max(1.0) as u16;
            for row in 0..area.height {
                let part = level.saturating_sub(row * 8).min(8);
                if part > 0 {
                    let glyph = self.theme.glyphs.bars[usize::from(part - 1)];
                    self.buffer[(x, area.bottom() - 1 - row)].set_symbol(glyph).set_style(style);
                }
            }
        }
    }

    /// A box in the middle of `body`, over whatever is there. Gives its inside, where the lines are.
    pub fn popup(&mut self, title: &str, lines: Vec<Line<'static>>, body: Rect) -> Rect {
        let widest = lines.iter().map(Line::width).max().unwrap_or(0).max(text::width(title) + 4);
        let width = u16::try_from(widest + 6).unwrap_or(u16::MAX).min(body.width);
        let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(body.height);
        let area = Rect { x: body.x + (body.width - width) / 2, y: body.y + (body.height - height) / 2, width, height };
        let area = area.intersection(self.buffer.area);
        Clear.render(area, self.buffer);
        let inner = self.pane("", title, String::new(), true, area);
        self.lines(inner, &lines);
        inner
    }

    /// What to say while there is nothing to show: what is happening, and what comes next.
    pub fn empty(&mut self, area: Rect, sentences: &[String]) {
        self.sentences(area, sentences);
    }

    /// Dim sentences, wrapped. Gives the rows that they took.
    pub fn sentences(&mut self, area: Rect, sentences: &[String]) -> u16 {
        let mut row = 0;
        for sentence in sentences {
            for line in text::wrap(sentence, area.width.into()) {
                self.line(area, row, &Line::styled(line, self.theme.dim()));
                row += 1;
            }
        }
        row
    }
}
