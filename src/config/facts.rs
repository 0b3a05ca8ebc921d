//! What the command tree knows of a setting: meaning, default, which values it takes.

use std::error::Error as _;

use clap::{
    Arg, ArgAction, Command,
    builder::{PossibleValue, ValueParser},
    error::{ContextKind, ContextValue, ErrorKind},
};
use url::Url;

use super::{Kind, SETTINGS, Setting, applies, file::looks_secret};
use crate::primitives::{address_shown, without_paths};

/// A setting with what its option says of it.
#[derive(Clone, Debug)]
pub struct Facts {
    pub setting: &'static Setting,
    /// `--window`.
    pub option: String,
    /// What a value is called in the help: `KIB`.
    pub value_name: Option<String>,
    /// The option's help, without the name of the variable.
    pub help: String,
    /// As on a command line; empty: none.
    pub default: Vec<String>,
    /// Values that it takes, where they can be counted, each with its help.
    pub choices: Vec<(String, String)>,
    parser: ValueParser,
}

impl Facts {
    /// Of every setting, in the table's order. A setting whose option is gone is left out; a test holds that there is none.
    pub fn all(root: &Command) -> Vec<Self> {
        SETTINGS.iter().filter_map(|setting| find(root, setting).map(|arg| Self::new(setting, arg))).collect()
    }

    fn new(setting: &'static Setting, arg: &Arg) -> Self {
        let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
        let named = |value: &PossibleValue| {
            let help = value.get_help().map(ToString::to_string).unwrap_or_default();
            (value.get_name().to_owned(), help)
        };
        let default: Vec<String> =
            arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
        Self {
            setting,
            option: arg.get_long().map(|long| format!("--{long}")).unwrap_or_default(),
            value_name: arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string),
            help: help.replace(&mention(setting), ""),
            default: match setting.kind {
                Kind::Bool if default.is_empty() => vec!["false".to_owned()],
                _ => default,
            },
            choices: match setting.kind {
                Kind::Bool => Vec::new(),
                _ => arg.get_possible_values().iter().filter(|value| !value.is_hide_set()).map(named).collect(),
            },
            parser: match setting.kind {
                Kind::Bool => ValueParser::bool(),
                _ => arg.get_value_parser().clone(),
            },
        }
    }

    /// Whether the option would take these values, else what it would say, without repeating its usage.
    ///
    /// # Errors
    /// What is wrong, for a person, to be read behind the value's name.
    pub fn check(&self, values: &[String]) -> Result<(), String> {
        // An argument of its own: the real one has relations to others, which are not here.
        let arg = Arg::new("value")
            .long("value")
            .action(ArgAction::Append)
            .allow_hyphen_values(true)
            .value_parser(self.parser.clone());
        let line = values.iter().map(|value| format!("--value={value}"));
        let command = Command::new("check").no_binary_name(true).disable_help_flag(true).arg(arg);
        let Err(error) = command.try_get_matches_from(line) else { return Ok(()) };
        let text = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => Some(text.clone()),
            Some(ContextValue::Strings(texts)) => texts.first().cloned(),
            _ => None,
        };
        let value = text(ContextKind::InvalidValue).unwrap_or_default();
        if looks_secret(&value) {
            return Err(format!("what is given looks like a secret, and {} is expected", self.expected()));
        }
        let given = value;
        let value = shortened(&self.shown(&given));
        let choices: Vec<&str> = self.choices.iter().map(|(name, _)| name.as_str()).collect();
        Err(match (error.kind(), error.source()) {
            (ErrorKind::InvalidValue, _) if !choices.is_empty() => {
                let meant = super::file::nearest(&value, choices.iter().copied());
                let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
                format!("`{value}` is none of {}{meant}", choices.join(", "))
            }
            // It may repeat the value.
            (_, Some(cause)) => {
                let cause = cause.to_string();
                let repeats = self.setting.is_address() && !given.is_empty();
                let cause = if repeats { cause.replace(&given, &value) } else { cause };
                let cause = without_paths(&cause);
                format!("`{value}` will not do: {}", cause.trim_end_matches('.'))
            }
            _ => format!("`{value}` will not do: {} is expected", self.expected()),
        })
    }

    /// A value as it may be printed: of addresses, no more than their host where there may be a key in them.
    pub fn shown(&self, value: &str) -> String {
        let (is_address, host) = match value.split_once("://") {
            Some((_, rest)) => (true, rest.split('/').next().unwrap_or_default()),
            None => (self.setting.is_address(), value),
        };
        match Url::parse(value) {
            _ if looks_secret(value) => "(hidden: it looks like a secret)".to_owned(),
            _ if is_address && host.contains('@') => "(hidden: a URL with a password)".to_owned(),
            Ok(url) if is_address && value.contains("://") && is_plain(&url) => value.to_owned(),
            _ if is_address => address_shown(value),
            _ => without_paths(value),
        }
    }

    /// What belongs there, in words.
    pub fn expected(&self) -> String {
        match self.setting.kind {
            Kind::Bool => "true or false".to_owned(),
            Kind::Integer => "a whole number".to_owned(),
            Kind::Number => "a number".to_owned(),
            Kind::Amount => "an amount in SOMA (a number, or text such as \"250000sh\")".to_owned(),
            Kind::List => "a list of texts, such as [\"a\", \"b\"]".to_owned(),
            Kind::Text if self.choices.is_empty() => "a text in quotes".to_owned(),
            Kind::Text => {
                let choices: Vec<String> = self.choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
                format!("one of {}", choices.join(", "))
            }
        }
    }
}

