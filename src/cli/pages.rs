//! `somascope man` and `somascope completions`: what systems install beside a program, made of the command tree.

use std::{fs, io, path::PathBuf};

use anyhow::Context;
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man as Page;

use super::{Cli, Exit, files, order::tell_line, output};
use crate::config::documented;

const PROGRAM: &str = "somascope";

/// Print a manual page, or write all of them.
#[derive(Args)]
#[command(after_help = "Examples:\n  somascope man | man -l -                     # the program's page\n  \
    somascope man wallet send | man -l -\n  somascope man --out ~/.local/share/man/man1   # somascope.1, somascope-run.1, …\n\n\
    Exit codes: 0 printed or written; 2 there is no such command, or DIR cannot be written.")]
pub struct Man {
    /// The command that the page is about [default: the program].
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write the pages of the program and of every command into this directory, which is made if it is missing.
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    out: Option<PathBuf>,
}

/// Print what completes somascope's commands and options in a shell.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  somascope completions bash > ~/.local/share/bash-completion/completions/somascope\n  \
    somascope completions zsh > ~/.zfunc/_somascope    # with ~/.zfunc in fpath\n  \
    somascope completions fish > ~/.config/fish/completions/somascope.fish"
)]
pub struct Completions {
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Name and text of a manual page.
type Written = (String, Vec<u8>);

impl Man {
    pub fn run(self) -> anyhow::Result<Exit> {
        let tree = tree();
        if let Some(dir) = self.out {
            fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
            let pages = pages(&tree)?;
            for (name, text) in &pages {
                let path = dir.join(name);
                // For everybody who reads manuals here.
                let written = files::behind(&path).map(|place| files::replace(&place, text, 0o644))?;
                written.with_context(|| format!("cannot write {}", path.display()))?;
            }
            tell_line(&format!("written: {} pages in {}", pages.len(), dir.display()));
            return Ok(Exit::Ok);
        }
        let mut command = &tree;
        for name in &self.command {
            command = command
                .find_subcommand(name)
                .ok_or_else(|| Exit::BadInput.because(format!("there is no command `{}`", self.command.join(" "))))?;
        }
        output::print(&page(command)?.1)?;
        Ok(Exit::Ok)
    }
}

impl Completions {
    pub fn run(self) -> anyhow::Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut documented(Cli::command()), PROGRAM, &mut script);
        output::print(&script)?;
        Ok(Exit::Ok)
    }
}

/// The command tree with the names that pages have.
fn tree() -> Command {
    let mut tree = documented(Cli::command()).disable_help_subcommand(true);
    tree.build();
    tree
}

/// Of a command and of all below it.
fn pages(command: &Command) -> io::Result<Vec<Written>> {
    let mut all = vec![page(command)?];
    for sub in command.get_subcommands() {
        all.extend(pages(sub)?);
    }
    Ok(all)
}

fn page(command: &Command) -> io::Result<Written> {
    let page = Page::new(command.clone()).source(format!("{PROGRAM} {}", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    let after = command.get_after_long_help().or_else(|| command.get_after_help());
    text.extend_from_slice(after_help(&after.map(ToString::to_string).unwrap_or_default()).as_bytes());
    Ok((page.get_filename(), text))
}

/// What stands below the options: a line that ends with a colon is a heading, indented lines stay as they are.
fn after_help(text: &str) -> String {
    let mut roff = String::new();
    let mut is_literal = false;
    for line in text.lines() {
        let literal = line.starts_with(' ');
        if literal != is_literal {
            roff.push_str(if literal { ".nf\n" } else { ".fi\n" });
            is_literal = literal;
        }
        match line.strip_suffix(':') {
            _ if line.trim().is_empty() => roff.push_str(".PP\n"),
            Some(heading) if !literal => roff.push_str(&format!(".SH {}\n", escaped(&heading.to_uppercase()))),
            _ => roff.push_str(&format!("{}\n", escaped(line))),
        }
    }
    if is_literal {
        roff.push_str(".fi\n");
    }
    roff
}

/// A line that roff takes as text.
fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command that does something, with its words.
    fn leaves(command: &Command, words: &str) -> Vec<(String, Command)> {
        let below: Vec<_> =
            command.get_subcommands().flat_map(|sub| leaves(sub, &format!("{words} {}", sub.get_name()))).collect();
        if below.is_empty() { vec![(words.to_owned(), command.clone())] } else { below }
    }

    #[test]
    fn every_command_has_an_example_of_itself_in_its_help() {
        for (words, command) in leaves(&tree(), PROGRAM) {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let (_, examples) = after.split_once("Examples:\n").unwrap_or_else(|| panic!("{words} has no examples"));
            let own = examples.lines().take_while(|line| line.starts_with("  "));
            assert!(own.into_iter().any(|line| line.contains(&words)), "{words} has no example of itself: {examples}");
            assert!(command.get_about().is_some_and(|about| !about.to_string().is_empty()), "{words} says nothing");
        }
    }

    #[test]
    fn every_option_is_in_the_manual_and_the_manual_is_the_same_each_time() {
        fn check(command: &Command, pages: &[Written]) {
            let (name, text) = page(command).expect("memory takes everything");
            let text = String::from_utf8(text).expect("UTF-8");
            assert!(pages.contains(&(name.clone(), text.clone().into_bytes())), "{name}");
            for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
                let Some(long) = arg.get_long() else { continue };
                let escaped = format!("\\-\\-{}", long.replace('-', "\\-"));
                assert!(text.contains(&escaped), "{name} has no --{long}");
            }
            for sub in command.get_subcommands() {
                check(sub, pages);
            }
        }
        let pages = pages(&tree()).expect("memory takes everything");
        check(&tree(), &pages);
        let names: std::collections::BTreeSet<_> = pages.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), pages.len(), "a file each");
        assert!(names.contains(&"somascope.1".to_owned()) && names.contains(&"somascope-wallet-send.1".to_owned()));
        // Nothing of this machine: neither a date nor a path.
        assert_eq!(pages, super::pages(&tree()).expect("memory takes everything"));
    }

    #[test]
    fn examples_keep_their_lines_in_the_manual() {
        let text = after_help("Examples:\n  a --b\n  .c\n\nExit codes: 0.\n'x\n");
        assert_eq!(text, ".SH EXAMPLES\n.nf\n  a \\-\\-b\n  .c\n.fi\n.PP\nExit codes: 0.\n\\&'x\n");
    }

    #[test]
    fn every_shell_completes_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut documented(Cli::command()), PROGRAM, &mut script);
            let script = String::from_utf8(script).expect("UTF-8");
            for word in ["demo", "wallet", "completions", "max-epoch-bond"] {
                assert!(script.contains(word), "{shell} has no {word}");
            }
        }
    }
}
