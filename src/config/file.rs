//! A configuration file: its text in, values with their places out, and everything that is wrong with it.

use std::fmt;

use toml_edit::{Document, Item, TableLike, Value};

use super::{Facts, Kind, SECTIONS, Setting};
use crate::app::{
    Key, UnknownKey,
    actions::{Keymap, KeymapError},
};

/// Settings that a file has, and what is wrong with it. A file with problems is not used at all: half of what somebody wanted may be
/// the opposite of it.
#[derive(Clone, Debug, Default)]
pub struct File {
    pub entries: Vec<Entry>,
    /// The table `[keys]`.
    pub bindings: Vec<Binding>,
    pub problems: Vec<Problem>,
}

/// One setting of a file.
#[derive(Clone, Debug)]
pub struct Entry {
    pub setting: &'static Setting,
    /// As the option would be given on a command line, once for each.
    pub values: Vec<String>,
    pub line: usize,
}

/// The keys of one action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The action's id in the registry of actions.
    pub action: String,
    pub keys: Vec<Key>,
    pub line: usize,
}

/// What is wrong, and where. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub line: usize,
    pub column: usize,
    pub text: String,
    /// The file holds a secret, or looks like it.
    pub is_secret: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.text)
    }
}

/// The keys of every action, with those of a file.
///
/// # Errors
/// What is wrong with them.
pub fn keymap(bindings: &[Binding]) -> Result<Keymap, Vec<KeymapError>> {
    Keymap::with(bindings.iter().map(|binding| (binding.action.as_str(), binding.keys.clone())))
}

impl File {
    /// Reads all of it, so that all that is wrong is told at once.
    pub fn parse(text: &str, facts: &[Facts]) -> Self {
        let mut reader = Reader { text, facts, file: Self::default() };
        match Document::parse(text) {
            // The parser's own picture of the line is left out: there may be a secret in it.
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                reader.problem(at, format!("this is no TOML: {}", error.message()));
            }
            Ok(document) => reader.sections(document.as_table()),
        }
        reader.file.problems.sort_by_key(|problem| (problem.line, problem.column));
        reader.file
    }

    pub fn is_broken(&self) -> bool {
        !self.problems.is_empty()
    }
}

struct Reader<'a> {
    text: &'a str,
    facts: &'a [Facts],
    file: File,
}

