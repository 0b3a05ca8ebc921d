//! Tables whose columns come and go with the width.

use ratatui::{
    style::Style,
    text::{Line, Span},
};

use super::text;

/// A column and how long it holds out: the highest `rank` goes first when the width shrinks.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub title: &'static str,
    pub width: usize,
    pub right: bool,
    pub rank: u8,
}

pub const fn left(title: &'static str, width: usize, rank: u8) -> Column {
    Column { title, width, right: false, rank }
}

pub const fn right(title: &'static str, width: usize, rank: u8) -> Column {
    Column { title, width, right: true, rank }
}

/// The columns that fit, by index, in their order.
#[derive(Debug)]
pub struct Table<'a> {
    columns: &'a [Column],
    shown: Vec<usize>,
    /// Columns that are wider than they need be: which, by how much.
    stretch: Vec<(usize, usize)>,
    ellipsis: &'a str,
}

impl<'a> Table<'a> {
    pub fn new(columns: &'a [Column], width: usize, ellipsis: &'a str) -> Self {
        let mut shown: Vec<usize> = (0..columns.len()).collect();
        let total = |shown: &[usize]| shown.iter().map(|&i| columns[i].width + 1).sum::<usize>().saturating_sub(1);
        while shown.len() > 1 && total(&shown) > width {
            if let Some(victim) = (0..shown.len()).max_by_key(|&at| columns[shown[at]].rank) {
                shown.remove(victim);
            }
        }
        Self { columns, shown, stretch: Vec::new(), ellipsis }
    }

    /// Lets column `index` take what is left of `width`.
    pub fn stretching(mut self, index: usize, width: usize) -> Self {
        let total = self.shown.iter().map(|&i| self.columns[i].width + 1).sum::<usize>().saturating_sub(1);
        self.stretch = vec![(index, width.saturating_sub(total))];
        self
    }

    /// Lets the column that stretches grow to `most` columns; what is left goes to column `next`.
    pub fn up_to(mut self, most: usize, next: usize) -> Self {
        if let Some((index, extra)) = self.stretch.first_mut() {
            let fits = most.saturating_sub(self.columns[*index].width).min(*extra);
            let rest = *extra - fits;
            *extra = fits;
            if self.shown.contains(&next) {
                self.stretch.push((next, rest));
            }
        }
        self
    }

    pub fn width_of(&self, index: usize) -> usize {
        let extra: usize = self.stretch.iter().filter(|(column, _)| *column == index).map(|(_, extra)| extra).sum();
        self.columns[index].width + extra
    }

    /// The columns that are shown: which, from where, how wide.
    pub fn places(&self) -> impl Iterator<Item = (usize, u16, u16)> {
        let mut x = 0;
        self.shown.iter().map(move |&index| {
            let (from, width) = (x, self.width_of(index) as u16);
            x += width + 1;
            (index, from, width)
        })
    }

    pub fn heading(&self, style: Style) -> Line<'static> {
        self.row(|index| (self.columns[index].title.to_owned(), style))
    }

    /// A line out of the cells that are shown; cells that are not shown are never made.
    pub fn row(&self, cell: impl Fn(usize) -> (String, Style)) -> Line<'static> {
        let mut spans = Vec::with_capacity(self.shown.len() * 2);
        for (at, &index) in self.shown.iter().enumerate() {
            if at > 0 {
                spans.push(Span::raw(" "));
            }
            let columns = self.width_of(index);
            let (content, style) = cell(index);
            let content = text::fit(&content, columns, self.ellipsis);
            let pad = " ".repeat(columns - text::width(&content).min(columns));
            let (before, after) = if self.columns[index].right { (pad, String::new()) } else { (String::new(), pad) };
            spans.push(Span::styled(format!("{before}{content}{after}"), style));
        }
        Line::from(spans)
    }
}

/// The first row to show so that `selected` is visible, kept near the middle once the list scrolls.
pub fn first_row(selected: usize, rows: usize, height: usize) -> usize {
    selected.saturating_sub(height / 2).min(rows.saturating_sub(height))
}
