//! The command line together with what is set below it: variables, `.env`, the configuration file.

use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::{ArgMatches, Command, CommandFactory, FromArgMatches, error::ErrorKind, parser::ValueSource};
use directories::{BaseDirs, ProjectDirs};

use super::{
    Cli, Exit,
    environment::{CONFIG, Environment, OTHERS, SECRETS},
    order::tell_line,
};
use crate::{
    config::{Binding, Facts, File, Layers, Origin, Problem, SETTINGS, Value, applies, documented},
    primitives::clean,
};

/// What `--config` and the variable say where no file is wanted.
const NONE: &str = "none";

/// More is no configuration.
const MOST_BYTES: u64 = 1 << 20;

/// What the file says that is no option, for those who show a dashboard.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// To be told on the screen: what stands on standard error is covered by it.
    pub notices: Vec<String>,
    /// There is a file, and nothing of it is used.
    pub is_broken: bool,
    pub bindings: Vec<Binding>,
}

/// Which file it is, and who says so.
#[derive(Clone, Debug)]
pub struct Place {
    pub path: PathBuf,
    /// Somebody named it, so it must be there.
    pub is_named: bool,
}

/// Everything below the command line.
pub struct Sources {
    pub facts: Vec<Facts>,
    /// `None`: no file is wanted, or this user has no home.
    pub place: Option<Place>,
    /// `None`: there is none.
    pub file: Option<File>,
    pub environment: Environment,
    pub layers: Layers,
}

impl Sources {
    /// `config`: what `--config` says.
    ///
    /// # Errors
    /// Bad input where a file that somebody named is not there.
    pub fn read(config: Option<&Path>) -> anyhow::Result<Self> {
        let tree = documented(Cli::command());
        let facts = Facts::all(&tree);
        let environment = environment();
        let place = place(config, &environment);
        let file = place.as_ref().map(|place| open(place, &facts)).transpose()?.flatten();
        let home = BaseDirs::new().map(|dirs| dirs.home_dir().to_owned());
        let variable = |name: &'static str, source| environment.variable(name, source);
        let layers = Layers::new(&facts, file.as_ref(), &variable, home.as_deref());
        Ok(Self { facts, place, file, environment, layers })
    }

    /// `FILE:3:5: what`, for every problem of the file.
    pub fn problems(&self) -> Vec<String> {
        let path = self.place.as_ref().map(|place| place.path.display().to_string()).unwrap_or_default();
        let problems = self.file.iter().flat_map(|file| &file.problems);
        problems.map(|problem| clean(&format!("{path}:{problem}"))).collect()
    }

    fn has_secret(&self) -> bool {
        self.file.iter().flat_map(|file| &file.problems).any(|problem| problem.is_secret)
    }

    /// Variables that are nearly one of ours: somebody thinks that they do something.
    fn slips(&self) -> Vec<String> {
        const PREFIX: &str = "SOMASCOPE_";
        let known: BTreeSet<&str> = SETTINGS.iter().map(|setting| setting.env).chain(SECRETS).chain(OTHERS).collect();
        let process: Vec<String> = env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
        let named = process.iter().map(String::as_str).chain(self.environment.names());
        let unknown: BTreeSet<&str> = named.filter(|name| name.starts_with(PREFIX) && !known.contains(name)).collect();
        let told = unknown.into_iter().filter_map(|name| {
            let near = known.iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
            let (_, meant) = near.filter(|(edits, _)| *edits <= 2).min()?;
            Some(format!("the variable {name} means nothing here; did you mean {meant}?"))
        });
        told.collect()
    }

    /// Parses a command line (with the program's name) over these layers.
    ///
    /// # Errors
    /// Those of clap: help and version among them.
    pub fn matches(&self, args: &[OsString], top: &str) -> Result<ArgMatches, clap::Error> {
        self.matches_of(&|| documented(Cli::command()), args, top)
    }

    /// The same for who only wants to see what would hold: what a command cannot do without may be missing.
    ///
    /// # Errors
    /// Those of clap: help and version among them.
    pub fn matches_to_show(&self, args: &[OsString], top: &str) -> Result<ArgMatches, clap::Error> {
        fn nothing_required(command: Command) -> Command {
            command.mut_args(|arg| arg.required(false)).mut_subcommands(nothing_required)
        }
        self.matches_of(&|| nothing_required(documented(Cli::command())), args, top)
    }

    fn matches_of(&self, tree: &dyn Fn() -> Command, args: &[OsString], top: &str) -> Result<ArgMatches, clap::Error> {
        let matches = self.layers.inject(tree(), top).try_get_matches_from(args)?;
        // Who points at another network on the command line does not mean the services of the one in the file.
        let mut layers = self.layers.clone();
        let is_subject = |path| SETTINGS.iter().any(|other| other.about.contains(&path));
        for subject in SETTINGS.iter().filter(|setting| is_subject(setting.path)) {
            if let Some(values) = given(&matches, top, subject.arg, subject.path) {
                layers = layers.with_option(subject.path, values);
            }
        }
        layers.inject(tree(), top).try_get_matches_from(args)
    }

