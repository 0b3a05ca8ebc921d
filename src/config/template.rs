//! The file that `config init` writes: every setting, explained, and none of them set.

use std::fmt::Write as _;

use super::{Facts, Kind, SECTIONS};
use crate::app::actions::ACTIONS;

/// How wide comments are.
const WIDTH: usize = 118;

/// What stands above everything.
const HEAD: &str = "somascope's configuration. Lines with `#` and a space are explanations; take the `#` away from a line without the \
    space to set what it names. What stands there is the default, or an example where there is none.

Every setting is also an option of the commands that it is for, and an environment variable; an option beats a variable, a variable of the \
process beats one of .env in the working directory, that beats this file. `somascope config show` tells each value and where it comes from, \
`somascope config check FILE` what is wrong with a file.

Secrets never belong into this file, and one that has some is refused: see .env.example. A file with any mistake in it is not used at all. \
Paths may begin with ~/; relative ones begin where somascope is started.";

/// The template.
pub fn template(facts: &[Facts]) -> String {
    filled(facts, &[])
}

/// The template with some settings set: their places and their values, which are written by their kinds.
pub fn filled(facts: &[Facts], values: &[(&str, Vec<String>)]) -> String {
    let mut text = String::new();
    HEAD.split("\n\n").enumerate().for_each(|(n, paragraph)| {
        if n > 0 {
            text.push_str("#\n");
        }
        comment(&mut text, paragraph);
    });
    for (section, about) in SECTIONS {
        text.push('\n');
        comment(&mut text, about);
        let _ = writeln!(text, "[{section}]");
        for facts in facts.iter().filter(|facts| facts.setting.section() == *section) {
            text.push('\n');
            let value = values.iter().find(|(path, _)| *path == facts.setting.path).map(|(_, value)| value.as_slice());
            setting(&mut text, facts, value);
        }
    }
    text.push('\n');
    comment(
        &mut text,
        "Keys of the dashboard: an action, and the key or the keys that stand for it instead of its own; [] takes its keys away, and the palette \
         still finds it. A key is one character (\"Y\" is not \"y\"), Ctrl-x, F1 to F12, or one of Enter, Esc, Tab, Shift-Tab, Space, \
         Backspace, Del, Up, Down, Left, Right, PgUp, PgDn, Home and End. A key that is given here is taken from whatever else had it on the \
         same screen.",
    );
    text.push_str("[keys]\n");
    for info in ACTIONS {
        comment(&mut text, info.help);
        let keys: Vec<String> = info.keys.iter().map(|key| literal(&key.name(true))).collect();
        let _ = writeln!(text, "#{} = [{}]", info.id, keys.join(", "));
    }
    text
}

fn setting(text: &mut String, facts: &Facts, value: Option<&[String]>) {
    comment(text, &facts.help);
    for (name, help) in facts.choices.iter().filter(|(_, help)| !help.is_empty()) {
        comment(text, &format!("  {name}: {help}"));
    }
    if !facts.choices.is_empty() && facts.choices.iter().all(|(_, help)| help.is_empty()) {
        let names: Vec<&str> = facts.choices.iter().map(|(name, _)| name.as_str()).collect();
        comment(text, &format!("One of {}.", names.join(", ")));
    }
    let setting = facts.setting;
    comment(text, &format!("{}, {}", facts.option, setting.env));
    let _ = match value {
        Some(value) => writeln!(text, "{} = {}", setting.key(), written(setting.kind, value)),
        None => writeln!(text, "#{} = {}", setting.key(), toml(facts)),
    };
}

/// The default as TOML, else the example.
pub(super) fn toml(facts: &Facts) -> String {
    match facts.default.as_slice() {
        [] => facts.setting.example.to_owned(),
        values => written(facts.setting.kind, values),
    }
}

/// Values as TOML.
fn written(kind: Kind, values: &[String]) -> String {
    match (kind, values) {
        (Kind::List, values) => {
            let values: Vec<String> = values.iter().map(|value| literal(value)).collect();
            format!("[{}]", values.join(", "))
        }
        (Kind::Text, [value, ..]) => literal(value),
        (Kind::Bool | Kind::Integer | Kind::Number | Kind::Amount, [value, ..]) => value.clone(),
        (_, []) => String::new(),
    }
}

/// A TOML text. JSON's escapes are TOML's.
fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Wraps at words; one that begins with spaces stays indented.
fn comment(text: &mut String, paragraph: &str) {
    for line in paragraph.lines().filter(|line| !line.trim().is_empty()) {
        let indent = &line[..line.len() - line.trim_start().len()];
        let mut width = WIDTH + 1;
        for word in line.split_whitespace() {
            let wide = word.chars().count() + 1;
            if width + wide > WIDTH {
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push('\n');
                }
                text.push('#');
                text.push_str(indent);
                width = 1 + indent.len();
            }
            text.push(' ');
            text.push_str(word);
            width += wide;
        }
        text.push('\n');
    }
}
