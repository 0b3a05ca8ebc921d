//! `somascope config`: the configuration file, and what holds for each setting.

use std::{
    ffi::OsString,
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Args, CommandFactory, Subcommand};
use serde::Serialize;
use serde_json::Value as Json;

use super::{
    Cli, Exit,
    environment::{CONFIG, OTHERS, SECRETS},
    files,
    order::tell_line,
    output::{self, OutputArgs},
    settings::{self, Line, Place, Sources},
};
use crate::config::{Facts, File, Kind, Origin, SETTINGS, Value, Variable, documented, schema, template};

/// The configuration file: write one, check one, and see what holds and why.
///
/// Every setting is an option, an environment variable (of the process, then of `.env` in the working directory) and a line of the file, in
/// this order: the first that says something wins, and else the default. The file is config.toml in the user's configuration directory;
/// --config FILE or SOMASCOPE_CONFIG names another one, and `none` none at all.
///
/// A file with any mistake in it is told and not used at all, and never written to. Commands that look, `demo`, `serve` and a `run` in which
/// you approve go on without it; those that sign by themselves refuse, because it may hold a network, a wallet or a limit. A file with a
/// secret is refused by every command that reads settings: secrets belong into `.env` or the environment.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  somascope config init                        # a commented file with everything that can be set\n  \
    somascope config show                        # each value, and where it comes from\n  \
    somascope config show run --mode auto        # what this command line would run with\n  \
    somascope config check ~/new.toml\n  $EDITOR \"$(somascope config path)\""
)]
pub struct Config {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Init(Init),
    Show(Show),
    Check(Check),
    Schema(Schema),
    Path(PathOf),
}

/// Write a commented file with every setting at its default. Never overwrites one.
#[derive(Args)]
#[command(after_help = "Examples:\n  somascope config init\n  somascope config init --config ./somascope.toml\n\n\
    Exit codes: 0 written; 2 there is a file already, or it cannot be written.")]
struct Init {}

/// Show what holds for each setting, and where it comes from: default, file, variable or option.
///
/// Of secrets it says whether they are set, and where; never what they are.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  somascope config show\n  somascope config show --json | jq 'select(.origin != \"default\")'\n  \
    somascope config show run --pieces whole\n\n\
    JSON, an object a line: setting, value (text, or a list), origin (default, file, .env, environment, option), file, line, variable, \
    option. Of secrets: secret, set, origin, variable.\n\n\
    Exit codes: 0 shown; 2 the file is broken: what holds without it is shown."
)]
struct Show {
    #[command(flatten)]
    output: OutputArgs,
    /// A command line of somascope: show what it would use.
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    line: Vec<OsString>,
}

/// Say what is wrong with a file.
#[derive(Args)]
#[command(after_help = "Examples:\n  somascope config check\n  somascope config check ~/new.toml --json\n\n\
    JSON: file, ok, settings (how many it sets), problems (line, column, text).\n\n\
    Exit codes: 0 nothing; 2 something, or there is no file.")]
struct Check {
    /// The file [default: the one that is used].
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Print the file's JSON schema, for editors that check and complete TOML.
#[derive(Args)]
#[command(after_help = "Examples:\n  somascope config schema > somascope.schema.json")]
struct Schema {}

/// Print where the file is, or would be.
#[derive(Args)]
#[command(after_help = "Examples:\n  somascope config path\n  cat \"$(somascope config path)\"\n\n\
    Exit codes: 0 printed; 2 no file is wanted (`none`).")]
struct PathOf {}

/// A setting and what holds for it. Field names are a contract: scripts read them.
#[derive(Serialize)]
struct Shown {
    setting: &'static str,
    value: Json,
    origin: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    variable: &'static str,
    option: String,
}

/// A secret: never more than this.
#[derive(Serialize)]
struct Secret {
    secret: &'static str,
    set: bool,
    origin: Option<&'static str>,
    variable: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Row {
    Setting(Shown),
    Secret(Secret),
}

#[derive(Serialize)]
struct Checked {
    file: String,
    ok: bool,
    settings: usize,
    problems: Vec<Wrong>,
}

#[derive(Serialize)]
struct Wrong {
    line: usize,
    column: usize,
    text: String,
}

impl Config {
    /// `config`: what `--config` says.
    pub fn run(self, config: Option<&Path>) -> anyhow::Result<Exit> {
        match self.command {
            Command::Init(_) => init(config),
            Command::Show(show) => show.run(config),
            Command::Check(check) => check.run(config),
            Command::Schema(_) => print(&format!("{:#}\n", schema(&facts()))),
            Command::Path(_) => print(&format!("{}\n", wanted(config)?.path.display())),
        }
    }
}

fn facts() -> Vec<Facts> {
    Facts::all(&documented(Cli::command()))
}

fn print(text: &str) -> anyhow::Result<Exit> {
    output::print(text.as_bytes()).map(|()| Exit::Ok)
}

/// The file, there or not.
fn wanted(config: Option<&Path>) -> anyhow::Result<Place> {
    settings::place(config, &settings::environment()).ok_or_else(|| {
        Exit::BadInput.because("no file is wanted: --config or SOMASCOPE_CONFIG says so, or there is no home")
    })
}

fn init(config: Option<&Path>) -> anyhow::Result<Exit> {
    let path = wanted(config)?.path;
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(parent);
        made.with_context(|| format!("cannot create {}", parent.display()))?;
    }
    match files::create(&path, template(&facts()).as_bytes(), 0o600) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(Exit::BadInput.because(format!("{} is there already, and is left as it is", path.display())));
        }
        made => made.with_context(|| format!("cannot write {}", path.display()))?,
    }
    tell_line(&format!("written: {} ({} settings, all at their defaults)", path.display(), SETTINGS.len()));
    Ok(Exit::Ok)
}