    /// What holds for a setting: of a command line if `matches` has it, else of the layers below.
    pub fn value(&self, facts: &Facts, matches: Option<(&ArgMatches, &str)>) -> Option<Value> {
        let setting = facts.setting;
        let below = || {
            let default = || Value { values: facts.default.clone(), origin: Origin::Default };
            Some(self.layers.get(setting.path).cloned().unwrap_or_else(default))
        };
        let Some((matches, top)) = matches else { return below() };
        if !applies(setting, top, setting.arg) {
            return None;
        }
        let leaf = leaf(matches);
        // Neither given nor set, or no option of this very command.
        if leaf.try_get_raw(setting.arg).is_err() {
            return None;
        }
        let values = leaf.get_raw(setting.arg).into_iter().flatten();
        let values: Vec<String> = values.map(|value| value.to_string_lossy().into_owned()).collect();
        if given(matches, top, setting.arg, setting.path).is_some() {
            return Some(Value { values, origin: Origin::Option });
        }
        let below = self.layers.get(setting.path).filter(|below| below.values == values).cloned();
        Some(below.unwrap_or(Value { values, origin: Origin::Default }))
    }
}

/// The program's command line, parsed, with what is set below it.
///
/// # Errors
/// Bad input where the configuration holds a secret, or is broken and the command would sign by itself, or a variable that counts
/// is not usable. Errors in the command line end the program, as help does.
pub fn parse(args: &[OsString]) -> anyhow::Result<(Cli, Setup)> {
    let tree = documented(Cli::command());
    let line = Line::of(args, &tree);
    let top = line.top.filter(|top| has_settings(&tree, top));
    let plain = match tree.try_get_matches_from(args) {
        // Help shows the program as it is, not as this machine has set it.
        Err(error) if is_help(&error) || top.is_none() => error.exit(),
        plain => plain,
    };
    let Some(top) = top else {
        let matches = plain.unwrap_or_else(|error| error.exit());
        return Ok((Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()), Setup::default()));
    };
    let sources = Sources::read(line.config.as_deref())?;
    let problems = sources.problems();
    if sources.has_secret() {
        problems.iter().for_each(|problem| tell_line(&format!("error: {problem}")));
        return Err(Exit::BadInput.because("a secret in the configuration: nothing was done"));
    }
    let matches = sources.matches(args, &top).unwrap_or_else(|error| error.exit());
    for setting in SETTINGS.iter().filter(|setting| applies(setting, &top, setting.arg)) {
        let is_used = leaf(&matches).try_get_raw(setting.arg).is_ok();
        if let Some(wrong) = sources.layers.wrong(setting.path)
            && is_used
            && given(&matches, &top, setting.arg, setting.path).is_none()
        {
            return Err(Exit::BadInput.because(wrong));
        }
        // A service of another network goes without saying; where somebody's state is does not.
        let is_left_out =
            || sources.layers.get(setting.path).is_some() && leaf(&matches).get_raw(setting.arg).is_none();
        if setting.is_path && !setting.about.is_empty() && is_used && is_left_out() {
            let (path, option) = (setting.path, setting.arg);
            tell_line(&format!(
                "note: {path} is set for another network or wallet than this command's, and is not used; --{option} names it anyway"
            ));
        }
    }
    sources.slips().iter().for_each(|slip| tell_line(&format!("warning: {slip}")));
    let mut setup = Setup::default();
    match &sources.file {
        Some(file) if file.is_broken() => {
            let path = sources.place.as_ref().map(|place| place.path.display().to_string()).unwrap_or_default();
            if signs_by_itself(&matches) {
                problems.iter().for_each(|problem| tell_line(&format!("error: {problem}")));
                return Err(Exit::BadInput.because(format!(
                    "this command signs by itself, and {path} is broken, which may name a network, a wallet or a limit: mend it, or leave \
                     it out with --config {NONE}"
                )));
            }
            problems.iter().for_each(|problem| tell_line(&format!("warning: {problem}")));
            tell_line(&format!("warning: {path} is broken, and nothing of it is used"));
            setup.is_broken = true;
            let line = file.problems.first().map_or(1, |problem| problem.line);
            setup
                .notices
                .push(format!("{path} is broken (line {line}): nothing of it is used; `somascope config check`"));
        }
        Some(file) => setup.bindings.clone_from(&file.bindings),
        None => {}
    }
    Ok((Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()), setup))
}

fn is_help(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    )
}

/// Commands that sign without a person who sees each submission on a screen.
fn signs_by_itself(matches: &ArgMatches) -> bool {
    match matches.subcommand() {
        Some(("submit" | "claim", _)) => true,
        Some(("wallet", wallet)) => matches!(wallet.subcommand_name(), Some("send" | "merge" | "split")),
        Some(("run", run)) => {
            let mut mode = run.get_raw("mode").into_iter().flatten();
            mode.any(|mode| mode == "auto")
        }
        _ => false,
    }
}

