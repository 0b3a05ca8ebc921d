//! A theme in a TOML file: meanings by name, each a colour or a table. What is not named stays as in the theme that it is
//! based on. The format is in `docs/themes.md`.

use ratatui::style::{Color, Modifier, Style};
use toml_edit::{Document, Item, TableLike, Value};

use super::palette::{BUILT_IN, MODELS, Palette, built_in};
use crate::primitives::clean;

/// What is wrong with a theme, and where.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {}{why}", if key.is_empty() { String::new() } else { format!("`{key}` ") })]
pub struct ThemeError {
    pub line: usize,
    /// As in `styles.good`; empty where the file is no TOML.
    pub key: String,
    pub why: String,
}

const STYLES: [&str; 10] =
    ["dim", "strong", "focus", "border", "good", "attention", "bad", "accent", "cursor", "models"];

/// Reads the text of a theme file.
///
/// # Errors
/// The first thing that is not understood. Nothing is guessed: a theme that is half read would mislead.
pub fn parse(text: &str) -> Result<Palette, ThemeError> {
    let document = Document::parse(text).map_err(|error| ThemeError {
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        key: String::new(),
        why: clean(error.message()),
    })?;
    let reader = Reader { text };
    let root = document.as_table();
    let mut palette = Palette::default();
    for (key, item) in root.iter() {
        match key {
            "base" => {
                let name = item.as_str().unwrap_or_default();
                palette = built_in(name)
                    .ok_or_else(|| reader.error(item, key, format!("must be one of {}", listed(&BUILT_IN))))?;
            }
            "styles" => {}
            _ => return Err(reader.error(item, key, "is not known: a theme has `base` and `[styles]`".to_owned())),
        }
    }
    let Some(item) = root.get("styles") else { return Ok(palette) };
    let styles = item.as_table_like().ok_or_else(|| reader.error(item, "styles", "must be a table".to_owned()))?;
    for (name, item) in styles.iter() {
        let key = format!("styles.{name}");
        if name == "models" {
            palette = palette.with_models(&reader.models(item, &key)?);
            continue;
        }
        let place = match name {
            "dim" => &mut palette.dim,
            "strong" => &mut palette.strong,
            "focus" => &mut palette.focus,
            "border" => &mut palette.border,
            "good" => &mut palette.good,
            "attention" => &mut palette.attention,
            "bad" => &mut palette.bad,
            "accent" => &mut palette.accent,
            "cursor" => &mut palette.cursor,
            _ => return Err(reader.error(item, &key, format!("is not known: styles are {}", listed(&STYLES)))),
        };
        *place = reader.style(item, &key)?;
    }
    Ok(palette)
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn error(&self, item: &Item, key: &str, why: String) -> ThemeError {
        let start = item.span().map_or(0, |span| span.start);
        ThemeError { line: line_of(self.text, start), key: clean(key), why }
    }

    fn models(&self, item: &Item, key: &str) -> Result<Vec<Style>, ThemeError> {
        let wrong = || self.error(item, key, format!("must be a list of 1 to {MODELS} colours"));
        let list = item.as_array().filter(|list| (1..=MODELS).contains(&list.len())).ok_or_else(wrong)?;
        list.iter().map(|value| self.value(item, value, key)).collect()
    }

    fn style(&self, item: &Item, key: &str) -> Result<Style, ThemeError> {
        match (item.as_table_like(), item.as_value()) {
            (Some(table), _) => self.table(item, table, key),
            (None, Some(value)) => self.value(item, value, key),
            (None, None) => Err(self.error(item, key, COLOUR.to_owned())),
        }
    }

    fn value(&self, item: &Item, value: &Value, key: &str) -> Result<Style, ThemeError> {
        match value.as_inline_table() {
            Some(table) => self.table(item, table, key),
            None => colour(value).map(|fg| Style::new().fg(fg)).ok_or_else(|| self.error(item, key, COLOUR.to_owned())),
        }
    }

    fn table(&self, item: &Item, table: &dyn TableLike, key: &str) -> Result<Style, ThemeError> {
        let mut style = Style::new();
        for (name, part) in table.iter() {
            let key = format!("{key}.{name}");
            // Parts of inline tables have places, too; the table's own is the next best.
            let part_or_whole = if part.span().is_some() { part } else { item };
            match name {
                "fg" | "bg" => {
                    let colour = part
                        .as_value()
                        .and_then(colour)
                        .ok_or_else(|| self.error(part_or_whole, &key, COLOUR.to_owned()))?;
                    style = if name == "fg" { style.fg(colour) } else { style.bg(colour) };
                }
                _ => {
                    let modifier = modifier(name).ok_or_else(|| {
                        let why = "is not known: a style has fg, bg, bold, dim, italic, underlined, reversed";
                        self.error(part_or_whole, &key, why.to_owned())
                    })?;
                    match part.as_bool() {
                        Some(true) => style = style.add_modifier(modifier),
                        Some(false) => {}
                        None => return Err(self.error(part_or_whole, &key, "must be true or false".to_owned())),
                    }
                }
            }
        }
        Ok(style)
    }
}

