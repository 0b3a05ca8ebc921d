//! How the interface looks and what it costs the line: flags of everything that shows it.

use std::{
    env, fs,
    io::{self, IsTerminal},
    path::Path,
};

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};

use super::Exit;
use crate::{
    app::Look,
    terminal::{Options, TerminalError},
    views::{self, Palette},
};

/// Longer files are no themes.
const THEME_BYTES: u64 = 1 << 20;

#[derive(Args, Clone, Debug)]
pub struct LookArgs {
    /// Draw with ASCII only [default: where the locale is not UTF-8].
    #[arg(long)]
    ascii: bool,
    /// Colours: `terminal` (its own 16), `colour-blind`, `mono`, or a file (docs/themes.md) [default: terminal; mono under NO_COLOR].
    #[arg(long, value_name = "NAME|FILE")]
    theme: Option<String>,
    /// Draw at most two pictures a second, and move charts in steps: for slow lines.
    #[arg(long)]
    low_bandwidth: bool,
    /// Ask the terminal to show large changes at once (mode 2026); off for terminals that stumble over it.
    #[arg(long, value_enum, default_value_t = Sync::On)]
    sync: Sync,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sync {
    On,
    Off,
}

impl LookArgs {
    /// With what the environment says about the terminal.
    ///
    /// # Errors
    /// The theme cannot be read or is not understood.
    pub fn options(&self) -> anyhow::Result<Options> {
        let from_env = Options::from_env(|name| env::var_os(name));
        let palette = match &self.theme {
            Some(theme) => load(theme)?,
            None => Palette::default(),
        };
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let every_colour = set("COLORTERM").is_some_and(|value| value == "truecolor" || value == "24bit");
        let is_remote = set("SSH_CONNECTION").is_some();
        let hint = "over SSH: if the line is slow, --low-bandwidth draws twice a second (and ssh -C helps)";
        Ok(Options {
            look: Look { ascii: self.ascii || from_env.look.ascii, ..from_env.look },
            palette: if every_colour { palette } else { palette.in_256_colours() },
            low_bandwidth: self.low_bandwidth,
            sync: self.sync == Sync::On,
            hint: (is_remote && !self.low_bandwidth).then(|| hint.to_owned()),
            ..from_env
        })
    }
}

/// Whether there is a terminal to show anything on.
/// `instead`: what works without one.
pub fn ensure_terminal(instead: &str) -> anyhow::Result<()> {
    let is_there = io::stdout().is_terminal() && io::stdin().is_terminal();
    if is_there { Ok(()) } else { Err(Exit::BadInput.because(format!("{}; {instead}", TerminalError::NoTerminal))) }
}

fn load(theme: &str) -> anyhow::Result<Palette> {
    if let Some(palette) = views::built_in(theme) {
        return Ok(palette);
    }
    let path = Path::new(theme);
    let is_name = path.extension().is_none() && path.components().count() == 1 && !path.exists();
    if is_name {
        let names = views::BUILT_IN.join(", ");
        return Err(anyhow!("no theme `{theme}`: there are {names}, and files such as ./{theme}.toml"));
    }
    let unread = || format!("cannot read the theme {}", path.display());
    if fs::metadata(path).with_context(unread)?.len() > THEME_BYTES {
        return Err(anyhow!("{} is too large for a theme", path.display()));
    }
    let text = fs::read_to_string(path).with_context(unread)?;
    views::parse_theme(&text).map_err(|error| anyhow!("theme {}: {error}", path.display()))
}