/// Whether there is no place in it for a key: keys in paths are long.
fn is_plain(url: &Url) -> bool {
    const KEY: usize = 20;
    let no_user = url.username().is_empty() && url.password().is_none();
    let no_query = url.query().is_none() && url.fragment().is_none();
    no_user && no_query && url.path().split('/').all(|part| part.len() < KEY)
}

/// A value in an error: somebody may have put anything there.
fn shortened(value: &str) -> String {
    const MOST: usize = 40;
    let mut short: String = value.chars().take(MOST).collect();
    if short.len() < value.len() {
        short.push('…');
    }
    short
}

/// The option of a setting: of the first command that has it.
fn find<'a>(root: &'a Command, setting: &Setting) -> Option<&'a Arg> {
    fn below<'a>(command: &'a Command, top: &str, setting: &Setting) -> Option<&'a Arg> {
        let own = command.get_arguments().find(|arg| applies(setting, top, arg.get_id().as_str()));
        own.or_else(|| command.get_subcommands().find_map(|sub| below(sub, top, setting)))
    }
    // In the order in which the setting names its commands.
    let named = setting.commands.iter().filter_map(|name| root.find_subcommand(name));
    let any = root.get_subcommands().filter(|_| setting.commands.is_empty());
    named.chain(any).find_map(|command| below(command, command.get_name(), setting))
}

fn mention(setting: &Setting) -> String {
    format!(" [env: {}]", setting.env)
}

/// The command tree with its variables in the help, and with switches that can be switched off: `--ascii=false`.
pub fn documented(root: Command) -> Command {
    root.mut_subcommands(|command| {
        let top = command.get_name().to_owned();
        each(command, &top, &|arg, setting| {
            let arg = match setting.kind {
                Kind::Bool => arg
                    .action(ArgAction::Set)
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_value("false")
                    .default_missing_value("true")
                    .value_parser(ValueParser::bool())
                    .value_name("true|false")
                    .hide_possible_values(true)
                    .hide_default_value(true),
                _ => arg,
            };
            let with = |help: &dyn ToString| {
                let help = help.to_string();
                let mention = mention(setting);
                // Defaults that are told in words stay last, as those are that clap adds.
                match help.rfind(" [default: ") {
                    Some(at) => format!("{}{mention}{}", &help[..at], &help[at..]),
                    None => help + &mention,
                }
            };
            let (help, long) = (arg.get_help().map(|help| with(help)), arg.get_long_help().map(|help| with(help)));
            let arg = if let Some(help) = help { arg.help(help) } else { arg };
            if let Some(long) = long { arg.long_help(long) } else { arg }
        })
    })
}

/// Changes every option of `command` and of what is below it that a setting is for.
pub(super) fn each(command: Command, top: &str, change: &dyn Fn(Arg, &'static Setting) -> Arg) -> Command {
    let command = command.mut_args(|arg| {
        let setting = SETTINGS.iter().find(|setting| applies(setting, top, arg.get_id().as_str()));
        match setting {
            Some(setting) => change(arg, setting),
            None => arg,
        }
    });
    command.mut_subcommands(|sub| each(sub, top, change))
}