const COLOUR: &str = "must be a colour: a name (black, red, green, yellow, blue, magenta, cyan, white, bright-red, …, default), \
    \"#rrggbb\", or a number from 0 to 255";

fn colour(value: &Value) -> Option<Color> {
    if let Some(number) = value.as_integer() {
        return u8::try_from(number).ok().map(Color::Indexed);
    }
    let name = value.as_str()?;
    if let Some(hex) = name.strip_prefix('#') {
        let digits = hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        let number = digits.then(|| u32::from_str_radix(hex, 16).ok()).flatten()?;
        let [_, r, g, b] = number.to_be_bytes();
        return Some(Color::Rgb(r, g, b));
    }
    Some(match name {
        "default" => Color::Reset,
        "black" => Color::Black,
        "red" => Color::Red,
        "green" => Color::Green,
        "yellow" => Color::Yellow,
        "blue" => Color::Blue,
        "magenta" => Color::Magenta,
        "cyan" => Color::Cyan,
        "white" => Color::Gray,
        "bright-black" => Color::DarkGray,
        "bright-red" => Color::LightRed,
        "bright-green" => Color::LightGreen,
        "bright-yellow" => Color::LightYellow,
        "bright-blue" => Color::LightBlue,
        "bright-magenta" => Color::LightMagenta,
        "bright-cyan" => Color::LightCyan,
        "bright-white" => Color::White,
        _ => return None,
    })
}

fn modifier(name: &str) -> Option<Modifier> {
    Some(match name {
        "bold" => Modifier::BOLD,
        "dim" => Modifier::DIM,
        "italic" => Modifier::ITALIC,
        "underlined" => Modifier::UNDERLINED,
        "reversed" => Modifier::REVERSED,
        _ => return None,
    })
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn listed(words: &[&str]) -> String {
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theme_changes_what_it_names_and_nothing_else() -> Result<(), ThemeError> {
        let text = "base = \"colour-blind\"\n[styles]\ngood = \"bright-green\"\nbad = { fg = \"#ff5f00\", bold = true }\n\
                    cursor = { fg = 0, bg = 220 }\nmodels = [\"red\", 33]\n";
        let palette = parse(text)?;
        assert_eq!(palette.good, Style::new().fg(Color::LightGreen));
        assert_eq!(palette.bad, Style::new().fg(Color::Rgb(255, 95, 0)).add_modifier(Modifier::BOLD));
        assert_eq!(palette.cursor, Style::new().fg(Color::Indexed(0)).bg(Color::Indexed(220)));
        assert_eq!(Some(palette.accent), built_in("colour-blind").map(|base| base.accent));
        assert_eq!([palette.model(0), palette.model(2)], [Style::new().fg(Color::Red); 2]);
        assert_eq!(parse("")?, Palette::default());
        Ok(())
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_its_key() {
        let cases = [
            ("[styles]\n\ngood = \"greenish\"", "line 3: `styles.good` must be a colour"),
            ("[styles]\nbad = { fg = \"red\", blod = true }", "line 2: `styles.bad.blod` is not known"),
            ("[styles]\nbad = { fg = 256 }", "line 2: `styles.bad.fg` must be a colour"),
            ("[styles.bad]\nbold = 1", "line 2: `styles.bad.bold` must be true or false"),
            ("[styles]\nmodels = []", "line 2: `styles.models` must be a list"),
            ("[styles]\nnice = \"red\"", "line 2: `styles.nice` is not known"),
            ("base = \"dark\"", "line 1: `base` must be one of terminal, colour-blind, mono"),
            ("colours = 1", "line 1: `colours` is not known"),
            ("styles = 7", "line 1: `styles` must be a table"),
            ("a = 1\n[styles\n", "line 2: "),
        ];
        for (text, expected) in cases {
            let told = parse(text).map_err(|error| error.to_string());
            assert!(told.as_ref().is_err_and(|told| told.starts_with(expected)), "{text}: {told:?}");
        }
    }
}
