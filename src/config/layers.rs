//! Which layer decides a setting: option, variable of the process, variable of `.env`, file, default.

use std::{
    collections::BTreeMap,
    path::{MAIN_SEPARATOR_STR, Path},
};

use clap::Command;
use toml_edit::Document;

use super::{Facts, File, Kind, SETTINGS, Setting, facts::each};

/// Where a value comes from, the strongest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    Default,
    File {
        line: usize,
    },
    Variable {
        name: &'static str,
        source: Variable,
    },
    /// Given on the command line.
    Option,
}

/// Where a variable is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variable {
    DotEnv,
    Process,
}

impl Origin {
    fn strength(self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File { .. } => 1,
            Self::Variable { source: Variable::DotEnv, .. } => 2,
            Self::Variable { source: Variable::Process, .. } => 3,
            Self::Option => 4,
        }
    }
}

/// What a layer says of a setting, as the option would be given, once for each value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    pub values: Vec<String>,
    pub origin: Origin,
}

/// What is set below the command line.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// By the path of the setting; the strongest first.
    values: BTreeMap<&'static str, Vec<Value>>,
    /// Variables that the option would not take.
    wrong: BTreeMap<&'static str, String>,
    /// What holds where no layer says anything.
    defaults: BTreeMap<&'static str, Vec<String>>,
}

impl Layers {
    /// `variable`: what a variable holds, and whose it is. `home`: for `~/`.
    pub fn new(
        facts: &[Facts],
        file: Option<&File>,
        variable: &dyn Fn(&'static str, Variable) -> Option<String>,
        home: Option<&Path>,
    ) -> Self {
        let mut layers = Self::default();
        for facts in facts {
            let setting = facts.setting;
            layers.defaults.insert(setting.path, facts.default.clone());
            let at_home = |values: Vec<String>| -> Vec<String> {
                match home {
                    Some(home) if setting.is_path => values.iter().map(|value| expanded(value, home)).collect(),
                    _ => values,
                }
            };
            let mut found = Vec::new();
            for source in [Variable::Process, Variable::DotEnv] {
                let Some(text) = variable(setting.env, source) else { continue };
                let values = listed(setting, &text).and_then(|values| facts.check(&values).map(|()| values));
                match values {
                    Ok(values) => {
                        let origin = Origin::Variable { name: setting.env, source };
                        found.push(Value { values: at_home(values), origin });
                    }
                    Err(wrong) => {
                        layers.wrong.entry(setting.path).or_insert_with(|| format!("{}: {wrong}", setting.env));
                    }
                }
            }
            // A file with problems is not used at all.
            let sound = file.filter(|file| !file.is_broken());
            let entry = sound.and_then(|file| file.entries.iter().find(|entry| entry.setting.path == setting.path));
            found.extend(entry.map(|entry| Value {
                values: at_home(entry.values.clone()),
                origin: Origin::File { line: entry.line },
            }));
            if !found.is_empty() {
                layers.values.insert(setting.path, found);
            }
        }
        for setting in SETTINGS {
            for subject in setting.about {
                if let Some(decided) = layers.get(subject).cloned() {
                    layers.drop_weaker(setting, subject, &decided);
                }
            }
        }
        layers
    }

    /// The same where the command line says what `path` is: what weaker layers say about another subject is left out.
    #[must_use]
    pub fn with_option(&self, path: &'static str, values: Vec<String>) -> Self {
        let mut layers = self.clone();
        let decided = Value { values, origin: Origin::Option };
        for setting in SETTINGS.iter().filter(|setting| setting.about.contains(&path)) {
            layers.drop_weaker(setting, path, &decided);
        }
        layers
    }

    /// Leaves what a layer says about a subject only where that layer, or a weaker one, means the subject that was decided on.
    fn drop_weaker(&mut self, setting: &Setting, subject: &'static str, decided: &Value) {
        let subjects = self.values.get(subject).cloned().unwrap_or_default();
        let default = self.defaults.get(subject);
        let Some(found) = self.values.get_mut(setting.path) else { return };
        found.retain(|value| {
            let strength = value.origin.strength();
            let meant = subjects.iter().find(|subject| subject.origin.strength() <= strength);
            let meant = meant.map(|meant| &meant.values).or(default);
            decided.origin.strength() <= strength || meant == Some(&decided.values)
        });
        if found.is_empty() {
            self.values.remove(setting.path);
        }
    }

    /// What the strongest layer says.
    pub fn get(&self, path: &str) -> Option<&Value> {
        self.values.get(path).and_then(|found| found.first())
    }

    /// What is wrong with the variable of a setting.
    pub fn wrong(&self, path: &str) -> Option<&str> {
        self.wrong.get(path).map(String::as_str)
    }

    /// The command tree as the layers want it: what they say are the defaults of the options of `top`.
    pub fn inject(&self, root: Command, top: &str) -> Command {
        root.mut_subcommand(top, |command| {
            each(command, top, &|arg, setting| match self.get(setting.path) {
                Some(value) => arg.required(false).default_values(value.values.clone()),
                None => arg,
            })
        })
    }
}

/// The values of a variable: one, or for a list a TOML array.
fn listed(setting: &Setting, text: &str) -> Result<Vec<String>, String> {
    let text = text.trim();
    let is_array = |rest: &str| rest.trim_start().starts_with(['"', '\'', ']']);
    if setting.kind != Kind::List || !text.strip_prefix('[').is_some_and(is_array) {
        return Ok(vec![text.to_owned()]);
    }
    // Not repeated: it may be anything.
    let wrong = || "it begins like a list, and a list of several is written [\"a\", \"b\"]".to_owned();
    let document = Document::parse(format!("list = {text}")).map_err(|_| wrong())?;
    let list = document.as_table().get("list").and_then(|item| item.as_array()).ok_or_else(wrong)?;
    list.iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
}

/// `~/` at the start, or behind a word and a colon (`jsonl:~/texts`).
fn expanded(value: &str, home: &Path) -> String {
    let (kind, path) = match value.split_once(':') {
        Some((kind, path)) if kind.bytes().all(|byte| byte.is_ascii_alphanumeric()) => (Some(kind), path),
        _ => (None, value),
    };
    let Some(rest) = path.strip_prefix("~/") else { return value.to_owned() };
    let path = format!("{}{MAIN_SEPARATOR_STR}{rest}", home.display());
    match kind {
        Some(kind) => format!("{kind}:{path}"),
        None => path,
    }
}