impl Reader<'_> {
    fn problem(&mut self, at: usize, text: String) {
        let (line, column) = position(self.text, at);
        self.file.problems.push(Problem { line, column, text, is_secret: false });
    }

    fn secret(&mut self, at: usize, path: &str) {
        let (line, column) = position(self.text, at);
        // Somebody may have put it to the left of the `=`.
        let path = if path.split('.').any(looks_secret) { "…" } else { path };
        let text = format!(
            "`{path}` is or looks like a secret, and this file is no place for one: take it out and put it into .env (mode 0600) or into the \
             environment, under the name that .env.example has for it; if others could read the file, make a new one"
        );
        self.file.problems.push(Problem { line, column, text, is_secret: true });
    }

    fn sections(&mut self, root: &dyn TableLike) {
        for (name, item) in root.iter() {
            let at = key_at(root, name);
            let table = item.as_table_like();
            if name == "keys" {
                match table {
                    Some(table) => self.keys(table),
                    None if holds_secret(item) => self.secret(at, name),
                    None => self.problem(at, "`keys` must be a table: [keys]".to_owned()),
                }
                continue;
            }
            let known = SECTIONS.iter().any(|(section, _)| *section == name);
            match table {
                Some(table) if known => self.section(name, table),
                Some(_) if names_secret(name) => self.secret(at, name),
                Some(table) => {
                    let names = SECTIONS.iter().map(|(section, _)| *section).chain(["keys"]);
                    let advice = advice(nearest(name, names));
                    self.problem(at, format!("there is no table [{name}]{advice}"));
                    self.look_for_secrets(name, table);
                }
                None if names_secret(name) || holds_secret(item) => self.secret(at, name),
                None if known => self.problem(at, format!("`{name}` must be a table: [{name}]")),
                None => {
                    let paths = self.facts.iter().map(|facts| facts.setting.path);
                    let advice = advice(paths.clone().find(|path| path.ends_with(&format!(".{name}"))));
                    self.problem(at, format!("there is no setting `{name}` outside of a table{advice}"));
                }
            }
        }
    }

    /// In a table that is not ours there may still be something that must not be in the file.
    fn look_for_secrets(&mut self, path: &str, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let inner = format!("{path}.{name}");
            match item.as_table_like() {
                Some(table) if !names_secret(name) => self.look_for_secrets(&inner, table),
                _ if names_secret(name) || holds_secret(item) => self.secret(key_at(table, name), &inner),
                _ => {}
            }
        }
    }

    fn section(&mut self, section: &str, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let (path, at) = (format!("{section}.{name}"), key_at(table, name));
            let facts = self.facts.iter().find(|facts| facts.setting.path == path);
            if holds_secret(item) || (facts.is_none() && names_secret(name)) {
                self.secret(at, &path);
                continue;
            }
            match facts {
                Some(facts) => self.setting(facts, item),
                None => {
                    let all = self.facts.iter().map(|facts| facts.setting);
                    let near = nearest(name, all.clone().filter(|other| other.section() == section).map(Setting::key));
                    let near = near.map(|key| format!("{section}.{key}"));
                    let elsewhere = || all.clone().find(|other| other.key() == name).map(|other| other.path.to_owned());
                    let advice = advice(near.or_else(elsewhere).as_deref());
                    self.problem(at, format!("there is no setting `{path}`{advice}"));
                }
            }
        }
    }

    fn setting(&mut self, facts: &Facts, item: &Item) {
        let at = item.span().map_or(0, |span| span.start);
        let path = facts.setting.path;
        let values = match (facts.setting.kind, item.as_value()) {
            (_, None) => None,
            (Kind::List, Some(Value::Array(list))) => {
                list.iter().map(|value| value.as_str().map(str::to_owned)).collect()
            }
            // One alone is a list of one.
            (Kind::List | Kind::Text | Kind::Amount, Some(Value::String(text))) => Some(vec![text.value().clone()]),
            (Kind::Bool, Some(Value::Boolean(value))) => Some(vec![value.value().to_string()]),
            (Kind::Integer | Kind::Number | Kind::Amount, Some(Value::Integer(number))) => {
                Some(vec![number.value().to_string()])
            }
            // As it is written: money is exact.
            (Kind::Number | Kind::Amount, Some(Value::Float(_))) => {
                item.span().and_then(|span| self.text.get(span)).map(|text| vec![text.replace('_', "")])
            }
            (_, Some(_)) => None,
        };
        let Some(values) = values else {
            let expected = facts.expected();
            return self.problem(at, format!("`{path}` is {}: {expected} is expected", kind_of(item)));
        };
        let (line, _) = position(self.text, at);
        match facts.check(&values) {
            Ok(()) => self.file.entries.push(Entry { setting: facts.setting, values, line }),
            Err(wrong) => self.problem(at, format!("`{path}`: {wrong}")),
        }
    }

    fn keys(&mut self, table: &dyn TableLike) {
        for (action, item) in table.iter() {
            let at = item.span().map_or(0, |span| span.start);
            if names_secret(action) || holds_secret(item) {
                self.secret(key_at(table, action), &format!("keys.{action}"));
                continue;
            }
            let names: Option<Vec<&str>> = match item.as_value() {
                Some(Value::String(name)) => Some(vec![name.value()]),
                Some(Value::Array(names)) => names.iter().map(Value::as_str).collect(),
                _ => None,
            };
            let Some(names) = names else {
                let found = kind_of(item);
                self.problem(
                    at,
                    format!(
                        "`keys.{action}` is {found}: a key or a list of keys is expected, such as [\"Y\", \"ctrl-y\"]"
                    ),
                );
                continue;
            };
            let (line, _) = position(self.text, key_at(table, action));
            match names.into_iter().map(str::parse).collect() {
                Ok(keys) => self.file.bindings.push(Binding { action: action.to_owned(), keys, line }),
                Err(wrong) => {
                    let wrong: UnknownKey = wrong;
                    self.problem(at, format!("`keys.{action}`: {wrong}"));
                }
            }
        }
        let Err(errors) = keymap(&self.file.bindings) else { return };
        for error in errors {
            let id = match &error {
                KeymapError::Unknown { id, .. } => id.as_str(),
                KeymapError::Twice { second, .. } => second,
                KeymapError::Unbound { id } => id,
            };
            // An action that lost its last key to another one has no place of its own.
            let at = table.key(id).or_else(|| table.iter().next().and_then(|(first, _)| table.key(first)));
            let at = at.and_then(toml_edit::Key::span).map_or(0, |span| span.start);
            self.problem(at, format!("[keys]: {error}"));
        }
    }
}

