//! Results on standard output: JSON for programs, aligned text for people.
//!
//! JSON is one object a line, field names are snake_case and stable, amounts are integers in shannons and their names end in
//! `_shannons`. A reader that goes away (`| head`) ends the printing, never the work.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::primitives::{clean, is_unsafe};

#[derive(Args, Clone, Copy, Debug, Default)]
pub struct OutputArgs {
    /// Print one JSON object a line on standard output; amounts are in shannons.
    #[arg(long)]
    pub json: bool,
}

impl OutputArgs {
    pub fn open(self) -> Output<io::Stdout> {
        Output { json: self.json, to: Some(io::stdout()), is_done: false }
    }

    /// For the result of what cannot be undone: if it cannot be printed, that is a warning. An error would say that nothing
    /// was done, and a script would do it again.
    pub fn open_done(self) -> Output<io::Stdout> {
        Output { is_done: true, ..self.open() }
    }
}

/// Where results go. Prints whatever it is given whole and at once.
pub struct Output<W> {
    json: bool,
    /// `None`: the reader has gone.
    to: Option<W>,
    is_done: bool,
}

impl<W: Write> Output<W> {
    /// One result: as JSON, or as what `page` makes of it.
    pub fn show<T: Serialize>(&mut self, result: &T, page: impl FnOnce(&mut Page, &T)) -> io::Result<()> {
        if self.json {
            return self.put(&json(result)?);
        }
        let mut text = Page::default();
        page(&mut text, result);
        self.put(&text.finish())
    }

    /// A list: an object a line, or a table with one row an item.
    pub fn list<T: Serialize>(
        &mut self,
        items: &[T],
        columns: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> io::Result<()> {
        if self.json {
            return items.iter().try_for_each(|item| self.put(&json(item)?));
        }
        let mut page = Page::default();
        page.table(columns, items.iter().map(row).collect());
        self.put(&page.finish())
    }

    fn put(&mut self, text: &str) -> io::Result<()> {
        let Some(to) = &mut self.to else { return Ok(()) };
        match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.to = None;
                Ok(())
            }
            Err(error) if self.is_done => {
                self.to = None;
                warn_unprinted(&error);
                Ok(())
            }
            result => result,
        }
    }
}

/// What is printed as it is. A reader that goes away ends the printing, and is no error.
///
/// # Errors
/// Standard output cannot be written to.
pub fn print(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).or_else(unless_gone).context("standard output")
}

/// No error where the reader has gone away.
pub fn unless_gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }
}

/// What was done stays done, whether its result can be printed or not.
pub fn warn_unprinted(error: &dyn std::fmt::Display) {
    let _ = writeln!(
        io::stderr(),
        "warning: the result could not be printed ({}); what was done is done, do not repeat it",
        clean(&error.to_string())
    );
}

/// One line. What could command a terminal is escaped: the same JSON, safe to look at.
fn json<T: Serialize>(result: &T) -> io::Result<String> {
    let text = serde_json::to_string(result)?;
    let mut line = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if is_unsafe(c) {
            // Outside of strings JSON is ASCII, and serde escapes what is below a space.
            write!(line, "\\u{:04x}", u32::from(c)).map_err(io::Error::other)?;
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    Ok(line)
}

/// Text for people, built of facts, tables and lines; all of it is cleaned.
#[derive(Default)]
pub struct Page {
    text: String,
    facts: Vec<(String, String)>,
}

impl Page {
    /// `label  value`; neighbours are aligned.
    pub fn fact(&mut self, label: &str, value: impl ToString) -> &mut Self {
        self.facts.push((clean(label), clean(&value.to_string())));
        self
    }

    pub fn line(&mut self, line: impl AsRef<str>) -> &mut Self {
        self.flush_facts();
        self.text.push_str(&clean(line.as_ref()));
        self.text.push('\n');
        self
    }

    /// Columns whose cells are all numbers are aligned to the right.
    pub fn table(&mut self, columns: &[&str], rows: Vec<Vec<String>>) -> &mut Self {
        self.flush_facts();
        let rows: Vec<Vec<String>> = rows.into_iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
        let cells = |n: usize| rows.iter().filter_map(move |row| row.get(n));
        let numeric = |cell: &String| cell.chars().all(|c| c.is_ascii_digit() || ".-%".contains(c));
        let layout: Vec<(usize, bool)> = columns
            .iter()
            .enumerate()
            .map(|(n, name)| {
                let width = cells(n).map(|cell| cell.width()).max().unwrap_or(0).max(name.width());
                (width, !rows.is_empty() && cells(n).all(numeric))
            })
            .collect();
        let header: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        for row in std::iter::once(&header).chain(&rows) {
            let mut line = String::new();
            for (cell, (width, right)) in row.iter().zip(&layout) {
                let pad = " ".repeat(width.saturating_sub(cell.width()));
                line.push_str(&if *right { format!("{pad}{cell}  ") } else { format!("{cell}{pad}  ") });
            }
            self.text.push_str(line.trim_end());
            self.text.push('\n');
        }
        self
    }

    fn flush_facts(&mut self) {
        let width = self.facts.iter().map(|(label, _)| label.width()).max().unwrap_or(0);
        for (label, value) in self.facts.drain(..) {
            let pad = " ".repeat(width - label.width());
            let line = format!("{label}{pad}  {value}");
            self.text.push_str(line.trim_end());
            self.text.push('\n');
        }
    }

    pub fn finish(mut self) -> String {
        self.flush_facts();
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Coin {
        name: &'static str,
        balance_shannons: u64,
    }

    const COINS: [Coin; 2] =
        [Coin { name: "a\u{202e}\u{9b}2J", balance_shannons: 5 }, Coin { name: "größer", balance_shannons: 1200 }];

    fn printed(json: bool) -> String {
        let mut bytes = Vec::new();
        let mut output = Output { json, to: Some(&mut bytes), is_done: false };
        let row = |coin: &Coin| vec![coin.name.to_owned(), coin.balance_shannons.to_string()];
        output.list(&COINS, &["NAME", "BALANCE"], row).expect("memory takes everything");
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn a_table_is_aligned_and_foreign_text_is_harmless() {
        assert_eq!(printed(false), "NAME    BALANCE\na··2J         5\ngrößer     1200\n");
    }

    #[test]
    fn json_is_exact_and_harmless_too() {
        let text = printed(true);
        assert!(!text.chars().any(|c| c != '\n' && is_unsafe(c)), "{text:?}");
        let names = text.lines().map(|line| {
            let coin: serde_json::Value = serde_json::from_str(line).expect("JSON");
            coin["name"].as_str().map(str::to_owned)
        });
        assert!(names.eq(COINS.map(|coin| Some(coin.name.to_owned()))));
    }

    #[test]
    fn a_reader_that_goes_away_is_no_error() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut output = Output { json: true, to: Some(Gone), is_done: false };
        assert!(output.show(&COINS[0], |_, _| ()).is_ok());
        assert!(output.show(&COINS[1], |_, _| ()).is_ok());
    }

    #[test]
    fn a_full_disk_is_an_error_before_the_work_and_a_warning_after_it() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for is_done in [false, true] {
            let mut output = Output { json: true, to: Some(Full), is_done };
            assert_eq!(output.show(&COINS[0], |_, _| ()).is_ok(), is_done);
        }
    }
}