/// The values of an option that stands on the command line.
fn given(matches: &ArgMatches, top: &str, arg: &str, path: &str) -> Option<Vec<String>> {
    let setting = SETTINGS.iter().find(|setting| setting.path == path)?;
    let leaf = leaf(matches);
    if !applies(setting, top, arg)
        || leaf.try_get_raw(arg).is_err()
        || leaf.value_source(arg) != Some(ValueSource::CommandLine)
    {
        return None;
    }
    Some(leaf.get_raw(arg)?.map(|value| value.to_string_lossy().into_owned()).collect())
}

/// What was given to the innermost command.
fn leaf(mut matches: &ArgMatches) -> &ArgMatches {
    while let Some((_, inner)) = matches.subcommand() {
        matches = inner;
    }
    matches
}

/// Whether anything can be set of a command.
fn has_settings(tree: &clap::Command, top: &str) -> bool {
    fn any(command: &clap::Command, top: &str) -> bool {
        let of = |arg: &clap::Arg| SETTINGS.iter().any(|setting| applies(setting, top, arg.get_id().as_str()));
        command.get_arguments().any(of) || command.get_subcommands().any(|sub| any(sub, top))
    }
    tree.find_subcommand(top).is_some_and(|command| any(command, top))
}

/// What has to be known of a command line before it can be parsed.
pub struct Line {
    pub config: Option<PathBuf>,
    /// The first name of the command.
    pub top: Option<String>,
}

impl Line {
    /// `args` with the program's name.
    pub fn of(args: &[OsString], tree: &clap::Command) -> Self {
        let mut line = Self { config: None, top: None };
        let mut words = args.iter().skip(1);
        while let Some(word) = words.next() {
            let text = word.to_string_lossy();
            match text.strip_prefix("--config") {
                _ if text == "--" => break,
                Some("") => line.config = words.next().map(PathBuf::from),
                Some(rest) if rest.starts_with('=') => line.config = Some(PathBuf::from(&rest[1..])),
                _ if line.top.is_none() && tree.find_subcommand(&*text).is_some() => line.top = Some(text.into_owned()),
                _ => {}
            }
        }
        line
    }
}

/// A line that names no command, and would do with one.
pub fn without_command(args: &[OsString]) -> Option<Line> {
    let tree = Cli::command();
    let line = Line::of(args, &tree);
    let lacks_it = |error: clap::Error| error.kind() == ErrorKind::MissingSubcommand;
    (args.len() == 1 || tree.try_get_matches_from(args).is_err_and(lacks_it)).then_some(line)
}

/// The variables; where `.env` cannot be used, those of the process, and a word about it.
pub fn environment() -> Environment {
    Environment::read(Path::new(".")).unwrap_or_else(|error| {
        tell_line(&format!("warning: {error}; what else is in .env is left out"));
        Environment::of_process()
    })
}

/// Where the user's file is, if nobody says otherwise.
fn usual() -> Option<PathBuf> {
    ProjectDirs::from("org", "somascope", "somascope").map(|dirs| dirs.config_dir().join("config.toml"))
}

/// The option, then the variable, then the user's own; `none` means none.
pub fn place(config: Option<&Path>, environment: &Environment) -> Option<Place> {
    let variable = || environment.text(CONFIG).map(PathBuf::from);
    match config.map(Path::to_owned).or_else(variable) {
        Some(path) if path.as_os_str() == NONE => None,
        Some(path) => Some(Place { path, is_named: true }),
        None => usual().map(|path| Place { path, is_named: false }),
    }
}

/// `None`: there is none, and nobody has named it.
pub fn open(place: &Place, facts: &[Facts]) -> anyhow::Result<Option<File>> {
    let path = &place.path;
    let problem = |text: String| Problem { line: 1, column: 1, text, is_secret: false };
    let broken = |text: String| File { problems: vec![problem(text)], ..File::default() };
    // A pipe or a device says nothing of its size.
    let read = fs::File::open(path).and_then(|file| {
        let mut bytes = Vec::new();
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map(|_| bytes)
    });
    match read {
        Ok(bytes) if bytes.len() as u64 > MOST_BYTES => {
            Ok(Some(broken(format!("more than {} MiB are no configuration", MOST_BYTES >> 20))))
        }
        Ok(bytes) => Ok(Some(match std::str::from_utf8(&bytes) {
            Ok(text) => File::parse(text, facts),
            Err(wrong) => {
                let line = bytes[..wrong.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
                File {
                    problems: vec![Problem { line, ..problem("this is no UTF-8 text".to_owned()) }],
                    ..File::default()
                }
            }
        })),
        Err(error) if place.is_named => {
            Err(Exit::BadInput.because(format!("the configuration {} cannot be read: {error}", path.display())))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Ok(Some(broken(format!("it cannot be read: {error}")))),
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