impl Show {
    fn run(self, config: Option<&Path>) -> anyhow::Result<Exit> {
        let tree = documented(Cli::command());
        let args: Vec<OsString> = std::iter::once("somascope".into()).chain(self.line).collect();
        let line = Line::of(&args, &tree);
        let sources = Sources::read(line.config.as_deref().or(config))?;
        let problems = sources.problems();
        problems.iter().for_each(|problem| tell_line(&format!("error: {problem}")));
        let matches = match &line.top {
            None if args.len() > 1 => {
                return Err(Exit::BadInput.because("no command of somascope: `somascope config show run --mode auto`"));
            }
            None => None,
            Some(top) => Some((sources.matches_to_show(&args, top).unwrap_or_else(|error| error.exit()), top.as_str())),
        };
        let mut rows = Vec::new();
        for facts in &sources.facts {
            let matches = matches.as_ref().map(|(matches, top)| (matches, *top));
            if let Some(value) = sources.value(facts, matches) {
                rows.push(Row::Setting(shown(facts, &value, sources.place.as_ref())));
            }
            if let Some(wrong) = sources.layers.wrong(facts.setting.path) {
                tell_line(&format!("error: {wrong}"));
            }
        }
        if matches.is_none() {
            rows.extend(SECRETS.into_iter().chain(OTHERS).filter(|name| *name != CONFIG).map(|name| {
                let set = sources.environment.has(name);
                let process = sources.environment.variable(name, Variable::Process).is_some();
                let origin = set.then_some(if process { "environment" } else { ".env" });
                Row::Secret(Secret { secret: name, set, origin, variable: name })
            }));
        }
        self.output.open().list(&rows, &["SETTING", "VALUE", "FROM"], Row::cells).context("standard output")?;
        let is_sound =
            problems.is_empty() && SETTINGS.iter().all(|setting| sources.layers.wrong(setting.path).is_none());
        Ok(if is_sound { Exit::Ok } else { Exit::BadInput })
    }
}

fn shown(facts: &Facts, value: &Value, place: Option<&Place>) -> Shown {
    let text = |value: &String| Json::from(facts.shown(value));
    let json = match (facts.setting.kind, value.values.as_slice()) {
        (_, []) => Json::Null,
        (Kind::List, values) => values.iter().map(text).collect(),
        (_, [value, ..]) => text(value),
    };
    let (origin, file, line) = match value.origin {
        Origin::Default => ("default", None, None),
        Origin::File { line } => ("file", place.map(|place| place.path.display().to_string()), Some(line)),
        Origin::Variable { source: Variable::DotEnv, .. } => (".env", None, None),
        Origin::Variable { source: Variable::Process, .. } => ("environment", None, None),
        Origin::Option => ("option", None, None),
    };
    Shown {
        setting: facts.setting.path,
        value: json,
        origin,
        file,
        line,
        variable: facts.setting.env,
        option: facts.option.clone(),
    }
}

impl Row {
    fn cells(&self) -> Vec<String> {
        match self {
            Self::Setting(shown) => {
                let value = match &shown.value {
                    Json::Null => "-".to_owned(),
                    Json::String(text) => text.clone(),
                    Json::Array(texts) => {
                        texts.iter().filter_map(Json::as_str).map(str::to_owned).collect::<Vec<_>>().join(", ")
                    }
                    other => other.to_string(),
                };
                let from = match (shown.origin, &shown.file, shown.line) {
                    ("file", Some(file), Some(line)) => format!("{file}:{line}"),
                    (".env", ..) => format!(".env: {}", shown.variable),
                    ("environment", ..) => format!("environment: {}", shown.variable),
                    ("option", ..) => shown.option.clone(),
                    _ => "default".to_owned(),
                };
                vec![shown.setting.to_owned(), value, from]
            }
            Self::Secret(secret) => vec![
                secret.secret.to_owned(),
                if secret.set { "(set)" } else { "-" }.to_owned(),
                secret.origin.unwrap_or("not set").to_owned(),
            ],
        }
    }
}

impl Check {
    fn run(self, config: Option<&Path>) -> anyhow::Result<Exit> {
        let place = match self.file {
            Some(path) => Place { path, is_named: true },
            None => Place { is_named: true, ..wanted(config)? },
        };
        let file = settings::open(&place, &facts())?.unwrap_or_default();
        let checked = Checked {
            file: place.path.display().to_string(),
            ok: !file.is_broken(),
            settings: file.entries.len() + file.bindings.len(),
            problems: wrongs(&file),
        };
        self.output.open().show(&checked, |page, checked| {
            for wrong in &checked.problems {
                page.line(format!("{}:{}:{}: {}", checked.file, wrong.line, wrong.column, wrong.text));
            }
            if checked.ok {
                page.line(format!("{}: good, {} settings", checked.file, checked.settings));
            }
        })?;
        Ok(if checked.ok { Exit::Ok } else { Exit::BadInput })
    }
}

fn wrongs(file: &File) -> Vec<Wrong> {
    let wrong = |problem: &crate::config::Problem| Wrong {
        line: problem.line,
        column: problem.column,
        text: problem.text.clone(),
    };
    file.problems.iter().map(wrong).collect()
}