fn kind_of(item: &Item) -> &'static str {
    match item {
        Item::Value(Value::String(_)) => "a text",
        Item::Value(Value::Integer(_)) => "a whole number",
        Item::Value(Value::Float(_)) => "a number",
        Item::Value(Value::Boolean(_)) => "true or false",
        Item::Value(Value::Datetime(_)) => "a date",
        Item::Value(Value::Array(_)) => "a list of something else",
        _ => "a table",
    }
}

/// Where a key is written.
fn key_at(table: &dyn TableLike, name: &str) -> usize {
    table.key(name).and_then(toml_edit::Key::span).map_or(0, |span| span.start)
}

/// Line and column of a byte.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

fn advice(meant: Option<&str>) -> String {
    meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default()
}

/// The name that was probably meant.
pub(super) fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase().replace('_', "-");
    let close = names.map(|name| (strsim::normalized_damerau_levenshtein(&given, name), name));
    close.filter(|(likeness, _)| *likeness >= 0.6).max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, name)| name)
}

/// Names under which somebody might write a secret down, however they are spelled.
fn names_secret(name: &str) -> bool {
    const WORDS: [&str; 10] = [
        "secret",
        "passphrase",
        "password",
        "passwd",
        "token",
        "mnemonic",
        "privatekey",
        "accesskey",
        "signingkey",
        "keystore",
    ];
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    WORDS.iter().any(|word| plain.contains(word)) || looks_secret(name)
}

/// Whether there is a secret anywhere in it: in a text, in a list, in a table in a list, under a name that says so.
fn holds_secret(item: &Item) -> bool {
    fn table(table: &dyn TableLike) -> bool {
        table.iter().any(|(name, item)| names_secret(name) || holds_secret(item))
    }
    fn value(found: &Value) -> bool {
        match found {
            Value::String(text) => looks_secret(text.value()),
            Value::Array(list) => list.iter().any(value),
            Value::InlineTable(inner) => table(inner),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => false,
        }
    }
    match item {
        Item::None => false,
        Item::Value(found) => value(found),
        Item::Table(inner) => table(inner),
        Item::ArrayOfTables(tables) => tables.iter().any(|inner| table(inner)),
    }
}

/// Values that are a key of the network, or a token of the hub, wherever they stand.
pub(super) fn looks_secret(value: &str) -> bool {
    let value = value.trim();
    let hex = value.strip_prefix("0x").unwrap_or(value);
    value.starts_with("somaprivkey1")
        || (value.starts_with("hf_") && value.len() > 20)
        || (hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
        || is_mnemonic(value)
}

fn is_mnemonic(value: &str) -> bool {
    let is_word = |word: &str| (3..=8).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase());
    [12, 15, 18, 21, 24].contains(&value.split_whitespace().count()) && value.split_whitespace().all(is_word)
}
